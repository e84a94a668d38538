#include "apps/run/mean_field_input.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "apps/run/initial_density.hpp"
#include "apps/run/read_grid.hpp"
#include "grids/reduce.hpp"
#include "grids/support/mpi.hpp"
#include "solvers/grid_transfer.hpp"
#include "solvers/mean_field_continuation.hpp"
#include "solvers/staggered_scheme.hpp"

namespace wasserflow {
namespace {

constexpr double equal_masses = 1e-6;  // relative; below it the final density is scaled to the mass of the initial one
// Grids of continuation: the coarsest ones when they are chosen here, and at all.
constexpr int coarsest_cells = 12, coarsest_steps = 8, least_cells = 4;
constexpr int ghosts = 2;

}  // namespace

MeanFieldInput::MeanFieldInput(const Parameters& root, MPI_Comm comm, MeanFieldKind kind)
    : root_(root), comm_(comm), kind_(kind), finest_{read_closed_grid(root), 1} {
  const bool jko = kind == MeanFieldKind::Game && root.has("jko");
  if (jko) {
    const Parameters p =
        root.table("jko", "a sequence of minimising movements of an energy E: rho_{k+1} minimises W_2^2(rho, rho_k) / (2 tau) + E(rho)");
    horizon_ = p.real("tau", "time of one step", {}, Range::positive());
    jko_steps_ = p.integer("steps", "number of steps", 1, Range::at_least(1));
    finest_.steps = p.integer("levels", "intervals of the inner time of a step", 4, Range::at_least(1));
    for (const char* table : {"time", "terminal", "final"})
      if (root.has(table)) root.fail(table, fmt::format("[jko] says it all: tau, steps, levels, and its energy stands in place of [{}]", table));
  } else {
    const Parameters time = root.table("time", "horizon and its intervals");
    horizon_ = time.real("final", "horizon T", 1.0, Range::positive());
    finest_.steps = time.integer("steps", "intervals of length final / steps", {}, Range::at_least(1));
  }
  const std::string doc = "viscosity nu of rho_t - nu Lap rho + div m = 0: noise sqrt(2 nu) dW of every agent";
  if (kind == MeanFieldKind::Bridge)
    viscosity_ = root.real("diffusion", doc, {}, Range::positive());
  else if (kind == MeanFieldKind::Game)
    viscosity_ = root.real("diffusion", doc, 0.0, Range::nonnegative());
  read_ends();
  read_solver();
}

void MeanFieldInput::read_ends() {
  const bool transport = kind_ != MeanFieldKind::Game;
  const bool last = root_.has("final"), terminal = root_.has("terminal");
  if (jko_steps_ == 0) {
    if (transport && !last) root_.fail("final", "transport needs both densities: [initial] and [final]");
    if (transport && terminal) root_.fail("terminal", "both ends are given here: [terminal] belongs to wf-mean-field");
    if (last && terminal)
      root_.fail("terminal", "two ends: [final] gives the density at the final time, [terminal] its cost where it is free; one of them is needed");
    if (!last && !terminal) root_.fail("terminal", "a free end needs [terminal] (its cost; potential V = 0 for none), a given one [final]");
  }
  if (kind_ == MeanFieldKind::Geodesic || kind_ == MeanFieldKind::Bridge || kind_ == MeanFieldKind::Unbalanced)
    if (root_.has("coupling")) root_.fail("coupling", "transport has no running cost: [coupling] belongs to wf-mean-field");
  if (kind_ == MeanFieldKind::Unbalanced && !root_.has("unbalanced"))
    root_.fail("unbalanced", "unbalanced transport needs [unbalanced] penalty: the cost of mass that is created or removed");
  both_ends_ = last;
}

TransportTerms MeanFieldInput::read_terms() const {
  TransportTerms terms = read_transport_terms(root_, finest_.grid.dim());
  if (jko_steps_ > 0) {
    const Parameters jko = root_.table("jko", "");
    if (!jko.has("energy")) jko.fail("energy", "an energy is needed, like those of [terminal]: jko.energy = { type = ... }");
    terms.terminal = read_coupling(jko, "energy", "energy E: types as for [terminal]", finest_.grid.dim());
  }
  return terms;
}

void MeanFieldInput::read_solver() {
  const Parameters solver = root_.table("solver", "scheme and its settings");
  scheme_ = solver.choice("scheme", "staggered: second order, divergence-free iterates", {"staggered"}, "staggered");
  theta_ = solver.real("theta", "weight of the viscous term at the newer time: 1/2 second order, 1 more damped", 0.5, Range::between(0.5, 1));
  PdhgParameters& e = engine_;
  e = mean_field_pdhg();
  e.tolerance = solver.real("tolerance", "of the residuals, which have no units", e.tolerance, Range{0, 1, true, true});
  e.max_iterations = solver.integer("max_iterations", "iterations on each grid", e.max_iterations, Range::at_least(1));
  e.min_iterations = solver.integer("min_iterations",
                                    "iterations on each grid before the residuals may end it: those of a warm start are small whatever it is worth",
                                    20, Range::nonnegative());
  e.min_iterations = std::min(e.min_iterations, e.max_iterations);
  e.check_every = solver.integer("check_every", "iterations between residuals", e.check_every, Range::at_least(1));
  e.rule = solver.choice("steps", "step sizes: fixed, or balanced (the weight adapts to the residuals in the first iterations)",
                         {"fixed", "balanced"}, e.rule == StepRule::Fixed ? "fixed" : "balanced") == "fixed"
               ? StepRule::Fixed
               : StepRule::Balanced;
  e.relaxation = solver.real("relaxation", "over-relaxation of both iterates", e.relaxation, Range{1, 2, false, true});
  e.step_product = solver.real("step_product", "tau * sigma * |K|^2; below 1 with relaxation > 1", e.relaxation > 1 ? 0.99 : 1.15,
                               Range{0, e.relaxation > 1 ? 1.0 : 4.0 / 3.0, true, true});
  e.weight = solver.real("weight", "first weight w of the steps tau = s / w, sigma = s w, in units of the one that the scales of the problem suggest",
                         e.weight, Range::positive());
  const int wanted = solver.is_text("levels") || !solver.has("levels")
                         ? (solver.choice("levels",
                                          "grids of coarse-to-fine continuation, each with half the cells of the next: a number (1: none), or "
                                          "automatic: as many as there can be",
                                          {"automatic"}, "automatic"),
                            0)
                         : solver.integer("levels", "grids of coarse-to-fine continuation", 1, Range::between(1, 20));
  plan_levels(wanted);
}

void MeanFieldInput::plan_levels(int wanted) {
  // Coarse answers of a sequence of steps would lack the densities between.
  if (jko_steps_ > 0 && wanted > 1) root_.table("solver", "").fail("levels", "the steps of [jko] start from each other, on one grid");
  levels_.assign(1, finest_);
  const int most = jko_steps_ > 0 ? 1 : wanted > 0 ? wanted : 20;
  LayoutPtr layout = make_layout(comm_, finest_.grid, ghosts);
  while (static_cast<int>(levels_.size()) < most) {
    layout = coarser(*layout, wanted > 0 ? least_cells : coarsest_cells);
    if (!layout) break;
    const int steps = levels_.front().steps;
    levels_.insert(levels_.begin(), {layout->grid(), steps % 2 == 0 && steps >= 2 * coarsest_steps ? steps / 2 : steps});
  }
  if (wanted > static_cast<int>(levels_.size()) && !root_.limited())
    root_.table("solver", "")
        .fail("levels", fmt::format("there are {} grids at most: each has half the cells of the next, at least {} an axis, and planes "
                                    "for every rank",
                                    levels_.size(), least_cells));
}

MeanFieldProblem MeanFieldInput::problem(const SpaceTimeGrid& on, std::vector<std::string>* warnings, const Field* initial) const {
  MeanFieldProblem problem;
  problem.layout = initial ? initial->layout_ptr() : make_layout(comm_, on.grid, ghosts);
  problem.steps = on.steps;
  problem.horizon = horizon_;
  problem.viscosity = viscosity_;
  problem.theta = scheme_ == "upwind" ? 1 : theta_;
  const bool finest = on.grid.size() == finest_.grid.size();
  if (initial) {
    problem.initial = initial->clone();
  } else {
    InitialDensity density = read_initial_density(root_, problem.layout);
    problem.initial = std::move(density.rho);
    if (warnings) *warnings = std::move(density.warnings);
  }
  if (both_ends_) {
    InitialDensity density = read_density_table(root_, "final", "the density at the final time", problem.layout);
    if (warnings) warnings->insert(warnings->end(), density.warnings.begin(), density.warnings.end());
    problem.final_density = std::move(density.rho);
  }
  if (finest && !initial) {
    check_obstacle(problem.initial, "initial", 0);
    if (both_ends_) check_obstacle(*problem.final_density, "final", horizon_);
  }
  TransportTerms terms = read_terms();
  const Splitting splitting = scheme_ == "upwind" ? terms.hamiltonian.kinetic->splitting() : Splitting::LaxFriedrichs;
  problem.cost = std::make_shared<TransportCost>(std::move(terms), on.grid.dim(), splitting);
  if (both_ends_ && !problem.cost->has_reaction()) check_masses(problem.initial, *problem.final_density, finest);
  if (kind_ == MeanFieldKind::Game && root_.has("interaction")) {
    const Parameters p = root_.table("interaction", "cost 1/2 int <rho, W * rho> dt of agents that feel each other at a distance");
    FokkerPlanckEquation equation;
    equation.interaction = read_function(p, "W", "kernel W as a function of the displacement, even, with a spectrum >= 0", on.grid.dim());
    if (equation.interaction->depends_on_time()) p.fail("W", "the kernel does not depend on t");
    problem.nonlocal = std::make_shared<NonlocalPotential>(equation, problem.layout);
  }
  return problem;
}

void MeanFieldInput::check_masses(const Field& initial, Field& last, bool finest) const {
  const double first = sum(initial), second = sum(last), cell = initial.layout().grid().cell_volume();
  if (finest && std::fabs(second - first) > equal_masses * first)
    root_.table("final", "")
        .fail("rho", fmt::format("the final density has the mass {:.6g}, the initial one {:.6g}: equal masses are needed (mass and "
                                 "normalise scale them), or [unbalanced] penalty, which lets mass appear and vanish",
                                 second * cell, first * cell));
  for (double& v : last.owned()) v *= first / second;
}

void MeanFieldInput::check_obstacle(const Field& rho, const std::string& table, double t) const {
  const TransportTerms terms = read_terms();
  if (!terms.obstacle) return;
  const FunctionPtr obstacle = terms.obstacle;
  Field blocked(rho.layout_ptr());
  obstacle->bind(rho.layout());
  fill(blocked, 0, *obstacle, t);
  const double negligible = 1e-6 * max_abs(rho);
  const std::string place = first_place(rho, [&](double v, std::ptrdiff_t offset) { return v > negligible && blocked.level()[offset] > 0; });
  if (!place.empty() && !root_.limited())
    root_.table(table, "").fail("rho", "the density has mass inside of the obstacle of mobility.obstacle: " + place);
}

MeanFieldSchemePtr MeanFieldInput::make_scheme(MeanFieldProblem problem) const {
  return std::make_unique<StaggeredScheme>(std::move(problem));
}

}  // namespace wasserflow
