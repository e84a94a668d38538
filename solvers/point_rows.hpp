#pragma once
/// Buffers for sweeps over rows of points.
#include <algorithm>
#include <cstddef>
#include <vector>

#include "grids/slab_layout.hpp"

namespace wasserflow {

/// Rows of buffers for one row of points.
class PointRows {
 public:
  PointRows(const SlabLayout& layout, int count) {
    const std::size_t n = static_cast<std::size_t>(layout.dim() == 1 ? SlabLayout::row_limit : layout.grid().cells(0)) + 8;
    values_.resize(n * static_cast<std::size_t>(count));
    for (int i = 0; i < count; ++i) rows_.push_back(values_.data() + static_cast<std::size_t>(i) * n);
  }
  double* operator[](int i) { return rows_[static_cast<std::size_t>(i)]; }
  double* const* from(int i) const { return rows_.data() + i; }
  void clear(int first, int count, int n) {
    for (int i = first; i < first + count; ++i) std::fill_n(rows_[static_cast<std::size_t>(i)], n, 0.0);
  }

 private:
  std::vector<double> values_;
  std::vector<double*> rows_;
};

}  // namespace wasserflow
