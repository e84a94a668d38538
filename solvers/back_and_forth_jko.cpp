#include "solvers/back_and_forth_jko.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "grids/reduce.hpp"
#include "grids/support/errors.hpp"
#include "solvers/grid_transfer.hpp"

namespace wasserflow {
namespace {

/// f(r) = beta r log r + c r^m / (m - 1), its derivative, and the inverse of that.
struct Law {
  double beta, c, m;

  double value(double r) const { return r > 0 ? beta * r * std::log(r) + c * std::pow(r, m) / (m - 1) : 0; }
  double slope(double r) const { return (beta > 0 ? beta * (std::log(r) + 1) : 0) + (c > 0 ? c * m / (m - 1) * std::pow(r, m - 1) : 0); }
  double curvature(double r) const { return (beta > 0 ? beta / r : 0) + (c > 0 ? c * m * std::pow(r, m - 2) : 0); }
  double density(double q) const {
    if (beta == 0) {
      if (!(q > 0)) return 0;
      const double r = q * (m - 1) / (c * m);
      return m == 2 ? r : std::pow(r, 1 / (m - 1));
    }
    double z = q / beta - 1;
    if (c == 0) return std::exp(z);
    // beta (z + 1) + k exp((m - 1) z) = q, convex and increasing in z = log r: Newton's method from the right of the root descends monotonically.
    const double k = c * m / (m - 1), right = q - beta;
    z = std::min(z, right > k ? std::log(right / k) / (m - 1) : z);
    for (int it = 0; it < 60; ++it) {
      const double e = k * std::exp((m - 1) * z), change = (beta * z + e - right) / (beta + (m - 1) * e);
      z -= change;
      if (std::fabs(change) <= 1e-15 * (1 + std::fabs(z))) break;
    }
    return std::exp(z);
  }
};

}  // namespace

struct BackAndForthJko::State {
  State(const SlabLayout& layout, double tau, const InternalEnergy& e, const BackAndForthParameters& p)
      : parameters(p), tau(tau), law{e.beta, e.c, e.m}, grids(layout, p) {}

  BackAndForthParameters parameters;
  double tau;
  Law law;
  AscentLevels grids;
  std::vector<Field> V;  ///< a level each
  double mass = 1;

  AscentLevel& finest() { return grids.finest(); }
  const Field& potential(const AscentLevel& level) const { return V[static_cast<std::size_t>(&level - grids.levels.data())]; }
  double energy(AscentLevel& level) const;
  void fill_density(AscentLevel& level, double shift) const;
  double evaluate(AscentLevel& level) const;
  void start(AscentLevel& level) const;
  void prepare(AscentLevel& level) const;
  void ascend(AscentLevel& level, int max_iterations, JkoReport* report);
};

BackAndForthJko::BackAndForthJko(const LayoutPtr& layout, double tau, const InternalEnergy& energy, const BackAndForthParameters& parameters) {
  if (!(tau > 0) || !std::isfinite(tau)) throw InputError(fmt::format("the step tau must be positive, not {}", tau));
  if (!(energy.beta >= 0) || !(energy.c >= 0) || !(energy.beta + energy.c > 0) || (energy.c > 0 && !(energy.m > 1)))
    throw InputError("an internal energy needs beta >= 0 and c >= 0, not both 0, and an exponent m > 1");
  if (energy.V != nullptr && !all_finite(*energy.V)) throw InputError("the potential is not finite everywhere");
  state_ = std::make_unique<State>(*layout, tau, energy, parameters);
  State& s = *state_;
  for (AscentLevel& level : s.grids.levels) {
    s.V.emplace_back(level.layout);
    level.evaluate = [&s](AscentLevel& l) { return s.evaluate(l); };
  }
  if (energy.V != nullptr) std::copy(energy.V->owned().begin(), energy.V->owned().end(), s.V.back().owned().begin());
  for (std::size_t l = s.V.size() - 1; l-- > 0;) restrict_cells(s.V[l + 1], 0, s.V[l], 0);
}

BackAndForthJko::~BackAndForthJko() = default;
BackAndForthJko::BackAndForthJko(BackAndForthJko&&) noexcept = default;
BackAndForthJko& BackAndForthJko::operator=(BackAndForthJko&&) noexcept = default;

double BackAndForthJko::State::energy(AscentLevel& level) const {
  const double *r = level.rho1.level(), *v = potential(level).level();
  const std::array<double, 1> total = sum_rows<1>(*level.layout, [&](std::ptrdiff_t o, int n) {
    double s = 0;
    for (std::ptrdiff_t i = o; i < o + n; ++i) s += v[i] * r[i] + law.value(r[i]);
    return std::array<double, 1>{s};
  });
  return total[0] * level.layout->grid().cell_volume();
}

/// rho1 = E*'(-(psi + shift) / tau)
void BackAndForthJko::State::fill_density(AscentLevel& level, double shift) const {
  const double *psi = level.psi.level(), *v = potential(level).level();
  double* r = level.rho1.level();
  for (std::ptrdiff_t i = 0; i < level.layout->owned(); ++i) r[i] = law.density(-(psi[i] + shift) / tau - v[i]);
}

/// psi + s, phi - s are as feasible as psi, phi: the best s gives the density the mass of mu, int rho1(s) = mass, which decreases in s.
double BackAndForthJko::State::evaluate(AscentLevel& level) const {
  const double volume = level.layout->grid().cell_volume();
  double shift = 0, low = -std::numeric_limits<double>::infinity(), high = -low, width = tau;
  for (int it = 0; it < 200; ++it) {
    fill_density(level, shift);
    const double* r = level.rho1.level();
    const std::array<double, 2> sums = sum_rows<2>(*level.layout, [&](std::ptrdiff_t o, int n) {
      std::array<double, 2> s{};
      for (std::ptrdiff_t i = o; i < o + n; ++i) {
        s[0] += r[i];
        if (r[i] > 0) s[1] += 1 / law.curvature(r[i]);
      }
      return s;
    });
    const double now = sums[0] * volume, excess = now - mass, slope = sums[1] * volume / tau;
    if (std::fabs(excess) <= 1e-13 * mass) break;
    (excess > 0 ? low : high) = shift;
    double next = shift + std::log(now / mass) * now / slope;  // Newton's method for log int rho1, which is linear for the entropy
    if (!(next > low && next < high) || !std::isfinite(next)) {
      // Outside of what is known: the middle, or further on.
      next = std::isfinite(low) && std::isfinite(high) ? 0.5 * (low + high) : shift + (excess > 0 ? width : -width);
      width *= 2;
    }
    if (next == shift) break;
    shift = next;
  }
  for (double& v : level.psi.owned()) v += shift;
  for (double& v : level.phi.owned()) v -= shift;
  return level.integral(level.phi, level.rho0) + level.integral(level.psi, level.rho1) + tau * energy(level);
}

/// psi for which the new density is the old one.
void BackAndForthJko::State::start(AscentLevel& level) const {
  const double floor = 1e-12 * max_abs(level.rho0);
  const double *m = level.rho0.level(), *v = potential(level).level();
  for (std::ptrdiff_t i = 0; i < level.layout->owned(); ++i) level.psi.level()[i] = -tau * (law.slope(std::max(m[i], floor)) + v[i]);
  level.conjugate(level.psi, level.phi);
}

/// The Hessian of the dual function is about div(mu grad) - E*'' / tau, with E*'' = rho / beta for the entropy: in units of its largest gradient part
/// the metric is w^{1/2} (-Lap + 1 / (beta tau)) w^{1/2}. Without entropy densities have edges, where that root would jump: -Lap + a mean of E*''.
void BackAndForthJko::State::prepare(AscentLevel& level) const {
  const double largest = max_abs(level.rho0);
  double shift = 1 / (law.beta * tau);
  if (law.beta > 0) {
    level.weight_floor = 1e-3;
  } else {
    const double* r = level.rho0.level();
    const std::array<double, 2> sums = sum_rows<2>(*level.layout, [&](std::ptrdiff_t o, int n) {
      std::array<double, 2> s{};
      for (std::ptrdiff_t i = o; i < o + n; ++i) {
        if (!(r[i] > 1e-12 * largest)) continue;
        s[0] += r[i] / law.curvature(r[i]);
        s[1] += r[i];
      }
      return s;
    });
    shift = sums[0] / sums[1] / (tau * largest);
  }
  AxisSymbols symbols;
  for (int d = 0; d < level.layout->dim(); ++d)
    symbols.axis[static_cast<std::size_t>(d)] = laplacian_symbol(level.layout->grid().axis(d), level.layout->grid().cells(d));
  level.metric.set({1, 1, TimeEnds::Planning}, {}, symbols, shift);
  level.sigma = level.largest_sigma = parameters.first_step / largest;
}

void BackAndForthJko::State::ascend(AscentLevel& level, int max_iterations, JkoReport* report) {
  prepare(level);
  level.begin();
  // Given up when the residual has not fallen by a tenth in four checks.
  std::vector<double> residuals;
  const Grid& grid = level.layout->grid();
  double h = grid.spacing(0);
  for (int d = 1; d < grid.dim(); ++d) h = std::min(h, grid.spacing(d));
  // Mass that lies a thousandth of a cell off: what steps that hardly move anything are measured by.
  const double displaced = 1e-3 * h * std::sqrt(mass * max_abs(level.rho0));
  for (int it = 0;; ++it) {
    if (!std::isfinite(level.value)) {
      if (report != nullptr) report->reason = StopReason::Diverged;
      return;
    }
    if (it % parameters.check_every == 0 || it == max_iterations) {
      const double apart = std::max(level.dual_norm(level.rho1, &level.rho0), displaced / parameters.tolerance),
                   error = level.dual_norm(level.rho1, nullptr);
      residuals.push_back(error);
      if (report != nullptr) {
        report->iterations = it;
        report->marginal_error = error;
        report->residuals = {{"marginal", error, apart}};
      }
      if (it > 0 && error <= parameters.tolerance * apart) {
        if (report != nullptr) report->reason = StopReason::Converged;
        return;
      }
      if (residuals.size() > 4 &&
          *std::min_element(residuals.end() - 4, residuals.end()) > 0.9 * *std::min_element(residuals.begin(), residuals.end() - 4))
        return;
    }
    if (it == max_iterations) return;
    level.iterate();
  }
}

JkoReport BackAndForthJko::step(Field& rho) {
  State& s = *state_;
  s.mass = checked_mass(rho);
  AscentLevel& finest = s.finest();
  std::copy(rho.owned().begin(), rho.owned().end(), finest.rho0.owned().begin());
  s.grids.restrict_down(&AscentLevel::rho0);
  std::vector<AscentLevel>& levels = s.grids.levels;
  s.start(levels.front());
  JkoReport report;
  for (std::size_t l = 0; l < levels.size(); ++l) {
    const bool last = l + 1 == levels.size();
    s.ascend(levels[l], last ? s.parameters.max_iterations : s.parameters.level_iterations, last ? &report : nullptr);
    if (!last) s.grids.finer[l].apply(levels[l].phi, levels[l + 1].phi);
  }
  // |x - T(x)|^2, without what splitting masses between cells adds.
  gradient_map(finest.phi, 1, finest.origins);
  double square = 0;
  const SlabLayout& layout = *finest.layout;
  for (int d = 0; d < layout.dim(); ++d) {
    const double* T = finest.origins[static_cast<std::size_t>(d)].level();
    for (int r = 0; r < layout.rows(); ++r) {
      const RowPoints row = layout.row(r);
      for (int i = 0; i < row.n; ++i) {
        const double moved = T[row.offset + i] - (d == 0 ? row.x[i] : d == 1 ? row.y : row.z);
        finest.spare.level()[row.offset + i] = moved * moved;
      }
    }
    square += finest.integral(finest.spare, finest.rho0);
  }
  report.transport = square / (2 * s.tau);
  report.energy = s.energy(finest);
  report.dual = finest.value / s.tau;
  // The mass to rounding: that of many steps must not drift.
  const double ratio = s.mass / (sum(finest.rho1) * layout.grid().cell_volume());
  for (std::ptrdiff_t i = 0; i < layout.owned(); ++i) rho.level()[i] = ratio * finest.rho1.level()[i];
  return report;
}

const Field& BackAndForthJko::phi() const { return state_->grids.finest().phi; }
const Field& BackAndForthJko::psi() const { return state_->grids.finest().psi; }

}  // namespace wasserflow
