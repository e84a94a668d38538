#pragma once
/// What runs of mean-field problems save and report: fields over time, figures, errors, particle paths.
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "apps/run/driver.hpp"
#include "apps/run/expected_figures.hpp"
#include "apps/run/mean_field_input.hpp"
#include "apps/run/mean_field_solve.hpp"
#include "apps/run/reference_errors.hpp"
#include "solvers/trajectory_files.hpp"

namespace wasserflow {

class MeanFieldOutput {
 public:
  MeanFieldOutput() = default;
  /// Reads [output], [reference] and [trajectories]. Throws InputError at the key at fault.
  MeanFieldOutput(const Parameters& root, const MeanFieldInput& input);

  /// A density of a sequence of minimising movements.
  /// @note Collective.
  void movement(Run& run, int step, const Field& rho);
  /// Fields, errors and paths of a solved problem.
  /// @note Collective.
  void solution(Run& run, MeanFieldScheme& scheme);
  /// Entries of report.json, also of a run that was stopped.
  /// @note Collective.
  void report(Run& run, MeanFieldSolver& solver, bool solved);

 private:
  /// Levels over time of an answer.
  struct Solution {
    Field rho, phi;
    std::vector<Field> m;
    std::vector<double> nodes, middles, value_times;
  };
  Solution take(MeanFieldScheme& scheme) const;
  void save(Run& run, const Solution& s) const;
  void compare_all(const Solution& s);
  void trace(Run& run, const MeanFieldProblem& problem, const Solution& s);
  nlohmann::ordered_json distances(const MeanFieldFigures& figures, double mass) const;
  bool wanted(const std::string& field) const;

  const MeanFieldInput* input_ = nullptr;
  int every_ = 1;
  std::vector<double> times_;
  std::vector<std::string> fields_;
  FunctionPtr rho_, phi_;
  double objective_ = 0, distance_ = 0;  // exact ones; 0: not known
  ExpectedFigures expected_;
  std::optional<TrajectoryPlan> trajectories_;
  ErrorSums errors_, middle_, final_;
  double value_error_ = 0;
  nlohmann::ordered_json paths_;
};

}  // namespace wasserflow
