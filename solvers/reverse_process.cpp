#include "solvers/reverse_process.hpp"

#include <fmt/format.h>

#include "grids/support/errors.hpp"
#include "solvers/continuity_equation.hpp"
#include "solvers/fokker_planck_operator.hpp"
#include "solvers/time_stepper.hpp"

namespace wasserflow {
namespace {

void check(const ReverseProcess& model, const SlabLayout& layout, const ReverseOptions& options) {
  if (static_cast<int>(model.score.size()) != layout.dim()) throw InputError("a score has one component an axis");
  if (!(options.end >= 0 && options.end < model.process.T))
    throw InputError(fmt::format("the end of a reverse process must be in [0, {:g}), not {:g}", model.process.T, options.end));
  if (options.steps < 1) throw InputError(fmt::format("a reverse process takes at least one step, not {}", options.steps));
}

}  // namespace

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
