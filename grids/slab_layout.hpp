#pragma once
/// How a grid is cut into slabs along its slowest axis, one slab a rank.
#include <mpi.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "grids/grid.hpp"

namespace wasserflow {

/// The rows of a sweep: `n` unknowns that are contiguous in memory, with the coordinates of the first-axis nodes in an array and the
/// others fixed. `offset` counts from the first owned unknown of a level of a Field on this layout. In 2-D and 3-D a row is a whole x line; in 1-D
/// a row is a chunk of the slab. `level` is the time level of a space-time field (0 for fields without time), `t` its time.
struct RowPoints {
  int n = 0;
  const double* x = nullptr;
  double y = 0;
  double z = 0;
  double t = 0;
  int level = 0;
  std::ptrdiff_t offset = 0;
};

/// Slab decomposition. Memory order of a level: [slow plane][remaining axes], x fastest; a plane holds the points of all axes but the slowest
/// (one point in 1-D), and `ghost` planes stand before and after the owned ones.
class SlabLayout {
 public:
  /// Throws InputError on all ranks alike when some rank would own fewer than max(1, ghost) planes; the message names the largest
  /// usable number of ranks.
  /// @note Collective.
  SlabLayout(MPI_Comm comm, Grid grid, int ghost = 1);

  MPI_Comm comm() const { return comm_; }
  int rank() const { return rank_; }
  int ranks() const { return ranks_; }
  const Grid& grid() const { return grid_; }
  int dim() const { return grid_.dim(); }
  int ghost() const { return ghost_; }
  int slow_axis() const { return grid_.dim() - 1; }

  int slow_cells() const { return grid_.cells(slow_axis()); }  ///< planes of the whole grid
  int first() const { return first_of(rank_); }                ///< first owned plane
  int count() const { return count_of(rank_); }                ///< owned planes
  int first_of(int rank) const;
  int count_of(int rank) const { return first_of(rank + 1) - first_of(rank); }
  std::ptrdiff_t plane() const { return plane_; }              ///< points a plane
  std::ptrdiff_t owned() const { return plane_ * count(); }    ///< owned points
  std::ptrdiff_t stored() const { return plane_ * (count() + 2 * ghost_); }
  /// Global index of this rank's first owned point in x-fastest order; the owned points are contiguous in it.
  std::int64_t global_offset() const { return static_cast<std::int64_t>(first()) * plane_; }

  /// Neighbouring ranks along the slow axis; MPI_PROC_NULL at a boundary that is not periodic (on one rank: itself when periodic).
  int below() const;
  int above() const;

  /// Rows of the owned points, in memory order (see RowPoints). In 1-D chunks of at most `row_limit` points.
  int rows() const { return rows_; }
  static constexpr int row_limit = 1024;
  RowPoints row(int r) const;

  /// Coordinates of the owned nodes along x: all of them in 2-D and 3-D, this rank's in 1-D.
  const std::vector<double>& x_nodes() const { return x_; }

 private:
  MPI_Comm comm_;
  int rank_ = 0, ranks_ = 1;
  Grid grid_;
  int ghost_ = 1;
  std::ptrdiff_t plane_ = 1;
  int rows_ = 0;
  std::vector<double> x_;
};

using LayoutPtr = std::shared_ptr<const SlabLayout>;

/// @note Collective.
LayoutPtr make_layout(MPI_Comm comm, const Grid& grid, int ghost = 1);

}  // namespace wasserflow
