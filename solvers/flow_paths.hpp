#pragma once
/// Paths of the particles that a density and its momentum describe.
#include <functional>
#include <span>
#include <vector>

#include "solvers/trajectories.hpp"

namespace wasserflow {

/// Puts the velocity of the interval k, from times[k] to times[k + 1], into levels 0 .. dim-1 of the field (owned points).
/// @note Collective.
using VelocitySource = std::function<void(int k, Field& velocity)>;

/// Solutions of dX = v(X, t) dt + sqrt(2 nu) dW from every start at times.front() to times.back(): where rho_t - nu Lap rho + div(rho v) = 0, X(t)
/// has the density rho(t) when X(0) has rho(0). A step an interval: the explicit midpoint rule, second order for v at the middle of the interval; the
/// noise is added to it. Trajectory::costs are those of motion, int |v|^2 / 2 dt; there is no terminal cost and no value.
/// Starts, shares of the ranks, boundaries, the noise (seed, sample, step) and errors: as for optimal_trajectories.
/// @note Collective.
std::vector<Trajectory> flow_paths(const LayoutPtr& layout, std::span<const double> times, double viscosity, const VelocitySource& velocity,
                                   std::span<const Trajectory::Point> starts, const TrajectoryOptions& options = {});

}  // namespace wasserflow
