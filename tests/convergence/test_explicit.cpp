// timeout: 120
#define BOOST_TEST_MODULE explicit_convergence
#include <boost/test/unit_test.hpp>

#include "solvers/explicit_scheme.hpp"
#include "tests/support/hj_examples.hpp"

using namespace wasserflow;
using std::numbers::pi;

namespace {
/// Solution at the end time from sin(pi x) + ..., or from `initial`, on a torus of n points an axis.
Field solve(int dim, int n, HamiltonianPtr h, double eps, double end, const ExplicitOptions& options,
            const std::function<void(Field&, int)>& initial = test::set_sines) {
  const LayoutPtr layout = make_layout(MPI_COMM_WORLD, test::torus(dim, n), 3);
  HamiltonJacobiProblem problem = make_hamilton_jacobi_problem(test::only(std::move(h)), layout, eps, 1, {0.0});
  ExplicitScheme scheme(problem, options);
  Field phi(layout);
  initial(phi, 0);
  const ExplicitReport report = scheme.advance(phi, 0, 0, end);
  BOOST_TEST(report.steps > 0);
  return phi;
}

double l1(const Field& phi, const std::function<double(double, double)>& exact) {
  double sum = 0;
  for (int r = 0; r < phi.layout().rows(); ++r) {
    const RowPoints p = phi.layout().row(r);
    for (int i = 0; i < p.n; ++i) sum += std::fabs(phi.level()[p.offset + i] - exact(p.x[i], p.y));
  }
  return sum / double(phi.layout().grid().size());
}

double example_error(int example, int n, const ExplicitOptions& options) {
  const test::Exact1d exact(example);
  return l1(solve(1, n, example == 1 ? test::quadratic(1) : test::one_homogeneous(1), 0, 1, options), [&](double x, double) { return exact(x, 1); });
}

/// Hopf-Cole for H = p^2/2: phi = -2 eps log w, w_t = eps w_xx, by a Fourier series of w(., 0) on 512 nodes.
class HopfCole {
 public:
  HopfCole(double eps, double t) : eps_(eps) {
    const int n = 512;
    for (int k = 0; k <= 60; ++k) {
      double a = 0;  // w is not even: cosine and sine parts
      double b = 0;
      for (int i = 0; i < n; ++i) {
        const double x = 2.0 * i / n, w = std::exp(-std::sin(pi * x) / (2 * eps));
        a += w * std::cos(pi * k * x) * (k ? 2.0 : 1.0) / n;
        b += w * std::sin(pi * k * x) * 2.0 / n;
      }
      const double decay = std::exp(-eps * pi * pi * k * k * t);
      cosine_.push_back(a * decay);
      sine_.push_back(b * decay);
    }
  }
  double operator()(double x) const {
    double w = 0;
    for (std::size_t k = 0; k < cosine_.size(); ++k) w += cosine_[k] * std::cos(pi * double(k) * x) + sine_[k] * std::sin(pi * double(k) * x);
    return -2 * eps_ * std::log(w);
  }

 private:
  double eps_;
  std::vector<double> cosine_, sine_;
};

/// H(p_1 + ... + p_d) = -cos(sum + 1): neither convex nor concave.
HamiltonianPtr cosine(int dim) {
  const auto total = [dim](const double* p) {
    double s = 1;
    for (int d = 0; d < dim; ++d) s += p[d];
    return s;
  };
  return test::lax_friedrichs(
      dim, false, [=](const test::Pointwise::Point&, const double* p) { return -std::cos(total(p)); },
      [=](const test::Pointwise::Point&, const double* p, double* g) { std::fill_n(g, dim, std::sin(total(p))); });
}
}  // namespace

BOOST_AUTO_TEST_CASE(first_order_schemes) {
  // Not above the errors of an independent explicit Engquist-Osher code, nx = 40 .. 320.
  const double bound[2][4] = {{2.79e-2, 1.44e-2, 7.32e-3, 3.67e-3}, {3.27e-2, 1.71e-2, 8.96e-3, 4.66e-3}};
  for (int example : {1, 2})
    for (NumericalFlux flux : {NumericalFlux::EngquistOsher, NumericalFlux::Godunov, NumericalFlux::LocalLaxFriedrichs}) {
      double last = 0;
      for (int r = 0; r < 4; ++r) {
        const double e = example_error(example, 40 << r, {Reconstruction::FirstOrder, flux, 0.75});
        BOOST_TEST_MESSAGE("example " << example << " flux " << int(flux) << " nx " << (40 << r) << " l1 " << e);
        BOOST_TEST(e < bound[example - 1][r]);
        if (r == 3) BOOST_TEST(std::log2(last / e) > 0.9);
        last = e;
      }
    }
}

BOOST_AUTO_TEST_CASE(weno5) {
  // 5 % above the errors of an independent WENO5 code, nx = 40 .. 640; kinks keep the order below 5.
  const double bound[2][5] = {{9.1e-4, 1.6e-4, 2.4e-5, 1.4e-5, 2.3e-6}, {3.8e-3, 7.4e-4, 1.5e-4, 5.1e-5, 1.2e-5}};
  for (int example : {1, 2})
    for (int r = 0; r < 5; ++r) {
      const double e = example_error(example, 40 << r, {});
      BOOST_TEST_MESSAGE("example " << example << " WENO5 nx " << (40 << r) << " l1 " << e);
      BOOST_TEST(e < 1.05 * bound[example - 1][r]);
    }
}

BOOST_AUTO_TEST_CASE(viscous_solutions_against_hopf_cole) {
  const double eps = 0.1, t = 0.5;
  const HopfCole exact(eps, t);
  const auto error = [&](int n, Reconstruction reconstruction) {
    return l1(solve(1, n, test::quadratic(1, false), eps, t, {reconstruction, {}, 0.75}), [&](double x, double) { return exact(x); });
  };
  const double first[] = {error(40, Reconstruction::FirstOrder), error(80, Reconstruction::FirstOrder)};
  const double weno[] = {error(40, Reconstruction::Weno5), error(80, Reconstruction::Weno5)};
  BOOST_TEST_MESSAGE("Hopf-Cole: first order " << first[0] << " " << first[1] << ", WENO5 " << weno[0] << " " << weno[1]);
  BOOST_TEST(std::log2(first[0] / first[1]) > 0.85);
  BOOST_TEST(std::log2(weno[0] / weno[1]) > 3.7);  // the central differences of the viscosity are of fourth order
  BOOST_TEST(weno[1] < 1e-5);
}

// Osher & Shu's example: smooth until characteristics meet, and given by them; in 2-D a function of x + y, with H = -cos(2 psi' + 1).
BOOST_AUTO_TEST_CASE(hamiltonian_that_is_not_convex) {
  for (const int dim : {1, 2}) {
    const double m = dim, t = 0.5 / (m * m * pi * pi);
    const auto slope = [](double z) { return pi * std::sin(pi * z); };
    const auto exact = [&](double x) {
      double a = x - m * t - 1e-9, b = x + m * t + 1e-9;  // x0 + t H'(g'(x0)) = x, increasing in x0
      for (int i = 0; i < 60; ++i) {
        const double c = (a + b) / 2;
        (c + t * m * std::sin(m * slope(c) + 1) < x ? a : b) = c;
      }
      const double p = slope(a);
      return -std::cos(pi * a) + t * (p * m * std::sin(m * p + 1) + std::cos(m * p + 1));
    };
    const auto initial = [dim](Field& f, int k) {
      test::set(f, k, [dim](double x, double y, double) { return -std::cos(pi * (dim == 1 ? x : x + y)); });
    };
    const auto error = [&](int n, double cfl) {
      return l1(solve(dim, n, cosine(dim), 0, t, {Reconstruction::Weno5, {}, cfl}, initial),
                [&](double x, double y) { return exact(dim == 1 ? x : x + y); });
    };
    // Third order of the Runge-Kutta method at a fixed CFL number; nearly the fifth of WENO5 where its error is small.
    const double normal[] = {error(40, 0.75), error(80, 0.75)};
    BOOST_TEST_MESSAGE("-cos(sum p + 1) in " << dim << "-D: " << normal[0] << " " << normal[1]);
    BOOST_TEST(normal[1] < 4e-6);
    BOOST_TEST(std::log2(normal[0] / normal[1]) > 2.1);
    const double small[] = {error(40, 0.1), error(80, 0.1)};
    BOOST_TEST_MESSAGE("at CFL number 0.1: " << small[0] << " " << small[1]);
    BOOST_TEST(std::log2(small[0] / small[1]) > 3.7);
  }
}

// A Hamiltonian that is concave: phi = -psi of the convex problem.
BOOST_AUTO_TEST_CASE(concave_is_the_mirror_image_of_convex) {
  const auto quadratic = [](double sign) {
    return test::lax_friedrichs(
        1, sign > 0, [=](const test::Pointwise::Point&, const double* p) { return sign * p[0] * p[0] / 2; },
        [=](const test::Pointwise::Point&, const double* p, double* g) { g[0] = sign * p[0]; });
  };
  const auto initial = [](double sign) {
    return [sign](Field& f, int k) { test::set(f, k, [sign](double x, double, double) { return sign * std::sin(pi * x); }); };
  };
  for (Reconstruction r : {Reconstruction::FirstOrder, Reconstruction::Weno5}) {
    const Field convex = solve(1, 64, quadratic(1), 0, 1, {r, {}, 0.75}, initial(1)),
                concave = solve(1, 64, quadratic(-1), 0, 1, {r, {}, 0.75}, initial(-1));
    for (int i = 0; i < 64; ++i) BOOST_TEST_REQUIRE(std::fabs(convex.level()[i] + concave.level()[i]) < 1e-13);
  }
}
