#pragma once
/// Fluxes of drift and diffusion through one face (Scharfetter & Gummel 1969; Chang & Cooper 1970), without cancellation.
#include <algorithm>
#include <cmath>

namespace wasserflow {

/// B(z) = z / (e^z - 1) for z >= 0; B(-z) = B(z) + z.
inline double bernoulli(double z) { return z > 0 ? z / std::expm1(z) : 1; }

/// B'(z) for any z; in (-1, 0).
inline double bernoulli_slope(double z) {
  const double p = std::fabs(z);
  double slope;  // at p
  if (p < 0.1) {
    const double s = p * p;
    slope = -0.5 + p * (1.0 / 6 - s * (1.0 / 180 - s * (1.0 / 5040 - s / 151200)));
  } else {
    const double b = bernoulli(p);
    slope = b > 0 ? (1 - b - p) / std::expm1(p) : 0;
  }
  return z >= 0 ? slope : -1 - slope;
}

/// E(z) = B(z) - z B'(z), even and positive: the derivative of D B(q / D) by D.
inline double bernoulli_even(double z) {
  const double p = std::fabs(z);
  if (p < 0.1) {
    const double s = p * p;
    return 1 - s * (1.0 / 12 - s * (1.0 / 240 - s / 6048));
  }
  return std::max(0.0, bernoulli(p) - p * bernoulli_slope(p));
}

/// F = upper rho_i - lower rho_j through the face between i and j at distance h, for the drift q / h and the diffusion D >= 0: upper = D B(-q/D),
/// lower = D B(q/D), both >= 0, lower / upper = exp(-q / D). D = 0: upwind.
struct FacePair {
  double upper, lower;
};
inline FacePair face_pair(double D, double q) {
  const double size = std::fabs(q);
  const double low = D > 0 ? D * bernoulli(size / D) : 0;  // overflow of size / D to infinity gives 0
  return q >= 0 ? FacePair{low + size, low} : FacePair{low, low + size};
}

}  // namespace wasserflow
