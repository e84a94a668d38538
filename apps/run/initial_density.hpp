#pragma once
/// Initial densities, and what apps of densities say about them.
#include <array>
#include <string>
#include <vector>

#include "grids/field.hpp"
#include "grids/heat_convolution.hpp"
#include "grids/support/parameters.hpp"

namespace wasserflow {

/// [initial] rho, mass, normalise. Throws InputError at the key for a density that is negative or not finite somewhere (with the place), or whose
/// mass on the grid is not the one stated: not normalised, or with a part outside of a box that is too small.
/// @note Collective.
Field read_initial_density(const Parameters& root, const LayoutPtr& layout);

/// surround: "auto" (from the boundary kinds: periodic, no_flux -> reflecting, else free), "periodic", "reflecting" or "free" for all axes.
std::array<Surround, 3> read_surround(const Parameters& p, const Grid& grid);

/// What a kernel of `cells` cells a standard deviation leaves unresolved, as a warning; "" for nothing.
std::string resolution_warning(double cells);

/// "score_x", "score_y", "score_z" of a dimension.
std::vector<std::string> axis_names(const std::string& what, int dim);
std::vector<Field> axis_fields(const LayoutPtr& layout);

}  // namespace wasserflow
