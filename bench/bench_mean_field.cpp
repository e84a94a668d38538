/// Dynamic optimal transport of a Gaussian: iterations from grid to grid, coarse-to-fine, bytes a point, seconds a point and iteration.
/// Usage: [mpirun -n N] bench_mean_field [growth] [levels] [speed CELLS STEPS] [iteration [DIM [CELLS STEPS]]]
///
/// iteration: one PDHG iteration of schemes S (staggered) and U (upwind) beside what it cannot avoid, interleaved: its space-time solve by itself
/// (which reads a field and writes one), and the least doubles a point that its sweeps move besides, at the bandwidth of a triad on the same ranks,
/// in d dimensions:
///   S   right-hand side: read y; update: read the multiplier, read and write x and y        (1 + d) - 1 + 1 + 4 (1 + d)
///   U   right-hand side: read y; update of phi: read it, write the point ahead; dual step: read that, read and write y  (1 + 2d) - 1 + 2 + 1 + 2 (1
///   + 2d)
/// with y = (rho, momenta). The proximal map by itself, on rows in cache, is arithmetic that comes on top.
#include <fmt/core.h>
#include <petscsys.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <ctime>

#include "bench/measure.hpp"
#include "problems/catalogue.hpp"
#include "solvers/grid_transfer.hpp"
#include "solvers/mean_field_continuation.hpp"
#include "solvers/staggered_scheme.hpp"
#include "solvers/upwind_scheme.hpp"

using namespace wasserflow;

namespace {

Field bump(const LayoutPtr& layout, double c, double deviation) {
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

MeanFieldProblem translation_problem(const LayoutPtr& layout, int steps, Splitting splitting, double deviation = 0.05) {
  MeanFieldProblem p;
  p.layout = layout;
  p.steps = steps;
  const ProblemFile file = ProblemFile::parse("[hamiltonian]\ntype = \"quadratic\"\n", "bench");
  p.cost = std::make_shared<TransportCost>(read_transport_cost(file.root(), layout->dim(), splitting));
  p.initial = bump(layout, 0.3, deviation);
  p.final_density = bump(layout, 0.7, deviation);
  return p;
}

MeanFieldSchemePtr translation(const LayoutPtr& layout, int steps, double deviation = 0.05) {
  return std::make_unique<StaggeredScheme>(translation_problem(layout, steps, Splitting::LaxFriedrichs, deviation));
}

LayoutPtr cube(int dim, int cells) {
  return make_layout(MPI_COMM_WORLD, Grid(std::vector<Axis>(static_cast<std::size_t>(dim), Axis{0, 1, cells, Boundary::NoFlux, 0.5})));
}

double cpu_seconds() {
  double t = static_cast<double>(std::clock()) / CLOCKS_PER_SEC;
  MPI_Allreduce(MPI_IN_PLACE, &t, 1, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
  return t;
}

void solve(int dim, int cells, int steps, int levels, double deviation) {
  std::vector<LayoutPtr> layouts{cube(dim, cells)};
  for (int k = 1; k < levels; ++k) layouts.push_back(coarser(*layouts.back(), 8));
  const double wall = MPI_Wtime(), cpu = cpu_seconds();
  MeanFieldSolution s =
      solve_mean_field([&](int coarsening) { return translation(layouts[static_cast<std::size_t>(coarsening)], steps >> coarsening, deviation); },
                       levels, mean_field_pdhg());
  const double cpu_after = cpu_seconds(), seconds = MPI_Wtime() - wall;
  const MeanFieldFigures f = s.scheme->figures();
  std::string iterations;
  for (const MeanFieldLevel& l : s.levels) iterations += fmt::format(" {}", l.report.iterations);
  if (layouts[0]->rank() == 0)
    fmt::print("{:>4}^{} x {:<4} {:4} {:<20} {:9.2f} {:9.2f}   {:+.2e}  {:.1e}\n", cells, dim, steps, deviation, iterations, cpu_after - cpu, seconds,
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

/// Processor seconds of the proximal map for all points: on the rows of a level in the middle of time, which are loaded first.
double prox_seconds(const TransportCost& cost, const SlabLayout& layout, int steps, double sigma, double sigma_m,
                    const std::vector<const Field*>& y) {
  const int level = steps / 2;
  std::vector<std::vector<double>> rows(y.size(), std::vector<double>(static_cast<std::size_t>(layout.row(0).n)));
  std::vector<double*> u;
  for (auto& row : rows) u.push_back(row.data());
  // As many rows as a core keeps, all of them a few times.
  const int count = std::min(layout.rows(), std::max(1, 16384 / (layout.row(0).n * static_cast<int>(y.size()))));
  double copies = 0;
  const auto sweep = [&](bool map) {
    for (int k = 0; k < layout.rows(); ++k) {
      const int r = (layout.rows() - count) / 2 + k % count;
      RowPoints p = layout.row(r);
      p.level = level;
      for (std::size_t c = 0; c < y.size(); ++c) std::copy_n(y[c]->level(level) + p.offset, p.n, u[c]);
      if (map) cost.prox(p, sigma, sigma_m, u[0], u.data() + 1);
      copies += u[0][0];
    }
  };
  sweep(false);
  const double copy = timed(layout.comm(), [&] { sweep(false); }), all = timed(layout.comm(), [&] { sweep(true); });
  if (std::isnan(copies)) fmt::print("not a number\n");
  return steps * (all - copy);
}

void iteration(MeanFieldScheme& scheme, const char* name) {
  const MeanFieldProblem& problem = scheme.problem();
  const SlabLayout& layout = *problem.layout;
  const MPI_Comm comm = layout.comm();
  const int d = layout.dim(), steps = problem.steps;
  auto* const staggered = dynamic_cast<StaggeredScheme*>(&scheme);
  auto* const upwind = dynamic_cast<UpwindScheme*>(&scheme);
  const double points = static_cast<double>(layout.grid().size()) * steps, weight = scheme.default_weight(), speed = problem.speed_scale();
  const double length = std::sqrt(0.98 / scheme.operator_norm_squared()), tau = length / weight, sigma = length * weight;
  const int doubles = staggered ? 1 + d + 4 * (1 + d) : 2 * d + 3 + 2 * (1 + 2 * d);
  Field in(problem.layout, steps), out(problem.layout, steps);
  for (int k = 0; k < steps; ++k) in.copy_level(k, problem.initial, 0);
  std::vector<const Field*> y{staggered ? &staggered->x().rho : &upwind->saddle_point().rho()};
  for (const Field& m : staggered ? staggered->x().m : upwind->saddle_point().momenta()) y.push_back(&m);

  const auto iterate = [&] {
    scheme.primal_step(tau, 1.9);
    static_cast<void>(scheme.dual_step(sigma, 1.9, false));
  };
  const auto solve = [&] {
    if (staggered)
      staggered->space().solve(SpectralTransform::from(in), out);
    else
      upwind->saddle_point().preconditioner().apply(in, out);
  };
  Triad triad(static_cast<std::size_t>(layout.owned()));
  std::vector<double> all, solves, traffic, maps, ratio, busy;
  for (int warm = 0; warm < 10; ++warm) iterate();
  solve();
  const int repeats = points > 4e6 ? 1 : std::min(50, static_cast<int>(4e6 / points));
  for (int repeat = 0; repeat < 9; ++repeat) {
    all.push_back(timed(comm,
                        [&] {
                          for (int k = 0; k < repeats; ++k) iterate();
                        }) /
                  repeats);
    solves.push_back(timed(comm,
                           [&] {
                             for (int k = 0; k < repeats; ++k) solve();
                           }) /
                     repeats);
    traffic.push_back(static_cast<double>(sizeof(double)) * doubles * points / triad.bandwidth(comm));
    maps.push_back(
        prox_seconds(*problem.cost, layout, steps, staggered ? 1 / sigma : sigma, speed * speed * (staggered ? 1 / sigma : 0.25 * sigma), y));
    ratio.push_back(all.back() / (solves.back() + traffic.back()));
    busy.push_back(all.back() / (solves.back() + traffic.back() + maps.back()));
  }
  double bytes = static_cast<double>(scheme.bytes());
  MPI_Allreduce(MPI_IN_PLACE, &bytes, 1, MPI_DOUBLE, MPI_SUM, comm);
  const double ns = 1e9 * layout.ranks() / points;  // of processors
  if (layout.rank() == 0)
    fmt::print("{:<3}{:>14}{:>6}{:>10.1f}{:>9.1f}{:>9.1f}{:>7}{:>9.1f}{:>8.2f}{:>11.2f}{:>10.0f}\n", name,
               fmt::format("{}^{} x {}", layout.grid().cells(0), d, steps), layout.ranks(), ns * median(all), ns * median(solves),
               ns * median(traffic), 8 * doubles, ns * median(maps), median(ratio), median(busy), bytes / points);
  std::fflush(stdout);
}

/// Of both schemes, on a grid or on the usual ones of a dimension (0: of each).
void iterations(int dim, int cells, int steps) {
  const std::vector<std::array<int, 3>> usual{{1, 4096, 64}, {1, 65536, 64}, {2, 128, 16}, {2, 256, 32}, {3, 32, 16}, {3, 64, 32}};
  if (rank_of(MPI_COMM_WORLD) == 0)
    fmt::print("{:<3}{:>14}{:>6}{:>10}{:>9}{:>9}{:>7}{:>9}{:>8}{:>11}{:>10}\n", "", "grid", "ranks", "iteration", "solve", "traffic", "bytes", "prox",
               "ratio", "with prox", "bytes/pt");
  const auto both = [](int d, int n, int levels) {
    const LayoutPtr layout = cube(d, n);
    StaggeredScheme s(translation_problem(layout, levels, Splitting::LaxFriedrichs));
    s.start();
    iteration(s, "S");
    UpwindScheme u(translation_problem(layout, levels, Splitting::Upwind));
    iteration(u, "U");
  };
  if (cells > 0) return both(dim, cells, steps);
  for (const auto& [d, n, levels] : usual)
    if (dim == 0 || dim == d) both(d, n, levels);
}

}  // namespace

int main(int argc, char** argv) {
  PetscInitialize(&argc, &argv, nullptr, nullptr);
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "growth") == 0) {
      // 6, 3 and 1.6 cells a deviation on the coarsest grids; then half of that.
      for (double deviation : {0.1, 0.05}) {
        for (int n : {64, 128, 256, 512}) solve(1, n, n / 4, 1, deviation);
        for (int n : {32, 64, 128}) solve(2, n, n / 4, 1, deviation);
        for (int n : {16, 32}) solve(3, n, n / 2, 1, deviation);
      }
    }
    if (std::strcmp(argv[i], "levels") == 0) {
      solve(1, 512, 128, 4, 0.05);
      solve(2, 128, 64, 3, 0.05);
      solve(2, 128, 32, 3, 0.05);
      solve(3, 64, 32, 3, 0.1);
    }
    if (std::strcmp(argv[i], "speed") == 0 && i + 2 < argc)
      for (int dim : {2, 3}) speed(dim, dim == 2 ? 4 * std::atoi(argv[i + 1]) : std::atoi(argv[i + 1]), std::atoi(argv[i + 2]));
    if (std::strcmp(argv[i], "iteration") == 0) {
      const auto number = [&](int k) { return i + k < argc ? std::atoi(argv[i + k]) : 0; };
      iterations(number(1), number(2), number(3));
    }
  }
  PetscFinalize();
  return 0;
}
