// ranks: 1 2 4
// timeout: 60
// Front, interface and structure factor against closed forms; the same bits as on one rank.
#define BOOST_TEST_MODULE phase_diagnostics
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <functional>
#include <limits>
#include <numbers>

#include "grids/reduce.hpp"
#include "grids/support/counter_random.hpp"
#include "solvers/phase_diagnostics.hpp"

using namespace wasserflow;

namespace {

constexpr double pi = std::numbers::pi;
using Shape = std::function<double(double, double, double)>;

/// Values of f on second level of a field, on some ranks and on each rank alone.
struct Sample {
  LayoutPtr layout;
  Field field;
  Sample(MPI_Comm comm, const Grid& grid, const Shape& f) : layout(make_layout(comm, grid, 1)), field(layout, 2) {
    for (int r = 0; r < layout->rows(); ++r) {
      const RowPoints p = layout->row(r);
      for (int i = 0; i < p.n; ++i) field.level(1)[p.offset + i] = f(p.x[i], p.y, p.z);
    }
  }
};

bool same(double a, double b) { return a == b || (std::isnan(a) && std::isnan(b)); }

double measure(const Grid& grid, const Shape& f, double level = 0) {
  Sample one(MPI_COMM_SELF, grid, f), some(MPI_COMM_WORLD, grid, f);
  const double alone = interface_measure(one.field, level, 1), all = interface_measure(some.field, level, 1);
  BOOST_TEST(same(all, alone), all << " is not " << alone);
  return all;
}

double front(const Grid& grid, const Shape& f, double level = 0) {
  const double alone = front_position(Sample(MPI_COMM_SELF, grid, f).field, level, 1);
  const double all = front_position(Sample(MPI_COMM_WORLD, grid, f).field, level, 1);
  BOOST_TEST(same(all, alone), all << " is not " << alone);
  return all;
}

StructureFactor spectrum(const Grid& grid, const Shape& f) {
  StructureFactor found[2];
  for (const bool alone : {true, false}) {
    const Sample s(alone ? MPI_COMM_SELF : MPI_COMM_WORLD, grid, f);
    SpectralTransform transform(s.layout);
    found[alone ? 1 : 0] = structure_factor(transform, s.field, 1);
  }
  BOOST_TEST((found[0].s == found[1].s));
  BOOST_TEST((found[0].modes == found[1].modes));
  BOOST_TEST(same(found[0].mean_length, found[1].mean_length));
  return found[0];
}

Grid box(int dim, int cells, Boundary kind, double lower = 0, double upper = 1) {
  return Grid(std::vector<Axis>(static_cast<std::size_t>(dim), Axis{lower, upper, cells, kind, kind == Boundary::Periodic ? 0.0 : 0.5}));
}

/// Errors of the measure fall by four when the cells are halved.
void second_order(const std::function<Grid(int)>& grid, const Shape& f, double exact, const std::vector<int>& cells, double worst) {
  double before = 0;
  for (const int n : cells) {
    const double error = std::fabs(measure(grid(n), f) - exact);
    BOOST_TEST_MESSAGE(n << " cells: error " << error);
    if (before > 0) BOOST_TEST(std::log2(before / error) > 1.8);
    before = error;
  }
  BOOST_TEST(before < worst);
}

}  // namespace

BOOST_AUTO_TEST_CASE(perimeter_of_a_circle_and_area_of_a_sphere) {
  const auto ball = [](double x0, double y0, double z0, double r) {
    return [=](double x, double y, double z) { return r - std::sqrt((x - x0) * (x - x0) + (y - y0) * (y - y0) + (z - z0) * (z - z0)); };
  };
  second_order([](int n) { return box(2, n, Boundary::Periodic); }, ball(0.48, 0.53, 0, 0.3), 2 * pi * 0.3, {32, 64, 128}, 1e-4);
  second_order([](int n) { return box(3, n, Boundary::Periodic); }, ball(0.48, 0.53, 0.5, 0.3), 4 * pi * 0.09, {16, 32, 64}, 2e-3);
  // A quarter and an eighth around a corner of mirrors.
  second_order([](int n) { return box(2, n, Boundary::NoFlux); }, ball(0, 0, 0, 0.6), 0.5 * pi * 0.6, {32, 64, 128}, 1e-4);
  second_order([](int n) { return box(3, n, Boundary::NoFlux); }, ball(0, 0, 0, 0.6), 0.5 * pi * 0.36, {16, 32, 64}, 2e-3);
}

BOOST_AUTO_TEST_CASE(interfaces_that_are_exact) {
  const auto stripes = [](double x, double, double) { return std::cos(2 * pi * (x - 0.013)); };
  BOOST_TEST(measure(box(1, 32, Boundary::Periodic), stripes) == 2);
  BOOST_TEST(measure(box(2, 32, Boundary::Periodic), stripes) == 2, boost::test_tools::tolerance(1e-13));
  BOOST_TEST(measure(box(3, 16, Boundary::NoFlux), stripes) == 2, boost::test_tools::tolerance(1e-13));
  BOOST_TEST(measure(box(2, 32, Boundary::Periodic), stripes, 1.5) == 0);
  // The step of an x line from its last node to its first.
  BOOST_TEST(measure(box(2, 32, Boundary::Periodic), [](double x, double, double) { return x - 0.4999; }) == 2, boost::test_tools::tolerance(1e-13));
  BOOST_TEST(measure(box(2, 32, Boundary::NoFlux), [](double, double y, double) { return y - 0.4999; }) == 1, boost::test_tools::tolerance(1e-13));
  // Slanted stripes in an unequal box with unequal cells: two lines of slope -1/2 across it.
  const Grid unequal({Axis{0, 1, 64, Boundary::Periodic, 0}, Axis{0, 0.5, 20, Boundary::Periodic, 0}});
  const auto slanted = [](double x, double y, double) { return std::cos(2 * pi * (x + 2 * y - 0.07)); };
  BOOST_TEST(measure(unequal, slanted) == 2 * std::sqrt(1.25), boost::test_tools::tolerance(1e-3));
}

BOOST_AUTO_TEST_CASE(mirrors_are_half_of_a_doubled_box) {
  const auto f = [](double x, double y, double) { return std::cos(pi * x) + 0.7 * std::cos(2 * pi * y) - 0.3 * std::cos(3 * pi * x) + 0.1; };
  const double half = measure(box(2, 24, Boundary::NoFlux), f);
  const Grid doubled({Axis{0, 2, 48, Boundary::Periodic, 0.5}, Axis{0, 2, 48, Boundary::Periodic, 0.5}});
  BOOST_TEST(4 * half == measure(doubled, f), boost::test_tools::tolerance(1e-13));
}

BOOST_AUTO_TEST_CASE(front_of_planes_and_circles) {
  for (const Boundary kind : {Boundary::Periodic, Boundary::NoFlux})
    for (const int dim : {1, 2, 3}) {
      const Grid grid = box(dim, dim == 3 ? 16 : 64, kind, -1, 2);
      const double position = front(grid, [](double x, double, double) { return 1.3 - x; });
      BOOST_TEST(position == 0.8, boost::test_tools::tolerance(1e-13));
      BOOST_TEST(front(
                     grid, [](double x, double, double) { return x < 0.5 ? 1.3 - x : 2.6 - 2 * x; }, 1.0) == 0.3,
                 boost::test_tools::tolerance(1e-13));
      BOOST_TEST(std::isnan(front(grid, [](double, double, double) { return 1.0; })));
      // A crossing to the left of the centre is none; a front in the last cell of a periodic line is one.
      const double left = front(grid, [](double x, double, double) { return x - 0.2; });
      if (kind == Boundary::NoFlux) BOOST_TEST(std::isnan(left));
      if (kind == Boundary::Periodic) BOOST_TEST((left > 1.5 - grid.spacing(0) && left < 1.5));
    }
  const auto circle = [](double x, double y, double) { return std::tanh(10 * (0.3 - std::hypot(x - 0.5, y - 0.5))); };
  BOOST_TEST(front(box(2, 128, Boundary::Periodic), circle) == 0.3, boost::test_tools::tolerance(1e-4));
}

BOOST_AUTO_TEST_CASE(single_modes_of_the_structure_factor) {
  // A cos(3 . 2 pi x) cos(2 . 2 pi y / 2) has variance A^2 / 4 at |k| = 2 pi sqrt(9 + 1).
  const auto mode = [](double x, double y, double) { return 5 + 0.3 * std::cos(6 * pi * x) * std::cos(2 * pi * y); };
  const auto check = [](const StructureFactor& f, double variance, double k, double cells) {
    double total = 0, modes = 0;
    for (std::size_t b = 0; b < f.k.size(); ++b) {
      total += f.s[b] * f.modes[b];
      modes += f.modes[b];
      const bool shell = std::fabs(f.k[b] - k) <= 0.5 * f.k[1];
      if (!shell) BOOST_TEST(f.s[b] < 1e-25);
    }
    BOOST_TEST(total == variance, boost::test_tools::tolerance(1e-12));
    BOOST_TEST(modes == cells);
    BOOST_TEST(f.mean_length == 2 * pi / k, boost::test_tools::tolerance(1e-12));
  };
  const Axis x{0, 1, 24, Boundary::Periodic, 0}, y{0, 2, 20, Boundary::Periodic, 0}, z{0, 1, 9, Boundary::NoFlux, 0.5};
  check(spectrum(Grid({x, y}), mode), 0.09 / 4, 2 * pi * std::sqrt(10.0), 24 * 20);
  check(spectrum(Grid({x, y, z}), mode), 0.09 / 4, 2 * pi * std::sqrt(10.0), 24 * 20 * 9);
  check(spectrum(Grid({x}), [](double s, double, double) { return 0.3 * std::sin(8 * pi * s) - 1; }), 0.045, 8 * pi, 24);
  check(spectrum(Grid({Axis{0, 1, 24, Boundary::NoFlux, 0.5}, y}),
                 [](double s, double t, double) { return std::cos(3 * pi * s) * std::sin(3 * pi * t); }),
        0.25, 3 * pi * std::sqrt(2.0), 24 * 20);
  BOOST_TEST(spectrum(Grid({x, y}), [](double, double, double) { return 2.0; }).mean_length == std::numeric_limits<double>::infinity());
}

BOOST_AUTO_TEST_CASE(parseval) {
  for (const Boundary kind : {Boundary::Periodic, Boundary::NoFlux})
    for (const int dim : {1, 2, 3}) {
      const Grid grid = box(dim, dim == 1 ? 37 : 12, kind);
      const double h = grid.spacing(0);
      const auto noise = [&](double x, double y, double z) {
        return uniform_pair(7, static_cast<std::uint64_t>(std::lround(x / h * 2) + 100 * std::lround(y / h * 2) + 10000 * std::lround(z / h * 2)),
                            0)[0];
      };
      const Sample s(MPI_COMM_WORLD, grid, noise);
      const double n = static_cast<double>(grid.size()), mean = sum(s.field, 1) / n;
      const StructureFactor f = spectrum(grid, noise);
      double total = 0, modes = 0;
      for (std::size_t b = 0; b < f.k.size(); ++b) total += f.s[b] * f.modes[b], modes += f.modes[b];
      BOOST_TEST(total == dot(s.field, s.field, 1, 1) / n - mean * mean, boost::test_tools::tolerance(1e-12));
      BOOST_TEST(modes == n);
    }
}
