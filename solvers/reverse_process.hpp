#pragma once
/// The two laws that a score model generates from a noising diffusion: that of its reverse stochastic equation and that of its probability flow.
#include <string>
#include <vector>

#include "problems/diffusion_process.hpp"
#include "problems/fokker_planck.hpp"

namespace wasserflow {

/// A process dX = f dt + g dW on [0, T] and a model s(x, t) of its score grad log p_t: exact, given, perturbed or estimated. With the exact score and
/// the law of X_T to start from, both laws at time t are the law of X_t; the gap between them measures how far s is from solving the equation of the
/// log-density (Song et al. 2021; Hu, Shi, Tsai, Bertozzi and others on the ODE-SDE gap, arXiv:2311.15996).
struct ReverseProcess {
  DiffusionProcess process;
  std::vector<FunctionPtr> score;  ///< one an axis, functions of (x, t)
};

/// Fokker-Planck equation of the reverse process dX = (-f + g^2 s) dtau + g dW (Anderson 1982), in tau = T - t: drift -f + g^2 s and diffusion g^2/2
/// at T - tau, as functions of (x, tau).
FokkerPlanckEquation reverse_diffusion(const ReverseProcess& model);
/// Velocity f - g^2 s / 2 of the probability flow dX/dt, one function an axis, of (x, t).
std::vector<FunctionPtr> probability_flow(const ReverseProcess& model);

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
