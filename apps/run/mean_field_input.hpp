#pragma once
/// What problem files say of mean-field problems and dynamic transport, and the discrete problems that come of it.
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "grids/support/parameters.hpp"
#include "solvers/mean_field.hpp"
#include "solvers/mean_field_fixed_point.hpp"
#include "solvers/pdhg.hpp"

namespace wasserflow {

/// Which keys a problem has.
enum class MeanFieldKind {
  Game,        ///< all: wf-mean-field
  Geodesic,    ///< wf-transport: both ends given, no running cost, no viscosity
  Bridge,      ///< the same with viscosity (Schroedinger bridge)
  Unbalanced,  ///< the same with a reaction flux
};

/// A grid of coarse-to-fine continuation.
struct SpaceTimeGrid {
  LayoutPtr layout;
  int steps = 1;
};

/// solver.check_every, steps, relaxation, step_product, weight (in units of the scheme's default).
void read_mean_field_steps(const Parameters& solver, PdhgParameters& engine);
/// solver.levels: the number of grids, 0 for automatic.
int read_levels(const Parameters& solver);
/// From the coarsest to the given one: at most `wanted` grids, or (0) as many as there can be. Steps are halved with the cells where they can be.
/// @note Collective.
std::vector<SpaceTimeGrid> plan_levels(const LayoutPtr& finest, int steps, int wanted);
/// Throws InputError at `key` of `place` where a density has mass inside of the obstacle at time t.
/// @note Collective.
void refuse_mass_in_obstacle(const FunctionPtr& obstacle, const Field& rho, double t, const Parameters& place, const std::string& key);
/// [interaction] W of the table; null without it.
FunctionPtr read_interaction(const Parameters& table, int dim);
/// rho -> W * rho; null for a kernel that is null.
/// @note Collective.
std::shared_ptr<NonlocalPotential> make_interaction(const FunctionPtr& kernel, const LayoutPtr& layout);

class MeanFieldInput {
 public:
  /// Reads [grid], [time] or [jko], diffusion, [hamiltonian], [mobility], [coupling], [terminal], [interaction], [unbalanced], [initial], [final],
  /// [solver]. Throws InputError at the key at fault: ends that no scheme has, no end or two ends, masses that differ, mass in obstacles.
  /// @note Collective.
  MeanFieldInput(const Parameters& root, MPI_Comm comm, MeanFieldKind kind);

  MeanFieldKind kind() const { return kind_; }
  int dim() const { return levels_.back().layout->dim(); }
  bool stationary() const { return stationary_; }
  double horizon() const { return horizon_; }
  bool both_ends() const { return !finals_.empty(); }
  int jko_steps() const { return jko_steps_; }  ///< 0: no sequence of minimising movements
  const std::string& scheme() const { return scheme_; }
  const PdhgParameters& engine() const { return engine_; }  ///< weight: in units of the scheme's default
  const std::vector<std::string>& warnings() const { return warnings_; }

  /// Grids from the coarsest to the finest.
  const std::vector<SpaceTimeGrid>& levels() const { return levels_; }
  const SpaceTimeGrid& finest() const { return levels_.back(); }

  /// The scheme of a level with the densities of the problem file, averaged over the cells of coarse grids; with `initial` that in place of rho_0.
  /// @note Collective.
  MeanFieldSchemePtr make_scheme(int level, const Field* initial = nullptr) const;
  /// scheme "fixed_point": the game of [game].
  /// @note Collective.
  MeanFieldGame make_game() const;

 private:
  void check_ends() const;
  void read_solver(const Parameters& solver, int dim);
  void restrict_densities(const Parameters& solver, int steps, Field initial, std::optional<Field> last);
  void check_obstacle(const Field& rho, const std::string& table, double t) const;

  Parameters root_;
  MeanFieldKind kind_;
  std::function<TransportTerms()> terms_;  ///< read anew for every scheme, which keeps them
  bool stationary_ = false;
  double horizon_ = 1, viscosity_ = 0, theta_ = 0.5;
  int jko_steps_ = 0, wanted_levels_ = 0;
  bool unbalanced_ = false, by_gap_ = false;
  std::string scheme_;
  std::vector<double> dissipation_;
  PdhgParameters engine_;
  std::vector<SpaceTimeGrid> levels_;
  std::vector<Field> initials_, finals_;  ///< of the levels
  FunctionPtr interaction_;
  std::vector<std::string> warnings_;
};

}  // namespace wasserflow
