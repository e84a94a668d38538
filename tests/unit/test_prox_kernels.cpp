// ranks: 1
// Proximal maps of the closed-form Hamiltonians against the optimality conditions, which know nothing of how they are computed.
#define BOOST_TEST_MODULE prox_kernels
#include <boost/test/unit_test.hpp>
#include <random>

#include "problems/hamiltonians/anisotropic.hpp"
#include "problems/hamiltonians/norm.hpp"
#include "problems/hamiltonians/power.hpp"
#include "problems/hamiltonians/quadratic.hpp"

using namespace wasserflow;

namespace {

struct Random {
  std::mt19937_64 generator{12345};
  double uniform(double a, double b) { return std::uniform_real_distribution<double>(a, b)(generator); }
  double exponential(double decades) { return std::pow(10.0, uniform(-decades, decades)); }
  double sign() { return uniform(-1, 1) < 0 ? -1 : 1; }
};

template <class K>
struct Sample {
  typename K::template Point<double> pt{};
  ProxSteps sigma{1, 1};
  double u0 = 0;
  std::array<double, K::slots> u{};
};

/// B B^T + a bit of the identity.
template <int D>
std::array<double, D*(D + 1) / 2> positive_definite(Random& r, double decades) {
  std::array<std::array<double, D>, D> b;
  for (auto& row : b)
    for (double& x : row) x = r.uniform(-1, 1);
  const double size = r.exponential(decades);
  std::array<double, D*(D + 1) / 2> a;
  for (int i = 0; i < D; ++i)
    for (int j = i; j < D; ++j) {
      double s = i == j ? 0.05 : 0;
      for (std::size_t k = 0; k < D; ++k) s += b[static_cast<std::size_t>(i)][k] * b[static_cast<std::size_t>(j)][k];
      a[static_cast<std::size_t>(triangle<D>(i, j))] = size * s;
    }
  return a;
}

/// Everyday sizes, sizes over many decades, and zeros.
template <class K>
Sample<K> draw(Random& r, int i) {
  Sample<K> s;
  const double decades = i % 3 == 0 ? 0.5 : i % 3 == 1 ? 3 : 7;
  for (double& c : s.pt.c) c = i % 3 == 2 ? r.exponential(8) : r.exponential(decades / 2);
  s.sigma = {r.exponential(i % 3 == 2 ? 2 : 1), r.exponential(i % 3 == 2 ? 2 : 1)};
  if (i % 2 == 0) s.sigma = {s.sigma.m, s.sigma.m};
  s.u0 = r.sign() * (i % 30 == 5 ? 1e-14 : r.exponential(i % 3 == 2 ? 6 : decades));
  if constexpr (std::is_same_v<K, AnisotropicKernel<K::dim>>) s.pt.c = positive_definite<K::dim>(r, i % 3 == 2 ? 2 : 1);
  for (double& u : s.u) u = r.uniform(0, 1) < 0.1 ? 0.0 : r.sign() * r.exponential(i % 3 == 2 ? 6 : decades);
  return s;
}

/// (rho, m) = prox(u): with b = (u - m)/sigma_m, a = (u_0 - rho)/sigma_rho, either (rho, m) = 0 and u_0/sigma_rho + Hh(u/sigma_m) <= 0, or
/// a + Hh(b) = 0 and Fenchel's equality Hh(b) + Lh(m/rho) = <m/rho, b>.
template <class K>
void optimality(const K& kernel, int samples = 20000) {
  Random random;
  int active = 0, iterated = 0;
  for (int i = 0; i < samples; ++i) {
    const Sample<K> s = draw<K>(random, i);
    double rho = s.u0;
    std::array<double, K::slots> m = s.u, b{}, v{};
    if (kernel.prox(s.pt, s.sigma, rho, m.data())) {
      rho = s.u0, m = s.u;
      kernel.prox_safe(s.pt, s.sigma, rho, m.data());
      ++iterated;
    }
    for (std::size_t j = 0; j < K::slots; ++j) b[j] = s.u[j] / s.sigma.m;
    const double at_input = kernel.value(s.pt, b.data());
    if (rho == 0) {
      BOOST_REQUIRE(s.u0 / s.sigma.rho + at_input <= 1e-14 * at_input);
      for (double mj : m) BOOST_REQUIRE(mj == 0);
      continue;
    }
    ++active;
    BOOST_REQUIRE(rho > 0);
    double product = 0, scale = 0, momentum = 0;
    for (std::size_t j = 0; j < K::slots; ++j) {
      b[j] = (s.u[j] - m[j]) / s.sigma.m;
      v[j] = m[j] / rho;
      product += v[j] * b[j];
      scale += std::abs(v[j]) * (std::abs(s.u[j]) + std::abs(m[j])) / s.sigma.m;  // b has this rounding error
      momentum += std::abs(s.u[j] * b[j]) / rho;                                  // and this one comes from m
    }
    std::array<double, K::slots> noise = s.u;
    for (double& x : noise) x *= 1e-15 / s.sigma.m;
    const double rounding = kernel.value(s.pt, noise.data());  // matters for powers below 2 near 0
    const double h = kernel.value(s.pt, b.data()), l = kernel.lagrangian(s.pt, v.data());
    BOOST_REQUIRE(std::isfinite(l));
    BOOST_REQUIRE_SMALL((s.u0 - rho) / s.sigma.rho + h, 1e-13 * ((std::abs(s.u0) + rho) / s.sigma.rho + h + scale));
    BOOST_REQUIRE_SMALL(h + l - product, 1e-12 * (h + l + scale) + 1e-15 * momentum + rounding);
  }
  BOOST_TEST(active > samples / 4);
  BOOST_TEST(iterated < samples / 3);
}

/// Projection: <u/sigma - P, c - P> <= 0 for points c of the set {a + Hh(b) <= 0}.
template <class K>
void variational(const K& kernel) {
  Random random;
  for (int i = 0; i < 3000; ++i) {
    Sample<K> s = draw<K>(random, 3 * i);
    double rho = s.u0;
    std::array<double, K::slots> m = s.u, b{}, c{};
    kernel.prox_safe(s.pt, s.sigma, rho, m.data());
    const double a = (s.u0 - rho) / s.sigma.rho;
    for (std::size_t j = 0; j < K::slots; ++j) b[j] = (s.u[j] - m[j]) / s.sigma.m;
    for (int k = 0; k < 20; ++k) {
      for (std::size_t j = 0; j < K::slots; ++j) c[j] = b[j] + random.sign() * random.exponential(2);
      const double ca = -kernel.value(s.pt, c.data()) - (k % 2 ? random.exponential(1) : 0.0);
      double product = rho * (ca - a), scale = std::abs(product) + rho * (std::abs(s.u0) + rho) / s.sigma.rho;
      for (std::size_t j = 0; j < K::slots; ++j)
        product += m[j] * (c[j] - b[j]), scale += std::abs(m[j]) * (std::abs(c[j] - b[j]) + std::abs(s.u[j]) / s.sigma.m);
      BOOST_REQUIRE(product <= 1e-12 * scale);
    }
  }
}

/// The numerical Hamiltonian: consistent, monotone, convex; its gradient by differences; the same for the true one.
template <class K>
void numerical_hamiltonian(const K& kernel) {
  Random random;
  for (int i = 0; i < 2000; ++i) {
    const Sample<K> s = draw<K>(random, 3 * i), other = draw<K>(random, 3 * i);
    std::array<double, K::slots> q{}, middle{}, g{}, moved{};
    std::array<double, K::dim> p{}, gp{};
    for (std::size_t d = 0; d < K::dim; ++d) {
      p[d] = s.u[d];
      for (std::size_t j = 0; j < K::slots / K::dim; ++j) q[d * (K::slots / K::dim) + j] = p[d];
    }
    const double h = kernel.true_value(s.pt, p.data());
    BOOST_REQUIRE_SMALL(kernel.value(s.pt, q.data()) - h, 1e-13 * (1 + h));
    for (std::size_t j = 0; j < K::slots; ++j) middle[j] = 0.5 * (s.u[j] + other.u[j]);
    const double ha = kernel.value(s.pt, s.u.data()), hb = kernel.value(s.pt, other.u.data());
    BOOST_REQUIRE(kernel.value(s.pt, middle.data()) <= 0.5 * (ha + hb) * (1 + 1e-14));
    kernel.gradient(s.pt, s.u.data(), g.data());
    for (std::size_t j = 0; j < K::slots; ++j) {
      if (K::upwind) BOOST_REQUIRE(j % 2 == 0 ? g[j] <= 0 : g[j] >= 0);
      if (std::abs(s.u[j]) < 1e-5) continue;  // norms have a kink there
      moved = s.u;
      moved[j] += 1e-6;
      const double up = kernel.value(s.pt, moved.data());
      moved[j] -= 2e-6;
      const double difference = (up - kernel.value(s.pt, moved.data())) / 2e-6;
      BOOST_REQUIRE_SMALL(difference - g[j], 1e-5 * (1 + ha));
    }
    kernel.true_gradient(s.pt, p.data(), gp.data());
    for (std::size_t d = 0; d < K::dim; ++d) {
      std::array<double, K::dim> up = p, down = p;
      up[d] += 1e-6, down[d] -= 1e-6;
      BOOST_REQUIRE_SMALL((kernel.true_value(s.pt, up.data()) - kernel.true_value(s.pt, down.data())) / 2e-6 - gp[d], 1e-5 * (1 + h));
    }
  }
  const std::array<double, K::slots> zero{};
  std::array<double, K::slots> g{};
  typename K::template Point<double> pt{};
  pt.c.fill(2.0);
  kernel.gradient(pt, zero.data(), g.data());
  for (double gj : g) BOOST_TEST(gj == 0);
  kernel.true_gradient(pt, zero.data(), g.data());
  for (int d = 0; d < K::dim; ++d) BOOST_TEST(g[static_cast<std::size_t>(d)] == 0);
}

/// A row gives each point what it gets alone, bit for bit, wherever it stands in the row.
template <class K>
void rows(const K& kernel) {
  Random random;
  constexpr int n = 83;
  std::vector<double> x(n, 0.0);
  std::vector<std::vector<double>> c(K::coefficients, std::vector<double>(n)), u(K::slots + 1, std::vector<double>(n));
  std::vector<Sample<K>> samples;
  for (int i = 0; i < n; ++i) samples.push_back(draw<K>(random, i));
  std::vector<std::vector<double>> expected;
  for (int begin : {0, 1, 5}) {
    for (int i = 0; i < n; ++i) {
      const std::size_t ii = static_cast<std::size_t>(i);
      for (std::size_t k = 0; k < c.size(); ++k) c[k][ii] = samples[ii].pt.c[k];
      u[0][ii] = samples[ii].u0;
      for (std::size_t j = 0; j < K::slots; ++j) u[j + 1][ii] = samples[ii].u[j];
    }
    std::vector<const double*> rows;
    std::vector<double*> out;
    std::vector<double> constants(K::coefficients, 0.0);
    for (auto& r : c) rows.push_back(r.data() + begin);
    for (std::size_t j = 1; j < u.size(); ++j) out.push_back(u[j].data() + begin);
    prox_sweep(kernel, KernelRow{n - begin, x.data() + begin, 0, 0, 0, rows.data(), constants.data()}, ProxSteps{0.4, 0.7}, u[0].data() + begin,
               out.data());
    if (begin == 0) expected = u;
    for (std::size_t j = 0; j < u.size(); ++j)
      for (std::size_t i = static_cast<std::size_t>(begin); i < n; ++i) BOOST_REQUIRE_EQUAL(u[j][i], expected[j][i]);
  }
}

template <class K>
void all(const K& kernel) {
  optimality(kernel);
  variational(kernel);
  numerical_hamiltonian(kernel);
  rows(kernel);
}

}  // namespace

BOOST_AUTO_TEST_CASE(quadratic) {
  all(QuadraticKernel<1, true>{});
  all(QuadraticKernel<2, true>{});
  all(QuadraticKernel<2, false>{});
  all(QuadraticKernel<3, true>{});
  all(QuadraticKernel<3, false>{});
}

BOOST_AUTO_TEST_CASE(norm_l1) {
  all(L1Kernel<1, true>{});
  all(L1Kernel<2, true>{});
  all(L1Kernel<2, false>{});
  all(L1Kernel<3, false>{});
}

BOOST_AUTO_TEST_CASE(norm_l2) {
  all(L2Kernel<1>{});
  all(L2Kernel<2>{});
  all(L2Kernel<3>{});
}

BOOST_AUTO_TEST_CASE(norm_linf) {
  all(LinfKernel<1>{});
  all(LinfKernel<2>{});
  all(LinfKernel<3>{});
}

BOOST_AUTO_TEST_CASE(lax_friedrichs_norms) {
  all(L1Kernel<2, false, false>{});
  all(L2Kernel<2, false>{});
  all(L2Kernel<3, false>{});
  all(LinfKernel<2, false>{});
}

BOOST_AUTO_TEST_CASE(powers) {
  for (const double q : {1.5, 2.0, 3.0, 4.5}) {
    all(PowerKernel<1>{q});
    all(PowerKernel<2>{q});
  }
}

BOOST_AUTO_TEST_CASE(anisotropic_quadratic) {
  all(AnisotropicKernel<1>{});
  all(AnisotropicKernel<2>{});
  all(AnisotropicKernel<3>{});
}

/// One axis: the cubic in long double by bisection.
BOOST_AUTO_TEST_CASE(quadratic_against_bisection) {
  using K = QuadraticKernel<2, false>;
  const K kernel;
  Random random;
  for (int i = 0; i < 5000; ++i) {
    const Sample<K> s = draw<K>(random, i);
    const long double a = static_cast<long double>(s.u0) / s.sigma.m;
    std::array<long double, 2> k{};
    for (int j = 0; j < 4; ++j) {
      const long double w = upwind_side(j, s.u[static_cast<std::size_t>(j)]) / static_cast<long double>(s.sigma.m);
      k[static_cast<std::size_t>(j / 2)] += 0.5L * s.sigma.rho / s.sigma.m * s.pt.c[static_cast<std::size_t>(j / 2)] * w * w;
    }
    const auto f = [&](long double lambda) {
      const long double s0 = 1 + s.pt.c[0] * lambda, s1 = 1 + s.pt.c[1] * lambda;
      return lambda - a - k[0] / (s0 * s0) - k[1] / (s1 * s1);
    };
    double rho = s.u0;
    std::array<double, 4> m = s.u;
    if (kernel.prox(s.pt, s.sigma, rho, m.data())) {
      rho = s.u0, m = s.u;
      kernel.prox_safe(s.pt, s.sigma, rho, m.data());
    }
    if (f(0) >= 0) {
      BOOST_REQUIRE(rho <= 1e-13 * std::abs(s.u0));
      continue;
    }
    long double low = -60, high = 60;  // of log10 lambda
    for (int n = 0; n < 90; ++n) {
      const long double middle = (low + high) / 2;
      (f(std::pow(10.0L, middle)) < 0 ? low : high) = middle;
    }
    const double exact = static_cast<double>(std::pow(10.0L, low) * s.sigma.m);
    BOOST_REQUIRE_SMALL(rho - exact, 1e-13 * (exact + std::abs(s.u0)));
  }
}
