#include "grids/row_neighbours.hpp"

#include <algorithm>

#include "grids/support/errors.hpp"

namespace wasserflow {

RowNeighbours::RowNeighbours(LayoutPtr layout, int width) : layout_(std::move(layout)), width_(width) {
  const SlabLayout& s = *layout_;
  if (width < 1 || width > s.ghost()) throw InternalError("RowNeighbours: the layout has fewer ghost planes than the stencil reads");
  for (int d = 0; d < s.slow_axis(); ++d)
    if (s.grid().axis(d).boundary != Boundary::Periodic && s.grid().cells(d) < width)
      throw InternalError("RowNeighbours: an axis has fewer cells than the stencil reads");
  at_.resize(static_cast<std::size_t>(s.dim() * (2 * width + 1)));
  const std::size_t n = static_cast<std::size_t>(s.grid().cells(0));
  if (s.dim() > 1) padded_.resize(n + 2 * static_cast<std::size_t>(width));
  if (s.dim() > 2) middle_.resize(n * 2 * static_cast<std::size_t>(width));
}

void RowNeighbours::load(const double* level, int r) {
  const SlabLayout& s = *layout_;
  const double* row = level + static_cast<std::ptrdiff_t>(r) * (s.dim() == 1 ? SlabLayout::row_limit : s.grid().cells(0));
  if (s.dim() > 1) load_x(row);
  if (s.dim() > 2) load_middle(level, r);
  for (int g = -width_; g <= width_; ++g) slot(s.slow_axis(), g) = row + g * s.plane();
}

void RowNeighbours::load_x(const double* row) {
  const int n = layout_->grid().cells(0);
  double* u = padded_.data() + width_;
  std::copy_n(row, n, u);
  const Boundary kind = layout_->grid().axis(0).boundary;
  const int inner = n > 1 ? 1 : 0;
  for (int g = 1; g <= width_; ++g) {
    double &left = u[-g], &right = u[n - 1 + g];
    switch (kind) {
      case Boundary::Periodic: left = row[(n - g % n) % n], right = row[(g - 1) % n]; break;
      case Boundary::NoFlux: left = row[g - 1], right = row[n - g]; break;
      case Boundary::Dirichlet: left = -row[g - 1], right = -row[n - g]; break;
      default: left = row[0] + g * (row[0] - row[inner]), right = row[n - 1] + g * (row[n - 1] - row[n - 1 - inner]);
    }
  }
  for (int g = -width_; g <= width_; ++g) slot(0, g) = u + g;
}

void RowNeighbours::load_middle(const double* level, int r) {
  const int n = layout_->grid().cells(0), ny = layout_->grid().cells(1);
  const int j = r % ny;
  const double* plane = level + static_cast<std::ptrdiff_t>(r / ny) * layout_->plane();
  const Boundary kind = layout_->grid().axis(1).boundary;
  double* scratch = middle_.data();
  for (int g = -width_; g <= width_; ++g) {
    const int to = j + g;
    const auto row = [&](int k) { return plane + static_cast<std::ptrdiff_t>(k) * n; };
    if (to >= 0 && to < ny) {
      slot(1, g) = row(to);
      continue;
    }
    const int beyond = to < 0 ? -to : to - ny + 1;  // cells outside, from 1
    const int edge = to < 0 ? 0 : ny - 1;
    const int mirror = to < 0 ? beyond - 1 : ny - beyond;
    const int inner = ny > 1 ? (to < 0 ? 1 : ny - 2) : 0;
    switch (kind) {
      case Boundary::Periodic: slot(1, g) = row((to % ny + ny) % ny); continue;
      case Boundary::NoFlux: slot(1, g) = row(mirror); continue;
      case Boundary::Dirichlet:
        for (int i = 0; i < n; ++i) scratch[i] = -row(mirror)[i];
        break;
      default:
        for (int i = 0; i < n; ++i) scratch[i] = row(edge)[i] + beyond * (row(edge)[i] - row(inner)[i]);
    }
    slot(1, g) = scratch;
    scratch += n;
  }
}

}  // namespace wasserflow
