#pragma once
/// When an iteration has no prospect of reaching its tolerance: what lets a ladder of solvers fall back early.
#include <algorithm>
#include <cmath>
#include <vector>

namespace wasserflow {

/// Gives an iteration up when its residual
///   - is not finite,
///   - exceeds `growth` times the first one, or
///   - would not reach the tolerance within max_iterations, were the smallest residual so far to fall on at its mean rate over the last `window`
///     iterations (looked at from iteration `window` on; half of max_iterations where that is less, but not below 20).
class ConvergenceWatch {
 public:
  ConvergenceWatch(double tolerance, int max_iterations, int window = 100, double growth = 1e4)
      : tolerance_(tolerance), growth_(growth), max_iterations_(max_iterations), window_(std::min(window, std::max(20, max_iterations / 2))) {}

  /// Takes the residual at the next iteration, in order; true: give up.
  bool hopeless(double residual) {
    if (!std::isfinite(residual)) return true;
    best_.push_back(best_.empty() ? residual : std::min(best_.back(), residual));
    if (residual > growth_ * best_.front()) return true;
    const int k = static_cast<int>(best_.size()) - 1;
    const double now = best_.back();
    if (k < window_ || now < tolerance_) return false;
    const double rate = std::log(now / best_[static_cast<std::size_t>(k - window_)]) / window_;  // < 0 while it falls
    return !(rate < 0 && std::log(tolerance_ / now) >= rate * (max_iterations_ - k));
  }

 private:
  double tolerance_, growth_;
  int max_iterations_, window_;
  std::vector<double> best_;
};

}  // namespace wasserflow
