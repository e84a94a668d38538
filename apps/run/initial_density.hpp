#pragma once
/// Initial densities, and what apps of densities say about them.
#include <array>
#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "grids/field.hpp"
#include "grids/heat_convolution.hpp"
#include "grids/support/parameters.hpp"
#include "problems/data_density.hpp"

namespace wasserflow {

struct InitialDensity {
  Field rho;
  DataDensityPtr data;                ///< its closed form under noising diffusions; null: it has none
  std::vector<std::string> warnings;  ///< a box that holds too little of it
};

/// [initial] rho, mass, normalise (problems/density.hpp). Throws InputError at the key for a density that is negative or not finite somewhere (with
/// the place), or that is not to be normalised and has another mass on the grid than stated.
/// @note Collective.
InitialDensity read_initial_density(const Parameters& root, const LayoutPtr& layout);
/// The same of another table, e.g. [final].
/// @note Collective.
InitialDensity read_density_table(const Parameters& root, const std::string& table, const std::string& doc, const LayoutPtr& layout);

/// Value and coordinates, "0.5 at (0.25, 0.1)", of the first owned point in the order of the grid where `bad(value, offset)` holds; "" when there is
/// none.
/// @note Collective.
std::string first_place(const Field& field, const std::function<bool(double value, std::ptrdiff_t offset)>& bad);

/// surround: "auto" (from the boundary kinds: periodic, no_flux -> reflecting, else free), "periodic", "reflecting" or "free" for all axes.
std::array<Surround, 3> read_surround(const Parameters& p, const Grid& grid);

/// What a kernel of `cells` cells a standard deviation leaves unresolved, as a warning; "" for nothing.
std::string resolution_warning(double cells);

/// "score_x", "score_y", "score_z" of a dimension.
std::vector<std::string> axis_names(const std::string& what, int dim);
std::vector<Field> axis_fields(const LayoutPtr& layout);

}  // namespace wasserflow
