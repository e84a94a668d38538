#pragma once
/// Densities carried along by gradient maps, conservatively.
#include <array>
#include <cstdint>
#include <vector>

#include "grids/field.hpp"

namespace wasserflow {

/// What a pushforward did, as a transport plan between point masses at the cell centres of its grid: it sends the mass of each cell to some cells.
struct PlanFigures {
  double mass = 0;
  double cost = 0;  ///< sum of mass |x - y|^2 / 2 over the plan, exactly: an upper bound of W2^2 / 2 between what went in and what came out
};

/// T(x) = x - t grad phi(x) at the cell centres, a field an axis, cut to the grid's box; by central differences, and by one-sided ones where grad phi
/// jumps. The layout has cell centres and at least two ghost planes. Exchanges ghosts of phi.
/// @note Collective.
void gradient_map(Field& phi, double t, std::vector<Field>& T);

/// out = (x - t grad phi)# rho. The image of a cell is taken as a box around the image of its centre (gradient_map), stretched along each
/// axis by 1 - t phi_dd; its mass is spread over the cells that the box meets, by volume. So the identity and shifts by whole cells are exact, in 1-D
/// it is the conservative remapping of a piecewise constant density, and an expanding map leaves no holes. Images are cut to the grid's box.
///
/// Masses are added in fixed point (62 bits for the mass of all): the sum does not depend on the order, so that results have the same bits on
/// any number of ranks and no mass is lost by it. What is below 1e-18 of the whole mass counts as 0.
class Pushforward {
 public:
  /// Throws InternalError when an axis has fewer than 3 cells.
  explicit Pushforward(LayoutPtr layout);

  /// Level 0; rho >= 0. Exchanges ghosts of phi (two planes) and rho. With `figures`, the plan is measured; with
  /// `origins` too (dim fields), the mean of the points x that sent mass to each cell (its own centre where none arrived).
  /// @note Collective.
  void apply(Field& phi, Field& rho, double t, Field& out, PlanFigures* figures = nullptr, std::vector<Field>* origins = nullptr);

 private:
  template <int D, bool measured>
  void deposit(const Field& phi, const Field& rho, double t, PlanFigures* figures);
  /// Adds up the planes that all ranks filled; the sums of this rank's planes are in `mine_` afterwards.
  void collect(std::vector<std::int64_t>& planes);

  LayoutPtr layout_;
  double scale_ = 1;         ///< units of fixed point a unit of density
  int begin_ = 0, end_ = 0;  ///< planes that this rank may fill
  std::vector<std::int64_t> planes_, mine_, incoming_;
  std::array<std::vector<std::int64_t>, 3> moments_;
};

}  // namespace wasserflow
