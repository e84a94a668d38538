/// Wasserstein-1 distances of pairs of densities in the unit square (and cube): iterations and seconds to certified gaps.
/// Usage: [mpirun -n N] bench_wasserstein_one [largest cells in 2-D, 1024] [largest cells in 3-D, 0: none] [step, 10] [coarse gap] [coarsest]
/// [check]
#include <fmt/core.h>
#include <petscsys.h>

#include <cmath>
#include <cstdlib>
#include <ctime>

#include "grids/reduce.hpp"
#include "solvers/wasserstein_one.hpp"

using namespace wasserflow;

namespace {

/// Densities around (c, c, c), of mass 1.
Field density(const LayoutPtr& layout, const char* kind, double c) {
  Field u(layout);
  for (int r = 0; r < layout->rows(); ++r) {
    const RowPoints p = layout->row(r);
    for (int i = 0; i < p.n; ++i) {
      const double z = layout->dim() == 3 ? p.z - c : 0, square = (p.x[i] - c) * (p.x[i] - c) + (p.y - c) * (p.y - c) + z * z;
      double v = 0;
      if (kind[0] == 'g') v = std::exp(-square / (2 * 0.05 * 0.05));
      if (kind[0] == 'd') v = square < 0.15 * 0.15 ? 1 : 0;
      if (kind[0] == 'w') {  // waves: both densities everywhere
        v = 1.1 + std::sin(7 * p.x[i] + 20 * c) * std::cos(11 * p.y - 9 * c) * std::cos(3 * p.x[i] * p.y + c);
      }
      u.level()[p.offset + i] = v;
    }
  }
  const double mass = sum(u) * layout->grid().cell_volume();
  for (double& v : u.owned()) v /= mass;
  return u;
}

double cpu_seconds(MPI_Comm comm) {
  double t = static_cast<double>(std::clock()) / CLOCKS_PER_SEC;
  MPI_Allreduce(MPI_IN_PLACE, &t, 1, MPI_DOUBLE, MPI_SUM, comm);
  return t;
}

void measure(int dim, int cells, const char* kind, W1Parameters parameters) {
  std::vector<Axis> axes(static_cast<std::size_t>(dim), Axis{0, 1, cells, Boundary::NoFlux, 0.5});
  const LayoutPtr layout = make_layout(MPI_COMM_WORLD, Grid(axes), 1);
  const Field a = density(layout, kind, 0.3), b = density(layout, kind, 0.7);
  for (const double gap : {1e-3, 1e-4}) {
    parameters.gap = gap;
    const double wall = MPI_Wtime(), cpu = cpu_seconds(layout->comm());
    WassersteinOne solver(a, b, parameters);
    const W1Result r = solver.solve();
    const double cpu_after = cpu_seconds(layout->comm()), seconds = MPI_Wtime() - wall;
    std::string coarse;
    for (const W1Level& l : r.levels) coarse += fmt::format(" {}", l.iterations);
    if (layout->rank() == 0)
      fmt::print("{:<9} {:>5}^{} {:8.0e} {:<24} {:9.3f} {:9.3f}  {:.6f} {:.6f}  {:.1e}\n", kind, cells, dim, gap, coarse, cpu_after - cpu, seconds,
                 r.lower, r.upper, r.divergence_error);
    std::fflush(stdout);
  }
}

}  // namespace

int main(int argc, char** argv) {
  petsc_check(PetscInitialize(nullptr, nullptr, nullptr, nullptr));
  const auto argument = [&](int k, double otherwise) { return argc > k ? std::atof(argv[k]) : otherwise; };
  const int plane = static_cast<int>(argument(1, 1024)), space = static_cast<int>(argument(2, 0));
  W1Parameters parameters;
  parameters.step = argument(3, parameters.step);
  parameters.coarse_gap = argument(4, parameters.coarse_gap);
  parameters.coarsest = static_cast<int>(argument(5, parameters.coarsest));
  parameters.check_every = static_cast<int>(argument(6, parameters.check_every));
  int rank = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  if (rank == 0)
    fmt::print("{:<9} {:>7} {:>8} {:<24} {:>9} {:>9}  lower    upper     divergence\n", "densities", "cells", "gap", " iterations", "CPU s",
               "wall s");
  for (const char* kind : {"gaussians", "discs", "waves"}) {
    for (int n = 64; n <= plane; n *= 2) measure(2, n, kind, parameters);
    for (int n = 32; n <= space; n *= 2) measure(3, n, kind, parameters);
  }
  petsc_check(PetscFinalize());
  return 0;
}
