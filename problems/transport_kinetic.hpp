#pragma once
/// The scalar equation of joint proximal maps on a chunk of points: what the kinetic cost contributes to it, and the fluxes that belong to a density.
/// For problems/transport_cost.cpp and transport_values.cpp only. Loops run over whole packs: no remainder with other roundings.
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "problems/coupling.hpp"
#include "problems/coupling_terms.hpp"
#include "problems/cubic_root.hpp"
#include "problems/hamiltonian.hpp"
#include "problems/mobility.hpp"
#include "problems/monotone_root.hpp"
#include "problems/pack.hpp"
#include "problems/transport_cost.hpp"

namespace wasserflow {

using ChunkRow = std::array<double, coupling_chunk>;

/// What a chunk of points knows besides densities and fluxes; rows hold whole packs.
struct TransportCost::Rows {
  alignas(64) std::array<ChunkRow, 3> a;      ///< quadratic: coefficient over weight, an axis each (one where isotropic)
  alignas(64) std::array<ChunkRow, 6> drift;  ///< a slot each
  alignas(64) ChunkRow weight, open;          ///< open: 0 where blocked, else 1
};

/// Copied, with the last pack filled up.
inline void load(const double* from, int n, double* to) {
  std::copy_n(from, n, to);
  std::fill(to + n, to + padded(n), from[0]);
}

template <std::size_t N>
std::array<double*, N> pointers(std::array<ChunkRow, N>& rows) {
  std::array<double*, N> p;
  for (std::size_t j = 0; j < N; ++j) p[j] = rows[j].data();
  return p;
}

/// The part of a slope or flux that an upwind slot uses.
inline double used_side(bool upwind, std::size_t slot, double x) {
  const double low = x < 0 ? x : 0.0, high = x > 0 ? x : 0.0;
  return !upwind ? x : slot % 2 == 0 ? low : high;
}
/// Kinetic part of the scalar equation for rho of a chunk: kin(r) = d/dr of V sup(...) + r b . q at the slopes q = (u - m(r))/sigma_m that belong to
/// r, with its derivative, and the fluxes.
struct Kinetic {
  const Hamiltonian* h = nullptr;
  RowPoints p;
  int dim = 1;
  std::size_t flux_slots = 1, n = 0;
  bool upwind = false, doubled = false, reaction = false, drifted = false, weighted = false;
  const Mobility* mobility = nullptr;
  double sigma_m = 1, source = 0;  ///< source: 1/delta^2
  const ChunkRow* weight = nullptr;
  const ChunkRow* drift = nullptr;
  const ChunkRow* u = nullptr;  ///< flux slots, then z

  /// The mobility and its derivatives at r.
  void mobilities(const double* r, double* v, double* dv, double* ddv) const {
    if (mobility) return mobility->evaluate(static_cast<int>(n), r, v, dv, ddv);
    for (std::size_t i = 0; i < n; ++i) {
      v[i] = r[i];
      if (dv) dv[i] = 1;
      if (ddv) ddv[i] = 0;
    }
  }
};

/// The same for H = sum a_d p_d^2/2: slots with one coefficient are one group, all in closed form.
struct QuadraticKinetic : Kinetic {
  const ChunkRow* a = nullptr;
  bool isotropic = true;
  std::size_t groups = 1;
  alignas(64) std::array<ChunkRow, 4> squares;  ///< sum of used u^2 of each group, the reaction flux last

  std::size_t group_of(std::size_t slot) const { return isotropic ? 0 : upwind ? slot / 2 : slot; }

  void prepare() {
    groups = isotropic ? 1 : static_cast<std::size_t>(dim);
    for (std::size_t g = 0; g < groups + reaction; ++g) squares[g].fill(0);
    for (std::size_t j = 0; j < flux_slots; ++j)
      for (std::size_t i = 0; i < n; ++i) {
        const double x = used_side(upwind, j, u[j][i]);
        squares[group_of(j)][i] += x * x;
      }
    if (reaction)
      for (std::size_t i = 0; i < n; ++i) squares[groups][i] = u[flux_slots][i] * u[flux_slots][i];
  }

  /// h -= s kin, dh -= s dkin/dr.
  void subtract(const double* s, const double* r, double* h_out, double* dh) const {
    alignas(64) ChunkRow v, dv, ddv, energy{}, slope{};
    mobilities(r, v.data(), dv.data(), ddv.data());
    for (std::size_t g = drifted ? groups : 0; g < groups + reaction; ++g) {
      const double* const coefficient = g < groups ? a[g].data() : nullptr;
      for (std::size_t i = 0; i < n; ++i) {
        const double c = coefficient ? coefficient[i] : source, t = 1 / (sigma_m + c * v[i]), e = 0.5 * c * squares[g][i] * t * t;
        energy[i] += e;
        slope[i] += 2 * c * e * t;
      }
    }
    for (std::size_t i = 0; i < n; ++i) {
      h_out[i] -= s[i] * dv[i] * energy[i];
      dh[i] -= s[i] * (ddv[i] * energy[i] - dv[i] * dv[i] * slope[i]);
    }
    for (std::size_t j = 0; drifted && j < flux_slots; ++j) subtract_drifted(j, s, r, v.data(), dv.data(), ddv.data(), h_out, dh);
  }

  /// The part of one slot with drift.
  void subtract_drifted(std::size_t j, const double* s, const double* r, const double* v, const double* dv, const double* ddv, double* h_out,
                        double* dh) const {
    const double *const b_row = drift[j].data(), *const u_row = u[j].data(), *const c_row = a[group_of(j)].data();
    const Pack8 zero{}, keep_low = upwind && j % 2 == 1 ? zero : zero - std::numeric_limits<double>::infinity(),
                        keep_high = upwind && j % 2 == 0 ? zero : zero + std::numeric_limits<double>::infinity();
    for (std::size_t i = 0; i < n; i += 8) {
      const Pack8 b = load8(b_row + i), c = load8(c_row + i), x = load8(u_row + i) - load8(r + i) * b, slope = load8(dv + i);
      const Pack8 cut = x > keep_low ? x : keep_low, used = cut < keep_high ? cut : keep_high, rest = x - used;
      const Pack8 width = sigma_m + c * load8(v + i), q = used / width, speed = rest != zero ? b : c * slope * q + b;
      const Pack8 steep = rest != zero ? speed * speed * (1 / sigma_m) : speed * speed / width;
      store8(h_out + i, load8(h_out + i) - load8(s + i) * (0.5 * c * slope * q * q + b * (q + rest * (1 / sigma_m))));
      store8(dh + i, load8(dh + i) - load8(s + i) * (0.5 * c * load8(ddv + i) * q * q - steep));
    }
  }

  /// m_j at the densities r.
  void fluxes(const double* r, double* const* m) const {
    alignas(64) ChunkRow v;
    ChunkRow positive;
    for (std::size_t i = 0; i < n; ++i) positive[i] = std::max(r[i], 1e-300);
    mobilities(mobility ? positive.data() : r, v.data(), nullptr, nullptr);
    for (std::size_t j = 0; j < flux_slots; ++j) {
      const double* const c = a[group_of(j)].data();
      for (std::size_t i = 0; i < n; ++i) {
        const double b = drifted ? drift[j][i] : 0.0, cv = c[i] * v[i];
        m[j][i] = used_side(upwind, j, u[j][i] - r[i] * b) * (cv / (sigma_m + cv)) + r[i] * b;
      }
    }
    if (reaction)
      for (std::size_t i = 0; i < n; ++i) m[flux_slots][i] = u[flux_slots][i] * (source * v[i] / (sigma_m + source * v[i]));
  }

  /// V = rho, no drift: the root of r - A - sum_g s a_g Q_g / (2 (sigma_m + a_g r)^2); 0 where it is not positive. One group: a cubic; several:
  /// Halley's iteration from the largest of the lower bounds that single terms give.
  template <int G>
  void plain_roots(const double* A, const double* s, double* r) const {
    for (std::size_t i = 0; i < n; i += Pack::width) {
      const Pack A0 = Pack::load(A + i), s0 = Pack::load(s + i);
      Pack c[G], k[G];
      Pack x = larger(A0, Pack(0.0)), total = A0;
      const Pack least = x;
      if constexpr (G == 1) {
        if (!reaction) {
          const Pack c0 = Pack::load(&a[0][i]);
          plain_root(A0, 0.5 * s0 * c0 * Pack::load(&squares[0][i]), c0, sigma_m).r.store(r + i);
          continue;
        }
      }
      unroll<G>([&](auto g) {
        c[g] = static_cast<std::size_t>(g) < groups ? Pack::load(&a[static_cast<std::size_t>(g)][i]) : Pack(source);
        k[g] = 0.5 * s0 * c[g] * Pack::load(&squares[static_cast<std::size_t>(g)][i]);
        total += k[g] * (1 / (sigma_m * sigma_m));
        x = larger(x, (rough_cbrt(c[g] * k[g]) - (2.0 / 3.0) * sigma_m) / (c[g] + 1e-300) + A0 * (1.0 / 3.0));
      });
      Mask going = total > 0.0;
      const Mask active = going;
      for (int step = 0; step < 60 && any(going); ++step) {
        Pack f = x - A0, f1 = 1.0, f2 = 0.0;
        unroll<G>([&](auto g) {
          const Pack t = 1.0 / (sigma_m + c[g] * x), kt2 = k[g] * t * t, ct = c[g] * t;
          f -= kt2;
          f1 += 2.0 * kt2 * ct;
          f2 += 3.0 * kt2 * ct * ct;  // -F''/2
        });
        const Pack change = -f * f1 / larger(f1 * f1 + f * f2, 0.25 * (f1 * f1));
        x = select(going, larger(x + change, least), x);
        going = going & !(abs(change) <= 1e-5 * x);
      }
      select(active, x, Pack(0.0)).store(r + i);
    }
  }

  /// The same with w ln r added; r as plain_roots leaves it.
  template <int G>
  void logarithmic(const double* A, const double* s, const double* w, double* r) const {
    alignas(64) std::array<ChunkRow, G> k, c;
    std::array<const double*, G> k_rows, c_rows;
    for (std::size_t g = 0; g < G; ++g) {
      k_rows[g] = k[g].data();
      c_rows[g] = c[g].data();
      for (std::size_t i = 0; i < n; ++i) {
        c[g][i] = g < groups ? a[g][i] : source;
        k[g][i] = 0.5 * s[i] * c[g][i] * squares[g][i];
      }
    }
    logarithmic_roots<G>(static_cast<int>(n), A, w, k_rows.data(), c_rows.data(), sigma_m, r);
  }
};

/// The same for any Hamiltonian, around its proximal map at fixed rho: m - r b = sigma_m w n with n = lambda grad H(u' - n), lambda = V/(sigma_m w),
/// u' = (u - r b)/(sigma_m w).
struct GeneralKinetic : Kinetic {
  alignas(64) mutable ChunkRow last_r{}, last_h{};  ///< of the last call; 0: none

  /// n (flux slots), and H at u' - n where `value` is wanted.
  void solve(const double* r, const double* v, std::array<ChunkRow, 6>& flux, std::array<ChunkRow, 6>* slopes, double* value) const {
    alignas(64) std::array<ChunkRow, 6> inner;
    alignas(64) ChunkRow lambda;
    for (std::size_t j = 0; j < flux_slots; ++j)
      for (std::size_t i = 0; i < n; ++i) flux[j][i] = (u[j][i] - (drifted ? r[i] * drift[j][i] : 0.0)) / (sigma_m * (weighted ? (*weight)[i] : 1.0));
    for (std::size_t i = 0; i < n; ++i) lambda[i] = v[i] / (sigma_m * (weighted ? (*weight)[i] : 1.0));
    for (std::size_t j = 0; j < flux_slots; ++j) {
      inner[doubled ? 2 * j : j] = flux[j];
      if (doubled) inner[2 * j + 1] = flux[j];
    }
    const auto rows = pointers(inner);
    h->prox(p, 0, 1, lambda.data(), rows.data());
    for (std::size_t j = 0; j < flux_slots; ++j)
      for (std::size_t i = 0; i < n; ++i) {
        const double moved = doubled ? inner[2 * j][i] + inner[2 * j + 1][i] : inner[j][i], target = flux[j][i];
        flux[j][i] = moved;
        if (slopes) (*slopes)[j][i] = target - moved;
      }
    if (!value) return;
    std::array<const double*, 6> q;
    for (std::size_t j = 0; j < flux_slots; ++j) q[j] = (*slopes)[j].data();
    upwind ? h->evaluate(p, q.data(), value) : h->evaluate_true(p, q.data(), value);
  }

  /// h -= s kin, dh: an estimate of the slope, from the last call's values and bounds; that of a quadratic H at first.
  void subtract(const double* s, const double* r, double* h_out, double* dh) const {
    alignas(64) ChunkRow v, dv, ddv, value{}, steep{}, model{};
    std::array<ChunkRow, 6> flux, q;
    mobilities(r, v.data(), dv.data(), ddv.data());
    solve(r, v.data(), flux, &q, value.data());
    for (std::size_t i = 0; i < n; ++i) {
      const double w = weighted ? (*weight)[i] : 1.0;
      double kin = dv[i] * w * value[i], curvature = -ddv[i] * w * value[i], speed = 0, squares = 0, product = 0;
      for (std::size_t j = 0; j < flux_slots; ++j) {
        const double b = drifted ? drift[j][i] : 0.0, c = v[i] > 0 ? dv[i] * sigma_m * w * flux[j][i] / v[i] + b : b;
        kin += b * w * q[j][i];
        speed += c * c;
        squares += flux[j][i] != 0 ? q[j][i] * q[j][i] : 0.0;  // a side that is not used does not count
        product += q[j][i] * flux[j][i];
      }
      const double like = curvature + (squares > 0 && product > 0 ? speed / (sigma_m * (1 + product / squares)) : speed / sigma_m);
      curvature += speed / sigma_m;
      double exact = 0;
      if (reaction) {
        const double t = 1 / (sigma_m + source * v[i]), x = u[flux_slots][i] * t, e = 0.5 * source * x * x;
        kin += dv[i] * e;
        exact = dv[i] * dv[i] * 2 * source * e * t - ddv[i] * e;
      }
      h_out[i] -= s[i] * kin;
      dh[i] += s[i] * exact;
      steep[i] = s[i] * curvature;
      model[i] = s[i] * like;
    }
    for (std::size_t i = 0; i < n; ++i) {
      const double low = dh[i], high = dh[i] + steep[i];
      double slope = low + model[i];  // as if H were quadratic along its slopes
      if (last_r[i] > 0 && r[i] != last_r[i]) slope = std::min(std::max((h_out[i] - last_h[i]) / (r[i] - last_r[i]), low), high);
      last_r[i] = r[i] > 1e-290 ? r[i] : 0.0;  // the look at 0 says nothing about slopes elsewhere
      last_h[i] = h_out[i];
      dh[i] = slope;
    }
    for (std::size_t i = static_cast<std::size_t>(p.n); i < n; ++i) h_out[i] = 0;  // behind the chunk: nothing to find
  }

  /// The whole proximal map by that of H, which takes (A, u) to (r, m): no drift, weight, reaction or mobility, one step size for all points.
  void whole(double sigma_rho, const double* A, double* r, double* const* m) const {
    alignas(64) std::array<ChunkRow, 6> inner;
    for (std::size_t j = 0; j < flux_slots; ++j) {
      inner[doubled ? 2 * j : j] = u[j];
      if (doubled) inner[2 * j + 1] = u[j];
    }
    std::copy_n(A, n, r);
    const auto rows = pointers(inner);
    h->prox(p, sigma_rho, sigma_m, r, rows.data());
    for (std::size_t j = 0; j < flux_slots; ++j)
      for (std::size_t i = 0; i < n; ++i) m[j][i] = doubled ? inner[2 * j][i] + inner[2 * j + 1][i] : inner[j][i];
  }

  /// A start for the search: the root for the isotropic quadratic cost that has the slopes, velocities and kinetic energy of H at r, on entry any
  /// density > 0.
  void start(const double* A, const double* s, const double* w, double* r) const {
    alignas(64) ChunkRow v, value{}, k{}, c{}, root{};
    std::array<ChunkRow, 6> flux, q;
    mobilities(r, v.data(), nullptr, nullptr);
    solve(r, v.data(), flux, &q, value.data());
    for (std::size_t i = 0; i < n; ++i) {
      double squares = 0, product = 0;
      for (std::size_t j = 0; j < flux_slots; ++j) {
        squares += flux[j][i] != 0 ? q[j][i] * q[j][i] : 0.0;  // a side that is not used does not count
        product += q[j][i] * flux[j][i];
      }
      const double width = weighted ? (*weight)[i] : 1.0;
      // grad H = sigma_m w n / v; then q ~ 1/(sigma_m + c r) and H ~ q^2.
      c[i] = squares > 0 && product > 0 ? sigma_m * product / (squares * v[i]) : 0.0;
      const double spread = sigma_m + c[i] * r[i];
      k[i] = value[i] > 0 && value[i] < 1e100 ? s[i] * width * value[i] * spread * spread : 0.0;
      double x = std::max(A[i], 0.0), before = -1;
      for (int step = 0; step < 40 && std::abs(x - before) > 1e-7 * x; ++step) {  // increasing and concave: Newton from the left
        const double t = 1 / (sigma_m + c[i] * x);
        before = x;
        x = std::max(x, x - (x - A[i] - k[i] * t * t) / (1 + 2 * k[i] * c[i] * t * t * t));
      }
      root[i] = x;
    }
    const std::array<const double*, 1> k_row{k.data()}, c_row{c.data()};
    if (w) logarithmic_roots<1>(static_cast<int>(n), A, w, k_row.data(), c_row.data(), sigma_m, root.data());
    for (std::size_t i = 0; i < n; ++i) r[i] = root[i] > 0 ? root[i] : r[i];
  }

  void fluxes(const double* r, double* const* m) const {
    alignas(64) ChunkRow v, positive;
    std::array<ChunkRow, 6> flux;
    for (std::size_t i = 0; i < n; ++i) positive[i] = std::max(r[i], 1e-300);
    mobilities(mobility ? positive.data() : r, v.data(), nullptr, nullptr);
    solve(r, v.data(), flux, nullptr, nullptr);
    for (std::size_t j = 0; j < flux_slots; ++j)
      for (std::size_t i = 0; i < n; ++i) m[j][i] = sigma_m * (weighted ? (*weight)[i] : 1.0) * flux[j][i] + (drifted ? r[i] * drift[j][i] : 0.0);
    if (reaction)
      for (std::size_t i = 0; i < n; ++i) m[flux_slots][i] = u[flux_slots][i] * (source * v[i] / (sigma_m + source * v[i]));
  }
};

}  // namespace wasserflow
