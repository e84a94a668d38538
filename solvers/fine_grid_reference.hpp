#pragma once
/// A reference solution for problems without a closed form: the explicit WENO5 scheme on a finer grid, sampled at the points of the coarse one.
#include <span>

#include "problems/hamiltonian.hpp"

namespace wasserflow {

/// Solves phi_t + H = eps Lap phi, phi(., 0) = initial with WENO5 and Runge-Kutta 3 on `refinement` times as many cells an axis, and keeps the values
/// at the points of `layout` at the given increasing times >= 0. The result is known at these times and points only (InternalError otherwise). Where
/// points of the two grids do not coincide (cell centres, even refinement) neighbours are averaged. Needs memory for the whole coarse level on
/// every rank while it works. Explicit time steps make it cost about refinement^(dim + 1) times the coarse grid.
/// Throws InputError when the fine grid does not fit the ranks or the scheme (ExplicitScheme), DivergedError when it blows up.
/// @note Collective.
FunctionPtr make_fine_grid_reference(HamiltonianTerms terms, const LayoutPtr& layout, const Function& initial, double eps,
                                     std::span<const double> times, int refinement);

}  // namespace wasserflow
