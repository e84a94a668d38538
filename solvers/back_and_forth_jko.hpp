#pragma once
/// JKO steps (minimising movements in W2) by the back-and-forth method.
#include <memory>

#include "solvers/pdhg.hpp"
#include "solvers/potential_ascent.hpp"

namespace wasserflow {

/// E(rho) = int V rho + beta rho log rho + c rho^m / (m - 1);  beta > 0, or c > 0 and m > 1.
struct InternalEnergy {
  const Field* V = nullptr;  ///< cell averages on the grid of the steps, level 0; null: 0
  double beta = 0;
  double c = 0, m = 2;
};

struct [[nodiscard]] JkoReport {
  StopReason reason = StopReason::IterationLimit;  ///< IterationLimit also when the dual value no longer grows
  int iterations = 0;                              ///< on the given grid
  double transport = 0;                            ///< W2(mu, rho)^2 / (2 tau), from the map
  double energy = 0;                               ///< E(rho)
  double dual = 0;                                 ///< value of the dual problem: transport + energy at convergence
  double marginal_error = 0;                       ///< H^-1 norm of rho - T# mu
  std::vector<Residual> residuals;                 ///< marginal (scale: H^-1 norm of rho - mu, or what a shift by 1e-3 / tolerance cells gives)
};

/// rho <- argmin over q of  W2(rho, q)^2 / (2 tau) + E(q), by its dual: sup over phi, psi of  int phi mu - tau E*(-psi / tau)  subject to phi(x) +
/// psi(y) <= |x - y|^2 / 2, where E*' (-psi / tau) is the new density: for every psi the one with V + f'(q) = -psi / tau where q > 0, of the mass of
/// mu. Ascent as in BackAndForth, in the metric -Lap + shift, where shift weighs the curvature of E* (Jacobs, Lee & Leger 2021). No blur, and free
/// boundaries stay sharp.
class BackAndForthJko {
 public:
  /// Throws InputError: tau or the energy's numbers out of range, V not finite; an axis that is not no_flux with its unknowns at cell centres.
  /// @note Collective.
  BackAndForthJko(const LayoutPtr& layout, double tau, const InternalEnergy& energy, const BackAndForthParameters& parameters = {});
  ~BackAndForthJko();
  BackAndForthJko(BackAndForthJko&&) noexcept;
  BackAndForthJko& operator=(BackAndForthJko&&) noexcept;

  /// One step from rho, in place; values are >= 0, and mass is that before to rounding. Throws InputError when rho is negative or not finite, or has
  /// no mass.
  /// @note Collective.
  JkoReport step(Field& rho);

  /// Potentials of the last step.
  const Field& phi() const;
  const Field& psi() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace wasserflow
