#pragma once
/// Score models of noising diffusions, and the equations of the two laws that they generate.
#include <string>
#include <vector>

#include "problems/data_density.hpp"
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

/// Fokker-Planck equation of the process itself: drift f and diffusion g^2/2, functions of (x, t).
FokkerPlanckEquation noising_diffusion(const DiffusionProcess& process, int dim);

/// There and back: that equation up to the horizon T, from then on that of the reverse process at tau = t - T.
FokkerPlanckEquation noising_and_back(const ReverseProcess& model);

/// Time of the process at time t of a run of the equation `type` (fokker_planck_types): t, T - t, or T - |T - t| there and back.
double process_time(const std::string& type, const DiffusionProcess& process, double t);

/// Law of the exact solution of the equation `type`, of (x, t) with the time t of the run; `data`: the density at time 0 of the process.
FunctionPtr process_law(const std::string& type, const DataDensityPtr& data, const DiffusionProcess& process);

/// [process] of a run of the equation `type` that ends at `final`: the diffusion and its horizon (default: `final`, half of it there and back).
DiffusionProcess read_process(const Parameters& root, const std::string& type, double final);

/// The same with the score: formulas, data sets, or fields that a run saved (problems/saved_score.hpp); default: the exact one of the density `data`
/// (there and back: default [initial] rho). And a perturbation that is added to it.
ReverseProcess read_reverse_process(const Parameters& root, const std::string& type, int dim, double final);

}  // namespace wasserflow
