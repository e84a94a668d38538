#pragma once
/// Fields in tests: from a function of the point, and compared.
#include <algorithm>
#include <cmath>

#include "grids/reduce.hpp"

namespace wasserflow::test {

/// One level with the values f(x, y, z).
template <class F>
Field field(const LayoutPtr& layout, F&& f) {
  Field u(layout);
  for (int r = 0; r < layout->rows(); ++r) {
    const RowPoints p = layout->row(r);
    for (int i = 0; i < p.n; ++i) u.level()[p.offset + i] = f(p.x[i], p.y, p.z);
  }
  return u;
}

/// max |a - b| over all ranks, of level ka of a and kb of b.
/// @note Collective.
inline double largest_difference(const Field& a, const Field& b, int ka = 0, int kb = 0) {
  double worst = 0;
  for (std::ptrdiff_t i = 0; i < a.layout().owned(); ++i) worst = std::max(worst, std::fabs(a.level(ka)[i] - b.level(kb)[i]));
  return global_max(a.layout().comm(), worst);
}

}  // namespace wasserflow::test
