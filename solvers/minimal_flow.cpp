#include "solvers/minimal_flow.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "grids/reduce.hpp"
#include "grids/support/errors.hpp"
#include "solvers/feasible_mixture.hpp"
#include "solvers/grid_transfer.hpp"

namespace wasserflow {
namespace {

constexpr int lanes = 8;

/// Sums and maxima in lanes: loops that vectorise and have one order on every machine.
double lane_sum(const double* v, int n) {
  std::array<double, lanes> part{};
  int i = 0;
  for (; i + lanes <= n; i += lanes)
    for (int k = 0; k < lanes; ++k) part[static_cast<std::size_t>(k)] += v[i + k];
  for (; i < n; ++i) part[0] += v[i];
  return ((part[0] + part[1]) + (part[2] + part[3])) + ((part[4] + part[5]) + (part[6] + part[7]));
}

double lane_max(const double* v, int n) {
  std::array<double, lanes> part{};
  int i = 0;
  for (; i + lanes <= n; i += lanes)
    for (int k = 0; k < lanes; ++k)
      part[static_cast<std::size_t>(k)] = part[static_cast<std::size_t>(k)] < v[i + k] ? v[i + k] : part[static_cast<std::size_t>(k)];
  for (; i < n; ++i) part[0] = std::max(part[0], v[i]);
  return *std::max_element(part.begin(), part.end());
}

/// Weights of the values at i - 1, i, i + 1 along an axis.
using Weights = std::array<double, 3>;

Weights mean_at(bool face) { return face ? Weights{0, 0.5, 0.5} : Weights{0, 1, 0}; }
Weights difference_at(bool face, double over_h) { return face ? Weights{0, -over_h, over_h} : Weights{-0.5 * over_h, 0, 0.5 * over_h}; }

/// Rows around a row, [z][y], and the sum of them with tensor weights; in 1-D there is one row, in 2-D the rows of the slow axis are y.
using RowBlock = std::array<const double*, 9>;

void combine(const RowBlock& rows, int dim, const Weights& y, const Weights& z, int n, double* __restrict out) {
  std::array<const double*, 9> row{};
  std::array<double, 9> weight{};
  int count = 0;
  for (std::size_t c = 0; c < 3; ++c)
    for (std::size_t b = 0; b < 3; ++b) {
      const double w = (dim > 1 ? y[b] : b == 1 ? 1.0 : 0.0) * (dim > 2 ? z[c] : c == 1 ? 1.0 : 0.0);
      if (w == 0) continue;
      row[static_cast<std::size_t>(count)] = rows[3 * c + b];
      weight[static_cast<std::size_t>(count++)] = w;
    }
  const double *a = row[0], *b = row[1];
  const double wa = weight[0], wb = weight[1];
  if (count == 1)
    for (int i = 0; i < n; ++i) out[i] = wa * a[i];
  else
    for (int i = 0; i < n; ++i) out[i] = wa * a[i] + wb * b[i];
  for (std::size_t k = 2; k + 1 < static_cast<std::size_t>(count); k += 2) {
    const double *c = row[k], *d = row[k + 1];
    const double wc = weight[k], wd = weight[k + 1];
    for (int i = 0; i < n; ++i) out[i] += wc * c[i] + wd * d[i];
  }
  if (count > 1 && count % 2 == 1) {
    const double* c = row[static_cast<std::size_t>(count - 1)];
    const double wc = weight[static_cast<std::size_t>(count - 1)];
    for (int i = 0; i < n; ++i) out[i] += wc * c[i];
  }
}

/// Rows along x, padded by one value at both ends, that a vector of gradients is made of: means along the other axes, and the difference along
/// axis k with means along the rest.
struct GradientRows {
  const double *mean, *difference1, *difference2;
  double over_h;
};

template <int D, bool face>
inline void gradient_at(const GradientRows& r, int i, double* q) {
  q[0] = face ? (r.mean[i + 1] - r.mean[i]) * r.over_h : (r.mean[i + 1] - r.mean[i - 1]) * (0.5 * r.over_h);
  if constexpr (D > 1) q[1] = face ? 0.5 * (r.difference1[i] + r.difference1[i + 1]) : r.difference1[i];
  if constexpr (D > 2) q[2] = face ? 0.5 * (r.difference2[i] + r.difference2[i + 1]) : r.difference2[i];
}

/// mu^ = w - sigma proj(w / sigma), w = mu + sigma R D u; relaxed.
template <int D, GroundNorm N, bool face>
void step_row(int n, const GradientRows& rows, const std::array<double*, 3>& mu, double sigma, double relaxation) {
  double *m0 = mu[0], *m1 = mu[D > 1 ? 1 : 0], *m2 = mu[D > 2 ? 2 : 0];
  const double over = 1 / sigma;
#pragma GCC ivdep
  for (int i = 0; i < n; ++i) {
    double q[3], w[3];
    gradient_at<D, face>(rows, i, q);
    w[0] = q[0] += m0[i] * over;
    if constexpr (D > 1) w[1] = q[1] += m1[i] * over;
    if constexpr (D > 2) w[2] = q[2] += m2[i] * over;
    project_ball<D, N>(q);
    m0[i] += relaxation * (sigma * (w[0] - q[0]) - m0[i]);
    if constexpr (D > 1) m1[i] += relaxation * (sigma * (w[1] - q[1]) - m1[i]);
    if constexpr (D > 2) m2[i] += relaxation * (sigma * (w[2] - q[2]) - m2[i]);
  }
}

template <int D, GroundNorm N, bool face>
void slopes(int n, const GradientRows& rows, double* out) {
  for (int i = 0; i < n; ++i) {
    double q[3];
    gradient_at<D, face>(rows, i, q);
    out[i] = length<D, dual_of(N)>(q);
  }
}

template <int D, GroundNorm N>
void lengths(int n, const std::array<const double*, 3>& v, double* out) {
  const double *v0 = v[0], *v1 = v[D > 1 ? 1 : 0], *v2 = v[D > 2 ? 2 : 0];
  for (int i = 0; i < n; ++i) {
    const double a[3] = {v0[i], D > 1 ? v1[i] : 0, D > 2 ? v2[i] : 0};
    out[i] = length<D, N>(a);
  }
}

/// Offset of the neighbour along the middle axis (3-D) or the slow one, from a row; cells mirror at walls, faces find the wall's 0 in the last one.
std::ptrdiff_t neighbour(const SlabLayout& layout, int axis, std::ptrdiff_t offset, int step, bool faces) {
  if (axis == layout.slow_axis()) return step * layout.plane();
  const std::ptrdiff_t nx = layout.grid().cells(0), ny = layout.grid().cells(1), j = offset / nx % ny + step;
  if (j >= 0 && j < ny) return step * nx;
  if (layout.grid().axis(1).boundary == Boundary::Periodic || (faces && j < 0)) return -step * (ny - 1) * nx;
  return 0;
}

RowBlock block(const SlabLayout& layout, const double* u, std::ptrdiff_t offset) {
  RowBlock rows{};
  for (int c = -1; c <= 1; ++c)
    for (int b = -1; b <= 1; ++b) {
      std::ptrdiff_t at = offset;
      if (layout.dim() > 1 && b != 0) at += neighbour(layout, 1, offset, b, false);
      if (layout.dim() > 2 && c != 0) at += neighbour(layout, 2, offset, c, false);
      rows[static_cast<std::size_t>(3 * (c + 1) + b + 1)] = u + at;
    }
  return rows;
}

/// One value beyond both ends of a row along x.
void pad(const SlabLayout& layout, double* row, int n) {
  const bool around = layout.grid().axis(0).boundary == Boundary::Periodic;
  row[-1] = around ? row[n - 1] : row[0];
  row[n] = around ? row[0] : row[n - 1];
}

SpectralPreconditioner poisson_of(const LayoutPtr& layout) {
  for (const Axis& axis : layout->grid().axes())
    if (axis.boundary != Boundary::Periodic && axis.boundary != Boundary::NoFlux)
      throw InputError("minimal flows need axes that are periodic or no_flux, not " + std::string(name(axis.boundary)));
  return make_poisson(layout, 1);
}

}  // namespace

std::string to_string(GroundNorm norm) { return norm == GroundNorm::L1 ? "l1" : norm == GroundNorm::L2 ? "l2" : "linf"; }

MinimalFlow::MinimalFlow(LayoutPtr layout, GroundNorm norm)
    : layout_(std::move(layout)),
      norm_(norm),
      f_(layout_),
      g_(layout_),
      psi_(layout_),
      u_(layout_),
      v_(layout_),
      mean_(layout_),
      mu_(layout_, layout_->dim() << layout_->dim()),
      m_(layout_, layout_->dim()),
      poisson_(poisson_of(layout_)) {
  const int dim = layout_->dim(), slow = layout_->slow_axis();
  const auto n = static_cast<std::size_t>(dim == 1 ? SlabLayout::row_limit : layout_->grid().cells(0));
  buffer_stride_ = static_cast<std::ptrdiff_t>(n) + 2;
  buffer_.resize(3 * static_cast<std::size_t>(buffer_stride_));
  row_.resize(n);
  for (int d = 0; d < dim; ++d) over_h_[static_cast<std::size_t>(d)] = 1 / layout_->grid().spacing(d);
  // First those whose ghosts R^T needs: components along the slow axis at its centres, others at its faces.
  int next = 0;
  for (const bool ghosts : {true, false}) {
    for (int s = 0; s < places(); ++s)
      for (int k = 0; k < dim; ++k)
        if ((((s >> slow & 1) != 0) != (k == slow)) == ghosts) level_[static_cast<std::size_t>(3 * s + k)] = next++;
    if (ghosts) exchanged_levels_ = next;
  }
  reset();
}

void MinimalFlow::cell_means(Field& u, Field& means) {
  u.exchange_ghosts(0, 1);
  const Weights third{1.0 / 6, 4.0 / 6, 1.0 / 6};
  const int dim = layout_->dim();
  double* row = buffer_.data() + 1;
  for (int r = 0; r < layout_->rows(); ++r) {
    const RowPoints at = layout_->row(r);
    double* out = means.level() + at.offset;
    const RowBlock rows = block(*layout_, u.level(), at.offset);
    if (dim == 1) {
      std::copy_n(rows[4] - 1, at.n + 2, row - 1);
    } else {
      combine(rows, dim, third, third, at.n, row);
      pad(*layout_, row, at.n);
    }
    for (int i = 0; i < at.n; ++i) out[i] = third[0] * row[i - 1] + third[1] * row[i] + third[2] * row[i + 1];
  }
}

void MinimalFlow::set_divergence(const Field& f) {
  f_.copy_level(0, f, 0);
  cell_means(f_, g_);
  const double rest = sum(g_) / static_cast<double>(layout_->grid().size());
  for (double& v : g_.owned()) v -= rest;
  poisson_.apply(
      [&](int, std::ptrdiff_t offset, int n, double* out) {
        for (int i = 0; i < n; ++i) out[i] = f_.level()[offset + i] - g_.level()[offset + i];
      },
      SpectralTransform::to(psi_));
  psi_.exchange_ghosts();
  reset();
}

void MinimalFlow::reset() {
  upper_ = std::numeric_limits<double>::infinity();
  lower_ = 0;
  checks_ = 0;
  decomposed_ = false;
}

void MinimalFlow::restore(const State& state) {
  upper_ = state.upper;
  lower_ = state.lower;
  mean_slope_ = state.slope;
  checks_ = state.checks;
  decomposed_ = false;
}

void MinimalFlow::start() {
  u_.fill(0);
  mu_.fill(0);
  reset();
}

void MinimalFlow::start_from(MinimalFlow& coarse) {
  prolong(coarse.u_, 0, u_, 0);
  for (unsigned s = 0; s < static_cast<unsigned>(places()); ++s)
    for (int k = 0; k < layout_->dim(); ++k) prolong_staggered(coarse.mu_, coarse.level_of(s, k), mu_, level_of(s, k), s);
  reset();
}

bool MinimalFlow::last_of(int axis, const RowPoints& at) const {
  if (layout_->grid().axis(axis).boundary == Boundary::Periodic) return false;
  if (axis == layout_->slow_axis())
    return layout_->rank() + 1 == layout_->ranks() && at.offset + (axis == 0 ? at.n : 0) >= layout_->owned() - (axis == 0 ? 0 : layout_->plane());
  const std::ptrdiff_t nx = layout_->grid().cells(0), ny = layout_->grid().cells(1);
  return axis == 0 || at.offset / nx % ny == ny - 1;
}

template <int D, class F>
void MinimalFlow::visit_gradients(const double* u, F&& visit) {
  double* mean = buffer_.data() + 1;
  double *first = mean + buffer_stride_, *second = first + buffer_stride_;
  for (int r = 0; r < layout_->rows(); ++r) {
    const RowPoints at = layout_->row(r);
    const RowBlock rows = block(*layout_, u, at.offset);
    for (unsigned s = 0; s < (1U << D); s += 2) {
      const bool y = (s & 2) != 0, z = (s & 4) != 0;
      if ((y && last_of(1, at)) || (z && last_of(2, at))) continue;
      if constexpr (D == 1) {
        std::copy_n(rows[4] - 1, at.n + 2, mean - 1);
      } else {
        combine(rows, D, mean_at(y), mean_at(z), at.n, mean);
        pad(*layout_, mean, at.n);
        combine(rows, D, difference_at(y, over_h_[1]), mean_at(z), at.n, first);
        pad(*layout_, first, at.n);
        if constexpr (D == 3) {
          combine(rows, D, mean_at(y), difference_at(z, over_h_[2]), at.n, second);
          pad(*layout_, second, at.n);
        }
      }
      const GradientRows g{mean, first, second, over_h_[0]};
      visit(std::false_type{}, s, at.offset, at.n, g);
      visit(std::true_type{}, s + 1, at.offset, last_of(0, at) ? at.n - 1 : at.n, g);
    }
  }
}

void MinimalFlow::exchange_faces(Field& v) {
  const int slow = layout_->slow_axis();
  v.exchange_ghosts(slow, slow + 1);
  close_lower_wall(v, slow);
}

void MinimalFlow::gather(Field& mu) {
  const int dim = layout_->dim(), slow = layout_->slow_axis();
  mu.exchange_ghosts(0, exchanged_levels_);
  for (unsigned s = 0; s < static_cast<unsigned>(places()); ++s)
    for (int k = 0; k < dim; ++k)
      if (k != slow && (s >> slow & 1) != 0) close_lower_wall(mu, level_of(s, k));
  const double scale = 1.0 / places();
  const std::array<double*, 2> sum{buffer_.data(), buffer_.data() + buffer_stride_};
  for (int r = 0; r < layout_->rows(); ++r) {
    const RowPoints at = layout_->row(r);
    for (int k = 0; k < dim; ++k) {
      double* out = m_.level(k) + at.offset;
      if (k > 0 && last_of(k, at)) {
        std::fill_n(out, at.n, 0.0);
        continue;
      }
      // Two rows: of the places at centres and at faces along x.
      for (double* row : sum) std::fill_n(row, at.n + 1, 0.0);
      for (unsigned s = 0; s < static_cast<unsigned>(places()); ++s) {
        const double* mine = mu.level(level_of(s, k)) + at.offset;
        double* __restrict row = sum[s & 1];
        // Along each other axis the place itself, or the mean of two.
        std::array<std::ptrdiff_t, 4> offset{};
        int count = 1;
        for (int e = 1; e < dim; ++e) {
          const bool face = (s >> e & 1) != 0;
          if (face == (e == k)) continue;
          const std::ptrdiff_t other = neighbour(*layout_, e, at.offset, face ? -1 : 1, face);
          for (int c = 0; c < count; ++c) offset[static_cast<std::size_t>(count + c)] = offset[static_cast<std::size_t>(c)] + other;
          count *= 2;
        }
        const int n = at.n + (dim == 1 ? 1 : 0);
        const double weight = scale / count;
        for (int c = 0; c < count; ++c) {
          const double* v = mine + offset[static_cast<std::size_t>(c)];
          for (int i = 0; i < n; ++i) row[i] += weight * v[i];
        }
      }
      const double *centre = sum[0], *face = sum[1];
      if (k == 0) {
        if (dim > 1) sum[0][at.n] = sum[0][0];
        for (int i = 0; i < at.n; ++i) out[i] = 0.5 * (centre[i] + centre[i + 1]) + face[i];
        if (last_of(0, at)) out[at.n - 1] = 0;
      } else {  // on walls the last face holds 0
        out[0] = centre[0] + 0.5 * (face[0] + face[at.n - 1]);
        for (int i = 1; i < at.n; ++i) out[i] = centre[i] + 0.5 * (face[i] + face[i - 1]);
      }
    }
  }
  exchange_faces(m_);
}

void MinimalFlow::divergence_row(const Field& v, std::ptrdiff_t offset, int n, double* out) {
  const int dim = layout_->dim();
  const std::ptrdiff_t nx = layout_->grid().cells(0), ny = layout_->grid().cells(1);
  const double* slow = v.level(dim - 1) + offset;
  const double* before = slow - layout_->plane();
  const double hs = over_h_[static_cast<std::size_t>(dim - 1)];
  for (int i = 0; i < n; ++i) out[i] = (slow[i] - before[i]) * hs;
  if (dim == 3) {
    const double* y = v.level(1) + offset;
    const double* below = (offset / nx) % ny > 0 ? y - nx : y + (ny - 1) * nx;  // on walls the last face holds 0
    const double h = over_h_[1];
    for (int i = 0; i < n; ++i) out[i] += (y[i] - below[i]) * h;
  }
  if (dim > 1) {
    const double* x = v.level(0) + offset;
    const double h = over_h_[0];
    out[0] += (x[0] - x[n - 1]) * h;
    for (int i = 1; i < n; ++i) out[i] += (x[i] - x[i - 1]) * h;
  }
}

void MinimalFlow::decompose() {
  if (decomposed_) return;
  gather(mu_);
  poisson_.apply(
      [&](int, std::ptrdiff_t offset, int n, double* row) {
        divergence_row(m_, offset, n, row);
        const double* g = g_.level() + offset;
        for (int i = 0; i < n; ++i) row[i] = g[i] - row[i];
      },
      SpectralTransform::to(v_));
  decomposed_ = true;
}

void MinimalFlow::subtract_gradient(const Field& w) {
  for (int r = 0; r < layout_->rows(); ++r) {
    const RowPoints at = layout_->row(r);
    const double* u = w.level() + at.offset;
    double* row = buffer_.data() + 1;
    for (int d = 0; d < layout_->dim(); ++d) {
      const double* next = u + (d == 0 ? 1 : neighbour(*layout_, d, at.offset, 1, false));
      if (d == 0 && layout_->dim() > 1) {
        std::copy_n(u, at.n, row);
        pad(*layout_, row, at.n);
        next = row + 1;
      }
      double* m = m_.level(d) + at.offset;
      const double h = over_h_[static_cast<std::size_t>(d)];
      for (int i = 0; i < at.n; ++i) m[i] -= (next[i] - u[i]) * h;
    }
  }
}

Field& MinimalFlow::flux() {
  decomposed_ = false;
  decompose();
  v_.exchange_ghosts();
  subtract_gradient(v_);
  subtract_gradient(psi_);
  decomposed_ = false;
  return m_;
}

double MinimalFlow::divergence_error() {
  exchange_faces(flux());
  double worst = 0;
  for (int r = 0; r < layout_->rows(); ++r) {
    const RowPoints at = layout_->row(r);
    divergence_row(m_, at.offset, at.n, row_.data());
    for (int i = 0; i < at.n; ++i) worst = std::max(worst, std::fabs(row_[static_cast<std::size_t>(i)] - f_.level()[at.offset + i]));
  }
  return global_max(layout_->comm(), worst);
}

FluxCost MinimalFlow::continuum_cost() { return flux_cost(flux(), norm_); }

double MinimalFlow::mean_flux() {
  const Field& m = flux();
  const std::array<double, 3> sizes = sum_rows<3>(*layout_, [&](std::ptrdiff_t offset, int n) {
    std::array<double, 3> s{};
    for (int d = 0; d < layout_->dim(); ++d)
      for (int i = 0; i < n; ++i) s[static_cast<std::size_t>(d)] += std::fabs(m.level(d)[offset + i]);
    return s;
  });
  return std::sqrt(sizes[0] * sizes[0] + sizes[1] * sizes[1] + sizes[2] * sizes[2]) / static_cast<double>(layout_->grid().size());
}

void MinimalFlow::apply_gradient(Field& u, Field& out) {
  u.exchange_ghosts(0, 1);
  dispatch_dim(layout_->dim(), [&](auto d) {
    visit_gradients<d()>(u.level(), [&](auto face, unsigned s, std::ptrdiff_t offset, int n, const GradientRows& rows) {
      for (int i = 0; i < n; ++i) {
        double q[3];
        gradient_at<d(), face()>(rows, i, q);
        for (int k = 0; k < d(); ++k) out.level(level_of(s, k))[offset + i] = q[k];
      }
    });
  });
}

void MinimalFlow::apply_divergence(Field& mu, Field& out) {
  gather(mu);
  decomposed_ = false;
  for (int r = 0; r < layout_->rows(); ++r) {
    const RowPoints at = layout_->row(r);
    divergence_row(m_, at.offset, at.n, out.level() + at.offset);
  }
}

void MinimalFlow::primal_step(double tau, double relaxation) {
  decompose();
  double *u = u_.level(), *v = v_.level();
  const double moved = relaxation * tau;
  for (std::ptrdiff_t i = 0; i < layout_->owned(); ++i) {
    const double step = v[i];
    v[i] = u[i] - 2 * tau * step;
    u[i] -= moved * step;
  }
  v_.exchange_ghosts();
  decomposed_ = false;
}

double MinimalFlow::dual_step(double sigma, double relaxation, bool) {
  dispatch_norm(layout_->dim(), norm_, [&](auto d, auto norm) {
    visit_gradients<d()>(v_.level(), [&](auto face, unsigned s, std::ptrdiff_t offset, int n, const GradientRows& rows) {
      std::array<double*, 3> mu{};
      for (int k = 0; k < d(); ++k) mu[static_cast<std::size_t>(k)] = mu_.level(level_of(s, k)) + offset;
      step_row<d(), norm(), face()>(n, rows, mu, sigma, relaxation);
    });
  });
  return 0;
}

std::vector<Residual> MinimalFlow::residuals() {
  decompose();
  // Weights 3 / (checks + 1): a mean that forgets the start as fast as the number of checks grows.
  const double weight = std::min(1.0, 3.0 / (checks_ + 1)), kept = 1 - weight;
  for (std::ptrdiff_t i = 0; i < layout_->owned(); ++i)
    mean_.level()[i] = weight == 1 ? u_.level()[i] : kept * mean_.level()[i] + weight * u_.level()[i];
  ++checks_;
  u_.exchange_ghosts();
  v_.exchange_ghosts();
  mean_.exchange_ghosts();

  std::array<ExactSum, 3> sums;  // cost, -<u, A f>, -<mean, A f>
  std::array<double, 2> slope{};
  const auto add = [&](std::size_t k, int n) {
    if (layout_->dim() == 1)
      for (int i = 0; i < n; ++i) sums[k] += row_[static_cast<std::size_t>(i)];
    else
      sums[k] += lane_sum(row_.data(), n);
  };
  const std::array<const Field*, 2> candidates{&u_, &mean_};
  for (std::size_t c = 0; c < 2; ++c)
    for (int r = 0; r < layout_->rows(); ++r) {
      const RowPoints at = layout_->row(r);
      const double *u = candidates[c]->level() + at.offset, *g = g_.level() + at.offset;
      for (int i = 0; i < at.n; ++i) row_[static_cast<std::size_t>(i)] = -u[i] * g[i];
      add(c + 1, at.n);
    }
  dispatch_norm(layout_->dim(), norm_, [&](auto d, auto norm) {
    constexpr double whole = 1 << d();  // R^T takes 1 / places of what stands on a face
    visit_gradients<d()>(v_.level(), [&](auto face, unsigned s, std::ptrdiff_t offset, int n, const GradientRows& rows) {
      std::array<const double*, 3> mu{};
      for (int k = 0; k < d(); ++k) mu[static_cast<std::size_t>(k)] = mu_.level(level_of(s, k)) + offset;
      // The components at the faces of their own axis take what is missing of div R^T mu = A f.
      for (int k = 0; k < d(); ++k)
        if (s == 1U << k) {
          for (int i = 0; i < n; ++i) {
            double q[3];
            gradient_at<d(), face()>(rows, i, q);
            row_[static_cast<std::size_t>(i)] = mu[static_cast<std::size_t>(k)][i] - whole * q[k];
          }
          mu[static_cast<std::size_t>(k)] = row_.data();
        }
      lengths<d(), norm()>(n, mu, row_.data());
      add(0, n);
    });
    for (std::size_t c = 0; c < 2; ++c)
      visit_gradients<d()>(candidates[c]->level(), [&](auto face, unsigned, std::ptrdiff_t, int n, const GradientRows& rows) {
        slopes<d(), norm(), face()>(n, rows, row_.data());
        slope[c] = std::max(slope[c], lane_max(row_.data(), n));
      });
  });
  ExactSum::reduce(layout_->comm(), sums);
  MPI_Allreduce(MPI_IN_PLACE, slope.data(), 2, MPI_DOUBLE, MPI_MAX, layout_->comm());
  const double volume = layout_->grid().cell_volume(), cost = sums[0].value() * volume / places();
  mean_slope_ = slope[1];
  upper_ = std::isfinite(cost) ? std::min(upper_, cost) : cost;
  for (std::size_t k = 0; k < 2; ++k)
    if (slope[k] > 0) lower_ = std::max(lower_, sums[k + 1].value() * volume / slope[k]);
  return {{"gap", upper_ - lower_, upper_}};
}

}  // namespace wasserflow
