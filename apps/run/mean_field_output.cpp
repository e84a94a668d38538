#include "apps/run/mean_field_output.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "apps/run/density_monitor.hpp"
#include "apps/run/initial_density.hpp"
#include "grids/reduce.hpp"

namespace wasserflow {
MeanFieldOutput::MeanFieldOutput(const Parameters& output, const Parameters& parent, const MeanFieldInput& input)
    : input_(&input),
      saves_(output, input.jko_steps() > 0 ? input.jko_steps() : input.finest().steps, input.stationary() ? 0 : input.horizon(),
             input.jko_steps() > 0) {
  if (input.jko_steps() == 0 && !input.stationary()) trajectories_ = read_trajectory_plan(parent, input.finest().layout->grid());
}

void MeanFieldOutput::read_reference(const Parameters& root) {
  const int dim = input_->dim();
  const Parameters reference = root.table("reference", "solution to compare with, and figures to expect");
  if (reference.has("rho")) rho_ = read_function(reference, "rho", "exact density, a function of (x, t)", dim);
  if (reference.has("phi")) {
    phi_ = read_function(reference, "phi", "exact value function of (x, t); with both ends given, and of stationary games, up to a constant", dim);
    if (input_->jko_steps() > 0) reference.fail("phi", "steps of [jko] have no value function in common");
  }
  objective_ = reference.real("objective", "exact value of the objective; 0: not known", 0.0);
  if (input_->kind() != MeanFieldKind::Game) distance_ = reference.real("distance", "exact distance; 0: not known", 0.0, Range::nonnegative());
  std::vector<ExpectedFigures::Known> known;
  for (const char* name : {"l1", "l2", "linf", "l1_relative", "final_l1", "middle_l1", "value"}) known.push_back({"errors", name});
  for (const char* name : {"objective", "feasible_objective", "kinetic", "running", "interaction", "terminal", "lower_bound", "upper_bound", "gap",
                           "value_equation", "ergodic_constant", "distance", "mass", "final_mass", "least_density", "finest_iterations"})
    known.push_back({"quantities", name});
  for (const char* what : {"mean", "variance"})
    for (const std::string& name : axis_names(what, dim)) known.push_back({"quantities", name});
  expected_.read(reference, known);
}

void MeanFieldOutput::movement(Run& run, int step, const Field& rho) {
  const double t = step * input_->horizon();
  if (rho_) {
    rho_->bind(rho.layout());
    final_ = compare(rho, 0, *rho_, t);
    if (step > 0) errors_.add(final_);
  }
  if (!saves_.wants("rho") || (step % saves_.every() != 0 && step != input_->jko_steps())) return;
  const std::vector<NamedField> out{{"rho", &rho, 0}};
  run.save_fields(t, out);
}

void MeanFieldOutput::compare_all(const MeanFieldAnswer& s) {
  const SlabLayout& layout = s.rho.layout();
  const int last = static_cast<int>(s.nodes.size()) - 1;
  if (rho_) {
    rho_->bind(layout);
    for (int n = std::min(1, last); n <= last; ++n) {
      final_ = compare(s.rho, n, *rho_, s.nodes[static_cast<std::size_t>(n)]);
      if (n == (last + 1) / 2) middle_ = final_;
      errors_.add(final_);
    }
  }
  if (!phi_) return;
  // In the mean under the density: where it vanishes the value function is not unique. With both ends given it is one up to a constant.
  phi_->bind(layout);
  Field exact(s.rho.layout_ptr()), rho(s.rho.layout_ptr());
  const auto sweep = [&](auto&& term) {
    double total = 0;
    for (std::size_t k = 0; k < s.value_times.size(); ++k) {
      fill(exact, 0, *phi_, s.value_times[k]);
      level_at(s.rho, s.nodes, s.value_times[k], rho);
      const double* phi = s.phi.level(static_cast<int>(k));
      for (std::ptrdiff_t i = 0; i < layout.owned(); ++i) exact.level()[i] = rho.level()[i] * term(phi[i] - exact.level()[i]);
      total += sum(exact);
    }
    return total;
  };
  const double mass = sweep([](double) { return 1.0; });
  const double shift = input_->both_ends() || input_->stationary() ? sweep([](double e) { return e; }) / mass : 0;
  value_error_ = sweep([shift](double e) { return std::fabs(e - shift); }) / mass;
}

void MeanFieldOutput::solution(Run& run, const MeanFieldAnswer& s) {
  saves_.save(run, {{"", &s}});
  {
    const auto timer = run.timers().scope("reference");
    compare_all(s);
  }
  if (trajectories_) paths_ = trace_paths(run, s, *trajectories_, "trajectories");
}

void MeanFieldOutput::report(Run& run, MeanFieldSolver& solver, bool solved) {
  nlohmann::ordered_json& r = run.report();
  r["iterations"] = solver.iterations();
  r["operator_passes"] = solver.operator_passes();
  r["scheme"] = input_->scheme();
  auto levels = nlohmann::ordered_json::array();
  for (const MeanFieldEffort& e : solver.efforts())
    levels.push_back({{"cells", e.cells}, {"steps", e.steps}, {"iterations", e.iterations}, {"seconds", e.seconds}, {"converged", e.converged}});
  r[input_->jko_steps() > 0 ? "movements" : "levels"] = levels;
  if (solver.efforts().empty() || !solved) return;
  auto residuals = nlohmann::ordered_json::object();
  for (const Residual& residual : solver.last().residuals)
    residuals[residual.name] = {{"absolute", residual.absolute}, {"relative", residual.relative()}};
  r["residuals"] = residuals;
  MeanFieldScheme& scheme = solver.scheme();
  const MeanFieldProblem& problem = scheme.problem();
  const SlabLayout& layout = *problem.layout;
  const MeanFieldFigures figures = scheme.figures();
  const auto points = static_cast<double>(layout.grid().size()) * problem.steps;
  Field rho(problem.layout, problem.steps + 1), last(problem.layout);
  scheme.density(rho);
  last.copy_level(0, rho, problem.steps);
  nlohmann::ordered_json q;
  q["points"] = points;
  q["objective"] = figures.objective();
  for (const auto& [name, value] : std::initializer_list<std::pair<const char*, double>>{{"kinetic", figures.kinetic},
                                                                                         {"running", figures.running},
                                                                                         {"interaction", figures.interaction},
                                                                                         {"terminal", figures.terminal},
                                                                                         {"feasible_objective", figures.feasible_objective}})
    q[name] = value;
  const MeanFieldBounds bounds = scheme.bounds();
  if (std::isfinite(bounds.lower)) q["lower_bound"] = bounds.lower;
  if (std::isfinite(bounds.upper)) {
    q["upper_bound"] = bounds.upper;
    q["upper_bound_share"] = bounds.share;
  }
  if (std::isfinite(bounds.gap())) q["gap"] = bounds.gap();
  q["mass_error"] = figures.mass_error;
  q["least_density"] = figures.least_density;
  q["continuity"] = figures.continuity;
  q["value_equation"] = figures.value_equation;
  if (problem.stationary) q["ergodic_constant"] = figures.ergodic_constant;
  // The cost of a path of length T is distance^2 / (2 T).
  const double distance = std::sqrt(std::max(0.0, 2 * input_->horizon() * figures.objective()));
  if (input_->kind() != MeanFieldKind::Game) q["distance"] = distance;
  q["finest_iterations"] = solver.efforts().back().iterations;
  std::int64_t bytes = static_cast<std::int64_t>(scheme.bytes());
  MPI_Allreduce(MPI_IN_PLACE, &bytes, 1, MPI_INT64_T, MPI_SUM, run.comm());
  q["bytes_per_point"] = static_cast<double>(bytes) / points;
  r["quantities"] = q;
  Field first(problem.layout);
  first.copy_level(0, rho, 0);
  report_density(run, first, last, figures.objective());
  if (distance_ > 0) {
    r["errors"]["distance"] = std::fabs(distance - distance_);
    run.log().info("distance {:.8g}, off the reference by {:.3e}", distance, std::fabs(distance - distance_));
  }
  run.log().info("objective {:.8g} (feasible iterate {:.8g}{}), mass error {:.1e}, {} iterations on the finest grid, {:.0f} bytes a space-time point",
                 figures.objective(), figures.feasible_objective,
                 fmt::format("{}{}", std::isfinite(bounds.lower) ? fmt::format(", lower bound {:.8g}", bounds.lower) : "",
                             std::isfinite(bounds.upper) ? fmt::format(", upper bound {:.8g}", bounds.upper) : ""),
                 figures.mass_error, solver.efforts().back().iterations, static_cast<double>(bytes) / points);
}

void MeanFieldOutput::report_density(Run& run, const Field& first, const Field& last, double objective) {
  nlohmann::ordered_json& r = run.report();
  nlohmann::ordered_json& q = r["quantities"];
  const int dim = last.layout().dim();
  q["mass"] = sum(first) * first.layout().grid().cell_volume();
  const DensityMoments moments = density_moments(last);
  q["final_mass"] = moments.mass;
  for (std::size_t d = 0; d < moments.mean.size(); ++d) {
    q[axis_names("mean", dim)[d]] = moments.mean[d];
    q[axis_names("variance", dim)[d]] = moments.variance[d];
  }
  if (!paths_.is_null()) r["paths"] = paths_;
  nlohmann::ordered_json e = nlohmann::ordered_json::object();
  if (errors_.points > 0) {
    e = error_report(errors_, final_);
    if (middle_.points > 0) e["middle_l1"] = middle_.mean_l1();
    run.log().info("error against the reference: l1 {:.4e} (relative {:.4e}), linf {:.4e}; at the final time l1 {:.4e}", errors_.mean_l1(),
                   errors_.l1 / errors_.reference_l1, errors_.linf, final_.mean_l1());
  }
  if (phi_) e["value"] = value_error_;
  if (objective_ != 0 && std::isfinite(objective)) e["objective"] = std::fabs(objective / objective_ - 1);
  r["errors"] = e;
  r["expected"] = expected_.report();
}

}  // namespace wasserflow
