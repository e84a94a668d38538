#include "solvers/mean_field.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "grids/reduce.hpp"
#include "grids/support/errors.hpp"

namespace wasserflow {

double MeanFieldProblem::speed_scale() const {
  if (speed > 0) return speed;
  double longest = 0;
  for (const Axis& axis : layout->grid().axes()) longest = std::max(longest, axis.length());
  return stationary ? longest : longest / horizon;
}

double MeanFieldBounds::gap() const {
  if (!std::isfinite(lower) || !std::isfinite(upper)) return std::numeric_limits<double>::infinity();
  const double gap = upper - lower;
  return gap <= 0 ? 0 : gap / std::fabs(upper);
}

void MeanFieldProblem::validate() const {
  if (!layout || !cost || !initial) throw InternalError("a mean-field problem needs a layout, a cost and an initial density");
  if (steps < 1) throw InputError(fmt::format("time.steps must be >= 1, not {}", steps));
  if (!(horizon > 0 && std::isfinite(horizon))) throw InputError(fmt::format("time.final must be > 0, not {}", horizon));
  if (!(viscosity >= 0 && std::isfinite(viscosity))) throw InputError(fmt::format("the diffusion must be >= 0, not {}", viscosity));
  if (!(theta >= 0.5 && theta <= 1)) throw InputError(fmt::format("theta must be in [1/2, 1], not {}", theta));
  if (!(speed >= 0 && std::isfinite(speed))) throw InputError(fmt::format("the speed scale must be >= 0, not {}", speed));
  const auto mass = [&](const Field& rho, const char* what) {
    double least = 0;
    for (double v : rho.owned()) least = std::min(least, std::isfinite(v) ? v : -1.0);
    least = global_min(layout->comm(), least);
    if (least < 0) throw InputError(fmt::format("the {} density has values below 0 or not finite", what));
    const double total = sum(rho) * layout->grid().cell_volume();
    if (!(total > 0) && density_scale == 0) throw InputError(fmt::format("the {} density has no mass", what));
    return total;
  };
  if (stationary && (steps != 1 || theta != 1 || final_density || positive))
    throw InternalError("a stationary problem has one step, theta = 1, no final density and no positive variant");
  for (const Field* given : {source, potential})
    if (given && (given->levels() != steps || stationary || positive))
      throw InternalError("sources and potentials have a level a half time; stationary problems and the positive variant have none");
  const double start = mass(initial, "initial");
  if (!final_density) return;
  const double end = mass(*final_density, "final");
  if (!cost->has_reaction() && !source && std::fabs(end - start) > 1e-10 * start)
    throw InputError(
        fmt::format("the final density has the mass {:.12g}, the initial one {:.12g}: scale one of them, or use unbalanced transport", end, start));
}

}  // namespace wasserflow
