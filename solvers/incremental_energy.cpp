#include "solvers/incremental_energy.hpp"

#include <algorithm>
#include <cmath>

namespace wasserflow {
namespace {

constexpr int trial_limit = 25;
// Part of the way to the border of the domain that a step may go.
constexpr double border = 0.9;

template <class Point>
void each(const Field& like, Point&& point) {
  const std::ptrdiff_t n = like.layout().owned();
  for (std::ptrdiff_t i = 0; i < n; ++i) point(i);
}

}  // namespace

bool IncrementalEnergy::exists(StepSystem& system) {
  return system.steps() == 1 && system.components() == 1 && !system.op().gradient_metric().empty();
}

bool IncrementalEnergy::begin(StepSystem& system, Field& U) {
  system_ = &system;
  metric_ = system.op().gradient_metric();
  identity_ = metric_.size() == 1;
  scale_ = identity_ ? 1 / metric_[0] : 1;
  volume_ = system.layout()->grid().cell_volume();
  if (!d_ || d_.layout_ptr() != system.layout()) {
    trial_ = system.make_field(), trial_F_ = system.make_field(), d_ = system.make_field();
    metric_d_ = {};
  }
  if (!identity_ && !metric_d_) metric_d_ = system.make_field();
  const Field& known = system.known();
  const std::array<double, 2> domain = system.op().domain(0);
  lower_ = domain[0], upper_ = domain[1];

  keep_mean(U);
  const bool guess = system.admissible(U), start = system.admissible(known);
  if (!guess && !start) return false;
  if (guess && start) {
    const double* u = U.level();
    const double* k = known.level();
    double* d = d_.level();
    double moved = 0;
    each(U, [&](std::ptrdiff_t i) {
      d[i] = u[i] - k[i];
      moved = d[i] != 0 ? 1 : moved;
    });
    if (global_max(U.layout().comm(), moved) == 0) return true;
    make_image();
    const double quadratic = dot(d_, image()) * per_product() / 2;
    trial_.copy_level(0, known, 0);
    if (!(quadratic + energy(U) <= energy(trial_))) U.copy_level(0, known, 0);
  } else if (!guess) {
    U.copy_level(0, known, 0);
  }
  return true;
}

double IncrementalEnergy::mean(const double* values, const double* minus) {
  const SlabLayout& layout = *system_->layout();
  return sums_(layout, 1,
               [&](std::ptrdiff_t o, int n, double* out) {
                 double s = 0;
                 for (int i = 0; i < n; ++i) s += values[o + i] - (minus != nullptr ? minus[o + i] : 0);
                 out[0] = s;
               })[0] /
         static_cast<double>(layout.grid().size());
}

void IncrementalEnergy::keep_mean(Field& U) {
  if (metric_[0] != 0) return;
  double* u = U.level();
  const double shift = mean(system_->known().level(), u);
  each(U, [&](std::ptrdiff_t i) { u[i] += shift; });
}

void IncrementalEnergy::remove_mean() {
  if (metric_[0] != 0) return;
  double* d = d_.level();
  const double shift = mean(d, nullptr);
  each(d_, [&](std::ptrdiff_t i) { d[i] -= shift; });
}

double IncrementalEnergy::energy(Field& U) {
  const double e = system_->op().energy(U).value_or(std::numeric_limits<double>::quiet_NaN()) / volume_;
  return std::isfinite(e) ? e : infinity;
}

void IncrementalEnergy::precondition(const SpectralTransform::Source& source) {
  if (identity_)
    system_->preconditioner().apply(source, SpectralTransform::to(d_));
  else
    system_->preconditioner().apply_with_inverse(metric_, source, [this](int level, std::ptrdiff_t offset, int n, const double* row) {
      std::copy_n(row, n, (level == 0 ? d_ : metric_d_).level() + offset);
    });
  remove_mean();
}

void IncrementalEnergy::make_image() {
  remove_mean();
  if (!identity_) system_->preconditioner().apply_inverse(metric_, d_, metric_d_);
}

double IncrementalEnergy::reach(const Field& U) const {
  if (!std::isfinite(lower_) && !std::isfinite(upper_)) return infinity;
  const double *u = U.level(), *d = d_.level();
  double a = infinity;
  each(U, [&](std::ptrdiff_t i) { a = std::min(a, d[i] > 0 ? (upper_ - u[i]) / d[i] : d[i] < 0 ? (lower_ - u[i]) / d[i] : infinity); });
  return border * global_min(U.layout().comm(), a);
}

/// trial_ = U + a d with F there, and Phi's change and slope.
LinePoint IncrementalEnergy::evaluate(const Field& U, double a, double linear, double quadratic, double energy_here) {
  const double *u = U.level(), *d = d_.level();
  double* t = trial_.level();
  each(U, [&](std::ptrdiff_t i) { t[i] = u[i] + a * d[i]; });
  LinePoint p;
  p.a = a;
  p.residual = system_->residual(trial_, trial_F_);
  p.slope = dot(trial_F_, image()) * per_product();
  trial_energy_ = energy(trial_);
  p.value = a * linear + a * a * quadratic + (trial_energy_ - energy_here);
  if (!std::isfinite(p.residual) || !std::isfinite(p.slope) || !std::isfinite(p.value)) p.value = infinity;
  return p;
}

std::optional<LinePoint> IncrementalEnergy::search(const Field& U, double energy_here, double slope, const Search& conditions) {
  const double* u = U.level();
  const double* k = system_->known().level();
  const double* d = d_.level();
  const double* g = image().level();
  const std::vector<double>& q = sums_(U.layout(), 2, [&](std::ptrdiff_t o, int n, double* out) {
    out[0] = row_dot(n, d + o, g + o);
    out[1] = 0;
    for (int i = 0; i < n; ++i) out[1] += (u[o + i] - k[o + i]) * g[o + i];
  });
  const double quadratic = q[0] * per_product() / 2, linear = q[1] * per_product();
  const double most = reach(U);
  double a = std::min(conditions.first, most);
  LinePoint low{0, 0, slope, 0}, high{infinity, infinity, 0, 0};
  for (int trial = 0; trial < trial_limit; ++trial) {
    const LinePoint p = evaluate(U, a, linear, quadratic, energy_here);
    const double noise = rounding * (std::fabs(energy_here) + std::fabs(a * linear));
    const bool wolfe = p.value <= conditions.decrease * a * slope && p.slope >= conditions.curvature * slope;
    const bool approximate = p.value <= noise && p.slope >= conditions.curvature * slope && p.slope <= (2 * conditions.decrease - 1) * slope;
    const bool done = p.value <= noise && p.residual < conditions.tolerance;
    const bool behind = p.slope > -conditions.beyond * slope;  // of the minimum
    if ((!behind && (wolfe || approximate)) || done || (a >= most && p.value <= conditions.decrease * a * slope && p.slope < 0)) return p;
    const LinePoint before = low;
    if (p.value == infinity || p.slope >= 0 || p.value > std::max(conditions.decrease * a * slope, noise))
      high = p;
    else
      low = p;
    if (high.a == infinity) {
      // Beyond: by the secant of the slopes.
      const double gain = low.slope - before.slope;
      const double secant = gain > 0 ? low.a - low.slope * (low.a - before.a) / gain : infinity;
      a = std::min(std::clamp(secant, 2 * low.a, 10 * low.a), most);
    } else {
      const double width = high.a - low.a;
      double t = 0.5;
      if (high.value == infinity)
        t = 0.1;
      else if (high.slope > 0)
        t = -low.slope / (high.slope - low.slope);
      else if (low.a == 0)
        t = 0.25;
      a = low.a + std::clamp(t, 0.05, 0.95) * width;
      if (!(width > 1e-14 * high.a)) break;
    }
  }
  return {};
}

}  // namespace wasserflow
