#pragma once
/// The equation of the logarithm of a density (of its score's potential), as a residual on space-time fields.
#include <span>
#include <vector>

#include "grids/field.hpp"
#include "problems/function.hpp"

namespace wasserflow {

/// For dX = f dt + g dW and phi = log rho, rho_t + div(rho f) = (g^2/2) Lap rho reads R[phi] = 0 with
///   R[phi] = phi_t + div f + f . grad phi - (g^2/2) (Lap phi + |grad phi|^2).
/// Level k of phi stands at times[k] (increasing, any spacing, at least 2), and level k of `out` takes R there. Central differences in space; ends
/// that are not periodic go on by quadratic extrapolation, whatever their kind, since log-densities are no mirror images: the residual of quadratic
/// phi (Gaussians) has no error there, others are first order in the cells at ends. Three-point differences in time (one-sided at the first and last
/// time); second order. `drift`: one function an axis, or none; `half_g2`: g^2/2 as a function of t alone. Ghosts of phi are exchanged. Sources: Lai
/// et al. 2023 (score Fokker-Planck equation); Song et al. 2021. Throws InputError for fewer than 3 cells an axis, a rank with one plane of an axis
/// that is not periodic, or times that do not increase.
/// @note Collective.
void log_density_residual(const std::vector<FunctionPtr>& drift, const Function& half_g2, Field& phi, std::span<const double> times, Field& out);

}  // namespace wasserflow
