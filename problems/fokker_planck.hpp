#pragma once
/// Equations of densities as terms: what is solved, not how.
///
///   rho_t + div( rho b ) = div( D grad rho ) + Lap P(rho) + c rho,     b = drift(x, t) - grad V(x, t) - grad (W * rho) + chi grad S,   -Lap S +
///   kappa S = rho.
///
/// In the temperature convention the Gibbs density of drift 0, constant D = beta is exp(-V / beta). With kappa = 0 and no wall S is the solution
/// without mean for rho minus its mean.
#include <string>
#include <utility>
#include <vector>

#include "grids/grid.hpp"
#include "problems/function.hpp"

namespace wasserflow {

struct FokkerPlanckEquation {
  std::string type = "fokker_planck";
  std::vector<FunctionPtr> drift;  ///< one an axis; empty: none
  FunctionPtr potential;           ///< V; null: none
  std::vector<FunctionPtr>
      diffusion;               ///< D: none (0), 1 (scalar), dim (diagonal) or dim (dim + 1)/2 functions (symmetric: xx, yy, [zz,] xy[, xz, yz])
  FunctionPtr reaction;        ///< c; null: none
  FunctionPtr interaction;     ///< W(x) even, as a function of the displacement; null: none
  double chemotaxis = 0;       ///< chi >= 0: Keller-Segel drift chi grad S
  double decay = 0;            ///< kappa >= 0
  double porous_exponent = 0;  ///< m > 1: P(rho) = porous_coefficient rho^m; 0: none
  double porous_coefficient = 1;

  bool depends_on_time() const;  ///< some coefficient does
  bool nonlocal() const { return interaction != nullptr || chemotaxis != 0; }
  bool nonlinear() const { return nonlocal() || porous_exponent != 0; }
};

/// Reads [equation]: potential, drift, diffusion (D; beta), reaction, interaction, chemotaxis, decay, porous = { exponent, coefficient }. Type
/// "fokker_planck" takes them all. Throws InputError at the key at fault.
FokkerPlanckEquation read_fokker_planck(const Parameters& root, const Grid& grid);
const std::vector<std::pair<std::string, std::string>>& fokker_planck_types();

}  // namespace wasserflow
