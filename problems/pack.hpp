#pragma once
/// A few doubles in one vector register: pointwise mathematics written once on a scalar type T runs with T = double (one point) and T = Pack
/// (neighbouring points at a time). Lane by lane the results are those of double, whatever the width. There are no branches on a Pack: comparisons
/// give a Mask, and select(mask, a, b) chooses.
#include <bit>
#include <cmath>
#include <cstdint>
#include <type_traits>
#include <utility>

namespace wasserflow {

struct Mask;

struct Pack {
#if defined(__AVX512F__)
  static constexpr int width = 8;
#elif defined(__AVX__)
  static constexpr int width = 4;
#else
  static constexpr int width = 2;
#endif
  typedef double Lanes __attribute__((vector_size(width * sizeof(double))));
  Lanes v;

  Pack() = default;
  [[gnu::always_inline]] Pack(double x) : v(Lanes{} + x) {}
  [[gnu::always_inline]] explicit Pack(Lanes l) : v(l) {}
  double operator[](int lane) const { return v[lane]; }
  [[gnu::always_inline]] static Pack load(const double* p) {
    Pack r;
    __builtin_memcpy(&r.v, p, sizeof(r.v));
    return r;
  }
  [[gnu::always_inline]] void store(double* p) const { __builtin_memcpy(p, &v, sizeof(v)); }
  /// The first `count` >= 1 values; the other lanes repeat the first.
  static Pack load(const double* p, int count) {
    Pack r(p[0]);
    for (int l = 1; l < count; ++l) r.v[l] = p[l];
    return r;
  }
  void store(double* p, int count) const {
    for (int l = 0; l < count; ++l) p[l] = v[l];
  }

  [[gnu::always_inline]] friend Pack operator+(Pack a, Pack b) { return Pack(a.v + b.v); }
  [[gnu::always_inline]] friend Pack operator-(Pack a, Pack b) { return Pack(a.v - b.v); }
  [[gnu::always_inline]] friend Pack operator*(Pack a, Pack b) { return Pack(a.v * b.v); }
  [[gnu::always_inline]] friend Pack operator/(Pack a, Pack b) { return Pack(a.v / b.v); }
  [[gnu::always_inline]] Pack operator-() const { return Pack(-v); }
  [[gnu::always_inline]] Pack operator+() const { return *this; }
  [[gnu::always_inline]] Pack& operator+=(Pack b) { return v += b.v, *this; }
  [[gnu::always_inline]] Pack& operator-=(Pack b) { return v -= b.v, *this; }
  [[gnu::always_inline]] Pack& operator*=(Pack b) { return v *= b.v, *this; }
  [[gnu::always_inline]] Pack& operator/=(Pack b) { return v /= b.v, *this; }
};

/// Result of a comparison of packs, lane by lane.
struct Mask {
  typedef std::int64_t Lanes __attribute__((vector_size(Pack::width * sizeof(std::int64_t))));
  Lanes v;
  Mask() = default;
  [[gnu::always_inline]] explicit Mask(Lanes l) : v(l) {}
  [[gnu::always_inline]] Mask(bool b) : v(Lanes{} - static_cast<std::int64_t>(b)) {}
  bool operator[](int lane) const { return v[lane] != 0; }
  [[gnu::always_inline]] friend Mask operator&(Mask a, Mask b) { return Mask(a.v & b.v); }
  [[gnu::always_inline]] friend Mask operator|(Mask a, Mask b) { return Mask(a.v | b.v); }
  [[gnu::always_inline]] Mask operator!() const { return Mask(~v); }
};

[[gnu::always_inline]] inline Mask operator<(Pack a, Pack b) { return Mask(Mask::Lanes(a.v < b.v)); }
[[gnu::always_inline]] inline Mask operator>(Pack a, Pack b) { return Mask(Mask::Lanes(a.v > b.v)); }
[[gnu::always_inline]] inline Mask operator<=(Pack a, Pack b) { return Mask(Mask::Lanes(a.v <= b.v)); }
[[gnu::always_inline]] inline Mask operator>=(Pack a, Pack b) { return Mask(Mask::Lanes(a.v >= b.v)); }
[[gnu::always_inline]] inline Mask operator==(Pack a, Pack b) { return Mask(Mask::Lanes(a.v == b.v)); }
[[gnu::always_inline]] inline Mask operator!=(Pack a, Pack b) { return Mask(Mask::Lanes(a.v != b.v)); }

[[gnu::always_inline]] inline Pack select(Mask m, Pack a, Pack b) { return Pack(m.v ? a.v : b.v); }
[[gnu::always_inline]] inline double select(bool m, double a, double b) { return m ? a : b; }
[[gnu::always_inline]] inline bool any(bool m) { return m; }
[[gnu::always_inline]] inline bool any(Mask m) {
  std::int64_t r = 0;
  for (int l = 0; l < Pack::width; ++l) r |= m.v[l];
  return r != 0;
}
[[gnu::always_inline]] inline Pack larger(Pack a, Pack b) { return Pack(a.v > b.v ? a.v : b.v); }
[[gnu::always_inline]] inline Pack smaller(Pack a, Pack b) { return Pack(a.v < b.v ? a.v : b.v); }
[[gnu::always_inline]] inline double larger(double a, double b) { return a > b ? a : b; }
[[gnu::always_inline]] inline double smaller(double a, double b) { return a < b ? a : b; }

// The same names serve both scalar types in templates.
using std::abs, std::sqrt, std::exp, std::log, std::sin, std::cos, std::tanh, std::atan, std::cbrt, std::pow;

/// The mask of a scalar type: bool for double.
template <class T>
using MaskOf = std::conditional_t<std::is_same_v<T, Pack>, Mask, bool>;

/// f of each lane. The library's functions are called lane by lane (same bits as for double); sqrt and abs become vector instructions.
template <class F>
[[gnu::always_inline]] inline Pack lanewise(Pack a, F&& f) {
  Pack r;
  for (int l = 0; l < Pack::width; ++l) r.v[l] = f(a.v[l]);
  return r;
}
[[gnu::always_inline]] inline Pack sqrt(Pack a) {
  return lanewise(a, [](double x) { return __builtin_sqrt(x); });
}
[[gnu::always_inline]] inline Pack abs(Pack a) { return Pack(a.v < 0 ? -a.v : a.v); }
inline Pack exp(Pack a) {
  return lanewise(a, [](double x) { return std::exp(x); });
}
inline Pack log(Pack a) {
  return lanewise(a, [](double x) { return std::log(x); });
}
inline Pack sin(Pack a) {
  return lanewise(a, [](double x) { return std::sin(x); });
}
inline Pack cos(Pack a) {
  return lanewise(a, [](double x) { return std::cos(x); });
}
inline Pack tanh(Pack a) {
  return lanewise(a, [](double x) { return std::tanh(x); });
}
inline Pack atan(Pack a) {
  return lanewise(a, [](double x) { return std::atan(x); });
}
inline Pack cbrt(Pack a) {
  return lanewise(a, [](double x) { return std::cbrt(x); });
}
inline Pack pow(Pack a, double q) {
  return lanewise(a, [q](double x) { return std::pow(x, q); });
}
inline Pack pow(Pack a, Pack q) {
  Pack r;
  for (int l = 0; l < Pack::width; ++l) r.v[l] = std::pow(a.v[l], q.v[l]);
  return r;
}

/// The cube root of x >= 0 up to -6 % .. +1 %, by the exponent: a start for iterations.
[[gnu::always_inline]] inline double rough_cbrt(double x) {
  const double bits = static_cast<double>(std::bit_cast<std::int64_t>(x));
  return std::bit_cast<double>(static_cast<std::int64_t>(bits * (1.0 / 3.0)) + 0x2A9F'0000'0000'0000);
}
[[gnu::always_inline]] inline Pack rough_cbrt(Pack x) {
  const auto bits = __builtin_convertvector(std::bit_cast<Mask::Lanes>(x.v), Pack::Lanes);
  return Pack(std::bit_cast<Pack::Lanes>(__builtin_convertvector(bits * (1.0 / 3.0), Mask::Lanes) + 0x2A9F'0000'0000'0000));
}

/// f(0), ..., f(N-1) with the index as a constant, so that small arrays stay in registers.
template <int N, class F>
[[gnu::always_inline]] inline void unroll(F&& f) {
  [&]<int... I>(std::integer_sequence<int, I...>) __attribute__((always_inline)) { (f(std::integral_constant<int, I>{}), ...); }
  (std::make_integer_sequence<int, N>{});
}

}  // namespace wasserflow
