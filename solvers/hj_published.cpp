#include "solvers/hj_published.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "grids/reduce.hpp"

namespace wasserflow {
namespace {

constexpr double delta = 1e-4;  // keeps the ascent in the controls moving where rho = 0
constexpr double shift = 1;     // C of P
constexpr int sweeps = 10;

std::size_t index(int i) { return static_cast<std::size_t>(i); }

SpectralPreconditioner make_metric(const HamiltonJacobiProblem& problem) {
  AxisSymbols lambda;
  for (int d = 0; d < problem.layout->dim(); ++d) {
    const Axis& axis = problem.layout->grid().axis(d);
    if (axis.boundary != Boundary::Periodic && axis.boundary != Boundary::NoFlux)
      throw InputError("pdhg-published: every axis must be periodic or no_flux");
    lambda.axis[index(d)] = laplacian_symbol(axis, axis.cells);
  }
  return SpectralPreconditioner(problem.layout, problem.levels(), {problem.dt, 1, TimeEnds::InitialValue}, {}, lambda, shift);
}

/// Sums of squared changes and of squares over all levels, several fields at once, with the same bits on any number of ranks.
std::vector<double> squares(const std::vector<const Field*>& now, const std::vector<const Field*>& before) {
  const SlabLayout& layout = now.front()->layout();
  std::vector<ExactSum> sums(2 * now.size());
  std::vector<double> terms(index(layout.dim() == 1 ? SlabLayout::row_limit : layout.grid().cells(0)));
  for (std::size_t f = 0; f < now.size(); ++f)
    for (int k = 0; k < now[f]->levels(); ++k)
      for (int r = 0; r < layout.rows(); ++r) {
        const RowPoints p = layout.row(r);
        const double *a = now[f]->level(k) + p.offset, *b = before[f]->level(k) + p.offset;
        for (int i = 0; i < p.n; ++i) terms[index(i)] = (a[i] - b[i]) * (a[i] - b[i]);
        add_row(sums[2 * f], layout, terms.data(), p.n);
        for (int i = 0; i < p.n; ++i) terms[index(i)] = b[i] * b[i];
        add_row(sums[2 * f + 1], layout, terms.data(), p.n);
      }
  ExactSum::reduce(layout.comm(), sums);
  std::vector<double> values;
  for (const ExactSum& s : sums) values.push_back(s.value());
  return values;
}

void copy(const Field& from, Field& to) {
  for (int k = 0; k < from.levels(); ++k) std::ranges::copy(from.owned(k), to.level(k));
}

}  // namespace

HjPublished::HjPublished(HamiltonJacobiProblem& problem, const HjPublishedParameters& parameters, const Field& initial)
    : problem_(problem),
      layout_(problem.layout),
      parameters_(parameters),
      step_(parameters.step),
      saddle_(problem, 1),
      metric_(make_metric(problem)),
      row_(layout_, problem.levels()),
      work_(layout_, problem.levels()) {
  if (problem.kinetic->splitting() != Splitting::Upwind)
    throw InputError("pdhg-published: the Hamiltonian '" + problem.kinetic->name() + "' does not split by axes");
  for (int d = 0; d < layout_->dim(); ++d) speed_.emplace_back(layout_, problem.levels());
  for (int j = 0; j < problem.kinetic->slots(layout_->dim()); ++j) alpha_.emplace_back(layout_, problem.levels());
  saddle_.rho().fill(parameters.mass);
  last().copy_level(0, initial, 0);
  tabulate_speeds();
}

/// The coefficients from the derivative of Hh at unit slopes. A quadratic form doubles it at twice the slope, a one-homogeneous one keeps it, and in
/// both the slopes do not see each other.
void HjPublished::tabulate_speeds() {
  const std::size_t slots = alpha_.size();
  std::size_t width = index(layout_->dim() == 1 ? SlabLayout::row_limit : layout_->grid().cells(0));
  std::vector<double> values(2 * slots * width);
  std::vector<double*> q, g;
  for (std::size_t j = 0; j < slots; ++j) {
    q.push_back(values.data() + 2 * j * width);
    g.push_back(q.back() + width);
  }
  // How far the derivative is from either form.
  double not_quadratic = 0, not_homogeneous = 0;
  for (int k = 0; k < problem_.levels(); ++k)
    for (int r = 0; r < layout_->rows(); ++r) {
      const RowPoints p = problem_.row(r, k);
      const auto slopes = [&](std::size_t only, double size) {
        for (std::size_t j = 0; j < slots; ++j) std::fill_n(q[j], p.n, only == slots || only == j ? (j % 2 == 0 ? -size : size) : 0.0);
        problem_.kinetic->gradient(p, q.data(), g.data());
      };
      slopes(slots, 1);
      for (std::size_t j = 1; j < slots; j += 2) std::copy_n(g[j], p.n, speed_[j / 2].level(k) + p.offset);
      const auto compare = [&](std::size_t only, double size) {
        slopes(only, size);
        for (std::size_t j = 0; j < slots; ++j) {
          if (only != slots && only != j) continue;
          const double* c = speed_[j / 2].level(k) + p.offset;
          for (int i = 0; i < p.n; ++i) {
            const double v = j % 2 == 0 ? -g[j][i] : g[j][i];
            not_quadratic = std::max(not_quadratic, std::fabs(v - size * c[i]) - 1e-12 * c[i]);
            not_homogeneous = std::max(not_homogeneous, std::fabs(v - c[i]) - 1e-12 * c[i]);
          }
        }
      };
      compare(slots, 2);
      for (std::size_t j = 0; j < slots; ++j) compare(j, 1);
    }
  quadratic_ = !(global_max(layout_->comm(), not_quadratic) > 0);
  if (!quadratic_ && global_max(layout_->comm(), not_homogeneous) > 0)
    throw InputError("pdhg-published: the Hamiltonian '" + problem_.kinetic->name() + "' is neither sum a_d p_d^2/2 nor sum a_d |p_d|");
  if (quadratic_)
    for (Field& a : speed_)
      for (int k = 0; k < a.levels(); ++k)
        for (double& v : a.owned(k)) v = std::sqrt(v);
}

double HjPublished::primal_step(double tau) {
  std::vector<Field>& flux = saddle_.momenta();
  const std::ptrdiff_t n = layout_->owned();
  for (int k = 0; k < problem_.levels(); ++k) {
    double* mass = row_.level(k);
    const double* rho = saddle_.rho().level(k);
    for (std::ptrdiff_t i = 0; i < n; ++i) mass[i] = rho[i] + delta;
    for (std::size_t j = 0; j < alpha_.size(); ++j) {
      double* m = flux[j].level(k);
      const double *alpha = alpha_[j].level(k), *a = speed_[j / 2].level(k);
      for (std::ptrdiff_t i = 0; i < n; ++i) m[i] = mass[i] * (a[i] * alpha[i]);
    }
  }
  saddle_.apply_adjoint(row_, flux, work_);
  // The time difference of the last level sees rho + delta too, where the published sum has rho alone.
  for (int k = 0; k < problem_.levels(); ++k) {
    const double load = k + 1 == problem_.levels() ? (parameters_.mass + delta) / problem_.dt : 0;
    for (double& v : work_.owned(k)) v = load - v;
  }
  metric_.apply(work_, work_);
  for (int k = 0; k < problem_.levels(); ++k) {
    double *phi = saddle_.phi().level(k), *old = row_.level(k), *ahead = work_.level(k);
    for (std::ptrdiff_t i = 0; i < n; ++i) {
      old[i] = phi[i];
      phi[i] += tau * ahead[i];
      ahead[i] = 2 * phi[i] - old[i];
    }
  }
  const std::vector<double> s = squares({&saddle_.phi()}, {&row_});
  return std::sqrt(s[0] / (s[1] + dot(last(), last())));
}

double HjPublished::dual_step(double sigma) {
  // The slopes, and the part of R without controls, are the same for all sweeps.
  saddle_.apply(work_, row_, saddle_.momenta());
  for (int k = 0; k < problem_.levels(); ++k)
    for (int r = 0; r < layout_->rows(); ++r) {
      const RowPoints p = problem_.row(r, k);
      const Tabulated& f = problem_.potential;
      double* out = row_.level(k) + p.offset;
      for (int i = 0; i < p.n; ++i) out[i] += f.is_constant() ? f.value() : f.row(p)[i];
    }
  for (std::ptrdiff_t i = 0; i < layout_->owned(); ++i) row_.level()[i] -= last().level()[i] / problem_.dt;

  at_iteration_.take(dual());
  for (int sweep = 0; sweep < sweeps; ++sweep) {
    at_sweep_.take(dual());
    ascend(sigma);
    const std::vector<double> s = squares(dual(), at_sweep_.all());
    double change = 0;
    for (std::size_t f = 0; f < s.size(); f += 2)
      if (s[f] != 0) change += s[f] / s[f + 1];
    if (change < parameters_.tolerance || std::isnan(change)) break;
  }
  const std::vector<double> s = squares(dual(), at_iteration_.all());
  double change = std::sqrt(s[0] / s[1]);
  for (std::size_t f = 2; f < s.size(); f += 2) {
    const double moved = std::sqrt(s[f]), size = std::sqrt(s[f + 1]);
    if (!(size < 1e-6))
      change += moved / size;
    else if (!(moved <= 1e-6))
      change += moved;
  }
  return change;
}

void HjPublished::ascend(double sigma) {
  const std::vector<Field>& slope = saddle_.momenta();
  const std::ptrdiff_t n = layout_->owned();
  const double most = quadratic_ ? std::numeric_limits<double>::infinity() : 1;
  for (int k = 0; k < problem_.levels(); ++k) {
    double *rho = saddle_.rho().level(k), *residual = work_.level(k);
    std::copy_n(row_.level(k), n, residual);
    for (std::size_t j = 0; j < alpha_.size(); ++j) {
      double* alpha = alpha_[j].level(k);
      const double *a = speed_[j / 2].level(k), *s = slope[j].level(k);
      const double low = j % 2 == 0 ? -most : 0, high = j % 2 == 0 ? 0 : most;  // the sign that the slope's side allows
      const double cost = quadratic_ ? 1 : 0;
      for (std::ptrdiff_t i = 0; i < n; ++i) {
        const double q = (rho[i] + delta) / sigma;
        alpha[i] = std::clamp((a[i] * s[i] + q * alpha[i]) / (cost + q), low, high);
        residual[i] += a[i] * alpha[i] * s[i] - 0.5 * cost * alpha[i] * alpha[i];
      }
    }
    for (std::ptrdiff_t i = 0; i < n; ++i) {
      const double next = rho[i] + sigma * residual[i];
      rho[i] = next < 0 ? 0 : next;  // keeps NaN
    }
  }
}

SolveReport HjPublished::iterate() {
  SolveReport report;
  report.step = step_;
  const double tau = step_ / 1.5, sigma = step_ * 1.5;
  for (report.iterations = 1;; ++report.iterations) {
    const double primal = primal_step(tau), dual = dual_step(sigma);
    report.operator_passes += 3;
    if (!std::isfinite(primal) || !std::isfinite(dual))
      report.reason = StopReason::Diverged;
    else if (primal < parameters_.tolerance && dual < parameters_.tolerance)
      report.reason = StopReason::Converged;
    else if (report.iterations < parameters_.max_iterations)
      continue;
    return report;
  }
}

SolveReport HjPublished::advance(std::span<const double> times) {
  problem_.set_times(times);
  saddle_.refresh();
  tabulate_speeds();
  at_window_.take(dual());
  const double least = parameters_.step / 10;
  SolveReport report;
  for (int wasted = 0;; wasted += report.iterations) {
    for (int k = 0; k < problem_.levels(); ++k) std::ranges::copy(last().owned(), saddle_.phi().level(k));
    report = iterate();
    if (report.reason != StopReason::Diverged || !(step_ > 1.999 * least)) {
      report.iterations += wasted;
      break;
    }
    step_ -= least;
    copy(at_window_.fields.front(), saddle_.rho());
    for (std::size_t j = 0; j < alpha_.size(); ++j) copy(at_window_.fields[j + 1], alpha_[j]);
  }
  report.residuals = saddle_.residuals();
  last().copy_level(0, phi(), problem_.levels() - 1);
  return report;
}

void HjPublished::density(Field& rho, std::vector<Field>& m) {
  const int newest = problem_.levels() - 1;
  const double* mass = saddle_.rho().level(newest);
  for (std::ptrdiff_t i = 0; i < layout_->owned(); ++i) rho.level()[i] = mass[i] / parameters_.mass;
  for (std::size_t d = 0; d < m.size(); ++d) {
    const double *up = alpha_[2 * d].level(newest), *down = alpha_[2 * d + 1].level(newest), *a = speed_[d].level(newest);
    for (std::ptrdiff_t i = 0; i < layout_->owned(); ++i) m[d].level()[i] = rho.level()[i] * a[i] * (up[i] + down[i]);
  }
}

std::vector<const Field*> HjPublished::dual() const {
  std::vector<const Field*> y{&saddle_.rho()};
  for (const Field& alpha : alpha_) y.push_back(&alpha);
  return y;
}

void HjPublished::Copy::take(const std::vector<const Field*>& from) {
  if (fields.empty())
    for (const Field* f : from) fields.push_back(f->clone());
  for (std::size_t i = 0; i < from.size(); ++i) copy(*from[i], fields[i]);
}

std::vector<const Field*> HjPublished::Copy::all() const {
  std::vector<const Field*> list;
  for (const Field& f : fields) list.push_back(&f);
  return list;
}

}  // namespace wasserflow
