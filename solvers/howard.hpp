#pragma once
/// Howard's policy iteration (= semismooth Newton) for one implicit Hamilton-Jacobi step: a sparse M-matrix system per iteration, by PETSc.
#include <petscksp.h>

#include "solvers/hj_residual.hpp"

namespace wasserflow {

struct HowardOptions {
  /// Stop when dt max|R| <= tolerance * max(1, max|phi|): by the comparison principle a bound on the distance to the scheme's exact step. A
  /// tolerance below what rounding allows on this grid ends at the rounding level. Range > 0.
  double tolerance = 1e-13;
  int max_iterations = 100;  ///< policy iterations a step, >= 1
};

/// What one implicit step cost. With converged == false phi holds the best iterate.
struct [[nodiscard]] HowardReport {
  bool converged = false;
  int iterations = 0;         ///< policies evaluated = linear systems solved
  int linear_iterations = 0;  ///< Krylov iterations of all of them
  int damped = 0;             ///< iterations that took a damped step (only where the scheme is not monotone)
  ResidualNorms residual;     ///< of the returned phi
};

/// Solves R_k(phi) = 0 of HamiltonJacobiProblem. Each iteration fixes the policy dHh/dq of the last iterate and solves A d = -R with
/// A = 1/dt + sum_j dHh/dq_j q_j + upwinded drift - nu Lap. Where the scheme is monotone A is an M-matrix and, H being convex, the iteration
/// converges from any start and superlinearly; elsewhere (Lax-Friedrichs with too small alpha, inflow through an extrapolating boundary) steps are
/// damped until the residual decreases.
///
/// Options prefix `howard_`. Defaults: right-preconditioned GMRES(100) with block Jacobi of ILU(0) (in 1-D on one rank LU), to a relative 1e-13 or
/// half the step's tolerance, whichever comes first. Strong viscosity on fine grids: `-howard_pc_factor_levels 1` or `-howard_ksp_type bcgs`. Refers
/// to the problem, whose times may change between steps. Source: Howard 1960; Bokanowski, Maroso & Zidani, SIAM J. Numer. Anal. 47 (2009).
class Howard {
 public:
  /// Throws InputError when H is not convex.
  /// @note Collective.
  explicit Howard(const HamiltonJacobiProblem& problem, const HowardOptions& options = {});

  /// Step from `before` (level kb) to phi (level k) with the coefficients of the problem's time level `level`, starting from the values in phi.
  /// Throws DivergedError when a value turns NaN or infinite, or the linear solver breaks down.
  /// @note Collective.
  HowardReport step(const Field& before, int kb, Field& phi, int k, int level = 0);

  /// Solves the transposed system A(phi)^T rho = later/dt at a solution phi (level k) of time level `level`: one step back in time of the density
  /// that the optimal feedback transports. later = c (a constant) gives the dual variable of a one-step window; the last step's rho as `later` the
  /// density of a whole horizon. Keeps the total mass exactly (but for Dirichlet boundaries) and rho >= 0 where the scheme is monotone.
  /// @note Collective.
  void density(Field& phi, int k, const Field& later, int kl, Field& rho, int kr, int level = 0);

 private:
  bool assemble(const Field& phi, int k, int level);  // returns whether A is an M-matrix on all ranks
  int solve(Vec right, Vec solution, bool transposed);

  const HamiltonJacobiProblem* problem_;
  HowardOptions options_;
  HjRowOperator op_;
  Field residual_, step_, trial_;
  std::vector<double> scratch_;
  double diagonal_ = 0;  // largest diagonal entry of A
  PetscHandle<Mat, MatDestroy> matrix_;
  PetscHandle<KSP, KSPDestroy> ksp_;
};

}  // namespace wasserflow
