// ranks: 1 2 4
// timeout: 60
#define BOOST_TEST_MODULE newton_krylov
#include <boost/test/unit_test.hpp>

#include "solvers/nonlinear_solver.hpp"
#include "tests/support/phase_examples.hpp"

using namespace wasserflow;
using namespace wasserflow::test;

// A small wave on a homogeneous state grows by a factor in closed form, on the grid and in steps.
BOOST_AUTO_TEST_CASE(a_small_wave_grows_as_the_discrete_dispersion_says) {
  constexpr double dt = 0.003;
  constexpr int cells = 32, q = 3;
  for (PhaseExample e : {allen_cahn_example(), cahn_hilliard_example(), sixth_order_example()}) {
    BOOST_TEST_CONTEXT(e.name) {
      constexpr double amplitude = 1e-6;
      const double length = e.length, k = 2 * std::numbers::pi * q / length;
      e.initial = [=](double x, double) { return amplitude * std::cos(k * x); };
      const double h = length / cells, lambda = (2 - 2 * std::cos(k * h)) / (h * h);
      const SpeciesTerms& t = e.equation.species[0];
      const double bulk = t.a * lambda - t.b;  // W''(0) = -1
      const double eps2 = e.equation.eps * e.equation.eps;
      const double rate = e.equation.functionalised ? lambda * (eps2 * lambda - 1 - eps2) * (eps2 * lambda - 1) : (t.G.empty() ? 1 : lambda) * bulk;
      PhaseStep step(e, cells, dt);
      const NonlinearReport r = make_newton_krylov({1e-12, 100})->solve(step.system, step.U);
      BOOST_TEST((r.reason == StopReason::Converged));
      double worst = 0;
      for (std::ptrdiff_t i = 0; i < step.layout->owned(); ++i)
        worst = std::max(worst, std::fabs(step.U.level()[i] - step.known.level()[i] / (1 + dt * rate)));
      BOOST_TEST(worst < 1e-8 * amplitude);
    }
  }
}

BOOST_AUTO_TEST_CASE(iterations_and_work_are_few_and_told) {
  struct Case {
    PhaseExample example;
    double dt;
    int most_outer, most_krylov;
  };
  for (const Case& c :
       {Case{allen_cahn_example(), 0.001, 4, 12}, Case{cahn_hilliard_example(), 0.001, 4, 15}, Case{sixth_order_example(), 0.01, 6, 40}}) {
    BOOST_TEST_CONTEXT(c.example.name) {
      PhaseStep step(c.example, 64, c.dt);
      const NonlinearSolverPtr newton = make_newton_krylov({1e-6, 500});
      const NonlinearReport r = newton->solve(step.system, step.U);
      BOOST_TEST_MESSAGE(c.example.name << ": " << r.outer_iterations << " Newton steps, " << r.iterations << " Krylov iterations, "
                                        << r.transform_pairs << " pairs, " << r.evaluations << " evaluations");
      BOOST_TEST((r.reason == StopReason::Converged));
      BOOST_TEST(r.method == "newton-krylov");
      BOOST_TEST(r.outer_iterations <= c.most_outer);
      BOOST_TEST(r.iterations <= c.most_krylov);
      // One pair a Krylov iteration, and one a Newton step for the image of its direction where G is not a number.
      BOOST_TEST(r.transform_pairs == r.iterations + (c.example.name == "allen-cahn" ? 0 : r.outer_iterations));
      BOOST_TEST(r.evaluations >= r.iterations + r.outer_iterations + 1);
      BOOST_TEST(r.residuals.size() == static_cast<std::size_t>(r.outer_iterations) + 1);
      Field F(step.layout);
      const double residual = step.system.residual(step.U, F);
      BOOST_TEST(residual < 1e-6);
      BOOST_TEST(std::fabs(residual - r.residual) <= 1e-3 * residual);
      BOOST_TEST(newton->attempts().size() == 1u);
    }
  }
}

BOOST_AUTO_TEST_CASE(mass_stays_and_one_object_serves_many_steps) {
  PhaseStep step(cahn_hilliard_example(), 32, 0.01), other(cahn_hilliard_example(), 32, 0.01);
  const double mass = sum(step.known);
  const NonlinearSolverPtr newton = make_newton_krylov({1e-7, 500});
  for (int n = 0; n < 3; ++n) {
    BOOST_TEST((newton->solve(step.system, step.U).reason == StopReason::Converged));
    BOOST_TEST((make_newton_krylov({1e-7, 500})->solve(other.system, other.U).reason == StopReason::Converged));
    BOOST_TEST(largest_difference(step.U, other.U) == 0);
    step.advance(0.01), other.advance(0.01);
  }
  BOOST_TEST(std::fabs(sum(step.known) - mass) < 1e-10);
}

// A block of steps is what the steps are one after the other.
BOOST_AUTO_TEST_CASE(blocks_equal_single_steps) {
  PhaseStep block(cahn_hilliard_example(), 32, 0.002, 4), single(cahn_hilliard_example(), 32, 0.002);
  const NonlinearSolverPtr one = make_newton_krylov({1e-9, 500}), four = make_newton_krylov({1e-9, 500});
  BOOST_TEST((four->solve(block.system, block.U).reason == StopReason::Converged));
  for (int k = 0; k < 4; ++k) {
    BOOST_TEST((one->solve(single.system, single.U).reason == StopReason::Converged));
    double worst = 0;
    for (std::ptrdiff_t i = 0; i < single.layout->owned(); ++i) worst = std::max(worst, std::fabs(single.U.level()[i] - block.U.level(k)[i]));
    BOOST_TEST(worst < 1e-10);
    single.advance(0.002);
  }
}

BOOST_AUTO_TEST_CASE(answers_do_not_depend_on_the_ranks) {
  PhaseStep shared(allen_cahn_example(), 32, 0.005), alone(allen_cahn_example(), 32, 0.005, 1, MPI_COMM_SELF);
  BOOST_TEST((make_newton_krylov({1e-8, 500})->solve(shared.system, shared.U).reason == StopReason::Converged));
  BOOST_TEST((make_newton_krylov({1e-8, 500})->solve(alone.system, alone.U).reason == StopReason::Converged));
  const double* whole = alone.U.level() + shared.layout->global_offset();
  double worst = 0;
  for (std::ptrdiff_t i = 0; i < shared.layout->owned(); ++i) worst = std::max(worst, std::fabs(shared.U.level()[i] - whole[i]));
  BOOST_TEST(worst < 1e-12);
}

BOOST_AUTO_TEST_CASE(stays_in_the_domain_and_leaves_bad_guesses) {
  // From outside, and from what is no number, the search starts at the state before the step.
  for (const double factor : {1.01, std::nan("")}) {
    PhaseStep step(logarithmic_example(), 32, 0.01);
    for (double& u : step.U.owned()) u *= factor;
    const NonlinearReport r = make_newton_krylov({1e-6, 500})->solve(step.system, step.U);
    BOOST_TEST((r.reason == StopReason::Converged));
    BOOST_TEST(step.system.admissible(step.U));
  }
  // A block has no energy to search by and nothing else to start from.
  PhaseStep block(logarithmic_example(), 32, 0.001, 2);
  const NonlinearReport good = make_newton_krylov({1e-6, 500})->solve(block.system, block.U);
  BOOST_TEST((good.reason == StopReason::Converged));
  BOOST_TEST(block.system.admissible(block.U));
  block.set(0.001);
  for (double& u : block.U.owned()) u *= 1.01;
  BOOST_TEST((make_newton_krylov({1e-6, 100})->solve(block.system, block.U).reason == StopReason::Diverged));
  block.set(0.001);
  if (block.layout->rank() == 0) block.U.level()[0] = std::nan("");
  BOOST_TEST((make_newton_krylov({1e-6, 100})->solve(block.system, block.U).reason == StopReason::Diverged));
  // Far too few iterations.
  PhaseStep step(logarithmic_example(), 32, 0.01);
  BOOST_TEST((make_newton_krylov({1e-6, 2})->solve(step.system, step.U).reason == StopReason::IterationLimit));
}

// Twelve times the step of one solution: what is found has less energy.
BOOST_AUTO_TEST_CASE(long_steps_lower_the_energy) {
  PhaseStep step(cahn_hilliard_example(), 64, 0.5);
  const NonlinearSolverPtr newton = make_newton_krylov({1e-6, 500});
  for (int n = 0; n < 3; ++n) {
    const double before = step.energy();
    BOOST_TEST((newton->solve(step.system, step.U).reason == StopReason::Converged));
    BOOST_TEST(step.energy() < before);
    step.advance(0.5);
  }
}

// Two species without an energy, in blocks: every step of the block solves its own equation.
BOOST_AUTO_TEST_CASE(systems_are_solved_too) {
  const ProblemFile file = ProblemFile::parse(
      "[equation]\ntype = \"reaction_diffusion\"\ndiffusion = [0.01, 0.4]\n[reaction]\ntype = \"formula\"\nspecies = [\"u\", \"v\"]\n"
      "rates = [\"0.1 - u + u^2 * v\", \"0.9 - u^2 * v\"]\n",
      "test.toml");
  const LayoutPtr layout = phase_layout(cahn_hilliard_example(), 32);
  const auto make = [&](int steps) {
    return StepSystem(make_evolution_operator(read_reaction_diffusion(file.root(), layout->grid()), layout), steps);
  };
  StepSystem block = make(3), single = make(1);
  Field known(layout, 2), U = block.make_field(), V = single.make_field();
  for (std::ptrdiff_t i = 0; i < layout->owned(); ++i) {
    const double s = std::sin(0.7 * static_cast<double>(layout->global_offset() + i));
    known.level(0)[i] = 1 + 0.1 * s, known.level(1)[i] = 0.9 - 0.1 * s;
  }
  for (int level = 0; level < U.levels(); ++level) U.copy_level(level, known, level % 2);
  constexpr double dt = 0.2;
  block.set(known, dt, std::vector<double>{dt, 2 * dt, 3 * dt});
  const NonlinearReport r = make_newton_krylov({1e-9, 500})->solve(block, U);
  BOOST_TEST((r.reason == StopReason::Converged));
  for (int k = 0; k < 3; ++k) {
    single.set(known, dt, std::vector<double>{dt * (k + 1)});
    for (int s = 0; s < 2; ++s) V.copy_level(s, known, s);
    BOOST_TEST((make_newton_krylov({1e-9, 500})->solve(single, V).reason == StopReason::Converged));
    double worst = 0;
    for (int s = 0; s < 2; ++s)
      for (std::ptrdiff_t i = 0; i < layout->owned(); ++i) worst = std::max(worst, std::fabs(V.level(s)[i] - U.level(2 * k + s)[i]));
    BOOST_TEST(worst < 1e-8);
    for (int s = 0; s < 2; ++s) known.copy_level(s, V, s);
  }
}
