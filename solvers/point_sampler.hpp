#pragma once
/// Values of distributed fields at scattered points, and what boundaries do to moving points.
#include <array>
#include <vector>

#include "grids/field.hpp"

namespace wasserflow {

using SpacePoint = std::array<double, 3>;

/// Each rank asks the owners of the planes its points lie in.
class PointSampler {
 public:
  /// Between grid points values are multilinear, or those of the nearest one. Beyond the outermost points of axes that are not periodic the value is
  /// that of the nearest point of the box.
  explicit PointSampler(const SlabLayout& layout, bool nearest = false) : layout_(layout), nearest_(nearest) {}

  /// out[c * points.size() + i] = level c of f at point i, c < components. Ghosts of f up to date.
  /// @note Collective.
  void sample(const Field& f, int components, const std::vector<SpacePoint>& points, std::vector<double>& out) const;

 private:
  struct Place {
    int index;        // node below; with nearest_ the node itself
    double fraction;  // towards the next node
  };
  Place locate(int d, double x) const;
  int owner_of(const SpacePoint& x) const;
  void evaluate(const Field& f, int components, const double* x, double* out) const;

  const SlabLayout& layout_;
  bool nearest_;
};

/// Applies the boundary to a moved point: NoFlux reflects it, Dirichlet stops it at the end and returns false, others leave it.
bool keep_inside(const Grid& grid, SpacePoint& x);

}  // namespace wasserflow
