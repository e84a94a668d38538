#include "solvers/wasserstein_prox.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "grids/pointwise.hpp"
#include "grids/reduce.hpp"
#include "grids/row_neighbours.hpp"
#include "grids/support/errors.hpp"

namespace wasserflow {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

double maximum(const Field& u) {
  double m = -infinity;
  for (const double x : u.owned()) m = std::max(m, x);
  return global_max(u.layout().comm(), m);
}

double minimum(const Field& u) {
  double m = infinity;
  for (const double x : u.owned()) m = std::min(m, x);
  return global_min(u.layout().comm(), m);
}

/// Coordinate of a point of the owned part along an axis.
double coordinate(const SlabLayout& s, int axis, std::ptrdiff_t i) {
  const std::ptrdiff_t n0 = s.dim() == 1 ? 1 : s.grid().cells(0), n1 = s.dim() == 3 ? s.grid().cells(1) : 1;
  if (axis == s.slow_axis()) return s.grid().axis(axis).node(s.first() + i / s.plane());
  return axis == 0 ? s.grid().axis(0).node(i % n0) : s.grid().axis(1).node(i / n0 % n1);
}

/// Largest change of u between neighbours along each axis.
std::array<double, 3> steepness(Field& u) {
  const SlabLayout& s = u.layout();
  u.exchange_ghosts();
  RowNeighbours row(u.layout_ptr(), 1);
  std::array<double, 3> steep{};
  for (int r = 0; r < s.rows(); ++r) {
    row.load(u.level(), r);
    const int n = s.row(r).n;
    for (int d = 0; d < s.dim(); ++d)
      for (int i = 0; i < n; ++i) steep[static_cast<std::size_t>(d)] = std::max(steep[static_cast<std::size_t>(d)], std::fabs(row.at(d, 1)[i] - row.at(d, 0)[i]));
  }
  for (double& x : steep) x = global_max(s.comm(), x);
  return steep;
}

std::vector<Field> fields(const LayoutPtr& layout, int count) {
  std::vector<Field> all;
  for (int d = 0; d < count; ++d) all.emplace_back(layout);
  return all;
}

}  // namespace

std::string to_string(ProxBackend backend) {
  switch (backend) {
    case ProxBackend::Direct: return "direct";
    case ProxBackend::Fft: return "fft";
    case ProxBackend::Log: return "log";
    default: return "automatic";
  }
}

struct WassersteinProx::State {
  LayoutPtr layout;
  std::array<Surround, 3> surround{};
  ProxParameters parameters;
  double variance = 0, lowest_V = 0;
  std::array<double, 3> tilt{};
  std::unique_ptr<HeatConvolution> heat;
  Field log_E;                    ///< -(V - min V) / (2 beta)
  Field log_GE;                   ///< log G E
  std::vector<Field> grad_log_E;  ///< made when asked for
  Field log_d;                    ///< Symmetric only
  Field log_before, log_after;    ///< rho -> after G[before rho]
  Field before, after;            ///< their exponentials, where they do not underflow
  bool linear = false;            ///< they do not
  Field work, density;            ///< what the convolution took last, or its logarithm
  bool density_is_log = true;
  ProxBackend backend = ProxBackend::Automatic;
  double range = 0;
  int scalings = 0;

  std::unique_ptr<HeatConvolution> heat_of(double time) const {
    const double v = 2 * parameters.beta * time;
    HeatConvolution::Options options;
    options.tilt = tilt;
    return std::make_unique<HeatConvolution>(layout, std::array<double, 3>{v, v, v}, surround, options);
  }
  void scale();
  void load(const Field& rho);
  void need_gradient();
};

WassersteinProx::WassersteinProx(LayoutPtr layout, const Field& V, std::array<Surround, 3> surround, const ProxParameters& parameters,
                                 std::vector<Field> grad_V)
    : state_(std::make_unique<State>()) {
  State& s = *state_;
  if (!(parameters.beta > 0) || !std::isfinite(parameters.beta)) throw InputError(fmt::format("beta must be positive, not {}", parameters.beta));
  if (!(parameters.T > 0) || !std::isfinite(parameters.T)) throw InputError(fmt::format("the proximal time T must be positive, not {}", parameters.T));
  if (!all_finite(V)) throw InputError("the potential V is not finite everywhere on the grid");
  s.layout = layout;
  s.surround = surround;
  s.parameters = parameters;
  s.variance = 2 * parameters.beta * parameters.T;
  s.lowest_V = minimum(V);
  s.log_E = Field(layout), s.log_GE = Field(layout), s.work = Field(layout);
  s.log_before = Field(layout), s.log_after = Field(layout), s.density = Field(layout);
  const double* v = V.level();
  each(s.log_E, [&](std::ptrdiff_t i) { return -(v[i] - s.lowest_V) / (2 * parameters.beta); });
  s.tilt = steepness(s.log_E);
  s.heat = s.heat_of(parameters.T);
  s.heat->log_sum_exp(s.log_E, s.log_GE);
  const double *e = s.log_E.level(), *ge = s.log_GE.level();
  if (parameters.kernel == ProxKernel::Symmetric) {
    s.log_d = Field(layout);
    s.scale();
    const double* d = s.log_d.level();
    each(s.log_before, [&](std::ptrdiff_t i) { return d[i] - e[i]; });
    each(s.log_after, [&](std::ptrdiff_t i) { return e[i] + d[i]; });
  } else {
    each(s.log_before, [&](std::ptrdiff_t i) { return -ge[i]; });
    each(s.log_after, [&](std::ptrdiff_t i) { return e[i]; });
  }
  // Products with densities down to 1e-100 must not underflow either.
  s.linear = minimum(s.log_after) > -450 && maximum(s.log_before) < 450;
  if (s.linear) {
    s.before = Field(layout), s.after = Field(layout);
    each(s.before, [&](std::ptrdiff_t i) { return std::exp(s.log_before.level()[i]); });
    each(s.after, [&](std::ptrdiff_t i) { return std::exp(s.log_after.level()[i]); });
  } else if (parameters.backend == ProxBackend::Direct || parameters.backend == ProxBackend::Fft) {
    throw InputError(fmt::format("exp(-V / (2 beta)) ranges over {:.3g} nats: only the logarithmic backend can hold it", -minimum(s.log_E)));
  }
  for (std::size_t d = 0; d < grad_V.size(); ++d) {
    s.grad_log_E.emplace_back(layout);
    each(s.grad_log_E[d], [&](std::ptrdiff_t i) { return -grad_V[d].level()[i] / (2 * parameters.beta); });
  }
}

WassersteinProx::~WassersteinProx() = default;

/// d <- sqrt(d E / G(d E)) in logarithms until d G(d E) = E.
void WassersteinProx::State::scale() {
  const double* e = log_E.level();
  const double* ge = log_GE.level();
  each(log_d, [&](std::ptrdiff_t i) { return (e[i] - ge[i]) / 2; });
  double before = infinity;
  for (scalings = 0; scalings < parameters.max_scalings; ++scalings) {
    each(work, [&](std::ptrdiff_t i) { return log_d.level()[i] + e[i]; });
    heat->log_sum_exp(work, work);
    double change = 0;
    each(log_d, [&](std::ptrdiff_t i) {
      const double d = log_d.level()[i], next = (d + e[i] - work.level()[i]) / 2;
      // Relative to what rounding leaves of e and work.
      change = std::max(change, std::fabs(next - d) / (1 + std::fabs(e[i])));
      return next;
    });
    change = global_max(layout->comm(), change);
    if (change < 1e-16 || (change < 2e-15 && change >= before)) break;
    before = change;
  }
}

void WassersteinProx::State::load(const Field& rho) {
  const double* r = rho.level();
  double most = 0, least = 0, finite = 0;
  for (const double x : rho.owned()) most = std::max(most, x), least = std::min(least, x), finite += x * 0;
  if (global_min(layout->comm(), finite == 0 ? 0 : -1) < 0) throw InputError("the density is not finite everywhere");
  const double top = global_max(layout->comm(), most);
  least = global_min(layout->comm(), least);
  if (least < 0) throw InputError(fmt::format("the density is negative somewhere: {:.6g}", least));
  double high = -infinity;
  for (std::ptrdiff_t i = 0; i < layout->owned(); ++i)
    if (r[i] > 1e-16 * top) high = std::max(high, log_before.level()[i]);
  range = global_max(layout->comm(), high) - minimum(log_before);
  backend = parameters.backend;
  if (backend != ProxBackend::Automatic) return;
  int reach = 0, pairs = 1;
  for (int d = 0; d < layout->dim(); ++d) reach += heat->reach(d), pairs *= heat->surround(d) == Surround::Free ? 2 : 1;
  // A transform pair costs as much as sums over 30 cells to each side (bench/bench_density_scaling).
  const bool accurate = range < std::log(parameters.tolerance / 1e-16), cheaper = reach > 30 * pairs;
  backend = !linear ? ProxBackend::Log : accurate && cheaper ? ProxBackend::Fft : ProxBackend::Direct;
}

void WassersteinProx::step(Field& rho) {
  State& s = *state_;
  s.load(rho);
  double* r = rho.level();
  const std::ptrdiff_t n = s.layout->owned();
  if (s.backend == ProxBackend::Log) {
    each(s.density, [&](std::ptrdiff_t i) { return std::log(r[i]) + s.log_before.level()[i]; });
    s.heat->log_sum_exp(s.density, s.work);
    for (std::ptrdiff_t i = 0; i < n; ++i) r[i] = std::exp(s.work.level()[i] + s.log_after.level()[i]);
    s.density_is_log = true;
    return;
  }
  const double *before = s.before.level(), *after = s.after.level();
  each(s.density, [&](std::ptrdiff_t i) { return r[i] * before[i]; });
  if (s.backend == ProxBackend::Fft)
    s.heat->fft(s.density, s.work);
  else
    s.heat->direct(s.density, s.work);
  // Transforms leave rounding of either sign where the density is 0.
  for (std::ptrdiff_t i = 0; i < n; ++i) r[i] = std::max(0.0, s.work.level()[i] * after[i]);
  s.density_is_log = false;
}

void WassersteinProx::State::need_gradient() {
  if (!grad_log_E.empty()) return;
  const int dim = layout->dim();
  grad_log_E = fields(layout, dim);
  if (layout->ghost() < 2) throw InternalError("fourth-order differences of V need two ghost planes");
  log_E.exchange_ghosts();
  RowNeighbours row(layout, 2);
  for (int r = 0; r < layout->rows(); ++r) {
    row.load(log_E.level(), r);
    const RowPoints p = layout->row(r);
    for (int d = 0; d < dim; ++d) {
      double* g = grad_log_E[static_cast<std::size_t>(d)].level() + p.offset;
      const double h = 12 * layout->grid().spacing(d);
      for (int i = 0; i < p.n; ++i) g[i] = (8 * (row.at(d, 1)[i] - row.at(d, -1)[i]) - (row.at(d, 2)[i] - row.at(d, -2)[i])) / h;
    }
  }
}

void WassersteinProx::score(std::vector<Field>& out) {
  State& s = *state_;
  if (s.backend == ProxBackend::Automatic) throw InternalError("WassersteinProx::score needs a step before it");
  s.need_gradient();
  const int dim = s.layout->dim();
  if (!s.density_is_log) each(s.density, [&](std::ptrdiff_t i) { return std::log(s.density.level()[i]); });
  s.density_is_log = true;
  Field sum(s.layout);
  std::vector<Field> mean = fields(s.layout, dim);
  s.heat->log_sum_exp_with_mean(s.density, sum, mean);
  const bool symmetric = s.parameters.kernel == ProxKernel::Symmetric;
  std::vector<Field> scaled = fields(s.layout, symmetric ? dim : 0);
  if (symmetric) {
    each(s.work, [&](std::ptrdiff_t i) { return s.log_d.level()[i] + s.log_E.level()[i]; });
    s.heat->log_sum_exp_with_mean(s.work, sum, scaled);
  }
  for (int d = 0; d < dim; ++d) {
    const auto at = static_cast<std::size_t>(d);
    const double *g = s.grad_log_E[at].level(), *y = mean[at].level();
    each(out[at], [&](std::ptrdiff_t i) {
      // grad log(E G u) = grad log E + (ybar_u - x)/v, and log d = log E - log G(d E).
      const double x = coordinate(*s.layout, d, i);
      return symmetric ? 2 * g[i] + (y[i] - scaled[at].level()[i]) / s.variance : g[i] + (y[i] - x) / s.variance;
    });
  }
}

void WassersteinProx::path(const Field& rho0, double t, Field* rho, Field* phi, std::vector<Field>* drift, std::vector<Field>* velocity) {
  State& s = *state_;
  const double T = s.parameters.T, beta = s.parameters.beta;
  if (!(t > 0 && t <= T)) throw InputError(fmt::format("the path is defined for times in (0, T], not at {}", t));
  const int dim = s.layout->dim();
  const bool end = t == T;
  // eta = G_{T-t} E with its gradient, eta^ = G_t[rho0 / G_T E] with its gradient.
  Field eta(s.layout), hat(s.layout);
  std::vector<Field> eta_mean = fields(s.layout, dim), hat_mean = fields(s.layout, dim);
  if (end)
    std::copy_n(s.log_E.level(), s.layout->owned(), eta.level());
  else
    s.heat_of(T - t)->log_sum_exp_with_mean(s.log_E, eta, eta_mean);
  each(s.work, [&](std::ptrdiff_t i) { return std::log(rho0.level()[i]) - s.log_GE.level()[i]; });
  s.heat_of(t)->log_sum_exp_with_mean(s.work, hat, hat_mean);
  if (rho != nullptr) each(*rho, [&](std::ptrdiff_t i) { return std::exp(eta.level()[i] + hat.level()[i]); });
  if (phi != nullptr) each(*phi, [&](std::ptrdiff_t i) { return 2 * beta * eta.level()[i] - s.lowest_V; });
  const bool wants_drift = drift != nullptr && !drift->empty(), wants_velocity = velocity != nullptr && !velocity->empty();
  if (end && (wants_drift || wants_velocity)) s.need_gradient();
  for (int d = 0; d < dim; ++d) {
    const auto at = static_cast<std::size_t>(d);
    const auto grad_phi = [&](std::ptrdiff_t i) {
      return end ? 2 * beta * s.grad_log_E[at].level()[i] : (eta_mean[at].level()[i] - coordinate(*s.layout, d, i)) / (T - t);
    };
    if (wants_drift) each((*drift)[at], grad_phi);
    if (wants_velocity)
      each((*velocity)[at],
           [&](std::ptrdiff_t i) { return grad_phi(i) / 2 - (hat_mean[at].level()[i] - coordinate(*s.layout, d, i)) / (2 * t); });
  }
}

double WassersteinProx::control_value(const Field& rho0) {
  State& s = *state_;
  each(s.work, [&](std::ptrdiff_t i) {
    const double r = rho0.level()[i];
    return r > 0 ? r * (s.log_GE.level()[i] - s.lowest_V / (2 * s.parameters.beta)) : 0.0;
  });
  return -2 * s.parameters.beta * sum(s.work) * s.layout->grid().cell_volume();
}

ProxBackend WassersteinProx::backend() const { return state_->backend; }
double WassersteinProx::dynamic_range() const { return state_->range; }
int WassersteinProx::scalings() const { return state_->scalings; }

double WassersteinProx::resolution() const {
  double least = infinity;
  for (const Axis& a : state_->layout->grid().axes()) least = std::min(least, std::sqrt(state_->variance) / a.spacing());
  return least;
}

}  // namespace wasserflow
