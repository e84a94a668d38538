#pragma once
/// What problem files say of several populations that react: [reaction] and [population.NAME].
#include <string>
#include <vector>

#include "apps/run/mean_field_input.hpp"
#include "solvers/populations.hpp"

namespace wasserflow {

class PopulationsInput {
 public:
  /// Problem files with a table [population] are of several populations.
  static bool asked_for(const Parameters& root);

  /// Reads [grid], [time], [reaction], [population.NAME] for every species, [solver]. Throws InputError at the key at fault.
  /// @note Collective.
  PopulationsInput(const Parameters& root, MPI_Comm comm);

  const std::vector<std::string>& names() const { return names_; }
  double horizon() const { return horizon_; }
  const PopulationParameters& parameters() const { return parameters_; }
  const std::vector<SpaceTimeGrid>& levels() const { return levels_; }  ///< from the coarsest to the finest
  const SpaceTimeGrid& finest() const { return levels_.back(); }
  const std::vector<std::string>& warnings() const { return warnings_; }
  /// Throws InputError for walls that a coarse grid does not hold.
  /// @note Collective.
  PopulationProblem problem(int level) const;

 private:
  struct Population {
    Parameters table;
    double viscosity = 0;
    FunctionPtr interaction;
    std::vector<Field> initials;  ///< of the levels
  };
  void refuse_other_tables(const Parameters& root) const;
  void read_solver(const Parameters& solver);
  void read_population(const Parameters& table);

  std::vector<std::string> names_;
  ReactionPtr reaction_;
  std::vector<Population> populations_;
  double horizon_ = 1, theta_ = 0.5;
  int wanted_levels_ = 0;
  PopulationParameters parameters_;
  std::vector<SpaceTimeGrid> levels_;
  std::vector<std::string> warnings_;
};

}  // namespace wasserflow
