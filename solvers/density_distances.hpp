#pragma once
/// Distances and divergences between densities on one grid. Densities are cell averages; sums carry the cell volume.
#include <optional>
#include <span>

#include "grids/field.hpp"

namespace wasserflow {

/// p and q are taken as they are (not normalised) except where it says so. Values that are not positive count as 0 in all but l1.
struct DensityDistances {
  double l1 = 0;         ///< int |p - q|
  double hellinger = 0;  ///< sqrt(1/2 int (sqrt p - sqrt q)^2)
  double kl = 0;         ///< int p log(p / q); infinity where q = 0 < p
  /// int p |grad log(p / q)|^2 by the faces between cells, second order (exact differences for Gaussian ratios); where p touches 0, as
  /// 4 int q |grad sqrt(p / q)|^2, which has the same value; infinity where q = 0 < p.
  double fisher = 0;
  /// 1-D: Wasserstein-2 distance of the normalised piecewise constant densities, by their quantile functions, exact to rounding. On the line: a
  /// periodic axis is cut open at its ends. Absent in 2-D and 3-D, and where a density has no mass.
  std::optional<double> w2;
};

/// Of levels `level_p` of p and `level_q` of q, whose layouts are of the same shape, with at least one ghost plane. Exchanges their ghosts. The same
/// bits on any number of ranks.
/// @note Collective.
DensityDistances density_distances(Field& p, Field& q, int level_p = 0, int level_q = 0);

/// Wasserstein-2 distance of piecewise constant densities on the same cells of width h, normalised; nothing where one has no mass.
std::optional<double> quantile_distance(std::span<const double> p, std::span<const double> q, double h);

}  // namespace wasserflow
