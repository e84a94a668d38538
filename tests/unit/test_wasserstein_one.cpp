// ranks: 1 2 4
// timeout: 300
#define BOOST_TEST_MODULE wasserstein_one
#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <cstring>
#include <random>

#include "grids/reduce.hpp"
#include "grids/support/errors.hpp"
#include "solvers/wasserstein_one.hpp"

using namespace wasserflow;

namespace {

constexpr auto wall = Boundary::NoFlux;
constexpr auto around = Boundary::Periodic;

LayoutPtr box(std::vector<int> cells, std::vector<Boundary> kinds, MPI_Comm comm = MPI_COMM_WORLD, std::vector<double> upper = {}) {
  std::vector<Axis> axes;
  for (std::size_t d = 0; d < cells.size(); ++d) axes.push_back({0, upper.empty() ? 1.0 : upper[d], cells[d], kinds[d], 0.5});
  return make_layout(comm, Grid(axes), 1);
}

/// f(i, j, k) of the global cell indices, scaled to mass 1.
template <class F>
Field density(const LayoutPtr& layout, F&& f) {
  Field u(layout);
  const std::int64_t nx = layout->grid().cells(0), ny = layout->grid().cells(1);
  for (std::ptrdiff_t i = 0; i < layout->owned(); ++i) {
    const std::int64_t g = layout->global_offset() + i;
    u.level()[i] = f(static_cast<int>(g % nx), static_cast<int>(g / nx % ny), static_cast<int>(g / nx / ny));
  }
  const double mass = sum(u) * layout->grid().cell_volume();
  for (double& v : u.owned()) v /= mass;
  return u;
}

double noise(int a, int b, int seed) {
  std::mt19937_64 g(static_cast<std::uint64_t>(a * 1009 + b * 97 + seed * 7));
  g.discard(5);
  return std::uniform_real_distribution<double>(0, 1)(g);
}

W1Result w1(const Field& a, const Field& b, W1Parameters p = {}) { return WassersteinOne(a, b, p).solve(); }

/// A certified interval around the exact value, of the gap asked for.
void check(const W1Result& r, double exact, double gap, double slack = 1e-12) {
  BOOST_TEST((r.reason == StopReason::Converged));
  BOOST_TEST(r.lower <= exact * (1 + slack));
  BOOST_TEST(r.upper >= exact * (1 - slack));
  BOOST_TEST(r.gap <= gap);
  BOOST_TEST(r.distance == r.upper);
  BOOST_TEST(r.divergence_error < 1e-11);
}

/// Exact minimum of sum |edge flow| * h over flows on the grid graph: successive shortest paths on unit supplies.
double graph_distance(int nx, int ny, std::vector<int> supply) {
  const int n = nx * ny;
  struct Edge {
    int from, to, flow;
  };
  std::vector<Edge> edges;
  for (int j = 0; j < ny; ++j)
    for (int i = 0; i < nx; ++i) {
      if (i + 1 < nx) edges.push_back({i + nx * j, i + 1 + nx * j, 0});
      if (j + 1 < ny) edges.push_back({i + nx * j, i + nx * (j + 1), 0});
    }
  for (;;) {
    std::vector<int> cost(static_cast<std::size_t>(n), 1 << 20), by(static_cast<std::size_t>(n), -1), sign(static_cast<std::size_t>(n), 0);
    for (int v = 0; v < n; ++v)
      if (supply[static_cast<std::size_t>(v)] > 0) cost[static_cast<std::size_t>(v)] = 0;
    for (bool moved = true; moved;) {
      moved = false;
      for (std::size_t e = 0; e < edges.size(); ++e)
        for (int s : {1, -1}) {
          const auto from = static_cast<std::size_t>(s > 0 ? edges[e].from : edges[e].to),
                     to = static_cast<std::size_t>(s > 0 ? edges[e].to : edges[e].from);
          const int price = s * edges[e].flow < 0 ? -1 : 1;
          if (cost[from] + price < cost[to]) cost[to] = cost[from] + price, by[to] = static_cast<int>(e), sign[to] = s, moved = true;
        }
    }
    int best = -1;
    for (int v = 0; v < n; ++v)
      if (supply[static_cast<std::size_t>(v)] < 0 && (best < 0 || cost[static_cast<std::size_t>(v)] < cost[static_cast<std::size_t>(best)])) best = v;
    if (best < 0) break;
    ++supply[static_cast<std::size_t>(best)];
    int v = best;
    while (by[static_cast<std::size_t>(v)] >= 0) {
      Edge& e = edges[static_cast<std::size_t>(by[static_cast<std::size_t>(v)])];
      const int s = sign[static_cast<std::size_t>(v)];
      e.flow += s;
      v = s > 0 ? e.from : e.to;
    }
    --supply[static_cast<std::size_t>(v)];
  }
  double total = 0;
  for (const Edge& e : edges) total += std::abs(e.flow);
  return total;
}

constexpr GroundNorm norms[] = {GroundNorm::L1, GroundNorm::L2, GroundNorm::Linf};

}  // namespace

BOOST_AUTO_TEST_CASE(divergence_is_minus_the_adjoint_of_the_gradient_and_projections_are_exact) {
  struct Case {
    std::vector<int> cells;
    std::vector<Boundary> kinds;
  };
  const std::vector<Case> cases{{{24}, {wall}},
                                {{24}, {around}},
                                {{9, 12}, {wall, around}},
                                {{10, 9}, {around, wall}},
                                {{6, 5, 8}, {wall, around, wall}},
                                {{5, 6, 8}, {around, wall, around}}};
  for (const Case& c : cases) {
    const LayoutPtr layout = box(c.cells, c.kinds, MPI_COMM_WORLD, {1.5, 2.0, 0.7});
    MinimalFlow flow(layout, GroundNorm::L2);
    const int dim = layout->dim();
    Field u(layout), v(layout, dim), du(layout, dim), dv(layout);
    const std::int64_t nx = layout->grid().cells(0), ny = layout->grid().cells(1);
    for (std::ptrdiff_t i = 0; i < layout->owned(); ++i) {
      const auto g = static_cast<int>(layout->global_offset() + i);
      u.level()[i] = noise(g, 0, 1) - 0.5;
      const int at[3] = {static_cast<int>(g % nx), static_cast<int>(g / nx % ny), static_cast<int>(g / nx / ny)};
      for (int d = 0; d < dim; ++d) {
        const bool on_wall = c.kinds[static_cast<std::size_t>(d)] == wall && at[d] == layout->grid().cells(d) - 1;
        v.level(d)[i] = on_wall ? 0 : noise(g, d, 2) - 0.5;
      }
    }
    flow.apply_gradient(u, du);
    flow.apply_divergence(v, dv);
    double left = dot(dv, u), right = 0;
    for (int d = 0; d < dim; ++d) right -= dot(v, du, d, d);
    BOOST_TEST(std::fabs(left - right) < 1e-11 * (1 + std::fabs(left)));

    const double mean = sum(u) / static_cast<double>(layout->grid().size());
    for (std::ptrdiff_t i = 0; i < layout->owned(); ++i) flow.divergence().level()[i] = u.level()[i] - mean;
    for (int d = 0; d < dim; ++d) std::copy_n(v.level(d), layout->owned(), flow.flux().level(d));
    (void)flow.project();
    BOOST_TEST(flow.divergence_error() < 1e-12 * max_abs(dv));
    // The least change: it is a gradient, orthogonal to what has no divergence. Projecting m again changes nothing.
    const Field once = flow.flux().clone();
    (void)flow.project();
    double change = 0;
    for (int d = 0; d < dim; ++d)
      for (std::ptrdiff_t i = 0; i < layout->owned(); ++i) change = std::max(change, std::fabs(once.level(d)[i] - flow.flux().level(d)[i]));
    BOOST_TEST(global_max(MPI_COMM_WORLD, change) < 1e-12);
    double orthogonal = 0, norm = 0;  // <m' - m, m''> for a divergence-free m'': m' - v against the part of du that a zero source leaves of v
    MinimalFlow leray(layout, GroundNorm::L2);
    for (int d = 0; d < dim; ++d)
      for (std::ptrdiff_t i = 0; i < layout->owned(); ++i) leray.flux().level(d)[i] = v.level(d)[i] + 0.3;
    if (std::all_of(c.kinds.begin(), c.kinds.end(), [](Boundary b) { return b == around; }) || dim > 1) {
      for (int d = 0; d < dim; ++d)
        for (std::ptrdiff_t i = 0; i < layout->owned(); ++i)
          if (v.level(d)[i] == 0) leray.flux().level(d)[i] = 0;
      (void)leray.project();
      for (int d = 0; d < dim; ++d)
        for (std::ptrdiff_t i = 0; i < layout->owned(); ++i) {
          orthogonal += (once.level(d)[i] - v.level(d)[i]) * leray.flux().level(d)[i];
          norm += std::fabs(leray.flux().level(d)[i]);
        }
      double both[2] = {orthogonal, norm};
      MPI_Allreduce(MPI_IN_PLACE, both, 2, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
      BOOST_TEST(both[1] > 0);
      BOOST_TEST(std::fabs(both[0]) < 1e-11 * both[1]);
    }
  }
}

// On a line W1 = sum |F - G| h; around a circle less by the best circulation: F - G minus its median.
BOOST_AUTO_TEST_CASE(lines_and_circles_by_distribution_functions) {
  const int n = 96;
  for (const Boundary kind : {wall, around}) {
    const LayoutPtr layout = box({n}, {kind}, MPI_COMM_WORLD, {2.5});
    const auto first = [](int i, int, int) { return 0.1 + noise(i, 0, 3); };
    const auto second = [](int i, int, int) { return i > 60 ? 2.0 + noise(i, 1, 3) : 0.05; };
    const Field a = density(layout, first), b = density(layout, second);
    std::vector<double> gap(static_cast<std::size_t>(n));
    double mass_a = 0, mass_b = 0, running = 0;
    for (int i = 0; i < n; ++i) mass_a += first(i, 0, 0), mass_b += second(i, 0, 0);
    for (int i = 0; i < n; ++i) gap[static_cast<std::size_t>(i)] = running += first(i, 0, 0) / mass_a - second(i, 0, 0) / mass_b;
    double centre = 0;
    if (kind == around) {
      std::vector<double> sorted = gap;
      std::sort(sorted.begin(), sorted.end());
      centre = sorted[static_cast<std::size_t>(n / 2)];
    }
    double exact = 0;
    for (const double g : gap) exact += std::fabs(g - centre) * 2.5 / n;
    // In the continuum F - G is linear on each cell: int |F - G - c| in closed form, and the best c by ternary search.
    const auto integral = [&](double c) {
      double total = 0;
      for (int i = 0; i < n; ++i) {
        const double to = gap[static_cast<std::size_t>(i)] - c, from = (i == 0 ? 0 : gap[static_cast<std::size_t>(i - 1)]) - c;
        total += from * to >= 0 ? std::fabs(from + to) / 2 : (from * from + to * to) / (2 * std::fabs(to - from));
      }
      return total * 2.5 / n;
    };
    double low = kind == wall ? 0 : -1, high = kind == wall ? 0 : 1;
    for (int k = 0; k < 100; ++k) {
      const double a1 = low + (high - low) / 3, a2 = high - (high - low) / 3;
      integral(a1) < integral(a2) ? high = a2 : low = a1;
    }
    const double continuum = integral(low);
    for (const GroundNorm norm : norms) {
      const W1Result r = w1(a, b, {.norm = norm, .gap = 1e-6});
      check(r, exact, 1e-6);
      BOOST_TEST(r.continuum_upper >= continuum * (1 - 1e-9));
      BOOST_TEST(r.continuum_upper <= continuum * 1.002);
    }
  }
}

// Densities that change along one axis alone move along it: the exact value of the line, in the plane and in space.
BOOST_AUTO_TEST_CASE(products_reduce_to_lines) {
  const auto f = [](int i) { return 0.2 + std::sin(0.3 * i) * std::sin(0.3 * i); };
  const auto g = [](int i) { return 0.2 + (i < 10 ? 1.0 : 0.0); };
  const auto exact = [&](int n) {
    double a = 0, b = 0, running = 0, total = 0;
    for (int i = 0; i < n; ++i) a += f(i), b += g(i);
    for (int i = 0; i < n; ++i) total += std::fabs(running += f(i) / a - g(i) / b) / n;
    return total;
  };
  for (const GroundNorm norm : norms) {
    const W1Parameters p{.norm = norm, .gap = 1e-4, .coarsest = 8};
    const LayoutPtr x = box({32, 24}, {wall, around}), y = box({24, 32}, {wall, wall}), z = box({8, 8, 16}, {around, wall, wall});
    check(w1(density(x, [&](int i, int, int) { return f(i); }), density(x, [&](int i, int, int) { return g(i); }), p), exact(32), 1e-4);
    check(w1(density(y, [&](int, int j, int) { return f(j); }), density(y, [&](int, int j, int) { return g(j); }), p), exact(32), 1e-4);
    check(w1(density(z, [&](int, int, int k) { return f(k); }), density(z, [&](int, int, int k) { return g(k); }), p), exact(16), 1e-4);
  }
}

// With the ground norm l1 the discrete problem is a flow on the grid graph: exact values from a combinatorial algorithm. The bounds are certified:
// they hold wherever the iteration stops.
BOOST_AUTO_TEST_CASE(flows_on_the_grid_graph) {
  const int nx = 8, ny = 12;
  const LayoutPtr layout = box({nx, ny}, {wall, wall}, MPI_COMM_WORLD, {8, 12});
  for (int seed = 1; seed <= 3; ++seed) {
    std::vector<int> a(nx * ny), b(nx * ny), supply(nx * ny);
    for (int k = 0; k < 40; ++k) {
      ++a[static_cast<std::size_t>(noise(k, seed, 4) * nx * ny)];
      ++b[static_cast<std::size_t>(noise(k, seed, 5) * nx * ny)];
    }
    for (std::size_t i = 0; i < supply.size(); ++i) supply[i] = a[i] - b[i];
    const double exact = graph_distance(nx, ny, supply) / 40;
    const Field from = density(layout, [&](int i, int j, int) { return a[static_cast<std::size_t>(i + nx * j)]; });
    const Field to = density(layout, [&](int i, int j, int) { return b[static_cast<std::size_t>(i + nx * j)]; });
    for (const int coarsest : {0, 4}) check(w1(from, to, {.norm = GroundNorm::L1, .gap = 1e-4, .coarsest = coarsest}), exact, 1e-4);
    for (const int limit : {1, 3, 20}) {
      const W1Result r = w1(from, to, {.norm = GroundNorm::L1, .gap = 1e-9, .max_iterations = limit, .check_every = 1, .coarsest = 0});
      BOOST_TEST((r.reason == StopReason::IterationLimit));
      BOOST_TEST(r.iterations == limit);
      BOOST_TEST(r.lower <= exact);
      BOOST_TEST(r.upper >= exact * (1 - 1e-12));
      BOOST_TEST(r.gap > 1e-9);
    }
  }
}

// W1 of a translate is the norm of the shift. Linear functions of slope 1 have differences of slope 1, so that the discrete value is never less;
// along axes, and in l1, it is the same.
BOOST_AUTO_TEST_CASE(translations) {
  const auto bump = [](int n, double h) { return [n, h](int i, int c) { return std::exp(-std::pow((i + 0.5 - c) * h / 0.08, 2) / 2) + 0 * n; }; };
  const int n = 64;
  const LayoutPtr plane = box({n, n}, {wall, wall});
  const auto g = bump(n, 1.0 / n);
  const auto at = [&](const LayoutPtr& layout, int cx, int cy) {
    // cut off at equal places, so that one is the translate of the other
    return density(layout, [&](int i, int j, int) { return std::abs(i - cx) < 16 && std::abs(j - cy) < 16 ? g(i, cx) * g(j, cy) : 0.0; });
  };
  const Field start = at(plane, 20, 20), right = at(plane, 40, 20), diagonal = at(plane, 40, 44);
  for (const GroundNorm norm : norms) check(w1(start, right, {.norm = norm}), 20.0 / n, 1e-4);
  check(w1(start, diagonal, {.norm = GroundNorm::L1}), 44.0 / n, 1e-4);
  const W1Result l2 = w1(start, diagonal), linf = w1(start, diagonal, {.norm = GroundNorm::Linf});
  const double straight = std::hypot(20.0, 24.0) / n;
  BOOST_TEST(l2.gap <= 1e-4);
  BOOST_TEST(l2.upper >= straight);
  BOOST_TEST(l2.lower <= 1.01 * straight);
  BOOST_TEST(l2.continuum_upper >= straight);
  BOOST_TEST(l2.continuum_upper - straight < 0.5 * (l2.upper - straight));
  BOOST_TEST(linf.gap <= 1e-4);
  BOOST_TEST(linf.upper >= 24.0 / n);
  BOOST_TEST(linf.lower <= 1.05 * 24.0 / n);
  // Around a periodic axis the short way is taken.
  const LayoutPtr torus = box({n, n}, {around, wall});
  const Field left = density(torus, [&](int i, int j, int) { return i < 8 && std::abs(j - 30) < 9 ? 1.0 : 0.0; });
  const Field far = density(torus, [&](int i, int j, int) { return i >= n - 8 && std::abs(j - 30) < 9 ? 1.0 : 0.0; });
  check(w1(left, far), 8.0 / n, 1e-4);
}

// The Gaussians of many papers: 0.05 wide, from (0.3, 0.3) to (0.7, 0.7): W1 = 0.5656854249; in space 0.6928203230.
BOOST_AUTO_TEST_CASE(gaussians) {
  const auto gauss = [](const LayoutPtr& layout, double c) {
    return density(layout, [&](int i, int j, int k) {
      const double h = 1.0 / layout->grid().cells(0), x = (i + 0.5) * h - c, y = (j + 0.5) * h - c, z = layout->dim() == 3 ? (k + 0.5) * h - c : 0;
      return std::exp(-(x * x + y * y + z * z) / (2 * 0.05 * 0.05));
    });
  };
  double error = 1;
  for (const int n : {64, 128}) {
    const LayoutPtr layout = box({n, n}, {wall, wall});
    const W1Result r = w1(gauss(layout, 0.3), gauss(layout, 0.7), {.gap = 5e-4});
    BOOST_TEST(r.gap <= 5e-4);
    BOOST_TEST(r.iterations <= 200);
    const double now = r.upper / 0.5656854249 - 1, continuum = r.continuum_upper / 0.5656854249 - 1;
    BOOST_TEST(continuum > -1e-6);
    BOOST_TEST(continuum < (n == 64 ? 2.5e-3 : 7e-4));
    BOOST_TEST(now > -1e-6);
    BOOST_TEST(now < (n == 64 ? 8e-3 : 2e-3));
    BOOST_TEST(now < 0.45 * error);
    error = now;
  }
  const LayoutPtr space = box({32, 32, 32}, {wall, wall, wall});
  const W1Result r = w1(gauss(space, 0.3), gauss(space, 0.7), {.gap = 2e-3, .coarsest = 16});
  BOOST_TEST(r.gap <= 2e-3);
  BOOST_TEST(std::fabs(r.upper / 0.6928203230 - 1) < 0.03);
  BOOST_TEST(r.continuum_upper / 0.6928203230 > 1 - 1e-6);
  BOOST_TEST(r.continuum_upper < r.upper);
}

// Uniform discs and balls of one centre: W1 = difference of the mean radii: (2/3) (R - r) = 2/15 and (3/4) (R - r) = 0.15.
BOOST_AUTO_TEST_CASE(concentric_discs_and_balls) {
  const auto ball = [](const LayoutPtr& layout, double radius) {
    const int parts = 4;  // of a cell along each axis, so that its share inside is known
    return density(layout, [&](int i, int j, int k) {
      int inside = 0;
      const double h = 1.0 / layout->grid().cells(0) / parts;
      const int depth = layout->dim() == 3 ? parts : 1;
      for (int c = 0; c < depth; ++c)
        for (int b = 0; b < parts; ++b)
          for (int a = 0; a < parts; ++a) {
            const double x = (i * parts + a + 0.5) * h - 0.5, y = (j * parts + b + 0.5) * h - 0.5;
            const double z = layout->dim() == 3 ? (k * parts + c + 0.5) * h - 0.5 : 0;
            inside += x * x + y * y + z * z < radius * radius ? 1 : 0;
          }
      return static_cast<double>(inside);
    });
  };
  const LayoutPtr plane = box({128, 128}, {wall, around}), space = box({32, 32, 32}, {wall, wall, wall});
  const W1Result disc = w1(ball(plane, 0.1), ball(plane, 0.3), {.gap = 1e-3});
  BOOST_TEST(disc.gap <= 1e-3);
  BOOST_TEST(std::fabs(disc.upper - 2.0 / 15) < 0.01 * 2 / 15);
  const W1Result sphere = w1(ball(space, 0.1), ball(space, 0.3), {.gap = 2e-3, .coarsest = 16});
  BOOST_TEST(sphere.gap <= 2e-3);
  BOOST_TEST(std::fabs(sphere.upper - 0.15) < 0.04 * 0.15);
}

// What is returned proves the bounds: div m = source - target, cost(m) = upper; |D phi|_* <= 1 and int phi (target - source) is a lower bound too.
// And the answer knows nothing of the ranks, of mass or length units.
BOOST_AUTO_TEST_CASE(certificates_ranks_and_units) {
  const auto f = [](int i, int j, int) { return 0.1 + noise(i / 3, j / 3, 6); };
  const auto g = [](int i, int j, int) { return 0.1 + (i + j > 40 ? 1.0 : 0.0); };
  for (const GroundNorm norm : norms) {
    const W1Parameters p{.norm = norm, .gap = 1e-3, .coarsest = 16};
    const LayoutPtr layout = box({32, 32}, {wall, around});
    const Field a = density(layout, f), b = density(layout, g);
    WassersteinOne solver(a, b, p);
    const W1Result r = solver.solve();
    BOOST_TEST((r.reason == StopReason::Converged));
    BOOST_TEST(r.levels.size() == 2U);
    MinimalFlow operators(layout, norm);
    Field phi = solver.potential(), slope(layout, 2), divergence(layout);
    operators.apply_gradient(phi, slope);
    operators.apply_divergence(solver.flux(), divergence);
    double steepest = 0, worst = 0;
    const auto sums = sum_rows<2>(*layout, [&](std::ptrdiff_t offset, int n) {
      std::array<double, 2> s{};
      for (std::ptrdiff_t i = offset; i < offset + n; ++i) {
        const double sx = std::fabs(slope.level(0)[i]), sy = std::fabs(slope.level(1)[i]), mx = std::fabs(solver.flux().level(0)[i]),
                     my = std::fabs(solver.flux().level(1)[i]);
        steepest = std::max(steepest, norm == GroundNorm::L1 ? std::max(sx, sy) : norm == GroundNorm::L2 ? std::hypot(sx, sy) : sx + sy);
        worst = std::max(worst, std::fabs(divergence.level()[i] - a.level()[i] + b.level()[i]));
        s[0] += norm == GroundNorm::L1 ? mx + my : norm == GroundNorm::L2 ? std::hypot(mx, my) : std::max(mx, my);
        s[1] += phi.level()[i] * (b.level()[i] - a.level()[i]);
      }
      return s;
    });
    const double cell = layout->grid().cell_volume();
    BOOST_TEST(global_max(MPI_COMM_WORLD, steepest) <= 1 + 1e-12);
    BOOST_TEST(global_max(MPI_COMM_WORLD, worst) < 1e-10);
    BOOST_TEST(std::fabs(sums[0] * cell - r.upper) < 1e-3 * r.upper);  // upper is the best of all checks
    BOOST_TEST(sums[0] * cell >= r.upper * (1 - 1e-10));
    BOOST_TEST(sums[1] * cell <= r.lower * (1 + 1e-10));
    BOOST_TEST(sums[1] * cell > 0.99 * r.lower);

    const LayoutPtr alone = box({32, 32}, {wall, around}, MPI_COMM_SELF);
    const W1Result single = w1(density(alone, f), density(alone, g), p);
    BOOST_TEST(single.upper == r.upper);
    BOOST_TEST(single.lower == r.lower);
    BOOST_TEST(single.continuum_upper == r.continuum_upper);
    BOOST_TEST(single.iterations == r.iterations);

    const LayoutPtr large = box({32, 32}, {wall, around}, MPI_COMM_WORLD, {1000, 1000});
    Field heavy = density(large, f), other = density(large, g);
    for (double& v : heavy.owned()) v *= 64;
    for (double& v : other.owned()) v *= 64;
    const W1Result scaled = w1(heavy, other, p);
    BOOST_TEST(std::fabs(scaled.upper / (64000 * r.upper) - 1) < 1e-3);
    BOOST_TEST(scaled.iterations == r.iterations);
  }
}

BOOST_AUTO_TEST_CASE(ranks_on_a_line) {
  const auto f = [](int i, int, int) { return 0.1 + noise(i, 0, 8); };
  const auto g = [](int i, int, int) { return 0.1 + noise(i, 1, 8); };
  const LayoutPtr layout = box({2304}, {wall}), alone = box({2304}, {wall}, MPI_COMM_SELF);
  const W1Parameters p{.gap = 1e-2, .max_iterations = 40};
  const W1Result r = w1(density(layout, f), density(layout, g), p), single = w1(density(alone, f), density(alone, g), p);
  BOOST_TEST(single.upper == r.upper);
  BOOST_TEST(single.lower == r.lower);
}

BOOST_AUTO_TEST_CASE(a_stopped_solve_goes_on_as_if_it_had_not_stopped) {
  const LayoutPtr layout = box({32, 48}, {wall, around});
  const Field a = density(layout, [](int i, int j, int) { return noise(i / 4, j / 4, 9); });
  const Field b = density(layout, [](int i, int j, int) { return noise(i / 4, j / 4, 10); });
  const W1Parameters p{.gap = 1e-4, .coarsest = 12};
  WassersteinOne straight(a, b, p);
  const W1Result whole = straight.solve();
  BOOST_REQUIRE(whole.iterations > 25);

  WassersteinOne first(a, b, p);
  first.monitor = [](const W1Progress& now) { return now.iteration >= 20; };
  const W1Result part = first.solve();
  BOOST_TEST(part.stopped);
  BOOST_TEST(part.iterations == 20);
  BOOST_TEST(part.upper >= part.lower);
  WassersteinOne second(a, b, p);
  const auto copy = [](const Field& from, Field& to) {
    for (int k = 0; k < from.levels(); ++k) std::copy_n(from.level(k), from.layout().owned(), to.level(k));
  };
  copy(first.flux(), second.flux());
  copy(first.dual_flux(), second.dual_flux());
  copy(first.mean_potential(), second.mean_potential());
  second.restore(first.state());
  second.monitor = [](const W1Progress& now) { return now.iteration == 20; };  // not asked there again
  const W1Result rest = second.solve();
  BOOST_TEST(!rest.stopped);
  BOOST_TEST(rest.iterations == whole.iterations);
  BOOST_TEST(rest.upper == whole.upper);
  BOOST_TEST(rest.lower == whole.lower);
  BOOST_TEST(std::memcmp(second.flux().level(), straight.flux().level(), sizeof(double) * static_cast<std::size_t>(layout->owned())) == 0);
  const Field phi = second.potential(), expected = straight.potential();
  BOOST_TEST(std::memcmp(phi.level(), expected.level(), sizeof(double) * static_cast<std::size_t>(layout->owned())) == 0);
}

BOOST_AUTO_TEST_CASE(equal_densities_and_bad_input) {
  const LayoutPtr layout = box({16, 16}, {wall, wall});
  const Field a = density(layout, [](int i, int j, int) { return 1.0 + i * j; });
  const W1Result same = w1(a, a);
  BOOST_TEST((same.reason == StopReason::Converged));
  BOOST_TEST(same.distance == 0);
  BOOST_TEST(same.lower == 0);

  Field heavier = a.clone();
  for (double& v : heavier.owned()) v *= 1.001;
  const auto says = [](const char* word) { return [word](const InputError& e) { return std::strstr(e.what(), word) != nullptr; }; };
  BOOST_CHECK_EXCEPTION(w1(a, heavier), InputError, says("unbalanced"));
  BOOST_CHECK_EXCEPTION(w1(heavier, a), InputError, says("masses differ"));
  Field negative = a.clone();
  if (layout->rank() == layout->ranks() - 1) negative.level()[3] = -1;
  BOOST_CHECK_EXCEPTION(w1(a, negative), InputError, says("target density is negative"));
  Field broken = a.clone();
  if (layout->rank() == 0) broken.level()[2] = std::nan("");
  BOOST_CHECK_EXCEPTION(w1(broken, a), InputError, says("source density is not finite"));
  BOOST_CHECK_EXCEPTION(w1(Field(layout), a), InputError, says("0 everywhere"));
  BOOST_CHECK_EXCEPTION(w1(a, a, {.relaxation = 2}), InputError, says("relaxation"));
  const LayoutPtr open = box({16, 16}, {wall, Boundary::Dirichlet});
  const Field b = density(open, [](int, int, int) { return 1.0; });
  BOOST_CHECK_EXCEPTION(w1(b, b), InputError, says("dirichlet"));
}
