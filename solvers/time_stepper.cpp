#include "solvers/time_stepper.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "grids/reduce.hpp"
#include "solvers/controlled_stepper.hpp"

namespace wasserflow {
namespace {
constexpr double nan = std::numeric_limits<double>::quiet_NaN();

/// 1 / G of the lowest mode that G does not annihilate.
double largest_inverse(const SymbolPolynomial& metric, const Grid& grid) {
  if (metric.empty()) return 1;
  if (metric.front() > 0) return 1 / metric.front();
  double lowest = std::numeric_limits<double>::infinity();
  for (const Axis& axis : grid.axes())
    for (const double lambda : laplacian_symbol(axis, std::min(axis.cells, 2)))
      if (lambda > 0) lowest = std::min(lowest, lambda);
  double g = 0, power = 1;
  for (const double c : metric) g += c * power, power *= lowest;
  return g > 0 && std::isfinite(g) ? 1 / g : 1;
}
}  // namespace

ControlledStepper::ControlledStepper(const TimeParameters& parameters, EvolutionOperatorPtr op, const Field& initial, int order, bool energy_control)
    : parameters_(parameters),
      op_(std::move(op)),
      components_(op_->components()),
      state_(initial.clone()),
      control_(parameters, order),
      energy_control_(energy_control),
      inverse_metric_(largest_inverse(op_->gradient_metric(), op_->layout()->grid())) {}

StepReport ControlledStepper::advance(double end) {
  if (!(end > time())) throw InternalError(fmt::format("time stepper: {} is not after {}", end, time()));
  if (energy_control_ && !energy_known_) {
    const std::optional<double> energy = op_->energy(state_);
    energy_known_ = energy_control_ = energy.has_value();
    energy_ = energy.value_or(0);
    energy_scale_ = std::fabs(energy_);
  }
  StepReport report;
  report.error_estimate = report.residual = nan;
  for (;;) {
    const StepControl::Step step = control_.next(end);
    report.t = step.t;
    report.dt = step.dt;
    report.steps = step.count;
    Attempt attempted = attempt(step, report);
    double energy = nan;
    if (attempted.failed == nullptr && energy_control_ && energy_grew(step, report.residual, energy)) {
      attempted.failed = "energy";
      attempted.usable = std::isfinite(energy);
    }
    const bool for_error = attempted.failed == nullptr && attempted.error > 1;
    if (for_error) {
      attempted.failed = "error";
      attempted.usable = true;
    }
    report.error_estimate = attempted.error;
    if (attempted.failed != nullptr) {
      report.why = attempted.failed;
      if (control_.reject(step, for_error, attempted.error)) {
        ++report.rejections;
        continue;
      }
      report.converged = false;
      if (!attempted.usable) {
        report.diverged = true;
        report.t = time();
        return report;
      }
      if (energy_control_ && std::isnan(energy)) energy = *op_->energy(candidate(), step.count - 1);
    }
    commit(step);
    control_.accept(step, attempted.error);
    report.energy = energy;
    if (energy_control_) {
      energy_ = energy;
      energy_scale_ = std::max(energy_scale_, std::fabs(energy));
    }
    return report;
  }
}

// For an implicit step with residual F, E(u+) - E(u) <= <G^{-1} F / tau, u+ - u> in the range of step sizes where the incremental energy is convex:
// growth up to that bound and rounding is the solver's, anything above it is the step's.
bool ControlledStepper::energy_grew(const StepControl::Step& step, double residual, double& energy) {
  Field& u = candidate();
  double before = energy_;
  for (int k = 0; k < step.count; ++k) {
    energy = *op_->energy(u, k);
    const double rounding = 1e-13 * std::fabs(before) + 1e-14 * energy_scale_;
    if (!(energy <= before + rounding)) {
      if (!std::isfinite(energy)) return true;
      const Field& from = k > 0 ? u : state_;
      const int first = std::max(0, k - 1) * components_, to = k * components_;
      const double change = max_over(u.layout(), components_, [&](int s, std::ptrdiff_t i) { return u.level(to + s)[i] - from.level(first + s)[i]; });
      if (!(energy <= before + rounding + inverse_metric_ * residual * change * u.layout().grid().volume())) return true;
    }
    before = energy;
  }
  return false;
}

std::map<std::string, double> ControlledStepper::state_numbers() const {
  std::map<std::string, double> numbers;
  control_.save(numbers);
  numbers["energy_known"] = energy_known_;
  numbers["energy"] = energy_;
  numbers["energy_scale"] = energy_scale_;
  return numbers;
}

void ControlledStepper::restore(const std::map<std::string, double>& numbers) {
  control_.restore(numbers);
  energy_known_ = numbers.at("energy_known") != 0;
  energy_ = numbers.at("energy");
  energy_scale_ = numbers.at("energy_scale");
}

const std::vector<std::pair<std::string, std::string>>& time_methods() {
  static const std::vector<std::pair<std::string, std::string>> methods{
      {"implicit_euler", "first order, energy decays at any solvable step; blocks of steps at once"},
      {"bdf2", "second order, two-step, variable steps; one solve a step"},
      {"sdirk2", "second order, one-step, L-stable; two solves a step"},
      {"crank_nicolson", "second order, one-step, not L-stable, fixed steps; one solve a step"},
      {"imex_euler", "first order, reaction explicit and stabilised; no nonlinear solve"},
      {"sbdf2", "second order, two-step, reaction explicit; no nonlinear solve"},
      {"etdrk4", "fourth order, exponential, reaction explicit; no nonlinear solve"}};
  return methods;
}

TimeParameters TimeParameters::read(const Parameters& time, std::vector<std::pair<std::string, std::string>> methods, const std::string& fallback) {
  if (methods.empty()) methods = time_methods();
  TimeParameters p;
  std::vector<std::string> names;
  std::string doc = "time scheme:";
  for (const auto& [name, what] : methods) {
    names.push_back(name);
    doc += " " + name + " (" + what + ");";
  }
  doc.pop_back();
  p.method = time.choice("method", doc, names, fallback);
  const bool implicit = p.method == "implicit_euler" || p.method == "bdf2" || p.method == "sdirk2" || p.method == "crank_nicolson";
  p.dt = time.real("dt", "time step; the first one when steps are adaptive", {}, Range::positive());
  p.block = time.integer("block", "implicit_euler: steps solved at once as one system", p.block, Range::at_least(1));
  if (p.block > 1 && p.method != "implicit_euler") time.fail("block", "blocks of steps need method implicit_euler");
  p.extrapolation =
      time.integer("extrapolation", "implicit methods: order in time of the initial guess from earlier steps", p.extrapolation, Range::between(0, 2));
  p.energy_control = time.flag("energy_control", "implicit methods: repeat steps whose energy grows with half the size", p.energy_control);
  p.stabiliser =
      time.real("stabiliser",
                "IMEX methods: constant S that the implicit part takes of the reaction's derivative, in units of W'' at the minimum of the potential",
                p.stabiliser, Range::nonnegative());
  const std::string about =
      "implicit methods: steps chosen by the error estimate: true, false, or a table of tolerance (of the estimated error of a step, max norm; "
      "1e-3), smallest "
      "and largest (bounds of the step; dt / 1024 and none)";
  p.adaptive.on = time.is_table("adaptive") || time.flag("adaptive", about, p.adaptive.on);
  if (p.adaptive.on) {
    if (!implicit || p.method == "crank_nicolson")
      time.fail("adaptive", "adaptive steps need one of the implicit methods (implicit_euler, bdf2, sdirk2)");
    if (time.is_table("adaptive")) {
      const Parameters a = time.table("adaptive", about);
      p.adaptive.tolerance = a.real("tolerance", "bound of a step's estimated error, max norm", p.adaptive.tolerance, Range::positive());
      p.adaptive.smallest = a.real("smallest", "lower bound of the step; 0: dt / 1024", p.adaptive.smallest, Range::nonnegative());
      p.adaptive.largest = a.real("largest", "upper bound of the step; 0: none", p.adaptive.largest, Range::nonnegative());
      if (p.adaptive.smallest > p.dt) a.fail("smallest", "the smallest step is larger than time.dt");
      if (p.adaptive.largest > 0 && p.adaptive.largest < p.dt) a.fail("largest", "the largest step is smaller than time.dt");
    }
  }
  return p;
}

std::unique_ptr<TimeStepper> make_time_stepper(const TimeParameters& p, EvolutionOperatorPtr op, NonlinearSolverPtr solver, const Field& initial,
                                               bool single) {
  if (!(p.dt > 0)) throw InputError(fmt::format("time.dt = {} must be > 0", p.dt));
  if (p.block < 1 || (p.block > 1 && p.method != "implicit_euler")) throw InputError("time.block: blocks of steps need method implicit_euler");
  if (initial.levels() != op->components())
    throw InternalError(fmt::format("time stepper: {} fields of initial data for {} components", initial.levels(), op->components()));
  const bool imex = p.method == "imex_euler" || p.method == "sbdf2" || p.method == "etdrk4";
  if ((imex || p.method == "crank_nicolson") && p.adaptive.on)
    throw InputError("time.adaptive: adaptive steps need one of the implicit methods (implicit_euler, bdf2, sdirk2)");
  if (p.method == "etdrk4") return make_etdrk4_stepper(p, std::move(op), initial);
  if (imex) return make_imex_stepper(p, std::move(op), initial);
  if (p.method != "implicit_euler" && p.method != "bdf2" && p.method != "sdirk2" && p.method != "crank_nicolson")
    throw InputError("time.method: unknown method '" + p.method + "'");
  if (!solver) throw InternalError("time stepper: " + p.method + " needs a nonlinear solver");
  return make_implicit_stepper(p, std::move(op), std::move(solver), initial, single);
}

}  // namespace wasserflow
