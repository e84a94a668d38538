// ranks: 1 2 4
// timeout: 300
// Hard implicit steps of the phase-field examples, from their initial data: every step converges, energy never grows, mass stays.
#define BOOST_TEST_MODULE nonlinear_robustness
#include <boost/test/unit_test.hpp>

#include "solvers/nonlinear_solver.hpp"
#include "tests/support/phase_examples.hpp"

using namespace wasserflow;
using namespace wasserflow::test;

namespace {

struct Hard {
  PhaseExample example;
  double dt;
};

std::vector<Hard> hard_steps() {
  return {{variable_example(), 0.01},   {variable_example(), 0.08},     {allen_cahn_example(), 0.01},   {allen_cahn_example(), 0.02},
          {allen_cahn_example(), 0.08}, {cahn_hilliard_example(), 0.1}, {cahn_hilliard_example(), 0.5}, {sixth_order_example(), 0.01},
          {sixth_order_example(), 0.1}, {logarithmic_example(1), 0.01}, {logarithmic_example(0), 0.05}, {logarithmic_example(0), 0.2}};
}

NonlinearSolverPtr by_name(const std::string& method, const std::string& more = "") {
  const ProblemFile file = ProblemFile::parse("[solver]\nmethod = \"" + method + "\"\n" + more, "test.toml");
  return read_nonlinear_solver(file.root().table("solver", "solver"));
}

/// Steps of one size from the initial data; `must` converge each.
void march(const Hard& hard, NonlinearSolver& solver, int steps) {
  PhaseStep step(hard.example, 64, hard.dt);
  const bool conserves = step.system.op().conserves_mass();
  const double points = static_cast<double>(step.layout->grid().size());
  const double mass = sum(step.known);
  double energy = step.energy();
  std::string line = hard.example.name + " dt " + std::to_string(hard.dt) + ":";
  for (int n = 0; n < steps; ++n) {
    const NonlinearReport r = solver.solve(step.system, step.U);
    for (const NonlinearReport& a : solver.attempts())
      line += " " + a.method + (a.reason == StopReason::Converged ? "" : "(failed)") + " " + std::to_string(a.transform_pairs);
    line += ";";
    BOOST_TEST_CONTEXT(hard.example.name << " dt " << hard.dt << " step " << n + 1) {
      BOOST_TEST((r.reason == StopReason::Converged), solver.name() << " " << r.residual);
      BOOST_TEST(step.system.admissible(step.U));
      const double after = step.energy();
      BOOST_TEST(after <= energy + 1e-12 * std::fabs(energy));
      energy = after;
      if (conserves) BOOST_TEST(std::fabs(sum(step.U) - mass) / points <= 1e-12);
    }
    if (r.reason != StopReason::Converged) break;
    step.advance(hard.dt);
  }
  BOOST_TEST_MESSAGE(line);
}

}  // namespace

BOOST_AUTO_TEST_CASE(the_ladder_takes_every_step) {
  for (const Hard& hard : hard_steps()) march(hard, *by_name("auto"), 3);
}

BOOST_AUTO_TEST_CASE(descent_takes_every_step) {
  for (const Hard& hard : hard_steps()) march(hard, *by_name("descent", "max_iterations = 2000\n"), 2);
}

// Steps below 1/b (Allen-Cahn) and 4 a / b^2 (Cahn-Hilliard) have one solution.
BOOST_AUTO_TEST_CASE(solvers_agree_where_the_solution_is_unique) {
  for (const Hard& hard : {Hard{allen_cahn_example(), 0.009}, Hard{variable_example(), 0.009}, Hard{cahn_hilliard_example(), 0.03}}) {
    PhaseStep reference(hard.example, 64, hard.dt);
    BOOST_TEST((by_name("newton-krylov", "tolerance = 1e-8\n")->solve(reference.system, reference.U).reason == StopReason::Converged));
    for (const char* method : {"anderson", "descent", "auto"}) {
      PhaseStep step(hard.example, 64, hard.dt);
      const NonlinearReport r = by_name(method, "tolerance = 1e-8\n")->solve(step.system, step.U);
      BOOST_TEST((r.reason == StopReason::Converged), hard.example.name << " " << method);
      BOOST_TEST(largest_difference(step.U, reference.U) < 1e-7, hard.example.name << " " << method);
    }
  }
}
