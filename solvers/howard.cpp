#include "solvers/howard.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "grids/reduce.hpp"
#include "grids/support/errors.hpp"

namespace wasserflow {

namespace {

/// Global column of the point `shift` = +-1 away from position i of an axis with n cells, as an offset in cells; and how a neighbour outside
/// depends on the points inside: value = edge * u[edge] + inner * u[inner].
struct Neighbour {
  int at = 0;         ///< position on the axis
  double weight = 1;  ///< of the value there
  int inner = -1;     ///< second position, or -1
  double inner_weight = 0;
};

Neighbour neighbour(int i, int shift, int n, Boundary kind) {
  const int to = i + shift;
  if (to >= 0 && to < n) return {to};
  switch (kind) {
    case Boundary::Periodic: return {(to + n) % n};
    case Boundary::NoFlux: return {i};
    case Boundary::Dirichlet: return {i, -1.0};
    default: return {i, 2.0, n > 1 ? i - shift : i, -1.0};
  }
}

}  // namespace

Howard::Howard(const HamiltonJacobiProblem& problem, const HowardOptions& options)
    : problem_(&problem), options_(options), op_(problem), residual_(problem.layout), step_(problem.layout), trial_(problem.layout) {
  if (!problem.kinetic->is_convex())
    throw InputError(
        fmt::format("Howard's iteration needs a convex Hamiltonian, and '{}' is not: use solver.method = \"explicit\"", problem.kinetic->name()));
  if (!(options.tolerance > 0) || options.max_iterations < 1) throw InputError("Howard: tolerance must be > 0 and max_iterations >= 1");
  const SlabLayout& s = *problem.layout;
  if (s.grid().size() > PETSC_MAX_INT)
    throw InputError(fmt::format("this PETSc counts unknowns with {} bits, too few for {} grid points: use solver.method = \"pdhg\"",
                                 8 * sizeof(PetscInt), s.grid().size()));
  const int row = s.dim() == 1 ? SlabLayout::row_limit : s.grid().cells(0);
  scratch_.resize(static_cast<std::size_t>(2 * s.dim() * row));

  const PetscInt owned = static_cast<PetscInt>(s.owned()), width = 2 * s.dim() + 1;
  petsc_check(MatCreateAIJ(s.comm(), owned, owned, PETSC_DETERMINE, PETSC_DETERMINE, width, nullptr, width, nullptr, matrix_.put()));
  petsc_check(MatSetOptionsPrefix(matrix_.get(), "howard_"));
  petsc_check(MatSetFromOptions(matrix_.get()));
  petsc_check(KSPCreate(s.comm(), ksp_.put()));
  KSP ksp = ksp_.get();
  petsc_check(KSPSetOptionsPrefix(ksp, "howard_"));
  petsc_check(KSPSetType(ksp, KSPGMRES));
  petsc_check(KSPGMRESSetRestart(ksp, 100));
  petsc_check(KSPSetPCSide(ksp, PC_RIGHT));  // the true residual is watched
  petsc_check(KSPSetTolerances(ksp, 1e-13, 0, PETSC_DEFAULT, 2000));
  petsc_check(KSPSetInitialGuessNonzero(ksp, PETSC_FALSE));
  PC pc = nullptr;
  petsc_check(KSPGetPC(ksp, &pc));
  if (s.dim() == 1 && s.ranks() == 1) petsc_check(PCSetType(pc, PCLU));
  petsc_check(KSPSetFromOptions(ksp));
}

bool Howard::assemble(const Field& phi, int k, int level) {
  const SlabLayout& s = *problem_->layout;
  const Grid& grid = s.grid();
  const int dim = s.dim();
  const std::size_t row_length = scratch_.size() / static_cast<std::size_t>(2 * dim);
  std::array<double*, 3> plus{}, minus{};
  for (int d = 0; d < dim; ++d) {
    plus[static_cast<std::size_t>(d)] = scratch_.data() + static_cast<std::size_t>(2 * d) * row_length;
    minus[static_cast<std::size_t>(d)] = scratch_.data() + static_cast<std::size_t>(2 * d + 1) * row_length;
  }
  const std::array<std::int64_t, 3> stride{1, grid.cells(0), static_cast<std::int64_t>(grid.cells(0)) * grid.cells(1)};
  const std::int64_t offset = s.global_offset();
  Mat a = matrix_.get();
  petsc_check(MatZeroEntries(a));
  bool monotone = true;
  diagonal_ = 0;
  for (int r = 0; r < s.rows(); ++r) {
    op_.load(phi.level(k), r, level);
    op_.derivative(plus.data(), minus.data());
    const RowPoints& p = op_.points();
    for (int i = 0; i < p.n; ++i) {
      const std::int64_t point = offset + p.offset + i;
      const PetscInt row = static_cast<PetscInt>(point);
      std::array<PetscInt, 13> columns;
      std::array<PetscScalar, 13> values;
      int count = 1;
      columns[0] = row;
      values[0] = 1 / problem_->dt;
      for (int d = 0; d < dim; ++d) {
        const std::size_t axis = static_cast<std::size_t>(d);
        const int n = grid.cells(d);
        const int at = static_cast<int>(point / stride[axis] % n);
        for (const int shift : {1, -1}) {
          const double c = shift > 0 ? plus[axis][i] : minus[axis][i];
          values[0] -= c;
          const Neighbour to = neighbour(at, shift, n, grid.axis(d).boundary);
          const auto add = [&](int position, double weight) {
            const double v = c * weight;
            if (position == at) {
              values[0] += v;
              return;
            }
            if (v > 0) monotone = false;
            columns[static_cast<std::size_t>(count)] = static_cast<PetscInt>(point + (position - at) * stride[axis]);
            values[static_cast<std::size_t>(count++)] = v;
          };
          add(to.at, to.weight);
          if (to.inner >= 0) add(to.inner, to.inner_weight);
        }
      }
      diagonal_ = std::max(diagonal_, values[0]);
      petsc_check(MatSetValues(a, 1, &row, count, columns.data(), values.data(), ADD_VALUES));
    }
  }
  petsc_check(MatAssemblyBegin(a, MAT_FINAL_ASSEMBLY));
  petsc_check(MatAssemblyEnd(a, MAT_FINAL_ASSEMBLY));
  petsc_check(KSPSetOperators(ksp_.get(), a, a));
  diagonal_ = global_max(s.comm(), diagonal_);
  return global_max(s.comm(), monotone ? 0 : 1) == 0;
}

int Howard::solve(Vec right, Vec solution, bool transposed) {
  KSP ksp = ksp_.get();
  petsc_check(transposed ? KSPSolveTranspose(ksp, right, solution) : KSPSolve(ksp, right, solution));
  KSPConvergedReason reason = KSP_CONVERGED_ITERATING;
  petsc_check(KSPGetConvergedReason(ksp, &reason));
  // In a step a limit or a stagnation at the rounding level is judged by the residual of the step; nothing else judges a density.
  bool failed = reason < 0 && reason != KSP_DIVERGED_ITS && reason != KSP_DIVERGED_BREAKDOWN;
  if (reason < 0 && transposed) {
    PetscReal left = 0, size = 0;
    petsc_check(KSPGetResidualNorm(ksp, &left));
    petsc_check(VecNorm(right, NORM_2, &size));
    failed = !(left <= 1e-10 * size);
  }
  if (failed)
    throw DivergedError(
        fmt::format("Howard: the linear solver failed ({}); try other options with the prefix -howard_", KSPConvergedReasons[reason]));
  PetscInt iterations = 0;
  petsc_check(KSPGetIterationNumber(ksp, &iterations));
  return static_cast<int>(iterations);
}

HowardReport Howard::step(const Field& before, int kb, Field& phi, int k, int level) {
  const auto norms = [&](Field& u, int ku) {
    const ResidualNorms r = hj_residual(*problem_, before, kb, u, ku, level, &residual_, 0);
    if (!std::isfinite(r.max_abs) || !std::isfinite(r.mean_abs))
      throw DivergedError(
          fmt::format("Howard: the residual of the step to t = {:.6g} is not finite", problem_->times[static_cast<std::size_t>(level)]));
    return r;
  };
  const double dt = problem_->dt;
  HowardReport report;
  diagonal_ = 0;  // nothing of an earlier step may matter: restarts repeat the straight run
  report.residual = norms(phi, k);
  double increment = std::numeric_limits<double>::infinity();
  while (true) {
    const double size = std::max(1.0, max_abs(phi, k));
    // Rounding of the differences in R, seen through dt: nothing below it can be asked for.
    const double rounding = 8 * std::numeric_limits<double>::epsilon() * std::max(1.0, dt * diagonal_) * size;
    report.converged = increment <= rounding || dt * report.residual.max_abs <= std::max(options_.tolerance * size, rounding);
    if (report.converged || report.iterations == options_.max_iterations) break;

    const bool monotone = assemble(phi, k, level);
    // No digits below the target of the step are solved for; the Euclidean norm bounds the largest value.
    petsc_check(KSPSetTolerances(ksp_.get(), PETSC_DEFAULT, 0.5 * std::max(options_.tolerance * size, rounding) / dt, PETSC_DEFAULT, PETSC_DEFAULT));
    report.linear_iterations += solve(residual_.vec(), step_.vec(), false);
    ++report.iterations;
    increment = max_abs(step_);
    std::copy_n(phi.level(k), problem_->layout->owned(), trial_.level());
    const auto take = [&](double length) {
      double* u = phi.level(k);
      const double *from = trial_.level(), *d = step_.level();
      for (std::ptrdiff_t i = 0; i < problem_->layout->owned(); ++i) u[i] = from[i] - length * d[i];
    };
    take(1);
    ResidualNorms now = norms(phi, k);
    if (!monotone && now.mean_abs > 0.9 * report.residual.mean_abs && dt * now.max_abs > rounding) {
      // Not covered by the theory: damp until the mean residual decreases, and take the last length otherwise.
      double length = 1;
      for (int halving = 0; halving < 12 && now.mean_abs > (1 - 1e-4 * length) * report.residual.mean_abs; ++halving) {
        length /= 2;
        take(length);
        now = norms(phi, k);
      }
      if (length < 1) ++report.damped;
    }
    report.residual = now;
  }
  return report;
}

void Howard::density(Field& phi, int k, const Field& later, int kl, Field& rho, int kr, int level) {
  phi.exchange_ghosts(k, k + 1);
  assemble(phi, k, level);
  const double* from = later.level(kl);
  double* right = residual_.level();
  for (std::ptrdiff_t i = 0; i < problem_->layout->owned(); ++i) right[i] = from[i] / problem_->dt;
  petsc_check(KSPSetTolerances(ksp_.get(), PETSC_DEFAULT, 0, PETSC_DEFAULT, PETSC_DEFAULT));
  solve(residual_.vec(), rho.vec(kr), true);
}

}  // namespace wasserflow
