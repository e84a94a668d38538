// Methods for Hamilton-Jacobi equations side by side on the variable-speed examples (H = sum a^2 p^2/2 and H = sum a |p|, periodic, T = 1,
// dt = dx): seconds of a whole run, iterations a step, and the l1 error against the exact solution at the final time.
//   bench_hj_methods [--benchmark_filter=quadratic]      (mpirun -n 2 works too)
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <array>
#include <cmath>

#include "grids/reduce.hpp"
#include "grids/support/mpi.hpp"
#include "problems/exact_solutions.hpp"
#include "solvers/hj_march.hpp"

namespace {

using namespace wasserflow;

struct Setup {
  int dim;
  int cells;
  bool quadratic;
  const char* solver;  ///< keys of [solver]
};

std::string per_axis(int dim, const char* before, const char* after) {
  std::string list;
  for (int d = 0; d < dim; ++d) list += fmt::format("{}\"{}{}{}\"", d ? ", " : "", before, "xyz"[d], after);
  return "[" + list + "]";
}

double final_l1(const Field& phi, const Function& exact, double t) {
  Field difference(phi.layout_ptr());
  fill(difference, 0, exact, t);
  for (std::ptrdiff_t i = 0; i < phi.layout().owned(); ++i) difference.level()[i] = std::fabs(difference.level()[i] - phi.level()[i]);
  return sum(difference) / static_cast<double>(phi.layout().grid().size());
}

void solve(benchmark::State& state, const Setup& setup) {
  const std::string sine[] = {"sin(pi*x)", "sin(pi*x) + sin(pi*y)", "sin(pi*x) + sin(pi*y) + sin(pi*z)"};
  const std::string hamiltonian = setup.quadratic ? "type = \"quadratic\"\ncoefficient = " + per_axis(setup.dim, "((", "-1)^2 + 0.1)^2")
                                                  : "type = \"one_homogeneous\"\ncoefficient = " + per_axis(setup.dim, "(", "-1)^2 + 0.1");
  const ProblemFile file = ProblemFile::parse(
      fmt::format("[hamiltonian]\n{}\n[initial]\nphi = \"{}\"\n[solver]\n{}\n", hamiltonian, sine[setup.dim - 1], setup.solver), "bench");
  const Parameters root = file.root();
  const HjMethod method = read_hj_method(root.table("solver", ""));
  const Grid grid(std::vector<Axis>(static_cast<std::size_t>(setup.dim), Axis{0, 2, setup.cells, Boundary::Periodic, 0}));
  const LayoutPtr layout = make_layout(MPI_COMM_WORLD, grid, method.ghost);
  const FunctionPtr g = read_function(root.table("initial", ""), "phi", "", setup.dim);
  const FunctionPtr exact = setup.quadratic ? make_quadratic_variable_speed(grid, g) : make_onehomogeneous_variable_speed(grid, g);
  Field initial(layout);
  fill(initial, 0, *g, 0);
  const int steps = setup.cells / 2;
  const double dt = 1.0 / steps;
  double iterations = 0, error = 0;
  for (auto _ : state) {
    HamiltonJacobiProblem problem = make_hamilton_jacobi_problem(read_hamiltonian(root.table("hamiltonian", ""), setup.dim), layout, 0, dt, {dt});
    const auto march = method.make(problem, initial);
    iterations = 0;
    for (int k = 1; k <= steps; ++k) iterations += march->advance(std::array{k * dt}).iterations;
    state.PauseTiming();
    error = final_l1(march->last(), *exact, 1);
    state.ResumeTiming();
  }
  state.counters["its/step"] = iterations / steps;
  state.counters["l1"] = error;
}

}  // namespace

int main(int argc, char** argv) {
  Session session(argc, argv);
  benchmark::Initialize(&argc, argv);
  const std::pair<const char*, const char*> solvers[] = {{"pdhg_1e-6", "method = \"pdhg\"\ntolerance = 1e-6"},
                                                         {"howard", "method = \"howard\""},
                                                         {"explicit_first_order", "method = \"explicit\"\nreconstruction = \"first_order\""},
                                                         {"explicit_weno5", "method = \"explicit\""}};
  for (const bool quadratic : {true, false})
    for (const auto& [dim, cells] : {std::pair{1, 160}, {1, 640}, {2, 80}, {2, 160}, {3, 24}, {3, 40}})
      for (const auto& [name, keys] : solvers)
        benchmark::RegisterBenchmark(fmt::format("{}_{}d_{}/{}", quadratic ? "quadratic" : "one_homogeneous", dim, cells, name).c_str(), solve,
                                     Setup{dim, cells, quadratic, keys})
            ->Iterations(1)
            ->Unit(benchmark::kMillisecond);
  // Other ranks take part and keep quiet.
  struct Silent : benchmark::BenchmarkReporter {
    bool ReportContext(const Context&) override { return true; }
    void ReportRuns(const std::vector<Run>&) override {}
  } silent;
  if (rank_of(MPI_COMM_WORLD) == 0)
    benchmark::RunSpecifiedBenchmarks();
  else
    benchmark::RunSpecifiedBenchmarks(&silent);
  return 0;
}
