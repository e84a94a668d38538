// ranks: 1 2 4
// timeout: 120
#define BOOST_TEST_MODULE reaction_diffusion_pdhg
#include <boost/test/unit_test.hpp>

#include "tests/support/phase_steps.hpp"

using namespace wasserflow;

namespace {

std::vector<int> published(const test::PhaseField& problem, int blocks, int block = 1, double tau_u = 0.55) {
  PdhgStepParameters step;
  step.tune = false;
  step.tau_u = tau_u;
  const NonlinearSolverPtr solver = make_pdhg({1e-6, 1500}, step);
  test::PhaseSteps steps(MPI_COMM_WORLD, problem, block);
  std::vector<int> counts = steps.iterations(*solver, blocks);
  for (int& n : counts) ++n;  // the authors' program counts from 1
  return counts;
}

}  // namespace

// Iterations a step of the authors' program with its parameters, measured with it on these grids (for blocks of Allen-Cahn steps with the inverse of
// M M^T in place of what it applies).
BOOST_AUTO_TEST_CASE(iterations_of_the_published_program) {
  BOOST_TEST(published(test::allen_cahn_circle(128), 5) == (std::vector<int>{65, 67, 65, 66, 66}), boost::test_tools::per_element());
  BOOST_TEST(published(test::cahn_hilliard_circles(128), 4) == (std::vector<int>{94, 93, 89, 89}), boost::test_tools::per_element());
  BOOST_TEST(published(test::functionalised_pores(64), 2, 1, 0.5) == (std::vector<int>{300, 302}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(iterations_of_blocks) {
  BOOST_TEST(published(test::cahn_hilliard_circles(64), 1, 10) == std::vector<int>{184}, boost::test_tools::per_element());
  BOOST_TEST(published(test::allen_cahn_circle(64), 1, 10) == std::vector<int>{151}, boost::test_tools::per_element());
}
