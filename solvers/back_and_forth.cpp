#include "solvers/back_and_forth.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "grids/axis_swap.hpp"
#include "grids/reduce.hpp"
#include "grids/support/errors.hpp"
#include "solvers/grid_transfer.hpp"
#include "solvers/rearrangement.hpp"

namespace wasserflow {
namespace {

struct Moments {
  std::array<double, 3> mean{};
  std::array<double, 9> covariance{};
};

Moments moments(const Field& rho) {
  const SlabLayout& s = rho.layout();
  const int dim = s.dim();
  std::array<ExactSum, 10> sums;
  std::vector<double> terms(static_cast<std::size_t>(std::max(SlabLayout::row_limit, s.grid().cells(0))));
  const auto coordinate = [](const RowPoints& p, int d, int i) { return d == 0 ? p.x[i] : d == 1 ? p.y : p.z; };
  for (int r = 0; r < s.rows(); ++r) {
    const RowPoints p = s.row(r);
    const double* m = rho.level() + p.offset;
    add_row(sums[0], s, m, p.n);
    std::size_t k = 1;
    for (int d = 0; d < dim; ++d) {
      for (int i = 0; i < p.n; ++i) terms[static_cast<std::size_t>(i)] = m[i] * coordinate(p, d, i);
      add_row(sums[k++], s, terms.data(), p.n);
    }
    for (int d = 0; d < dim; ++d)
      for (int e = d; e < dim; ++e) {
        for (int i = 0; i < p.n; ++i) terms[static_cast<std::size_t>(i)] = m[i] * coordinate(p, d, i) * coordinate(p, e, i);
        add_row(sums[k++], s, terms.data(), p.n);
      }
  }
  ExactSum::reduce(s.comm(), sums);
  Moments out;
  std::size_t k = 1;
  for (int d = 0; d < dim; ++d) out.mean[static_cast<std::size_t>(d)] = sums[k++].value() / sums[0].value();
  for (int d = 0; d < dim; ++d)
    for (int e = d; e < dim; ++e) {
      const double h = s.grid().spacing(d);
      const double c = sums[k++].value() / sums[0].value() - out.mean[static_cast<std::size_t>(d)] * out.mean[static_cast<std::size_t>(e)] +
                       (d == e ? h * h / 12 : 0);
      out.covariance[static_cast<std::size_t>(3 * d + e)] = out.covariance[static_cast<std::size_t>(3 * e + d)] = c;
    }
  for (int d = dim; d < 3; ++d) out.covariance[static_cast<std::size_t>(4 * d)] = 1;
  return out;
}

using Matrix = std::array<double, 9>;

Matrix inverse(const Matrix& a) {
  const auto minor = [&](int i, int j) {
    const int r = (i + 1) % 3, s = (i + 2) % 3, c = (j + 1) % 3, d = (j + 2) % 3;
    const auto at = [&](int row, int column) { return a[static_cast<std::size_t>(3 * row + column)]; };
    return at(r, c) * at(s, d) - at(r, d) * at(s, c);
  };
  const double det = a[0] * minor(0, 0) + a[1] * minor(0, 1) + a[2] * minor(0, 2);
  Matrix out;
  for (int i = 0; i < 3; ++i)
    for (int j = 0; j < 3; ++j) out[static_cast<std::size_t>(3 * j + i)] = minor(i, j) / det;
  return out;
}

/// The symmetric positive A with A S0 A = S1: the geometric mean of S0^{-1} and S1, as the common limit of their arithmetic and harmonic means.
Matrix optimal_matrix(const Matrix& s0, const Matrix& s1) {
  Matrix a = inverse(s0), b = s1;
  for (int it = 0; it < 100; ++it) {
    const Matrix p = inverse(a), q = inverse(b);
    Matrix mean, sum;
    double change = 0, size = 0;
    for (std::size_t i = 0; i < 9; ++i) {
      mean[i] = 0.5 * (a[i] + b[i]), sum[i] = 0.5 * (p[i] + q[i]);
      change += std::fabs(a[i] - b[i]), size += std::fabs(a[i]);
    }
    a = mean, b = inverse(sum);
    if (!(change > 1e-14 * size)) break;
  }
  return a;
}

/// The rearrangement that begins with the x axis.
struct SwappedRearrangement {
  explicit SwappedRearrangement(const LayoutPtr& layout) : swap(layout), mu(swap.swapped()), nu(swap.swapped()) {
    for (int d = 0; d < layout->dim(); ++d) origins.emplace_back(swap.swapped());
  }
  AxisSwap swap;
  Field mu, nu;
  std::vector<Field> origins;

  Rearrangement measure(const Field& from, const Field& to, const std::vector<Field>& origins_of_from) {
    swap.apply(from, mu);
    swap.apply(to, nu);
    for (std::size_t d = 0; d < origins.size(); ++d) {
      // Axis 0 is the slow one here, and the other way round.
      const std::size_t other = d == 0 ? origins.size() - 1 : d + 1 == origins.size() ? 0 : d;
      swap.apply(origins_of_from[other], origins[d]);
    }
    return rearrangement(mu, nu, &origins);
  }
};

}  // namespace

struct BackAndForth::State {
  State(const SlabLayout& layout, const BackAndForthParameters& p) : parameters(p), grids(layout, p) {}
  BackAndForthParameters parameters;
  AscentLevels grids;
  double mass = 1;
  std::unique_ptr<SwappedRearrangement> swapped;  ///< made when it is first needed on a grid
  LayoutPtr swapped_for;
  W2Position at;
  bool resumed = false;  ///< `at` was restored
  std::function<bool(const W2Progress&)> monitor;
  std::function<bool()> stop;

  void start(AscentLevel& level, bool from_moments) const;
  /// Levels on which both starts are tried: a small part of the work.
  std::size_t tried_levels() const {
    const std::int64_t most = std::max<std::int64_t>(4096, grids.levels[first_bounded()].layout->grid().size() / 64);
    std::size_t n = 0;
    while (n < first_bounded() && grids.levels[n].layout->grid().size() <= most) ++n;
    return n;
  }
  std::size_t reached = 0;  ///< level of the answer
  std::size_t first_bounded() const { return grids.levels.size() - 1 - static_cast<std::size_t>(grids.divided); }
  std::size_t level() const { return grids.levels.size() - 1 - static_cast<std::size_t>(at.coarsening); }
  /// On the levels that are not tried there are positions to go on from.
  void ascend(std::size_t level, W2Result& result, bool tried);
  std::size_t climb(W2Result& result);
  void bounds(AscentLevel& level, W2Result& result);
};

BackAndForth::BackAndForth(const LayoutPtr& layout, const BackAndForthParameters& parameters) : state_(std::make_unique<State>(*layout, parameters)) {
  for (AscentLevel& level : state_->grids.levels)
    level.evaluate = [](AscentLevel& l) { return l.integral(l.phi, l.rho0) + l.integral(l.psi, l.rho1); };
}

BackAndForth::~BackAndForth() = default;
BackAndForth::BackAndForth(BackAndForth&&) noexcept = default;
BackAndForth& BackAndForth::operator=(BackAndForth&&) noexcept = default;

void BackAndForth::State::start(AscentLevel& level, bool from_moments) const {
  level.phi.fill(0);
  if (!from_moments) return;
  const Moments a = moments(level.rho0), b = moments(level.rho1);
  const Matrix m = optimal_matrix(a.covariance, b.covariance);
  const SlabLayout& s = *level.layout;
  for (int r = 0; r < s.rows(); ++r) {
    const RowPoints p = s.row(r);
    for (int i = 0; i < p.n; ++i) {
      const std::array<double, 3> x{p.x[i], p.y, p.z};
      double value = 0;
      for (std::size_t d = 0; d < 3; ++d) {
        value += 0.5 * x[d] * x[d] - b.mean[d] * x[d];
        for (std::size_t e = 0; e < 3; ++e) value -= 0.5 * (x[d] - a.mean[d]) * m[3 * d + e] * (x[e] - a.mean[e]);
      }
      level.phi.level()[p.offset + i] = value;
    }
  }
}

W2Result BackAndForth::solve(const Field& rho0, const Field& rho1) {
  State& s = *state_;
  const double mass = checked_mass(rho0), other = checked_mass(rho1);
  if (std::fabs(mass - other) > 1e-10 * mass)
    throw InputError(fmt::format("the densities have the masses {:.10g} and {:.10g}: no plan joins them", mass, other));
  s.mass = mass;
  AscentLevel &finest = s.grids.finest(), &given = s.grids.given();
  for (std::ptrdiff_t i = 0; i < given.layout->owned(); ++i) {
    given.rho0.level()[i] = rho0.level()[i] / mass;
    given.rho1.level()[i] = rho1.level()[i] / other;
  }
  for (AscentLevel* level = &given; level != &finest; ++level) {
    divide_cells(level->rho0, 0, level[1].rho0, 0);
    divide_cells(level->rho1, 0, level[1].rho1, 0);
  }
  s.grids.restrict_down(&AscentLevel::rho0);
  s.grids.restrict_down(&AscentLevel::rho1);
  W2Result result;
  std::vector<AscentLevel>& levels = s.grids.levels;
  result.levels = static_cast<int>(levels.size());
  s.monitor = monitor;
  s.stop = stop;
  const std::size_t first = s.resumed ? s.level() : s.climb(result);
  for (std::size_t l = first; l < levels.size(); ++l) {
    s.ascend(l, result, false);
    s.reached = l;
    // Cells are divided only where iterations on larger ones are of no more use.
    if (result.stopped || (l >= s.first_bounded() && !result.exhausted)) break;
    if (l + 1 < levels.size()) s.grids.finer[l].apply(levels[l].phi, levels[l + 1].phi);
  }
  AscentLevel& answer = levels[s.reached];
  if (!result.stopped && &answer != &given) {
    for (AscentLevel* level = &answer; level != &given; --level) restrict_cells(level->phi, 0, level[-1].phi, 0);
    given.begin();
  }
  // Where the map jumps the upper bound may be loose, the lower one is not.
  result.squared = std::max(0.0, result.lower + 0.5 * std::min(result.upper - result.lower, s.parameters.tolerance * result.upper));
  result.distance = std::sqrt(result.squared);
  result.residuals = {{"duality_gap", result.upper - result.lower, result.upper},
                      {"marginal", result.marginal_error, answer.dual_norm(answer.rho1, &answer.rho0)}};
  return result;
}

/// Which start is better is seen after some grids only; both are tried on small ones. Returns the level to go on with.
std::size_t BackAndForth::State::climb(W2Result& result) {
  std::vector<AscentLevel>& levels = grids.levels;
  const std::size_t tried = parameters.moment_start ? tried_levels() : 0;
  if (tried == 0) {
    start(levels.front(), parameters.moment_start);
    return 0;
  }
  double best = -std::numeric_limits<double>::infinity();
  for (const bool from_moments : {true, false}) {
    start(levels.front(), from_moments);
    for (std::size_t l = 0; l < tried; ++l) {
      ascend(l, result, true);
      if (l + 1 < tried) grids.finer[l].apply(levels[l].phi, levels[l + 1].phi);
    }
    AscentLevel& level = levels[tried - 1];
    if (level.value > best) {
      best = level.value;
      grids.finer[tried - 1].apply(level.phi, levels[tried].phi);
    }
  }
  return tried;
}

void BackAndForth::State::ascend(std::size_t l, W2Result& result, bool tried) {
  AscentLevel& level = grids.levels[l];
  // Divided cells are for those who need them: the tolerance may be met before.
  const bool bounded = l >= first_bounded();
  const int max_iterations = bounded ? parameters.max_iterations : parameters.level_iterations;
  level.sigma = parameters.first_step / std::max(max_abs(level.rho0), max_abs(level.rho1));
  level.largest_sigma = 1.5 * level.sigma;
  bool measured = std::exchange(resumed, false);  // the check of a position has been made
  if (measured) {
    level.sigma = at.sigma;
    level.value = at.value;
    result.lower = at.lower;
    result.upper = at.upper;
    result.marginal_error = at.marginal_error;
  } else {
    level.begin();
    at = {static_cast<int>(grids.levels.size() - 1 - l)};
  }
  double before = at.before;
  result.exhausted = false;
  for (int it = at.iterations;; ++it) {
    if (bounded) result.iterations = it;
    if (!std::isfinite(level.value)) {
      result.reason = StopReason::Diverged;
      return;
    }
    if (it % parameters.check_every == 0 || it == max_iterations) {
      bool ended = false;
      if (bounded) {
        if (!measured) {
          bounds(level, result);
          ended = monitor && monitor({it, result.lower, result.upper, result.marginal_error});
        }
        if (result.upper - result.lower <= parameters.tolerance * result.upper) {
          result.reason = StopReason::Converged;
          ended = true;
        }
      }
      // No prospect of reaching the tolerance soon.
      if (!ended && it > 0 && level.value - before <= 0.02 * parameters.tolerance * std::fabs(level.value)) {
        ended = true;
        result.exhausted = bounded;
      }
      at.before = before;
      before = std::max(before, level.value);
      at.iterations = it;
      at.sigma = level.sigma;
      at.value = level.value;
      at.lower = result.lower;
      at.upper = result.upper;
      at.marginal_error = result.marginal_error;
      if (ended || it >= max_iterations) return;
      if (!measured && !tried && stop && stop()) {
        result.stopped = true;
        return;
      }
    }
    measured = false;
    level.iterate();
  }
}

void BackAndForth::State::bounds(AscentLevel& level, W2Result& result) {
  // Exactly feasible on the grid: psi = phi^c over the nodes.
  level.transform.apply(level.phi, level.spare);
  double lower = level.integral(level.spare, level.rho1);
  level.transform.apply(level.spare, level.step);
  lower += level.integral(level.step, level.rho0);
  PlanFigures plan;
  level.pushforward.apply(level.phi, level.rho0, 1, level.pushed, &plan, &level.origins);
  const Rearrangement rest = rearrangement(level.pushed, level.rho1, &level.origins);
  double completion = 2 * rest.turn + rest.square;
  const SlabLayout& layout = *level.layout;
  if (layout.dim() > 1 && layout.grid().cells(0) >= layout.ranks() &&
      2 * plan.cost + completion - 2 * lower > parameters.tolerance * (2 * plan.cost + completion)) {
    // Where the map jumps along one axis it is better to begin with another one.
    if (swapped_for != level.layout) {
      swapped = std::make_unique<SwappedRearrangement>(level.layout);
      swapped_for = level.layout;
    }
    const Rearrangement other = swapped->measure(level.pushed, level.rho1, level.origins);
    completion = std::min(completion, 2 * other.turn + other.square);
  }
  const double upper = 2 * plan.cost + completion;
  // Bounds of one number, whichever iterate gave them.
  result.lower = at.checked ? std::max(result.lower, 2 * lower) : 2 * lower;
  result.upper = at.checked ? std::min(result.upper, upper) : upper;
  at.checked = true;
  result.marginal_error = level.dual_norm(level.rho1, &level.pushed);
}

const W2Position& BackAndForth::position() const { return state_->at; }

std::array<Field*, 2> BackAndForth::iterate() {
  AscentLevel& level = state_->grids.levels[state_->level()];
  return {&level.phi, &level.psi};
}

void BackAndForth::restore(const W2Position& position) {
  const int most = static_cast<int>(state_->grids.levels.size()) - 1;
  if (position.coarsening < 0 || position.coarsening > most)
    throw InputError(fmt::format("the position is on a grid halved {} times, here there are at most {} halvings", position.coarsening, most));
  state_->at = position;
  state_->resumed = true;
}

const Field& BackAndForth::phi() const { return state_->grids.given().phi; }
const Field& BackAndForth::psi() const { return state_->grids.given().psi; }

void BackAndForth::map(std::vector<Field>& T) { gradient_map(state_->grids.given().phi, 1, T); }

void BackAndForth::geodesic(double t, Field& rho) {
  AscentLevel &level = state_->grids.levels[state_->reached], &given = state_->grids.given();
  if (&level == &given) {
    level.pushforward.apply(level.phi, level.rho0, t, rho);
  } else {
    level.pushforward.apply(level.phi, level.rho0, t, level.spare);
    for (AscentLevel* l = &level; l != &given; --l) restrict_cells(l->spare, 0, l[-1].spare, 0);
    std::copy_n(given.spare.level(), given.layout->owned(), rho.level());
  }
  for (double& v : rho.owned()) v *= state_->mass;
}

}  // namespace wasserflow
