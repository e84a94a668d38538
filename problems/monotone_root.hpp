#pragma once
/// Roots of many increasing functions at a time: Newton's method kept in brackets, for the scalar equations of proximal maps.
#include <array>

#include "grids/support/vector_math.hpp"

namespace wasserflow {

/// Rounded up to whole packs.
constexpr int padded(int n) { return (n + 7) / 8 * 8; }

/// r[i]: the root of the increasing function h_i on (0, infinity), i < n, a multiple of 8; 0 where h_i(0+) >= 0. On entry r[i] > 0 is where the
/// search starts.
///   evaluate(const double* r, double* h, double* dh): values at r > 0 and positive slopes (or estimates of them) of all n functions; slopes at least
///     of the order of 1, so that a step of Newton's bounds the error: one below 1e-9 r is taken and ends the search
///   logarithmic: h -> -infinity at 0 like ln, so that roots may be of any size; steps down are Newton's in ln r then
/// A lane that has arrived stays as it is: its bits do not depend on its neighbours.
template <int Most, class Evaluate>
void monotone_roots(int n, double* r, bool logarithmic, Evaluate&& evaluate) {
  constexpr double tiny = 1e-300, huge = 1e300;
  constexpr std::size_t size = Most;
  alignas(64) std::array<double, size> h, dh, low, high, going;
  const std::size_t count = static_cast<std::size_t>(n);
  if (!logarithmic) {
    alignas(64) std::array<double, size> zero;
    zero.fill(tiny);
    evaluate(zero.data(), h.data(), dh.data());
  }
  for (std::size_t i = 0; i < count; ++i) {
    low[i] = 0;
    high[i] = huge;
    going[i] = !logarithmic && h[i] >= 0 ? 0.0 : 1.0;
    r[i] = going[i] == 0.0 ? tiny : r[i] > tiny ? r[i] : tiny;
  }
  const Pack8 zero{}, one = zero + 1.0;
  for (int step = 0; step < 300; ++step) {
    evaluate(r, h.data(), dh.data());
    Pack8 left = zero;
    const bool slow = step > 20 && step % 3 == 0;
    for (std::size_t i = 0; i < count; i += 8) {
      const Pack8 x = load8(r + i), f = load8(&h[i]), f1 = load8(&dh[i]), go = load8(&going[i]);
      Pack8 lo = load8(&low[i]), hi = load8(&high[i]);
      lo = f < 0.0 ? x : lo;
      hi = f > 0.0 ? x : hi;
      Pack8 next = x - f / f1;
      if (logarithmic) {
        const Pack8 exponent = f > 0.0 ? -f / (x * f1) : zero;
        next = f > 0.0 ? x * exp8(exponent > -60.0 ? exponent : zero - 60.0) : next;  // slopes may be estimates: not down to 0 at once
      }
      // Outside of the bracket, or on the way for long: its middle, that of the exponents where it is wide.
      const Pack8 least = (logarithmic ? 1e-16 : 1e-2) * hi, base = lo > least ? lo : least;
      Pack8 middle = 0.5 * (lo + hi);
      for (int l = 0; l < 8; ++l) middle[l] = hi[l] > 4 * lo[l] ? __builtin_sqrt(base[l]) * __builtin_sqrt(hi[l]) : middle[l];
      middle = hi >= huge ? 8.0 * x : middle;
      const Pack8 bracketed = hi < huge ? one : zero;
      const Pack8 leaves = (next >= lo) & (next <= hi) ? bracketed * (slow ? 1.0 : 0.0) : one;
      const Pack8 vanishes = (f > 0.0) & (lo == zero) & (next < tiny) ? (logarithmic ? one : zero) : zero;
      next = (leaves > 0.0) & (vanishes == zero) ? middle : next;
      const Pack8 change = next > x ? next - x : x - next;
      next = f == 0.0 ? x : next;
      next = go > 0.0 ? next : x;
      store8(r + i, next);
      // Halving a bracket says nothing about the distance to the root.
      const Pack8 wide = (leaves > 0.0) & (vanishes == zero) & (hi - lo > 4e-16 * hi) ? one : zero;
      const Pack8 still = (go > 0.0) & (f != 0.0) & (next > tiny) & ((change > 1e-9 * next) | (wide > 0.0)) ? one : zero;
      store8(&going[i], still);
      store8(&low[i], lo);
      store8(&high[i], hi);
      left = left + still;
    }
    double any = 0;
    for (int l = 0; l < 8; ++l) any += left[l];
    if (any == 0) break;
  }
  for (std::size_t i = 0; i < count; ++i) r[i] = r[i] > 1e-290 ? r[i] : 0.0;
}

/// h += weight ln r, dh += weight / r.
inline void add_logarithm(int n, const double* weight, const double* r, double* h, double* dh) {
  for (int i = 0; i < n; i += 8) {
    const Pack8 w = load8(weight + i), x = load8(r + i);
    store8(h + i, load8(h + i) + w * log8(x));
    store8(dh + i, load8(dh + i) + w / x);
  }
}

/// The cube root of x >= 0 up to -6 % .. +1 %, by the exponent.
[[gnu::always_inline]] inline Pack8 rough_cbrt8(Pack8 x) {
  Pack8Index bits;
  __builtin_memcpy(&bits, &x, sizeof bits);
  bits = __builtin_convertvector(__builtin_convertvector(bits, Pack8) * (1.0 / 3.0), Pack8Index) + 0x2A9F'0000'0000'0000LL;
  __builtin_memcpy(&x, &bits, sizeof bits);
  return x;
}

/// The positive root of
///   h(r) = r - a + w ln r - sum_{g < G} k_g / (sigma + c_g r)^2,   k_g >= 0, c_g >= 0, w >= 0,
/// which is increasing and concave, by Halley's iteration from the left. On entry r is the root (or 0) without the logarithm. Where w = 0 r stays. k
/// and c: G rows each.
template <int G>
void logarithmic_roots(int n, const double* a, const double* w, const double* const* k, const double* const* c, double sigma, double* r) {
  for (int i = 0; i < n; i += 8) {
    const Pack8 A = load8(a + i), weight = load8(w + i), plain = load8(r + i), zero{};
    Pack8 kg[G > 0 ? G : 1], cg[G > 0 ? G : 1];
    for (int g = 0; g < G; ++g) {
      kg[g] = load8(k[g] + i);
      cg[g] = load8(c[g] + i);
    }
    // Without the kinetic terms r = w W(e^y), y = a/w - ln w: W >= y - ln y for y >= 1, W >= e^{y - e^y} below.
    const Pack8 positive = weight > 1e-290 ? weight : zero + 1e-290, y = A / positive - log8(positive), high = y > 1.0 ? y : zero + 1.0;
    const Pack8 low = y < 1.0 ? y : zero + 1.0;
    Pack8 x = y > 1.0 ? y - log8(high) : exp8(low - exp8(low));
    x = x * positive;
    // Below 1 the logarithm raises the root above the plain one; above 1 it counts at most as much as at the plain root.
    const Pack8 above = plain > 1.0 ? plain : zero + 1.0, rest = A - weight * log8(above);
    Pack8 left = plain > 1.0 ? rest : plain;
    for (int g = 0; g < G; ++g) {
      const Pack8 bound = (rough_cbrt8(cg[g] * kg[g]) * 0.99 - (2.0 / 3.0) * sigma) / (cg[g] + 1e-300) + rest * (1.0 / 3.0);
      left = (plain > 1.0) & (bound > left) ? bound : left;
    }
    x = left > x ? left : x;
    x = x > 1e-300 ? x : zero + 1e-300;
    Pack8 going = weight > zero ? zero + 1.0 : zero;
    for (int step = 0; step < 100; ++step) {
      // Derivatives times powers of x, which may be tiny: x h', -x^2 h''/2.
      Pack8 f = x - A + weight * log8(x), f1 = x + weight, f2 = 0.5 * weight;
      for (int g = 0; g < G; ++g) {
        const Pack8 t = 1.0 / (sigma + cg[g] * x), kt2 = kg[g] * t * t, ctx = cg[g] * t * x;
        f -= kt2;
        f1 += 2.0 * kt2 * ctx;
        f2 += 3.0 * kt2 * ctx * ctx;
      }
      const Pack8 square = f1 * f1, wide = square + f * f2, divisor = wide > 0.25 * square ? wide : 0.25 * square;
      const Pack8 next = x - x * (f * f1 / divisor), least = 0.1 * x;
      const Pack8 taken = next > least ? next : least, change = taken > x ? taken - x : x - taken;
      x = going > zero ? taken : x;
      going = (going > zero) & (change > 1e-5 * taken) & (taken > 1e-299) ? zero + 1.0 : zero;
      double any = 0;
      for (int l = 0; l < 8; ++l) any += going[l];
      if (any == 0) break;
    }
    x = x > 1e-290 ? x : zero;
    store8(r + i, weight > zero ? x : plain);
  }
}

}  // namespace wasserflow
