#include "solvers/populations.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "grids/reduce.hpp"
#include "grids/support/errors.hpp"
#include "solvers/local_reaction.hpp"
#include "solvers/space_time_prolongation.hpp"

namespace wasserflow {
namespace {
std::size_t index(int i) { return static_cast<std::size_t>(i); }
constexpr double loosest = 1e-3;  // tolerance of inner solves

/// The cost of a unit of mass that moves with the speed c, over c^2 / 2, in the mean over axes and those cells and half times where it is finite; 1
/// where it is nowhere. Binds the cost.
double heaviness(MeanFieldProblem& p, double c) {
  std::vector<double> times;
  for (int n = 0; n < p.steps; ++n) times.push_back((n + 0.5) * p.dt());
  p.cost->bind(p.layout, times, p.horizon);
  const SlabLayout& layout = *p.layout;
  const std::size_t longest = index(layout.dim() == 1 ? SlabLayout::row_limit : layout.grid().cells(0)), slots = index(p.cost->slots());
  std::vector<double> rho(longest, 1.0), flux(longest, c), still(longest, 0.0), energy(longest), kinetic(longest);
  double total = 0, count = 0;
  for (int level = 0; level < p.steps; ++level)
    for (int d = 0; d < layout.dim(); ++d) {
      std::vector<const double*> m(slots, still.data());
      m[index(d)] = flux.data();
      ExactSum sums[2];
      for (int r = 0; r < layout.rows(); ++r) {
        RowPoints row = layout.row(r);
        row.level = level;
        row.t = times[index(level)];
        p.cost->energy(row, rho.data(), m.data(), energy.data(), kinetic.data());
        for (int i = 0; i < row.n; ++i) energy[index(i)] = std::isfinite(kinetic[index(i)]) ? 1 : 0;
        for (int i = 0; i < row.n; ++i) kinetic[index(i)] = energy[index(i)] > 0 ? kinetic[index(i)] : 0;
        add_row(sums[0], layout, kinetic.data(), row.n);
        add_row(sums[1], layout, energy.data(), row.n);
      }
      ExactSum::reduce(layout.comm(), sums);
      total += sums[0].value();
      count += sums[1].value();
    }
  const double mean = count > 0 ? total / count / (c * c / 2) : 1;
  return mean > 0 && std::isfinite(mean) ? mean : 1;
}

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
  if (!(least_damping > 0 && least_damping <= 1)) throw InputError(fmt::format("the least damping must be in (0, 1], not {}", least_damping));
  if (memory < 0 || memory > 20) throw InputError(fmt::format("the memory of the sweeps must be in [0, 20], not {}", memory));
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
  names_ = reaction_->species();
  const LayoutPtr layout = all[0].layout;
  double total = 0;
  for (const MeanFieldProblem& p : all) total += sum(p.initial);
  if (!(total > 0)) throw InputError("the populations have no mass at first");
  least_mass_ = 0.1 * total;
  total /= static_cast<double>(layout->grid().size());
  const int steps = all[0].steps;
  frozen_.resize(all.size());  // never resized again: the problems point into it
  for (std::size_t k = 0; k < all.size(); ++k) {
    Frozen& f = frozen_[k];
    for (Field* field : {&f.density, &f.value, &f.source, &f.potential, &f.new_density, &f.new_value}) *field = Field(layout, steps);
    all[k].source = &frozen_[k].source;
    all[k].potential = &frozen_[k].potential;
    all[k].density_scale = 0.01 * total;
    // Who moves at a hundred times the cost goes a tenth as far for the same gain.
    const double speed = all[k].speed_scale();
    if (all[k].cost_scale == 0) all[k].cost_scale = speed * speed;
    if (all[k].speed == 0) all[k].speed = speed / std::sqrt(heaviness(all[k], speed));
    schemes_.push_back(std::make_unique<StaggeredScheme>(std::move(all[k])));
  }
  work_ = Field(layout, steps);
  std::vector<const Field*> points;
  for (const Frozen& f : frozen_) points.insert(points.end(), {&f.density, &f.value});
  mixing_ = AndersonMixing(parameters_.memory, points);
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

/// The root mean square of a - b over that of b plus the floor, under the density `weight` where it is given.
double Populations::distance(const Field& a, const Field& b, double floor, const Field* weight) const {
  double moved = 0, size = 0, points = 0;
  for (int level = 0; level < b.levels(); ++level) {
    const double *u = a.level(level), *v = b.level(level), *w = weight ? weight->level(level) : nullptr;
    const auto sums = sum_rows<3>(b.layout(), [&](std::ptrdiff_t offset, int n) {
      std::array<double, 3> s{};
      for (std::ptrdiff_t i = offset; i < offset + n; ++i) {
        const double share = w ? std::max(w[i], 0.0) : 1;
        s[0] += share * ((u[i] - v[i]) * (u[i] - v[i]));
        s[1] += share * (v[i] * v[i]);
        s[2] += share;
      }
      return s;
    });
    moved += sums[0];
    size += sums[1];
    points += sums[2];
  }
  return moved > 0 ? std::sqrt(moved / points) / (floor + std::sqrt(size / points)) : moved;  // NaN stays NaN
}

/// How far the present iterate of a population is from its linearisation point. Leaves it in new_density and new_value.
double Populations::distance(int k) {
  StaggeredScheme& scheme = *schemes_[index(k)];
  Frozen& f = frozen_[index(k)];
  const Field& rho = scheme.x().rho;
  for (int level = 0; level < work_.levels(); ++level) {
    const double *before = rho.level(level), *after = rho.level(level + 1);
    double* middle = f.new_density.level(level);
    for (std::ptrdiff_t i = 0; i < work_.layout().owned(); ++i) middle[i] = 0.5 * (before[i] + after[i]);
  }
  const MeanFieldProblem& p = scheme.problem();
  const double densities = distance(f.density, f.new_density, p.density_scale);
  scheme.value(f.new_value);
  const double values = distance(f.value, f.new_value, p.cost_scale * p.horizon, &f.new_density);
  return std::isfinite(densities) && std::isfinite(values) ? std::max(densities, values) : std::nan("");
}

/// The next linearisation points.
void Populations::relinearise() {
  std::vector<Field*> x;
  std::vector<const Field*> g;
  std::vector<double> weight;
  for (int k = 0; k < count(); ++k) {
    Frozen& f = frozen_[index(k)];
    const MeanFieldProblem& p = scheme(k).problem();
    x.insert(x.end(), {&f.density, &f.value});
    g.insert(g.end(), {&f.new_density, &f.new_value});
    weight.insert(weight.end(), {1 / (100 * p.density_scale), 1 / (p.cost_scale * p.horizon)});
  }
  mixing_.step(x, g, weight, at_.damping);
  for (Frozen& f : frozen_)
    for (int level = 0; level < f.density.levels(); ++level)
      for (double& v : f.density.owned(level)) v = std::max(v, 0.0);
  freeze();
}

/// The standard start, with the reaction of who stays where he is.
void Populations::begin() {
  for (int k = 0; k < count(); ++k) scheme(k).start();
  still();
  freeze();
  at_.damping = parameters_.damping;
  at_.inner.iterations = -1;
  for (int k = 0; k < count(); ++k) {
    // The nodes follow from the means between them.
    Field& rho = scheme(k).x().rho;
    for (int level = 0; level < work_.levels(); ++level) {
      const double *middle = frozen_[index(k)].density.level(level), *before = rho.level(level);
      double* after = rho.level(level + 1);
      for (std::ptrdiff_t i = 0; i < work_.layout().owned(); ++i) after[i] = 2 * middle[i] - before[i];
    }
    scheme(k).make_feasible();
    at_.weights.push_back(parameters_.inner.weight * scheme(k).default_weight());
    at_.steps.push_back(scheme(k).dual_step_size());
  }
}

/// Densities at half times of those who react but do not move.
void Populations::still() {
  std::vector<const Field*> initial;
  std::vector<Field*> density;
  for (int k = 0; k < count(); ++k) {
    initial.push_back(&scheme(k).problem().initial);
    density.push_back(&frozen_[index(k)].density);
  }
  react_in_place(*reaction_, schemes_[0]->value_times(), schemes_[0]->problem().dt(), initial, density);
}

void Populations::start_from(Populations& coarse) {
  if (coarse.count() != count()) throw InternalError("populations start from as many");
  for (std::size_t k = 0; k < frozen_.size(); ++k) {
    prolong(coarse.frozen_[k].density, frozen_[k].density, TimeSamples::HalfTimes);
    prolong(coarse.frozen_[k].value, frozen_[k].value, TimeSamples::HalfTimes);
  }
  freeze();
  for (int k = 0; k < count(); ++k) scheme(k).start_from(coarse.scheme(k));
  at_ = {};
  at_.damping = coarse.at_.damping;
  at_.inner.iterations = -1;
  at_.weights = coarse.at_.weights;
  at_.steps = coarse.at_.steps;
  started_ = true;
}

std::vector<std::pair<std::string, Field*>> Populations::state_fields() {
  std::vector<std::pair<std::string, Field*>> fields;
  for (int k = 0; k < count(); ++k) {
    const std::string& name = names_[index(k)];
    for (const auto& [what, field] : scheme(k).state_fields()) fields.emplace_back(name + "." + what, field);
    fields.emplace_back(name + ".frozen_density", &frozen_[index(k)].density);
    fields.emplace_back(name + ".frozen_value", &frozen_[index(k)].value);
  }
  for (const auto& [what, field] : mixing_.state_fields()) fields.emplace_back("mixing." + what, field);
  return fields;
}

void Populations::restore(PopulationPosition position) {
  if (position.weights.size() != schemes_.size() || position.steps.size() != schemes_.size())
    throw InternalError("the position is of another number of populations");
  at_ = std::move(position);
  for (int k = 0; k < count(); ++k) scheme(k).set_dual_step_size(at_.steps[index(k)]);
  if (!at_.mixing.empty()) mixing_.restore(at_.mixing);
  started_ = true;
}

StopReason Populations::solve_one(int k) {
  PdhgParameters parameters = parameters_.inner;
  parameters.weight = at_.weights[index(k)];
  parameters.tolerance = std::max(parameters.tolerance, at_.sweeps > 0 ? std::min(0.1 * at_.residual, loosest) : loosest);
  Pdhg engine(parameters);
  const std::optional<PdhgPosition> from = at_.inner.iterations >= 0 ? std::optional(at_.inner) : std::nullopt;
  if (stop)
    engine.give_up = [&](const PdhgProgress& p) {
      at_.inner = {p.iteration, p.weight, p.operator_passes, p.weight_changes};
      stopped_ = stop();
      return stopped_;
    };
  const SolveReport report = engine.solve(scheme(k), from);
  if (stopped_) return report.reason;
  at_.inner = {};
  at_.inner.iterations = -1;
  at_.weights[index(k)] = engine.weight();
  at_.steps[index(k)] = scheme(k).dual_step_size();
  at_.inner_iterations += report.iterations;
  at_.operator_passes += report.operator_passes;
  at_.solved = at_.solved && report.reason == StopReason::Converged && parameters.tolerance <= parameters_.inner.tolerance;
  return report.reason;
}

/// More of a population is taken away than there ever was.
bool Populations::runs_away() {
  for (int k = 0; k < count(); ++k)
    for (int level = 1; level <= work_.levels(); ++level)
      if (sum(scheme(k).x().rho, level) < -least_mass_) return true;
  return false;
}

PopulationReport Populations::solve() {
  PopulationReport report;
  if (!started_) begin();
  started_ = true;
  stopped_ = false;
  const auto result = [&](StopReason reason) {
    report.reason = reason;
    report.iterations = at_.sweeps;
    report.inner_iterations = at_.inner_iterations;
    report.residual = at_.residual;
    report.stopped = stopped_;
    return report;
  };
  freeze();
  while (at_.sweeps < parameters_.max_iterations) {
    if (at_.population == 0 && at_.inner.iterations < 0) {
      at_.solved = true;
      for (int k = 0; k < count(); ++k) scheme(k).make_feasible();
    }
    for (; at_.population < count(); ++at_.population) {
      const StopReason reason = solve_one(at_.population);
      if (stopped_) return result(StopReason::IterationLimit);
      if (reason == StopReason::Diverged) return result(reason);
    }
    const double last = at_.residual;
    at_.residual = 0;
    for (int k = 0; k < count(); ++k) {
      const double moved = distance(k);
      at_.residual = std::isnan(moved) || std::isnan(at_.residual) ? std::nan("") : std::max(at_.residual, moved);
    }
    report.history.push_back(at_.residual);
    ++at_.sweeps;
    at_.population = 0;
    if (last > 0 && at_.residual > 1.05 * last) at_.damping = std::max(0.5 * at_.damping, std::min(at_.damping, parameters_.least_damping));
    if (at_.residual < last) at_.damping = std::min(1.3 * at_.damping, parameters_.damping);
    if (last > 0 && at_.residual > 2 * last) mixing_.forget();
    if (!std::isnan(at_.residual)) relinearise();
    at_.mixing = mixing_.counters();
    if (monitor) monitor(at_);
    if (std::isnan(at_.residual) || runs_away()) return result(StopReason::Diverged);
    if (at_.solved && at_.residual <= parameters_.tolerance) return result(StopReason::Converged);
  }
  return result(StopReason::IterationLimit);
}

double Populations::feasible_objective() {
  double total = 0;
  for (int k = 0; k < count(); ++k) total += scheme(k).figures().feasible_objective;
  return total;
}

}  // namespace wasserflow
