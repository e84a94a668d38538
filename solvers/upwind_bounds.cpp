/// Certified bounds of the discrete minimum: dual values, and costs of paths that satisfy the continuity equation.
#include <algorithm>
#include <cmath>
#include <limits>

#include "grids/reduce.hpp"
#include "grids/row_neighbours.hpp"
#include "solvers/feasible_mixture.hpp"
#include "solvers/point_rows.hpp"
#include "solvers/upwind_scheme.hpp"

namespace wasserflow {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

std::size_t index(int i) { return static_cast<std::size_t>(i); }

/// Takes the flux out of the slots at no_flux ends: u[2 d] in the last cell of axis d, u[2 d + 1] in the first.
void close_ends(const SlabLayout& layout, const RowPoints& p, double* const* u) {
  std::int64_t stride = 1;
  for (int d = 0; d < layout.dim(); ++d) {
    const int cells = layout.grid().cells(d);
    const std::int64_t point = layout.global_offset() + p.offset;
    if (layout.grid().axis(d).boundary == Boundary::NoFlux) {
      if (d == 0) {
        const std::int64_t at = point % cells;  // of the first point; the row is along this axis
        if (at == 0) u[1][0] = 0;
        if (at + p.n == cells) u[0][p.n - 1] = 0;
      } else {
        const std::int64_t at = point / stride % cells;
        if (at == 0) std::fill_n(u[2 * d + 1], p.n, 0.0);
        if (at == cells - 1) std::fill_n(u[2 * d], p.n, 0.0);
      }
    }
    stride *= cells;
  }
}

}  // namespace

double UpwindScheme::lower_bound() {
  const SlabLayout& layout = *problem_.layout;
  const TransportCost& cost = *problem_.cost;
  if (!cost.separable()) return -infinity;
  const int slots = cost.slots();
  const double dt = problem_.dt();
  Field& phi = saddle_->phi();
  phi.exchange_ghosts();
  if (nonlocal_) update_nonlocal();
  PointRows rows(layout, slots + 5);
  double *a = rows[0], *h = rows[slots + 1], *f = rows[slots + 2], *g = rows[slots + 3], *out = rows[slots + 4];
  ExactSum sum;
  double shift = 0;  // of the value function, by a constant a level
  for (int k = 0; k < problem_.steps; ++k) {
    const bool held = k == 0 && problem_.final_density;
    const bool affine = cost.running().is_affine() && (k > 0 || cost.terminal().is_affine());
    double violation = -infinity;
    for (int r = 0; r < layout.rows(); ++r) {
      const RowPoints p = window_->row(r, k);
      rows.clear(0, slots + 1, p.n);
      saddle_->add_operator_row(phi, k > 0 ? phi.level(k - 1) : nullptr, k, r, 1, 1, a, rows.from(1));
      const double* rho = saddle_->rho().level(k) + p.offset;
      if (nonlocal_) {  // <rho, W rho> / 2 lies above its tangent at the iterate
        const double* w = nonlocal_->level(k) + p.offset;
        for (int i = 0; i < p.n; ++i) {
          a[i] -= w[i];
          f[i] = 0.5 * w[i] * rho[i];
        }
        add_row(sum, layout, f, p.n);
      }
      if (held) {
        const double* given = problem_.final_density->level() + p.offset;
        cost.hamiltonian(p, rows.from(1), h);
        cost.running().value(p, given, f);
        for (int i = 0; i < p.n; ++i) out[i] = given[i] * (a[i] + h[i]) - f[i];
        add_row(sum, layout, out, p.n);
        continue;
      }
      cost.conjugate(p, a, rows.from(1), out, nullptr, k == 0 ? 1 / dt : 0);
      if (affine) {  // infinite where the residual is above the coupling's slope: taken away by the shift
        cost.hamiltonian(p, rows.from(1), h);
        std::fill_n(g, p.n, 0.0);
        cost.running().derivative(p, g, f);
        if (k == 0) cost.terminal().derivative(p, g, rows[1], 1 / dt);
        for (int i = 0; i < p.n; ++i) {
          if (out[i] < infinity) continue;
          violation = std::max(violation, a[i] + h[i] - f[i] - (k == 0 ? rows[1][i] : 0.0));
          out[i] = 0;
        }
      }
      add_row(sum, layout, out, p.n);
    }
    violation = global_max(layout.comm(), violation);
    if (violation > -infinity) shift -= dt * violation;
  }
  ExactSum::reduce(layout.comm(), {&sum, 1});
  const double volume = layout.grid().cell_volume();
  const double bound = volume * (dot(problem_.initial, phi, 0, problem_.steps - 1) + shift * mass_ - dt * sum.value());
  return std::isfinite(bound) ? bound : -infinity;
}

/// Free end: what the policy of phi makes of rho_0, by one linear solve a step. It is feasible and of finite cost whatever phi is.
double UpwindScheme::objective_of_policy() {
  const SlabLayout& layout = *problem_.layout;
  const TransportCost& cost = *problem_.cost;
  const int slots = cost.slots();
  if (!howard_) howard_ = std::make_unique<Howard>(*window_);
  Field& phi = saddle_->phi();
  phi.exchange_ghosts();
  Field rho(problem_.layout, 2), interaction(problem_.layout);
  PointRows rows(layout, 2 * slots + 2);
  double* const value = rows[2 * slots];
  rho.copy_level(1, problem_.initial, 0);
  ExactSum sum;
  for (int k = problem_.steps - 1; k >= 0; --k) {
    howard_->density(phi, k, rho, 1, rho, 0, k);
    for (double& v : rho.owned(0)) v = std::max(v, 0.0);  // rounding of the linear solver
    rho.copy_level(1, rho, 0);
    if (nonlocal_) problem_.nonlocal->apply(rho, 1, interaction, 0);
    for (int r = 0; r < layout.rows(); ++r) {
      const RowPoints p = window_->row(r, k);
      rows.clear(0, slots, p.n);
      saddle_->add_operator_row(phi, nullptr, k, r, 0, 1, rows[2 * slots + 1], rows.from(0));
      cost.velocity(p, rows.from(0), rows.from(slots));
      const double* density = rho.level(1) + p.offset;
      for (int j = 0; j < slots; ++j)
        for (int i = 0; i < p.n; ++i) rows[slots + j][i] *= density[i];
      cost.energy(p, density, rows.from(slots), value, nullptr, k == 0 ? 1 / problem_.dt() : 0);
      if (nonlocal_)
        for (int i = 0; i < p.n; ++i) value[i] += 0.5 * density[i] * interaction.level()[p.offset + i];
      add_row(sum, layout, value, p.n);
    }
  }
  ExactSum::reduce(layout.comm(), {&sum, 1});
  return sum.value() * problem_.dt() * layout.grid().cell_volume();
}

/// The positive path of least_mixture: psi with m = K psi its flux, and densities.
struct UpwindScheme::Certificate {
  Certificate(const LayoutPtr& layout, int slots) : rho(layout), other_rho(layout), interaction(layout, 2), near(layout, 1) {
    for (int j = 0; j < slots; ++j) {
      m.emplace_back(layout);
      other_m.emplace_back(layout);
    }
  }
  Field psi;                      ///< all levels; empty until it is needed
  Field rho, other_rho;           ///< of the iterate on the continuity equation, of the path: a level
  std::vector<Field> m, other_m;  ///< their fluxes without that of the drift
  Field interaction;              ///< W * both
  RowNeighbours near;
};

/// Fluxes of least norm that take the positive path from node to node: 2 sum lambda psi = (rho^{n-1} - rho^n) / dt + nu Lap rho^n.
void UpwindScheme::make_positive_path(const PositivePath& path) {
  const SlabLayout& layout = *problem_.layout;
  Certificate& c = *certificate_;
  if (!c.psi) c.psi = Field(problem_.layout, problem_.steps);
  SpectralPreconditioner poisson = make_poisson(problem_.layout, 2);
  PointRows rows(layout, 1);
  Field &now = c.rho, &before = c.other_rho, right(problem_.layout);
  path.density(problem_.steps, now.level());
  for (int k = 0; k < problem_.steps; ++k) {
    path.density(problem_.steps - k - 1, before.level());
    if (problem_.viscosity > 0) now.exchange_ghosts();
    for (int r = 0; r < layout.rows(); ++r) {
      const RowPoints p = layout.row(r);
      double* out = right.level() + p.offset;
      const double *a = before.level() + p.offset, *b = now.level() + p.offset;
      for (int i = 0; i < p.n; ++i) out[i] = (a[i] - b[i]) / problem_.dt();
      if (problem_.viscosity == 0) continue;
      c.near.load(now.level(), r);
      for (int d = 0; d < layout.dim(); ++d) {
        const double nu = problem_.viscosity / std::pow(layout.grid().spacing(d), 2);
        const double *up = c.near.at(d, 1), *mid = c.near.at(d, 0), *down = c.near.at(d, -1);
        for (int i = 0; i < p.n; ++i) out[i] += nu * ((up[i] - mid[i]) - (mid[i] - down[i]));
      }
    }
    poisson.apply(right, c.psi, 0, k);
    std::swap(now, before);
  }
  c.psi.exchange_ghosts();
}

/// Costs of (1 - s) y' + s p for the given shares s: y' = y + D K P^{-1}(c - K^T y) satisfies the continuity equation, p is the positive path (not
/// used for s = 0). A level at a time; what two cells send through their face is given to the one that it leaves.
void UpwindScheme::costs_of_mixtures(const PositivePath& path, std::span<const double> shares, std::span<double> values) {
  const SlabLayout& layout = *problem_.layout;
  const TransportCost& cost = *problem_.cost;
  const bool upwind = cost.splitting() == Splitting::Upwind, mixed = std::any_of(shares.begin(), shares.end(), [](double s) { return s > 0; });
  const int slots = cost.slots();
  const double rounding = -1e-12 * mass_ / static_cast<double>(layout.grid().size());
  Certificate& c = *certificate_;
  static_cast<void>(saddle_->continuity_residual());
  Field& d = saddle_->scratch();
  d.exchange_ghosts();
  PointRows rows(layout, 3 * slots + 2);
  std::vector<double*> u(index(slots));
  double *const density = rows[3 * slots], *const value = rows[3 * slots + 1];
  std::vector<ExactSum> sums(shares.size());
  for (int k = 0; k < problem_.steps; ++k) {
    const bool held = k == 0 && problem_.final_density;
    for (int r = 0; r < layout.rows(); ++r) {
      const RowPoints p = window_->row(r, k);
      double* rho = c.rho.level() + p.offset;
      std::copy_n(saddle_->rho().level(k) + p.offset, p.n, rho);
      std::fill_n(value, p.n, 0.0);
      for (int j = 0; j < slots; ++j) {
        u[index(j)] = c.m[index(j)].level() + p.offset;
        std::copy_n(saddle_->momenta()[index(j)].level(k) + p.offset, p.n, u[index(j)]);
      }
      saddle_->add_operator_row(d, k > 0 ? d.level(k - 1) : nullptr, k, r, 1, saddle_->kappa_squared(), value, u.data());
      for (int i = 0; i < p.n && !held; ++i) rho[i] += value[i];
      for (int j = 0; j < slots && !drift_.empty(); ++j) add_drift(p, rho, j, -1, u[index(j)]);
      if (!mixed) continue;
      for (int j = 0; j < slots; ++j) {
        u[index(j)] = c.other_m[index(j)].level() + p.offset;
        std::fill_n(u[index(j)], p.n, 0.0);
      }
      saddle_->add_operator_row(c.psi, nullptr, k, r, 0, 1, value, u.data());
    }
    if (mixed) path.density(problem_.steps - k, c.other_rho.level());
    for (int r = 0; r < layout.rows() && mixed && !drift_.empty(); ++r) {
      const RowPoints p = window_->row(r, k);
      for (int j = 0; j < slots; ++j) add_drift(p, c.other_rho.level() + p.offset, j, -1, c.other_m[index(j)].level() + p.offset);
    }
    for (Field& f : c.m) f.exchange_ghosts();
    if (mixed)
      for (Field& f : c.other_m) f.exchange_ghosts();
    if (nonlocal_) problem_.nonlocal->apply(c.rho, 0, c.interaction, 0);
    if (nonlocal_ && mixed) problem_.nonlocal->apply(c.other_rho, 0, c.interaction, 1);
    for (int r = 0; r < layout.rows(); ++r) {
      const RowPoints p = window_->row(r, k);
      // Through faces, in the slots of the side that they leave.
      const auto net = [&](std::vector<Field>& m, int first) {
        for (int j = 0; j < slots; ++j) {
          double* out = rows[first + j];
          std::copy_n(m[index(j)].level() + p.offset, p.n, out);
          if (!upwind) continue;
          c.near.load(m[index(j ^ 1)].level(), r);
          const double* other = c.near.at(j / 2, j % 2 == 0 ? 1 : -1);
          for (int i = 0; i < p.n; ++i) out[i] += other[i];
        }
        if (upwind) close_ends(layout, p, rows.from(first));
      };
      net(c.m, 0);
      if (mixed) net(c.other_m, slots);
      for (std::size_t s = 0; s < shares.size(); ++s) {
        const double b = shares[s], a = 1 - b;
        const double *x = c.rho.level() + p.offset, *other = c.other_rho.level() + p.offset;
        for (int i = 0; i < p.n; ++i) {
          const double v = b > 0 ? a * x[i] + b * other[i] : x[i];
          density[i] = v < 0 && v >= rounding ? 0 : v;
        }
        for (int j = 0; j < slots; ++j) {
          double* out = rows[2 * slots + j];
          const double *from = rows[j], *to = rows[slots + j];
          for (int i = 0; i < p.n; ++i) out[i] = b > 0 ? a * from[i] + b * to[i] : from[i];
          if (!upwind) continue;
          for (int i = 0; i < p.n; ++i) out[i] = j % 2 == 0 ? std::min(out[i], 0.0) : std::max(out[i], 0.0);
        }
        for (int j = 0; j < slots && !drift_.empty(); ++j) add_drift(p, density, j, 1, rows[2 * slots + j]);
        cost.energy(p, density, rows.from(2 * slots), value, nullptr, k == 0 && !held ? 1 / problem_.dt() : 0);
        if (nonlocal_) {
          const double *w = c.interaction.level(0) + p.offset, *z = c.interaction.level(1) + p.offset;
          for (int i = 0; i < p.n; ++i) value[i] += 0.5 * density[i] * (b > 0 ? a * w[i] + b * z[i] : w[i]);
        }
        add_row(sums[s], layout, value, p.n);
      }
    }
  }
  ExactSum::reduce(layout.comm(), sums);
  for (std::size_t s = 0; s < shares.size(); ++s) values[s] = sums[s].value() * problem_.dt() * layout.grid().cell_volume();
}

double UpwindScheme::objective_of_projection() {
  const PositivePath path = positive_path();
  const double share = 0;
  double value = 0;
  costs_of_mixtures(path, {&share, 1}, {&value, 1});
  return std::isfinite(value) ? value : infinity;
}

PositivePath UpwindScheme::positive_path() {
  const LayoutPtr& layout = problem_.layout;
  if (!certificate_) certificate_ = std::make_shared<Certificate>(layout, problem_.cost->slots());
  if (!problem_.final_density) return PositivePath(problem_.initial, nullptr, problem_.steps);
  double least = infinity;
  for (const double v : problem_.final_density->owned()) least = std::min(least, v);
  least = global_min(layout->comm(), least) * static_cast<double>(layout->grid().size()) / mass_;
  return PositivePath(problem_.initial, &*problem_.final_density, problem_.steps, std::clamp(least, 1e-14, 1.0));
}

MeanFieldBounds UpwindScheme::bounds() {
  MeanFieldBounds bounds;
  bounds.lower = lower_bound();
  bounds.upper = objective_of_projection();
  if (std::isfinite(bounds.upper)) return bounds;
  if (!problem_.final_density && problem_.cost->separable()) bounds.upper = objective_of_policy();
  if (std::isfinite(bounds.upper) || problem_.cost->splitting() != Splitting::Upwind) return bounds;
  const PositivePath path = positive_path();
  make_positive_path(path);
  const LeastMixture least =
      least_mixture([&](std::span<const double> shares, std::span<double> values) { costs_of_mixtures(path, shares, values); });
  bounds.upper = least.value;
  bounds.share = least.share;
  return bounds;
}

/// m += factor rho b for the part of the drift that slot j carries.
void UpwindScheme::add_drift(const RowPoints& p, const double* rho, int j, double factor, double* m) const {
  const bool upwind = problem_.cost->splitting() == Splitting::Upwind;
  const Tabulated& b = drift_[index(upwind ? j / 2 : j)];
  const double* row = b.is_constant() ? nullptr : b.row(p);
  for (int i = 0; i < p.n; ++i) {
    const double v = row ? row[i] : b.value();
    m[i] += factor * rho[i] * (!upwind ? v : j % 2 == 0 ? std::min(v, 0.0) : std::max(v, 0.0));
  }
}

}  // namespace wasserflow
