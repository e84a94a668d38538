// ranks: 1
// timeout: 60
#define BOOST_TEST_MODULE data_density
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <numbers>

#include "grids/support/errors.hpp"
#include "problems/data_density.hpp"
#include "problems/special_functions.hpp"

using namespace wasserflow;

namespace {

constexpr double pi = std::numbers::pi;

bool near(double a, double b, double relative, double absolute = 0) { return std::fabs(a - b) <= relative * std::fabs(b) + absolute; }

struct Values {
  double log = 0, score[3]{};
};

Values at(const MovedDensity& density, double x, double y, double z = 0) {
  Values v;
  RowPoints p;
  p.n = 1;
  p.x = &x;
  p.y = y;
  p.z = z;
  double* const score[]{v.score, v.score + 1, v.score + 2};
  density.evaluate(p, &v.log, score);
  return v;
}

const std::vector<Ring> rings{{1, 1.3, 0.2}, {2, 2.8, 0.3}};

/// p and grad p of the rings by the trapezoidal rule over angle and radius: no Bessel functions.
Values rings_by_quadrature(double x, double y, double alpha, double v) {
  Values sum;
  double p = 0, slope[2]{};
  for (const Ring& ring : rings) {
    const int n = 200, angles = 600;
    const double h = 20 * ring.deviation / n;
    for (int i = -n / 2; i <= n / 2; ++i)
      for (int k = 0; k < angles; ++k) {
        const double a = ring.radius + i * h, angle = 2 * pi * (k + 0.3) / angles;
        const double u = x - alpha * a * std::cos(angle), w = y - alpha * a * std::sin(angle);
        const double weight = ring.weight / 3 * h / angles * std::exp(-0.5 * std::pow(i * h / ring.deviation, 2)) /
                              (std::sqrt(2 * pi) * ring.deviation) * std::exp(-(u * u + w * w) / (2 * v)) / (2 * pi * v);
        p += weight;
        slope[0] -= weight * u / v;
        slope[1] -= weight * w / v;
      }
  }
  sum.log = std::log(p);
  for (int d = 0; d < 2; ++d) sum.score[d] = slope[d] / p;
  return sum;
}

const std::vector<Box> boxes{{1, {-1, -1, 0}, {0.5, 0.5, 0}}, {2, {0.5, -1, 0}, {2, 2, 0}}, {1, {-1, 1, 0}, {0.5, 2, 0}}};

/// The same for the boxes by Simpson's rule: no error functions.
Values boxes_by_quadrature(double x, double y, double alpha, double v) {
  // mass and slope of one side, times exp(c) to stay in range
  const auto side = [&](double s, double from, double to, double(&out)[2], double c) {
    const int n = 40000;  // far away the integrand falls steeply
    const double h = (to - from) / n;
    out[0] = out[1] = 0;
    for (int i = 0; i <= n; ++i) {
      const double weight = (i == 0 || i == n ? 1 : i % 2 ? 4 : 2) / (3.0 * n), u = s - alpha * (from + i * h);
      const double g = weight * std::exp(c - u * u / (2 * v)) / std::sqrt(2 * pi * v);
      out[0] += g;
      out[1] -= g * u / v;
    }
  };
  const auto offset = [&](double s) { return std::pow(std::max(0.0, std::fabs(s) - 2 * alpha), 2) / (2 * v); };
  double p = 0, slope[2]{};
  for (const Box& b : boxes) {
    double sx[2], sy[2];
    side(x, b.lower[0], b.upper[0], sx, offset(x));
    side(y, b.lower[1], b.upper[1], sy, offset(y));
    p += b.weight / 4 * sx[0] * sy[0];
    slope[0] += b.weight / 4 * sx[1] * sy[0];
    slope[1] += b.weight / 4 * sx[0] * sy[1];
  }
  return {std::log(p) - offset(x) - offset(y), {slope[0] / p, slope[1] / p, 0}};
}

template <class F>
double derivative(F f, double t, double h) {
  return (4.0 / 5 * (f(t + h) - f(t - h)) - 1.0 / 5 * (f(t + 2 * h) - f(t - 2 * h)) + 4.0 / 105 * (f(t + 3 * h) - f(t - 3 * h)) -
          1.0 / 280 * (f(t + 4 * h) - f(t - 4 * h))) /
         h;
}

}  // namespace

BOOST_AUTO_TEST_CASE(scaled_special_functions) {
  for (double x = 0; x < 12; x += 0.37) {
    const long double exact = std::exp(static_cast<long double>(x) * x) * std::erfc(static_cast<long double>(x));
    BOOST_TEST(near(erfcx(x), static_cast<double>(exact), 3e-15));
  }
  BOOST_TEST(near(erfcx(1e8), std::numbers::inv_sqrtpi / 1e8, 1e-15));
  for (double z = 0; z < 500; z = 1.07 * z + 0.05)
    BOOST_TEST(near(bessel_i0e(z), static_cast<double>(std::cyl_bessel_i(0.0L, static_cast<long double>(z)) * std::exp(-static_cast<long double>(z))),
                    1e-14));
  BOOST_TEST(near(bessel_i0e(1e10), 1 / std::sqrt(2 * pi * 1e10), 1e-10));
}

BOOST_AUTO_TEST_CASE(moved_rings_by_quadrature) {
  const DataDensityPtr data = make_rings(rings);
  for (const auto& [alpha, v] : {std::pair{1.0, 0.02}, {0.8, 0.2}, {0.3, 1.0}, {0.01, 0.5}}) {
    const auto moved = data->moved(alpha, v);
    for (const auto& [x, y] : {std::pair{0.0, 0.0}, {0.01, 0.0}, {0.2, 0.1}, {-0.9, 0.8}, {1.2, 1.5}, {0.0, -2.7}, {3.0, -3.0}}) {
      const Values exact = rings_by_quadrature(x, y, alpha, v), found = at(*moved, x, y);
      BOOST_TEST(near(found.log, exact.log, 0, 1e-12), found.log << " " << exact.log);
      for (int d = 0; d < 2; ++d) BOOST_TEST(near(found.score[d], exact.score[d], 1e-11, 1e-10), found.score[d] << " " << exact.score[d]);
    }
  }
}

BOOST_AUTO_TEST_CASE(rings_without_blur_and_far_away) {
  const auto start = make_rings(rings)->moved(1, 0);
  for (const double r : {0.4, 1.0, 1.3, 2.2, 3.0, 4.0}) {
    double p = 0, slope = 0;
    for (const Ring& ring : rings)
      for (const double sign : {1.0, -1.0}) {
        const double u = (r - sign * ring.radius) / ring.deviation;
        const double q = ring.weight / 3 * std::exp(-u * u / 2) / (std::sqrt(2 * pi) * ring.deviation * 2 * pi * r);
        p += q;
        slope += q * (-u / ring.deviation - 1 / r);
      }
    const Values found = at(*start, 0.6 * r, -0.8 * r);
    BOOST_TEST(near(found.log, std::log(p), 0, 1e-7));
    BOOST_TEST(near(found.score[0], 0.6 * slope / p, 1e-6, 1e-6));
    BOOST_TEST(near(found.score[1], -0.8 * slope / p, 1e-6, 1e-6));
  }
  // Far away the score is that of the widest Gaussian, and it is the slope of the logarithm on both sides of the tables' end.
  const auto moved = make_rings(rings)->moved(1, 0.5);
  for (const double r : {50.0, 500.0, 5000.0}) {
    const double l2 = 0.5 + 0.09;
    const Values found = at(*moved, r, 0);
    BOOST_TEST(near(found.score[0], -(r - 2.8) / l2, 1e-3));
    BOOST_TEST(near(found.score[0], derivative([&](double s) { return at(*moved, s, 0).log; }, r, 0.01 * r), 1e-6));
    BOOST_TEST(found.score[1] == 0);
  }
}

BOOST_AUTO_TEST_CASE(moved_boxes_by_quadrature) {
  const DataDensityPtr data = make_boxes(2, boxes);
  for (const auto& [alpha, v] : {std::pair{1.0, 0.09}, {0.5, 0.4}, {0.02, 1.0}, {1e-4, 1.0}}) {
    const auto moved = data->moved(alpha, v);
    for (const auto& [x, y] : {std::pair{0.0, 0.0}, {0.5, -1.0}, {-1.3, 1.1}, {2.5, 2.0}, {9.0, -7.0}, {-0.3, 25.0}}) {
      const Values exact = boxes_by_quadrature(x, y, alpha, v), found = at(*moved, x, y);
      BOOST_TEST(near(found.log, exact.log, 1e-13, 2e-11), x << " " << y << " " << alpha << ": " << found.log << " " << exact.log);
      for (int d = 0; d < 2; ++d) BOOST_TEST(near(found.score[d], exact.score[d], 1e-10, 1e-10), found.score[d] << " " << exact.score[d]);
    }
  }
  const auto start = data->moved(1, 0);
  BOOST_TEST(near(at(*start, 0.2, 0.2).log, std::log(1 / (4 * 2.25)), 1e-14));
  BOOST_TEST(near(at(*start, 0.5, 0.2).log, std::log(2 / (4 * 4.5)), 1e-14));
  BOOST_TEST(std::isinf(at(*start, 0.2, 0.7).log));
  BOOST_TEST(at(*start, 0.2, 0.7).score[0] == 0);
  // In 3-D one box is a product.
  const auto cube = make_boxes(3, {{1, {0, -1, 2}, {1, 1, 3}}})->moved(0.7, 0.3);
  double sum = 0;
  const double place[]{0.3, 0.9, 1.2}, from[]{0, -1, 2}, to[]{1, 1, 3}, s = std::sqrt(0.6);
  for (int d = 0; d < 3; ++d)
    sum += std::log((std::erf((place[d] - 0.7 * from[d]) / s) - std::erf((place[d] - 0.7 * to[d]) / s)) / (2 * 0.7 * (to[d] - from[d])));
  BOOST_TEST(near(at(*cube, place[0], place[1], place[2]).log, sum, 1e-13, 1e-13));
}

BOOST_AUTO_TEST_CASE(moved_densities_obey_the_fokker_planck_equation) {
  DiffusionProcess ou, vp;
  ou.k = 0.5;
  vp.kind = DiffusionProcess::Kind::VariancePreserving;
  for (const DataDensityPtr& data : {make_rings(rings), make_boxes(2, boxes)})
    for (const DiffusionProcess& process : {ou, vp}) {
      const MovedFunctions f = moved_functions(data, process);
      for (const auto& [x, y, t] : {std::tuple{0.2, -0.3, 0.5}, {-0.9, 1.4, 0.8}}) {
        const double h = 0.02, p = f.density->at(x, y, 0, t), rate = process.drift_rate(t), place[]{x, y};
        const double p_t = derivative([&](double s) { return f.density->at(x, y, 0, s); }, t, h);
        double divergence = 0, laplacian = 0;
        for (int d = 0; d < 2; ++d) {
          const auto value = [&](const FunctionPtr& g, double s) { return d == 0 ? g->at(s, y, 0, t) : g->at(x, s, 0, t); };
          divergence += derivative([&](double s) { return rate * s * value(f.density, s); }, place[d], h);
          laplacian += derivative([&](double s) { return value(f.density, s) * value(f.score[d], s); }, place[d], h);
        }
        const double g2 = process.diffusion_squared(t);
        BOOST_TEST(std::fabs(p_t + divergence - g2 / 2 * laplacian) < 1e-7 * p * (1 + g2));
        // The mean of what the data may have been lies among them.
        for (const FunctionPtr& mean : f.posterior_mean) BOOST_TEST(std::fabs(mean->at(x, y, 0, t)) < 4);
      }
    }
}

BOOST_AUTO_TEST_CASE(wrong_rings_and_boxes_are_refused) {
  BOOST_CHECK_THROW(make_rings({}), InputError);
  BOOST_CHECK_THROW(make_rings({{1, 1, 0}}), InputError);
  BOOST_CHECK_THROW(make_boxes(1, {}), InputError);
  BOOST_CHECK_THROW(make_boxes(1, {{1, {1}, {1}}}), InputError);
  BOOST_CHECK_THROW(make_boxes(1, {{0, {1}, {2}}}), InputError);
}
