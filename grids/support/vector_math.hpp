#pragma once
/// exp and log of eight doubles at a time, to about one unit in the last place; a lane does not depend on its neighbours.
#include <initializer_list>
#include <limits>

#include "grids/support/pack8.hpp"

namespace wasserflow {

/// e^x; 0 below -708, where results would be subnormal (-infinity too). x < 709.
[[gnu::always_inline]] inline Pack8 exp8(Pack8 x) {
  const Pack8 floor = Pack8{} - 708.0;
  const Pack8 y = x < floor ? floor : x;
  constexpr double magic = 0x1.8p52;  // adding it rounds to a whole number
  const Pack8 shifted = y * 0x1.71547652b82fep0 + magic;
  const Pack8 n = shifted - magic;
  const Pack8 r = (y - n * 0x1.62e42fefa0000p-1) - n * 0x1.cf79abc9e3b3ap-40;  // ln 2 in two parts
  // |r| <= ln(2)/2: the series to r^13 is exact to 1e-17.
  Pack8 p = Pack8{} + 1.0 / 6227020800.0;
  for (const double c : {1.0 / 479001600.0, 1.0 / 39916800.0, 1.0 / 3628800.0, 1.0 / 362880.0, 1.0 / 40320.0, 1.0 / 5040.0, 1.0 / 720.0, 1.0 / 120.0,
                         1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0})
    p = p * r + c;
  Pack8Index bits;
  __builtin_memcpy(&bits, &shifted, sizeof bits);
  bits <<= 52;  // the low bits of `shifted` hold n
  Pack8Index result;
  __builtin_memcpy(&result, &p, sizeof result);
  result += bits;
  __builtin_memcpy(&p, &result, sizeof p);
  return x < floor ? Pack8{} : p;
}

/// Natural logarithm of x > 0 (normal numbers); -infinity for 0.
[[gnu::always_inline]] inline Pack8 log8(Pack8 x) {
  Pack8Index bits;
  __builtin_memcpy(&bits, &x, sizeof bits);
  // x = 2^e m with m in [sqrt(1/2), sqrt 2)
  const Pack8Index lift = bits - 0x3fe6a09e667f3bcdLL;
  const Pack8Index e = lift >> 52;
  const Pack8Index scaled = bits - (e << 52);
  Pack8 m;
  __builtin_memcpy(&m, &scaled, sizeof m);
  const Pack8 s = (m - 1.0) / (m + 1.0), s2 = s * s;  // log m = 2 atanh s, |s| <= 0.172
  Pack8 p = Pack8{} + 1.0 / 23;
  for (const double c : {1.0 / 21, 1.0 / 19, 1.0 / 17, 1.0 / 15, 1.0 / 13, 1.0 / 11, 1.0 / 9, 1.0 / 7, 1.0 / 5, 1.0 / 3}) p = p * s2 + c;
  const Pack8 k = __builtin_convertvector(e, Pack8);
  const Pack8 log = k * 0x1.62e42fefa0000p-1 + (2.0 * s + (2.0 * s * s2 * p + k * 0x1.cf79abc9e3b3ap-40));
  return x == Pack8{} ? Pack8{} - std::numeric_limits<double>::infinity() : log;
}

}  // namespace wasserflow
