#include "apps/run/populations_input.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "apps/run/read_grid.hpp"
#include "grids/reduce.hpp"
#include "problems/density.hpp"
#include "solvers/grid_transfer.hpp"

namespace wasserflow {
namespace {
constexpr int ghosts = 2;
const char* const population_doc = "a population under the name of its species: how it starts, what moving and being somewhere costs it";
}  // namespace

bool PopulationsInput::asked_for(const Parameters& root) { return root.has("population"); }

void PopulationsInput::refuse_other_tables(const Parameters& root) const {
  for (const char* key : {"initial", "hamiltonian", "coupling", "terminal", "mobility", "interaction", "diffusion"})
    if (root.has(key)) root.fail(key, fmt::format("with several populations every one has its own: population.{}.{}", names_.front(), key));
  for (const char* key : {"final", "unbalanced", "jko", "game"})
    if (root.has(key))
      root.fail(key, fmt::format("several populations have no [{}]: their ends are free, and mass comes and goes by [reaction]", key));
}

PopulationsInput::PopulationsInput(const Parameters& root, MPI_Comm comm) {
  const Grid grid = read_closed_grid(root);
  if (!root.has("reaction"))
    root.fail("population", "several populations need [reaction]: species (their names) and rates at which they turn into each other");
  reaction_ = read_reaction(root.table("reaction", "rates at which populations turn into each other; its species are the populations"), grid.dim());
  names_ = reaction_->species();
  refuse_other_tables(root);
  const Parameters time = root.table("time", "horizon and its intervals");
  if (time.has("stationary")) time.fail("stationary", "several populations have a time axis");
  horizon_ = time.real("final", "horizon T", 1.0, Range::positive());
  const int steps = time.integer("steps", "intervals of length final / steps", {}, Range::at_least(1));
  read_solver(root.table("solver", "scheme and its settings"));

  const LayoutPtr layout = make_layout(comm, grid, ghosts);
  levels_ = plan_levels(layout, steps, wanted_levels_);
  if (wanted_levels_ > static_cast<int>(levels_.size()) && !root.limited())
    root.table("solver", "")
        .fail("levels", fmt::format("there are {} grids at most: each has half the cells of the next, and planes for every rank", levels_.size()));
  const Parameters all = root.table("population", population_doc);
  for (const std::string& name : all.keys())
    if (std::find(names_.begin(), names_.end(), name) == names_.end()) {
      const std::string hint = nearest(name, names_);
      all.fail(name, fmt::format("there is no species '{}'{} (reaction.species: {})", name, hint.empty() ? "" : "; did you mean '" + hint + "'?",
                                 fmt::join(names_, ", ")));
    }
  double total = 0;
  for (const std::string& name : names_) {
    if (!all.has(name)) all.fail(name, fmt::format("the species '{}' of [reaction] needs a table [population.{}]", name, name));
    read_population(all.table(name, population_doc));
    total += sum(populations_.back().initials.back());
  }
  if (!(total > 0)) root.fail("population", "all populations are 0 everywhere at first");
}

void PopulationsInput::read_solver(const Parameters& solver) {
  if (solver.choice("scheme", "of several populations: staggered, second order, with divergence-free iterates",
                    {"staggered", "upwind", "fixed_point"}, "staggered") != "staggered")
    solver.fail("scheme", "several populations take the staggered scheme");
  theta_ = solver.real("theta", "weight of the viscous term at the newer time: 1/2 second order, 1 more damped", 0.5, Range::between(0.5, 1));
  PopulationParameters& p = parameters_;
  p.tolerance = solver.real("tolerance", "of what a sweep over all populations moves, relative, in densities and value functions", 1e-4,
                            Range{0, 1, true, true});
  p.max_iterations = solver.integer("max_iterations", "sweeps on each grid", p.max_iterations, Range::at_least(1));
  p.damping = solver.real("damping",
                          "part of the way to the new densities and values at which the next sweep linearises the reaction; halved where sweeps move "
                          "more and more, down to 0.2",
                          p.damping, Range{0, 1, true, false});
  p.memory = solver.integer("memory", "sweeps that Anderson's acceleration keeps; 0: none", p.memory, Range::between(0, 20));
  p.inner.tolerance = 0.2 * p.tolerance;
  p.inner.max_iterations =
      solver.integer("inner_iterations", "most iterations for one population in a sweep", p.inner.max_iterations, Range::at_least(1));
  p.inner.min_iterations = std::min(p.inner.min_iterations, p.inner.max_iterations);
  read_mean_field_steps(solver, p.inner);
  wanted_levels_ = read_levels(solver);
}

void PopulationsInput::read_population(const Parameters& table) {
  const int dim = finest().layout->dim();
  Population p;
  p.table = table;
  p.viscosity =
      table.real("diffusion", "viscosity nu of rho_t - nu Lap rho + div m = rate: noise sqrt(2 nu) dW of everybody", 0.0, Range::nonnegative());
  const std::string doc = "its density at time 0";
  const Parameters initial = table.table("initial", doc);
  const Density density = read_population_density(initial, "rho", doc, dim);
  Field rho(finest().layout);
  fill_density(rho, 0, density, warnings_);
  for (const char* key : {"final", "unbalanced"})
    if (table.has(key))
      table.fail(key, fmt::format("several populations have no {}: their ends are free, and mass comes and goes by [reaction]", key));
  const TransportTerms terms = read_transport_terms(table, dim);
  p.interaction = read_interaction(table, dim);
  if (!table.limited()) refuse_mass_in_obstacle(terms.obstacle, rho, 0, initial, "rho");
  p.initials.push_back(std::move(rho));
  for (std::size_t k = levels_.size() - 1; k-- > 0;) {
    Field coarse(levels_[k].layout);
    restrict_cells(p.initials.back(), 0, coarse, 0);
    p.initials.push_back(std::move(coarse));
  }
  std::reverse(p.initials.begin(), p.initials.end());
  populations_.push_back(std::move(p));
}

PopulationProblem PopulationsInput::problem(int level) const {
  const auto k = static_cast<std::size_t>(level);
  PopulationProblem all;
  all.reaction = reaction_;
  for (const Population& from : populations_) {
    MeanFieldProblem p;
    p.layout = levels_[k].layout;
    p.steps = levels_[k].steps;
    p.horizon = horizon_;
    p.viscosity = from.viscosity;
    p.theta = theta_;
    p.initial = from.initials[k].clone();
    TransportTerms terms = read_transport_terms(from.table, p.layout->dim());
    if (k + 1 < levels_.size()) refuse_mass_in_obstacle(terms.obstacle, p.initial, 0, from.table.table("initial", ""), "rho");
    p.cost = std::make_shared<TransportCost>(std::move(terms), p.layout->dim(), Splitting::LaxFriedrichs);
    p.nonlocal = make_interaction(from.interaction, p.layout);
    all.populations.push_back(std::move(p));
  }
  return all;
}

}  // namespace wasserflow
