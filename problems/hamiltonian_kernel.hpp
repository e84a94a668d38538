#pragma once
/// Pointwise mathematics of one convex Hamiltonian (a kernel), and the row sweeps that inline it. Needs nothing but the standard library, so that
/// plugins compile the same code.
///
/// A kernel is a small value type for one dimension; its functions are templates on T = double (one point) or Pack (neighbouring points at a time).
/// With S slots (see problems/hamiltonian.hpp):
///   dim, slots, coefficients, upwind              static constants; upwind: 2 slots an axis, otherwise one
///   nonnegative                                   convex if and only if no coefficient is negative
///   value(pt, q)                                  Hh(q)
///   gradient(pt, q, g)                            g_j = dHh/dq_j, the smallest one at a kink
///   prox(pt, steps, u0, u) -> mask                (u0, u) -> its proximal map by a fixed number of iterations; set where not converged
///   prox_safe(pt, steps, u0, u)                   for one point, with as many iterations as it takes: for the points prox reports
///   lagrangian(pt, v)                             Lh(v), +infinity outside its domain
///   true_value(pt, p), true_gradient(pt, p, g)    H(x, t, p) and its derivative
#include <array>
#include <concepts>
#include <limits>

#include "problems/pack.hpp"

namespace wasserflow {

/// What a kernel sees of a grid point: coordinates, time, and its N coefficients' values there.
template <class T, int N>
struct KernelPoint {
  T x;
  double y, z, t;
  std::array<T, (N > 0 ? N : 1)> c;
};

/// Step sizes of a proximal map for the density and for the momentum.
struct ProxSteps {
  double rho, m;
  double ratio = rho / m;
  double inverse_m = 1 / m;
};

template <class K>
concept HamiltonianKernel = requires(const K& k, const KernelPoint<Pack, K::coefficients>& pt, const KernelPoint<double, K::coefficients>& one,
                                     const Pack* in, Pack* out, Pack& u0, double* v, double& v0, const ProxSteps& steps) {
  { K::dim } -> std::convertible_to<int>;
  { K::slots } -> std::convertible_to<int>;
  { K::upwind } -> std::convertible_to<bool>;
  { K::nonnegative } -> std::convertible_to<bool>;
  { k.value(pt, in) } -> std::convertible_to<Pack>;
  {k.gradient(pt, in, out)};
  { k.prox(pt, steps, u0, out) } -> std::convertible_to<Mask>;
  {k.prox_safe(one, steps, v0, v)};
  { k.lagrangian(pt, in) } -> std::convertible_to<Pack>;
  { k.true_value(pt, in) } -> std::convertible_to<Pack>;
  {k.true_gradient(pt, in, out)};
};

/// One row of points for the sweeps; c[k] is the row of coefficient k, or nullptr for a constant with the value constant[k].
struct KernelRow {
  int n = 0;
  const double* x = nullptr;
  double y = 0, z = 0, t = 0;
  const double* const* c = nullptr;
  const double* constant = nullptr;

  template <int N>
  [[gnu::always_inline]] KernelPoint<Pack, N> point(int i, int count) const {
    KernelPoint<Pack, N> pt{load(x + i, count), y, z, t, {}};
    unroll<N>([&](auto k) { pt.c[k] = c[k] ? load(c[k] + i, count) : Pack(constant[k]); });
    return pt;
  }
  [[gnu::always_inline]] static Pack load(const double* p, int count) { return count == Pack::width ? Pack::load(p) : Pack::load(p, count); }
  [[gnu::always_inline]] static void store(Pack v, double* p, int count) { count == Pack::width ? v.store(p) : v.store(p, count); }
};

/// body(first, count): packs of the row; count is a constant in all but the last.
template <class Body>
[[gnu::always_inline]] inline void for_packs(int n, Body&& body) {
  int i = 0;
  for (; i + Pack::width <= n; i += Pack::width) body(i, std::integral_constant<int, Pack::width>{});
  if (i < n) body(i, n - i);
}

/// out[i] = f(point, in_0[i], ..., in_{S-1}[i]).
template <int N, int S, class F>
inline void value_sweep(const KernelRow& r, const double* const* in, double* out, F&& f) {
  for_packs(r.n, [&](int i, auto count) {
    Pack v[S];
    unroll<S>([&](auto j) { v[j] = KernelRow::load(in[j] + i, count); });
    KernelRow::store(f(r.template point<N>(i, count), v), out + i, count);
  });
}

/// out_j[i], j < S, by f(point, const Pack* in, Pack* out).
template <int N, int S, class F>
inline void vector_sweep(const KernelRow& r, const double* const* in, double* const* out, F&& f) {
  for_packs(r.n, [&](int i, auto count) {
    Pack v[S], g[S];
    unroll<S>([&](auto j) { v[j] = KernelRow::load(in[j] + i, count); });
    f(r.template point<N>(i, count), v, g);
    unroll<S>([&](auto j) { KernelRow::store(g[j], out[j] + i, count); });
  });
}

/// The proximal map of a row, in place. What a point gets does not depend on its neighbours.
template <HamiltonianKernel K>
inline void prox_sweep(const K& kernel, const KernelRow& r, const ProxSteps& steps, double* u0, double* const* u) {
  constexpr int S = K::slots, N = K::coefficients;
  for_packs(r.n, [&](int i, auto count) {
    const KernelPoint<Pack, N> pt = r.template point<N>(i, count);
    Pack w0 = KernelRow::load(u0 + i, count), w[S];
    unroll<S>([&](auto j) { w[j] = KernelRow::load(u[j] + i, count); });
    const auto failed = kernel.prox(pt, steps, w0, w);
    if (any(failed)) [[unlikely]]
      for (int l = 0; l < count; ++l) {
        if (!failed[l]) continue;
        KernelPoint<double, N> one{pt.x[l], pt.y, pt.z, pt.t, {}};
        for (std::size_t k = 0; k < N; ++k) one.c[k] = pt.c[k][l];
        double v0 = u0[i + l], v[S];
        for (int j = 0; j < S; ++j) v[j] = u[j][i + l];
        kernel.prox_safe(one, steps, v0, v);
        w0.v[l] = v0;
        for (int j = 0; j < S; ++j) w[j].v[l] = v[j];
      }
    KernelRow::store(w0, u0 + i, count);
    unroll<S>([&](auto j) { KernelRow::store(w[j], u[j] + i, count); });
  });
}

}  // namespace wasserflow
