#include "apps/run/mean_field_saves.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "apps/run/initial_density.hpp"
#include "grids/reduce.hpp"
#include "solvers/flow_paths.hpp"
#include "solvers/point_sampler.hpp"

namespace wasserflow {

namespace {

const std::vector<std::string> field_names{"rho", "m", "phi"};
constexpr double populated = 0.01;  // of the largest initial density: where paths start

}  // namespace

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

MeanFieldSaves::MeanFieldSaves(const Parameters& output, int steps, double horizon, bool movements) {
  if (horizon == 0)
    times_ = {0};
  else if (!movements)
    times_ = output.reals("times", "times at which fields are saved, between levels interpolated; without them: every", 0, std::vector<double>{},
                          Range::between(0, horizon));
  if (times_.empty())
    every_ = output.integer("every", "intervals (steps of [jko]) between saved fields; the first and the last are always saved",
                            std::max(1, steps / 10), Range::at_least(1));
  for (std::size_t i = 1; i < times_.size(); ++i)
    if (!(times_[i] > times_[i - 1])) output.fail("times", fmt::format("{} does not come after {}", times_[i], times_[i - 1]));
  fields_ = output.texts("fields", "fields to save: rho (density), m (momentum), phi (value function); of [jko] rho only", 0,
                         movements ? std::vector<std::string>{"rho"} : field_names);
  for (const std::string& f : fields_)
    if (std::find(field_names.begin(), field_names.end(), f) == field_names.end()) {
      const std::string hint = nearest(f, field_names);
      output.fail("fields", fmt::format("there is no field '{}'{}", f, hint.empty() ? "" : "; did you mean '" + hint + "'?"));
    }
}

bool MeanFieldSaves::wants(const std::string& field) const { return std::find(fields_.begin(), fields_.end(), field) != fields_.end(); }

void MeanFieldSaves::save(Run& run, const std::vector<NamedAnswer>& answers) const {
  const auto timer = run.timers().scope("save fields");
  const MeanFieldAnswer& first = *answers.front().answer;
  const LayoutPtr& layout = first.rho.layout_ptr();
  std::vector<double> times = times_;
  if (times.empty())
    for (std::size_t n = 0; n < first.nodes.size(); ++n)
      if (n % static_cast<std::size_t>(every_) == 0 || n + 1 == first.nodes.size()) times.push_back(first.nodes[n]);
  // Of every answer rho, phi, m_x ...
  std::vector<std::vector<Field>> levels(answers.size());
  for (std::vector<Field>& l : levels)
    for (int d = 0; d < 2 + layout->dim(); ++d) l.emplace_back(layout);
  const std::vector<std::string> axes = axis_names("m", layout->dim());
  for (const double t : times) {
    std::vector<NamedField> out;
    for (std::size_t k = 0; k < answers.size(); ++k) {
      const MeanFieldAnswer& s = *answers[k].answer;
      const std::string suffix = answers[k].name.empty() ? "" : "_" + answers[k].name;
      const auto add = [&](const std::string& name, const Field& from, const std::vector<double>& at, Field& level) {
        level_at(from, at, t, level);
        out.push_back({name + suffix, &level, 0});
      };
      if (wants("rho")) add("rho", s.rho, s.nodes, levels[k][0]);
      for (std::size_t d = 0; d < axes.size() && wants("m"); ++d) add(axes[d], s.m[d], s.middles, levels[k][2 + d]);
      if (wants("phi")) add("phi", s.phi, s.value_times, levels[k][1]);
    }
    if (!out.empty()) run.save_fields(t, out);
  }
}

nlohmann::ordered_json trace_paths(Run& run, const MeanFieldAnswer& s, const TrajectoryPlan& plan, const std::string& file) {
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
  PointSampler(*layout).sample(start, 1, plan.starts, there);
  const double least = populated * max_abs(start);
  std::vector<Trajectory::Point> starts;
  for (std::size_t i = 0; i < there.size(); ++i)
    if (there[i] > least) starts.push_back(plan.starts[i]);
  const std::vector<Trajectory> found = flow_paths(layout, s.nodes, s.viscosity, velocity, starts, plan.options);
  write_trajectories(run.comm(), run.directory() + "/" + file, found, layout->dim(), plan.samples);
  return {{"count", starts.size()}, {"mean_cost", mean_cost(run.comm(), found).mean}};
}

}  // namespace wasserflow
