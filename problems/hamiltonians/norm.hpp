#pragma once
/// Kernels of 1-homogeneous Hamiltonians c(x, t) |p| with c >= 0, on upwind sides s_j = max(-D+_d, 0), max(D-_d, 0):
///   l1    Hh = sum_j c_d s_j          (one coefficient or one an axis; this is Engquist-Osher)
///   l2    Hh = c sqrt(sum_j s_j^2)
///   linf  Hh = c max_j s_j
/// or, in Lax-Friedrichs form, on s_d = |q_d|.
/// Their proximal maps are projections on {rho >= 0, |m|_* <= c rho}, m_{2d} <= 0 <= m_{2d+1}, with the dual norm.
#include "problems/hamiltonian_kernel.hpp"

namespace wasserflow {

/// How slopes are used: by upwind sides, or as they are (Lax-Friedrichs form).
template <int D, bool Upwind>
struct Sides {
  static constexpr int slots = Upwind ? 2 * D : D;
  static constexpr int axis(int slot) { return Upwind ? slot / 2 : slot; }
  /// Size of the used part of a slope: max(-q, 0) for D+ (even slots), max(q, 0) for D-; |q| without upwinding.
  template <class T>
  [[gnu::always_inline]] static T size(int slot, T q) {
    if constexpr (Upwind) return larger(slot % 2 == 0 ? -q : q, T(0.0));
    return abs(q);
  }
  /// The used part of size `size` with the sign of the slot (of q without upwinding).
  template <class T>
  [[gnu::always_inline]] static T part(int slot, T q, T size) {
    if constexpr (Upwind) return slot % 2 == 0 ? -size : size;
    return select(q < 0.0, -size, size);
  }
  /// Whether a velocity cannot belong to the slot.
  template <class T>
  [[gnu::always_inline]] static MaskOf<T> outside(int slot, T v) {
    if constexpr (Upwind) return slot % 2 == 0 ? v > 0.0 : v < 0.0;
    return false;
  }
  /// l2 norm of the used parts of all slopes.
  template <class T>
  [[gnu::always_inline]] static T size(const T* q) {
    T r = 0;
    unroll<slots>([&](auto j) {
      const T s = size(j, q[j]);
      r += s * s;
    });
    return sqrt(r);
  }
  /// l2 norm of a true slope.
  template <class T>
  [[gnu::always_inline]] static T length(const T* p) {
    T r = 0;
    unroll<D>([&](auto d) { r += p[d] * p[d]; });
    return sqrt(r);
  }
};

template <int D, bool Common, bool Upwind = true>
struct L1Kernel {
  using Side = Sides<D, Upwind>;
  static constexpr int dim = D, slots = Side::slots, coefficients = Common ? 1 : D;
  static constexpr bool upwind = Upwind;
  static constexpr bool nonnegative = true;
  template <class T>
  using Point = KernelPoint<T, coefficients>;
  static constexpr int term(int slot) { return Common ? 0 : Side::axis(slot); }

  template <class T>
  [[gnu::always_inline]] T value(const Point<T>& pt, const T* q) const {
    T h = 0;
    unroll<slots>([&](auto j) { h += pt.c[term(j)] * Side::size(j, q[j]); });
    return h;
  }
  template <class T>
  [[gnu::always_inline]] void gradient(const Point<T>& pt, const T* q, T* g) const {
    unroll<slots>([&](auto j) { g[j] = select(Side::size(j, q[j]) > 0.0, Side::part(j, q[j], pt.c[term(j)]), T(0.0)); });
  }
  /// F(rho) = rho - u0 - r sum_j c_j max(s_j - c_j rho, 0), r = sigma_rho/sigma_m, is piecewise linear, increasing and concave: from the
  /// left each Newton step drops a term or is the last, so that `slots` steps are exact.
  template <class T>
  [[gnu::always_inline]] MaskOf<T> prox(const Point<T>& pt, const ProxSteps& steps, T& u0, T* u) const {
    const double r = steps.ratio;
    T s[slots], sum = u0;
    unroll<slots>([&](auto j) {
      s[j] = Side::size(j, u[j]);
      sum += r * (pt.c[term(j)] * s[j]);
    });
    T rho = larger(u0, T(0.0));
    unroll<slots>([&](auto) {
      T top = u0, bottom = 1;
      unroll<slots>([&](auto j) {
        const T c = pt.c[term(j)];
        const auto in = s[j] > c * rho;
        top += select(in, r * (c * s[j]), T(0.0));
        bottom += select(in, r * (c * c), T(0.0));
      });
      rho = larger(rho, top / bottom);
    });
    rho = select(sum > 0.0, rho, T(0.0));
    unroll<slots>([&](auto j) { u[j] = Side::part(j, u[j], smaller(s[j], pt.c[term(j)] * rho)); });
    u0 = rho;
    return false;
  }
  void prox_safe(const Point<double>& pt, const ProxSteps& steps, double& u0, double* u) const { prox(pt, steps, u0, u); }

  template <class T>
  [[gnu::always_inline]] T lagrangian(const Point<T>& pt, const T* v) const {
    MaskOf<T> outside = false;
    unroll<slots>([&](auto j) { outside = outside | Side::outside(j, v[j]) | (abs(v[j]) > pt.c[term(j)] * (1 + 1e-12)); });
    return select(outside, T(std::numeric_limits<double>::infinity()), T(0.0));
  }
  template <class T>
  [[gnu::always_inline]] T true_value(const Point<T>& pt, const T* p) const {
    T h = 0;
    unroll<D>([&](auto d) { h += pt.c[Common ? 0 : d] * abs(p[d]); });
    return h;
  }
  template <class T>
  [[gnu::always_inline]] void true_gradient(const Point<T>& pt, const T* p, T* g) const {
    unroll<D>([&](auto d) {
      const T c = pt.c[Common ? 0 : d];
      g[d] = select(p[d] > 0.0, c, select(p[d] < 0.0, -c, T(0.0)));
    });
  }
};

template <int D, bool Upwind = true>
struct L2Kernel {
  using Side = Sides<D, Upwind>;
  static constexpr int dim = D, slots = Side::slots, coefficients = 1;
  static constexpr bool upwind = Upwind;
  static constexpr bool nonnegative = true;
  template <class T>
  using Point = KernelPoint<T, 1>;

  template <class T>
  [[gnu::always_inline]] T value(const Point<T>& pt, const T* q) const {
    return pt.c[0] * Side::size(q);
  }
  template <class T>
  [[gnu::always_inline]] void gradient(const Point<T>& pt, const T* q, T* g) const {
    const T r = Side::size(q), scale = select(r > 0.0, pt.c[0] / r, T(0.0));
    unroll<slots>([&](auto j) { g[j] = Side::part(j, q[j], Side::size(j, q[j]) * scale); });
  }
  /// Projection on the cone |m| <= c rho (in the metric of the steps).
  template <class T>
  [[gnu::always_inline]] MaskOf<T> prox(const Point<T>& pt, const ProxSteps& steps, T& u0, T* u) const {
    const T c = pt.c[0], r = Side::size(u), numerator = u0 + steps.ratio * (c * r);
    const T rho = select(numerator > 0.0, larger(u0, numerator / (1.0 + steps.ratio * (c * c))), T(0.0));
    const T limit = c * rho, scale = select(r > limit, limit / r, T(1.0));
    unroll<slots>([&](auto j) { u[j] = Side::part(j, u[j], Side::size(j, u[j]) * scale); });
    u0 = rho;
    return false;
  }
  void prox_safe(const Point<double>& pt, const ProxSteps& steps, double& u0, double* u) const { prox(pt, steps, u0, u); }

  template <class T>
  [[gnu::always_inline]] T lagrangian(const Point<T>& pt, const T* v) const {
    MaskOf<T> outside = false;
    unroll<slots>([&](auto j) { outside = outside | Side::outside(j, v[j]); });
    return select(outside | (Side::size(v) > pt.c[0] * (1 + 1e-12)), T(std::numeric_limits<double>::infinity()), T(0.0));
  }
  template <class T>
  [[gnu::always_inline]] T true_value(const Point<T>& pt, const T* p) const {
    return pt.c[0] * Side::length(p);
  }
  template <class T>
  [[gnu::always_inline]] void true_gradient(const Point<T>& pt, const T* p, T* g) const {
    const T r = Side::length(p), scale = select(r > 0.0, pt.c[0] / r, T(0.0));
    unroll<D>([&](auto d) { g[d] = p[d] * scale; });
  }
};

template <int D, bool Upwind = true>
struct LinfKernel {
  using Side = Sides<D, Upwind>;
  static constexpr int dim = D, slots = Side::slots, coefficients = 1;
  static constexpr bool upwind = Upwind;
  static constexpr bool nonnegative = true;
  template <class T>
  using Point = KernelPoint<T, 1>;

  template <class T>
  [[gnu::always_inline]] T value(const Point<T>& pt, const T* q) const {
    T r = 0;
    unroll<slots>([&](auto j) { r = larger(r, Side::size(j, q[j])); });
    return pt.c[0] * r;
  }
  template <class T>
  [[gnu::always_inline]] void gradient(const Point<T>& pt, const T* q, T* g) const {
    T r = 0, ties = 0;
    unroll<slots>([&](auto j) { r = larger(r, Side::size(j, q[j])); });
    unroll<slots>([&](auto j) { ties += select(Side::size(j, q[j]) == r, T(1.0), T(0.0)); });
    unroll<slots>([&](auto j) { g[j] = select((Side::size(j, q[j]) == r) & (r > 0.0), Side::part(j, q[j], pt.c[0] / ties), T(0.0)); });
  }
  /// Sizes are cut at theta, the root of the decreasing convex piecewise linear sum_j max(s_j - theta, 0) - c rho,
  /// rho = u0 + r c theta, r = sigma_rho/sigma_m. From the left each Newton step drops a term or is the last.
  template <class T>
  [[gnu::always_inline]] MaskOf<T> prox(const Point<T>& pt, const ProxSteps& steps, T& u0, T* u) const {
    const T c = pt.c[0], rc = steps.ratio * c;
    T s[slots], top = 0;
    unroll<slots>([&](auto j) {
      s[j] = Side::size(j, u[j]);
      top = larger(top, s[j]);
    });
    T theta = select(u0 < 0.0, -u0 / rc, T(0.0)), over = 0;
    unroll<slots>([&](auto) {
      T numerator = -c * u0, count = c * rc + 1e-300;
      unroll<slots>([&](auto j) {
        const auto in = s[j] > theta;
        numerator += select(in, s[j], T(0.0));
        count += select(in, T(1.0), T(0.0));
      });
      theta = larger(theta, numerator / count);
    });
    unroll<slots>([&](auto j) { over += larger(s[j] - theta, T(0.0)); });
    const auto active = u0 + rc * top > 0.0;
    // Of two expressions for rho the one with less cancellation; the momentum follows it, so that its dual norm stays below c rho.
    const T rho = select(active, larger(select((u0 < 0.0) & (c * rc > 1.0), over / c, u0 + rc * theta), T(0.0)), T(0.0));
    const T scale = select(over > c * rho, c * rho / over, T(1.0));
    unroll<slots>([&](auto j) { u[j] = Side::part(j, u[j], larger(s[j] - theta, T(0.0)) * scale); });
    u0 = rho;
    return false;
  }
  void prox_safe(const Point<double>& pt, const ProxSteps& steps, double& u0, double* u) const { prox(pt, steps, u0, u); }

  template <class T>
  [[gnu::always_inline]] T lagrangian(const Point<T>& pt, const T* v) const {
    MaskOf<T> outside = false;
    T sum = 0;
    unroll<slots>([&](auto j) {
      outside = outside | Side::outside(j, v[j]);
      sum += abs(v[j]);
    });
    return select(outside | (sum > pt.c[0] * (1 + 1e-12)), T(std::numeric_limits<double>::infinity()), T(0.0));
  }
  template <class T>
  [[gnu::always_inline]] T true_value(const Point<T>& pt, const T* p) const {
    T r = 0;
    unroll<D>([&](auto d) { r = larger(r, abs(p[d])); });
    return pt.c[0] * r;
  }
  template <class T>
  [[gnu::always_inline]] void true_gradient(const Point<T>& pt, const T* p, T* g) const {
    T r = 0, ties = 0;
    unroll<D>([&](auto d) { r = larger(r, abs(p[d])); });
    unroll<D>([&](auto d) { ties += select(abs(p[d]) == r, T(1.0), T(0.0)); });
    unroll<D>([&](auto d) {
      const T size = pt.c[0] / ties;
      g[d] = select((abs(p[d]) == r) & (r > 0.0), select(p[d] > 0.0, size, -size), T(0.0));
    });
  }
};

}  // namespace wasserflow
