// One PDHG iteration of the Hamilton-Jacobi solver against the cost it cannot avoid, in one run: its transforms by themselves, and the least bytes of
// its sweeps at the bandwidth that a triad over large arrays reaches on the same ranks at the same time.
//
//   mpirun -n 2 bench_hj_iteration            all cases
//   mpirun -n 2 bench_hj_iteration 3          those in three dimensions
//
// Least bytes a point, upwind, without viscosity and drift, in doubles, d dimensions, c tabulated coefficients:
//   K^T y          read rho and 2d momenta                                    1 + 2d
//   update of phi  read and write phi, write the extrapolated point           3
//   dual step      read that point, phi^0, rho, 2d momenta, c; write rho, 2d momenta   4 + 4d + c
#include <fmt/format.h>

#include <vector>

#include "bench/measure.hpp"
#include "solvers/hj_saddle_point.hpp"

using namespace wasserflow;

namespace {

struct Case {
  std::string name;
  int dim, cells;
  std::string hamiltonian;
  int coefficients;
};

}  // namespace

int main(int argc, char** argv) {
  Session session(argc, argv);
  const MPI_Comm comm = MPI_COMM_WORLD;
  const int ranks = size_of(comm);
  if (rank_of(comm) == 0)
    fmt::print("{:<28}{:>9}{:>6}{:>13}{:>13}{:>13}{:>13}{:>9}{:>11}\n", "case", "cells", "ranks", "ns/pt/iter", "transforms", "least bytes", "bound",
               "ratio", "bytes/pt");
  const std::vector<Case> cases{
      {"quadratic", 1, 1 << 20, "type = \"quadratic\"\ncoefficient = \"((x-1)^2+0.1)^2\"", 1},
      {"quadratic", 2, 1024, "type = \"quadratic\"\ncoefficient = [\"((x-1)^2+0.1)^2\", \"((y-1)^2+0.1)^2\"]", 2},
      {"quadratic, constant", 2, 1024, "type = \"quadratic\"", 0},
      {"one-homogeneous", 2, 1024, "type = \"one_homogeneous\"\ncoefficient = [\"(x-1)^2+0.1\", \"(y-1)^2+0.1\"]", 2},
      {"l2 norm", 2, 1024, "type = \"norm\"\nnorm = \"l2\"\ncoefficient = \"1+exp(-x^2)\"", 1},
      {"quadratic", 3, 128, "type = \"quadratic\"\ncoefficient = [\"((x-1)^2+0.1)^2\", \"((y-1)^2+0.1)^2\", \"((z-1)^2+0.1)^2\"]", 3},
      {"quadratic", 3, 192, "type = \"quadratic\"\ncoefficient = [\"((x-1)^2+0.1)^2\", \"((y-1)^2+0.1)^2\", \"((z-1)^2+0.1)^2\"]", 3}};
  for (const Case& c : cases) {
    if (argc > 1 && std::stoi(argv[1]) != c.dim) continue;
    std::vector<Axis> axes(static_cast<std::size_t>(c.dim), Axis{0, 2, c.cells, Boundary::Periodic, 0});
    const LayoutPtr layout = make_layout(comm, Grid(axes));
    const double h = 2.0 / c.cells, points = static_cast<double>(layout->grid().size());
    const ProblemFile file = ProblemFile::parse("[hamiltonian]\n" + c.hamiltonian, "bench");
    HamiltonJacobiProblem problem =
        make_hamilton_jacobi_problem(read_hamiltonian(file.root().table("hamiltonian", ""), c.dim), layout, 0, h, std::vector<double>{h});
    HjSaddlePoint saddle(problem, 1);
    fill(saddle.initial(), 0, *make_formula(c.dim == 1 ? "sin(pi*x)" : c.dim == 2 ? "sin(pi*x)+sin(pi*y)" : "sin(pi*x)+sin(pi*y)+sin(pi*z)"), 0);
    saddle.phi().copy_level(0, saddle.initial(), 0);
    saddle.momenta_from_policy();

    Triad triad(static_cast<std::size_t>(layout->owned()));
    Field in(layout), out(layout);
    in.copy_level(0, saddle.initial(), 0);
    SpectralTransform& transform = saddle.preconditioner().transform();
    const auto iterate = [&] {
      saddle.primal_step(3, 1);
      saddle.dual_step(0.3, 1, false);
    };
    const auto transforms = [&] {
      transform.solve(
          in, [](const ModeBlock&) {}, out);
    };
    std::vector<double> iteration, pair, bandwidth;
    for (int warm = 0; warm < 3; ++warm) iterate(), transforms();
    for (int repeat = 0; repeat < 9; ++repeat) {
      iteration.push_back(timed(comm, [&] { iterate(), iterate(); }) / 2);
      pair.push_back(timed(comm, [&] { transforms(), transforms(); }) / 2);
      bandwidth.push_back(triad.bandwidth(comm));
      in.copy_level(0, saddle.initial(), 0);
    }
    const double bytes = sizeof(double) * (1 + 2 * c.dim + 3 + 4 + 4 * c.dim + c.coefficients);
    std::vector<double> ratio;
    for (std::size_t i = 0; i < iteration.size(); ++i) ratio.push_back(iteration[i] / (pair[i] + bytes * points / bandwidth[i]));
    const double ns = 1e9 / points;
    if (rank_of(comm) == 0)
      fmt::print("{:<28}{:>9}{:>6}{:>13.2f}{:>13.2f}{:>13.2f}{:>13.2f}{:>9.2f}{:>11.0f}\n", c.name, fmt::format("{}^{}", c.cells, c.dim), ranks,
                 ns * median(iteration), ns * median(pair), ns * bytes * points / median(bandwidth),
                 ns * (median(pair) + bytes * points / median(bandwidth)), median(ratio), bytes);
  }
  return 0;
}
