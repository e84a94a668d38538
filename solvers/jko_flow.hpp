#pragma once
/// Wasserstein gradient flows by the scheme of Jordan, Kinderlehrer and Otto, each step a dynamic transport problem.
#include "solvers/pdhg.hpp"
#include "solvers/staggered_scheme.hpp"

namespace wasserflow {

/// rho_{k+1} = argmin over rho of W2^2(rho_k, rho) / (2 tau) + E(rho) for rho_t = div(rho grad E'(rho)), E = int G(x, rho): a mean-field problem of
/// horizon tau with the terminal cost G and few steps inside (1 to 8; 4 reproduce the exact minimiser to 1e-3 and better). Every step starts from the
/// momentum and the duals of the one before, and takes some iterations at least, whatever its first residuals are. Source: Jordan, Kinderlehrer, Otto
/// 1998; Carrillo, Craig, Wang, Wei 2022 (primal-dual JKO steps).
class JkoFlow {
 public:
  /// `problem`: horizon = tau, no final density, rho_0 in `initial`. Throws InputError when an end density is given.
  /// @note Collective.
  JkoFlow(MeanFieldProblem problem, const PdhgParameters& parameters);

  /// One step; density() is rho_{k+1} >= 0 afterwards, of the mass of rho_0.
  /// @note Collective.
  SolveReport step();
  const Field& density() const { return density_; }
  StaggeredScheme& scheme() { return scheme_; }
  int steps() const { return steps_; }

 private:
  StaggeredScheme scheme_;
  Pdhg engine_;
  Field density_, nodes_;
  int steps_ = 0;
};

}  // namespace wasserflow
