#include "solvers/back_and_forth.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "grids/quadratic_interpolation.hpp"
#include "grids/quadratic_transform.hpp"
#include "grids/reduce.hpp"
#include "grids/support/errors.hpp"
#include "solvers/grid_transfer.hpp"
#include "solvers/preconditioner.hpp"
#include "solvers/pushforward.hpp"
#include "solvers/rearrangement.hpp"

namespace wasserflow {
namespace {

/// Potentials have slopes at the border: ghosts go on linearly.
LayoutPtr potential_layout(const SlabLayout& s) {
  std::vector<Axis> axes = s.grid().axes();
  for (Axis& axis : axes) axis.boundary = Boundary::Extrapolate;
  return make_layout(s.comm(), Grid(std::move(axes)), 2);
}

/// (-Lap)^{-1} without flux; one level given at both ends has no time part.
SpectralPreconditioner poisson(const LayoutPtr& layout) {
  AxisSymbols symbols;
  for (int d = 0; d < layout->dim(); ++d)
    symbols.axis[static_cast<std::size_t>(d)] = laplacian_symbol(layout->grid().axis(d), layout->grid().cells(d));
  return {layout, 1, {1, 1, TimeEnds::Planning}, {}, symbols};
}

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
  require(coarsest_cells >= 4, "coarsest_cells", "at least 4", coarsest_cells);
}

struct BackAndForth::State {
  struct Level {
    explicit Level(const LayoutPtr& l)
        : layout(l), rho0(l), rho1(l), phi(l), psi(l), pushed(l), step(l), spare(l), transform(l), laplacian(poisson(l)), pushforward(l) {
      for (int d = 0; d < l->dim(); ++d) origins.emplace_back(l);
    }
    LayoutPtr layout;
    Field rho0, rho1, phi, psi, pushed, step, spare;  ///< the last three: scratch
    std::vector<Field> origins;
    QuadraticTransform transform;
    SpectralPreconditioner laplacian;
    Pushforward pushforward;

    double integral(const Field& u, const Field& rho) const { return dot(u, rho) * layout->grid().cell_volume(); }
    double value() const { return integral(phi, rho0) + integral(psi, rho1); }
    void conjugate(const Field& u, Field& v) { transform.apply(u, v, MinimumOver::Neighborhood); }

    /// a += sigma (-Lap)^{-1} (mine - T_b# other); then b = a^c, a = b^c. Adapts sigma.
    void half_step(Field& a, const Field& mine, Field& b, const Field& other, double& value_now, double& sigma) {
      pushforward.apply(b, other, 1, pushed);
      for (std::ptrdiff_t i = 0; i < layout->owned(); ++i) pushed.level()[i] = mine.level()[i] - pushed.level()[i];
      laplacian.apply(pushed, step);
      const double slope = integral(step, pushed);
      for (std::ptrdiff_t i = 0; i < layout->owned(); ++i) a.level()[i] += sigma * step.level()[i];
      conjugate(a, b);
      // Armijo and Goldstein: a straight line would gain sigma slope, the best step of a parabola half of it.
      const double gain = slope > 0 ? (value() - value_now) / (sigma * slope) : 0;
      if (gain > 0.75) sigma *= 1.25;
      if (gain < 0.25) sigma *= 0.8;
      conjugate(b, a);
      value_now = value();
    }
  };

  LayoutPtr layout;
  BackAndForthParameters parameters;
  std::vector<Level> levels;  ///< coarsest first
  std::vector<QuadraticInterpolation> finer;  ///< from level l to l + 1

  bool checked = false;  ///< there are bounds

  Level& finest() { return levels.back(); }
  void start(Level& level) const;
  void ascend(Level& level, int max_iterations, W2Result& result, bool last);
  void bounds(Level& level, W2Result& result);
};

BackAndForth::BackAndForth(LayoutPtr layout, const BackAndForthParameters& parameters) : state_(std::make_unique<State>()) {
  parameters.validate();
  const Grid& grid = layout->grid();
  for (const Axis& axis : grid.axes())
    if (axis.boundary != Boundary::NoFlux || axis.offset != 0.5)
      throw InputError("the back-and-forth method needs no_flux axes with unknowns at the cell centres");
  State& s = *state_;
  s.layout = layout;
  s.parameters = parameters;
  std::vector<LayoutPtr> layouts{potential_layout(*layout)};
  while (parameters.nested)
    if (LayoutPtr next = coarser(*layouts.back(), parameters.coarsest_cells))
      layouts.push_back(std::move(next));
    else
      break;
  for (auto l = layouts.rbegin(); l != layouts.rend(); ++l) s.levels.emplace_back(*l);
  for (std::size_t l = 1; l < s.levels.size(); ++l) s.finer.emplace_back(s.levels[l - 1].layout, s.levels[l].layout);
}

BackAndForth::~BackAndForth() = default;
BackAndForth::BackAndForth(BackAndForth&&) noexcept = default;
BackAndForth& BackAndForth::operator=(BackAndForth&&) noexcept = default;

void BackAndForth::State::start(Level& level) const {
  level.phi.fill(0);
  if (!parameters.moment_start) return;
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
  const double volume = s.layout->grid().cell_volume();
  std::array<double, 2> mass{};
  for (int k = 0; k < 2; ++k) {
    const Field& rho = k == 0 ? rho0 : rho1;
    if (!all_finite(rho)) throw InputError("a density is not finite everywhere");
    double least = 0;
    for (const double v : rho.owned()) least = std::min(least, v);
    least = global_min(s.layout->comm(), least);
    if (least < 0) throw InputError(fmt::format("a density is negative somewhere: {:.6g}", least));
    mass[static_cast<std::size_t>(k)] = sum(rho) * volume;
    if (!(mass[static_cast<std::size_t>(k)] > 0)) throw InputError("a density has no mass");
  }
  if (std::fabs(mass[0] - mass[1]) > 1e-10 * mass[0])
    throw InputError(fmt::format("the densities have the masses {:.10g} and {:.10g}: no plan joins them", mass[0], mass[1]));
  State::Level& finest = s.finest();
  for (std::ptrdiff_t i = 0; i < s.layout->owned(); ++i) {
    finest.rho0.level()[i] = rho0.level()[i] / mass[0];
    finest.rho1.level()[i] = rho1.level()[i] / mass[1];
  }
  for (std::size_t l = s.finer.size(); l-- > 0;) {
    restrict_cells(s.levels[l + 1].rho0, 0, s.levels[l].rho0, 0);
    restrict_cells(s.levels[l + 1].rho1, 0, s.levels[l].rho1, 0);
  }
  W2Result result;
  result.levels = static_cast<int>(s.levels.size());
  s.checked = false;
  s.start(s.levels.front());
  for (std::size_t l = 0; l < s.levels.size(); ++l) {
    const bool last = l + 1 == s.levels.size();
    s.ascend(s.levels[l], last ? s.parameters.max_iterations : s.parameters.level_iterations, result, last);
    if (!last) s.finer[l].apply(s.levels[l].phi, s.levels[l + 1].phi);
  }
  result.squared = std::max(0.0, 0.5 * (result.lower + result.upper));
  result.distance = std::sqrt(result.squared);
  for (std::ptrdiff_t i = 0; i < s.layout->owned(); ++i) finest.pushed.level()[i] = finest.rho1.level()[i] - finest.rho0.level()[i];
  finest.laplacian.apply(finest.pushed, finest.step);
  const double apart = std::sqrt(std::max(0.0, finest.integral(finest.step, finest.pushed)));
  result.residuals = {{"duality_gap", result.upper - result.lower, result.upper}, {"marginal", result.marginal_error, apart}};
  return result;
}

void BackAndForth::State::ascend(Level& level, int max_iterations, W2Result& result, bool last) {
  level.conjugate(level.phi, level.psi);
  level.conjugate(level.psi, level.phi);
  double value = level.value(), sigma = parameters.first_step / std::max(max_abs(level.rho0), max_abs(level.rho1));
  double best = 0;
  for (int it = 0;; ++it) {
    if (last) result.iterations = it;
    if (it % parameters.check_every == 0 || it == max_iterations) {
      if (last) {
        bounds(level, result);
        if (!std::isfinite(result.upper) || !std::isfinite(result.lower)) {
          result.reason = StopReason::Diverged;
          return;
        }
        if (result.upper - result.lower <= parameters.tolerance * result.upper) {
          result.reason = StopReason::Converged;
          return;
        }
      }
      // No prospect of reaching the tolerance soon.
      if (it > 0 && value - best <= 0.02 * parameters.tolerance * std::fabs(value)) return;
      best = std::max(best, value);
    }
    if (it == max_iterations) return;
    level.half_step(level.phi, level.rho0, level.psi, level.rho1, value, sigma);
    level.half_step(level.psi, level.rho1, level.phi, level.rho0, value, sigma);
  }
}

void BackAndForth::State::bounds(Level& level, W2Result& result) {
  // Exactly feasible on the grid: psi = phi^c over the nodes.
  level.transform.apply(level.phi, level.spare);
  double lower = level.integral(level.spare, level.rho1);
  level.transform.apply(level.spare, level.step);
  lower += level.integral(level.step, level.rho0);
  PlanFigures plan;
  level.pushforward.apply(level.phi, level.rho0, 1, level.pushed, &plan, &level.origins);
  const Rearrangement rest = rearrangement(level.pushed, level.rho1, &level.origins);
  const double upper = 2 * plan.cost + 2 * rest.turn + rest.square;
  // Bounds of one number, whichever iterate gave them.
  result.lower = checked ? std::max(result.lower, 2 * lower) : 2 * lower;
  result.upper = checked ? std::min(result.upper, upper) : upper;
  checked = true;
  for (std::ptrdiff_t i = 0; i < level.layout->owned(); ++i) level.pushed.level()[i] = level.rho1.level()[i] - level.pushed.level()[i];
  level.laplacian.apply(level.pushed, level.step);
  result.marginal_error = std::sqrt(std::max(0.0, level.integral(level.step, level.pushed)));
}

const Field& BackAndForth::phi() const { return state_->levels.back().phi; }
const Field& BackAndForth::psi() const { return state_->levels.back().psi; }

void BackAndForth::map(std::vector<Field>& T) { gradient_map(state_->finest().phi, 1, T); }

void BackAndForth::geodesic(double t, Field& rho) {
  State::Level& level = state_->finest();
  level.pushforward.apply(level.phi, level.rho0, t, rho);
}

}  // namespace wasserflow
