#pragma once
/// The published primal-dual iteration for Hamilton-Jacobi equations in the controls, kept to compare the momentum form (hj_pdhg.hpp) with.
#include <vector>

#include "solvers/hj_saddle_point.hpp"
#include "solvers/pdhg.hpp"

namespace wasserflow {

/// What the published iteration can be told; the defaults are those of its authors.
struct HjPublishedParameters {
  double tolerance = 1e-6;       ///< of the change of the iterates, see HjPublished; no residual is looked at
  int max_iterations = 1000000;  ///< a window
  double step = 0.1;             ///< tau = step / 1.5, sigma = 1.5 step
  double mass = 70;              ///< c: mass of rho a cell at the end of a window; it only scales rho
};

/// Meng, Liu, Li, Osher 2024 (arXiv:2403.02468): saddle point of
///   sum_k sum_i rho R(phi, alpha) - (c / dt) sum_i phi^W,   R = (phi^k - phi^{k-1})/dt - eps Lap phi + drift + f + sum_j [a_d alpha_j q_j -
///   L(alpha_j)],
/// with a control alpha_j a slope (alpha <= 0 for D+, >= 0 for D-), L = alpha^2/2 for H = sum a_d^2 p_d^2/2 and |alpha| <= 1 for H = sum a_d |p_d|.
/// One iteration:
///   phi+ = phi - tau P^{-1} (K^T (rho + delta, (rho + delta) a alpha) - load),   P = 1 - Lap - D_tt,   delta = 1e-4,
///   up to ten sweeps of: alpha by proximal ascent with step sigma/(rho + delta), rho = max(0, rho + sigma R(2 phi+ - phi, alpha)),
/// each from the last one's result, until the sum of squared relative changes is below the tolerance. It stops when the relative changes of phi and
/// of (rho, alpha) in one iteration are below the tolerance. tau and sigma do not follow from a norm: NaN makes the step a tenth of its first value
/// smaller and starts the window again, down to a tenth. Where the published program has a cosine symbol of the periodic stencil for
/// no-flux axes, this one has that of the no-flux stencil.
class HjPublished {
 public:
  /// `problem` has as many levels as a window has steps; it must outlive this object. Throws InputError unless H is one of the two forms above and
  /// every axis periodic or no_flux.
  /// @note Collective.
  HjPublished(HamiltonJacobiProblem& problem, const HjPublishedParameters& parameters, const Field& initial);

  /// Solves the window of steps that ends at times.back().
  /// @note Collective.
  SolveReport advance(std::span<const double> times);

  const Field& phi() const { return saddle_.phi(); }
  Field& last() { return saddle_.initial(); }
  const Field& last() const { return saddle_.initial(); }
  Field& rho() { return saddle_.rho(); }             ///< of mass c a cell
  std::vector<Field>& controls() { return alpha_; }  ///< a slope each
  /// m_j = rho a alpha_j / c and rho / c of the newest level.
  void density(Field& rho, std::vector<Field>& m);
  double max_residual() const { return saddle_.max_residual(); }

  double step() const { return step_; }  ///< the state besides last, rho and controls
  void restore(double step) { step_ = step; }

 private:
  void tabulate_speeds();
  /// Both return the relative change of what they change.
  double primal_step(double tau);
  double dual_step(double sigma);
  void ascend(double sigma);
  SolveReport iterate();

  /// rho and the controls, and a copy of them.
  std::vector<const Field*> dual() const;
  struct Copy {
    std::vector<Field> fields;
    void take(const std::vector<const Field*>& from);
    std::vector<const Field*> all() const;
  };

  HamiltonJacobiProblem& problem_;
  LayoutPtr layout_;
  HjPublishedParameters parameters_;
  double step_;
  HjSaddlePoint saddle_;  ///< operators, phi, rho and residual; its momenta are scratch here
  SpectralPreconditioner metric_;
  bool quadratic_ = true;     ///< else one-homogeneous
  std::vector<Field> speed_;  ///< a_d, an axis each
  std::vector<Field> alpha_;
  Field row_, work_;
  Copy at_window_, at_iteration_, at_sweep_;
};

}  // namespace wasserflow
