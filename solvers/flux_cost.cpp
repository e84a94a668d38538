#include "solvers/flux_cost.hpp"

#include <algorithm>
#include <cmath>

#include "grids/reduce.hpp"
#include "solvers/grid_transfer.hpp"

namespace wasserflow {
namespace {

constexpr double work = 1.2e7;  // Bezier coefficients worth their time

/// Parts of a cell along each axis: smaller ones sharpen the bound, by the square.
template <int D>
int parts(const Grid& grid) {
  int p = 8;
  while (p > 1 && static_cast<double>(grid.size()) * std::pow(3 * p, D) > work) p /= 2;
  return p;
}

/// Monotonised central differences.
double limited(double a, double b) {
  const double s = 0.5 * (a + b), most = 2 * std::min(std::fabs(a), std::fabs(b));
  return a * b > 0 ? std::copysign(std::min(std::fabs(s), most), s) : 0;
}

/// Offset of the next cell (step 1 or -1) along an axis, from point i; 0 beyond a wall.
std::ptrdiff_t next_cell(const SlabLayout& layout, int axis, std::ptrdiff_t i, int step) {
  if (axis == layout.slow_axis()) return step * layout.plane();
  const std::ptrdiff_t nx = layout.grid().cells(0), n = layout.grid().cells(axis), stride = axis == 0 ? 1 : nx;
  const std::ptrdiff_t j = (axis == 0 ? i % nx : i / nx % n) + step;
  if (j >= 0 && j < n) return step * stride;
  return layout.grid().axis(axis).boundary == Boundary::Periodic ? -step * (n - 1) * stride : 0;
}

/// m in a cell, in coordinates from -1/2 to 1/2: its fluxes and, for each other axis, their differences along it in units of a cell.
template <int D>
struct CellFlux {
  double low[D], high[D];
  double low_slope[D][D], high_slope[D][D];
  double bend[D];  ///< sum over e of (h_k / h_e) / 2 (difference of the slopes of m_e along k)

  void at(const double* t, double* m) const {
    for (int k = 0; k < D; ++k) {
      const double up = 0.5 + t[k], down = 0.5 - t[k];
      double v = low[k] * down + high[k] * up - bend[k] * (t[k] * t[k] - 0.25);
      for (int e = 0; e < D; ++e)
        if (e != k) v += t[e] * (low_slope[k][e] * down + high_slope[k][e] * up);
      m[k] = v;
    }
  }
};

/// Means over a cell of |m| by Gauss points and by Bezier coefficients.
template <int D, GroundNorm N>
std::array<double, 2> cell_cost(const CellFlux<D>& cell, int pieces) {
  constexpr int points = D == 1 ? 3 : D == 2 ? 9 : 27;
  const double root = 0.5 * std::sqrt(0.6);
  const std::array<double, 3> gauss{-root, 0, root}, weight{5.0 / 18, 8.0 / 18, 5.0 / 18};
  std::array<double, 2> cost{};
  double t[3], m[3];
  for (int p = 0; p < points; ++p) {
    double w = 1;
    for (int d = 0, rest = p; d < D; ++d, rest /= 3)
      t[d] = gauss[static_cast<std::size_t>(rest % 3)], w *= weight[static_cast<std::size_t>(rest % 3)];
    cell.at(t, m);
    cost[0] += w * length<D, N>(m);
  }
  int count = 1;
  for (int d = 0; d < D; ++d) count *= pieces;
  double total = 0;
  for (int part = 0; part < count; ++part) {
    double c[points][3];
    for (int p = 0; p < points; ++p) {
      for (int d = 0, rest = p, piece = part; d < D; ++d, rest /= 3, piece /= pieces) t[d] = (piece % pieces + 0.5 * (rest % 3)) / pieces - 0.5;
      cell.at(t, c[p]);
    }
    // From values at the ends and in the middle to coefficients, axis by axis: the middle one is 2 q(1/2) - (q(0) + q(1)) / 2.
    for (int stride = 1; stride < points; stride *= 3)
      for (int p = stride; p + stride < points; ++p)
        if (p / stride % 3 == 1)
          for (int k = 0; k < D; ++k) c[p][k] = 2 * c[p][k] - 0.5 * (c[p - stride][k] + c[p + stride][k]);
    for (int p = 0; p < points; ++p) total += length<D, N>(c[p]);
  }
  cost[1] = total / (points * count);
  return cost;
}

/// Differences of component k along e, in units of a cell.
void face_slopes(const Field& m, int k, int e, Field& out, int level) {
  const SlabLayout& layout = m.layout();
  const double* v = m.level(k);
  double* o = out.level(level);
  for (std::ptrdiff_t i = 0; i < layout.owned(); ++i)
    o[i] = limited(v[i] - v[i + next_cell(layout, e, i, -1)], v[i + next_cell(layout, e, i, 1)] - v[i]);
}

}  // namespace

FluxCost flux_cost(Field& m, GroundNorm norm) {
  const SlabLayout& layout = m.layout();
  const int dim = layout.dim(), slow = layout.slow_axis();
  m.exchange_ghosts();
  close_lower_wall(m, slow);
  Field slopes(m.layout_ptr(), std::max(1, dim * (dim - 1)));
  const auto level = [&](int k, int e) { return k * (dim - 1) + (e < k ? e : e - 1); };
  for (int k = 0; k < dim; ++k)
    for (int e = 0; e < dim; ++e)
      if (e != k) face_slopes(m, k, e, slopes, level(k, e));
  slopes.exchange_ghosts();
  for (int e = 0; e < slow; ++e) close_lower_wall(slopes, level(slow, e));
  std::array<ExactSum, 2> sums;
  std::array<std::vector<double>, 2> rows;
  for (auto& row : rows) row.resize(static_cast<std::size_t>(dim == 1 ? SlabLayout::row_limit : layout.grid().cells(0)));
  dispatch_norm(dim, norm, [&](auto d, auto n) {
    constexpr int D = d();
    const int pieces = parts<D>(layout.grid());
    for (int r = 0; r < layout.rows(); ++r) {
      const RowPoints at = layout.row(r);
      for (int i = 0; i < at.n; ++i) {
        const std::ptrdiff_t here = at.offset + i;
        CellFlux<D> cell{};
        for (int k = 0; k < D; ++k) {
          // The lower face belongs to the cell below; on walls the last face holds 0.
          std::ptrdiff_t below = next_cell(layout, k, here, -1);
          if (below == 0) below = (layout.grid().cells(k) - 1) * (k == 0 ? 1 : layout.grid().cells(0));
          cell.low[k] = m.level(k)[here + below];
          cell.high[k] = m.level(k)[here];
          for (int e = 0; e < D; ++e)
            if (e != k) cell.low_slope[k][e] = slopes.level(level(k, e))[here + below], cell.high_slope[k][e] = slopes.level(level(k, e))[here];
        }
        for (int k = 0; k < D; ++k)
          for (int e = 0; e < D; ++e)
            if (e != k) cell.bend[k] += 0.5 * layout.grid().spacing(k) / layout.grid().spacing(e) * (cell.high_slope[e][k] - cell.low_slope[e][k]);
        const std::array<double, 2> cost = cell_cost<D, n()>(cell, pieces);
        for (std::size_t c = 0; c < 2; ++c) rows[c][static_cast<std::size_t>(i)] = cost[c];
      }
      for (std::size_t c = 0; c < 2; ++c) add_row(sums[c], layout, rows[c].data(), at.n);
    }
  });
  ExactSum::reduce(layout.comm(), sums);
  const double volume = layout.grid().cell_volume();
  return {sums[0].value() * volume, sums[1].value() * volume};
}

}  // namespace wasserflow
