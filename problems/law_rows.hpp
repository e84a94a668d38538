#pragma once
/// A Hamiltonian written by a person as a C++ struct, evaluated with its derivatives over rows of points.
///
///   struct MyHamiltonian {
///     static constexpr int dim = 2;                 // optional: the only dimension it is meant for
///     static constexpr int coefficients = 1;        // optional: quantities that depend on (x, t) only, computed once a time level
///     template <class Point, class T>
///     static void tabulate(const Point& at, T* c) { c[0] = 1 + 3 * exp(-4 * (at.x - 1) * (at.x - 1)); }
///     template <class Point, class P>
///     P operator()(const Point& at, const P* p) const { return at.c[0] * sqrt(1 + p[0] * p[0] + p[1] * p[1]); }
///   };
///
/// `at` has x, y, z, t and c; p[d] are the slopes. sqrt, abs, exp, log, sin, cos, cosh, tanh, pow(p, number), min, max and select(condition, a, b)
/// are there; `if` on x or p is not, since several points run at a time, unless the struct says `static constexpr bool one_by_one = true`. Convex in
/// p.
#include <algorithm>

#include "problems/jet.hpp"

namespace wasserflow {

/// A point as operator() sees it.
template <class T>
struct LawPoint {
  T x, y, z, t;
  const T* c;
};

template <class H>
constexpr int law_coefficients() {
  if constexpr (requires { H::coefficients; }) return H::coefficients;
  return 0;
}
/// Whether a struct is meant for a dimension: `static constexpr int dim = 2;` restricts it.
template <class H>
constexpr bool law_has_dimension(int dim) {
  if constexpr (requires { H::dim; }) return H::dim == dim;
  return dim > 0;
}
/// Points that one call of a struct handles: a pack, or one where it asks for that.
template <class H>
constexpr bool law_one_by_one() {
  if constexpr (requires { H::one_by_one; }) return H::one_by_one;
  return false;
}

/// Points of a row: x and coefficients as arrays, the other coordinates fixed.
struct LawRow {
  int n = 0;
  const double* x = nullptr;
  double y = 0, z = 0, t = 0;
  const double* const* c = nullptr;
};

namespace detail {
template <class T>
[[gnu::always_inline]] inline T load_some(const double* p, int count) {
  if constexpr (std::is_same_v<T, Pack>) return count == Pack::width ? Pack::load(p) : Pack::load(p, count);
  return (void)count, *p;
}
[[gnu::always_inline]] inline void store_some(double* p, double v, int) { *p = v; }
[[gnu::always_inline]] inline void store_some(double* p, const Pack& v, int count) { count == Pack::width ? v.store(p) : v.store(p, count); }
}  // namespace detail

/// c_k[i]: the coefficients of the struct at the points of the row.
template <class H>
void law_tabulate(const LawRow& r, double* const* c) {
  constexpr int N = law_coefficients<H>();
  using T = std::conditional_t<law_one_by_one<H>(), double, Pack>;
  constexpr int width = law_one_by_one<H>() ? 1 : Pack::width;
  if constexpr (N > 0)
    for (int i = 0; i < r.n; i += width) {
      const int count = std::min(width, r.n - i);
      T values[N];
      H::tabulate(LawPoint<T>{detail::load_some<T>(r.x + i, count), r.y, r.z, r.t, nullptr}, values);
      for (int k = 0; k < N; ++k) detail::store_some(c[k] + i, values[k], count);
    }
}

/// h[i], with g also g_d[i] = dH/dp_d and with hess the upper triangle of the Hessian. axis >= 0: derivatives by that slope only, in g[0] and
/// hess[0].
template <class H, int D>
void law_evaluate(const H& law, const LawRow& r, const double* const* p, double* h, double* const* g, double* const* hess, int axis) {
  constexpr int N = law_coefficients<H>();
  using T = std::conditional_t<law_one_by_one<H>(), double, Pack>;
  constexpr int width = law_one_by_one<H>() ? 1 : Pack::width;
  const auto row = [&](auto&& body) {
    for (int i = 0; i < r.n; i += width) {
      const int count = std::min(width, r.n - i);
      T c[N > 0 ? N : 1], q[D];
      unroll<N>([&](auto k) { c[k] = detail::load_some<T>(r.c[k] + i, count); });
      unroll<D>([&](auto d) { q[d] = detail::load_some<T>(p[d] + i, count); });
      body(LawPoint<T>{detail::load_some<T>(r.x + i, count), r.y, r.z, r.t, c}, q, i, count);
    }
  };
  if (!g) {
    row([&](const auto& at, const T* q, int i, int count) { detail::store_some(h + i, T(law(at, q)), count); });
  } else if (axis >= 0) {
    row([&](const auto& at, const T* q, int i, int count) {
      Jet<1, T> s[D];
      unroll<D>([&](auto d) {
        s[d] = Jet<1, T>(q[d]);
        s[d].first[0] = d == axis ? 1.0 : 0.0;
      });
      const Jet<1, T> v = law(at, s);
      detail::store_some(h + i, v.value, count);
      detail::store_some(g[0] + i, v.first[0], count);
      detail::store_some(hess[0] + i, v.second[0], count);
    });
  } else {
    row([&](const auto& at, const T* q, int i, int count) {
      Jet<D, T> s[D];
      unroll<D>([&](auto d) { s[d] = Jet<D, T>::variable(q[d], d); });
      const Jet<D, T> v = law(at, s);
      detail::store_some(h + i, v.value, count);
      unroll<D>([&](auto d) { detail::store_some(g[d] + i, v.first[d], count); });
      if (hess) unroll<Jet<D, T>::pairs>([&](auto k) { detail::store_some(hess[k] + i, v.second[k], count); });
    });
  }
}

}  // namespace wasserflow
