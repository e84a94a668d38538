// W2 by the back-and-forth method: CPU seconds of all ranks, bounds and error for translated Gaussians (deviation 0.05, (.3, .3) to (.7, .7)) and for
// pairs whose map is not affine or jumps, on grids of 128^2 to 1024^2.
//   [mpirun -n 2] bench_back_and_forth [largest cells, 1024]
#include <fmt/format.h>

#include <cmath>
#include <cstdlib>
#include <ctime>
#include <functional>

#include "grids/reduce.hpp"
#include "grids/support/mpi.hpp"
#include "solvers/back_and_forth.hpp"

using namespace wasserflow;

namespace {

using Density = std::function<double(double x, double y)>;

double normal(double x, double y, double a, double b, double deviation) {
  return std::exp(-((x - a) * (x - a) + (y - b) * (y - b)) / (2 * deviation * deviation));
}

struct Pair {
  const char* name;
  Density from, to;
  double exact;  ///< W2^2; 0: not known
  bool moment_start;
};

Field field(const LayoutPtr& layout, const Density& f) {
  Field u(layout);
  for (int r = 0; r < layout->rows(); ++r) {
    const RowPoints p = layout->row(r);
    for (int i = 0; i < p.n; ++i) u.level()[p.offset + i] = f(p.x[i], p.y);
  }
  const double mass = sum(u) * layout->grid().cell_volume();
  for (double& v : u.owned()) v /= mass;
  return u;
}

double cpu_seconds() {
  timespec t{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  double mine = static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec), all = 0;
  MPI_Allreduce(&mine, &all, 1, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
  return all;
}

}  // namespace

int main(int argc, char** argv) {
  const Session session(argc, argv);
  const int largest = argc > 1 ? std::atoi(argv[1]) : 1024;
  const bool speaks = rank_of(MPI_COMM_WORLD) == 0;
  const Density left = [](double x, double y) { return normal(x, y, 0.3, 0.3, 0.05); },
                right = [](double x, double y) { return normal(x, y, 0.7, 0.7, 0.05); };
  const Pair pairs[] = {
      {"translation, from moments", left, right, 0.32, true},
      {"translation, from the identity", left, right, 0.32, false},
      {"mixture with floor", [](double x, double y) { return normal(x, y, 0.2, 0.3, 0.06) + 2e-4; },
       [](double x, double y) { return normal(x, y, 0.6, 0.7, 0.042) + 0.6 * normal(x, y, 0.7, 0.4, 0.042) + 2e-4; }, 0, true},
      {"one to two", [](double x, double y) { return normal(x, y, 0.5, 0.5, 0.05); },
       [](double x, double y) { return normal(x, y, 0.3, 0.7, 0.05) + 0.2 * normal(x, y, 0.7, 0.4, 0.03); }, 0, true},
      {"disc to slabs", [](double x, double y) { return std::hypot(x - 0.5, y - 0.5) < 0.25 ? 1.0 : 0.0; },
       [](double x, double y) { return std::fabs(x - 0.5) < 0.3 && std::fabs(y - 0.5) < 0.3 && std::fabs(x - 0.5) > 0.05 ? 1.0 : 0.0; }, 0, true},
  };
  if (speaks)
    fmt::print("{:<32}{:>7}{:>6}{:>10}{:>10}{:>14}{:>14}{:>11}{:>12}\n", "pair", "cells", "its", "cpu s", "wall s", "lower", "upper", "gap",
               "W2 error");
  for (const Pair& pair : pairs)
    for (int n = 128; n <= largest; n *= 2) {
      const LayoutPtr layout = make_layout(MPI_COMM_WORLD, Grid(std::vector<Axis>(2, Axis{0, 1, n, Boundary::NoFlux, 0.5})), 1);
      const Field rho0 = field(layout, pair.from), rho1 = field(layout, pair.to);
      const double cpu = cpu_seconds(), wall = MPI_Wtime();
      BackAndForthParameters parameters;
      parameters.moment_start = pair.moment_start;
      BackAndForth solver(layout, parameters);
      const W2Result r = solver.solve(rho0, rho1);
      const double spent = cpu_seconds() - cpu, seconds = MPI_Wtime() - wall;
      if (speaks)
        fmt::print("{:<32}{:>7}{:>6}{:>10.2f}{:>10.2f}{:>14.8f}{:>14.8f}{:>11.1e}{:>12}\n", pair.name, n, r.iterations, spent, seconds, r.lower,
                   r.upper, (r.upper - r.lower) / r.upper, pair.exact > 0 ? fmt::format("{:.1e}", r.distance / std::sqrt(pair.exact) - 1) : "");
    }
}
