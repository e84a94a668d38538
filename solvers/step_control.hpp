#pragma once
/// Sizes of time steps: the grid of fixed steps with its bisections, and the controller of adaptive ones. No fields, no communication.
#include <cstdint>
#include <map>
#include <string>

#include "solvers/time_stepper.hpp"

namespace wasserflow {

/// Proposes steps and learns from their outcome. Fixed: t_k = origin + k dt by multiplication, never by sums; halved steps stand on bisections of the
/// grid. Adaptive: proportional-integral control (Gustafsson 1991; Hairer & Wanner II, IV.2) with exponents 0.7 and 0.4 over the order of the error.
class StepControl {
 public:
  struct Step {
    double dt = 0;        ///< of one step; bitwise the nominal one wherever the grid has it
    double t = 0;         ///< reached after `count` steps
    int count = 1;        ///< steps of the block
    bool on_grid = true;  ///< false: ends at a time that is no grid point
    bool cut = false;     ///< adaptive: made shorter to reach the end
  };
  /// `order`: the local error behaves as dt^order.
  StepControl(const TimeParameters& parameters, int order);

  double time() const { return time_; }
  /// The next step or block towards `end` > time().
  Step next(double end) const;
  /// `error`: estimate relative to the tolerance, NaN when there is none.
  void accept(const Step& step, double error);
  /// Makes the next proposal smaller; false when it cannot. `for_error`: the error estimate was too large, else something failed.
  bool reject(const Step& step, bool for_error, double error);

  void save(std::map<std::string, double>& numbers) const;
  void restore(const std::map<std::string, double>& numbers);

 private:
  static constexpr int finest = 10;  // bisections
  Step next_fixed(double end) const;
  Step next_adaptive(double end) const;
  double grid_time(double steps) const { return origin_ + steps * nominal_; }

  AdaptiveParameters adaptive_;
  double nominal_;  // dt of the parameters
  int order_, block_;
  double time_ = 0;
  int block_now_;  // halved by failures
  // fixed: position on the grid is origin + (index + part / 2^finest) nominal, step nominal / 2^level
  double origin_ = 0;
  std::int64_t index_ = 0;
  int part_ = 0, level_ = 0;
  // adaptive
  double dt_;              // wanted
  double last_error_ = 0;  // 0: none
  int hold_ = 0;           // accepted steps until dt may grow again
};

}  // namespace wasserflow
