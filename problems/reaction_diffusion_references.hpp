#pragma once
/// Exact and reference solutions of reaction-diffusion equations, for the errors in reports and for tests.
#include <string>
#include <utility>
#include <vector>

#include "problems/reaction_diffusion.hpp"

namespace wasserflow {

/// u_t = a u_xx - b (u^3 - u): the front from 1 (left) to the unstable state 0 (right),
///   u = (1 - tanh(sqrt(b/(8a)) (x - shift - s t))) / 2,  s = 3 sqrt(ab/2),   along axis 0 (x), 1 (y) or 2 (z).
FunctionPtr make_travelling_wave(double a, double b, double shift = 0, int axis = 0);
/// a u_xx = b (u^3 - u): the resting interface tanh((x - shift) sqrt(b/(2a))) between -1 and 1.
FunctionPtr make_standing_wave(double a, double b, double shift = 0, int axis = 0);

/// What [reference] says: one function a species, null for species without a reference; empty for `type = "none"` or without the table. A function
/// that does not depend on time (a data set) holds at the final time; those of waves at all times. Throws InputError at the key where the kind does
/// not fit the equation.
std::vector<FunctionPtr> read_reaction_diffusion_reference(const Parameters& reference, const Grid& grid, const ReactionDiffusionEquation& equation);
/// Kinds with what they are, for --describe and the tests.
const std::vector<std::pair<std::string, std::string>>& reaction_diffusion_reference_types();

}  // namespace wasserflow
