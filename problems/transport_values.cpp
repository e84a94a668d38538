#include <array>
#include <cmath>

#include "grids/support/errors.hpp"
#include "problems/transport_cost.hpp"
#include "problems/transport_kinetic.hpp"

// Compiled without fused multiplications: values at the ends of rows have the bits they have inside.

namespace wasserflow {

namespace {
constexpr double infinity = std::numeric_limits<double>::infinity();
using Buffer = ChunkRow;

/// slopes[j] = q[j] / weight from point `at` on, in `scaled` where there is a weight (null: none).
void unweighted_slopes(std::size_t count, std::size_t at, const double* weight, int slots, const double* const* q, std::array<Buffer, 6>& scaled,
                       std::array<const double*, 6>& slopes) {
  for (std::size_t j = 0; j < static_cast<std::size_t>(slots); ++j) {
    slopes[j] = q[j] + at;
    if (!weight) continue;
    for (std::size_t i = 0; i < count; ++i) scaled[j][i] = q[j][at + i] / weight[i];
    slopes[j] = scaled[j].data();
  }
}
}  // namespace

void TransportCost::energy(const RowPoints& row, const double* rho, const double* const* m, double* out, double* kinetic, double terminal) const {
  const double delta2 = terms_.reaction * terms_.reaction;
  for_chunks(row, [&](const RowPoints& p, int first) {
    Rows rows;
    alignas(64) Buffer r, positive, v, cost, terms, more;
    std::array<Buffer, 6> speed, halves;
    load_media(p, rows);
    load(rho + first, p.n, r.data());
    const std::size_t n = static_cast<std::size_t>(padded(p.n)), count = static_cast<std::size_t>(p.n), at = static_cast<std::size_t>(first);
    for (std::size_t i = 0; i < n; ++i) positive[i] = std::max(r[i], 1e-300);
    if (terms_.mobility)
      terms_.mobility->evaluate(static_cast<int>(n), positive.data(), v.data(), nullptr, nullptr);
    else
      v = r;
    alignas(64) Buffer flow{};  // |n|: whether anything moves
    for (std::size_t j = 0; j < static_cast<std::size_t>(flux_slots_); ++j)
      for (std::size_t i = 0; i < count; ++i) {
        const double carried = drift_.empty() ? 0.0 : r[i] * rows.drift[j][i], rest = m[j][at + i] - carried;
        const double flux = std::abs(rest) <= 1e-15 * std::abs(carried) ? 0.0 : rest;  // rounding has no side
        flow[i] += std::abs(flux);
        speed[j][i] = v[i] > 0 ? flux / v[i] : 0.0;
      }
    std::array<const double*, 6> q{};
    for (std::size_t j = 0; j < static_cast<std::size_t>(flux_slots_); ++j) {
      q[j] = speed[j].data();
      if (!doubled_) continue;
      for (std::size_t i = 0; i < count; ++i) {
        halves[2 * j][i] = used_side(true, 0, speed[j][i]);
        halves[2 * j + 1][i] = used_side(true, 1, speed[j][i]);
      }
    }
    for (std::size_t j = 0; doubled_ && j < 2 * static_cast<std::size_t>(dim_); ++j) q[j] = halves[j].data();
    terms_.hamiltonian.kinetic->lagrangian(p, q.data(), cost.data());
    for (std::size_t i = 0; i < count; ++i) {
      double k = v[i] > 0 ? (flow[i] > 0 || cost[i] < infinity ? rows.weight[i] * v[i] * cost[i] : infinity) : flow[i] > 0 ? infinity : 0.0;
      if (has_reaction()) {
        const double z = m[flux_slots_][at + i];
        flow[i] += std::abs(z);
        k += v[i] > 0 ? 0.5 * delta2 * z * z / v[i] : z != 0 ? infinity : 0.0;
      }
      const bool outside = r[i] < 0 || (terms_.mobility && r[i] > terms_.mobility->maximum()) || (rows.open[i] == 0 && (r[i] > 0 || flow[i] > 0));
      cost[i] = outside ? infinity : k;
    }
    terms_.running.value(p, r.data(), terms.data());
    if (terminal > 0) {
      terms_.terminal.value(p, r.data(), more.data(), terminal);
      for (std::size_t i = 0; i < count; ++i) terms[i] += more[i];
    }
    for (std::size_t i = 0; i < count; ++i) {
      out[at + i] = cost[i] + terms[i];
      if (kinetic) kinetic[at + i] = cost[i];
    }
  });
}

void TransportCost::hamiltonian(const RowPoints& row, const double* const* q, double* h, const double* rho) const {
  for_chunks(row, [&](const RowPoints& p, int first) {
    Rows rows;
    load_media(p, rows);
    const std::size_t n = static_cast<std::size_t>(padded(p.n)), count = static_cast<std::size_t>(p.n), at = static_cast<std::size_t>(first);
    std::array<Buffer, 6> scaled;
    std::array<const double*, 6> slopes{};
    unweighted_slopes(count, at, terms_.weight ? rows.weight.data() : nullptr, flux_slots_, q, scaled, slopes);
    alignas(64) Buffer value, r, v, dv;
    if (splitting_ == Splitting::Upwind)
      terms_.hamiltonian.kinetic->evaluate(p, slopes.data(), value.data());
    else
      terms_.hamiltonian.kinetic->evaluate_true(p, slopes.data(), value.data());
    dv.fill(1);
    if (terms_.mobility) {
      load(rho + first, p.n, r.data());
      for (std::size_t i = 0; i < n; ++i) r[i] = std::max(r[i], 1e-300);
      terms_.mobility->evaluate(static_cast<int>(n), r.data(), v.data(), dv.data(), nullptr);
    }
    for (std::size_t i = 0; i < count; ++i) {
      double sum = rows.weight[i] * value[i];
      if (has_reaction()) sum += 0.5 * q[flux_slots_][at + i] * q[flux_slots_][at + i] / (terms_.reaction * terms_.reaction);
      sum *= dv[i];
      for (std::size_t j = 0; !drift_.empty() && j < static_cast<std::size_t>(flux_slots_); ++j) sum += rows.drift[j][i] * q[j][at + i];
      h[at + i] = rows.open[i] * sum;
    }
  });
}

void TransportCost::velocity(const RowPoints& row, const double* const* q, double* const* out, const double* rho) const {
  for_chunks(row, [&](const RowPoints& p, int first) {
    Rows rows;
    load_media(p, rows);
    const std::size_t n = static_cast<std::size_t>(padded(p.n)), count = static_cast<std::size_t>(p.n), at = static_cast<std::size_t>(first);
    std::array<Buffer, 6> scaled, gradient;
    std::array<const double*, 6> slopes{};
    unweighted_slopes(count, at, terms_.weight ? rows.weight.data() : nullptr, flux_slots_, q, scaled, slopes);
    const auto g = pointers(gradient);
    if (splitting_ == Splitting::Upwind)
      terms_.hamiltonian.kinetic->gradient(p, slopes.data(), g.data());
    else
      terms_.hamiltonian.kinetic->gradient_true(p, slopes.data(), g.data());
    alignas(64) Buffer r, v;
    v.fill(1);
    if (terms_.mobility) {
      load(rho + first, p.n, r.data());
      for (std::size_t i = 0; i < n; ++i) r[i] = std::max(r[i], 1e-300);
      terms_.mobility->evaluate(static_cast<int>(n), r.data(), v.data(), nullptr, nullptr);
      for (std::size_t i = 0; i < count; ++i) v[i] = rho[at + i] > 0 ? v[i] / r[i] : 0.0;
    }
    for (std::size_t j = 0; j < static_cast<std::size_t>(flux_slots_); ++j)
      for (std::size_t i = 0; i < count; ++i) out[j][at + i] = rows.open[i] * (v[i] * gradient[j][i] + (drift_.empty() ? 0.0 : rows.drift[j][i]));
    if (has_reaction())
      for (std::size_t i = 0; i < count; ++i)
        out[flux_slots_][at + i] = rows.open[i] * v[i] * q[flux_slots_][at + i] / (terms_.reaction * terms_.reaction);
  });
}

void TransportCost::conjugate(const RowPoints& row, const double* a, const double* const* q, double* out, double* density, double terminal) const {
  if (!separable()) throw InternalError("the conjugate of a transport cost is known for the mobility V = rho only");
  const std::array<ScaledCoupling, 2> sum{{{&terms_.running, 1}, {&terms_.terminal, terminal}}};
  for_chunks(row, [&](const RowPoints& p, int first) {
    alignas(64) Buffer v;
    std::array<const double*, 7> slopes{};
    for (std::size_t j = 0; j < static_cast<std::size_t>(slots()); ++j) slopes[j] = q[j] + first;
    hamiltonian(p, slopes.data(), v.data());
    for (std::size_t i = 0; i < static_cast<std::size_t>(p.n); ++i) v[i] += a[first + static_cast<int>(i)];
    wasserflow::conjugate({sum.data(), terminal > 0 ? std::size_t{2} : std::size_t{1}}, p, v.data(), out + first,
                          density ? density + first : nullptr);
    if (!blocks()) return;
    Rows rows;
    load_media(p, rows);
    for (int i = 0; i < p.n; ++i) {
      if (rows.open[static_cast<std::size_t>(i)] > 0) continue;
      out[first + i] = 0;
      if (density) density[first + i] = 0;
    }
  });
}

}  // namespace wasserflow
