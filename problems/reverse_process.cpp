#include "problems/reverse_process.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "problems/density.hpp"
#include "problems/saved_score.hpp"

namespace wasserflow {
namespace {

double coordinate(const RowPoints& p, int axis, int i) { return axis == 0 ? p.x[i] : axis == 1 ? p.y : p.z; }

/// a f + b g^2 s along an axis; with `reverse` as a function of tau = T - t.
class DriftAndScore : public Function {
 public:
  DriftAndScore(const DiffusionProcess& process, FunctionPtr score, int axis, double a, double b, bool reverse)
      : process_(process), score_(std::move(score)), axis_(axis), a_(a), b_(b), reverse_(reverse) {}
  void evaluate(const RowPoints& p, double* out) const override {
    RowPoints at = p;
    if (reverse_) at.t = process_.T - p.t;
    score_->evaluate(at, out);
    const double rate = a_ * process_.drift_rate(at.t), square = b_ * process_.diffusion_squared(at.t);
    for (int i = 0; i < p.n; ++i) out[i] = rate * coordinate(p, axis_, i) + square * out[i];
  }
  bool depends_on_time() const override { return process_.kind != DiffusionProcess::Kind::OrnsteinUhlenbeck || score_->depends_on_time(); }
  void bind(const SlabLayout& layout) override { score_->bind(layout); }

 private:
  DiffusionProcess process_;
  FunctionPtr score_;
  int axis_;
  double a_, b_;
  bool reverse_;
};

/// g^2/2 at the process' time in a run of the equation `type`.
class HalfSquaredNoise : public Function {
 public:
  HalfSquaredNoise(const DiffusionProcess& process, std::string type) : process_(process), type_(std::move(type)) {}
  void evaluate(const RowPoints& p, double* out) const override {
    std::fill_n(out, p.n, 0.5 * process_.diffusion_squared(process_time(type_, process_, p.t)));
  }
  bool depends_on_time() const override { return true; }

 private:
  DiffusionProcess process_;
  std::string type_;
};

std::vector<FunctionPtr> half_squared_noise(const DiffusionProcess& process, const std::string& type) {
  if (process.kind == DiffusionProcess::Kind::OrnsteinUhlenbeck) return {make_constant(0.5 * process.diffusion_squared(0))};
  return {std::make_shared<HalfSquaredNoise>(process, type)};
}

/// One function up to the time `end`, then another one of t - end.
class OneAfterAnother : public Function {
 public:
  OneAfterAnother(FunctionPtr first, FunctionPtr second, double end) : first_(std::move(first)), second_(std::move(second)), end_(end) {}
  void evaluate(const RowPoints& p, double* out) const override {
    if (p.t <= end_ * (1 + 1e-12)) return first_->evaluate(p, out);  // the step that ends there, with its rounding
    RowPoints at = p;
    at.t = p.t - end_;
    second_->evaluate(at, out);
  }
  bool depends_on_time() const override { return true; }
  void bind(const SlabLayout& layout) override { first_->bind(layout), second_->bind(layout); }

 private:
  FunctionPtr first_, second_;
  double end_;
};

/// A law of a process, at the times of a run.
class LawOfRun : public Function {
 public:
  LawOfRun(FunctionPtr law, const DiffusionProcess& process, std::string type) : law_(std::move(law)), process_(process), type_(std::move(type)) {}
  void evaluate(const RowPoints& p, double* out) const override {
    RowPoints at = p;
    // Behind the last step t may be off by rounding.
    at.t = std::clamp(process_time(type_, process_, p.t), 0.0, process_.T);
    law_->evaluate(at, out);
  }
  bool depends_on_time() const override { return true; }
  void bind(const SlabLayout& layout) override { law_->bind(layout); }

 private:
  FunctionPtr law_;
  DiffusionProcess process_;
  std::string type_;
};

/// score = { run = ..., field = ..., floor = ... }, for process times in [begin, end].
std::vector<FunctionPtr> read_saved_score(const Parameters& p, int dim, double begin, double end) {
  const Parameters t = p.table("score", "Score that a run saved.");
  const std::string doc =
      "Run directory whose saved times are times of the process, or one file of fields, which holds for all times; relative to the problem file.";
  const std::filesystem::path given = t.text("run", doc);
  SavedScoreSource source;
  source.path = (given.is_absolute() ? given : std::filesystem::path(t.directory()) / given).lexically_normal().string();
  t.record("run", "text", fmt::format("'{}'", std::filesystem::absolute(source.path).string()), doc);
  source.where = t.location("run");
  source.thinned = t.limited();
  source.density = t.choice("field", "What is taken of the files: rho (its logarithm is differentiated) or score (score_x, score_y, score_z).",
                            {"rho", "score"}, "rho") == "rho";
  if (source.density)
    source.floor = t.real("floor", "Density, in units of the largest one, below which the score tends to 0: grad log(rho + floor max rho).",
                          source.floor, Range{0, 1, true, false});
  const std::vector<double> times = saved_times(source, dim);
  if (const double near = 1e-9 * end; !std::isnan(times.front()) && (times.front() > begin + near || times.back() < end - near))
    t.fail("run", fmt::format("the run has saved the times {:g} to {:g}; the process is run back from {:g} to {:g}", times.front(), times.back(), end,
                              begin));
  return saved_score(source, dim);
}

}  // namespace

FokkerPlanckEquation reverse_diffusion(const ReverseProcess& model) {
  FokkerPlanckEquation equation;
  equation.type = "reverse_diffusion";
  for (std::size_t d = 0; d < model.score.size(); ++d)
    equation.drift.push_back(std::make_shared<DriftAndScore>(model.process, model.score[d], static_cast<int>(d), -1.0, 1.0, true));
  equation.diffusion = half_squared_noise(model.process, equation.type);
  return equation;
}

FokkerPlanckEquation reverse_probability_flow(const ReverseProcess& model) {
  FokkerPlanckEquation equation;
  equation.type = "probability_flow";
  for (std::size_t d = 0; d < model.score.size(); ++d)
    equation.drift.push_back(std::make_shared<DriftAndScore>(model.process, model.score[d], static_cast<int>(d), -1.0, 0.5, true));
  return equation;
}

std::vector<FunctionPtr> probability_flow(const ReverseProcess& model) {
  std::vector<FunctionPtr> velocity;
  for (std::size_t d = 0; d < model.score.size(); ++d)
    velocity.push_back(std::make_shared<DriftAndScore>(model.process, model.score[d], static_cast<int>(d), 1.0, -0.5, false));
  return velocity;
}

FokkerPlanckEquation noising_diffusion(const DiffusionProcess& process, int dim) {
  FokkerPlanckEquation equation;
  equation.type = "forward_diffusion";
  for (int d = 0; d < dim; ++d) equation.drift.push_back(std::make_shared<DriftAndScore>(process, make_constant(0), d, 1.0, 0.0, false));
  equation.diffusion = half_squared_noise(process, equation.type);
  return equation;
}

FokkerPlanckEquation noising_and_back(const ReverseProcess& model) {
  const FokkerPlanckEquation there = noising_diffusion(model.process, static_cast<int>(model.score.size())), back = reverse_diffusion(model);
  FokkerPlanckEquation equation;
  equation.type = "there_and_back";
  for (std::size_t d = 0; d < model.score.size(); ++d)
    equation.drift.push_back(std::make_shared<OneAfterAnother>(there.drift[d], back.drift[d], model.process.T));
  equation.diffusion = half_squared_noise(model.process, equation.type);
  return equation;
}

double process_time(const std::string& type, const DiffusionProcess& process, double t) {
  if (type == "there_and_back") return process.T - std::fabs(process.T - t);
  return type == "reverse_diffusion" || type == "probability_flow" ? process.T - t : t;
}

FunctionPtr process_law(const std::string& type, const DataDensityPtr& data, const DiffusionProcess& process) {
  return std::make_shared<LawOfRun>(moved_functions(data, process).density, process, type);
}

DiffusionProcess read_process(const Parameters& root, const std::string& type, double final) {
  const Parameters p = root.table("process", "The noising diffusion, and the score with which it is run back.");
  const bool round = type == "there_and_back";
  const double horizon = p.real("horizon",
                                "Time T of the process at which its reverse starts; default: time.final, so that a reverse run ends at t = 0; there "
                                "and back: half of it.",
                                round ? final / 2 : final, Range::at_least(round ? final / 2 : final));
  if (round && horizon > final) p.fail("horizon", fmt::format("there and back ends at time.final = {}, not before the horizon", final));
  return read_diffusion_process(p, horizon);
}

ReverseProcess read_reverse_process(const Parameters& root, const std::string& type, int dim, double final) {
  ReverseProcess model{read_process(root, type, final), {}};
  const Parameters p = root.table("process", "The noising diffusion, and the score with which it is run back.");
  if (p.is_table("score") && p.table("score", "").has("run")) {
    const double T = model.process.T, end = type == "there_and_back" ? 2 * T - final : T - final;
    model.score = read_saved_score(p, dim, end, T);
  } else if (p.has("score")) {
    model.score = read_functions(
        p, "score", "Score s(x, t), a function an axis; t is the time of the process; or { run = ... }. Default: the exact one of data.", dim);
  } else {
    const bool initial = type == "there_and_back" && !p.has("data");
    const Density data =
        initial ? read_density(root.table("initial", "the density at time 0"), "rho", "density at time 0", dim)
                : read_density(p, "data", "Density at t = 0 whose exact score is taken: a family with a closed form under the process.", dim);
    if (!data.data)
      data.place.fail(
          data.key,
          "this density has no closed form under a noising diffusion: take a mixture, blobs9, circles, checkerboard or boxes, or give score");
    model.score = moved_functions(data.data, model.process).score;
  }
  if (p.has("perturbation")) {
    const std::vector<FunctionPtr> h = read_functions(p, "perturbation", "Error h(x, t) that is added to the score, a function an axis.", dim);
    for (std::size_t d = 0; d < h.size(); ++d) model.score[d] = make_sum({model.score[d], h[d]});
  }
  return model;
}

}  // namespace wasserflow
