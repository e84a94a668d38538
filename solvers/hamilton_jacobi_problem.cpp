#include "solvers/hamilton_jacobi_problem.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "grids/reduce.hpp"
#include "grids/row_neighbours.hpp"
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

void require_convex(const HamiltonJacobiProblem& problem, const std::string& method) {
  if (!problem.kinetic->is_convex())
    throw InputError(fmt::format("the Hamiltonian '{}' is not convex in p: method \"{}\" needs a convex one; use method = \"explicit\"",
                                 problem.kinetic->name(), method));
}

std::array<double, 3> max_speeds(const HamiltonJacobiProblem& problem, Field& phi, int level) {
  const SlabLayout& s = *problem.layout;
  phi.exchange_ghosts(level, level + 1);
  RowNeighbours near(problem.layout, 1);
  const std::size_t dim = static_cast<std::size_t>(s.dim());
  const std::size_t n = static_cast<std::size_t>(s.dim() == 1 ? SlabLayout::row_limit : s.grid().cells(0));
  std::vector<double> values(2 * dim * n);
  std::array<double*, 3> slope{}, speed{};
  for (std::size_t d = 0; d < dim; ++d) {
    slope[d] = values.data() + 2 * d * n;
    speed[d] = slope[d] + n;
  }
  std::array<double, 3> largest{};
  for (int r = 0; r < s.rows(); ++r) {
    const RowPoints p = problem.row(r, 0);
    near.load(phi.level(level), r);
    for (int high = 0; high <= 1; ++high)
      for (int low = 0; low <= high; ++low) {  // D+ (1, 0), D- (0, -1), central (1, -1)
        for (int d = 0; d < s.dim(); ++d) {
          const double *a = near.at(d, high), *b = near.at(d, high == 1 && low == 1 ? -1 : high - 1);
          const double w = 1 / (s.grid().spacing(d) * (high == 1 && low == 1 ? 2 : 1));
          for (int i = 0; i < p.n; ++i) slope[static_cast<std::size_t>(d)][i] = w * (a[i] - b[i]);
        }
        problem.kinetic->gradient_true(p, slope.data(), speed.data());
        for (std::size_t d = 0; d < dim; ++d)
          for (int i = 0; i < p.n; ++i) largest[d] = std::max(largest[d], std::fabs(speed[d][i]));
      }
  }
  for (double& v : largest) v = global_max(s.comm(), v);
  return largest;
}

bool adapt_numerical_speeds(HamiltonJacobiProblem& problem, Field& phi) {
  if (problem.kinetic->splitting() != Splitting::LaxFriedrichs) return false;
  const std::array<double, 3> speeds = max_speeds(problem, phi);
  bool changed = false;
  for (std::size_t d = 0; d < 3; ++d)
    if (speeds[d] > problem.alpha[d]) {
      problem.alpha[d] = 1.1 * speeds[d];
      changed = true;
    }
  return changed;
}

}  // namespace wasserflow
