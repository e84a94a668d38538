/// The primal-dual iteration as a nonlinear solver: published parameters, or tuned ones.
#include <algorithm>
#include <cmath>
#include <limits>

#include "solvers/convergence_watch.hpp"
#include "solvers/pdhg_step.hpp"

namespace wasserflow {
namespace {

constexpr int ahead = 2;      // fixed-point iterations before tuned ones
constexpr int retunings = 2;  // within a solve

PdhgParameters engine_parameters(double tolerance, int max_iterations, const PdhgStepParameters& step) {
  PdhgParameters e;
  e.tolerance = tolerance;
  e.max_iterations = max_iterations;
  e.check_every = 1;
  e.rule = StepRule::Given;
  e.tau = step.tau_p;
  e.sigma = step.tau_u;
  return e;
}

/// With tuned parameters a solve starts with two fixed-point iterations: heavy-ball steps are as long as the linearisation at the answer allows, and
/// far from it (sharp initial data, whose derivatives are those of the pure phases) the linearisation is another one. Tuning looks at M^{-1} DF
/// behind them. It is done anew
///   - when tau grew, or fell below 0.7 of the one at the last tuning, and for the second solve of all,
///   - for the next solve, when one took a third more iterations a digit than the first one after the last tuning,
///   - within a solve, at the present U, when the residual falls at less than 0.3 of the predicted rate for a while (twice at most).
/// When the iteration is hopeless all the same (ConvergenceWatch) it starts again with the parameters as given, whose shorter steps reach the
/// answer from farther away.
class PdhgSolver final : public NonlinearSolver {
 public:
  PdhgSolver(const NonlinearParameters& parameters, const PdhgStepParameters& step) : parameters_(parameters), given_(step) {
    engine_parameters(parameters.tolerance, parameters.max_iterations, step).validate();
  }

  const std::string& name() const override { return name_; }
  const std::vector<NonlinearReport>& attempts() const override { return attempts_; }
  NonlinearReport solve(StepSystem& system, Field& U) override;

  std::map<std::string, double> state() const override {
    if (!given_.tune) return {};
    return {{"smallest", range_.smallest}, {"largest", range_.largest}, {"tau", tuned_tau_}, {"digits", digits_}, {"stale", stale_ ? 1.0 : 0.0}};
  }
  void restore(const std::map<std::string, double>& numbers) override {
    if (!given_.tune || !numbers.contains("tau")) return;
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
    if (!start_ || start_.layout_ptr() != system.layout() || start_.levels() != system.levels()) start_ = system.make_field();
    for (int level = 0; level < U.levels(); ++level) start_.copy_level(level, U, level);
    for (int i = 0; i < ahead; ++i) {
      report.residuals.push_back(system.picard(U));
      ++report.iterations;
    }
    if (stale_ || tuned_tau_ == 0 || system.tau() > 1.001 * tuned_tau_ || system.tau() < 0.7 * tuned_tau_) tune(system, U);
  }

  const double tolerance = std::max(parameters_.tolerance, system.rounding());
  bool tuned = given_.tune;
  for (int retuned = 0;;) {
    if (tuned && !(std::isfinite(range_.largest) && range_.smallest > 0)) {
      tuned = false;
      stale_ = true;
    }
    const PdhgStepParameters step = tuned ? optimal_pdhg_parameters(range_) : given_;
    const double predicted = tuned ? -std::log(pdhg_rate(range_, step)) : 0;
    const auto stretch = static_cast<int>(std::max(15.0, 4 / std::max(predicted, 1e-3)));
    ConvergenceWatch watch(tolerance, parameters_.max_iterations, tuned ? 100 : 300);  // the published iteration has long plateaus
    const auto begin = static_cast<std::ptrdiff_t>(report.residuals.size());
    bool slow = false;
    Pdhg engine(engine_parameters(tolerance, parameters_.max_iterations, step));
    engine.monitor = [&](const PdhgProgress& now) { report.residuals.push_back(now.residuals->front().absolute); };
    engine.give_up = [&](const PdhgProgress& now) {
      const double last = report.residuals.back();
      // Heavy-ball iterations start with a hump.
      slow = tuned && retuned < retunings && now.iteration >= 2 * stretch &&
             std::log(*(report.residuals.end() - 1 - stretch) / last) < 0.3 * predicted * stretch;
      return slow || watch.hopeless(last) || report.iterations + now.iteration >= parameters_.max_iterations;
    };
    saddle_.start(system, U, step.eps, step.omega);
    const SolveReport run = engine.solve(saddle_);
    report.reason = run.reason;
    report.residual = report.residuals.back();
    report.iterations += run.iterations;
    if (run.reason == StopReason::Converged && tuned && run.iterations >= 3) {
      const double digits = std::log(report.residuals[static_cast<std::size_t>(begin)] / report.residual) / run.iterations;
      if (digits_ == 0) digits_ = digits;
      stale_ = stale_ || digits < 0.75 * digits_;
    }
    if (run.reason != StopReason::Diverged) break;
    if (report.iterations >= parameters_.max_iterations) {
      if (std::isfinite(report.residual)) report.reason = StopReason::IterationLimit;
      break;
    }
    if (!tuned) break;
    if (slow && system.admissible(U)) {
      ++retuned;
      tune(system, U);
    } else {
      for (int level = 0; level < U.levels(); ++level) U.copy_level(level, start_, level);
      tuned = false;
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
