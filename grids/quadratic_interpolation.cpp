#include "grids/quadratic_interpolation.hpp"

#include <algorithm>
#include <array>

#include "grids/support/errors.hpp"

namespace wasserflow {
namespace {

/// Three coarse points and their weights for point k of the fine axis.
struct Stencil {
  int first;
  std::array<double, 3> weight;
};

Stencil stencil(int k, int coarse_cells) {
  const int nearest = k / 2, centre = std::min(std::max(nearest, 1), coarse_cells - 2);
  const double s = nearest - centre + (k % 2 == 0 ? -0.25 : 0.25);
  return {centre - 1, {0.5 * s * (s - 1), 1 - s * s, 0.5 * s * (s + 1)}};
}

/// Coarse planes that fine planes [begin, end) read.
PlaneWindow window_of(const SlabLayout& fine, const SlabLayout& coarse) {
  const int n = coarse.slow_cells();
  const int begin = stencil(fine.first(), n).first, end = stencil(fine.first() + fine.count() - 1, n).first + 3;
  return {coarse, begin, end};
}

}  // namespace

QuadraticInterpolation::QuadraticInterpolation(LayoutPtr coarse, LayoutPtr fine) : coarse_(std::move(coarse)), fine_(std::move(fine)) {
  for (int d = 0; d < fine_->dim(); ++d)
    if (fine_->grid().cells(d) != 2 * coarse_->grid().cells(d) || coarse_->grid().cells(d) < 3)
      throw InternalError("QuadraticInterpolation: the fine grid does not halve the cells of the coarse one, or that has fewer than 3 cells along an axis");
  planes_ = window_of(*fine_, *coarse_);
  plane_.resize(static_cast<std::size_t>(coarse_->plane()));
  if (coarse_->dim() == 3) rows_.resize(static_cast<std::size_t>(coarse_->grid().cells(0)) * static_cast<std::size_t>(fine_->grid().cells(1)));
}

void QuadraticInterpolation::apply(const Field& coarse, Field& fine) {
  const int dim = fine_->dim(), nx = dim > 1 ? coarse_->grid().cells(0) : 1, ny = dim > 2 ? fine_->grid().cells(1) : 1;
  const double* from = planes_.load(coarse.level());
  double* to = fine.level();
  const auto combine = [](const double* p, std::ptrdiff_t stride, const std::array<double, 3>& w, std::ptrdiff_t n, double* out) {
    for (std::ptrdiff_t i = 0; i < n; ++i) out[i] = w[0] * p[i] + w[1] * p[i + stride] + w[2] * p[i + 2 * stride];
  };
  for (int k = 0; k < fine_->count(); ++k) {
    const Stencil z = stencil(fine_->first() + k, coarse_->slow_cells());
    const double* planes = from + (z.first - planes_.begin()) * coarse_->plane();
    if (dim == 1) {
      combine(planes, 1, z.weight, 1, to++);
      continue;
    }
    combine(planes, coarse_->plane(), z.weight, coarse_->plane(), plane_.data());
    const double* rows = plane_.data();
    if (dim == 3) {
      for (int y = 0; y < ny; ++y) {
        const Stencil s = stencil(y, coarse_->grid().cells(1));
        combine(plane_.data() + static_cast<std::ptrdiff_t>(s.first) * nx, nx, s.weight, nx, rows_.data() + static_cast<std::ptrdiff_t>(y) * nx);
      }
      rows = rows_.data();
    }
    for (int y = 0; y < ny; ++y, to += 2 * static_cast<std::ptrdiff_t>(nx)) {
      const double* row = rows + static_cast<std::ptrdiff_t>(y) * nx;
      for (int x : {0, 2 * nx - 2})  // both points of the first and of the last cell
        for (int e = x; e < x + 2; ++e) {
          const Stencil s = stencil(e, nx);
          combine(row + s.first, 1, s.weight, 1, to + e);
        }
      const auto left = stencil(2, nx).weight, right = stencil(3, nx).weight;
      for (int x = 1; x < nx - 1; ++x) {
        to[2 * x] = left[0] * row[x - 1] + left[1] * row[x] + left[2] * row[x + 1];
        to[2 * x + 1] = right[0] * row[x - 1] + right[1] * row[x] + right[2] * row[x + 1];
      }
    }
  }
}

}  // namespace wasserflow
