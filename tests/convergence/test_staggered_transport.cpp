// ranks: 1 2 4
// timeout: 120
// Dynamic optimal transport and bridges on staggered grids against closed forms.
#define BOOST_TEST_MODULE staggered_transport
#include <boost/test/unit_test.hpp>

#include "solvers/grid_transfer.hpp"
#include "tests/support/mean_field_runs.hpp"

using namespace wasserflow;

namespace {

constexpr double pi = std::numbers::pi;

LayoutPtr line(int cells, double lower = 0, double upper = 1) {
  return make_layout(MPI_COMM_WORLD, test::cube(1, cells, Boundary::NoFlux, lower, upper));
}

test::MeanFieldRun translation(const LayoutPtr& layout, int steps, double deviation = 0.05, double tolerance = 1e-4) {
  const double v = deviation * deviation;
  return test::solve(
      test::mean_field(layout, {.steps = steps}, test::gaussian({0.3, 0.3, 0.3}, {v, v, v}), test::gaussian({0.7, 0.7, 0.7}, {v, v, v})), tolerance);
}

}  // namespace

// 1 + cos(2 pi x) / 2 to 1 (Ishida & Lavenant): second order, and below the errors of their scheme.
BOOST_AUTO_TEST_CASE(cosine) {
  const double exact = 0.00158314349441, published[] = {9.76e-3, 2.45e-3, 6.12e-4};
  double error[3];
  for (int k = 0; k < 3; ++k) {
    const auto run =
        test::solve(test::mean_field(
                        line(32 << k, -0.5, 0.5), {.steps = 16 << k}, [](double x, double, double) { return 1 + 0.5 * std::cos(2 * pi * x); },
                        [](double, double, double) { return 1.0; }),
                    1e-7);
    BOOST_TEST((run.report.reason == StopReason::Converged));
    BOOST_TEST(run.report.iterations <= 200);
    error[k] = std::fabs(run.figures.objective() / exact - 1);
    BOOST_TEST(error[k] < published[k]);
    // Positive densities: both iterates have an energy, and they agree to the tolerance.
    BOOST_TEST(std::fabs(run.figures.feasible_objective / run.figures.objective() - 1) < 1e-6);
    BOOST_TEST(run.figures.value_equation < 1e-3);
  }
  BOOST_TEST(std::log2(error[0] / error[2]) / 2 > 1.9);
}

// Between Gaussians of mean .35 and .65, variance .0025 and .0036, with viscosity: a Gaussian at all times.
BOOST_AUTO_TEST_CASE(schroedinger_bridge) {
  struct {
    double nu, theta, energy, variance, tolerance;
  } const cases[] = {{0, 0.5, 0.04505, 0.003025, 5e-4}, {0.002, 0.5, 0.0453300958, 0.00332777, 5e-4}, {0.002, 1, 0.0453300958, 0.00332777, 6e-3}};
  const LayoutPtr layout = line(128);
  for (const auto& c : cases) {
    auto run = test::solve(test::mean_field(layout, {.steps = 32, .viscosity = c.nu, .theta = c.theta}, test::gaussian({0.35}, {0.0025}),
                                            test::gaussian({0.65}, {0.0036})),
                           5e-5);
    BOOST_TEST((run.report.reason == StopReason::Converged));
    BOOST_TEST(run.report.iterations <= 600);
    BOOST_TEST(std::fabs(run.figures.objective() / c.energy - 1) < c.tolerance);
    Field rho(layout, 33);
    run.scheme->density(rho);
    const double mean = 0.5;
    BOOST_TEST(std::fabs((test::second_moment(rho, 16) - mean * mean) / c.variance - 1) < 0.02);
    BOOST_TEST(run.figures.mass_error < 1e-12);
  }
}

// W2 of two Gaussians with different, tilted covariances.
BOOST_AUTO_TEST_CASE(gaussians_in_the_plane) {
  const double exact = 0.25033821344806;
  const auto tilted = [](double x, double y, double) {
    const double a = x - 0.7, b = y - 0.6, det = 0.0036 * 0.0025 - 0.001 * 0.001;
    return std::exp(-(0.0025 * a * a - 2 * 0.001 * a * b + 0.0036 * b * b) / (2 * det));
  };
  const LayoutPtr layout = make_layout(MPI_COMM_WORLD, test::cube(2, 48));
  const auto run = test::solve(test::mean_field(layout, {.steps = 16}, test::gaussian({0.3, 0.3}, {0.0025, 0.0016}), tilted), 1e-4);
  BOOST_TEST((run.report.reason == StopReason::Converged));
  BOOST_TEST(run.report.iterations <= 500);
  BOOST_TEST(std::fabs(2 * run.figures.objective() / exact - 1) < 2.5e-3);
}

BOOST_AUTO_TEST_CASE(translation_in_space) {
  const LayoutPtr layout = make_layout(MPI_COMM_WORLD, test::cube(3, 16));
  const auto run = translation(layout, 8, 0.08, 2e-4);
  BOOST_TEST((run.report.reason == StopReason::Converged));
  BOOST_TEST(std::fabs(2 * run.figures.objective() / 0.48 - 1) < 2e-2);
}

// The metric of the continuity equation makes the number of iterations independent of the grid.
BOOST_AUTO_TEST_CASE(iterations_do_not_grow) {
  int worst = 0, first = 0;
  for (int k = 0; k < 3; ++k) {
    const auto run = translation(line(64 << k), 16 << k);
    if (k == 0) first = run.report.iterations;
    worst = std::max(worst, run.report.iterations);
    BOOST_TEST(std::fabs(run.figures.objective() / 0.08 - 1) < 1e-3);
  }
  BOOST_TEST(worst <= 400);
  BOOST_TEST(worst <= 1.21 * first + 30);
}

BOOST_AUTO_TEST_CASE(coarse_to_fine) {
  std::vector<LayoutPtr> layouts{line(256)};
  for (int k = 1; k < 4; ++k) layouts.push_back(coarser(*layouts.back(), 8));
  const auto factory = [&](int coarsening) -> MeanFieldSchemePtr {
    return std::make_unique<StaggeredScheme>(test::mean_field(layouts[static_cast<std::size_t>(coarsening)], {.steps = 64 >> coarsening},
                                                              test::gaussian({0.3}, {0.0025}), test::gaussian({0.7}, {0.0025})));
  };
  const MeanFieldSolution solution = solve_mean_field(factory, 4, test::mean_field_parameters(1e-4));
  BOOST_TEST((solution.report().reason == StopReason::Converged));
  BOOST_TEST(solution.levels.size() == 4U);
  BOOST_TEST(solution.levels.back().cells[0] == 256);
  BOOST_TEST(solution.report().iterations <= 100);
  BOOST_TEST(std::fabs(solution.scheme->figures().objective() / 0.08 - 1) < 1e-3);
}

// A solved problem whose initial density is moved: the old answer, made feasible, must not pass for the new one.
BOOST_AUTO_TEST_CASE(no_false_convergence_from_a_warm_start) {
  const LayoutPtr layout = line(64);
  const auto end = test::gaussian({0.7}, {0.0025});
  auto warm = test::solve(test::mean_field(layout, {.steps = 16}, test::gaussian({0.3}, {0.0025}), end), 1e-5);
  for (double move : {0.001, 0.05}) {
    Field start = test::density_of(layout, test::gaussian({0.3 + move}, {0.0025}));
    test::normalise(start);
    warm.scheme->set_initial(start);
    warm.scheme->make_feasible();
    PdhgParameters parameters = test::mean_field_parameters(1e-5);
    parameters.min_iterations = 0;
    test::solve_on(warm, parameters);
    const auto cold = test::solve(test::mean_field(layout, {.steps = 16}, test::gaussian({0.3 + move}, {0.0025}), end), 1e-5);
    BOOST_TEST((warm.report.reason == StopReason::Converged));
    BOOST_TEST(warm.report.iterations > 0);
    BOOST_TEST(std::fabs(warm.figures.objective() / cold.figures.objective() - 1) < 1e-4);
  }
}

// Files get densities without negative values and of the mass that they had.
BOOST_AUTO_TEST_CASE(what_is_written) {
  const LayoutPtr layout = line(64);
  auto run = translation(layout, 16);
  BOOST_TEST(run.figures.least_density < 0);  // the divergence-free iterate overshoots a little
  Field rho(layout, 17);
  run.scheme->density(rho);
  for (int k = 0; k <= 16; ++k) {
    BOOST_TEST(*std::min_element(rho.owned(k).begin(), rho.owned(k).end()) >= 0);
    BOOST_TEST(std::fabs(sum(rho, k) / sum(rho, 0) - 1) < 1e-12);
  }
  BOOST_TEST(run.figures.mass_error < 1e-12);
  BOOST_TEST(run.figures.continuity < 1e-11);
}

// Bit for bit what one rank computes.
BOOST_AUTO_TEST_CASE(ranks_do_not_matter) {
  for (int dim : {1, 2})
    for (bool free_end : {false, true}) {
      const Grid grid = dim == 1 ? test::cube(1, 37) : Grid({{0, 1, 12, Boundary::Periodic, 0.5}, {0, 1, 11, Boundary::NoFlux, 0.5}});
      const auto run_on = [&](MPI_Comm comm) {
        const LayoutPtr layout = make_layout(comm, grid);
        test::ProblemText text{.steps = 6, .viscosity = 0.01};
        if (free_end) text.cost += "[terminal]\ntype = \"potential\"\nV = \"(x - 0.6)^2\"\n";
        return test::solve(test::mean_field(layout, text, test::gaussian({0.35, 0.5}, {0.01, 0.02}),
                                            free_end ? test::PointFunction() : test::gaussian({0.65, 0.4}, {0.02, 0.01})),
                           1e-9, 40);
      };
      auto many = run_on(MPI_COMM_WORLD), one = run_on(MPI_COMM_SELF);
      const SlabLayout& l = *many.scheme->problem().layout;
      std::ptrdiff_t differ = 0;
      const auto fields = many.scheme->state_fields(), same = one.scheme->state_fields();
      for (std::size_t f = 0; f < fields.size(); ++f)
        for (int k = 0; k < fields[f].second->levels(); ++k)
          for (std::ptrdiff_t i = 0; i < l.owned(); ++i) differ += fields[f].second->level(k)[i] != same[f].second->level(k)[l.global_offset() + i];
      BOOST_TEST(differ == 0);
      BOOST_TEST(many.report.residuals[0].absolute == one.report.residuals[0].absolute);
      BOOST_TEST(many.report.residuals[1].absolute == one.report.residuals[1].absolute);
      BOOST_TEST(many.figures.objective() == one.figures.objective());
    }
}

// Two copies of the density: less below 0, at the price of diffusion.
BOOST_AUTO_TEST_CASE(positive_variant) {
  const LayoutPtr layout = line(64);
  double least[2], variance[2];
  for (bool positive : {false, true}) {
    MeanFieldProblem problem = test::mean_field(layout, {.steps = 32}, test::gaussian({0.4}, {0.0064}), test::gaussian({0.6}, {0.0064}));
    problem.positive = positive;
    auto run = test::solve(std::move(problem), 1e-5);
    BOOST_TEST((run.report.reason == StopReason::Converged));
    BOOST_TEST(run.figures.mass_error < 1e-12);
    BOOST_TEST(std::fabs(run.figures.objective() / 0.02 - 1) < (positive ? 3e-2 : 1e-3));
    Field rho(layout, 33);
    run.scheme->density(rho);
    least[positive] = run.figures.least_density;
    variance[positive] = test::second_moment(rho, 16) - 0.25;
  }
  BOOST_TEST(least[1] > 0.5 * least[0]);
  BOOST_TEST(variance[1] > variance[0]);
}

BOOST_AUTO_TEST_CASE(refusals) {
  const LayoutPtr layout = line(16);
  const auto flat = [](double, double, double) { return 1.0; };
  const auto problem = [&] { return test::mean_field(layout, {.steps = 4}, flat, flat); };
  const auto refused = [&](auto&& change) {
    MeanFieldProblem p = problem();
    change(p);
    BOOST_CHECK_THROW(StaggeredScheme(std::move(p)), InputError);
  };
  refused([](MeanFieldProblem& p) { p.final_density->level()[0] += 0.1; });  // on every rank: another mass
  refused([](MeanFieldProblem& p) { p.initial.level()[0] = -1; });
  refused([](MeanFieldProblem& p) { p.initial.fill(0); });
  refused([](MeanFieldProblem& p) { p.steps = 0; });
  refused([](MeanFieldProblem& p) { p.viscosity = -1; });
  refused([](MeanFieldProblem& p) { p.theta = 0.2; });
}
