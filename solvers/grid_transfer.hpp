#pragma once
/// Fields between a grid and the one with half the cells along every axis: what coarse-to-fine starts need.
#include "grids/field.hpp"

namespace wasserflow {

/// The grid with cells of twice the size, on the same ranks; null when an axis has an odd number of cells, fewer than 2 * `least` of them, or the
/// ranks would run out of planes.
/// @note Collective.
LayoutPtr coarser(const SlabLayout& layout, int least);

/// Cell averages on the coarse grid: means over the 2^dim fine cells of each coarse one (sum times cell volume is kept). Exchanges the ghosts of
/// fine's level.
/// @note Collective.
void restrict_cells(Field& fine, int from, Field& coarse, int to);

/// Each fine cell takes the value of the coarse cell that it is a part of: the same density. Exchanges the ghosts of coarse's level.
/// @note Collective.
void divide_cells(Field& coarse, int from, Field& fine, int to);

enum class Interpolation {
  Linear,
  Quadratic,  ///< through three values; of fields with at least two ghost planes. Values of densities may become negative beside steep fronts.
};

/// Interpolation to the fine grid, along every axis. Values stand at cell centres (no_flux walls: mirrored), but along `face_axis` (-1: none)
/// at the upper faces of the cells, where those on a no_flux wall are 0 (Quadratic: odd beyond it). Exchanges the ghosts of coarse's level. Axes are
/// periodic or no_flux.
/// @note Collective.
void prolong(Field& coarse, int from, Field& fine, int to, int face_axis = -1, Interpolation interpolation = Interpolation::Linear);

/// The same for values at the upper faces along all axes whose bit is set in `faces`: edges and corners of cells.
/// @note Collective.
void prolong_staggered(Field& coarse, int from, Field& fine, int to, unsigned faces, Interpolation interpolation = Interpolation::Linear);

/// out = means of the lower and the upper face of each cell, of values at upper faces along `axis`. Exchanges the ghosts of the level.
/// @note Collective.
void faces_to_cells(Field& faces, int from, int axis, Field& out, int to);

/// For values at upper faces along the slow axis, behind exchange_ghosts: the lower wall of a no_flux axis is closed (its plane is 0).
void close_lower_wall(Field& field, int level);

}  // namespace wasserflow
