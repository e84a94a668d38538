#include "solvers/step_control.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace wasserflow {
namespace {
constexpr double same = 1e-9;   // relative to a step: times this near are one, beyond their rounding
constexpr double sliver = 0.1;  // of a step: no shorter step is left before the end
}  // namespace

StepControl::StepControl(const TimeParameters& parameters, int order)
    : adaptive_(parameters.adaptive),
      nominal_(parameters.dt),
      order_(order),
      block_(parameters.block),
      block_now_(parameters.block),
      dt_(parameters.dt) {
  if (adaptive_.smallest <= 0) adaptive_.smallest = std::ldexp(nominal_, -finest);
  if (adaptive_.largest <= 0) adaptive_.largest = std::numeric_limits<double>::infinity();
}

StepControl::Step StepControl::next(double end) const { return adaptive_.on ? next_adaptive(end) : next_fixed(end); }

StepControl::Step StepControl::next_fixed(double end) const {
  const double size = std::ldexp(nominal_, -level_);
  const double left = (end - time_) / size;
  const double near = same + (std::isfinite(end) ? 4 * std::numeric_limits<double>::epsilon() * std::fabs(end) / size : 0);
  const bool aligned = level_ == 0 && part_ == 0;
  int count = static_cast<int>(std::min<double>(aligned ? block_now_ : 1, std::floor(left + near)));
  double over = left - count;
  if (over > near && over < sliver && count > 1) over = left - --count;
  if (count < 1 || (count == 1 && over > near && over < sliver)) return {end - time_, end, 1, false, false};
  const double t = aligned ? grid_time(static_cast<double>(index_ + count))
                           : grid_time(static_cast<double>(index_) + std::ldexp(part_ + (1 << (finest - level_)), -finest));
  return {size, over <= near ? end : t, count, true, false};
}

StepControl::Step StepControl::next_adaptive(double end) const {
  const double left = end - time_;
  const double steps = std::max(1.0, std::ceil(left / dt_ * (1 - same)));
  if (steps > 2 * block_now_) return {dt_, time_ + block_now_ * dt_, block_now_, true, false};
  const int n = static_cast<int>(steps), count = std::min(n, block_now_);
  const double dt = left / n;
  return {dt, count == n ? end : time_ + count * dt, count, true, dt < dt_ * (1 - same)};
}

void StepControl::accept(const Step& step, double error) {
  time_ = step.t;
  block_now_ = std::min(block_, 2 * block_now_);
  if (!adaptive_.on) {
    if (!step.on_grid) {
      origin_ = step.t;
      index_ = part_ = 0;
    } else if (level_ == 0) {
      index_ += step.count;
    } else {
      part_ += 1 << (finest - level_);
      index_ += part_ >> finest;
      part_ &= (1 << finest) - 1;
    }
    if (level_ > 0 && part_ % (1 << (finest - level_ + 1)) == 0) --level_;
    return;
  }
  if (!std::isnan(error)) {
    const double e = std::max(error, 1e-10);
    double factor = last_error_ > 0 ? adaptive_.safety * std::pow(e, -0.7 / order_) * std::pow(last_error_, 0.4 / order_)
                                    : adaptive_.safety * std::pow(e, -1.0 / order_);
    if (hold_ > 0) factor = std::min(factor, 1.0);
    // A step that was cut to reach the end says little about larger ones: not beyond what was wanted before.
    const double wanted =
        step.cut ? std::min(dt_, step.dt * std::max(factor, adaptive_.shrink)) : step.dt * std::clamp(factor, adaptive_.shrink, adaptive_.grow);
    if (wanted < dt_ || wanted > 1.1 * dt_) dt_ = std::clamp(wanted, adaptive_.smallest, adaptive_.largest);
    last_error_ = e;
  }
  hold_ = std::max(0, hold_ - 1);
}

bool StepControl::reject(const Step& step, bool for_error, double error) {
  if (step.count > 1 && !for_error) {
    block_now_ = step.count / 2;
    return true;
  }
  if (!adaptive_.on) {
    int level = level_ + 1;
    while (std::ldexp(nominal_, -level) > 0.5 * step.dt * (1 + same)) ++level;
    if (level > finest) return false;
    level_ = level;
    return true;
  }
  if (step.dt <= adaptive_.smallest * (1 + same)) return false;
  const double factor = for_error ? std::clamp(adaptive_.safety * std::pow(error, -1.0 / order_), adaptive_.shrink, 0.9) : 0.5;
  dt_ = std::max(step.dt * factor, adaptive_.smallest);
  last_error_ = 0;
  hold_ = for_error ? 1 : 5;
  return true;
}

void StepControl::save(std::map<std::string, double>& numbers) const {
  numbers["time"] = time_;
  numbers["origin"] = origin_;
  numbers["index"] = static_cast<double>(index_);
  numbers["part"] = part_;
  numbers["level"] = level_;
  numbers["block"] = block_now_;
  numbers["dt"] = dt_;
  numbers["last_error"] = last_error_;
  numbers["hold"] = hold_;
}

void StepControl::restore(const std::map<std::string, double>& numbers) {
  time_ = numbers.at("time");
  origin_ = numbers.at("origin");
  index_ = static_cast<std::int64_t>(numbers.at("index"));
  part_ = static_cast<int>(numbers.at("part"));
  level_ = static_cast<int>(numbers.at("level"));
  block_now_ = static_cast<int>(numbers.at("block"));
  dt_ = numbers.at("dt");
  last_error_ = numbers.at("last_error");
  hold_ = static_cast<int>(numbers.at("hold"));
}

}  // namespace wasserflow
