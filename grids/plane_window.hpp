#pragma once
/// Planes of a field that other ranks own.
#include <cstddef>
#include <vector>

#include "grids/slab_layout.hpp"

namespace wasserflow {

/// A range of planes of the whole grid along the slow axis, gathered from the ranks that own them. Every rank names its own range, which may reach
/// far beyond its slab or be empty. The messages are planned once and serve any number of fields of the layout.
class PlaneWindow {
 public:
  PlaneWindow() = default;
  /// Planes [begin, end), 0 <= begin <= end <= slow_cells().
  /// @note Collective.
  PlaneWindow(const SlabLayout& layout, int begin, int end);

  /// First value of plane begin(); the planes follow each other in memory, until the next load. `owned` is the first owned value of a level.
  /// @note Collective.
  const double* load(const double* owned);

  int begin() const { return begin_; }
  int end() const { return end_; }

 private:
  MPI_Comm comm_ = MPI_COMM_NULL;
  std::ptrdiff_t plane_ = 0;
  int begin_ = 0, end_ = 0;
  std::vector<int> send_counts_, send_at_, receive_counts_, receive_at_;  ///< in planes
  std::vector<double> planes_;
};

}  // namespace wasserflow
