#pragma once
/// Wasserstein-1 distances on grids, with certified bounds, without a time axis.
#include <array>
#include <functional>
#include <memory>
#include <vector>

#include "solvers/minimal_flow.hpp"
#include "solvers/pdhg.hpp"

namespace wasserflow {

/// All knobs. read() documents each and gives ranges.
struct W1Parameters {
  GroundNorm norm = GroundNorm::L2;
  double gap = 1e-4;           ///< stop when grid_upper - lower <= gap * grid_upper
  int max_iterations = 20000;  ///< on the finest grid
  int check_every = 10;        ///< iterations between evaluations of the gap
  double step = 10;            ///< sigma in units of MinimalFlow::mean_flux(), as far as it is known at the start; tau = 0.99 / sigma
  double relaxation = 1.9;     ///< of both iterates, in [1, 2)
  int coarsest = 32;           ///< start from coarser grids down to this many cells along an axis; 0: from the finest grid itself
  double coarse_gap = 3e-4;    ///< relative gap on coarser grids, if above 3 gap

  /// Throws InputError naming the field and its interval.
  void validate() const;
  /// Everything but the norm.
  static W1Parameters read(const Parameters& solver);
};

/// Work on one grid.
struct W1Level {
  std::array<int, 3> cells{1, 1, 1};
  int iterations = 0;
  double gap = 0;  ///< of the grid's problem, relative
};

/// lower <= W1 <= upper in the continuum, for the densities that are constant on cells, whatever the reason to stop: both are values of feasible
/// points. What remains between them when the grid's problem is solved (grid_gap) is the error of the discretisation, O(h^2) for smooth densities.
struct [[nodiscard]] W1Result {
  StopReason reason = StopReason::IterationLimit;  ///< Converged: grid_gap is as small as asked for
  bool stopped = false;                            ///< by the monitor
  double distance = 0;                             ///< cost of a flux that moves source to target (flux_cost), within the bounds
  double lower = 0, upper = 0;
  double gap = 0;               ///< (upper - lower) / upper, 0 for equal densities
  double grid_upper = 0;        ///< lower <= V <= grid_upper, V the value of the grid's problem (MinimalFlow)
  double grid_gap = 0;          ///< (grid_upper - lower) / grid_upper
  int iterations = 0;           ///< on the finest grid
  double divergence_error = 0;  ///< max |div m - (source - target)| over max |source - target|
  std::vector<W1Level> levels;  ///< coarsest first; without coarser grids the first entry is the search for the step
};

struct W1Progress {
  int iteration = 0;
  double lower = 0, upper = 0;  ///< of the grid's problem; lower holds in the continuum too
};

/// W1(source, target) = min over m of  int |m|,  div m = source - target, by PDHG on MinimalFlow from coarse to fine grids. The mass flows along m
/// (the continuity equation d rho/dt + div m = 0 from source to target in unit time); phi, the potential, has |grad phi|_* <= 1 and
/// W1 = int phi (target - source): it grows along the transport.
/// Source: Beckmann 1952; Jacobs, Leger, Li, Osher 2019, "Solving large-scale optimization problems with a convergence rate independent of grid
/// size"; multilevel starts as in Liu, Yin, Li, Chow 2021, "Multilevel optimal transport: a fast approximation of Wasserstein-1 distances".
class WassersteinOne {
 public:
  /// Densities on one layout with ghost planes, of one level. Throws InputError: negative or non-finite densities, masses that differ by more than
  /// 1e-9 of them (the message names the unbalanced form), axes that are neither periodic nor no_flux.
  /// @note Collective.
  WassersteinOne(const Field& source, const Field& target, const W1Parameters& parameters);

  /// Asked at every check on the finest grid; true stops the solve there. Must answer alike on all ranks.
  std::function<bool(const W1Progress&)> monitor;

  /// @note Collective.
  W1Result solve();

  /// m: a level an axis, on the upper faces of the cells. div m = source - target.
  /// @note Collective.
  Field& flux() { return fine_.flux(); }
  /// Means over the cells of the potential of the last check, which has slope 1.
  /// @note Collective.
  Field potential();

  /// What a checkpoint holds besides iterate(), multiplier() and mean_potential().
  struct State {
    MinimalFlow::State bounds;
    double sigma = 1;
    int iterations = 0;
    std::vector<W1Level> coarse;
  };
  State state() const { return {fine_.state(), sigma_, iterations_, coarse_}; }
  Field& iterate() { return fine_.iterate(); }
  Field& multiplier() { return fine_.multiplier(); }
  Field& mean_potential() { return fine_.potential(); }
  /// After the fields were filled: solve goes on as if it had not stopped.
  void restore(const State& state);

 private:
  Pdhg engine(double sigma, double gap, int iterations) const;
  void start_from_coarse();

  W1Parameters parameters_;
  LayoutPtr layout_;
  MinimalFlow fine_;
  double mass_ = 0, sigma_ = 1;
  int iterations_ = 0;
  std::vector<W1Level> coarse_;
  bool resumed_ = false;
};

}  // namespace wasserflow
