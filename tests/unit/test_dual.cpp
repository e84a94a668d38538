// ranks: 1
#define BOOST_TEST_MODULE dual
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <random>
#include <utility>

#include "problems/dual.hpp"
#include "problems/formula.hpp"

using namespace wasserflow;

namespace {

// Written once for double, Dual and Dual<Dual>; the same text goes through Formula.
struct Smooth {
  static constexpr const char* text =
      "sin(x*y) + exp(x)/(2 + cos(y)) - log(1 + x^2)*tanh(y) + atan(x) + atan2(x, 3 + y) + sqrt(1 + x*x + y*y) + pow(2 + x, y)"
      " + asin(x/3)*acos(y/3) + tan(x/2)*sinh(y)*cosh(x)";
  template <class T>
  T operator()(const T& x, const T& y) const {
    using std::sin, std::cos, std::exp, std::log, std::tanh, std::atan, std::atan2, std::sqrt, std::pow, std::asin, std::acos, std::tan, std::sinh,
        std::cosh;
    return sin(x * y) + exp(x) / (2.0 + cos(y)) - log(1.0 + pow(x, 2.0)) * tanh(y) + atan(x) + atan2(x, 3.0 + y) + sqrt(1.0 + x * x + y * y) +
           pow(2.0 + x, y) + asin(x / 3.0) * acos(y / 3.0) + tan(x / 2.0) * sinh(y) * cosh(x);
  }
};

struct Kinked {
  static constexpr const char* text = "abs(x)*y + min(x, y^2) + max(x*y, 0.3) + floor(4*x)*y";
  template <class T>
  T operator()(const T& x, const T& y) const {
    using std::abs, std::min, std::max, std::floor;
    return abs(x) * y + min(x, T(y * y)) + max(T(x * y), T(0.3)) + floor(4.0 * x) * y;
  }
};

template <class Law>
void compare(const Law& law) {
  const std::vector<std::string> names{"x", "y"};
  const Formula f = Formula::parse(Law::text, names);
  const Formula fx = f.derivative("x"), fy = f.derivative("y"), fxx = fx.derivative("x"), fxy = fx.derivative("y"), fyy = fy.derivative("y");
  std::mt19937 random(4);
  std::uniform_real_distribution<double> uniform(-1.4, 1.4);
  using D = Dual<2>;
  using DD = Dual<2, D>;
  for (int k = 0; k < 100; ++k) {
    const double x = uniform(random), y = uniform(random);
    const NamedConstants at{{"x", x}, {"y", y}};
    const DD value = law(DD::variable(D::variable(x, 0), 0), DD::variable(D::variable(y, 1), 1));
    const D first = law(D::variable(x, 0), D::variable(y, 1));
    const auto close = [](double a, double b) { return std::fabs(a - b) <= 1e-12 * (1 + std::fabs(b)); };
    BOOST_TEST(close(law(x, y), f.value(at)));
    BOOST_TEST(close(first.value, f.value(at)));
    BOOST_TEST(close(first.partial[0], fx.value(at)));
    BOOST_TEST(close(first.partial[1], fy.value(at)));
    BOOST_TEST(close(value.partial[0].partial[0], fxx.value(at)));
    BOOST_TEST(close(value.partial[0].partial[1], fxy.value(at)));
    BOOST_TEST(close(value.partial[1].partial[0], fxy.value(at)));
    BOOST_TEST(close(value.partial[1].partial[1], fyy.value(at)));
  }
}

}  // namespace

BOOST_AUTO_TEST_CASE(first_and_second_derivatives_agree_with_formulas) {
  compare(Smooth());
  compare(Kinked());
}

BOOST_AUTO_TEST_CASE(norms_have_slope_0_at_the_origin) {
  using D = Dual<2>;
  const D x = D::variable(0.0, 0), y = D::variable(0.0, 1);
  BOOST_TEST(sqrt(x * x + y * y).partial[0] == 0);
  BOOST_TEST(abs(x).partial[0] == 0);
  BOOST_TEST(pow(x * x + y * y, 0.75).partial[1] == 0);
  D s = 2;
  s += x;
  s *= 3;
  s -= 1;
  s /= 2;
  BOOST_TEST(s.value == 2.5);
  BOOST_TEST(s.partial[0] == 1.5);
  BOOST_TEST((x < D(1) && s > y && x == y));
}
