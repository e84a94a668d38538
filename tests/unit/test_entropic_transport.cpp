// ranks: 1 2 4
// timeout: 120
#define BOOST_TEST_MODULE entropic_transport
#include <boost/test/unit_test.hpp>
#include <numbers>

#include "grids/reduce.hpp"
#include "grids/support/errors.hpp"
#include "solvers/entropic_transport.hpp"
#include "solvers/wasserstein_prox.hpp"
#include "tests/support/fields.hpp"

using namespace wasserflow;
using test::largest_difference;

namespace {

constexpr std::array<Surround, 3> free_space{Surround::Free, Surround::Free, Surround::Free};

LayoutPtr box(int dim, int cells, double half) {
  return make_layout(MPI_COMM_WORLD, Grid(std::vector<Axis>(static_cast<std::size_t>(dim), Axis{-half, half, cells, Boundary::NoFlux, 0.5})), 1);
}

template <class F>
Field field(const LayoutPtr& layout, F&& f) {
  Field u(layout);
  for (int r = 0; r < layout->rows(); ++r) {
    const RowPoints p = layout->row(r);
    for (int i = 0; i < p.n; ++i) u.level()[p.offset + i] = f(p.x[i], p.y);
  }
  return u;
}

double normal(double x, double mean, double variance) {
  return std::exp(-(x - mean) * (x - mean) / (2 * variance)) / std::sqrt(2 * std::numbers::pi * variance);
}

/// cost + eps KL(. | mu x nu) of N(0, s) and N(m, t) with cost |x - y|^2 / 2 (Janati, Muzellec, Peyre, Cuturi 2020, one axis).
double gaussian_value(double m, double s, double t, double eps) {
  const double d = std::sqrt(4 * s * t + eps * eps);
  return m * m / 2 + (s + t - d + eps + eps * std::log((d + eps) / (2 * eps))) / 2;
}

}  // namespace

BOOST_AUTO_TEST_CASE(gaussians_have_the_closed_value) {
  for (int dim : {1, 2})
    for (double eps : {0.5, 0.05}) {
      const LayoutPtr layout = box(dim, 80, 4);
      const double s = 0.2, t = 0.35, m = 0.6;
      const Field mu = field(layout, [&](double x, double y) { return normal(x, 0, s) * (dim == 2 ? normal(y, 0, s) : 1); });
      Field nu = field(layout, [&](double x, double y) { return normal(x, m, t) * (dim == 2 ? normal(y, -m, t) : 1); });
      const double ratio = sum(mu) / sum(nu);
      for (double& x : nu.owned()) x *= ratio;
      EntropicTransport transport(layout, eps, free_space);
      Field f(layout), g(layout);
      const EntropicReport report = transport.solve(mu, nu, f, g, 1e-9);
      BOOST_TEST((report.reason == StopReason::Converged));
      BOOST_TEST(report.value == dim * gaussian_value(m, s, t, eps), boost::test_tools::tolerance(1e-6));
      // W2^2 / 2 of Gaussians, up to O(eps^2)
      const std::optional<double> divergence = transport.divergence(mu, nu, 1e-9);
      BOOST_REQUIRE(divergence.has_value());
      const double exact = dim * (gaussian_value(m, s, t, eps) - (gaussian_value(0, s, s, eps) + gaussian_value(0, t, t, eps)) / 2);
      BOOST_TEST(*divergence == exact, boost::test_tools::tolerance(1e-5));
      BOOST_TEST(std::fabs(transport.divergence(mu, mu, 1e-10).value()) < 1e-9);
    }
}

// int V q alone: the scheme is the kernel formula with beta = eps / (2 tau), in one pass.
BOOST_AUTO_TEST_CASE(linear_energy_is_the_kernel_formula) {
  const LayoutPtr layout = box(2, 40, 2.5);
  const Field V = field(layout, [](double x, double y) { return (x * x - 1) * (x * x - 1) + 0.5 * y * y + 0.3 * x; });
  const Field rho0 = field(layout, [](double x, double y) { return normal(x, 0.5, 0.2) * normal(y, 0, 0.3); });
  const double tau = 0.2, eps = 0.4;
  Field entropic = rho0.clone(), kernel = rho0.clone();
  EntropicJko jko(layout, tau, eps, free_space, internal_energy_prox(&V, 0));
  const EntropicReport report = jko.step(entropic);
  BOOST_TEST((report.reason == StopReason::Converged));
  BOOST_TEST(report.iterations <= 2);
  WassersteinProx(layout, V, free_space, {eps / (2 * tau), tau, ProxKernel::Kernel, ProxBackend::Log}).step(kernel);
  BOOST_TEST(largest_difference(entropic, kernel) < 1e-12);
}

// W^2/(2 tau) + int V q + beta q log q from N(0, s), V = a x^2/2: with a small blur the variance of the exact JKO step.
BOOST_AUTO_TEST_CASE(gaussian_step_with_entropy) {
  const double a = 1, beta = 0.5, tau = 0.2, s = 0.6;
  const LayoutPtr layout = box(1, 400, 5);
  const Field V = field(layout, [&](double x, double) { return a * x * x / 2; });
  const double root = (std::sqrt(s) + std::sqrt(s + 4 * beta * tau * (1 + a * tau))) / (2 * (1 + a * tau)), exact = root * root;
  double before = 0;
  for (double eps : {0.02, 0.01}) {
    Field rho = field(layout, [&](double x, double) { return normal(x, 0, s); });
    const double mass = sum(rho);
    EntropicJko jko(layout, tau, eps, free_space, internal_energy_prox(&V, beta));
    const EntropicReport report = jko.step(rho);
    BOOST_TEST((report.reason == StopReason::Converged));
    BOOST_TEST(std::fabs(sum(rho) / mass - 1) < 1e-13);
    const Field second = field(layout, [&](double x, double) { return x * x; });
    const double error = dot(rho, second) / mass - exact;
    // The blur acts as a diffusion of eps / (2 tau): first order.
    BOOST_TEST(error > 0);
    BOOST_TEST(error < 1.2 * eps);
    if (before > 0) BOOST_TEST(before / error == 2, boost::test_tools::tolerance(0.1));
    before = error;
  }
}

BOOST_AUTO_TEST_CASE(porous_medium_prox_is_stationary) {
  const LayoutPtr layout = box(1, 64, 1);
  const double c = 0.7, m = 3, beta = 0.1, weight = 5;
  const Field V = field(layout, [](double x, double) { return x; });
  const Field log_a = field(layout, [](double x, double) { return 6 * std::sin(7 * x); });
  Field log_q(layout);
  internal_energy_prox(&V, beta, c, m)(weight, log_a, log_q);
  for (std::ptrdiff_t i = 0; i < layout->owned(); ++i) {
    const double z = log_q.level()[i], q = std::exp(z);
    BOOST_TEST(std::fabs(z - log_a.level()[i] + weight * (V.level()[i] + beta * (z + 1) + c * m / (m - 1) * std::pow(q, m - 1))) < 1e-11);
  }
}

BOOST_AUTO_TEST_CASE(bad_input) {
  const LayoutPtr layout = box(1, 40, 2);
  BOOST_CHECK_THROW(EntropicTransport(layout, 0, free_space), InputError);
  EntropicTransport transport(layout, 0.1, free_space);
  Field f(layout), g(layout);
  const Field one = field(layout, [](double, double) { return 1.0; }), two = field(layout, [](double, double) { return 2.0; }),
              mixed = field(layout, [](double x, double) { return x; });
  BOOST_CHECK_THROW(static_cast<void>(transport.solve(one, two, f, g)), InputError);
  BOOST_CHECK_THROW(static_cast<void>(transport.solve(mixed, mixed, f, g)), InputError);
}
