#pragma once
/// A plan between two densities on one grid that is made in linear time: the Knothe-Rosenblatt rearrangement.
#include <vector>

#include "grids/field.hpp"

namespace wasserflow {

/// Means over the rearrangement of mu to nu, the point masses of the cells at their centres, divided by their sums: planes of the slow axis are
/// coupled monotonically by their masses, then the rows of each pair of planes by theirs, then the points of each pair of rows. It has exactly these
/// marginals, moves mass no further than they differ, and costs O(points). Knothe 1957; Rosenblatt 1952.
struct Rearrangement {
  double square = 0;  ///< mean of |y - z|^2 for y of mu moved to z of nu: W2(mu, nu)^2 or more
  double turn = 0;    ///< mean of (x(y) - y) . (y - z), with x the field `origins`; 0 without it
};

/// Level 0 of fields on one layout, values >= 0 with a positive sum; ghosts are not used. With a plan from some rho to mu of cost C = mean |x - y|^2
/// whose mean origins are x(y), the two plans glued at y cost C + 2 turn + square: an upper bound of W2(rho, nu)^2 that is off by the square of the
/// distance of mu from nu only. The same bits on any number of ranks.
/// @note Collective.
Rearrangement rearrangement(const Field& mu, const Field& nu, const std::vector<Field>* origins = nullptr);

}  // namespace wasserflow
