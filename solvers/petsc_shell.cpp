#include "solvers/petsc_shell.hpp"

#include <algorithm>

#include "grids/support/mpi.hpp"

namespace wasserflow {

void gather(const Field& field, Vec to) {
  double* out = nullptr;
  petsc_check(VecGetArrayWrite(to, &out));
  for (int k = 0; k < field.levels(); ++k) std::ranges::copy(field.owned(k), out + k * field.layout().owned());
  petsc_check(VecRestoreArrayWrite(to, &out));
}

void scatter(Vec from, Field& field) {
  const double* in = nullptr;
  petsc_check(VecGetArrayRead(from, &in));
  const std::ptrdiff_t n = field.layout().owned();
  for (int k = 0; k < field.levels(); ++k) std::copy_n(in + k * n, n, field.level(k));
  petsc_check(VecRestoreArrayRead(from, &in));
}

void apply_preconditioner(StepSystem& system, const double* in, double* out) {
  const std::ptrdiff_t n = system.layout()->owned();
  system.preconditioner().apply([&](int level, std::ptrdiff_t offset, int count, double* row) { std::copy_n(in + level * n + offset, count, row); },
                                [&](int level, std::ptrdiff_t offset, int count, const double* row) { std::copy_n(row, count, out + level * n + offset); });
}

}  // namespace wasserflow
