#pragma once
/// The narrow interface between time-dependent equations u_t + R(u, t) = 0 and implicit solvers.
#include <array>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "grids/field.hpp"
#include "grids/spectral_transform.hpp"

namespace wasserflow {

/// A polynomial c_0 + c_1 lambda + c_2 lambda^2 + ... in the symbol lambda >= 0 of minus the Laplacian.
using SymbolPolynomial = std::vector<double>;

/// R linearised with constant coefficients, mode by mode: R ~ diag(linear[s](lambda)) + coupling. What M = 1 + tau (.) of a preconditioner is made of.
struct FrozenOperator {
  std::vector<SymbolPolynomial> linear;  ///< one a component
  std::vector<double> coupling;          ///< S x S, row s: d R_s / d u_q; empty: none
  SymbolKind kind = SymbolKind::Difference;
};

/// R(u, t) for fields of S components. Fields of several steps have step k, component s at level k S + s. Work is done in two halves, so that the last
/// sweep can be fused with what uses it: prepare_* is collective (ghosts, intermediate stages), *_row is local and gives values of one row, in any order,
/// each row once or more, as long as the fields given to prepare_* stand. Row r is SlabLayout::row(r). Rows hold the same bits on any number of ranks.
class EvolutionOperator {
 public:
  virtual ~EvolutionOperator() = default;
  virtual const LayoutPtr& layout() const = 0;
  virtual int components() const = 0;

  /// Makes u the state: what value_row, derivatives and adjoints refer to. `times`: one a step (u.levels() / S of them, or fewer: the first steps
  /// only). Exchanges ghosts of u.
  /// @note Collective.
  virtual void prepare(Field& u, std::span<const double> times) = 0;
  /// out[i] = R_s(u, t) at row r of step level / S, s = level % S.
  virtual void value_row(int level, int r, double* out) const = 0;

  /// R'(u) v at the state of the last prepare; exchanges ghosts of v.
  /// @note Collective.
  virtual void prepare_derivative(Field& v) = 0;
  virtual void derivative_row(int level, int r, double* out) const = 0;
  /// R'(u)^T p (transposed in the Euclidean inner product of all components); exchanges ghosts of p.
  /// @note Collective.
  virtual void prepare_adjoint(Field& p) = 0;
  virtual void adjoint_row(int level, int r, double* out) const = 0;

  /// Constant-coefficient R for the preconditioner. `state`, when given, is looked at for constants that should follow the solution (averages);
  /// without it the constants are those of the equation.
  /// @note Collective.
  virtual FrozenOperator frozen(Field* state, double t) = 0;

  /// The part A of R = A u + N(u) that is linear with constant coefficients (no coupling, no stabiliser): what IMEX schemes take implicitly.
  virtual std::vector<SymbolPolynomial> linear_part() const = 0;

  /// R = G dE/du of a single component with G >= 0 constant in x and u: the polynomial of G (its constant term is 0 when mass is conserved). Empty:
  /// no such structure (systems, variable mobility).
  virtual SymbolPolynomial gradient_metric() const { return {}; }
  /// E(u) of step `step` (times the cell volume), when the equation has an energy that decays; ghosts are exchanged.
  /// @note Collective.
  virtual std::optional<double> energy(Field& u, int step = 0) = 0;
  /// Mass of each component is conserved (no reaction, G has no constant term).
  virtual bool conserves_mass() const = 0;
  /// Open interval in which component s must stay.
  virtual std::array<double, 2> domain(int s) const = 0;
};

using EvolutionOperatorPtr = std::shared_ptr<EvolutionOperator>;

}  // namespace wasserflow
