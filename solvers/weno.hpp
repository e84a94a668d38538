#pragma once
/// Fifth-order WENO reconstruction of one-sided slopes for Hamilton-Jacobi equations.
#include <algorithm>

namespace wasserflow {

/// One-sided slope at a node from five successive differences v_k = (u_{k+1} - u_k)/h, ordered towards the node from the upwind side:
///   D-phi_i = weno5(v_{i-3}, v_{i-2}, v_{i-1}, v_i, v_{i+1}),   D+phi_i = weno5(v_{i+2}, v_{i+1}, v_i, v_{i-1}, v_{i-2}).
/// The regularisation is relative to the largest difference, so that scaling phi scales the slope; absolute below 1e-20.
/// Source: Jiang & Peng, SIAM J. Sci. Comput. 21 (2000); relative regularisation as in Osher & Fedkiw 2003, section 3.4.
inline double weno5(double v1, double v2, double v3, double v4, double v5) {
  const double p1 = (2 * v1 - 7 * v2 + 11 * v3) / 6, p2 = (-v2 + 5 * v3 + 2 * v4) / 6, p3 = (2 * v3 + 5 * v4 - v5) / 6;
  const auto square = [](double x) { return x * x; };
  const double scale = std::max(std::max(std::max(v1 * v1, v2 * v2), std::max(v3 * v3, v4 * v4)), v5 * v5);
  const double eps = 1e-6 * scale + 1e-40;
  const double s1 = square(eps + 13.0 / 12 * square(v1 - 2 * v2 + v3) + 0.25 * square(v1 - 4 * v2 + 3 * v3));
  const double s2 = square(eps + 13.0 / 12 * square(v2 - 2 * v3 + v4) + 0.25 * square(v2 - v4));
  const double s3 = square(eps + 13.0 / 12 * square(v3 - 2 * v4 + v5) + 0.25 * square(3 * v3 - 4 * v4 + v5));
  // Weights 0.1/s1, 0.6/s2, 0.3/s3 over their sum, with one division.
  const double a1 = 0.1 * s2 * s3, a2 = 0.6 * s1 * s3, a3 = 0.3 * s1 * s2;
  return (a1 * p1 + a2 * p2 + a3 * p3) / (a1 + a2 + a3);
}

}  // namespace wasserflow
