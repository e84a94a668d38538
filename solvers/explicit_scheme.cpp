#include "solvers/explicit_scheme.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "grids/reduce.hpp"
#include "grids/support/errors.hpp"
#include "solvers/weno.hpp"

namespace wasserflow {

namespace {

NumericalFlux choose_flux(const HamiltonJacobiProblem& problem, const ExplicitOptions& options) {
  const bool upwind = problem.kinetic->splitting() == Splitting::Upwind;
  if (!options.flux) {
    if (!upwind) return NumericalFlux::LocalLaxFriedrichs;
    return options.reconstruction == Reconstruction::FirstOrder ? NumericalFlux::EngquistOsher : NumericalFlux::Godunov;
  }
  if (!upwind && *options.flux != NumericalFlux::LocalLaxFriedrichs)
    throw InputError(fmt::format("the Hamiltonian '{}' has no upwind form: use the flux local_lax_friedrichs", problem.kinetic->name()));
  return *options.flux;
}

int stencil_width(const HamiltonJacobiProblem& problem, const ExplicitOptions& options) {
  const int width = options.reconstruction == Reconstruction::Weno5 ? 3 : 1;
  const SlabLayout& s = *problem.layout;
  for (int d = 0; d < s.dim(); ++d)
    if (s.grid().cells(d) < width) throw InputError(fmt::format("WENO5 needs at least 3 cells along {}, not {}", "xyz"[d], s.grid().cells(d)));
  return width;
}

/// Slopes of a row by WENO5 from u at shifts -3 .. 3.
void weno_slopes(int n, double scale, const std::array<const double*, 7>& u, double* __restrict above, double* __restrict below) {
  const double *m3 = u[0], *m2 = u[1], *m1 = u[2], *u0 = u[3], *p1 = u[4], *p2 = u[5], *p3 = u[6];
  for (int i = 0; i < n; ++i) {
    const double a = (m2[i] - m3[i]) * scale, b = (m1[i] - m2[i]) * scale, c = (u0[i] - m1[i]) * scale;
    const double e = (p1[i] - u0[i]) * scale, f = (p2[i] - p1[i]) * scale, g = (p3[i] - p2[i]) * scale;
    below[i] = weno5(a, b, c, e, f);
    above[i] = weno5(g, f, e, c, b);
  }
}

/// Drops the side whose value of Hh alone is smaller; the values are overwritten by the slopes that stay.
void keep_larger_side(int n, const double* up, const double* down, double* __restrict h_up, double* __restrict h_down) {
  for (int i = 0; i < n; ++i) {
    const bool keep_up = h_up[i] > h_down[i];
    h_up[i] = keep_up ? up[i] : 0.0;
    h_down[i] = keep_up ? 0.0 : down[i];
  }
}

}  // namespace

ExplicitScheme::ExplicitScheme(HamiltonJacobiProblem& problem, const ExplicitOptions& options)
    : problem_(&problem),
      options_(options),
      flux_(choose_flux(problem, options)),
      near_(problem.layout, stencil_width(problem, options)),
      right_(problem.layout),
      stage_(problem.layout),
      row_length_(static_cast<std::size_t>(problem.layout->dim() == 1 ? SlabLayout::row_limit : problem.layout->grid().cells(0))) {
  if (!(options.cfl > 0 && options.cfl <= 1)) throw InputError(fmt::format("the CFL number must be in (0, 1], not {}", options.cfl));
  if (problem.levels() != 1) throw InternalError("ExplicitScheme: the problem must have one time level");
  const int dim = problem.layout->dim();
  const int rows = 6 * dim + 4;
  scratch_.resize(static_cast<std::size_t>(rows) * row_length_);
  const auto row = [&](int index) { return scratch_.data() + static_cast<std::size_t>(index) * row_length_; };
  for (int j = 0; j < 2 * dim; ++j) slope_.push_back(row(j));
  for (int j = 2 * dim; j < rows; ++j) work_.push_back(row(j));
}

void ExplicitScheme::slopes(int n) {
  for (int d = 0; d < problem_->layout->dim(); ++d) {
    const double scale = 1 / problem_->layout->grid().spacing(d);
    double* __restrict above = slope_[static_cast<std::size_t>(2 * d)], * __restrict below = slope_[static_cast<std::size_t>(2 * d + 1)];
    const double *m1 = near_.at(d, -1), *u0 = near_.at(d, 0), *p1 = near_.at(d, 1);
    if (options_.reconstruction == Reconstruction::FirstOrder) {
      for (int i = 0; i < n; ++i) {
        above[i] = (p1[i] - u0[i]) * scale;
        below[i] = (u0[i] - m1[i]) * scale;
      }
      continue;
    }
    weno_slopes(n, scale, {near_.at(d, -3), near_.at(d, -2), m1, u0, p1, near_.at(d, 2), near_.at(d, 3)}, above, below);
  }
}

void ExplicitScheme::engquist_osher(const RowPoints& p, const double* const* q, double* s, double* speed) {
  const int slots = 2 * problem_->layout->dim();
  double* const* gradient = work_.data() + slots;
  problem_->kinetic->evaluate(p, q, s);
  if (!speed) return;
  problem_->kinetic->gradient(p, q, gradient);
  std::fill_n(speed, p.n, 0.0);
  for (int j = 0; j < slots; ++j) {
    const double scale = 1 / problem_->layout->grid().spacing(j / 2);
    for (int i = 0; i < p.n; ++i) speed[i] += std::fabs(gradient[j][i]) * scale;
  }
}

void ExplicitScheme::godunov(const RowPoints& p, double* s, double* speed) {
  // Hh with one slot alone, for every slot; then the smaller side of each axis is dropped.
  const std::size_t slots = 2 * static_cast<std::size_t>(problem_->layout->dim());
  double* zero = work_[slots];
  std::fill_n(zero, p.n, 0.0);
  std::array<const double*, 6> alone;
  for (std::size_t j = 0; j < slots; ++j) {
    alone.fill(zero);
    alone[j] = slope_[j];
    problem_->kinetic->evaluate(p, alone.data(), work_[j]);
  }
  for (std::size_t j = 0; j < slots; j += 2) keep_larger_side(p.n, slope_[j], slope_[j + 1], work_[j], work_[j + 1]);
  engquist_osher(p, work_.data(), s, speed);
}

void ExplicitScheme::lax_friedrichs(const RowPoints& p, double* s, double* speed) {
  // Local speeds: the largest |dH/dp_d| over the corners and the centre of the box spanned by the one-sided slopes.
  const std::size_t dim = static_cast<std::size_t>(problem_->layout->dim());
  double* const* alpha = work_.data();
  double* const* gradient = work_.data() + dim;
  double* const* mean = work_.data() + 2 * dim;
  std::array<const double*, 3> at{};
  const auto enlarge = [&](bool first) {
    problem_->kinetic->gradient_true(p, at.data(), gradient);
    for (std::size_t d = 0; d < dim; ++d)
      for (int i = 0; i < p.n; ++i) alpha[d][i] = first ? std::fabs(gradient[d][i]) : std::max(alpha[d][i], std::fabs(gradient[d][i]));
  };
  for (std::size_t corner = 0; corner < (std::size_t{1} << dim); ++corner) {
    for (std::size_t d = 0; d < dim; ++d) at[d] = slope_[2 * d + (corner >> d & 1)];
    enlarge(corner == 0);
  }
  for (std::size_t d = 0; d < dim; ++d) {
    for (int i = 0; i < p.n; ++i) mean[d][i] = 0.5 * (slope_[2 * d][i] + slope_[2 * d + 1][i]);
    at[d] = mean[d];
  }
  enlarge(false);
  problem_->kinetic->evaluate_true(p, at.data(), s);
  if (speed) std::fill_n(speed, p.n, 0.0);
  for (std::size_t d = 0; d < dim; ++d) {
    const double scale = 1 / problem_->layout->grid().spacing(static_cast<int>(d));
    const double *a = alpha[d], *up = slope_[2 * d], *down = slope_[2 * d + 1];
    for (int i = 0; i < p.n; ++i) s[i] -= 0.5 * a[i] * (up[i] - down[i]);
    if (!speed) continue;
    for (int i = 0; i < p.n; ++i) speed[i] += a[i] * scale;
  }
}

void ExplicitScheme::other_terms(const RowPoints& p, double* s, double* speed) const {
  const HamiltonJacobiProblem& problem = *problem_;
  const bool fourth = options_.reconstruction == Reconstruction::Weno5;
  for (int d = 0; d < problem.layout->dim(); ++d) {
    const double h = problem.layout->grid().spacing(d);
    if (!problem.drift.empty()) {
      const Tabulated& drift = problem.drift[static_cast<std::size_t>(d)];
      const double* b = drift.is_constant() ? nullptr : drift.row(p);
      const double *above = slope_[static_cast<std::size_t>(2 * d)], *below = slope_[static_cast<std::size_t>(2 * d + 1)];
      for (int i = 0; i < p.n; ++i) {
        const double v = b ? b[i] : drift.value();
        s[i] += std::max(v, 0.0) * below[i] + std::min(v, 0.0) * above[i];
        if (speed) speed[i] += std::fabs(v) / h;
      }
    }
    if (problem.eps == 0) continue;
    const double nu = problem.eps / (h * h);
    const double *m1 = near_.at(d, -1), *u0 = near_.at(d, 0), *p1 = near_.at(d, 1);
    if (fourth) {
      const double *m2 = near_.at(d, -2), *p2 = near_.at(d, 2);
      for (int i = 0; i < p.n; ++i) s[i] -= nu / 12 * (16 * ((p1[i] - u0[i]) - (u0[i] - m1[i])) - ((p2[i] - u0[i]) - (u0[i] - m2[i])));
    } else {
      for (int i = 0; i < p.n; ++i) s[i] -= nu * ((p1[i] - u0[i]) - (u0[i] - m1[i]));
    }
    // The fourth-order operator's largest eigenvalue is 4/3 of the second-order one's.
    for (int i = 0; i < p.n && speed; ++i) speed[i] += (fourth ? 8.0 / 3 : 2.0) * nu;
  }
  const double* f = problem.potential.is_constant() ? nullptr : problem.potential.row(p);
  for (int i = 0; i < p.n; ++i) s[i] += f ? f[i] : problem.potential.value();
}

double ExplicitScheme::rate(Field& u, int k, double t, bool speeds) {
  const SlabLayout& layout = *problem_->layout;
  if (t != problem_->times[0]) problem_->set_times({&t, 1});
  u.exchange_ghosts(k, k + 1);
  double *s = work_[work_.size() - 3], *speed = speeds ? work_[work_.size() - 2] : nullptr, *peak = work_[work_.size() - 1];
  std::fill_n(peak, row_length_, 0.0);
  int bad = 0;
  for (int r = 0; r < layout.rows(); ++r) {
    const RowPoints p = problem_->row(r, 0);
    near_.load(u.level(k), r);
    slopes(p.n);
    switch (flux_) {
      case NumericalFlux::EngquistOsher: engquist_osher(p, slope_.data(), s, speed); break;
      case NumericalFlux::Godunov: godunov(p, s, speed); break;
      case NumericalFlux::LocalLaxFriedrichs: lax_friedrichs(p, s, speed); break;
    }
    other_terms(p, s, speed);
    double* __restrict out = right_.level() + p.offset;
    for (int i = 0; i < p.n; ++i) out[i] = -s[i];
    if (!speeds) continue;
    for (int i = 0; i < p.n; ++i) {
      peak[i] = std::max(peak[i], speed[i]);
      bad += !(std::fabs(s[i]) <= std::numeric_limits<double>::max());
    }
  }
  if (!speeds) return 0;
  return global_max(layout.comm(), bad > 0 ? std::numeric_limits<double>::infinity() : *std::max_element(peak, peak + row_length_));
}

ExplicitReport ExplicitScheme::advance(Field& phi, int k, double from, double to) {
  ExplicitReport report;
  report.smallest_dt = to - from;
  const std::ptrdiff_t n = problem_->layout->owned();
  double *u = phi.level(k), *w = stage_.level();
  const double* f = right_.level();
  double t = from;
  while (t < to) {
    const double speed = rate(phi, k, t, true);
    if (!std::isfinite(speed)) throw DivergedError(fmt::format("explicit scheme: values are not finite at t = {:.6g} (step {})", t, report.steps));
    const double left = std::max(1.0, std::ceil((to - t) * speed / options_.cfl - 1e-12));
    const double dt = (to - t) / left;
    const double next = left > 1 ? t + dt : to;
    if (options_.reconstruction == Reconstruction::FirstOrder) {
      for (std::ptrdiff_t i = 0; i < n; ++i) u[i] += dt * f[i];
      report.stages += 1;
    } else {
      for (std::ptrdiff_t i = 0; i < n; ++i) w[i] = u[i] + dt * f[i];
      rate(stage_, 0, next, false);
      for (std::ptrdiff_t i = 0; i < n; ++i) w[i] = 0.75 * u[i] + 0.25 * (w[i] + dt * f[i]);
      rate(stage_, 0, t + dt / 2, false);
      for (std::ptrdiff_t i = 0; i < n; ++i) u[i] = (u[i] + 2 * (w[i] + dt * f[i])) / 3;
      report.stages += 3;
    }
    report.smallest_dt = std::min(report.smallest_dt, dt);
    ++report.steps;
    t = next;
  }
  if (!all_finite(phi)) throw DivergedError(fmt::format("explicit scheme: values are not finite at t = {:.6g}", to));
  return report;
}

}  // namespace wasserflow
