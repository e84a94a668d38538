#pragma once
/// The c-transform of the quadratic cost: psi(y) = min over x of |x - y|^2 / 2 - phi(x), for all grid points y, in linear time.
#include <memory>

#include "grids/field.hpp"

namespace wasserflow {

/// Over which points x the minimum is taken.
enum class MinimumOver {
  Nodes,        ///< the grid points, exactly: phi(x) + psi(y) <= |x - y|^2 / 2 holds at all pairs of them, and touches for every y
  Neighborhood  ///< the parabolas through the values at a minimising point and its neighbours, as far as half a cell, axis by axis: for smooth phi
                ///< the transform of the function between the points, to higher order
};

/// Axis by axis: the square of the distance is a sum over axes, so that the transform is one-dimensional transforms along all lines of each axis in
/// turn, which are lower envelopes of parabolas (Felzenszwalb & Huttenlocher 2012; Lucet 1997). Lines of the slow axis are made whole by one
/// redistribution. Boundary kinds play no part: the points are those of the box. Results do not depend on the number of ranks, bit for bit.
class QuadraticTransform {
 public:
  explicit QuadraticTransform(LayoutPtr layout);
  ~QuadraticTransform();
  QuadraticTransform(QuadraticTransform&&) noexcept;
  QuadraticTransform& operator=(QuadraticTransform&&) noexcept;

  /// Level 0, owned points; phi finite. `phi` and `psi` may be one field.
  /// @note Collective.
  void apply(const Field& phi, Field& psi, MinimumOver points = MinimumOver::Nodes);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace wasserflow
