#include "solvers/jko_flow.hpp"

#include <cmath>
#include <utility>

#include "grids/support/errors.hpp"

namespace wasserflow {
namespace {

MeanFieldProblem checked(MeanFieldProblem p) {
  if (p.final_density) throw InputError("a step of a gradient flow has a free end, no final density");
  if (p.speed == 0) p.speed = 0.1 * p.speed_scale();  // a step moves a density by a part of the box
  return p;
}

}  // namespace

JkoFlow::JkoFlow(MeanFieldProblem problem, const PdhgParameters& parameters)
    : scheme_(checked(std::move(problem))),
      engine_(parameters),
      density_(scheme_.problem().initial.clone()),
      nodes_(scheme_.problem().layout, scheme_.problem().steps + 1) {
  scheme_.start();
  engine_.set_weight(parameters.weight * scheme_.default_weight());
}

SolveReport JkoFlow::step() {
  StaggeredState& x = scheme_.x();
  if (steps_ > 0) {
    // The increments of the last step on top of the new density: still feasible.
    const std::ptrdiff_t n = density_.layout().owned();
    for (int level = scheme_.problem().steps; level >= 0; --level) {
      double* rho = x.rho.level(level);
      const double *first = x.rho.level(), *now = density_.level();
      for (std::ptrdiff_t i = 0; i < n; ++i) rho[i] = now[i] + (rho[i] - first[i]);
    }
    scheme_.set_initial(density_);
    scheme_.make_feasible();
  }
  SolveReport report = engine_.solve(scheme_);
  scheme_.density(nodes_);
  density_.copy_level(0, nodes_, scheme_.problem().steps);
  ++steps_;
  return report;
}

}  // namespace wasserflow
