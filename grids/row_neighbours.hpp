#pragma once
/// A row of a level together with its neighbours along every axis, ghosts included: what stencils of any width read.
#include <vector>

#include "grids/slab_layout.hpp"

namespace wasserflow {

/// For every axis d and shift g, |g| <= width, a pointer to the values of u at the row's points moved by g cells along d. Neighbours that exist
/// in memory are not copied; only x ends and the Dirichlet and Extrapolate neighbours of a middle axis go through scratch rows.
class RowNeighbours {
 public:
  /// Throws InternalError when width exceeds the ghost width of the layout, or the cells of an axis that is not periodic.
  RowNeighbours(LayoutPtr layout, int width);

  /// Points at row r of a level (first owned value as Field::level gives it), whose ghost planes are up to date. Valid until the next call
  /// and as long as the values stand.
  void load(const double* level, int r);

  /// u[i] = value at point i of the row moved by g cells along axis d.
  const double* at(int d, int g) const { return at_[static_cast<std::size_t>(d * (2 * width_ + 1) + width_ + g)]; }
  int width() const { return width_; }

 private:
  void load_x(const double* row);
  void load_middle(const double* level, int r);
  const double*& slot(int d, int g) { return at_[static_cast<std::size_t>(d * (2 * width_ + 1) + width_ + g)]; }

  LayoutPtr layout_;
  int width_;
  std::vector<const double*> at_;
  std::vector<double> padded_;  // x row with its ghosts
  std::vector<double> middle_;  // rows beyond the ends of y in 3-D
};

}  // namespace wasserflow
