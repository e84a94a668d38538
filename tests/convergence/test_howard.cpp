// timeout: 120
#define BOOST_TEST_MODULE howard_convergence
#include <boost/test/unit_test.hpp>

#include "grids/reduce.hpp"
#include "solvers/howard.hpp"
#include "tests/support/hj_examples.hpp"

using namespace wasserflow;

namespace {
struct Run {
  double l1 = 0;  // over all levels, the initial one included, and points
  double iterations = 0;
};

Run solve(int example, int nx) {
  const LayoutPtr layout = make_layout(MPI_COMM_WORLD, test::torus(1, nx));
  const int steps = nx / 2;
  const double dt = 1.0 / steps;
  HamiltonJacobiProblem problem =
      make_hamilton_jacobi_problem(test::only(example == 1 ? test::quadratic(1) : test::one_homogeneous(1)), layout, 0, dt, {dt});
  Howard howard(problem);
  Field phi(layout, 2);
  test::set_sines(phi, 0);
  const test::Exact1d exact(example);
  Run run;
  for (int k = 1; k <= steps; ++k) {
    problem.set_times(std::array{k * dt});
    phi.copy_level(1, phi, 0);
    const HowardReport report = howard.step(phi, 0, phi, 1);
    BOOST_TEST_REQUIRE(report.converged);
    BOOST_TEST(report.residual.max_abs * dt < 1e-12);
    run.iterations += report.iterations / double(steps);
    const double* u = phi.level(1);
    for (int i = 0; i < nx; ++i) run.l1 += std::fabs(u[i] - exact(layout->x_nodes()[i], k * dt)) / nx / (steps + 1);
    phi.copy_level(0, phi, 1);
  }
  return run;
}
}  // namespace

// Errors of the implicit Engquist-Osher scheme, dt = dx, computed once by an independent numpy implementation of the same scheme.
BOOST_AUTO_TEST_CASE(first_order_to_the_exact_solutions) {
  const double expected[2][5] = {{5.536e-2, 3.315e-2, 1.883e-2, 1.018e-2, 5.318e-3}, {6.051e-2, 3.500e-2, 1.942e-2, 1.044e-2, 5.486e-3}};
  const double most[2] = {4.0, 1.4};
  for (int example : {1, 2}) {
    double last = 0;
    for (int r = 0; r < 5; ++r) {
      const Run run = solve(example, 20 << r);
      BOOST_TEST_MESSAGE("example " << example << " nx " << (20 << r) << " l1 " << run.l1 << " iterations/step " << run.iterations);
      BOOST_TEST(run.l1 == expected[example - 1][r], boost::test_tools::tolerance(2e-3));
      BOOST_TEST(run.iterations <= most[example - 1]);
      if (r == 4) BOOST_TEST(std::log2(last / run.l1) >= 0.9);
      last = run.l1;
    }
  }
}
