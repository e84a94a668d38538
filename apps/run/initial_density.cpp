#include "apps/run/initial_density.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "grids/reduce.hpp"
#include "problems/density.hpp"

namespace wasserflow {
namespace {

constexpr double mass_tolerance = 1e-3, whole_tolerance = 1e-4;

}  // namespace

std::string first_place(const Field& field, const std::function<bool(double value, std::ptrdiff_t offset)>& bad) {
  const SlabLayout& s = field.layout();
  std::array<double, 4> found{};
  int here = s.ranks();
  for (int r = 0; r < s.rows() && here == s.ranks(); ++r) {
    const RowPoints p = s.row(r);
    for (int i = 0; i < p.n; ++i)
      if (const double value = field.level()[p.offset + i]; bad(value, p.offset + i)) {
        here = s.rank();
        found = {p.x[i], p.y, p.z, value};
        break;
      }
  }
  MPI_Allreduce(MPI_IN_PLACE, &here, 1, MPI_INT, MPI_MIN, s.comm());
  if (here == s.ranks()) return "";
  MPI_Bcast(found.data(), 4, MPI_DOUBLE, here, s.comm());
  std::string text = fmt::format("{:.6g} at (", found[3]);
  for (int d = 0; d < s.dim(); ++d) text += fmt::format("{}{:.6g}", d > 0 ? ", " : "", found[static_cast<std::size_t>(d)]);
  return text + ")";
}

InitialDensity read_initial_density(const Parameters& root, const LayoutPtr& layout) {
  return read_density_table(root, "initial", "the density at time 0", layout);
}

InitialDensity read_density_table(const Parameters& root, const std::string& table, const std::string& doc, const LayoutPtr& layout) {
  const Parameters initial = root.table(table, doc);
  const Density density = read_density(initial, "rho", doc, layout->dim());
  density.function->bind(*layout);
  InitialDensity out{Field(layout), density.data, {}};
  fill(out.rho, 0, *density.function, 0);
  if (const std::string place = first_place(out.rho, [](double v, std::ptrdiff_t) { return !std::isfinite(v); }); !place.empty())
    initial.fail("rho", "the density is not finite everywhere on the grid: " + place);
  if (const std::string place = first_place(out.rho, [](double v, std::ptrdiff_t) { return v < 0; }); !place.empty())
    initial.fail("rho", "the density is negative: " + place);
  const double found = sum(out.rho) * layout->grid().cell_volume();
  if (!(found > 0)) initial.fail("rho", "the density is 0 everywhere on the grid");
  if (!density.normalise && std::fabs(found - density.mass) > mass_tolerance * density.mass && !initial.limited())
    initial.fail("rho",
                 fmt::format("the density has the integral {:.6g} on the grid, not {:.6g}: it is not normalised (normalise = true scales it, mass "
                             "states another integral), or the box is too small for it",
                             found, density.mass));
  if (density.whole && std::fabs(found - 1) > whole_tolerance && !initial.limited())
    out.warnings.push_back(fmt::format("the grid holds {:.6g} of a density of mass 1: {}", found,
                                       found < 1 ? "the box is too small for it" : "the cells are too coarse for it"));
  if (density.normalise)
    for (double& x : out.rho.owned()) x *= density.mass / found;
  return out;
}

std::array<Surround, 3> read_surround(const Parameters& p, const Grid& grid) {
  const std::string name = p.choice(
      "surround",
      "what stands around the box: auto (from grid.boundary: periodic; no_flux is reflecting; extrapolate and dirichlet are free), or one kind "
      "for all axes",
      {"auto", "periodic", "reflecting", "free"}, "auto");
  std::array<Surround, 3> all{};
  for (int d = 0; d < grid.dim(); ++d)
    all[static_cast<std::size_t>(d)] = name == "auto"         ? surround(grid.axis(d).boundary)
                                       : name == "periodic"   ? Surround::Periodic
                                       : name == "reflecting" ? Surround::Reflecting
                                                              : Surround::Free;
  return all;
}

std::string resolution_warning(double cells) {
  if (cells >= 2) return "";
  return fmt::format(
      "a standard deviation of the kernel, sqrt(2 beta T), spans {:.3g} cells along the narrowest axis; sampled Gaussians need 2, so the "
      "discrete heat kernel stands in, second order in the cell size{}",
      cells, cells < 0.5 ? ": a step spreads over few cells; take finer cells or larger steps" : "");
}

std::vector<std::string> axis_names(const std::string& what, int dim) {
  std::vector<std::string> names;
  for (int d = 0; d < dim; ++d) names.push_back(fmt::format("{}_{}", what, "xyz"[d]));
  return names;
}

std::vector<Field> axis_fields(const LayoutPtr& layout) {
  std::vector<Field> all;
  for (int d = 0; d < layout->dim(); ++d) all.emplace_back(layout);
  return all;
}

}  // namespace wasserflow
