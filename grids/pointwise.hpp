#pragma once
/// Values of a field set point by point.
#include "grids/field.hpp"

namespace wasserflow {

/// out = f(i) at every owned point i of level 0, counted from the first owned one.
template <class F>
void each(Field& out, F&& f) {
  double* o = out.level();
  const std::ptrdiff_t n = out.layout().owned();
  for (std::ptrdiff_t i = 0; i < n; ++i) o[i] = f(i);
}

}  // namespace wasserflow
