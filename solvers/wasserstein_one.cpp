#include "solvers/wasserstein_one.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "grids/reduce.hpp"
#include "grids/support/errors.hpp"
#include "solvers/grid_transfer.hpp"

namespace wasserflow {
namespace {

constexpr double mass_tolerance = 1e-9, step_product = 0.99;
constexpr int coarse_iterations = 2000;
constexpr double coarse_factor = 3, spread = 1.6, first_gap = 2e-2;

/// Mass of a density that must not be negative.
double mass_of(const Field& rho, const char* what) {
  double least = 0;
  for (const double v : rho.owned()) least = std::min(least, v);
  least = global_min(rho.layout().comm(), least);
  if (least < 0) throw InputError(fmt::format("the {} density is negative somewhere: its least value is {:.6g}", what, least));
  const double mass = sum(rho) * rho.layout().grid().cell_volume();
  if (!std::isfinite(mass)) throw InputError(fmt::format("the {} density is not finite everywhere", what));
  if (!(mass > 0)) throw InputError(fmt::format("the {} density is 0 everywhere", what));
  return mass;
}

W1Level level_of(const MinimalFlow& flow, const SlabLayout& layout, int iterations) {
  W1Level level{{}, iterations, flow.upper() > 0 ? (flow.upper() - flow.lower()) / flow.upper() : 0};
  for (int d = 0; d < 3; ++d) level.cells[static_cast<std::size_t>(d)] = layout.grid().cells(d);
  return level;
}

}  // namespace

void W1Parameters::validate() const {
  const auto demand = [](bool good, const char* field, const char* interval, double value) {
    if (!good) throw InputError(fmt::format("solver.{} must be {}, not {}", field, interval, value));
  };
  demand(gap > 0 && gap < 1, "tolerance", "in (0, 1)", gap);
  demand(max_iterations >= 1, "max_iterations", ">= 1", max_iterations);
  demand(check_every >= 1, "check_every", ">= 1", check_every);
  demand(step > 0 && std::isfinite(step), "step", "> 0", step);
  demand(relaxation >= 1 && relaxation < 2, "relaxation", "in [1, 2)", relaxation);
  demand(coarsest >= 0, "coarsest", ">= 0", coarsest);
  demand(coarse_gap > 0 && coarse_gap < 1, "coarse_tolerance", "in (0, 1)", coarse_gap);
}

W1Parameters W1Parameters::read(const Parameters& p) {
  W1Parameters s;
  s.gap = p.real("tolerance", "relative gap between the bounds of the grid's problem at which the solve stops", s.gap, Range{0, 1, true, true});
  s.max_iterations = p.integer("max_iterations", "iterations on the finest grid", s.max_iterations, Range::at_least(1));
  s.check_every = p.integer("check_every", "iterations between evaluations of the bounds", s.check_every, Range::at_least(1));
  s.step = p.real("step", "step of the flux in units of its mean length", s.step, Range::positive());
  s.relaxation = p.real("relaxation", "over-relaxation of both iterates", s.relaxation, Range{1, 2, false, true});
  s.coarsest = p.integer("coarsest", "start from coarser grids, down to this many cells along an axis; 0: from the grid itself", s.coarsest,
                         Range::nonnegative());
  s.coarse_gap = p.real("coarse_tolerance", "relative gap on coarser grids", s.coarse_gap, Range{0, 1, true, true});
  return s;
}

WassersteinOne::WassersteinOne(const Field& source, const Field& target, const W1Parameters& parameters)
    : parameters_(parameters), layout_(source.layout_ptr()), fine_(layout_, parameters.norm) {
  parameters_.validate();
  mass_ = mass_of(source, "source");
  const double other = mass_of(target, "target");
  if (std::fabs(mass_ - other) > mass_tolerance * std::max(mass_, other))
    throw InputError(fmt::format(
        "the masses differ, {:.10g} at the source and {:.10g} at the target: this distance is between densities of one mass. Scale one of them, or "
        "take the unbalanced form of transport, in which mass may also be made and destroyed",
        mass_, other));
  Field f(layout_);
  const double *a = source.level(), *b = target.level();
  for (std::ptrdiff_t i = 0; i < layout_->owned(); ++i) f.level()[i] = a[i] - b[i];
  const double mean = sum(f) / static_cast<double>(layout_->grid().size());
  for (double& v : f.owned()) v -= mean;
  fine_.set_divergence(f);
}

Pdhg WassersteinOne::engine(double sigma, double gap, int iterations) const {
  double longest = 0;
  for (const Axis& axis : layout_->grid().axes()) longest = std::max(longest, axis.length());
  PdhgParameters e;
  e.tolerance = 1e-13 * mass_ * longest;  // for equal densities
  e.relative_tolerance = gap;
  e.max_iterations = iterations;
  e.check_every = parameters_.check_every;
  e.rule = StepRule::Given;
  e.step_product = step_product;
  e.relaxation = parameters_.relaxation;
  e.sigma = sigma;
  e.tau = step_product / sigma;
  return Pdhg(e);
}

void WassersteinOne::start_from_coarse() {
  coarse_.clear();
  const auto set_step = [&](MinimalFlow& flow, double factor) {
    const double scale = flow.mean_flux();
    sigma_ = scale > 0 ? factor * parameters_.step * scale : 1;
  };
  const auto solve = [&](MinimalFlow& flow, double gap) {
    return engine(sigma_, std::max(coarse_factor * parameters_.gap, gap), coarse_iterations).solve(flow).iterations;
  };
  // The flux of least L2 norm is more spread than the answer, which a few iterations show.
  const auto begin = [&](MinimalFlow& flow) {
    flow.start();
    set_step(flow, spread);
    const int iterations = solve(flow, first_gap);
    set_step(flow, 1);
    return iterations;
  };
  std::vector<Field> sources;
  if (parameters_.coarsest > 0)
    for (LayoutPtr l = coarser(*layout_, parameters_.coarsest); l; l = coarser(*l, parameters_.coarsest)) {
      Field f(l);
      Field fine = sources.empty() ? fine_.divergence().clone() : sources.back().clone();
      restrict_cells(fine, 0, f, 0);
      sources.push_back(std::move(f));
    }
  if (sources.empty()) {
    const int iterations = begin(fine_);
    coarse_.push_back(level_of(fine_, *layout_, iterations));
    fine_.reset();
    return;
  }
  std::unique_ptr<MinimalFlow> flow;
  for (; !sources.empty(); sources.pop_back()) {
    auto next = std::make_unique<MinimalFlow>(sources.back().layout_ptr(), parameters_.norm);
    next->set_divergence(sources.back());
    int iterations = 0;
    if (flow)
      next->start_from(*flow);
    else
      iterations = begin(*next);
    flow = std::move(next);
    iterations += solve(*flow, parameters_.coarse_gap);
    set_step(*flow, 1);
    coarse_.push_back(level_of(*flow, sources.back().layout(), iterations));
  }
  fine_.start_from(*flow);
}

W1Result WassersteinOne::solve() {
  W1Result result;
  std::optional<PdhgPosition> from;
  if (!resumed_)
    start_from_coarse();
  else
    from = PdhgPosition{.iterations = iterations_, .weight = sigma_ / std::sqrt(step_product)};
  // A solve that had ended ends again.
  const bool ended = resumed_ && fine_.upper() - fine_.lower() <= parameters_.gap * fine_.upper();
  resumed_ = false;
  Pdhg loop = engine(sigma_, parameters_.gap, parameters_.max_iterations);
  loop.give_up = [&](const PdhgProgress& now) {
    iterations_ = now.iteration;
    result.stopped = monitor && monitor({iterations_, fine_.lower(), fine_.upper()});
    return result.stopped;
  };
  result.reason = StopReason::Converged;
  if (!ended) {
    const SolveReport report = loop.solve(fine_, from);
    iterations_ = report.iterations;
    result.reason = result.stopped ? StopReason::IterationLimit : report.reason;
  }
  result.iterations = iterations_;
  result.grid_upper = fine_.upper();
  result.levels = coarse_;
  result.levels.push_back(level_of(fine_, *layout_, iterations_));
  result.grid_gap = result.levels.back().gap;
  const FluxCost cost = fine_.continuum_cost();
  result.lower = fine_.lower();
  result.upper = std::max(result.lower, cost.upper);  // of equal densities there is rounding left
  result.gap = result.upper > 0 ? (result.upper - result.lower) / result.upper : 0;
  result.distance = std::clamp(cost.value, result.lower, result.upper);
  const double scale = max_abs(fine_.divergence());
  result.divergence_error = scale > 0 ? fine_.divergence_error() / scale : 0;
  return result;
}

Field WassersteinOne::potential() {
  Field phi(layout_);
  fine_.cell_means(fine_.potential(), phi);
  if (fine_.slope() > 0)
    for (double& v : phi.owned()) v /= fine_.slope();
  return phi;
}

void WassersteinOne::restore(const State& state) {
  fine_.restore(state.bounds);
  sigma_ = state.sigma;
  iterations_ = state.iterations;
  coarse_ = state.coarse;
  resumed_ = true;
}

}  // namespace wasserflow
