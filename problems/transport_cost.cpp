#include "problems/transport_cost.hpp"

#include <array>
#include <cmath>

#include "grids/support/errors.hpp"
#include "grids/support/mpi.hpp"
#include "problems/coupling_terms.hpp"
#include "problems/monotone_root.hpp"
#include "problems/transport_kinetic.hpp"

namespace wasserflow {

namespace {
constexpr int chunk = coupling_chunk;
constexpr double infinity = std::numeric_limits<double>::infinity();
using Buffer = ChunkRow;
}  // namespace

TransportCost::TransportCost(TransportTerms terms, int dim, Splitting splitting)
    : terms_(std::move(terms)), dim_(dim), flux_slots_(splitting == Splitting::Upwind ? 2 * dim : dim), splitting_(splitting) {
  if (!terms_.hamiltonian.kinetic) throw InternalError("a transport cost without a Hamiltonian");
  const Hamiltonian& h = *terms_.hamiltonian.kinetic;
  if (splitting == Splitting::Upwind && h.splitting() != Splitting::Upwind)
    throw InputError("the Hamiltonian '" + h.name() +
                     "' has no upwind sides, which this scheme needs: it must be a sum over axes, a norm or a power");
  if (!h.is_convex()) throw InputError("the Hamiltonian '" + h.name() + "' is not convex in the slopes, which transport needs");
  doubled_ = splitting != h.splitting();
  quadratic_ = h.name() == "quadratic";
  if (terms_.hamiltonian.potential) terms_.running.add_potential(std::move(terms_.hamiltonian.potential), -1);
  terms_.hamiltonian.potential = nullptr;
}

void TransportCost::bind(LayoutPtr layout, std::span<const double> times, double final_time) {
  terms_.hamiltonian.kinetic->bind(layout, times);
  terms_.running.bind(layout, times);
  terms_.terminal.bind(layout, {&final_time, 1});
  drift_.clear();
  for (const FunctionPtr& b : terms_.hamiltonian.drift) drift_.emplace_back(b, layout, times);
  if (terms_.obstacle) obstacle_ = Tabulated(terms_.obstacle, layout, times);
  if (terms_.weight) {
    weight_ = Tabulated(terms_.weight, layout, times);
    require_nonnegative(*layout, times, weight_, "the weight of the kinetic cost");
  }
  layout_ = std::move(layout);
  judge(*layout_, times);
}

void TransportCost::set_times(std::span<const double> times) {
  terms_.hamiltonian.kinetic->set_times(times);
  terms_.running.set_times(times);
  for (Tabulated& b : drift_) b.set_times(times);
  if (terms_.obstacle) obstacle_.set_times(times);
  if (terms_.weight) weight_.set_times(times);
  judge(*layout_, times);
}

/// Is the coefficient of a quadratic Hamiltonian the same on all axes, or one number?
void TransportCost::judge(const SlabLayout& layout, std::span<const double> times) {
  if (!quadratic_) return;
  double low = infinity, high = -infinity, differ = 0;
  Buffer ones;
  ones.fill(1);
  std::array<Buffer, 3> a;
  const std::array<const double*, 3> slopes{ones.data(), ones.data(), ones.data()};
  for (std::size_t k = 0; k < times.size(); ++k)
    for (int r = 0; r < layout.rows(); ++r) {
      const RowPoints row = layout.row(r);
      for (int first = 0; first < row.n; first += chunk) {
        RowPoints p = part_of(row, first, std::min(chunk, row.n - first));
        p.level = static_cast<int>(k);
        p.t = times[k];
        const auto rows = pointers(a);
        terms_.hamiltonian.kinetic->gradient_true(p, slopes.data(), rows.data());
        for (std::size_t d = 0; d < static_cast<std::size_t>(dim_); ++d)
          for (std::size_t i = 0; i < static_cast<std::size_t>(p.n); ++i) {
            low = std::min(low, a[d][i]);
            high = std::max(high, a[d][i]);
            differ = std::max(differ, std::abs(a[d][i] - a[0][i]));
          }
      }
    }
  std::array<double, 3> most{-low, high, differ};
  MPI_Allreduce(MPI_IN_PLACE, most.data(), 3, MPI_DOUBLE, MPI_MAX, layout.comm());
  isotropic_ = most[2] == 0;
  coefficient_.reset();
  if (-most[0] == most[1]) coefficient_ = most[1];
}

void TransportCost::load_media(const RowPoints& p, Rows& rows) const {
  const std::size_t n = static_cast<std::size_t>(padded(p.n));
  rows.weight.fill(1);
  rows.open.fill(1);
  if (terms_.weight) {
    load_row(weight_, p, rows.weight.data());
    for (std::size_t i = 0; i < n; ++i) {
      rows.open[i] = rows.weight[i] < 1e100 ? 1.0 : 0.0;
      rows.weight[i] = rows.open[i] > 0 ? std::max(rows.weight[i], 1e-100) : 1.0;
    }
  }
  if (terms_.obstacle) {
    Buffer blocked;
    load_row(obstacle_, p, blocked.data());
    for (std::size_t i = 0; i < n; ++i) rows.open[i] = blocked[i] > 0 ? 0.0 : rows.open[i];
  }
  for (std::size_t d = 0; d < drift_.size(); ++d) {
    if (splitting_ != Splitting::Upwind) {
      load_row(drift_[d], p, rows.drift[d].data());
      continue;
    }
    Buffer b;
    load_row(drift_[d], p, b.data());
    for (std::size_t i = 0; i < n; ++i) {
      rows.drift[2 * d][i] = used_side(true, 0, b[i]);
      rows.drift[2 * d + 1][i] = used_side(true, 1, b[i]);
    }
  }
  if (!quadratic_) return;
  const std::size_t groups = isotropic_ ? 1 : static_cast<std::size_t>(dim_);
  if (coefficient_) {
    rows.a[0].fill(*coefficient_);
  } else {
    Buffer ones;
    ones.fill(1);
    const std::array<const double*, 3> slopes{ones.data(), ones.data(), ones.data()};
    std::array<Buffer, 3> a;
    const auto out = pointers(a);
    terms_.hamiltonian.kinetic->gradient_true(p, slopes.data(), out.data());
    for (std::size_t g = 0; g < groups; ++g) {
      rows.a[g] = a[g];
      std::fill(rows.a[g].begin() + p.n, rows.a[g].begin() + static_cast<std::ptrdiff_t>(n), a[g][0]);
    }
  }
  if (terms_.weight)
    for (std::size_t g = 0; g < groups; ++g)
      for (std::size_t i = 0; i < n; ++i) rows.a[g][i] /= rows.weight[i];
}

template <class K>
K TransportCost::kinetic(const RowPoints& p, double sigma_m, const Rows& rows, const Buffer* u) const {
  K k;
  k.h = terms_.hamiltonian.kinetic.get();
  k.p = p;
  k.dim = dim_;
  k.flux_slots = static_cast<std::size_t>(flux_slots_);
  k.n = static_cast<std::size_t>(padded(p.n));
  k.upwind = splitting_ == Splitting::Upwind;
  k.doubled = doubled_;
  k.reaction = has_reaction();
  k.drifted = !drift_.empty();
  k.weighted = terms_.weight != nullptr;
  k.mobility = terms_.mobility.get();
  k.sigma_m = sigma_m;
  k.source = has_reaction() ? 1 / (terms_.reaction * terms_.reaction) : 0;
  k.weight = &rows.weight;
  k.drift = rows.drift.data();
  k.u = u;
  if constexpr (std::is_same_v<K, QuadraticKinetic>) {
    k.a = rows.a.data();
    k.isotropic = isotropic_;
    k.prepare();
  }
  return k;
}

template <class K>
void TransportCost::prox_chunk(const RowPoints& p, double sigma_rho, double sigma_m, double* u0, double* const* u, double terminal) const {
  Rows rows;
  alignas(64) std::array<Buffer, 7> flux;
  alignas(64) Buffer a, s, slope{}, curvature{}, r;
  const std::size_t n = static_cast<std::size_t>(padded(p.n)), all = static_cast<std::size_t>(slots());
  load_media(p, rows);
  load(u0, p.n, a.data());
  for (std::size_t j = 0; j < all; ++j) load(u[j], p.n, flux[j].data());
  const K k = kinetic<K>(p, sigma_m, rows, flux.data());

  // Affine and quadratic couplings belong to the square around u0.
  const Coupling &F = terms_.running, &G = terms_.terminal;
  alignas(64) Buffer weight{};
  F.add_quadratic_part(p, sigma_rho, slope.data(), curvature.data());
  F.add_logarithmic_part(p, sigma_rho, weight.data(), slope.data());
  if (terminal > 0) {
    G.add_quadratic_part(p, sigma_rho * terminal, slope.data(), curvature.data());
    G.add_logarithmic_part(p, sigma_rho * terminal, weight.data(), slope.data());
  }
  for (std::size_t i = 0; i < n; ++i) {
    const double scale = 1 / (1 + curvature[i]);
    a[i] = (a[i] - slope[i]) * scale;
    s[i] = sigma_rho * scale;
    weight[i] *= scale;
  }
  const bool with_log = F.has_logarithmic_part() || (terminal > 0 && G.has_logarithmic_part());
  const bool smooth = F.has_smooth_part() || (terminal > 0 && G.has_smooth_part());
  const bool direct = !terms_.mobility && drift_.empty();
  bool solved = false, finished = false;
  alignas(64) std::array<Buffer, 7> m;
  if constexpr (std::is_same_v<K, QuadraticKinetic>) {
    if (!terms_.mobility) {
      unroll<4>([&](auto g) {
        if (k.groups + k.reaction != g + 1) return;
        k.template plain_roots<g + 1>(a.data(), s.data(), r.data());
        if (with_log) k.template logarithmic<g + 1>(a.data(), s.data(), weight.data(), r.data());
      });
      solved = direct && !smooth;
    } else {
      r = a;
    }
    for (std::size_t i = 0; !solved && i < n; ++i) r[i] = std::max(r[i], 1e-3 * std::min(sigma_rho, 1.0));
  } else if (direct && !has_reaction() && !terms_.weight && !with_log && !smooth && F.is_affine() && (terminal == 0 || G.is_affine())) {
    const auto out = pointers(m);
    k.whole(sigma_rho, a.data(), r.data(), out.data());
    solved = finished = true;
  } else {
    for (std::size_t i = 0; i < n; ++i) r[i] = std::max(a[i], std::min(sigma_rho, 1.0));
    if (direct && !has_reaction()) k.start(a.data(), s.data(), with_log ? weight.data() : nullptr, r.data());
  }
  if (!solved) {
    const bool logarithmic = F.logarithmic() || (terminal > 0 && G.logarithmic()) || (terms_.mobility && terms_.mobility->singular());
    monotone_roots<chunk>(static_cast<int>(n), r.data(), logarithmic, [&](const double* x, double* h, double* dh) {
      if (smooth) {
        alignas(64) Buffer f{}, df{};
        F.add_smooth_part(p, 1, x, nullptr, f.data(), df.data());
        if (terminal > 0) G.add_smooth_part(p, terminal, x, nullptr, f.data(), df.data());
        for (std::size_t i = 0; i < n; ++i) {
          h[i] = x[i] - a[i] + s[i] * f[i];
          dh[i] = 1 + s[i] * df[i];
        }
      } else {
        for (std::size_t i = 0; i < n; ++i) {
          h[i] = x[i] - a[i];
          dh[i] = 1;
        }
      }
      if (with_log) add_logarithm(static_cast<int>(n), weight.data(), x, h, dh);
      k.subtract(s.data(), x, h, dh);
    });
  }
  if (F.has_capacity() || (terminal > 0 && G.has_capacity())) {
    alignas(64) Buffer maximum;
    maximum.fill(infinity);
    F.limit(p, maximum.data());
    if (terminal > 0) G.limit(p, maximum.data());
    for (std::size_t i = 0; i < n; ++i) {
      finished &= i >= static_cast<std::size_t>(p.n) || r[i] <= maximum[i];  // a flux belongs to the density that is left
      r[i] = std::min(r[i], maximum[i]);
    }
  }
  if (terms_.mobility)
    for (std::size_t i = 0; i < n; ++i) r[i] = std::min(r[i], terms_.mobility->maximum());
  for (std::size_t i = 0; i < n; ++i) r[i] = a[i] == a[i] ? r[i] : a[i];  // what is not a number stays visible
  if (blocks())
    for (std::size_t i = 0; i < n; ++i) r[i] *= rows.open[i];
  const auto out = pointers(m);
  if (!finished) k.fluxes(r.data(), out.data());
  store_fluxes(rows, m, p.n, u);
  std::copy_n(r.data(), p.n, u0);
}

/// Fluxes of a chunk, 0 where blocked.
void TransportCost::store_fluxes(const Rows& rows, std::array<Buffer, 7>& m, int count, double* const* u) const {
  for (std::size_t j = 0; j < static_cast<std::size_t>(slots()); ++j) {
    if (blocks())
      for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) m[j][i] *= rows.open[i];
    std::copy_n(m[j].data(), count, u[j]);
  }
}

/// |m|^2 / (2 c rho) alone: row by row, without the copies of a chunk.
void TransportCost::plain_prox(int n, double sigma_rho, double sigma_m, double* u0, double* const* u) const {
  const Pack c(*coefficient_), k(0.5 * sigma_rho * *coefficient_);
  const bool upwind = splitting_ == Splitting::Upwind;
  const auto map = [&](auto slots, int first, auto&& load, auto&& store) {
    Pack flux[slots], squares = 0.0;
    const Pack A = load(u0 + first);
    unroll<slots>([&](auto j) {
      flux[j] = load(u[j] + first);
      if (upwind) flux[j] = j % 2 == 0 ? smaller(flux[j], 0.0) : larger(flux[j], 0.0);
      squares += flux[j] * flux[j];
    });
    const PlainRoot root = plain_root(A, k * squares, c, sigma_m);
    store(select(A == A, root.r, A), u0 + first);  // what is not a number stays visible
    unroll<slots>([&](auto j) { store(flux[j] * root.ratio, u[j] + first); });
  };
  const auto rows = [&](auto slots) {
    int i = 0;
    for (; i + Pack::width <= n; i += Pack::width)
      map(
          slots, i, [](const double* p) { return Pack::load(p); }, [](Pack v, double* p) { v.store(p); });
    if (i < n)
      map(
          slots, i, [&](const double* p) { return Pack::load(p, n - i); }, [&](Pack v, double* p) { v.store(p, n - i); });
  };
  unroll<6>([&](auto slot) {
    if (flux_slots_ == slot + 1) rows(std::integral_constant<int, slot + 1>{});
  });
}

void TransportCost::prox(const RowPoints& row, double sigma_rho, double sigma_m, double* u0, double* const* u, double terminal) const {
  const Coupling &F = terms_.running, &G = terms_.terminal;
  const bool bare = !terms_.mobility && drift_.empty() && !has_reaction() && !blocks() && F.is_zero() && (terminal == 0 || G.is_zero());
  if (bare && quadratic_ && coefficient_) return plain_prox(row.n, sigma_rho, sigma_m, u0, u);
  if (bare && !quadratic_ && !doubled_) return terms_.hamiltonian.kinetic->prox(row, sigma_rho, sigma_m, u0, u);
  for_chunks(row, [&](const RowPoints& p, int first) {
    std::array<double*, 7> part{};
    for (std::size_t j = 0; j < static_cast<std::size_t>(slots()); ++j) part[j] = u[j] + first;
    if (quadratic_)
      prox_chunk<QuadraticKinetic>(p, sigma_rho, sigma_m, u0 + first, part.data(), terminal);
    else
      prox_chunk<GeneralKinetic>(p, sigma_rho, sigma_m, u0 + first, part.data(), terminal);
  });
}

void TransportCost::prox_flux(const RowPoints& row, double sigma_m, const double* rho, double* const* u) const {
  for_chunks(row, [&](const RowPoints& p, int first) {
    Rows rows;
    alignas(64) std::array<Buffer, 7> flux;
    alignas(64) Buffer r;
    std::array<double*, 7> part{};
    load_media(p, rows);
    load(rho + first, p.n, r.data());
    for (std::size_t j = 0; j < static_cast<std::size_t>(slots()); ++j) {
      part[j] = u[j] + first;
      load(part[j], p.n, flux[j].data());
    }
    alignas(64) std::array<Buffer, 7> m;
    const auto out = pointers(m);
    if (quadratic_)
      kinetic<QuadraticKinetic>(p, sigma_m, rows, flux.data()).fluxes(r.data(), out.data());
    else
      kinetic<GeneralKinetic>(p, sigma_m, rows, flux.data()).fluxes(r.data(), out.data());
    store_fluxes(rows, m, p.n, part.data());
  });
}

}  // namespace wasserflow
