#pragma once
/// Norms of flux vectors: lengths, dual balls. Kernels for sweeps, used by the Wasserstein-1 solvers.
#include <array>
#include <cmath>
#include <string>
#include <type_traits>

#include "grids/grid.hpp"

namespace wasserflow {

/// Norm |m| of the fluxes, which measures distances in the plane: L1 (taxi), L2 (straight), Linf (chessboard). The potential's gradient is bounded in
/// the dual norm.
enum class GroundNorm { L1, L2, Linf };
std::string to_string(GroundNorm norm);

constexpr GroundNorm dual_of(GroundNorm n) { return n == GroundNorm::L1 ? GroundNorm::Linf : n == GroundNorm::L2 ? GroundNorm::L2 : GroundNorm::L1; }

template <int D, GroundNorm N>
double length(const double* m) {
  double s = 0;
  for (int d = 0; d < D; ++d) {
    const double a = std::fabs(m[d]);
    s = N == GroundNorm::L1 ? s + a : N == GroundNorm::L2 ? s + a * a : s < a ? a : s;
  }
  return N == GroundNorm::L2 ? std::sqrt(s) : s;
}

/// Projects q onto the unit ball of the norm dual to N.
template <int D, GroundNorm N>
void project_ball(double* q) {
  if constexpr (N == GroundNorm::L2) {
    const double a = length<D, N>(q), scale = 1 / (a < 1 ? 1.0 : a);
    for (int d = 0; d < D; ++d) q[d] *= scale;
  } else if constexpr (N == GroundNorm::L1) {
    for (int d = 0; d < D; ++d) q[d] = q[d] < -1 ? -1.0 : 1 < q[d] ? 1.0 : q[d];
  } else {
    // Soft thresholds: mu = max over k of (sum of the k largest - 1) / k, and not below 0 (Duchi et al. 2008).
    double sum = 0, largest = 0, least = std::fabs(q[0]);
    for (int d = 0; d < D; ++d) {
      const double a = std::fabs(q[d]);
      sum += a;
      largest = largest < a ? a : largest;
      least = a < least ? a : least;
    }
    double mu = largest - 1;
    const double two = (D == 3 ? sum - least - 1 : sum - 1) / 2, three = (sum - 1) / 3;
    if (D >= 2) mu = mu < two ? two : mu;
    if (D == 3) mu = mu < three ? three : mu;
    mu = mu < 0 ? 0.0 : mu;
    for (int d = 0; d < D; ++d) {
      const double a = std::fabs(q[d]) - mu;
      q[d] = std::copysign(a < 0 ? 0.0 : a, q[d]);
    }
  }
}

/// Calls f with the dimension and the norm as constants.
template <class F>
void dispatch_norm(int dim, GroundNorm norm, F&& f) {
  dispatch_dim(dim, [&](auto d) {
    switch (norm) {
      case GroundNorm::L1: return f(d, std::integral_constant<GroundNorm, GroundNorm::L1>{});
      case GroundNorm::L2: return f(d, std::integral_constant<GroundNorm, GroundNorm::L2>{});
      case GroundNorm::Linf: return f(d, std::integral_constant<GroundNorm, GroundNorm::Linf>{});
    }
  });
}

}  // namespace wasserflow
