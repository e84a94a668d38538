#pragma once
/// Solves mean-field problems on a sequence of grids or of minimising movements, with history, checkpoints and stops.
#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "apps/run/driver.hpp"
#include "apps/run/mean_field_input.hpp"

namespace wasserflow {

/// What a solve on one grid took.
struct MeanFieldEffort {
  std::vector<int> cells;
  int steps = 0;
  int iterations = 0;
  long operator_passes = 0;
  double seconds = 0;
  bool converged = false;
};

/// Coarse grids first, each answer the start of the next finer one; or, with [jko], one minimising movement after another on one grid.
class MeanFieldSolver {
 public:
  /// Builds the scheme of the finest grid, so that all bad input is found. `input` outlives the object.
  /// @note Collective.
  explicit MeanFieldSolver(const MeanFieldInput& input);

  /// Until all is solved (nothing is returned), or the run is to stop: then a checkpoint is written.
  /// @note Collective.
  std::optional<Status> solve(Run& run);
  /// Called when the step k of [jko] is solved: scheme() holds it. 0: the start, where it does not.
  std::function<void(int k, const Field& rho)> on_step;

  MeanFieldScheme& scheme() { return *scheme_; }
  const Field& density() const { return rho_; }  ///< [jko]: after the last step
  const SolveReport& last() const { return last_; }
  const std::vector<MeanFieldEffort>& efforts() const { return efforts_; }
  bool all_converged() const;
  long iterations() const;
  long operator_passes() const;

 private:
  bool solve_one(Run& run, const SpaceTimeGrid& on, bool resumed);
  void next_movement(int step);
  void checkpoint(Run& run, const PdhgPosition& position);
  bool restore(Run& run);
  void row(Run& run, const PdhgProgress& at);

  const MeanFieldInput& input_;
  MeanFieldSchemePtr scheme_, finest_;
  Field rho_;  // [jko]: where the present step starts
  SolveReport last_;
  std::unique_ptr<IterationTable> table_;

  // State of a run; all of it goes into checkpoints, with the iterates.
  int level_ = 0, movement_ = 0;
  double first_weight_ = 0;
  PdhgPosition position_;
  std::vector<MeanFieldEffort> efforts_;
};

}  // namespace wasserflow
