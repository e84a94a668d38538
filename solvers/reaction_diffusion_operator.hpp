#pragma once
/// R of u_t + R(u, t) = 0 for the equations of problems/reaction_diffusion.hpp.
#include "problems/reaction_diffusion.hpp"
#include "solvers/evolution_operator.hpp"

namespace wasserflow {

/// Discretization. With D_d u = (u_{i+1} - u_i)/h_d at faces and ghosts by each axis' Boundary,
///   (-div(c grad) u)_i = sum_d [ c_{i-1/2} D_d u_{i-1} - c_{i+1/2} D_d u_i ] / h_d,
/// c_{i+1/2} = sigma at the face's midpoint, or (M(u_i) + M(u_{i+1}))/2; self-adjoint, and the symbol for c = 1 is laplacian_symbol (Difference).
/// Products are applied factor by factor. R_s = G_s(a_s L_s u_s + b_s W_s'(u_s)) - r_s. Energy, for one component:
///   E = volume sum_i [ a/2 u (L u) + b W(u) ]_i,   functionalised: volume sum_i [ v^2/2 - eta( eps^2/2 |D u|^2 + W ) ]_i.
/// frozen(): W'' replaced by potential->curvature(), sigma and M by their means, reaction Jacobian at the base state (or at the mean of `state`).
/// Throws InputError on all ranks alike where terms do not fit the grid (spectral with variable coefficients, Extrapolate boundaries).
/// The layout needs ghost >= 1.
/// @note Collective.
EvolutionOperatorPtr make_evolution_operator(const ReactionDiffusionEquation& equation, LayoutPtr layout);

}  // namespace wasserflow
