#include "apps/run/save_plan.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace wasserflow {

SavePlan::SavePlan(const Parameters& output, double final) : final_(final) {
  every_ = output.integer("every", "steps between saved fields; 0: none", 0, Range::nonnegative());
  interval_ = output.real(
      "interval",
      "time between saved fields, at which steps end; 0: none. Where no key is given, the first state after each tenth of the run is saved", 0,
      Range::nonnegative());
  times_ = output.reals("times", "times at which fields are saved and steps end; the first and the last state always are", 0, std::vector<double>{},
                        Range::nonnegative());
  if (every_ > 0 && interval_ > 0) output.fail("interval", "output.every already says when fields are saved");
  if (!times_.empty() && (every_ > 0 || interval_ > 0))
    output.fail("times", fmt::format("output.{} already says when fields are saved", every_ > 0 ? "every" : "interval"));
  for (std::size_t i = 0; i < times_.size(); ++i) {
    if (times_[i] > final_ + slack()) output.fail("times", fmt::format("{} is after the final time {}", times_[i], final_));
    if (i > 0 && !(times_[i] > times_[i - 1])) output.fail("times", fmt::format("{} does not come after {}", times_[i], times_[i - 1]));
  }
}

double SavePlan::next(double time) const {
  double next = final_;
  if (interval_ > 0) next = interval_ * (std::floor((time + slack()) / interval_) + 1);
  const auto after = std::upper_bound(times_.begin(), times_.end(), time + slack());
  if (after != times_.end()) next = *after;
  return next > final_ - slack() ? final_ : next;
}

bool SavePlan::due(long long step, int steps, double before, double time) const {
  if (finished(time)) return true;
  if (every_ > 0) return step / every_ > (step - steps) / every_;
  const auto reached = [&](double at) { return std::fabs(time - at) <= slack(); };
  if (interval_ > 0) return reached(interval_ * std::round(time / interval_));
  if (!times_.empty()) return std::any_of(times_.begin(), times_.end(), reached);
  const double tenth = final_ / 10;
  return std::floor((time + slack()) / tenth) > std::floor((before + slack()) / tenth);
}

}  // namespace wasserflow
