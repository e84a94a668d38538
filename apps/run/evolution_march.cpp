#include "apps/run/evolution_march.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

namespace wasserflow {

EvolutionMarch::EvolutionMarch(std::unique_ptr<TimeStepper> stepper, std::string method, SavePlan plan, std::vector<FunctionPtr> references)
    : stepper_(std::move(stepper)), method_(std::move(method)), plan_(std::move(plan)), references_(std::move(references)) {}

void EvolutionMarch::save(Run& run, MarchObserver& observer) {
  const std::vector<NamedField> out = observer.fields(*stepper_);
  if (!out.empty()) run.save_fields(stepper_->time(), out);
}

void EvolutionMarch::checkpoint(Run& run, MarchObserver& observer) {
  std::vector<NamedField> fields = all_levels(stepper_->state_fields(), "stepper.");
  CheckpointData data;
  data.integers = {{"step", step_},
                   {"solves", solves_},
                   {"iterations", iterations_},
                   {"pairs", pairs_},
                   {"evaluations", evaluations_},
                   {"rejections", rejections_},
                   {"fallbacks", fallbacks_},
                   {"least", least_},
                   {"most", most_},
                   {"not_converged", not_converged_}};
  for (const auto& [name, n] : solvers_) data.integers["solver." + name] = n;
  data.reals = {{"worst_residual", worst_residual_}, {"smallest_dt", smallest_dt_}, {"largest_dt", largest_dt_}};
  for (const auto& [name, value] : stepper_->state_numbers()) data.reals["stepper." + name] = value;
  data.vectors = {{"errors", errors_.pack()}, {"final_errors", final_errors_.pack()}};
  data.texts = {{"method", method_}};
  observer.save(data);
  run.save_checkpoint(fields, data);
}

bool EvolutionMarch::restore(Run& run, MarchObserver& observer) {
  const std::optional<Checkpoint> c = run.restart();
  if (!c) return false;
  if (c->text("method") != method_)
    throw InputError(fmt::format("the checkpoint {} is of time.method = \"{}\"; only the number of ranks, solvers and limits may change at a restart",
                                 c->path(), c->text("method")));
  c->load_levels(stepper_->state_fields(), "stepper.");
  std::map<std::string, double> numbers;
  for (const auto& [name, value] : c->data().reals)
    if (name.starts_with("stepper.")) numbers[name.substr(8)] = value;
  stepper_->restore(numbers);
  step_ = c->integer("step");
  solves_ = c->integer("solves");
  iterations_ = c->integer("iterations");
  pairs_ = c->integer("pairs");
  evaluations_ = c->integer("evaluations");
  rejections_ = c->integer("rejections");
  fallbacks_ = c->integer("fallbacks");
  least_ = c->integer("least");
  most_ = c->integer("most");
  not_converged_ = c->integer("not_converged");
  for (const auto& [name, n] : c->data().integers)
    if (name.starts_with("solver.")) solvers_[name.substr(7)] = n;
  worst_residual_ = c->real("worst_residual");
  smallest_dt_ = c->real("smallest_dt");
  largest_dt_ = c->real("largest_dt");
  errors_ = ErrorSums::unpack(c->vector("errors"));
  final_errors_ = ErrorSums::unpack(c->vector("final_errors"));
  observer.restore(*c);
  run.log().info("restart after step {}, at t = {:.6g}, from {}", step_, stepper_->time(), c->path());
  return true;
}

ErrorSums EvolutionMarch::errors_now() {
  const double t = stepper_->time();
  ErrorSums all;
  for (std::size_t s = 0; s < references_.size(); ++s)
    if (references_[s] && (references_[s]->depends_on_time() || plan_.finished(t)))
      all.add(compare(stepper_->state(), static_cast<int>(s), *references_[s], t));
  return all;
}

void EvolutionMarch::count(const StepReport& s) {
  step_ += s.steps;
  ++solves_;
  iterations_ += s.iterations;
  pairs_ += s.transform_pairs;
  evaluations_ += s.evaluations;
  rejections_ += s.rejections;
  fallbacks_ += s.fallbacks;
  least_ = std::min<std::int64_t>(least_, s.iterations);
  most_ = std::max<std::int64_t>(most_, s.iterations);
  if (!s.converged) ++not_converged_;
  if (!std::isnan(s.residual)) worst_residual_ = std::max(worst_residual_, s.residual);
  smallest_dt_ = std::min(smallest_dt_, s.dt);
  largest_dt_ = std::max(largest_dt_, s.dt);
  if (!s.method.empty()) ++solvers_[s.method];
}

void EvolutionMarch::history(Run& run, MarchObserver& observer, const StepReport& s, bool measured, const ErrorSums& error) {
  HistoryRow row{{"step", static_cast<double>(step_)},
                 {"time", s.t},
                 {"dt", s.dt},
                 {"iterations", s.iterations},
                 {"transform_pairs", static_cast<double>(s.transform_pairs)},
                 {"evaluations", static_cast<double>(s.evaluations)},
                 {"residual", s.residual},
                 {"rejections", s.rejections},
                 {"fallbacks", s.fallbacks},
                 {"method", s.method.empty() ? method_ : s.method},
                 {"error_estimate", s.error_estimate}};
  observer.add_columns(row, measured);
  if (!references_.empty()) {
    row.emplace_back("error_l1", measured ? error.mean_l1() : std::nan(""));
    row.emplace_back("error_linf", measured ? error.linf : std::nan(""));
  }
  run.history(row);
}

Status EvolutionMarch::march(Run& run, MarchObserver& observer, const nlohmann::ordered_json& expected) {
  const bool resumed = restore(run, observer);
  std::vector<Column> columns{{"step", 8}, {"time", 11, "{:.6g}"}, {"dt", 9, "{:.3g}"}, {"iter", 6}, {"max|F|/dt", 10}};
  for (Column& c : observer.table_columns()) columns.push_back(std::move(c));
  columns.push_back({"method", 14});
  IterationTable table(run.log(), std::move(columns));
  const auto measure = [&](double energy, ErrorSums& error) {
    const auto timer = run.timers().scope("diagnostics");
    observer.measure(*stepper_, energy);
    if (references_.empty()) return;
    error = errors_now();
    errors_.add(error);
  };
  if (!resumed) {
    save(run, observer);
    ErrorSums error;
    measure(std::nan(""), error);
  }
  while (!plan_.finished(stepper_->time())) {
    if (run.stop_requested()) {
      checkpoint(run, observer);
      write_report(run, observer, expected);
      return Status::TimeLimit;
    }
    if (step_ > 0 && run.checkpoint_due()) checkpoint(run, observer);
    const double before = stepper_->time();
    StepReport step;
    {
      const auto timer = run.timers().scope("solve");
      step = stepper_->advance(plan_.next(before));
    }
    if (step.diverged) {
      write_report(run, observer, expected);
      throw DivergedError(fmt::format("step {} from t = {:.6g} failed with dt = {:.3g} after {} repetitions{}", step_ + 1, stepper_->time(), step.dt,
                                      step.rejections, step.why.empty() ? "" : " (reason: " + step.why + ")"));
    }
    count(step);
    const bool end = plan_.finished(step.t), saved = plan_.due(step_, step.steps, before, step.t);
    const bool measured = observer.due(step_, step.steps, saved);
    ErrorSums error;
    if (measured) measure(step.energy, error);
    if (end) final_errors_ = error;
    history(run, observer, step, measured, error);
    std::vector<IterationTable::Cell> cells{step_, step.t, step.dt, static_cast<std::int64_t>(step.iterations), step.residual};
    for (IterationTable::Cell& c : observer.table_cells(measured)) cells.push_back(std::move(c));
    cells.emplace_back(step.method.empty() ? method_ : step.method);
    table.row(cells);
    if (saved) save(run, observer);
  }
  checkpoint(run, observer);
  write_report(run, observer, expected);
  if (!references_.empty())
    run.log().info("error against the reference: l1 {:.4e}, linf {:.4e} (over all measured states); at the final time l1 {:.4e}, linf {:.4e}",
                   errors_.mean_l1(), errors_.linf, final_errors_.mean_l1(), final_errors_.linf);
  if (not_converged_ > 0) run.log().warn("{} of {} solves missed the tolerance", not_converged_, solves_);
  return not_converged_ > 0 ? Status::IterationLimit : Status::Converged;
}

void EvolutionMarch::write_report(Run& run, MarchObserver& observer, const nlohmann::ordered_json& expected) {
  nlohmann::ordered_json& r = run.report();
  r["steps_done"] = step_;
  r["time_reached"] = stepper_->time();
  r["iterations"] = iterations_;
  r["operator_passes"] = evaluations_;
  r["transform_pairs"] = pairs_;
  r["iterations_per_step"] = {
      {"min", solves_ > 0 ? least_ : 0}, {"mean", step_ > 0 ? static_cast<double>(iterations_) / static_cast<double>(step_) : 0.0}, {"max", most_}};
  r["transform_pairs_per_step"] = step_ > 0 ? static_cast<double>(pairs_) / static_cast<double>(step_) : 0.0;
  // IMEX schemes solve no nonlinear equation: there is no residual.
  r["residuals"] = {{"max_abs", solvers_.empty() ? nlohmann::ordered_json(nullptr) : nlohmann::ordered_json(worst_residual_)}};
  r["solvers"] = solvers_;
  r["steps"] = {{"solves", solves_},
                {"rejections", rejections_},
                {"fallbacks", fallbacks_},
                {"not_converged", not_converged_},
                {"smallest_dt", solves_ > 0 ? smallest_dt_ : 0.0},
                {"largest_dt", largest_dt_}};
  nlohmann::ordered_json q;
  q["points"] = stepper_->state().layout().grid().size();
  observer.report(q, *stepper_);
  r["quantities"] = q;
  if (!references_.empty() && errors_.points > 0) r["errors"] = error_report(errors_, final_errors_);
  r["expected"] = expected;
}

}  // namespace wasserflow
