// ranks: 1 2 4
// timeout: 120
#define BOOST_TEST_MODULE wasserstein_prox
#include <boost/test/unit_test.hpp>
#include <numbers>

#include "grids/reduce.hpp"
#include "grids/support/errors.hpp"
#include "solvers/wasserstein_prox.hpp"
#include "tests/support/fields.hpp"

using namespace wasserflow;
using test::largest_difference;

namespace {

constexpr std::array<Surround, 3> free_space{Surround::Free, Surround::Free, Surround::Free};
using Point = std::array<double, 3>;

LayoutPtr box(int dim, int cells, double half, MPI_Comm comm = MPI_COMM_WORLD) {
  return make_layout(comm, Grid(std::vector<Axis>(static_cast<std::size_t>(dim), Axis{-half, half, cells, Boundary::NoFlux, 0.5})), 2);
}

template <class F>
Field field(const LayoutPtr& layout, F&& f) {
  Field u(layout);
  for (int r = 0; r < layout->rows(); ++r) {
    const RowPoints p = layout->row(r);
    for (int i = 0; i < p.n; ++i) u.level()[p.offset + i] = f(Point{p.x[i], p.y, p.z});
  }
  return u;
}

double l1(const Field& a, const Field& b) {
  Field d = a.clone();
  for (std::ptrdiff_t i = 0; i < a.layout().owned(); ++i) d.level()[i] = std::fabs(a.level()[i] - b.level()[i]);
  return sum(d) * a.layout().grid().cell_volume();
}

double gaussian(double x, double mean, double variance) {
  return std::exp(-(x - mean) * (x - mean) / (2 * variance)) / std::sqrt(2 * std::numbers::pi * variance);
}

double double_well(const Point& x) { return (x[0] * x[0] - 1) * (x[0] * x[0] - 1) + 0.5 * x[1] * x[1]; }

/// Kernel applied to N(mu, s) with V = a (x - m)^2 / 2: N(m + b (mu - m), b^2 s + 2 beta T b), b = 1 / (1 + a T).
struct Gaussians {
  double a = 1.3, m = 0.2, mu = -0.4, s = 0.3, beta = 0.5, T = 0.4;
  double b() const { return 1 / (1 + a * T); }
  double mean() const { return m + b() * (mu - m); }
  double variance() const { return b() * b() * s + 2 * beta * T * b(); }
};

}  // namespace

BOOST_AUTO_TEST_CASE(gaussian_closed_form_by_every_backend) {
  const Gaussians g;
  for (int dim : {1, 2}) {
    const LayoutPtr layout = box(dim, 80, 6);  // dx = 0.15 <= sigma / 4 = 0.158
    const Field V = field(layout, [&](const Point& x) {
      double v = 0;
      for (int d = 0; d < dim; ++d) v += g.a * (x[d] - g.m) * (x[d] - g.m) / 2;
      return v;
    });
    const auto density = [&](double mean, double variance) {
      return field(layout, [&](const Point& x) {
        double p = 1;
        for (int d = 0; d < dim; ++d) p *= gaussian(x[d], mean, variance);
        return p;
      });
    };
    for (ProxBackend backend : {ProxBackend::Direct, ProxBackend::Log, ProxBackend::Fft}) {
      ProxParameters parameters{g.beta, g.T, ProxKernel::Kernel, backend};
      WassersteinProx prox(layout, V, free_space, parameters);
      Field rho = density(g.mu, g.s);
      prox.step(rho);
      BOOST_TEST(largest_difference(rho, density(g.mean(), g.variance())) < (backend == ProxBackend::Fft ? 1e-9 : 1e-12),
                 to_string(backend) << " in " << dim << "-D: " << largest_difference(rho, density(g.mean(), g.variance())));
      if (backend == ProxBackend::Fft) continue;
      // grad log of a Gaussian
      std::vector<Field> score;
      for (int d = 0; d < dim; ++d) score.emplace_back(layout);
      prox.score(score);
      double worst = 0;
      for (int r = 0; r < layout->rows(); ++r) {
        const RowPoints p = layout->row(r);
        for (int i = 0; i < p.n; ++i)
          if (std::fabs(p.x[i]) < 2.5 && std::fabs(p.y) < 2.5)
            worst = std::max(worst, std::fabs(score[0].level()[p.offset + i] + (p.x[i] - g.mean()) / g.variance()));
      }
      BOOST_TEST(global_max(MPI_COMM_WORLD, worst) < 1e-11);
    }
  }
}

BOOST_AUTO_TEST_CASE(mass_and_sign) {
  for (int dim : {1, 2, 3})
    for (ProxKernel kernel : {ProxKernel::Kernel, ProxKernel::Symmetric})
      for (ProxBackend backend : {ProxBackend::Direct, ProxBackend::Log, ProxBackend::Fft})
        for (Surround around : {Surround::Free, Surround::Reflecting, Surround::Periodic}) {
          const LayoutPtr layout = box(dim, dim == 3 ? 12 : 40, 2);
          WassersteinProx prox(layout, field(layout, double_well), {around, around, around}, {0.7, 0.1, kernel, backend});
          Field rho = field(layout, [](const Point& x) { return x[0] > 0.3 ? 0.0 : 1 + 0.5 * std::sin(5 * x[0] + x[1] + 2 * x[2]); });
          const double mass = sum(rho);
          for (int k = 0; k < 3; ++k) prox.step(rho);
          BOOST_TEST(std::fabs(sum(rho) - mass) < (backend == ProxBackend::Fft ? 1e-12 : 3e-14) * mass, to_string(backend) << " " << sum(rho) / mass - 1);
          double least = 1;
          for (const double x : rho.owned()) least = std::min(least, x);
          BOOST_TEST(least >= 0);
        }
}

BOOST_AUTO_TEST_CASE(backends_by_dynamic_range) {
  const LayoutPtr layout = box(1, 200, 8);
  const Field rho0 = field(layout, [](const Point& x) { return gaussian(x[0], 4, 0.05); });
  const auto run = [&](double scale) {  // V / (2 beta) = scale x^2 / 16
    Field rho = rho0.clone();
    WassersteinProx prox(layout, field(layout, [&](const Point& x) { return scale * x[0] * x[0] / 8; }), free_space,
                         {1, 0.5, ProxKernel::Kernel, ProxBackend::Automatic});
    prox.step(rho);
    return std::pair{prox.backend(), prox.dynamic_range()};
  };
  const double limit = std::log(1e-10 / 1e-16);
  for (double scale : {0.5, 2.0, 8.0, 32.0, 100.0}) {
    const auto [backend, range] = run(scale);
    BOOST_TEST((backend == ProxBackend::Fft) == (range < limit), to_string(backend) << " at R = " << range);
  }
  BOOST_TEST((run(0.5).first == ProxBackend::Fft));
  BOOST_TEST((run(32).first == ProxBackend::Direct));
  BOOST_TEST((run(1000).first == ProxBackend::Log));
}

// exp(-V / (2 beta)) down to e^-3000 and below: only logarithms hold it.
BOOST_AUTO_TEST_CASE(logarithmic_domain_far_beyond_underflow) {
  Gaussians g{1.0, 0.0, 4.0, 0.05, 0.0, 0.5};
  g.beta = 36.0 / 2 / (2 * 3000);  // V(6) / (2 beta) = 3000
  const LayoutPtr layout = box(1, 1200, 6);
  WassersteinProx prox(layout, field(layout, [](const Point& x) { return x[0] * x[0] / 2; }), free_space, {g.beta, g.T, ProxKernel::Kernel});
  Field rho = field(layout, [&](const Point& x) { return gaussian(x[0], g.mu, g.s); });
  prox.step(rho);
  BOOST_TEST((prox.backend() == ProxBackend::Log));
  const Field exact = field(layout, [&](const Point& x) { return gaussian(x[0], g.mean(), g.variance()); });
  BOOST_TEST(largest_difference(rho, exact) < 1e-11 * gaussian(0, 0, g.variance()), largest_difference(rho, exact));
}

// Variance at t = 1 of dX = -a X dt + sqrt(2 beta) dW against exp(-2 a t) s + beta/a (1 - exp(-2 a t)).
BOOST_AUTO_TEST_CASE(order_in_time) {
  const double a = 1, beta = 0.65, s = 0.8;  // the error of the symmetric kernel is proportional to |s - beta / a|
  const LayoutPtr layout = box(1, 240, 9);
  const Field V = field(layout, [&](const Point& x) { return a * x[0] * x[0] / 2; });
  const auto error = [&](ProxKernel kernel, int steps) {
    WassersteinProx prox(layout, V, free_space, {beta, 1.0 / steps, kernel, ProxBackend::Direct});
    Field rho = field(layout, [&](const Point& x) { return gaussian(x[0], 0, s); });
    for (int k = 0; k < steps; ++k) prox.step(rho);
    Field second = rho.clone();
    for (int r = 0; r < layout->rows(); ++r) {
      const RowPoints p = layout->row(r);
      for (int i = 0; i < p.n; ++i) second.level()[p.offset + i] *= p.x[i] * p.x[i];
    }
    return std::fabs(sum(second) / sum(rho) - (std::exp(-2 * a) * s + beta / a * (1 - std::exp(-2 * a))));
  };
  const double first = error(ProxKernel::Kernel, 10), second = error(ProxKernel::Symmetric, 10);
  BOOST_TEST_MESSAGE("variance errors at t = 1, h = 0.1: kernel " << first << ", symmetric " << second);
  BOOST_TEST(second < 1e-4);
  BOOST_TEST(first < 4e-2);
  BOOST_TEST(std::fabs(std::log2(first / error(ProxKernel::Kernel, 20)) - 1) < 0.15);
  BOOST_TEST(std::fabs(std::log2(second / error(ProxKernel::Symmetric, 20)) - 2) < 0.1);
}

BOOST_AUTO_TEST_CASE(stationary_densities) {
  for (const auto& [half, beta] : {std::pair{2.5, 1.0}, {8.0, 0.5}}) {  // on [-8, 8] E underflows: V / (2 beta) reaches 4000
    const LayoutPtr layout = box(1, half > 3 ? 640 : 200, half);
    const Field V = field(layout, double_well);
    const double T = 0.1;
    Field pi = field(layout, [&](const Point& x) { return std::exp(-double_well(x) / beta); });
    const double Z = sum(pi) * layout->grid().cell_volume();
    for (double& x : pi.owned()) x /= Z;
    {
      WassersteinProx prox(layout, V, free_space, {beta, T, ProxKernel::Symmetric});
      Field rho = pi.clone();
      for (int k = 0; k < 10; ++k) prox.step(rho);
      BOOST_TEST(l1(rho, pi) < 1e-14, "bias " << l1(rho, pi) << " by " << to_string(prox.backend()) << ", scalings " << prox.scalings());
      BOOST_TEST(prox.scalings() <= 60);
      if (half > 3) BOOST_TEST((prox.backend() == ProxBackend::Log));
    }
    if (half > 3) continue;
    // The plain kernel keeps E G E instead.
    WassersteinProx prox(layout, V, free_space, {beta, T, ProxKernel::Kernel, ProxBackend::Direct});
    Field rho = pi.clone(), e = field(layout, [&](const Point& x) { return std::exp(-double_well(x) / (2 * beta)); }), ge(layout);
    for (int k = 0; k < 200; ++k) prox.step(rho);
    const double v = 2 * beta * T;
    HeatConvolution(layout, {v, v, v}, free_space).direct(e, ge);
    for (std::ptrdiff_t i = 0; i < layout->owned(); ++i) ge.level()[i] *= e.level()[i];
    const double total = sum(ge) * layout->grid().cell_volume();
    for (double& x : ge.owned()) x /= total;
    BOOST_TEST(l1(rho, ge) < 1e-10);
    BOOST_TEST(l1(rho, pi) > 0.05);
  }
}

// V = a x^2/2: Phi = -(P x^2/2 + c), P = a / (1 + a (T - t)), c = beta log(1 + a (T - t)), the linear-quadratic control problem without running cost.
BOOST_AUTO_TEST_CASE(path_is_the_linear_quadratic_control_problem) {
  const double a = 1.5, beta = 0.4, T = 0.5, mu = 0.7, s = 0.2;
  const LayoutPtr layout = box(1, 160, 6);
  WassersteinProx prox(layout, field(layout, [&](const Point& x) { return a * x[0] * x[0] / 2; }), free_space, {beta, T, ProxKernel::Kernel});
  const Field rho0 = field(layout, [&](const Point& x) { return gaussian(x[0], mu, s); });
  for (double t : {0.1, 0.3, T}) {
    const double P = a / (1 + a * (T - t)), q = (1 + a * (T - t)) / (1 + a * T), mean = q * mu;
    const double variance = q * q * s + 2 * beta * t * q;  // s' = -2 P s + 2 beta
    Field rho(layout), phi(layout);
    std::vector<Field> drift, velocity;
    drift.emplace_back(layout), velocity.emplace_back(layout);
    prox.path(rho0, t, &rho, &phi, &drift, &velocity);
    BOOST_TEST(largest_difference(rho, field(layout, [&](const Point& x) { return gaussian(x[0], mean, variance); })) < 1e-12);
    std::array<double, 3> worst{};
    const std::vector<double>& x = layout->x_nodes();
    for (std::size_t i = 0; i < x.size(); ++i) {
      if (std::fabs(x[i]) > 3) continue;
      worst[0] = std::max(worst[0], std::fabs(phi.level()[i] + P * x[i] * x[i] / 2 + beta * std::log(1 + a * (T - t))));
      worst[1] = std::max(worst[1], std::fabs(drift[0].level()[i] + P * x[i]));
      worst[2] = std::max(worst[2], std::fabs(velocity[0].level()[i] - (-P * x[i] + beta * (x[i] - mean) / variance)));
    }
    for (const double w : worst) BOOST_TEST(global_max(MPI_COMM_WORLD, w) < 1e-10);
  }
  // rho0 = N(0, 2 beta (1 + T)), V = x^2/2: J = beta (1 + log(1 + T)).
  WassersteinProx unit(layout, field(layout, [](const Point& x) { return x[0] * x[0] / 2; }), free_space, {0.1, T, ProxKernel::Kernel});
  const Field wide = field(layout, [&](const Point& x) { return gaussian(x[0], 0, 2 * 0.1 * (1 + T)); });
  BOOST_TEST(unit.control_value(wide) == 0.1 * (1 + std::log(1 + T)), boost::test_tools::tolerance(1e-12));
}

BOOST_AUTO_TEST_CASE(bad_input) {
  const LayoutPtr layout = box(1, 40, 2);
  const Field V = field(layout, double_well);
  BOOST_CHECK_THROW(WassersteinProx(layout, V, free_space, {0.0, 0.1}), InputError);
  BOOST_CHECK_THROW(WassersteinProx(layout, V, free_space, {1.0, -1}), InputError);
  WassersteinProx prox(layout, V, free_space, {1.0, 0.1});
  Field rho = field(layout, [](const Point& x) { return x[0]; });
  BOOST_CHECK_THROW(prox.step(rho), InputError);
}
