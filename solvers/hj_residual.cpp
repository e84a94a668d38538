#include "solvers/hj_residual.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "grids/reduce.hpp"

namespace wasserflow {

HjRowOperator::HjRowOperator(const HamiltonJacobiProblem& problem) : problem_(&problem), near_(problem.layout, 1) {
  const SlabLayout& s = *problem.layout;
  const int slots = problem.kinetic->slots(s.dim());
  const std::size_t n = static_cast<std::size_t>(s.dim() == 1 ? SlabLayout::row_limit : s.grid().cells(0));
  scratch_.resize(2 * static_cast<std::size_t>(slots) * n);
  for (int j = 0; j < slots; ++j) {
    q_.push_back(scratch_.data() + static_cast<std::size_t>(2 * j) * n);
    g_.push_back(scratch_.data() + static_cast<std::size_t>(2 * j + 1) * n);
  }
}

void HjRowOperator::load(const double* phi, int r, int level) {
  row_ = problem_->row(r, level);
  near_.load(phi, r);
  const bool upwind = problem_->kinetic->splitting() == Splitting::Upwind;
  for (int d = 0; d < problem_->layout->dim(); ++d) {
    const double h = problem_->layout->grid().spacing(d);
    const double *above = near_.at(d, 1), *here = near_.at(d, 0), *below = near_.at(d, -1);
    if (upwind) {
      double *up = q_[static_cast<std::size_t>(2 * d)], *down = q_[static_cast<std::size_t>(2 * d + 1)];
      for (int i = 0; i < row_.n; ++i) {
        up[i] = (above[i] - here[i]) / h;
        down[i] = (here[i] - below[i]) / h;
      }
    } else {
      double* q = q_[static_cast<std::size_t>(d)];
      for (int i = 0; i < row_.n; ++i) q[i] = (above[i] - below[i]) / (2 * h);
    }
  }
}

void HjRowOperator::value(double* s) {
  problem_->kinetic->evaluate(row_, q_.data(), s);
  const int n = row_.n;
  for (int d = 0; d < problem_->layout->dim(); ++d) {
    const double h = problem_->layout->grid().spacing(d);
    const double *above = near_.at(d, 1), *here = near_.at(d, 0), *below = near_.at(d, -1);
    const double nu = problem_->viscosity(d) / (h * h);
    if (nu != 0)
      for (int i = 0; i < n; ++i) s[i] -= nu * ((above[i] - here[i]) - (here[i] - below[i]));
    if (problem_->drift.empty()) continue;
    const Tabulated& drift = problem_->drift[static_cast<std::size_t>(d)];
    const double* b = drift.is_constant() ? nullptr : drift.row(row_);
    for (int i = 0; i < n; ++i) {
      const double v = b ? b[i] : drift.value();
      s[i] += (std::max(v, 0.0) * (here[i] - below[i]) + std::min(v, 0.0) * (above[i] - here[i])) / h;
    }
  }
  const Tabulated& potential = problem_->potential;
  const double* f = potential.is_constant() ? nullptr : potential.row(row_);
  for (int i = 0; i < n; ++i) s[i] += f ? f[i] : potential.value();
}

void HjRowOperator::derivative(double* const* plus, double* const* minus) {
  problem_->kinetic->gradient(row_, q_.data(), g_.data());
  const int n = row_.n;
  const bool upwind = problem_->kinetic->splitting() == Splitting::Upwind;
  for (int d = 0; d < problem_->layout->dim(); ++d) {
    const double h = problem_->layout->grid().spacing(d);
    const double nu = problem_->viscosity(d) / (h * h);
    const double* up = g_[static_cast<std::size_t>(upwind ? 2 * d : d)];
    const double* down = g_[static_cast<std::size_t>(upwind ? 2 * d + 1 : d)];
    const double weight = (upwind ? 1.0 : 0.5) / h;
    const Tabulated* drift = problem_->drift.empty() ? nullptr : &problem_->drift[static_cast<std::size_t>(d)];
    const double* b = !drift || drift->is_constant() ? nullptr : drift->row(row_);
    const double constant = drift && !b ? drift->value() : 0;
    for (int i = 0; i < n; ++i) {
      const double v = b ? b[i] : constant;
      plus[d][i] = weight * up[i] + std::min(v, 0.0) / h - nu;
      minus[d][i] = -weight * down[i] - std::max(v, 0.0) / h - nu;
    }
  }
}

void HjRowOperator::momentum_speed(double* const* speed) {
  problem_->kinetic->gradient(row_, q_.data(), g_.data());
  const bool upwind = problem_->kinetic->splitting() == Splitting::Upwind;
  for (int d = 0; d < problem_->layout->dim(); ++d) {
    const double* up = g_[static_cast<std::size_t>(upwind ? 2 * d : d)];
    const double* down = upwind ? g_[static_cast<std::size_t>(2 * d + 1)] : nullptr;
    for (int i = 0; i < row_.n; ++i) speed[d][i] = down ? up[i] + down[i] : up[i];
  }
}

ResidualNorms hj_residual(const HamiltonJacobiProblem& problem, const Field& before, int kb, Field& phi, int k, int level, Field* out, int ko) {
  const SlabLayout& s = *problem.layout;
  phi.exchange_ghosts(k, k + 1);
  HjRowOperator op(problem);
  std::vector<double> r(static_cast<std::size_t>(s.dim() == 1 ? SlabLayout::row_limit : s.grid().cells(0)));
  const double *now = phi.level(k), *old = before.level(kb);
  ExactSum sum;
  double largest = 0;
  for (int row = 0; row < s.rows(); ++row) {
    op.load(now, row, level);
    op.value(r.data());
    const RowPoints& p = op.points();
    double row_sum = 0;
    for (int i = 0; i < p.n; ++i) {
      r[static_cast<std::size_t>(i)] += (now[p.offset + i] - old[p.offset + i]) / problem.dt;
      const double a = std::fabs(r[static_cast<std::size_t>(i)]);
      largest = std::max(largest, a);
      row_sum += a;
      if (s.dim() == 1) sum += a;  // a row is cut by the slabs in 1-D: only point by point the bits stay the same
    }
    if (s.dim() > 1) sum += row_sum;
    if (out) std::copy_n(r.data(), p.n, out->level(ko) + p.offset);
  }
  ExactSum::reduce(s.comm(), {&sum, 1});
  ResidualNorms norms;
  norms.mean_abs = sum.value() / static_cast<double>(s.grid().size());
  norms.max_abs = global_max(s.comm(), largest);
  if (std::isnan(norms.mean_abs)) norms.max_abs = std::numeric_limits<double>::quiet_NaN();
  return norms;
}

}  // namespace wasserflow
