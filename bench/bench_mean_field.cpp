/// Dynamic optimal transport of a Gaussian on staggered grids: iterations from grid to grid, coarse-to-fine, bytes a point, seconds a point and
/// iteration. Usage: [mpirun -n N] bench_mean_field [growth] [levels] [speed CELLS STEPS]
#include <fmt/core.h>
#include <petscsys.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <ctime>

#include "grids/reduce.hpp"
#include "problems/catalogue.hpp"
#include "solvers/grid_transfer.hpp"
#include "solvers/mean_field_continuation.hpp"
#include "solvers/staggered_scheme.hpp"

using namespace wasserflow;

namespace {

constexpr double deviation = 0.05;

Field bump(const LayoutPtr& layout, double c) {
  Field u(layout);
  for (int r = 0; r < layout->rows(); ++r) {
    const RowPoints p = layout->row(r);
    for (int i = 0; i < p.n; ++i) {
      const double y = layout->dim() > 1 ? p.y - c : 0, z = layout->dim() > 2 ? p.z - c : 0;
      u.level()[p.offset + i] = std::exp(-((p.x[i] - c) * (p.x[i] - c) + y * y + z * z) / (2 * deviation * deviation));
    }
  }
  const double mass = sum(u) * layout->grid().cell_volume();
  for (double& v : u.owned()) v /= mass;
  return u;
}

MeanFieldSchemePtr translation(const LayoutPtr& layout, int steps) {
  MeanFieldProblem p;
  p.layout = layout;
  p.steps = steps;
  const ProblemFile file = ProblemFile::parse("[hamiltonian]\ntype = \"quadratic\"\n", "bench");
  p.cost = std::make_shared<TransportCost>(read_transport_cost(file.root(), layout->dim(), Splitting::LaxFriedrichs));
  p.initial = bump(layout, 0.3);
  p.final_density = bump(layout, 0.7);
  return std::make_unique<StaggeredScheme>(std::move(p));
}

LayoutPtr cube(int dim, int cells) {
  return make_layout(MPI_COMM_WORLD, Grid(std::vector<Axis>(static_cast<std::size_t>(dim), Axis{0, 1, cells, Boundary::NoFlux, 0.5})));
}

double cpu_seconds() {
  double t = static_cast<double>(std::clock()) / CLOCKS_PER_SEC;
  MPI_Allreduce(MPI_IN_PLACE, &t, 1, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
  return t;
}

void solve(int dim, int cells, int steps, int levels) {
  std::vector<LayoutPtr> layouts{cube(dim, cells)};
  for (int k = 1; k < levels; ++k) layouts.push_back(coarser(*layouts.back(), 8));
  const double wall = MPI_Wtime(), cpu = cpu_seconds();
  MeanFieldSolution s = solve_mean_field(
      [&](int coarsening) { return translation(layouts[static_cast<std::size_t>(coarsening)], steps >> coarsening); }, levels, mean_field_pdhg());
  const double cpu_after = cpu_seconds(), seconds = MPI_Wtime() - wall;
  const MeanFieldFigures f = s.scheme->figures();
  std::string iterations;
  for (const MeanFieldLevel& l : s.levels) iterations += fmt::format(" {}", l.report.iterations);
  if (layouts[0]->rank() == 0)
    fmt::print("{:>4}^{} x {:<4} {:<20} {:9.2f} {:9.2f}   {:+.2e}  {:.1e}\n", cells, dim, steps, iterations, cpu_after - cpu, seconds,
               f.objective() / (0.08 * dim) - 1, f.least_density);
  std::fflush(stdout);
}

void speed(int dim, int cells, int steps) {
  const LayoutPtr layout = cube(dim, cells);
  MeanFieldSchemePtr s = translation(layout, steps);
  s->start();
  PdhgParameters par = mean_field_pdhg();
  par.tolerance = 0;
  par.max_iterations = 20;
  Pdhg engine(par);
  engine.set_weight(s->default_weight());
  const double wall = MPI_Wtime(), cpu = cpu_seconds();
  static_cast<void>(engine.solve(*s));
  const double points = static_cast<double>(layout->grid().size()) * steps, cpu_after = cpu_seconds(), seconds = MPI_Wtime() - wall;
  double bytes = static_cast<double>(s->bytes());
  MPI_Allreduce(MPI_IN_PLACE, &bytes, 1, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
  if (layout->rank() == 0)
    fmt::print("{}^{} x {}: {:.1f} bytes a point, {:.1f} ns of processors a point and iteration, {:.3f} s an iteration\n", cells, dim, steps,
               bytes / points, 1e9 * (cpu_after - cpu) / (points * 20), seconds / 20);
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  PetscInitialize(&argc, &argv, nullptr, nullptr);
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "growth") == 0) {
      for (int n : {64, 128, 256, 512}) solve(1, n, n / 4, 1);
      for (int n : {32, 64, 128}) solve(2, n, n / 4, 1);
      for (int n : {16, 32}) solve(3, n, n / 2, 1);
    }
    if (std::strcmp(argv[i], "levels") == 0) {
      solve(1, 512, 128, 4);
      solve(2, 128, 64, 3);
    }
    if (std::strcmp(argv[i], "speed") == 0 && i + 2 < argc)
      for (int dim : {2, 3}) speed(dim, dim == 2 ? 4 * std::atoi(argv[i + 1]) : std::atoi(argv[i + 1]), std::atoi(argv[i + 2]));
  }
  PetscFinalize();
  return 0;
}
