#pragma once
/// Kernel of H = sum_d a_d(x, t) p_d^2 / 2 with a_d >= 0, split by upwind sides (Engquist-Osher):
///   Hh(q) = sum_d a_d/2 ( min(D+_d, 0)^2 + max(D-_d, 0)^2 ).
#include "problems/hamiltonian_kernel.hpp"

namespace wasserflow {

/// The part of a slope that its slot uses: min(q, 0) for D+ (even slots), max(q, 0) for D-.
template <class T>
[[gnu::always_inline]] inline T upwind_side(int slot, T q) {
  return slot % 2 == 0 ? smaller(q, T(0.0)) : larger(q, T(0.0));
}

/// `Common`: one coefficient for all axes, otherwise one an axis.
template <int D, bool Common>
struct QuadraticKernel {
  static constexpr int dim = D;
  static constexpr int slots = 2 * D;
  static constexpr int coefficients = Common ? 1 : D;
  static constexpr bool upwind = true;
  static constexpr bool nonnegative = true;
  template <class T>
  using Point = KernelPoint<T, coefficients>;

  static constexpr int term(int slot) { return Common ? 0 : slot / 2; }

  template <class T>
  [[gnu::always_inline]] T value(const Point<T>& pt, const T* q) const {
    T h = 0;
    unroll<slots>([&](auto j) {
      const T w = upwind_side(j, q[j]);
      h += 0.5 * pt.c[term(j)] * (w * w);
    });
    return h;
  }

  template <class T>
  [[gnu::always_inline]] void gradient(const Point<T>& pt, const T* q, T* g) const {
    unroll<slots>([&](auto j) { g[j] = pt.c[term(j)] * upwind_side(j, q[j]); });
  }

  /// With lambda = rho/sigma_m, A = u0/sigma_m and K_d = a_d sum_sides w^2 sigma_rho / (2 sigma_m^3): the root of the increasing concave
  ///   F(lambda) = lambda - A - sum_d K_d / (1 + a_d lambda)^2,       m_j = a rho w_j / (1 + a_d lambda).
  /// Each term alone gives the lower bound 1 + a lambda >= cbrt(a K) + (1 + a A)/3; from the largest of them Halley's iteration multiplies a
  /// lambda that is too small by up to 3 a step and then converges with order 3.
  template <class T>
  [[gnu::always_inline]] MaskOf<T> prox(const Point<T>& pt, const ProxSteps& steps, T& u0, T* u) const {
    const Start<T> s = start(pt, steps, u0, u);
    T lambda = s.lambda, f = 0;
    // A lane that has arrived stays as it is while the others go on: its bits do not depend on its neighbours.
    MaskOf<T> going = s.active;
    for (int i = 0; i < 6 && any(going); ++i) {
      const T step = halley(pt, s, lambda, f);
      lambda = select(going, larger(lambda + step, s.least), lambda);
      going = going & !(abs(step) <= 1e-5 * lambda);
    }
    finish(pt, steps, select(s.active, lambda, T(0.0)), u0, u);
    return going;
  }

  /// Bisection (of the exponent where the bracket is wide) where Halley's step leaves the bracket or is not short enough.
  void prox_safe(const Point<double>& pt, const ProxSteps& steps, double& u0, double* u) const {
    const Start<double> s = start(pt, steps, u0, u);
    double low = s.least, high = s.least, lambda = s.lambda, last = std::numeric_limits<double>::infinity();
    for (double k : s.k) high += k;
    for (int i = 0; i < 400 && s.active; ++i) {
      double f = 0, step = halley(pt, s, lambda, f);
      (f < 0 ? low : high) = lambda;
      if (std::abs(step) <= 1e-14 * lambda) break;
      double next = lambda + step;
      if (!(next > low && next < high && std::abs(step) < 2 * last))
        next = high > 4 * low ? std::sqrt(larger(low, 1e-16 * high) * high) : 0.5 * (low + high);
      last = std::abs(next - lambda);
      lambda = next;
    }
    finish(pt, steps, s.active ? lambda : 0.0, u0, u);
  }

  template <class T>
  [[gnu::always_inline]] T lagrangian(const Point<T>& pt, const T* v) const {
    T l = 0;
    unroll<slots>([&](auto j) {
      const T a = pt.c[term(j)];
      const auto outside = (v[j] != upwind_side(j, v[j])) | ((a == 0.0) & (v[j] != 0.0));
      l += select(outside, T(std::numeric_limits<double>::infinity()), select(a == 0.0, T(0.0), v[j] * v[j] / (2.0 * a)));
    });
    return l;
  }

  template <class T>
  [[gnu::always_inline]] T true_value(const Point<T>& pt, const T* p) const {
    T h = 0;
    unroll<D>([&](auto d) { h += 0.5 * pt.c[Common ? 0 : d] * (p[d] * p[d]); });
    return h;
  }
  template <class T>
  [[gnu::always_inline]] void true_gradient(const Point<T>& pt, const T* p, T* g) const {
    unroll<D>([&](auto d) { g[d] = pt.c[Common ? 0 : d] * p[d]; });
  }

 private:
  template <class T>
  struct Start {
    T a, least, lambda;
    T k[coefficients];
    MaskOf<T> active;
  };

  template <class T>
  [[gnu::always_inline]] static Start<T> start(const Point<T>& pt, const ProxSteps& steps, T u0, const T* u) {
    Start<T> s;
    T squares[coefficients];
    unroll<coefficients>([&](auto d) { squares[d] = 0; });
    unroll<slots>([&](auto j) {
      const T w = upwind_side(j, u[j]) * steps.inverse_m;
      squares[term(j)] += w * w;
    });
    s.a = u0 * steps.inverse_m;
    s.least = larger(s.a, T(0.0));
    s.lambda = s.least;
    T sum = s.a;
    unroll<coefficients>([&](auto d) {
      const T a = pt.c[d];
      s.k[d] = (0.5 * steps.ratio) * a * squares[d];
      sum += s.k[d];
      s.lambda = larger(s.lambda, (rough_cbrt(a * s.k[d]) - 2.0 / 3.0) / (a + 1e-300) + s.a * (1.0 / 3.0));
    });
    s.active = sum > 0.0;
    return s;
  }

  /// Halley's step with everything multiplied by powers of S = prod_d (1 + a_d lambda), so that it has one division; f gets F S^2.
  template <class T>
  [[gnu::always_inline]] static T halley(const Point<T>& pt, const Start<T>& s, T lambda, T& f) {
    T factor[coefficients], others[coefficients];
    unroll<coefficients>([&](auto d) { factor[d] = 1.0 + pt.c[d] * lambda; });
    const T product = products(factor, others);
    const T square = product * product;
    f = (lambda - s.a) * square;
    T f1 = square * product, f2 = 0;
    unroll<coefficients>([&](auto d) {
      const T o2 = others[d] * others[d], ak = pt.c[d] * s.k[d];
      f -= s.k[d] * o2;
      f1 += 2.0 * ak * (o2 * others[d]);
      f2 += 3.0 * (pt.c[d] * ak) * (o2 * o2);  // -F''/2
    });
    // At most four times Newton's step: exact for one term, safe for several.
    return -(f * product) * f1 / larger(f1 * f1 + f * f2, 0.25 * (f1 * f1));
  }

  /// The product of the factors; others[d]: of all but factor d.
  template <class T>
  [[gnu::always_inline]] static T products(const T* factor, T* others) {
    if constexpr (coefficients == 1) {
      others[0] = 1.0;
      return factor[0];
    } else if constexpr (coefficients == 2) {
      others[0] = factor[1];
      others[1] = factor[0];
      return factor[0] * factor[1];
    } else {
      others[0] = factor[1] * factor[2];
      others[1] = factor[0] * factor[2];
      others[2] = factor[0] * factor[1];
      return others[2] * factor[2];
    }
  }

  template <class T>
  [[gnu::always_inline]] static void finish(const Point<T>& pt, const ProxSteps& steps, T lambda, T& u0, T* u) {
    T factor[coefficients], others[coefficients];
    unroll<coefficients>([&](auto d) { factor[d] = 1.0 + pt.c[d] * lambda; });
    const T scale = lambda / products(factor, others);
    unroll<slots>([&](auto j) { u[j] = upwind_side(j, u[j]) * (pt.c[term(j)] * others[term(j)] * scale); });
    u0 = steps.m * lambda;
  }
};

}  // namespace wasserflow
