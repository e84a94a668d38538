#pragma once
/// Mean-field control of several populations that react with each other: epidemics, species, traffic of several kinds.
#include <memory>
#include <vector>

#include "problems/reaction.hpp"
#include "solvers/mean_field_continuation.hpp"
#include "solvers/staggered_scheme.hpp"

namespace wasserflow {

/// min over (rho_k, m_k) of sum over k of the cost of population k (that of solvers/mean_field.hpp, every term in rho_k alone)
///   subject to rho_k,t - nu_k Lap rho_k + div m_k = r_k(rho_1 ... rho_K, x, t), rho_k(0) given (rho_k(T) too, or free).
/// With S, I, R and r = (-b S I, b S I - g I, g I) this is the control of an epidemic by who moves where. The conditions of optimality are those of
/// K games, population k with the value function phi_k, the additional source r_k and the additional potential q_k:
///   q_k = sum over j of phi_j dr_j/drho_k.
/// Densities react at half times, where they are (rho[n] + rho[n+1]) / 2: second order, and what the rates keep (S + I + R) is kept to rounding.
/// Source: Lee, Liu, Tembine, Li, Osher 2021 (spatial SIR models as mean-field control).
struct PopulationProblem {
  /// One a population, on one layout, with the same steps and horizon, neither stationary nor positive. `source` and `potential` are set by the
  /// solver.
  std::vector<MeanFieldProblem> populations;
  ReactionPtr reaction;  ///< as many species as there are populations, in their order
};

struct PopulationParameters {
  /// Stop when in a sweep over all populations neither densities nor value functions move more than this: root mean squares over space-time of
  /// rho_k at half times over the mean of the same, of phi_k over c^2 T + the mean of the same.
  double tolerance = 1e-5;
  int max_iterations = 200;  ///< sweeps
  double damping = 1;        ///< in (0, 1]: the part of the way to the new densities and values at which the next sweep linearises
  /// A solve for one population; its tolerance is at most that of the sweeps. The weight counts in units of StaggeredScheme::default_weight.
  PdhgParameters inner = default_inner();
  static PdhgParameters default_inner();
  /// Throws InputError.
  void validate() const;
};

struct [[nodiscard]] PopulationReport {
  StopReason reason = StopReason::IterationLimit;
  int iterations = 0;           ///< sweeps
  long inner_iterations = 0;    ///< of the primal-dual method, over all populations
  double residual = 0;          ///< the largest move of the last sweep
  std::vector<double> history;  ///< residual at every sweep
};

/// A sweep freezes sources r_k and potentials q_k at the linearisation point and solves the K convex problems that remain, each from its last
/// iterate. This contracts for reactions that are not too strong over the horizon (Picard's iteration: the product of rate and horizon counts);
/// products of densities make the problem nonconvex, so that convergence is not guaranteed, and the answer is a stationary point, not certainly the
/// least one. Sweeps swing where densities follow values too readily (cheap motion, no cost
/// of crowds: populations that avoid each other separate); damping, a coupling in the costs, or a shorter horizon help. All members are collective.
class Populations {
 public:
  /// Throws InputError where numbers, layouts or steps do not fit together.
  Populations(PopulationProblem problem, const PopulationParameters& parameters);

  /// Sweeps from the iterates at hand (at first: the standard start of every population without reaction).
  PopulationReport solve();

  int count() const { return static_cast<int>(schemes_.size()); }
  /// Density, momentum, value function, figures of a population. Its x() solves A x = source(k) exactly.
  StaggeredScheme& scheme(int k) { return *schemes_[static_cast<std::size_t>(k)]; }
  /// r_k and q_k of the last sweep, a level a half time.
  const Field& source(int k) const { return frozen_[static_cast<std::size_t>(k)].source; }
  const Field& potential(int k) const { return frozen_[static_cast<std::size_t>(k)].potential; }
  /// The sum over all populations of the costs at the exactly feasible iterates (+infinity where a density is below 0 beyond rounding).
  double feasible_objective();

 private:
  /// The linearisation point of a population, a level a half time, and what follows from it.
  struct Frozen {
    Field density, value, source, potential;
  };
  void freeze();
  double move(int k, bool all);
  double approach(Field& from, const Field& to, double floor, double part) const;

  ReactionPtr reaction_;
  PopulationParameters parameters_;
  std::vector<Frozen> frozen_;  ///< the problems point into it
  std::vector<std::unique_ptr<StaggeredScheme>> schemes_;
  std::vector<Pdhg> engines_;
  Field work_;
  std::vector<double> rows_;
  std::vector<double*> jacobian_;
  bool started_ = false;
};

}  // namespace wasserflow
