#pragma once
/// What a flux between cells costs in the continuum.
#include "grids/field.hpp"
#include "solvers/ground_norm.hpp"

namespace wasserflow {

struct FluxCost {
  double value = 0;  ///< int |m|, by 3 Gauss points along every axis of each cell
  double upper = 0;  ///< certified upper bound of int |m|
};

/// int |m| of the vector field m that has the given fluxes through the faces of the cells (a level an axis, on upper faces, 0 on no_flux walls),
/// whose normal components are continuous and whose divergence is constant on each cell: linear between faces, as the lowest-order Raviart-Thomas
/// field, and with the transverse slopes of the fluxes by differences along the faces (limited as by van Leer 1977), extended into the cells without
/// divergence as in the spaces of Brezzi, Douglas and Marini. Where the fluxes are means over faces of a smooth field, m is second-order accurate at
/// every point. The bound sums Bezier coefficients of the quadratic components on parts of each cell: lengths are convex. Exchanges ghosts.
/// @note Collective.
FluxCost flux_cost(Field& m, GroundNorm norm);

}  // namespace wasserflow
