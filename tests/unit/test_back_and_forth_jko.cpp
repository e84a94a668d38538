// ranks: 1 2 4
// timeout: 120
#define BOOST_TEST_MODULE back_and_forth_jko
#include <boost/test/unit_test.hpp>
#include <cmath>

#include "grids/reduce.hpp"
#include "grids/support/errors.hpp"
#include "solvers/back_and_forth_jko.hpp"
#include "tests/support/fields.hpp"

using namespace wasserflow;
using test::field, test::largest_difference;

namespace {

LayoutPtr box(MPI_Comm comm, int dim, int cells, double half) {
  return make_layout(comm, Grid(std::vector<Axis>(static_cast<std::size_t>(dim), Axis{-half, half, cells, Boundary::NoFlux, 0.5})), 1);
}

void normalise(Field& u) {
  const double mass = sum(u) * u.layout().grid().cell_volume();
  for (double& v : u.owned()) v /= mass;
}

/// Mean of |x|^2 over the axes.
double second_moment(const Field& rho) {
  const int dim = rho.layout().dim();
  const Field square = field(rho.layout_ptr(), [&](double x, double y, double z) { return x * x + (dim > 1 ? y * y : 0) + (dim > 2 ? z * z : 0); });
  return dot(rho, square) / sum(rho);
}

}  // namespace

// E = D int rho log rho from a Gaussian: r' = (r + sqrt(r^2 + 4 D tau)) / 2 for the deviation along each axis.
BOOST_AUTO_TEST_CASE(heat_from_a_gaussian) {
  for (int dim = 1; dim <= 2; ++dim) {
    const LayoutPtr layout = box(MPI_COMM_WORLD, dim, 128, 0.5);
    const double tau = 5e-4;
    double deviation = std::sqrt(0.005);
    Field rho = field(layout, [&](double x, double y, double) { return std::exp(-(x * x + (dim > 1 ? y * y : 0)) / (2 * deviation * deviation)); });
    normalise(rho);
    BackAndForthJko jko(layout, tau, {nullptr, 1, 0, 2});
    for (int k = 0; k < 4; ++k) {
      const JkoReport r = jko.step(rho);
      deviation = 0.5 * (deviation + std::sqrt(deviation * deviation + 4 * tau));
      BOOST_TEST(second_moment(rho) / dim == deviation * deviation, boost::test_tools::tolerance(1e-3));
      BOOST_TEST(sum(rho) * layout->grid().cell_volume() == 1, boost::test_tools::tolerance(1e-12));
      BOOST_TEST(r.transport + r.energy == r.dual, boost::test_tools::tolerance(1e-3));
    }
    if (dim == 1) BOOST_TEST(deviation * deviation == 0.00886202779, boost::test_tools::tolerance(1e-8));
  }
}

// E = int rho^2 from Barenblatt's profile of radius q: the step keeps the profile, (q' - q) M2 / tau = d q'^{-d-1} E1.
BOOST_AUTO_TEST_CASE(porous_medium_from_barenblatt) {
  for (int dim = 1; dim <= 2; ++dim) {
    const LayoutPtr layout = box(MPI_COMM_WORLD, dim, dim == 1 ? 512 : 128, 0.5);
    const double tau = 1e-3, M2 = dim == 1 ? 0.2 : 1.0 / 3, E1 = dim == 1 ? 0.6 : 4 / (3 * M_PI), h = layout->grid().spacing(0);
    double q = 0.15;
    Field rho = field(layout, [&](double x, double y, double) {
      double mean = 0;  // over the cell, so that the free boundary is right to second order
      for (int a = 0; a < 4; ++a)
        for (int b = 0; b < 4; ++b) {
          const double u = x + (a - 1.5) * h / 4, v = dim > 1 ? y + (b - 1.5) * h / 4 : 0;
          mean += std::max(0.0, 1 - (u * u + v * v) / (q * q)) / 16;
        }
      return mean;
    });
    normalise(rho);
    BackAndForthJko jko(layout, tau, {nullptr, 0, 1, 2});
    for (int k = 0; k < 4; ++k) {
      const JkoReport r = jko.step(rho);
      double next = q;
      for (int it = 0; it < 100; ++it) {
        const double f = (next - q) * M2 / tau - dim * std::pow(next, -dim - 1) * E1,
                     slope = M2 / tau + dim * (dim + 1) * std::pow(next, -dim - 2) * E1;
        next -= f / slope;
      }
      q = next;
      const double radius = std::sqrt(second_moment(rho) / M2);
      BOOST_TEST(radius == q, boost::test_tools::tolerance(5e-4));
      BOOST_TEST(sum(rho) * layout->grid().cell_volume() == 1, boost::test_tools::tolerance(1e-12));
      for (const double v : rho.owned()) BOOST_REQUIRE(v >= 0);
    }
    BOOST_TEST(q == (dim == 1 ? 0.32292850 : 0.41878091), boost::test_tools::tolerance(1e-7));
  }
}

// exp(-V / beta) and the porous equilibrium minimise E: steps stay there, and a long step from elsewhere comes close to it.
BOOST_AUTO_TEST_CASE(equilibria_stay_and_attract) {
  const LayoutPtr layout = box(MPI_COMM_WORLD, 2, 48, 1);
  const Field V = field(layout, [](double x, double y, double) { return 3 * x * x + 2 * y * y + x * y; });
  for (const InternalEnergy& e : {InternalEnergy{&V, 0.2, 0, 2}, InternalEnergy{&V, 0, 0.5, 3}, InternalEnergy{&V, 0.1, 0.3, 2}}) {
    Field gibbs(layout);
    if (e.c == 0) {
      for (std::ptrdiff_t i = 0; i < layout->owned(); ++i) gibbs.level()[i] = std::exp(-V.level()[i] / e.beta);
      normalise(gibbs);
    } else {
      // Independent: bisection for the level L of f'(rho) = L - V.
      double low = -5, high = 20;
      for (int it = 0; it < 45; ++it) {
        const double level = 0.5 * (low + high);
        for (std::ptrdiff_t i = 0; i < layout->owned(); ++i) {
          double a = 0, b = 20;
          for (int k = 0; k < 45; ++k) {
            const double r = 0.5 * (a + b), slope = (e.beta > 0 ? e.beta * (std::log(r) + 1) : 0) + e.c * e.m / (e.m - 1) * std::pow(r, e.m - 1);
            (slope < level - V.level()[i] ? a : b) = r;
          }
          gibbs.level()[i] = 0.5 * (a + b);
        }
        (sum(gibbs) * layout->grid().cell_volume() < 1 ? low : high) = level;
      }
    }
    BackAndForthJko jko(layout, 0.05, e);
    Field rho = gibbs.clone();
    (void)jko.step(rho);
    for (std::ptrdiff_t i = 0; i < layout->owned(); ++i) rho.level()[i] = std::fabs(rho.level()[i] - gibbs.level()[i]);
    BOOST_TEST(sum(rho) * layout->grid().cell_volume() < 3e-3);

    Field away = field(layout, [](double x, double y, double) { return std::exp(-8 * ((x - 0.3) * (x - 0.3) + (y + 0.2) * (y + 0.2))); });
    normalise(away);
    BackAndForthJko longer(layout, 20, e);
    const JkoReport r = longer.step(away);
    for (std::ptrdiff_t i = 0; i < layout->owned(); ++i) away.level()[i] = std::fabs(away.level()[i] - gibbs.level()[i]);
    BOOST_TEST(sum(away) * layout->grid().cell_volume() < 0.03);
  }
}

BOOST_AUTO_TEST_CASE(the_same_bits_on_one_rank) {
  const auto solve = [](MPI_Comm comm, int dim) {
    const LayoutPtr layout = box(comm, dim, dim == 3 ? 16 : 64, 1);
    const Field V = field(layout, [](double x, double y, double z) { return x * x - 0.3 * y + z * z; });
    BackAndForthParameters parameters;
    parameters.max_iterations = 3, parameters.level_iterations = 3, parameters.coarsest_cells = 8;
    BackAndForthJko jko(layout, 0.02, {&V, dim == 2 ? 0 : 0.1, dim == 1 ? 0 : 0.2, 2}, parameters);
    Field rho = field(layout, [](double x, double y, double z) { return std::exp(-10 * (x * x + y * y + z * z)); });
    const JkoReport r = jko.step(rho);
    return std::array<double, 5>{r.dual, r.energy, r.transport, r.marginal_error, dot(rho, rho)};
  };
  for (int dim = 1; dim <= 3; ++dim) {
    const auto together = solve(MPI_COMM_WORLD, dim), alone = solve(MPI_COMM_SELF, dim);
    for (std::size_t i = 0; i < together.size(); ++i) BOOST_TEST(together[i] == alone[i]);
  }
}

BOOST_AUTO_TEST_CASE(bad_input) {
  const LayoutPtr layout = box(MPI_COMM_WORLD, 1, 32, 1);
  BOOST_CHECK_THROW((BackAndForthJko{layout, 0, {nullptr, 1, 0, 2}}), InputError);
  BOOST_CHECK_THROW((BackAndForthJko{layout, 1, {nullptr, 0, 0, 2}}), InputError);
  BOOST_CHECK_THROW((BackAndForthJko{layout, 1, {nullptr, 0, 1, 1}}), InputError);
  BackAndForthJko jko(layout, 0.1, {nullptr, 1, 0, 2});
  Field rho(layout);
  BOOST_CHECK_THROW((void)jko.step(rho), InputError);
  rho.fill(-1);
  BOOST_CHECK_THROW((void)jko.step(rho), InputError);
}
