// ranks: 1
// timeout: 60
#define BOOST_TEST_MODULE potential
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <functional>
#include <numbers>
#include <vector>

#include "problems/dual.hpp"
#include "problems/potential.hpp"

using namespace wasserflow;

namespace {

using Values = void (Potential::*)(int, const double*, double*) const;

std::vector<double> values(const Potential& w, Values which, const std::vector<double>& u) {
  std::vector<double> out(u.size());
  (w.*which)(static_cast<int>(u.size()), u.data(), out.data());
  return out;
}

double at(const Potential& w, Values which, double u) { return values(w, which, {u})[0]; }

PotentialPtr read(const std::string& value) {
  const ProblemFile file = ProblemFile::parse("[equation]\npotential = " + value + "\n", "p.toml");
  const PotentialPtr w = read_potential(file.root().table("equation", "E."), "potential", "W.");
  file.check_all_used();
  return w;
}

std::string message(const std::string& value) {
  try {
    read(value);
  } catch (const InputError& e) {
    return e.what();
  }
  BOOST_ERROR("no error in: " << value);
  return {};
}

/// Points that fill vectors and leave a rest, inside of (-1, 1).
std::vector<double> points(double reach) {
  std::vector<double> u;
  for (int i = 0; i < 301; ++i) u.push_back(reach * (2 * i / 300.0 - 1));
  return u;
}

/// The law W on a scalar type, differentiated three times by nested dual numbers.
template <class Law>
void compare_with_duals(const Potential& w, const Law& law, double reach, double tolerance) {
  const std::vector<double> u = points(reach);
  const std::vector<double> energy = values(w, &Potential::energy, u), first = values(w, &Potential::first, u),
                            second = values(w, &Potential::second, u), third = values(w, &Potential::third, u);
  for (std::size_t i = 0; i < u.size(); ++i) {
    using D1 = Dual<1>;
    using D2 = Dual<1, D1>;
    using D3 = Dual<1, D2>;
    const D3 x = D3::variable(D2::variable(D1::variable(u[i], 0), 0), 0), y = law(x);
    const auto close = [&](double a, double b) { return std::fabs(a - b) <= tolerance * (1 + std::fabs(b)); };
    BOOST_TEST(close(energy[i], y.value.value.value), w.text() << " at " << u[i]);
    BOOST_TEST(close(first[i], y.partial[0].value.value), w.text() << " at " << u[i]);
    BOOST_TEST(close(second[i], y.partial[0].partial[0].value), w.text() << " at " << u[i]);
    BOOST_TEST(close(third[i], y.partial[0].partial[0].partial[0]), w.text() << " at " << u[i]);
  }
}

}  // namespace

BOOST_AUTO_TEST_CASE(derivatives_are_those_of_dual_numbers) {
  const auto double_well = [](const auto& u) { return 0.25 * (u * u - 1.0) * (u * u - 1.0); };
  compare_with_duals(*make_double_well(), double_well, 2.5, 1e-14);
  compare_with_duals(*read("'double_well'"), double_well, 2.5, 1e-14);
  compare_with_duals(*read("{ type = 'polynomial', coefficients = [0.25, 0, -0.5, 0, 0.25] }"), double_well, 2.5, 1e-13);
  compare_with_duals(*read("{ type = 'formula', W = 'k*(u^2 - 1)^2', constants = { k = 0.25 } }"), double_well, 2.5, 1e-13);
  const auto flory_huggins = [](const auto& u) { return 0.15 * ((1.0 + u) * log(1.0 + u) + (1.0 - u) * log(1.0 - u)) - 0.5 * u * u; };
  compare_with_duals(*make_flory_huggins(0.3, 1), flory_huggins, 0.999, 1e-12);
  compare_with_duals(*read("{ type = 'flory_huggins', theta = 0.3, theta_c = 1 }"), flory_huggins, 0.999, 1e-12);
  compare_with_duals(
      *read("{ type = 'polynomial', coefficients = [1, 2, -3, 0, 0.5, 0.25, 1] }"),
      [](const auto& u) { return 1.0 + u * (2.0 + u * (-3.0 + u * u * (0.5 + u * (0.25 + u)))); }, 1.5, 1e-12);
}

BOOST_AUTO_TEST_CASE(curvature_at_the_deepest_minimum) {
  BOOST_TEST(make_double_well()->curvature() == 2);
  const auto near = [](double a, double b) { return std::fabs(a - b) <= 1e-9 * b; };
  BOOST_TEST(near(read("{ type = 'formula', W = '(u^2 - 1)^2/4' }")->curvature(), 2));
  BOOST_TEST(near(read("{ type = 'polynomial', coefficients = [0.25, 0, -0.5, 0, 0.25] }")->curvature(), 2));
  // Wells at 0 and 3, tilted to make the second one deeper; and far from the origin.
  const PotentialPtr tilted = read("{ type = 'formula', W = 'u^2*(u - 3)^2 - 0.1*u' }");
  double u = 3;
  for (int k = 0; k < 30; ++k) u -= at(*tilted, &Potential::first, u) / at(*tilted, &Potential::second, u);
  BOOST_TEST(near(tilted->curvature(), at(*tilted, &Potential::second, u)));
  BOOST_TEST(near(read("{ type = 'polynomial', coefficients = [0, -120, 3] }")->curvature(), 6));
  // Flory-Huggins: theta atanh(u) = theta_c u, W'' = theta / (1 - u^2) - theta_c; above the critical temperature the minimum is 0.
  const double theta = 0.8, critical = 1;
  double m = 0.99;
  for (int k = 0; k < 200; ++k) m = std::tanh(critical / theta * m);
  BOOST_TEST(near(make_flory_huggins(theta, critical)->curvature(), theta / (1 - m * m) - critical));
  BOOST_TEST(near(make_flory_huggins(1.5, 1)->curvature(), 0.5));
  // No minimum, or a flat one: still a number that a preconditioner can use.
  for (const char* value : {"{ type = 'polynomial', coefficients = [0, 0, 0, 0, 1] }", "{ type = 'polynomial', coefficients = [0, 1] }",
                            "{ type = 'formula', W = '-u^2/2' }", "{ type = 'flory_huggins', theta = 1, theta_c = 1 }",
                            "{ type = 'flory_huggins', theta = 0.02, theta_c = 1 }"}) {
    BOOST_TEST(read(value)->curvature() > 0, value);
    BOOST_TEST(std::isfinite(read(value)->curvature()), value);
  }
}

BOOST_AUTO_TEST_CASE(outside_of_the_domain_nothing_is_a_number) {
  const PotentialPtr log = make_flory_huggins(0.3, 1);
  BOOST_TEST(log->lower() == -1);
  BOOST_TEST(log->upper() == 1);
  const PotentialPtr own = read("{ type = 'formula', W = 'u^2', lower = 0, upper = 2 }");
  BOOST_TEST(std::isinf(make_double_well()->upper()));
  for (const Values which : {&Potential::energy, &Potential::first, &Potential::second, &Potential::third}) {
    for (const double u : {-1.0, 1.0, 1.1, -20.0}) BOOST_TEST(std::isnan(at(*log, which, u)));
    for (const double u : {-1 + 1e-12, 1 - 1e-12, 0.0}) BOOST_TEST(std::isfinite(at(*log, which, u)));
    BOOST_TEST(std::isnan(at(*own, which, 0)));
    BOOST_TEST(std::isnan(at(*own, which, 2.5)));
    BOOST_TEST(std::isfinite(at(*own, which, 1)));
  }
}

BOOST_AUTO_TEST_CASE(a_value_does_not_depend_on_its_place_in_a_row) {
  const std::vector<double> u = points(0.95);
  for (const PotentialPtr& w : {make_double_well(), make_flory_huggins(0.4, 1), read("{ type = 'polynomial', coefficients = [1, 2, 3, 4, 5] }")})
    for (const Values which : {&Potential::energy, &Potential::first, &Potential::second, &Potential::third}) {
      const std::vector<double> row = values(*w, which, u);
      for (std::size_t i = 0; i < u.size(); ++i) BOOST_TEST(row[i] == at(*w, which, u[i]));
    }
}

BOOST_AUTO_TEST_CASE(texts_read_back) {
  for (const PotentialPtr& w : {make_double_well(), make_flory_huggins(0.3, 1.1), read("{ type = 'polynomial', coefficients = [1, 0.1, 3] }"),
                                read("{ type = 'formula', W = 'k*u^4 - u', constants = { k = 0.3 }, upper = 3 }")}) {
    const PotentialPtr again = read(w->text());
    BOOST_TEST(again->text() == w->text());
    BOOST_TEST(at(*again, &Potential::first, 0.37) == at(*w, &Potential::first, 0.37));
    BOOST_TEST(again->upper() == w->upper());
  }
  for (const auto& [name, doc] : potential_types()) BOOST_TEST(!doc.empty(), name);
}

BOOST_AUTO_TEST_CASE(faults_are_named_at_their_place) {
  const auto says = [](const std::string& value, const std::string& place, const std::string& part) {
    const std::string m = message(value);
    BOOST_TEST(m.rfind(place, 0) == 0, m);
    BOOST_TEST(m.find(part) != std::string::npos, m);
  };
  says("'double_wel'", "p.toml:2:13: equation.potential: ", "did you mean 'double_well'?");
  says("{ type = 'flory_hugins' }", "p.toml:2:22: equation.potential.type: ", "did you mean 'flory_huggins'?");
  says("'flory_huggins'", "p.toml:2:13: ", "has parameters");
  says("{ type = 'flory_huggins', theta = -1, theta_c = 1 }", "p.toml:2:47: ", "> 0");
  says("{ type = 'flory_huggins', theta = 1 }", "p.toml:2:13: ", "theta_c");
  says("{ type = 'formula', W = 'u^2 + v' }", "p.toml:2:44: equation.potential.W: ", "unknown name 'v'");
  says("{ type = 'formula', W = 'u^2', lower = 1, upper = 0 }", "p.toml:2:63: ", "empty");
  says("{ type = 'polynomial', coefficients = [] }", "p.toml:2:51: ", "at least one");
  says("{ type = 'double_well', depth = 1 }", "p.toml:2:45: ", "depth");
  says("3", "p.toml:2:13: ", "text");
}
