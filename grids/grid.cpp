#include "grids/grid.hpp"

#include <fmt/format.h>

#include "grids/support/errors.hpp"

namespace wasserflow {

std::string_view name(Boundary boundary) {
  switch (boundary) {
    case Boundary::Periodic: return "periodic";
    case Boundary::NoFlux: return "no_flux";
    case Boundary::Dirichlet: return "dirichlet";
    case Boundary::Extrapolate: return "extrapolate";
  }
  return "?";
}

Grid::Grid(std::vector<Axis> axes) : axes_(std::move(axes)) {
  if (axes_.empty() || axes_.size() > 3) throw InputError(fmt::format("a grid has 1 to 3 axes, not {}", axes_.size()));
  for (std::size_t d = 0; d < axes_.size(); ++d) {
    if (axes_[d].cells < 1) throw InputError(fmt::format("axis {} has {} cells; at least 1 is needed", "xyz"[d], axes_[d].cells));
    if (!(axes_[d].upper > axes_[d].lower))
      throw InputError(fmt::format("axis {}: upper end {} is not above lower end {}", "xyz"[d], axes_[d].upper, axes_[d].lower));
  }
}

std::int64_t Grid::size() const {
  std::int64_t n = 1;
  for (const Axis& a : axes_) n *= a.cells;
  return n;
}

double Grid::cell_volume() const {
  double v = 1;
  for (const Axis& a : axes_) v *= a.spacing();
  return v;
}

}  // namespace wasserflow
