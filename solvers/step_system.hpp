#pragma once
/// The nonlinear system of one implicit step, or of a block of steps, with its preconditioner: what every nonlinear solver of this family takes.
#include <optional>
#include <vector>

#include "solvers/evolution_operator.hpp"
#include "solvers/implicit_preconditioner.hpp"

namespace wasserflow {

/// F(U) = 0 for U = (U_1 ... U_N), each of S components:
///   F_1 = U_1 - known + tau R(U_1, t_1),   F_k = U_k - U_{k-1} + tau R(U_k, t_k).
/// Implicit Euler: known = u^n, tau = dt. BDF2 and the stages of SDIRK2 have N = 1, another known and another tau. The residual that solvers
/// look at is max |F| / tau, in the units of u_t.
class StepSystem {
 public:
  /// @note Collective.
  StepSystem(EvolutionOperatorPtr op, int steps, bool single = false);

  /// The next system. Sets the preconditioner for tau (anew only where something changed); `follow`: its constants follow the state `known`.
  /// Throws as ImplicitPreconditioner::set.
  /// @note Collective.
  void set(const Field& known, double tau, std::span<const double> times, bool follow = false);

  /// z = M^{-1} F(U) and max |F| / tau; one fused sweep and one transform pair. `F`, when given, takes F(U) as well.
  /// @note Collective.
  double preconditioned_residual(Field& U, Field& z, Field* F = nullptr);
  /// The same with rows of z where they are wanted, as the transform delivers them.
  /// @note Collective.
  double preconditioned_residual(Field& U, const SpectralTransform::Sink& z, Field* F = nullptr);
  /// F(U) and max |F| / tau, no transform.
  /// @note Collective.
  double residual(Field& U, Field& F);
  /// max |F| / tau alone.
  /// @note Collective.
  double residual(Field& U);
  /// U -= M^{-1} F(U) in one pass (Picard); returns max |F| / tau before the update. Ghosts of U are stale afterwards.
  /// @note Collective.
  double picard(Field& U);

  /// DF(U) V and DF(U)^T P at the U of the last of the functions above (or of linearise).
  /// @note Collective.
  void linearise(Field& U);
  void derivative(Field& V, Field& out);
  void adjoint(Field& P, Field& out);
  /// Rows of DF(U)^T P after prepare_adjoint(P), for fused updates.
  void prepare_adjoint(Field& P);
  void adjoint_rows(int level, std::ptrdiff_t offset, int n, double* out) const;
  /// Rows of F(U) after prepare(U), of the points [offset, offset + n) of a level: an x line, the slab in 1-D (as SpectralTransform cuts them).
  /// Returns their largest |F|, infinity when one is NaN.
  void prepare(Field& U);
  double residual_rows(int level, std::ptrdiff_t offset, int n, double* out) const;

  ImplicitPreconditioner& preconditioner() { return preconditioner_; }
  EvolutionOperator& op() { return *op_; }
  const LayoutPtr& layout() const { return op_->layout(); }
  int steps() const { return steps_; }
  int components() const { return op_->components(); }
  int levels() const { return steps_ * components(); }
  double tau() const { return tau_; }
  /// What rounding leaves of max |F| / tau at the solution, a few times too large: epsilon max |known| (1 / tau + |R| at the finest mode). Solvers
  /// stop there when their tolerance lies below (sixth-order equations: near 5e-7 at 256 points a length of 2 pi, 64 times that at 512).
  double rounding() const { return rounding_; }
  /// tau |R| at the finest mode, for the constants of the preconditioner.
  double stiffness() const { return stiffness_; }
  double time() const { return times_.front(); }  ///< of the first step
  const Field& known() const { return known_; }
  Field make_field() const { return Field(op_->layout(), levels()); }
  /// True when every component is finite and inside its domain, on all ranks.
  /// @note Collective.
  bool admissible(const Field& U) const;

  /// Work since construction.
  long evaluations() const { return evaluations_; }  ///< of F, DF or DF^T (a block of steps counts once)
  long transform_pairs() const { return preconditioner_.transform_pairs(); }

 private:
  EvolutionOperatorPtr op_;
  int steps_;
  ImplicitPreconditioner preconditioner_;
  Field known_;
  double tau_ = 0;
  double highest_ = 0;  // bound of the Laplacian's symbol
  double rounding_ = 0, stiffness_ = 0;
  std::vector<double> times_, row_;
  Field* state_ = nullptr;    // U of the last prepare
  Field* adjoint_ = nullptr;  // P of the last prepare_adjoint
  long evaluations_ = 0;
};

}  // namespace wasserflow
