#pragma once
/// Runs of several populations: sweeps from coarse grids to the finest with history, checkpoints and stops, fields and figures of every population.
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "apps/run/driver.hpp"
#include "apps/run/expected_figures.hpp"
#include "apps/run/mean_field_saves.hpp"
#include "apps/run/populations_input.hpp"

namespace wasserflow {

class PopulationsRun {
 public:
  /// Reads all keys but [problem]. Throws InputError at the key at fault.
  /// @note Collective.
  PopulationsRun(const Parameters& root, MPI_Comm comm);

  /// @note Collective.
  Status run(Run& run);

 private:
  /// What the sweeps on one grid took.
  struct Effort {
    int sweeps = 0;
    long inner_iterations = 0, operator_passes = 0;
    bool converged = false;
  };
  bool restore(Run& run);
  void checkpoint(Run& run);
  void row(Run& run, const PopulationPosition& at);
  void report(Run& run, const PopulationReport& found);
  void report_answers(Run& run);

  PopulationsInput input_;
  MeanFieldSaves saves_;
  std::optional<TrajectoryPlan> trajectories_;
  ExpectedFigures expected_;
  std::unique_ptr<Populations> solver_, finest_;
  std::unique_ptr<IterationTable> table_;
  int level_ = 0;
  std::vector<Effort> efforts_;  ///< of the grids that are done
};

}  // namespace wasserflow
