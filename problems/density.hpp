#pragma once
/// Densities in problem files: any function, or one of the families of densities; checked and normalised on the grid.
///
///   rho = "exp(-x^2)"                        # any function (problems/function.hpp)
///   rho = { type = "circles" }               # a family of densities
///   mass = 1                                 # the mass that is meant
///   normalise = true                         # scale to this mass on the grid
///   mass_tolerance = 0.01                    # share of its mass that the grid may miss
#include <functional>
#include <string>
#include <vector>

#include "grids/field.hpp"
#include "problems/data_density.hpp"

namespace wasserflow {

struct Density {
  FunctionPtr function;
  DataDensityPtr data;  ///< its closed form under noising diffusions; null: it has none
  bool whole = false;   ///< its integral over the space is 1: what a grid misses was cut off
  double mass = 1;      ///< stated
  bool normalise = true;
  bool any_mass = false;         ///< no mass is stated: taken as it is, 0 too
  double mass_tolerance = 1e-2;  ///< relative
  Parameters place;              ///< where it stands, for messages
  std::string key;
};

/// Reads `key`, `mass`, `normalise` and `mass_tolerance` of `p`. Throws InputError at the key at fault.
Density read_density(const Parameters& p, const std::string& key, const std::string& doc, int dim);

/// The same for densities of any mass, one of several populations: `mass` scales where it is given, else the density stands as it is, 0 too.
/// `mass_tolerance` is that of laws of mass 1.
Density read_population_density(const Parameters& p, const std::string& key, const std::string& doc, int dim);

/// Puts the density on level `level` of a field, scaled to its mass (sum times cell volume) when it is to be normalised. Returns the mass before.
/// Throws InputError at the density's key on all ranks alike: negative values and values that are not finite (with the first such point), no mass;
/// and a mass that differs by more than mass_tolerance from the stated one (not normalised) or from the mass 1 of a law, which the box then cuts off
/// or the cells do not resolve. Differences to the mass of a law above 1e-6 are put into `warnings`. Not so where a problem is only tried on a small
/// grid.
/// @note Collective.
double fill_density(Field& field, int level, const Density& density, std::vector<std::string>& warnings);

/// Value and coordinates, "0.5 at (0.25, 0.1)", of the first owned point of a level, in the order of the grid, where `bad(value, offset)` holds; ""
/// when there is none.
/// @note Collective.
std::string first_place(const Field& field, const std::function<bool(double value, std::ptrdiff_t offset)>& bad, int level = 0);

/// Families of densities by `type`; for --describe.
const Registry<std::function<FunctionPtr(const Parameters&, int dim)>>& density_families();

}  // namespace wasserflow
