#define BOOST_TEST_MODULE log_normaliser
#include <boost/test/unit_test.hpp>
#include <algorithm>
#include <numbers>
#include <random>

#include "grids/support/errors.hpp"
#include "solvers/log_normaliser.hpp"

using namespace wasserflow;

namespace {

Formula parse(const std::string& text) {
  const std::vector<std::string> variables{"x", "y", "z"};
  return Formula::parse(text, variables);
}

}  // namespace

// V = a |x - m|^2 / 2: Z = (4 pi beta T b)^{d/2} exp(-a b |y - m|^2 / (4 beta)), b = 1 / (1 + a T).
BOOST_AUTO_TEST_CASE(quadratic_potentials_in_closed_form) {
  const double a = 1.7, m = 0.3, beta = 0.4, T = 0.5, b = 1 / (1 + a * T);
  for (int dim : {1, 2, 3}) {
    const std::vector<std::string> text{"1.7*(x-0.3)^2/2", "1.7*((x-0.3)^2+(y-0.3)^2)/2", "1.7*((x-0.3)^2+(y-0.3)^2+(z-0.3)^2)/2"};
    const LogNormaliser z(parse(text[static_cast<std::size_t>(dim - 1)]), dim, beta, T);
    for (double at : {-1.0, 0.2, 2.5}) {
      const std::vector<double> y(static_cast<std::size_t>(dim), at);
      const double exact = dim * (0.5 * std::log(4 * std::numbers::pi * beta * T * b) - a * b * (at - m) * (at - m) / (4 * beta));
      BOOST_TEST(z.laplace(y) == exact, boost::test_tools::tolerance(1e-12));
      BOOST_TEST(std::fabs(z.gauss_hermite(y, 32) - exact) < 1e-9);
    }
  }
  // Values that underflow: exp(-V / (2 beta)) = e^-50000.
  const LogNormaliser far(parse("x^2/2"), 1, 0.001, 0.1);
  const std::vector<double> y{10};
  BOOST_TEST(far.laplace(y) == 0.5 * std::log(4 * std::numbers::pi * 1e-4 / 1.1) - 100 / 1.1 / 0.004, boost::test_tools::tolerance(1e-13));
}

// Two moons, V = 2 (|x| - 3)^2 - log(exp(-2 (x - 3)^2) + exp(-2 (x + 3)^2)), at 200 points around them: errors of each way as T shrinks, against a rule of
// 80^2 points.
BOOST_AUTO_TEST_CASE(two_moons) {
  const Formula V = parse("2*(sqrt(x^2+y^2)-3)^2 + 2*(abs(x)-3)^2 - log(1 + exp(-24*abs(x)))");
  std::mt19937 random(5);
  std::normal_distribution<> normal;
  std::vector<std::array<double, 2>> points;
  while (points.size() < 200) {
    const double radius = 3 + 0.4 * normal(random), angle = std::clamp(0.25 * normal(random), -0.7, 0.7) + (points.size() % 2 == 0 ? 0 : std::numbers::pi);
    points.push_back({radius * std::cos(angle), radius * std::sin(angle)});
  }
  std::vector<double> laplace, taylor, few, more;
  for (double T : {0.2, 0.1, 0.05, 0.025}) {
    const LogNormaliser z(V, 2, 1, T);
    std::array<double, 4> worst{};
    for (const auto& y : points) {
      const double exact = z.gauss_hermite(y, 80);
      const std::array<double, 4> by{z.laplace(y), z.taylor(y), z.gauss_hermite(y, 8), z.gauss_hermite(y, 16)};
      for (std::size_t i = 0; i < 4; ++i) worst[i] = std::max(worst[i], std::fabs(by[i] - exact));
    }
    BOOST_TEST_MESSAGE("T " << T << ": Laplace " << worst[0] << ", Taylor " << worst[1] << ", Gauss-Hermite 8 points " << worst[2] << ", 16 points " << worst[3]);
    laplace.push_back(worst[0]), taylor.push_back(worst[1]), few.push_back(worst[2]), more.push_back(worst[3]);
  }
  BOOST_TEST(laplace[0] < 2e-2);
  BOOST_TEST(laplace[3] < laplace[0] / 8);
  BOOST_TEST(taylor[3] < taylor[1] / 8);  // second order
  BOOST_TEST(taylor[0] > 20 * laplace[0]);
  BOOST_TEST(more[0] < few[0] / 20);
  BOOST_TEST(few[1] < 1e-2);
  BOOST_TEST(more[1] < 1e-4);
}

BOOST_AUTO_TEST_CASE(bad_input) {
  BOOST_CHECK_THROW(LogNormaliser(parse("x^2"), 1, 0, 1), InputError);
  BOOST_CHECK_THROW(LogNormaliser(parse("x^2+y^2"), 1, 1, 1), InputError);
}
