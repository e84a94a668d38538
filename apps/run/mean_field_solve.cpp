#include "apps/run/mean_field_solve.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <ranges>

#include "grids/reduce.hpp"

namespace wasserflow {
namespace {

constexpr int checks_a_row = 5;

std::vector<double> pack(const MeanFieldEffort& e) {
  std::vector<double> all{static_cast<double>(e.steps), static_cast<double>(e.iterations), static_cast<double>(e.operator_passes), e.seconds,
                          e.converged ? 1.0 : 0.0};
  for (int n : e.cells) all.push_back(n);
  return all;
}

MeanFieldEffort unpack(const std::vector<double>& v) {
  MeanFieldEffort e{{}, static_cast<int>(v[0]), static_cast<int>(v[1]), static_cast<long>(v[2]), v[3], v[4] != 0};
  for (std::size_t i = 5; i < v.size(); ++i) e.cells.push_back(static_cast<int>(v[i]));
  return e;
}

}  // namespace

MeanFieldSolver::MeanFieldSolver(const MeanFieldInput& input) : input_(input) {
  finest_ = input.make_scheme(static_cast<int>(input.levels().size()) - 1);
  rho_ = finest_->problem().initial.clone();
}

bool MeanFieldSolver::all_converged() const {
  // Of coarse grids only the start is wanted.
  if (input_.jko_steps() == 0) return !efforts_.empty() && efforts_.back().converged;
  return std::all_of(efforts_.begin(), efforts_.end(), [](const MeanFieldEffort& e) { return e.converged; });
}

long MeanFieldSolver::iterations() const {
  long n = 0;
  for (const MeanFieldEffort& e : efforts_) n += e.iterations;
  return n;
}

long MeanFieldSolver::operator_passes() const {
  long n = 0;
  for (const MeanFieldEffort& e : efforts_) n += e.operator_passes;
  return n;
}

void MeanFieldSolver::checkpoint(Run& run, const PdhgPosition& position) {
  const auto timer = run.timers().scope("checkpoint");
  std::vector<NamedField> fields = all_levels(scheme_->state_fields(), "iterate.");
  if (input_.jko_steps() > 0) fields.push_back({"start", &rho_, 0});
  CheckpointData data;
  // The number of coarse grids may depend on the number of ranks.
  data.integers = {{"coarsening", static_cast<std::int64_t>(input_.levels().size()) - 1 - level_},
                   {"movement", movement_},
                   {"iterations", position.iterations},
                   {"operator_passes", position.operator_passes},
                   {"weight_changes", position.weight_changes},
                   {"efforts", static_cast<std::int64_t>(efforts_.size())}};
  data.reals = {{"weight", position.weight}, {"first_weight", first_weight_}};
  for (std::size_t i = 0; i < efforts_.size(); ++i) data.vectors[fmt::format("effort{}", i)] = pack(efforts_[i]);
  data.texts = {{"scheme", input_.scheme()}};
  run.save_checkpoint(fields, data);
}

bool MeanFieldSolver::restore(Run& run) {
  const std::optional<Checkpoint> c = run.restart();
  if (!c) return false;
  level_ = static_cast<int>(static_cast<std::int64_t>(input_.levels().size()) - 1 - c->integer("coarsening"));
  if (c->text("scheme") != input_.scheme() || level_ < 0)
    throw InputError(
        fmt::format("the checkpoint {} is of scheme \"{}\" on a grid {} times coarser; only the number of ranks and limits may change at a "
                    "restart",
                    c->path(), c->text("scheme"), 1 << c->integer("coarsening")));
  movement_ = static_cast<int>(c->integer("movement"));
  position_ = {static_cast<int>(c->integer("iterations")), c->real("weight"), static_cast<long>(c->integer("operator_passes")),
               static_cast<int>(c->integer("weight_changes"))};
  first_weight_ = c->real("first_weight");
  efforts_.clear();
  for (std::int64_t i = 0; i < c->integer("efforts"); ++i) efforts_.push_back(unpack(c->vector(fmt::format("effort{}", i))));
  if (input_.jko_steps() > 0) {
    c->load("start", rho_);
    next_movement(movement_);
  } else {
    scheme_ = level_ + 1 == static_cast<int>(input_.levels().size()) ? std::move(finest_) : input_.make_scheme(level_);
    scheme_->start();
  }
  c->load_levels(scheme_->state_fields(), "iterate.");
  run.log().info("restart at iteration {} on grid {} of {} from {}", position_.iterations, level_ + 1, input_.levels().size(), c->path());
  return true;
}

/// The scheme of the next minimising movement, from rho_; the dual iterate of the last one is its start.
void MeanFieldSolver::next_movement(int step) {
  MeanFieldSchemePtr before = std::move(scheme_);
  if (step == 0 && finest_) {
    scheme_ = std::move(finest_);
  } else {
    scheme_ = input_.make_scheme(0, &rho_);
  }
  scheme_->start();
  if (!before) return;
  const std::vector<Field*> from = before->dual(), to = scheme_->dual();
  for (std::size_t i = 0; i < to.size(); ++i)
    for (int k = 0; k < to[i]->levels(); ++k) to[i]->copy_level(k, *from[i], k);
}

void MeanFieldSolver::row(Run& run, const PdhgProgress& at) {
  const MeanFieldFigures figures = scheme_->figures();
  HistoryRow values{{input_.jko_steps() > 0 ? "movement" : "grid", (input_.jko_steps() > 0 ? movement_ : level_) + 1.0},
                    {"iteration", at.iteration},
                    {"operator_passes", static_cast<double>(at.operator_passes)}};
  for (const Residual& r : *at.residuals) values.emplace_back("residual_" + r.name, r.relative());
  values.insert(values.end(), {{"objective", figures.objective()},
                               {"feasible_objective", figures.feasible_objective},
                               {"lower_bound", figures.lower_bound},
                               {"value_equation", figures.value_equation},
                               {"mass_error", figures.mass_error},
                               {"weight", at.weight}});
  run.history(values);
  std::vector<IterationTable::Cell> cells{static_cast<std::int64_t>((input_.jko_steps() > 0 ? movement_ : level_) + 1),
                                          static_cast<std::int64_t>(at.iteration)};
  for (const Residual& r : *at.residuals) cells.emplace_back(r.relative());
  cells.insert(cells.end(), {figures.objective(), figures.feasible_objective, figures.value_equation, at.weight});
  if (!table_) {
    std::vector<Column> columns{{input_.jko_steps() > 0 ? "movement" : "grid", 5}, {"iter", 6}};
    for (const Residual& r : *at.residuals) columns.push_back({r.name, 10});
    columns.insert(columns.end(), {{"objective", 13, "{:.8g}"}, {"feasible", 13, "{:.8g}"}, {"value eq.", 10}, {"weight", 9, "{:.2e}"}});
    table_ = std::make_unique<IterationTable>(run.log(), columns);
  }
  table_->row(cells);
}

/// False when the run is to stop. The iterates of scheme_ are those to start from.
bool MeanFieldSolver::solve_one(Run& run, const SpaceTimeGrid& on, bool resumed) {
  const auto began = std::chrono::steady_clock::now();
  if (!resumed) {
    // The weight of the grid before has been balanced.
    first_weight_ = efforts_.empty() ? input_.engine().weight * scheme_->default_weight() : position_.weight;
    position_ = {};
  }
  PdhgParameters parameters = input_.engine();
  parameters.weight = first_weight_;
  Pdhg engine(parameters);
  bool stopped = false;
  int shown = resumed ? position_.iterations : -1;
  const auto position = [](const PdhgProgress& p) { return PdhgPosition{p.iteration, p.weight, p.operator_passes, p.weight_changes}; };
  engine.monitor = [&](const PdhgProgress& p) {
    // Nothing has been measured before the first iteration.
    if (p.iteration == 0 || p.iteration % (checks_a_row * parameters.check_every) != 0) return;
    row(run, p);
    shown = p.iteration;
  };
  engine.give_up = [&](const PdhgProgress& p) {
    stopped = run.stop_requested();
    if (stopped || (p.iteration > 0 && run.checkpoint_due())) checkpoint(run, position(p));
    return stopped;
  };
  {
    const auto timer = run.timers().scope("solve");
    last_ = engine.solve(*scheme_, resumed ? std::optional<PdhgPosition>(position_) : std::nullopt);
  }
  if (stopped) return false;
  if (last_.reason == StopReason::Diverged)
    throw DivergedError(fmt::format("the iterates are not finite after {} iterations on the grid of {} cells and {} steps", last_.iterations,
                                    fmt::join(on.layout->grid().axes() | std::views::transform(&Axis::cells), " x "), on.steps));
  const PdhgProgress end{last_.iterations, &last_.residuals, last_.weight, last_.step, last_.operator_passes, last_.weight_changes};
  if (shown != last_.iterations) row(run, end);
  position_ = position(end);
  MeanFieldEffort effort{{},
                         on.steps,
                         last_.iterations,
                         last_.operator_passes,
                         std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count(),
                         last_.reason == StopReason::Converged};
  for (const Axis& axis : on.layout->grid().axes()) effort.cells.push_back(axis.cells);
  efforts_.push_back(effort);
  return true;
}

std::optional<Status> MeanFieldSolver::solve(Run& run) {
  bool resumed = restore(run);
  const std::vector<SpaceTimeGrid>& levels = input_.levels();
  if (input_.jko_steps() > 0) {
    if (!resumed && on_step) on_step(0, rho_);
    for (; movement_ < input_.jko_steps(); ++movement_) {
      if (!resumed) next_movement(movement_);
      if (!solve_one(run, input_.finest(), resumed)) return Status::TimeLimit;
      resumed = false;
      Field nodes(rho_.layout_ptr(), input_.finest().steps + 1);
      scheme_->density(nodes);
      rho_.copy_level(0, nodes, input_.finest().steps);
      if (on_step) on_step(movement_ + 1, rho_);
    }
    return {};
  }
  for (; level_ < static_cast<int>(levels.size()); ++level_) {
    const SpaceTimeGrid& on = levels[static_cast<std::size_t>(level_)];
    if (!resumed) {
      MeanFieldSchemePtr next;
      if (level_ + 1 == static_cast<int>(levels.size())) {
        next = std::move(finest_);
      } else {
        try {
          next = input_.make_scheme(level_);
        } catch (const InputError& e) {
          // Data that are given on the finest grid only, walls that a coarse grid cannot hold.
          run.log().info("no start from a coarser grid: {}", e.what());
          scheme_.reset();
          continue;
        }
      }
      if (scheme_)
        next->start_from(*scheme_);
      else
        next->start();
      scheme_ = std::move(next);
    }
    if (!solve_one(run, on, resumed)) return Status::TimeLimit;
    resumed = false;
  }
  // A restart with a smaller tolerance or more iterations goes on from here.
  --level_;
  const MeanFieldEffort whole = efforts_.back();
  efforts_.pop_back();
  checkpoint(run, position_);
  efforts_.push_back(whole);
  return {};
}

}  // namespace wasserflow
