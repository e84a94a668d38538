/// Implicit Euler steps of Fokker-Planck equations: solver "linear" beside PETSc's TS on the same matrix, and its preconditioners beside each other.
/// Usage: [mpirun -n N] bench_fokker_planck [cells in 2-D, 384] [cells in 3-D, 64]
///        [mpirun -n N] bench_fokker_planck choice    the transforms M against factors over Peclet numbers and steps
#include <fmt/core.h>
#include <petscts.h>

#include <cmath>
#include <cstdlib>
#include <ctime>
#include <string>

#include "grids/reduce.hpp"
#include "solvers/fokker_planck_operator.hpp"
#include "solvers/time_stepper.hpp"

using namespace wasserflow;

namespace {

struct Case {
  const char* name;
  FokkerPlanckEquation equation;
  int dim, cells;
};

FokkerPlanckEquation potential(const std::string& V, double beta) {
  FokkerPlanckEquation e;
  e.potential = make_formula(V);
  e.diffusion = {make_constant(beta)};
  return e;
}

Field start(const LayoutPtr& layout) {
  Field u(layout);
  for (int r = 0; r < layout->rows(); ++r) {
    const RowPoints p = layout->row(r);
    for (int i = 0; i < p.n; ++i) u.level()[p.offset + i] = std::exp(-4 * ((p.x[i] - 0.5) * (p.x[i] - 0.5) + p.y * p.y + p.z * p.z));
  }
  return u;
}

constexpr int steps = 4;

/// Processor time on one rank, wall time on several.
double seconds_now() {
  int size = 1;
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  if (size > 1) return MPI_Wtime();
  timespec t{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

/// Seconds a step and Krylov iterations a step of solver "linear" under some options.
double ours(const char* label, const FokkerPlanckOperatorPtr& op, double dt, const std::vector<std::pair<std::string, std::string>>& options,
            Field& answer) {
  for (const auto& [key, value] : options) petsc_check(PetscOptionsSetValue(nullptr, key.c_str(), value.empty() ? nullptr : value.c_str()));
  TimeParameters p;
  p.dt = dt;
  p.energy_control = false;
  const auto s = make_time_stepper(p, op, make_linear_solver({.tolerance = 1e-6, .max_iterations = 3000}), start(op->layout()));
  int iterations = 0;
  bool converged = true;
  (void)s->advance(dt);  // the matrix and what preconditioners make of it
  const double begin = seconds_now();
  for (int k = 1; k < steps; ++k) {
    const StepReport r = s->advance((k + 1) * dt);
    iterations += r.iterations;
    converged = converged && r.converged && r.rejections == 0;
  }
  const double seconds = (seconds_now() - begin) / (steps - 1);
  double gap = 0;
  for (std::ptrdiff_t i = 0; answer && i < answer.layout().owned(); ++i) gap = std::max(gap, std::fabs(answer.level()[i] - s->state().level()[i]));
  gap = global_max(op->layout()->comm(), gap) / max_abs(s->state());
  if (!answer) answer = s->state().clone();
  if (op->layout()->rank() == 0)
    fmt::print("  {:<34} {:8.3f} s a step {:7.1f} iterations {}  difference {:.1e}\n", label, seconds, iterations / (steps - 1.0),
               converged ? "" : "NOT SOLVED", gap);
  for (const auto& [key, value] : options) petsc_check(PetscOptionsClearValue(nullptr, key.c_str()));
  return seconds;
}

void petsc(const FokkerPlanckOperatorPtr& op, double dt, double tolerance, const Field& answer) {
  Mat A = nullptr;
  petsc_check(MatDuplicate(op->matrix(1, 0), MAT_COPY_VALUES, &A));
  PetscHandle<Mat, MatDestroy> own(A);
  petsc_check(MatShift(A, -1));
  petsc_check(MatScale(A, -1));
  PetscHandle<TS, TSDestroy> ts;
  petsc_check(TSCreate(op->layout()->comm(), ts.put()));
  petsc_check(TSSetProblemType(ts.get(), TS_LINEAR));
  petsc_check(TSSetType(ts.get(), TSBEULER));
  petsc_check(TSSetRHSFunction(ts.get(), nullptr, TSComputeRHSFunctionLinear, nullptr));
  petsc_check(TSSetRHSJacobian(ts.get(), A, A, TSComputeRHSJacobianConstant, nullptr));
  petsc_check(TSSetTimeStep(ts.get(), dt));
  petsc_check(TSSetMaxSteps(ts.get(), steps));
  petsc_check(TSSetMaxTime(ts.get(), 1e9));
  SNES snes = nullptr;
  KSP ksp = nullptr;
  petsc_check(TSGetSNES(ts.get(), &snes));
  petsc_check(SNESGetKSP(snes, &ksp));
  petsc_check(KSPSetTolerances(ksp, tolerance, 0, PETSC_DEFAULT, 3000));
  petsc_check(TSSetFromOptions(ts.get()));
  Field u = start(op->layout());
  petsc_check(TSSetSolution(ts.get(), u.vec()));
  petsc_check(TSSetUp(ts.get()));
  petsc_check(TSStep(ts.get()));
  PetscInt before = 0, iterations = 0;
  petsc_check(TSGetKSPIterations(ts.get(), &before));
  const double begin = seconds_now();
  for (int k = 1; k < steps; ++k) petsc_check(TSStep(ts.get()));
  const double seconds = (seconds_now() - begin) / (steps - 1);
  petsc_check(TSGetKSPIterations(ts.get(), &iterations));
  double gap = 0;
  for (std::ptrdiff_t i = 0; i < answer.layout().owned(); ++i) gap = std::max(gap, std::fabs(answer.level()[i] - u.level()[i]));
  gap = global_max(op->layout()->comm(), gap) / max_abs(answer);
  if (op->layout()->rank() == 0)
    fmt::print("  {:<34} {:8.3f} s a step {:7.1f} iterations   difference {:.1e}\n", fmt::format("PETSc TS beuler, rtol {:.0e}", tolerance), seconds,
               static_cast<double>(iterations - before) / (steps - 1), gap);
}

/// Double wells of growing height: seconds with M over seconds with factors.
void choice() {
  for (const auto& [dim, n] : {std::pair{2, 128}, {2, 384}, {3, 48}})
    for (const double height : {0.03, 0.1, 0.3, 1.0, 3.0})
      for (const double factor : {30.0, 1000.0}) {
        const Grid grid(std::vector<Axis>(static_cast<std::size_t>(dim), Axis{-2.5, 2.5, n, Boundary::NoFlux, 0.5}));
        const auto op = make_fokker_planck_operator(potential(fmt::format("{} * ((x^2 - 1)^2 + y^2{})", height, dim > 2 ? " + z^2" : ""), 0.3),
                                                    make_layout(MPI_COMM_WORLD, grid));
        const double h = grid.spacing(0), dt = factor * h * h / (2 * dim * 0.3), peclet = op->peclet(0);
        if (op->layout()->rank() == 0) fmt::print("{}^{}, cell Peclet number {:.3f}, tau D / h^2 = {:.0f}\n", n, dim, peclet, factor / (2 * dim));
        Field answer;
        const double transforms = ours("M", op, dt, {{"-fp_pc_type", "shell"}}, answer);
        const double factors = ours("factors", op, dt, {{"-fp_pc_type", "bjacobi"}, {"-fp_ksp_type", "bcgs"}}, answer);
        if (op->layout()->rank() == 0) fmt::print("  M / factors {:.2f}\n", transforms / factors);
      }
}

}  // namespace

int main(int argc, char** argv) {
  const Session session(argc, argv);
  if (argc > 1 && std::string(argv[1]) == "choice") {
    choice();
    return 0;
  }
  const int n2 = argc > 1 ? std::atoi(argv[1]) : 384, n3 = argc > 2 ? std::atoi(argv[2]) : 64;
  const std::vector<Case> cases{{"Ornstein-Uhlenbeck 2-D", potential("(x^2 + y^2) / 2", 0.5), 2, n2},
                                {"double well 2-D", potential("3 * (x^2 - 1)^2 + 3 * y^2", 0.3), 2, n2},
                                {"double well 3-D", potential("3 * (x^2 - 1)^2 + 3 * y^2 + z^2", 0.3), 3, n3}};
  for (const Case& c : cases) {
    const Grid grid(std::vector<Axis>(static_cast<std::size_t>(c.dim), Axis{-2.5, 2.5, c.cells, Boundary::NoFlux, 0.5}));
    const LayoutPtr layout = make_layout(MPI_COMM_WORLD, grid);
    const auto op = make_fokker_planck_operator(c.equation, layout);
    const double limit = grid.spacing(0) * grid.spacing(0) / (2 * c.dim * *c.equation.diffusion[0]->constant());
    for (const double factor : {30.0, 1000.0}) {
      const double peclet = op->peclet(0);
      if (layout->rank() == 0)
        fmt::print("{}, {}^{} cells, step {:.0f} times the explicit limit = {:.2e}, cell Peclet number {:.2f}, {} ranks\n", c.name, c.cells, c.dim,
                   factor, factor * limit, peclet, layout->ranks());
      const double dt = factor * limit;
      Field answer;
      ours("linear, as it chooses", op, dt, {}, answer);
      ours("linear, bjacobi + ilu", op, dt, {{"-fp_pc_type", "bjacobi"}}, answer);
      ours("linear, bcgs + bjacobi + ilu", op, dt, {{"-fp_pc_type", "bjacobi"}, {"-fp_ksp_type", "bcgs"}}, answer);
      ours("linear, hypre", op, dt, {{"-fp_pc_type", "hypre"}}, answer);
      petsc(op, dt, 1e-5, answer);
      petsc(op, dt, 1e-12, answer);
    }
  }
  return 0;
}
