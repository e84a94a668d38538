// ranks: 1 2 4
// timeout: 120
#define BOOST_TEST_MODULE back_and_forth
#include <algorithm>
#include <array>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <numbers>
#include <vector>

#include "grids/reduce.hpp"
#include "grids/support/errors.hpp"
#include "solvers/back_and_forth.hpp"
#include "solvers/density_distances.hpp"

using namespace wasserflow;

namespace {

LayoutPtr unit_box(MPI_Comm comm, int dim, int cells) {
  return make_layout(comm, Grid(std::vector<Axis>(static_cast<std::size_t>(dim), Axis{0, 1, cells, Boundary::NoFlux, 0.5})), 1);
}
LayoutPtr unit_box(int dim, int cells) { return unit_box(MPI_COMM_WORLD, dim, cells); }

template <class F>
Field density(const LayoutPtr& layout, F&& f) {
  Field u(layout);
  for (int r = 0; r < layout->rows(); ++r) {
    const RowPoints p = layout->row(r);
    for (int i = 0; i < p.n; ++i) u.level()[p.offset + i] = f(p.x[i], p.y, p.z);
  }
  const double mass = sum(u) * layout->grid().cell_volume();
  for (double& v : u.owned()) v /= mass;
  return u;
}

double normal(double x, double mean, double deviation) { return std::exp(-(x - mean) * (x - mean) / (2 * deviation * deviation)); }

/// Bounds in order, and around the exact value up to `discretisation` of it.
void check(const W2Result& r, double exact, double discretisation) {
  BOOST_TEST((r.reason == StopReason::Converged));
  BOOST_TEST(r.lower <= r.upper);
  BOOST_TEST(r.lower <= exact * (1 + discretisation));
  BOOST_TEST(r.upper >= exact * (1 - discretisation));
  BOOST_TEST(r.distance == std::sqrt(exact), boost::test_tools::tolerance(1e-3));
}

}  // namespace

// Gaussians with different covariances that do not commute.
BOOST_AUTO_TEST_CASE(gaussians) {
  const LayoutPtr layout = unit_box(2, 128);
  const Field rho0 = density(layout, [](double x, double y, double) { return normal(x, 0.3, 0.05) * normal(y, 0.3, 0.04); });
  const double c11 = 0.0036, c12 = 0.001, c22 = 0.0025, det = c11 * c22 - c12 * c12;
  const Field rho1 = density(layout, [&](double x, double y, double) {
    x -= 0.7, y -= 0.6;
    return std::exp(-(c22 * x * x - 2 * c12 * x * y + c11 * y * y) / (2 * det));
  });
  for (const bool moments : {true, false}) {
    BackAndForthParameters parameters;
    parameters.moment_start = moments;
    BackAndForth solver(layout, parameters);
    const W2Result r = solver.solve(rho0, rho1);
    check(r, 0.25033821344806, 2e-4);
    BOOST_TEST(r.iterations <= 40);
    if (!moments) continue;
    // The optimal map is affine, m1 + A (x - m0); its geodesic is Gaussian.
    std::vector<Field> T;
    T.emplace_back(layout), T.emplace_back(layout);
    solver.map(T);
    Field half(layout);
    solver.geodesic(0.5, half);
    BOOST_TEST(sum(half) == sum(rho0), boost::test_tools::tolerance(1e-12));
    const Field x = density(layout, [](double a, double, double) { return a; });  // x / mean of x = 2 x
    BOOST_TEST(dot(half, x) / sum(half) == 2 * 0.5, boost::test_tools::tolerance(1e-3));
    const double mean_x = dot(T[0], rho0) / sum(rho0), mean_y = dot(T[1], rho0) / sum(rho0);
    BOOST_TEST(mean_x == 0.7, boost::test_tools::tolerance(1e-4));
    BOOST_TEST(mean_y == 0.6, boost::test_tools::tolerance(1e-4));
  }
}

BOOST_AUTO_TEST_CASE(translations_and_their_geodesic) {
  for (int dim = 1; dim <= 3; ++dim) {
    const LayoutPtr layout = unit_box(dim, dim == 3 ? 32 : 64);
    const double deviation = dim == 3 ? 0.07 : 0.05;
    const auto at = [&](double centre) {
      return density(layout, [&, centre](double x, double y, double z) {
        return normal(x, centre, deviation) * (dim > 1 ? normal(y, centre, deviation) : 1) * (dim > 2 ? normal(z, centre, deviation) : 1);
      });
    };
    const Field rho0 = at(0.3), rho1 = at(0.7);
    BackAndForth solver(layout);
    check(solver.solve(rho0, rho1), dim * 0.16, 2e-3);
    Field middle(layout);
    solver.geodesic(0.5, middle);
    const Field exact = at(0.5);
    BOOST_TEST(density_distances(middle, const_cast<Field&>(exact)).l1 < 0.1);
    BOOST_TEST(sum(middle) == sum(rho0), boost::test_tools::tolerance(1e-12));
    for (const double v : middle.owned()) BOOST_REQUIRE(v >= 0);
  }
}

// Against quantile functions: densities of several pieces with gaps, where the map jumps.
BOOST_AUTO_TEST_CASE(quantiles_on_a_line) {
  const LayoutPtr layout = unit_box(1, 512);
  const std::vector<std::array<Field, 2>> pairs = [&] {
    std::vector<std::array<Field, 2>> out;
    out.push_back({density(layout, [](double x, double, double) { return 1 + 0.5 * std::cos(2 * M_PI * x); }),
                   density(layout, [](double, double, double) { return 1; })});
    out.push_back({density(layout, [](double x, double, double) { return std::fabs(x - 0.5) < 0.1 ? 1 : 0; }),
                   density(layout, [](double x, double, double) { return std::fabs(std::fabs(x - 0.5) - 0.3) < 0.05 ? 1 : 0; })});
    out.push_back({density(layout, [](double x, double, double) { return normal(x, 0.2, 0.03) + 0.01; }),
                   density(layout, [](double x, double, double) { return normal(x, 0.6, 0.02) + 2 * normal(x, 0.8, 0.05); })});
    return out;
  }();
  for (const auto& [rho0, rho1] : pairs) {
    BackAndForth solver(layout);
    const W2Result r = solver.solve(rho0, rho1);
    const double exact = density_distances(const_cast<Field&>(rho0), const_cast<Field&>(rho1)).w2.value();
    check(r, exact * exact, 1e-3);
  }
}

// Products: W2^2 is a sum over the axes, each known from quantiles; along one of them the map jumps.
BOOST_AUTO_TEST_CASE(products_of_densities) {
  const auto gap = [](double v) { return std::fabs(std::fabs(v - 0.5) - 0.3) < 0.1 ? 1.0 : 0.0; };
  const auto block = [](double v) { return std::fabs(v - 0.5) < 0.2 ? 1.0 + v : 0.0; };
  const auto wave = [](double v) { return 1 + 0.5 * std::cos(2 * M_PI * v); };
  const auto tilt = [](double v) { return 0.5 + v * v; };
  for (int dim = 2; dim <= 3; ++dim) {
    const int n = dim == 2 ? 128 : 32;
    const auto values = [&](auto&& f) {
      std::vector<double> out;
      for (int i = 0; i < n; ++i) out.push_back(f((i + 0.5) / n));
      return out;
    };
    const auto square = [&](auto&& f, auto&& g) {
      const double w = quantile_distance(values(f), values(g), 1.0 / n).value();
      return w * w;
    };
    const double exact = square(block, gap) + square(wave, tilt) + (dim == 3 ? square(tilt, wave) : 0);
    const LayoutPtr layout = unit_box(dim, n);
    for (const bool turned : {false, true}) {
      const auto product = [&](auto&& f, auto&& g, auto&& k) {
        return density(layout, [&](double x, double y, double z) {
          const double last = dim == 3 ? z : y, first = turned ? last : x;
          return f(first) * g(turned ? x : last) * (dim == 3 ? k(y) : 1);
        });
      };
      BackAndForth solver(layout);
      const W2Result r = solver.solve(product(block, wave, tilt), product(gap, tilt, wave));
      BOOST_TEST(r.distance == std::sqrt(exact), boost::test_tools::tolerance(dim == 2 ? 1e-3 : 1e-2));
      BOOST_TEST(r.lower <= r.upper);
      BOOST_TEST((r.upper - r.lower) / r.upper < (dim == 2 ? 1.5e-3 : 5e-2));
    }
  }
}

// Concentric discs: T(x) = 2 x about the centre.
BOOST_AUTO_TEST_CASE(discs_of_different_radius) {
  const LayoutPtr layout = unit_box(2, 128);
  const auto disc = [&](double radius) {
    return density(layout, [=](double x, double y, double) {
      double inside = 0;  // share of the cell, so that the rim is right to second order
      for (int a = 0; a < 8; ++a)
        for (int b = 0; b < 8; ++b) inside += std::hypot(x - 0.5 + (a - 3.5) / 1024, y - 0.5 + (b - 3.5) / 1024) < radius ? 1 : 0;
      return inside;
    });
  };
  BackAndForth solver(layout);
  check(solver.solve(disc(0.15), disc(0.3)), 0.15 * 0.15 / 2, 2e-3);
}

BOOST_AUTO_TEST_CASE(the_same_bits_on_one_rank) {
  const auto solve = [](MPI_Comm comm, int dim) {
    const LayoutPtr layout = unit_box(comm, dim, dim == 3 ? 16 : 64);
    BackAndForthParameters parameters;
    parameters.max_iterations = 4, parameters.tolerance = 1e-9, parameters.level_iterations = 6, parameters.coarsest_cells = 8;
    BackAndForth solver(layout, parameters);
    const Field rho0 =
        density(layout, [](double x, double y, double z) { return 0.1 + normal(x, 0.3, 0.1) * normal(y, 0.4, 0.2) * normal(z, 0.3, 0.2); });
    const Field rho1 =
        density(layout, [](double x, double y, double z) { return 0.05 + normal(x, 0.6, 0.2) * normal(y, 0.5, 0.1) * normal(z, 0.7, 0.2); });
    const W2Result r = solver.solve(rho0, rho1);
    return std::array<double, 5>{r.lower, r.upper, r.marginal_error, dot(solver.phi(), rho0), dot(solver.psi(), rho1)};
  };
  for (int dim = 1; dim <= 3; ++dim) {
    const auto together = solve(MPI_COMM_WORLD, dim), alone = solve(MPI_COMM_SELF, dim);
    for (std::size_t i = 0; i < together.size(); ++i) BOOST_TEST(together[i] == alone[i]);
  }
}

// Bounds only tighten, and a monitor may end the solve.
// Smooth densities on few cells: masses at the centres must be split, which bounds on the grid itself show as a gap. Those of divided cells close
// it, around the W2 of the densities, here along x alone, where it is known by quantiles.
BOOST_AUTO_TEST_CASE(divided_cells_close_the_gap) {
  const int n = 32;
  const LayoutPtr layout = unit_box(2, n);
  const auto f = [](double x) { return 1 + 0.6 * std::cos(std::numbers::pi * x); };
  const auto g = [](double x) { return 1 - 0.5 * std::cos(2 * std::numbers::pi * x); };
  const Field rho0 = density(layout, [&](double x, double, double) { return f(x); }),
              rho1 = density(layout, [&](double x, double, double) { return g(x); });
  // Quantiles of densities that are constant on cells: linear between the values at the faces.
  std::array<std::vector<double>, 2> reached{std::vector<double>{0}, std::vector<double>{0}};
  for (int i = 0; i < n; ++i) {
    reached[0].push_back(reached[0].back() + f((i + 0.5) / n));
    reached[1].push_back(reached[1].back() + g((i + 0.5) / n));
  }
  const auto quantile = [&](std::size_t k, double q) {
    q *= reached[k].back();
    const auto at = static_cast<std::size_t>(std::upper_bound(reached[k].begin(), reached[k].end() - 1, q) - reached[k].begin());
    return (static_cast<double>(at) - 1 + (q - reached[k][at - 1]) / (reached[k][at] - reached[k][at - 1])) / n;
  };
  double exact = 0;
  const int parts = 20000;
  for (int i = 0; i < parts; ++i) exact += std::pow(quantile(0, (i + 0.5) / parts) - quantile(1, (i + 0.5) / parts), 2) / parts;

  BackAndForth plain(layout);
  const W2Result coarse = plain.solve(rho0, rho1);
  BOOST_TEST((coarse.reason == StopReason::IterationLimit));
  BOOST_TEST(coarse.exhausted);
  BOOST_TEST(coarse.upper >= exact);
  BackAndForthParameters parameters;
  parameters.divisions = 4;
  BackAndForth divided(layout, parameters);
  const W2Result fine = divided.solve(rho0, rho1);
  BOOST_TEST((fine.reason == StopReason::Converged));
  BOOST_TEST(!fine.exhausted);
  BOOST_TEST(fine.upper >= exact);
  BOOST_TEST(fine.upper - fine.lower <= 1e-3 * fine.upper);
  BOOST_TEST(fine.squared == exact, boost::test_tools::tolerance(3e-3));
  BOOST_TEST(std::fabs(fine.squared - exact) < std::fabs(coarse.squared - exact));
  // What is given back belongs to the grid that was given.
  Field rho(layout);
  divided.geodesic(1, rho);
  double worst = 0;
  for (std::ptrdiff_t i = 0; i < layout->owned(); ++i) worst = std::max(worst, std::fabs(rho.level()[i] - rho1.level()[i]));
  BOOST_TEST(global_max(MPI_COMM_WORLD, worst) < 0.05);
  BOOST_TEST(sum(rho) == sum(rho0), boost::test_tools::tolerance(1e-12));
  BOOST_TEST(divided.phi().layout().owned() == layout->owned());
  const LayoutPtr alone = unit_box(MPI_COMM_SELF, 2, n);
  BackAndForth single(alone, parameters);
  const W2Result same =
      single.solve(density(alone, [&](double x, double, double) { return f(x); }), density(alone, [&](double x, double, double) { return g(x); }));
  BOOST_TEST(same.lower == fine.lower);
  BOOST_TEST(same.upper == fine.upper);
}

BOOST_AUTO_TEST_CASE(monitor_sees_the_bounds_and_stops) {
  const LayoutPtr layout = unit_box(2, 64);
  const Field rho0 = density(layout, [](double x, double y, double) { return normal(x, 0.5, 0.05) * normal(y, 0.5, 0.05); });
  const Field rho1 = density(
      layout, [](double x, double y, double) { return normal(x, 0.3, 0.05) * normal(y, 0.7, 0.05) + normal(x, 0.7, 0.06) * normal(y, 0.4, 0.04); });
  BackAndForthParameters parameters;
  parameters.tolerance = 1e-9, parameters.check_every = 2;
  BackAndForth solver(layout, parameters);
  std::vector<W2Progress> seen;
  solver.monitor = [&](const W2Progress& p) {
    seen.push_back(p);
    return seen.size() == 4;
  };
  const W2Result r = solver.solve(rho0, rho1);
  BOOST_TEST((r.reason == StopReason::IterationLimit));
  BOOST_REQUIRE(seen.size() == 4);
  for (std::size_t i = 0; i < seen.size(); ++i) BOOST_TEST(seen[i].iteration == 2 * static_cast<int>(i));
  for (std::size_t i = 1; i < seen.size(); ++i) BOOST_TEST((seen[i].lower >= seen[i - 1].lower && seen[i].upper <= seen[i - 1].upper));
  BOOST_TEST(r.iterations == 6);
  BOOST_TEST(r.lower == seen.back().lower);
}

BOOST_AUTO_TEST_CASE(bad_input) {
  const LayoutPtr layout = unit_box(1, 32);
  const Field one = density(layout, [](double, double, double) { return 1; });
  Field other = one.clone();
  BackAndForth solver(layout);
  other.level()[0] = -1;
  BOOST_CHECK_THROW((void)solver.solve(one, other), InputError);
  for (double& v : other.owned()) v = 1.001;
  BOOST_CHECK_THROW((void)solver.solve(one, other), InputError);
  other.fill(0);
  BOOST_CHECK_THROW((void)solver.solve(other, other), InputError);
  if (layout->rank() == 0) other.level()[0] = NAN;
  BOOST_CHECK_THROW((void)solver.solve(other, one), InputError);
  const auto periodic = make_layout(MPI_COMM_WORLD, Grid({Axis{0, 1, 32, Boundary::Periodic, 0}}), 1);
  BOOST_CHECK_THROW(BackAndForth{periodic}, InputError);
  BackAndForthParameters parameters;
  parameters.tolerance = 0;
  BOOST_CHECK_THROW((BackAndForth{layout, parameters}), InputError);
  // Nothing to move.
  const W2Result same = solver.solve(one, one);
  BOOST_TEST((same.reason == StopReason::Converged));
  BOOST_TEST(same.distance < 1e-6);
}
