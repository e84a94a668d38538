#pragma once
/// Densities in problem files: any function, or one of the families of densities; checked and normalised on the grid.
///
///   rho = "exp(-x^2)"                        # any function (problems/function.hpp)
///   rho = { type = "circles" }               # a family of densities
///   mass = 1                                 # the mass that is meant
///   normalise = true                         # scale to this mass on the grid
#include <functional>
#include <string>

#include "grids/field.hpp"
#include "grids/support/log.hpp"
#include "problems/data_density.hpp"

namespace wasserflow {

struct Density {
  FunctionPtr function;
  DataDensityPtr data;  ///< its closed form under noising diffusions; null: it has none
  bool whole = false;   ///< its integral over the space is 1: what a grid misses was cut off
  double mass = 1;      ///< stated
  bool normalise = true;
  Parameters place;  ///< where it stands, for messages
  std::string key;
};

/// Reads `key`, `mass` and `normalise` of `p`. Throws InputError at the key at fault.
Density read_density(const Parameters& p, const std::string& key, const std::string& doc, int dim);

/// Puts the density on level `level` of a field, scaled to its mass (sum times cell volume) when it is to be normalised. Returns the mass before.
/// Throws InputError at the density's key on all ranks alike: negative values, values that are not finite, no mass, not normalised and another mass
/// than the stated one (by more than 1e-3 of it). Warns when the grid holds less than 1 - 1e-6 (or more than 1 + 1e-6) of a law of mass 1.
/// @note Collective.
double fill_density(Field& field, int level, const Density& density, Log& log);

/// Families of densities by `type`; for --describe.
const Registry<std::function<FunctionPtr(const Parameters&, int dim)>>& density_families();

}  // namespace wasserflow
