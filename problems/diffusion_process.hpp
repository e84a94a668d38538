#pragma once
/// The linear noising diffusions of score-based models.
#include "grids/support/parameters.hpp"

namespace wasserflow {

/// dX = f(X, t) dt + g(t) dW on [0, T] with f linear in X, so that X_t = alpha_t X_0 + sigma_t Z with Z standard normal:
///   OrnsteinUhlenbeck   f = -k x, g constant:                          alpha = exp(-k t), sigma^2 = g^2 (1 - exp(-2 k t)) / (2 k)
///   VarianceExploding   f = 0, g^2 = d sigma^2/dt:                     alpha = 1, sigma = smin (smax/smin)^(t/T)
///   VariancePreserving  f = -beta x/2, g^2 = beta, beta = b0 + (b1 - b0) t/T:  alpha = exp(-1/2 int_0^t beta), sigma^2 = 1 - alpha^2
/// The law of X_t obeys p_t + div(f p) = g^2/2 Lap p. The variance-exploding process starts at t = 0 with the variance smin^2, not 0.
/// Source: Song et al., Score-based generative modeling through stochastic differential equations, 2021.
struct DiffusionProcess {
  enum class Kind { OrnsteinUhlenbeck, VarianceExploding, VariancePreserving } kind = Kind::OrnsteinUhlenbeck;
  double T = 1;
  double k = 1, g = 1;            ///< Ornstein-Uhlenbeck; k = 0: Brownian motion
  double smin = 0.01, smax = 50;  ///< variance exploding
  double b0 = 0.1, b1 = 20;       ///< variance preserving
  double alpha(double t) const;
  double variance(double t) const;           ///< sigma_t^2
  double drift_rate(double t) const;         ///< f = drift_rate(t) x
  double diffusion_squared(double t) const;  ///< g(t)^2
};

/// Reads type, rate, noise | sigma_min, sigma_max | beta_min, beta_max from a table ([process]); T is the horizon of the run.
DiffusionProcess read_diffusion_process(const Parameters& p, double T);

}  // namespace wasserflow
