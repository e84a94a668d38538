#pragma once
/// [grid] of a problem file.
#include "grids/grid.hpp"
#include "grids/support/parameters.hpp"

namespace wasserflow {

/// Keys lower, upper, cells, boundary, nodes. The number of axes is the length of the longest list among lower, upper and cells.
/// Throws InputError at the key that is at fault.
Grid read_grid(const Parameters& root);
/// The same for cell averages and fluxes: no key `nodes`, unknowns stand at cell centres, axes are periodic or no_flux (the default).
Grid read_closed_grid(const Parameters& root);

}  // namespace wasserflow
