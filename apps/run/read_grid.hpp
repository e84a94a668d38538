#pragma once
/// [grid] of a problem file.
#include "grids/grid.hpp"
#include "grids/support/parameters.hpp"

namespace wasserflow {

/// Keys lower, upper, cells, boundary, nodes. The number of axes is the length of the longest list among lower, upper and cells.
/// Throws InputError at the key that is at fault.
Grid read_grid(const Parameters& root);

}  // namespace wasserflow
