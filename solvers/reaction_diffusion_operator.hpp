#pragma once
/// R of u_t + R(u, t) = 0 for the equations of problems/reaction_diffusion.hpp.
#include "problems/reaction_diffusion.hpp"
#include "solvers/evolution_operator.hpp"

namespace wasserflow {

/// Discretization. With D_d u = (u_{i+1} - u_i)/h_d at faces and ghosts by each axis' Boundary,
///   (-div(c grad) u)_i = sum_d [ c_{i-1/2} D_d u_{i-1} - c_{i+1/2} D_d u_i ] / h_d,
/// c_{i+1/2} = sigma at the face's midpoint (the mean of both cells for data on a grid), or (M(u_i) + M(u_{i+1}))/2, with M(0) at Dirichlet walls;
/// self-adjoint, and the symbol for c = 1 is laplacian_symbol (Difference). Products are applied factor by factor, each with the ghosts of the axes.
/// R_s = G_s(a_s L_s u_s + b_s W_s'(u_s)) - r_s. Derivatives and adjoints are exact, M'(u) included. Energy, for one component without reaction whose
/// products are of constant factors or of one factor:
///   E = volume sum_i [ a/2 u (L u) + b W(u) ]_i,   functionalised: volume sum_i [ v^2/2 - eta( eps^2/2 |D u|^2 + W ) ]_i,   R = G dE/du.
/// linear_part(): a G L with sigma and M replaced by their means; functionalised: eps^4 lambda^3 - eta eps^2 lambda^2, its terms without W.
/// frozen(): the same with W'' replaced by potential->curvature(); functionalised: lambda (eps^2 lambda + c - eta)(eps^2 lambda + c), c the
/// curvature. Reaction Jacobian at the base state, in the middle of the box. With `state`: M and the reaction's species are means of the state, and
/// where W lives on a bounded interval (W'' without bound) c is the middle of the values of W'', not below the curvature. Throws InputError on all
/// ranks alike where terms do not fit: spectral with variable coefficients, Extrapolate boundaries, sigma that is negative, not finite or depends on
/// time, mobilities in L. The layout needs ghost >= 1.
/// @note Collective.
EvolutionOperatorPtr make_evolution_operator(const ReactionDiffusionEquation& equation, LayoutPtr layout);

}  // namespace wasserflow
