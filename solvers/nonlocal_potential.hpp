#pragma once
/// The potential that a density makes: Phi[rho] = W * rho - chi S with -Lap S + kappa S = rho.
#include <memory>

#include "grids/field.hpp"
#include "problems/fokker_planck.hpp"

namespace wasserflow {

/// A linear map, symmetric in the Euclidean inner product of grid values.
///   W * rho   sum over cells of cell volume x W(x_i - x_j) rho_j, with W made even, (W(d) + W(-d)) / 2, and the nearest image of d along periodic
///   axes;
///             nothing stands beyond other ends (by transforms on a grid of twice their cells)
///   S         by one transform of the grid: its second-order differences, its boundary kinds; kappa = 0 without a wall: mean of S and rho taken out
class NonlocalPotential {
 public:
  /// Throws InputError when W is not finite at some displacement (a singular W wants a regularised one).
  /// @note Collective.
  NonlocalPotential(const FokkerPlanckEquation& equation, LayoutPtr layout);
  ~NonlocalPotential();
  NonlocalPotential(NonlocalPotential&&) noexcept;
  NonlocalPotential& operator=(NonlocalPotential&&) noexcept;
  /// phi(level_out) = Phi[rho(level)]; ghosts of phi are not exchanged.
  /// @note Collective.
  void apply(const Field& rho, int level, Field& phi, int level_out);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace wasserflow
