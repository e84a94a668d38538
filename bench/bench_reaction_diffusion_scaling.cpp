// How implicit phase-field steps scale. Subjects:
//   grid     iterations and transform pairs a step against the grid, every equation, two and three dimensions
//   ranks    strong and weak scaling from one rank to all of them (mpirun -n 2), Cahn-Hilliard; times alternate between both, least time a transform
//   pair float32  preconditioner in single precision beside double, Cahn-Hilliard blocks   blocks of N steps solved at once, Allen-Cahn and
//   Cahn-Hilliard memory   bytes a point that a running stepper holds, and the peak of the process
//
//   bench_reaction_diffusion_scaling SUBJECT ... [--dim 2|3] [--cells N ...] [--steps K] [--tolerance E] [--solver "method = \"anderson\""]
#include <malloc.h>
#include <unistd.h>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <ctime>
#include <fstream>
#include <limits>

#include "bench/phase_cases.hpp"
#include "grids/reduce.hpp"
#include "grids/support/mpi.hpp"
#include "solvers/time_stepper.hpp"

using namespace wasserflow;
using bench::PhaseCase;

namespace {

struct Options {
  std::vector<std::string> subjects;
  std::vector<int> cells;
  int dim = 0, steps = 0;
  double tolerance = 1e-6;
  std::string solver = "method = \"auto\"";
};

using Stepper = std::unique_ptr<TimeStepper>;

Stepper stepper_of(MPI_Comm comm, const PhaseCase& c, int dim, int cells, const Options& options, int copies = 1, int block = 1,
                   bool single = false) {
  const LayoutPtr layout = bench::layout_of(comm, c, dim, cells, copies);
  Field initial(layout);
  bench::fill_initial(initial, c);
  const ProblemFile file = ProblemFile::parse(fmt::format("[solver]\ntolerance = {}\n{}\n", options.tolerance, options.solver), "bench");
  TimeParameters time;
  time.dt = c.dt;
  time.block = block;
  time.energy_control = false;
  return make_time_stepper(time, make_evolution_operator(bench::equation_of(c), layout), read_nonlinear_solver(file.root().table("solver", "")),
                           initial, single);
}

StepReport advance(TimeStepper& stepper) { return stepper.advance(std::numeric_limits<double>::infinity()); }

double cpu_seconds() {
  timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

template <class... Args>
void print(fmt::format_string<Args...> format, Args&&... args) {
  if (rank_of(MPI_COMM_WORLD) != 0) return;
  fmt::print(format, std::forward<Args>(args)...);
  std::fflush(stdout);
}

std::string text(int dim, int cells) { return fmt::format("{}^{}", cells, dim); }

/// Ranks that have nothing to do wait without using a core.
void wait_for_all() {
  MPI_Request request;
  int done = 0;
  MPI_Ibarrier(MPI_COMM_WORLD, &request);
  for (MPI_Test(&request, &done, MPI_STATUS_IGNORE); !done; MPI_Test(&request, &done, MPI_STATUS_IGNORE)) usleep(200);
}

void grid(const Options& options) {
  for (const int dim : {2, 3}) {
    if (options.dim > 0 && options.dim != dim) continue;
    const std::vector<int> sizes = !options.cells.empty() ? options.cells
                                   : dim == 2             ? std::vector{64, 128, 256, 512, 1024}
                                                          : std::vector{32, 64, 96, 128, 192};
    print(
        "\n| equation | cells | steps | iterations a step | FFT pairs a step | CPU ms a step | CPU ns a point and pair "
        "|\n|---|---:|---:|---:|---:|---:|---:|\n");
    for (const PhaseCase& c : {bench::allen_cahn, bench::cahn_hilliard, bench::sixth_order})
      for (const int n : sizes) {
        const Stepper stepper = stepper_of(MPI_COMM_WORLD, c, dim, n, options);
        const int steps = options.steps > 0 ? options.steps : dim == 2 ? 10 : 5;
        double iterations = 0, pairs = 0;
        bool converged = true;
        const double start = cpu_seconds();
        for (int k = 0; k < steps; ++k) {
          const StepReport report = advance(*stepper);
          iterations += static_cast<double>(report.iterations) / steps;
          pairs += static_cast<double>(report.transform_pairs) / steps;
          converged = converged && report.converged && report.rejections == 0;
        }
        const double ms = 1e3 * (cpu_seconds() - start) / steps;
        print("| {} | {} | {} | {:.1f} | {:.1f} | {:.2f} | {:.1f} |{}\n", c.name, text(dim, n), steps, iterations, pairs, ms,
              1e6 * ms / pairs / static_cast<double>(stepper->state().layout().owned()), converged ? "" : " not converged");
      }
  }
}

void ranks(const Options& options) {
  const int all = size_of(MPI_COMM_WORLD);
  const PhaseCase& c = bench::cahn_hilliard;
  MPI_Comm alone;
  MPI_Comm_split(MPI_COMM_WORLD, rank_of(MPI_COMM_WORLD) == 0 ? 0 : MPI_UNDEFINED, 0, &alone);
  print("\n| cells | scaling | ms a pair, 1 rank | ms a pair, {} ranks | efficiency |\n|---|---|---:|---:|---:|\n", all);
  for (const auto& [dim, n] : std::vector<std::pair<int, int>>{{2, 1024}, {3, 128}, {3, 192}}) {
    if (options.dim > 0 && options.dim != dim) continue;
    if (!options.cells.empty() && std::find(options.cells.begin(), options.cells.end(), n) == options.cells.end()) continue;
    for (const int copies : {1, all}) {
      Stepper one;
      if (alone != MPI_COMM_NULL) one = stepper_of(alone, c, dim, n, options);
      wait_for_all();
      const Stepper many = stepper_of(MPI_COMM_WORLD, c, dim, n, options, copies);
      double least_one = 1e300, least_many = 1e300;
      const int repeats = options.steps > 0 ? options.steps : n > 128 && dim == 3 ? 4 : 8;
      for (int repeat = -1; repeat < repeats; ++repeat) {  // the first step of each is not counted
        if (one) {
          const double start = MPI_Wtime();
          const StepReport report = advance(*one);
          if (repeat >= 0) least_one = std::min(least_one, (MPI_Wtime() - start) / static_cast<double>(report.transform_pairs));
        }
        wait_for_all();
        MPI_Barrier(MPI_COMM_WORLD);
        const double start = MPI_Wtime();
        const StepReport report = advance(*many);
        MPI_Barrier(MPI_COMM_WORLD);
        if (repeat >= 0) least_many = std::min(least_many, (MPI_Wtime() - start) / static_cast<double>(report.transform_pairs));
      }
      print("| {}{} | {} | {:.3f} | {:.3f} | {:.2f} |\n", text(dim, n), copies > 1 ? fmt::format(" a rank") : "", copies > 1 ? "weak" : "strong",
            1e3 * least_one, 1e3 * least_many, least_one / least_many * copies / all);
      wait_for_all();
      if (copies == all) break;  // one rank: both are the same
    }
  }
  if (alone != MPI_COMM_NULL) MPI_Comm_free(&alone);
}

void float32(const Options& options) {
  const PhaseCase& c = bench::cahn_hilliard;
  print("\n| cells | preconditioner | iterations a step | CPU ms a step, least | ratio |\n|---|---|---:|---:|---:|\n");
  for (const auto& [dim, n] : std::vector<std::pair<int, int>>{{2, 256}, {2, 1024}, {3, 128}}) {
    const Stepper both[2] = {stepper_of(MPI_COMM_WORLD, c, dim, n, options), stepper_of(MPI_COMM_WORLD, c, dim, n, options, 1, 1, true)};
    double least[2] = {1e300, 1e300}, iterations[2] = {0, 0};
    const int repeats = options.steps > 0 ? options.steps : 8;
    for (int repeat = 0; repeat < repeats; ++repeat)
      for (int k : {0, 1}) {
        const double start = cpu_seconds();
        const StepReport report = advance(*both[k]);
        iterations[k] += static_cast<double>(report.iterations) / repeats;
        if (repeat > 1) least[k] = std::min(least[k], 1e3 * (cpu_seconds() - start) / static_cast<double>(report.transform_pairs));
      }
    for (int k : {0, 1})
      print("| {} | {} | {:.1f} | {:.2f} | {:.2f} |\n", text(dim, n), k ? "float32" : "float64", iterations[k], least[k] * iterations[k],
            least[k] * iterations[k] / (least[0] * iterations[0]));
  }
}

void blocks(const Options& options) {
  print(
      "\n| equation | cells | N | iterations a block | FFT pairs a step | CPU ms a step | steps solved at once for one iteration "
      "|\n|---|---|---:|---:|---:|---:|---:|\n");
  for (const PhaseCase& c : {bench::allen_cahn, bench::cahn_hilliard})
    for (const int n : options.cells.empty() ? std::vector{128} : options.cells) {
      double alone = 0;
      for (const int block : {1, 10, 50}) {
        const Stepper stepper = stepper_of(MPI_COMM_WORLD, c, 2, n, options, 1, block);
        const int steps = 50;
        double iterations = 0, pairs = 0;
        int taken = 0;
        const double start = cpu_seconds();
        bool converged = true;
        while (taken < steps) {
          const StepReport report = advance(*stepper);
          taken += report.steps;
          iterations += static_cast<double>(report.iterations) * report.steps;
          pairs += static_cast<double>(report.transform_pairs);
          converged = converged && report.converged && report.rejections == 0;
        }
        const double ms = 1e3 * (cpu_seconds() - start) / taken;
        iterations /= taken;
        if (block == 1) alone = iterations;
        print("| {} | {} | {} | {:.1f} | {:.1f} | {:.2f} | {:.1f} |{}\n", c.name, text(2, n), block, iterations, pairs / taken, ms,
              block * alone / iterations, converged ? "" : " not converged");
      }
    }
}

double held_bytes() {
  const struct mallinfo2 info = mallinfo2();
  return static_cast<double>(info.uordblks + info.hblkhd);
}

double peak_bytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("VmHWM:")) return 1024 * std::stod(line.substr(6));
  return 0;
}

void memory(const Options& options) {
  print(
      "\n| solver | equation | cells | bytes a point held | peak of all ranks, bytes a point | 512^3 would hold GB "
      "|\n|---|---|---|---:|---:|---:|\n");
  for (const std::string solver : {"picard", "anderson", "auto"})
    for (const PhaseCase& c : {bench::cahn_hilliard, bench::sixth_order})
      for (const int n : options.cells.empty() ? std::vector{64, 128} : options.cells) {
        malloc_trim(0);
        std::ofstream("/proc/self/clear_refs") << "5";  // the peak starts anew
        const double before = held_bytes(), peak_before = peak_bytes();
        Options with = options;
        with.solver = "method = \"" + solver + "\"";
        const Stepper stepper = stepper_of(MPI_COMM_WORLD, c, 3, n, with);
        for (int k = 0; k < 2; ++k) static_cast<void>(advance(*stepper));
        double bytes[2] = {held_bytes() - before, peak_bytes() - peak_before}, total[2];
        MPI_Allreduce(bytes, total, 2, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
        const double points = static_cast<double>(stepper->state().layout().grid().size());
        print("| {} | {} | {} | {:.0f} | {:.0f} | {:.1f} |\n", solver, c.name, text(3, n), total[0] / points, total[1] / points,
              total[0] / points * 512.0 * 512 * 512 / 1e9);
      }
}

}  // namespace

int main(int argc, char** argv) {
  Session session(argc, argv);
  const std::map<std::string, void (*)(const Options&)> subjects{
      {"grid", grid}, {"ranks", ranks}, {"float32", float32}, {"blocks", blocks}, {"memory", memory}};
  CLI::App app{"How implicit phase-field steps scale"};
  Options options;
  app.add_option("subjects", options.subjects, "grid, ranks, float32, blocks, memory")->required();
  app.add_option("--dim", options.dim, "only this dimension");
  app.add_option("--cells", options.cells, "cells an axis");
  app.add_option("--steps", options.steps, "steps of each run");
  app.add_option("--tolerance", options.tolerance, "of max |F| / dt");
  app.add_option("--solver", options.solver, "keys of [solver]");
  CLI11_PARSE(app, argc, argv);
  for (const std::string& subject : options.subjects) {
    const auto at = subjects.find(subject);
    if (at == subjects.end()) {
      print("no subject \"{}\"\n", subject);
      return 2;
    }
    at->second(options);
  }
  return 0;
}
