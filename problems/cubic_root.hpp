#pragma once
/// The scalar equation of the proximal map of |m|^2 / (2 rho), in closed form but for three steps of fixed cost: no branches, no cube root.
#include "problems/pack.hpp"

namespace wasserflow {

/// x^{-1/3} for x > 0 up to 4 %, by the exponent: a start for iterations.
[[gnu::always_inline]] inline Pack rough_inverse_cbrt(Pack x) {
  const auto bits = __builtin_convertvector(std::bit_cast<Mask::Lanes>(x.v), Pack::Lanes);
  return Pack(std::bit_cast<Pack::Lanes>(__builtin_convertvector(bits * (-1.0 / 3.0), Mask::Lanes) + 0x553F'0A3D'70A3'D70B));
}

/// 1 / x for x > 0 up to 2 %, and sqrt(x) up to 0 .. 7 %, by the exponent.
[[gnu::always_inline]] inline Pack rough_reciprocal(Pack x) {
  const Pack r(std::bit_cast<Pack::Lanes>(0x7FDE'6238'22FC'16E6 - std::bit_cast<Mask::Lanes>(x.v)));
  return r * (2.0 - x * r);
}
[[gnu::always_inline]] inline Pack rough_sqrt(Pack x) {
  return Pack(std::bit_cast<Pack::Lanes>((std::bit_cast<Mask::Lanes>(x.v) >> 1) + 0x1FF8'0000'0000'0000));
}

/// The largest t > 0 with q t^3 + b t = 1, q >= 0, to rounding; q = 0 asks for b > 0 (else the result does not matter).
///
/// With t = q^{-1/3} z it is z^3 + beta z = 1, beta = b q^{-1/3}: z = 1 at beta = 0, 1 / beta and sqrt(-beta) far out. A rational function and a root
/// that are right there start within 13 %; two steps of Halley's iteration leave 2e-8, one of Newton's 4e-16.
[[gnu::always_inline]] inline Pack inverse_cubic_root(Pack b, Pack q) {
  const Pack p = rough_inverse_cbrt(larger(q, 1e-250)), beta = b * p, size = abs(beta), cubic = 0.75 * size;
  Pack t = p * select(beta > 0.0, (1.0 + cubic) * rough_reciprocal(1.0 + size * (0.95 + cubic)), 0.95 * rough_sqrt(1.0 + size));
  for (int step = 0; step < 2; ++step) {
    const Pack qt = q * t, square = qt * t, f = t * (square + b) - 1.0, f1 = 3.0 * square + b;
    t -= f * f1 / (f1 * f1 - 3.0 * qt * f);
  }
  const Pack square = q * t * t;
  return t - (t * (square + b) - 1.0) / (3.0 * square + b);
}

/// The root r >= 0 of r - A - k / (sigma + c r)^2, k, c >= 0, or 0 where it is negative. `ratio` is c r / (sigma + c r) then.
struct PlainRoot {
  Pack r, ratio;
};
[[gnu::always_inline]] inline PlainRoot plain_root(Pack A, Pack k, Pack c, double sigma) {
  const Pack t = inverse_cubic_root(sigma + c * A, c * k);
  const Mask positive = A + k * (1 / (sigma * sigma)) > 0.0;
  const Pack r = select(positive, larger(A + k * t * t, 0.0), 0.0);
  return {r, c * r * t};
}

}  // namespace wasserflow
