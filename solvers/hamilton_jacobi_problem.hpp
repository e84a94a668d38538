#pragma once
/// The discrete Hamilton-Jacobi problem that every solver of this family takes: what is solved, not how.
#include <array>
#include <span>
#include <string>
#include <vector>

#include "problems/hamiltonian.hpp"

namespace wasserflow {

/// phi_t + H(x, t, grad phi) + b(x, t) . grad phi + f(x, t) = eps Lap phi, H convex for PDHG and Howard, on a slab layout.
///
/// All implicit solvers share one scheme. With q the slopes of the Hamiltonian's splitting (problems/hamiltonian.hpp), D+_d phi = (phi_{i+1} -
/// phi_i)/h_d, D-_d phi = (phi_i - phi_{i-1})/h_d, and ghost values by each axis' Boundary, step k is
///   R_k = (phi^k - phi^{k-1})/dt + Hh(x, t_k, q(phi^k)) + sum_d [max(b_d, 0) D-_d + min(b_d, 0) D+_d] phi^k + f(x, t_k)
///         - sum_d nu_d (D+_d phi^k - D-_d phi^k)/h_d = 0,
///   nu_d = eps (Splitting::Upwind) or eps + alpha_d h_d/2 (Splitting::LaxFriedrichs, whose q_d is the central difference).
/// It is monotone, thus convergent, where Hh is monotone; with Lax-Friedrichs where alpha_d >= max |dH/dp_d|.
/// Source: Crandall & Lions 1984; Engquist & Osher 1980.
struct HamiltonJacobiProblem {
  LayoutPtr layout;
  HamiltonianPtr kinetic;         ///< H without drift and potential; bound to the layout and the times
  std::vector<Tabulated> drift;   ///< b, one an axis; empty when there is none
  Tabulated potential;            ///< f; the constant 0 when there is none
  double eps = 0;                 ///< viscosity, >= 0
  std::array<double, 3> alpha{};  ///< numerical speeds; used with Splitting::LaxFriedrichs only
  double dt = 0;                  ///< implicit time step, > 0
  std::vector<double> times;      ///< t_k of the levels: one an implicit step of a window (one for solvers that march)

  int levels() const { return static_cast<int>(times.size()); }
  /// nu_d of the scheme.
  double viscosity(int d) const;
  /// Moves to other times, same number of levels.
  /// @note Collective.
  void set_times(std::span<const double> t);
  /// Row r of the layout at a level, with its time: what Hamiltonian and Tabulated take.
  RowPoints row(int r, int level) const;
};

/// Binds and tabulates the terms. Throws InputError for eps < 0, dt <= 0, alpha < 0 or no times.
/// @note Collective.
HamiltonJacobiProblem make_hamilton_jacobi_problem(HamiltonianTerms terms, LayoutPtr layout, double eps, double dt, std::vector<double> times,
                                                   std::array<double, 3> alpha = {});

/// Throws InputError, naming the method, when the Hamiltonian is not convex: its implicit step has no saddle point and Newton's method no monotone matrix.
void require_convex(const HamiltonJacobiProblem& problem, const std::string& method);

/// max over the grid of |dH/dp_d| (without drift) for the slopes of phi, central and one-sided. Exchanges the ghosts of phi.
/// @note Collective.
std::array<double, 3> max_speeds(const HamiltonJacobiProblem& problem, Field& phi, int level = 0);

/// Splitting::LaxFriedrichs: raises alpha_d to 1.1 times the largest speed of phi where it is smaller. All implicit solvers call it before a step, so that they share
/// one scheme. True when something changed.
/// @note Collective.
bool adapt_numerical_speeds(HamiltonJacobiProblem& problem, Field& phi);

}  // namespace wasserflow
