#pragma once
/// The normaliser of the proximal kernel at single points: what particle methods need where no grid can hold G E.
#include <span>

#include "problems/formula.hpp"

namespace wasserflow {

/// log Z(y), Z(y) = int exp(-(V(z) + |z - y|^2 / (2 T)) / (2 beta)) dz = (4 pi beta T)^(d/2) G_T[exp(-V / (2 beta))](y), for a formula V in x, y, z (d = 1
/// to 3 of them). Everything happens in logarithms: nothing underflows.
class LogNormaliser {
 public:
  /// Throws InputError unless beta, T > 0 and V depends on the first `dim` of x, y, z only.
  LogNormaliser(const Formula& V, int dim, double beta, double T);

  /// Tensor Gauss-Hermite rule with n points an axis: spectrally accurate where V is smooth on the scale sqrt(2 beta T).
  double gauss_hermite(std::span<const double> y, int n) const;
  /// Laplace's method around S = argmin V(z) + |z - y|^2 / (2 T) (damped Newton from y): exact for quadratic V; error O(T^2) at fixed beta.
  double laplace(std::span<const double> y) const;
  /// -V / (2 beta) + T (|grad V|^2 / (4 beta) - Lap V / 2) + d/2 log(4 pi beta T): O(T^2), needs T |Hess V| well below 1.
  double taylor(std::span<const double> y) const;

 private:
  double value(std::span<const double> z) const;
  /// V, gradient (d) and Hessian (d x d).
  void derivatives(std::span<const double> z, double& v, double* g, double* h) const;

  int dim_;
  double beta_, T_;
  Program value_, derivatives_;
};

}  // namespace wasserflow
