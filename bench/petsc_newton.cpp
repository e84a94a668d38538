#include "bench/petsc_newton.hpp"

#include <fftw3.h>
#include <petscdmda.h>

#include <cmath>
#include <numbers>

#include "grids/support/mpi.hpp"

namespace peer {

using wasserflow::petsc_check;

namespace {

/// Offsets of a star-shaped stencil |di| + |dj| <= width, and where they stand in its list.
struct Star {
  explicit Star(int w) : width(w), place(static_cast<std::size_t>((2 * w + 1) * (2 * w + 1)), -1) {
    for (int dj = -w; dj <= w; ++dj)
      for (int di = -w; di <= w; ++di)
        if (std::abs(di) + std::abs(dj) <= w) {
          place[static_cast<std::size_t>((dj + w) * (2 * w + 1) + di + w)] = static_cast<int>(i.size());
          i.push_back(di), j.push_back(dj);
        }
  }
  int at(int di, int dj) const { return place[static_cast<std::size_t>((dj + width) * (2 * width + 1) + di + width)]; }
  int size() const { return static_cast<int>(i.size()); }
  int width;
  std::vector<int> place, i, j;
};

/// Where neighbour `d` of the Laplacian's five points, seen from which `inner` has offset k, stands in `outer`.
std::vector<int> compose(const Star& inner, const Star& outer) {
  const Star five(1);
  std::vector<int> map;
  for (int d = 0; d < five.size(); ++d)
    for (int k = 0; k < inner.size(); ++k)
      map.push_back(outer.at(five.i[static_cast<std::size_t>(d)] + inner.i[static_cast<std::size_t>(k)],
                             five.j[static_cast<std::size_t>(d)] + inner.j[static_cast<std::size_t>(k)]));
  return map;
}

}  // namespace

struct Newton::State {
  explicit State(const Problem& problem)
      : p(problem), n(problem.cells), width(1 + static_cast<int>(problem.equation)), h2(std::pow(problem.length / problem.cells, 2)), star(width) {}

  Problem p;
  int n, width;
  double h2;
  Star star;
  DM da = nullptr;
  SNES snes = nullptr;
  Mat jacobian = nullptr;
  Vec u = nullptr, known = nullptr, before = nullptr, f = nullptr;
  int taken = 0;
  std::vector<double> v, mu, values, inner, outer;  // v and mu with `width` ghosts like the local vector of DMDA
  fftw_plan forward = nullptr, backward = nullptr;
  double* real = nullptr;
  fftw_complex* modes = nullptr;
  std::vector<double> inverse;  // 1 / (X n^2)

  int pitch() const { return n + 2 * width; }
  std::size_t ghosted(int i, int j) const { return static_cast<std::size_t>((j + width) * pitch() + i + width); }

  void residual(Vec x, Vec out);
  void assemble(Vec x, Mat matrix);
  void rows_of_laplacian_times(const std::vector<double>& coefficients, const Star& from, const Star& to, std::vector<double>& result, int ghosts);
  void make_transforms();
  void apply(Vec in, Vec out);
};

void Newton::State::residual(Vec x, Vec out) {
  Vec local;
  petsc_check(DMGetLocalVector(da, &local));
  petsc_check(DMGlobalToLocal(da, x, INSERT_VALUES, local));
  const PetscScalar *w, *old;
  PetscScalar* result;
  petsc_check(VecGetArrayRead(local, &w));
  petsc_check(VecGetArrayRead(known, &old));
  petsc_check(VecGetArray(out, &result));
  const int line = pitch();
  const double inv = 1 / h2, a = p.a, b = p.b, dt = p.dt;
  const auto lap = [&](const double* q, std::size_t k) {
    return (q[k - 1] + q[k + 1] + q[k - static_cast<std::size_t>(line)] + q[k + static_cast<std::size_t>(line)] - 4 * q[k]) * inv;
  };
  const double* last = w;
  double scale = -dt;  // F = u - known + scale * (Lap last)
  if (p.equation == Equation::CahnHilliard) {
    for (int j = -1; j <= n; ++j)
      for (int i = -1; i <= n; ++i) {
        const std::size_t k = ghosted(i, j);
        mu[k] = -a * lap(w, k) + b * (w[k] * w[k] - 1) * w[k];
      }
    last = mu.data();
  } else if (p.equation == Equation::SixthOrder) {
    for (int j = -2; j < n + 2; ++j)
      for (int i = -2; i < n + 2; ++i) {
        const std::size_t k = ghosted(i, j);
        v[k] = a * lap(w, k) - (w[k] * w[k] - 1) * w[k];
      }
    for (int j = -1; j <= n; ++j)
      for (int i = -1; i <= n; ++i) {
        const std::size_t k = ghosted(i, j);
        mu[k] = a * lap(v.data(), k) + (a + 1 - 3 * w[k] * w[k]) * v[k];
      }
    last = mu.data();
  } else {
    scale = -dt * a;
  }
  const double reaction = p.equation == Equation::AllenCahn ? dt * b : 0;
  for (int j = 0; j < n; ++j)
    for (int i = 0; i < n; ++i) {
      const std::size_t k = ghosted(i, j), o = static_cast<std::size_t>(j * n + i);
      result[o] = w[k] - old[o] + scale * lap(last, k) + reaction * (w[k] * w[k] - 1) * w[k];
    }
  petsc_check(VecRestoreArray(out, &result));
  petsc_check(VecRestoreArrayRead(known, &old));
  petsc_check(VecRestoreArrayRead(local, &w));
  petsc_check(DMRestoreLocalVector(da, &local));
}

/// Rows of Lap K at points up to `ghosts` outside, from rows of K one point further; star.size() coefficients a point, points as in the local vector.
void Newton::State::rows_of_laplacian_times(const std::vector<double>& k, const Star& from, const Star& to, std::vector<double>& result, int ghosts) {
  const std::vector<int> map = compose(from, to);
  const Star five(1);
  const double inv = 1 / h2;
  for (int j = -ghosts; j < n + ghosts; ++j)
    for (int i = -ghosts; i < n + ghosts; ++i) {
      double* row = result.data() + ghosted(i, j) * static_cast<std::size_t>(to.size());
      std::fill(row, row + to.size(), 0.0);
      for (std::size_t d = 0; d < 5; ++d) {
        const double weight = five.i[d] == 0 && five.j[d] == 0 ? -4 * inv : inv;
        const double* source = k.data() + ghosted(i + five.i[d], j + five.j[d]) * static_cast<std::size_t>(from.size());
        for (int c = 0; c < from.size(); ++c) row[map[d * static_cast<std::size_t>(from.size()) + static_cast<std::size_t>(c)]] += weight * source[c];
      }
    }
}

void Newton::State::assemble(Vec x, Mat matrix) {
  Vec local;
  petsc_check(DMGetLocalVector(da, &local));
  petsc_check(DMGlobalToLocal(da, x, INSERT_VALUES, local));
  const PetscScalar* w;
  petsc_check(VecGetArrayRead(local, &w));
  const double inv = 1 / h2, a = p.a, b = p.b, dt = p.dt;
  const std::size_t line = static_cast<std::size_t>(pitch()), per = static_cast<std::size_t>(star.size());
  const Star one(0), five(1), thirteen(2);
  if (p.equation == Equation::AllenCahn) {
    for (int j = 0; j < n; ++j)
      for (int i = 0; i < n; ++i) {
        double* row = values.data() + static_cast<std::size_t>(j * n + i) * 5;
        const double u0 = w[ghosted(i, j)];
        for (std::size_t d = 0; d < 5; ++d) row[d] = -dt * a * inv;
        row[2] = 1 + dt * (4 * a * inv + b * (3 * u0 * u0 - 1));
      }
  } else {
    // K of J = 1 - dt Lap K, five points (-a Lap + b f') or thirteen.
    const int ghosts = width - 1;
    for (int j = -ghosts; j < n + ghosts; ++j)
      for (int i = -ghosts; i < n + ghosts; ++i) {
        const std::size_t k = ghosted(i, j);
        double* row = inner.data() + k * 5;
        const double df = 3 * w[k] * w[k] - 1;
        const double side = p.equation == Equation::CahnHilliard ? -a * inv : a * inv;
        for (std::size_t d = 0; d < 5; ++d) row[d] = side;
        row[2] = p.equation == Equation::CahnHilliard ? 4 * a * inv + b * df : -4 * a * inv - df;
      }
    if (p.equation == Equation::SixthOrder) {
      // Q = e2 Lap - f' stands in `inner`; K = (e2 Lap + e2 - f') Q - f'' v.
      rows_of_laplacian_times(inner, five, thirteen, outer, 1);
      for (int j = -1; j <= n; ++j)
        for (int i = -1; i <= n; ++i) {
          const std::size_t k = ghosted(i, j);
          double* row = outer.data() + k * 13;
          const double* q = inner.data() + k * 5;
          const double v0 = a * (w[k - 1] + w[k + 1] + w[k - line] + w[k + line] - 4 * w[k]) * inv - (w[k] * w[k] - 1) * w[k];
          for (int c = 0; c < 13; ++c) row[c] *= a;
          for (std::size_t c = 0; c < 5; ++c) row[thirteen.at(five.i[c], five.j[c])] += (a + 1 - 3 * w[k] * w[k]) * q[c];
          row[thirteen.at(0, 0)] -= 6 * w[k] * v0;
        }
    }
    std::vector<double>& top = p.equation == Equation::CahnHilliard ? inner : outer;
    rows_of_laplacian_times(top, p.equation == Equation::CahnHilliard ? five : thirteen, star, mu, 0);
    const std::size_t centre = static_cast<std::size_t>(star.at(0, 0));
    for (int j = 0; j < n; ++j)
      for (int i = 0; i < n; ++i) {
        const double* source = mu.data() + ghosted(i, j) * per;
        double* row = values.data() + static_cast<std::size_t>(j * n + i) * per;
        for (std::size_t c = 0; c < per; ++c) row[c] = -dt * source[c];
        row[centre] += 1;
      }
  }
  petsc_check(VecRestoreArrayRead(local, &w));
  petsc_check(DMRestoreLocalVector(da, &local));
  petsc_check(MatSetValuesCOO(matrix, values.data(), INSERT_VALUES));
}

void Newton::State::make_transforms() {
  const std::size_t points = static_cast<std::size_t>(n) * static_cast<std::size_t>(n), half = static_cast<std::size_t>(n / 2 + 1);
  real = fftw_alloc_real(points);
  modes = fftw_alloc_complex(static_cast<std::size_t>(n) * half);
  forward = fftw_plan_dft_r2c_2d(n, n, real, modes, FFTW_MEASURE);
  backward = fftw_plan_dft_c2r_2d(n, n, modes, real, FFTW_MEASURE);
  inverse.resize(static_cast<std::size_t>(n) * half);
  for (int j = 0; j < n; ++j)
    for (std::size_t i = 0; i < half; ++i) {
      const double turn = 2 * std::numbers::pi / n;
      const double lambda = (4 - 2 * std::cos(turn * j) - 2 * std::cos(turn * static_cast<double>(i))) / h2, c = 2;
      double rate = p.a * lambda + p.b * c;
      if (p.equation == Equation::CahnHilliard) rate *= lambda;
      if (p.equation == Equation::SixthOrder) rate = lambda * (p.a * lambda + c - p.a) * (p.a * lambda + c);
      inverse[static_cast<std::size_t>(j) * half + i] = 1 / ((1 + p.dt * rate) * static_cast<double>(points));
    }
}

void Newton::State::apply(Vec in, Vec out) {
  const PetscScalar* x;
  PetscScalar* y;
  petsc_check(VecGetArrayRead(in, &x));
  petsc_check(VecGetArray(out, &y));
  std::copy(x, x + static_cast<std::ptrdiff_t>(n) * n, real);
  fftw_execute(forward);
  for (std::size_t k = 0; k < inverse.size(); ++k) {
    modes[k][0] *= inverse[k];
    modes[k][1] *= inverse[k];
  }
  fftw_execute_dft_c2r(backward, modes, real);
  std::copy(real, real + static_cast<std::ptrdiff_t>(n) * n, y);
  petsc_check(VecRestoreArray(out, &y));
  petsc_check(VecRestoreArrayRead(in, &x));
}

Newton::Newton(const Problem& problem, const Choice& choice) : s_(std::make_unique<State>(problem)) {
  State& s = *s_;
  const int n = s.n;
  petsc_check(
      DMDACreate2d(PETSC_COMM_SELF, DM_BOUNDARY_PERIODIC, DM_BOUNDARY_PERIODIC, DMDA_STENCIL_BOX, n, n, 1, 1, 1, s.width, nullptr, nullptr, &s.da));
  petsc_check(DMSetUp(s.da));
  for (Vec* vec : {&s.u, &s.known, &s.before, &s.f}) petsc_check(DMCreateGlobalVector(s.da, vec));
  const std::size_t stored = static_cast<std::size_t>(s.pitch() * s.pitch()), per = static_cast<std::size_t>(s.star.size());
  const std::size_t points = static_cast<std::size_t>(n) * static_cast<std::size_t>(n);
  s.v.resize(stored);
  s.mu.resize(stored * per);
  s.inner.resize(5 * stored);
  s.outer.resize(13 * stored);
  s.values.resize(points * per);

  std::vector<PetscInt> rows, columns;
  for (int j = 0; j < n; ++j)
    for (int i = 0; i < n; ++i)
      for (std::size_t c = 0; c < per; ++c) {
        rows.push_back(j * n + i);
        columns.push_back((j + s.star.j[c] + n) % n * n + (i + s.star.i[c] + n) % n);
      }
  petsc_check(MatCreate(PETSC_COMM_SELF, &s.jacobian));
  petsc_check(MatSetSizes(s.jacobian, n * n, n * n, n * n, n * n));
  petsc_check(MatSetType(s.jacobian, MATAIJ));
  petsc_check(MatSetPreallocationCOO(s.jacobian, static_cast<PetscCount>(rows.size()), rows.data(), columns.data()));
  if (s.p.equation == Equation::AllenCahn) petsc_check(MatSetOption(s.jacobian, MAT_SPD, PETSC_TRUE));

  petsc_check(SNESCreate(PETSC_COMM_SELF, &s.snes));
  petsc_check(SNESSetFunction(
      s.snes, s.f,
      [](SNES, Vec x, Vec f, void* context) -> PetscErrorCode {
        static_cast<State*>(context)->residual(x, f);
        return 0;
      },
      &s));
  petsc_check(SNESSetJacobian(
      s.snes, s.jacobian, s.jacobian,
      [](SNES, Vec x, Mat, Mat matrix, void* context) -> PetscErrorCode {
        static_cast<State*>(context)->assemble(x, matrix);
        return 0;
      },
      &s));
  petsc_check(SNESSetConvergenceTest(
      s.snes,
      [](SNES snes, PetscInt, PetscReal, PetscReal, PetscReal, SNESConvergedReason* reason, void* context) -> PetscErrorCode {
        const State& state = *static_cast<State*>(context);
        Vec f;
        PetscReal norm;
        petsc_check(SNESGetFunction(snes, &f, nullptr, nullptr));
        petsc_check(VecNorm(f, NORM_INFINITY, &norm));
        *reason = norm / state.p.dt < state.p.tolerance ? SNES_CONVERGED_FNORM_ABS
                  : std::isfinite(norm)                 ? SNES_CONVERGED_ITERATING
                                                        : SNES_DIVERGED_FNORM_NAN;
        return 0;
      },
      &s, nullptr));
  SNESLineSearch search;
  petsc_check(SNESGetLineSearch(s.snes, &search));
  petsc_check(SNESLineSearchSetType(search, SNESLINESEARCHBASIC));  // full steps: these Newton iterations need no other, and it saves evaluations
  KSP ksp;
  PC pc;
  petsc_check(SNESGetKSP(s.snes, &ksp));
  petsc_check(KSPGetPC(ksp, &pc));
  petsc_check(KSPSetType(ksp, choice.ksp.c_str()));
  petsc_check(KSPSetTolerances(ksp, 1e-3, PETSC_DEFAULT, PETSC_DEFAULT, 2000));
  if (choice.ksp == "gmres") petsc_check(KSPGMRESSetRestart(ksp, 60));
  if (choice.pc == "fft") {
    s.make_transforms();
    petsc_check(PCSetType(pc, PCSHELL));
    petsc_check(PCShellSetContext(pc, &s));
    petsc_check(PCShellSetApply(pc, [](PC shell, Vec in, Vec out) -> PetscErrorCode {
      State* state;
      petsc_check(PCShellGetContext(shell, &state));
      state->apply(in, out);
      return 0;
    }));
  } else {
    petsc_check(PCSetType(pc, choice.pc.c_str()));
    if (choice.pc == "lu") petsc_check(PCFactorSetMatSolverType(pc, MATSOLVERMUMPS));
  }
  if (choice.keep) {
    petsc_check(SNESSetLagPreconditioner(s.snes, -2));
    petsc_check(SNESSetLagPreconditionerPersists(s.snes, PETSC_TRUE));
  }
  petsc_check(SNESSetOptionsPrefix(s.snes, "peer_"));
  petsc_check(SNESSetFromOptions(s.snes));  // -peer_ksp_rtol and the like
}

Newton::~Newton() {
  State& s = *s_;
  SNESDestroy(&s.snes);
  MatDestroy(&s.jacobian);
  for (Vec* vec : {&s.u, &s.known, &s.before, &s.f}) VecDestroy(vec);
  DMDestroy(&s.da);
  if (s.forward) {
    fftw_destroy_plan(s.forward);
    fftw_destroy_plan(s.backward);
    fftw_free(s.real);
    fftw_free(s.modes);
  }
}

void Newton::start(const std::vector<double>& u) {
  PetscScalar* x;
  petsc_check(VecGetArray(s_->u, &x));
  std::copy(u.begin(), u.end(), x);
  petsc_check(VecRestoreArray(s_->u, &x));
  s_->taken = newton_ = krylov_ = 0;
}

bool Newton::step(bool extrapolate) {
  State& s = *s_;
  std::swap(s.before, s.known);
  petsc_check(VecCopy(s.u, s.known));
  if (extrapolate && s.taken > 0) petsc_check(VecAXPBY(s.u, -1, 2, s.before));
  ++s.taken;
  petsc_check(SNESSolve(s.snes, nullptr, s.u));
  PetscInt newton, krylov;
  SNESConvergedReason reason;
  petsc_check(SNESGetIterationNumber(s.snes, &newton));
  petsc_check(SNESGetLinearSolveIterations(s.snes, &krylov));
  petsc_check(SNESGetConvergedReason(s.snes, &reason));
  newton_ += newton;
  krylov_ += krylov;
  return reason > 0;
}

std::vector<double> Newton::state() const {
  const PetscScalar* x;
  petsc_check(VecGetArrayRead(s_->u, &x));
  std::vector<double> u(x, x + static_cast<std::ptrdiff_t>(s_->n) * s_->n);
  petsc_check(VecRestoreArrayRead(s_->u, &x));
  return u;
}

}  // namespace peer
