#pragma once
/// Forward-mode automatic differentiation: a number with N partial derivatives. Material laws written once on a scalar type T are differentiated by
/// calling them with Dual<N>; Dual<N, Dual<N>> gives second derivatives. At kinks the derivative of the active side is taken, 0 for abs at 0 and for
/// sqrt at 0, as in Formula::derivative.
#include <array>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <type_traits>

namespace wasserflow {

template <int N, class T = double>
struct Dual {
  T value{};
  std::array<T, N> partial{};

  Dual() = default;
  Dual(const T& v) : value(v) {}
  template <class Number>
  requires(std::is_arithmetic_v<Number> && !std::same_as<Number, T>) Dual(Number v) : value(static_cast<T>(static_cast<double>(v))) {}

  /// The independent variable number `index`.
  static Dual variable(const T& v, int index) {
    Dual x(v);
    x.partial[static_cast<std::size_t>(index)] = T(1.0);
    return x;
  }

  /// f(this) from f and f' at the value.
  Dual chain(const T& f, const T& derivative) const {
    Dual r(f);
    for (std::size_t i = 0; i < N; ++i) r.partial[i] = derivative * partial[i];
    return r;
  }

  Dual& operator+=(const Dual& b) { return *this = *this + b; }
  Dual& operator-=(const Dual& b) { return *this = *this - b; }
  Dual& operator*=(const Dual& b) { return *this = *this * b; }
  Dual& operator/=(const Dual& b) { return *this = *this / b; }

  friend Dual operator+(const Dual& a) { return a; }
  friend Dual operator-(const Dual& a) { return a.chain(-a.value, T(-1.0)); }
  friend Dual operator+(const Dual& a, const Dual& b) {
    Dual r(a.value + b.value);
    for (std::size_t i = 0; i < N; ++i) r.partial[i] = a.partial[i] + b.partial[i];
    return r;
  }
  friend Dual operator-(const Dual& a, const Dual& b) {
    Dual r(a.value - b.value);
    for (std::size_t i = 0; i < N; ++i) r.partial[i] = a.partial[i] - b.partial[i];
    return r;
  }
  friend Dual operator*(const Dual& a, const Dual& b) {
    Dual r(a.value * b.value);
    for (std::size_t i = 0; i < N; ++i) r.partial[i] = a.partial[i] * b.value + a.value * b.partial[i];
    return r;
  }
  friend Dual operator/(const Dual& a, const Dual& b) {
    Dual r(a.value / b.value);
    for (std::size_t i = 0; i < N; ++i) r.partial[i] = (a.partial[i] - r.value * b.partial[i]) / b.value;
    return r;
  }

  // Comparisons look at the value.
  friend bool operator==(const Dual& a, const Dual& b) { return a.value == b.value; }
  friend auto operator<=>(const Dual& a, const Dual& b) { return a.value <=> b.value; }
};

namespace dual_detail {
inline double plain(double x) { return x; }
template <int N, class T>
double plain(const Dual<N, T>& x) {
  return plain(x.value);
}
}  // namespace dual_detail

// The calls below find std functions for double and these functions, by argument, for nested duals.

template <int N, class T>
Dual<N, T> sin(const Dual<N, T>& x) {
  using std::cos, std::sin;
  return x.chain(sin(x.value), cos(x.value));
}
template <int N, class T>
Dual<N, T> cos(const Dual<N, T>& x) {
  using std::cos, std::sin;
  return x.chain(cos(x.value), -sin(x.value));
}
template <int N, class T>
Dual<N, T> tan(const Dual<N, T>& x) {
  using std::tan;
  const T t = tan(x.value);
  return x.chain(t, T(1.0) + t * t);
}
template <int N, class T>
Dual<N, T> asin(const Dual<N, T>& x) {
  using std::asin, std::sqrt;
  return x.chain(asin(x.value), T(1.0) / sqrt(T(1.0) - x.value * x.value));
}
template <int N, class T>
Dual<N, T> acos(const Dual<N, T>& x) {
  using std::acos, std::sqrt;
  return x.chain(acos(x.value), T(-1.0) / sqrt(T(1.0) - x.value * x.value));
}
template <int N, class T>
Dual<N, T> atan(const Dual<N, T>& x) {
  using std::atan;
  return x.chain(atan(x.value), T(1.0) / (T(1.0) + x.value * x.value));
}
template <int N, class T>
Dual<N, T> atan2(const Dual<N, T>& y, const Dual<N, T>& x) {
  using std::atan2;
  Dual<N, T> r(atan2(y.value, x.value));
  const T square = x.value * x.value + y.value * y.value;
  for (std::size_t i = 0; i < N; ++i) r.partial[i] = (x.value * y.partial[i] - y.value * x.partial[i]) / square;
  return r;
}
template <int N, class T>
Dual<N, T> sinh(const Dual<N, T>& x) {
  using std::cosh, std::sinh;
  return x.chain(sinh(x.value), cosh(x.value));
}
template <int N, class T>
Dual<N, T> cosh(const Dual<N, T>& x) {
  using std::cosh, std::sinh;
  return x.chain(cosh(x.value), sinh(x.value));
}
template <int N, class T>
Dual<N, T> tanh(const Dual<N, T>& x) {
  using std::tanh;
  const T t = tanh(x.value);
  return x.chain(t, T(1.0) - t * t);
}
template <int N, class T>
Dual<N, T> exp(const Dual<N, T>& x) {
  using std::exp;
  const T e = exp(x.value);
  return x.chain(e, e);
}
template <int N, class T>
Dual<N, T> log(const Dual<N, T>& x) {
  using std::log;
  return x.chain(log(x.value), T(1.0) / x.value);
}
template <int N, class T>
Dual<N, T> sqrt(const Dual<N, T>& x) {
  using std::sqrt;
  const T s = sqrt(x.value);
  return x.chain(s, dual_detail::plain(x) == 0 ? T(0.0) : T(0.5) / s);
}
template <int N, class T>
Dual<N, T> abs(const Dual<N, T>& x) {
  const double v = dual_detail::plain(x);
  return v > 0 ? x : v < 0 ? -x : Dual<N, T>(x.value);
}
template <int N, class T>
Dual<N, T> fabs(const Dual<N, T>& x) {
  return abs(x);
}
template <int N, class T>
Dual<N, T> floor(const Dual<N, T>& x) {
  return Dual<N, T>(std::floor(dual_detail::plain(x)));
}
template <int N, class T>
Dual<N, T> min(const Dual<N, T>& a, const Dual<N, T>& b) {
  return b < a ? b : a;
}
template <int N, class T>
Dual<N, T> max(const Dual<N, T>& a, const Dual<N, T>& b) {
  return b > a ? b : a;
}
/// x^q with a constant exponent; as for sqrt the derivative at 0 is 0 when 0 < q < 1.
template <int N, class T>
Dual<N, T> pow(const Dual<N, T>& x, double q) {
  using std::pow;
  if (q == 0) return Dual<N, T>(1.0);
  const bool flat = dual_detail::plain(x) == 0 && q > 0 && q < 1;
  return x.chain(pow(x.value, q), flat ? T(0.0) : T(q) * pow(x.value, q - 1));
}
template <int N, class T>
Dual<N, T> pow(const Dual<N, T>& x, const Dual<N, T>& q) {
  return exp(q * log(x));
}

}  // namespace wasserflow
