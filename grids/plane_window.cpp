#include "grids/plane_window.hpp"

#include <algorithm>
#include <array>

namespace wasserflow {

PlaneWindow::PlaneWindow(const SlabLayout& layout, int begin, int end) : comm_(layout.comm()), plane_(layout.plane()), begin_(begin), end_(end) {
  const auto ranks = static_cast<std::size_t>(layout.ranks());
  std::vector<std::array<int, 2>> wanted(ranks);
  const std::array<int, 2> mine{begin, end};
  MPI_Allgather(mine.data(), 2, MPI_INT, wanted.data(), 2, MPI_INT, comm_);
  int received = 0;
  for (std::size_t r = 0; r < ranks; ++r) {
    const int low = layout.first_of(static_cast<int>(r)), high = low + layout.count_of(static_cast<int>(r));
    const int from = std::max(begin, low), count = std::max(0, std::min(end, high) - from);
    receive_at_.push_back(received);
    receive_counts_.push_back(count);
    received += count;
    const int first = std::max(wanted[r][0], layout.first());
    const int given = std::max(0, std::min(wanted[r][1], layout.first() + layout.count()) - first);
    send_at_.push_back(given > 0 ? first - layout.first() : 0);  // sent from where they stand
    send_counts_.push_back(given);
  }
  planes_.resize(static_cast<std::size_t>(received) * static_cast<std::size_t>(plane_));
}

const double* PlaneWindow::load(const double* owned) {
  // Counts are in planes: they stay in an int.
  MPI_Datatype plane;
  MPI_Type_contiguous(static_cast<int>(plane_), MPI_DOUBLE, &plane);
  MPI_Type_commit(&plane);
  MPI_Alltoallv(owned, send_counts_.data(), send_at_.data(), plane, planes_.data(), receive_counts_.data(), receive_at_.data(), plane, comm_);
  MPI_Type_free(&plane);
  return planes_.data();
}

}  // namespace wasserflow
