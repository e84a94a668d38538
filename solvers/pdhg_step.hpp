#pragma once
/// The nonlinear system of an implicit step as a saddle point for the primal-dual engine, and its convergence rate.
#include "solvers/nonlinear_solver.hpp"
#include "solvers/saddle_point.hpp"
#include "solvers/step_system.hpp"

namespace wasserflow {

/// Extreme singular values of B = M^{-1} DF(U).
struct SingularRange {
  double smallest = 1, largest = 1;
};

/// Linear rate of the iteration of StepSaddlePoint where B has the singular values of `range`: the largest spectral radius over s of the 2 x 2 maps
/// with
///   determinant rho (1 - omega tau s^2), trace rho + 1 - rho tau (1 + omega) s^2,   rho = 1 / (1 + eps tau_p), tau = tau_p tau_u.
double pdhg_rate(const SingularRange& range, const PdhgStepParameters& parameters);

/// The parameters of the best rate for omega = 0, where the iteration is Polyak's heavy ball on |M^{-1} F|^2 / 2 (Polyak 1964):
///   rho = ((b - a) / (b + a))^2, rho tau = 4 / (a + b)^2, rate (b - a) / (b + a),   a = smallest, b = largest.
/// rho >= 1e-4.
PdhgStepParameters optimal_pdhg_parameters(const SingularRange& range);

/// Lanczos on B^T B at U, from the same start vector every time (no more than `steps` steps, a transform pair each); stops when the extreme values
/// are known to a few per cent. `largest` is moved upwards by the error that Lanczos tells (longer steps than it allows diverge), `smallest` is
/// Lanczos' own value, from above. Not finite where DF(U) is not.
/// @note Collective.
SingularRange singular_range(StepSystem& system, Field& U, int steps = 60);

/// min over U, max over Q of <Q, M^{-1} F(U)> - (eps/2) |Q|^2, in the variable P = M^{-T} Q (the engine's primal one; U is its dual one), where an
/// iteration takes one transform pair:
///   P+ = (P + tau_p (M M^T)^{-1} F(U)) / (1 + tau_p eps),   U+ = U - tau_u DF(U)^T (P+ + omega (P+ - P)).
/// Nonlinear in U, so steps are given and not chosen by the engine (StepRule::Given with tau = tau_p, sigma = tau_u). The residual is max |F(U)| /
/// tau, tau of the time step; the engine is to check it every iteration: the primal step uses the F(U) that it made. Source: Liu, Liu, Osher, Li
/// arXiv:2305.03945.
class StepSaddlePoint final : public SaddlePoint {
 public:
  /// Starts from U (the unknown; it must outlive the iteration, and its storage changes hands in it) with P = 0.
  /// @note Collective.
  void start(StepSystem& system, Field& U, double eps, double omega);

  std::vector<Field*> primal() override { return {&p_}; }
  std::vector<Field*> dual() override { return {u_}; }
  void primal_step(double tau, double relaxation) override;
  double dual_step(double sigma, double relaxation, bool measure) override;
  std::vector<Residual> residuals() override;

 private:
  StepSystem* system_ = nullptr;
  Field* u_ = nullptr;
  double eps_ = 0, omega_ = 1;
  Field p_, ahead_, f_;     // ahead_: the extrapolated P, not there for omega = 0; f_: F(U), later the next U
  bool evaluated_ = false;  // f_ is F(U)
  std::vector<double> row_;
};

}  // namespace wasserflow
