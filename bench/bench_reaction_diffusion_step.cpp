// Implicit Euler steps of Allen-Cahn, Cahn-Hilliard and the sixth-order equation, by the solvers of this project and by PETSc's Newton with the
// preconditioners that a PETSc user would try, side by side: the repeats of all candidates alternate in one process, and every one solves the same
// discrete steps to the same tolerance, max |F| / dt < 1e-6. CPU milliseconds a step (minimum, median, maximum of the repeats), work a step, and
// the distance of the answer from that of the first candidate. Candidates that need more than half a second a step run once.
//
//   bench_reaction_diffusion_step [--case allen_cahn|cahn_hilliard|sixth_order] [--cells 256] [--steps 10] [--repeats 3] [--only SUBSTRING]
//
// One rank. Options behind --petsc go to PETSc; the peer's Newton has the prefix "peer_".
#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <ctime>
#include <functional>
#include <limits>

#include "bench/petsc_newton.hpp"
#include "bench/phase_cases.hpp"
#include "grids/support/mpi.hpp"
#include "solvers/time_stepper.hpp"

using namespace wasserflow;
using bench::PhaseCase;

namespace {

struct Outcome {
  double cpu_ms = 0;  ///< a step
  double pairs = 0, iterations = 0, outer = 0;
  bool converged = true;
  std::vector<double> u;
};

struct Candidate {
  std::string name;
  std::function<Outcome()> run;
  std::vector<double> cpu_ms;
  Outcome last;
};

double cpu_seconds() {
  timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

std::vector<double> values(const Field& u) { return {u.owned().begin(), u.owned().end()}; }

/// Set-up (plans, matrices' patterns, work fields) is outside of the measurement for everybody.
Candidate ours(const PhaseCase& c, int cells, int steps, const std::string& name, const std::string& keys) {
  return {name,
          [=] {
            const LayoutPtr layout = bench::layout_of(MPI_COMM_SELF, c, 2, cells);
            Field initial(layout);
            bench::fill_initial(initial, c);
            const ProblemFile file = ProblemFile::parse("[solver]\ntolerance = 1e-6\n" + keys + "\n", "bench");
            TimeParameters time;
            time.dt = c.dt;
            time.energy_control = false;
            const auto stepper =
                make_time_stepper(time, make_evolution_operator(bench::equation_of(c), layout),
                                  read_nonlinear_solver(file.root().table("solver", "")), initial, keys.find("# single") != std::string::npos);
            Outcome out;
            const double start = cpu_seconds();
            for (int k = 0; k < steps; ++k) {
              const StepReport report = stepper->advance(std::numeric_limits<double>::infinity());
              out.pairs += static_cast<double>(report.transform_pairs) / steps;
              out.iterations += static_cast<double>(report.iterations) / steps;
              out.converged = out.converged && report.converged && report.rejections == 0;
            }
            out.cpu_ms = 1e3 * (cpu_seconds() - start) / steps;
            out.u = values(stepper->state());
            return out;
          },
          {},
          {}};
}

Candidate petsc(const PhaseCase& c, int cells, int steps, const peer::Choice& choice, bool extrapolate) {
  const std::string name =
      fmt::format("PETSc {} + {}{}{}", choice.ksp, choice.pc, choice.keep ? ", set up once" : "", extrapolate ? ", extrapolated" : "");
  return {name,
          [=] {
            const LayoutPtr layout = bench::layout_of(MPI_COMM_SELF, c, 2, cells);
            Field initial(layout);
            bench::fill_initial(initial, c);
            peer::Newton newton({static_cast<peer::Equation>(c.width - 1), cells, c.length, c.a, c.b, c.dt}, choice);
            newton.start(values(initial));
            Outcome out;
            const double start = cpu_seconds();
            for (int k = 0; k < steps && out.converged; ++k) out.converged = newton.step(extrapolate);
            out.cpu_ms = 1e3 * (cpu_seconds() - start) / steps;
            out.iterations = static_cast<double>(newton.krylov()) / steps;
            out.outer = static_cast<double>(newton.newton()) / steps;
            if (choice.pc == "fft") out.pairs = out.iterations + (choice.ksp == "gmres" ? 2 : 1) * out.outer;
            out.u = newton.state();
            return out;
          },
          {},
          {}};
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Implicit steps of phase-field equations beside PETSc's Newton"};
  std::string which, only;
  std::vector<int> sizes{128, 256, 512};
  std::vector<std::string> petsc_options;
  int steps = 10, repeats = 3;
  app.add_option("--case", which, "allen_cahn, cahn_hilliard or sixth_order");
  app.add_option("--cells", sizes, "cells an axis");
  app.add_option("--steps", steps, "steps of a run");
  app.add_option("--repeats", repeats, "runs of each candidate");
  app.add_option("--only", only, "candidates whose name contains this");
  const auto behind = std::find_if(argv, argv + argc, [](const char* word) { return std::string(word) == "--petsc"; });
  if (behind != argv + argc) petsc_options.assign(behind + 1, argv + argc);
  CLI11_PARSE(app, static_cast<int>(behind - argv), argv);
  int one = 1;
  Session session(one, argv, petsc_options);

  for (const PhaseCase& c : {bench::allen_cahn, bench::cahn_hilliard, bench::sixth_order}) {
    const std::string type = c.width == 3 ? "sixth_order" : bench::equation_of(c).type;
    if (!which.empty() && which != type) continue;
    for (const int cells : sizes) {
      std::vector<Candidate> all;
      for (const auto& [name, keys] : std::vector<std::pair<std::string, std::string>>{{"auto", "method = \"auto\""},
                                                                                       {"anderson", "method = \"anderson\""},
                                                                                       {"anderson, float32 M", "method = \"anderson\" # single"},
                                                                                       {"picard", "method = \"picard\""},
                                                                                       {"picard, float32 M", "method = \"picard\" # single"},
                                                                                       {"pdhg, tuned", "method = \"pdhg\""},
                                                                                       {"newton-krylov", "method = \"newton-krylov\""},
                                                                                       {"descent", "method = \"descent\""}})
        all.push_back(ours(c, cells, steps, name, keys));
      const std::string krylov = c.width == 1 ? "cg" : "gmres";
      all.push_back(petsc(c, cells, steps, {krylov, "fft"}, false));
      all.push_back(petsc(c, cells, steps, {krylov, "fft"}, true));
      all.push_back(petsc(c, cells, steps, {krylov, "jacobi"}, false));
      all.push_back(petsc(c, cells, steps, {krylov, "jacobi"}, true));
      if (c.width == 1) all.push_back(petsc(c, cells, steps, {"gmres", "icc"}, false));
      if (c.width > 1) all.push_back(petsc(c, cells, steps, {"gmres", "ilu"}, false));
      if (c.width > 1) all.push_back(petsc(c, cells, steps, {"bcgs", "jacobi"}, false));
      if (c.width > 1 && cells <= 128) all.push_back(petsc(c, cells, steps, {"preonly", "lu"}, false));
      for (const bool keep : {false, true}) {
        all.push_back(petsc(c, cells, steps, {krylov, "gamg", keep}, false));
        all.push_back(petsc(c, cells, steps, {krylov, "hypre", keep}, false));
      }
      std::erase_if(all, [&](const Candidate& candidate) { return candidate.name.find(only) == std::string::npos; });

      std::vector<double> reference;
      for (int repeat = 0; repeat < repeats; ++repeat)
        for (Candidate& candidate : all) {
          if (repeat > 0 && (!candidate.last.converged || candidate.last.cpu_ms > 500)) continue;
          try {
            candidate.last = candidate.run();
          } catch (const std::exception& failure) {
            candidate.last.converged = false;
          }
          candidate.cpu_ms.push_back(candidate.last.cpu_ms);
          if (reference.empty() && candidate.last.converged) reference = candidate.last.u;
        }
      fmt::print("\n{}, {} x {}, dt = {}, {} steps\n\n", c.name, cells, cells, c.dt, steps);
      fmt::print("| {:<32} | {:>8} | {:>8} | {:>8} | {:>10} | {:>7} | {:>10} | {:>9} |\n", "solver", "min ms", "median", "max", "iterations",
                 "Newton", "FFT pairs", "distance");
      fmt::print("|---|---:|---:|---:|---:|---:|---:|---:|\n");
      double best_ours = 1e300, best_peer = 1e300;
      for (Candidate& candidate : all) {
        if (!candidate.last.converged) {
          fmt::print("| {:<32} | does not converge |||||||\n", candidate.name);
          continue;
        }
        std::sort(candidate.cpu_ms.begin(), candidate.cpu_ms.end());
        double distance = 0;
        for (std::size_t i = 0; i < reference.size(); ++i) distance = std::max(distance, std::fabs(reference[i] - candidate.last.u[i]));
        double& best = candidate.name.starts_with("PETSc") ? best_peer : best_ours;
        best = std::min(best, candidate.cpu_ms[candidate.cpu_ms.size() / 2]);
        fmt::print("| {:<32} | {:>8.2f} | {:>8.2f} | {:>8.2f} | {:>10.1f} | {:>7.1f} | {:>10.1f} | {:>9.1e} |\n", candidate.name,
                   candidate.cpu_ms.front(), candidate.cpu_ms[candidate.cpu_ms.size() / 2], candidate.cpu_ms.back(), candidate.last.iterations,
                   candidate.last.outer, candidate.last.pairs, distance);
      }
      if (best_ours < 1e300 && best_peer < 1e300)
        fmt::print("\nBest here {:.2f} ms, best of PETSc {:.2f} ms: {:.1f} times.\n", best_ours, best_peer, best_peer / best_ours);
      std::fflush(stdout);
    }
  }
  return 0;
}
