#pragma once
/// Trajectories as polylines: PATH.h5 with the points and PATH.xdmf that ParaView opens. In the HDF5 file:
///
///   /points        float64 (points, 3): x, y, z, line after line
///   /first         int64 (lines + 1): line k has the points first[k] ... first[k+1] - 1
///   /line          int64 (points): the line of each point
///   /topology      int64: the cells as XDMF's mixed topology (2, number of points, points ...)
///   /NAME          float64 (points): an array of values at the points, e.g. time, control_x, cost
#include <mpi.h>

#include <array>
#include <span>
#include <string>
#include <vector>

namespace wasserflow {

/// One trajectory. `values` has one array for each name given to write_polylines, as long as `points`.
struct Polyline {
  std::vector<std::array<double, 3>> points;  ///< z (and y) 0 in two (one) dimensions
  std::vector<std::vector<double>> values;
};

/// Writes the lines of all ranks, those of rank 0 first. So when the ranks hold blocks of a numbered set in order, the file does not depend on
/// their number. `path` has no extension: RUN/trajectories makes RUN/trajectories.h5 and .xdmf. Errors as write_durable_file;
/// InternalError on all ranks when an array has another length than its line, or a line has no points.
/// @note Collective.
void write_polylines(MPI_Comm comm, const std::string& path, std::span<const Polyline> lines, std::span<const std::string> names);

}  // namespace wasserflow
