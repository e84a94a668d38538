#include "apps/run/mean_field_output.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "apps/run/density_monitor.hpp"
#include "apps/run/initial_density.hpp"
#include "grids/reduce.hpp"
#include "solvers/flow_paths.hpp"
#include "solvers/point_sampler.hpp"

namespace wasserflow {
namespace {

/// out = the levels of `from` at `times`, interpolated (and, beyond them, continued) linearly to t.
void level_at(const Field& from, const std::vector<double>& times, double t, Field& out) {
  if (times.size() == 1) {
    out.copy_level(0, from, 0);
    return;
  }
  const auto next = std::upper_bound(times.begin() + 1, times.end() - 1, t) - times.begin();
  const auto k = static_cast<std::size_t>(next);
  const double a = (t - times[k - 1]) / (times[k] - times[k - 1]);
  const double *low = from.level(static_cast<int>(k) - 1), *high = from.level(static_cast<int>(k));
  const std::ptrdiff_t n = out.layout().owned();
  // Nodes are copied, not rounded.
  const double b = std::fabs(a) < 1e-12 ? 0 : std::fabs(a - 1) < 1e-12 ? 1 : a;
  for (std::ptrdiff_t i = 0; i < n; ++i) out.level()[i] = b == 0 ? low[i] : b == 1 ? high[i] : (1 - b) * low[i] + b * high[i];
}

const std::vector<std::string> field_names{"rho", "m", "phi"};
constexpr double populated = 0.01;  // of the largest initial density: where paths start

}  // namespace

namespace {

MeanFieldAnswer empty_answer(const LayoutPtr& layout, int steps, double horizon, double viscosity) {
  MeanFieldAnswer a;
  a.rho = Field(layout, steps + 1);
  for (int d = 0; d < layout->dim(); ++d) a.m.emplace_back(layout, steps);
  for (int n = 0; n <= steps; ++n) a.nodes.push_back(n == steps ? horizon : n * horizon / steps);
  for (int n = 0; n < steps; ++n) a.middles.push_back((n + 0.5) * horizon / steps);
  a.viscosity = viscosity;
  return a;
}

}  // namespace

MeanFieldAnswer answer(MeanFieldScheme& scheme) {
  const MeanFieldProblem& p = scheme.problem();
  MeanFieldAnswer a = empty_answer(p.layout, p.steps, p.horizon, p.viscosity);
  a.value_times = scheme.value_times();
  a.phi = Field(p.layout, static_cast<int>(a.value_times.size()));
  scheme.density(a.rho);
  scheme.momentum(a.m);
  scheme.value(a.phi);
  if (p.stationary) {  // the one density without time
    Field rho(p.layout);
    rho.copy_level(0, a.rho, 1);
    a.rho = std::move(rho);
    a.nodes = a.middles = {0};
  }
  return a;
}

MeanFieldAnswer answer(MeanFieldFixedPoint& fixed_point) {
  const MeanFieldGame& p = fixed_point.game();
  MeanFieldAnswer a = empty_answer(p.layout, p.steps, p.horizon, p.viscosity);
  a.value_times = a.nodes;
  a.phi = Field(p.layout, p.steps + 1);
  fixed_point.density(a.rho);
  fixed_point.momentum(a.m);
  fixed_point.value(a.phi);
  return a;
}

MeanFieldOutput::MeanFieldOutput(const Parameters& output, const Parameters& parent, const MeanFieldInput& input) : input_(&input) {
  const int steps = input.jko_steps() > 0 ? input.jko_steps() : input.finest().steps;
  if (input.stationary())
    times_ = {0};
  else if (input.jko_steps() == 0)
    times_ = output.reals("times", "times at which fields are saved, between levels interpolated; without them: every", 0, std::vector<double>{},
                          Range::between(0, input.horizon()));
  if (times_.empty())
    every_ = output.integer("every", "intervals (steps of [jko]) between saved fields; the first and the last are always saved",
                            std::max(1, steps / 10), Range::at_least(1));
  for (std::size_t i = 1; i < times_.size(); ++i)
    if (!(times_[i] > times_[i - 1])) output.fail("times", fmt::format("{} does not come after {}", times_[i], times_[i - 1]));
  fields_ = output.texts("fields", "fields to save: rho (density), m (momentum), phi (value function); of [jko] rho only", 0,
                         input.jko_steps() > 0 ? std::vector<std::string>{"rho"} : field_names);
  for (const std::string& f : fields_)
    if (std::find(field_names.begin(), field_names.end(), f) == field_names.end()) {
      const std::string hint = nearest(f, field_names);
      output.fail("fields", fmt::format("there is no field '{}'{}", f, hint.empty() ? "" : "; did you mean '" + hint + "'?"));
    }
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
  for (const char* name : {"objective", "feasible_objective", "kinetic", "running", "interaction", "terminal", "lower_bound", "upper_bound", "gap", "value_equation", "ergodic_constant",
                           "distance", "mass", "final_mass", "least_density", "finest_iterations"})
    known.push_back({"quantities", name});
  for (const char* what : {"mean", "variance"})
    for (const std::string& name : axis_names(what, dim)) known.push_back({"quantities", name});
  expected_.read(reference, known);
}

bool MeanFieldOutput::wanted(const std::string& field) const { return std::find(fields_.begin(), fields_.end(), field) != fields_.end(); }

void MeanFieldOutput::movement(Run& run, int step, const Field& rho) {
  const double t = step * input_->horizon();
  if (rho_) {
    rho_->bind(rho.layout());
    final_ = compare(rho, 0, *rho_, t);
    if (step > 0) errors_.add(final_);
  }
  if (!wanted("rho") || (step % every_ != 0 && step != input_->jko_steps())) return;
  const std::vector<NamedField> out{{"rho", &rho, 0}};
  run.save_fields(t, out);
}

void MeanFieldOutput::save(Run& run, const MeanFieldAnswer& s) const {
  const auto timer = run.timers().scope("save fields");
  const LayoutPtr& layout = s.rho.layout_ptr();
  std::vector<double> times = times_;
  if (times.empty())
    for (std::size_t n = 0; n < s.nodes.size(); ++n)
      if (n % static_cast<std::size_t>(every_) == 0 || n + 1 == s.nodes.size()) times.push_back(s.nodes[n]);
  Field rho(layout), phi(layout);
  std::vector<Field> m = axis_fields(layout);
  const std::vector<std::string> names = axis_names("m", layout->dim());
  for (const double t : times) {
    std::vector<NamedField> out;
    if (wanted("rho")) {
      level_at(s.rho, s.nodes, t, rho);
      out.push_back({"rho", &rho, 0});
    }
    for (std::size_t d = 0; d < m.size() && wanted("m"); ++d) {
      level_at(s.m[d], s.middles, t, m[d]);
      out.push_back({names[d], &m[d], 0});
    }
    if (wanted("phi")) {
      level_at(s.phi, s.value_times, t, phi);
      out.push_back({"phi", &phi, 0});
    }
    if (!out.empty()) run.save_fields(t, out);
  }
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

void MeanFieldOutput::trace(Run& run, const MeanFieldAnswer& s) {
  const LayoutPtr& layout = s.rho.layout_ptr();
  const auto timer = run.timers().scope("trajectories");
  const double negligible = 1e-3 * max_abs(s.rho, 0);  // m / rho is noise below
  const VelocitySource velocity = [&](int k, Field& v) {
    for (int d = 0; d < layout->dim(); ++d)
      for (std::ptrdiff_t i = 0; i < layout->owned(); ++i) {
        const double rho = 0.5 * (s.rho.level(k)[i] + s.rho.level(k + 1)[i]);
        v.level(d)[i] = rho > negligible ? s.m[static_cast<std::size_t>(d)].level(k)[i] / rho : 0.0;
      }
  };
  // Where there is nobody at the start nobody sets out.
  Field start(layout);
  start.copy_level(0, s.rho, 0);
  start.exchange_ghosts();
  std::vector<double> there;
  PointSampler(*layout).sample(start, 1, trajectories_->starts, there);
  const double least = populated * max_abs(start);
  std::vector<Trajectory::Point> starts;
  for (std::size_t i = 0; i < there.size(); ++i)
    if (there[i] > least) starts.push_back(trajectories_->starts[i]);
  const std::vector<Trajectory> found = flow_paths(layout, s.nodes, s.viscosity, velocity, starts, trajectories_->options);
  write_trajectories(run.comm(), run.directory() + "/trajectories", found, layout->dim(), trajectories_->samples);
  paths_ = {{"count", starts.size()}, {"mean_cost", mean_cost(run.comm(), found).mean}};
}

void MeanFieldOutput::solution(Run& run, const MeanFieldAnswer& s) {
  save(run, s);
  {
    const auto timer = run.timers().scope("reference");
    compare_all(s);
  }
  if (trajectories_) trace(run, s);
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
                 figures.mass_error,
                 solver.efforts().back().iterations, static_cast<double>(bytes) / points);
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
