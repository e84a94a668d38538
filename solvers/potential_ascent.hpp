#pragma once
/// The part that all back-and-forth solvers share: ascent of a dual function of Kantorovich potentials on nested grids.
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "grids/quadratic_interpolation.hpp"
#include "grids/quadratic_transform.hpp"
#include "solvers/preconditioner.hpp"
#include "solvers/pushforward.hpp"

namespace wasserflow {

struct BackAndForthParameters {
  /// W2: stop when upper - lower <= tolerance * upper, both of W2^2 (half of it for W2). JKO steps: when the H^-1 norm of rho - T# mu is below
  /// tolerance times that of rho - mu, or mass lies less than a thousandth of a cell off. On every grid also where there is no prospect of that: W2:
  /// when the dual value has gained less than a fiftieth of it, relatively, between two checks; JKO: when the residual has not fallen by a tenth in
  /// four checks.
  double tolerance = 1e-3;
  int max_iterations = 200;    ///< on the given grid; each is a step of phi and one of psi
  int level_iterations = 200;  ///< at most so many on each coarser grid
  int check_every = 5;         ///< iterations between checks
  double first_step = 2;       ///< sigma = first_step / largest density, adapted from then on
  bool nested = true;          ///< start from grids of half the size, down to coarsest_cells
  int coarsest_cells = 16;     ///< along each axis, at least
  /// W2: where the given grid does not reach the tolerance, its cells are halved so often at most, while there are not more than divided_points
  /// afterwards: the same densities, the masses of which stand closer. 0: never.
  int divisions = 0;
  static constexpr std::int64_t divided_points = 1 << 18;
  /// W2: try to start from the optimal map between the Gaussians of the same means and covariances too; else from the identity only.
  bool moment_start = true;

  /// Throws InputError naming the field and its interval.
  void validate() const;
};

/// One grid of the ascent, with the fields of both potentials. Densities are cell averages.
struct AscentLevel {
  explicit AscentLevel(const LayoutPtr& l);

  LayoutPtr layout;
  Field rho0, rho1, phi, psi;
  Field pushed, step, spare;   ///< scratch
  std::vector<Field> origins;  ///< scratch, an axis each
  QuadraticTransform transform;
  SpectralPreconditioner metric;  ///< (-Lap + shift)^{-1} without flux
  Pushforward pushforward;
  double sigma = 1, largest_sigma = 1;
  /// > 0: the metric is w^{1/2} (-Lap + shift) w^{1/2} with w = max(rho / max rho, weight_floor), which weighs gradients by the density, as the
  /// Hessian of the dual function does; for smooth densities.
  double weight_floor = 0;
  double value = 0;

  /// Brings rho1 and the potentials up to date with new ones and returns the dual value.
  std::function<double(AscentLevel&)> evaluate;

  double integral(const Field& u, const Field& rho) const;
  /// v = u^c (MinimumOver::Neighborhood).
  void conjugate(const Field& u, Field& v) { transform.apply(u, v, MinimumOver::Neighborhood); }
  /// Norm of rho - other in the dual of the metric; other = T_phi# rho0 for `other` null.
  double dual_norm(const Field& rho, const Field* other);

  /// psi = phi^c, phi = psi^c, value.
  void begin();
  /// phi += sigma P^{-1} (rho0 - T_psi# rho1), psi = phi^c, phi = psi^c; then the same for psi with (rho1, T_phi# rho0), where P = -Lap + shift.
  /// sigma is adapted to the gain (Armijo and Goldstein).
  void iterate();

 private:
  void half_step(Field& a, const Field& mine, Field& b, Field& other);
  /// step = P^{-1} pushed
  void solve(const Field& mine);
};

/// The nested grids of a box, coarsest first, the given one and those of divided cells last; the axes of their layouts go on linearly beyond the
/// border, since potentials have slopes there.
struct AscentLevels {
  /// Throws InputError for an axis that is not no_flux with its unknowns at cell centres.
  /// @note Collective.
  AscentLevels(const SlabLayout& layout, const BackAndForthParameters& parameters);
  std::vector<AscentLevel> levels;
  std::vector<QuadraticInterpolation> finer;  ///< from level l to l + 1

  int divided = 0;  ///< levels above the given grid

  AscentLevel& finest() { return levels.back(); }
  AscentLevel& given() { return levels[levels.size() - 1 - static_cast<std::size_t>(divided)]; }
  /// Cell averages of a field of the finest level on all coarser ones.
  /// @note Collective.
  void restrict_down(Field AscentLevel::*field);
};

/// The mass of a density. Throws InputError on all ranks alike: values that are negative or not finite, no mass.
/// @note Collective.
double checked_mass(const Field& rho);

}  // namespace wasserflow
