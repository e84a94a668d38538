#include "problems/diffusion_process.hpp"

#include <cmath>

namespace wasserflow {

namespace {

/// int_0^t beta of the variance-preserving process.
double beta_integral(const DiffusionProcess& p, double t) { return p.b0 * t + (p.b1 - p.b0) * t * t / (2 * p.T); }

}  // namespace

double DiffusionProcess::alpha(double t) const {
  switch (kind) {
    case Kind::OrnsteinUhlenbeck: return std::exp(-k * t);
    case Kind::VarianceExploding: return 1;
    default: return std::exp(-beta_integral(*this, t) / 2);
  }
}

double DiffusionProcess::variance(double t) const {
  switch (kind) {
    case Kind::OrnsteinUhlenbeck: return k == 0 ? g * g * t : -g * g * std::expm1(-2 * k * t) / (2 * k);
    case Kind::VarianceExploding: return smin * smin * std::pow(smax / smin, 2 * t / T);
    default: return -std::expm1(-beta_integral(*this, t));
  }
}

double DiffusionProcess::drift_rate(double t) const {
  switch (kind) {
    case Kind::OrnsteinUhlenbeck: return -k;
    case Kind::VarianceExploding: return 0;
    default: return -(b0 + (b1 - b0) * t / T) / 2;
  }
}

double DiffusionProcess::diffusion_squared(double t) const {
  switch (kind) {
    case Kind::OrnsteinUhlenbeck: return g * g;
    case Kind::VarianceExploding: return 2 * std::log(smax / smin) / T * variance(t);
    default: return b0 + (b1 - b0) * t / T;
  }
}

DiffusionProcess read_diffusion_process(const Parameters& p, double T) {
  DiffusionProcess process;
  process.T = T;
  const std::string type = p.choice("type",
                                    "Noising diffusion dX = f dt + g dW: f = -rate x and g = noise; or f = 0 and sigma from sigma_min to "
                                    "sigma_max; or f = -beta x/2 and g^2 = beta from beta_min to beta_max.",
                                    {"ornstein_uhlenbeck", "variance_exploding", "variance_preserving"}, "ornstein_uhlenbeck");
  if (type == "ornstein_uhlenbeck") {
    process.k = p.real("rate", "Rate k of the drift -k x; 0: Brownian motion.", 1.0, Range::nonnegative());
    process.g = p.real("noise", "Noise g; the diffusion is g^2/2.", 1.0, Range::positive());
  } else if (type == "variance_exploding") {
    process.kind = DiffusionProcess::Kind::VarianceExploding;
    process.smin = p.real("sigma_min", "Standard deviation of the noise at t = 0.", 0.01, Range::positive());
    process.smax = p.real("sigma_max", "Standard deviation of the noise at the final time.", 50.0, Range::positive());
    if (process.smax <= process.smin) p.fail("sigma_max", "the noise must grow: sigma_max above sigma_min");
  } else {
    process.kind = DiffusionProcess::Kind::VariancePreserving;
    process.b0 = p.real("beta_min", "beta at t = 0.", 0.1, Range::nonnegative());
    process.b1 = p.real("beta_max", "beta at the final time.", 20.0, Range::positive());
  }
  return process;
}

}  // namespace wasserflow
