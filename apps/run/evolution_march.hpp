#pragma once
/// The march in time that the apps of evolution equations share: steps, counters, history, table, saved states, checkpoints and the report.
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "apps/run/driver.hpp"
#include "apps/run/reference_errors.hpp"
#include "apps/run/save_plan.hpp"
#include "solvers/time_stepper.hpp"

namespace wasserflow {

/// What one family of equations measures and saves of its states. Collective, all of it.
class MarchObserver {
 public:
  virtual ~MarchObserver() = default;
  /// What is saved of the stepper's state.
  virtual std::vector<NamedField> fields(TimeStepper& stepper) = 0;
  /// True when the state after `steps` steps that led to `step` is to be measured; saved states always are.
  virtual bool due(long long step, int steps, bool saved) const = 0;
  /// Measures a state. `energy`: that of the state where it is known, else NaN.
  virtual void measure(TimeStepper& stepper, double energy) = 0;
  /// Columns of history.csv: those measured last, or NaN.
  virtual void add_columns(HistoryRow& row, bool measured) const = 0;
  /// Columns of the table on the screen, and their values.
  virtual std::vector<Column> table_columns() const = 0;
  virtual std::vector<IterationTable::Cell> table_cells(bool measured) const = 0;
  virtual void save(CheckpointData& data) const = 0;
  virtual void restore(const Checkpoint& checkpoint) = 0;
  /// Entries of "quantities" of report.json.
  virtual void report(nlohmann::ordered_json& quantities, TimeStepper& stepper) = 0;
};

class EvolutionMarch {
 public:
  EvolutionMarch() = default;
  /// `method`: time.method. `references`: one a component of the state, null where there is none; none at all without a reference. Functions that
  /// do not depend on time hold at the final time.
  EvolutionMarch(std::unique_ptr<TimeStepper> stepper, std::string method, SavePlan plan, std::vector<FunctionPtr> references);

  TimeStepper& stepper() { return *stepper_; }
  /// From the initial state, or from the checkpoint of a restart, to the final time. `expected`: that entry of report.json. Throws DivergedError.
  /// @note Collective.
  Status march(Run& run, MarchObserver& observer, const nlohmann::ordered_json& expected);

 private:
  bool restore(Run& run, MarchObserver& observer);  ///< false: there is nothing to restart from
  void checkpoint(Run& run, MarchObserver& observer);
  void save(Run& run, MarchObserver& observer);
  ErrorSums errors_now();
  void count(const StepReport& step);
  void history(Run& run, MarchObserver& observer, const StepReport& step, bool measured, const ErrorSums& error);
  void write_report(Run& run, MarchObserver& observer, const nlohmann::ordered_json& expected);

  std::unique_ptr<TimeStepper> stepper_;
  std::string method_;
  SavePlan plan_;
  std::vector<FunctionPtr> references_;

  // State of a run; all of it goes into checkpoints.
  std::int64_t step_ = 0, solves_ = 0, iterations_ = 0, pairs_ = 0, evaluations_ = 0, rejections_ = 0, fallbacks_ = 0;
  std::int64_t least_ = std::numeric_limits<std::int64_t>::max(), most_ = 0, not_converged_ = 0;
  double worst_residual_ = 0, smallest_dt_ = std::numeric_limits<double>::infinity(), largest_dt_ = 0;
  std::map<std::string, std::int64_t> solvers_;  // solves that each one answered
  ErrorSums errors_, final_errors_;
};

}  // namespace wasserflow
