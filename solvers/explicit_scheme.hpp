#pragma once
/// Explicit schemes for Hamilton-Jacobi equations under a CFL condition: references for the implicit solvers, and the path for
/// Hamiltonians that are not convex.
#include <optional>
#include <vector>

#include "grids/row_neighbours.hpp"
#include "solvers/hamilton_jacobi_problem.hpp"

namespace wasserflow {

/// One-sided slopes: plain differences with Euler's method (monotone, first order), or WENO5 with the strong-stability-preserving third-order
/// Runge-Kutta method of Shu and Osher.
enum class Reconstruction { FirstOrder, Weno5 };

/// How H is evaluated at one-sided slopes.
///   EngquistOsher       Hh of the Hamiltonian (needs Splitting::Upwind)
///   Godunov             Hh with the larger of the two sides of each axis alone (needs Splitting::Upwind): exact for convex H that splits by axis,
///                       Rouy & Tourin's form for norms. Less dissipative than EngquistOsher where characteristics meet.
///   LocalLaxFriedrichs  H at the mean slope and dissipation by the local speed max |dH/dp_d|; for any H
enum class NumericalFlux { EngquistOsher, Godunov, LocalLaxFriedrichs };

struct ExplicitOptions {
  Reconstruction reconstruction = Reconstruction::Weno5;
  /// Default: for Splitting::Upwind EngquistOsher with first order and Godunov with WENO5; else LocalLaxFriedrichs.
  std::optional<NumericalFlux> flux;
  /// dt * max over points of sum_d (speed_d/h_d + 2 eps/h_d^2) <= cfl; range (0, 1].
  double cfl = 0.75;
};

struct [[nodiscard]] ExplicitReport {
  long steps = 0;
  long stages = 0;  ///< evaluations of the right-hand side
  double smallest_dt = 0;
};

/// Advances phi_t = -(H(x, t, grad phi) + b . grad phi + f - eps Lap phi). Uses layout, kinetic, drift, potential and eps of the problem, not dt
/// and alpha; moves the problem's one time level to the stages' times. WENO5 needs a layout with three ghost planes. Viscosity is central, of
/// second order (FirstOrder) or fourth (WENO5). All arithmetic is local to a point: results do not depend on the number of ranks.
/// Source: Osher & Shu, SIAM J. Numer. Anal. 28 (1991); Jiang & Peng 2000; Rouy & Tourin 1992.
class ExplicitScheme {
 public:
  /// Throws InputError for a flux that the Hamiltonian's splitting does not have, cfl out of range, or an axis too short for WENO5.
  /// @note Collective.
  explicit ExplicitScheme(HamiltonJacobiProblem& problem, const ExplicitOptions& options = {});

  /// Advances phi (level k) from time `from` to exactly `to`. Throws DivergedError, with the time, when values turn NaN or infinite.
  /// @note Collective.
  ExplicitReport advance(Field& phi, int k, double from, double to);

 private:
  // right_ = -S(u) at time t; with `speeds` returns the largest sum of speeds over spacings, +inf when S is not finite. speed == nullptr below: not
  // wanted.
  double rate(Field& u, int k, double t, bool speeds);
  void slopes(int n);
  void engquist_osher(const RowPoints& p, const double* const* q, double* s, double* speed);
  void godunov(const RowPoints& p, double* s, double* speed);
  void lax_friedrichs(const RowPoints& p, double* s, double* speed);
  void other_terms(const RowPoints& p, double* s, double* speed) const;

  HamiltonJacobiProblem* problem_;
  ExplicitOptions options_;
  NumericalFlux flux_;
  RowNeighbours near_;
  Field right_, stage_;
  std::size_t row_length_;
  std::vector<double> scratch_;
  std::vector<double*> slope_;  // 2 an axis: D+, D-
  std::vector<double*> work_;   // further rows; the last three hold S, the speeds, their largest values
};

}  // namespace wasserflow
