// ranks: 1 2 4
// timeout: 120
// Potential games and gradient flows on staggered grids against closed forms.
#define BOOST_TEST_MODULE staggered_games
#include <boost/test/unit_test.hpp>

#include "solvers/jko_flow.hpp"
#include "tests/support/mean_field_runs.hpp"

using namespace wasserflow;

namespace {

constexpr double pi = std::numbers::pi;
const std::string quadratic = "[hamiltonian]\ntype = \"quadratic\"\n";

LayoutPtr line(int cells, double lower, double upper, Boundary boundary = Boundary::NoFlux) {
  return make_layout(MPI_COMM_WORLD, test::cube(1, cells, boundary, lower, upper));
}

/// Second moments after each step of a gradient flow.
std::vector<double> flow_moments(MeanFieldProblem problem, int steps, int& most_iterations) {
  PdhgParameters parameters = test::mean_field_parameters(5e-6);
  parameters.min_iterations = 20;
  JkoFlow flow(std::move(problem), parameters);
  std::vector<double> moments;
  for (int k = 0; k < steps; ++k) {
    const SolveReport report = flow.step();
    BOOST_TEST((report.reason == StopReason::Converged));
    if (k > 0) most_iterations = std::max(most_iterations, report.iterations);
    moments.push_back(test::second_moment(flow.density(), 0));
    BOOST_TEST(std::fabs(sum(flow.density()) * flow.density().layout().grid().cell_volume() - 1) < 1e-11);
  }
  return moments;
}

}  // namespace

// Cost |x|^2/2 + gamma ln rho: Gaussians stay Gaussians, their variance by ordinary differential equations.
BOOST_AUTO_TEST_CASE(linear_quadratic) {
  const std::string game = quadratic + "[[coupling]]\ntype = \"potential\"\nV = \"x^2/2\"\n[[coupling]]\ntype = \"entropy\"\ngamma = 0.2\n";
  struct {
    double start, end_slope, exact, theta;
  } const cases[] = {{0.24142135623731, 0.41421356237310, 0.24142135623731, 0.5},  // stationary
                     {0.1, 0.2, 0.23709451362634, 0.5},
                     {0.1, 0.2, 0.23709451362634, 1}};
  const LayoutPtr layout = line(64, -2.5, 2.5);
  for (const auto& c : cases) {
    test::ProblemText text{.cost = game + "[terminal]\ntype = \"potential\"\nV = \"" + std::to_string(c.end_slope) + "*x^2/2\"\n",
                           .steps = 16,
                           .viscosity = 0.1,
                           .theta = c.theta};
    auto run = test::solve(test::mean_field(layout, text, test::gaussian({0}, {c.start})), 1e-5);
    BOOST_TEST((run.report.reason == StopReason::Converged));
    BOOST_TEST(run.report.iterations <= 1200);
    Field rho(layout, 17);
    run.scheme->density(rho);
    BOOST_TEST(std::fabs(test::second_moment(rho, 16) / c.exact - 1) < 1e-3);
    // u(0) - u(x) = -P(0) x^2/2 at the start, P(0) from the same equations; phi stands at dt/2.
    if (c.exact == c.start) {
      Field phi(layout, 16);
      run.scheme->value(phi);
      double worst = 0;
      const int middle = 32, first = layout->first();
      double centre[1] = {first <= middle && middle < first + layout->count() ? phi.level(8)[middle - first] : 0}, all[1];
      MPI_Allreduce(centre, all, 1, MPI_DOUBLE, MPI_SUM, layout->comm());
      for (std::ptrdiff_t i = 0; i < layout->owned(); ++i) {
        const double x = layout->x_nodes()[static_cast<std::size_t>(i)];
        if (std::fabs(x) < 1) worst = std::max(worst, std::fabs(phi.level(8)[i] - all[0] - c.end_slope * x * x / 2));
      }
      BOOST_TEST(global_max(layout->comm(), worst) < 5e-3);
    }
    BOOST_TEST(run.figures.mass_error < 1e-12);
  }
}

// Almulla, Ferreira, Gomes: stationary states m = e^{V - b^2/2} / Z of games on a circle, with and without drift, found from another density by a
// long horizon: the middle of the way is close to them.
BOOST_AUTO_TEST_CASE(stationary_states_with_drift) {
  const LayoutPtr layout = line(64, 0, 1, Boundary::Periodic);
  for (bool drift : {false, true}) {
    // f = ln rho - V up to a constant; with drift b = cos 2 pi x the value function is -sin(2 pi x) / (2 pi).
    std::string cost = drift ? "[hamiltonian]\ntype = \"quadratic\"\ndrift = \"cos(2*pi*x)\"\n" : quadratic;
    cost += "[[coupling]]\ntype = \"potential\"\nV = \"-sin(2*pi*x)\"\n[[coupling]]\ntype = \"entropy\"\n";
    if (drift) cost += "[terminal]\ntype = \"potential\"\nV = \"-sin(2*pi*x)/(2*pi)\"\n";
    auto run = test::solve(test::mean_field(layout, {.cost = cost, .steps = 32, .horizon = 4}, [](double, double, double) { return 1.0; }), 2e-5);
    BOOST_TEST((run.report.reason == StopReason::Converged));
    Field rho(layout, 33);
    run.scheme->density(rho);
    Field exact = test::density_of(layout, [=](double x, double, double) {
      const double b = drift ? std::cos(2 * pi * x) : 0;
      return std::exp(std::sin(2 * pi * x) - b * b / 2);
    });
    test::normalise(exact);
    double worst = 0;
    for (std::ptrdiff_t i = 0; i < layout->owned(); ++i) worst = std::max(worst, std::fabs(rho.level(16)[i] - exact.level()[i]));
    BOOST_TEST(global_max(layout->comm(), worst) < 1e-2);
  }
}

// E = int rho ln rho from a Gaussian: the variance of every step in closed form.
BOOST_AUTO_TEST_CASE(heat_flow) {
  const LayoutPtr layout = line(128, -0.5, 0.5);
  int iterations = 0;
  const std::vector<double> moments = flow_moments(
      test::mean_field(layout, {.cost = quadratic + "[terminal]\ntype = \"entropy\"\n", .steps = 4, .horizon = 5e-4}, test::gaussian({0}, {0.005})),
      4, iterations);
  const double exact[] = {.00595803989, .00692192276, .00789023804, .00886202779};
  for (std::size_t k = 0; k < 4; ++k) BOOST_TEST(std::fabs(moments[k] / exact[k] - 1) < 5e-4);
  BOOST_TEST(iterations <= 300);
}

// E = int rho^2 from a Barenblatt profile: its radius solves a scalar equation a step.
BOOST_AUTO_TEST_CASE(porous_medium_flow) {
  const LayoutPtr layout = line(128, -0.5, 0.5);
  const double radius = 0.15;
  const auto profile = [=](double x, double, double) { return std::max(0.0, 1 - x * x / (radius * radius)); };
  const double exact[] = {.21493762, .25949070, .29416057, .32292850};
  for (int inner : {1, 4}) {
    int iterations = 0;
    const std::vector<double> moments = flow_moments(
        test::mean_field(layout, {.cost = quadratic + "[terminal]\ntype = \"power\"\n", .steps = inner, .horizon = 1e-3}, profile), 4, iterations);
    for (std::size_t k = 0; k < 4; ++k) BOOST_TEST(std::fabs(moments[k] / (exact[k] * exact[k] / 5) - 1) < (inner == 1 ? 1.2e-2 : 5e-4));
    BOOST_TEST(iterations <= 600);
  }
}
