#pragma once
/// Reaction equations point by point.
#include <vector>

#include "grids/field.hpp"
#include "problems/reaction.hpp"

namespace wasserflow {

/// Densities that react but do not move, rho[n+1] = rho[n] + dt r((rho[n] + rho[n+1]) / 2), rho[0] = `initial`: `density` has their means
/// (rho[n] + rho[n+1]) / 2, a level a half time. Nodes are kept >= 0. By Newton's method with a fixed number of steps: the same bits on any number of
/// ranks. All lists are in the order of the species.
void react_in_place(const Reaction& reaction, const std::vector<double>& half_times, double dt, const std::vector<const Field*>& initial,
                    const std::vector<Field*>& density);

}  // namespace wasserflow
