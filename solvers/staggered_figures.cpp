/// What is started from, reported and written: standard start, scales, densities, energies.
#include <algorithm>
#include <cmath>
#include <limits>

#include "grids/reduce.hpp"
#include "grids/row_neighbours.hpp"
#include "grids/support/errors.hpp"
#include "solvers/space_time_prolongation.hpp"
#include "solvers/staggered_scheme.hpp"

namespace wasserflow {
namespace {
std::size_t index(int i) { return static_cast<std::size_t>(i); }
}  // namespace

void StaggeredScheme::start() {
  const std::ptrdiff_t n = problem_.layout->owned();
  const double* first = problem_.initial.level();
  const double* last = problem_.final_density ? problem_.final_density->level() : first;
  for (int level = 0; level <= problem_.steps; ++level) {
    const double s = static_cast<double>(level) / problem_.steps;
    double* rho = x_.rho.level(level);
    for (std::ptrdiff_t i = 0; i < n; ++i) rho[i] = (1 - s) * first[i] + s * last[i];
  }
  for (Field& m : x_.m) m.fill(0);
  if (x_.z) x_.z.fill(0);
  for (Field* y : dual()) y->fill(0);
  make_feasible();
}

void StaggeredScheme::start_from(MeanFieldScheme& other) {
  auto* coarse = dynamic_cast<StaggeredScheme*>(&other);
  if (!coarse) throw InternalError("a staggered scheme starts from a staggered scheme");
  // Bumps that straight lines smear take iterations to sharpen: a third of them for transport between given densities. No gain was seen for y, which
  // has kinks at the edges of supports, and none where the density is free to spread (free ends, reaction).
  const Interpolation order = problem_.final_density && !x_.z ? Interpolation::Quadratic : Interpolation::Linear;
  prolong(coarse->x_.rho, x_.rho, TimeSamples::Nodes, -1, order);
  for (int d = 0; d < dim_; ++d) {
    prolong(coarse->x_.m[index(d)], x_.m[index(d)], TimeSamples::HalfTimes, d, order);
    prolong(coarse->y_.m[index(d)], y_.m[index(d)], TimeSamples::HalfTimes);
  }
  prolong(coarse->y_.rho, y_.rho, TimeSamples::HalfTimes);
  if (x_.z) {
    prolong(coarse->x_.z, x_.z, TimeSamples::HalfTimes);
    prolong(coarse->y_.z, y_.z, TimeSamples::HalfTimes);
  }
  for (std::size_t k = 0; k < y_.late.size(); ++k) {
    if (coarse->y_.late.empty()) throw InternalError("the positive variant starts from the positive variant");
    prolong(coarse->y_.late[k].rho, y_.late[k].rho, TimeSamples::HalfTimes);
    for (int d = 0; d < dim_; ++d) prolong(coarse->y_.late[k].m[index(d)], y_.late[k].m[index(d)], TimeSamples::HalfTimes);
    if (y_.z) prolong(coarse->y_.late[k].z, y_.late[k].z, TimeSamples::HalfTimes);
  }
  if (y_.end) {  // = G'(rho(T)) / dt
    prolong(coarse->y_.end, y_.end, TimeSamples::One);
    const double scale = coarse->problem_.dt() / problem_.dt();
    for (double& v : y_.end.owned()) v *= scale;
  }
  sigma_ = coarse->sigma_;
  make_feasible();
}

double StaggeredScheme::default_weight() {
  // tau ~ |x| / |y| balances both sides; y = (.., H_p in units of c, .., G'(rho) / dt), where H_p ~ m / rho.
  const SlabLayout& layout = *problem_.layout;
  const TransportCost& cost = *problem_.cost;
  ExactSum sums[5];  // rho^2, m^2, rho, rho f^2, rho g^2
  double* const f = v_[0];
  for (int level = 0; level < problem_.steps; ++level)
    for (int r = 0; r < layout.rows(); ++r) {
      const RowPoints p = row(r, level);
      const double* rho = x_.rho.level(level) + p.offset;
      for (int i = 0; i < p.n; ++i) terms_[index(i)] = rho[i] * rho[i];
      add_row(sums[0], layout, terms_.data(), p.n);
      for (int d = 0; d < dim_; ++d) {
        const double* m = x_.m[index(d)].level(level) + p.offset;
        for (int i = 0; i < p.n; ++i) terms_[index(i)] = m[i] * m[i];
        add_row(sums[1], layout, terms_.data(), p.n);
      }
    }
  const auto slopes = [&](const Coupling& coupling, const RowPoints& p, ExactSum& sum) {
    const double* rho = problem_.initial.level() + p.offset;
    coupling.derivative(p, rho, f);
    for (int i = 0; i < p.n; ++i) terms_[index(i)] = rho[i] > 0 ? rho[i] * (f[i] * f[i]) : 0;
    add_row(sum, layout, terms_.data(), p.n);
  };
  for (int r = 0; r < layout.rows(); ++r) {
    RowPoints p = row(r, 0);
    add_row(sums[2], layout, problem_.initial.level() + p.offset, p.n);
    if (!cost.running().is_zero()) slopes(cost.running(), p, sums[3]);
    if (!y_.end) continue;
    p.t = problem_.horizon;
    slopes(cost.terminal(), p, sums[4]);
  }
  ExactSum::reduce(layout.comm(), sums);
  const double rho = std::max(mean_square_root(sums[0].value()), problem_.density_scale), m = mean_square_root(sums[1].value());
  const double mass = sums[2].value() > 0 ? sums[2].value() : 1;  // nobody at first: no slopes either
  const double flow = unit_ * m / rho, running = std::sqrt(sums[3].value() / mass), end = std::sqrt(sums[4].value() / mass) / problem_.horizon;
  const double scale = std::sqrt(flow * flow + running * running + end * end);
  // What moves is a part of x, a smaller one where the end is free (flat optima of measured numbers of iterations).
  const double part = y_.end ? 0.1 : 0.6;
  return std::max(scale, 1e-3 * unit_) / (part * rho);
}

void StaggeredScheme::density(Field& rho) {
  const SlabLayout& layout = *problem_.layout;
  for (int level = 0; level <= problem_.steps; ++level) {
    const double* x = x_.rho.level(level);
    double* out = rho.level(level);
    // What is cut off below 0 is taken from the rest.
    const auto [total, kept] = sum_rows<2>(layout, [&](std::ptrdiff_t offset, int n) {
      std::array<double, 2> s{};
      for (int i = 0; i < n; ++i) {
        s[0] += x[offset + i];
        s[1] += std::max(x[offset + i], 0.0);
      }
      return s;
    });
    const double scale = kept > 0 ? std::max(total / kept, 0.0) : 0;
    for (std::ptrdiff_t i = 0; i < layout.owned(); ++i) out[i] = scale * std::max(x[i], 0.0);
  }
}

void StaggeredScheme::momentum(std::vector<Field>& m) {
  const SlabLayout& layout = *problem_.layout;
  operator_.exchange_for_interpolation(x_);
  double* rows[3];
  for (int level = 0; level < problem_.steps; ++level)
    for (int r = 0; r < layout.rows(); ++r) {
      const RowPoints p = layout.row(r);
      for (int d = 0; d < dim_; ++d) rows[d] = m[index(d)].level(level) + p.offset;
      operator_.interpolation_row(x_, level, p.offset, p.n, v_[0], rows);
      for (int d = 0; d < dim_; ++d)
        for (int i = 0; i < p.n; ++i) rows[d][i] *= speed_;
    }
}

void StaggeredScheme::value(Field& phi) {
  if (has_slopes()) add_slopes();
  operator_.exchange(y_);
  operator_.solve([&](int level, std::ptrdiff_t offset, int n, double* row) { operator_.adjoint_continuity_row(y_, level, offset, n, row); }, phi);
  if (!problem_.stationary) return;
  const double mean = sum(phi) / static_cast<double>(problem_.layout->grid().size());
  for (double& v : phi.owned()) v -= mean;
  ergodic_constant_ = -mean / problem_.horizon;
}

void StaggeredScheme::positive_row(const StaggeredState& x, const RowPoints& p, int which) {
  operator_.interpolation_row(x, p.level, p.offset, p.n, v_[0], v_.data() + 1, which);
  const CentredState& from = copy(which);
  if (x.z) std::copy_n(x.z.level(p.level) + p.offset, p.n, v_.back());
  for (int c = 0; c <= slots_; ++c) {
    const Field& dual = c == 0 ? from.rho : c <= dim_ ? from.m[index(c - 1)] : from.z;
    const double* y = dual.level(p.level) + p.offset;
    for (int i = 0; i < p.n; ++i) {
      v_[index(c)][i] *= c == 0 ? 1 : -speed_;
      u_[index(c)][i] = v_[index(c)][i] + (c == 0 ? 1 : -speed_) * y[i] / sigma_;
    }
  }
  problem_.cost->prox(p, 1 / sigma_, speed_ * speed_ / sigma_, u_[0], u_.data() + 1);
}

MeanFieldFigures StaggeredScheme::figures() {
  const SlabLayout& layout = *problem_.layout;
  const TransportCost& cost = *problem_.cost;
  const double cell = layout.grid().cell_volume(), unit = (problem_.stationary ? 1 : problem_.dt()) * cell * operator_.share();
  const int steps = problem_.steps;
  MeanFieldFigures out;
  out.lower_bound = -std::numeric_limits<double>::infinity();
  out.continuity = operator_.continuity_error(x_).largest / largest_density_;
  operator_.exchange_for_interpolation(x_);

  enum { Kinetic, Running, Feasible, Interaction, FeasibleEnd, End, Count };
  ExactSum sums[Count];
  std::vector<double> energy(terms_.size()), kinetic(terms_.size());
  for (int level = 0; level < steps; ++level) {
    for (int k = 0; k < layout.rows() * operator_.copies(); ++k) {
      const RowPoints p = row(k % layout.rows(), level);
      positive_row(x_, p, k / layout.rows());
      cost.energy(p, u_[0], u_.data() + 1, energy.data(), kinetic.data());
      add_row(sums[Kinetic], layout, kinetic.data(), p.n);
      for (int i = 0; i < p.n; ++i) energy[index(i)] -= kinetic[index(i)];
      add_row(sums[Running], layout, energy.data(), p.n);
      cost.energy(p, v_[0], v_.data() + 1, energy.data());
      add_row(sums[Feasible], layout, energy.data(), p.n);
      if (problem_.nonlocal) std::copy_n(u_[0], p.n, given_.level() + p.offset);
    }
    if (!problem_.nonlocal) continue;
    problem_.nonlocal->apply(given_, 0, pull_, level);
    for (int r = 0; r < layout.rows(); ++r) {
      const RowPoints p = layout.row(r);
      for (int i = 0; i < p.n; ++i) terms_[index(i)] = 0.5 * given_.level()[p.offset + i] * pull_.level(level)[p.offset + i];
      add_row(sums[Interaction], layout, terms_.data(), p.n);
    }
  }
  if (y_.end) {
    const double step = sigma_ * operator_.end_weight();
    for (int r = 0; r < layout.rows(); ++r) {
      RowPoints p = layout.row(r);
      p.t = problem_.horizon;
      const double* rho = x_.rho.level(steps) + p.offset;
      const double* y = y_.end.level() + p.offset;
      for (int i = 0; i < p.n; ++i) u_[0][i] = rho[i] + y[i] / step;
      cost.terminal().prox(p, 1 / step, u_[0], 1 / problem_.dt());
      cost.terminal().value(p, u_[0], energy.data());
      add_row(sums[End], layout, energy.data(), p.n);
      cost.terminal().value(p, rho, energy.data());
      add_row(sums[FeasibleEnd], layout, energy.data(), p.n);
    }
  }
  ExactSum::reduce(layout.comm(), sums);
  out.kinetic = unit * sums[Kinetic].value();
  out.running = unit * sums[Running].value();
  out.interaction = (problem_.stationary ? 1 : problem_.dt()) * cell * sums[Interaction].value();
  out.terminal = cell * sums[End].value();
  out.feasible_objective = unit * sums[Feasible].value() + out.interaction + cell * sums[FeasibleEnd].value();

  double least = std::numeric_limits<double>::infinity();
  const double mass = sum(x_.rho, 0);
  for (int level = 0; level <= steps; ++level) {
    for (double v : x_.rho.owned(level)) least = std::min(least, v);
    if (!cost.has_reaction() && !problem_.source) out.mass_error = std::max(out.mass_error, std::fabs(sum(x_.rho, level) / mass - 1));
  }
  out.least_density = global_min(layout.comm(), least);
  out.value_equation = value_equation_residual();
  out.ergodic_constant = ergodic_constant_;
  return out;
}

double StaggeredScheme::value_equation_residual() {
  const SlabLayout& layout = *problem_.layout;
  const TransportCost& cost = *problem_.cost;
  const int steps = problem_.steps;
  const bool stationary = problem_.stationary;
  if (steps < 3 && !stationary) return std::nan("");
  value(phi_);
  phi_.exchange_ghosts();
  measured_ = false;
  RowNeighbours near(problem_.layout, 1);
  ExactSum sums[2];
  std::vector<double> residual(terms_.size()), slope_rows(index(slots_) * terms_.size());
  std::vector<double*> slope;
  for (int d = 0; d < slots_; ++d) slope.push_back(slope_rows.data() + index(d) * terms_.size());
  for (int level = stationary ? 0 : 1; level + 1 < (stationary ? 2 : steps); ++level)
    for (int r = 0; r < layout.rows(); ++r) {
      const RowPoints p = row(r, level);
      near.load(phi_.level(level), r);
      for (int d = 0; d < dim_; ++d) {
        const double f = 0.5 / layout.grid().spacing(d);
        const double *up = near.at(d, 1), *down = near.at(d, -1);
        for (int i = 0; i < p.n; ++i) slope[index(d)][i] = f * (up[i] - down[i]);
      }
      if (slots_ > dim_) std::copy_n(phi_.level(level) + p.offset, p.n, slope.back());
      positive_row(x_, p);
      cost.hamiltonian(p, slope.data(), residual.data(), u_[0]);
      cost.running().derivative(p, u_[0], terms_.data());
      for (int i = 0; i < p.n; ++i) residual[index(i)] -= terms_[index(i)];
      if (has_slopes())
        for (int i = 0; i < p.n; ++i) residual[index(i)] -= pull_.level(level)[p.offset + i] - y_.rho.level(level)[p.offset + i];
      if (stationary) {
        const double* phi = phi_.level() + p.offset;
        for (int i = 0; i < p.n; ++i) residual[index(i)] += phi[i] / problem_.horizon - ergodic_constant_;
      } else {
        const double *before = phi_.level(level - 1) + p.offset, *after = phi_.level(level + 1) + p.offset;
        for (int i = 0; i < p.n; ++i) residual[index(i)] -= (after[i] - before[i]) * (0.5 / problem_.dt());
      }
      if (problem_.viscosity > 0) operator_.add_laplacian_row(phi_, level, p.offset, p.n, -problem_.viscosity, residual.data());
      for (int i = 0; i < p.n; ++i) terms_[index(i)] = u_[0][i] > 0 ? u_[0][i] * std::fabs(residual[index(i)]) : 0;
      add_row(sums[0], layout, terms_.data(), p.n);
      add_row(sums[1], layout, u_[0], p.n);
    }
  ExactSum::reduce(layout.comm(), sums);
  return sums[1].value() > 0 ? sums[0].value() / sums[1].value() : 0;
}

}  // namespace wasserflow
