#include "apps/run/populations_run.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "apps/run/density_monitor.hpp"
#include "apps/run/initial_density.hpp"
#include "grids/reduce.hpp"

namespace wasserflow {

PopulationsRun::PopulationsRun(const Parameters& root, MPI_Comm comm) : input_(root, comm) {
  const SpaceTimeGrid& grid = input_.finest();
  saves_ = MeanFieldSaves(root.table("output", "what is saved, and how often"), grid.steps, input_.horizon(), false);
  trajectories_ = read_trajectory_plan(root, grid.layout->grid());
  std::vector<ExpectedFigures::Known> known;
  for (const char* name : {"objective", "feasible_objective", "kinetic", "running", "interaction", "terminal", "mass", "final_mass", "least_density"})
    known.push_back({"quantities", name});
  for (const std::string& population : input_.names()) {
    for (const char* name : {"mass", "final_mass", "largest_mass"}) known.push_back({"quantities", std::string(name) + "_" + population});
    for (const char* what : {"mean", "variance"})
      for (const std::string& name : axis_names(what, grid.layout->dim())) known.push_back({"quantities", name + "_" + population});
  }
  expected_.read(root.table("reference", "figures to expect"), known);
  finest_ = std::make_unique<Populations>(input_.problem(static_cast<int>(input_.levels().size()) - 1), input_.parameters());
}

void PopulationsRun::checkpoint(Run& run) {
  const auto timer = run.timers().scope("checkpoint");
  const PopulationPosition& at = solver_->position();
  std::vector<NamedField> fields = all_levels(solver_->state_fields());
  CheckpointData data;
  // The number of coarse grids may depend on the number of ranks.
  data.integers = {{"coarsening", static_cast<std::int64_t>(input_.levels().size()) - 1 - level_},
                   {"sweeps", at.sweeps},
                   {"population", at.population},
                   {"iterations", at.inner.iterations},
                   {"operator_passes", at.inner.operator_passes},
                   {"weight_changes", at.inner.weight_changes},
                   {"inner_iterations", at.inner_iterations},
                   {"inner_passes", at.operator_passes},
                   {"solved", at.solved ? 1 : 0},
                   {"efforts", static_cast<std::int64_t>(efforts_.size())}};
  data.reals = {{"weight", at.inner.weight}, {"residual", at.residual}, {"damping", at.damping}};
  data.vectors = {{"weights", at.weights}, {"steps", at.steps}, {"mixing", at.mixing}};
  for (std::size_t i = 0; i < efforts_.size(); ++i) {
    const Effort& e = efforts_[i];
    data.vectors[fmt::format("effort{}", i)] = {static_cast<double>(e.sweeps), static_cast<double>(e.inner_iterations),
                                                static_cast<double>(e.operator_passes), e.converged ? 1.0 : 0.0};
  }
  run.save_checkpoint(fields, data);
}

bool PopulationsRun::restore(Run& run) {
  const std::optional<Checkpoint> c = run.restart();
  if (!c) return false;
  level_ = static_cast<int>(static_cast<std::int64_t>(input_.levels().size()) - 1 - c->integer("coarsening"));
  if (level_ < 0)
    throw InputError(fmt::format("the checkpoint {} is of a grid {} times coarser; only the number of ranks and limits may change at a restart",
                                 c->path(), 1 << c->integer("coarsening")));
  efforts_.clear();
  for (std::int64_t i = 0; i < c->integer("efforts"); ++i) {
    const std::vector<double> e = c->vector(fmt::format("effort{}", i));
    efforts_.push_back({static_cast<int>(e.at(0)), static_cast<long>(e.at(1)), static_cast<long>(e.at(2)), e.at(3) != 0});
  }
  PopulationPosition at;
  at.sweeps = static_cast<int>(c->integer("sweeps"));
  at.population = static_cast<int>(c->integer("population"));
  at.inner = {static_cast<int>(c->integer("iterations")), c->real("weight"), static_cast<long>(c->integer("operator_passes")),
              static_cast<int>(c->integer("weight_changes"))};
  at.inner_iterations = static_cast<long>(c->integer("inner_iterations"));
  at.operator_passes = static_cast<long>(c->integer("inner_passes"));
  at.residual = c->real("residual");
  at.damping = c->real("damping");
  at.solved = c->integer("solved") != 0;
  at.weights = c->vector("weights");
  at.steps = c->vector("steps");
  at.mixing = c->vector("mixing");
  solver_ = level_ + 1 == static_cast<int>(input_.levels().size()) ? std::move(finest_)
                                                                   : std::make_unique<Populations>(input_.problem(level_), input_.parameters());
  solver_->restore(std::move(at));
  c->load_levels(solver_->state_fields());
  run.log().info("restart at sweep {} on grid {} of {} from {}", c->integer("sweeps"), level_ + 1, input_.levels().size(), c->path());
  return true;
}

void PopulationsRun::row(Run& run, const PopulationPosition& at) {
  const double cell = solver_->scheme(0).problem().layout->grid().cell_volume();
  HistoryRow values{{"grid", level_ + 1.0},
                    {"iteration", at.sweeps},
                    {"inner_iterations", static_cast<double>(at.inner_iterations)},
                    {"residual_sweep", at.residual},
                    {"damping", at.damping}};
  std::vector<IterationTable::Cell> cells{static_cast<std::int64_t>(level_ + 1), static_cast<std::int64_t>(at.sweeps),
                                          static_cast<std::int64_t>(at.inner_iterations), at.residual, at.damping};
  std::vector<Column> columns{{"grid", 5}, {"sweep", 6}, {"inner", 8}, {"move", 10}, {"damping", 9, "{:.3f}"}};
  for (int k = 0; k < solver_->count(); ++k) {
    const std::string& name = solver_->names()[static_cast<std::size_t>(k)];
    const StaggeredState& x = solver_->scheme(k).x();
    const double mass = sum(x.rho, x.rho.levels() - 1) * cell;
    values.emplace_back("final_mass_" + name, mass);
    cells.emplace_back(mass);
    columns.push_back({name + "(T)", 13, "{:.8g}"});
  }
  run.history(values);
  if (!table_) table_ = std::make_unique<IterationTable>(run.log(), columns);
  table_->row(cells);
}

Status PopulationsRun::run(Run& run) {
  for (const std::string& w : input_.warnings()) run.log().warn("{}", w);
  bool resumed = restore(run);
  PopulationReport found;
  const int levels = static_cast<int>(input_.levels().size());
  for (; level_ < levels; ++level_) {
    if (!resumed) {
      std::unique_ptr<Populations> next = std::move(finest_);
      if (level_ + 1 < levels) {
        finest_ = std::move(next);
        try {
          next = std::make_unique<Populations>(input_.problem(level_), input_.parameters());
        } catch (const InputError& e) {  // walls that a coarse grid cannot hold
          run.log().info("no start from a coarser grid: {}", e.what());
          solver_.reset();
          continue;
        }
      }
      if (solver_) next->start_from(*solver_);
      solver_ = std::move(next);
    }
    resumed = false;
    solver_->monitor = [&](const PopulationPosition& at) { row(run, at); };
    solver_->stop = [&] {
      const bool stopped = run.stop_requested();
      if (stopped || run.checkpoint_due()) checkpoint(run);
      return stopped;
    };
    {
      const auto timer = run.timers().scope("solve");
      found = solver_->solve();
    }
    if (found.stopped) {
      report(run, found);
      return Status::TimeLimit;
    }
    if (found.reason == StopReason::Diverged)
      throw DivergedError(
          fmt::format("the densities run away in sweep {} on grid {} of {}: the reaction is too strong over the horizon for sweeps over "
                      "the populations; a smaller solver.damping, dearer motion, a cost of crowds or a shorter horizon may help",
                      found.iterations, level_ + 1, levels));
    if (level_ + 1 < levels)
      efforts_.push_back({found.iterations, found.inner_iterations, solver_->position().operator_passes, found.reason == StopReason::Converged});
  }
  --level_;
  checkpoint(run);  // a restart with a smaller tolerance or more sweeps goes on from here
  report(run, found);
  report_answers(run);
  return found.reason == StopReason::Converged ? Status::Converged : Status::IterationLimit;
}

void PopulationsRun::report(Run& run, const PopulationReport& found) {
  nlohmann::ordered_json& r = run.report();
  std::vector<Effort> efforts = efforts_;
  efforts.push_back({found.iterations, found.inner_iterations, solver_->position().operator_passes, found.reason == StopReason::Converged});
  long sweeps = 0, passes = 0;
  auto levels = nlohmann::ordered_json::array();
  for (const Effort& e : efforts) {
    sweeps += e.sweeps;
    passes += e.operator_passes;
    levels.push_back({{"sweeps", e.sweeps}, {"inner_iterations", e.inner_iterations}, {"converged", e.converged}});
  }
  r["iterations"] = sweeps;
  r["operator_passes"] = passes;
  r["scheme"] = "staggered";
  r["levels"] = levels;
  r["residuals"] = {{"sweep", {{"absolute", found.residual}, {"relative", found.residual}}}};
}

void PopulationsRun::report_answers(Run& run) {
  const SpaceTimeGrid& grid = input_.finest();
  const double cell = grid.layout->grid().cell_volume();
  nlohmann::ordered_json& r = run.report();
  nlohmann::ordered_json q, masses, paths;
  q["points"] = static_cast<double>(grid.layout->grid().size()) * grid.steps;
  std::vector<MeanFieldAnswer> answers;
  std::vector<NamedAnswer> named;
  MeanFieldFigures all;
  std::vector<double> total(static_cast<std::size_t>(grid.steps) + 1);
  std::int64_t bytes = 0;
  for (int k = 0; k < solver_->count(); ++k) {
    const MeanFieldFigures f = solver_->scheme(k).figures();
    all.kinetic += f.kinetic;
    all.running += f.running;
    all.interaction += f.interaction;
    all.terminal += f.terminal;
    all.feasible_objective += f.feasible_objective;
    all.least_density = std::min(all.least_density, f.least_density);
    all.continuity = std::max(all.continuity, f.continuity);
    all.value_equation = std::max(all.value_equation, f.value_equation);
    bytes +=
        static_cast<std::int64_t>(solver_->scheme(k).bytes()) + 4 * static_cast<std::int64_t>(sizeof(double)) * grid.steps * grid.layout->owned();
    answers.push_back(answer(solver_->scheme(k)));
  }
  MPI_Allreduce(MPI_IN_PLACE, &bytes, 1, MPI_INT64_T, MPI_SUM, run.comm());
  q["objective"] = all.objective();
  q["kinetic"] = all.kinetic;
  q["running"] = all.running;
  q["interaction"] = all.interaction;
  q["terminal"] = all.terminal;
  q["feasible_objective"] = all.feasible_objective;
  q["least_density"] = all.least_density;
  q["continuity"] = all.continuity;
  q["value_equation"] = all.value_equation;
  q["bytes_per_point"] = static_cast<double>(bytes) / q["points"].get<double>();
  masses["times"] = answers.front().nodes;
  for (std::size_t k = 0; k < answers.size(); ++k) {
    const std::string& name = input_.names()[k];
    const MeanFieldAnswer& a = answers[k];
    named.push_back({name, &a});
    std::vector<double> mass;
    for (int n = 0; n < a.rho.levels(); ++n) {
      mass.push_back(sum(a.rho, n) * cell);
      total[static_cast<std::size_t>(n)] += mass.back();
    }
    masses[name] = mass;
    q["mass_" + name] = mass.front();
    q["final_mass_" + name] = mass.back();
    q["largest_mass_" + name] = *std::max_element(mass.begin(), mass.end());
    Field last(grid.layout);
    last.copy_level(0, a.rho, a.rho.levels() - 1);
    const DensityMoments moments = density_moments(last);
    for (std::size_t d = 0; d < moments.mean.size(); ++d) {
      q[axis_names("mean", grid.layout->dim())[d] + "_" + name] = moments.mean[d];
      q[axis_names("variance", grid.layout->dim())[d] + "_" + name] = moments.variance[d];
    }
    if (trajectories_) paths[name] = trace_paths(run, a, *trajectories_, "trajectories_" + name);
  }
  q["mass"] = total.front();
  q["final_mass"] = total.back();
  saves_.save(run, named);
  r["quantities"] = q;
  r["masses"] = masses;
  if (!paths.is_null()) r["paths"] = paths;
  r["expected"] = expected_.report();
  std::string ends;
  for (const std::string& name : input_.names()) ends += fmt::format(", {}(T) {:.6g}", name, q["final_mass_" + name].get<double>());
  run.log().info("objective {:.8g} (feasible iterate {:.8g}){}", all.objective(), all.feasible_objective, ends);
}

}  // namespace wasserflow
