#pragma once
/// Entropic optimal transport on grids by Sinkhorn's iteration in the logarithmic domain, and entropic Wasserstein gradient flows.
#include <functional>
#include <optional>

#include "grids/heat_convolution.hpp"
#include "solvers/pdhg.hpp"

namespace wasserflow {

/// Outcome of a scaling iteration.
struct [[nodiscard]] EntropicReport {
  StopReason reason = StopReason::IterationLimit;
  int iterations = 0;
  double marginal_error = 0;  ///< L1 distance of the marginal that the last half step did not set
  double value = 0;           ///< <f, mu> + <g, nu>: cost plus eps times the relative entropy, at convergence
};

/// min over couplings pi of mu and nu of  <|x - y|^2 / 2, pi> + eps KL(pi | mu x nu),  pi = exp((f + g - |x - y|^2 / 2) / eps) mu nu.
/// The Gibbs kernel is a heat convolution of variance eps (free space, or the wrapped or mirrored kernel of the box). Densities are cell averages.
/// Sources: Cuturi 2013; Schmitzer 2019 (logarithmic domain); Feydy et al. 2019 (divergence).
class EntropicTransport {
 public:
  /// Throws InputError for eps <= 0.
  /// @note Collective.
  EntropicTransport(LayoutPtr layout, double eps, std::array<Surround, 3> surround);

  /// Potentials from the given f, g (0 for a cold start) until the marginal error is below `tolerance`. Throws InputError for negative densities or masses that
  /// differ by more than 1e-10 relative: unequal masses have no coupling.
  /// @note Collective.
  EntropicReport solve(const Field& mu, const Field& nu, Field& f, Field& g, double tolerance = 1e-8, int max_iterations = 10000);
  /// The symmetric problem of mu with itself: f <- (f + step) / 2 converges in tens of iterations.
  /// @note Collective.
  EntropicReport solve_symmetric(const Field& mu, Field& f, double tolerance = 1e-10, int max_iterations = 1000);
  /// OT(mu, nu) - OT(mu, mu)/2 - OT(nu, nu)/2, approximately W2^2 / 2 without the blur of OT (>= 0, 0 only for mu = nu). Nothing when a solve does not converge.
  /// @note Collective.
  std::optional<double> divergence(const Field& mu, const Field& nu, double tolerance = 1e-8, int max_iterations = 10000);

  double eps() const { return eps_; }

 private:
  friend class EntropicJko;
  /// out = -eps log sum_y exp((g(y) - |x - y|^2 / 2) / eps) nu(y) dy
  void soft_transform(const Field& g, const Field& log_nu, Field& out);

  LayoutPtr layout_;
  double eps_;
  double log_factor_ = 0;  ///< exp(-|x - y|^2 / (2 eps)) dy = exp(log_factor) G
  HeatConvolution heat_;
  Field work_;
};

/// Energies by their proximal map in the Kullback-Leibler divergence, in logarithms: log q for
///   q = argmin  KL(q | a) + weight F(q),   KL(q | a) = int q log(q / a) - q + a.
using LogKlProx = std::function<void(double weight, const Field& log_a, Field& log_q)>;

/// F = int V q + beta q log q + c q^m / (m - 1), pointwise: closed form without the last term, Newton's method with it (c >= 0, m > 1).
LogKlProx internal_energy_prox(const Field* V, double beta, double c = 0, double m = 2);

/// rho <- argmin over q of  W_eps(rho, q) / tau + F(q),   W_eps = min over pi of <|x - y|^2 / 2, pi> + eps KL(pi | Lebesgue):
/// one entropic JKO step by scalings (Peyre 2015; Chizat, Peyre, Schmitzer, Vialard 2018). First order in tau and, through the blur, in eps / tau.
class EntropicJko {
 public:
  /// @note Collective.
  EntropicJko(LayoutPtr layout, double tau, double eps, std::array<Surround, 3> surround, LogKlProx prox);
  /// Until the change of log q is below `tolerance`. Mass is that of rho, exactly.
  /// @note Collective.
  EntropicReport step(Field& rho, double tolerance = 1e-10, int max_iterations = 5000);

 private:
  EntropicTransport transport_;
  double tau_;
  LogKlProx prox_;
  Field log_v_, log_q_, log_rho_, spread_;
};

}  // namespace wasserflow
