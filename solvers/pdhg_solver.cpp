/// The primal-dual iteration as a nonlinear solver: published parameters, or tuned ones.
#include <algorithm>
#include <cmath>
#include <limits>

#include "solvers/convergence_watch.hpp"
#include "solvers/pdhg_step.hpp"

namespace wasserflow {
namespace {

constexpr int window = 100;   // of ConvergenceWatch
constexpr int ahead = 2;      // fixed-point iterations before tuned ones
constexpr int retunings = 3;  // within a solve

PdhgParameters engine_parameters(const NonlinearParameters& p) {
  PdhgParameters e;
  e.tolerance = p.tolerance;
  e.max_iterations = p.max_iterations;
  e.check_every = 1;
  e.rule = StepRule::Given;
  e.validate();
  return e;
}

/// With tuned parameters a solve starts with two fixed-point iterations: heavy-ball steps are as long as the linearisation at the answer allows, and
/// far from it (sharp initial data, whose derivatives are those of the pure phases) the linearisation is another one. Tuning looks at M^{-1} DF
/// behind them. It is done anew
///   - when tau grew, or fell below 0.7 of the one at the last tuning, and for the second solve of all,
///   - for the next solve, when one took a third more iterations a digit than the first one after the last tuning,
///   - within a solve, at the present U, when the residual falls at less than 0.3 of the predicted rate for a while; when it is hopeless
///   (ConvergenceWatch), with a
///     wider range from the initial guess. After three such attempts the solve reports Diverged.
class PdhgSolver final : public NonlinearSolver {
 public:
  PdhgSolver(const NonlinearParameters& parameters, const PdhgStepParameters& step)
      : parameters_(parameters), given_(step), engine_(engine_parameters(parameters)) {}

  const std::string& name() const override { return name_; }
  const std::vector<NonlinearReport>& attempts() const override { return attempts_; }
  NonlinearReport solve(StepSystem& system, Field& U) override;

  std::map<std::string, double> state() const override {
    if (!given_.tune) return {};
    return {{"smallest", range_.smallest}, {"largest", range_.largest}, {"tau", tuned_tau_}, {"digits", digits_}, {"stale", stale_ ? 1.0 : 0.0}};
  }
  void restore(const std::map<std::string, double>& numbers) override {
    if (!given_.tune) return;
    range_ = {numbers.at("smallest"), numbers.at("largest")};
    tuned_tau_ = numbers.at("tau");
    digits_ = numbers.at("digits");
    stale_ = numbers.at("stale") != 0;
  }

 private:
  void tune(StepSystem& system, Field& U);

  const std::string name_ = "pdhg";
  NonlinearParameters parameters_;
  PdhgStepParameters given_;
  Pdhg engine_;
  StepSaddlePoint saddle_;
  std::vector<NonlinearReport> attempts_;
  Field start_;  // the initial guess, for another attempt
  SingularRange range_;
  double tuned_tau_ = 0;  // 0: not tuned yet
  double digits_ = 0;     // -ln of the mean reduction of the first solve after the last tuning; 0: none yet
  bool stale_ = false;
};

void PdhgSolver::tune(StepSystem& system, Field& U) {
  range_ = singular_range(system, U);
  // Room for what changes on the way to the solution.
  range_.smallest *= 0.95;
  range_.largest *= 1.01;
  stale_ = tuned_tau_ == 0;
  tuned_tau_ = system.tau();
  digits_ = 0;
}

NonlinearReport PdhgSolver::solve(StepSystem& system, Field& U) {
  NonlinearReport report;
  report.method = name_;
  const long pairs = system.transform_pairs(), evaluations = system.evaluations();
  if (given_.tune) {
    for (int i = 0; i < ahead; ++i) {
      report.residuals.push_back(system.picard(U));
      ++report.iterations;
    }
    if (!start_ || start_.layout_ptr() != system.layout() || start_.levels() != system.levels()) start_ = system.make_field();
    for (int level = 0; level < U.levels(); ++level) start_.copy_level(level, U, level);
    if (stale_ || tuned_tau_ == 0 || system.tau() > 1.001 * tuned_tau_ || system.tau() < 0.7 * tuned_tau_) tune(system, U);
  }

  for (int attempt = 0;; ++attempt) {
    if (given_.tune && !(std::isfinite(range_.largest) && range_.smallest > 0)) {
      report.reason = StopReason::Diverged;
      if (report.residuals.empty()) report.residual = std::numeric_limits<double>::infinity();
      tuned_tau_ = 0;
      break;
    }
    const PdhgStepParameters step = given_.tune ? optimal_pdhg_parameters(range_) : given_;
    const double predicted = given_.tune ? -std::log(pdhg_rate(range_, step)) : 0;
    ConvergenceWatch watch(parameters_.tolerance, parameters_.max_iterations, window);
    const int done = static_cast<int>(report.residuals.size());
    bool slow = false;
    engine_.set_steps(step.tau_p, step.tau_u);
    engine_.monitor = [&](const PdhgProgress& now) { report.residuals.push_back(now.residuals->front().absolute); };
    engine_.give_up = [&](const PdhgProgress& now) {
      const double last = report.residuals.back();
      // Heavy-ball iterations start with a hump.
      const auto stretch = static_cast<int>(std::max(15.0, 4 / predicted));
      slow = given_.tune && attempt < retunings && now.iteration >= 2 * stretch &&
             std::log(report.residuals[report.residuals.size() - 1 - static_cast<std::size_t>(stretch)] / last) < 0.3 * predicted * stretch;
      return slow || watch.hopeless(last) || done + now.iteration >= parameters_.max_iterations;
    };
    saddle_.start(system, U, step.eps, step.omega);
    const SolveReport run = engine_.solve(saddle_);
    report.reason = run.reason;
    report.residual = report.residuals.back();
    report.iterations += run.iterations;
    if (run.reason == StopReason::Converged && given_.tune && run.iterations >= 3) {
      const double digits = std::log(report.residuals[static_cast<std::size_t>(done)] / report.residual) / run.iterations;
      if (digits_ == 0) digits_ = digits;
      stale_ = stale_ || digits < 0.75 * digits_;
    }
    if (run.reason != StopReason::Diverged) break;
    if (report.iterations >= parameters_.max_iterations && std::isfinite(report.residual)) report.reason = StopReason::IterationLimit;
    if (!given_.tune || attempt == retunings || report.iterations >= parameters_.max_iterations) break;
    if (slow && system.admissible(U)) {
      tune(system, U);
    } else {
      for (int level = 0; level < U.levels(); ++level) U.copy_level(level, start_, level);
      range_.smallest *= 0.5;
      range_.largest *= 1.2;
      stale_ = true;
    }
  }
  report.transform_pairs = system.transform_pairs() - pairs;
  report.evaluations = system.evaluations() - evaluations;
  attempts_.assign(1, report);
  return report;
}

}  // namespace

NonlinearSolverPtr make_pdhg(const NonlinearParameters& parameters, const PdhgStepParameters& step) {
  return std::make_unique<PdhgSolver>(parameters, step);
}

}  // namespace wasserflow
