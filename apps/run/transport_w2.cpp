#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>

#include "apps/run/initial_density.hpp"
#include "apps/run/transport.hpp"
#include "solvers/back_and_forth.hpp"

namespace wasserflow {
namespace {

double root(double squared) { return std::sqrt(std::max(0.0, squared)); }

/// Wasserstein-2: the saved times are points of the geodesic, t = 0 the initial density, t = 1 the final one.
class TransportW2 final : public StaticTransportProblem {
 public:
  explicit TransportW2(TransportInput input)
      : initial_(std::move(input.initial)), final_(std::move(input.final)), solver_(initial_.layout_ptr(), read(input.solver)) {
    const std::vector<std::string> known{"rho", "phi", "psi", "map"};
    fields_ = input.output.texts("fields", "fields that are saved: rho, phi and psi (the potentials), map (where mass moves)", 0, known);
    for (const std::string& f : fields_)
      if (std::find(known.begin(), known.end(), f) == known.end()) {
        const std::string hint = nearest(f, known);
        input.output.fail("fields", "there is no field '" + f + "'" + (hint.empty() ? "" : "; did you mean '" + hint + "'?"));
      }
    times_ = input.output.reals("times", "times in [0, 1] at which the density on the geodesic, the barycentre of weights 1 - t and t, is saved", 0,
                                std::vector<double>{0, 0.25, 0.5, 0.75, 1}, Range::between(0, 1));
    for (std::size_t i = 1; i < times_.size(); ++i)
      if (!(times_[i] > times_[i - 1])) input.output.fail("times", fmt::format("{} does not come after {}", times_[i], times_[i - 1]));
  }

  Status run(Run& run, TransportFigures& figures) override;

 private:
  static BackAndForthParameters read(const Parameters& p);
  void save(Run& run);
  void checkpoint(Run& run);
  void restore(const Checkpoint& c);

  Field initial_, final_;
  BackAndForth solver_;
  std::vector<std::string> fields_;
  std::vector<double> times_;
};

BackAndForthParameters TransportW2::read(const Parameters& p) {
  BackAndForthParameters s;
  s.tolerance =
      p.real("tolerance", "relative gap between the certified bounds of W2^2 at which the solve stops", s.tolerance, Range{0, 1, true, true});
  s.max_iterations = p.integer("max_iterations", "iterations on the grid", s.max_iterations, Range::at_least(1));
  s.level_iterations = p.integer("level_iterations", "iterations on each coarser grid", s.level_iterations, Range::at_least(1));
  s.check_every = p.integer("check_every", "iterations between evaluations of the bounds", s.check_every, Range::at_least(1));
  s.first_step = p.real("step", "first step in units of 1 / largest density", s.first_step, Range::positive());
  s.coarsest_cells = p.integer("coarsest", "start from coarser grids, down to this many cells along an axis; 0: from the grid itself",
                               s.coarsest_cells, Range::nonnegative());
  s.nested = s.coarsest_cells > 0;
  if (!s.nested) s.coarsest_cells = BackAndForthParameters{}.coarsest_cells;
  s.divisions = p.integer("divisions", "cells are halved so often at most where the grid is too coarse for the tolerance, up to 262144 points", 3,
                          Range::nonnegative());
  s.moment_start = p.flag("moment_start", "start from the map between the Gaussians of the same means and covariances", s.moment_start);
  return s;
}

void TransportW2::save(Run& run) {
  const LayoutPtr layout = initial_.layout_ptr();
  std::vector<Field> map = axis_fields(layout);
  const std::vector<std::string> names = axis_names("map", layout->dim());
  solver_.map(map);
  Field rho(layout);
  for (const double t : times_) {
    if (t == 0)
      rho.copy_level(0, initial_, 0);
    else if (t == 1)
      rho.copy_level(0, final_, 0);
    else
      solver_.geodesic(t, rho);
    std::vector<NamedField> out;
    for (const std::string& f : fields_) {
      if (f == "rho") out.push_back({"rho", &rho, 0});
      if (f == "phi") out.push_back({"phi", &solver_.phi(), 0});
      if (f == "psi") out.push_back({"psi", &solver_.psi(), 0});
      if (f == "map")
        for (std::size_t d = 0; d < map.size(); ++d) out.push_back({names[d], &map[d], 0});
    }
    if (!out.empty()) run.save_fields(t, out);
  }
}

void TransportW2::checkpoint(Run& run) {
  const auto timer = run.timers().scope("checkpoint");
  const W2Position& at = solver_.position();
  CheckpointData data;
  data.integers = {{"coarsening", at.coarsening}, {"iterations", at.iterations}, {"checked", at.checked}};
  data.reals = {{"sigma", at.sigma}, {"value", at.value}, {"before", at.before},
                {"lower", at.lower}, {"upper", at.upper}, {"marginal_error", at.marginal_error}};
  const auto [phi, psi] = solver_.iterate();
  const std::vector<NamedField> fields{{"phi", phi, 0}, {"psi", psi, 0}};
  run.save_checkpoint(fields, data);
}

void TransportW2::restore(const Checkpoint& c) {
  W2Position at;
  at.coarsening = static_cast<int>(c.integer("coarsening"));
  at.iterations = static_cast<int>(c.integer("iterations"));
  at.checked = c.integer("checked") != 0;
  at.sigma = c.real("sigma");
  at.value = c.real("value");
  at.before = c.real("before");
  at.lower = c.real("lower");
  at.upper = c.real("upper");
  at.marginal_error = c.real("marginal_error");
  solver_.restore(at);
  const auto [phi, psi] = solver_.iterate();
  c.load("phi", *phi);
  c.load("psi", *psi);
}

Status TransportW2::run(Run& run, TransportFigures& figures) {
  if (const std::optional<Checkpoint> c = run.restart()) restore(*c);
  IterationTable table(run.log(), {{"iteration", 9}, {"lower", 14, "{:.9g}"}, {"upper", 14, "{:.9g}"}, {"gap", 10}});
  const auto note = [&](int iteration, double lower, double upper) {  // of W2^2
    const double gap = upper > 0 ? (upper - lower) / upper : 0;
    run.history({{"iteration", static_cast<double>(iteration)}, {"lower", root(lower)}, {"upper", root(upper)}, {"gap", gap}});
    table.row({static_cast<std::int64_t>(iteration), root(lower), root(upper), gap});
  };
  solver_.monitor = [&](const W2Progress& now) {
    note(now.iteration, now.lower, now.upper);
    return false;
  };
  solver_.stop = [&] {
    if (run.stop_requested()) return true;
    if (run.checkpoint_due()) checkpoint(run);
    return false;
  };
  W2Result result;
  {
    const auto timer = run.timers().scope("solve");
    result = solver_.solve(initial_, final_);
  }
  figures = {result.distance, root(result.lower), root(result.upper), result.iterations};
  if (result.reason == StopReason::Diverged) return Status::Diverged;
  checkpoint(run);
  if (!solver_.position().checked) figures.distance = figures.lower = figures.upper = std::nan("");  // stopped before there were bounds
  nlohmann::ordered_json& r = run.report();
  for (const Residual& residual : result.residuals)
    r["residuals"][residual.name] = {{"absolute", residual.absolute}, {"relative", residual.relative()}};
  r["quantities"]["squared"] = result.squared;
  r["quantities"]["marginal_error"] = result.marginal_error;
  r["quantities"]["grids"] = result.levels;
  r["exhausted"] = result.exhausted;
  if (result.stopped) return Status::TimeLimit;
  save(run);
  run.log().info("W2 = {:.9g}, certified to lie in [{:.9g}, {:.9g}]", figures.distance, figures.lower, figures.upper);
  if (result.exhausted)
    run.log().warn("the dual value no longer grows: what is left of the gap is due to the size of the cells, more iterations do not change it");
  return result.reason == StopReason::Converged ? Status::Converged : Status::IterationLimit;
}

}  // namespace

std::unique_ptr<StaticTransportProblem> make_transport_w2(TransportInput input) { return std::make_unique<TransportW2>(std::move(input)); }

}  // namespace wasserflow
