#include "grids/slab_layout.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "grids/support/errors.hpp"
#include "grids/support/mpi.hpp"

namespace wasserflow {

SlabLayout::SlabLayout(MPI_Comm comm, Grid grid, int ghost)
    : comm_(comm), rank_(rank_of(comm)), ranks_(size_of(comm)), grid_(std::move(grid)), ghost_(ghost) {
  for (int d = 0; d < slow_axis(); ++d) plane_ *= grid_.cells(d);
  // The smallest slab has floor(cells / ranks) planes; every rank decides alike, so nobody waits for a rank that has left.
  const int least = std::max(1, ghost_);
  if (slow_cells() / ranks_ < least)
    throw InputError(fmt::format("{} ranks are too many for {} cells along {} ({} planes a rank are needed): use at most {}", ranks_,
                                 slow_cells(), "xyz"[slow_axis()], least, std::max(1, slow_cells() / least)));
  const bool line = dim() == 1;
  const std::int64_t begin = line ? first() : 0;
  const int n = line ? count() : grid_.cells(0);
  x_.resize(static_cast<std::size_t>(n));
  for (int i = 0; i < n; ++i) x_[static_cast<std::size_t>(i)] = grid_.axis(0).node(begin + i);
  rows_ = line ? (count() + row_limit - 1) / row_limit : count() * (dim() == 3 ? grid_.cells(1) : 1);
}

int SlabLayout::first_of(int rank) const {
  return static_cast<int>(static_cast<std::int64_t>(slow_cells()) * rank / ranks_);
}

int SlabLayout::below() const {
  if (rank_ > 0) return rank_ - 1;
  return grid_.axis(slow_axis()).boundary == Boundary::Periodic ? ranks_ - 1 : MPI_PROC_NULL;
}

int SlabLayout::above() const {
  if (rank_ + 1 < ranks_) return rank_ + 1;
  return grid_.axis(slow_axis()).boundary == Boundary::Periodic ? 0 : MPI_PROC_NULL;
}

RowPoints SlabLayout::row(int r) const {
  RowPoints p;
  if (dim() == 1) {
    p.offset = static_cast<std::ptrdiff_t>(r) * row_limit;
    p.n = static_cast<int>(std::min<std::ptrdiff_t>(row_limit, count() - p.offset));
    p.x = x_.data() + p.offset;
    return p;
  }
  p.n = grid_.cells(0);
  p.x = x_.data();
  p.offset = static_cast<std::ptrdiff_t>(r) * p.n;
  if (dim() == 2) {
    p.y = grid_.axis(1).node(first() + r);
  } else {
    const int ny = grid_.cells(1);
    p.y = grid_.axis(1).node(r % ny);
    p.z = grid_.axis(2).node(first() + r / ny);
  }
  return p;
}

LayoutPtr make_layout(MPI_Comm comm, const Grid& grid, int ghost) { return std::make_shared<const SlabLayout>(comm, grid, ghost); }

}  // namespace wasserflow
