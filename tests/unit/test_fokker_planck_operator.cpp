// ranks: 1 2 4
// timeout: 120
#define BOOST_TEST_MODULE fokker_planck_operator
#include <boost/test/unit_test.hpp>
#include <random>

#include "grids/support/counter_random.hpp"
#include "solvers/fokker_planck_operator.hpp"
#include "solvers/scharfetter_gummel.hpp"
#include "tests/support/phase_fields.hpp"

using namespace wasserflow;
using std::numbers::pi;
using test::max_difference;

namespace {

Grid mixed(int dim, Boundary x, Boundary y = Boundary::Periodic, Boundary z = Boundary::NoFlux) {
  std::vector<Axis> axes{{-1.2, 1, 9, x, 0.5}};
  if (dim > 1) axes.push_back({-1, 1, 8, y, 0.5});
  if (dim > 2) axes.push_back({0, 1.5, 8, z, 0.5});
  if (dim == 1) axes[0].cells = 14;
  return Grid(axes);
}

FunctionPtr f(const std::string& text) { return make_formula(text); }

struct Case {
  std::string name;
  FokkerPlanckEquation equation;
  Grid grid;
};

// Every term and boundary kind somewhere; potentials suit periodic axes or not: operators do not care.
std::vector<Case> cases() {
  using enum Boundary;
  std::vector<Case> all;
  FokkerPlanckEquation e;
  e.potential = f("2 * x^2 + sin(3 * x)");
  e.diffusion = {f("0.3")};
  all.push_back({"potential 1d", e, mixed(1, NoFlux)});
  all.push_back({"potential 1d absorbing", e, mixed(1, Dirichlet)});
  e.drift = {f("1 + cos(pi * x) * (1 + t)"), f("x - y"), f("3 * z")};
  e.diffusion = {f("0.1 + 0.05 * x^2 + t"), f("0.2"), f("1")};
  e.reaction = f("x * y - t");
  all.push_back({"drift 3d", e, mixed(3, Periodic, Dirichlet, NoFlux)});
  e.drift.resize(2);
  e.diffusion = {f("0.4 + 0.1 * x"), f("0.3 + 0.1 * y"), f("0.2 * sin(3 * x) * cos(2 * y)")};
  all.push_back({"tensor 2d", e, mixed(2, NoFlux, Periodic)});
  all.push_back({"tensor 2d closed", e, mixed(2, Periodic, NoFlux)});
  FokkerPlanckEquation t3;
  t3.diffusion = {f("0.4"), f("0.3"), f("0.5"), f("0.1 * sin(x)"), f("0.1 * x"), f("0.1 * cos(3 * y)")};
  all.push_back({"tensor 3d", t3, mixed(3, Periodic, Periodic, Periodic)});
  all.push_back({"tensor 3d closed", t3, mixed(3, NoFlux, NoFlux, NoFlux)});
  FokkerPlanckEquation p;
  p.porous_exponent = 2.5;
  p.porous_coefficient = 0.7;
  p.potential = f("x^2");
  all.push_back({"porous", p, mixed(2, NoFlux, Dirichlet)});
  p.diffusion = {f("0.05")};
  p.porous_exponent = 2;
  all.push_back({"porous and linear", p, mixed(1, NoFlux)});
  FokkerPlanckEquation w;
  w.diffusion = {f("0.2")};
  w.interaction = f("x^2 / 2 + exp(-x^2)");
  all.push_back({"interaction 1d", w, mixed(1, NoFlux)});
  w.interaction = f("exp(-x^2 - 2 * y^2 + x * y)");
  w.chemotaxis = 2;
  w.decay = 0.5;
  all.push_back({"interaction and chemotaxis", w, mixed(2, Periodic, NoFlux)});
  w.interaction = f("exp(-(x^2 + y^2 + z^2 + x * z))");
  w.porous_exponent = 3;
  all.push_back({"all nonlocal 3d", w, mixed(3, NoFlux, Dirichlet, Periodic)});
  return all;
}

Field random_density(const LayoutPtr& layout, int seed, double least = 0.2) {
  Field u(layout);
  for (std::ptrdiff_t i = 0; i < layout->owned(); ++i) {
    std::mt19937_64 g(static_cast<std::uint64_t>(layout->global_offset() + i) * 977 + static_cast<std::uint64_t>(seed) * 1000003);
    g.discard(3);
    u.level()[i] = least + std::uniform_real_distribution<double>(0, 1)(g);
  }
  return u;
}

enum class What { Value, Derivative, Adjoint };
Field apply(EvolutionOperator& op, What what) {
  Field out(op.layout());
  for (int r = 0; r < op.layout()->rows(); ++r) {
    double* row = out.level() + op.layout()->row(r).offset;
    what == What::Value ? op.value_row(0, r, row) : what == What::Derivative ? op.derivative_row(0, r, row) : op.adjoint_row(0, r, row);
  }
  return out;
}

Field value(EvolutionOperator& op, Field& u, double t) {
  op.prepare(u, {&t, 1});
  return apply(op, What::Value);
}

Field moved(const Field& u, double a, const Field& v) {
  Field w = u.clone();
  for (std::ptrdiff_t i = 0; i < u.layout().owned(); ++i) w.level()[i] += a * v.level()[i];
  return w;
}

}  // namespace

BOOST_AUTO_TEST_CASE(bernoulli_functions) {
  for (const double z : {1e-12, 1e-3, 0.05, 0.0999, 0.1001, 1.0, 7.0, 40.0, 300.0}) {
    const long double x = z, b = x / std::expm1(x);
    const long double slope =
        z > 0.5 ? (1 - b * std::exp(x)) / std::expm1(x) : -0.5L + x / 6 - x * x * x / 180 + std::pow(x, 5.0L) / 5040 - std::pow(x, 7.0L) / 151200;
    BOOST_TEST(std::fabs(bernoulli(z) - static_cast<double>(b)) <= 1e-15 * bernoulli(z));
    BOOST_TEST(std::fabs(bernoulli_slope(z) - static_cast<double>(slope)) < 2e-14);
    BOOST_TEST(std::fabs(bernoulli_slope(-z) + 1 + static_cast<double>(slope)) < 2e-14);
    BOOST_TEST(std::fabs(bernoulli_even(z) - static_cast<double>(b - x * slope)) < 5e-13);
    const FacePair pair = face_pair(2, 2 * z);
    BOOST_TEST(std::fabs(pair.lower / pair.upper - std::exp(-z)) <= 4e-16 * (1 + z) * std::exp(-z));
  }
  BOOST_TEST(face_pair(0, 3).upper == 3);
  BOOST_TEST(face_pair(0, -3).lower == 3);
  BOOST_TEST(face_pair(1e-300, 3).lower == 0);
  BOOST_TEST(face_pair(2, 0).upper == 2);
}

BOOST_AUTO_TEST_CASE(derivatives_adjoints_matrices_and_mass) {
  for (const Case& c : cases()) BOOST_TEST_CONTEXT(c.name) {
      const LayoutPtr layout = make_layout(MPI_COMM_WORLD, c.grid);
      const auto op = make_fokker_planck_operator(c.equation, layout);
      const double t = 0.3;
      Field u = random_density(layout, 1), v = random_density(layout, 2, -0.5), p = random_density(layout, 3, -0.5);
      const Field R = value(*op, u, t);
      const double scale = max_abs(R);
      BOOST_TEST(scale > 0.01);
      if (op->conserves_mass()) BOOST_TEST(std::fabs(sum(R)) < 1e-13 * scale * static_cast<double>(c.grid.size()));
      op->prepare_derivative(v);
      const Field Dv = apply(*op, What::Derivative);
      op->prepare_adjoint(p);
      const Field Dp = apply(*op, What::Adjoint);
      BOOST_TEST(std::fabs(dot(Dv, p) - dot(v, Dp)) < 1e-13 * std::sqrt(dot(Dv, Dv) * dot(p, p)));
      // Values of the state stand beside the derivatives.
      BOOST_TEST(max_difference(apply(*op, What::Value), R) == 0);
      // The matrix has no columns of nonlocal terms, which the derivative in the state 0 has not either.
      const double tau = 0.7;
      Mat A = op->matrix(tau, t);
      if (!c.equation.nonlocal()) {
        Field y(layout);
        petsc_check(MatMult(A, v.vec(), y.vec()));
        BOOST_TEST(max_difference(y, moved(v, tau, Dv)) < 1e-13 * (1 + tau * max_abs(Dv)));
      }
      const double e = 1e-5;
      Field up = moved(u, e, v), down = moved(u, -e, v);
      const Field high = value(*op, up, t), low = value(*op, down, t);
      Field difference(layout);
      for (std::ptrdiff_t i = 0; i < layout->owned(); ++i) difference.level()[i] = (high.level()[i] - low.level()[i]) / (2 * e);
      BOOST_TEST(max_difference(difference, Dv) < 1e-7 * max_abs(Dv));
      if (!c.equation.nonlinear()) {
        const auto backward = make_backward_operator(op);
        const Field B = value(*backward, p, t);
        BOOST_TEST(max_difference(B, Dp) < 1e-14 * max_abs(Dp));
      }
    }
}

// The same numbers on any number of ranks.
BOOST_AUTO_TEST_CASE(ranks_do_not_matter) {
  for (const Case& c : cases()) BOOST_TEST_CONTEXT(c.name) {
      const LayoutPtr layout = make_layout(MPI_COMM_WORLD, c.grid), alone = make_layout(MPI_COMM_SELF, c.grid);
      Field u = random_density(layout, 5), w = random_density(alone, 5);
      const Field R = value(*make_fokker_planck_operator(c.equation, layout), u, 0.1),
                  S = value(*make_fokker_planck_operator(c.equation, alone), w, 0.1);
      double worst = 0;
      for (std::ptrdiff_t i = 0; i < layout->owned(); ++i) worst = std::max(worst, std::fabs(R.level()[i] - S.level()[layout->global_offset() + i]));
      BOOST_TEST(global_max(MPI_COMM_WORLD, worst) == 0);
    }
}

// W * rho by its sum, S by its equation: what makes R differ from the equation without them at a uniform density next to it.
BOOST_AUTO_TEST_CASE(nonlocal_potentials) {
  for (const Boundary kind : {Boundary::Periodic, Boundary::NoFlux}) {
    const Grid grid({{-1, 1, 8, kind, 0.5}, {0, 1.5, 6, Boundary::NoFlux, 0.5}});
    const LayoutPtr layout = make_layout(MPI_COMM_WORLD, grid);
    FokkerPlanckEquation e, frozen;
    e.diffusion = frozen.diffusion = {make_constant(0.3)};
    e.interaction = f("exp(-x^2 - 2 * y^2 + x * y)");
    Field u = random_density(layout, 7);
    // All values on every rank.
    std::vector<double> all(static_cast<std::size_t>(grid.size())), mine(all.size());
    std::ranges::copy(u.owned(), mine.begin() + layout->global_offset());
    MPI_Allreduce(mine.data(), all.data(), static_cast<int>(all.size()), MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
    const double hx = grid.spacing(0), hy = grid.spacing(1);
    class Sampled : public Function {
     public:
      std::function<double(double, double)> g;
      void evaluate(const RowPoints& p, double* out) const override {
        for (int i = 0; i < p.n; ++i) out[i] = g(p.x[i], p.y);
      }
      bool depends_on_time() const override { return false; }
    };
    const auto V = std::make_shared<Sampled>();
    V->g = [&](double x, double y) {
      double s = 0;
      for (int j = 0; j < 6; ++j)
        for (int i = 0; i < 8; ++i) {
          double dx = x - grid.axis(0).node(i);
          const double dy = y - grid.axis(1).node(j);
          const auto W = [](double a, double b) { return 0.5 * (std::exp(-a * a - 2 * b * b + a * b) + std::exp(-a * a - 2 * b * b + a * b)); };
          double w;
          if (kind == Boundary::Periodic) {
            dx -= 2 * std::round(dx / 2);
            w = std::fabs(std::fabs(dx) - 1) < 1e-9 ? 0.5 * (W(1, dy) + W(-1, dy)) : W(dx, dy);
          } else {
            w = W(dx, dy);
          }
          s += hx * hy * w * all[static_cast<std::size_t>(i + 8 * j)];
        }
      return s;
    };
    frozen.potential = V;
    const Field a = value(*make_fokker_planck_operator(e, layout), u, 0), b = value(*make_fokker_planck_operator(frozen, layout), u, 0);
    BOOST_TEST(max_difference(a, b) < 1e-12 * max_abs(b));
  }
  // S of a cosine.
  const Grid grid({{0, 1, 16, Boundary::NoFlux, 0.5}});
  const LayoutPtr layout = make_layout(MPI_COMM_WORLD, grid);
  FokkerPlanckEquation e, frozen;
  e.diffusion = frozen.diffusion = {make_constant(1)};
  e.chemotaxis = 3;
  const double h = grid.spacing(0), lambda = (2 - 2 * std::cos(2 * pi * h)) / (h * h);
  frozen.potential = make_formula("-3 * 0.5 / l * cos(2 * pi * x)", {{"l", lambda}});
  Field u = test::make_field(layout, [](double x, double, double) { return 2 + 0.5 * std::cos(2 * pi * x); });
  const Field a = value(*make_fokker_planck_operator(e, layout), u, 0), b = value(*make_fokker_planck_operator(frozen, layout), u, 0);
  BOOST_TEST(max_difference(a, b) < 1e-12 * max_abs(b));
}

BOOST_AUTO_TEST_CASE(gibbs_densities_are_stationary) {
  for (const Boundary kind : {Boundary::Periodic, Boundary::NoFlux}) {
    const Grid grid({{-2, 2, 24, kind, 0.5}, {-2, 2, 20, kind, 0.5}});
    const LayoutPtr layout = make_layout(MPI_COMM_WORLD, grid);
    FokkerPlanckEquation e;
    e.potential = f("6 * cos(pi * x / 2) * (1 + 0.5 * sin(pi * y / 2)) + cos(pi * y)");
    e.diffusion = {make_constant(0.4)};
    const auto op = make_fokker_planck_operator(e, layout);
    Field pi_density(layout);
    BOOST_TEST(op->gibbs(pi_density, 1));
    BOOST_TEST(std::fabs(sum(pi_density) * grid.cell_volume() - 1) < 1e-13);
    const Field R = value(*op, pi_density, 0);
    BOOST_TEST(max_abs(R) < 1e-13 * max_abs(pi_density) * 0.4 / (grid.spacing(0) * grid.spacing(0)) * 40);
    BOOST_TEST(std::fabs(*op->relative_entropy(pi_density)) < 1e-15);
  }
  FokkerPlanckEquation e;
  e.drift = {make_constant(1)};
  e.diffusion = {make_constant(0.1)};
  const LayoutPtr layout = make_layout(MPI_COMM_WORLD, Grid({{0, 1, 16, Boundary::Periodic, 0.5}}));
  const auto op = make_fokker_planck_operator(e, layout);
  BOOST_TEST(std::fabs(op->peclet(0) - 1.0 / 16 / 0.1) < 1e-14);
  Field u(layout);
  BOOST_TEST(!op->relative_entropy(u).has_value());
}

// R of a smooth density with a tensor D: second order.
BOOST_AUTO_TEST_CASE(tensor_diffusion_is_second_order) {
  FokkerPlanckEquation e;
  e.diffusion = {f("2 + sin(x)"), f("1.5"), f("0.5 * cos(x + y)")};
  double before = 0;
  for (const int n : {16, 32, 64}) {
    const Grid grid({{0, 2 * pi, n, Boundary::Periodic, 0.5}, {0, 2 * pi, n, Boundary::Periodic, 0.5}});
    const LayoutPtr layout = make_layout(MPI_COMM_WORLD, grid);
    Field u = test::make_field(layout, [](double x, double y, double) { return 2 + std::sin(x) * std::cos(2 * y); });
    const Field exact = test::make_field(layout, [](double x, double y, double) {
      const double ux = std::cos(x) * std::cos(2 * y), uy = -2 * std::sin(x) * std::sin(2 * y), uxx = -std::sin(x) * std::cos(2 * y),
                   uyy = -4 * std::sin(x) * std::cos(2 * y), uxy = -2 * std::cos(x) * std::sin(2 * y), d = -0.5 * std::sin(x + y);
      return -(std::cos(x) * ux + (2 + std::sin(x)) * uxx + 1.5 * uyy + d * uy + d * ux + 2 * 0.5 * std::cos(x + y) * uxy);
    });
    const double error = max_difference(value(*make_fokker_planck_operator(e, layout), u, 0), exact);
    if (before > 0) BOOST_TEST(std::fabs(std::log2(before / error) - 2) < 0.15);
    before = error;
  }
}

BOOST_AUTO_TEST_CASE(bad_input) {
  const LayoutPtr layout = make_layout(MPI_COMM_WORLD, Grid({{-1, 1, 16, Boundary::NoFlux, 0.5}}));
  const auto fails = [&](const FokkerPlanckEquation& e, const std::string& part) {
    try {
      const double t = 0;
      Field u(layout);
      make_fokker_planck_operator(e, layout)->prepare(u, {&t, 1});
      BOOST_ERROR("no error: " + part);
    } catch (const InputError& error) {
      BOOST_TEST(std::string(error.what()).find(part) != std::string::npos, error.what());
    }
  };
  FokkerPlanckEquation e;
  e.diffusion = {f("x")};
  fails(e, "negative");
  e.diffusion = {make_constant(1)};
  e.potential = f("log(x)");
  fails(e, "not finite");
  e.potential = nullptr;
  e.interaction = f("log(abs(x))");
  fails(e, "regularise");
  e.interaction = nullptr;
  e.porous_exponent = 0.5;
  fails(e, "m > 1");
}
