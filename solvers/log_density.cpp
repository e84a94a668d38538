#include "solvers/log_density.hpp"

#include <algorithm>
#include <array>

#include "grids/reduce.hpp"
#include "grids/row_neighbours.hpp"
#include "grids/support/errors.hpp"

namespace wasserflow {
namespace {

/// Weights of the derivative at point k of times: three points, or two.
struct TimeDifference {
  std::array<int, 3> level{};
  std::array<double, 3> weight{};
  TimeDifference(std::span<const double> t, int k) {
    const int n = static_cast<int>(t.size());
    const auto at = [&](int i) { return t[static_cast<std::size_t>(i)]; };
    if (n == 2) {
      level = {0, 1, 1};
      weight = {-1 / (at(1) - at(0)), 1 / (at(1) - at(0)), 0};
      return;
    }
    const int first = std::clamp(k - 1, 0, n - 3);
    for (int i = 0; i < 3; ++i) {
      const int a = first + i, b = first + (i + 1) % 3, c = first + (i + 2) % 3;
      level[static_cast<std::size_t>(i)] = a;
      weight[static_cast<std::size_t>(i)] = ((at(k) - at(b)) + (at(k) - at(c))) / ((at(a) - at(b)) * (at(a) - at(c)));
    }
  }
};

/// Neighbours of a row along an axis, with quadratic extrapolation beyond ends.
class OpenNeighbours {
 public:
  explicit OpenNeighbours(const LayoutPtr& layout) : layout_(*layout), near_(layout, 1) {
    const auto n = static_cast<std::size_t>(std::max(layout->grid().cells(0), 0));
    below_.resize(n);
    above_.resize(n);
  }
  void load(const double* level, int r) {
    near_.load(level, r);
    points_ = layout_.row(r);
    level_ = level;
    r_ = r;
  }
  /// Values one cell below and above along axis d.
  void along(int d, const double*& below, const double*& above) {
    below = near_.at(d, -1);
    above = near_.at(d, 1);
    const Grid& grid = layout_.grid();
    if (grid.axis(d).boundary == Boundary::Periodic) return;
    const double* c = level_ + points_.offset;
    const std::ptrdiff_t step = d == 0 ? 1 : d == layout_.slow_axis() ? layout_.plane() : grid.cells(0);
    // Cell of the row's first point along the axis; in 1-D rows are parts of the line.
    const std::ptrdiff_t first = d == layout_.slow_axis() ? layout_.first() + points_.offset / layout_.plane() : d == 0 ? 0 : r_ % grid.cells(1);
    const std::ptrdiff_t last = first + (d == 0 ? points_.n - 1 : 0);
    const auto beyond = [step](const double* p, int inwards) { return 3 * p[0] - 3 * p[inwards * step] + p[2 * inwards * step]; };
    const std::ptrdiff_t count = d == 0 ? 1 : points_.n;
    if (first == 0) {
      std::copy_n(below, points_.n, below_.data());
      for (std::ptrdiff_t i = 0; i < count; ++i) below_[static_cast<std::size_t>(i)] = beyond(c + i, 1);
      below = below_.data();
    }
    if (last == grid.cells(d) - 1) {
      std::copy_n(above, points_.n, above_.data());
      for (std::ptrdiff_t i = points_.n - count; i < points_.n; ++i) above_[static_cast<std::size_t>(i)] = beyond(c + i, -1);
      above = above_.data();
    }
  }

 private:
  const SlabLayout& layout_;
  RowNeighbours near_;
  std::vector<double> below_, above_;
  RowPoints points_;
  const double* level_ = nullptr;
  int r_ = 0;
};

}  // namespace

void log_density_residual(const std::vector<FunctionPtr>& drift, const Function& half_g2, Field& phi, std::span<const double> times, Field& out) {
  const LayoutPtr& layout = phi.layout_ptr();
  const int dim = layout->dim(), levels = static_cast<int>(times.size());
  if (levels < 2 || levels > phi.levels() || levels > out.levels())
    throw InputError("log-density residual: at least 2 times, a level of both fields each");
  if (!std::ranges::is_sorted(times, std::less_equal<>{})) throw InputError("log-density residual: times must increase");
  if (!drift.empty() && static_cast<int>(drift.size()) != dim) throw InputError("log-density residual: one drift function an axis");
  bool enough = layout->grid().axis(layout->slow_axis()).boundary == Boundary::Periodic || layout->count() > 1;
  for (int d = 0; d < dim; ++d) enough = enough && layout->grid().cells(d) > 2;
  if (global_min(layout->comm(), enough ? 1 : 0) < 1) throw InputError("log-density residual: at least 3 cells an axis and 2 planes a rank");

  phi.exchange_ghosts(0, levels);
  Field f;
  if (!drift.empty()) f = Field(layout, dim);
  for (const FunctionPtr& b : drift) b->bind(*layout);
  OpenNeighbours near(layout);
  const double *below = nullptr, *above = nullptr;
  for (int k = 0; k < levels; ++k) {
    const double t = times[static_cast<std::size_t>(k)], D = half_g2.at(0, 0, 0, t);
    bool fresh = false;
    for (int d = 0; f && d < dim; ++d)
      if (k == 0 || drift[static_cast<std::size_t>(d)]->depends_on_time()) {
        fill(f, d, *drift[static_cast<std::size_t>(d)], t);
        fresh = true;
      }
    if (fresh) f.exchange_ghosts();
    const TimeDifference difference(times, k);
    for (int r = 0; r < layout->rows(); ++r) {
      const RowPoints p = layout->row(r);
      double* __restrict o = out.level(k) + p.offset;
      std::fill_n(o, p.n, 0.0);
      for (std::size_t i = 0; i < 3; ++i) {
        const double* __restrict u = phi.level(difference.level[i]) + p.offset;
        for (int j = 0; j < p.n; ++j) o[j] += difference.weight[i] * u[j];
      }
      const double* __restrict c = phi.level(k) + p.offset;
      near.load(phi.level(k), r);
      for (int d = 0; d < dim; ++d) {
        const double h = layout->grid().spacing(d), half = 0.5 / h, square = 1 / (h * h);
        near.along(d, below, above);
        const double* __restrict b = f ? f.level(d) + p.offset : nullptr;
        for (int i = 0; i < p.n; ++i) {
          const double slope = half * (above[i] - below[i]);
          o[i] += (b != nullptr ? b[i] * slope : 0) - D * (square * ((above[i] - c[i]) - (c[i] - below[i])) + slope * slope);
        }
      }
      for (int d = 0; f && d < dim; ++d) {
        const double half = 0.5 / layout->grid().spacing(d);
        near.load(f.level(d), r);
        near.along(d, below, above);
        for (int i = 0; i < p.n; ++i) o[i] += half * (above[i] - below[i]);
      }
    }
  }
}

}  // namespace wasserflow
