#pragma once
/// The [trajectories] table of problem files, and trajectories on disk.
#include <mpi.h>

#include <optional>
#include <string>

#include "grids/support/parameters.hpp"
#include "solvers/trajectories.hpp"

namespace wasserflow {

/// Which trajectories a run integrates once its value function is known.
struct TrajectoryPlan {
  std::vector<Trajectory::Point> starts;  ///< every start as often as it has samples
  int samples = 1;                        ///< of each start; successive in `starts`
  TrajectoryOptions options;
};

/// Nothing when `parent` has no table [trajectories]. Throws InputError, also for starts outside of the box.
std::optional<TrajectoryPlan> read_trajectory_plan(const Parameters& parent, const Grid& grid);

/// PATH.h5 and PATH.xdmf (grids/io/polylines.hpp) with the arrays time (control time), cost (running cost so far; with the terminal cost at the last
/// point), start (number of the start) and velocity_x, ... (the feedback).
/// @note Collective.
void write_trajectories(MPI_Comm comm, const std::string& path, std::span<const Trajectory> trajectories, int dim, int samples = 1);

}  // namespace wasserflow
