#pragma once
/// Fields with the x axis and the slow axis in each other's place.
#include <vector>

#include "grids/field.hpp"

namespace wasserflow {

/// From a layout in 2-D or 3-D to one of the same box with these two axes exchanged, cut into slabs along what was x: what sweeps that go plane by
/// plane need for the other order. One redistribution a field.
class AxisSwap {
 public:
  /// Throws InputError on all ranks alike when there are fewer cells along x than ranks.
  /// @note Collective.
  explicit AxisSwap(LayoutPtr from);

  const LayoutPtr& swapped() const { return to_; }
  /// v(z, y, x) = u(x, y, z), owned points of level 0.
  /// @note Collective.
  void apply(const Field& u, Field& v);

 private:
  LayoutPtr from_, to_;
  std::vector<int> send_counts_, send_at_, receive_counts_, receive_at_;
  std::vector<double> outgoing_, incoming_;
};

}  // namespace wasserflow
