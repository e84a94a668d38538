#include "apps/run/read_grid.hpp"

#include <algorithm>

namespace wasserflow {

namespace {

Grid read(const Parameters& root, bool closed) {
  const Parameters p = root.table("grid", "the box and its cells");
  const int dim = std::max({1, p.array_size("cells"), p.array_size("lower"), p.array_size("upper")});
  if (dim > 3) p.fail(p.array_size("cells") > 3 ? "cells" : p.array_size("lower") > 3 ? "lower" : "upper", "a grid has 1 to 3 axes");
  const std::vector<double> lower = p.reals("lower", "lower ends of the axes x, y, z", dim, std::vector<double>(static_cast<std::size_t>(dim), 0.0));
  const std::vector<double> upper = p.reals("upper", "upper ends of the axes", dim);
  const std::vector<int> cells = p.integers("cells", "cells an axis", dim, {}, Range::at_least(2));
  const auto count = static_cast<std::size_t>(dim);
  const std::vector<std::string> kinds =
      closed ? p.texts("boundary", "kind of each axis: no_flux (nothing leaves), periodic", dim, std::vector<std::string>(count, "no_flux"))
             : p.texts("boundary", "kind of each axis: periodic, no_flux, dirichlet, extrapolate", dim, std::vector<std::string>(count, "periodic"));
  const std::vector<std::string> nodes =
      closed ? std::vector<std::string>(count, "center")
             : p.texts("nodes", "where the unknowns of an axis stand in their cells: left, center; auto: left on periodic axes, center on others",
                       dim, std::vector<std::string>(count, "auto"));
  std::vector<Axis> axes;
  for (std::size_t d = 0; d < static_cast<std::size_t>(dim); ++d) {
    if (!(upper[d] > lower[d])) p.fail("upper", "the upper end of axis " + std::string(1, "xyz"[d]) + " is not above its lower end");
    Axis axis{lower[d], upper[d], cells[d], Boundary::Periodic, 0};
    bool known = false;
    for (Boundary kind : {Boundary::Periodic, Boundary::NoFlux, Boundary::Dirichlet, Boundary::Extrapolate})
      if (kinds[d] == name(kind)) {
        axis.boundary = kind;
        known = true;
      }
    if (!known) {
      const std::string hint = nearest(kinds[d], {"periodic", "no_flux", "dirichlet", "extrapolate"});
      p.fail("boundary", "unknown boundary kind '" + kinds[d] + "'" + (hint.empty() ? "" : "; did you mean '" + hint + "'?") +
                             " (known: periodic, no_flux, dirichlet, extrapolate)");
    }
    if (closed && axis.boundary != Boundary::Periodic && axis.boundary != Boundary::NoFlux)
      p.fail("boundary", "no mass leaves through the ends of an axis here: they are \"no_flux\" or \"periodic\", not \"" + kinds[d] + "\"");
    if (nodes[d] != "auto" && nodes[d] != "left" && nodes[d] != "center")
      p.fail("nodes", "nodes are \"auto\", \"left\" or \"center\", not '" + nodes[d] + "'");
    axis.offset = nodes[d] == "center" || (nodes[d] == "auto" && axis.boundary != Boundary::Periodic) ? 0.5 : 0.0;
    axes.push_back(axis);
  }
  return Grid(axes);
}

}  // namespace

Grid read_grid(const Parameters& root) { return read(root, false); }
Grid read_closed_grid(const Parameters& root) { return read(root, true); }

}  // namespace wasserflow
