// ranks: 1 2 4
// timeout: 60
#define BOOST_TEST_MODULE density_distances
#include <array>
#include <boost/test/unit_test.hpp>
#include <limits>
#include <numbers>

#include "grids/reduce.hpp"
#include "solvers/density_distances.hpp"

using namespace wasserflow;

namespace {

double gauss(double x, double m, double v) { return std::exp(-(x - m) * (x - m) / (2 * v)) / std::sqrt(2 * std::numbers::pi * v); }

template <class F>
Field make(const LayoutPtr& layout, F&& f) {
  Field u(layout);
  for (int r = 0; r < layout->rows(); ++r) {
    const RowPoints p = layout->row(r);
    for (int i = 0; i < p.n; ++i) u.level()[p.offset + i] = f(p.x[i], p.y, p.z);
  }
  return u;
}

LayoutPtr line(int n, double a, double b, Boundary kind = Boundary::NoFlux, MPI_Comm comm = MPI_COMM_WORLD) {
  return make_layout(comm, Grid({{a, b, n, kind, 0.5}}));
}

/// Same bits on this communicator as on one rank.
template <class Make>
void check_ranks(Make&& make_pair) {
  auto [p, q] = make_pair(MPI_COMM_WORLD);
  auto [p1, q1] = make_pair(MPI_COMM_SELF);
  const DensityDistances all = density_distances(p, q), one = density_distances(p1, q1);
  BOOST_TEST(all.l1 == one.l1);
  BOOST_TEST(all.hellinger == one.hellinger);
  BOOST_TEST(all.kl == one.kl);
  BOOST_TEST(all.fisher == one.fisher);
  BOOST_TEST(all.w2.has_value() == one.w2.has_value());
  if (one.w2) BOOST_TEST(*all.w2 == *one.w2);
}

}  // namespace

// N(m, v) against N(0, w): Hellinger^2 = 1 - sqrt(2 sqrt(v w)/(v + w)) exp(-m^2 / (4 (v + w))), KL = 1/2 (v/w + m^2/w - 1 + log(w/v)),
// Fisher = E_p ((x - m)/v - x/w)^2 = v (1/v - 1/w)^2 + m^2/w^2, W2^2 = m^2 + (sqrt v - sqrt w)^2.
BOOST_AUTO_TEST_CASE(gaussians_on_a_line) {
  const double m = 0.7, v = 0.5, w = 0.8;
  double last[2] = {};
  for (int n : {400, 800}) {
    const LayoutPtr layout = line(n, -9, 9);
    Field p = make(layout, [&](double x, double, double) { return gauss(x, m, v); });
    Field q = make(layout, [&](double x, double, double) { return gauss(x, 0, w); });
    const DensityDistances d = density_distances(p, q);
    BOOST_TEST(d.hellinger == std::sqrt(1 - std::sqrt(2 * std::sqrt(v * w) / (v + w)) * std::exp(-m * m / (4 * (v + w)))),
               boost::test_tools::tolerance(1e-12));
    BOOST_TEST(d.kl == 0.5 * (v / w + m * m / w - 1 + std::log(w / v)), boost::test_tools::tolerance(1e-12));
    // Second order in h for the other two: the face average of p, and constant densities in cells.
    const double fisher = std::fabs(d.fisher - (v * std::pow(1 / v - 1 / w, 2) + m * m / (w * w)));
    const double w2 = std::fabs(*d.w2 - std::sqrt(m * m + std::pow(std::sqrt(v) - std::sqrt(w), 2)));
    BOOST_TEST(fisher < 2 * std::pow(18.0 / n, 2));
    BOOST_TEST(w2 < 2e-2 * std::pow(18.0 / n, 2));
    if (n == 800) {
      BOOST_TEST(last[0] / fisher == 4, boost::test_tools::tolerance(0.1));
      BOOST_TEST(last[1] / w2 == 4, boost::test_tools::tolerance(0.1));
    }
    last[0] = fisher, last[1] = w2;
  }
}

// Shifted copies: int |p - q| = 2 (2 Phi(m/2) - 1), W2 = m exactly when m is a multiple of h.
BOOST_AUTO_TEST_CASE(shifted_densities) {
  const double h = 20.0 / 500, m = 25 * h;
  const LayoutPtr layout = line(500, -10, 10);
  Field p = make(layout, [&](double x, double, double) { return gauss(x, 0, 1); });
  Field q = make(layout, [&](double x, double, double) { return 3 * gauss(x, m, 1); });
  const double w2 = density_distances(p, q).w2.value();
  BOOST_TEST(w2 == m, boost::test_tools::tolerance(1e-13));
  for (double& x : q.owned()) x /= 3;
  BOOST_TEST(density_distances(p, q).l1 == 2 * std::erf(m / (2 * std::sqrt(2.0))), boost::test_tools::tolerance(2e-4));
  Field copy = p.clone();
  const DensityDistances none = density_distances(p, copy);
  BOOST_TEST(none.l1 + none.hellinger + none.kl + none.fisher + *none.w2 == 0);
}

// Uniform densities on unions of cells: quantiles by hand.
BOOST_AUTO_TEST_CASE(quantiles_of_steps) {
  static constexpr std::array<double, 4> p{1, 0, 0, 1}, q{0, 1, 1, 0}, wide{1, 1, 1, 1}, narrow{1, 1, 0, 0}, none{0, 0, -1, 0};
  const double apart = quantile_distance(p, q, 0.5).value(), squeezed = quantile_distance(wide, narrow, 0.25).value();
  BOOST_TEST(apart == 0.5, boost::test_tools::tolerance(1e-15));
  // x on [0, 1] to x/2: int (x/2)^2 = 1/12
  BOOST_TEST(squeezed == std::sqrt(1.0 / 12), boost::test_tools::tolerance(1e-15));
  BOOST_TEST(!quantile_distance(p, none, 0.5).has_value());
}

BOOST_AUTO_TEST_CASE(vacuum) {
  const double inf = std::numeric_limits<double>::infinity();
  const LayoutPtr layout = line(64, 0, 1);
  Field p = make(layout, [](double x, double, double) { return x < 0.5 ? 2.0 : 0.0; });
  Field q = make(layout, [](double, double, double) { return 1.0; });
  const DensityDistances d = density_distances(p, q), back = density_distances(q, p);
  BOOST_TEST(d.kl == std::log(2.0), boost::test_tools::tolerance(1e-14));
  BOOST_TEST(d.l1 == 1, boost::test_tools::tolerance(1e-14));
  BOOST_TEST(d.hellinger == std::sqrt(1 - std::sqrt(0.5)), boost::test_tools::tolerance(1e-14));
  BOOST_TEST(d.fisher == 4 * 2 * 64, boost::test_tools::tolerance(1e-14));  // one face: 4 q (sqrt 2 / h)^2 h
  BOOST_TEST(back.kl == inf);
  BOOST_TEST(back.fisher == inf);
}

// Products of Gaussians: KL and Fisher information add up over the axes.
BOOST_AUTO_TEST_CASE(products_in_more_dimensions) {
  const double v = 0.3, w = 0.4, m = 0.2;
  const double kl = 0.5 * (v / w + m * m / w - 1 + std::log(w / v)), fisher = v * std::pow(1 / v - 1 / w, 2) + m * m / (w * w);
  for (int dim : {2, 3}) {
    const int n = dim == 2 ? 160 : 56;
    std::vector<Axis> axes{{-5, 5, n, Boundary::Periodic, 0.5}, {-5, 5, n - 4, Boundary::NoFlux, 0.5}};
    if (dim == 3) axes.push_back({-5, 5, n - 8, Boundary::Extrapolate, 0.5});
    const LayoutPtr layout = make_layout(MPI_COMM_WORLD, Grid(axes));
    const auto product = [&](double x, double y, double z, double mean, double var) {
      return gauss(x, mean, var) * gauss(y, mean, var) * (dim == 3 ? gauss(z, mean, var) : 1);
    };
    Field p = make(layout, [&](double x, double y, double z) { return product(x, y, z, m, v); });
    Field q = make(layout, [&](double x, double y, double z) { return product(x, y, z, 0, w); });
    const DensityDistances d = density_distances(p, q);
    BOOST_TEST(d.kl == dim * kl, boost::test_tools::tolerance(1e-9));
    BOOST_TEST(d.fisher == dim * fisher, boost::test_tools::tolerance(dim == 2 ? 5e-3 : 5e-2));
    BOOST_TEST(!d.w2);
  }
}

BOOST_AUTO_TEST_CASE(same_bits_on_any_number_of_ranks) {
  check_ranks([](MPI_Comm comm) {
    const LayoutPtr layout = line(1237, -6, 6, Boundary::NoFlux, comm);
    return std::pair{make(layout, [](double x, double, double) { return gauss(x, 0.3, 0.4); }),
                     make(layout, [](double x, double, double) { return gauss(x, 0, 1); })};
  });
  for (int dim : {2, 3})
    check_ranks([dim](MPI_Comm comm) {
      std::vector<Axis> axes{{-3, 3, 17, Boundary::NoFlux, 0.5}, {-3, 3, 14, Boundary::Periodic, 0}};
      if (dim == 3) axes.push_back({-3, 3, 9, Boundary::Dirichlet, 0.5});
      const LayoutPtr layout = make_layout(comm, Grid(axes));
      const auto f = [](double m) { return [m](double x, double y, double z) { return gauss(x, m, 0.4) * gauss(y + x * z / 5, 0, 1); }; };
      return std::pair{make(layout, f(0.3)), make(layout, f(0))};
    });
}
