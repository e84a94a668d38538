// ranks: 1 2 4
// timeout: 60
#define BOOST_TEST_MODULE pushforward
#include <boost/test/unit_test.hpp>
#include <cmath>

#include "grids/reduce.hpp"
#include "solvers/density_distances.hpp"
#include "solvers/pushforward.hpp"
#include "solvers/rearrangement.hpp"
#include "tests/support/fields.hpp"

using namespace wasserflow;
using test::field, test::largest_difference;

namespace {

LayoutPtr unit_box(int dim, int cells) {
  return make_layout(MPI_COMM_WORLD, Grid(std::vector<Axis>(static_cast<std::size_t>(dim), Axis{0, 1, cells, Boundary::NoFlux, 0.5})), 2);
}

/// |x - c|^2 over the first `dim` coordinates, c = (centre, centre, centre).
double square(int dim, double centre, double x, double y, double z) {
  return (x - centre) * (x - centre) + (dim > 1 ? (y - centre) * (y - centre) : 0) + (dim > 2 ? (z - centre) * (z - centre) : 0);
}

double bump(int dim, double centre, double deviation, double x, double y, double z) {
  return std::exp(-square(dim, centre, x, y, z) / (2 * deviation * deviation));
}

}  // namespace

BOOST_AUTO_TEST_CASE(identity_and_whole_shifts_are_exact) {
  for (int dim = 1; dim <= 3; ++dim) {
    const LayoutPtr layout = unit_box(dim, 16);
    const double step = 2.0 / 16;  // two cells along every axis
    const auto inside = [&](double v) { return v > 0 && v < 0.8; };
    const auto cut = [&](double x, double y, double z) {
      return inside(x) && (dim < 2 || inside(y)) && (dim < 3 || inside(z)) ? bump(dim, 0.4, 0.1, x, y, z) : 0;
    };
    Field rho = field(layout, cut), moved = field(layout, [&](double x, double y, double z) { return cut(x - step, y - step, z - step); });
    Field phi(layout), out(layout);
    Pushforward push(layout);
    push.apply(phi, rho, 1, out);
    BOOST_TEST(largest_difference(out, rho) < 1e-14);
    phi = field(layout, [&](double x, double y, double z) { return -2 * step * (x + (dim > 1 ? y : 0) + (dim > 2 ? z : 0)); });
    PlanFigures plan;
    std::vector<Field> origins;
    for (int d = 0; d < dim; ++d) origins.emplace_back(layout);
    push.apply(phi, rho, 0.5, out, &plan, &origins);
    BOOST_TEST(largest_difference(out, moved) < 1e-13);
    BOOST_TEST(plan.mass == sum(rho) * layout->grid().cell_volume(), boost::test_tools::tolerance(1e-14));
    BOOST_TEST(plan.cost == plan.mass * dim * step * step / 2, boost::test_tools::tolerance(1e-12));
    const Field where = field(layout, [&](double x, double, double) { return x; });
    double worst = 0;
    for (std::ptrdiff_t i = 0; i < layout->owned(); ++i)
      if (out.level()[i] > 1e-6) worst = std::max(worst, std::fabs(origins[0].level()[i] - (where.level()[i] - step)));
    BOOST_TEST(global_max(MPI_COMM_WORLD, worst) < 1e-10);
  }
}

// Compressed, stretched, and beyond the box: mass stays, values stay positive; where it fits into the box, the scaled bump without holes.
BOOST_AUTO_TEST_CASE(mass_is_kept_and_expansion_leaves_no_holes) {
  const double deviation = 0.07;
  for (int dim = 1; dim <= 3; ++dim) {
    const LayoutPtr layout = unit_box(dim, dim == 3 ? 32 : 64);
    Field rho = field(layout, [&](double x, double y, double z) { return bump(dim, 0.5, deviation, x, y, z); });
    Pushforward push(layout);
    for (const double stretch : {0.2, 0.6, 1.7, 2.0, 9.0}) {
      Field phi = field(layout, [&](double x, double y, double z) { return 0.5 * (1 - stretch) * square(dim, 0.5, x, y, z); }), out(layout);
      push.apply(phi, rho, 1, out);
      BOOST_TEST(sum(out) == sum(rho), boost::test_tools::tolerance(1e-12));
      for (const double v : out.owned()) BOOST_REQUIRE(v >= 0);
      if (stretch < 0.6 || stretch > 2) continue;
      const Field exact =
          field(layout, [&](double x, double y, double z) { return bump(dim, 0.5, deviation * stretch, x, y, z) / std::pow(stretch, dim); });
      BOOST_TEST(largest_difference(out, exact) < (dim == 3 ? 0.1 : 0.03) * max_abs(exact));
    }
  }
}

// A map that tears a slab apart: nothing is left between the halves.
BOOST_AUTO_TEST_CASE(jumps_are_no_stretch) {
  for (int dim = 1; dim <= 3; ++dim)
    for (int axis = 0; axis < dim; ++axis) {
      const LayoutPtr layout = unit_box(dim, 32);
      const auto along = [&](double x, double y, double z) { return axis == 0 ? x : axis == 1 ? y : z; };
      Field rho = field(layout, [&](double x, double y, double z) { return std::fabs(along(x, y, z) - 0.5) < 0.25 ? 1 : 0; });
      Field phi = field(layout, [&](double x, double y, double z) { return -0.25 * std::fabs(along(x, y, z) - 0.5); }), out(layout);
      Pushforward(layout).apply(phi, rho, 1, out);
      const Field exact =
          field(layout, [&](double x, double y, double z) { return std::fabs(std::fabs(along(x, y, z) - 0.5) - 0.375) < 0.125 ? 1 : 0; });
      BOOST_TEST(largest_difference(out, exact) < 1e-13);
      std::vector<Field> T;
      for (int d = 0; d < dim; ++d) T.emplace_back(layout);
      gradient_map(phi, 1, T);
      const Field map = field(layout, [&](double x, double y, double z) {
        const double v = along(x, y, z);
        return std::min(std::max(v + (v > 0.5 ? 0.25 : -0.25), 0.5 / 32), 1 - 0.5 / 32);  // whole cells stay in the box
      });
      BOOST_TEST(largest_difference(T[static_cast<std::size_t>(axis)], map) < 1e-13);
    }
}

BOOST_AUTO_TEST_CASE(rearrangement_is_the_quantile_coupling_on_a_line) {
  const LayoutPtr layout = unit_box(1, 96);
  Field mu = field(layout, [](double x, double, double) { return x < 0.3 ? 0 : 1 + std::sin(20 * x); });
  const Field nu = field(layout, [](double x, double, double) { return x > 0.8 ? 0 : 3 + std::cos(9 * x); });
  // Independent: piecewise constant densities move within the cells too, by less than a cell.
  const double exact = density_distances(mu, const_cast<Field&>(nu)).w2.value();
  BOOST_TEST(std::fabs(std::sqrt(rearrangement(mu, nu).square) - exact) < 0.3 / 96);
  BOOST_TEST(rearrangement(mu, mu).square == 0);
}

// Product densities: the rearrangement is the optimal plan, axis by axis; the parts of a plan and its completion add up.
BOOST_AUTO_TEST_CASE(rearrangement_of_products_and_glued_plans) {
  for (int dim = 2; dim <= 3; ++dim) {
    const LayoutPtr layout = unit_box(dim, dim == 2 ? 32 : 16);
    const double h = layout->grid().spacing(0);
    const auto f = [](double v) { return v > 0.1 && v < 0.5 ? 1.0 + v : 0; };
    Field rho = field(layout, [&](double x, double y, double z) { return f(x) * f(y) * (dim == 3 ? f(z) : 1); });
    // 3 cells along x, 2 along y, 1 along z
    const auto moved = [&](double a, double b, double c) {
      return field(layout, [=](double x, double y, double z) { return f(x - a * h) * f(y - b * h) * (dim == 3 ? f(z - c * h) : 1); });
    };
    const Field mu = moved(3, 2, 1), nu = moved(5, 2, -1);
    const double third = dim == 3 ? 1 : 0;
    BOOST_TEST(rearrangement(rho, mu).square == (9 + 4 + third) * h * h, boost::test_tools::tolerance(1e-12));
    std::vector<Field> origins;
    for (int d = 0; d < dim; ++d)
      origins.push_back(field(layout, [&](double x, double y, double z) { return d == 0 ? x - 3 * h : d == 1 ? y - 2 * h : z - h; }));
    const Rearrangement rest = rearrangement(mu, nu, &origins);
    BOOST_TEST((9 + 4 + third) * h * h + 2 * rest.turn + rest.square == (25 + 4 + third) * h * h, boost::test_tools::tolerance(1e-12));
  }
}
