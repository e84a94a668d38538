#pragma once
/// Mean-field problems from a piece of a problem file and densities given point by point.
#include <cmath>
#include <functional>
#include <numbers>
#include <string>

#include "grids/reduce.hpp"
#include "grids/support/parameters.hpp"
#include "solvers/staggered_scheme.hpp"
#include "tests/support/fields.hpp"

namespace wasserflow::test {

using PointFunction = std::function<double(double x, double y, double z)>;

inline Field density_of(const LayoutPtr& layout, const PointFunction& f) { return field(layout, f); }

/// Scales to total mass 1.
inline void normalise(Field& rho) {
  const double mass = sum(rho) * rho.layout().grid().cell_volume();
  for (double& v : rho.owned()) v /= mass;
}

inline PointFunction gaussian(std::array<double, 3> mean, std::array<double, 3> variance) {
  return [=](double x, double y, double z) {
    const double at[] = {x, y, z};
    double e = 0;
    for (int d = 0; d < 3; ++d)
      if (variance[static_cast<std::size_t>(d)] > 0)
        e += (at[d] - mean[static_cast<std::size_t>(d)]) * (at[d] - mean[static_cast<std::size_t>(d)]) / (2 * variance[static_cast<std::size_t>(d)]);
    return std::exp(-e);
  };
}

inline Grid cube(int dim, int cells, Boundary boundary = Boundary::NoFlux, double lower = 0, double upper = 1) {
  return Grid(std::vector<Axis>(static_cast<std::size_t>(dim), Axis{lower, upper, cells, boundary, 0.5}));
}

struct ProblemText {
  std::string cost = "[hamiltonian]\ntype = \"quadratic\"\n";
  int steps = 16;
  double horizon = 1, viscosity = 0, theta = 0.5;
};

inline MeanFieldProblem mean_field(const LayoutPtr& layout, const ProblemText& text, const PointFunction& start, const PointFunction& end = nullptr,
                                   bool scale = true) {
  MeanFieldProblem p;
  p.layout = layout;
  p.steps = text.steps;
  p.horizon = text.horizon;
  p.viscosity = text.viscosity;
  p.theta = text.theta;
  const ProblemFile file = ProblemFile::parse(text.cost, "cost.toml");
  p.cost = std::make_shared<TransportCost>(read_transport_cost(file.root(), layout->dim(), Splitting::LaxFriedrichs));
  p.initial = density_of(layout, start);
  if (scale) normalise(p.initial);
  if (end) {
    p.final_density = density_of(layout, end);
    if (scale) normalise(*p.final_density);
  }
  return p;
}

}  // namespace wasserflow::test
