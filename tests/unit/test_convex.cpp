// ranks: 1 2
// The generic proximal map, which knows a Hamiltonian by its values and derivatives only, against the closed forms and the optimality conditions.
#define BOOST_TEST_MODULE convex
#include <boost/test/unit_test.hpp>
#include <random>

#include "grids/support/errors.hpp"
#include "problems/catalogue.hpp"
#include "problems/formula.hpp"
#include "problems/hamiltonians/builtin.hpp"
#include "problems/hamiltonians/formula.hpp"

using namespace wasserflow;

namespace {

struct Random {
  std::mt19937_64 generator{99};
  double uniform(double a, double b) { return std::uniform_real_distribution<double>(a, b)(generator); }
  double exponential(double decades) { return std::pow(10.0, uniform(-decades, decades)); }
  double sign() { return uniform(-1, 1) < 0 ? -1 : 1; }
};

LayoutPtr layout(int dim) {
  std::vector<Axis> axes;
  for (int d = 0; d < dim; ++d) axes.push_back({0.0, 2.0, dim == 1 ? 600 : dim == 2 ? 24 : 8, Boundary::Periodic, 0.0});
  return make_layout(MPI_COMM_WORLD, Grid(axes));
}

HamiltonianTerms from_formula(const std::string& text, int dim, const ConvexOptions& options = {}) {
  const std::vector<std::string> variables{"x", "y", "z", "t", "px", "py", "pz"};
  return make_convex("formula", formula_law(Formula::parse(text, variables), dim), dim, options);
}

/// Calls check(row, inputs as rows) over the grid with inputs of everyday sizes, over many decades, and zeros.
template <class F>
void over_grid(const LayoutPtr& grid, int slots, double decades, F&& check) {
  Random random;
  for (int round = 0; round < 3; ++round)
    for (int r = 0; r < grid->rows(); ++r) {
      const RowPoints p = grid->row(r);
      std::vector<std::vector<double>> u(static_cast<std::size_t>(slots) + 1, std::vector<double>(static_cast<std::size_t>(p.n)));
      for (std::size_t i = 0; i < static_cast<std::size_t>(p.n); ++i)
        for (auto& row : u) row[i] = random.uniform(0, 1) < 0.1 ? 0.0 : random.sign() * random.exponential(i % 2 ? decades : 0.5);
      check(p, u);
    }
}

std::vector<double*> slots_of(std::vector<std::vector<double>>& u) {
  std::vector<double*> rows;
  for (std::size_t j = 1; j < u.size(); ++j) rows.push_back(u[j].data());
  return rows;
}

/// Two Hamiltonians that are the same function have the same proximal map, value and gradient.
void same(Hamiltonian& generic, Hamiltonian& closed, int dim, double decades, double sigma_rho, double sigma_m, double tolerance = 1e-12) {
  BOOST_REQUIRE(generic.splitting() == closed.splitting());
  const LayoutPtr grid = layout(dim);
  const std::array<double, 1> times{0.5};
  generic.bind(grid, times);
  closed.bind(grid, times);
  const int slots = closed.slots(dim);
  int active = 0;
  over_grid(grid, slots, decades, [&](const RowPoints& p, const auto& u) {
    auto a = u, b = u;
    generic.prox(p, sigma_rho, sigma_m, a[0].data(), slots_of(a).data());
    closed.prox(p, sigma_rho, sigma_m, b[0].data(), slots_of(b).data());
    std::vector<double> h(static_cast<std::size_t>(p.n));
    std::vector<const double*> q;
    for (std::size_t j = 1; j < u.size(); ++j) q.push_back(u[j].data());
    for (std::size_t i = 0; i < h.size(); ++i) {
      double scale = 0;
      for (std::size_t j = 0; j < u.size(); ++j) scale = std::max({scale, std::abs(u[j][i]), std::abs(b[j][i])});
      for (std::size_t j = 0; j < u.size(); ++j) BOOST_REQUIRE_SMALL(a[j][i] - b[j][i], tolerance * scale);
      active += b[0][i] > 0;
    }
    auto ga = u, gb = u;
    std::vector<double> ha(h.size()), hb(h.size());
    generic.evaluate(p, q.data(), ha.data());
    closed.evaluate(p, q.data(), hb.data());
    generic.gradient(p, q.data(), slots_of(ga).data());
    closed.gradient(p, q.data(), slots_of(gb).data());
    for (std::size_t i = 0; i < h.size(); ++i) {
      BOOST_REQUIRE_SMALL(ha[i] - hb[i], 1e-12 * (1e-200 + std::abs(hb[i])));
      for (std::size_t j = 1; j < u.size(); ++j) BOOST_REQUIRE_SMALL(ga[j][i] - gb[j][i], 1e-11 * (1e-100 + std::abs(gb[j][i])));
    }
  });
  BOOST_TEST(active > 20);
}

struct Quadratic {
  double a;
  template <class Point, class P>
  P operator()(const Point& at, const P* p) const {
    return 0.5 * a * (1.0 + at.x) * (p[0] * p[0] + p[1] * p[1]);
  }
};
struct AbsoluteValues {
  static constexpr int coefficients = 1;
  template <class Point, class T>
  static void tabulate(const Point& at, T* c) {
    c[0] = 0.2 + at.x * at.x;
  }
  template <class Point, class P>
  P operator()(const Point& at, const P* p) const {
    return at.c[0] * (abs(p[0]) + abs(p[1]));
  }
};
struct Length {
  template <class Point, class P>
  P operator()(const Point&, const P* p) const {
    return 1.5 * sqrt(p[0] * p[0] + p[1] * p[1]);
  }
};
struct Rotated {
  template <class Point, class P>
  P operator()(const Point& at, const P* p) const {
    return p[0] * p[0] + 0.7 * (at.x + 0.1) * p[0] * p[1] + 1.5 * p[1] * p[1];
  }
};

template <class H, int D>
HamiltonianPtr generic(H h, const std::string& splitting = "auto") {
  return make_convex("generic", std::make_shared<StructLaw<H, D>>(h), D, {splitting, false}).kinetic;
}

}  // namespace

BOOST_AUTO_TEST_CASE(generic_quadratic) {
  for (const double a : {1e-8, 1e-3, 1.0, 1e3, 1e8})
    for (const double sigma : {0.1, 1.0, 30.0}) {
      const FunctionPtr f = make_formula(std::to_string(a) == "0.000000" ? "1e-8*(1+x)" : std::to_string(a) + "*(1+x)");
      same(*generic<Quadratic, 2>({a}), *make_quadratic(2, {f, f}), 2, 6, 0.7 * sigma, sigma);
    }
}

BOOST_AUTO_TEST_CASE(generic_kinks) {
  const FunctionPtr c = make_formula("0.2 + x*x");
  same(*generic<AbsoluteValues, 2>({}), *make_norm_l1(2, {c, c}), 2, 4, 0.7, 0.4);
  same(*generic<Length, 2>({}, "lax_friedrichs"), *make_norm_l2(2, make_constant(1.5), Splitting::LaxFriedrichs), 2, 3, 0.7, 0.4);
}

BOOST_AUTO_TEST_CASE(generic_cross_terms) {
  same(*generic<Rotated, 2>({}), *make_anisotropic(2, {make_constant(2), make_formula("0.7*(x+0.1)"), make_constant(3)}), 2, 5, 0.7, 0.4);
}

BOOST_AUTO_TEST_CASE(formulas_are_recognised) {
  struct Case {
    std::string text, name;
    HamiltonianPtr closed;
  };
  std::vector<Case> cases;
  const FunctionPtr speed = make_formula("1 + 3*exp(-4*((x-1)^2 + (y-1)^2))"), a = make_formula("(x-1)^2+0.1"), b = make_formula("(y-1)^2+0.1");
  cases.push_back({"(1 + 3*exp(-4*((x-1)^2 + (y-1)^2)))*sqrt(px^2+py^2)", "norm l2", make_norm_l2(2, speed)});
  cases.push_back({"((x-1)^2+0.1)/2*px^2 + ((y-1)^2+0.1)*py*py/2", "quadratic", make_quadratic(2, {a, b})});
  cases.push_back({"((x-1)^2+0.1)*abs(px) + ((y-1)^2+0.1)*abs(py)", "norm l1", make_norm_l1(2, {a, b})});
  cases.push_back({"2*max(abs(px), abs(py))", "norm linf", make_norm_linf(2, make_constant(2))});
  cases.push_back({"(px^2+py^2)^(3/2)*(y+1)/3", "power", make_power(2, make_formula("y+1"), 3)});
  cases.push_back({"(px^2 + x*px*py + 2*py^2)/2", "anisotropic", make_anisotropic(2, {make_constant(1), make_formula("x/2"), make_constant(2)})});
  for (Case& c : cases) {
    const HamiltonianTerms terms = from_formula(c.text, 2);
    BOOST_TEST(terms.kinetic->name() == c.name);
    BOOST_TEST(terms.kinetic->is_convex());
    same(*terms.kinetic, *c.closed, 2, 3, 0.3, 0.8);
  }
  const HamiltonianTerms newton = from_formula("px^2/2 - x*py + sin(y)*t", 2);
  BOOST_TEST(newton.kinetic->name() == "quadratic");
  BOOST_REQUIRE(newton.drift.size() == 2u);
  BOOST_TEST(newton.drift[1]->at(0.25, 0, 0, 0) == -0.25);
  BOOST_TEST(newton.potential->at(0, 0.5, 0, 2) == 2 * std::sin(0.5), boost::test_tools::tolerance(1e-14));
}

/// Values and optimality (see test_prox_kernels) of Hamiltonians without a closed form.
BOOST_AUTO_TEST_CASE(formulas_without_closed_form) {
  struct Case {
    std::string text;
    int dim;
    Splitting splitting;
  };
  for (const Case& c : {Case{"sqrt(1 + px^2 + py^2)", 2, Splitting::LaxFriedrichs}, Case{"cosh(px) + (1+x)*py^4 - 1", 2, Splitting::Upwind},
                        Case{"(px-1)^2/2 + abs(py+x) + exp(t)", 2, Splitting::Upwind}, Case{"sqrt(1 + px^2) + px/2", 1, Splitting::Upwind},
                        Case{"exp(0.3*px) + exp(-px) + px^2 + py^2 + pz^2 + px*py", 3, Splitting::LaxFriedrichs}}) {
    const HamiltonianTerms terms = from_formula(c.text, c.dim);
    Hamiltonian& h = *terms.kinetic;
    BOOST_REQUIRE(h.splitting() == c.splitting);
    BOOST_REQUIRE(h.is_convex());
    const LayoutPtr grid = layout(c.dim);
    h.bind(grid, std::array<double, 1>{0.5});
    const int slots = h.slots(c.dim);
    const double sigma_rho = 0.6, sigma_m = 0.35;
    int active = 0;
    over_grid(grid, slots, 1, [&](RowPoints p, const auto& input) {
      p.t = 0.5;
      auto u = input;
      h.prox(p, sigma_rho, sigma_m, u[0].data(), slots_of(u).data());
      const std::size_t n = static_cast<std::size_t>(p.n);
      auto b = input, v = input, q = input;
      std::vector<double> value(n), at_input(n), cost(n);
      for (std::size_t j = 1; j < u.size(); ++j)
        for (std::size_t i = 0; i < n; ++i) {
          b[j][i] = (input[j][i] - u[j][i]) / sigma_m;
          v[j][i] = u[0][i] > 0 ? u[j][i] / u[0][i] : 0.0;
          q[j][i] = input[j][i] / sigma_m;
        }
      const auto rows = [](const auto& f) {
        std::vector<const double*> r;
        for (std::size_t j = 1; j < f.size(); ++j) r.push_back(f[j].data());
        return r;
      };
      h.evaluate(p, rows(b).data(), value.data());
      h.evaluate(p, rows(q).data(), at_input.data());
      h.lagrangian(p, rows(v).data(), cost.data());
      for (std::size_t i = 0; i < n; ++i) {
        if (u[0][i] == 0) {
          BOOST_REQUIRE(input[0][i] / sigma_rho + at_input[i] <= 1e-12 * (std::abs(at_input[i]) + std::abs(input[0][i])));
          for (std::size_t j = 1; j < u.size(); ++j) BOOST_REQUIRE(u[j][i] == 0);
          continue;
        }
        ++active;
        double product = 0, scale = std::abs(cost[i]) + std::abs(value[i]);
        for (std::size_t j = 1; j < u.size(); ++j) product += v[j][i] * b[j][i], scale += std::abs(v[j][i]) * std::abs(input[j][i]) / sigma_m;
        BOOST_REQUIRE_SMALL((input[0][i] - u[0][i]) / sigma_rho + value[i],
                            1e-12 * (std::abs(input[0][i]) / sigma_rho + u[0][i] / sigma_rho + scale));
        BOOST_REQUIRE_SMALL(value[i] + cost[i] - product, 1e-9 * scale);
      }
    });
    BOOST_TEST(active > 20);
  }
}

BOOST_AUTO_TEST_CASE(what_is_refused) {
  BOOST_TEST(!from_formula("px^2 - py^2", 2).kinetic->is_convex());
  BOOST_TEST(!from_formula("cos(px)", 1).kinetic->is_convex());
  BOOST_TEST(!from_formula("abs(px) - abs(py)", 2).kinetic->is_convex());
  BOOST_CHECK_THROW(from_formula("sqrt(1+px^2+py^2)", 2, {"upwind", true}), InputError);
  const ProblemFile file = ProblemFile::parse("[hamiltonian]\ntype = \"formula\"\nH = \"px^2 + qx\"\n", "bad.toml");
  BOOST_CHECK_EXCEPTION(read_hamiltonian(file.root().table("hamiltonian", "H"), 1), InputError,
                        [](const InputError& e) { return std::string(e.what()).find("bad.toml:3:13") != std::string::npos; });
}

/// A struct under a name in problem files.
BOOST_AUTO_TEST_CASE(structs_by_name) {
  add_hamiltonian<Rotated>("rotated", "a quadratic form with cross terms");
  const ProblemFile file = ProblemFile::parse("[hamiltonian]\ntype = \"rotated\"\n", "own.toml");
  const HamiltonianTerms terms = read_hamiltonian(file.root().table("hamiltonian", "H"), 2);
  BOOST_TEST(terms.kinetic->name() == "anisotropic");
}
