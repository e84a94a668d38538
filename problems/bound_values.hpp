#pragma once
/// Functions whose values are made at the points of a grid when they are bound to it.
#include <algorithm>
#include <string>
#include <vector>

#include "problems/function.hpp"

namespace wasserflow {

class BoundValues : public Function {
 public:
  /// InternalError at points that do not belong to the bound layout.
  void evaluate(const RowPoints& p, double* out) const override {
    if (p.offset < 0 || p.offset + p.n > static_cast<std::ptrdiff_t>(values_.size()))
      throw InternalError("a density from a file is known at the points of the grid it was bound to only");
    std::copy_n(values_.data() + p.offset, p.n, out);
  }
  bool depends_on_time() const override { return false; }

 protected:
  std::vector<double> values_;  ///< at the owned points
};

}  // namespace wasserflow
