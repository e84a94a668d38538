#pragma once
/// Score models of noising diffusions, and the equations of the two laws that they generate.
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

/// Its continuity equation in tau = T - t, as a Fokker-Planck equation without diffusion.
FokkerPlanckEquation reverse_probability_flow(const ReverseProcess& model);

/// Reads [process]: the diffusion, its horizon (default `final`), the score (formulas or data sets; default: the exact one of the density
/// `data`) and a perturbation that is added to it.
ReverseProcess read_reverse_process(const Parameters& root, int dim, double final);

}  // namespace wasserflow
