#pragma once
/// Space-time fields from a grid to one with twice the cells, for coarse-to-fine continuation.
#include "solvers/grid_transfer.hpp"

namespace wasserflow {

/// What the levels of a space-time field with N steps are: N + 1 nodes t_n, N half times, or one level.
enum class TimeSamples { Nodes, HalfTimes, One };

/// fine = interpolation of coarse in time and, by solvers/grid_transfer.hpp, in space (`face_axis` as there). The fine field has as many steps or
/// twice as many. Quadratic: through three half times or four nodes in time; space is linear where a rank has a single plane of the coarse grid.
/// Exchanges the ghosts of coarse. Throws InternalError when the steps do not fit.
/// @note Collective.
void prolong(Field& coarse, Field& fine, TimeSamples samples, int face_axis = -1, Interpolation interpolation = Interpolation::Linear);

}  // namespace wasserflow
