#include "apps/run/mean_field_input.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "apps/run/initial_density.hpp"
#include "apps/run/read_grid.hpp"
#include "grids/reduce.hpp"
#include "problems/read_formula.hpp"
#include "solvers/grid_transfer.hpp"
#include "solvers/mean_field_continuation.hpp"
#include "solvers/staggered_scheme.hpp"
#include "solvers/upwind_scheme.hpp"

namespace wasserflow {
namespace {

constexpr double equal_masses = 1e-6;  // relative; below it the final density is scaled to the mass of the initial one
// Grids of continuation: the coarsest ones when they are chosen here, and at all.
constexpr int coarsest_cells = 12, coarsest_steps = 8, least_cells = 4;
constexpr int ghosts = 2;

void match_masses(const Field& initial, Field& last) {
  const double first = sum(initial), second = sum(last), cell = initial.layout().grid().cell_volume();
  if (std::fabs(second - first) > equal_masses * first)
    throw InputError(
        fmt::format("the final density has the mass {:.6g}, the initial one {:.6g}: equal masses are needed (mass and normalise scale "
                    "them), or unbalanced transport, which lets mass appear and vanish for a penalty",
                    second * cell, first * cell));
  for (double& v : last.owned()) v *= first / second;
}

}  // namespace

void read_mean_field_steps(const Parameters& solver, PdhgParameters& e) {
  e.check_every = solver.integer("check_every", "iterations between residuals", e.check_every, Range::at_least(1));
  const bool fixed = solver.choice("steps", "step sizes: fixed, or balanced (the weight adapts to the residuals in the first iterations)",
                                   {"fixed", "balanced"}, e.rule == StepRule::Fixed ? "fixed" : "balanced") == "fixed";
  e.rule = fixed ? StepRule::Fixed : StepRule::Balanced;
  e.relaxation = solver.real("relaxation", "over-relaxation of both iterates", e.relaxation, Range{1, 2, false, true});
  e.step_product = solver.real("step_product", "tau * sigma * |K|^2; below 1 with relaxation > 1", e.relaxation > 1 ? 0.99 : 1.15,
                               Range{0, e.relaxation > 1 ? 1.0 : 4.0 / 3.0, true, true});
  e.weight = solver.real("weight", "first weight w of the steps tau = s / w, sigma = s w, in units of the one that the scales of the problem suggest",
                         e.weight, Range::positive());
}

int read_levels(const Parameters& solver) {
  const std::string doc =
      "grids of coarse-to-fine continuation, each with half the cells of the next: a number (1: none), or automatic: as many as there can be";
  if (solver.has("levels") && !solver.is_text("levels")) return solver.integer("levels", doc, 1, Range::between(1, 20));
  solver.choice("levels", doc, {"automatic"}, "automatic");
  return 0;
}

FunctionPtr read_interaction(const Parameters& table, int dim) {
  if (!table.has("interaction")) return nullptr;
  const Parameters p = table.table("interaction", "cost 1/2 int <rho, W * rho> dt of agents that feel each other at a distance");
  FunctionPtr kernel = read_function(p, "W", "kernel W as a function of the displacement, even, with a spectrum >= 0", dim);
  if (kernel->depends_on_time()) p.fail("W", "the kernel does not depend on t");
  return kernel;
}

std::shared_ptr<NonlocalPotential> make_interaction(const FunctionPtr& kernel, const LayoutPtr& layout) {
  if (!kernel) return nullptr;
  FokkerPlanckEquation equation;
  equation.interaction = kernel;
  return std::make_shared<NonlocalPotential>(equation, layout);
}

std::vector<SpaceTimeGrid> plan_levels(const LayoutPtr& finest, int steps, int wanted) {
  std::vector<SpaceTimeGrid> levels{{finest, steps}};
  const int most = wanted > 0 ? wanted : 20;
  while (static_cast<int>(levels.size()) < most) {
    const LayoutPtr layout = coarser(*levels.back().layout, wanted > 0 ? least_cells : coarsest_cells);
    if (!layout) break;
    const int n = levels.back().steps;
    levels.push_back({layout, n % 2 == 0 && n >= 2 * coarsest_steps ? n / 2 : n});
  }
  std::reverse(levels.begin(), levels.end());
  return levels;
}

void refuse_mass_in_obstacle(const FunctionPtr& obstacle, const Field& rho, double t, const Parameters& place, const std::string& key) {
  if (!obstacle) return;
  Field blocked(rho.layout_ptr());
  obstacle->bind(blocked.layout());
  fill(blocked, 0, *obstacle, t);
  const double negligible = 1e-6 * max_abs(rho);
  const std::string where = first_place(rho, [&](double v, std::ptrdiff_t offset) { return v > negligible && blocked.level()[offset] > 0; });
  if (!where.empty()) place.fail(key, "the density has mass inside of the obstacle of mobility.obstacle: " + where);
}

MeanFieldInput::MeanFieldInput(const Parameters& root, MPI_Comm comm, MeanFieldKind kind) : root_(root), kind_(kind) {
  const Grid grid = read_closed_grid(root);
  const int dim = grid.dim();
  int steps = 1;
  if (root.has("jko")) {
    const Parameters p =
        root.table("jko", "a sequence of minimising movements of an energy E: rho_{k+1} minimises W_2^2(rho, rho_k) / (2 tau) + E(rho)");
    horizon_ = p.real("tau", "time of one step", {}, Range::positive());
    jko_steps_ = p.integer("steps", "number of steps", 1, Range::at_least(1));
    steps = p.integer("levels", "intervals of the inner time of a step", 4, Range::at_least(1));
    if (!p.has("energy")) p.fail("energy", "an energy is needed, like those of [terminal]: jko.energy = { type = ... }");
  } else {
    const Parameters time = root.table("time", "horizon and its intervals");
    stationary_ =
        kind == MeanFieldKind::Game && time.flag("stationary", "a game without time: its density, value function and ergodic constant", false);
    if (stationary_)
      horizon_ =
          1 / time.real("discount", "stationary games: rate e of the discount, which changes the answer by O(e)", 1e-6, Range{0, 1, true, false});
    else
      horizon_ = time.real("final", "horizon T", 1.0, Range::positive());
    if (!stationary_) steps = time.integer("steps", "intervals of length final / steps", {}, Range::at_least(1));
  }
  const std::string doc = "viscosity nu of rho_t - nu Lap rho + div m = 0: noise sqrt(2 nu) dW of every agent";
  if (kind == MeanFieldKind::Bridge)
    viscosity_ = root.real("diffusion", doc, {}, Range::positive());
  else if (kind == MeanFieldKind::Game)
    viscosity_ = root.real("diffusion", doc, 0.0, Range::nonnegative());
  read_solver(root.table("solver", "scheme and its settings"), dim);
  check_ends();
  terms_ = [root, dim, jko = jko_steps_ > 0] {
    TransportTerms terms = read_transport_terms(root, dim);
    if (jko) terms.terminal = read_coupling(root.table("jko", ""), "energy", "energy E: types as for [terminal]", dim);
    return terms;
  };
  unbalanced_ = scheme_ != "fixed_point" && terms_().reaction > 0;
  interaction_ = read_interaction(root, dim);
  const LayoutPtr layout = make_layout(comm, grid, ghosts);
  InitialDensity initial = read_initial_density(root, layout);
  warnings_ = std::move(initial.warnings);
  std::optional<Field> last;
  if (root.has("final")) {
    InitialDensity density = read_density_table(root, "final", "the density at the final time", layout);
    warnings_.insert(warnings_.end(), density.warnings.begin(), density.warnings.end());
    last = std::move(density.rho);
    try {
      if (!unbalanced_) match_masses(initial.rho, *last);
    } catch (const InputError& e) {
      root.table("final", "").fail("rho", e.what());
    }
  }
  restrict_densities(root.table("solver", ""), steps, std::move(initial.rho), std::move(last));
  if (root.limited() || scheme_ == "fixed_point") return;
  check_obstacle(initials_.back(), "initial", 0);
  if (both_ends()) check_obstacle(finals_.back(), "final", horizon_);
}

void MeanFieldInput::check_ends() const {
  if (kind_ != MeanFieldKind::Game) {
    if (scheme_ == "fixed_point") root_.table("solver", "").fail("scheme", "transport takes staggered or upwind");
    if (!root_.has("final")) root_.fail("final", "transport needs both densities: [initial] and [final]");
    for (const char* table : {"terminal", "coupling", "interaction", "jko"})
      if (root_.has(table)) root_.fail(table, fmt::format("transport has no cost but that of moving: [{}] belongs to wf-mean-field", table));
    if (kind_ == MeanFieldKind::Unbalanced && !root_.has("unbalanced"))
      root_.fail("unbalanced", "unbalanced transport needs [unbalanced] penalty: the cost of mass that is made or lost");
  } else if (scheme_ == "fixed_point") {
    for (const char* table : {"final", "terminal", "coupling", "mobility", "unbalanced", "jko"})
      if (root_.has(table)) root_.fail(table, "solver.scheme = \"fixed_point\" takes f, g and the cost of crowds from [game]");
  } else if (stationary_) {
    for (const char* table : {"final", "terminal", "jko", "trajectories"})
      if (root_.has(table)) root_.fail(table, fmt::format("a stationary game has no time: [{}] has no meaning there", table));
    if (scheme_ != "staggered") root_.table("solver", "").fail("scheme", "stationary games take the staggered scheme");
  } else if (root_.has("jko")) {
    for (const char* table : {"time", "terminal", "final"})
      if (root_.has(table)) root_.fail(table, fmt::format("[jko] says it all: tau, steps, levels, and its energy stands in place of [{}]", table));
  } else if (root_.has("final") && root_.has("terminal")) {
    root_.fail("terminal", "two ends: [final] gives the density at the final time, [terminal] its cost where it is free; one of them is needed");
  } else if (!root_.has("final") && !root_.has("terminal")) {
    root_.fail("terminal", "a free end needs [terminal] (its cost; potential V = 0 for none), a given one [final]");
  }
}

void MeanFieldInput::read_solver(const Parameters& solver, int dim) {
  const std::vector<double> none(static_cast<std::size_t>(dim), 0.0);
  scheme_ = solver.choice("scheme",
                          "staggered: second order, divergence-free iterates; upwind: first order, monotone, rho >= 0 in every iterate, certified "
                          "lower bound; fixed_point: games without a potential, see [game]",
                          {"staggered", "upwind", "fixed_point"}, "staggered");
  if (scheme_ == "staggered" && stationary_)
    theta_ = 1;
  else if (scheme_ == "staggered")
    theta_ = solver.real("theta", "weight of the viscous term at the newer time: 1/2 second order, 1 more damped", 0.5, Range::between(0.5, 1));
  else
    dissipation_ = solver.reals("dissipation", "Hamiltonians in Lax-Friedrichs form: numerical speeds alpha an axis, at least max|dH/dp|", dim, none,
                                Range::nonnegative());
  if (scheme_ == "fixed_point") return;
  if (scheme_ == "upwind")
    by_gap_ = solver.choice("stop",
                            "what has to fall below the tolerance: residuals, or the relative gap of the certified bounds of the discrete minimum "
                            "(costs without a mobility)",
                            {"residuals", "gap"}, "residuals") == "gap";
  PdhgParameters& e = engine_;
  e = mean_field_pdhg();
  e.tolerance = solver.real("tolerance", "of the residuals, which have no units", e.tolerance, Range{0, 1, true, true});
  e.max_iterations = solver.integer("max_iterations", "iterations on each grid", e.max_iterations, Range::at_least(1));
  e.min_iterations = solver.integer("min_iterations",
                                    "iterations on each grid before the residuals may end it: those of a warm start are small whatever it is worth",
                                    20, Range::nonnegative());
  e.min_iterations = std::min(e.min_iterations, e.max_iterations);
  read_mean_field_steps(solver, e);
  wanted_levels_ = read_levels(solver);
}

void MeanFieldInput::restrict_densities(const Parameters& solver, int steps, Field initial, std::optional<Field> last) {
  // Coarse answers of a sequence of steps would lack the densities between.
  if (jko_steps_ > 0 && scheme_ == "fixed_point") solver.fail("scheme", "minimising movements take staggered or upwind");
  if (jko_steps_ > 0 && wanted_levels_ > 1) solver.fail("levels", "the steps of [jko] start from each other, on one grid");
  levels_ = plan_levels(initial.layout_ptr(), steps, jko_steps_ > 0 || scheme_ == "fixed_point" ? 1 : wanted_levels_);
  for (const Axis& a : levels_.front().layout->grid().axes())
    if (jko_steps_ == 0 && scheme_ != "fixed_point" && wanted_levels_ == 0 && a.cells % 2 != 0 && a.cells >= 4 * coarsest_cells)
      warnings_.push_back(fmt::format(
          "grid.cells: coarse-to-fine starts end at an axis of {} cells, which is odd; numbers with several factors of 2 take fewer iterations",
          a.cells));
  if (wanted_levels_ > static_cast<int>(levels_.size()) && !solver.limited())
    solver.fail("levels",
                fmt::format("there are {} grids at most: each has half the cells of the next, at least {} an axis, and planes for every rank",
                            levels_.size(), least_cells));
  initials_.push_back(std::move(initial));
  if (last) finals_.push_back(std::move(*last));
  for (std::vector<Field>* densities : {&initials_, &finals_}) {
    if (densities->empty()) continue;
    for (std::size_t k = levels_.size() - 1; k-- > 0;) {
      Field coarse(levels_[k].layout);
      restrict_cells(densities->back(), 0, coarse, 0);
      densities->push_back(std::move(coarse));
    }
    std::reverse(densities->begin(), densities->end());
  }
  for (std::size_t k = 0; k < finals_.size() && !unbalanced_; ++k) match_masses(initials_[k], finals_[k]);
}

void MeanFieldInput::check_obstacle(const Field& rho, const std::string& table, double t) const {
  refuse_mass_in_obstacle(terms_().obstacle, rho, t, root_.table(table, ""), "rho");
}

MeanFieldSchemePtr MeanFieldInput::make_scheme(int level, const Field* initial) const {
  const auto k = static_cast<std::size_t>(level);
  MeanFieldProblem problem;
  problem.layout = levels_[k].layout;
  problem.steps = levels_[k].steps;
  problem.horizon = horizon_;
  problem.stationary = stationary_;
  problem.viscosity = viscosity_;
  problem.theta = scheme_ == "upwind" ? 1 : theta_;
  problem.initial = (initial ? *initial : initials_[k]).clone();
  if (both_ends()) problem.final_density = finals_[k].clone();
  if (level + 1 < static_cast<int>(levels_.size())) {
    // Walls that a coarse grid does not hold: see MeanFieldSolver.
    check_obstacle(problem.initial, "initial", 0);
    if (both_ends()) check_obstacle(*problem.final_density, "final", horizon_);
  }
  TransportTerms terms = terms_();
  const Splitting splitting = scheme_ == "upwind" ? terms.hamiltonian.kinetic->splitting() : Splitting::LaxFriedrichs;
  problem.cost = std::make_shared<TransportCost>(std::move(terms), dim(), splitting);
  problem.nonlocal = make_interaction(interaction_, problem.layout);
  if (scheme_ == "upwind") {
    UpwindOptions options;
    std::copy(dissipation_.begin(), dissipation_.end(), options.alpha.begin());
    if (by_gap_ && !problem.cost->separable())
      root_.table("solver", "").fail("stop", "costs with a mobility have no certified lower bound: only residuals can end their solves");
    auto scheme = std::make_unique<UpwindScheme>(std::move(problem), options);
    if (by_gap_) scheme->stop_by_gap();
    return scheme;
  }
  return std::make_unique<StaggeredScheme>(std::move(problem));
}

MeanFieldGame MeanFieldInput::make_game() const {
  const Parameters p = root_.table("game", "a game without a potential: what an agent pays is no derivative of a common cost");
  std::vector<std::string> variables{"rho", "t"};
  for (int d = 0; d < dim(); ++d) variables.emplace_back(1, "xyz"[d]);
  const NamedConstants constants = read_constants(p);
  const auto law = [&](const char* key, const std::string& doc) -> DensityLaw {
    if (!p.has(key)) return nullptr;
    return density_law(read_formula(p, key, doc, variables, constants));
  };
  MeanFieldGame game;
  game.layout = finest().layout;
  game.steps = finest().steps;
  game.horizon = horizon_;
  game.viscosity = viscosity_;
  game.hamiltonian = read_hamiltonian(root_.table("hamiltonian", "Hamiltonian H(x, t, p): its conjugate is the cost of moving"), dim());
  game.running = law("f", "running cost f(x, t, rho) of an agent, a formula in the coordinates, t and rho; increasing in rho for a unique answer");
  game.terminal = law("g", "cost g(x, rho) at the final time");
  game.congestion = law("congestion", "factor s(x, t, rho) > 0 of H: smaller where crowds make moving costly, e.g. (1 + rho)^-0.5");
  game.nonlocal = make_interaction(interaction_, game.layout);
  game.initial = initials_.back().clone();
  std::copy(dissipation_.begin(), dissipation_.end(), game.alpha.begin());
  return game;
}

}  // namespace wasserflow
