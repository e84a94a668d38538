#include "solvers/transport_distance.hpp"

#include <algorithm>
#include <cmath>

#include "grids/reduce.hpp"
#include "solvers/back_and_forth.hpp"
#include "solvers/density_distances.hpp"
#include "solvers/entropic_transport.hpp"

namespace wasserflow {
namespace {

constexpr int blurs_a_side = 32;

/// The positive part with mass 1; nothing when there is none.
std::optional<Field> normalised(const Field& p) {
  Field out = p.clone();
  for (double& v : out.owned()) v = std::max(v, 0.0);
  const double mass = sum(out) * p.layout().grid().cell_volume();
  if (!(mass > 0) || !std::isfinite(mass)) return {};
  for (double& v : out.owned()) v /= mass;
  return out;
}

}  // namespace

std::optional<TransportDistance> transport_distance(const Field& p, const Field& q) {
  std::optional<Field> a = normalised(p), b = normalised(q);
  if (!a || !b) return {};
  const Grid& grid = p.layout().grid();
  TransportDistance out;
  if (grid.dim() == 1) {
    const std::optional<double> w2 = density_distances(*a, *b).w2;
    if (!w2) return {};
    out.w2 = *w2;
    return out;
  }
  const bool box = std::ranges::all_of(grid.axes(), [](const Axis& axis) { return axis.boundary == Boundary::NoFlux && axis.offset == 0.5; });
  if (box) {
    BackAndForth method(p.layout_ptr());
    const W2Result found = method.solve(*a, *b);
    out.w2 = found.distance;
    out.lower = std::sqrt(std::max(found.lower, 0.0));
    out.upper = std::sqrt(std::max(found.upper, 0.0));
    return out;
  }
  std::array<Surround, 3> around{};
  double longest = 0;
  for (int d = 0; d < grid.dim(); ++d) {
    around[static_cast<std::size_t>(d)] = surround(grid.axis(d).boundary);
    longest = std::max(longest, grid.axis(d).length());
  }
  out.eps = longest * longest / (blurs_a_side * blurs_a_side);
  EntropicTransport transport(p.layout_ptr(), *out.eps, around);
  const std::optional<double> divergence = transport.divergence(*a, *b);
  if (!divergence) return {};
  out.w2 = std::sqrt(std::max(2 * *divergence, 0.0));
  return out;
}

}  // namespace wasserflow
