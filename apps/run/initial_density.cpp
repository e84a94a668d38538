#include "apps/run/initial_density.hpp"

#include <fmt/format.h>

namespace wasserflow {

InitialDensity read_initial_density(const Parameters& root, const LayoutPtr& layout, const DiffusionProcess* process) {
  return read_density_table(root, "initial", "the density at time 0", layout, process);
}

InitialDensity read_density_table(const Parameters& root, const std::string& table, const std::string& doc, const LayoutPtr& layout,
                                  const DiffusionProcess* process) {
  Density density = read_density(root.table(table, doc), "rho", doc, layout->dim());
  // A variance-exploding process has some noise from the start.
  if (process != nullptr && density.data) density.function = moved_functions(density.data, *process).density;
  InitialDensity out{Field(layout), density.data, {}};
  fill_density(out.rho, 0, density, out.warnings);
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
