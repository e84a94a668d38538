#pragma once
/// Numbers that describe a field of phases: front, interface, length scales.
#include <vector>

#include "grids/field.hpp"
#include "grids/spectral_transform.hpp"

namespace wasserflow {

/// Distance from the centre of the box, going towards larger x on the row through the centre, to the first point where u = `level` by linear
/// interpolation; NaN when there is none. (Row through the centre: the node nearest to it in y and z.)
/// @note Collective.
double front_position(const Field& u, double level = 0, int field_level = 0);

/// Length (2-D: perimeter, 3-D: area, 1-D: count) of the set {u = level}: marching squares / tetrahedra over the dual cells, linear interpolation.
/// Cells across a mirror (no_flux) count by half; those beyond other walls do not. Exchanges ghosts.
/// @note Collective.
double interface_measure(Field& u, double level = 0, int field_level = 0);

/// Structure factor S(k) = |u_k|^2 averaged over shells of width 2 pi / L_max around k (mean of u removed), with Parseval's scaling: the sum over
/// shells of S(k) times the modes in it is the variance of u. Mean length 2 pi sum |u_k|^2 / sum |k| |u_k|^2 over the modes themselves; infinite for
/// a homogeneous field.
struct StructureFactor {
  std::vector<double> k, s, modes;
  double mean_length = 0;
};
/// `transform`: of one level, on the layout of u.
/// @note Collective.
StructureFactor structure_factor(SpectralTransform& transform, const Field& u, int field_level = 0);

}  // namespace wasserflow
