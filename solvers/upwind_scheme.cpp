#include "solvers/upwind_scheme.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "grids/reduce.hpp"
#include "grids/support/errors.hpp"
#include "solvers/grid_transfer.hpp"
#include "solvers/point_rows.hpp"

namespace wasserflow {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double unbounded_gap = 1e30;     // infinite residuals are those of diverged iterates
constexpr double negligible_mass = 1e-10;  // of the whole

std::size_t index(int i) { return static_cast<std::size_t>(i); }

/// The pointwise part of a mean-field problem as the Hamiltonian of a window: drift, potential and couplings are in it.
class CostHamiltonian final : public Hamiltonian {
 public:
  CostHamiltonian(const MeanFieldProblem& problem) : problem_(&problem) {}
  std::string name() const override { return "transport cost"; }
  Splitting splitting() const override { return problem_->cost->splitting(); }
  void bind(LayoutPtr, std::span<const double>) override {}
  void set_times(std::span<const double>) override {}
  void evaluate(const RowPoints& p, const double* const* q, double* h) const override { problem_->cost->hamiltonian(p, q, h); }
  void gradient(const RowPoints& p, const double* const* q, double* const* g) const override { problem_->cost->velocity(p, q, g); }
  void prox(const RowPoints& p, double sigma_rho, double sigma_m, double* u0, double* const* u) const override {
    if (p.level > 0) return problem_->cost->prox(p, sigma_rho, sigma_m, u0, u);
    if (!problem_->final_density) return problem_->cost->prox(p, sigma_rho, sigma_m, u0, u, 1 / problem_->dt());
    const double* rho = problem_->final_density->level() + p.offset;
    problem_->cost->prox_flux(p, sigma_m, rho, u);
    std::copy_n(rho, p.n, u0);
  }
  void lagrangian(const RowPoints&, const double* const*, double*) const override { unused(); }
  void evaluate_true(const RowPoints&, const double* const*, double*) const override { unused(); }
  void gradient_true(const RowPoints&, const double* const*, double* const*) const override { unused(); }

 private:
  [[noreturn]] static void unused() { throw InternalError("transport costs have no use for true slopes"); }
  const MeanFieldProblem* problem_;
};

/// Largest |W x| / |x|, by the power method.
double norm_of(NonlocalPotential& w, const LayoutPtr& layout) {
  Field x(layout), y(layout);
  for (int r = 0; r < layout->rows(); ++r) {
    const RowPoints p = layout->row(r);
    for (int i = 0; i < p.n; ++i) x.level()[p.offset + i] = 1 + 0.5 * std::sin(7.3 * p.x[i] + 5.1 * p.y + 3.7 * p.z);
  }
  double norm = 0;
  for (int i = 0; i < 30; ++i) {
    const double size = std::sqrt(dot(x, x));
    if (!(size > 0)) break;
    for (double& v : x.owned()) v /= size;
    w.apply(x, 0, y, 0);
    norm = std::sqrt(dot(y, y));
    std::swap(x, y);
  }
  return 1.05 * norm;
}

}  // namespace

UpwindScheme::UpwindScheme(MeanFieldProblem problem, const UpwindOptions& options) : problem_(std::move(problem)) {
  const LayoutPtr& layout = problem_.layout;
  const Grid& grid = layout->grid();
  problem_.validate();
  for (int d = 0; d < grid.dim(); ++d)
    if (const Boundary kind = grid.axis(d).boundary; kind != Boundary::Periodic && kind != Boundary::NoFlux)
      throw InputError(fmt::format("mass would leave through boundary \"{}\": mean-field problems take \"periodic\" and \"no_flux\"", name(kind)));
  TransportCost& cost = *problem_.cost;
  if (cost.splitting() != cost.terms().hamiltonian.kinetic->splitting())
    throw InputError("the upwind scheme takes the slopes of the Hamiltonian's own splitting");
  if (cost.splitting() == Splitting::LaxFriedrichs && *std::max_element(options.alpha.begin(), options.alpha.end()) == 0)
    throw InputError(fmt::format("the Hamiltonian '{}' has no upwind sides: the upwind scheme needs bounds of |dH/dp| as numerical speeds",
                                 cost.terms().hamiltonian.kinetic->name()));
  if (cost.terms().obstacle && problem_.viscosity > 0)
    throw InputError("with diffusion the momenta of the upwind scheme cannot hold mass back from an obstacle: take the staggered scheme");
  if (problem_.source || problem_.potential) throw InternalError("given sources and potentials are for the staggered scheme");
  if (cost.has_reaction()) throw InputError("the upwind scheme has no reaction flux: unbalanced problems are for the staggered scheme");

  mass_ = sum(problem_.initial);
  if (problem_.final_density) {
    const double* first = problem_.initial.level();
    const double* last = problem_.final_density->level();
    const double stuck = sum_rows<1>(*layout, [&](std::ptrdiff_t offset, int n) {
      double s = 0;
      for (std::ptrdiff_t i = offset; i < offset + n; ++i) s += last[i] > 0 ? 0 : first[i];
      return std::array{s};
    })[0];
    if (stuck > negligible_mass * mass_)
      throw InputError(fmt::format(
          "the final density is 0 in cells where {:.2g} of the mass starts, and the upwind scheme empties no cell: add a small background "
          "to it, or take the staggered scheme",
          stuck / mass_));
  }

  std::vector<double> times;
  for (int k = 0; k < problem_.steps; ++k) times.push_back(problem_.horizon - (k + 1) * problem_.dt());
  times.back() = 0;
  cost.bind(layout, times, problem_.horizon);
  HamiltonianTerms terms;
  terms.kinetic = std::make_unique<CostHamiltonian>(problem_);
  window_ = std::make_unique<HamiltonJacobiProblem>(
      make_hamilton_jacobi_problem(std::move(terms), layout, problem_.viscosity, problem_.dt(), times, options.alpha));

  for (const FunctionPtr& b : cost.terms().hamiltonian.drift) drift_.emplace_back(b, layout, times);
  HjMeanFieldTerms mean_field;
  mean_field.initial_density = problem_.initial.clone();
  mean_field.planning = problem_.final_density.has_value();
  if (problem_.nonlocal) {
    nonlocal_ = std::make_unique<Field>(layout, problem_.steps);
    mean_field.gradient = nonlocal_.get();
    mean_field.lipschitz = norm_of(*problem_.nonlocal, layout);
  }
  saddle_ = std::make_unique<HjSaddlePoint>(*window_, std::pow(0.5 * problem_.speed_scale(), 2), std::move(mean_field));
  density_norm_ = std::sqrt(problem_.steps * dot(problem_.initial, problem_.initial));
  start();
}

void UpwindScheme::start() {
  saddle_->phi().fill(0);
  saddle_->initial().fill(0);
  for (Field& m : saddle_->momenta()) m.fill(0);
  for (int k = 0; k < problem_.steps; ++k) {
    const double s = static_cast<double>(problem_.steps - k) / problem_.steps;  // of the way to the end
    double* rho = saddle_->rho().level(k);
    const double* first = problem_.initial.level();
    const double* last = problem_.final_density ? problem_.final_density->level() : first;
    for (std::ptrdiff_t i = 0; i < problem_.layout->owned(); ++i) rho[i] = first[i] + s * (last[i] - first[i]);
  }
}

UpwindScheme::~UpwindScheme() = default;

double UpwindScheme::default_weight() {
  const auto points = static_cast<double>(problem_.layout->grid().size());
  const double mean = mass_ / points, mean_square = density_norm_ * density_norm_ / (points * problem_.steps);
  const double weight = 0.35 * std::sqrt(mean * std::sqrt(mean_square)) / saddle_->kappa_squared();
  if (!problem_.final_density || !problem_.cost->running().is_zero() || problem_.nonlocal) return weight;
  // Transport: what the noise, the scheme's own included, leaves of a mode that moves with the density.
  const double kappa = std::sqrt(saddle_->kappa_squared());
  double width = 0, length = 0;
  for (const Axis& axis : problem_.layout->grid().axes()) {
    width = std::max(width, axis.spacing());
    length = std::max(length, axis.length());
  }
  const double noise = problem_.viscosity + 0.5 * kappa * (width + kappa * problem_.dt());
  return weight * problem_.layout->dim() * length * kappa / (43 * noise);
}

void UpwindScheme::update_nonlocal() {
  for (int k = 0; k < problem_.steps; ++k) problem_.nonlocal->apply(saddle_->rho(), k, *nonlocal_, k);
}

double UpwindScheme::dual_step(double sigma, double relaxation, bool measure) {
  if (nonlocal_) update_nonlocal();
  relaxed_ = relaxation != 1;
  static_cast<void>(saddle_->dual_step(sigma, relaxation, false));
  if (!measure) return 0;
  double value = 0, scale = 0;
  value_residual(value, scale);
  return sigma * std::sqrt(scale > 0 ? value / scale : value);
}

double UpwindScheme::primal_error(double tau, double relaxation) { return std::sqrt(saddle_->primal_error(tau, relaxation) / density_norm_); }

void UpwindScheme::value_residual(double& residual, double& scale) {
  const SlabLayout& layout = *problem_.layout;
  const TransportCost& cost = *problem_.cost;
  const int slots = cost.slots();
  const bool capacity = cost.running().has_capacity() || cost.terminal().has_capacity();
  Field& phi = saddle_->phi();
  phi.exchange_ghosts();
  if (nonlocal_) update_nonlocal();
  PointRows rows(layout, slots + 5);
  double *a = rows[0], *h = rows[slots + 1], *f = rows[slots + 2], *g = rows[slots + 3], *most = rows[slots + 4];
  std::array<ExactSum, 3> sums;
  for (int k = problem_.final_density ? 1 : 0; k < problem_.steps; ++k)
    for (int r = 0; r < layout.rows(); ++r) {
      const RowPoints p = window_->row(r, k);
      rows.clear(0, slots + 1, p.n);
      saddle_->add_operator_row(phi, k > 0 ? phi.level(k - 1) : nullptr, k, r, 1, 1, a, rows.from(1));
      const double* rho = saddle_->rho().level(k) + p.offset;
      cost.hamiltonian(p, rows.from(1), h, cost.separable() ? nullptr : rho);
      cost.running().derivative(p, rho, f);
      if (k == 0) {
        cost.terminal().derivative(p, rho, g, 1 / problem_.dt());
        for (int i = 0; i < p.n; ++i) f[i] += g[i];
      }
      if (nonlocal_)
        for (int i = 0; i < p.n; ++i) f[i] += nonlocal_->level(k)[p.offset + i];
      if (capacity) {
        std::fill_n(most, p.n, infinity);
        for (int first = 0; first < p.n; first += coupling_chunk) {
          RowPoints part = p;
          part.n = std::min(coupling_chunk, p.n - first);
          part.x += first;
          part.offset += first;
          cost.running().limit(part, most + first);
          if (k == 0) cost.terminal().limit(part, most + first);
        }
      }
      for (int i = 0; i < p.n; ++i) {
        const double density = std::max(rho[i], 0.0);
        double value = a[i] + h[i] - f[i];
        if (capacity && rho[i] >= most[i] * (1 - 1e-9)) value = std::min(value, 0.0);  // the normal cone of the capacity takes what is above 0
        // The logarithm of no density weighs nothing.
        h[i] = density > 0 ? density * (std::fabs(a[i]) + std::fabs(h[i])) : 0;
        a[i] = density > 0 ? density * std::fabs(value) : 0;
        g[i] = density;
      }
      add_row(sums[0], layout, a, p.n);
      add_row(sums[1], layout, h, p.n);
      add_row(sums[2], layout, g, p.n);
    }
  ExactSum::reduce(layout.comm(), sums);
  const double weight = sums[2].value() > 0 ? sums[2].value() : 1;
  residual = sums[0].value() / weight;
  scale = sums[1].value() / weight;
}

std::vector<Residual> UpwindScheme::residuals() {
  if (by_gap_) return {{"gap", std::min(bounds().gap(), unbounded_gap), 1}};
  double value = 0, scale = 0;
  value_residual(value, scale);
  return {{"continuity", saddle_->continuity_residual() / density_norm_, 1}, {"value_equation", scale > 0 ? value / scale : value, 1}};
}

MeanFieldFigures UpwindScheme::figures() {
  const SlabLayout& layout = *problem_.layout;
  const TransportCost& cost = *problem_.cost;
  const int slots = cost.slots();
  const double volume = layout.grid().cell_volume(), dt = problem_.dt();
  if (nonlocal_) update_nonlocal();
  PointRows rows(layout, slots + 3);
  double *all = rows[slots], *kinetic = rows[slots + 1], *other = rows[slots + 2];
  std::array<ExactSum, 4> sums;  // kinetic, with coupling, interaction, terminal
  // Over-relaxed iterates may be outside the domain of the cost: the nearest point inside, but for a step of no size.
  const double kappa2 = saddle_->kappa_squared();
  const double small = 1e-9 * density_norm_ / std::sqrt(static_cast<double>(layout.grid().size()) * problem_.steps) / kappa2;
  for (int k = 0; k < problem_.steps; ++k)
    for (int r = 0; r < layout.rows(); ++r) {
      const RowPoints p = window_->row(r, k);
      double* density = other;
      std::copy_n(saddle_->rho().level(k) + p.offset, p.n, density);
      for (int j = 0; j < slots; ++j) std::copy_n(saddle_->momenta()[index(j)].level(k) + p.offset, p.n, rows[j]);
      if (relaxed_) window_->kinetic->prox(p, small, kappa2 * small, density, rows.from(0));
      cost.energy(p, density, rows.from(0), all, kinetic);
      add_row(sums[0], layout, kinetic, p.n);
      add_row(sums[1], layout, all, p.n);
      if (k == 0 && !problem_.final_density) {
        cost.terminal().value(p, density, all);
        add_row(sums[3], layout, all, p.n);
      }
      if (nonlocal_) {
        const double* w = nonlocal_->level(k) + p.offset;
        for (int i = 0; i < p.n; ++i) density[i] *= 0.5 * w[i];
        add_row(sums[2], layout, density, p.n);
      }
    }
  ExactSum::reduce(layout.comm(), sums);
  MeanFieldFigures figures;
  figures.kinetic = sums[0].value() * dt * volume;
  figures.running = sums[1].value() * dt * volume - figures.kinetic;
  figures.interaction = sums[2].value() * dt * volume;
  figures.terminal = sums[3].value() * volume;
  figures.continuity = saddle_->continuity_residual() / density_norm_;
  double scale = 0;
  value_residual(figures.value_equation, scale);
  figures.lower_bound = lower_bound();
  figures.feasible_objective = objective_of_projection();
  if (!std::isfinite(figures.feasible_objective) && !problem_.final_density && cost.separable()) figures.feasible_objective = objective_of_policy();
  Field rho(problem_.layout, problem_.steps + 1);
  density(rho);
  figures.least_density = infinity;
  for (int n = 0; n <= problem_.steps; ++n) {
    for (const double v : rho.owned(n)) figures.least_density = std::min(figures.least_density, v);
    figures.mass_error = std::max(figures.mass_error, std::fabs(sum(rho, n) - mass_) / mass_);
  }
  figures.least_density = global_min(layout.comm(), figures.least_density);
  return figures;
}

double UpwindScheme::mass_factor(int level) {
  ExactSum mass;
  PointRows rows(*problem_.layout, 1);
  for (int r = 0; r < problem_.layout->rows(); ++r) {
    const RowPoints p = window_->row(r, level);
    const double* rho = saddle_->rho().level(level) + p.offset;
    for (int i = 0; i < p.n; ++i) rows[0][i] = std::max(rho[i], 0.0);
    add_row(mass, *problem_.layout, rows[0], p.n);
  }
  ExactSum::reduce(problem_.layout->comm(), {&mass, 1});
  return mass.value() > 0 ? mass_ / mass.value() : 1;
}

void UpwindScheme::density(Field& rho) {
  rho.copy_level(0, problem_.initial, 0);
  for (int n = 1; n <= problem_.steps; ++n) {
    const int k = level_of_node(n);
    const double factor = mass_factor(k);
    const double* from = saddle_->rho().level(k);
    double* to = rho.level(n);
    for (std::ptrdiff_t i = 0; i < problem_.layout->owned(); ++i) to[i] = factor * std::max(from[i], 0.0);
  }
}

void UpwindScheme::momentum(std::vector<Field>& m) {
  const bool upwind = problem_.cost->splitting() == Splitting::Upwind;
  for (int n = 0; n < problem_.steps; ++n) {
    const int k = level_of_node(n + 1);
    const double factor = mass_factor(k);
    for (int d = 0; d < problem_.layout->dim(); ++d) {
      const double* up = saddle_->momenta()[index(upwind ? 2 * d : d)].level(k);
      const double* down = upwind ? saddle_->momenta()[index(2 * d + 1)].level(k) : nullptr;
      double* to = m[index(d)].level(n);
      for (std::ptrdiff_t i = 0; i < problem_.layout->owned(); ++i) to[i] = -factor * (down ? up[i] + down[i] : up[i]);
    }
  }
}

void UpwindScheme::value(Field& phi) {
  for (int n = 0; n < problem_.steps; ++n) phi.copy_level(n, saddle_->phi(), level_of_node(n + 1));
}

std::vector<double> UpwindScheme::value_times() const {
  std::vector<double> times(window_->times.rbegin(), window_->times.rend());
  return times;
}

std::vector<std::pair<std::string, Field*>> UpwindScheme::state_fields() {
  std::vector<std::pair<std::string, Field*>> fields{{"phi", &saddle_->phi()}, {"rho", &saddle_->rho()}};
  for (std::size_t j = 0; j < saddle_->momenta().size(); ++j) fields.emplace_back(fmt::format("m_{}", j), &saddle_->momenta()[j]);
  return fields;
}

std::size_t UpwindScheme::bytes() const {
  const auto level = static_cast<std::size_t>(problem_.layout->stored()) * sizeof(double);
  // phi, its extrapolation, rho and momenta; W * rho; the given densities.
  return level * (index(problem_.steps) * (3 + saddle_->momenta().size() + (nonlocal_ ? 1 : 0)) + 4);
}

void UpwindScheme::start_from(MeanFieldScheme& other) {
  auto* const coarse = dynamic_cast<UpwindScheme*>(&other);
  if (!coarse) throw InternalError("the upwind scheme starts from its own kind");
  const int steps = problem_.steps, ratio = steps / coarse->problem_.steps;
  if (ratio * coarse->problem_.steps != steps || ratio > 2)
    throw InternalError("the upwind scheme starts from the same number of steps or from half");
  Field other_level(problem_.layout);
  // Level k of this window stands at node steps - k (rho) and steps - k - 1 (phi); odd nodes lie between two of the coarse steps.
  const auto fill = [&](Field& from, Field& to, int k, int node, const Field* before_first) {
    const int low = node / ratio, high = (node + ratio - 1) / ratio;
    const auto take = [&](int n, Field& into, int level) {
      // Level of the coarse field that holds node n; at its end the one before stands in.
      const int at = std::max(before_first ? coarse->problem_.steps - n : coarse->problem_.steps - 1 - n, 0);
      if (before_first && n == 0)
        into.copy_level(level, *before_first, 0);
      else
        prolong(from, at, into, level);
    };
    take(low, to, k);
    if (high == low) return;
    take(high, other_level, 0);
    double* out = to.level(k);
    for (std::ptrdiff_t i = 0; i < problem_.layout->owned(); ++i) out[i] = 0.5 * (out[i] + other_level.level()[i]);
  };
  for (int k = 0; k < steps; ++k) {
    fill(coarse->saddle_->rho(), saddle_->rho(), k, steps - k, &problem_.initial);
    fill(coarse->saddle_->phi(), saddle_->phi(), k, steps - k - 1, nullptr);
    for (std::size_t j = 0; j < saddle_->momenta().size(); ++j) prolong(coarse->saddle_->momenta()[j], k / ratio, saddle_->momenta()[j], k);
  }
  if (problem_.final_density) saddle_->rho().copy_level(0, *problem_.final_density, 0);
}

}  // namespace wasserflow
