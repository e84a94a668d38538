// ranks: 1 2 4
// timeout: 60
// Stationary games against closed forms: density, value function and ergodic constant.
#define BOOST_TEST_MODULE stationary_games
#include <boost/test/unit_test.hpp>

#include "tests/support/mean_field_runs.hpp"

using namespace wasserflow;

namespace {

constexpr double pi = std::numbers::pi;

test::MeanFieldRun stationary(const LayoutPtr& layout, const std::string& cost, double viscosity, double tolerance, double speed = 0) {
  MeanFieldProblem problem = test::mean_field(layout, {.cost = cost, .steps = 1, .horizon = 1e6, .viscosity = viscosity, .theta = 1},
                                              [](double, double, double) { return 1.0; });
  problem.stationary = true;
  problem.speed = speed;
  return test::solve(std::move(problem), tolerance, 4000);
}

}  // namespace

// Almulla, Ferreira, Gomes 2017 on the circle: u_x^2/2 + b u_x + V = ln m + Hbar, -(m (u_x + b))_x = 0. With int b = 0: u_x = -b, m = e^{V - b^2/2} /
// Z, Hbar = ln Z, also of the scheme. The coupling's derivative is ln m + 1 - V.
BOOST_AUTO_TEST_CASE(circle) {
  for (const bool drift : {false, true}) {
    for (const int cells : {32, 64}) {
      const LayoutPtr layout = make_layout(MPI_COMM_WORLD, test::cube(1, cells, Boundary::Periodic, 0, 1));
      std::string cost = "[hamiltonian]\ntype = \"quadratic\"\n";
      if (drift) cost += "drift = \"cos(2*pi*x)\"\n";
      cost += "[[coupling]]\ntype = \"potential\"\nV = \"-sin(2*pi*x)\"\n[[coupling]]\ntype = \"entropy\"\n";
      auto run = stationary(layout, cost, 0, 1e-7);
      BOOST_TEST((run.report.reason == StopReason::Converged));
      Field rho(layout, 2);
      run.scheme->density(rho);
      Field exact = test::density_of(layout, [=](double x, double, double) {
        const double b = drift ? std::cos(2 * pi * x) : 0;
        return std::exp(std::sin(2 * pi * x) - b * b / 2);
      });
      const double z = sum(exact) * layout->grid().cell_volume();
      for (double& v : exact.owned()) v /= z;
      const double error = test::largest_difference(rho, exact, 1);
      BOOST_TEST_MESSAGE("drift " << drift << " cells " << cells << ": error " << error << ", Hbar " << run.figures.ergodic_constant + 1 << " (" << std::log(z)
                                  << "), iterations " << run.report.iterations << ", equation " << run.figures.value_equation);
      BOOST_TEST(error < 1e-6);
      BOOST_TEST(std::fabs(run.figures.ergodic_constant + 1 - std::log(z)) < 1e-6);
      BOOST_TEST(run.figures.mass_error < 1e-12);
      BOOST_TEST(run.figures.value_equation < 1e-4);
    }
  }
}

// Cost kappa |x|^2/2 + gamma ln m with noise: m = N(0, v I), v = (gamma + sqrt(gamma^2 + 4 kappa nu^2)) / (2 kappa), u = nu |x|^2 / (2 v).
BOOST_AUTO_TEST_CASE(linear_quadratic) {
  for (const int dim : {1, 2}) {
    const LayoutPtr layout = make_layout(MPI_COMM_WORLD, test::cube(dim, dim == 1 ? 96 : 48, Boundary::NoFlux, -2.5, 2.5));
    const std::string square = dim == 1 ? "x^2/2" : "(x^2+y^2)/2";
    auto run = stationary(layout,
                          "[hamiltonian]\ntype = \"quadratic\"\n[[coupling]]\ntype = \"potential\"\nV = \"" + square +
                              "\"\n[[coupling]]\ntype = \"entropy\"\ngamma = 0.2\n",
                          0.1, 1e-5, 0.5);
    BOOST_TEST((run.report.reason == StopReason::Converged));
    Field rho(layout, 2);
    run.scheme->density(rho);
    const double v = 0.24142135623731;
    BOOST_TEST_MESSAGE("dim " << dim << ": variance " << test::second_moment(rho, 1) / v - 1 << ", iterations " << run.report.iterations << ", equation "
                              << run.figures.value_equation);
    BOOST_TEST(run.report.iterations <= 1200);
    BOOST_TEST(std::fabs(test::second_moment(rho, 1) / v - 1) < 1e-3);
    if (dim == 2) BOOST_TEST(std::fabs(test::second_moment(rho, 1, 1) / v - 1) < 1e-3);
  }
}
