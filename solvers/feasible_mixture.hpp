#pragma once
/// Upper bounds of convex problems from feasible points that leave the domain of the cost a little, mixed with a feasible point that does not.
#include <functional>
#include <span>
#include <vector>

#include "solvers/preconditioner.hpp"

namespace wasserflow {

/// A path of densities that are positive inside of the horizon: from `first` to the uniform density and on to `last`, or only half of it (`last`
/// null: the end is free). With `least` < 1 costs see densities at nodes, and the share of the uniform density falls to `least` in front of a given
/// end in equal ratios: what has to leave an almost empty cell in the last step then does not cost more than before.
class PositivePath {
 public:
  PositivePath(const Field& first, const Field* last, int steps, double least = 1);
  /// sigma = the density at a node 0 ... steps; owned values.
  void density(int node, double* sigma) const;

 private:
  const Field *first_, *last_;
  int steps_;
  double mean_first_, mean_last_, least_;
};

/// Solves factor sum_d lambda_d u = r for right-hand sides of mean 0, one level at a time, with lambda_d minus the Laplacian of axis d.
/// @note Collective.
SpectralPreconditioner make_poisson(const LayoutPtr& layout, double factor);

/// The least value that a convex function of a share in [0, 1], which may be infinite in parts, was found to take, and where.
struct LeastMixture {
  double value = 0;
  double share = 0;
};
/// `cost` puts the values at all given shares into `values`. Asked for 0, 1, 1/10 ... 1e-9, then between the neighbours of the best one, twice.
LeastMixture least_mixture(const std::function<void(std::span<const double> shares, std::span<double> values)>& cost);

}  // namespace wasserflow
