#include "solvers/hamilton_jacobi_problem.hpp"

#include <fmt/format.h>

#include "grids/support/errors.hpp"

namespace wasserflow {

double HamiltonJacobiProblem::viscosity(int d) const {
  if (kinetic->splitting() == Splitting::Upwind) return eps;
  return eps + 0.5 * alpha[static_cast<std::size_t>(d)] * layout->grid().spacing(d);
}

void HamiltonJacobiProblem::set_times(std::span<const double> t) {
  if (t.size() != times.size()) throw InternalError("HamiltonJacobiProblem: the number of levels is fixed");
  times.assign(t.begin(), t.end());
  kinetic->set_times(times);
  for (Tabulated& b : drift)
    if (!b.is_constant()) b.set_times(times);
  if (!potential.is_constant()) potential.set_times(times);
}

RowPoints HamiltonJacobiProblem::row(int r, int level) const {
  RowPoints p = layout->row(r);
  p.level = level;
  p.t = times[static_cast<std::size_t>(level)];
  return p;
}

HamiltonJacobiProblem make_hamilton_jacobi_problem(HamiltonianTerms terms, LayoutPtr layout, double eps, double dt, std::vector<double> times,
                                                   std::array<double, 3> alpha) {
  if (!(eps >= 0)) throw InputError(fmt::format("the viscosity must be >= 0, not {}", eps));
  if (!(dt > 0)) throw InputError(fmt::format("the time step must be > 0, not {}", dt));
  if (times.empty()) throw InternalError("make_hamilton_jacobi_problem: no times");
  for (const double a : alpha)
    if (!(a >= 0)) throw InputError(fmt::format("the numerical speed alpha must be >= 0, not {}", a));
  const std::size_t dim = static_cast<std::size_t>(layout->dim());
  if (!terms.drift.empty() && terms.drift.size() != dim)
    throw InputError(fmt::format("the drift needs {} components, not {}", dim, terms.drift.size()));

  HamiltonJacobiProblem problem;
  problem.layout = std::move(layout);
  problem.kinetic = std::move(terms.kinetic);
  problem.eps = eps;
  problem.dt = dt;
  problem.alpha = alpha;
  problem.times = std::move(times);
  problem.kinetic->bind(problem.layout, problem.times);
  for (FunctionPtr& b : terms.drift) problem.drift.emplace_back(std::move(b), problem.layout, problem.times);
  if (terms.potential) problem.potential = Tabulated(std::move(terms.potential), problem.layout, problem.times);
  return problem;
}

}  // namespace wasserflow
