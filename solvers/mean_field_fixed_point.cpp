#include "solvers/mean_field_fixed_point.hpp"

#include <fmt/format.h>
#include <petscsnes.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "grids/reduce.hpp"
#include "grids/support/errors.hpp"
#include "solvers/petsc_shell.hpp"

namespace wasserflow {
namespace {

std::size_t index(int i) { return static_cast<std::size_t>(i); }

/// |a - b|_1 / |a|_1 over all levels.
double distance(const Field& a, const Field& b) {
  const SlabLayout& layout = a.layout();
  std::array<double, 2> totals{};
  for (int k = 0; k < a.levels(); ++k) {
    const double *u = a.level(k), *v = b.level(k);
    const auto part = sum_rows<2>(layout, [&](std::ptrdiff_t o, int n) {
      std::array<double, 2> s{};
      for (int i = 0; i < n; ++i) {
        s[0] += std::fabs(u[o + i] - v[o + i]);
        s[1] += std::fabs(u[o + i]);
      }
      return s;
    });
    totals[0] += part[0];
    totals[1] += part[1];
  }
  return totals[0] / totals[1];
}

}  // namespace

DensityLaw density_law(const Formula& formula) {
  static const std::vector<std::string> inputs{"x", "y", "z", "t", "rho"};
  auto program = std::make_shared<Program>(std::span(&formula, 1), inputs);
  return [program](const RowPoints& p, const double* rho, double* value) {
    const std::array<Argument, 5> arguments{p.x, p.y, p.z, p.t, rho};
    program->evaluate(p.n, arguments, &value);
  };
}

/// s H with s tabulated at all levels.
class MeanFieldFixedPoint::Congested final : public Hamiltonian {
 public:
  Congested(HamiltonianPtr plain, LayoutPtr layout, int levels) : plain_(std::move(plain)), factor_(std::move(layout), levels) { factor_.fill(1); }
  Field& factor() { return factor_; }
  std::string name() const override { return plain_->name(); }
  Splitting splitting() const override { return plain_->splitting(); }
  bool is_convex() const override { return plain_->is_convex(); }
  void bind(LayoutPtr layout, std::span<const double> times) override { plain_->bind(std::move(layout), times); }
  void set_times(std::span<const double> times) override { plain_->set_times(times); }
  void evaluate(const RowPoints& p, const double* const* q, double* h) const override {
    plain_->evaluate(p, q, h);
    scale(p, h);
  }
  void gradient(const RowPoints& p, const double* const* q, double* const* g) const override {
    plain_->gradient(p, q, g);
    for (int j = 0; j < slots(factor_.layout().dim()); ++j) scale(p, g[j]);
  }
  void prox(const RowPoints&, double, double, double*, double* const*) const override { unused(); }
  void lagrangian(const RowPoints&, const double* const*, double*) const override { unused(); }
  void evaluate_true(const RowPoints& p, const double* const* q, double* h) const override {
    plain_->evaluate_true(p, q, h);
    scale(p, h);
  }
  void gradient_true(const RowPoints& p, const double* const* q, double* const* g) const override {
    plain_->gradient_true(p, q, g);
    for (int d = 0; d < factor_.layout().dim(); ++d) scale(p, g[d]);
  }

 private:
  [[noreturn]] static void unused() { throw InternalError("games with congestion are solved by their value function"); }
  void scale(const RowPoints& p, double* values) const {
    const double* s = factor_.level(p.level) + p.offset;
    for (int i = 0; i < p.n; ++i) values[i] *= s[i];
  }
  HamiltonianPtr plain_;
  Field factor_;
};

void GameParameters::validate() const {
  if (!(tolerance > 0)) throw InputError(fmt::format("solver.tolerance must be > 0, not {}", tolerance));
  if (max_responses < 1) throw InputError(fmt::format("solver.max_iterations must be >= 1, not {}", max_responses));
  if (!(damping > 0 && damping <= 1)) throw InputError(fmt::format("solver.damping must be in (0, 1], not {}", damping));
  if (memory < 1) throw InputError(fmt::format("solver.memory must be >= 1, not {}", memory));
}

GameParameters GameParameters::read(const Parameters& p) {
  GameParameters s;
  const std::string method =
      p.choice("method", "how densities follow best responses", {"newton-krylov", "anderson", "damped", "fictitious-play"}, "newton-krylov");
  s.method = method == "anderson"          ? GameMethod::Anderson
             : method == "damped"          ? GameMethod::Damped
             : method == "fictitious-play" ? GameMethod::FictitiousPlay
                                           : GameMethod::NewtonKrylov;
  s.tolerance = p.real("tolerance", "of |rho - T(rho)|_1 / |rho|_1, T the best response", s.tolerance, Range::positive());
  s.max_responses = p.integer("max_iterations", "best responses that may be evaluated", s.max_responses, Range::at_least(1));
  s.damping = p.real("damping", "part of the way to the best response (anderson, damped)", s.damping, Range{0, 1, true, false});
  s.memory = p.integer("memory", "responses that anderson keeps", s.memory, Range::at_least(1));
  return s;
}

MeanFieldFixedPoint::MeanFieldFixedPoint(MeanFieldGame game, const GameParameters& parameters) : game_(std::move(game)), parameters_(parameters) {
  parameters_.validate();
  const LayoutPtr& layout = game_.layout;
  const Grid& grid = layout->grid();
  if (game_.steps < 1 || !(game_.horizon > 0)) throw InputError("a mean-field game needs time.steps >= 1 and time.final > 0");
  for (int d = 0; d < grid.dim(); ++d)
    if (const Boundary kind = grid.axis(d).boundary; kind != Boundary::Periodic && kind != Boundary::NoFlux)
      throw InputError(fmt::format("mass would leave through boundary \"{}\": mean-field games take \"periodic\" and \"no_flux\"", name(kind)));
  const double dt = game_.horizon / game_.steps;
  std::vector<double> times;
  for (int k = 0; k < game_.steps; ++k) times.push_back(game_.horizon - (k + 1) * dt);
  times.back() = 0;
  if (game_.congestion) {
    auto congested = std::make_unique<Congested>(std::move(game_.hamiltonian.kinetic), layout, game_.steps);
    congested_ = congested.get();
    game_.hamiltonian.kinetic = std::move(congested);
  }
  window_ = std::make_unique<HamiltonJacobiProblem>(
      make_hamilton_jacobi_problem(std::move(game_.hamiltonian), layout, game_.viscosity, dt, times, game_.alpha));
  howard_ = std::make_unique<Howard>(*window_);
  rho_ = Field(layout, game_.steps);
  response_ = Field(layout, game_.steps);
  phi_ = Field(layout, game_.steps + 1);
  before_ = Field(layout);
  for (int k = 0; k < game_.steps; ++k) rho_.copy_level(k, game_.initial, 0);
  const std::size_t n = index(layout->dim() == 1 ? SlabLayout::row_limit : grid.cells(0));
  row_.resize(n);
  out_.resize(n);
  floor_ = 1e-12 * sum(game_.initial) / static_cast<double>(grid.size());
}

MeanFieldFixedPoint::~MeanFieldFixedPoint() = default;

/// response = T(rho), phi_ the value function of rho (level k + 1 of phi_ is level k of the window); returns |rho - T(rho)|_1 / |rho|_1.
double MeanFieldFixedPoint::respond(const Field& rho, Field& response) {
  const SlabLayout& layout = *game_.layout;
  const double dt = window_->dt;
  ++responses_;
  // law(rho) of a row, where iterates may leave the positive densities.
  const auto row_of = [&](const DensityLaw& law, const RowPoints& p, int k) {
    const double* from = rho.level(k) + p.offset;
    for (int i = 0; i < p.n; ++i) row_[index(i)] = std::max(from[i], floor_);
    law(p, row_.data(), out_.data());
  };
  for (int r = 0; r < layout.rows(); ++r) {
    RowPoints p = window_->row(r, 0);
    p.t = game_.horizon;
    double* phi = phi_.level(0) + p.offset;
    std::fill_n(phi, p.n, 0.0);
    if (!game_.terminal) continue;
    row_of(game_.terminal, p, 0);
    std::copy_n(out_.data(), p.n, phi);
  }
  for (int k = 0; k < game_.steps; ++k) {
    if (game_.nonlocal) game_.nonlocal->apply(rho, k, before_, 0);
    for (int r = 0; r < layout.rows(); ++r) {
      const RowPoints p = window_->row(r, k);
      const double* phi = phi_.level(k) + p.offset;
      double* before = before_.level() + p.offset;
      for (int i = 0; i < p.n; ++i) before[i] = phi[i] + (game_.nonlocal ? dt * before[i] : 0);
      if (game_.running) {
        row_of(game_.running, p, k);
        for (int i = 0; i < p.n; ++i) before[i] += dt * out_[index(i)];
      }
      if (congested_) {
        row_of(game_.congestion, p, k);
        std::copy_n(out_.data(), p.n, congested_->factor().level(k) + p.offset);
      }
    }
    if (!warm_) phi_.copy_level(k + 1, phi_, k);
    if (const HowardReport step = howard_->step(before_, 0, phi_, k + 1, k); !step.converged)
      throw DivergedError(fmt::format("the value function at t = {:.6g} was not found in {} policies (mean |R| {:.3g})", window_->times[index(k)],
                                      step.iterations, step.residual.mean_abs));
  }
  warm_ = true;
  for (int k = game_.steps - 1; k >= 0; --k) {
    const bool first = k + 1 == game_.steps;
    howard_->density(phi_, k + 1, first ? game_.initial : response, first ? 0 : k + 1, response, k, k);
  }
  return distance(response, rho);
}

GameReport MeanFieldFixedPoint::average() {
  GameReport report;
  for (int k = at_.iterations;; ++k) {
    const bool known = std::exchange(resumed_, false);
    report.residual = known ? at_.residual : respond(rho_, response_);
    report.history.push_back(report.residual);
    report.iterations = k;
    at_ = {k, responses_, report.residual};
    if (monitor && !known) monitor(at_);
    if (!std::isfinite(report.residual)) report.reason = StopReason::Diverged;
    if (report.residual <= parameters_.tolerance) report.reason = StopReason::Converged;
    if (report.reason != StopReason::IterationLimit || responses_ >= parameters_.max_responses) return report;
    if (!known && stop && stop()) {
      report.stopped = true;
      return report;
    }
    const double part = parameters_.method == GameMethod::Damped ? parameters_.damping : 1.0 / (k + 1);
    for (int level = 0; level < game_.steps; ++level) {
      double* rho = rho_.level(level);
      const double* to = response_.level(level);
      for (std::ptrdiff_t i = 0; i < game_.layout->owned(); ++i) rho[i] += part * (to[i] - rho[i]);
    }
  }
}

/// PETSc's nonlinear solvers on F(rho) = rho - T(rho).
struct MeanFieldFixedPoint::Acceleration {
  MeanFieldFixedPoint* game;
  GameReport report;
  CallbackErrors errors;
  double residual = 0;  ///< of the last evaluation
  Field trial, response;
  int first = 0;       ///< iterations before this solve
  bool known = false;  ///< the first iterate has been seen before
  struct Stopped {};

  static PetscErrorCode function(SNES, Vec x, Vec f, void* context) {
    Acceleration& self = *static_cast<Acceleration*>(context);
    return self.errors.run([&] {
      if (!self.report.history.empty() && self.game->stop && self.game->stop()) throw Stopped{};
      scatter(x, self.trial);
      try {
        self.residual = self.game->respond(self.trial, self.response);
      } catch (const DivergedError&) {  // on all ranks alike: a step too far, which a line search shortens
        petsc_check(VecSet(f, std::numeric_limits<double>::infinity()));
        return;
      }
      for (int k = 0; k < self.trial.levels(); ++k) {
        double* to = self.trial.level(k);
        const double* from = self.response.level(k);
        for (std::ptrdiff_t i = 0; i < self.trial.layout().owned(); ++i) to[i] -= from[i];
      }
      gather(self.trial, f);
    });
  }

  /// The iterate, for who stops or saves here.
  void keep(SNES snes, int iteration) {
    Vec x = nullptr;
    petsc_check(SNESGetSolution(snes, &x));
    scatter(x, game->rho_);
    report.iterations = first + iteration;
    game->at_ = {report.iterations, game->responses_, report.residual};
    if (game->monitor && !std::exchange(known, false)) game->monitor(game->at_);
  }

  /// |F|_1 / |rho|_1 at the iterate.
  static PetscErrorCode test(SNES snes, PetscInt iteration, PetscReal, PetscReal, PetscReal norm, SNESConvergedReason* reason, void* context) {
    Acceleration& self = *static_cast<Acceleration*>(context);
    return self.errors.run([&] {
      *reason = SNES_CONVERGED_ITERATING;
      Vec f = nullptr;
      petsc_check(SNESGetFunction(snes, &f, nullptr, nullptr));
      PetscReal size = norm;
      if (std::isfinite(norm)) petsc_check(VecNorm(f, NORM_1, &size));
      const double mass = sum(self.game->game_.initial) * self.game->game_.steps;
      self.report.residual = size / mass;
      self.report.history.push_back(self.report.residual);
      if (std::isfinite(self.report.residual)) self.keep(snes, static_cast<int>(iteration));
      if (!std::isfinite(self.report.residual))
        *reason = SNES_DIVERGED_FNORM_NAN;
      else if (self.report.residual <= self.game->parameters_.tolerance)
        *reason = SNES_CONVERGED_FNORM_ABS;
      else if (self.game->responses_ >= self.game->parameters_.max_responses)
        *reason = SNES_DIVERGED_MAX_IT;
    });
  }
};

GameReport MeanFieldFixedPoint::accelerate() {
  const MPI_Comm comm = game_.layout->comm();
  Acceleration self{
      this, {}, {}, 0, Field(game_.layout, game_.steps), Field(game_.layout, game_.steps), at_.iterations, std::exchange(resumed_, false)};
  const PetscInt n = static_cast<PetscInt>(game_.layout->owned() * game_.steps);
  PetscHandle<Vec, VecDestroy> x, f;
  PetscHandle<Mat, MatDestroy> jacobian;
  PetscHandle<SNES, SNESDestroy> handle;
  petsc_check(VecCreateMPI(comm, n, PETSC_DETERMINE, x.put()));
  petsc_check(VecDuplicate(x.get(), f.put()));
  petsc_check(SNESCreate(comm, handle.put()));
  SNES snes = handle.get();
  petsc_check(SNESSetOptionsPrefix(snes, "game_"));
  petsc_check(SNESSetFunction(snes, f.get(), &Acceleration::function, &self));
  petsc_check(SNESSetConvergenceTest(snes, &Acceleration::test, &self, nullptr));
  petsc_check(SNESSetTolerances(snes, 0, 0, 0, 10000, -1));
  if (parameters_.method == GameMethod::NewtonKrylov) {
    petsc_check(SNESSetType(snes, SNESNEWTONLS));
    petsc_check(MatCreateSNESMF(snes, jacobian.put()));
    petsc_check(MatMFFDSetFunctionError(jacobian.get(), 1e-10));  // of the steps of Howard's iteration
    petsc_check(SNESSetJacobian(snes, jacobian.get(), jacobian.get(), MatMFFDComputeJacobian, nullptr));
    petsc_check(SNESKSPSetUseEW(snes, PETSC_TRUE));
    petsc_check(SNESSetMaxLinearSolveFailures(snes, 1000));
    // T smooths: the identity minus its derivative needs no preconditioner.
    KSP ksp = nullptr;
    PC pc = nullptr;
    petsc_check(SNESGetKSP(snes, &ksp));
    petsc_check(KSPSetType(ksp, KSPGMRES));
    petsc_check(KSPSetTolerances(ksp, 1e-2, 0, 1e8, 40));
    petsc_check(KSPGetPC(ksp, &pc));
    petsc_check(PCSetType(pc, PCNONE));
  } else {
    petsc_check(SNESSetType(snes, SNESANDERSON));
    // PETSc takes these as options only; what a person gave stands.
    const auto set = [](const char* name, const std::string& value) {
      PetscBool there = PETSC_FALSE;
      petsc_check(PetscOptionsHasName(nullptr, nullptr, name, &there));
      if (!there) petsc_check(PetscOptionsSetValue(nullptr, name, value.c_str()));
      return there == PETSC_FALSE;
    };
    const bool memory = set("-game_snes_anderson_m", fmt::format("{}", parameters_.memory));
    const bool damping = set("-game_snes_anderson_beta", fmt::format("{}", parameters_.damping));
    petsc_check(SNESSetFromOptions(snes));
    if (memory) petsc_check(PetscOptionsClearValue(nullptr, "-game_snes_anderson_m"));
    if (damping) petsc_check(PetscOptionsClearValue(nullptr, "-game_snes_anderson_beta"));
  }
  petsc_check(SNESSetFromOptions(snes));
  gather(rho_, x.get());
  const PetscErrorCode code = SNESSolve(snes, nullptr, x.get());
  try {
    self.errors.rethrow();
  } catch (const Acceleration::Stopped&) {
    self.report.stopped = true;
    return self.report;
  }
  petsc_check(code);
  scatter(x.get(), rho_);
  SNESConvergedReason reason = SNES_CONVERGED_ITERATING;
  PetscInt iterations = 0;
  petsc_check(SNESGetConvergedReason(snes, &reason));
  petsc_check(SNESGetIterationNumber(snes, &iterations));
  self.report.reason = reason > 0 ? StopReason::Converged : reason == SNES_DIVERGED_MAX_IT ? StopReason::IterationLimit : StopReason::Diverged;
  self.report.iterations = self.first + static_cast<int>(iterations);
  if (self.report.reason != StopReason::Diverged) static_cast<void>(respond(rho_, response_));
  return self.report;
}

GameReport MeanFieldFixedPoint::solve() {
  if (!resumed_) at_ = {};
  responses_ = at_.responses;
  warm_ = resumed_ && averages();
  GameReport report = averages() ? average() : accelerate();
  report.responses = responses_;
  return report;
}

std::vector<std::pair<std::string, Field*>> MeanFieldFixedPoint::state_fields() {
  if (averages()) return {{"rho", &rho_}, {"response", &response_}, {"phi", &phi_}};
  return {{"rho", &rho_}};
}

void MeanFieldFixedPoint::restore(const GamePosition& position) {
  at_ = position;
  resumed_ = true;
}

void MeanFieldFixedPoint::density(Field& rho) const {
  rho.copy_level(0, game_.initial, 0);
  for (int n = 1; n <= game_.steps; ++n) rho.copy_level(n, response_, game_.steps - n);
}

void MeanFieldFixedPoint::value(Field& phi) const {
  for (int n = 0; n <= game_.steps; ++n) phi.copy_level(n, phi_, game_.steps - n);
}

void MeanFieldFixedPoint::momentum(std::vector<Field>& m) {
  HjRowOperator op(*window_);
  phi_.exchange_ghosts();
  std::array<double*, 3> speed{};
  for (int n = 0; n < game_.steps; ++n) {
    const int k = game_.steps - 1 - n;
    for (int r = 0; r < game_.layout->rows(); ++r) {
      op.load(phi_.level(k + 1), r, k);
      const RowPoints p = op.points();
      for (int d = 0; d < game_.layout->dim(); ++d) speed[index(d)] = m[index(d)].level(n) + p.offset;
      op.momentum_speed(speed.data());
      const double* rho = response_.level(k) + p.offset;
      for (int d = 0; d < game_.layout->dim(); ++d) {
        const Tabulated* drift = window_->drift.empty() ? nullptr : &window_->drift[index(d)];
        const double* b = !drift || drift->is_constant() ? nullptr : drift->row(p);
        for (int i = 0; i < p.n; ++i) speed[index(d)][i] = -rho[i] * (speed[index(d)][i] + (b ? b[i] : drift ? drift->value() : 0));
      }
    }
  }
}

}  // namespace wasserflow
