#pragma once
/// Convex Hamiltonians H(x, t, p) on grids: numerical Hamiltonians on one-sided slopes, and the proximal map of the perspective function.
///
/// Equation: phi_t + H(x, t, grad phi) = eps Lap phi, H convex in p. L = H* is the convex conjugate (Lagrangian).
///
/// A sweep sees H through its `slots` slope values q_j:
///   Splitting::Upwind: 2 slots an axis, q_{2d} = D+_d phi, q_{2d+1} = D-_d phi. The numerical Hamiltonian Hh(q) is convex, consistent
///     (Hh(p_d, p_d, ...) = H(p)), nonincreasing in q_{2d}, nondecreasing in q_{2d+1} (Engquist-Osher, or norms by upwind sides).
///   Splitting::LaxFriedrichs: 1 slot an axis, q_d = central difference, Hh(q) = H(q); the solver adds the artificial viscosity
///     alpha_d h_d / 2 with alpha_d >= max |dH/dp_d|.
/// Momentum: m_j = rho dHh/dq_j, so m_{2d} <= 0, m_{2d+1} >= 0. In control time (reversed) the density moves with velocity -sum_j m_j/rho.
///
/// Perspective function (support function of the convex set C = {(a, b): a + Hh(b) <= 0}):
///   Phi*(rho, m) = rho Lh(m/rho) for rho > 0, lsc closure at rho = 0, +infinity for rho < 0;
///   prox(u) = argmin_(rho, m) Phi*(rho, m) + (rho - u_0)^2 / (2 sigma_rho) + sum_j (m_j - u_j)^2 / (2 sigma_m);
/// for sigma_rho = sigma_m = sigma it is u - sigma Proj_C(u/sigma) (Moreau). Two step sizes make an anisotropic dual metric: it keeps PDHG fast at large
/// time steps.
/// KKT: if u_0/sigma_rho + Hh(u_j/sigma_m) <= 0 the result is 0. Otherwise rho > 0 is the unique root of an increasing scalar function of rho,
///   rho = u_0 + sigma_rho Hh(b), m_j = rho dHh/dq_j(b), b_j = (u_j - m_j)/sigma_m.
/// Source: Chambolle & Pock 2011; Papadakis, Peyre, Oudet 2014 (quadratic case); derivation for the general case from Moreau's identity.
#include <array>
#include <memory>
#include <span>
#include <string>

#include "problems/function.hpp"

namespace wasserflow {

enum class Splitting { Upwind, LaxFriedrichs };

/// Virtual per row, inlined kernels inside. A Hamiltonian is bound to a layout and to the times of the levels before it is evaluated.
class Hamiltonian {
 public:
  virtual ~Hamiltonian() = default;
  virtual std::string name() const = 0;
  virtual Splitting splitting() const = 0;
  virtual bool is_convex() const { return true; }
  int slots(int dim) const { return splitting() == Splitting::Upwind ? 2 * dim : dim; }

  /// Tabulates space-dependent coefficients on the layout at the times of the levels.
  /// @note Collective.
  virtual void bind(LayoutPtr layout, std::span<const double> times) = 0;
  /// New times for the same levels (the next window).
  /// @note Collective.
  virtual void set_times(std::span<const double> times) = 0;

  /// h[i] = Hh(q)[i], q[j][i] the slopes of slot j.
  virtual void evaluate(const RowPoints& p, const double* const* q, double* h) const = 0;
  /// g[j][i] = dHh/dq_j. At a kink the derivative of smallest size (0 for norms at 0).
  virtual void gradient(const RowPoints& p, const double* const* q, double* const* g) const = 0;
  /// In place: (u0, u[j]) -> (rho, m_j) = prox(u). Exactly 0 in all components where the constraint is inactive.
  virtual void prox(const RowPoints& p, double sigma_rho, double sigma_m, double* u0, double* const* u) const = 0;
  /// l[i] = Lh(m/rho) with v[j] = m_j/rho (the running cost of the control); +infinity outside the domain.
  virtual void lagrangian(const RowPoints& p, const double* const* v, double* l) const = 0;

  /// h[i] = H(x, t, p) at true slopes p[d][i] (not split), for explicit schemes; and its derivative in p.
  virtual void evaluate_true(const RowPoints& p, const double* const* slope, double* h) const = 0;
  virtual void gradient_true(const RowPoints& p, const double* const* slope, double* const* g) const = 0;
};

using HamiltonianPtr = std::unique_ptr<Hamiltonian>;

/// Reads [hamiltonian]: `type` chooses from the catalogue; plus the terms every Hamiltonian may have:
///   drift     b(x,t): one function an axis,   H += b . p
///   potential f(x,t): a function,             H += f
struct HamiltonianTerms {
  HamiltonianPtr kinetic;            ///< H without drift and potential
  std::vector<FunctionPtr> drift;    ///< empty when there is none
  FunctionPtr potential;             ///< nullptr when there is none
};
HamiltonianTerms read_hamiltonian(const Parameters& p, int dim);

}  // namespace wasserflow
