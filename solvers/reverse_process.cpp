#include "solvers/reverse_process.hpp"

#include <fmt/format.h>

#include "grids/support/errors.hpp"
#include "solvers/continuity_equation.hpp"
#include "solvers/fokker_planck_operator.hpp"
#include "solvers/time_stepper.hpp"

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

void check(const ReverseProcess& model, const SlabLayout& layout, const ReverseOptions& options) {
  if (static_cast<int>(model.score.size()) != layout.dim()) throw InputError("a score has one component an axis");
  if (!(options.end >= 0 && options.end < model.process.T))
    throw InputError(fmt::format("the end of a reverse process must be in [0, {:g}), not {:g}", model.process.T, options.end));
  if (options.steps < 1) throw InputError(fmt::format("a reverse process takes at least one step, not {}", options.steps));
}

}  // namespace

FokkerPlanckEquation reverse_diffusion(const ReverseProcess& model) {
  FokkerPlanckEquation equation;
  equation.type = "score";
  for (std::size_t d = 0; d < model.score.size(); ++d)
    equation.drift.push_back(std::make_shared<DriftAndScore>(model.process, model.score[d], static_cast<int>(d), -1.0, 1.0, true));
  if (model.process.kind == DiffusionProcess::Kind::OrnsteinUhlenbeck)
    equation.diffusion = {make_constant(0.5 * model.process.diffusion_squared(0))};
  else
    equation.diffusion = {std::make_shared<ReverseDiffusion>(model.process)};
  return equation;
}

std::vector<FunctionPtr> probability_flow(const ReverseProcess& model) {
  std::vector<FunctionPtr> velocity;
  for (std::size_t d = 0; d < model.score.size(); ++d)
    velocity.push_back(std::make_shared<DriftAndScore>(model.process, model.score[d], static_cast<int>(d), 1.0, -0.5, false));
  return velocity;
}

Field reverse_diffusion_law(const ReverseProcess& model, const Field& terminal, const ReverseOptions& options) {
  check(model, terminal.layout(), options);
  const double span = model.process.T - options.end;
  TimeParameters time;
  time.method = options.method;
  time.dt = span / options.steps;
  const auto stepper = make_time_stepper(time, make_fokker_planck_operator(reverse_diffusion(model), terminal.layout_ptr()),
                                         make_linear_solver({.tolerance = options.tolerance, .max_iterations = 2000}), terminal);
  while (stepper->time() < span) {
    const StepReport step = stepper->advance(span);
    if (step.diverged || !step.converged)
      throw DivergedError(fmt::format("reverse process: no step from t = {:.6g} on ({})", model.process.T - stepper->time(), step.why));
  }
  return stepper->state().clone();
}

Field probability_flow_law(const ReverseProcess& model, const Field& terminal, const ReverseOptions& options) {
  check(model, terminal.layout(), options);
  Field law = terminal.clone();
  ContinuityEquation equation(terminal.layout_ptr(), probability_flow(model), options.cfl);
  (void)equation.advance(law, model.process.T, options.end);
  return law;
}

}  // namespace wasserflow
