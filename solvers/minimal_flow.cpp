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

template <int D, GroundNorm N>
double length(const double* m) {
  double s = 0;
  for (int d = 0; d < D; ++d) {
    const double a = std::fabs(m[d]);
    s = N == GroundNorm::L1 ? s + a : N == GroundNorm::L2 ? s + a * a : s < a ? a : s;
  }
  return N == GroundNorm::L2 ? std::sqrt(s) : s;
}

constexpr GroundNorm dual_of(GroundNorm n) { return n == GroundNorm::L1 ? GroundNorm::Linf : n == GroundNorm::L2 ? GroundNorm::L2 : GroundNorm::L1; }

/// Projects q onto the unit ball of the norm dual to N.
template <int D, GroundNorm N>
void project_ball(double* q) {
  if constexpr (N == GroundNorm::L2) {
    const double a = length<D, N>(q), scale = 1 / (a < 1 ? 1.0 : a);
    for (int d = 0; d < D; ++d) q[d] *= scale;
  } else if constexpr (N == GroundNorm::L1) {
    for (int d = 0; d < D; ++d) q[d] = q[d] < -1 ? -1.0 : 1 < q[d] ? 1.0 : q[d];
  } else {
    // Soft thresholds: mu = max over k of (sum of the k largest - 1) / k, and not below 0 (Duchi et al. 2008).
    double sum = 0, largest = 0, least = std::fabs(q[0]);
    for (int d = 0; d < D; ++d) {
      const double a = std::fabs(q[d]);
      sum += a;
      largest = largest < a ? a : largest;
      least = a < least ? a : least;
    }
    double mu = largest - 1;
    const double two = (D == 3 ? sum - least - 1 : sum - 1) / 2, three = (sum - 1) / 3;
    if (D >= 2) mu = mu < two ? two : mu;
    if (D == 3) mu = mu < three ? three : mu;
    mu = mu < 0 ? 0.0 : mu;
    for (int d = 0; d < D; ++d) {
      const double a = std::fabs(q[d]) - mu;
      q[d] = std::copysign(a < 0 ? 0.0 : a, q[d]);
    }
  }
}

struct Steps {
  double tau, relaxation, sigma;
  std::array<double, 3> over_h;
};

/// d = p - D phi;  m^ = m - tau d,  p^ = proj(p + sigma (2 m^ - m));  both relaxed.
template <int D, GroundNorm N>
void step_row(int n, const double* phi, const std::array<const double*, 3>& next, const std::array<double*, 3>& m, const std::array<double*, 3>& p,
              const Steps& s) {
  const double *n0 = next[0], *n1 = next[D > 1 ? 1 : 0], *n2 = next[D > 2 ? 2 : 0];
  double *m0 = m[0], *m1 = m[D > 1 ? 1 : 0], *m2 = m[D > 2 ? 2 : 0];
  double *p0 = p[0], *p1 = p[D > 1 ? 1 : 0], *p2 = p[D > 2 ? 2 : 0];
  const double h0 = s.over_h[0], h1 = s.over_h[1], h2 = s.over_h[2];
  const double twice = 2 * s.tau, moved = s.relaxation * s.tau, sigma = s.sigma, relaxation = s.relaxation;
#pragma GCC ivdep
  for (int i = 0; i < n; ++i) {
    double q[3], u[3];
    const double c = phi[i];
    {
      const double d = p0[i] - (n0[i] - c) * h0, v = m0[i];
      u[0] = p0[i], q[0] = u[0] + sigma * (v - twice * d), m0[i] = v - moved * d;
    }
    if constexpr (D > 1) {
      const double d = p1[i] - (n1[i] - c) * h1, v = m1[i];
      u[1] = p1[i], q[1] = u[1] + sigma * (v - twice * d), m1[i] = v - moved * d;
    }
    if constexpr (D > 2) {
      const double d = p2[i] - (n2[i] - c) * h2, v = m2[i];
      u[2] = p2[i], q[2] = u[2] + sigma * (v - twice * d), m2[i] = v - moved * d;
    }
    project_ball<D, N>(q);
    p0[i] = u[0] + relaxation * (q[0] - u[0]);
    if constexpr (D > 1) p1[i] = u[1] + relaxation * (q[1] - u[1]);
    if constexpr (D > 2) p2[i] = u[2] + relaxation * (q[2] - u[2]);
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

/// Dual lengths of the forward differences of u.
template <int D, GroundNorm N>
void slopes(int n, const double* u, const std::array<const double*, 3>& next, const std::array<double, 3>& over_h, double* out) {
  const double *n0 = next[0], *n1 = next[D > 1 ? 1 : 0], *n2 = next[D > 2 ? 2 : 0];
  for (int i = 0; i < n; ++i) {
    const double a[3] = {(n0[i] - u[i]) * over_h[0], D > 1 ? (n1[i] - u[i]) * over_h[1] : 0, D > 2 ? (n2[i] - u[i]) * over_h[2] : 0};
    out[i] = length<D, dual_of(N)>(a);
  }
}

/// Calls f with the dimension and the norm as constants.
template <class F>
void dispatch(int dim, GroundNorm norm, F&& f) {
  dispatch_dim(dim, [&](auto d) {
    switch (norm) {
      case GroundNorm::L1: return f(d, std::integral_constant<GroundNorm, GroundNorm::L1>{});
      case GroundNorm::L2: return f(d, std::integral_constant<GroundNorm, GroundNorm::L2>{});
      case GroundNorm::Linf: return f(d, std::integral_constant<GroundNorm, GroundNorm::Linf>{});
    }
  });
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
      m_(layout_, layout_->dim()),
      p_(layout_, layout_->dim()),
      phi_(layout_),
      mean_(layout_),
      poisson_(poisson_of(layout_)),
      padded_(static_cast<std::size_t>(layout_->grid().cells(0)) + 1),
      row_(static_cast<std::size_t>(layout_->dim() == 1 ? SlabLayout::row_limit : layout_->grid().cells(0))) {
  for (int d = 0; d < layout_->dim(); ++d) over_h_[static_cast<std::size_t>(d)] = 1 / layout_->grid().spacing(d);
  reset();
}

void MinimalFlow::reset() {
  upper_ = cost_ = std::numeric_limits<double>::infinity();
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
  mean_.exchange_ghosts();
}

void MinimalFlow::start() {
  m_.fill(0);
  p_.fill(0);
  static_cast<void>(project());
  reset();
}

void MinimalFlow::exchange(Field& v) {
  const int slow = layout_->slow_axis();
  v.exchange_ghosts(slow, slow + 1);
  close_lower_wall(v, slow);
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

void MinimalFlow::neighbours(const double* u, const RowPoints& p, std::array<const double*, 3>& next) {
  const int dim = layout_->dim();
  const double* row = u + p.offset;
  if (dim > 1) {
    std::copy_n(row, p.n, padded_.data());
    padded_[static_cast<std::size_t>(p.n)] = layout_->grid().axis(0).boundary == Boundary::Periodic ? row[0] : row[p.n - 1];
    next[0] = padded_.data() + 1;
  }
  if (dim == 3) {
    const std::ptrdiff_t nx = p.n, ny = layout_->grid().cells(1), j = (p.offset / nx) % ny;
    next[1] = j + 1 < ny ? row + nx : layout_->grid().axis(1).boundary == Boundary::Periodic ? row - (ny - 1) * nx : row;
  }
  next[static_cast<std::size_t>(dim - 1)] = row + layout_->plane();
}

void MinimalFlow::decompose() {
  if (decomposed_) return;
  exchange(p_);
  poisson_.apply(
      [&](int, std::ptrdiff_t offset, int n, double* row) {
        divergence_row(p_, offset, n, row);
        for (int i = 0; i < n; ++i) row[i] = -row[i];
      },
      SpectralTransform::to(phi_));
  phi_.exchange_ghosts();
  decomposed_ = true;
}

double MinimalFlow::project() {
  exchange(m_);
  double worst = 0;
  poisson_.apply(
      [&](int, std::ptrdiff_t offset, int n, double* row) {
        divergence_row(m_, offset, n, row);
        const double* f = f_.level() + offset;
        for (int i = 0; i < n; ++i) {
          row[i] = f[i] - row[i];
          worst = std::max(worst, std::fabs(row[i]));
        }
      },
      SpectralTransform::to(phi_));
  phi_.exchange_ghosts();
  decomposed_ = false;
  std::array<const double*, 3> next{};
  for (int r = 0; r < layout_->rows(); ++r) {
    const RowPoints at = layout_->row(r);
    neighbours(phi_.level(), at, next);
    const double* u = phi_.level() + at.offset;
    for (int d = 0; d < layout_->dim(); ++d) {
      double* m = m_.level(d) + at.offset;
      const double h = over_h_[static_cast<std::size_t>(d)];
      const double* v = next[static_cast<std::size_t>(d)];
      for (int i = 0; i < at.n; ++i) m[i] -= (v[i] - u[i]) * h;
    }
  }
  return global_max(layout_->comm(), worst);
}

double MinimalFlow::divergence_error() {
  exchange(m_);
  double worst = 0;
  for (int r = 0; r < layout_->rows(); ++r) {
    const RowPoints at = layout_->row(r);
    divergence_row(m_, at.offset, at.n, row_.data());
    for (int i = 0; i < at.n; ++i) worst = std::max(worst, std::fabs(row_[static_cast<std::size_t>(i)] - f_.level()[at.offset + i]));
  }
  return global_max(layout_->comm(), worst);
}

void MinimalFlow::apply_divergence(Field& v, Field& out) {
  exchange(v);
  for (int r = 0; r < layout_->rows(); ++r) {
    const RowPoints at = layout_->row(r);
    divergence_row(v, at.offset, at.n, out.level() + at.offset);
  }
}

void MinimalFlow::apply_gradient(Field& u, Field& out) {
  u.exchange_ghosts(0, 1);
  std::array<const double*, 3> next{};
  for (int r = 0; r < layout_->rows(); ++r) {
    const RowPoints at = layout_->row(r);
    neighbours(u.level(), at, next);
    for (int d = 0; d < layout_->dim(); ++d)
      for (int i = 0; i < at.n; ++i)
        out.level(d)[at.offset + i] = (next[static_cast<std::size_t>(d)][i] - u.level()[at.offset + i]) * over_h_[static_cast<std::size_t>(d)];
  }
}

double MinimalFlow::continuum_cost() {
  exchange(m_);
  ExactSum sum;
  const SlabLayout& layout = *layout_;
  dispatch(layout.dim(), norm_, [&](auto dim, auto norm) {
    constexpr int D = dim();
    constexpr int pieces = D == 3 ? 2 : 4, nodes = pieces + 1;
    const int count = static_cast<int>(std::pow(nodes, D));
    std::array<const double*, 3> low{}, high{};
    for (int r = 0; r < layout.rows(); ++r) {
      const RowPoints at = layout.row(r);
      for (int d = 0; d < D; ++d) {
        const auto k = static_cast<std::size_t>(d);
        high[k] = m_.level(d) + at.offset;
        if (d == D - 1) low[k] = high[k] - layout.plane();
      }
      if constexpr (D > 1) {  // on walls the last face holds 0
        padded_[0] = high[0][at.n - 1];
        std::copy_n(high[0], at.n, padded_.data() + 1);
        low[0] = padded_.data();
      }
      if constexpr (D == 3) {
        const std::ptrdiff_t nx = at.n, ny = layout.grid().cells(1);
        low[1] = at.offset / nx % ny > 0 ? high[1] - nx : high[1] + (ny - 1) * nx;
      }
      for (int i = 0; i < at.n; ++i) {
        double total = 0;
        for (int k = 0; k < count; ++k) {
          double v[3] = {0, 0, 0}, weight = 1;
          for (int d = 0, rest = k; d < D; ++d, rest /= nodes) {
            const double a = low[static_cast<std::size_t>(d)][i], b = high[static_cast<std::size_t>(d)][i];
            const int node = rest % nodes;
            v[d] = a + (b - a) * (static_cast<double>(node) / pieces);
            weight *= node == 0 || node == pieces ? 0.5 / pieces : 1.0 / pieces;
          }
          total += weight * length<D, norm()>(v);
        }
        row_[static_cast<std::size_t>(i)] = total;
      }
      add_row(sum, layout, row_.data(), at.n);
    }
  });
  ExactSum::reduce(layout.comm(), {&sum, 1});
  return sum.value() * layout.grid().cell_volume();
}

double MinimalFlow::rms_flux() {
  double s = 0;
  for (int d = 0; d < layout_->dim(); ++d) s += dot(m_, m_, d, d);
  return std::sqrt(s / static_cast<double>(layout_->grid().size()));
}

void MinimalFlow::primal_step(double tau, double relaxation) {
  decompose();
  tau_ = tau;
  relaxation_ = relaxation;
}

double MinimalFlow::dual_step(double sigma, double relaxation, bool) {
  if (relaxation != relaxation_) throw InternalError("minimal flow: both steps have one relaxation");
  const Steps steps{tau_, relaxation, sigma, over_h_};
  dispatch(layout_->dim(), norm_, [&](auto d, auto norm) {
    std::array<const double*, 3> next{};
    std::array<double*, 3> m{}, p{};
    for (int r = 0; r < layout_->rows(); ++r) {
      const RowPoints at = layout_->row(r);
      neighbours(phi_.level(), at, next);
      for (int k = 0; k < d(); ++k) {
        m[static_cast<std::size_t>(k)] = m_.level(k) + at.offset;
        p[static_cast<std::size_t>(k)] = p_.level(k) + at.offset;
      }
      step_row<d(), norm()>(at.n, phi_.level() + at.offset, next, m, p, steps);
    }
  });
  decomposed_ = false;
  return 0;
}

std::vector<Residual> MinimalFlow::residuals() {
  decompose();
  // Weights 3 / (checks + 1): a mean that forgets the start as fast as the number of checks grows. Ghosts are linear in the values.
  const double weight = std::min(1.0, 3.0 / (checks_ + 1)), kept = 1 - weight;
  const std::ptrdiff_t around = layout_->ghost() * layout_->plane();
  double* u = mean_.level() - around;
  const double* v = phi_.level() - around;
  const std::ptrdiff_t n = layout_->owned() + 2 * around;
  if (weight == 1)
    std::copy_n(v, n, u);
  else
    for (std::ptrdiff_t i = 0; i < n; ++i) u[i] = kept * u[i] + weight * v[i];
  ++checks_;

  std::array<ExactSum, 3> sums;  // cost, -<phi, f>, -<mean, f>
  std::array<double, 2> slope{};
  const auto add = [&](std::size_t k, int n) {
    if (layout_->dim() == 1)
      for (int i = 0; i < n; ++i) sums[k] += row_[static_cast<std::size_t>(i)];
    else
      sums[k] += lane_sum(row_.data(), n);
  };
  dispatch(layout_->dim(), norm_, [&](auto d, auto norm) {
    std::array<const double*, 3> next{}, m{};
    for (int r = 0; r < layout_->rows(); ++r) {
      const RowPoints at = layout_->row(r);
      double* row = row_.data();
      for (int k = 0; k < d(); ++k) m[static_cast<std::size_t>(k)] = m_.level(k) + at.offset;
      lengths<d(), norm()>(at.n, m, row);
      add(0, at.n);
      const double* f = f_.level() + at.offset;
      for (std::size_t k = 0; k < 2; ++k) {
        const double* all = k == 0 ? phi_.level() : mean_.level();
        const double* u = all + at.offset;
        neighbours(all, at, next);
        slopes<d(), norm()>(at.n, u, next, over_h_, row);
        slope[k] = std::max(slope[k], lane_max(row, at.n));
        for (int i = 0; i < at.n; ++i) row[i] = -u[i] * f[i];
        add(k + 1, at.n);
      }
    }
  });
  ExactSum::reduce(layout_->comm(), sums);
  MPI_Allreduce(MPI_IN_PLACE, slope.data(), 2, MPI_DOUBLE, MPI_MAX, layout_->comm());
  const double volume = layout_->grid().cell_volume();
  cost_ = sums[0].value() * volume;
  mean_slope_ = slope[1];
  upper_ = std::isfinite(cost_) ? std::min(upper_, cost_) : cost_;
  for (std::size_t k = 0; k < 2; ++k)
    if (slope[k] > 0) lower_ = std::max(lower_, sums[k + 1].value() * volume / slope[k]);
  return {{"gap", upper_ - lower_, upper_}};
}

}  // namespace wasserflow
