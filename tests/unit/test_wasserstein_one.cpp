// ranks: 1 2 4
// timeout: 300
#define BOOST_TEST_MODULE wasserstein_one
#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <cstring>
#include <numeric>
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

/// A certified interval around the value in the continuum, no wider than `width`; the grid's problem solved to the gap asked for.
void check(const W1Result& r, double exact, double gap, double width, double slack = 1e-12) {
  BOOST_TEST((r.reason == StopReason::Converged));
  BOOST_TEST(r.lower <= exact * (1 + slack));
  BOOST_TEST(r.upper >= exact * (1 - slack));
  BOOST_TEST(r.distance >= r.lower);
  BOOST_TEST(r.distance <= r.upper);
  BOOST_TEST(r.gap <= width);
  BOOST_TEST(r.grid_gap <= gap);
  BOOST_TEST(r.divergence_error < 1e-11);
}
void check_grid(const W1Result& r, double exact) {
  BOOST_TEST(r.lower <= exact * (1 + 1e-12));
  BOOST_TEST(r.grid_upper >= exact * (1 - 1e-12));
}

/// F - G on a line of two densities on cells, at the upper ends of the cells, in units of the mass; `smooth` in the means (1, 4, 1) / 6 that the
/// grid's problem sees.
std::vector<double> distribution_difference(std::vector<double> f, std::vector<double> g, Boundary kind, bool smooth) {
  const std::size_t n = f.size();
  const double mass_f = std::accumulate(f.begin(), f.end(), 0.0), mass_g = std::accumulate(g.begin(), g.end(), 0.0);
  std::vector<double> difference(n), out(n);
  for (std::size_t i = 0; i < n; ++i) difference[i] = f[i] / mass_f - g[i] / mass_g;
  double running = 0;
  for (std::size_t i = 0; i < n; ++i) {
    const std::size_t below = i > 0 ? i - 1 : kind == around ? n - 1 : 0, above = i + 1 < n ? i + 1 : kind == around ? 0 : n - 1;
    out[i] = running += smooth ? (difference[below] + 4 * difference[i] + difference[above]) / 6 : difference[i];
  }
  return out;
}
double length_of(const std::vector<double>& gap, double centre, double length) {
  double total = 0;
  for (const double g : gap) total += std::fabs(g - centre);
  return total * length / static_cast<double>(gap.size());
}
/// In the continuum F - G is linear on each cell: int |F - G - c| in closed form.
double line_distance(const std::vector<double>& gap, double c, double length) {
  double total = 0;
  for (std::size_t i = 0; i < gap.size(); ++i) {
    const double to = gap[i] - c, from = (i == 0 ? 0 : gap[i - 1]) - c;
    total += from * to >= 0 ? std::fabs(from + to) / 2 : (from * from + to * to) / (2 * std::fabs(to - from));
  }
  return total * length / static_cast<double>(gap.size());
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

BOOST_AUTO_TEST_CASE(operators_are_adjoint_and_contract_and_fluxes_have_the_divergence) {
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
    Field u(layout), mu(layout, flow.multiplier().levels()), du(layout, mu.levels()), dmu(layout);
    const std::int64_t nx = layout->grid().cells(0), ny = layout->grid().cells(1);
    double edges = 0;  // |D u|^2, by the difference along each axis where the place stands on its faces: |R D u| is not more
    for (std::ptrdiff_t i = 0; i < layout->owned(); ++i) {
      const auto g = static_cast<int>(layout->global_offset() + i);
      u.level()[i] = noise(g, 0, 1) - 0.5;
      const int at[3] = {static_cast<int>(g % nx), static_cast<int>(g / nx % ny), static_cast<int>(g / nx / ny)};
      for (unsigned s = 0; s < static_cast<unsigned>(flow.places()); ++s) {
        bool on_wall = false;
        for (int d = 0; d < dim; ++d)
          on_wall |= (s >> d & 1) != 0 && c.kinds[static_cast<std::size_t>(d)] == wall && at[d] == layout->grid().cells(d) - 1;
        for (int k = 0; k < dim; ++k) mu.level(flow.level_of(s, k))[i] = on_wall ? 0 : noise(g, 8 * k + static_cast<int>(s), 2) - 0.5;
      }
    }
    flow.apply_gradient(u, du);
    flow.apply_divergence(mu, dmu);
    double right = 0, norm = 0;
    for (int level = 0; level < mu.levels(); ++level) right -= dot(mu, du, level, level), norm += dot(du, du, level, level);
    const double left = dot(dmu, u) * flow.places();
    BOOST_TEST(std::fabs(left - right) < 1e-11 * (1 + std::fabs(left)));
    BOOST_TEST(std::fabs(left) > 1e-3);
    for (int k = 0; k < dim; ++k) edges += dot(du, du, flow.level_of(1U << k, k), flow.level_of(1U << k, k));
    BOOST_TEST(norm <= flow.places() * edges * (1 + 1e-12));

    Field f = u.clone();
    const double mean = sum(u) / static_cast<double>(layout->grid().size());
    for (double& v : f.owned()) v -= mean;
    flow.set_divergence(f);
    flow.start();
    BOOST_TEST(flow.divergence_error() < 1e-12);
    for (int level = 0; level < mu.levels(); ++level) std::copy_n(mu.level(level), layout->owned(), flow.multiplier().level(level));
    BOOST_TEST(flow.divergence_error() < 1e-12 * 40);
    BOOST_TEST(flow.mean_flux() > 0.001);
    // A linear function of slope 1 has that slope at every place away from walls, and its spline the means of the cells.
    if (c.kinds[0] == wall && dim == 1) {
      Field line(layout), means(layout);
      for (std::ptrdiff_t i = 0; i < layout->owned(); ++i) line.level()[i] = static_cast<double>(layout->global_offset() + i) * 1.5 / 24;
      flow.apply_gradient(line, du);
      flow.cell_means(line, means);
      for (std::ptrdiff_t i = 0; i < layout->owned(); ++i) {
        const std::int64_t g = layout->global_offset() + i;
        if (g == 0 || g == 23) continue;
        for (int level = 0; level < 2; ++level) BOOST_TEST(std::fabs(du.level(level)[i] - 1) < 1e-12);
        BOOST_TEST(std::fabs(means.level()[i] - line.level()[i]) < 1e-12);
      }
    }
  }
}

// On a line W1 = int |F - G|; around a circle less by the best circulation: F - G minus its median. The grid's problem sees the means of the
// densities over the splines.
BOOST_AUTO_TEST_CASE(lines_and_circles_by_distribution_functions) {
  const int n = 96;
  const auto first = [](int i, int, int) { return 0.1 + noise(i, 0, 3); };
  const auto second = [](int i, int, int) { return i > 60 ? 2.0 + noise(i, 1, 3) : 0.05; };
  std::vector<double> f, g;
  for (int i = 0; i < n; ++i) f.push_back(first(i, 0, 0)), g.push_back(second(i, 0, 0));
  for (const Boundary kind : {wall, around}) {
    const LayoutPtr layout = box({n}, {kind}, MPI_COMM_WORLD, {2.5});
    const Field a = density(layout, first), b = density(layout, second);
    const std::vector<double> gap = distribution_difference(f, g, kind, false), seen = distribution_difference(f, g, kind, true);
    double centre = 0;
    if (kind == around) {
      std::vector<double> sorted = seen;
      std::sort(sorted.begin(), sorted.end());
      centre = sorted[static_cast<std::size_t>(n / 2)];
    }
    double low = kind == wall ? 0 : -1, high = kind == wall ? 0 : 1;  // the best c by ternary search
    for (int k = 0; k < 100; ++k) {
      const double a1 = low + (high - low) / 3, a2 = high - (high - low) / 3;
      line_distance(gap, a1, 2.5) < line_distance(gap, a2, 2.5) ? high = a2 : low = a1;
    }
    for (const GroundNorm norm : norms) {
      const W1Result r = w1(a, b, {.norm = norm, .gap = 1e-6});
      check(r, line_distance(gap, low, 2.5), 1e-6, 1e-3, 1e-9);
      check_grid(r, length_of(seen, centre, 2.5));
    }
  }
}

// Densities that change along one axis alone move along it: the exact value of the line, in the plane and in space.
BOOST_AUTO_TEST_CASE(products_reduce_to_lines) {
  const auto f = [](int i) { return 0.2 + std::sin(0.3 * i) * std::sin(0.3 * i); };
  const auto g = [](int i) { return 0.2 + (i < 10 ? 1.0 : 0.0); };
  const auto compare = [&](const W1Result& r, int n) {
    std::vector<double> a, b;
    for (int i = 0; i < n; ++i) a.push_back(f(i)), b.push_back(g(i));
    check(r, line_distance(distribution_difference(a, b, wall, false), 0, 1), 1e-4, 4e-2);
    check_grid(r, length_of(distribution_difference(a, b, wall, true), 0, 1));
  };
  for (const GroundNorm norm : norms) {
    const W1Parameters p{.norm = norm, .gap = 1e-4, .coarsest = 8};
    const LayoutPtr x = box({32, 24}, {wall, around}), y = box({24, 32}, {wall, wall}), z = box({8, 8, 16}, {around, wall, wall});
    compare(w1(density(x, [&](int i, int, int) { return f(i); }), density(x, [&](int i, int, int) { return g(i); }), p), 32);
    compare(w1(density(y, [&](int, int j, int) { return f(j); }), density(y, [&](int, int j, int) { return g(j); }), p), 32);
    compare(w1(density(z, [&](int, int, int k) { return f(k); }), density(z, [&](int, int, int k) { return g(k); }), p), 16);
  }
}

// With the ground norm l1 every flow on the grid graph is a flux between cells of no greater cost in the continuum: exact values from a combinatorial
// algorithm bound W1 from above. The same densities on cells of half the size have the same W1: intervals must meet. The bounds are certified: they
// hold wherever the iteration stops.
BOOST_AUTO_TEST_CASE(flows_on_the_grid_graph_and_divided_cells) {
  const int nx = 8, ny = 12;
  const LayoutPtr layout = box({nx, ny}, {wall, wall}, MPI_COMM_WORLD, {8, 12}),
                  divided = box({2 * nx, 2 * ny}, {wall, wall}, MPI_COMM_WORLD, {8, 12});
  for (int seed = 1; seed <= 3; ++seed) {
    std::vector<int> a(nx * ny), b(nx * ny), supply(nx * ny);
    for (int k = 0; k < 40; ++k) {
      ++a[static_cast<std::size_t>(noise(k, seed, 4) * nx * ny)];
      ++b[static_cast<std::size_t>(noise(k, seed, 5) * nx * ny)];
    }
    for (std::size_t i = 0; i < supply.size(); ++i) supply[i] = a[i] - b[i];
    const double graph = graph_distance(nx, ny, supply) / 40;
    const auto field = [&](const LayoutPtr& l, const std::vector<int>& count, int parts) {
      return density(l, [&](int i, int j, int) { return count[static_cast<std::size_t>(i / parts + nx * (j / parts))]; });
    };
    const Field from = field(layout, a, 1), to = field(layout, b, 1);
    const W1Result best = w1(from, to, {.norm = GroundNorm::L1, .gap = 1e-4, .coarsest = 4});
    const W1Result fine = w1(field(divided, a, 2), field(divided, b, 2), {.norm = GroundNorm::L1, .gap = 1e-4, .coarsest = 4});
    BOOST_TEST(best.lower <= graph);
    BOOST_TEST(fine.lower <= graph);
    BOOST_TEST(fine.lower <= best.upper);
    BOOST_TEST(best.lower <= fine.upper);
    BOOST_TEST(fine.gap < 0.6 * best.gap);
    for (const int limit : {1, 3, 20}) {
      const W1Result r = w1(from, to, {.norm = GroundNorm::L1, .gap = 1e-9, .max_iterations = limit, .check_every = 1, .coarsest = 0});
      BOOST_TEST((r.reason == StopReason::IterationLimit));
      BOOST_TEST(r.iterations == limit);
      BOOST_TEST(r.lower <= fine.upper);
      BOOST_TEST(r.upper >= fine.lower);
      BOOST_TEST(r.grid_upper >= best.lower);
      BOOST_TEST(r.grid_gap > 1e-9);
    }
  }
}

// W1 of a translate is the norm of the shift, whichever way it goes.
BOOST_AUTO_TEST_CASE(translations) {
  const int n = 64;
  const LayoutPtr plane = box({n, n}, {wall, wall});
  const auto g = [n](int i, int c) { return std::exp(-std::pow((i + 0.5 - c) / n / 0.08, 2) / 2); };
  const auto at = [&](const LayoutPtr& layout, int cx, int cy) {
    // cut off at equal places, so that one is the translate of the other
    return density(layout, [&](int i, int j, int) { return std::abs(i - cx) < 16 && std::abs(j - cy) < 16 ? g(i, cx) * g(j, cy) : 0.0; });
  };
  const Field start = at(plane, 20, 20), right = at(plane, 40, 20), diagonal = at(plane, 40, 44), down = at(plane, 44, 20), up = at(plane, 20, 44);
  for (const GroundNorm norm : norms) {
    check(w1(start, right, {.norm = norm, .gap = 3e-4}), 20.0 / n, 3e-4, 3e-3);
    const double skew = norm == GroundNorm::L1 ? 44.0 / n : norm == GroundNorm::L2 ? std::hypot(20.0, 24.0) / n : 24.0 / n;
    const double across = norm == GroundNorm::L1 ? 48.0 / n : norm == GroundNorm::L2 ? std::hypot(24.0, 24.0) / n : 24.0 / n;
    const W1Result there = w1(start, diagonal, {.norm = norm, .gap = 3e-4}), falling = w1(up, down, {.norm = norm, .gap = 3e-4});
    check(there, skew, 3e-4, 5e-3);
    check(falling, across, 3e-4, 5e-3);
    BOOST_TEST(std::fabs(there.distance / skew - 1) < 1e-3);
    // In linf every path but the straight one is longer: jumps along its way cost the first order.
    BOOST_TEST(std::fabs(falling.distance / across - 1) < (norm == GroundNorm::Linf ? 5e-3 : 5e-4));
  }
  // Around a periodic axis the short way is taken.
  const LayoutPtr torus = box({n, n}, {around, wall});
  const Field left = density(torus, [&](int i, int j, int) { return i < 8 && std::abs(j - 30) < 9 ? 1.0 : 0.0; });
  const Field far = density(torus, [&](int i, int j, int) { return i >= n - 8 && std::abs(j - 30) < 9 ? 1.0 : 0.0; });
  check(w1(left, far), 8.0 / n, 1e-4, 2e-2);
}

// The Gaussians of many papers: 0.05 wide, from (0.3, 0.3) to (0.7, 0.7): W1 = 0.5656854249; in space 0.6928203230. Second order.
BOOST_AUTO_TEST_CASE(gaussians) {
  const auto gauss = [](const LayoutPtr& layout, double c) {
    return density(layout, [&](int i, int j, int k) {
      const double h = 1.0 / layout->grid().cells(0), x = (i + 0.5) * h - c, y = (j + 0.5) * h - c, z = layout->dim() == 3 ? (k + 0.5) * h - c : 0;
      return std::exp(-(x * x + y * y + z * z) / (2 * 0.05 * 0.05));
    });
  };
  double error = 1, width = 1;
  for (const int n : {32, 64}) {
    const LayoutPtr layout = box({n, n}, {wall, wall});
    const W1Result r = w1(gauss(layout, 0.3), gauss(layout, 0.7), {.gap = 5e-5});
    check(r, 0.5656854249, 5e-5, n == 32 ? 1.5e-3 : 2e-4);
    const double now = r.distance / 0.5656854249 - 1;
    BOOST_TEST(std::fabs(now) < 0.25 * error);
    BOOST_TEST(r.gap < 0.25 * width);
    error = std::fabs(now);
    width = r.gap;
  }
  BOOST_TEST(error < 1e-4);
  const LayoutPtr space = box({32, 32, 32}, {wall, wall, wall});
  const W1Result r = w1(gauss(space, 0.3), gauss(space, 0.7), {.gap = 2e-3, .coarsest = 16});
  check(r, 0.6928203230, 2e-3, 5e-3);
  BOOST_TEST(std::fabs(r.distance / 0.6928203230 - 1) < 3e-3);
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
  BOOST_TEST(disc.grid_gap <= 1e-3);
  BOOST_TEST(disc.gap <= 1e-2);
  BOOST_TEST(std::fabs(disc.distance - 2.0 / 15) < 2e-3 * 2 / 15);
  const W1Result sphere = w1(ball(space, 0.1), ball(space, 0.3), {.gap = 2e-3, .coarsest = 16});
  BOOST_TEST(sphere.grid_gap <= 2e-3);
  BOOST_TEST(std::fabs(sphere.distance - 0.15) < 0.01 * 0.15);
}

// What is returned proves the bounds: int phi (target - source) is a lower bound, where the means of a function of slope 1 over any two cells differ
// by no more than the cells' distance; m costs what `upper` says and moves source to target. And the answer knows nothing of the ranks, of mass or
// length units.
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
    const Field phi = solver.potential();
    const double value = (dot(phi, b) - dot(phi, a)) * layout->grid().cell_volume();
    BOOST_TEST(value <= r.lower * (1 + 1e-12));
    BOOST_TEST(value > 0.99 * r.lower);
    std::vector<double> all(32 * 32);
    std::copy_n(phi.level(), layout->owned(), all.data() + layout->global_offset());
    MPI_Allreduce(MPI_IN_PLACE, all.data(), static_cast<int>(all.size()), MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
    double worst = -1;
    for (std::size_t i = 0; i < all.size(); ++i)
      for (std::size_t j = 0; j < i; ++j) {
        const double x = std::abs(static_cast<int>(i % 32) - static_cast<int>(j % 32)) / 32.0,
                     up = std::abs(static_cast<int>(i / 32) - static_cast<int>(j / 32));
        const double y = std::min(up, 32 - up) / 32;
        const double distance = norm == GroundNorm::L1 ? x + y : norm == GroundNorm::L2 ? std::hypot(x, y) : std::max(x, y);
        worst = std::max(worst, std::fabs(all[i] - all[j]) - distance);
      }
    BOOST_TEST(worst <= 1e-12);
    BOOST_TEST(worst > -1e-2);
    const FluxCost cost = flux_cost(solver.flux(), norm);
    BOOST_TEST(cost.upper == r.upper);
    BOOST_TEST(std::fabs(cost.value / cost.upper - 1) < 1e-3);
    BOOST_TEST(r.divergence_error < 1e-12);

    const LayoutPtr alone = box({32, 32}, {wall, around}, MPI_COMM_SELF);
    const W1Result single = w1(density(alone, f), density(alone, g), p);
    BOOST_TEST(single.upper == r.upper);
    BOOST_TEST(single.lower == r.lower);
    BOOST_TEST(single.distance == r.distance);
    BOOST_TEST(single.grid_upper == r.grid_upper);
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
  copy(first.iterate(), second.iterate());
  copy(first.multiplier(), second.multiplier());
  copy(first.mean_potential(), second.mean_potential());
  second.restore(first.state());
  second.monitor = [](const W1Progress& now) { return now.iteration == 20; };  // not asked there again
  const W1Result rest = second.solve();
  BOOST_TEST(!rest.stopped);
  BOOST_TEST(rest.iterations == whole.iterations);
  BOOST_TEST(rest.upper == whole.upper);
  BOOST_TEST(rest.lower == whole.lower);
  BOOST_TEST(rest.distance == whole.distance);
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
