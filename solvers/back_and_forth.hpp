#pragma once
/// Wasserstein-2 distance, map and geodesic of two densities by the back-and-forth method: no time axis, no blur.
#include <array>
#include <functional>
#include <memory>
#include <vector>

#include "grids/field.hpp"
#include "solvers/pdhg.hpp"
#include "solvers/potential_ascent.hpp"

namespace wasserflow {

/// All figures belong to the point masses that the cells of the last grid (BackAndForthParameters::divisions) carry at their centres. W2 of the
/// densities that are constant on cells is not more than theirs, for a plan of point masses moves uniform cells as well, and in smooth cases less by
/// O(h^2): `upper` bounds it too.
struct [[nodiscard]] W2Result {
  StopReason reason = StopReason::IterationLimit;
  /// The solve ended since the dual value no longer grew: what is left of the gap is the discretisation's (masses of cells must be split, smooth
  /// potentials are not the best ones for points), of second order in the cell size, and iterations do not change it.
  bool exhausted = false;
  double distance = 0;  ///< W2, the root of `squared`
  double squared = 0;   ///< the middle of the bounds, but at most tolerance / 2 (relatively) above the lower one
  /// Bounds of W2^2, certified to rounding whatever the iterates are, the best ones seen on the given grid: twice the dual value of potentials with
  /// phi(x) + psi(y) <= |x - y|^2 / 2 at all pairs of points, and the cost of a plan with exactly these marginals (the map, with what it leaves amiss
  /// rearranged).
  double lower = 0, upper = 0;
  double marginal_error = 0;        ///< H^-1 norm of rho1 - T#rho0
  int iterations = 0;               ///< on the last grid
  int levels = 1;                   ///< grids visited
  bool stopped = false;             ///< by BackAndForth::stop
  std::vector<Residual> residuals;  ///< duality_gap (scale: upper), marginal (H^-1; scale: that of rho1 - rho0)
};

/// What a monitor sees at every check on the given grid and those of divided cells, each of which begins with iteration 0.
struct W2Progress {
  int iteration = 0;
  double lower = 0, upper = 0;  ///< of W2^2, the best ones so far
  double marginal_error = 0;
};

/// Where a solve stands at a check; with the potentials of its grid it is all that a solve needs to go on with the same bits.
struct W2Position {
  int coarsening = 0;    ///< halvings of the finest grid
  int iterations = 0;    ///< on the grid
  double sigma = 0;      ///< step
  double value = 0;      ///< dual value
  double before = 0;     ///< dual value at the check before
  bool checked = false;  ///< there are bounds
  double lower = 0, upper = 0, marginal_error = 0;
};

/// sup over phi, psi of  int phi rho0 + int psi rho1  subject to  phi(x) + psi(y) <= |x - y|^2 / 2:  ascent in the H^1 metric alternately in phi and
/// in psi,
///   phi += sigma (-Lap)^{-1} (rho0 - T_psi# rho1),  psi = phi^c,    psi += sigma (-Lap)^{-1} (rho1 - T_phi# rho0),  phi = psi^c,    T_phi = x - grad
///   phi
/// (Jacobs & Leger 2020), with sigma adapted to the gain (Armijo-Goldstein). Densities are cell averages on a box without flux through its border, in
/// 1-D to 3-D; they may vanish in places. The answer does not depend on the number of ranks, bit for bit.
class BackAndForth {
 public:
  /// Throws InputError: an axis that is not no_flux with its unknowns at cell centres; parameters out of range.
  /// @note Collective.
  explicit BackAndForth(const LayoutPtr& layout, const BackAndForthParameters& parameters = {});
  ~BackAndForth();
  BackAndForth(BackAndForth&&) noexcept;
  BackAndForth& operator=(BackAndForth&&) noexcept;

  /// Throws InputError on all ranks alike: values that are negative or not finite, no mass, masses that differ by more than 1e-10 of themselves. W2
  /// is that of the densities divided by their mass.
  /// @note Collective.
  W2Result solve(const Field& rho0, const Field& rho1);

  /// When set: called at every check; true ends the solve (IterationLimit). Must answer alike on all ranks.
  std::function<bool(const W2Progress&)> monitor;
  /// When set: called after every check that does not end the solve, on the coarser grids too but for the smallest; true ends the solve. position()
  /// and iterate() may be saved there, and after the solve. Must answer alike on all ranks.
  std::function<bool()> stop;

  const W2Position& position() const;
  /// phi and psi of the grid of the position.
  std::array<Field*, 2> iterate();
  /// The next solve, of the same densities, goes on from this position: the answer is that of a solve that was not stopped, bit for bit, on any
  /// number of ranks. iterate() is to be filled afterwards. Throws InputError when there is no such grid.
  void restore(const W2Position& position);

  /// Kantorovich potentials of the last solve on the given grid: phi of rho0, psi of rho1, each the c-transform of the other
  /// (MinimumOver::Neighborhood).
  const Field& phi() const;
  const Field& psi() const;
  /// T(x) = x - grad phi(x) at the cell centres, a field an axis; meaningful where rho0 > 0.
  /// @note Collective.
  void map(std::vector<Field>& T);
  /// Displacement interpolation ((1 - t) x + t T(x))# rho0, 0 <= t <= 1: the density at time t on the geodesic, which is also the barycentre with
  /// weights 1 - t and t. Mass is that of rho0 to rounding, values are >= 0.
  /// @note Collective.
  void geodesic(double t, Field& rho);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace wasserflow
