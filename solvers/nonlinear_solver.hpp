#pragma once
/// Solvers of F(U) = 0 (solvers/step_system.hpp) behind one interface, by their names in problem files.
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "grids/support/parameters.hpp"
#include "solvers/pdhg.hpp"
#include "solvers/step_system.hpp"

namespace wasserflow {

/// Outcome of one solver on one system. What a ladder tried is a list of them.
struct [[nodiscard]] NonlinearReport {
  std::string method;
  StopReason reason = StopReason::IterationLimit;  ///< Diverged: NaN, outside of the domain, or no progress; U is then meaningless
  int iterations = 0;                              ///< of the method (Newton: of its Krylov solver, summed)
  int outer_iterations = 0;                        ///< Newton steps; 0 for the others
  long transform_pairs = 0;                        ///< of one level each
  long evaluations = 0;                            ///< of F, DF, DF^T
  double residual = 0;                             ///< max |F| / tau at the result
  std::vector<double> residuals;                   ///< max |F| / tau before each iteration, for tests and tables
};

/// Common settings; read_nonlinear_solver documents them.
struct NonlinearParameters {
  double tolerance = 1e-6;  ///< stop when max |F| / tau is below, or below StepSystem::rounding()
  int max_iterations = 500;
};

class NonlinearSolver {
 public:
  virtual ~NonlinearSolver() = default;
  virtual const std::string& name() const = 0;
  /// Solves from U, which holds the initial guess and then the answer. Non-convergence is told by the report, never thrown.
  /// @note Collective.
  virtual NonlinearReport solve(StepSystem& system, Field& U) = 0;
  /// The attempts of the last solve, in order: one for plain solvers, one a rung for the ladder.
  virtual const std::vector<NonlinearReport>& attempts() const = 0;
  /// Numbers that later solves depend on (tuned parameters), for checkpoints.
  virtual std::map<std::string, double> state() const { return {}; }
  virtual void restore(const std::map<std::string, double>&) {}
};
using NonlinearSolverPtr = std::unique_ptr<NonlinearSolver>;

/// Fixed point U <- U - M^{-1} F(U). Linear convergence with rate |1 - M^{-1} DF|.
NonlinearSolverPtr make_picard(const NonlinearParameters&);
/// Anderson acceleration of it with `memory` differences (Walker & Ni 2011); least squares by a Gram matrix updated by one row an iteration.
NonlinearSolverPtr make_anderson(const NonlinearParameters&, int memory = 5);

/// Primal-dual iteration on min_U max_Q <Q, M^{-1} F(U)> - (eps/2)|Q|^2 (Liu, Liu, Osher, Li arXiv:2305.03945), run by Pdhg.
struct PdhgStepParameters {
  double tau_p = 0.95, tau_u = 0.55, omega = 1, eps = 0.1;  ///< the published ones
  bool tune = true;  ///< from the extreme singular values of M^{-1} DF(U) (a few Lanczos steps): omega = 0 and heavy-ball steps
};
NonlinearSolverPtr make_pdhg(const NonlinearParameters&, const PdhgStepParameters&);

/// Newton's method with Krylov inner solves (FGMRES, Eisenstat-Walker forcing) preconditioned by M: PETSc's SNES and KSP, options prefix "newton_". Its
/// steps lower the incremental energy where there is one (see make_descent), else |F|.
NonlinearSolverPtr make_newton_krylov(const NonlinearParameters&);

/// Krylov solves with residual correction, for linear equations (on others: Newton's method without a search): KSP with options prefix "fp_". GMRES
/// preconditioned by M; steps of an AssembledOperator (Fokker-Planck equations) that do not suit M go on with BiCGStab and block ILU of their matrix, and
/// -fp_pc_type bjacobi, hypre, lu ... choose otherwise. Densities: their mass is restored by a factor, and negative rounding is cut where implicit Euler
/// has no negative values.
NonlinearSolverPtr make_linear_solver(const NonlinearParameters&);

/// Descent on the incremental energy Phi(U) = |U - known|^2_{G^{-1}} / (2 tau) + E(U) in the metric of M, with a line search (needs
/// EvolutionOperator::gradient_metric and N = 1; otherwise solve reports Diverged at once).
enum class Descent { Steepest, Accelerated, Lbfgs };
NonlinearSolverPtr make_descent(const NonlinearParameters&, Descent kind, int memory = 10);

/// Tries its rungs in order from the same initial guess until one converges; rungs that fail again and again are left out for a while (see
/// solvers/nonlinear_ladder.cpp). The report is that of the rung that answers (without one: of the least residual), with the work of all attempts.
NonlinearSolverPtr make_ladder(std::vector<NonlinearSolverPtr> rungs);

/// Reads [solver]: method ("auto": the ladder; anderson, picard, pdhg, pdhg-published, newton-krylov, linear, descent, steepest-descent, accelerated-descent),
/// tolerance, max_iterations, memory, tau_p, tau_u, omega, eps, ...
/// `fallback`: the method where the key is absent.
NonlinearSolverPtr read_nonlinear_solver(const Parameters& solver, const std::string& fallback = "auto");
const std::vector<std::pair<std::string, std::string>>& nonlinear_solver_names();

}  // namespace wasserflow
