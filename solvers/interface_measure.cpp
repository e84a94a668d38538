#include <array>
#include <cmath>
#include <vector>

#include "grids/reduce.hpp"
#include "solvers/phase_diagnostics.hpp"

namespace wasserflow {
namespace {

/// Two neighbouring nodes along an axis and the part of the cell between them that lies in the box.
struct Pair {
  int lower, upper;
  double weight;
};

/// The dual cells of an axis. Beyond a mirror the field goes on as its own image: half of the cell across it belongs to the box.
std::vector<Pair> dual_cells(const Axis& axis) {
  std::vector<Pair> out;
  const int n = axis.cells;
  if (axis.boundary == Boundary::NoFlux) out.push_back({0, 0, 0.5});
  for (int i = 0; i + 1 < n; ++i) out.push_back({i, i + 1, 1});
  if (axis.boundary == Boundary::NoFlux) out.push_back({n - 1, n - 1, 0.5});
  if (axis.boundary == Boundary::Periodic) out.push_back({n - 1, 0, 1});
  return out;
}

using Point = std::array<double, 3>;

/// Where u = 0 on the edge from corner a to corner b of a cell; corner bits are x, y, z.
Point crossing(int a, int b, const double* u, const Point& h) {
  const double s = u[a] / (u[a] - u[b]);
  Point p{};
  for (int d = 0; d < 3; ++d) {
    const double at = (a >> d) & 1, to = (b >> d) & 1;
    p[static_cast<std::size_t>(d)] = h[static_cast<std::size_t>(d)] * (at + s * (to - at));
  }
  return p;
}

double distance(const Point& a, const Point& b) { return std::hypot(a[0] - b[0], a[1] - b[1]); }

double triangle(const Point& a, const Point& b, const Point& c) {
  const double x = (b[1] - a[1]) * (c[2] - a[2]) - (b[2] - a[2]) * (c[1] - a[1]);
  const double y = (b[2] - a[2]) * (c[0] - a[0]) - (b[0] - a[0]) * (c[2] - a[2]);
  const double z = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]);
  return 0.5 * std::sqrt(x * x + y * y + z * z);
}

/// Marching squares; the mean of the corners decides where the cell is a saddle.
double square(const double* u, const Point& h) {
  static constexpr std::array<std::array<int, 2>, 4> edges{{{0, 1}, {1, 3}, {3, 2}, {2, 0}}};  // around the cell
  std::array<Point, 4> p{};
  int n = 0;
  for (const auto& [a, b] : edges)
    if ((u[a] < 0) != (u[b] < 0)) p[static_cast<std::size_t>(n++)] = crossing(a, b, u, h);
  if (n == 2) return distance(p[0], p[1]);
  if (n != 4) return 0;
  // With corner 0 cut off from the middle the segments join edges 3-0 and 1-2, else 0-1 and 2-3.
  const bool middle = u[0] + u[1] + u[2] + u[3] < 0;
  return middle != (u[0] < 0) ? distance(p[3], p[0]) + distance(p[1], p[2]) : distance(p[0], p[1]) + distance(p[2], p[3]);
}

/// Six tetrahedra around the diagonal from corner 0 to corner 7.
double cube(const double* u, const Point& h) {
  static constexpr std::array<std::array<int, 2>, 6> paths{{{1, 3}, {1, 5}, {2, 3}, {2, 6}, {4, 5}, {4, 6}}};
  double area = 0;
  for (const auto& [first, second] : paths) {
    const std::array<int, 4> corner{0, first, second, 7};
    std::array<int, 4> in{}, out{};
    int ins = 0, outs = 0;
    for (int c : corner) (u[c] < 0 ? in[static_cast<std::size_t>(ins++)] : out[static_cast<std::size_t>(outs++)]) = c;
    if (ins == 1) area += triangle(crossing(in[0], out[0], u, h), crossing(in[0], out[1], u, h), crossing(in[0], out[2], u, h));
    if (ins == 3) area += triangle(crossing(out[0], in[0], u, h), crossing(out[0], in[1], u, h), crossing(out[0], in[2], u, h));
    if (ins != 2) continue;
    const Point a = crossing(in[0], out[0], u, h), b = crossing(in[0], out[1], u, h), c = crossing(in[1], out[1], u, h),
                d = crossing(in[1], out[0], u, h);
    area += triangle(a, b, c) + triangle(a, c, d);
  }
  return area;
}

template <int D>
double cell(const double* u, const Point& h) {
  if constexpr (D == 1) return (u[0] < 0) != (u[1] < 0) ? 1 : 0;
  if constexpr (D == 2) return square(u, h);
  return cube(u, h);
}

/// The cells of a row, between `rows` of nodes: those along x, at the lower and upper nodes of the other axes.
template <int D>
double row_of_cells(const std::array<const double*, 4>& rows, double level, const std::vector<Pair>& x, const Point& h) {
  constexpr int count = 1 << (D - 1);
  double sum = 0;
  for (const Pair& i : x) {
    std::array<double, 8> u{};
    int below = 0;
    for (int r = 0; r < count; ++r) {
      const double a = rows[static_cast<std::size_t>(r)][i.lower] - level, b = rows[static_cast<std::size_t>(r)][i.upper] - level;
      u[static_cast<std::size_t>(2 * r)] = a;
      u[static_cast<std::size_t>(2 * r + 1)] = b;
      below += (a < 0) + (b < 0);
    }
    if (below != 0 && below != 2 * count) sum += i.weight * cell<D>(u.data(), h);
  }
  return sum;
}

}  // namespace

double interface_measure(Field& u, double level, int field_level) {
  const SlabLayout& s = u.layout();
  const Grid& grid = s.grid();
  u.exchange_ghosts(field_level, field_level + 1);
  Point h{};
  for (int d = 0; d < s.dim(); ++d) h[static_cast<std::size_t>(d)] = grid.spacing(d);
  const double* const values = u.level(field_level);
  ExactSum sum;
  // A cell belongs to the rank of its lower node; the upper one may stand in the ghosts.
  const auto owned = [&](const Pair& k, std::ptrdiff_t& lower, std::ptrdiff_t& upper) {
    lower = k.lower - s.first();
    upper = k.upper == k.lower ? lower : lower + 1;
    return lower >= 0 && lower < s.count();
  };
  std::ptrdiff_t lower = 0, upper = 0;
  const std::vector<Pair> slow = dual_cells(grid.axis(s.slow_axis()));
  const std::vector<Pair> x = dual_cells(grid.axis(0));
  if (s.dim() == 1) {
    for (const Pair& k : slow) {
      if (!owned(k, lower, upper)) continue;
      const std::array<double, 2> ends{values[lower] - level, values[upper] - level};
      sum += k.weight * cell<1>(ends.data(), h);
    }
  } else {
    const std::vector<Pair> middle = s.dim() == 3 ? dual_cells(grid.axis(1)) : std::vector<Pair>{{0, 0, 1}};
    for (const Pair& k : slow) {
      if (!owned(k, lower, upper)) continue;
      for (const Pair& j : middle) {
        const auto row = [&](int y, std::ptrdiff_t plane) { return values + plane * s.plane() + static_cast<std::ptrdiff_t>(y) * grid.cells(0); };
        const double part = s.dim() == 2
                                ? row_of_cells<2>({row(0, lower), row(0, upper), nullptr, nullptr}, level, x, h)
                                : row_of_cells<3>({row(j.lower, lower), row(j.upper, lower), row(j.lower, upper), row(j.upper, upper)}, level, x, h);
        sum += k.weight * j.weight * part;
      }
    }
  }
  ExactSum::reduce(s.comm(), {&sum, 1});
  return sum.value();
}

}  // namespace wasserflow
