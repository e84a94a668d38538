// ranks: 1 2
// timeout: 300
// Iterations of the primal-dual method with default settings to mean |R| < 1e-6: they must not grow with the grid. Upper bounds only.
#define BOOST_TEST_MODULE iteration_counts
#include <boost/test/unit_test.hpp>

#include "tests/support/hj_runs.hpp"

using namespace wasserflow;
using test::Example, test::Run;

namespace {
const std::string defaults = "tolerance = 1e-6";

Example example(int number, int cells, double ratio, int steps, double eps = 0) {
  return {1, cells, steps, ratio * 2 / cells, number == 1 ? test::quadratic_1d : test::homogeneous_1d, "sin(pi*x)", eps, {}};
}
}  // namespace

BOOST_AUTO_TEST_CASE(no_growth_with_grid_and_viscosity) {
  for (int number : {1, 2})
    for (int cells : {40, 160, 640})
      for (double eps : {0.0, 0.01, 0.1, 0.5}) {
        const Run done = test::run(MPI_COMM_WORLD, example(number, cells, 1, std::min(cells / 2, 60), eps), defaults);
        BOOST_TEST_MESSAGE("example " << number << ", " << cells << " cells, eps " << eps << ": largest " << done.most());
        BOOST_TEST(done.most() <= (number == 1 ? 100 : 160), "example " << number << ", " << cells << " cells, eps " << eps << ": " << done.most());
      }
}

// Time steps far beyond the cell size cost more, but each does the work of many.
BOOST_AUTO_TEST_CASE(longer_steps) {
  const double ratio[] = {0.5, 2, 4, 8};
  const int bound[2][4] = {{95, 110, 160, 290}, {60, 210, 460, 800}};
  for (int number : {1, 2})
    for (int i = 0; i < 4; ++i) {
      const Run done = test::run(MPI_COMM_WORLD, example(number, 160, ratio[i], static_cast<int>(80 / ratio[i])), defaults);
      BOOST_TEST_MESSAGE("example " << number << ", dt/dx " << ratio[i] << ": largest " << done.most());
      BOOST_TEST(done.most() <= bound[number - 1][i], "example " << number << ", dt/dx " << ratio[i] << ": " << done.most());
    }
}

BOOST_AUTO_TEST_CASE(windows) {
  const int bound[2][2] = {{130, 240}, {190, 450}};
  for (int number : {1, 2})
    for (int i : {0, 1}) {
      const int window = i == 0 ? 2 : 4;
      const Run done = test::run(MPI_COMM_WORLD, example(number, 80, 1, 40), defaults + "\nwindow = " + std::to_string(window));
      BOOST_TEST_MESSAGE("example " << number << ", windows of " << window << ": largest " << done.most());
      BOOST_TEST(done.most() <= bound[number - 1][i], "example " << number << ", windows of " << window << ": " << done.most());
    }
}

BOOST_AUTO_TEST_CASE(two_dimensions) {
  for (const std::string form : {"quadratic", "one_homogeneous"})
    for (int cells : {32, 64})
      for (double eps : {0.0, 0.1}) {
        const std::string square = form == "quadratic" ? "^2" : "";
        const Example e{2,
                        cells,
                        4,
                        2.0 / cells,
                        "type = \"" + form + "\"\ncoefficient = [\"((x-1)^2 + 0.1)" + square + "\", \"((y-1)^2 + 0.1)" + square + "\"]",
                        "sin(pi*x) + sin(pi*y)",
                        eps,
                        {}};
        const Run done = test::run(MPI_COMM_WORLD, e, defaults);
        BOOST_TEST_MESSAGE(form << " 2-D, " << cells << " cells, eps " << eps << ": largest " << done.most());
        BOOST_TEST(done.most() <= (form == "quadratic" ? 230 : 180), form << ", " << cells << " cells, eps " << eps << ": " << done.most());
      }
}

BOOST_AUTO_TEST_CASE(same_on_any_number_of_ranks) {
  for (int number : {1, 2})
    for (double eps : {0.0, 0.1}) {
      const Example e = example(number, 160, 1, 20, eps);
      BOOST_TEST(test::run(MPI_COMM_WORLD, e, defaults).iterations == test::run(MPI_COMM_SELF, e, defaults).iterations,
                 boost::test_tools::per_element());
    }
}
