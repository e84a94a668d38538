#pragma once
/// Mean-field control of several populations that react with each other: epidemics, species, traffic of several kinds.
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "problems/reaction.hpp"
#include "solvers/anderson_mixing.hpp"
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
  /// rho_k at half times over the mean of the same + a hundredth of the mean of all at first, of phi_k under the density rho_k (where nobody is
  /// values are not unique) over c^2 T + the mean of the same.
  double tolerance = 1e-5;
  int max_iterations = 200;  ///< sweeps
  /// In (0, 1]: the part of the way to the new densities and values at which the next sweep linearises, at first. It is halved where a sweep moves
  /// more than the one before, down to least_damping, and grows again, up to this, where sweeps contract.
  double damping = 1;
  double least_damping = 0.2;
  int memory = 6;  ///< sweeps that Anderson's acceleration of the linearisation points keeps; 0: none
  /// A solve for one population; its tolerance is at most that of the sweeps, and is reached as the sweeps settle: what a solve leaves open counts
  /// a tenth of what the last sweep moved. The weight counts in units of StaggeredScheme::default_weight.
  PdhgParameters inner = default_inner();
  static PdhgParameters default_inner();
  /// Throws InputError.
  void validate() const;
};

/// What a monitor sees after every sweep, and where a solve goes on from.
struct PopulationPosition {
  int sweeps = 0;             ///< done
  int population = 0;         ///< that is being solved in the present sweep
  PdhgPosition inner;         ///< in that solve; iterations < 0: it has not begun
  long inner_iterations = 0;  ///< over all populations, of solves that are done
  long operator_passes = 0;   ///< the same
  double residual = 0;        ///< largest move of the last sweep; 0: there was none
  double damping = 1;
  bool solved = true;                  ///< all inner solves of the present sweep, so far, to their last tolerance
  std::vector<double> mixing;          ///< counters of the acceleration
  std::vector<double> weights, steps;  ///< of the populations: first weight of the next (or present) solve, dual step size of the last
};

struct [[nodiscard]] PopulationReport {
  StopReason reason = StopReason::IterationLimit;
  int iterations = 0;           ///< sweeps
  long inner_iterations = 0;    ///< of the primal-dual method, over all populations
  double residual = 0;          ///< the largest move of the last sweep
  std::vector<double> history;  ///< residual at every sweep of this solve
  bool stopped = false;         ///< by Populations::stop
};

/// A sweep freezes sources r_k and potentials q_k at the linearisation point and solves the K convex problems that remain, each from its last
/// iterate. This contracts for reactions that are not too strong over the horizon (Picard's iteration: the product of rate and horizon counts);
/// products of densities make the problem nonconvex, so that convergence is not guaranteed, and the answer is a stationary point, not certainly the
/// least one. Sweeps swing where densities follow values too readily (cheap motion, no cost of crowds: populations that avoid each other separate):
/// then they are damped. All members are collective.
class Populations {
 public:
  /// Throws InputError where numbers, layouts or steps do not fit together, or there is nobody at all.
  Populations(PopulationProblem problem, const PopulationParameters& parameters);

  /// Sweeps from the iterates at hand (at first: the standard start of every population without reaction).
  PopulationReport solve();
  /// The next solve starts from the answer on a grid of half the cells, with the same number of steps or half (solvers/mean_field.hpp).
  void start_from(Populations& coarse);

  /// When set: called after every sweep.
  std::function<void(const PopulationPosition&)> monitor;
  /// When set: asked at every check of the inner solves; true ends the solve. position() and state_fields() may be saved there, and after the solve.
  /// Must answer alike on all ranks.
  std::function<bool()> stop;
  const PopulationPosition& position() const { return at_; }
  std::vector<std::pair<std::string, Field*>> state_fields();
  /// The next solve goes on from here with the same bits, once state_fields() are filled.
  void restore(PopulationPosition position);

  int count() const { return static_cast<int>(schemes_.size()); }
  const std::vector<std::string>& names() const { return names_; }
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
    Field new_density, new_value;  ///< of the iterates
  };
  void begin();
  void freeze();
  void relinearise();
  void still();
  StopReason solve_one(int k);
  bool runs_away();
  double distance(int k);
  double distance(const Field& a, const Field& b, double floor, const Field* weight = nullptr) const;

  ReactionPtr reaction_;
  PopulationParameters parameters_;
  std::vector<std::string> names_;
  std::vector<Frozen> frozen_;  ///< the problems point into it
  std::vector<std::unique_ptr<StaggeredScheme>> schemes_;
  AndersonMixing mixing_;
  Field work_;
  std::vector<double> rows_;
  std::vector<double*> jacobian_;
  double least_mass_ = 0;
  bool started_ = false;  ///< iterates and the linearisation point are there
  bool stopped_ = false;
  PopulationPosition at_;
};

}  // namespace wasserflow
