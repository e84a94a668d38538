#include "problems/reverse_process.hpp"

#include <algorithm>

#include "problems/density.hpp"

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

/// g^2/2 at T - tau.
class ReverseDiffusion : public Function {
 public:
  explicit ReverseDiffusion(const DiffusionProcess& process) : process_(process) {}
  void evaluate(const RowPoints& p, double* out) const override { std::fill_n(out, p.n, 0.5 * process_.diffusion_squared(process_.T - p.t)); }
  bool depends_on_time() const override { return true; }

 private:
  DiffusionProcess process_;
};

}  // namespace

FokkerPlanckEquation reverse_diffusion(const ReverseProcess& model) {
  FokkerPlanckEquation equation;
  equation.type = "reverse_diffusion";
  for (std::size_t d = 0; d < model.score.size(); ++d)
    equation.drift.push_back(std::make_shared<DriftAndScore>(model.process, model.score[d], static_cast<int>(d), -1.0, 1.0, true));
  if (model.process.kind == DiffusionProcess::Kind::OrnsteinUhlenbeck)
    equation.diffusion = {make_constant(0.5 * model.process.diffusion_squared(0))};
  else
    equation.diffusion = {std::make_shared<ReverseDiffusion>(model.process)};
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

ReverseProcess read_reverse_process(const Parameters& root, int dim, double final) {
  const Parameters p = root.table("process", "The noising diffusion that is run back, and its score.");
  const double horizon =
      p.real("horizon", "Time T at which the reverse process starts; default: time.final, so that it ends at t = 0.", final, Range::at_least(final));
  ReverseProcess model{read_diffusion_process(p, horizon), {}};
  if (p.has("score")) {
    model.score = read_functions(p, "score", "Score s(x, t), a function an axis; t is the time of the process. Default: the exact one of data.", dim);
  } else {
    const Density data = read_density(p, "data", "Density at t = 0 whose exact score is taken: a family with a closed form under the process.", dim);
    if (!data.data)
      p.fail("data",
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
