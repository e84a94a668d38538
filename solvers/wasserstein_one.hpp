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
  double gap = 1e-4;           ///< stop when upper - lower <= gap * upper
  int max_iterations = 20000;  ///< on the finest grid
  int check_every = 5;         ///< iterations between evaluations of the gap
  double step = 1.6;           ///< tau in units of the root mean square of the flux, as far as it is known at the start; sigma = 0.99 / tau
  double relaxation = 1.9;     ///< of both iterates, in [1, 2)
  int coarsest = 32;           ///< start from coarser grids down to this many cells along an axis; 0: from the finest grid itself
  double coarse_gap = 3e-4;    ///< relative gap on coarser grids, if above gap

  /// Throws InputError naming the field and its interval.
  void validate() const;
  /// Everything but the norm.
  static W1Parameters read(const Parameters& solver);
};

/// Work on one grid.
struct W1Level {
  std::array<int, 3> cells{1, 1, 1};
  int iterations = 0;
  double gap = 0;  ///< relative
};

/// lower <= W1 of the grid <= upper, whatever the reason to stop: both are values of feasible points. The grid's W1 differs from the one of the
/// continuum by O(h), which for smooth densities continuum_upper meets more closely.
struct [[nodiscard]] W1Result {
  StopReason reason = StopReason::IterationLimit;
  bool stopped = false;  ///< by the monitor
  double distance = 0;   ///< the upper bound: cost of a flux that moves source to target
  double lower = 0, upper = 0;
  double continuum_upper = 0;  ///< upper bound of the distance in the continuum of densities that are constant on cells (MinimalFlow::continuum_cost)
  double gap = 0;              ///< (upper - lower) / upper, 0 for equal densities
  int iterations = 0;          ///< on the finest grid
  double divergence_error = 0;  ///< max |div m - (source - target)| over max |source - target|
  std::vector<W1Level> levels;  ///< coarsest first; without coarser grids the first entry is the search for the step
};

struct W1Progress {
  int iteration = 0;
  double lower = 0, upper = 0;
};

/// W1(source, target) = min over m of  int |m|,  div m = source - target, by PDHG on MinimalFlow from coarse to fine grids. The mass flows along m
/// (the continuity equation d rho/dt + div m = 0 from source to target in unit time); phi, the potential, has |D phi|_* <= 1 and
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

  Field& flux() { return fine_.flux(); }  ///< m: a level an axis, on the upper faces of the cells
  /// Potential of the last check, scaled to slope 1.
  /// @note Collective.
  Field potential();

  /// What a checkpoint holds besides flux(), dual_flux() and mean_potential().
  struct State {
    MinimalFlow::State bounds;
    double tau = 1;
    int iterations = 0;
    std::vector<W1Level> coarse;
  };
  State state() const { return {fine_.state(), tau_, iterations_, coarse_}; }
  Field& dual_flux() { return fine_.dual_flux(); }
  Field& mean_potential() { return fine_.potential(); }
  /// After the fields were filled: solve goes on as if it had not stopped.
  /// @note Collective.
  void restore(const State& state);

 private:
  Pdhg engine(double tau, double gap, int iterations) const;
  void start_from_coarse();

  W1Parameters parameters_;
  LayoutPtr layout_;
  MinimalFlow fine_;
  double mass_ = 0, tau_ = 1;
  int iterations_ = 0;
  std::vector<W1Level> coarse_;
  bool resumed_ = false;
};

}  // namespace wasserflow
