#pragma once
/// Marching a Hamilton-Jacobi equation by primal-dual windows.
#include <memory>
#include <string>
#include <vector>

#include "solvers/hj_saddle_point.hpp"
#include "solvers/pdhg.hpp"

namespace wasserflow {

/// Windows of implicit steps, each solved by Pdhg from a warm start: phi extrapolated linearly from the last two steps, rho of the last
/// window, momenta from the policy of that phi (so that only what the extrapolation got wrong is left to the dual steps). Scales are taken from the initial
/// data: kappa^2 = 1.1 mean|H_p| h/dt (see HjSaddlePoint), and the weight is in units of 1 / mean|H|.
class HjPdhg {
 public:
  /// `problem` has as many levels as a window has steps; it must outlive this object. kappa: speed of the dual metric, 0 for the default.
  /// Throws InputError when the Hamiltonian is not convex.
  /// @note Collective.
  HjPdhg(HamiltonJacobiProblem& problem, const PdhgParameters& parameters, const Field& initial, double kappa = 0);

  /// Solves the window of steps that ends at times.back(); the fields then hold it.
  /// @note Collective.
  SolveReport advance(std::span<const double> times);

  const Field& phi() const { return saddle_->phi(); }   ///< a level a step of the last window
  const Field& rho() const { return saddle_->rho(); }
  Field& last() { return saddle_->initial(); }          ///< the newest value function: start of the next window
  double max_residual() const { return max_residual_; }
  Pdhg& engine() { return engine_; }
  HjSaddlePoint& saddle_point() { return *saddle_; }

  /// What a checkpoint must hold besides the time: last, before (the step before it) and rho.
  Field& before() { return before_; }
  struct State {
    double weight = 1;
    double kappa_squared = 1;
    int windows = 0;
  };
  State state() const { return {engine_.weight(), saddle_->kappa_squared(), windows_}; }
  /// After the fields last(), before(), saddle_point().rho() were filled from a checkpoint.
  void restore(const State& state);

 private:
  HamiltonJacobiProblem& problem_;
  std::unique_ptr<HjSaddlePoint> saddle_;
  Pdhg engine_;
  Field before_;
  int windows_ = 0;
  double max_residual_ = 0;
};

}  // namespace wasserflow
