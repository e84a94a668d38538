// ranks: 1 2 4
// timeout: 60
#define BOOST_TEST_MODULE quadratic_transform
#include <boost/test/unit_test.hpp>
#include <cmath>

#include "grids/axis_swap.hpp"
#include "grids/pointwise.hpp"
#include "grids/quadratic_interpolation.hpp"
#include "grids/quadratic_transform.hpp"
#include "grids/reduce.hpp"
#include "tests/support/fields.hpp"

using namespace wasserflow;
using test::field, test::largest_difference;

namespace {

LayoutPtr box(std::vector<int> cells) {
  std::vector<Axis> axes;
  for (const int n : cells) axes.push_back({-0.3, -0.3 + 0.11 * n, n, Boundary::NoFlux, 0.5});
  axes.front().upper += 0.5;  // another spacing
  return make_layout(MPI_COMM_WORLD, Grid(axes), 1);
}

/// All values in the order of the whole grid.
std::vector<double> gathered(const Field& u) {
  const SlabLayout& s = u.layout();
  std::vector<int> counts, offsets;
  for (int r = 0; r < s.ranks(); ++r) {
    counts.push_back(static_cast<int>(s.plane() * s.count_of(r)));
    offsets.push_back(static_cast<int>(s.plane() * s.first_of(r)));
  }
  std::vector<double> all(static_cast<std::size_t>(s.grid().size()));
  MPI_Allgatherv(u.level(), static_cast<int>(s.owned()), MPI_DOUBLE, all.data(), counts.data(), offsets.data(), MPI_DOUBLE, s.comm());
  return all;
}

std::array<double, 3> point(const Grid& grid, std::int64_t i) {
  std::array<double, 3> x{};
  for (int d = 0; d < grid.dim(); ++d) {
    x[static_cast<std::size_t>(d)] = grid.axis(d).node(i % grid.cells(d));
    i /= grid.cells(d);
  }
  return x;
}

}  // namespace

// Functions with kinks, hills of every sign and no concavity at all.
BOOST_AUTO_TEST_CASE(over_nodes_it_is_the_minimum_over_all_of_them) {
  for (const std::vector<int>& cells : {std::vector<int>{37}, {9, 21}, {13, 7, 9}, {1, 8}, {5, 4}}) {
    const LayoutPtr layout = box(cells);
    for (const double height : {0.01, 1.0, 30.0}) {
      const Field phi = field(layout, [&](double x, double y, double z) {
        return height * (std::sin(17 * x + 3 * y) * std::cos(5 * y - 2 * z) + 0.3 * std::fabs(x - 0.4 + z) + 0.1 * std::sin(400 * (x + y + z)));
      });
      Field psi(layout);
      QuadraticTransform(layout).apply(phi, psi);
      const std::vector<double> all = gathered(phi);
      double worst = 0;
      for (std::ptrdiff_t j = 0; j < layout->owned(); ++j) {
        const std::array<double, 3> y = point(layout->grid(), layout->global_offset() + j);
        double least = 1e300;
        for (std::size_t i = 0; i < all.size(); ++i) {
          const std::array<double, 3> x = point(layout->grid(), static_cast<std::int64_t>(i));
          double square = 0;
          for (std::size_t d = 0; d < 3; ++d) square += (x[d] - y[d]) * (x[d] - y[d]);
          least = std::min(least, 0.5 * square - all[i]);
        }
        worst = std::max(worst, std::fabs(psi.level()[j] - least));
      }
      BOOST_TEST(global_max(MPI_COMM_WORLD, worst) < 1e-13 * (1 + height));
    }
  }
}

// phi = x.x/2 - x.A x/2 - b.x has psi = y.y/2 - (y - b).A^{-1}(y - b)/2 where the minimum lies inside.
BOOST_AUTO_TEST_CASE(quadratic_potentials_are_transformed_exactly_between_the_nodes) {
  const LayoutPtr layout = make_layout(MPI_COMM_WORLD, Grid(std::vector<Axis>(2, Axis{-2, 2, 32, Boundary::NoFlux, 0.5})), 1);
  const double a = 1.4, b = 0.8;  // diagonal A: the axes do not mix, so that each line is exact
  const Field phi = field(layout, [&](double x, double y, double) { return 0.5 * (x * x * (1 - a) + y * y * (1 - b)) - 0.1 * x + 0.2 * y; });
  const Field exact = field(
      layout, [&](double x, double y, double) { return 0.5 * (x * x + y * y) - 0.5 * (x - 0.1) * (x - 0.1) / a - 0.5 * (y + 0.2) * (y + 0.2) / b; });
  Field smooth(layout), nodes(layout);
  QuadraticTransform transform(layout);
  transform.apply(phi, smooth, MinimumOver::Neighborhood);
  transform.apply(phi, nodes);
  double worst = 0, worst_nodes = 0;
  for (int r = 0; r < layout->rows(); ++r) {
    const RowPoints p = layout->row(r);
    for (int i = 0; i < p.n; ++i) {
      if (std::fabs(p.x[i]) > 1.3 || std::fabs(p.y) > 1.3) continue;
      worst = std::max(worst, std::fabs(smooth.level()[p.offset + i] - exact.level()[p.offset + i]));
      worst_nodes = std::max(worst_nodes, std::fabs(nodes.level()[p.offset + i] - exact.level()[p.offset + i]));
    }
  }
  BOOST_TEST(global_max(MPI_COMM_WORLD, worst) < 1e-13);
  BOOST_TEST(global_max(MPI_COMM_WORLD, worst_nodes) > 1e-4);  // half a cell away from the minimum
}

// Transforming twice gives phi back when phi is c-concave and smooth, to higher order.
BOOST_AUTO_TEST_CASE(transforming_twice_is_the_identity_to_higher_order) {
  double before = 0;
  for (const int n : {32, 64}) {
    const LayoutPtr layout = make_layout(MPI_COMM_WORLD, Grid(std::vector<Axis>(2, Axis{0, 1, n, Boundary::NoFlux, 0.5})), 1);
    const Field phi = field(layout, [](double x, double y, double) { return 0.008 * std::cos(M_PI * x) * std::cos(2 * M_PI * y); });
    Field psi(layout), back(layout);
    QuadraticTransform transform(layout);
    transform.apply(phi, psi, MinimumOver::Neighborhood);
    transform.apply(psi, back, MinimumOver::Neighborhood);
    const double error = largest_difference(phi, back);
    BOOST_TEST(error < 0.3 / (n * n * n));
    if (before > 0) BOOST_TEST(before / error > 6);
    before = error;
  }
}

BOOST_AUTO_TEST_CASE(interpolation_from_the_coarse_grid_is_exact_for_quadratics) {
  for (const std::vector<int>& cells : {std::vector<int>{40}, {12, 20}, {8, 12, 16}}) {
    const LayoutPtr fine = box(cells);
    std::vector<Axis> axes = fine->grid().axes();
    for (Axis& a : axes) a.cells /= 2;
    const LayoutPtr coarse = make_layout(MPI_COMM_WORLD, Grid(axes), 1);
    const auto quadratic = [](double x, double y, double z) { return 1 + x - 2 * y + 3 * z + x * x - x * y + 2 * y * y - z * x + z * z; };
    const Field exact = field(coarse, quadratic), all = field(fine, quadratic);
    Field out(fine);
    QuadraticInterpolation(coarse, fine).apply(exact, out);
    BOOST_TEST(largest_difference(out, all) < 1e-12 * max_abs(all));
  }
}

BOOST_AUTO_TEST_CASE(axes_change_places) {
  for (const std::vector<int>& cells : {std::vector<int>{19, 23}, {9, 5, 21}}) {
    const LayoutPtr layout = box(cells);
    AxisSwap swap(layout);
    const auto f = [](double a, double b, double c) { return 1 + 10 * a + 100 * b + 1000 * c; };
    const bool three = cells.size() == 3;
    const Field u = field(layout, f);
    const Field exact = field(swap.swapped(), [&](double x, double y, double z) { return three ? f(z, y, x) : f(y, x, 0); });
    Field v(swap.swapped());
    swap.apply(u, v);
    BOOST_TEST(largest_difference(v, exact) < 1e-11);
  }
}
