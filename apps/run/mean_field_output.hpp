#pragma once
/// What runs of mean-field problems save and report: fields over time, figures, errors, particle paths.
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "apps/run/driver.hpp"
#include "apps/run/expected_figures.hpp"
#include "apps/run/mean_field_input.hpp"
#include "apps/run/mean_field_saves.hpp"
#include "apps/run/mean_field_solve.hpp"
#include "apps/run/reference_errors.hpp"
#include "solvers/trajectory_files.hpp"

namespace wasserflow {

class MeanFieldOutput {
 public:
  MeanFieldOutput() = default;
  /// Reads [output], and [trajectories] of `parent`. Throws InputError at the key at fault. `input` outlives the object.
  MeanFieldOutput(const Parameters& output, const Parameters& parent, const MeanFieldInput& input);
  /// Reads [reference].
  void read_reference(const Parameters& root);

  /// A density of a sequence of minimising movements.
  /// @note Collective.
  void movement(Run& run, int step, const Field& rho);
  /// Fields, errors and paths of a solved problem.
  /// @note Collective.
  void solution(Run& run, const MeanFieldAnswer& answer);
  /// Entries of report.json, also of a run that was stopped.
  /// @note Collective.
  void report(Run& run, MeanFieldSolver& solver, bool solved);
  /// Masses and moments of an answer, errors and expected figures.
  /// @note Collective.
  void report_density(Run& run, const Field& first, const Field& last, double objective);

 private:
  void compare_all(const MeanFieldAnswer& s);

  const MeanFieldInput* input_ = nullptr;
  MeanFieldSaves saves_;
  FunctionPtr rho_, phi_;
  double objective_ = 0, distance_ = 0;  // exact; 0: not known
  ExpectedFigures expected_;
  std::optional<TrajectoryPlan> trajectories_;
  ErrorSums errors_, middle_, final_;
  double value_error_ = 0;
  nlohmann::ordered_json paths_;
};

}  // namespace wasserflow
