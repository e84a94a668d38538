#pragma once
/// Coarse-to-fine solution of mean-field problems, for every discretization.
#include <array>
#include <functional>
#include <vector>

#include "solvers/mean_field.hpp"
#include "solvers/pdhg.hpp"

namespace wasserflow {

/// Settings of the loop for mean-field problems: over-relaxation 1.9, bounded balance of the weight in the first iterations. `weight` counts in units
/// of MeanFieldScheme::default_weight.
PdhgParameters mean_field_pdhg();

/// The scheme on a grid of cells / 2^coarsening (see coarser() in solvers/grid_transfer.hpp), with as many steps as the next finer one or half of
/// them.
using MeanFieldFactory = std::function<MeanFieldSchemePtr(int coarsening)>;

struct MeanFieldLevel {
  std::array<int, 3> cells{1, 1, 1};
  int steps = 0;
  SolveReport report;
};

struct MeanFieldSolution {
  MeanFieldSchemePtr scheme;           ///< the finest one with its iterate
  std::vector<MeanFieldLevel> levels;  ///< coarsest first
  const SolveReport& report() const { return levels.back().report; }
};

/// Solves on `levels` >= 1 grids from the coarsest to the finest, each from the answer of the one before, with the weight that it ended with. A level
/// that ends with IterationLimit still starts the next one; Diverged ends it all. `prepare` sees the engine and the scheme before each level
/// (monitors).
/// @note Collective.
MeanFieldSolution solve_mean_field(const MeanFieldFactory& factory, int levels, const PdhgParameters& parameters,
                                   const std::function<void(Pdhg&, MeanFieldScheme&, int level)>& prepare = nullptr);

}  // namespace wasserflow
