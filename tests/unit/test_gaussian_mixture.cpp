// ranks: 1 2 4
// timeout: 60
#define BOOST_TEST_MODULE gaussian_mixture
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <numbers>

#include "problems/gaussian_mixture.hpp"

using namespace wasserflow;

namespace {

constexpr double pi = std::numbers::pi;

bool near(double a, double b, double relative = 1e-13, double absolute = 0) { return std::fabs(a - b) <= relative * std::fabs(b) + absolute; }

std::vector<DiffusionProcess> processes() {
  DiffusionProcess ou, ve, vp;
  ou.k = 0.7;
  ou.g = 1.3;
  ou.T = ve.T = vp.T = 2;
  ve.kind = DiffusionProcess::Kind::VarianceExploding;
  ve.smin = 0.1;
  ve.smax = 5;
  vp.kind = DiffusionProcess::Kind::VariancePreserving;
  DiffusionProcess brownian = ou;
  brownian.k = 0;
  return {ou, ve, vp, brownian};
}

GaussianMixture line() { return {1, {{0.3, {-1.2}, {0.09}}, {0.5, {0.4}, {0.25}}, {0.2, {2.0}, {0.04}}}}; }
GaussianMixture plane() { return {2, {{0.6, {-0.5, 0.3}, {0.30, 0.12, 0.12, 0.20}}, {0.4, {0.8, -0.6}, {0.15, -0.07, -0.07, 0.25}}}}; }

/// Moments 0, 1, 2 of x_0 under p_0(x_0) N(x; alpha x_0, variance I), by the trapezoidal rule, which is exact to rounding for Gaussians at this step.
struct Posterior {
  double mass = 0, mean[2]{}, square[2][2]{};
  Posterior(const GaussianMixture& start, const double* x, double alpha, double variance) {
    const int dim = start.dim(), n = dim == 1 ? 4001 : 401;
    const double reach = 5, h = 2 * reach / (n - 1);
    for (int j = 0; j < (dim == 1 ? 1 : n); ++j)
      for (int i = 0; i < n; ++i) {
        const double y[2]{-reach + i * h, -reach + j * h};
        double q = 0;
        for (int d = 0; d < dim; ++d) q += std::pow(x[d] - alpha * y[d], 2);
        const double w = start.density(y) * std::exp(-q / (2 * variance)) * std::pow(h / std::sqrt(2 * pi * variance), dim);
        mass += w;
        for (int d = 0; d < dim; ++d) {
          mean[d] += w * y[d];
          for (int e = 0; e < dim; ++e) square[d][e] += w * y[d] * y[e];
        }
      }
    for (int d = 0; d < dim; ++d) mean[d] /= mass;
    for (int d = 0; d < dim; ++d)
      for (int e = 0; e < dim; ++e) square[d][e] = square[d][e] / mass - mean[d] * mean[e];
  }
};

/// Derivative of f at t by central differences of order 8.
template <class F>
double derivative(F f, double t, double h) {
  return (4.0 / 5 * (f(t + h) - f(t - h)) - 1.0 / 5 * (f(t + 2 * h) - f(t - 2 * h)) + 4.0 / 105 * (f(t + 3 * h) - f(t - 3 * h)) -
          1.0 / 280 * (f(t + 4 * h) - f(t - 4 * h))) /
         h;
}

}  // namespace

BOOST_AUTO_TEST_CASE(densities_by_explicit_inverses) {
  const double c[]{0.30, 0.12, 0.20};  // xx xy yy
  const GaussianMixture one(2, {{2, {-0.5, 0.3}, {c[0], c[1], c[1], c[2]}}});
  const double det = c[0] * c[2] - c[1] * c[1];
  for (const auto& [x, y] : {std::pair{0.1, 0.2}, {-2.0, 1.0}, {3.0, -4.0}}) {
    const double a = x + 0.5, b = y - 0.3, at[]{x, y};
    const double q = (c[2] * a * a - 2 * c[1] * a * b + c[0] * b * b) / det;
    BOOST_TEST(near(one.log_density(at), std::log(2 / (2 * pi * std::sqrt(det))) - q / 2));
    double s[2];
    one.score(at, s);
    BOOST_TEST(near(s[0], -(c[2] * a - c[1] * b) / det, 1e-13, 1e-13));
    BOOST_TEST(near(s[1], -(c[0] * b - c[1] * a) / det, 1e-13, 1e-13));
  }
  // In 3-D a rotation of a diagonal Gaussian: same density at rotated points.
  const double f = 0.6, g = 0.8, v[]{0.2, 0.5, 1.1};  // rotation in the x-z plane
  const GaussianMixture turned(
      3, {{1, {}, {f * f * v[0] + g * g * v[2], 0, f * g * (v[0] - v[2]), 0, v[1], 0, f * g * (v[0] - v[2]), 0, g * g * v[0] + f * f * v[2]}}});
  const double at[]{0.4, -0.9, 1.3}, own[]{f * at[0] + g * at[2], at[1], -g * at[0] + f * at[2]};
  double expected = 0, s[3], own_score[3];
  for (int d = 0; d < 3; ++d) {
    expected -= 0.5 * own[d] * own[d] / v[d] + 0.5 * std::log(2 * pi * v[d]);
    own_score[d] = -own[d] / v[d];
  }
  turned.score(at, s);
  BOOST_TEST(near(turned.log_density(at), expected));
  BOOST_TEST(near(s[0], f * own_score[0] - g * own_score[2], 1e-13, 1e-14));
  BOOST_TEST(near(s[1], own_score[1]));
  BOOST_TEST(near(s[2], g * own_score[0] + f * own_score[2], 1e-13, 1e-14));
}

BOOST_AUTO_TEST_CASE(processes_are_consistent) {
  // d alpha/dt = f alpha and d sigma^2/dt = 2 f sigma^2 + g^2.
  for (const DiffusionProcess& p : processes())
    for (const double t : {0.3, 1.0, 1.7}) {
      const double h = 0.01;
      BOOST_TEST(near(derivative([&](double s) { return p.alpha(s); }, t, h), p.drift_rate(t) * p.alpha(t), 1e-11, 1e-12));
      BOOST_TEST(near(derivative([&](double s) { return p.variance(s); }, t, h), 2 * p.drift_rate(t) * p.variance(t) + p.diffusion_squared(t), 1e-11,
                      1e-12));
    }
}

BOOST_AUTO_TEST_CASE(moved_mixtures_scores_and_posterior_means_by_quadrature) {
  for (const GaussianMixture& start : {line(), plane()})
    for (const DiffusionProcess& process : processes()) {
      const MovedFunctions f = moved_functions(make_data(start), process);
      for (const double t : {0.4, 1.1}) {
        const double alpha = process.alpha(t), variance = process.variance(t);
        const GaussianMixture moved = start.moved(alpha, variance);
        for (const auto& [x, y] : {std::pair{0.2, -0.3}, {-1.0, 0.6}, {1.4, 1.0}}) {
          const double at[]{x, y};
          const Posterior exact(start, at, alpha, variance);
          BOOST_TEST(near(moved.density(at), exact.mass));
          BOOST_TEST(near(f.density->at(x, y, 0, t), exact.mass));
          BOOST_TEST(near(f.log_density->at(x, y, 0, t), std::log(exact.mass), 1e-13, 1e-13));
          double jacobian[4];
          moved.score_jacobian(at, jacobian);
          for (int d = 0; d < start.dim(); ++d) {
            BOOST_TEST(near(f.score[d]->at(x, y, 0, t), (alpha * exact.mean[d] - at[d]) / variance, 1e-13, 1e-12));
            BOOST_TEST(near(f.posterior_mean[d]->at(x, y, 0, t), exact.mean[d], 1e-12, 1e-12));
            // Cov[x_0 | x] = (sigma^2 / alpha)^2 (I / sigma^2 + Hess log p)
            for (int e = 0; e < start.dim(); ++e) {
              const double covariance = std::pow(variance / alpha, 2) * ((d == e) / variance + jacobian[d * start.dim() + e]);
              BOOST_TEST(std::fabs(covariance - exact.square[d][e]) < 1e-12 * std::pow(variance / alpha, 2) * (1 + 1 / variance));
            }
          }
        }
      }
    }
}

BOOST_AUTO_TEST_CASE(moved_mixtures_obey_the_fokker_planck_equation) {
  // p_t + div(f p) = g^2/2 Lap p, differences of order 8.
  const GaussianMixture start = plane();
  for (const DiffusionProcess& process : processes()) {
    const MovedFunctions f = moved_functions(make_data(start), process);
    for (const auto& [x, y, t] : {std::tuple{0.2, -0.3, 0.5}, {-0.7, 0.4, 1.2}}) {
      const double h = 0.02, p = f.density->at(x, y, 0, t), rate = process.drift_rate(t);
      const double at[]{x, y};
      const double p_t = derivative([&](double s) { return f.density->at(x, y, 0, s); }, t, h);
      double divergence = 0, laplacian = 0;
      for (int d = 0; d < 2; ++d) {
        const auto flux = [&](double s) { return rate * s * f.density->at(d == 0 ? s : x, d == 0 ? y : s, 0, t); };
        const auto slope = [&](double s) {  // p grad log p
          const double a = d == 0 ? s : x, b = d == 0 ? y : s;
          return f.density->at(a, b, 0, t) * f.score[d]->at(a, b, 0, t);
        };
        divergence += derivative(flux, at[d], h);
        laplacian += derivative(slope, at[d], h);
      }
      BOOST_TEST(std::fabs(p_t + divergence - process.diffusion_squared(t) / 2 * laplacian) < 1e-8 * p * (1 + process.diffusion_squared(t)));
    }
  }
}

BOOST_AUTO_TEST_CASE(nothing_underflows_far_away) {
  const GaussianMixture m = line();
  const double x = 1e4;
  double s;
  m.score(&x, &s);
  BOOST_TEST(near(s, -(x - 0.4) / 0.25));  // the widest component wins
  BOOST_TEST(near(m.log_density(&x), std::log(0.5 / std::sqrt(2 * pi * 0.25)) - std::pow(x - 0.4, 2) / 0.5));
  BOOST_TEST(m.density(&x) == 0);
}

BOOST_AUTO_TEST_CASE(functions_have_the_same_bits_however_a_row_is_cut) {
  const DiffusionProcess process = processes()[2];
  for (const std::vector<int>& cells : std::vector<std::vector<int>>{{101}, {37, 11}}) {
    std::vector<Axis> axes;
    for (const int n : cells) axes.push_back({-2, 2, n, Boundary::NoFlux, 0.5});
    const LayoutPtr layout = make_layout(MPI_COMM_WORLD, Grid(axes));
    const MovedFunctions f = moved_functions(make_data(cells.size() == 1 ? line() : plane()), process);
    Field field(layout);
    std::vector<FunctionPtr> all{f.density, f.log_density};
    all.insert(all.end(), f.score.begin(), f.score.end());
    for (const FunctionPtr& function : all)
      for (const double t : {0.1, 0.9}) {
        fill(field, 0, *function, t);
        for (int r = 0; r < layout->rows(); ++r) {
          const RowPoints p = layout->row(r);
          for (int i = 0; i < p.n; ++i) BOOST_TEST(field.level()[p.offset + i] == function->at(p.x[i], p.y, p.z, t));
        }
      }
  }
}

BOOST_AUTO_TEST_CASE(mixtures_and_processes_from_problem_files) {
  const auto mixture = [](const std::string& text, int dim) {
    const ProblemFile file = ProblemFile::parse("[a]\n" + text, "p.toml");
    GaussianMixture m = read_gaussian_mixture(file.root().table("a", "A mixture."), dim);
    file.check_all_used();
    return m;
  };
  const GaussianMixture m =
      mixture("components = [{ mean = [1, 0], deviation = [0.5, 2], weight = 3 }, { mean = 0, covariance = [2, 0.5, 0.5, 1] }]", 2);
  BOOST_TEST(m.components().size() == 2u);
  BOOST_TEST(m.components()[0].weight == 0.75);
  BOOST_TEST(m.components()[0].covariance[3] == 4);
  BOOST_TEST(m.components()[1].covariance[1] == 0.5);
  const auto says = [](auto&& read, const std::string& part) {
    try {
      read();
      BOOST_ERROR("no error: " << part);
    } catch (const InputError& e) {
      BOOST_TEST(std::string(e.what()).find(part) != std::string::npos, e.what());
    }
  };
  says([&] { mixture("components = [{ mean = 0, covariance = [1, 2, 2, 1] }]", 2); }, "positive definite");
  says([&] { mixture("components = [{ mean = 0, covariance = [1, 0.5, 0.2, 1] }]", 2); }, "symmetric");
  says([&] { mixture("components = [{ mean = 0, covariance = [1, 2] }]", 2); }, "expected 4 numbers");
  says([&] { mixture("components = [{ mean = 0, deviation = -1 }]", 1); }, "deviation");
  says([&] { mixture("components = []", 1); }, "components");
  says([] { GaussianMixture(1, {{1, {}, {1}}, {-1, {}, {1}}}); }, "component 2");

  const ProblemFile file = ProblemFile::parse("[process]\ntype = 'variance_exploding'\nsigma_max = 3", "p.toml");
  const DiffusionProcess ve = read_diffusion_process(file.root().table("process", "The process."), 2);
  BOOST_TEST(near(ve.variance(2), 9));
  BOOST_TEST(near(ve.variance(0), 1e-4));
  BOOST_TEST(ve.alpha(1) == 1);
  const ProblemFile wrong = ProblemFile::parse("[process]\ntype = 'variance_exploding'\nsigma_max = 0.001", "p.toml");
  says([&] { read_diffusion_process(wrong.root().table("process", "The process."), 2); }, "sigma_max");
}
