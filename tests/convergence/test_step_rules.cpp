// ranks: 1 2
// timeout: 120
#define BOOST_TEST_MODULE step_rules
#include <boost/test/unit_test.hpp>

#include "tests/support/hj_runs.hpp"

using namespace wasserflow;
using test::Example, test::Run, test::difference;

// Every way to choose the steps of the primal-dual method finds the solution of the scheme that policy iteration finds.
BOOST_AUTO_TEST_CASE(all_step_rules_find_howards_solution) {
  const std::vector<std::pair<std::string, Example>> examples{{"quadratic", {1, 40, 3, 0.05, test::quadratic_1d, "sin(pi*x)"}},
                                                              {"quadratic, viscous", {1, 40, 3, 0.05, test::quadratic_1d, "sin(pi*x)", 0.1, {}}},
                                                              {"one_homogeneous", {1, 40, 3, 0.05, test::homogeneous_1d, "sin(pi*x)"}},
                                                              {"newton", test::newton(16, 2, 0.05)}};
  for (const auto& [name, e] : examples) {
    const Run reference = test::run(MPI_COMM_WORLD, e, "method = \"howard\"");
    for (const std::string rule : {"steps = \"balanced\"", "steps = \"fixed\"", "steps = \"malitsky_pock\"", "relaxation = 1.5",
                                   "steps = \"fixed\"\nrelaxation = 1.8", "restart_every = 40", "steps = \"malitsky_pock\"\nrestart_every = 40"}) {
      const Run found = test::run(MPI_COMM_WORLD, e, "tolerance = 1e-10\nmax_iterations = 50000\n" + rule);
      BOOST_TEST_MESSAGE(name << ", " << rule << ": " << found.most() << " iterations, phi " << difference(found, reference));
      BOOST_TEST(difference(found, reference) < 1e-8, name << ", " << rule << ": " << difference(found, reference));
    }
  }
}
