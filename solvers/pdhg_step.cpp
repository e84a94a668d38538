#include "solvers/pdhg_step.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

namespace wasserflow {

double pdhg_rate(const SingularRange& range, const PdhgStepParameters& p) {
  const double rho = 1 / (1 + p.eps * p.tau_p), tau = p.tau_p * p.tau_u;
  double worst = 0;
  constexpr int samples = 1000;
  for (int i = 0; i <= samples; ++i) {
    const double s = range.smallest * std::pow(range.largest / range.smallest, static_cast<double>(i) / samples);
    const double half_trace = (rho + 1 - rho * tau * (1 + p.omega) * s * s) / 2, determinant = rho * (1 - p.omega * tau * s * s);
    const double d = half_trace * half_trace - determinant;
    worst = std::max(worst, d < 0 ? std::sqrt(determinant) : std::fabs(half_trace) + std::sqrt(d));
  }
  return worst;
}

PdhgStepParameters optimal_pdhg_parameters(const SingularRange& range) {
  const double sum = range.largest + range.smallest, rate = std::max(0.01, (range.largest - range.smallest) / sum);
  const double rho = rate * rate;
  PdhgStepParameters p;
  p.omega = 0;
  p.tau_p = 1;  // scales P, and nothing else
  p.eps = 1 / rho - 1;
  p.tau_u = 4 / (sum * sum * rho);
  return p;
}

void StepSaddlePoint::start(StepSystem& system, Field& U, double eps, double omega) {
  system_ = &system;
  u_ = &U;
  eps_ = eps;
  omega_ = omega;
  evaluated_ = false;
  if (!p_ || p_.layout_ptr() != system.layout() || p_.levels() != system.levels()) {
    p_ = system.make_field();
    f_ = system.make_field();
    ahead_ = Field();
    row_.resize(static_cast<std::size_t>(system.layout()->dim() == 1 ? SlabLayout::row_limit : system.layout()->grid().cells(0)));
  } else {
    p_.fill(0);
  }
  if (omega != 0 && !ahead_) ahead_ = system.make_field();
}

std::vector<Residual> StepSaddlePoint::residuals() {
  const double worst = system_->residual(*u_, f_);
  evaluated_ = true;
  return {{"max_F_over_tau", worst, 1}};
}

void StepSaddlePoint::primal_step(double tau, double) {
  if (!evaluated_) static_cast<void>(residuals());
  evaluated_ = false;
  const double scale = 1 / (1 + tau * eps_);
  const auto sink = [&](int level, std::ptrdiff_t offset, int n, const double* row) {
    double* p = p_.level(level) + offset;
    if (omega_ == 0) {
      for (int i = 0; i < n; ++i) p[i] = (p[i] + tau * row[i]) * scale;
      return;
    }
    double* ahead = ahead_.level(level) + offset;
    for (int i = 0; i < n; ++i) {
      const double next = (p[i] + tau * row[i]) * scale;
      ahead[i] = next + omega_ * (next - p[i]);
      p[i] = next;
    }
  };
  system_->preconditioner().apply(SpectralTransform::from(f_), sink, ImplicitPreconditioner::Kind::Normal);
}

double StepSaddlePoint::dual_step(double sigma, double, bool) {
  system_->prepare_adjoint(omega_ == 0 ? p_ : ahead_);
  const SlabLayout& layout = *system_->layout();
  // To the storage of F(U): rows of the adjoint look at their neighbours in U.
  for (int level = 0; level < system_->levels(); ++level) {
    const double* u = u_->level(level);
    double* next = f_.level(level);
    for (int r = 0; r < layout.rows(); ++r) {
      const RowPoints p = layout.row(r);
      system_->adjoint_rows(level, p.offset, p.n, row_.data());
      for (int i = 0; i < p.n; ++i) next[p.offset + i] = u[p.offset + i] - sigma * row_[static_cast<std::size_t>(i)];
    }
  }
  std::swap(*u_, f_);
  return 0;
}

}  // namespace wasserflow
