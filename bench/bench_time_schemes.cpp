// What a digit costs by each time scheme: error at the final time against transform pairs and CPU seconds, as tables in Markdown.
//   circle      Allen-Cahn, the shrinking circle to t = 1: errors of the front radius and of u
//   coarsening  Cahn-Hilliard, seven discs to t = 1, two of which vanish: errors of u and of the energy
//   bench_time_schemes [circle] [coarsening] [--cells N]
// The reference is the exponential scheme (circle) or SDIRK2 (coarsening) at a step ten times below the smallest of the table. "grows" counts the
// steps whose energy grew.
#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <ctime>

#include "bench/phase_cases.hpp"
#include "grids/reduce.hpp"
#include "grids/support/mpi.hpp"
#include "solvers/phase_diagnostics.hpp"
#include "solvers/time_stepper.hpp"

using namespace wasserflow;
using bench::PhaseCase;

namespace {

struct Scheme {
  std::string method;
  double stabiliser;  // IMEX
  std::vector<double> steps;
  std::vector<double> tolerances;  // adaptive runs from the first step
};

struct Run {
  Field u;
  double energy = 0, seconds = 0;
  long pairs = 0;
  int steps = 0, rejections = 0, grown = 0;
  bool good = true;
};

double cpu_seconds() {
  timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

Run run(const PhaseCase& c, int cells, double end, TimeParameters p) {
  const LayoutPtr layout = bench::layout_of(MPI_COMM_WORLD, c, 2, cells);
  const EvolutionOperatorPtr op = make_evolution_operator(bench::equation_of(c), layout);
  Field initial(layout);
  bench::fill_initial(initial, c);
  const ProblemFile file = ProblemFile::parse("[solver]\ntolerance = 1e-6\n", "bench");
  const auto stepper = make_time_stepper(p, op, read_nonlinear_solver(file.root().table("solver", "")), initial);
  Run out;
  out.energy = *op->energy(stepper->state());
  while (stepper->time() < end) {
    const double start = cpu_seconds();
    const StepReport r = stepper->advance(end);
    out.seconds += cpu_seconds() - start;
    out.pairs += r.transform_pairs;
    out.rejections += r.rejections;
    ++out.steps;
    out.good = out.good && r.converged;
    if (r.diverged) break;
    const double energy = *op->energy(stepper->state());
    out.grown += energy > out.energy * (1 + 1e-12);
    out.energy = energy;
  }
  out.u = stepper->state().clone();
  return out;
}

double max_difference(const Field& a, const Field& b) {
  double worst = 0;
  for (std::size_t i = 0; i < a.owned().size(); ++i) worst = std::max(worst, std::fabs(a.owned()[i] - b.owned()[i]));
  return global_max(MPI_COMM_WORLD, worst);
}

void table(const PhaseCase& c, int cells, double end, const TimeParameters& reference_run, const std::vector<Scheme>& schemes, bool front) {
  const bool first = rank_of(MPI_COMM_WORLD) == 0;
  const Run reference = run(c, cells, end, reference_run);
  const double radius = front ? front_position(reference.u) : 0;
  if (first)
    fmt::print(
        "\n{} {}^2, t = {}: reference {} at dt = {}{}, energy {:.7g}\n\n| scheme | S | step | {} | max error | steps | repeated | grows | pairs | "
        "CPU s |\n"
        "|---|---|---|---|---|---|---|---|---|---|\n",
        c.name, cells, end, reference_run.method, reference_run.dt, front ? fmt::format(", radius {:.6f}", radius) : "", reference.energy,
        front ? "radius error" : "energy error");
  for (const Scheme& s : schemes) {
    const auto row = [&](const TimeParameters& p, const std::string& step) {
      const Run r = run(c, cells, end, p);
      const double measured = front ? front_position(r.u) - radius : r.energy - reference.energy, error = max_difference(r.u, reference.u);
      if (first)
        fmt::print("| {} | {} | {} | {:.2e} | {:.2e} | {}{} | {} | {} | {} | {:.2f} |\n", p.method,
                   p.method.starts_with("imex") || p.method == "sbdf2" || p.method == "etdrk4" ? fmt::format("{:g}", 2 * p.stabiliser) : "", step,
                   measured, error, r.steps, r.good ? "" : " (failed)", r.rejections, r.grown, r.pairs, r.seconds);
    };
    TimeParameters p;
    p.method = s.method;
    p.stabiliser = s.stabiliser;
    for (const double dt : s.steps) {
      p.dt = dt;
      row(p, fmt::format("{:g}", dt));
    }
    p.dt = s.steps.back();
    for (const double tolerance : s.tolerances) {
      p.adaptive = {.on = true, .tolerance = tolerance};
      row(p, fmt::format("adaptive {:g}", tolerance));
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  Session session(argc, argv);
  std::vector<std::string> subjects;
  int cells = 0;
  CLI::App app("Errors and costs of time schemes");
  app.add_option("subjects", subjects, "circle, coarsening; both when none is given")->check(CLI::IsMember({"circle", "coarsening"}));
  app.add_option("--cells", cells, "cells an axis");
  CLI11_PARSE(app, argc, argv);
  const auto wanted = [&](const char* name) { return subjects.empty() || std::find(subjects.begin(), subjects.end(), name) != subjects.end(); };
  TimeParameters reference;
  if (wanted("circle")) {
    reference.method = "etdrk4";
    reference.dt = 0.0001;
    table(bench::allen_cahn, cells > 0 ? cells : 256, 1, reference,
          {{"implicit_euler", 0, {0.1, 0.05, 0.02, 0.01, 0.005, 0.001}, {}},
           {"bdf2", 0, {0.05, 0.02, 0.01, 0.005, 0.0025, 0.001}, {1e-1, 1e-2, 1e-3}},
           {"sdirk2", 0, {0.05, 0.02, 0.01, 0.005, 0.0025, 0.001}, {1e-1, 1e-2, 1e-3}},
           {"imex_euler", 1, {0.01, 0.005, 0.001, 0.0002}, {}},
           {"sbdf2", 0, {0.02, 0.01, 0.005, 0.002, 0.001}, {}},
           {"sbdf2", 1, {0.02, 0.01, 0.005, 0.002, 0.001}, {}},
           {"etdrk4", 1, {0.02, 0.01, 0.005, 0.002, 0.001}, {}}},
          true);
  }
  if (wanted("coarsening")) {
    reference.method = "sdirk2";
    reference.dt = 0.0001;
    table(bench::cahn_hilliard, cells > 0 ? cells : 128, 1, reference,
          {{"implicit_euler", 0, {0.1, 0.05, 0.02, 0.01, 0.005, 0.001}, {}},
           {"bdf2", 0, {0.05, 0.02, 0.01, 0.005, 0.001}, {1e-1, 1e-2, 1e-3}},
           {"sdirk2", 0, {0.05, 0.02, 0.01, 0.005, 0.001}, {1e-1, 1e-2, 1e-3}},
           {"imex_euler", 1, {0.01, 0.005, 0.001, 0.0002}, {}},
           {"sbdf2", 0, {0.02, 0.01, 0.005, 0.001}, {}},
           {"sbdf2", 1, {0.02, 0.01, 0.005, 0.001}, {}},
           {"etdrk4", 1, {0.02, 0.01, 0.005, 0.001}, {}}},
          false);
  }
  return 0;
}
