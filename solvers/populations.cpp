#include "solvers/populations.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "grids/reduce.hpp"
#include "grids/support/errors.hpp"

namespace wasserflow {
namespace {
std::size_t index(int i) { return static_cast<std::size_t>(i); }
}  // namespace

PdhgParameters PopulationParameters::default_inner() {
  PdhgParameters p = mean_field_pdhg();
  p.tolerance = 2e-6;
  p.max_iterations = 3000;
  p.min_iterations = 20;  // the first residuals of a warm start are small whatever it is worth
  return p;
}

void PopulationParameters::validate() const {
  if (!(tolerance > 0)) throw InputError(fmt::format("the tolerance of the sweeps must be > 0, not {}", tolerance));
  if (max_iterations < 1) throw InputError(fmt::format("there must be at least 1 sweep, not {}", max_iterations));
  if (!(damping > 0 && damping <= 1)) throw InputError(fmt::format("the damping must be in (0, 1], not {}", damping));
  inner.validate();
  if (inner.tolerance > tolerance)
    throw InputError(fmt::format("sweeps to {:g} need inner solves of that tolerance, not {:g}", tolerance, inner.tolerance));
}

Populations::Populations(PopulationProblem problem, const PopulationParameters& parameters)
    : reaction_(std::move(problem.reaction)), parameters_(parameters) {
  parameters_.validate();
  std::vector<MeanFieldProblem>& all = problem.populations;
  if (all.empty() || !reaction_ || reaction_->species().size() != all.size())
    throw InputError(
        fmt::format("{} populations need a reaction of as many species, not of {}", all.size(), reaction_ ? reaction_->species().size() : 0));
  for (const MeanFieldProblem& p : all) {
    if (p.layout != all[0].layout || p.steps != all[0].steps || p.horizon != all[0].horizon)
      throw InputError("populations share a grid, a number of steps and a horizon");
    if (p.stationary || p.positive) throw InputError("populations are neither stationary nor of the positive variant");
  }
  const LayoutPtr layout = all[0].layout;
  const int steps = all[0].steps;
  frozen_.resize(all.size());  // never resized again: the problems point into it
  for (std::size_t k = 0; k < all.size(); ++k) {
    for (Field* f : {&frozen_[k].density, &frozen_[k].value, &frozen_[k].source, &frozen_[k].potential}) *f = Field(layout, steps);
    all[k].source = &frozen_[k].source;
    all[k].potential = &frozen_[k].potential;
    schemes_.push_back(std::make_unique<StaggeredScheme>(std::move(all[k])));
    engines_.emplace_back(parameters_.inner);
  }
  work_ = Field(layout, steps);
  const std::size_t longest = index(layout->dim() == 1 ? SlabLayout::row_limit : layout->grid().cells(0)), square = all.size() * all.size();
  rows_.resize(longest * square);
  for (std::size_t k = 0; k < square; ++k) jacobian_.push_back(rows_.data() + k * longest);
}

void Populations::freeze() {
  const SlabLayout& layout = work_.layout();
  const std::size_t count = frozen_.size();
  const std::vector<double> times = schemes_[0]->value_times();
  std::vector<const double*> density(count);
  std::vector<double*> rate(count);
  for (int level = 0; level < work_.levels(); ++level)
    for (int r = 0; r < layout.rows(); ++r) {
      RowPoints p = layout.row(r);
      p.level = level;
      p.t = times[index(level)];
      for (std::size_t k = 0; k < count; ++k) {
        density[k] = frozen_[k].density.level(level) + p.offset;
        rate[k] = frozen_[k].source.level(level) + p.offset;
      }
      reaction_->rates(p, density.data(), rate.data());
      reaction_->jacobian(p, density.data(), jacobian_.data());
      for (std::size_t k = 0; k < count; ++k) {
        double* q = frozen_[k].potential.level(level) + p.offset;
        std::fill_n(q, p.n, 0.0);
        for (std::size_t j = 0; j < count; ++j) {
          const double* phi = frozen_[j].value.level(level) + p.offset;
          const double* slope = jacobian_[j * count + k];
          for (int i = 0; i < p.n; ++i) q[i] += phi[i] * slope[i];
        }
      }
    }
}

/// from += part (to - from); the root mean square of to - from over that of `to` plus the floor.
double Populations::approach(Field& from, const Field& to, double floor, double part) const {
  const SlabLayout& layout = to.layout();
  double moved = 0, size = 0;
  for (int level = 0; level < to.levels(); ++level) {
    double* a = from.level(level);
    const double* b = to.level(level);
    const auto [d, s] = sum_rows<2>(layout, [&](std::ptrdiff_t offset, int n) {
      std::array<double, 2> sums{};
      for (std::ptrdiff_t i = offset; i < offset + n; ++i) {
        sums[0] += (b[i] - a[i]) * (b[i] - a[i]);
        sums[1] += b[i] * b[i];
      }
      return sums;
    });
    moved += d;
    size += s;
    for (std::ptrdiff_t i = 0; i < layout.owned(); ++i) a[i] += part * (b[i] - a[i]);
  }
  const double points = static_cast<double>(layout.grid().size()) * to.levels();
  const double scale = floor + std::sqrt(size / points);
  return moved > 0 ? std::sqrt(moved / points) / scale : moved;  // NaN stays NaN
}

/// The linearisation point of a population towards its present iterate; how far that is. `all` the way, or the damped one.
double Populations::move(int k, bool all) {
  StaggeredScheme& scheme = *schemes_[index(k)];
  Frozen& frozen = frozen_[index(k)];
  const double part = all ? 1 : parameters_.damping;
  const Field& rho = scheme.x().rho;
  for (int level = 0; level < work_.levels(); ++level) {
    const double *before = rho.level(level), *after = rho.level(level + 1);
    double* middle = work_.level(level);
    for (std::ptrdiff_t i = 0; i < work_.layout().owned(); ++i) middle[i] = 0.5 * (before[i] + after[i]);
  }
  const double densities = approach(frozen.density, work_, 0, part);
  scheme.value(work_);
  const MeanFieldProblem& p = scheme.problem();
  const double values = approach(frozen.value, work_, p.speed_scale() * p.speed_scale() * p.horizon, part);
  return std::isfinite(densities) && std::isfinite(values) ? std::max(densities, values) : std::nan("");
}

PopulationReport Populations::solve() {
  PopulationReport report;
  if (!started_) {
    for (int k = 0; k < count(); ++k) {
      scheme(k).start();
      static_cast<void>(move(k, true));
    }
    freeze();
    for (int k = 0; k < count(); ++k) {
      scheme(k).make_feasible();
      engines_[index(k)].set_weight(parameters_.inner.weight * scheme(k).default_weight());
    }
    started_ = true;
  }
  while (report.iterations < parameters_.max_iterations) {
    bool solved = true;
    for (int k = 0; k < count(); ++k) {
      const SolveReport inner = engines_[index(k)].solve(scheme(k));
      report.inner_iterations += inner.iterations;
      solved = solved && inner.reason == StopReason::Converged;
      if (inner.reason != StopReason::Diverged) continue;
      report.reason = StopReason::Diverged;
      return report;
    }
    report.residual = 0;
    for (int k = 0; k < count(); ++k) {
      const double moved = move(k, false);
      report.residual = std::isnan(moved) ? moved : std::max(report.residual, moved);
      if (std::isnan(moved)) break;
    }
    report.history.push_back(report.residual);
    ++report.iterations;
    if (std::isnan(report.residual)) {
      report.reason = StopReason::Diverged;
      return report;
    }
    if (solved && report.residual <= parameters_.tolerance) {
      report.reason = StopReason::Converged;
      return report;
    }
    freeze();
    for (int k = 0; k < count(); ++k) scheme(k).make_feasible();
  }
  return report;
}

double Populations::feasible_objective() {
  double total = 0;
  for (int k = 0; k < count(); ++k) total += scheme(k).figures().feasible_objective;
  return total;
}

}  // namespace wasserflow
