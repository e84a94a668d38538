// ranks: 1 2 4
// timeout: 120
// Several populations that react: given sources, epidemics without and with control.
#define BOOST_TEST_MODULE populations
#include <boost/test/unit_test.hpp>

#include "grids/support/errors.hpp"
#include "solvers/populations.hpp"
#include "tests/support/mean_field_runs.hpp"

using namespace wasserflow;

namespace {

constexpr double pi = std::numbers::pi;
const std::string quadratic = "[hamiltonian]\ntype = \"quadratic\"\n";

ReactionPtr epidemic(double infection, double recovery, int dim = 1) {
  const ProblemFile file = ProblemFile::parse(
      "[reaction]\ntype = \"formula\"\nspecies = [\"S\", \"I\", \"R\"]\nrates = [\"-b*S*I\", \"b*S*I-g*I\", "
      "\"g*I\"]\nconstants = {b = " +
          std::to_string(infection) + ", g = " + std::to_string(recovery) + "}\n",
      "sir.toml");
  return read_reaction(file.root().table("reaction", "R."), dim);
}

LayoutPtr box(int dim, int cells, Boundary boundary = Boundary::NoFlux) { return make_layout(MPI_COMM_WORLD, test::cube(dim, cells, boundary)); }

struct Sir {
  std::array<test::PointFunction, 3> start;
  std::array<std::string, 3> cost{quadratic, quadratic, quadratic};
  double infection = 2, recovery = 0.5, viscosity = 0, horizon = 1;
  int steps = 16;
};

Populations populations(const LayoutPtr& layout, const Sir& sir, const PopulationParameters& parameters) {
  PopulationProblem problem;
  for (std::size_t k = 0; k < 3; ++k)
    problem.populations.push_back(test::mean_field(
        layout, {.cost = sir.cost[k], .steps = sir.steps, .horizon = sir.horizon, .viscosity = sir.viscosity}, sir.start[k], nullptr, false));
  problem.reaction = epidemic(sir.infection, sir.recovery, layout->dim());
  return Populations(std::move(problem), parameters);
}

/// Who is where at first, costs of crowds, and one of the infected at the end.
Sir outbreak(double weight, double crowding) {
  Sir sir;
  sir.start = {[](double x, double, double) { return 0.8 + 0.3 * std::cos(pi * x); },
               [](double x, double y, double) { return 0.25 + 0.15 * std::cos(2 * pi * x) * std::cos(pi * y); },
               [](double, double, double) { return 0.05; }};
  for (std::string& cost : sir.cost) cost += "[[coupling]]\ntype = \"power\"\ncoefficient = " + std::to_string(crowding / 2) + "\n";
  sir.cost[1] += "[terminal]\ntype = \"power\"\ncoefficient = " + std::to_string(weight / 2) + "\n";
  return sir;
}

double mass(Populations& p, int level) {
  double total = 0;
  for (int k = 0; k < 3; ++k) total += sum(p.scheme(k).x().rho, level);
  return total * p.scheme(0).problem().layout->grid().cell_volume();
}

double worst_mass_error(Populations& p) {
  double worst = 0;
  for (int n = 1; n <= p.scheme(0).problem().steps; ++n) worst = std::max(worst, std::fabs(mass(p, n) / mass(p, 0) - 1));
  return worst;
}

}  // namespace

// rho_t - nu Lap rho + div m = s with s given: mass and, where nothing moves, densities by summing up.
BOOST_AUTO_TEST_CASE(given_source) {
  for (double viscosity : {0.0, 0.05})
    for (int dim : {1, 2}) {
      const LayoutPtr layout = box(dim, dim == 1 ? 32 : 12, dim == 1 ? Boundary::NoFlux : Boundary::Periodic);
      const int steps = 8;
      for (bool uniform : {true, false}) {
        Field source(layout, steps);
        const double dt = 1.0 / steps;
        for (int n = 0; n < steps; ++n)
          for (int r = 0; r < layout->rows(); ++r) {
            const RowPoints p = layout->row(r);
            for (int i = 0; i < p.n; ++i) source.level(n)[p.offset + i] = 0.3 + 0.2 * n + (uniform ? 0 : std::cos(2 * pi * p.x[i]));
          }
        MeanFieldProblem problem = test::mean_field(
            layout, {.steps = steps, .viscosity = viscosity}, [](double, double, double) { return 1.5; }, nullptr, false);
        problem.source = &source;
        const auto run = test::solve(std::move(problem), 1e-6);
        BOOST_TEST((run.report.reason == StopReason::Converged));
        BOOST_TEST(run.figures.continuity < 1e-11);
        double exact = 1.5;
        for (int n = 0; n < steps; ++n) {
          exact += dt * (0.3 + 0.2 * n);
          const Field& rho = run.scheme->x().rho;
          BOOST_TEST(std::fabs(sum(rho, n + 1) * layout->grid().cell_volume() / exact - 1) < 1e-12);
          if (!uniform) continue;
          double worst = 0;
          for (double v : rho.owned(n + 1)) worst = std::max(worst, std::fabs(v - exact));
          BOOST_TEST(global_max(layout->comm(), worst) < 1e-11);
        }
      }
    }
}

// Nobody has a reason to move: the ordinary differential equations of the epidemic, to second order.
BOOST_AUTO_TEST_CASE(uniform_epidemic) {
  double s = 0.9, i = 0.1, r = 0.02;
  const int fine = 4000;
  for (int n = 0; n < fine; ++n) {  // Runge-Kutta of order 4
    const double h = 1.0 / fine;
    double ks[4], ki[4];
    for (int k = 0; k < 4; ++k) {
      const double f = k == 0 ? 0 : k == 3 ? h : h / 2;
      const double sk = s + (k ? f * ks[k - 1] : 0), ik = i + (k ? f * ki[k - 1] : 0);
      ks[k] = -2 * sk * ik;
      ki[k] = 2 * sk * ik - 0.5 * ik;
    }
    const double ds = h / 6 * (ks[0] + 2 * ks[1] + 2 * ks[2] + ks[3]), di = h / 6 * (ki[0] + 2 * ki[1] + 2 * ki[2] + ki[3]);
    s += ds;
    i += di;
    r -= ds + di;
  }
  const double exact[] = {s, i, r};
  double before = 0;
  for (int steps : {4, 8, 16}) {
    Sir sir;
    sir.start = {[](double, double, double) { return 0.9; }, [](double, double, double) { return 0.1; }, [](double, double, double) { return 0.02; }};
    sir.steps = steps;
    sir.viscosity = 0.1;
    PopulationParameters parameters;
    parameters.tolerance = 1e-9;
    parameters.inner.tolerance = 1e-9;
    Populations p = populations(box(1, 16), sir, parameters);
    const PopulationReport report = p.solve();
    BOOST_TEST((report.reason == StopReason::Converged));
    BOOST_TEST(report.iterations <= 15);
    BOOST_TEST(worst_mass_error(p) < 1e-12);
    double error = 0;
    for (int k = 0; k < 3; ++k)
      for (double v : p.scheme(k).x().rho.owned(steps)) error = std::max(error, std::fabs(v - exact[k]));
    error = global_max(MPI_COMM_WORLD, error);
    BOOST_TEST_MESSAGE("uniform epidemic: " << steps << " steps, " << report.iterations << " sweeps, error " << error);
    if (before > 0) {
      BOOST_TEST(before / error > 3.7);
      BOOST_TEST(before / error < 4.3);
    }
    before = error;
  }
  BOOST_TEST(before < 1e-3);
}

namespace {

/// The cost of momenta (units of c) when the densities follow from them by the reaction, cell by cell: nothing of solvers/populations.cpp, no
/// multipliers. No viscosity.
double reduced_cost(Populations& p, const std::vector<std::vector<Field>>& m, double infection, double recovery, double weight, double crowding) {
  const MeanFieldProblem& problem = p.scheme(0).problem();
  const SlabLayout& layout = *problem.layout;
  StaggeredOperator space(problem.layout, p.scheme(0).space().setting());
  const double dt = problem.dt(), c = problem.speed_scale();
  const std::ptrdiff_t n = layout.owned();
  const auto size = static_cast<std::size_t>(n);
  std::vector<StaggeredState> x;
  for (int k = 0; k < 3; ++k) {
    x.push_back(space.make_state());
    for (std::size_t d = 0; d < m[0].size(); ++d)
      for (int level = 0; level < problem.steps; ++level) x.back().m[d].copy_level(level, m[static_cast<std::size_t>(k)][d], level);
    space.exchange_for_continuity(x.back());
  }
  std::vector<double> out[3], rho[3];
  for (int k = 0; k < 3; ++k) {
    out[k].resize(size);
    const double* start = p.scheme(k).problem().initial.level();
    rho[k].assign(start, start + n);
  }
  std::vector<double> none(size), flux_rows(3 * size);
  double* flux[] = {flux_rows.data(), flux_rows.data() + n, flux_rows.data() + 2 * n};
  double total = 0;
  for (int level = 0; level < problem.steps; ++level) {
    std::vector<double> kinetic[3];
    for (int k = 0; k < 3; ++k) {
      StaggeredState& state = x[static_cast<std::size_t>(k)];
      kinetic[k].resize(size);
      for (int r = 0; r < layout.rows(); ++r) {
        const RowPoints row = layout.row(r);
        space.continuity_row(state, level, row.offset, row.n, out[k].data() + row.offset);  // rho is 0 in it: div m
        space.interpolation_row(state, level, row.offset, row.n, none.data(), flux);
        for (std::size_t d = 0; d < m[0].size(); ++d)
          for (int i = 0; i < row.n; ++i) kinetic[k][static_cast<std::size_t>(row.offset + i)] += c * c * flux[d][i] * flux[d][i] / 2;
      }
    }
    for (std::size_t i = 0; i < size; ++i) {
      double middle[3] = {rho[0][i], rho[1][i], rho[2][i]};
      for (int sweep = 0; sweep < 60; ++sweep) {
        const double infected = infection * middle[0] * middle[1], recovered = recovery * middle[1];
        const double rate[] = {-infected, infected - recovered, recovered};
        for (int k = 0; k < 3; ++k) middle[k] = rho[k][i] + dt / 2 * (rate[k] - out[k][i]);
      }
      for (int k = 0; k < 3; ++k) {
        rho[k][i] = 2 * middle[k] - rho[k][i];
        total += dt * (kinetic[k][i] / middle[k] + crowding / 2 * middle[k] * middle[k]);
      }
    }
  }
  for (double v : rho[1]) total += weight / 2 * v * v;
  double all = 0;
  MPI_Allreduce(&total, &all, 1, MPI_DOUBLE, MPI_SUM, layout.comm());
  return all * layout.grid().cell_volume();
}

}  // namespace

// The slope of the reduced cost in directions of the momenta is 0 at the answer, and far from 0 where nobody moves.
BOOST_AUTO_TEST_CASE(controlled_epidemic) {
  for (int dim : {1, 2}) {
    const double weight = 2, crowding = 2;
    Sir sir = outbreak(weight, crowding);
    sir.steps = dim == 1 ? 16 : 8;
    PopulationParameters parameters;
    parameters.tolerance = 1e-6;
    parameters.inner.tolerance = 1e-6;
    Populations p = populations(box(dim, dim == 1 ? 32 : 12), sir, parameters);
    const PopulationReport report = p.solve();
    BOOST_TEST_MESSAGE(dim << "-D: " << report.iterations << " sweeps, " << report.inner_iterations << " iterations, residual " << report.residual);
    for (double h : report.history) BOOST_TEST_MESSAGE("  " << h);
    BOOST_TEST((report.reason == StopReason::Converged));
    BOOST_TEST(report.history.back() <= 1e-6);
    BOOST_TEST(worst_mass_error(p) < 1e-12);

    std::vector<std::vector<Field>> best, still, probe;
    for (int k = 0; k < 3; ++k) {
      best.emplace_back();
      still.emplace_back();
      probe.emplace_back();
      for (const Field& m : p.scheme(k).x().m) {
        best.back().push_back(m.clone());
        still.back().emplace_back(m.layout_ptr(), m.levels());
        probe.back().emplace_back(m.layout_ptr(), m.levels());
      }
    }
    const auto cost = [&](const std::vector<std::vector<Field>>& m) { return reduced_cost(p, m, sir.infection, sir.recovery, weight, crowding); };
    const double least = cost(best);
    BOOST_TEST(std::fabs(p.feasible_objective() / least - 1) < 1e-5);
    BOOST_TEST(least < 0.98 * cost(still));
    const auto slope = [&](const std::vector<std::vector<Field>>& at, int who, int mode, double step) {
      const SlabLayout& layout = *p.scheme(0).problem().layout;
      double values[2];
      for (int side = 0; side < 2; ++side) {
        for (std::size_t k = 0; k < 3; ++k)
          for (std::size_t d = 0; d < at[k].size(); ++d)
            for (int level = 0; level < sir.steps; ++level)
              for (int r = 0; r < layout.rows(); ++r) {
                const RowPoints row = layout.row(r);
                for (int i = 0; i < row.n; ++i) {
                  const double face = row.x[i] + 0.5 / layout.grid().cells(0);
                  const double direction = static_cast<int>(k) == who && d == 0 ? std::sin(mode * pi * face) * (mode == 2 ? 1 : std::cos(level)) : 0;
                  probe[k][d].level(level)[row.offset + i] = at[k][d].level(level)[row.offset + i] + (side ? -step : step) * direction;
                }
              }
        values[side] = cost(probe);
      }
      if (&at == &best) {  // a minimum in these directions
        BOOST_TEST(values[0] > least - 1e-9);
        BOOST_TEST(values[1] > least - 1e-9);
      }
      return (values[0] - values[1]) / (2 * step);
    };
    double largest = 0, left = 0;
    for (int who = 0; who < 3; ++who)
      for (int mode : {1, 2}) {
        largest = std::max(largest, std::fabs(slope(still, who, mode, 1e-3)));
        left = std::max(left, std::fabs(slope(best, who, mode, 1e-3)));
      }
    BOOST_TEST_MESSAGE("  cost " << least << " of " << cost(still) << ", slopes " << left << " of " << largest);
    BOOST_TEST(left < 1e-4 * largest);
  }
}

BOOST_AUTO_TEST_CASE(bad_input) {
  const LayoutPtr layout = box(1, 8);
  PopulationParameters parameters;
  parameters.damping = 0;
  BOOST_CHECK_THROW(parameters.validate(), InputError);
  parameters = {};
  parameters.inner.tolerance = 1;
  BOOST_CHECK_THROW(parameters.validate(), InputError);
  PopulationProblem problem;
  problem.populations.push_back(test::mean_field(layout, {}, [](double, double, double) { return 1.0; }));
  problem.reaction = epidemic(1, 1);
  BOOST_CHECK_THROW(Populations(std::move(problem), PopulationParameters()), InputError);
}
