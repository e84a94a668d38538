#pragma once
/// Regularised Wasserstein proximal operators by the kernel formula, and the symmetric scaling that keeps the Gibbs density.
#include <memory>
#include <string>
#include <vector>

#include "grids/heat_convolution.hpp"
#include "problems/function.hpp"

namespace wasserflow {

/// Which kernel a step applies. With E = exp(-V/(2 beta)), G = exp(T beta Lap):
///   Kernel     K = E G [ . / (G E) ]: the proximal operator of int V rho with the Laplacian-regularised transport cost of time T (Li, Liu, Osher
///              arXiv:2301.10301); first order in T for the Fokker-Planck equation, stationary density E G E
///   Symmetric  P = E d G [ d . / E ] with d > 0, d G(d E) = E (symmetric Sinkhorn scaling): keeps pi = E^2 / Z exactly, reversible, second order
enum class ProxKernel { Kernel, Symmetric };

/// How convolutions are done. Automatic: Fft while the range R, in nats, of the factor that rho is multiplied with before the convolution, over the
/// support of rho (where it exceeds 1e-16 of its maximum), is below log(tolerance / 1e-16) and the kernel so wide that transforms cost less; else Direct while exp(-range(V) / (2 beta)) is far from
/// underflow; else Log.
enum class ProxBackend { Automatic, Direct, Fft, Log };
std::string to_string(ProxBackend backend);

struct ProxParameters {
  double beta = 1;  ///< temperature: target density exp(-V / beta), noise sqrt(2 beta) dW
  double T = 0.1;   ///< time (step size) of one operator
  ProxKernel kernel = ProxKernel::Symmetric;
  ProxBackend backend = ProxBackend::Automatic;
  double tolerance = 1e-10;  ///< relative accuracy that Automatic demands of Fft
  int max_scalings = 500;    ///< Sinkhorn iterations for d
};

/// Densities are cell averages on the layout's grid with sum rho * cell volume = mass; mass and positivity are kept exactly (to rounding) by every
/// kernel. E and G E (or d) are made once and serve any number of steps.
class WassersteinProx {
 public:
  /// V at the nodes of the layout (level 0), and its gradient, an axis each, for score() and path(); without it central differences of fourth order stand
  /// for it. Throws InputError: beta or T not positive, V not finite.
  /// @note Collective.
  WassersteinProx(LayoutPtr layout, const Field& V, std::array<Surround, 3> surround, const ProxParameters& parameters, std::vector<Field> grad_V = {});
  ~WassersteinProx();

  /// rho <- K rho (or P rho). Throws InputError when rho is negative or not finite somewhere.
  /// @note Collective.
  void step(Field& rho);

  /// The optimal path of the regularised proximal problem from rho0 at time t in (0, T], with ProxKernel::Kernel (rho_t + div(rho grad Phi) = beta Lap rho,
  /// Phi_t + |grad Phi|^2/2 = -beta Lap Phi, Phi(T) = -V): density, Phi = 2 beta log G_{T-t} E, its gradient (the optimal drift) and the velocity grad Phi - beta
  /// grad log rho of the flow that moves the density. Outputs that are null or empty are not wanted. Logarithmic domain throughout.
  /// @note Collective.
  void path(const Field& rho0, double t, Field* rho, Field* phi, std::vector<Field>* drift, std::vector<Field>* velocity);

  /// grad log of the density that the last step gave, an axis each, from means under the kernel: no logarithm of rho is differenced.
  /// @note Collective.
  void score(std::vector<Field>& out);

  /// -2 beta int rho0 log(G E): the value of the control problem whose terminal cost is V (Kernel).
  /// @note Collective.
  double control_value(const Field& rho0);

  ProxBackend backend() const;   ///< of the last step
  double dynamic_range() const;  ///< R of the last step
  int scalings() const;          ///< Sinkhorn iterations that d took
  /// Cells a standard deviation of the kernel along its narrowest axis: sampled Gaussians need 2 (the discrete heat kernel stands in below, second order
  /// in the cell size).
  double resolution() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace wasserflow
