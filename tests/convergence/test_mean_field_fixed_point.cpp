// ranks: 1 2 4
// timeout: 240
#define BOOST_TEST_MODULE mean_field_fixed_point
#include <fmt/format.h>

#include <boost/test/unit_test.hpp>

#include "solvers/mean_field_fixed_point.hpp"
#include "solvers/upwind_scheme.hpp"
#include "tests/support/mean_field_cases.hpp"

using namespace wasserflow;
using test::interval;

namespace {

DensityLaw law(const std::string& text) {
  static const std::vector<std::string> variables{"x", "y", "z", "t", "rho"};
  return density_law(Formula::parse(text, variables));
}

HamiltonianTerms hamiltonian(const std::string& text, int dim) {
  const ProblemFile file = ProblemFile::parse("[hamiltonian]\n" + text, "problem.toml");
  return read_hamiltonian(file.root().table("hamiltonian", ""), dim);
}

/// A crowd that is drawn to x = 0.8 by the terminal cost, where moving in the crowd is costly: not the optimum of any functional.
MeanFieldGame crowd(int dim, int cells, int steps, const std::string& kinetic = "type = \"quadratic\"") {
  std::vector<Axis> axes(static_cast<std::size_t>(dim), interval(0, 1, cells));
  MeanFieldGame game;
  game.layout = make_layout(MPI_COMM_WORLD, Grid(axes));
  game.steps = steps;
  game.viscosity = 0.02;
  game.hamiltonian = hamiltonian(kinetic, dim);
  game.congestion = law("(1 + 2*rho)^(-1)");
  game.running = law("0.2*rho");
  game.terminal = law(dim == 1 ? "4*(x - 0.8)^2" : "4*((x - 0.8)^2 + (y - 0.6)^2)");
  game.initial = test::density_of(game.layout, dim == 1 ? "exp(-40*(x - 0.3)^2) + 0.05" : "exp(-40*((x - 0.3)^2 + (y - 0.4)^2)) + 0.05");
  return game;
}

void show(const std::string& name, const GameReport& report) {
  std::string history;
  for (double r : report.history) history += fmt::format(" {:.1e}", r);
  BOOST_TEST_MESSAGE(name << ": " << report.iterations << " iterations, " << report.responses << " responses:" << history);
}

}  // namespace

BOOST_AUTO_TEST_CASE(all_methods_find_the_equilibrium_of_a_congested_crowd) {
  std::vector<Field> densities;
  for (GameMethod method : {GameMethod::NewtonKrylov, GameMethod::Anderson, GameMethod::Damped, GameMethod::FictitiousPlay}) {
    GameParameters parameters;
    parameters.method = method;
    parameters.tolerance = method == GameMethod::FictitiousPlay ? 3e-3 : 1e-9;
    MeanFieldFixedPoint solver(crowd(1, 64, 24), parameters);
    const GameReport report = solver.solve();
    show(fmt::format("method {}", static_cast<int>(method)), report);
    BOOST_TEST((report.reason == StopReason::Converged));
    BOOST_TEST(report.residual <= parameters.tolerance);
    BOOST_TEST(report.history.front() > 0.1);
    BOOST_TEST(report.history.size() == static_cast<std::size_t>(report.iterations) + 1);
    BOOST_TEST(report.responses <= (method == GameMethod::FictitiousPlay ? 40 : 50));
    Field rho(solver.game().layout, 25);
    solver.density(rho);
    for (int n = 0; n <= 24; ++n) BOOST_TEST(std::fabs(sum(rho, n) / 64 - 1) < 1e-12);
    densities.push_back(std::move(rho));
  }
  for (std::size_t i = 1; i < densities.size(); ++i) {
    double worst = 0;
    for (int n = 0; n <= 24; ++n)
      for (std::size_t j = 0; j < densities[0].owned(n).size(); ++j)
        worst = std::max(worst, std::fabs(densities[0].owned(n)[j] - densities[i].owned(n)[j]));
    BOOST_TEST(global_max(MPI_COMM_WORLD, worst) < (i == 3 ? 5e-2 : 1e-7));
  }
}

// The equations of the game at its answer, by the plain operator of the Hamilton-Jacobi equation and the balance of mass at every cell.
BOOST_AUTO_TEST_CASE(the_answer_solves_both_equations) {
  const int steps = 12;
  MeanFieldFixedPoint solver(crowd(2, 20, steps), {});
  const GameReport report = solver.solve();
  show("2-D", report);
  BOOST_TEST((report.reason == StopReason::Converged));
  const LayoutPtr layout = solver.game().layout;
  Field rho(layout, steps + 1), phi(layout, steps + 1);
  solver.density(rho);
  solver.value(phi);
  std::vector<Field> m;
  for (int d = 0; d < 2; ++d) m.emplace_back(layout, steps);
  solver.momentum(m);
  const double dt = 1.0 / steps, h = 1.0 / 20;
  HamiltonJacobiProblem plain = make_hamilton_jacobi_problem(hamiltonian("type = \"quadratic\"", 2), layout, 0.02, dt, {dt});
  double worst = 0;
  for (int n = 0; n < steps; ++n) {
    // s H: half of the squared used slopes, times s(rho), in place of H; the rest of the operator is linear.
    Field residual(layout), slopes(layout, 1);
    static_cast<void>(hj_residual(plain, phi, n + 1, phi, n, 0, &residual));
    HamiltonJacobiProblem flat = make_hamilton_jacobi_problem(hamiltonian("type = \"quadratic\"\ncoefficient = 0", 2), layout, 0.02, dt, {dt});
    static_cast<void>(hj_residual(flat, phi, n + 1, phi, n, 0, &slopes));
    for (std::ptrdiff_t i = 0; i < layout->owned(); ++i) {
      const double kinetic = residual.level()[i] - slopes.level()[i], density = rho.level(n + 1)[i];
      worst = std::max(worst, std::fabs(slopes.level()[i] + kinetic / (1 + 2 * density) - 0.2 * density));
    }
    BOOST_TEST(std::fabs(sum(rho, n) * h * h - 1) < 1e-12);
  }
  BOOST_TEST(global_max(MPI_COMM_WORLD, worst) < 1e-6);
  double moved = 0;  // what the momentum carries is what the centre of mass does
  for (int n = 0; n < steps; ++n) moved += sum(m[0], n) * h * h * dt;
  Field x(layout);
  fill(x, 0, *make_formula("x"), 0);
  const double centre = (dot(x, rho, 0, steps) - dot(x, rho, 0, 0)) * h * h;
  BOOST_TEST_MESSAGE("centre moved by " << centre << ", momentum " << moved);
  BOOST_TEST(std::fabs(moved / centre - 1) < 0.1);
}

// Where there is a potential the minimum of the scheme is the equilibrium.
BOOST_AUTO_TEST_CASE(potential_games_have_the_answer_of_the_potential) {
  for (bool drift : {false, true}) {
    const test::MeanFieldCase c{
        {interval(-2, 2, 48)},
        12,
        1,
        0.1,
        fmt::format("[hamiltonian]\ntype = \"quadratic\"\n{}[[coupling]]\ntype = \"potential\"\nV = \"x^2/2\"\n[[coupling]]\ntype "
                    "= \"entropy\"\ngamma = 0.2\n[terminal]\ntype = \"quadratic\"\ncoefficient = 0.5\ntarget = \"exp(-x^2)\"\n",
                    drift ? "drift = [\"0.3*sin(2*x)\"]\n" : ""),
        "exp(-(x - 0.4)^2/0.3) + 0.1"};
    UpwindScheme scheme(test::mean_field(c));
    BOOST_TEST((test::solve(scheme, 1e-9).reason == StopReason::Converged));
    for (GameMethod method : {GameMethod::NewtonKrylov, GameMethod::Anderson}) {
      GameParameters parameters;
      parameters.method = method;
      parameters.tolerance = 1e-9;
      MeanFieldGame game;
      game.layout = scheme.problem().layout;
      game.steps = c.steps;
      game.viscosity = c.viscosity;
      game.hamiltonian = hamiltonian(drift ? "type = \"quadratic\"\ndrift = [\"0.3*sin(2*x)\"]" : "type = \"quadratic\"", 1);
      game.running = law("x^2/2 + 0.2*(log(rho) + 1)");
      game.terminal = law("0.5*(rho - exp(-x^2))");
      game.initial = scheme.problem().initial.clone();
      MeanFieldFixedPoint solver(std::move(game), parameters);
      const GameReport report = solver.solve();
      show(fmt::format("potential, drift {}, method {}", drift, static_cast<int>(method)), report);
      BOOST_TEST((report.reason == StopReason::Converged));
      Field a(scheme.problem().layout, c.steps + 1), b(scheme.problem().layout, c.steps + 1), u(scheme.problem().layout, c.steps),
          v(scheme.problem().layout, c.steps + 1);
      scheme.density(a);
      solver.density(b);
      scheme.value(u);
      solver.value(v);
      double worst = 0;
      for (int n = 0; n < c.steps; ++n)
        for (std::ptrdiff_t i = 0; i < a.layout().owned(); ++i) {
          worst = std::max(worst, std::fabs(a.level(n + 1)[i] - b.level(n + 1)[i]));
          worst = std::max(worst, std::fabs(u.level(n)[i] - v.level(n)[i]));
        }
      worst = global_max(MPI_COMM_WORLD, worst);
      BOOST_TEST_MESSAGE("  largest difference of densities and values " << worst);
      BOOST_TEST(worst < 1e-6);
    }
  }
}

BOOST_AUTO_TEST_CASE(bad_numbers_are_refused) {
  GameParameters parameters;
  parameters.damping = 0;
  BOOST_CHECK_THROW(MeanFieldFixedPoint(crowd(1, 16, 4), parameters), InputError);
  MeanFieldGame open = crowd(1, 16, 4);
  open.layout = make_layout(MPI_COMM_WORLD, Grid({interval(0, 1, 16, Boundary::Dirichlet)}));
  BOOST_CHECK_THROW(MeanFieldFixedPoint(std::move(open), {}), InputError);
}
