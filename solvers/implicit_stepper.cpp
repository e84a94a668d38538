#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

#include "solvers/controlled_stepper.hpp"
#include "solvers/fokker_planck_operator.hpp"

namespace wasserflow {
namespace {

const double gamma_sdirk = 1 - 1 / std::numbers::sqrt2;
const double embedded_weight = 2 - 1.25 * std::numbers::sqrt2;  // of the second stage in Ellsiepen's first-order solution
constexpr double bdf2_ratio = 2.4;                              // largest ratio of successive steps: zero-stable below 1 + sqrt 2
constexpr double most_weight = 16;                              // largest sum of |weights| of an extrapolation

enum class Method { Euler, Bdf2, Sdirk2, CrankNicolson };

/// Adaptive BDF2 keeps to ratios of successive steps at which it is stable.
TimeParameters limited(TimeParameters p, Method method) {
  if (method == Method::Bdf2) p.adaptive.grow = std::min(p.adaptive.grow, bdf2_ratio);
  return p;
}

/// A step system of some number of steps with its unknown.
struct Block {
  StepSystem system;
  Field U;
  Block(const EvolutionOperatorPtr& op, int steps, bool single) : system(op, steps, single), U(system.make_field()) {}
};

class ImplicitStepper final : public ControlledStepper {
 public:
  ImplicitStepper(Method method, const TimeParameters& p, EvolutionOperatorPtr op, NonlinearSolverPtr solver, const Field& initial, bool single)
      : ControlledStepper(limited(p, method), std::move(op), initial, method == Method::Bdf2 ? 3 : 2, p.energy_control),
        method_(method),
        solver_(std::move(solver)),
        single_(single) {
    const LayoutPtr& layout = op_->layout();
    for (int i = 0; i < std::max(p.extrapolation, method == Method::Bdf2 ? 1 : 0); ++i) history_.emplace_back(layout, components_);
    if (p.adaptive.on && method != Method::Sdirk2 && method != Method::CrankNicolson)
      for (int i = 0; i < (method == Method::Bdf2 ? 2 : 1); ++i) rates_.emplace_back(layout, components_);
    if (method != Method::Euler) known_ = Field(layout, components_);
    if (method == Method::Sdirk2) stage_ = Field(layout, components_);
    for (int s = 0; s < components_; ++s) {
      const std::array<double, 2> domain = op_->domain(s);
      bounded_ = bounded_ || std::isfinite(domain[0]) || std::isfinite(domain[1]);
    }
    current_ = &block(p.block);
  }

  std::vector<std::pair<std::string, Field*>> state_fields() override {
    std::vector<std::pair<std::string, Field*>> fields{{"state", &state_}};
    for (std::size_t i = 0; i < history_.size(); ++i) fields.emplace_back("history_" + std::to_string(i + 1), &history_[i]);
    for (std::size_t i = 0; i < rates_.size(); ++i) fields.emplace_back("rate_" + std::to_string(i + 1), &rates_[i]);
    return fields;
  }

  std::map<std::string, double> state_numbers() const override {
    std::map<std::string, double> numbers = ControlledStepper::state_numbers();
    numbers["history"] = known_states_;
    numbers["rates"] = known_rates_;
    for (std::size_t i = 0; i < interval_.size(); ++i) numbers["interval_" + std::to_string(i + 1)] = interval_[i];
    for (const auto& [name, value] : solver_->state()) numbers["solver." + name] = value;
    return numbers;
  }

  void restore(const std::map<std::string, double>& numbers) override {
    ControlledStepper::restore(numbers);
    known_states_ = static_cast<int>(numbers.at("history"));
    known_rates_ = static_cast<int>(numbers.at("rates"));
    for (std::size_t i = 0; i < interval_.size(); ++i) interval_[i] = numbers.at("interval_" + std::to_string(i + 1));
    std::map<std::string, double> solver;
    const std::string prefix = "solver.";
    for (const auto& [name, value] : numbers)
      if (name.starts_with(prefix)) solver[name.substr(prefix.size())] = value;
    solver_->restore(solver);
  }

 protected:
  Attempt attempt(const StepControl::Step& step, StepReport& report) override {
    current_ = &block(step.count);
    report.residual = 0;
    report.method.clear();
    switch (method_) {
      case Method::Euler: return euler(step, report);
      case Method::Bdf2: return bdf2(step, report);
      case Method::CrankNicolson: return crank_nicolson(step, report);
      default: return sdirk2(step, report);
    }
  }
  Field& candidate() override { return current_->U; }

  void commit(const StepControl::Step& step) override {
    Field& U = current_->U;
    const int last = (step.count - 1) * components_;
    if (!rates_.empty()) {
      std::rotate(rates_.begin(), rates_.end() - 1, rates_.end());
      const Field& known = method_ == Method::Bdf2 ? known_ : step.count > 1 ? U : state_;
      const int first = step.count > 1 ? last - components_ : 0;
      combine(rates_.front(), 0, 1 / tau_, U, last, -1 / tau_, known, first);
      known_rates_ = std::min<int>(known_rates_ + 1, static_cast<int>(rates_.size()));
    }
    if (!history_.empty()) {
      std::rotate(history_.begin(), history_.end() - 1, history_.end());
      std::swap(history_.front(), state_);
      interval_[1] = interval_[0];
      interval_[0] = step.dt * step.count;
      known_states_ = std::min<int>(known_states_ + 1, static_cast<int>(history_.size()));
    }
    if (step.count == 1) {
      std::swap(state_, U);
    } else {
      for (int s = 0; s < components_; ++s) state_.copy_level(s, U, last + s);
    }
  }

 private:
  /// out(level + s) = a u(ku + s) + b v(kv + s)
  void combine(Field& out, int level, double a, const Field& u, int ku, double b, const Field& v, int kv) const {
    for (int s = 0; s < components_; ++s) {
      const double *x = u.level(ku + s), *y = v.level(kv + s);
      double* o = out.level(level + s);
      for (std::ptrdiff_t i = 0; i < out.layout().owned(); ++i) o[i] = a * x[i] + b * y[i];
    }
  }

  Block& block(int steps) {
    if (steps == parameters_.block || steps == 1) {
      auto& slot = steps == 1 ? one_ : all_;
      if (!slot) slot = std::make_unique<Block>(op_, steps, single_);
      return *slot;
    }
    if (!part_ || part_->system.steps() != steps) part_ = std::make_unique<Block>(op_, steps, single_);
    return *part_;
  }

  int guess_order() const { return std::min(parameters_.extrapolation, known_states_); }

  /// U at `ahead` after the state: the polynomial through the state and up to `order` earlier ones; fewer where that would amplify too much.
  void extrapolate(Field& U, int level, double ahead, int order) const {
    std::array<double, 3> w{1, 0, 0};
    const double p = interval_[0], q = interval_[0] + interval_[1], x = ahead;
    int n = std::min(order, known_states_);
    if (n == 2) w = {(x + p) * (x + q) / (p * q), -x * (x + q) / (p * (q - p)), x * (x + p) / (q * (q - p))};
    if (n == 2 && std::fabs(w[0]) + std::fabs(w[1]) + std::fabs(w[2]) > most_weight) n = 1;
    if (n == 1) w = {1 + x / p, -x / p, 0};
    if (n == 1 && w[0] - w[1] > most_weight) n = 0;
    for (int s = 0; s < components_; ++s) {
      const double* a = state_.level(s);
      double* o = U.level(level + s);
      const std::ptrdiff_t count = U.layout().owned();
      if (n == 0) {
        std::copy_n(a, count, o);
        continue;
      }
      const double* b = history_[0].level(s);
      if (n == 1) {
        for (std::ptrdiff_t i = 0; i < count; ++i) o[i] = w[0] * a[i] + w[1] * b[i];
        continue;
      }
      const double* c = history_[1].level(s);
      for (std::ptrdiff_t i = 0; i < count; ++i) o[i] = w[0] * a[i] + (w[1] * b[i] + w[2] * c[i]);
    }
  }

  /// Solves current_->system from guesses made by make_guess(order), first of the highest order, then from the state itself.
  template <class F>
  Attempt solve(const Field& known, double tau, std::span<const double> times, int order, F&& make_guess, StepReport& report) {
    StepSystem& system = current_->system;
    Field& U = current_->U;
    Attempt outcome;
    tau_ = tau;
    try {
      system.set(known, tau, times);
    } catch (const InputError&) {  // thrown on all ranks alike
      outcome.failed = "preconditioner";
      return outcome;
    }
    const long pairs = system.transform_pairs(), evaluations = system.evaluations();
    make_guess(order);
    while (order > 0 && bounded_ && !system.admissible(U)) make_guess(--order);
    for (;;) {
      const NonlinearReport r = solver_->solve(system, U);
      const std::vector<NonlinearReport>& attempts = solver_->attempts();
      for (const NonlinearReport& a : attempts) report.iterations += a.iterations;
      report.fallbacks += std::max(0, static_cast<int>(attempts.size()) - 1);
      report.method = attempts.empty() ? r.method : attempts.back().method;
      const bool admissible = r.reason != StopReason::Diverged && system.admissible(U);
      outcome.failed = r.reason != StopReason::Converged ? "solver" : admissible ? nullptr : "domain";
      outcome.usable = admissible;
      if (outcome.failed == nullptr || order == 0) {
        report.residual = std::max(report.residual, r.residual);
        break;
      }
      make_guess(order = 0);
      ++report.fallbacks;
    }
    report.transform_pairs += system.transform_pairs() - pairs;
    report.evaluations += system.evaluations() - evaluations;
    return outcome;
  }

  Attempt euler(const StepControl::Step& step, StepReport& report) {
    times_.clear();
    for (int k = 1; k < step.count; ++k) times_.push_back(time() + k * step.dt);
    times_.push_back(step.t);
    Field& U = current_->U;
    Attempt outcome = solve(
        state_, step.dt, times_, guess_order(),
        [&](int order) {
          for (int k = 0; k < step.count; ++k) extrapolate(U, k * components_, (k + 1) * step.dt, order);
        },
        report);
    if (outcome.failed == nullptr && parameters_.adaptive.on) {
      const double inverse = 1 / step.dt;
      for (int k = known_rates_ > 0 ? 0 : 1; k < step.count; ++k) {
        const double change = max_over(U.layout(), components_, [&](int s, std::ptrdiff_t i) {
          const auto at = [&](int j) { return j < 0 ? state_.level(s)[i] : U.level(j * components_ + s)[i]; };
          const double before = k > 0 ? inverse * (at(k - 1) - at(k - 2)) : rates_[0].level(s)[i];
          return inverse * (at(k) - at(k - 1)) - before;
        });
        const double error = 0.5 * step.dt * change / parameters_.adaptive.tolerance;
        outcome.error = std::isnan(outcome.error) ? error : std::max(outcome.error, error);
      }
    }
    return outcome;
  }

  Attempt bdf2(const StepControl::Step& step, StepReport& report) {
    // The state before, or the one before that when the last step was too short for a stable ratio; implicit Euler without either.
    const double back = known_states_ > 1 && step.dt > bdf2_ratio * interval_[0] ? interval_[0] + interval_[1] : interval_[0];
    const bool one_step = known_states_ == 0 || step.dt > bdf2_ratio * back;
    const double w = one_step ? 0 : step.dt / back, d = 1 / (1 + 2 * w);
    if (one_step)
      for (int s = 0; s < components_; ++s) known_.copy_level(s, state_, s);
    else
      combine(known_, 0, (1 + w) * (1 + w) * d, state_, 0, -w * w * d, back == interval_[0] ? history_[0] : history_[1], 0);
    times_.assign(1, step.t);
    Attempt outcome = solve(
        known_, one_step ? step.dt : step.dt * (1 + w) * d, times_, guess_order(), [&](int order) { extrapolate(current_->U, 0, step.dt, order); },
        report);
    if (outcome.failed == nullptr && parameters_.adaptive.on && !one_step && known_rates_ == 2) {
      const Field& U = current_->U;
      const double tau = tau_, ahead = step.dt, before = interval_[0];
      const double third = max_over(U.layout(), components_, [&](int s, std::ptrdiff_t i) {
        const double f = (U.level(s)[i] - known_.level(s)[i]) / tau, f0 = rates_[0].level(s)[i], f1 = rates_[1].level(s)[i];
        return 2 * ((f - f0) / ahead - (f0 - f1) / before) / (ahead + before);
      });
      outcome.error = step.dt * step.dt * step.dt * (1 + w) * (1 + w) * d / (6 * w) * third / parameters_.adaptive.tolerance;
    }
    return outcome;
  }

  Attempt crank_nicolson(const StepControl::Step& step, StepReport& report) {
    const double tau = 0.5 * step.dt;
    times_.assign(1, time());
    op_->prepare(state_, times_);
    for (int s = 0; s < components_; ++s)
      for (int r = 0; r < known_.layout().rows(); ++r) {
        const RowPoints p = known_.layout().row(r);
        double* known = known_.level(s) + p.offset;
        const double* u = state_.level(s) + p.offset;
        op_->value_row(s, r, known);
        for (int i = 0; i < p.n; ++i) known[i] = u[i] - tau * known[i];
      }
    ++report.evaluations;
    times_.assign(1, step.t);
    return solve(
        known_, tau, times_, guess_order(), [&](int order) { extrapolate(current_->U, 0, step.dt, order); }, report);
  }

  Attempt sdirk2(const StepControl::Step& step, StepReport& report) {
    const double tau = gamma_sdirk * step.dt;
    Field& U = current_->U;
    times_.assign(1, time() + tau);
    Attempt outcome = solve(
        state_, tau, times_, guess_order(), [&](int order) { extrapolate(U, 0, tau, order); }, report);
    if (outcome.failed != nullptr && !outcome.usable) return outcome;
    const char* failed = outcome.failed;
    // gamma dt f_1 is U_1 - u^n: known = u^n + (1 - gamma)/gamma (U_1 - u^n).
    std::swap(stage_, U);
    const double c = (1 - gamma_sdirk) / gamma_sdirk;
    combine(known_, 0, 1 - c, state_, 0, c, stage_, 0);
    times_.assign(1, step.t);
    outcome = solve(
        known_, tau, times_, std::max(guess_order(), 1),
        [&](int order) {
          if (order == 0)
            extrapolate(U, 0, step.dt, 0);
          else if (order > known_states_)  // no such history: along the first stage's slope
            combine(U, 0, 1 - 1 / gamma_sdirk, state_, 0, 1 / gamma_sdirk, stage_, 0);
          else
            extrapolate(U, 0, step.dt, order);
        },
        report);
    if (outcome.failed == nullptr) outcome.failed = failed;
    if (outcome.failed == nullptr && parameters_.adaptive.on) {
      const double e = (gamma_sdirk - embedded_weight) / gamma_sdirk / parameters_.adaptive.tolerance;
      outcome.error = max_over(U.layout(), components_, [&](int s, std::ptrdiff_t i) {
        return e * ((U.level(s)[i] - known_.level(s)[i]) - (stage_.level(s)[i] - state_.level(s)[i]));
      });
    }
    return outcome;
  }

  const Method method_;
  NonlinearSolverPtr solver_;
  const bool single_;
  bool bounded_ = false;  // some component has a domain
  std::unique_ptr<Block> all_, one_, part_;
  Block* current_ = nullptr;
  double tau_ = 0;  // of the last solve
  std::vector<double> times_;
  Field known_, stage_;
  std::vector<Field> history_;        // states before the present one, latest first
  std::array<double, 2> interval_{};  // time from history_[0] to the state, from history_[1] to history_[0]
  int known_states_ = 0;
  std::vector<Field> rates_;  // f at the state and before, of adaptive runs
  int known_rates_ = 0;
};

}  // namespace

std::unique_ptr<TimeStepper> make_implicit_stepper(const TimeParameters& p, EvolutionOperatorPtr op, NonlinearSolverPtr solver, const Field& initial,
                                                   bool single) {
  const Method method = p.method == "bdf2"             ? Method::Bdf2
                        : p.method == "sdirk2"         ? Method::Sdirk2
                        : p.method == "crank_nicolson" ? Method::CrankNicolson
                                                       : Method::Euler;
  // Long steps of second order may leave negative densities, whose free energy is none: it would have to grow back.
  TimeParameters q = p;
  if (method != Method::Euler && dynamic_cast<const FokkerPlanckOperator*>(op.get()) != nullptr) q.energy_control = false;
  return std::make_unique<ImplicitStepper>(method, q, std::move(op), std::move(solver), initial, single);
}

}  // namespace wasserflow
