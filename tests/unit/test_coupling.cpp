// ranks: 1 2 4
// timeout: 60
// Local couplings: proximal maps and conjugates against minimisation by search, closed forms, what problem files may say.
#define BOOST_TEST_MODULE coupling
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <random>

#include "grids/support/errors.hpp"
#include "problems/coupling.hpp"

using namespace wasserflow;

namespace {

using Real = long double;
constexpr Real infinity = std::numeric_limits<Real>::infinity();

const std::array<double, 2> times{0.25, 0.5};

struct Case {
  std::string text;
  Real (*f)(Real x, Real t, Real rho);
  Real (*slope)(Real x, Real t, Real rho);
};

Real log_or_zero(Real r, Real target = 1) { return r > 0 ? r * std::log(r / target) : 0; }

const std::vector<Case>& cases() {
  static const std::vector<Case> all{
      {"type = \"none\"", [](Real, Real, Real) { return Real(0); }, [](Real, Real, Real) { return Real(0); }},
      {"type = \"potential\"\nV = \"x - t\"", [](Real x, Real t, Real r) { return (x - t) * r; }, [](Real x, Real t, Real) { return x - t; }},
      {"type = \"entropy\"\ngamma = \"0.2 + x\"", [](Real x, Real, Real r) { return (Real(0.2) + x) * log_or_zero(r); },
       [](Real x, Real, Real r) { return (Real(0.2) + x) * (std::log(r) + 1); }},
      {"type = \"power\"\nexponent = 3\ncoefficient = \"t\"", [](Real, Real t, Real r) { return t * r * r * r; },
       [](Real, Real t, Real r) { return 3 * t * r * r; }},
      {"type = \"power\"\nexponent = 1.25", [](Real, Real, Real r) { return std::pow(r, Real(1.25)); },
       [](Real, Real, Real r) { return Real(1.25) * std::pow(r, Real(0.25)); }},
      {"type = \"power\"\nexponent = 2", [](Real, Real, Real r) { return r * r; }, [](Real, Real, Real r) { return 2 * r; }},
      {"type = \"quadratic\"\ncoefficient = \"1 + x\"\ntarget = \"2*x\"",
       [](Real x, Real, Real r) { return (1 + x) / 2 * (r - 2 * x) * (r - 2 * x); }, [](Real x, Real, Real r) { return (1 + x) * (r - 2 * x); }},
      {"type = \"kl\"\ncoefficient = 0.7\ntarget = \"0.1 + x\"",
       [](Real x, Real, Real r) { return Real(0.7) * (log_or_zero(r, Real(0.1) + x) - r + Real(0.1) + x); },
       [](Real x, Real, Real r) { return Real(0.7) * std::log(r / (Real(0.1) + x)); }},
      {"type = \"formula\"\nF = \"a*(1 + x)*exp(rho) + rho^4\"\nconstants = { a = 0.5 }",
       [](Real x, Real, Real r) { return (1 + x) / 2 * std::exp(r) + r * r * r * r; },
       [](Real x, Real, Real r) { return (1 + x) / 2 * std::exp(r) + 4 * r * r * r; }},
      {"type = \"formula\"\nF = \"rho*log(rho) + x*rho\"", [](Real x, Real, Real r) { return log_or_zero(r) + x * r; },
       [](Real x, Real, Real r) { return std::log(r) + 1 + x; }},
  };
  return all;
}

LayoutPtr layout() { return make_layout(MPI_COMM_WORLD, Grid({{0.0, 1.0, 400, Boundary::Periodic, 0.0}})); }

Coupling read(const std::string& text, int dim = 1) {
  const ProblemFile file = ProblemFile::parse(text, "test.toml");
  Coupling c = read_coupling(file.root(), "coupling", "F", dim);
  file.check_all_used();
  return c;
}

/// Root of an increasing function on (0, infinity) by bisection of the exponent; 0 when there is none.
template <class F>
Real root(F&& f) {
  Real low = 1e-290L, high = 1e12L;
  if (f(low) >= 0) return 0;
  for (int i = 0; i < 200; ++i) {
    const Real middle = high > 2 * low ? std::sqrt(low) * std::sqrt(high) : (low + high) / 2;
    (f(middle) < 0 ? low : high) = middle;
  }
  return low;
}

template <class F>
void for_levels(const SlabLayout& grid, F&& f) {
  for (int level = 0; level < 2; ++level)
    for (int r = 0; r < grid.rows(); ++r) {
      RowPoints p = grid.row(r);
      p.level = level;
      p.t = times[static_cast<std::size_t>(level)];
      f(p);
    }
}

}  // namespace

BOOST_AUTO_TEST_CASE(values_proximal_maps_and_conjugates) {
  std::mt19937_64 engine(3);
  const auto uniform = [&](double a, double b) { return a + (b - a) * static_cast<double>(engine() >> 11) * 0x1p-53; };
  for (const Case& test : cases()) {
    BOOST_TEST_CONTEXT(test.text)
    for (const double capacity : {0.0, 0.8}) {
      std::string text = "[[coupling]]\n" + test.text + "\n";
      if (capacity > 0) text += "[[coupling]]\ntype = \"capacity\"\nmaximum = 0.8\n";
      Coupling c = read(text);
      const LayoutPtr grid = layout();
      c.bind(grid, times);
      for_levels(*grid, [&](const RowPoints& p) {
        const std::size_t n = static_cast<std::size_t>(p.n);
        std::vector<double> v(n), r(n), out(n), slope(n), best(n);
        const double gamma = std::pow(10.0, uniform(-2, 2)), scale = p.level == 0 ? 1 : 20;
        for (std::size_t i = 0; i < n; ++i) r[i] = v[i] = i % 11 == 0 ? 0 : uniform(-1, 2) * std::pow(10.0, uniform(-3, 1));
        c.prox(p, gamma, r.data(), scale);
        for (std::size_t i = 0; i < n; i += 7) {
          const Real x = p.x[i];
          Real expected = root([&](Real s) { return s - Real(v[i]) + Real(gamma) * scale * test.slope(x, p.t, s); });
          if (capacity > 0) expected = std::min(expected, Real(0.8));
          BOOST_REQUIRE_SMALL(static_cast<double>(r[i] - expected), 1e-11 * (std::abs(v[i]) + static_cast<double>(expected)) + 1e-280);
        }
        // Values and slopes, also where they are infinite.
        c.value(p, r.data(), out.data(), scale);
        c.derivative(p, r.data(), slope.data(), scale);
        for (std::size_t i = 0; i < n; i += 7) {
          const Real f = scale * test.f(p.x[i], p.t, r[i]), g = scale * test.slope(p.x[i], p.t, std::max(r[i], 1e-300));
          BOOST_REQUIRE_SMALL(static_cast<double>(out[i] - f), 1e-13 * (scale + std::abs(static_cast<double>(f))));
          BOOST_REQUIRE_SMALL(static_cast<double>(slope[i] - g), 1e-12 * (scale + std::abs(static_cast<double>(g))));
        }
        for (std::size_t i = 0; i < n; ++i) slope[i] = -1e-9;
        c.value(p, slope.data(), out.data());
        BOOST_REQUIRE(out[0] == infinity);
        for (std::size_t i = 0; i < n; ++i) slope[i] = 0.81;
        c.value(p, slope.data(), out.data());
        BOOST_REQUIRE((out[0] == infinity) == (capacity > 0));
        // Conjugates: Fenchel's equation at the density that reaches them, Fenchel's inequality elsewhere.
        for (std::size_t i = 0; i < n; ++i) v[i] = uniform(-3, 3) * scale;
        c.conjugate(p, v.data(), out.data(), best.data(), scale);
        c.value(p, best.data(), slope.data(), scale);
        for (std::size_t i = 0; i < n; i += 7) {
          if (out[i] == infinity) {
            BOOST_REQUIRE(capacity == 0);
            BOOST_REQUIRE(test.slope(p.x[i], p.t, 1e30L) * scale < v[i]);
            continue;
          }
          BOOST_REQUIRE_SMALL(out[i] + slope[i] - v[i] * best[i], 1e-12 * (scale + std::abs(v[i] * best[i])));
          for (const Real other : {Real(0), Real(best[i]) * Real(0.9), std::min(Real(best[i]) * Real(1.1), capacity > 0 ? Real(0.8) : infinity)})
            BOOST_REQUIRE(v[i] * other - scale * test.f(p.x[i], p.t, other) <= out[i] + 1e-12 * (scale + std::abs(v[i])));
        }
      });
    }
  }
}

BOOST_AUTO_TEST_CASE(moreau_and_monotone) {
  // prox_{gamma F}(v) + gamma prox_{F*/gamma}(v/gamma) = v, with the second one by F*'s own definition: v - r is a subgradient of gamma F at r.
  for (const Case& test : cases()) {
    Coupling c = read("[[coupling]]\n" + test.text + "\n");
    const LayoutPtr grid = layout();
    c.bind(grid, times);
    for_levels(*grid, [&](const RowPoints& p) {
      const std::size_t n = static_cast<std::size_t>(p.n);
      std::vector<double> r(n), w(n), star(n), value(n), again(n);
      const double gamma = 0.4;
      for (std::size_t i = 0; i < n; ++i) r[i] = -2 + 6.0 * static_cast<double>(i) / static_cast<double>(n);
      again = r;
      c.prox(p, gamma, r.data());
      for (std::size_t i = 0; i < n; ++i) w[i] = (again[i] - r[i]) / gamma;
      c.conjugate(p, w.data(), star.data());
      c.value(p, r.data(), value.data());
      // F(r) + F*(w) = r w. F* of an affine F is infinite just above the slope: rounding decides there.
      for (std::size_t i = 0; i < n; ++i)
        if (star[i] < infinity) BOOST_REQUIRE_SMALL(value[i] + star[i] - r[i] * w[i], 1e-11 * (1 + std::abs(r[i] * w[i])));
      // Monotone and nonexpansive in v at one point.
      RowPoints one = p;
      one.n = 1;
      double before = -1, v_before = 0;
      for (double v = -3; v < 3; v += 0.1) {
        double x = v;
        c.prox(one, gamma, &x);
        if (before >= 0) BOOST_REQUIRE(x >= before * (1 - 1e-12) && x - before <= (v - v_before) * (1 + 1e-9));
        before = x;
        v_before = v;
      }
    });
  }
}

BOOST_AUTO_TEST_CASE(the_same_bits_wherever_a_point_stands) {
  for (const Case& test : cases()) {
    Coupling c = read("[[coupling]]\n" + test.text + "\n");
    const LayoutPtr grid = layout();
    c.bind(grid, times);
    for_levels(*grid, [&](const RowPoints& p) {
      const std::size_t n = static_cast<std::size_t>(p.n);
      std::vector<double> all(n);
      for (std::size_t i = 0; i < n; ++i) all[i] = std::sin(37.0 * p.x[i]) + 0.4;
      std::vector<double> alone = all;
      c.prox(p, 0.3, all.data());
      for (int first = 0; first < p.n; first += 13) {
        RowPoints part = p;
        part.x += first;
        part.offset += first;
        part.n = std::min(13, p.n - first);
        c.prox(part, 0.3, alone.data() + first);
      }
      for (std::size_t i = 0; i < n; ++i) BOOST_REQUIRE_EQUAL(all[i], alone[i]);
    });
  }
}

BOOST_AUTO_TEST_CASE(closed_forms) {
  // Lambert's W by its own equation: r = g W(exp(v/g - 1)/g).
  Coupling c = read("[coupling]\ntype = \"entropy\"\ngamma = 1\n");
  const LayoutPtr grid = layout();
  c.bind(grid, times);
  RowPoints p = grid->row(0);
  p.n = 4;
  std::vector<double> v{1, -400, 0.5, 1e5};
  c.prox(p, 1, v.data());
  BOOST_TEST(v[0] == 0.5671432904097838, boost::test_tools::tolerance(1e-13));  // W(1)
  BOOST_TEST(v[1] == std::exp(-401.0), boost::test_tools::tolerance(1e-11));
  BOOST_TEST(v[2] + std::log(v[2]) + 1 == 0.5, boost::test_tools::tolerance(1e-13));
  BOOST_TEST(v[3] + std::log(v[3]) + 1 == 1e5, boost::test_tools::tolerance(1e-13));
}

BOOST_AUTO_TEST_CASE(faults_in_problem_files) {
  const auto message = [](const std::string& text) -> std::string {
    try {
      Coupling c = read(text);
      c.bind(layout(), times);
    } catch (const InputError& e) {
      return e.what();
    }
    return "";
  };
  const auto has = [](const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; };
  BOOST_TEST(has(message("[coupling]\ntype = \"entropi\"\n"), "did you mean 'entropy'"));
  BOOST_TEST(has(message("[coupling]\ntype = \"entropy\"\ngamma = \"x - 0.5\"\n"), "negative"));
  BOOST_TEST(has(message("[coupling]\ntype = \"power\"\nexponent = 1\n"), "exponent"));
  BOOST_TEST(has(message("[coupling]\ntype = \"formula\"\nF = \"-rho^2\"\n"), "not convex"));
  BOOST_TEST(has(message("[coupling]\ntype = \"formula\"\nF = \"rho^2 + u\"\n"), "coupling.F"));
  BOOST_TEST(has(message("[coupling]\ntype = \"formula\"\nF = \"sqrt(rho - 1)\"\n"), "finite"));
  BOOST_TEST(has(message("[[coupling]]\ntype = \"entropy\"\n[[coupling]]\ntype = \"capacity\"\nmaximum = -1\n"), "capacity"));
  BOOST_TEST(message("") == "");
  for (const auto& [name, entry] : coupling_types().entries()) BOOST_TEST(message("[coupling]\n" + coupling_example(name)) == "");
}
