#pragma once
/// The proximal map of the perspective function of any convex Hamiltonian, by Newton's method with safeguards (see problems/hamiltonian.hpp).
///
/// With lambda = rho/sigma_m, v = u/sigma_m, A = u_0/sigma_m, r = sigma_rho/sigma_m the unknowns (lambda, b) solve
///   b + lambda dHh(b) = v,   lambda = A + r Hh(b),
/// where Hh(b(lambda)) decreases in lambda. All points of a chunk take joint Newton steps until they have converged (a point that has stays as it
/// is, so that its result does not depend on the others); what is left is solved point by point by a bracketed Newton iteration for lambda around an
/// inner one for b.
#include "problems/convex_law.hpp"
#include "problems/hamiltonian_kernel.hpp"

namespace wasserflow {

/// Where a law is evaluated: up to `chunk` points of a row.
struct ConvexPoints {
  static constexpr int chunk = 128;
  const ConvexLaw* law;
  int dim;
  RowPoints p;
  const double* const* c;     ///< coefficients
  const double* const* base;  ///< slope of least H on each axis: where the two upwind sides meet
  bool kinked;                ///< H may have a kink at `base`
  ConvexPoints part(int first, int count, std::array<const double*, 16>& c_rows, std::array<const double*, 3>& base_rows) const;
};

/// sum over sides of H on the used part of the slopes: Hh(q) = H(base) + sum_j ( H_d(q_j on its side) - H(base) ).
void upwind_value(const ConvexPoints& at, const double* const* q, double* h);
void upwind_gradient(const ConvexPoints& at, const double* const* q, double* const* g);
/// (u0, u) -> (rho, m) for the upwind form of a law that is a sum over axes.
void upwind_prox(const ConvexPoints& at, const ProxSteps& steps, double* u0, double* const* u);
/// The same for Hh = H (Lax-Friedrichs form).
void central_prox(const ConvexPoints& at, const ProxSteps& steps, double* u0, double* const* u);

/// Lh(v) at one point, +infinity outside its domain, by proximal point iterations with growing steps.
double upwind_conjugate(const ConvexPoints& at, const double* v);
double central_conjugate(const ConvexPoints& at, const double* v);

}  // namespace wasserflow
