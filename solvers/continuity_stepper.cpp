#include "solvers/continuity_stepper.hpp"

#include <fmt/format.h>

#include <array>
#include <limits>

#include "grids/support/errors.hpp"

namespace wasserflow {
namespace {

/// b - grad V at the midpoints of faces.
class Velocity {
 public:
  Velocity(const FokkerPlanckEquation& equation, const LayoutPtr& layout) : drift_(equation.drift), V_(equation.potential), layout_(layout) {
    for (const FunctionPtr& f : drift_) f->bind(*layout);
    if (V_) V_->bind(*layout);
    if (!drift_.empty() && static_cast<int>(drift_.size()) != layout->dim()) throw InputError("drift: one function an axis");
  }

  bool depends_on_time() const {
    for (const FunctionPtr& f : drift_)
      if (f->depends_on_time()) return true;
    return V_ && V_->depends_on_time();
  }

  void operator()(int axis, const RowPoints& p, double* v) {
    const auto n = static_cast<std::size_t>(p.n);
    if (drift_.empty())
      std::fill_n(v, n, 0.0);
    else
      drift_[static_cast<std::size_t>(axis)]->evaluate(p, v);
    if (!V_) return;
    const double h = layout_->grid().spacing(axis);
    x_.resize(n);
    values_.resize(n);
    for (const auto& [at, weight] : std::array<std::array<double, 2>, 4>{{{-1, 1}, {-0.5, -8}, {0.5, 8}, {1, -1}}}) {
      RowPoints moved = p;
      for (std::size_t i = 0; i < n; ++i) x_[i] = axis == 0 ? inside(0, p.x[i] + at * h) : p.x[i];
      moved.x = x_.data();
      if (axis == 1) moved.y = inside(1, p.y + at * h);
      if (axis == 2) moved.z = inside(2, p.z + at * h);
      V_->evaluate(moved, values_.data());
      for (std::size_t i = 0; i < n; ++i) v[i] -= weight / (6 * h) * values_[i];
    }
  }

 private:
  /// Formulas need not be periodic themselves.
  double inside(int d, double x) const {
    const Axis& axis = layout_->grid().axis(d);
    if (axis.boundary != Boundary::Periodic) return x;
    const double length = axis.upper - axis.lower;
    return x < axis.lower ? x + length : x >= axis.upper ? x - length : x;
  }

  std::vector<FunctionPtr> drift_;
  FunctionPtr V_;
  LayoutPtr layout_;
  std::vector<double> x_, values_;
};

ContinuityEquation make(const FokkerPlanckEquation& equation, const LayoutPtr& layout, double cfl) {
  const auto zero = [](const FunctionPtr& f) { return f->constant() != nullptr && *f->constant() == 0; };
  const auto refuse = [](const char* what) { throw InputError(fmt::format("ssp_rk3 is for transport without diffusion: {}", what)); };
  for (const FunctionPtr& D : equation.diffusion)
    if (!zero(D)) refuse("equation.diffusion must be 0");
  if (equation.reaction) refuse("equation.reaction is no part of it");
  if (equation.nonlinear()) refuse("porous-medium diffusion and nonlocal drifts are left to the implicit methods");
  auto velocity = std::make_shared<Velocity>(equation, layout);
  const bool timed = velocity->depends_on_time();
  return {layout, [velocity](int axis, const RowPoints& p, double* v) { (*velocity)(axis, p, v); }, timed, cfl};
}

}  // namespace

const std::vector<std::pair<std::string, std::string>>& continuity_methods() {
  static const std::vector<std::pair<std::string, std::string>> methods{
      {"ssp_rk3",
       "equations without diffusion: WENO5 volumes, strong-stability-preserving Runge-Kutta of third order; positive; substeps by time.cfl"}};
  return methods;
}

ContinuityStepper::ContinuityStepper(const TimeParameters& time, const FokkerPlanckEquation& equation, const Field& initial, double cfl)
    : rho_(initial.clone()), control_(time, 3), equation_(make(equation, initial.layout_ptr(), cfl)) {}

StepReport ContinuityStepper::advance(double end) {
  if (!(end > time())) throw InternalError(fmt::format("continuity stepper: {} is not after {}", end, time()));
  const StepControl::Step step = control_.next(end);
  StepReport report;
  report.t = step.t;
  report.dt = step.dt;
  report.error_estimate = report.energy = report.residual = std::numeric_limits<double>::quiet_NaN();
  const long substeps = equation_.advance(rho_, time(), step.t);
  report.iterations = static_cast<int>(substeps);
  report.evaluations = 3 * substeps;
  control_.accept(step, std::numeric_limits<double>::quiet_NaN());
  return report;
}

std::map<std::string, double> ContinuityStepper::state_numbers() const {
  std::map<std::string, double> numbers;
  control_.save(numbers);
  return numbers;
}

}  // namespace wasserflow
