#pragma once
/// The two laws that a score model generates from a noising diffusion: that of its reverse stochastic equation and that of its probability flow.
#include <string>

#include "grids/field.hpp"
#include "problems/reverse_process.hpp"

namespace wasserflow {

struct ReverseOptions {
  double end = 0;               ///< time down to which the laws are carried, in [0, T)
  int steps = 400;              ///< of the stochastic law
  std::string method = "bdf2";  ///< its time stepper (solvers/time_stepper.hpp); implicit_euler and bdf2 damp what steps do not resolve
  double tolerance = 1e-8;      ///< of its linear solves, max |F| / dt
  double cfl = 0.4;             ///< of the probability flow
};

/// Law at options.end of the reverse process that starts from the density `terminal` (level 0) at T: implicit Fokker-Planck steps, conservative,
/// second order in h and dt. Throws DivergedError when a step fails.
/// @note Collective.
Field reverse_diffusion_law(const ReverseProcess& model, const Field& terminal, const ReverseOptions& options = {});
/// The same for the probability flow, by ContinuityEquation (which says what the layout must be like).
/// @note Collective.
Field probability_flow_law(const ReverseProcess& model, const Field& terminal, const ReverseOptions& options = {});

}  // namespace wasserflow
