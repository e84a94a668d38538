// ranks: 1 2 4
// timeout: 60
#define BOOST_TEST_MODULE nonlinear_fixed_point
#include <boost/test/unit_test.hpp>

#include <petscsys.h>
// needs petscsys.h
#include <petscblaslapack.h>

#include <cstring>
#include <limits>

#include "grids/reduce.hpp"
#include "grids/support/errors.hpp"
#include "solvers/convergence_watch.hpp"
#include "solvers/pdhg_step.hpp"
#include "tests/support/phase_steps.hpp"

using namespace wasserflow;

namespace {

PdhgStepParameters published(double tau_u = 0.55) {
  PdhgStepParameters p;
  p.tune = false;
  p.tau_u = tau_u;
  return p;
}

/// B = M^{-1} DF(U) of a small system, column by column; one rank.
std::vector<double> dense(StepSystem& system, Field& U) {
  const auto n = static_cast<std::size_t>(system.layout()->owned()) * static_cast<std::size_t>(system.levels());
  std::vector<double> b(n * n);
  Field v = system.make_field(), w = system.make_field();
  system.linearise(U);
  const auto at = [&](Field& f, std::size_t i) -> double& {
    const auto owned = static_cast<std::size_t>(system.layout()->owned());
    return f.level(static_cast<int>(i / owned))[i % owned];
  };
  for (std::size_t j = 0; j < n; ++j) {
    at(v, j) = 1;
    system.derivative(v, w);
    system.preconditioner().apply(w, w);
    for (std::size_t i = 0; i < n; ++i) b[j * n + i] = at(w, i);
    at(v, j) = 0;
  }
  return b;
}

SingularRange dense_range(std::vector<double> b) {
  const auto n = static_cast<PetscBLASInt>(std::lround(std::sqrt(static_cast<double>(b.size()))));
  std::vector<double> values(static_cast<std::size_t>(n)), work(10 * static_cast<std::size_t>(n));
  const auto room = static_cast<PetscBLASInt>(work.size());
  PetscBLASInt failed = 0;
  LAPACKgesvd_("N", "N", &n, &n, b.data(), &n, values.data(), nullptr, &n, nullptr, &n, work.data(), &room, &failed);
  BOOST_TEST_REQUIRE(failed == 0);
  return {values.back(), values.front()};
}

/// Spectral radius of I - B.
double picard_rate(std::vector<double> b) {
  const auto n = static_cast<PetscBLASInt>(std::lround(std::sqrt(static_cast<double>(b.size()))));
  for (std::size_t i = 0; i < b.size(); ++i) b[i] = (i % static_cast<std::size_t>(n + 1) == 0 ? 1 : 0) - b[i];
  std::vector<double> re(static_cast<std::size_t>(n)), im(re), work(10 * static_cast<std::size_t>(n));
  const auto room = static_cast<PetscBLASInt>(work.size());
  PetscBLASInt failed = 0;
  LAPACKgeev_("N", "N", &n, b.data(), &n, re.data(), im.data(), nullptr, &n, nullptr, &n, work.data(), &room, &failed);
  BOOST_TEST_REQUIRE(failed == 0);
  double radius = 0;
  for (std::size_t i = 0; i < re.size(); ++i) radius = std::max(radius, std::hypot(re[i], im[i]));
  return radius;
}

/// Mean reduction of the residual from iteration `from` to the last one.
double observed_rate(const NonlinearReport& report, std::size_t from) {
  const std::size_t to = report.residuals.size() - 1;
  BOOST_TEST_REQUIRE(to > from + 5);
  return std::pow(report.residuals[to] / report.residuals[from], 1.0 / static_cast<double>(to - from));
}

/// Tests that one rank does alone are not repeated on several.
bool in_company() {
  int ranks = 1;
  MPI_Comm_size(MPI_COMM_WORLD, &ranks);
  return ranks > 1;
}

double difference(const Field& a, const Field& b) {
  double worst = 0;
  for (int level = 0; level < a.levels(); ++level)
    for (std::ptrdiff_t i = 0; i < a.layout().owned(); ++i) worst = std::max(worst, std::fabs(a.level(level)[i] - b.level(level)[i]));
  return global_max(a.layout().comm(), worst);
}

}  // namespace

BOOST_AUTO_TEST_CASE(methods_find_the_same_answer) {
  for (const int block : {1, 3}) {
    for (const test::PhaseField& problem : {test::allen_cahn_circle(32), test::cahn_hilliard_circles(32), test::functionalised_pores(32, 0.002)}) {
      test::PhaseSteps reference(MPI_COMM_WORLD, problem, block);
      const NonlinearSolverPtr picard = make_picard({1e-9, 500});
      BOOST_TEST((reference.step(*picard).reason == StopReason::Converged));
      std::vector<NonlinearSolverPtr> others;
      others.push_back(make_anderson({1e-9, 500}, 1));
      others.push_back(make_anderson({1e-9, 500}, 5));
      others.push_back(make_pdhg({1e-9, 5000}, published(problem.equation.functionalised ? 0.5 : 0.55)));
      others.push_back(make_pdhg({1e-9, 500}, {}));
      for (const NonlinearSolverPtr& solver : others) {
        test::PhaseSteps steps(MPI_COMM_WORLD, problem, block);
        const NonlinearReport report = steps.step(*solver);
        BOOST_TEST_CONTEXT(problem.equation.type << ", " << solver->name() << ", " << report.iterations << " iterations") {
          BOOST_TEST((report.reason == StopReason::Converged));
          BOOST_TEST(report.residual < 1e-9);
          Field f = steps.system.make_field();
          BOOST_TEST(steps.system.residual(steps.U, f) < 1e-9);
          // |dU| <= |DF^{-1}| tau (r_1 + r_2), and |DF^{-1}| is a few units a step of a block here.
          BOOST_TEST(difference(steps.U, reference.U) < 20 * block * problem.dt * 2e-9);
          BOOST_TEST(report.transform_pairs > 0);
          BOOST_TEST(solver->attempts().size() == 1U);
        }
      }
    }
  }
}

// Picard contracts with the spectral radius of I - B.
BOOST_AUTO_TEST_CASE(rate_of_picard) {
  if (in_company()) return;
  for (const test::PhaseField& problem :
       {test::allen_cahn_circle(16, 0.01, 0.02), test::cahn_hilliard_circles(16, 0.02), test::functionalised_pores(16)}) {
    test::PhaseSteps steps(MPI_COMM_SELF, problem);
    const NonlinearReport report = steps.step(*make_picard({1e-11, 400}));
    BOOST_TEST_REQUIRE((report.reason == StopReason::Converged));
    const double rate = picard_rate(dense(steps.system, steps.U));
    BOOST_TEST(observed_rate(report, report.residuals.size() / 2) == rate, boost::test_tools::tolerance(0.05));
  }
}

BOOST_AUTO_TEST_CASE(lanczos_finds_the_extreme_singular_values) {
  if (in_company()) return;
  for (const int block : {1, 2}) {
    for (const test::PhaseField& problem :
         {test::allen_cahn_circle(16, 0.005, 0.02), test::cahn_hilliard_circles(16, 0.02), test::functionalised_pores(16)}) {
      test::PhaseSteps steps(MPI_COMM_SELF, problem, block);
      static_cast<void>(steps.step(*make_anderson({1e-6, 400}, 10)));
      const SingularRange exact = dense_range(dense(steps.system, steps.U)), found = singular_range(steps.system, steps.U);
      BOOST_TEST_CONTEXT(problem.equation.type << ": " << exact.smallest << " ... " << exact.largest) {
        BOOST_TEST(found.smallest == exact.smallest, boost::test_tools::tolerance(0.05));
        BOOST_TEST(found.largest == exact.largest, boost::test_tools::tolerance(0.02));
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(formula_of_the_rate) {
  // Published parameters and singular values: Allen-Cahn, Cahn-Hilliard, sixth order.
  BOOST_TEST(pdhg_rate({.913, 1.000}, published()) == .718, boost::test_tools::tolerance(0.01));
  BOOST_TEST(pdhg_rate({.399, 1.000}, published()) == .915, boost::test_tools::tolerance(0.001));
  BOOST_TEST(pdhg_rate({.654, 1.017}, published()) == .842, boost::test_tools::tolerance(0.001));
  BOOST_TEST(pdhg_rate({.151, 1.349}, published(0.5)) == .9505, boost::test_tools::tolerance(0.001));
  for (const SingularRange& range : {SingularRange{.9, 1}, SingularRange{.1, 1.4}, SingularRange{.6, .601}}) {
    const PdhgStepParameters best = optimal_pdhg_parameters(range);
    BOOST_TEST(pdhg_rate(range, best) == std::max(.01, (range.largest - range.smallest) / (range.largest + range.smallest)),
               boost::test_tools::tolerance(1e-5));
    for (const double factor : {0.9, 1.1}) {
      PdhgStepParameters other = best;
      other.tau_u *= factor;
      BOOST_TEST(pdhg_rate(range, other) > pdhg_rate(range, best));
    }
  }
}

BOOST_AUTO_TEST_CASE(rates_of_pdhg) {
  if (in_company()) return;
  for (const test::PhaseField& problem :
       {test::allen_cahn_circle(16, 0.005, 0.02), test::cahn_hilliard_circles(16, 0.02), test::functionalised_pores(16)}) {
    test::PhaseSteps steps(MPI_COMM_SELF, problem);
    static_cast<void>(steps.step(*make_anderson({1e-10, 400}, 10)));
    // A second solve of the same system from a state nearby: where the iteration is linear.
    const SingularRange range = dense_range(dense(steps.system, steps.U));
    PdhgStepParameters best = optimal_pdhg_parameters({0.98 * range.smallest, 1.02 * range.largest});
    best.tune = false;
    for (const PdhgStepParameters& parameters : {published(0.5), best}) {
      Field u = steps.U.clone();
      for (int i = 0; i < u.layout().owned(); ++i) u.level()[i] += 1e-2 * std::sin(1.0 + 37.0 * i * i);
      const NonlinearReport report = make_pdhg({1e-10, 5000}, parameters)->solve(steps.system, u);
      BOOST_TEST_REQUIRE((report.reason == StopReason::Converged));
      const double expected = pdhg_rate(range, parameters), seen = observed_rate(report, report.residuals.size() / 3);
      BOOST_TEST_CONTEXT(problem.equation.type << ": rate " << seen << " of " << expected << ", singular values " << range.smallest << " ... "
                                               << range.largest) {
        BOOST_TEST(seen == expected, boost::test_tools::tolerance(0.05));
      }
    }
  }
}

// The same bits on any number of ranks, in one dimension too.
BOOST_AUTO_TEST_CASE(ranks_do_not_matter) {
  test::PhaseField line = test::allen_cahn_circle(64, 0.002);
  line.grid = Grid({Axis{0.0, 0.5, 2100, Boundary::NoFlux, 0.5}});
  line.initial = [](double x, double) { return std::fabs(x - 0.25) <= 0.1 ? 1.0 : -1.0; };
  for (const test::PhaseField& problem : {line, test::cahn_hilliard_circles(32)}) {
    const std::vector<std::function<NonlinearSolverPtr()>> makers{[] { return make_picard({}); }, [] { return make_anderson({}, 3); },
                                                                  [] { return make_pdhg({}, {}); }};
    for (const std::function<NonlinearSolverPtr()>& make : makers) {
      test::PhaseSteps all(MPI_COMM_WORLD, problem), own(MPI_COMM_SELF, problem);
      const NonlinearSolverPtr with_all = make(), alone = make();
      for (int k = 0; k < 2; ++k) {
        const NonlinearReport a = all.step(*with_all), b = own.step(*alone);
        BOOST_TEST(a.residuals == b.residuals, boost::test_tools::per_element());
      }
      const double* p = all.U.level();
      const double* q = own.U.level() + all.U.layout().global_offset();
      BOOST_TEST(std::memcmp(p, q, static_cast<std::size_t>(all.U.layout().owned()) * sizeof(double)) == 0, alone->name());
    }
  }
}

// Values stay inside of the domain of a logarithmic potential, whatever the initial guess.
BOOST_AUTO_TEST_CASE(stays_in_the_domain) {
  for (const int memory : {0, 5}) {
    test::PhaseField problem = test::cahn_hilliard_circles(32, 0.01);
    problem.equation.species[0].potential = make_flory_huggins(0.5, 1.0);
    problem.initial = [](double x, double y) { return 0.97 * std::tanh(4 * std::sin(x) * std::cos(y)); };
    test::PhaseSteps steps(MPI_COMM_WORLD, problem);
    const NonlinearSolverPtr solver = memory == 0 ? make_picard({1e-8, 500}) : make_anderson({1e-8, 500}, memory);
    steps.prepare();
    for (double& u : steps.U.owned()) u = 1.5 * u;
    const NonlinearReport report = solver->solve(steps.system, steps.U);
    BOOST_TEST((report.reason == StopReason::Converged), solver->name() << ": " << report.residual);
    BOOST_TEST(steps.system.admissible(steps.U));
    BOOST_TEST(std::fabs(sum(steps.U) - sum(steps.state)) < 1e-10 * 32 * 32);
  }
}

BOOST_AUTO_TEST_CASE(what_does_not_converge_is_told) {
  std::vector<NonlinearSolverPtr> solvers;
  solvers.push_back(make_picard({}));
  solvers.push_back(make_anderson({}, 5));
  solvers.push_back(make_pdhg({}, {}));
  solvers.push_back(make_pdhg({}, published()));
  for (const NonlinearSolverPtr& solver : solvers) {
    test::PhaseSteps steps(MPI_COMM_WORLD, test::functionalised_pores(32, 2.0));
    const NonlinearReport report = steps.step(*solver);
    BOOST_TEST((report.reason == StopReason::Diverged), solver->name());
    BOOST_TEST(report.iterations < 500);
    steps.U.fill(std::numeric_limits<double>::quiet_NaN());
    BOOST_TEST((solver->solve(steps.system, steps.U).reason == StopReason::Diverged), solver->name());
  }
  test::PhaseSteps steps(MPI_COMM_WORLD, test::allen_cahn_circle(32));
  const NonlinearReport report = steps.step(*make_anderson({1e-12, 3}, 5));
  BOOST_TEST((report.reason == StopReason::IterationLimit));
  BOOST_TEST(report.iterations == 3);
  BOOST_CHECK_THROW(static_cast<void>(make_anderson({}, 0)), InputError);
}

// A tolerance below what rounding leaves of F is reached where F is down to rounding, and that is little: |dU| <= a few tau times it.
BOOST_AUTO_TEST_CASE(rounding_ends_every_solver) {
  for (const test::PhaseField& problem : {test::functionalised_pores(32, 0.002), test::cahn_hilliard_circles(32)}) {
    std::vector<NonlinearSolverPtr> solvers;
    solvers.push_back(make_picard({1e-30, 200}));
    solvers.push_back(make_anderson({1e-30, 200}, 5));
    solvers.push_back(make_pdhg({1e-30, 500}, {}));
    solvers.push_back(make_newton_krylov({1e-30, 300}));
    solvers.push_back(make_descent({1e-30, 300}, Descent::Lbfgs));
    for (const NonlinearSolverPtr& solver : solvers) {
      test::PhaseSteps steps(MPI_COMM_WORLD, problem);
      const NonlinearReport report = steps.step(*solver);
      BOOST_TEST((report.reason == StopReason::Converged), problem.equation.type << " " << solver->name() << ": " << report.residual);
      BOOST_TEST(report.residual < steps.system.rounding());
      BOOST_TEST(problem.dt * steps.system.rounding() < 1e-12);
    }
  }
}

BOOST_AUTO_TEST_CASE(watch) {
  const auto iterations = [](double rate, int limit) {
    ConvergenceWatch watch(1e-6, limit, 10);
    double r = 1;
    for (int k = 0; k <= limit; ++k, r *= rate) {
      if (r < 1e-6) return k;
      if (watch.hopeless(r)) return -k;
    }
    return 0;
  };
  BOOST_TEST(iterations(0.5, 100) == 20);
  BOOST_TEST(iterations(0.9, 200) == 132);
  BOOST_TEST(iterations(0.9, 100) == -10);
  BOOST_TEST(iterations(1, 100) == -10);
  BOOST_TEST(iterations(10, 100) == -5);
  BOOST_TEST(iterations(std::numeric_limits<double>::quiet_NaN(), 100) == -1);
}
