/// Newton's method for one implicit step: PETSc's SNES and KSP with M as a shell preconditioner.
///
/// Gradient flows are searched along Newton's direction for a lower incremental energy (solvers/incremental_energy.hpp), for |F| may have to grow on
/// the way to a minimum of it: with the other sign where DF is indefinite and the direction goes uphill, and along -M^{-1} F where it leads nowhere.
/// Other systems are searched for a lower |F|, by PETSc's backtracking.
#include <petscsnes.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "solvers/incremental_energy.hpp"
#include "solvers/nonlinear_solver.hpp"
#include "solvers/petsc_shell.hpp"

namespace wasserflow {
namespace {

using SnesHandle = PetscHandle<SNES, SNESDestroy>;
using MatHandle = PetscHandle<Mat, MatDestroy>;
using VecHandle = PetscHandle<Vec, VecDestroy>;

/// A Newton step that does not bring the residual below this part of the least one so far counts as idle, and so many in a row end the solve.
constexpr double progress = 0.7;
constexpr int idle_limit = 12;
constexpr double blow_up = 1e6;
// More directions than this that go uphill: DF is indefinite around, and other methods are better off.
constexpr int uphill_limit = 6;

class NewtonKrylov final : public NonlinearSolver {
 public:
  explicit NewtonKrylov(const NonlinearParameters& parameters) : parameters_(parameters) {}
  const std::string& name() const override { return name_; }
  const std::vector<NonlinearReport>& attempts() const override { return attempts_; }

  NonlinearReport solve(StepSystem& system, Field& U) override {
    const bool energies = IncrementalEnergy::exists(system);
    if (layout_ != system.layout() || levels_ != system.levels() || energies != energies_) make(system, energies);
    system_ = &system;
    const long pairs = system.transform_pairs(), evaluations = system.evaluations();
    NonlinearReport report;
    report.method = name_;
    residuals_.clear();
    tolerance_ = std::max(parameters_.tolerance, system.rounding());
    least_ = std::numeric_limits<double>::infinity();
    idle_ = uphill_ = 0;
    errors_.clear();
    bounded_ = false;
    for (int s = 0; s < system.components(); ++s) {
      const auto [lower, upper] = system.op().domain(s);
      bounded_ = bounded_ || std::isfinite(lower) || std::isfinite(upper);
    }

    conserves_ = system.op().conserves_mass();
    keep_means(U);
    if (energies_ && !phi_.begin(system, U)) {
      report.reason = StopReason::Diverged;
      report.residual = std::numeric_limits<double>::quiet_NaN();
      attempts_.assign(1, report);
      system_ = nullptr;
      return report;
    }
    if (energies_) here_ = phi_.energy(U);

    gather(U, x_.get());
    const PetscErrorCode code = SNESSolve(snes_.get(), nullptr, x_.get());
    errors_.rethrow();
    petsc_check(code);
    scatter(x_.get(), U);
    keep_means(U);

    SNESConvergedReason reason = SNES_CONVERGED_ITERATING;
    PetscInt steps = 0, krylov = 0;
    petsc_check(SNESGetConvergedReason(snes_.get(), &reason));
    petsc_check(SNESGetIterationNumber(snes_.get(), &steps));
    petsc_check(SNESGetLinearSolveIterations(snes_.get(), &krylov));
    report.reason = reason > 0 ? StopReason::Converged : reason == SNES_DIVERGED_MAX_IT ? StopReason::IterationLimit : StopReason::Diverged;
    report.iterations = static_cast<int>(krylov);
    report.outer_iterations = static_cast<int>(steps);
    report.transform_pairs = system.transform_pairs() - pairs;
    report.evaluations = system.evaluations() - evaluations;
    report.residual = residuals_.empty() ? std::numeric_limits<double>::quiet_NaN() : residuals_.back();
    report.residuals = residuals_;
    attempts_.assign(1, report);
    system_ = nullptr;
    return report;
  }

 private:
  void make(const StepSystem& system, bool energies) {
    energies_ = energies;
    layout_ = system.layout();
    levels_ = system.levels();
    const MPI_Comm comm = layout_->comm();
    state_ = system.make_field();
    direction_ = system.make_field();
    image_ = system.make_field();
    const PetscInt n = static_cast<PetscInt>(layout_->owned() * levels_);
    x_ = {}, f_ = {}, jacobian_ = {}, snes_ = {};
    petsc_check(VecCreateMPI(comm, n, PETSC_DETERMINE, x_.put()));
    petsc_check(VecDuplicate(x_.get(), f_.put()));
    petsc_check(MatCreateShell(comm, n, n, PETSC_DETERMINE, PETSC_DETERMINE, this, jacobian_.put()));
    petsc_check(MatShellSetOperation(jacobian_.get(), MATOP_MULT, reinterpret_cast<void (*)(void)>(&NewtonKrylov::multiply)));

    petsc_check(SNESCreate(comm, snes_.put()));
    SNES snes = snes_.get();
    petsc_check(SNESSetOptionsPrefix(snes, "newton_"));
    petsc_check(SNESSetType(snes, SNESNEWTONLS));
    petsc_check(SNESSetFunction(snes, f_.get(), &NewtonKrylov::function, this));
    petsc_check(SNESSetJacobian(snes, jacobian_.get(), jacobian_.get(), &NewtonKrylov::linearise, this));
    petsc_check(SNESSetConvergenceTest(snes, &NewtonKrylov::test, this, nullptr));
    petsc_check(SNESSetTolerances(snes, 0, 0, 0, 100, -1));
    petsc_check(SNESSetMaxLinearSolveFailures(snes, 1000));
    // A step that is exact to the Krylov solver's limit is still a step: the line search says whether it helps.
    petsc_check(SNESKSPSetUseEW(snes, PETSC_TRUE));
    petsc_check(SNESKSPSetParametersEW(snes, 2, 0.1, 0.5, 0.9, 2, PETSC_DEFAULT, PETSC_DEFAULT));

    SNESLineSearch search = nullptr;
    petsc_check(SNESGetLineSearch(snes, &search));
    petsc_check(SNESLineSearchSetType(search, energies ? SNESLINESEARCHSHELL : SNESLINESEARCHBT));
    if (energies) petsc_check(SNESLineSearchShellSetUserFunc(search, &NewtonKrylov::search, this));

    // FGMRES needs as many applications of M^{-1} as it takes iterations; GMRES one more a Newton step.
    KSP ksp = nullptr;
    PC pc = nullptr;
    petsc_check(SNESGetKSP(snes, &ksp));
    petsc_check(KSPSetType(ksp, KSPFGMRES));
    petsc_check(KSPGMRESSetRestart(ksp, 40));
    petsc_check(KSPGMRESSetCGSRefinementType(ksp, KSP_GMRES_CGS_REFINE_IFNEEDED));
    petsc_check(KSPSetTolerances(ksp, 1e-2, 0, 1e8, std::min(parameters_.max_iterations, 80)));
    petsc_check(KSPGetPC(ksp, &pc));
    petsc_check(PCSetType(pc, PCSHELL));
    petsc_check(PCShellSetContext(pc, this));
    petsc_check(PCShellSetApply(pc, &NewtonKrylov::precondition));
    petsc_check(PCShellSetName(pc, "M"));
    petsc_check(SNESSetFromOptions(snes));
  }

  /// Mean over the grid of the owned values of a level.
  /// @note Collective.
  double mean(const double* values) {
    return sums_(*layout_, 1,
                 [values](std::ptrdiff_t o, int n, double* out) {
                   double s = 0;
                   for (int i = 0; i < n; ++i) s += values[o + i];
                   out[0] = s;
                 })[0] /
           static_cast<double>(layout_->grid().size());
  }
  void add_to_all(double* values, double shift) const {
    for (std::ptrdiff_t i = 0; i < layout_->owned(); ++i) values[i] += shift;
  }
  /// Gives all steps the means of `known`, which they have in the answer.
  void keep_means(Field& U) {
    if (!conserves_) return;
    const Field& known = system_->known();
    for (int level = 0; level < levels_; ++level) add_to_all(U.level(level), mean(known.level(level % system_->components())) - mean(U.level(level)));
  }

  static PetscErrorCode function(SNES, Vec x, Vec f, void* context) {
    NewtonKrylov& self = *static_cast<NewtonKrylov*>(context);
    return self.errors_.run([&] {
      scatter(x, self.state_);
      // The line search halves its step where F is infinite.
      if (self.bounded_ && !self.system_->admissible(self.state_)) {
        petsc_check(VecSet(f, std::numeric_limits<double>::infinity()));
        return;
      }
      (void)self.system_->residual(self.state_, self.image_);
      gather(self.image_, f);
    });
  }

  static PetscErrorCode linearise(SNES snes, Vec x, Mat, Mat, void* context) {
    NewtonKrylov& self = *static_cast<NewtonKrylov*>(context);
    return self.errors_.run([&] {
      scatter(x, self.state_);
      self.system_->linearise(self.state_);
      // What is below the tolerance of the step needs no Krylov iterations: the Euclidean norm that goes with it, for a residual of F's shape.
      Vec f = nullptr;
      double euclidean = 0, largest = 0;
      petsc_check(SNESGetFunction(snes, &f, nullptr, nullptr));
      petsc_check(VecNorm(f, NORM_2, &euclidean));
      petsc_check(VecNorm(f, NORM_INFINITY, &largest));
      const double enough = largest > 0 ? 0.1 * self.tolerance_ * self.system_->tau() * euclidean / largest : 0;
      KSP ksp = nullptr;
      petsc_check(SNESGetKSP(snes, &ksp));
      petsc_check(KSPSetTolerances(ksp, PETSC_DEFAULT, enough, PETSC_DEFAULT, PETSC_DEFAULT));
    });
  }

  static PetscErrorCode multiply(Mat A, Vec v, Vec out) {
    void* context = nullptr;
    if (const PetscErrorCode code = MatShellGetContext(A, &context)) return code;
    NewtonKrylov& self = *static_cast<NewtonKrylov*>(context);
    return self.errors_.run([&] {
      scatter(v, self.direction_);
      self.system_->derivative(self.direction_, self.image_);
      gather(self.image_, out);
    });
  }

  static PetscErrorCode precondition(PC pc, Vec y, Vec z) {
    void* context = nullptr;
    if (const PetscErrorCode code = PCShellGetContext(pc, &context)) return code;
    NewtonKrylov& self = *static_cast<NewtonKrylov*>(context);
    return self.errors_.run([&] {
      const double* in = nullptr;
      double* out = nullptr;
      petsc_check(VecGetArrayRead(y, &in));
      petsc_check(VecGetArrayWrite(z, &out));
      apply_preconditioner(*self.system_, in, out);
      // Rounding must not bring back a mean: Krylov's basis would make it grow.
      if (self.conserves_)
        for (int level = 0; level < self.levels_; ++level) self.add_to_all(out + level * self.layout_->owned(), -self.mean(out + level * self.layout_->owned()));
      petsc_check(VecRestoreArrayWrite(z, &out));
      petsc_check(VecRestoreArrayRead(y, &in));
    });
  }

  /// X <- X - lambda Y by the incremental energy, with F there.
  static PetscErrorCode search(SNESLineSearch search, void* context) {
    NewtonKrylov& self = *static_cast<NewtonKrylov*>(context);
    return self.errors_.run([&] {
      Vec x = nullptr, f = nullptr, y = nullptr;
      petsc_check(SNESLineSearchGetVecs(search, &x, &f, &y, nullptr, nullptr));
      scatter(x, self.state_);
      scatter(f, self.image_);
      const Field& F = self.image_;
      IncrementalEnergy& phi = self.phi_;
      const auto turn = [](Field& field) {
        for (double& v : field.owned()) v = -v;
      };
      scatter(y, phi.direction());
      phi.make_image();
      double slope = -phi.per_product() * dot(F, phi.image());
      if (slope > 0) ++self.uphill_;
      if (slope < 0) {  // downhill along -Y, as it should be
        turn(phi.direction());
        if (phi.own_image()) turn(phi.image());
      }
      slope = -std::fabs(slope);
      IncrementalEnergy::Search conditions;
      conditions.decrease = 1e-2;
      conditions.curvature = IncrementalEnergy::infinity;
      conditions.tolerance = self.tolerance_;
      std::optional<LinePoint> point;
      if (slope < 0) point = phi.search(self.state_, self.here_, slope, conditions);
      if (!point) {
        const double* f_rows = F.level();
        phi.precondition([f_rows](int, std::ptrdiff_t o, int n, double* row) {
          for (int i = 0; i < n; ++i) row[i] = -f_rows[o + i];
        });
        slope = phi.per_product() * dot(F, phi.image());
        conditions.decrease = 0.1;
        if (slope < 0) point = phi.search(self.state_, self.here_, slope, conditions);
      }
      if (!point) {
        petsc_check(SNESLineSearchSetReason(search, SNES_LINESEARCH_FAILED_REDUCT));
        return;
      }
      gather(phi.trial(), x);
      gather(phi.trial_F(), f);
      self.here_ = phi.trial_energy();
      petsc_check(SNESLineSearchSetLambda(search, point->a));
      petsc_check(SNESLineSearchComputeNorms(search));
      petsc_check(SNESLineSearchSetReason(search, SNES_LINESEARCH_SUCCEEDED));
    });
  }

  /// max |F| / tau below the tolerance; NaN, growth and no progress end the solve.
  static PetscErrorCode test(SNES snes, PetscInt, PetscReal, PetscReal, PetscReal norm, SNESConvergedReason* reason, void* context) {
    NewtonKrylov& self = *static_cast<NewtonKrylov*>(context);
    return self.errors_.run([&] {
      *reason = SNES_CONVERGED_ITERATING;
      Vec f = nullptr;
      double largest = norm;
      PetscInt krylov = 0;
      petsc_check(SNESGetFunction(snes, &f, nullptr, nullptr));
      petsc_check(SNESGetLinearSolveIterations(snes, &krylov));
      if (std::isfinite(norm)) petsc_check(VecNorm(f, NORM_INFINITY, &largest));
      const double residual = largest / self.system_->tau();
      self.residuals_.push_back(residual);
      self.idle_ = residual < progress * self.least_ ? 0 : self.idle_ + 1;
      self.least_ = std::min(self.least_, residual);
      if (!std::isfinite(residual))
        *reason = SNES_DIVERGED_FNORM_NAN;
      else if (residual < self.tolerance_)
        *reason = SNES_CONVERGED_FNORM_ABS;
      else if (residual > blow_up * self.residuals_.front() || self.uphill_ > uphill_limit || (!self.energies_ && self.idle_ > idle_limit))
        *reason = SNES_DIVERGED_DTOL;
      else if (krylov >= self.parameters_.max_iterations)
        *reason = SNES_DIVERGED_MAX_IT;
    });
  }

  NonlinearParameters parameters_;
  double tolerance_ = 0;  ///< of this solve
  std::string name_ = "newton-krylov";
  std::vector<NonlinearReport> attempts_;
  LayoutPtr layout_;
  int levels_ = 0;
  bool bounded_ = false, conserves_ = false, energies_ = false;
  double here_ = 0;  // energy of the iterate, with energies_
  IncrementalEnergy phi_;
  RowSums sums_;
  Field state_, direction_, image_;
  VecHandle x_, f_;
  MatHandle jacobian_;
  SnesHandle snes_;
  StepSystem* system_ = nullptr;  // of the solve that runs
  std::vector<double> residuals_;
  double least_ = 0;
  int idle_ = 0, uphill_ = 0;
  CallbackErrors errors_;
};

}  // namespace

NonlinearSolverPtr make_newton_krylov(const NonlinearParameters& parameters) { return std::make_unique<NewtonKrylov>(parameters); }

}  // namespace wasserflow
