#include "solvers/entropic_transport.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "grids/pointwise.hpp"
#include "grids/reduce.hpp"
#include "grids/support/errors.hpp"

namespace wasserflow {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

/// int f(i) over the box.
template <class F>
double integral(Field& work, F&& f) {
  each(work, f);
  return sum(work) * work.layout().grid().cell_volume();
}

std::array<double, 3> all_axes(double v) { return {v, v, v}; }

/// The kernel must reach across the box where potentials lift its tails: |grad g| <= diameter on each axis.
HeatConvolution gibbs_kernel(const LayoutPtr& layout, double eps, std::array<Surround, 3> surround) {
  if (!(eps > 0) || !std::isfinite(eps)) throw InputError(fmt::format("the entropic regularisation eps must be positive, not {}", eps));
  HeatConvolution::Options options;
  options.kind = KernelKind::Sampled;  // the cost is |x - y|^2 / 2 exactly
  for (int d = 0; d < layout->dim(); ++d)
    options.tilt[static_cast<std::size_t>(d)] = layout->grid().axis(d).length() * layout->grid().spacing(d) / eps;
  return {layout, all_axes(eps), surround, options};
}

void check_densities(const Field& mu, const Field& nu) {
  for (const Field* u : {&mu, &nu}) {
    double least = 0;
    for (const double x : u->owned()) least = std::min(least, x);
    least = global_min(u->layout().comm(), least);
    if (!all_finite(*u)) throw InputError("a density is not finite everywhere");
    if (least < 0) throw InputError(fmt::format("a density is negative somewhere: {:.6g}", least));
  }
  const double volume = mu.layout().grid().cell_volume(), a = sum(mu) * volume, b = sum(nu) * volume;
  if (!(a > 0)) throw InputError("a density has no mass");
  if (std::fabs(a - b) > 1e-10 * a) throw InputError(fmt::format("the densities have the masses {:.10g} and {:.10g}: no coupling joins them", a, b));
}

void logarithm(const Field& u, Field& out) {
  each(out, [&](std::ptrdiff_t i) { return std::log(u.level()[i]); });
}

}  // namespace

EntropicTransport::EntropicTransport(LayoutPtr layout, double eps, std::array<Surround, 3> surround)
    : layout_(std::move(layout)), eps_(eps), heat_(gibbs_kernel(layout_, eps, surround)), work_(layout_) {
  // The weights of G are proportional to the kernel; the factor is that of their centre.
  for (int d = 0; d < layout_->dim(); ++d) log_factor_ += std::log(layout_->grid().spacing(d) / heat_.weights(d)[0]);
}

void EntropicTransport::soft_transform(const Field& g, const Field& log_nu, Field& out) {
  each(work_, [&](std::ptrdiff_t i) { return g.level()[i] / eps_ + log_nu.level()[i]; });
  heat_.log_sum_exp(work_, work_);
  each(out, [&](std::ptrdiff_t i) { return -eps_ * (work_.level()[i] + log_factor_); });
}

EntropicReport EntropicTransport::solve(const Field& mu, const Field& nu, Field& f, Field& g, double tolerance, int max_iterations) {
  check_densities(mu, nu);
  Field log_mu(layout_), log_nu(layout_), next(layout_), terms(layout_);
  logarithm(mu, log_mu);
  logarithm(nu, log_nu);
  EntropicReport report;
  soft_transform(g, log_nu, f);
  for (report.iterations = 1;; ++report.iterations) {
    soft_transform(f, log_mu, g);
    soft_transform(g, log_nu, next);
    // The first marginal of (f, g) is mu exp((f - next) / eps).
    report.marginal_error =
        integral(terms, [&](std::ptrdiff_t i) { return mu.level()[i] * std::fabs(std::expm1((f.level()[i] - next.level()[i]) / eps_)); });
    if (!std::isfinite(report.marginal_error)) {
      report.reason = StopReason::Diverged;
      break;
    }
    if (report.marginal_error < tolerance) {
      report.reason = StopReason::Converged;
      break;
    }
    std::swap(f, next);
    if (report.iterations == max_iterations) break;
  }
  report.value = integral(terms, [&](std::ptrdiff_t i) {
    const double a = mu.level()[i], b = nu.level()[i];
    return (a > 0 ? a * f.level()[i] : 0.0) + (b > 0 ? b * g.level()[i] : 0.0);
  });
  return report;
}

EntropicReport EntropicTransport::solve_symmetric(const Field& mu, Field& f, double tolerance, int max_iterations) {
  check_densities(mu, mu);
  Field log_mu(layout_), next(layout_), terms(layout_);
  logarithm(mu, log_mu);
  EntropicReport report;
  for (report.iterations = 1;; ++report.iterations) {
    soft_transform(f, log_mu, next);
    report.marginal_error =
        integral(terms, [&](std::ptrdiff_t i) { return mu.level()[i] * std::fabs(std::expm1((f.level()[i] - next.level()[i]) / eps_)); });
    each(f, [&](std::ptrdiff_t i) { return (f.level()[i] + next.level()[i]) / 2; });
    if (!std::isfinite(report.marginal_error)) report.reason = StopReason::Diverged;
    if (report.marginal_error < tolerance) report.reason = StopReason::Converged;
    if (report.reason != StopReason::IterationLimit || report.iterations == max_iterations) break;
  }
  report.value = 2 * integral(terms, [&](std::ptrdiff_t i) { return mu.level()[i] > 0 ? mu.level()[i] * f.level()[i] : 0.0; });
  return report;
}

std::optional<double> EntropicTransport::divergence(const Field& mu, const Field& nu, double tolerance, int max_iterations) {
  Field f(layout_), g(layout_), a(layout_), b(layout_);
  const EntropicReport both = solve(mu, nu, f, g, tolerance, max_iterations), left = solve_symmetric(mu, a, tolerance, max_iterations),
                       right = solve_symmetric(nu, b, tolerance, max_iterations);
  for (const EntropicReport* r : {&both, &left, &right})
    if (r->reason != StopReason::Converged) return std::nullopt;
  return both.value - (left.value + right.value) / 2;
}

LogKlProx internal_energy_prox(const Field* V, double beta, double c, double m) {
  if (beta < 0 || c < 0 || (c > 0 && !(m > 1))) throw InputError("an internal energy needs beta >= 0, c >= 0 and an exponent m > 1");
  return [V, beta, c, m](double weight, const Field& log_a, Field& log_q) {
    each(log_q, [&](std::ptrdiff_t i) {
      // z = log q solves (1 + weight beta) z + weight c m/(m-1) exp((m - 1) z) = right; convex and increasing in z.
      const double right = log_a.level()[i] - weight * (beta + (V != nullptr ? V->level()[i] : 0.0)), slope = 1 + weight * beta;
      double z = right / slope;
      if (c == 0 || !(z > -infinity)) return z;
      const double k = weight * c * m / (m - 1);
      // From the right of the root Newton's method descends monotonically; both bounds below are right of it.
      z = std::min(z, k > 0 && right > k ? std::log(right / k) / (m - 1) : z);
      for (int it = 0; it < 60; ++it) {
        const double e = k * std::exp((m - 1) * z), step = (slope * z + e - right) / (slope + (m - 1) * e);
        z -= step;
        if (std::fabs(step) <= 1e-15 * (1 + std::fabs(z))) break;
      }
      return z;
    });
  };
}

EntropicJko::EntropicJko(LayoutPtr layout, double tau, double eps, std::array<Surround, 3> surround, LogKlProx prox)
    : transport_(layout, eps, surround), tau_(tau), prox_(std::move(prox)), log_v_(layout), log_q_(layout), log_rho_(layout), spread_(layout) {
  if (!(tau > 0)) throw InputError(fmt::format("the step tau must be positive, not {}", tau));
}

EntropicReport EntropicJko::step(Field& rho, double tolerance, int max_iterations) {
  check_densities(rho, rho);
  const double eps = transport_.eps_, factor = transport_.log_factor_;
  HeatConvolution& heat = transport_.heat_;
  Field& u = transport_.work_;
  logarithm(rho, log_rho_);
  log_v_.fill(0);
  EntropicReport report;
  // pi = u K v: rho is its first marginal, q = v K u its second one, q = prox(K u).
  for (report.iterations = 1;; ++report.iterations) {
    heat.log_sum_exp(log_v_, spread_);
    each(u, [&](std::ptrdiff_t i) { return log_rho_.level()[i] - spread_.level()[i] - factor; });
    heat.log_sum_exp(u, spread_);
    for (double& x : spread_.owned()) x += factor;
    prox_(tau_ / eps, spread_, log_q_);
    double change = 0;
    each(log_v_, [&](std::ptrdiff_t i) {
      const double v = log_q_.level()[i] > -infinity ? log_q_.level()[i] - spread_.level()[i] : -infinity;
      if (v > -infinity || log_v_.level()[i] > -infinity) change = std::max(change, std::fabs(v - log_v_.level()[i]));
      return v;
    });
    report.marginal_error = global_max(log_v_.layout().comm(), change);
    if (!std::isfinite(report.marginal_error)) report.reason = StopReason::Diverged;
    if (report.marginal_error < tolerance) report.reason = StopReason::Converged;
    if (report.reason != StopReason::IterationLimit || report.iterations == max_iterations) break;
  }
  // The second marginal for the last v and the u that belongs to it: its mass is that of rho to rounding.
  heat.log_sum_exp(log_v_, spread_);
  each(u, [&](std::ptrdiff_t i) { return log_rho_.level()[i] - spread_.level()[i]; });
  heat.log_sum_exp(u, spread_);
  each(rho, [&](std::ptrdiff_t i) { return std::exp(log_v_.level()[i] + spread_.level()[i]); });
  return report;
}

}  // namespace wasserflow
