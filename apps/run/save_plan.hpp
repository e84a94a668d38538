#pragma once
/// Which states of a run in time are saved.
#include <vector>

#include "grids/support/parameters.hpp"

namespace wasserflow {

/// Reads output.every (steps), output.interval or output.times (times at which steps then end); the default is ten intervals. The states at time 0
/// and at the final time are always saved.
class SavePlan {
 public:
  SavePlan() = default;
  /// Throws InputError when two of the keys are given, or times are not in (0, final] and increasing.
  SavePlan(const Parameters& output, double final);

  /// No step may pass this time: the next one to be saved, or the final one.
  double next(double time) const;
  /// True when the state at `step` and `time`, to which `steps` steps from the time `before` led, is to be saved.
  bool due(long long step, int steps, double before, double time) const;
  /// The final time is reached.
  bool finished(double time) const { return time >= final_ - slack(); }

 private:
  double slack() const { return 1e-10 * final_; }
  double final_ = 0;
  int every_ = 0;
  double interval_ = 0;
  std::vector<double> times_;
};

}  // namespace wasserflow
