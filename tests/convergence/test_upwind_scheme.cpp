// ranks: 1 2 4
// timeout: 240
#define BOOST_TEST_MODULE upwind_scheme
#include <fmt/format.h>

#include <boost/test/unit_test.hpp>

#include "solvers/howard.hpp"
#include "solvers/upwind_scheme.hpp"
#include "tests/support/fields.hpp"
#include "tests/support/mean_field_cases.hpp"

using namespace wasserflow;
using test::interval;
using test::largest_difference;
using test::MeanFieldCase;

namespace {

std::string gaussian(double mean, double variance) { return fmt::format("exp(-(x - {})^2/(2*{}))", mean, variance); }

const std::string quadratic = "[hamiltonian]\ntype = \"quadratic\"\n";
constexpr double infinity = std::numeric_limits<double>::infinity();

/// What every answer has.
void certified(const MeanFieldFigures& f) {
  BOOST_TEST(f.lower_bound > -infinity);
  BOOST_TEST(f.lower_bound <= f.feasible_objective + 1e-13 * std::fabs(f.lower_bound));
  BOOST_TEST(f.least_density >= 0);
  BOOST_TEST(f.mass_error < 1e-12);
}

double second_moment(const Field& rho, int level) {
  const SlabLayout& layout = rho.layout();
  double m = 0;
  for (std::ptrdiff_t i = 0; i < layout.owned(); ++i) {
    const double x = layout.grid().axis(0).node(layout.first() + i);
    m += rho.level(level)[i] * x * x * layout.grid().cell_volume();
  }
  MPI_Allreduce(MPI_IN_PLACE, &m, 1, MPI_DOUBLE, MPI_SUM, layout.comm());
  return m;
}

void report(const std::string& name, const SolveReport& r, const MeanFieldFigures& f) {
  BOOST_TEST_MESSAGE(name << ": " << r.iterations << " iterations, objective " << f.objective() << " lower " << f.lower_bound << " feasible "
                          << f.feasible_objective << " continuity " << f.continuity << " value equation " << f.value_equation << " least "
                          << f.least_density << " mass " << f.mass_error);
}

}  // namespace

BOOST_AUTO_TEST_CASE(zero_coupling_is_the_hamilton_jacobi_equation) {
  const Boundary periodic = Boundary::Periodic;
  struct Case {
    std::string name;
    std::vector<Axis> axes;
    std::string hamiltonian, value;
    double viscosity;
  };
  const std::vector<Case> cases{
      {"quadratic 1-D", {interval(0, 2, 40, periodic)}, "type = \"quadratic\"", "sin(pi*x)", 0},
      {"quadratic 1-D, drift, potential, viscosity, walls",
       {interval(0, 2, 40)},
       "type = \"quadratic\"\ncoefficient = \"1 + 0.3*cos(2*x)\"\ndrift = [\"0.4*sin(3*x)\"]\npotential = \"0.3*cos(4*x)\"",
       "0.3*(x-1)^2",
       0.05},
      {"formula 2-D",
       {interval(0, 2, 16, periodic), interval(0, 2, 14)},
       "type = \"formula\"\nH = \"px^2/2 + py^2/2 + 0.2*sqrt(1 + px^2)\"",
       "0.3*sin(pi*x)*cos(pi*y/2)",
       0.02},
  };
  for (const Case& c : cases) {
    const int dim = static_cast<int>(c.axes.size());
    MeanFieldCase game{c.axes,
                       8,
                       0.2,
                       c.viscosity,
                       fmt::format("[hamiltonian]\n{}\n[terminal]\ntype = \"potential\"\nV = \"{}\"\n", c.hamiltonian, c.value),
                       "1 + 0.5*sin(3*x)"};
    UpwindScheme scheme(test::mean_field(game));
    const SolveReport r = test::solve(scheme, 1e-10, 20000, 10);
    report(c.name, r, scheme.figures());
    BOOST_TEST((r.reason == StopReason::Converged));

    const LayoutPtr layout = scheme.problem().layout;
    const ProblemFile file = ProblemFile::parse("[hamiltonian]\n" + c.hamiltonian, "hj.toml");
    const double dt = game.horizon / game.steps;
    HamiltonJacobiProblem window =
        make_hamilton_jacobi_problem(read_hamiltonian(file.root().table("hamiltonian", ""), dim), layout, c.viscosity, dt, {dt});
    Howard howard(window);
    Field phi(layout, game.steps + 1), rho(layout, game.steps + 1), value(layout, game.steps), density(layout, game.steps + 1);
    fill(phi, game.steps, *make_formula(c.value), 0);
    for (int n = game.steps - 1; n >= 0; --n) {
      window.set_times(std::array{n * dt});
      phi.copy_level(n, phi, n + 1);
      BOOST_TEST(howard.step(phi, n + 1, phi, n).converged);
    }
    rho.copy_level(0, scheme.problem().initial, 0);
    for (int n = 1; n <= game.steps; ++n) howard.density(phi, n - 1, rho, n - 1, rho, n);
    scheme.value(value);
    scheme.density(density);
    for (int n = 0; n < game.steps; ++n) {
      BOOST_TEST(largest_difference(value, phi, n, n) < 1e-8);
      BOOST_TEST(largest_difference(density, rho, n + 1, n + 1) < 1e-6);
    }
    certified(scheme.figures());
  }
}

// Benamou-Brenier energy of the bridge between Gaussians (Chen, Georgiou, Pavon 2016): its closed form, as the first-order scheme approaches it.
BOOST_AUTO_TEST_CASE(schroedinger_bridge) {
  double last = 0;
  for (int cells : {64, 128}) {
    const MeanFieldCase c{{interval(0, 1, cells)}, cells / 4, 1, 0.002, quadratic, gaussian(0.35, 0.0025), gaussian(0.65, 0.0036)};
    UpwindScheme scheme(test::mean_field(c));
    const SolveReport r = test::solve(scheme, 5e-5);
    const MeanFieldFigures f = scheme.figures();
    report(fmt::format("bridge {}", cells), r, f);
    BOOST_TEST((r.reason == StopReason::Converged));
    BOOST_TEST(std::fabs(f.objective() / f.lower_bound - 1) < 2e-3);
    certified(f);
    const double error = f.lower_bound / 0.0453300958 - 1;
    if (last > 0) BOOST_TEST(std::log2(last / error) > 0.9);
    last = error;
  }
  BOOST_TEST(last < 0.05);
}

// Where both ends are positive the feasible iterate is too, and the optimum lies between two bounds that meet.
BOOST_AUTO_TEST_CASE(transport_between_bounds) {
  const std::string background = " + 0.1";
  for (int dim : {1, 2}) {
    const std::string y = dim == 1 ? "" : " - (y - 0.5)^2/0.02";
    MeanFieldCase c{
        {interval(0, 1, 32)}, 8, 1, 0, quadratic, "exp(-(x - 0.4)^2/0.02" + y + ")" + background, "exp(-(x - 0.6)^2/0.02" + y + ")" + background};
    if (dim == 2) c.axes.push_back(interval(0, 1, 24, Boundary::Periodic));
    double last = infinity;
    for (double tolerance : {1e-3, 1e-5}) {
      UpwindScheme scheme(test::mean_field(c));
      const SolveReport r = test::solve(scheme, tolerance);
      const MeanFieldFigures f = scheme.figures();
      report(fmt::format("transport {}-D to {}", dim, tolerance), r, f);
      certified(f);
      const double gap = f.feasible_objective / f.lower_bound - 1;
      BOOST_TEST(gap > -1e-13);
      BOOST_TEST(gap < 30 * tolerance);
      BOOST_TEST(gap < last);
      last = gap;
    }
  }
}

// One step in 1-D has no freedom: its fluxes are cumulated masses, and both bounds are its cost.
BOOST_AUTO_TEST_CASE(bounds_of_a_single_step) {
  const MeanFieldCase c{{interval(0, 2, 16)}, 1, 0.5, 0, quadratic, "max(0, 0.2 - (x - 0.6)^2)", "max(0, 0.3 - (x - 1.1)^2) + 0.02"};
  UpwindScheme scheme(test::mean_field(c));
  static_cast<void>(test::solve(scheme, 1e-9));
  const Field &first = scheme.problem().initial, &last = *scheme.problem().final_density;
  const double h = 2.0 / 16, dt = 0.5;
  std::vector<double> all(32), mine(32);
  const std::ptrdiff_t begin = scheme.problem().layout->first();
  for (std::ptrdiff_t i = 0; i < scheme.problem().layout->owned(); ++i) {
    mine[static_cast<std::size_t>(begin + i)] = first.level()[i];
    mine[static_cast<std::size_t>(begin + i + 16)] = last.level()[i];
  }
  MPI_Allreduce(mine.data(), all.data(), 32, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
  double flux = 0, cost = 0;  // flux through the upper face
  for (std::size_t i = 0; i < 15; ++i) {
    flux += (all[i] - all[i + 16]) * h / dt;
    cost += flux * flux / (2 * all[(flux > 0 ? i : i + 1) + 16]) * h * dt;
  }
  const MeanFieldBounds b = scheme.bounds();
  BOOST_TEST(b.upper == cost, boost::test_tools::tolerance(1e-10));
  BOOST_TEST(b.lower == cost, boost::test_tools::tolerance(1e-6));
  BOOST_TEST(b.lower <= cost * (1 + 1e-12));
}

// Where the iterate on the continuity equation is negative, or the end is free: the optimum of a long solve lies between the bounds of short ones.
BOOST_AUTO_TEST_CASE(bounds_with_vacuum) {
  struct Problem {
    std::string name, file, initial, last;
    double viscosity;
    int dim;
  };
  const std::string disc = "max(0, 0.02 - (x - 0.3)^2 - (y - 0.4)^2)", bump = "max(0, 0.02 - (x - 0.3)^2)";
  const std::string spread = "[terminal]\ntype = \"potential\"\nV = \"2*(x - 0.7)^2\"\n";
  const std::vector<Problem> problems{
      {"transport", quadratic, bump, "max(0, 0.02 - (x - 0.7)^2) + 0.001", 0, 1},
      {"with a drift", quadratic + "drift = [\"0.3*sin(6*x)\"]\n", bump, "max(0, 0.02 - (x - 0.7)^2) + 0.001", 0, 1},
      {"bridge", quadratic, bump, gaussian(0.7, 0.01) + " + 0.01", 0.01, 1},
      {"transport in the plane", quadratic, disc, "exp(-((x - 0.6)^2 + (y - 0.6)^2)/0.05) + 0.05", 0, 2},
      {"free end", quadratic + spread, bump, "", 0, 1},
      {"free end in the plane", quadratic + spread, disc, "", 0.01, 2},
  };
  bool mixed = false;
  for (const Problem& problem : problems) {
    MeanFieldCase c{{interval(0, 1, 32)}, 8, 1, problem.viscosity, problem.file, problem.initial, problem.last};
    if (problem.dim == 2) c.axes = {interval(0, 1, 20), interval(0, 1, 16, Boundary::Periodic)};
    UpwindScheme reference(test::mean_field(c)), scheme(test::mean_field(c));
    static_cast<void>(test::solve(reference, 1e-5, 2000));
    const MeanFieldBounds best = reference.bounds();
    BOOST_TEST_MESSAGE(problem.name << ": " << best.lower << " ... " << best.upper << ", gap " << best.gap());
    BOOST_TEST(best.gap() < 2e-3);
    double last = infinity;
    for (double tolerance : {1e-2, 1e-3, 1e-4}) {
      const SolveReport r = test::solve(scheme, tolerance, 1000);
      const MeanFieldBounds b = scheme.bounds();
      BOOST_TEST_MESSAGE("  " << r.iterations << " iterations: " << b.lower << " ... " << b.upper << ", gap " << b.gap() << ", share " << b.share);
      BOOST_TEST(std::isfinite(b.upper));
      BOOST_TEST(b.lower <= best.upper + 1e-12 * std::fabs(best.upper));
      BOOST_TEST(b.upper >= best.lower - 1e-12 * std::fabs(best.lower));
      BOOST_TEST(b.lower <= b.upper);
      mixed = mixed || b.share > 0;
      last = b.gap();
    }
    BOOST_TEST(last < 1e-2);
  }
  BOOST_TEST(mixed);  // densities below 0 did appear
}

BOOST_AUTO_TEST_CASE(the_gap_ends_a_solve) {
  const MeanFieldCase c{{interval(0, 1, 32)}, 8, 1, 0, quadratic, "max(0, 0.02 - (x - 0.3)^2)", "max(0, 0.02 - (x - 0.7)^2) + 0.001"};
  UpwindScheme scheme(test::mean_field(c));
  scheme.stop_by_gap();
  for (double gap : {1e-2, 1e-3}) {
    const SolveReport r = test::solve(scheme, gap);
    BOOST_TEST((r.reason == StopReason::Converged));
    BOOST_TEST(r.residuals.size() == 1);
    BOOST_TEST(scheme.bounds().gap() <= gap);
  }
}

// Linear-quadratic games with a logarithmic coupling have Gaussian solutions (Bensoussan, Frehse, Yam 2013).
BOOST_AUTO_TEST_CASE(linear_quadratic_games) {
  struct Game {
    std::string name, initial;
    double slope, variance;  // P(T); variance at T
  };
  for (const Game& game : {Game{"stationary", gaussian(0, 0.24142135623731), 0.41421356237310, 0.24142135623731},
                           Game{"evolving", gaussian(0, 0.1), 0.2, 0.23709451362634}}) {
    double last = 0;
    for (int cells : {64, 128}) {
      const MeanFieldCase c{
          {interval(-3, 3, cells)},
          cells / 4,
          1,
          0.1,
          fmt::format("{}[[coupling]]\ntype = \"potential\"\nV = \"x^2/2\"\n[[coupling]]\ntype = \"entropy\"\ngamma = 0.2\n[terminal]\ntype "
                      "= \"potential\"\nV = \"{}*x^2/2\"\n",
                      quadratic, game.slope),
          game.initial};
      UpwindScheme scheme(test::mean_field(c));
      const SolveReport r = test::solve(scheme, 1e-5);
      const MeanFieldFigures f = scheme.figures();
      report(fmt::format("{} {}", game.name, cells), r, f);
      BOOST_TEST((r.reason == StopReason::Converged));
      certified(f);
      BOOST_TEST(f.feasible_objective / f.lower_bound - 1 < 5e-3);
      Field rho(scheme.problem().layout, c.steps + 1);
      scheme.density(rho);
      const double error = second_moment(rho, c.steps) - game.variance;
      BOOST_TEST_MESSAGE("  variance at the end off by " << error);
      BOOST_TEST(std::fabs(error) < 1.0 / cells);
      if (last != 0) BOOST_TEST(std::log2(last / error) > 0.8);
      last = error;
    }
  }
}

// u_x^2/2 + b u_x + V = ln m + const, (m (u_x + b))_x = 0 on the circle (Almulla, Ferreira, Gomes 2017): stays where it is.
BOOST_AUTO_TEST_CASE(stationary_game_with_drift) {
  double last = 0;
  for (int cells : {32, 64}) {
    for (bool drift : {false, true}) {
      const MeanFieldCase c{
          {interval(0, 1, cells, Boundary::Periodic)},
          cells / 4,
          1,
          0,
          fmt::format("{}potential = \"sin(2*pi*x)\"\n{}[coupling]\ntype = \"entropy\"\ngamma = 1\n{}", quadratic,
                      drift ? "drift = [\"cos(2*pi*x)\"]\n" : "", drift ? "[terminal]\ntype = \"potential\"\nV = \"-sin(2*pi*x)/(2*pi)\"\n" : ""),
          drift ? "exp(sin(2*pi*x) - cos(2*pi*x)^2/2)" : "exp(sin(2*pi*x))"};
      UpwindScheme scheme(test::mean_field(c));
      const SolveReport r = test::solve(scheme, 1e-8);
      const MeanFieldFigures f = scheme.figures();
      report(fmt::format("circle {} drift {}", cells, drift), r, f);
      BOOST_TEST((r.reason == StopReason::Converged));
      certified(f);
      Field phi(scheme.problem().layout, c.steps), rho(scheme.problem().layout, c.steps + 1);
      scheme.value(phi);
      scheme.density(rho);
      double worst = 0;
      for (int n = 0; n <= c.steps; ++n) worst = std::max(worst, largest_difference(rho, scheme.problem().initial, n, 0));
      // f = ln rho + 1, so that phi falls by Hbar - 1 over the horizon.
      const double hbar = drift ? 0.02776151018711 : 0.23591435750718;
      const double error = std::fabs(sum(phi, 0) / cells - (1 - hbar));
      BOOST_TEST_MESSAGE("  density off by " << worst << ", phi by " << error);
      if (!drift) {
        BOOST_TEST(worst < 1e-6);
        BOOST_TEST(error < 1e-6);
        continue;
      }
      if (last > 0) BOOST_TEST(std::log2(last / worst) > 0.8);
      last = worst;
    }
  }
  BOOST_TEST(last < 0.15);
}

// A formula, and other ways to say the same, change nothing.
BOOST_AUTO_TEST_CASE(formulas_stand_for_built_in_hamiltonians) {
  MeanFieldCase c{{interval(0, 1, 24), interval(0, 1, 20, Boundary::Periodic)}, 6, 1, 0.02, "", "exp(-((x - 0.3)^2 + (y - 0.5)^2)/0.02) + 0.1"};
  const std::string rest = "[coupling]\ntype = \"power\"\nexponent = 2\ncoefficient = 0.5\n[terminal]\ntype = \"potential\"\nV = \"(x - 0.8)^2\"\n";
  std::vector<Field> densities, values;
  for (const std::string hamiltonian : {"type = \"quadratic\"", "type = \"formula\"\nH = \"px^2/2 + py^2/2\""}) {
    c.file = "[hamiltonian]\n" + hamiltonian + "\n" + rest;
    UpwindScheme scheme(test::mean_field(c));
    const SolveReport r = test::solve(scheme, 1e-8);
    report(hamiltonian, r, scheme.figures());
    BOOST_TEST((r.reason == StopReason::Converged));
    densities.emplace_back(scheme.problem().layout, c.steps + 1);
    values.emplace_back(scheme.problem().layout, c.steps);
    scheme.density(densities.back());
    scheme.value(values.back());
  }
  for (int n = 0; n < c.steps; ++n) {
    BOOST_TEST(largest_difference(densities[0], densities[1], n + 1, n + 1) < 1e-6);
    BOOST_TEST(largest_difference(values[0], values[1], n, n) < 1e-6);
  }
}

// H = c(x) (sqrt(1 + |p|^2) - 1) has no upwind sides; from a C++ file, and as a formula.
BOOST_AUTO_TEST_CASE(a_plugin_and_a_formula_without_upwind_sides) {
  MeanFieldCase c{{interval(0, 2, 16, Boundary::Periodic), interval(0, 2, 14)}, 5, 0.5, 0.02, "", "exp(-((x - 0.7)^2 + (y - 1)^2)/0.2) + 0.1"};
  const std::string rest = "[coupling]\ntype = \"power\"\nexponent = 2\ncoefficient = 0.5\n[terminal]\ntype = \"potential\"\nV = \"cos(pi*x)\"\n";
  std::vector<Field> densities, values;
  for (const std::string hamiltonian :
       {"type = \"plugin\"\nsource = \"" WASSERFLOW_SOURCE_DIR "/problems/examples/my_hamiltonian.cpp\"",
        "type = \"formula\"\ncompile = \"never\"\nH = \"(1 + 3*exp(-4*((x-1)^2 + (y-1)^2)))*(sqrt(1 + px^2 + py^2) - 1)\""}) {
    c.file = "[hamiltonian]\n" + hamiltonian + "\n" + rest;
    BOOST_CHECK_THROW(UpwindScheme(test::mean_field(c)), InputError);  // no numerical speeds
    UpwindScheme scheme(test::mean_field(c), {{4, 4, 0}});
    const SolveReport r = test::solve(scheme, 1e-7);
    const MeanFieldFigures f = scheme.figures();
    report("without upwind sides", r, f);
    BOOST_TEST((r.reason == StopReason::Converged));
    certified(f);
    BOOST_TEST(f.feasible_objective / f.lower_bound - 1 < 1e-5);
    densities.emplace_back(scheme.problem().layout, c.steps + 1);
    values.emplace_back(scheme.problem().layout, c.steps);
    scheme.density(densities.back());
    scheme.value(values.back());
  }
  for (int n = 0; n < c.steps; ++n) {
    BOOST_TEST(largest_difference(densities[0], densities[1], n + 1, n + 1) < 1e-8);
    BOOST_TEST(largest_difference(values[0], values[1], n, n) < 1e-8);
  }
}

BOOST_AUTO_TEST_CASE(coarse_answers_start_finer_grids) {
  const auto game = [](int cells, int steps) {
    return MeanFieldCase{{interval(0, 1, cells), interval(0, 1, cells)},
                         steps,
                         1,
                         0.02,
                         quadratic +
                             "[[coupling]]\ntype = \"power\"\nexponent = 2\ncoefficient = 0.5\n[[coupling]]\ntype = \"capacity\"\nmaximum = 4\n"
                             "[terminal]\ntype = \"quadratic\"\ncoefficient = 2\ntarget = \"2*x\"\n",
                         "exp(-((x - 0.3)^2 + (y - 0.3)^2)/0.1)"};
  };
  UpwindScheme coarse(test::mean_field(game(16, 4))), warm(test::mean_field(game(32, 8))), cold(test::mean_field(game(32, 8)));
  const SolveReport first = test::solve(coarse, 1e-4);
  warm.start_from(coarse);
  const SolveReport from_coarse = test::solve(warm, 1e-4), from_nothing = test::solve(cold, 1e-4);
  report("coarse", first, coarse.figures());
  report("fine from coarse", from_coarse, warm.figures());
  report("fine", from_nothing, cold.figures());
  BOOST_TEST((from_coarse.reason == StopReason::Converged));
  BOOST_TEST(from_coarse.iterations < from_nothing.iterations);
  BOOST_TEST(std::fabs(warm.figures().lower_bound / cold.figures().lower_bound - 1) < 1e-3);
  certified(warm.figures());
}

BOOST_AUTO_TEST_CASE(crowds_that_repel_each_other) {
  FokkerPlanckEquation repulsion;
  repulsion.interaction = make_formula("2*exp(-20*x^2)");
  MeanFieldCase c{{interval(0, 1, 32)}, 8, 1, 0.02, quadratic + "[terminal]\ntype = \"potential\"\nV = \"2*(x - 0.7)^2\"\n", gaussian(0.4, 0.01)};
  MeanFieldProblem problem = test::mean_field(c);
  problem.nonlocal = std::make_shared<NonlocalPotential>(repulsion, problem.layout);
  UpwindScheme scheme(std::move(problem));
  const SolveReport r = test::solve(scheme, 1e-5);
  const MeanFieldFigures f = scheme.figures();
  report("repulsion", r, f);
  BOOST_TEST((r.reason == StopReason::Converged));
  certified(f);
  BOOST_TEST(f.interaction > 0.05);
  BOOST_TEST(f.feasible_objective / f.lower_bound - 1 < 3e-4);
}

// Around a wall with a hole: nothing enters it, and the way is longer than the straight one.
BOOST_AUTO_TEST_CASE(obstacles) {
  double objective[2];
  for (bool wall : {false, true}) {
    const MeanFieldCase c{{interval(0, 1, 24), interval(0, 1, 24)},
                          8,
                          1,
                          0,
                          quadratic + (wall ? "[mobility]\nobstacle = \"if(abs(x - 0.5) < 0.06 && y < 0.7, 1, -1)\"\n" : "") +
                              "[coupling]\ntype = \"power\"\nexponent = 2\ncoefficient = 0.05\n[terminal]\ntype = \"potential\"\nV = \"4*((x - "
                              "0.8)^2 + (y - 0.3)^2)\"\n",
                          "if((x - 0.2)^2 + (y - 0.3)^2 < 0.02, 1, 0)"};
    UpwindScheme scheme(test::mean_field(c));
    const SolveReport r = test::solve(scheme, 3e-4, 5000);
    const MeanFieldFigures f = scheme.figures();
    report(fmt::format("wall {}", wall), r, f);
    BOOST_TEST((r.reason == StopReason::Converged));
    certified(f);
    objective[wall] = f.lower_bound;
    if (!wall) continue;
    Field rho(scheme.problem().layout, c.steps + 1), inside(scheme.problem().layout);
    scheme.density(rho);
    fill(inside, 0, *make_formula("if(abs(x - 0.5) < 0.06 && y < 0.7, 1, 0)"), 0);
    for (int n = 0; n <= c.steps; ++n) BOOST_TEST(dot(rho, inside, n, 0) == 0);
  }
  BOOST_TEST(objective[1] > 1.05 * objective[0]);
}

BOOST_AUTO_TEST_CASE(answers_do_not_depend_on_the_number_of_ranks) {
  const MeanFieldCase c{
      {interval(0, 1, 24, Boundary::Periodic), interval(0, 1, 20)},
      6,
      1,
      0.01,
      quadratic +
          "drift = [\"0.2\", \"0.1*sin(3*y)\"]\n[coupling]\ntype = \"entropy\"\ngamma = 0.2\n[terminal]\ntype = \"potential\"\nV = \"cos(6*y)\"\n",
      "1 + 0.5*sin(2*pi*x)"};
  UpwindScheme many(test::mean_field(c)), one(test::mean_field(c, MPI_COMM_SELF));
  static_cast<void>(test::solve(many, 1e-4));
  static_cast<void>(test::solve(one, 1e-4));
  const std::ptrdiff_t shift = many.problem().layout->global_offset();
  bool same = true;
  for (std::size_t f = 0; f < many.state_fields().size(); ++f) {
    const Field &a = *many.state_fields()[f].second, &b = *one.state_fields()[f].second;
    for (int k = 0; k < a.levels(); ++k)
      for (std::ptrdiff_t i = 0; i < a.layout().owned(); ++i)
        same = same && a.level(k)[i] == b.level(k)[i + (size_of(MPI_COMM_WORLD) > 1 ? shift : 0)];
  }
  BOOST_TEST(same);
}

BOOST_AUTO_TEST_CASE(bad_problems_are_refused) {
  MeanFieldCase c{{interval(0, 1, 16, Boundary::Dirichlet)}, 4, 1, 0, quadratic};
  BOOST_CHECK_THROW(UpwindScheme(test::mean_field(c)), InputError);
  c.axes = {interval(0, 1, 16)};
  c.steps = 0;
  BOOST_CHECK_THROW(UpwindScheme(test::mean_field(c)), InputError);
  c.steps = 4;
  const std::string plain = c.file;
  c.file = plain + "[mobility]\nobstacle = \"0.01 - (x - 0.5)^2\"\n";
  c.viscosity = 0.1;
  BOOST_CHECK_THROW(UpwindScheme(test::mean_field(c)), InputError);
  c.viscosity = 0;
  c.file = plain;
  c.final_density = "max(0, x - 0.5)";  // no cell is ever emptied
  BOOST_CHECK_THROW(UpwindScheme(test::mean_field(c)), InputError);
  c.final_density.clear();
  c.file = plain + "[unbalanced]\npenalty = 1\n";
  BOOST_CHECK_THROW(UpwindScheme(test::mean_field(c)), InputError);
}
