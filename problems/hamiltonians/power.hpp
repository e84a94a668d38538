#pragma once
/// Kernel of H = a(x, t) |p|_2^q / q with q > 1 and a >= 0, on upwind sides: Hh = a/q s^q, s^2 = sum_d min(D+_d, 0)^2 + max(D-_d, 0)^2.
#include "problems/hamiltonians/norm.hpp"

namespace wasserflow {

template <int D>
struct PowerKernel {
  static constexpr int dim = D, slots = 2 * D, coefficients = 1;
  static constexpr bool upwind = true;
  static constexpr bool nonnegative = true;
  using Side = Sides<D, true>;
  template <class T>
  using Point = KernelPoint<T, 1>;
  double q = 2;

  template <class T>
  [[gnu::always_inline]] T value(const Point<T>& pt, const T* slope) const {
    return pt.c[0] / q * pow(Side::size(slope), q);
  }
  template <class T>
  [[gnu::always_inline]] void gradient(const Point<T>& pt, const T* slope, T* g) const {
    const T s = Side::size(slope), scale = select(s > 0.0, pt.c[0] * pow(s, q - 1) / s, T(0.0));
    unroll<slots>([&](auto j) { g[j] = Side::part(j, slope[j], Side::size(j, slope[j])) * scale; });
  }

  /// With V = |u|/sigma_m on the used sides, A = u0/sigma_m, r = sigma_rho/sigma_m, s = |b|: the root of
  ///   R(s) = V - s - lambda a s^{q-1},  lambda = A + r a s^q / q,   0 < s <= V,
  /// by Newton's method from the smallest of the bounds that each term alone gives.
  template <class T>
  [[gnu::always_inline]] MaskOf<T> prox(const Point<T>& pt, const ProxSteps& steps, T& u0, T* u) const {
    const T v = Side::size(u) * steps.inverse_m, a = u0 * steps.inverse_m, c = pt.c[0], k = steps.ratio / q * c;
    const auto active = a + k * pow(v, q) > 0.0;
    T s = v, step = 0;
    s = smaller(s, pow(v / (c * k + 1e-300), 1 / (2 * q - 1)));
    s = smaller(s, select(a > 0.0, pow(v / (c * a + 1e-300), 1 / (q - 1)), v));
    for (int i = 0; i < 7; ++i) {
      const T p1 = pow(s, q - 1), lambda = a + k * (p1 * s), f = v - s - lambda * c * p1;
      const T f1 = 1.0 + c * p1 * ((q - 1) * lambda / s + k * q * p1);
      step = f / f1;
      s = larger(smaller(s + step, v), 0.01 * s);
    }
    const MaskOf<T> failed = !((abs(step) <= 1e-8 * s) & (a >= 0.0));
    finish(pt, steps, v, a, s, active & (v > 0.0), u0, u);
    return failed & active & (v > 0.0);
  }

  void prox_safe(const Point<double>& pt, const ProxSteps& steps, double& u0, double* u) const {
    const double v = Side::size(u) * steps.inverse_m, a = u0 * steps.inverse_m, c = pt.c[0], k = steps.ratio / q * c;
    const bool active = v > 0 && a + k * std::pow(v, q) > 0;
    // Below `low` lambda is not positive, where R > 0.
    double low = a < 0 ? std::pow(-a / k, 1 / q) : 0, high = v, s = v, last = v;
    for (int i = 0; active && i < 300; ++i) {
      const double p1 = std::pow(s, q - 1), lambda = a + k * (p1 * s), f = v - s - lambda * c * p1;
      if (f == 0) break;
      (f > 0 ? low : high) = s;
      double next = s + f / (1 + c * p1 * ((q - 1) * lambda / s + k * q * p1));
      if (!(next > low && next < high && std::abs(next - s) < 0.7 * last))
        next = high > 4 * low ? std::sqrt(larger(low, 1e-30 * high) * high) : 0.5 * (low + high);
      last = std::abs(next - s);
      s = next;
      if (last <= 1e-16 * s) break;
    }
    finish(pt, steps, v, a, s, active, u0, u);
  }

  /// a^{1-q'} |v|^{q'} / q', 1/q + 1/q' = 1.
  template <class T>
  [[gnu::always_inline]] T lagrangian(const Point<T>& pt, const T* v) const {
    const double dual = q / (q - 1);
    MaskOf<T> outside = false;
    unroll<slots>([&](auto j) { outside = outside | Side::outside(j, v[j]); });
    const T r = Side::size(v), l = select(r == 0.0, T(0.0), pt.c[0] * pow(r / pt.c[0], dual) / dual);
    return select(outside, T(std::numeric_limits<double>::infinity()), l);
  }
  template <class T>
  [[gnu::always_inline]] T true_value(const Point<T>& pt, const T* p) const {
    return pt.c[0] / q * pow(Side::length(p), q);
  }
  template <class T>
  [[gnu::always_inline]] void true_gradient(const Point<T>& pt, const T* p, T* g) const {
    const T s = Side::length(p), scale = select(s > 0.0, pt.c[0] * pow(s, q - 1) / s, T(0.0));
    unroll<D>([&](auto d) { g[d] = p[d] * scale; });
  }

 private:
  template <class T>
  [[gnu::always_inline]] void finish(const Point<T>& pt, const ProxSteps& steps, T v, T a, T s, MaskOf<T> active, T& u0, T* u) const {
    const T p1 = pow(s, q - 1), c = pt.c[0];
    // Two expressions of one number; the one with less cancellation.
    const auto difference = (a < 0.0) & (-a * c * p1 > v);
    const T lambda = select(difference, (v - s) / (c * p1), larger(a + steps.ratio / q * c * (p1 * s), T(0.0)));
    const T scale = lambda * c * p1 / v;
    unroll<slots>([&](auto j) { u[j] = select(active, Side::part(j, u[j], Side::size(j, u[j])) * scale, T(0.0)); });
    u0 = select(active, steps.m * lambda, larger(u0, T(0.0)));
  }
};

}  // namespace wasserflow
