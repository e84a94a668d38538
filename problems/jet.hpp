#pragma once
/// Numbers with first and second derivatives in N variables: a Hamiltonian written once on a scalar type is differentiated by calling it with these.
/// T is double or Pack. At kinks the derivative is that of the active side, 0 for abs and sqrt at 0, so that norms have slope 0 at the origin.
#include <array>

#include "problems/pack.hpp"

namespace wasserflow {

template <int N, class T>
struct Jet {
  static constexpr int pairs = N * (N + 1) / 2;
  T value;
  std::array<T, N> first;       ///< gradient
  std::array<T, pairs> second;  ///< upper triangle of the Hessian, row by row

  Jet() = default;
  [[gnu::always_inline]] Jet(const T& v) : value(v) {
    unroll<N>([&](auto i) { first[i] = 0.0; });
    unroll<pairs>([&](auto k) { second[k] = 0.0; });
  }
  template <class Number>
  requires(std::is_arithmetic_v<Number> && !std::is_same_v<Number, T>) [[gnu::always_inline]] Jet(Number v) : Jet(T(static_cast<double>(v))) {}
  /// The variable number `index`.
  [[gnu::always_inline]] static Jet variable(const T& v, int index) {
    Jet r(v);
    r.first[static_cast<std::size_t>(index)] = 1.0;
    return r;
  }

  /// f(this) from f, f', f'' at the value.
  [[gnu::always_inline]] Jet chain(const T& f, const T& f1, const T& f2) const {
    Jet r;
    r.value = f;
    unroll<N>([&](auto i) { r.first[i] = f1 * first[i]; });
    pairwise([&](auto k, auto i, auto j) { r.second[k] = f1 * second[k] + f2 * (first[i] * first[j]); });
    return r;
  }
  /// body(k, i, j) for the entries k = (i, j), i <= j, of the triangle.
  template <class F>
  [[gnu::always_inline]] static void pairwise(F&& body) {
    unroll<N>([&](auto i) {
      unroll<N - i>([&](auto o) { body(std::integral_constant<int, i * N - i*(i - 1) / 2 + o>{}, i, std::integral_constant<int, i + o>{}); });
    });
  }

  [[gnu::always_inline]] friend Jet operator+(const Jet& a) { return a; }
  [[gnu::always_inline]] friend Jet operator-(const Jet& a) {
    return zip(a, a, [](const T& x, const T&) { return -x; });
  }
  [[gnu::always_inline]] friend Jet operator+(const Jet& a, const Jet& b) {
    return zip(a, b, [](const T& x, const T& y) { return x + y; });
  }
  [[gnu::always_inline]] friend Jet operator-(const Jet& a, const Jet& b) {
    return zip(a, b, [](const T& x, const T& y) { return x - y; });
  }
  [[gnu::always_inline]] friend Jet operator*(const Jet& a, const Jet& b) {
    Jet r;
    r.value = a.value * b.value;
    unroll<N>([&](auto i) { r.first[i] = a.first[i] * b.value + a.value * b.first[i]; });
    pairwise([&](auto k, auto i, auto j) {
      r.second[k] = a.second[k] * b.value + a.value * b.second[k] + (a.first[i] * b.first[j] + a.first[j] * b.first[i]);
    });
    return r;
  }
  [[gnu::always_inline]] friend Jet operator/(const Jet& a, const Jet& b) {
    const T i = 1.0 / b.value, i2 = i * i;
    return a * b.chain(i, -i2, 2.0 * i2 * i);
  }
  [[gnu::always_inline]] Jet& operator+=(const Jet& b) { return *this = *this + b; }
  [[gnu::always_inline]] Jet& operator-=(const Jet& b) { return *this = *this - b; }
  [[gnu::always_inline]] Jet& operator*=(const Jet& b) { return *this = *this * b; }
  [[gnu::always_inline]] Jet& operator/=(const Jet& b) { return *this = *this / b; }

  // Comparisons look at the values.
  [[gnu::always_inline]] friend auto operator<(const Jet& a, const Jet& b) { return a.value < b.value; }
  [[gnu::always_inline]] friend auto operator>(const Jet& a, const Jet& b) { return a.value > b.value; }
  [[gnu::always_inline]] friend auto operator<=(const Jet& a, const Jet& b) { return a.value <= b.value; }
  [[gnu::always_inline]] friend auto operator>=(const Jet& a, const Jet& b) { return a.value >= b.value; }

  template <class F>
  [[gnu::always_inline]] static Jet zip(const Jet& a, const Jet& b, F&& f) {
    Jet r;
    r.value = f(a.value, b.value);
    unroll<N>([&](auto i) { r.first[i] = f(a.first[i], b.first[i]); });
    unroll<pairs>([&](auto k) { r.second[k] = f(a.second[k], b.second[k]); });
    return r;
  }
};

template <int N, class T>
[[gnu::always_inline]] inline Jet<N, T> select(MaskOf<T> m, const Jet<N, T>& a, const Jet<N, T>& b) {
  return Jet<N, T>::zip(a, b, [m](const T& x, const T& y) { return select(m, x, y); });
}
template <int N, class T>
[[gnu::always_inline]] inline Jet<N, T> max(const Jet<N, T>& a, const Jet<N, T>& b) {
  return select(a.value > b.value, a, b);
}
template <int N, class T>
[[gnu::always_inline]] inline Jet<N, T> min(const Jet<N, T>& a, const Jet<N, T>& b) {
  return select(a.value < b.value, a, b);
}
template <int N, class T>
[[gnu::always_inline]] inline Jet<N, T> abs(const Jet<N, T>& a) {
  const T sign = select(a.value > 0.0, T(1.0), select(a.value < 0.0, T(-1.0), T(0.0)));
  return a.chain(abs(a.value), sign, T(0.0));
}
template <int N, class T>
[[gnu::always_inline]] inline Jet<N, T> sqrt(const Jet<N, T>& a) {
  const T s = sqrt(a.value), f1 = select(s == 0.0, T(0.0), 0.5 / s);
  return a.chain(s, f1, select(s == 0.0, T(0.0), -0.5 * f1 / a.value));
}
template <int N, class T>
[[gnu::always_inline]] inline Jet<N, T> exp(const Jet<N, T>& a) {
  const T e = exp(a.value);
  return a.chain(e, e, e);
}
template <int N, class T>
[[gnu::always_inline]] inline Jet<N, T> log(const Jet<N, T>& a) {
  const T i = 1.0 / a.value;
  return a.chain(log(a.value), i, -i * i);
}
template <int N, class T>
[[gnu::always_inline]] inline Jet<N, T> sin(const Jet<N, T>& a) {
  const T s = sin(a.value);
  return a.chain(s, cos(a.value), -s);
}
template <int N, class T>
[[gnu::always_inline]] inline Jet<N, T> cos(const Jet<N, T>& a) {
  const T c = cos(a.value);
  return a.chain(c, -sin(a.value), -c);
}
template <int N, class T>
[[gnu::always_inline]] inline Jet<N, T> cosh(const Jet<N, T>& a) {
  const T e = exp(a.value), i = 1.0 / e, c = 0.5 * (e + i);
  return a.chain(c, 0.5 * (e - i), c);
}
template <int N, class T>
[[gnu::always_inline]] inline Jet<N, T> tanh(const Jet<N, T>& a) {
  const T t = tanh(a.value), d = 1.0 - t * t;
  return a.chain(t, d, -2.0 * t * d);
}
/// x^q; as for sqrt the derivatives at 0 are 0 where they would be infinite.
template <int N, class T>
[[gnu::always_inline]] inline Jet<N, T> pow(const Jet<N, T>& a, double q) {
  const auto zero = a.value == 0.0;
  const T f1 = q < 1 ? select(zero, T(0.0), q * pow(a.value, q - 1)) : T(q * pow(a.value, q - 1));
  const T f2 = q < 2 ? select(zero, T(0.0), q * (q - 1) * pow(a.value, q - 2)) : T(q * (q - 1) * pow(a.value, q - 2));
  return a.chain(pow(a.value, q), f1, f2);
}

}  // namespace wasserflow
