#pragma once
/// Initial densities, and what apps of densities say about them.
#include <array>
#include <string>
#include <vector>

#include "grids/field.hpp"
#include "grids/heat_convolution.hpp"
#include "grids/support/parameters.hpp"
#include "problems/density.hpp"

namespace wasserflow {

struct InitialDensity {
  Field rho;
  DataDensityPtr data;                ///< its closed form under noising diffusions; null: it has none
  std::vector<std::string> warnings;  ///< a box that holds too little of it
};

/// [initial] rho, mass, normalise (problems/density.hpp); with a process, its law at time 0 where that has a closed form. Throws InputError
/// (fill_density).
/// @note Collective.
InitialDensity read_initial_density(const Parameters& root, const LayoutPtr& layout, const DiffusionProcess* process = nullptr);
/// The same of another table, e.g. [final].
/// @note Collective.
InitialDensity read_density_table(const Parameters& root, const std::string& table, const std::string& doc, const LayoutPtr& layout,
                                  const DiffusionProcess* process = nullptr);

/// surround: "auto" (from the boundary kinds: periodic, no_flux -> reflecting, else free), "periodic", "reflecting" or "free" for all axes.
std::array<Surround, 3> read_surround(const Parameters& p, const Grid& grid);

/// What a kernel of `cells` cells a standard deviation leaves unresolved, as a warning; "" for nothing.
std::string resolution_warning(double cells);

/// "score_x", "score_y", "score_z" of a dimension.
std::vector<std::string> axis_names(const std::string& what, int dim);
std::vector<Field> axis_fields(const LayoutPtr& layout);

}  // namespace wasserflow
