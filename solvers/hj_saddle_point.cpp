#include "solvers/hj_saddle_point.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "grids/reduce.hpp"
#include "grids/support/prefetch.hpp"

namespace wasserflow {
namespace {

std::size_t index(int i) { return static_cast<std::size_t>(i); }

std::ptrdiff_t stride(const Grid& grid, int d) {
  std::ptrdiff_t s = 1;
  for (int a = 0; a < d; ++a) s *= grid.cells(a);
  return s;
}

}  // namespace

HjSaddlePoint::HjSaddlePoint(const HamiltonJacobiProblem& problem, double kappa_squared, HjMeanFieldTerms terms)
    : problem_(problem),
      terms_(std::move(terms)),
      layout_(problem.layout),
      levels_(problem.levels()),
      dim_(layout_->dim()),
      slots_(problem.kinetic->slots(layout_->dim())),
      upwind_(problem.kinetic->splitting() == Splitting::Upwind),
      kappa2_(kappa_squared),
      phi_(layout_, levels_),
      work_(layout_, levels_),
      rho_(layout_, levels_),
      initial_(layout_) {
  for (int j = 0; j < slots_; ++j) m_.emplace_back(layout_, levels_);
  if (!problem.drift.empty())
    for (int d = 0; d < dim_; ++d) drift_.emplace_back(layout_, levels_);
  near_.emplace(layout_, 1);
  residual_row_.emplace(problem_);
  const std::size_t n = index(dim_ == 1 ? SlabLayout::row_limit : layout_->grid().cells(0)) + 8;
  const std::size_t rows = index(slots_ + 8);
  scratch_.resize(n * rows);
  for (std::size_t i = 0; i < rows; ++i) buffer_.push_back(scratch_.data() + i * n);
  rho_.fill(1);
  refresh();
}

void HjSaddlePoint::refresh() {
  plain_ = problem_.drift.empty();
  for (int d = 0; d < dim_; ++d) plain_ = plain_ && problem_.viscosity(d) == 0;
  for (std::size_t d = 0; d < drift_.size(); ++d) {
    const Tabulated& b = problem_.drift[d];
    for (int k = 0; k < levels_; ++k) {
      if (b.is_constant()) std::ranges::fill(drift_[d].owned(k), b.value());
      for (int r = 0; r < layout_->rows() && !b.is_constant(); ++r) {
        const RowPoints p = problem_.row(r, k);
        std::copy_n(b.row(p), p.n, drift_[d].level(k) + p.offset);
      }
    }
    drift_[d].exchange_ghosts();
  }
  set_kappa_squared(kappa2_);
}

void HjSaddlePoint::set_kappa_squared(double kappa_squared) {
  kappa2_ = kappa_squared;
  AxisSymbols viscosity, gradient;
  const SpectralTransform* known = preconditioner_ ? &preconditioner_->transform() : nullptr;
  for (int d = 0; d < dim_; ++d) {
    const Axis& axis = layout_->grid().axis(d);
    const int modes = known ? known->modes(d) : axis.cells;
    viscosity.axis[index(d)] = laplacian_symbol(axis, modes);
    for (double& v : viscosity.axis[index(d)]) v *= problem_.viscosity(d);
    gradient.axis[index(d)] = upwind_ ? laplacian_symbol(axis, modes) : central_difference_symbol(axis, modes);
    for (double& v : gradient.axis[index(d)]) v *= (upwind_ ? 2 : 1) * kappa2_;
  }
  // Planning is stated for the order of time; with its levels reversed (see apply_metric) the density that is not there is that of level 0.
  const TimeOperator time{problem_.dt, 1, terms_.planning ? TimeEnds::Planning : TimeEnds::InitialValue};
  if (known)
    preconditioner_->set(time, viscosity, gradient);
  else
    preconditioner_ = std::make_unique<SpectralPreconditioner>(layout_, levels_, time, viscosity, gradient);
}

std::vector<Field*> HjSaddlePoint::dual() {
  std::vector<Field*> y{&rho_};
  for (Field& m : m_) y.push_back(&m);
  return y;
}

double HjSaddlePoint::operator_norm_squared() {
  // |K x|_D^2 <= (1+e) |B x|^2 + (1 + 1/e) |b . D x|^2 + kappa^2 |q x|^2 for every e > 0, and b . D uses one slope an axis: |b . D x|^2 <= |b|^2 |D
  // x|^2. Upwind: |D x|^2 <= |q x|^2, and the best e makes both factors equal. Central slopes do not see the highest modes, but the artificial
  // viscosity does: |D x|^2 <= W^2 dt/(4 nu) |B x|^2. Extrapolated ends count one face difference three times where the metric counts it twice, and
  // there the metric's Laplacian sees a face difference that the scheme does not.
  double faces = 1, speed2 = 0, least_nu = problem_.viscosity(0);
  for (int d = 0; d < dim_; ++d) {
    const double nu = problem_.viscosity(d);
    least_nu = std::min(least_nu, nu);
    if (layout_->grid().axis(d).boundary == Boundary::Extrapolate) {
      faces = 1.5;
      speed2 += std::pow(nu / layout_->grid().spacing(d), 2);
    }
  }
  for (const Tabulated& b : problem_.drift) speed2 += std::pow(b.is_constant() ? std::fabs(b.value()) : b.max_abs(), 2);
  if (speed2 == 0) return faces;
  if (upwind_) {
    const double beta = speed2 / kappa2_;
    return faces + 0.5 * (beta + std::sqrt(beta * beta + 4 * beta));
  }
  const double beta = least_nu > 0 ? speed2 * problem_.dt * levels_ * levels_ / (4 * least_nu) : std::numeric_limits<double>::max();
  return faces * std::pow(1 + std::sqrt(beta), 2);
}

template <class F>
void HjSaddlePoint::for_rows(std::ptrdiff_t offset, int n, F&& f) const {
  if (dim_ > 1) {
    f(static_cast<int>(offset / n));
    return;
  }
  for (int r = static_cast<int>(offset / SlabLayout::row_limit); static_cast<std::ptrdiff_t>(r) * SlabLayout::row_limit < offset + n; ++r) f(r);
}

void HjSaddlePoint::exchange_dual(Field& rho, std::vector<Field>& m) {
  const int s = layout_->slow_axis();
  for (int j = upwind_ ? 2 * s : s; j < (upwind_ ? 2 * s + 2 : s + 1); ++j) m[index(j)].exchange_ghosts();
  if (!plain_) rho.exchange_ghosts();
}

const double* HjSaddlePoint::face_side(const Dual& y, int level, int d, bool high, std::ptrdiff_t at, int n, double* scratch) const {
  const double* m = y.m[upwind_ ? 2 * d + (high ? 0 : 1) : d].level(level) + at;
  if (upwind_ && plain_) return m;
  const double weight = upwind_ ? 1 : 0.5;
  const double nu = problem_.viscosity(d) / layout_->grid().spacing(d) * (high ? -1 : 1);
  const double* rho = y.rho->level(level) + at;
  if (drift_.empty()) {
    for (int i = 0; i < n; ++i) scratch[i] = weight * m[i] + nu * rho[i];
    return scratch;
  }
  const double* b = drift_[index(d)].level(level) + at;
  if (high)
    for (int i = 0; i < n; ++i) scratch[i] = weight * m[i] + (nu + std::min(b[i], 0.0)) * rho[i];
  else
    for (int i = 0; i < n; ++i) scratch[i] = weight * m[i] + (nu + std::max(b[i], 0.0)) * rho[i];
  return scratch;
}

/// Faces of the axis along the row (x; in 1-D the slow axis, whose neighbours stand in memory).
void HjSaddlePoint::add_faces_along_row(const Dual& y, const RowPoints& p, double* out) {
  const int level = p.level;
  const Axis& axis = layout_->grid().axis(0);
  const int n = p.n;
  const bool line = dim_ == 1;
  const std::ptrdiff_t first = line ? layout_->first() + p.offset : 0;  // global cell of out[0]
  // a[i] = A of cell i - 1 ... n, b alike: one cell more on both sides.
  double* a = buffer_[0] + 1;
  double* b = buffer_[1] + 1;
  double* face = buffer_[2];
  if (line) {
    const double* pa = face_side(y, level, 0, true, p.offset - 1, n + 2, a - 1);
    const double* pb = face_side(y, level, 0, false, p.offset - 1, n + 2, b - 1);
    if (pa != a - 1) std::copy_n(pa, n + 2, a - 1);
    if (pb != b - 1) std::copy_n(pb, n + 2, b - 1);
  } else {
    const double* pa = face_side(y, level, 0, true, p.offset, n, a);
    const double* pb = face_side(y, level, 0, false, p.offset, n, b);
    if (axis.boundary == Boundary::Periodic) {  // the same sums without the rows of faces
      const double w = 1 / axis.spacing();
      const auto face_at = [&](int f) { return pa[f > 0 ? f - 1 : n - 1] + pb[f < n ? f : 0]; };
      out[0] += w * (face_at(0) - face_at(1));
      for (int i = 1; i < n - 1; ++i) out[i] += w * ((pa[i - 1] + pb[i]) - (pa[i] + pb[i + 1]));
      if (n > 1) out[n - 1] += w * (face_at(n - 1) - face_at(n));
      return;
    }
    if (pa != a) std::copy_n(pa, n, a);
    if (pb != b) std::copy_n(pb, n, b);
    a[-1] = b[n] = 0;  // boundary faces are set below
  }
  for (int i = 0; i <= n; ++i) face[i] = a[i - 1] + b[i];
  if (axis.boundary != Boundary::Periodic) {
    const bool dirichlet = axis.boundary == Boundary::Dirichlet, fold = axis.boundary == Boundary::Extrapolate;
    const std::ptrdiff_t low = -first, high = axis.cells - first;  // where the boundary faces are
    if (fold) {
      if (low + 1 >= 0 && low + 1 <= n) face[low + 1] += b[low];
      if (high - 1 >= 0 && high - 1 <= n) face[high - 1] += a[high - 1];
    }
    if (low >= 0 && low <= n) face[low] = dirichlet ? 2 * b[low] : 0;
    if (high >= 0 && high <= n) face[high] = dirichlet ? 2 * a[high - 1] : 0;
  }
  const double w = 1 / axis.spacing();
  for (int i = 0; i < n; ++i) out[i] += w * (face[i] - face[i + 1]);
}

/// Faces of an axis across rows: y in 3-D (neighbours in the slab), or the slow axis (neighbours may be ghosts).
void HjSaddlePoint::add_faces(const Dual& y, const RowPoints& p, int r, int d, double* out) {
  const int level = p.level;
  const Axis& axis = layout_->grid().axis(d);
  const int n = p.n, cells = axis.cells;
  const bool slow = d == layout_->slow_axis();
  const std::ptrdiff_t step = stride(layout_->grid(), d);
  const int j = slow ? layout_->first() + static_cast<int>(p.offset / layout_->plane()) : r % cells;
  const double w = 1 / axis.spacing();
  const bool periodic = axis.boundary == Boundary::Periodic;
  // Offset of the row at cell c of this axis; the slow axis wraps through its ghosts.
  const auto at = [&](int c) { return p.offset + ((slow ? c : (c + cells) % cells) - j) * step; };

  const bool interior = periodic || (j > 1 && j + 2 < cells);
  if (interior) {
    const double* below = face_side(y, level, d, true, at(j - 1), n, buffer_[0]);
    const double* above = face_side(y, level, d, false, at(j + 1), n, buffer_[1]);
    const double* a = face_side(y, level, d, true, p.offset, n, buffer_[2]);
    const double* b = face_side(y, level, d, false, p.offset, n, buffer_[3]);
    for (int i = 0; i < n; ++i) out[i] += w * ((below[i] + b[i]) - (a[i] + above[i]));
    return;
  }
  const auto add = [&](bool high, int cell, double factor) {
    const double* v = face_side(y, level, d, high, at(cell), n, buffer_[0]);
    for (int i = 0; i < n; ++i) out[i] += factor * v[i];
  };
  const bool dirichlet = axis.boundary == Boundary::Dirichlet, fold = axis.boundary == Boundary::Extrapolate;
  const auto add_face = [&](int f, double factor) {
    if (f == 0) {
      if (dirichlet) add(false, 0, 2 * factor);
    } else if (f == cells) {
      if (dirichlet) add(true, cells - 1, 2 * factor);
    } else {
      add(true, f - 1, factor);
      add(false, f, factor);
      if (fold && f == 1) add(false, 0, factor);
      if (fold && f == cells - 1) add(true, cells - 1, factor);
    }
  };
  add_face(j, w);
  add_face(j + 1, -w);
}

void HjSaddlePoint::adjoint_row(const Dual& y, const RowPoints& p, int r, double* out) {
  const int level = p.level;
  if (dim_ > 1) {
    prefetch_row(y.rho->level(level) + p.offset + p.n, p.n);
    if (level + 1 < levels_) prefetch_row(y.rho->level(level + 1) + p.offset + p.n, p.n);
    for (int j = 0; j < slots_; ++j) {
      const int d = upwind_ ? j / 2 : j;
      const bool above = d > 0 && (!upwind_ || j % 2 == 1);  // read at the next row along its axis before
      const std::ptrdiff_t ahead = !above ? 0 : d == layout_->slow_axis() ? layout_->plane() : p.n;
      prefetch_row(y.m[j].level(level) + p.offset + p.n + ahead, p.n);
    }
  }
  const double* rho = y.rho->level(level) + p.offset;
  const double rate = 1 / problem_.dt;
  if (level + 1 < levels_) {
    const double* next = y.rho->level(level + 1) + p.offset;
    for (int i = 0; i < p.n; ++i) out[i] = rate * (rho[i] - next[i]);
  } else {
    for (int i = 0; i < p.n; ++i) out[i] = rate * rho[i];
  }
  add_faces_along_row(y, p, out);
  for (int d = 1; d < dim_; ++d) add_faces(y, p, r, d, out);
}

void HjSaddlePoint::add_operator_row(const Field& x, const double* before, int level, int r, double s0, double sm, double* u0, double* const* u) {
  add_operator_row(x, before, problem_.row(r, level), r, s0, sm, u0, u, u0, u);
}

void HjSaddlePoint::add_operator_row(const Field& x, const double* before, const RowPoints& p, int r, double s0, double sm, const double* base0,
                                     const double* const* base, double* u0, double* const* u) {
  const int n = p.n, level = p.level;
  near_->load(x.level(level), r);
  const double* here = near_->at(0, 0);
  const double rate = s0 / problem_.dt;
  // Results stand where the bases do, or in other rows.
  if (before) {
    const double* old = before + p.offset;
#pragma GCC ivdep
    for (int i = 0; i < n; ++i) u0[i] = base0[i] + rate * (here[i] - old[i]);
  } else {
#pragma GCC ivdep
    for (int i = 0; i < n; ++i) u0[i] = base0[i] + rate * here[i];
  }
  for (int d = 0; d < dim_; ++d) {
    const double h = layout_->grid().spacing(d);
    const double *above = near_->at(d, 1), *mid = near_->at(d, 0), *below = near_->at(d, -1);
    if (upwind_) {
      const double *up0 = base[2 * d], *down0 = base[2 * d + 1];
      double *up = u[2 * d], *down = u[2 * d + 1];
      const double w = sm / h;
#pragma GCC ivdep
      for (int i = 0; i < n; ++i) {
        up[i] = up0[i] + w * (above[i] - mid[i]);
        down[i] = down0[i] + w * (mid[i] - below[i]);
      }
    } else {
      const double* q0 = base[d];
      double* q = u[d];
      const double w = sm / (2 * h);
#pragma GCC ivdep
      for (int i = 0; i < n; ++i) q[i] = q0[i] + w * (above[i] - below[i]);
    }
    if (plain_) continue;
    const double nu = s0 * problem_.viscosity(d) / (h * h);
    if (nu != 0)
      for (int i = 0; i < n; ++i) u0[i] -= nu * ((above[i] - mid[i]) - (mid[i] - below[i]));
    if (drift_.empty()) continue;
    const double* b = drift_[index(d)].level(level) + p.offset;
    const double w = s0 / h;
    for (int i = 0; i < n; ++i) u0[i] += w * (std::max(b[i], 0.0) * (mid[i] - below[i]) + std::min(b[i], 0.0) * (above[i] - mid[i]));
  }
}

void HjSaddlePoint::negative_gradient_row(const Dual& y, const RowPoints& p, int r, double* out) {
  const int level = p.level;
  adjoint_row(y, p, r, out);
  const double load = 1 / problem_.dt;
  if (level + 1 == levels_ && terms_.initial_density) {
    const double* weight = terms_.initial_density.level() + p.offset;
    for (int i = 0; i < p.n; ++i) out[i] = load * weight[i] - out[i];
    return;
  }
  const double c = level + 1 == levels_ ? load : 0;
  for (int i = 0; i < p.n; ++i) out[i] = c - out[i];
}

void HjSaddlePoint::apply_metric(const SpectralTransform::Source& source, const SpectralTransform::Sink& sink) {
  if (!terms_.planning) return preconditioner_->apply(source, sink);
  const int last = levels_ - 1;
  preconditioner_->apply([&](int level, std::ptrdiff_t offset, int n, double* row) { source(last - level, offset, n, row); },
                         [&](int level, std::ptrdiff_t offset, int n, const double* row) { sink(last - level, offset, n, row); });
}

void HjSaddlePoint::primal_step(double tau, double relaxation) {
  exchange_dual(rho_, m_);
  const Dual y{&rho_, m_.data()};
  const double move = relaxation * tau, ahead = (2 - relaxation) * tau;
  apply_metric(
      [&](int level, std::ptrdiff_t offset, int n, double* row) {
        for_rows(offset, n, [&](int r) {
          const RowPoints p = problem_.row(r, level);
          negative_gradient_row(y, p, r, row + (p.offset - offset));
        });
      },
      [&](int level, std::ptrdiff_t offset, int n, const double* d) {
        double* phi = phi_.level(level) + offset;
        double* work = work_.level(level) + offset;
        prefetch_row(phi + n, n);
        prefetch_row(work + n, n);
        for (int i = 0; i < n; ++i) {
          phi[i] += move * d[i];
          work[i] = phi[i] + ahead * d[i];
        }
      });
}

double HjSaddlePoint::dual_step(double sigma, double relaxation, bool measure) {
  work_.exchange_ghosts();
  const double sigma_m = kappa2_ * sigma;
  // Condat 2013, theorem 3.1: 1 / sigma - tau |K|^2 is to be at least lipschitz / (2 (2 - relaxation)).
  if (terms_.gradient) sigma = 1 / (1 / sigma + 0.5 * terms_.lipschitz / (2 - relaxation));
  const bool keep = measure || relaxation != 1;
  std::vector<double*>& u = buffer_;  // u[0] ... slots: rows of the new duals when the old ones are needed
  std::vector<double*> m(index(slots_));
  ExactSum movement;
  for (int k = 0; k < levels_; ++k) {
    const double* before = k > 0 ? work_.level(k - 1) : initial_.level();
    for (int r = 0; r < layout_->rows(); ++r) {
      const RowPoints p = problem_.row(r, k);
      const int n = p.n;
      double* rho = rho_.level(k) + p.offset;
      for (int j = 0; j < slots_; ++j) m[index(j)] = m_[index(j)].level(k) + p.offset;
      if (dim_ > 1) {
        prefetch_row(rho + n, n);
        for (int j = 0; j < slots_; ++j) prefetch_row(m[index(j)] + n, n);
        prefetch_row(work_.level(k) + p.offset + n + layout_->plane(), n);
        prefetch_row(before + p.offset + n, n);
      }
      double* u0 = keep ? u[0] : rho;
      double* const* um = keep ? u.data() + 1 : m.data();
      const double* base = rho;
      if (const Tabulated& f = problem_.potential; !f.is_constant()) {
        const double* v = f.row(p);
        for (int i = 0; i < n; ++i) u0[i] = rho[i] + sigma * v[i];
        base = u0;
      } else if (f.value() != 0) {
        for (int i = 0; i < n; ++i) u0[i] = rho[i] + sigma * f.value();
        base = u0;
      }
      if (terms_.gradient) {
        const double* g = terms_.gradient->level(k) + p.offset;
        for (int i = 0; i < n; ++i) u0[i] = base[i] - sigma * g[i];
        base = u0;
      }
      add_operator_row(work_, before, p, r, sigma, sigma_m, base, m.data(), u0, um);
      problem_.kinetic->prox(p, sigma, sigma_m, u0, um);
      if (!keep) continue;
      if (measure) {
        double* square = buffer_[index(slots_ + 1)];
        for (int i = 0; i < n; ++i) square[i] = (u0[i] - rho[i]) * (u0[i] - rho[i]);
        for (int j = 0; j < slots_; ++j)
          for (int i = 0; i < n; ++i) square[i] += (um[j][i] - m[index(j)][i]) * (um[j][i] - m[index(j)][i]) / kappa2_;
        add_row(movement, *layout_, square, n);
      }
      if (relaxation == 1) {  // the result of the map itself: exactly zero and feasible where it is
        std::copy_n(u0, n, rho);
        for (int j = 0; j < slots_; ++j) std::copy_n(um[j], n, m[index(j)]);
        continue;
      }
      for (int i = 0; i < n; ++i) rho[i] += relaxation * (u0[i] - rho[i]);
      for (int j = 0; j < slots_; ++j)
        for (int i = 0; i < n; ++i) m[index(j)][i] += relaxation * (um[j][i] - m[index(j)][i]);
    }
  }
  if (!measure) return 0;
  ExactSum::reduce(layout_->comm(), {&movement, 1});
  return std::sqrt(movement.value());
}

double HjSaddlePoint::primal_error(double tau, double relaxation) {
  const Dual y{&rho_, m_.data()};
  ExactSum sum;
  const double inverse = 1 / ((2 - relaxation) * tau);
  double* g = buffer_[4];
  for (int k = 0; k < levels_; ++k)
    for (int r = 0; r < layout_->rows(); ++r) {
      const RowPoints p = problem_.row(r, k);
      negative_gradient_row(y, p, r, g);
      const double *phi = phi_.level(k) + p.offset, *work = work_.level(k) + p.offset;
      for (int i = 0; i < p.n; ++i) g[i] = g[i] * (work[i] - phi[i]) * inverse;
      add_row(sum, *layout_, g, p.n);
    }
  ExactSum::reduce(layout_->comm(), {&sum, 1});
  return std::sqrt(std::max(sum.value(), 0.0));
}

void HjSaddlePoint::scale_extrapolation(double factor) {
  for (int k = 0; k < levels_; ++k) {
    const double* phi = phi_.level(k);
    double* work = work_.level(k);
    for (std::ptrdiff_t i = 0; i < layout_->owned(); ++i) work[i] = phi[i] + factor * (work[i] - phi[i]);
  }
}

double HjSaddlePoint::adjoint_distance(const std::vector<Field>& other) {
  exchange_dual(rho_, m_);
  std::vector<Field>& y = const_cast<std::vector<Field>&>(other);  // its ghosts only
  const int s = layout_->slow_axis();
  for (int j = upwind_ ? 2 * s : s; j < (upwind_ ? 2 * s + 2 : s + 1); ++j) y[index(j + 1)].exchange_ghosts();
  if (!plain_) y[0].exchange_ghosts();
  const Dual now{&rho_, m_.data()}, then{&other[0], other.data() + 1};
  const auto difference = [&](int level, int r, double* out) {
    double* old = buffer_[5];
    const RowPoints p = problem_.row(r, level);
    adjoint_row(now, p, r, out);
    adjoint_row(then, p, r, old);
    for (int i = 0; i < p.n; ++i) out[i] -= old[i];
  };
  ExactSum sum;
  apply_metric([&](int level, std::ptrdiff_t offset, int n,
                   double* row) { for_rows(offset, n, [&](int r) { difference(level, r, row + (problem_.row(r, level).offset - offset)); }); },
               [&](int level, std::ptrdiff_t offset, int n, const double* d) {
                 for_rows(offset, n, [&](int r) {
                   const RowPoints p = problem_.row(r, level);
                   double* g = buffer_[4];
                   difference(level, r, g);
                   for (int i = 0; i < p.n; ++i) g[i] *= d[p.offset - offset + i];
                   add_row(sum, *layout_, g, p.n);
                 });
               });
  ExactSum::reduce(layout_->comm(), {&sum, 1});
  return std::sqrt(std::max(sum.value(), 0.0));
}

double HjSaddlePoint::dual_distance(const std::vector<Field>& other) {
  ExactSum sum;
  double* square = buffer_[0];
  for (int k = 0; k < levels_; ++k)
    for (int r = 0; r < layout_->rows(); ++r) {
      const RowPoints p = problem_.row(r, k);
      const double *a = rho_.level(k) + p.offset, *b = other[0].level(k) + p.offset;
      for (int i = 0; i < p.n; ++i) square[i] = (a[i] - b[i]) * (a[i] - b[i]);
      for (int j = 0; j < slots_; ++j) {
        const double *v = m_[index(j)].level(k) + p.offset, *w = other[index(j + 1)].level(k) + p.offset;
        for (int i = 0; i < p.n; ++i) square[i] += (v[i] - w[i]) * (v[i] - w[i]) / kappa2_;
      }
      add_row(sum, *layout_, square, p.n);
    }
  ExactSum::reduce(layout_->comm(), {&sum, 1});
  return std::sqrt(sum.value());
}

double HjSaddlePoint::continuity_residual() {
  exchange_dual(rho_, m_);
  const Dual y{&rho_, m_.data()};
  ExactSum sum;
  apply_metric(
      [&](int level, std::ptrdiff_t offset, int n, double* row) {
        for_rows(offset, n, [&](int r) {
          const RowPoints p = problem_.row(r, level);
          negative_gradient_row(y, p, r, row + (p.offset - offset));
        });
      },
      [&](int level, std::ptrdiff_t offset, int n, const double* d) {
        std::copy_n(d, n, work_.level(level) + offset);
        for_rows(offset, n, [&](int r) {
          const RowPoints p = problem_.row(r, level);
          double* g = buffer_[4];
          negative_gradient_row(y, p, r, g);
          for (int i = 0; i < p.n; ++i) g[i] *= d[p.offset - offset + i];
          add_row(sum, *layout_, g, p.n);
        });
      });
  ExactSum::reduce(layout_->comm(), {&sum, 1});
  return std::sqrt(std::max(sum.value(), 0.0));
}

std::vector<Residual> HjSaddlePoint::residuals() {
  phi_.exchange_ghosts();
  std::array<ExactSum, 2> sums;
  double largest = 0;
  double *value = buffer_[0], *rate = buffer_[1];
  for (int k = 0; k < levels_; ++k) {
    const double* before = k > 0 ? phi_.level(k - 1) : initial_.level();
    for (int r = 0; r < layout_->rows(); ++r) {
      residual_row_->load(phi_.level(k), r, k);
      residual_row_->value(value);
      const RowPoints& p = residual_row_->points();
      const double* phi = phi_.level(k) + p.offset;
      for (int i = 0; i < p.n; ++i) {
        const double slope = (phi[i] - before[p.offset + i]) / problem_.dt;
        value[i] = std::fabs(slope + value[i]);
        rate[i] = std::fabs(slope);
      }
      for (int i = 0; i < p.n; ++i) largest = std::max(largest, value[i]);
      add_row(sums[0], *layout_, value, p.n);
      add_row(sums[1], *layout_, rate, p.n);
    }
  }
  ExactSum::reduce(layout_->comm(), sums);
  max_residual_ = global_max(layout_->comm(), largest);
  const double points = static_cast<double>(layout_->grid().size()) * levels_;
  return {{"mean_abs", sums[0].value() / points, sums[1].value() / points}};
}

void HjSaddlePoint::momenta_from_policy() {
  phi_.exchange_ghosts();
  std::vector<double*> q(index(slots_)), g(index(slots_));
  for (int k = 0; k < levels_; ++k)
    for (int r = 0; r < layout_->rows(); ++r) {
      const RowPoints p = problem_.row(r, k);
      for (int j = 0; j < slots_; ++j) {
        q[index(j)] = buffer_[index(j + 1)];
        g[index(j)] = m_[index(j)].level(k) + p.offset;
        std::fill_n(q[index(j)], p.n, 0.0);
      }
      std::fill_n(buffer_[0], p.n, 0.0);
      add_operator_row(phi_, nullptr, k, r, 0, 1, buffer_[0], q.data());
      problem_.kinetic->gradient(p, q.data(), g.data());
      const double* rho = rho_.level(k) + p.offset;
      for (int j = 0; j < slots_; ++j)
        for (int i = 0; i < p.n; ++i) g[index(j)][i] *= rho[i];
    }
}

HjSaddlePoint::Scales HjSaddlePoint::scales() {
  Field phi = initial_.clone();
  phi.exchange_ghosts();
  std::array<ExactSum, 2> sums;
  std::vector<double*> q(index(slots_)), g(index(slots_));
  std::vector<double> slopes(index(slots_) * 2 * (index(dim_ == 1 ? SlabLayout::row_limit : layout_->grid().cells(0))));
  const std::size_t width = slopes.size() / (2 * index(slots_));
  for (int j = 0; j < slots_; ++j) {
    q[index(j)] = slopes.data() + index(2 * j) * width;
    g[index(j)] = slopes.data() + index(2 * j + 1) * width;
  }
  double *value = buffer_[0], *speed = buffer_[1];
  for (int r = 0; r < layout_->rows(); ++r) {
    const RowPoints p = problem_.row(r, 0);
    std::fill(slopes.begin(), slopes.end(), 0.0);
    std::fill_n(speed, p.n, 0.0);
    add_operator_row(phi, nullptr, 0, r, 0, 1, speed, q.data());
    problem_.kinetic->evaluate(p, q.data(), value);
    problem_.kinetic->gradient(p, q.data(), g.data());
    for (int i = 0; i < p.n; ++i) {
      value[i] = std::fabs(value[i]);
      speed[i] = 0;
      for (int j = 0; j < slots_; ++j) speed[i] += std::fabs(g[index(j)][i]) / dim_;
      for (const Field& b : drift_) speed[i] += std::fabs(b.level()[p.offset + i]) / dim_;
    }
    add_row(sums[0], *layout_, value, p.n);
    add_row(sums[1], *layout_, speed, p.n);
  }
  ExactSum::reduce(layout_->comm(), sums);
  const double points = static_cast<double>(layout_->grid().size());
  return {sums[0].value() / points, sums[1].value() / points};
}

void HjSaddlePoint::apply(const Field& x, Field& y_rho, std::vector<Field>& y_m) {
  Field& ghosts = const_cast<Field&>(x);  // its ghosts only
  ghosts.exchange_ghosts();
  std::vector<double*> u(index(slots_));
  y_rho.fill(0);
  for (Field& m : y_m) m.fill(0);
  for (int k = 0; k < levels_; ++k)
    for (int r = 0; r < layout_->rows(); ++r) {
      const RowPoints p = problem_.row(r, k);
      for (int j = 0; j < slots_; ++j) u[index(j)] = y_m[index(j)].level(k) + p.offset;
      add_operator_row(x, k > 0 ? x.level(k - 1) : nullptr, k, r, 1, 1, y_rho.level(k) + p.offset, u.data());
    }
}

void HjSaddlePoint::apply_adjoint(const Field& y_rho, const std::vector<Field>& y_m, Field& x) {
  exchange_dual(const_cast<Field&>(y_rho), const_cast<std::vector<Field>&>(y_m));
  const Dual y{&y_rho, y_m.data()};
  for (int k = 0; k < levels_; ++k)
    for (int r = 0; r < layout_->rows(); ++r) {
      const RowPoints p = problem_.row(r, k);
      adjoint_row(y, p, r, x.level(k) + p.offset);
    }
}

}  // namespace wasserflow
