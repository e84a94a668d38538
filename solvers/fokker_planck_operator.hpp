#pragma once
/// R of rho_t + R(rho, t) = 0 for the equations of problems/fokker_planck.hpp by conservative finite volumes.
#include <petscmat.h>

#include "problems/fokker_planck.hpp"
#include "solvers/evolution_operator.hpp"

namespace wasserflow {

/// What equations with an assembled matrix offer to linear solvers.
class AssembledOperator {
 public:
  virtual ~AssembledOperator() = default;
  /// I + tau R as a PETSc matrix (AIJ, rows in the order of field points) for Krylov methods, preconditioners and direct solvers; of nonlinear
  /// equations the derivative at the state of the last prepare, without what nonlocal terms couple. Owned by the operator; holds until the next call.
  /// @note Collective.
  virtual Mat matrix(double tau, double t) = 0;
  virtual bool is_linear() const = 0;        ///< R is linear in u
  virtual bool matrix_is_whole() const = 0;  ///< nothing is left out of the matrix
};

/// Fluxes through the face between cells i and j = i + e_d (Scharfetter & Gummel 1969; Chang & Cooper 1970), with B(z) = z / (e^z - 1):
///   F = D/h ( B(-p) rho_i - B(p) rho_j ),   p = q / D,   q = h drift - (Q_j - Q_i),   Q = V + W * rho - chi S,
/// D and the drift being means of the two cells. R is conservative (no flux through no_flux ends, total fluxes), I + tau R has positive diagonal, no
/// positive entry beside it and columns that sum to 1 (no reaction) for every tau > 0, so that implicit Euler keeps densities positive; exp(-V / D)
/// is stationary to rounding when D is constant and the drift is -grad V. D = 0 gives upwind fluxes. Porous-medium diffusion adds the difference
/// quotient of a rho^m to D (Bessemoulin-Chatard 2012). dirichlet: rho = 0 at the end face (absorbing). Off-diagonal entries of D: a symmetric
/// stencil of the two diagonals of each vertex, second order inside; it has entries of both signs, so that positivity is not guaranteed (is_monotone
/// tells); vertices on ends that are not periodic are left out, which is first order where the density does not vanish there. Derivatives and
/// adjoints are complete, nonlocal and porous terms included.
class FokkerPlanckOperator : public EvolutionOperator, public AssembledOperator {
 public:
  /// int rho log(rho / pi) with pi = exp(-V / D) of the same mass (discrete), where drift, reaction, nonlocal and porous terms and walls are absent
  /// and D is one number. Evaluated without cancellation: small near pi.
  /// @note Collective.
  virtual std::optional<double> relative_entropy(const Field& rho) = 0;
  /// The discrete Gibbs density exp(-V / D) of this mass into a level of a field; false where relative_entropy has none.
  /// @note Collective.
  virtual bool gibbs(Field& pi, double mass) = 0;
  /// max over faces of |p|, the cell Peclet number of the equation (nonlinear terms: at the state of the last prepare); infinite where D = 0 is
  /// crossed by a drift.
  /// @note Collective.
  virtual double peclet(double t) = 0;
  /// I + tau R is an M-matrix for every tau > 0 with tau c < 1.
  virtual bool is_monotone() const = 0;
  virtual const FokkerPlanckEquation& equation() const = 0;
  bool is_linear() const override { return !equation().nonlinear(); }
  bool matrix_is_whole() const override { return !equation().nonlocal(); }
};
using FokkerPlanckOperatorPtr = std::shared_ptr<FokkerPlanckOperator>;

/// The free energy int V rho + D rho log rho + 1/2 rho (W * rho) - chi/2 rho S + a/(m - 1) rho^m is the operator's energy when the drift and the
/// reaction are absent, D is one number, V does not depend on time and nothing is absorbed. Throws InputError for coefficients that do not suit.
/// @note Collective.
FokkerPlanckOperatorPtr make_fokker_planck_operator(const FokkerPlanckEquation& equation, LayoutPtr layout);

/// The backward Kolmogorov equation u_s = b . grad u + div(D grad u) + c u, where s = T - t runs back in time: R^T of the same operator at the times
/// given. Keeps constants (c = 0), and <u(s), rho(T - s)> is the same for all s when both take the same implicit Euler steps. Throws InputError for
/// nonlinear equations.
EvolutionOperatorPtr make_backward_operator(FokkerPlanckOperatorPtr forward);

}  // namespace wasserflow
