/// Implicit steps by Krylov solves and residual correction: exact for equations that are linear, Newton's method without a search for others.
///
/// M (constant coefficients, transforms) needs a number of iterations that does not grow with the grid, but with the drift across the box; incomplete
/// factors of the assembled matrix are the other way round: with mu = tau D / h^2 and the cell Peclet number P = |b| h / D, M takes about P sqrt(mu)
/// iterations and factors about sqrt(mu). So block Jacobi with ILU and BiCGStab are taken from P = `drift_dominates` on (bench/README.md), and on
/// lines, where factors are exact; else M goes first, and where it does not solve within `trial_iterations` the factors take over for the rest of the
/// run.
#include <petscksp.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "grids/reduce.hpp"
#include "solvers/fokker_planck_operator.hpp"
#include "solvers/nonlinear_solver.hpp"
#include "solvers/petsc_shell.hpp"

namespace wasserflow {
namespace {

/// What Krylov solves take off the preconditioned residual: of the first solve of a linear step, of its corrections, of Newton steps.
constexpr double linear_tolerance = 1e-12, correction_tolerance = 1e-4, newton_tolerance = 1e-6;
/// Steps are solved when the next correction would be below these parts of the largest value: rounding, and what Newton's method squares next.
constexpr double rounding = 1e-13, newton_rounding = 1e-11;
constexpr int most_corrections = 30;
constexpr double blow_up = 1e8;
constexpr int trial_iterations = 60;
constexpr double drift_dominates = 1;
/// Points from which memory comes first: BiCGStab for GMRES with its basis, symmetric Gauss-Seidel sweeps for incomplete factors, which copy the
/// matrix.
constexpr std::int64_t little_memory_from = std::int64_t{1} << 22;

class LinearSolver final : public NonlinearSolver {
 public:
  explicit LinearSolver(const NonlinearParameters& parameters) : parameters_(parameters) {}
  const std::string& name() const override { return name_; }
  const std::vector<NonlinearReport>& attempts() const override { return attempts_; }
  std::map<std::string, double> state() const override { return {{"factors", factors_ ? 1.0 : 0.0}}; }
  void restore(const std::map<std::string, double>& numbers) override {
    const auto at = numbers.find("factors");
    factors_ = at != numbers.end() && at->second != 0;
    if (ksp_) choose();
  }

  NonlinearReport solve(StepSystem& system, Field& U) override {
    if (layout_ != system.layout() || levels_ != system.levels()) make(system);
    system_ = &system;
    errors_.clear();
    const long pairs = system.transform_pairs(), evaluations = system.evaluations();
    assembled_ = system.steps() == 1 ? dynamic_cast<AssembledOperator*>(&system.op()) : nullptr;
    auto* density = system.steps() == 1 ? dynamic_cast<FokkerPlanckOperator*>(&system.op()) : nullptr;
    if (assembled_ != nullptr && !factors_ && !chosen_ &&
        (layout_->dim() == 1 || (density != nullptr && density->peclet(system.time()) >= drift_dominates)))
      factors_ = true, choose();
    if (assembled_ != nullptr && !assembled_->is_linear()) {  // constants of M that follow the state before the step
      for (int k = 0; k < levels_; ++k) direction_.copy_level(k, system.known(), k);
      system.preconditioner().set(system.tau(), system.op().frozen(&direction_, system.time()));
    }
    NonlinearReport report;
    report.method = name_;
    report.residual = system.residual(U, residual_);
    report.residuals.push_back(report.residual);
    report.reason = StopReason::IterationLimit;
    for (int k = 0;; ++k) {
      if (!std::isfinite(report.residual) || report.residual > blow_up * (report.residuals.front() + parameters_.tolerance)) {
        report.reason = StopReason::Diverged;
        break;
      }
      if (k > 0 && settled_ && report.residual < parameters_.tolerance) report.reason = StopReason::Converged;
      if (report.reason == StopReason::Converged || k == most_corrections || report.iterations >= parameters_.max_iterations) break;
      const int iterations = correct(U, k);
      report.iterations += iterations;
      ++report.outer_iterations;
      const double before = report.residual;
      report.residual = system.residual(U, residual_);
      report.residuals.push_back(report.residual);
      // No better: what is left is rounding of R itself.
      if (!(report.residual < 0.5 * before) && report.residual < parameters_.tolerance) settled_ = true;
      if (k > 2 && !(report.residual < before) && correction_ <= 1e-11) settled_ = true;
    }
    if (report.reason != StopReason::Diverged) keep(system, density, U);
    report.transform_pairs = system.transform_pairs() - pairs;
    report.evaluations = system.evaluations() - evaluations;
    attempts_.assign(1, report);
    system_ = nullptr;
    return report;
  }

 private:
  void make(const StepSystem& system) {
    layout_ = system.layout();
    levels_ = system.levels();
    residual_ = system.make_field();
    direction_ = system.make_field();
    image_ = system.make_field();
    const MPI_Comm comm = layout_->comm();
    const auto n = static_cast<PetscInt>(layout_->owned() * levels_);
    x_ = {}, f_ = {}, shell_ = {}, ksp_ = {};
    petsc_check(VecCreateMPI(comm, n, PETSC_DETERMINE, x_.put()));
    petsc_check(VecDuplicate(x_.get(), f_.put()));
    petsc_check(MatCreateShell(comm, n, n, PETSC_DETERMINE, PETSC_DETERMINE, this, shell_.put()));
    petsc_check(MatShellSetOperation(shell_.get(), MATOP_MULT, reinterpret_cast<void (*)(void)>(&LinearSolver::multiply)));
    petsc_check(KSPCreate(comm, ksp_.put()));
    KSP ksp = ksp_.get();
    petsc_check(KSPSetOptionsPrefix(ksp, "fp_"));
    PetscBool given = PETSC_FALSE;
    petsc_check(PetscOptionsHasName(nullptr, "fp_", "-pc_type", &given));
    chosen_ = given == PETSC_TRUE;
    choose();
  }

  /// The method of the Krylov solver: M, or factors of the matrix; options have the last word.
  void choose() {
    KSP ksp = ksp_.get();
    PC pc = nullptr;
    petsc_check(KSPGetPC(ksp, &pc));
    petsc_check(KSPSetTolerances(ksp, linear_tolerance, 0, 1e10, parameters_.max_iterations));
    const bool large = layout_->grid().size() > little_memory_from;
    if (factors_) {
      petsc_check(KSPSetType(ksp, KSPBCGS));
      petsc_check(PCSetType(pc, large ? PCSOR : PCBJACOBI));
    } else {
      if (large) {
        petsc_check(KSPSetType(ksp, KSPBCGS));
      } else {
        petsc_check(KSPSetType(ksp, KSPGMRES));
        petsc_check(KSPGMRESSetRestart(ksp, trial_iterations));
        petsc_check(KSPGMRESSetCGSRefinementType(ksp, KSP_GMRES_CGS_REFINE_IFNEEDED));
      }
      petsc_check(PCSetType(pc, PCSHELL));
      petsc_check(PCShellSetContext(pc, this));
      petsc_check(PCShellSetApply(pc, &LinearSolver::precondition));
      petsc_check(PCShellSetName(pc, "M"));
    }
    petsc_check(KSPSetFromOptions(ksp));
  }

  /// U <- U - DF^{-1} F with F = residual_; returns the Krylov iterations.
  int correct(Field& U, int count) {
    KSP ksp = ksp_.get();
    const bool linear = assembled_ == nullptr || assembled_->is_linear();
    const double tolerance = !linear ? newton_tolerance : count == 0 ? linear_tolerance : correction_tolerance;
    petsc_check(KSPSetTolerances(ksp, tolerance, PETSC_DEFAULT, PETSC_DEFAULT, PETSC_DEFAULT));
    const bool trial = assembled_ != nullptr && !factors_ && !chosen_;
    if (trial)
      petsc_check(KSPSetTolerances(ksp, PETSC_DEFAULT, PETSC_DEFAULT, PETSC_DEFAULT, std::min(trial_iterations, parameters_.max_iterations)));
    // The part of the derivative that has a matrix makes preconditioners; the whole of it is applied. M needs no matrix: that of 256^3 cells
    // takes 1.4 GB.
    const bool with_matrix = assembled_ != nullptr && (factors_ || chosen_);
    Mat local = with_matrix ? assembled_->matrix(system_->tau(), system_->time()) : shell_.get();
    const bool whole = !with_matrix || assembled_->matrix_is_whole();
    petsc_check(KSPSetOperators(ksp, whole ? local : shell_.get(), local));
    gather(residual_, f_.get());
    const PetscErrorCode code = KSPSolve(ksp, f_.get(), x_.get());
    errors_.rethrow();
    petsc_check(code);
    PetscInt iterations = 0;
    petsc_check(KSPGetIterationNumber(ksp, &iterations));
    scatter(x_.get(), direction_);
    double step = 0, size = 0;
    for (int k = 0; k < levels_; ++k) {
      double* u = U.level(k);
      const double* d = direction_.level(k);
      for (std::ptrdiff_t i = 0; i < layout_->owned(); ++i) {
        u[i] -= d[i];
        step = std::max(step, std::fabs(d[i]));
        size = std::max(size, std::fabs(u[i]));
      }
    }
    step = global_max(layout_->comm(), step);
    size = global_max(layout_->comm(), size);
    correction_ = step / size;
    KSPConvergedReason reason = KSP_CONVERGED_ITERATING;
    petsc_check(KSPGetConvergedReason(ksp, &reason));
    settled_ = !(step > 0) || correction_ <= (linear ? rounding : newton_rounding) ||
               (assembled_ != nullptr && linear && reason > 0 && tolerance * correction_ <= rounding);
    if (trial && reason < 0) {
      factors_ = true;
      choose();
    }
    return static_cast<int>(iterations);
  }

  /// Mass and positivity, which the exact solution has and Krylov methods keep to their tolerance only: negative rounding goes, where implicit Euler
  /// with an M-matrix has none, and a factor restores the mass.
  void keep(const StepSystem& system, const FokkerPlanckOperator* density, Field& U) const {
    if (density == nullptr || levels_ != 1) return;
    const Field& known = system.known();
    double low = 0, high = 0;
    for (const double v : known.owned()) low = std::min(low, v), high = std::max(high, v);
    low = global_min(layout_->comm(), low);
    high = global_max(layout_->comm(), high);
    const bool positive = low >= -1e-13 * high && density->is_monotone();
    if (positive)
      for (double& v : U.owned()) v = std::max(v, 0.0);
    if (!density->conserves_mass()) return;
    const double before = sum(known), after = sum(U);
    if (!(before * after > 0) || !(std::fabs(after) > 1e-3 * std::fabs(before))) return;
    const double factor = before / after;
    for (double& v : U.owned()) v *= factor;
  }

  static PetscErrorCode multiply(Mat A, Vec v, Vec out) {
    void* context = nullptr;
    if (const PetscErrorCode code = MatShellGetContext(A, &context)) return code;
    LinearSolver& self = *static_cast<LinearSolver*>(context);
    return self.errors_.run([&] {
      scatter(v, self.direction_);
      self.system_->derivative(self.direction_, self.image_);
      gather(self.image_, out);
    });
  }

  static PetscErrorCode precondition(PC pc, Vec y, Vec z) {
    void* context = nullptr;
    if (const PetscErrorCode code = PCShellGetContext(pc, &context)) return code;
    LinearSolver& self = *static_cast<LinearSolver*>(context);
    return self.errors_.run([&] {
      const double* in = nullptr;
      double* out = nullptr;
      petsc_check(VecGetArrayRead(y, &in));
      petsc_check(VecGetArrayWrite(z, &out));
      apply_preconditioner(*self.system_, in, out);
      petsc_check(VecRestoreArrayWrite(z, &out));
      petsc_check(VecRestoreArrayRead(y, &in));
    });
  }

  NonlinearParameters parameters_;
  std::string name_ = "linear";
  std::vector<NonlinearReport> attempts_;
  LayoutPtr layout_;
  int levels_ = 0;
  Field residual_, direction_, image_;
  PetscHandle<Vec, VecDestroy> x_, f_;
  PetscHandle<Mat, MatDestroy> shell_;
  PetscHandle<KSP, KSPDestroy> ksp_;
  StepSystem* system_ = nullptr;
  AssembledOperator* assembled_ = nullptr;  // of the solve that runs; null: no matrix
  bool settled_ = false;
  bool factors_ = false, chosen_ = false;
  double correction_ = 0;
  CallbackErrors errors_;
};

}  // namespace

NonlinearSolverPtr make_linear_solver(const NonlinearParameters& parameters) { return std::make_unique<LinearSolver>(parameters); }

}  // namespace wasserflow
