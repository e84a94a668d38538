#pragma once
/// Wasserstein-2 distance of two densities on one grid, by whichever method fits the box.
#include <optional>

#include "grids/field.hpp"

namespace wasserflow {

struct TransportDistance {
  double w2 = 0;
  /// 2-D and 3-D, boxes without flux: certified bounds of the distance of the cells' point masses (solvers/back_and_forth.hpp).
  std::optional<double> lower, upper;
  /// Other boxes in 2-D and 3-D: the regularisation; w2 is then the root of twice the debiased Sinkhorn divergence.
  std::optional<double> eps;
};

/// Of levels 0, negative values counting as 0 and masses set to 1: on a line by quantiles, exact (periodic axes are cut open); in 2-D and 3-D by the
/// back-and-forth method where all ends are no_flux with unknowns at cell centres, else by debiased entropic transport with
/// eps = (longest side / 32)^2. Nothing where a density has no mass or a method does not converge.
/// @note Collective; the same bits on any number of ranks.
std::optional<TransportDistance> transport_distance(const Field& p, const Field& q);

}  // namespace wasserflow
