#pragma once
/// Kernel of H = p^T A(x, t) p / 2 with a symmetric positive semidefinite A, in Lax-Friedrichs form (cross terms do not split by upwind sides).
/// Coefficients: the upper triangle row by row (xx, xy, yy or xx, xy, xz, yy, yz, zz).
#include "problems/hamiltonian_kernel.hpp"

namespace wasserflow {

/// Place of entry (i, j) in the upper triangle of a symmetric D x D matrix.
template <int D>
constexpr int triangle(int i, int j) {
  return i > j ? triangle<D>(j, i) : i * D - i * (i - 1) / 2 + (j - i);
}

/// y = M x for a symmetric M given by its upper triangle.
template <int D, class T>
[[gnu::always_inline]] inline void symmetric_times(const T* m, const T* x, T* y) {
  unroll<D>([&](auto i) {
    T s = 0;
    unroll<D>([&](auto j) { s += m[triangle<D>(i, j)] * x[j]; });
    y[i] = s;
  });
}

/// The inverse of a symmetric positive definite matrix, by cofactors.
template <int D, class T>
[[gnu::always_inline]] inline void symmetric_inverse(const T* m, T* r) {
  if constexpr (D == 1) {
    r[0] = 1.0 / m[0];
  } else if constexpr (D == 2) {
    const T i = 1.0 / (m[0] * m[2] - m[1] * m[1]);
    r[0] = m[2] * i;
    r[1] = -m[1] * i;
    r[2] = m[0] * i;
  } else {
    const T c00 = m[3] * m[5] - m[4] * m[4], c01 = m[2] * m[4] - m[1] * m[5], c02 = m[1] * m[4] - m[2] * m[3];
    const T i = 1.0 / (m[0] * c00 + m[1] * c01 + m[2] * c02);
    r[0] = c00 * i;
    r[1] = c01 * i;
    r[2] = c02 * i;
    r[3] = (m[0] * m[5] - m[2] * m[2]) * i;
    r[4] = (m[1] * m[2] - m[0] * m[4]) * i;
    r[5] = (m[0] * m[3] - m[1] * m[1]) * i;
  }
}

template <int D>
struct AnisotropicKernel {
  static constexpr int dim = D, slots = D, coefficients = D * (D + 1) / 2;
  static constexpr bool upwind = false;
  static constexpr bool nonnegative = false;
  template <class T>
  using Point = KernelPoint<T, coefficients>;

  template <class T>
  [[gnu::always_inline]] T value(const Point<T>& pt, const T* q) const {
    T g[D];
    gradient(pt, q, g);
    return 0.5 * dot(q, g);
  }
  template <class T>
  [[gnu::always_inline]] void gradient(const Point<T>& pt, const T* q, T* g) const {
    symmetric_times<D>(pt.c.data(), q, g);
  }

  /// With lambda = rho/sigma_m, v = u/sigma_m, R = (1 + lambda A)^{-1} and b = R v: the root of the increasing concave
  ///   F(lambda) = lambda - u0/sigma_m - (sigma_rho/sigma_m) b^T A b / 2,  F' = 1 + r z^T A b,  -F''/2 = 3/2 r z^T A z,  z = R A b,
  /// by Halley's iteration from the left.
  template <class T>
  [[gnu::always_inline]] MaskOf<T> prox(const Point<T>& pt, const ProxSteps& steps, T& u0, T* u) const {
    T v[D], g[D], f = 0, step = 0;
    const T a = u0 * steps.inverse_m, least = larger(a, T(0.0));
    unroll<D>([&](auto d) { v[d] = u[d] * steps.inverse_m; });
    gradient(pt, v, g);
    const auto active = a + 0.5 * steps.ratio * dot(v, g) > 0.0;
    T lambda = least;
    unroll<6>([&](auto) {
      step = halley(pt, steps.ratio, a, v, lambda, f);
      lambda = larger(lambda + step, least);
    });
    const MaskOf<T> failed = !(abs(step) <= 1e-5 * lambda);
    finish(pt, steps, v, select(active, lambda, T(0.0)), u0, u);
    return failed & active;
  }

  void prox_safe(const Point<double>& pt, const ProxSteps& steps, double& u0, double* u) const {
    double v[D], g[D];
    const double a = u0 * steps.inverse_m;
    for (int d = 0; d < D; ++d) v[d] = u[d] * steps.inverse_m;
    gradient(pt, v, g);
    const double top = a + 0.5 * steps.ratio * dot(v, g);
    double low = larger(a, 0.0), high = larger(top, low), lambda = low, last = std::numeric_limits<double>::infinity();
    for (int i = 0; i < 400 && top > 0; ++i) {
      double f = 0;
      const double step = halley(pt, steps.ratio, a, v, lambda, f);
      (f < 0 ? low : high) = lambda;
      if (std::abs(step) <= 1e-14 * lambda) break;
      double next = lambda + step;
      if (!(next > low && next < high && std::abs(step) < 2 * last))
        next = high > 4 * low ? std::sqrt(larger(low, 1e-16 * high) * high) : 0.5 * (low + high);
      last = std::abs(next - lambda);
      lambda = next;
    }
    finish(pt, steps, v, top > 0 ? lambda : 0.0, u0, u);
  }

  /// v^T A^{-1} v / 2. A singular A has finite costs only in its range: given as +infinity for every v != 0.
  template <class T>
  [[gnu::always_inline]] T lagrangian(const Point<T>& pt, const T* v) const {
    T inverse[coefficients], w[D];
    symmetric_inverse<D>(pt.c.data(), inverse);
    symmetric_times<D>(inverse, v, w);
    const T l = 0.5 * dot(v, w), size = dot(v, v);
    return select(size == 0.0, T(0.0), select(l >= 0.0, l, T(std::numeric_limits<double>::infinity())));
  }
  template <class T>
  [[gnu::always_inline]] T true_value(const Point<T>& pt, const T* p) const {
    return value(pt, p);
  }
  template <class T>
  [[gnu::always_inline]] void true_gradient(const Point<T>& pt, const T* p, T* g) const {
    gradient(pt, p, g);
  }

 private:
  template <class T>
  [[gnu::always_inline]] static T dot(const T* a, const T* b) {
    T s = 0;
    unroll<D>([&](auto d) { s += a[d] * b[d]; });
    return s;
  }
  template <class T>
  [[gnu::always_inline]] static void resolvent(const Point<T>& pt, T lambda, T* r) {
    T m[coefficients];
    unroll<coefficients>([&](auto k) { m[k] = lambda * pt.c[k]; });
    unroll<D>([&](auto d) { m[triangle<D>(d, d)] += 1.0; });
    symmetric_inverse<D>(m, r);
  }
  template <class T>
  [[gnu::always_inline]] T halley(const Point<T>& pt, double ratio, T a, const T* v, T lambda, T& f) const {
    T r[coefficients], b[D], g[D], z[D], az[D];
    resolvent(pt, lambda, r);
    symmetric_times<D>(r, v, b);
    gradient(pt, b, g);
    symmetric_times<D>(r, g, z);
    gradient(pt, z, az);
    f = lambda - a - 0.5 * ratio * dot(b, g);
    const T f1 = 1.0 + ratio * dot(z, g), f2 = 1.5 * ratio * dot(z, az);
    return -f * f1 / larger(f1 * f1 + f * f2, 0.25 * (f1 * f1));
  }
  template <class T>
  [[gnu::always_inline]] void finish(const Point<T>& pt, const ProxSteps& steps, const T* v, T lambda, T& u0, T* u) const {
    T r[coefficients], b[D], g[D];
    resolvent(pt, lambda, r);
    symmetric_times<D>(r, v, b);
    gradient(pt, b, g);
    u0 = steps.m * lambda;
    unroll<D>([&](auto d) { u[d] = u0 * g[d]; });
  }
};

}  // namespace wasserflow
