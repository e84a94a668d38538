#include "solvers/prox_stepper.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "grids/reduce.hpp"
#include "grids/row_neighbours.hpp"
#include "grids/support/errors.hpp"

namespace wasserflow {

const std::vector<std::pair<std::string, std::string>>& prox_methods() {
  static const std::vector<std::pair<std::string, std::string>> methods{
      {"kernel", "Wasserstein proximal steps by the kernel formula; first order, positive, any step"},
      {"symmetric", "their symmetric scaling; second order, positive, keeps the Gibbs density"},
      {"entropic_jko", "entropic JKO steps by Sinkhorn's scalings; first order, positive, porous-medium diffusion too"},
      {"jko", "JKO steps by the back-and-forth method; first order, positive, no blur, porous-medium diffusion with sharp edges"}};
  return methods;
}

ProxStepper::ProxStepper(const TimeParameters& time, const ProxStepParameters& parameters, const Field& V, std::array<Surround, 3> surround,
                         const Field& initial)
    : method_(time.method),
      time_(time),
      parameters_(parameters),
      V_(V.clone()),
      rho_(initial.clone()),
      before_(initial.layout_ptr()),
      surround_(surround),
      control_(time, 1) {
  if (method_ != "entropic_jko" && method_ != "jko" && parameters.porous_coefficient > 0)
    throw InputError(fmt::format("the kernel formula has no porous-medium diffusion: take jko or entropic_jko, not {}", method_));
  if (!all_finite(V)) throw InputError("the potential V is not finite everywhere on the grid");
  nominal_ = make(time.dt);
}

ProxStepper::Operator ProxStepper::make(double dt) const {
  Operator made;
  made.dt = dt;
  const LayoutPtr& layout = rho_.layout_ptr();
  if (method_ == "jko") {
    BackAndForthParameters p;
    p.tolerance = parameters_.marginal;
    p.max_iterations = parameters_.max_iterations;
    made.exact = std::make_unique<BackAndForthJko>(
        layout, dt, InternalEnergy{&V_, parameters_.beta, parameters_.porous_coefficient, parameters_.porous_exponent}, p);
    return made;
  }
  if (method_ != "entropic_jko") {
    ProxParameters p;
    p.beta = parameters_.beta;
    p.T = dt;
    p.kernel = method_ == "kernel" ? ProxKernel::Kernel : ProxKernel::Symmetric;
    p.backend = parameters_.backend;
    p.tolerance = parameters_.tolerance;
    made.prox = std::make_unique<WassersteinProx>(layout, V_, surround_, p);
    return made;
  }
  const double full = parameters_.eps > 0 ? parameters_.eps : parameters_.beta * time_.dt;
  made.eps = full * dt / time_.dt;
  if (!(made.eps > 0)) throw InputError("entropic JKO steps need a blur eps > 0 (beta dt where beta > 0)");
  const double lowered = parameters_.beta - made.eps / (2 * dt);
  made.jko = std::make_unique<EntropicJko>(
      layout, dt, made.eps, surround_,
      internal_energy_prox(&V_, lowered >= 0 ? lowered : parameters_.beta, parameters_.porous_coefficient, parameters_.porous_exponent));
  return made;
}

StepReport ProxStepper::advance(double end) {
  if (!(end > time())) throw InternalError(fmt::format("proximal stepper: {} is not after {}", end, time()));
  const StepControl::Step step = control_.next(end);
  if (step.dt != nominal_.dt && step.dt != other_.dt) other_ = make(step.dt);
  last_ = step.dt == nominal_.dt ? &nominal_ : &other_;
  StepReport report;
  report.t = step.t;
  report.dt = step.dt;
  report.error_estimate = report.energy = std::numeric_limits<double>::quiet_NaN();
  std::copy_n(rho_.level(), rho_.layout().owned(), before_.level());
  if (last_->prox) {
    last_->prox->step(rho_);
    report.method = to_string(last_->prox->backend());
    report.iterations = report.evaluations = 1;
    report.residual = std::numeric_limits<double>::quiet_NaN();
  } else if (last_->exact) {
    const JkoReport solved = last_->exact->step(rho_);
    report.method = "back_and_forth";
    report.iterations = solved.iterations;
    report.evaluations = 8L * solved.iterations + 2;
    report.residual = solved.residuals.empty() ? std::numeric_limits<double>::quiet_NaN() : solved.residuals.front().relative();
    // Where edges are not resolved, residuals end above their tolerance.
    report.converged =
        solved.reason == StopReason::Converged || (solved.reason == StopReason::IterationLimit && report.residual < 20 * parameters_.marginal);
    report.why = report.converged ? "" : "solver";
  } else {
    const EntropicReport solved = last_->jko->step(rho_, parameters_.tolerance, parameters_.max_iterations);
    report.method = "sinkhorn";
    report.iterations = solved.iterations;
    report.evaluations = 2L * solved.iterations + 2;
    report.residual = solved.marginal_error;
    report.converged = solved.reason == StopReason::Converged;
    report.why = report.converged ? "" : "solver";
  }
  if (!all_finite(rho_)) {
    std::copy_n(before_.level(), rho_.layout().owned(), rho_.level());
    report.converged = false;
    report.diverged = true;
    report.t = time();
    return report;
  }
  control_.accept(step, std::numeric_limits<double>::quiet_NaN());
  return report;
}

std::map<std::string, double> ProxStepper::state_numbers() const {
  std::map<std::string, double> numbers;
  control_.save(numbers);
  return numbers;
}

void ProxStepper::restore(const std::map<std::string, double>& numbers) {
  control_.restore(numbers);
  last_ = nullptr;
}

bool ProxStepper::score(std::vector<Field>& out) {
  if (last_ == nullptr || !last_->prox) return false;
  last_->prox->score(out);
  return true;
}

void log_gradient(Field& rho, std::vector<Field>& out) {
  const SlabLayout& layout = rho.layout();
  rho.exchange_ghosts();
  RowNeighbours row(rho.layout_ptr(), 1);
  for (int r = 0; r < layout.rows(); ++r) {
    row.load(rho.level(), r);
    const RowPoints p = layout.row(r);
    for (int d = 0; d < layout.dim(); ++d) {
      const double *low = row.at(d, -1), *mid = row.at(d, 0), *high = row.at(d, 1);
      const double h = layout.grid().spacing(d);
      double* o = out[static_cast<std::size_t>(d)].level() + p.offset;
      for (int i = 0; i < p.n; ++i) {
        const bool left = low[i] > 0, right = high[i] > 0;
        const double cells = (left ? 1 : 0) + (right ? 1 : 0);
        o[i] = mid[i] > 0 && cells > 0 ? (std::log(right ? high[i] : mid[i]) - std::log(left ? low[i] : mid[i])) / (cells * h) : 0;
      }
    }
  }
}

}  // namespace wasserflow
