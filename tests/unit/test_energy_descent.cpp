// ranks: 1 2 4
// timeout: 60
#define BOOST_TEST_MODULE energy_descent
#include <boost/test/unit_test.hpp>

#include "solvers/nonlinear_solver.hpp"
#include "tests/support/phase_examples.hpp"

using namespace wasserflow;
using namespace wasserflow::test;

namespace {

constexpr Descent kinds[] = {Descent::Steepest, Descent::Accelerated, Descent::Lbfgs};

/// |U - known|^2_{G^{-1}} / (2 tau) + E(U), times the cell volume.
double incremental_energy(PhaseStep& s) {
  Field d(s.layout), g(s.layout);
  for (std::ptrdiff_t i = 0; i < s.layout->owned(); ++i) d.level()[i] = s.U.level()[i] - s.known.level()[i];
  const SymbolPolynomial metric = s.system.op().gradient_metric();
  s.system.preconditioner().apply_inverse(metric, d, g);
  return dot(d, g) * s.layout->grid().cell_volume() / (2 * s.system.tau()) + s.energy();
}

}  // namespace

// Where the root is unique all kinds find that of Newton's method.
BOOST_AUTO_TEST_CASE(all_kinds_agree_with_newton) {
  struct Case {
    PhaseExample example;
    double dt;
  };
  for (const Case& c : {Case{allen_cahn_example(), 0.004}, Case{cahn_hilliard_example(), 0.01}, Case{sixth_order_example(), 0.002}}) {
    PhaseStep reference(c.example, 32, c.dt);
    BOOST_TEST((make_newton_krylov({1e-9, 500})->solve(reference.system, reference.U).reason == StopReason::Converged));
    for (const Descent kind : kinds) {
      PhaseStep step(c.example, 32, c.dt);
      const double before = incremental_energy(step), mass = sum(step.known);
      const NonlinearSolverPtr solver = make_descent({1e-8, 1000}, kind);
      const NonlinearReport r = solver->solve(step.system, step.U);
      BOOST_TEST_MESSAGE(c.example.name << ", " << r.method << ": " << r.iterations << " iterations, " << r.transform_pairs << " pairs, "
                                        << r.evaluations << " evaluations");
      BOOST_TEST_CONTEXT(c.example.name << " " << r.method) {
        BOOST_TEST((r.reason == StopReason::Converged));
        BOOST_TEST(r.residual < 1e-8);
        BOOST_TEST(r.residuals.size() == static_cast<std::size_t>(r.iterations) + 1);
        BOOST_TEST(largest_difference(step.U, reference.U) < 1e-9);
        BOOST_TEST(incremental_energy(step) < before);
        if (!c.example.equation.species[0].G.empty() || c.example.equation.functionalised)
          BOOST_TEST(std::fabs(sum(step.U) - mass) < 1e-13 * static_cast<double>(step.layout->grid().size()));
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(memory_and_momentum_pay) {
  int iterations[3] = {};
  for (int i = 0; i < 3; ++i) {
    PhaseStep step(variable_example(), 64, 0.01);
    const NonlinearReport r = make_descent({1e-6, 2000}, kinds[i])->solve(step.system, step.U);
    BOOST_TEST((r.reason == StopReason::Converged), r.method);
    BOOST_TEST_MESSAGE(r.method << ": " << r.iterations << " iterations, " << r.transform_pairs << " pairs, " << r.evaluations << " evaluations");
    iterations[i] = r.iterations;
  }
  BOOST_TEST(iterations[2] <= 90);
  BOOST_TEST(iterations[2] < iterations[0]);
}

BOOST_AUTO_TEST_CASE(bits_do_not_depend_on_the_ranks) {
  for (const int dim : {1, 2})
    for (const Descent kind : kinds) {
      PhaseExample e = cahn_hilliard_example();
      e.initial = [](double x, double y) { return 0.3 * std::sin(x) + 0.5 * std::cos(3 * x + y); };
      const int cells = dim == 1 ? 100 : 32;
      PhaseStep shared(e, cells, 0.05, 1, MPI_COMM_WORLD, dim), alone(e, cells, 0.05, 1, MPI_COMM_SELF, dim);
      const NonlinearReport a = make_descent({1e-6, 1000}, kind)->solve(shared.system, shared.U);
      const NonlinearReport b = make_descent({1e-6, 1000}, kind)->solve(alone.system, alone.U);
      BOOST_TEST((a.reason == StopReason::Converged));
      BOOST_TEST(a.iterations == b.iterations);
      const double* whole = alone.U.level() + shared.layout->global_offset();
      double worst = 0;
      for (std::ptrdiff_t i = 0; i < shared.layout->owned(); ++i) worst = std::max(worst, std::fabs(shared.U.level()[i] - whole[i]));
      BOOST_TEST(worst == 0, a.method << " in " << dim << "-D: " << worst);
    }
}

BOOST_AUTO_TEST_CASE(stays_in_the_domain_and_leaves_bad_guesses) {
  for (const Descent kind : kinds) {
    PhaseStep step(logarithmic_example(), 32, 0.01);
    for (double& u : step.U.owned()) u *= 1.01;  // out of (-1, 1)
    const NonlinearReport r = make_descent({1e-6, 2000}, kind)->solve(step.system, step.U);
    BOOST_TEST((r.reason == StopReason::Converged), r.method << " " << r.residual);
    BOOST_TEST(step.system.admissible(step.U));
    BOOST_TEST_MESSAGE(r.method << ": " << r.iterations << " iterations");
  }
}

BOOST_AUTO_TEST_CASE(what_has_no_energy_is_refused_at_once) {
  PhaseStep block(cahn_hilliard_example(), 32, 0.01, 2);
  const NonlinearReport r = make_descent({1e-6, 100}, Descent::Lbfgs)->solve(block.system, block.U);
  BOOST_TEST((r.reason == StopReason::Diverged));
  BOOST_TEST(r.iterations == 0);
  BOOST_TEST(r.transform_pairs == 0);
  PhaseStep step(cahn_hilliard_example(), 32, 0.01);
  BOOST_TEST((make_descent({1e-6, 2}, Descent::Lbfgs)->solve(step.system, step.U).reason == StopReason::IterationLimit));
}
