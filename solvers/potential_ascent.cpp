#include "solvers/potential_ascent.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "grids/reduce.hpp"
#include "grids/support/errors.hpp"
#include "solvers/grid_transfer.hpp"

namespace wasserflow {
namespace {

/// (-Lap)^{-1} without flux: one level, given at both ends, has no time part.
SpectralPreconditioner poisson(const LayoutPtr& layout) {
  AxisSymbols symbols;
  for (int d = 0; d < layout->dim(); ++d)
    symbols.axis[static_cast<std::size_t>(d)] = laplacian_symbol(layout->grid().axis(d), layout->grid().cells(d));
  return {layout, 1, {1, 1, TimeEnds::Planning}, {}, symbols};
}

}  // namespace

void BackAndForthParameters::validate() const {
  const auto require = [](bool good, const char* field, const char* interval, double value) {
    if (!good) throw InputError(fmt::format("back and forth: {} must be {}, not {}", field, interval, value));
  };
  require(tolerance > 0, "tolerance", "positive", tolerance);
  require(max_iterations >= 1, "max_iterations", "at least 1", max_iterations);
  require(level_iterations >= 1, "level_iterations", "at least 1", level_iterations);
  require(check_every >= 1, "check_every", "at least 1", check_every);
  require(first_step > 0, "first_step", "positive", first_step);
  require(divisions >= 0, "divisions", "at least 0", divisions);
  require(coarsest_cells >= 4, "coarsest_cells", "at least 4", coarsest_cells);
}

AscentLevel::AscentLevel(const LayoutPtr& l)
    : layout(l), rho0(l), rho1(l), phi(l), psi(l), pushed(l), step(l), spare(l), transform(l), metric(poisson(l)), pushforward(l) {
  for (int d = 0; d < l->dim(); ++d) origins.emplace_back(l);
}

double AscentLevel::integral(const Field& u, const Field& rho) const { return dot(u, rho) * layout->grid().cell_volume(); }

double AscentLevel::dual_norm(const Field& rho, const Field* other) {
  if (other == nullptr) {
    pushforward.apply(phi, rho0, 1, pushed);
    other = &pushed;
  }
  for (std::ptrdiff_t i = 0; i < layout->owned(); ++i) pushed.level()[i] = rho.level()[i] - other->level()[i];
  metric.apply(pushed, step);
  return std::sqrt(std::max(0.0, integral(step, pushed)));
}

void AscentLevel::begin() {
  conjugate(phi, psi);
  conjugate(psi, phi);
  value = evaluate(*this);
}

void AscentLevel::iterate() {
  half_step(phi, rho0, psi, rho1);
  if (std::isfinite(value)) half_step(psi, rho1, phi, rho0);
}

void AscentLevel::solve(const Field& mine) {
  if (weight_floor <= 0) {
    metric.apply(pushed, step);
    return;
  }
  const double per = 1 / max_abs(mine);
  const auto root = [&](std::ptrdiff_t i) { return 1 / std::sqrt(std::max(mine.level()[i] * per, weight_floor)); };
  for (std::ptrdiff_t i = 0; i < layout->owned(); ++i) spare.level()[i] = pushed.level()[i] * root(i);
  metric.apply(spare, step);
  for (std::ptrdiff_t i = 0; i < layout->owned(); ++i) step.level()[i] *= root(i);
}

void AscentLevel::half_step(Field& a, const Field& mine, Field& b, Field& other) {
  pushforward.apply(b, other, 1, pushed);
  for (std::ptrdiff_t i = 0; i < layout->owned(); ++i) pushed.level()[i] = mine.level()[i] - pushed.level()[i];
  solve(mine);
  const double slope = integral(step, pushed);
  for (std::ptrdiff_t i = 0; i < layout->owned(); ++i) a.level()[i] += sigma * step.level()[i];
  conjugate(a, b);
  const double reached = evaluate(*this);
  if (!std::isfinite(reached)) {
    value = reached;  // the potentials are not finite somewhere
    return;
  }
  // A straight line would gain sigma slope, the best step of a parabola half of it.
  const double gain = slope > 0 ? (reached - value) / (sigma * slope) : 0;
  if (gain > 0.75) sigma = std::min(1.25 * sigma, largest_sigma);
  if (gain < 0.25) sigma *= 0.8;
  conjugate(b, a);
  value = evaluate(*this);
}

AscentLevels::AscentLevels(const SlabLayout& layout, const BackAndForthParameters& parameters) {
  parameters.validate();
  std::vector<Axis> axes = layout.grid().axes();
  for (Axis& axis : axes) {
    if (axis.boundary != Boundary::NoFlux || axis.offset != 0.5)
      throw InputError("the back-and-forth method needs no_flux axes with unknowns at the cell centres");
    axis.boundary = Boundary::Extrapolate;
  }
  std::vector<LayoutPtr> layouts{make_layout(layout.comm(), Grid(axes), 2)};
  while (parameters.nested) {
    LayoutPtr next = coarser(*layouts.back(), parameters.coarsest_cells);
    if (!next) break;
    layouts.push_back(std::move(next));
  }
  for (std::int64_t points = layout.grid().size() << layout.dim(); divided < parameters.divisions && points <= BackAndForthParameters::divided_points;
       points <<= layout.dim(), ++divided) {
    for (Axis& axis : axes) axis.cells *= 2;
    layouts.insert(layouts.begin(), make_layout(layout.comm(), Grid(axes), 2));
  }
  for (auto l = layouts.rbegin(); l != layouts.rend(); ++l) levels.emplace_back(*l);
  for (std::size_t l = 1; l < levels.size(); ++l) finer.emplace_back(levels[l - 1].layout, levels[l].layout);
}

void AscentLevels::restrict_down(Field AscentLevel::*field) {
  for (std::size_t l = levels.size() - 1; l-- > 0;) restrict_cells(levels[l + 1].*field, 0, levels[l].*field, 0);
}

double checked_mass(const Field& rho) {
  if (!all_finite(rho)) throw InputError("a density is not finite everywhere");
  double least = 0;
  for (const double v : rho.owned()) least = std::min(least, v);
  least = global_min(rho.layout().comm(), least);
  if (least < 0) throw InputError(fmt::format("a density is negative somewhere: {:.6g}", least));
  const double mass = sum(rho) * rho.layout().grid().cell_volume();
  if (!(mass > 0)) throw InputError("a density has no mass");
  return mass;
}

}  // namespace wasserflow
