#include "solvers/space_time_prolongation.hpp"

#include <algorithm>
#include <cmath>

#include "grids/support/errors.hpp"

namespace wasserflow {
namespace {

/// Part that the value at coarse level `level` of `levels` has in the polynomial through the `points` nearest ones, at t in units of coarse levels.
double weight_at(double t, int level, int levels, int points) {
  points = std::min(points, levels);
  const int first = std::clamp(static_cast<int>(std::floor(t - 0.5 * points)) + 1, 0, levels - points), last = first + points - 1;
  if (level < first || level > last) return 0;
  double weight = 1;
  for (int k = first; k <= last; ++k)
    if (k != level) weight *= (t - k) / (level - k);
  return weight;
}

}  // namespace

void prolong(Field& coarse, Field& fine, TimeSamples samples, int face_axis, Interpolation interpolation) {
  const int nodes = samples == TimeSamples::Nodes ? 1 : 0, from = coarse.levels() - nodes, to = fine.levels() - nodes;
  if (to != from && to != 2 * from) throw InternalError("prolongation: the steps of the fields do not fit");
  const bool linear = interpolation == Interpolation::Linear;
  const SlabLayout& layout = coarse.layout();
  const bool wide = !linear && layout.slow_cells() / layout.ranks() >= 2;
  Field ghosts;  // one level of coarse with two ghost planes
  if (wide) ghosts = Field(make_layout(layout.comm(), layout.grid(), 2));
  const auto in_space = [&](int level, Field& out, int at) {
    if (wide) ghosts.copy_level(0, coarse, level);
    prolong(wide ? ghosts : coarse, wide ? 0 : level, out, at, face_axis, wide ? interpolation : Interpolation::Linear);
  };
  if (to == from) {
    for (int level = 0; level < fine.levels(); ++level) in_space(level, fine, level);
    return;
  }
  // The levels of the coarse field in turn, each added to the fine levels that it has a part in.
  Field values(fine.layout_ptr());
  fine.fill(0);
  const double last = coarse.levels() - 1;
  const int points = linear ? 2 : nodes == 1 ? 4 : 3;
  for (int level = 0; level < coarse.levels(); ++level) {
    in_space(level, values, 0);
    for (int k = std::max(0, 2 * level - 6); k < std::min(fine.levels(), 2 * level + 8); ++k) {
      // Half times stand like cells; linear: beyond the ends the value of the end.
      const double t = nodes == 1 ? 0.5 * k : 0.5 * k - 0.25;
      const double weight = weight_at(linear ? std::clamp(t, 0.0, last) : t, level, coarse.levels(), points);
      if (weight == 0) continue;
      double* __restrict out = fine.level(k);
      const double* in = values.level();
      for (std::ptrdiff_t i = 0; i < fine.layout().owned(); ++i) out[i] += weight * in[i];
    }
  }
}

}  // namespace wasserflow
