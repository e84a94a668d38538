#include "solvers/continuity_stepper.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "grids/reduce.hpp"
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

bool is_zero(const FunctionPtr& f) { return f->constant() != nullptr && *f->constant() == 0; }

/// D(t) at the first point of this rank.
double value_at(const Function& D, const SlabLayout& layout, double t) {
  RowPoints p = layout.row(0);
  p.n = 1;
  p.t = t;
  double value = 0;
  D.evaluate(p, &value);
  return value;
}

/// D, one function an axis, or nothing where it is 0; of `strang` functions of t alone.
std::vector<FunctionPtr> checked_diffusion(const TimeParameters& time, const FokkerPlanckEquation& equation, const LayoutPtr& layout) {
  const auto refuse = [&](const std::string& what) { throw InputError(fmt::format("{}: {}", time.method, what)); };
  if (equation.reaction) refuse("equation.reaction is left to the implicit methods");
  if (equation.nonlinear()) refuse("porous-medium diffusion and nonlocal drifts are left to the implicit methods");
  std::vector<FunctionPtr> D = equation.diffusion;
  if (std::ranges::all_of(D, is_zero)) return {};
  if (time.method != "strang") refuse("is for transport without diffusion: equation.diffusion must be 0; strang takes a constant one");
  const auto dim = static_cast<std::size_t>(layout->dim());
  if (D.size() == 1) D.resize(dim, D.front());
  if (D.size() > dim) refuse("a diffusion tensor is left to the implicit methods");
  Field values(layout);
  for (const FunctionPtr& f : D) {
    f->bind(*layout);
    if (f->constant() != nullptr) continue;
    for (const double t : {0.0, time.dt / 2, time.dt}) {
      fill(values, 0, *f, t);
      const double first = value_at(*f, *layout, t);
      double gap = 0;
      for (const double v : values.owned()) gap = std::max(gap, std::fabs(v - first));
      const double low = global_min(layout->comm(), first), high = global_max(layout->comm(), first);
      if (!(global_max(layout->comm(), gap) + (high - low) <= 1e-12 * std::fabs(high))) refuse("equation.diffusion must not vary in space");
      if (!(low >= 0)) refuse(fmt::format("equation.diffusion must not be negative, not {:g}", low));
    }
  }
  return D;
}

ContinuityEquation make(const FokkerPlanckEquation& equation, const LayoutPtr& layout, double cfl) {
  auto velocity = std::make_shared<Velocity>(equation, layout);
  const bool timed = velocity->depends_on_time();
  return {layout, [velocity](int axis, const RowPoints& p, double* v) { (*velocity)(axis, p, v); }, timed, cfl};
}

}  // namespace

const std::vector<std::pair<std::string, std::string>>& continuity_methods() {
  static const std::vector<std::pair<std::string, std::string>> methods{
      {"ssp_rk3",
       "equations without diffusion: WENO5 volumes, strong-stability-preserving Runge-Kutta of third order; positive; substeps by time.cfl"},
      {"strang",
       "splitting, second order: half a step of heat by convolution, transport as ssp_rk3, half a step of heat; positive; D constant in space"}};
  return methods;
}

ContinuityStepper::ContinuityStepper(const TimeParameters& time, const FokkerPlanckEquation& equation, const Field& initial, double cfl)
    : diffusion_(checked_diffusion(time, equation, initial.layout_ptr())),
      rho_(initial.clone()),
      control_(time, 3),
      equation_(make(equation, initial.layout_ptr(), cfl)) {
  const Grid& grid = rho_.layout().grid();
  for (int d = 0; d < grid.dim(); ++d) surround_[static_cast<std::size_t>(d)] = surround(grid.axis(d).boundary);
}

void ContinuityStepper::diffuse(double t0, double length) {
  // Gauss-Legendre with three points.
  constexpr double node = 0.77459666924148337704;  // sqrt(3/5)
  std::array<double, 3> variance{};
  bool any = false;
  for (std::size_t d = 0; d < diffusion_.size(); ++d) {
    const Function& D = *diffusion_[d];
    const auto at = [&](double s) { return value_at(D, rho_.layout(), t0 + 0.5 * (1 + s) * length); };
    const double mean = D.constant() != nullptr ? *D.constant() : (5 * at(-node) + 8 * at(0) + 5 * at(node)) / 18;
    variance[d] = 2 * length * mean;
    any = any || variance[d] > 0;
  }
  if (!any) return;
  if (!heat_ || variance != variance_) heat_.emplace(rho_.layout_ptr(), variance_ = variance, surround_);
  // The weights of a kernel sum to 1 but for rounding, the same in every step: it would add up.
  const double before = sum(rho_);
  heat_->direct(rho_, rho_);
  if (const double after = sum(rho_); before > 0 && after > 0)
    for (double& v : rho_.owned()) v *= before / after;
}

StepReport ContinuityStepper::advance(double end) {
  if (!(end > time())) throw InternalError(fmt::format("continuity stepper: {} is not after {}", end, time()));
  const StepControl::Step step = control_.next(end);
  StepReport report;
  report.t = step.t;
  report.dt = step.dt;
  report.error_estimate = report.energy = report.residual = std::numeric_limits<double>::quiet_NaN();
  // Lengths by dt, which has the same bits in every step of the grid: one kernel serves them all.
  if (!diffusion_.empty()) diffuse(time(), 0.5 * step.dt);
  const long substeps = equation_.advance(rho_, time(), step.t);
  if (!diffusion_.empty()) diffuse(step.t - 0.5 * step.dt, 0.5 * step.dt);
  report.iterations = static_cast<int>(substeps);
  report.evaluations = 3 * substeps + (diffusion_.empty() ? 0 : 2);
  control_.accept(step, std::numeric_limits<double>::quiet_NaN());
  return report;
}

std::map<std::string, double> ContinuityStepper::state_numbers() const {
  std::map<std::string, double> numbers;
  control_.save(numbers);
  return numbers;
}

}  // namespace wasserflow
