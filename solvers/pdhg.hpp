#pragma once
/// The preconditioned primal-dual hybrid gradient method: one loop for every equation.
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "grids/support/parameters.hpp"
#include "solvers/saddle_point.hpp"

namespace wasserflow {

/// How the two step sizes tau = s / w, sigma = s * w are chosen (s: step, w: weight).
enum class StepRule {
  Fixed,         ///< s^2 = step_product / norm^2, w = weight throughout
  Balanced,      ///< same s; w grows while the dual residual alone stays, shrinks while the primal one does (Goldstein, Li, Yuan 2015)
  MalitskyPock,  ///< s from a line search that needs no norm (Malitsky & Pock 2018), w fixed
  Given,         ///< tau and sigma as they stand in the parameters: for problems that know better than a norm (nonlinear or strongly convex ones)
};

/// All knobs of the loop. read() documents each and gives ranges; validate() names the bad field and its interval.
struct PdhgParameters {
  double tolerance = 1e-6;  ///< absolute: stop when every residual is below tolerance + relative_tolerance * scale
  double relative_tolerance = 0;
  int max_iterations = 10000;  ///< a solve
  int min_iterations = 0;      ///< before which residuals do not end it: those of a warm start are small whatever it is worth
  int check_every = 5;         ///< iterations between evaluations of the residuals
  StepRule rule = StepRule::Balanced;
  /// tau sigma norm^2: < 4/3 without relaxation (Banert, Upadhyaya, Giselsson 2023, arXiv:2309.03998), < 1 with it. Beyond 1.2 the last digits come
  /// slowly.
  double step_product = 1.15;
  double weight = 0.3;        ///< first w; see Pdhg::weight
  double tau = 1, sigma = 1;  ///< Given
  double balance_up = 20;     ///< Balanced: w *= balance_factor when dual residual > balance_up * primal residual
  double balance_down = 30;   ///< Balanced: w /= balance_factor when primal residual > balance_down * dual residual
  double balance_factor = 10;
  double balance_limit = 1e300;      ///< >= 1: w stays within this factor of the one at the start of a solve
  int balance_iterations = 1000000;  ///< w changes in the first so many iterations of a solve only
  double relaxation = 1;             ///< in [1, 2): over-relaxation of both iterates (Condat 2013); not with MalitskyPock
  int restart_every = 0;             ///< 0: never; else candidate restarts at the average of the last iterates every so many iterations (PDLP)

  /// Throws InputError naming the field and its interval.
  void validate() const;
  static PdhgParameters read(const Parameters& solver) { return read(solver, PdhgParameters()); }
  static PdhgParameters read(const Parameters& solver, const PdhgParameters& defaults);
};

enum class StopReason {
  Converged,       ///< residuals below their tolerances; the iterate is the answer
  IterationLimit,  ///< the iterate is the last one, its residuals are above tolerance
  Diverged,        ///< NaN or infinity, or given up (Pdhg::give_up); the iterate is meaningless
};
std::string to_string(StopReason reason);

/// Work and outcome of a solve.
struct [[nodiscard]] SolveReport {
  StopReason reason = StopReason::IterationLimit;
  int iterations = 0;
  long operator_passes = 0;  ///< applications of K, K^T and P^{-1} counted as one each
  std::vector<Residual> residuals;
  double weight = 0;  ///< w at the end
  double step = 0;    ///< s at the end
  int restarts = 0;
  int weight_changes = 0;
};

/// Pure function of criteria and residuals: the reason to stop, if there is one. Divergence is seen here too (NaN residuals).
std::optional<StopReason> termination(const PdhgParameters& criteria, int iterations, const std::vector<Residual>& residuals);

/// What a monitor sees at every check.
struct PdhgProgress {
  int iteration = 0;
  const std::vector<Residual>* residuals = nullptr;
  double weight = 0;
  double step = 0;
  long operator_passes = 0;
  int weight_changes = 0;
};

/// Where a solve stood at a check, to go on from there with the same bits: with the iterates of then, rules Fixed, Balanced, Given, and
/// restart_every = 0.
struct PdhgPosition {
  int iterations = 0;
  double weight = 0;
  long operator_passes = 0;
  int weight_changes = 0;
};

/// The loop
///   x+ = x - tau P^{-1}(K^T y + c),  y+ = prox_{sigma F*}(y + sigma K(2 x+ - x)),
/// with checks, weight changes and restarts between its iterations. It keeps the weight from one solve to the next, so that a
/// sequence of similar problems (time steps) profits. One object a sequence.
class Pdhg {
 public:
  explicit Pdhg(PdhgParameters parameters);

  /// Iterates from the problem's present (x, y). Throws nothing for non-convergence: see SolveReport. With `from` an interrupted solve goes on
  /// behind the check that it ended with.
  /// @note Collective.
  SolveReport solve(SaddlePoint& problem, const std::optional<PdhgPosition>& from = {});

  const PdhgParameters& parameters() const { return parameters_; }
  double weight() const { return weight_; }
  void set_weight(double w) { weight_ = w; }
  /// Called at every check with the current residuals.
  std::function<void(const PdhgProgress&)> monitor;
  /// When set: asked at every check after which the solve would go on; true ends it with Diverged. Must answer alike on all ranks.
  std::function<bool(const PdhgProgress&)> give_up;

 private:
  PdhgParameters parameters_;
  double weight_;
};

}  // namespace wasserflow
