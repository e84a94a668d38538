#pragma once
/// What problem files say of mean-field problems and dynamic transport, and the discrete problems that come of it.
#include <memory>
#include <string>
#include <vector>

#include "grids/grid.hpp"
#include "grids/support/parameters.hpp"
#include "solvers/mean_field.hpp"
#include "solvers/pdhg.hpp"

namespace wasserflow {

/// Which keys a problem has.
enum class MeanFieldKind {
  Game,        ///< all: wf-mean-field
  Geodesic,    ///< wf-transport: both ends given, no running cost, no viscosity
  Bridge,      ///< the same with viscosity (Schroedinger bridge)
  Unbalanced,  ///< the same with a reaction flux
};

/// A space-time grid.
struct SpaceTimeGrid {
  Grid grid;
  int steps = 1;
};

/// Reads [grid], [time] or [jko], diffusion, [hamiltonian], [mobility], [coupling], [terminal], [interaction], [unbalanced], [initial], [final],
/// [solver]. Every reader may be called again, e.g. for coarser grids.
class MeanFieldInput {
 public:
  /// Throws InputError at the key at fault: ends that no scheme has, no end or two ends, masses that differ, mass in obstacles.
  /// @note Collective.
  MeanFieldInput(const Parameters& root, MPI_Comm comm, MeanFieldKind kind);

  MeanFieldKind kind() const { return kind_; }
  const SpaceTimeGrid& finest() const { return finest_; }
  double horizon() const { return horizon_; }
  double viscosity() const { return viscosity_; }
  bool both_ends() const { return both_ends_; }
  int jko_steps() const { return jko_steps_; }  ///< 0: no sequence of minimising movements
  const std::string& scheme() const { return scheme_; }
  const PdhgParameters& engine() const { return engine_; }  ///< weight: in units of the scheme's default

  /// Grids from the coarsest to the finest.
  const std::vector<SpaceTimeGrid>& levels() const { return levels_; }

  /// The problem on a grid, with the densities of the problem file; with `initial` that in place of rho_0. What the grid cannot hold is said in
  /// `warnings`.
  /// @note Collective.
  MeanFieldProblem problem(const SpaceTimeGrid& on, std::vector<std::string>* warnings = nullptr, const Field* initial = nullptr) const;
  /// The scheme that [solver] names for a problem.
  /// @note Collective.
  MeanFieldSchemePtr make_scheme(MeanFieldProblem problem) const;

 private:
  void read_ends();
  void read_solver();
  void plan_levels(int wanted);
  TransportTerms read_terms() const;
  void check_masses(const Field& initial, Field& last, bool finest) const;
  void check_obstacle(const Field& rho, const std::string& table, double t) const;

  Parameters root_;
  MPI_Comm comm_;
  MeanFieldKind kind_;
  SpaceTimeGrid finest_;
  double horizon_ = 1, viscosity_ = 0, theta_ = 0.5;
  bool both_ends_ = false;
  int jko_steps_ = 0;
  std::string scheme_;
  std::vector<double> dissipation_;
  PdhgParameters engine_;
  std::vector<SpaceTimeGrid> levels_;
};

}  // namespace wasserflow
