#include "grids/quadratic_transform.hpp"

#include <algorithm>
#include <cstring>
#include <vector>

#include "grids/support/pack8.hpp"

namespace wasserflow {
namespace {

constexpr int lanes = 8;

/// One line: g(j) = min over i of (i - j)^2 / 2 + f(i), lengths in cells.
class Envelope {
 public:
  explicit Envelope(int n)
      : inverse_(static_cast<std::size_t>(n) + 1),
        u_(static_cast<std::size_t>(n)),
        slope_(static_cast<std::size_t>(n) + 1),
        at_(static_cast<std::size_t>(n)) {
    for (int i = 1; i <= n; ++i) inverse_[static_cast<std::size_t>(i)] = 1.0 / i;
  }

  void nodes(const double* f, int n, double* g) {
    hull(f, n);
    const double* slope = slope_.data();
    const int* at = at_.data();
    for (int j = 0, k = 0; j < n; ++j) {
      while (slope[k + 1] < j) ++k;
      const double d = j - at[k];
      g[j] = f[at[k]] + 0.5 * d * d;
    }
  }

  void neighborhood(const double* f, int n, double* g) {
    if (n < 3) return nodes(f, n, g);
    hull(f, n);
    const double* slope = slope_.data();
    const int* at = at_.data();
    for (int j = 0, k = 0; j < n; ++j) {
      while (slope[k + 1] < j) ++k;
      // f + first s + second s^2 / 2 at i + s, by the point and its neighbours (at an end: the three points next to it).
      const int i = at[k], m = std::min(std::max(i, 1), n - 2);
      const double second = f[m - 1] - 2 * f[m] + f[m + 1], first = 0.5 * (f[m + 1] - f[m - 1]) + (i - m) * second;
      const double d = j - i, curvature = std::max(1 + second, 1e-8);
      const double s = std::min(std::max((d - first) / curvature, -0.5), 0.5);
      g[j] = f[i] + 0.5 * d * d + s * (first - d + 0.5 * s * (1 + second));
    }
  }

 private:
  /// Lower convex hull of u(i) = f(i) + i^2 / 2: its points, and the slopes of its edges, between which each point is the minimising one.
  void hull(const double* f, int n) {
    double *u = u_.data(), *slope = slope_.data();
    const double* inverse = inverse_.data();
    int* at = at_.data();
    for (int i = 0; i < n; ++i) u[i] = f[i] + 0.5 * static_cast<double>(i) * i;
    int k = 0;
    at[0] = 0;
    slope[0] = -1e300;
    for (int i = 1; i < n; ++i) {
      double s = (u[i] - u[at[k]]) * inverse[i - at[k]];
      while (k > 0 && s <= slope[k]) {
        --k;
        s = (u[i] - u[at[k]]) * inverse[i - at[k]];
      }
      ++k;
      at[k] = i;
      slope[k] = s;
    }
    slope[k + 1] = 1e300;
  }

  std::vector<double> inverse_, u_, slope_;
  std::vector<int> at_;
};

}  // namespace

struct QuadraticTransform::State {
  LayoutPtr layout;
  std::vector<Envelope> envelope;  ///< an axis each
  std::vector<double> in, out;     ///< eight lines
  // Slow axis: rank r has whole lines of the points [column_of(r), column_of(r + 1)) of a plane.
  std::vector<double> outgoing, lines;
  std::vector<int> mine, mine_at, theirs, theirs_at;

  int column_of(int rank) const { return static_cast<int>(layout->plane() * rank / layout->ranks()); }

  void line(int axis, int n, MinimumOver points, const double* f, double* g) {
    Envelope& e = envelope[static_cast<std::size_t>(axis)];
    if (points == MinimumOver::Nodes)
      e.nodes(f, n, g);
    else
      e.neighborhood(f, n, g);
  }

  /// Lines along an axis with `stride` between their points, side by side in memory: `width` of them at p, in place. Values are in units of h^2.
  void columns(int axis, int n, std::ptrdiff_t stride, std::ptrdiff_t width, MinimumOver points, double* p, double to_cells, double from_cells) {
    double *f = in.data(), *g = out.data();
    for (std::ptrdiff_t c = 0; c < width; c += lanes) {
      const int count = static_cast<int>(std::min<std::ptrdiff_t>(lanes, width - c));
      double* q = p + c;
      int i = 0;
      if (count == lanes)
        for (; i + lanes <= n; i += lanes) transpose_real_8x8(q + i * stride, stride, f + i, n);
      for (; i < n; ++i)
        for (int l = 0; l < count; ++l) f[l * static_cast<std::ptrdiff_t>(n) + i] = q[i * stride + l];
      for (std::ptrdiff_t k = 0; k < static_cast<std::ptrdiff_t>(count) * n; ++k) f[k] *= to_cells;
      for (int l = 0; l < count; ++l) line(axis, n, points, f + l * static_cast<std::ptrdiff_t>(n), g + l * static_cast<std::ptrdiff_t>(n));
      for (std::ptrdiff_t k = 0; k < static_cast<std::ptrdiff_t>(count) * n; ++k) g[k] *= from_cells;
      i = 0;
      if (count == lanes)
        for (; i + lanes <= n; i += lanes) transpose_real_8x8(g + i, n, q + i * stride, stride);
      for (; i < n; ++i)
        for (int l = 0; l < count; ++l) q[i * stride + l] = g[l * static_cast<std::ptrdiff_t>(n) + i];
    }
  }

  void exchange(const double* from, const std::vector<int>& from_counts, const std::vector<int>& from_at, double* to,
                const std::vector<int>& to_counts, const std::vector<int>& to_at) const {
    MPI_Alltoallv(from, from_counts.data(), from_at.data(), MPI_DOUBLE, to, to_counts.data(), to_at.data(), MPI_DOUBLE, layout->comm());
  }

  /// Calls f(rank, first column, columns) for every rank.
  template <class F>
  void for_pieces(F&& f) const {
    for (int r = 0; r < layout->ranks(); ++r) f(r, column_of(r), column_of(r + 1) - column_of(r));
  }
};

QuadraticTransform::QuadraticTransform(LayoutPtr layout) : state_(std::make_unique<State>()) {
  State& s = *state_;
  s.layout = std::move(layout);
  int longest = 0;
  for (int d = 0; d < s.layout->dim(); ++d) {
    const int n = s.layout->grid().cells(d);
    s.envelope.emplace_back(n);
    longest = std::max(longest, n);
  }
  s.in.resize(static_cast<std::size_t>(longest) * lanes);
  s.out.resize(static_cast<std::size_t>(longest) * lanes);
  const int ranks = s.layout->ranks(), me = s.layout->rank(), count = s.layout->count();
  if (s.layout->dim() == 1) {
    for (int r = 0; r < ranks; ++r) s.theirs.push_back(s.layout->count_of(r)), s.theirs_at.push_back(s.layout->first_of(r));
    s.lines.resize(static_cast<std::size_t>(s.layout->slow_cells()));
  } else if (ranks > 1) {
    const int width = s.column_of(me + 1) - s.column_of(me);
    s.for_pieces([&](int r, int first, int columns) {
      s.mine.push_back(columns * count), s.mine_at.push_back(first * count);
      s.theirs.push_back(width * s.layout->count_of(r)), s.theirs_at.push_back(width * s.layout->first_of(r));
    });
    s.outgoing.resize(static_cast<std::size_t>(s.layout->owned()));
    s.lines.resize(static_cast<std::size_t>(width) * static_cast<std::size_t>(s.layout->slow_cells()));
  }
}

QuadraticTransform::~QuadraticTransform() = default;
QuadraticTransform::QuadraticTransform(QuadraticTransform&&) noexcept = default;
QuadraticTransform& QuadraticTransform::operator=(QuadraticTransform&&) noexcept = default;

void QuadraticTransform::apply(const Field& phi, Field& psi, MinimumOver points) {
  State& s = *state_;
  const SlabLayout& layout = *s.layout;
  const Grid& grid = layout.grid();
  const auto square = [&](int d) { return grid.spacing(d) * grid.spacing(d); };
  double* p = psi.level();
  if (layout.dim() == 1) {
    const int n = layout.slow_cells();
    MPI_Allgatherv(phi.level(), layout.count(), MPI_DOUBLE, s.lines.data(), s.theirs.data(), s.theirs_at.data(), MPI_DOUBLE, layout.comm());
    for (double& v : s.lines) v *= -1 / square(0);
    s.line(0, n, points, s.lines.data(), s.out.data());
    for (int i = 0; i < layout.count(); ++i) p[i] = s.out[static_cast<std::size_t>(layout.first() + i)] * square(0);
    return;
  }
  const int nx = grid.cells(0), slow = layout.slow_axis();
  for (int r = 0; r < layout.rows(); ++r) {
    const double* f = phi.level() + static_cast<std::ptrdiff_t>(r) * nx;
    double* g = p + static_cast<std::ptrdiff_t>(r) * nx;
    for (int i = 0; i < nx; ++i) s.in[static_cast<std::size_t>(i)] = f[i] * (-1 / square(0));
    s.line(0, nx, points, s.in.data(), g);
    for (int i = 0; i < nx; ++i) g[i] *= square(0);
  }
  if (slow == 2)
    for (int z = 0; z < layout.count(); ++z) s.columns(1, grid.cells(1), nx, nx, points, p + z * layout.plane(), 1 / square(1), square(1));
  const int n = layout.slow_cells(), count = layout.count();
  if (layout.ranks() == 1) {
    s.columns(slow, n, layout.plane(), layout.plane(), points, p, 1 / square(slow), square(slow));
    return;
  }
  s.for_pieces([&](int r, int first, int columns) {
    double* to = s.outgoing.data() + s.mine_at[static_cast<std::size_t>(r)];
    for (int k = 0; k < count; ++k) to = std::copy_n(p + k * layout.plane() + first, columns, to);
  });
  s.exchange(s.outgoing.data(), s.mine, s.mine_at, s.lines.data(), s.theirs, s.theirs_at);
  const int width = s.column_of(layout.rank() + 1) - s.column_of(layout.rank());
  s.columns(slow, n, width, width, points, s.lines.data(), 1 / square(slow), square(slow));
  s.exchange(s.lines.data(), s.theirs, s.theirs_at, s.outgoing.data(), s.mine, s.mine_at);
  s.for_pieces([&](int r, int first, int columns) {
    const double* from = s.outgoing.data() + s.mine_at[static_cast<std::size_t>(r)];
    for (int k = 0; k < count; ++k) std::copy_n(from + static_cast<std::ptrdiff_t>(k) * columns, columns, p + k * layout.plane() + first);
  });
}

}  // namespace wasserflow
