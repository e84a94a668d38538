#pragma once
/// Smooth fields from a grid of half as many cells along every axis.
#include <vector>

#include "grids/field.hpp"
#include "grids/plane_window.hpp"

namespace wasserflow {

/// Quadratic interpolation axis by axis between cell centres, third order, also at the border: gradients stay second order, as starts of potentials need. No
/// axis is periodic. Both layouts on the same ranks; slabs need not match. The same bits on any number of ranks.
class QuadraticInterpolation {
 public:
  /// Throws InternalError when `fine` does not halve the cells of `coarse`, or that has fewer than 3 along an axis.
  /// @note Collective.
  QuadraticInterpolation(LayoutPtr coarse, LayoutPtr fine);

  /// Owned points of level 0.
  /// @note Collective.
  void apply(const Field& coarse, Field& fine);

 private:
  LayoutPtr coarse_, fine_;
  PlaneWindow planes_;
  std::vector<double> plane_, rows_;
};

}  // namespace wasserflow
