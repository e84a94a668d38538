#include "solvers/space_time_prolongation.hpp"

#include "grids/support/errors.hpp"
#include "solvers/grid_transfer.hpp"

namespace wasserflow {

void prolong(Field& coarse, Field& fine, TimeSamples samples, int face_axis) {
  const int nodes = samples == TimeSamples::Nodes ? 1 : 0, from = coarse.levels() - nodes, to = fine.levels() - nodes;
  if (to != from && to != 2 * from) throw InternalError("prolongation: the steps of the fields do not fit");
  if (to == from) {
    for (int level = 0; level < fine.levels(); ++level) prolong(coarse, level, fine, level, face_axis);
    return;
  }
  // The levels of the coarse field in turn, each added to the fine levels that it has a part in.
  Field values(fine.layout_ptr());
  fine.fill(0);
  const auto add = [&](int level, double weight) {
    double* __restrict out = fine.level(level);
    const double* in = values.level();
    for (std::ptrdiff_t i = 0; i < fine.layout().owned(); ++i) out[i] += weight * in[i];
  };
  for (int level = 0; level < coarse.levels(); ++level) {
    prolong(coarse, level, values, 0, face_axis);
    if (nodes == 1) {
      add(2 * level, 1);
      if (level > 0) add(2 * level - 1, 0.5);
      if (level + 1 < coarse.levels()) add(2 * level + 1, 0.5);
    } else {  // half times stand like cells; beyond the ends the value of the end
      const bool first = level == 0, last = level + 1 == coarse.levels();
      add(2 * level, first ? 1 : 0.75);
      add(2 * level + 1, last ? 1 : 0.75);
      if (!first) add(2 * level - 1, 0.25);
      if (!last) add(2 * level + 2, 0.25);
    }
  }
}

}  // namespace wasserflow
