// ranks: 1 2 4
// timeout: 60
#define BOOST_TEST_MODULE evolution_operator
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cmath>
#include <functional>
#include <numbers>

#include "grids/reduce.hpp"
#include "grids/support/errors.hpp"
#include "solvers/reaction_diffusion_operator.hpp"

using namespace wasserflow;

namespace {
using Values = std::vector<double>;  // of the whole grid, x fastest
using Cell = std::array<int, 3>;
using Point = std::array<double, 3>;

// ---- models ----

/// W = u^4/4 - u^2/2 + u/10: not even, so that no sign can hide.
struct Tilted : Potential {
  void energy(int n, const double* u, double* w) const override {
    for (int i = 0; i < n; ++i) w[i] = u[i] * u[i] * (0.25 * u[i] * u[i] - 0.5) + 0.1 * u[i];
  }
  void first(int n, const double* u, double* f) const override {
    for (int i = 0; i < n; ++i) f[i] = u[i] * u[i] * u[i] - u[i] + 0.1;
  }
  void second(int n, const double* u, double* f) const override {
    for (int i = 0; i < n; ++i) f[i] = 3 * u[i] * u[i] - 1;
  }
  void third(int n, const double* u, double* f) const override {
    for (int i = 0; i < n; ++i) f[i] = 6 * u[i];
  }
  double curvature() const override { return 2; }
  std::string text() const override { return "tilted"; }
};

/// W with W'' = 1/(1 - u^2) on (-1, 1).
struct Logarithmic : Tilted {
  void second(int n, const double* u, double* f) const override {
    for (int i = 0; i < n; ++i) f[i] = 1 / (1 - u[i] * u[i]);
  }
  double lower() const override { return -1; }
  double upper() const override { return 1; }
};

struct Bump : Mobility {
  void value(int n, const double* u, double* m) const override {
    for (int i = 0; i < n; ++i) m[i] = 1.5 + 0.5 * u[i] - 0.2 * u[i] * u[i];
  }
  void derivative(int n, const double* u, double* m) const override {
    for (int i = 0; i < n; ++i) m[i] = 0.5 - 0.4 * u[i];
  }
  double mean() const override { return 1.4; }
};

/// Two species with rates that are not symmetric and depend on place and time.
struct Rates : Reaction {
  std::vector<std::string> species() const override { return {"u", "v"}; }
  static double rate(int s, double u, double v, double x, double y, double z, double t) {
    return s == 0 ? -u * v * v + 0.3 * (1 - u) + x * t : u * v * v - 0.4 * v + y * z;
  }
  void rates(const RowPoints& p, const double* const* u, double* const* rates) const override {
    for (int s = 0; s < 2; ++s)
      for (int i = 0; i < p.n && rates[s]; ++i) rates[s][i] = rate(s, u[0][i], u[1][i], p.x[i], p.y, p.z, p.t);
  }
  void jacobian(const RowPoints& p, const double* const* u, double* const* j) const override {
    for (int i = 0; i < p.n; ++i) {
      const double a = u[0][i], b = u[1][i];
      j[0][i] = -b * b - 0.3, j[1][i] = -2 * a * b, j[2][i] = b * b, j[3][i] = 2 * a * b - 0.4;
    }
  }
  bool depends_on_time() const override { return true; }
  std::vector<double> base_state() const override { return {1, 0.5}; }
};

std::string sigma_text(int dim) { return dim == 1 ? "1.3+sin(x)" : dim == 2 ? "1.3+sin(x)*cos(2*y)" : "1.3+sin(x)*cos(2*y)*cos(z)"; }
double sigma_at(const Point& x, int dim) { return 1.3 + std::sin(x[0]) * (dim > 1 ? std::cos(2 * x[1]) : 1) * (dim > 2 ? std::cos(x[2]) : 1); }

DiffusionFactor laplacian() { return {}; }
DiffusionFactor sigma(int dim) { return {make_formula(sigma_text(dim)), nullptr}; }
DiffusionFactor mobility() { return {nullptr, std::make_shared<Bump>()}; }

struct Case {
  std::string name;
  ReactionDiffusionEquation equation;
};

ReactionDiffusionEquation one(std::vector<DiffusionFactor> G, std::vector<DiffusionFactor> L, double a, double b) {
  ReactionDiffusionEquation e;
  e.species.push_back({"u", std::move(G), std::move(L), a, b, std::make_shared<Tilted>()});
  return e;
}

ReactionDiffusionEquation functionalised(double eps) {
  ReactionDiffusionEquation e = one({}, {}, 0, 0);
  e.functionalised = true;
  e.eps = eps;
  e.eta = 0.7 * eps * eps;
  return e;
}

std::vector<Case> cases(int dim) {
  std::vector<Case> all{{"allen_cahn", one({}, {laplacian()}, 0.3, 1.7)},
                        {"variable_allen_cahn", one({}, {sigma(dim)}, 0.3, 1.7)},
                        {"cahn_hilliard", one({laplacian()}, {laplacian()}, 0.3, 1.7)},
                        {"variable_cahn_hilliard", one({sigma(dim)}, {sigma(dim)}, 0.3, 1.7)},
                        {"mobility", one({mobility()}, {laplacian()}, 0.3, 1.7)},
                        {"mobility_product", one({mobility(), sigma(dim), mobility()}, {sigma(dim), laplacian()}, 0.3, 1.7)},
                        {"powers", one({laplacian()}, {laplacian(), laplacian()}, 0.3, 1.7)},
                        {"cubed", one({}, {laplacian(), laplacian(), laplacian()}, 0.3, 1.7)},
                        {"no_laplacian", one({}, {}, 0.3, 1.7)},
                        {"conserved_reaction", one({laplacian()}, {}, 0.3, 1.7)},
                        {"functionalised", functionalised(0.6)}};
  ReactionDiffusionEquation system;
  system.reaction = std::make_shared<Rates>();
  system.species.push_back({"u", {}, {sigma(dim)}, 0.2, 0, nullptr});
  system.species.push_back({"v", {laplacian()}, {laplacian()}, 0.4, 1.1, std::make_shared<Tilted>()});
  all.push_back({"system", system});
  return all;
}

// ---- grids ----

/// Boundaries in every mix; sides of 2 pi, so that sigma is periodic.
Grid grid(int dim, int shift) {
  const Boundary kinds[] = {Boundary::Periodic, Boundary::NoFlux, Boundary::Dirichlet};
  const int cells[3][3] = {{21}, {9, 12}, {5, 6, 8}};
  std::vector<Axis> axes;
  for (int d = 0; d < dim; ++d) {
    const Boundary kind = kinds[(d + shift) % 3];
    axes.push_back({0.1, 0.1 + 2 * std::numbers::pi, cells[dim - 1][d], kind, kind == Boundary::Periodic ? 0.0 : 0.5});
  }
  return Grid(axes);
}

double noise(std::int64_t i, int seed) { return 0.8 * std::sin(12.9898 * double(i % 1009) + 78.233 * seed + 0.001 * double(i)); }

Field random_field(const LayoutPtr& layout, int levels, int seed) {
  Field f(layout, levels);
  for (int l = 0; l < levels; ++l)
    for (std::ptrdiff_t i = 0; i < layout->owned(); ++i) f.level(l)[i] = noise(layout->global_offset() + i, seed + 10 * l);
  return f;
}

using RowOf = void (EvolutionOperator::*)(int, int, double*) const;
Field rows(const EvolutionOperator& op, RowOf row, int levels) {
  Field f(op.layout(), levels);
  for (int l = 0; l < levels; ++l)
    for (int r = 0; r < op.layout()->rows(); ++r) (op.*row)(l, r, f.level(l) + op.layout()->row(r).offset);
  return f;
}

double inner(const Field& a, const Field& b) {
  double s = 0;
  for (int l = 0; l < a.levels(); ++l) s += dot(a, b, l, l);
  return s;
}

// ---- the same operators by a plain reading of their definition, on the whole grid ----

struct Plain {
  Grid grid;
  std::int64_t size = grid.size();
  Cell cell(std::int64_t i) const { return {int(i % grid.cells(0)), int(i / grid.cells(0) % grid.cells(1)), int(i / grid.cells(0) / grid.cells(1))}; }
  Point place(std::int64_t i) const {
    Point x{};
    for (int d = 0; d < grid.dim(); ++d) x[d] = grid.axis(d).node(cell(i)[d]);
    return x;
  }
  /// -div(c grad w), face by face; c(cell, axis, towards + or -, neighbour or -1 at a wall).
  template <class C>
  Values diffuse(const Values& w, C&& c) const {
    Values out(w.size(), 0.0);
    for (std::int64_t i = 0; i < size; ++i)
      for (int d = 0; d < grid.dim(); ++d)
        for (int side : {-1, 1}) {
          Cell to = cell(i);
          to[d] += side;
          const int n = grid.cells(d);
          const bool wall = (to[d] < 0 || to[d] >= n) && grid.axis(d).boundary != Boundary::Periodic;
          to[d] = (to[d] + n) % n;
          const std::int64_t j = wall ? -1 : to[0] + std::int64_t(grid.cells(0)) * (to[1] + std::int64_t(grid.cells(1)) * to[2]);
          const double h = grid.spacing(d);
          double ghost = wall ? (grid.axis(d).boundary == Boundary::Dirichlet ? -w[i] : w[i]) : w[j];
          out[i] += c(i, d, side, j) * (w[i] - ghost) / (h * h);
        }
    return out;
  }
  Values apply(const DiffusionFactor& factor, const Values& w, const Values& u) const {
    return diffuse(w, [&](std::int64_t i, int d, int side, std::int64_t j) {
      if (factor.sigma) {
        Point x = place(i);
        x[d] += 0.5 * side * grid.spacing(d);
        return sigma_at(x, grid.dim());
      }
      if (!factor.mobility) return 1.0;
      double m[2] = {0, 0}, at[2] = {u[i], j < 0 ? 0 : u[j]};
      factor.mobility->value(2, at, m);
      return j < 0 ? m[1] : 0.5 * (m[0] + m[1]);
    });
  }
  Values product(const std::vector<DiffusionFactor>& factors, Values w, const Values& u) const {
    for (std::size_t k = factors.size(); k-- > 0;) w = apply(factors[k], w, u);
    return w;
  }
  Values laplace(const Values& w) const { return apply({}, w, w); }
  /// R of all species at time t.
  std::vector<Values> value(const ReactionDiffusionEquation& e, const std::vector<Values>& u, double t) const {
    std::vector<Values> out;
    for (std::size_t s = 0; s < e.species.size(); ++s) {
      const SpeciesTerms& terms = e.species[s];
      const int n = int(size);
      Values f(u[s].size(), 0.0), d2(u[s].size(), 0.0);
      if (terms.potential) terms.potential->first(n, u[s].data(), f.data()), terms.potential->second(n, u[s].data(), d2.data());
      if (e.functionalised) {
        const double e2 = e.eps * e.eps;
        Values v = laplace(u[s]);
        for (int i = 0; i < n; ++i) v[i] = -e2 * v[i] - f[i];
        Values mu = laplace(v);
        for (int i = 0; i < n; ++i) mu[i] = -e2 * mu[i] - d2[i] * v[i] + e.eta * v[i];
        out.push_back(laplace(mu));
        continue;
      }
      Values mu = product(terms.L, u[s], u[s]);
      for (int i = 0; i < n; ++i) mu[i] = terms.a * mu[i] + terms.b * f[i];
      out.push_back(product(terms.G, mu, u[s]));
      for (int i = 0; i < n && e.reaction; ++i) {
        const Point x = place(i);
        out.back()[i] -= Rates::rate(int(s), u[0][i], u[1][i], x[0], x[1], x[2], t);
      }
    }
    return out;
  }
};

std::vector<Values> whole(std::int64_t size, int levels, int seed) {
  std::vector<Values> u(levels, Values(size));
  for (int l = 0; l < levels; ++l)
    for (std::int64_t i = 0; i < size; ++i) u[l][i] = noise(i, seed + 10 * l);
  return u;
}

template <class F>
void for_all(F&& f) {
  for (int dim = 1; dim <= 3; ++dim)
    for (int shift = 0; shift < 3; ++shift) {
      const Grid g = grid(dim, shift);
      for (const Case& c : cases(dim)) {
        BOOST_TEST_CONTEXT(c.name << " in " << dim << "-D, boundaries from " << name(g.axis(0).boundary)) { f(c.equation, g); }
      }
    }
}

}  // namespace

BOOST_AUTO_TEST_CASE(values_follow_the_definition) {
  for_all([](const ReactionDiffusionEquation& e, const Grid& g) {
    const LayoutPtr layout = make_layout(MPI_COMM_WORLD, g);
    const auto op = make_evolution_operator(e, layout);
    const int S = op->components();
    Field u = random_field(layout, S, 1);
    op->prepare(u, std::vector<double>{0.7});
    const Field got = rows(*op, &EvolutionOperator::value_row, S);
    const auto expected = Plain{g}.value(e, whole(g.size(), S, 1), 0.7);
    for (int s = 0; s < S; ++s) {
      double scale = 0, error = 0;
      for (const double x : expected[s]) scale = std::max(scale, std::fabs(x));
      for (std::ptrdiff_t i = 0; i < layout->owned(); ++i)
        error = std::max(error, std::fabs(got.level(s)[i] - expected[s][layout->global_offset() + i]));
      BOOST_TEST(error < 1e-13 * scale);
    }
  });
}

BOOST_AUTO_TEST_CASE(boxes_of_one_or_two_cells_are_boxes) {
  for (const Boundary kind : {Boundary::Periodic, Boundary::NoFlux, Boundary::Dirichlet})
    for (int nx : {1, 2})
      for (int ny : {1, 2}) {
        const double pi = std::numbers::pi;
        const Grid g({{0.1, 0.1 + 2 * pi, nx, kind, 0.5}, {0.1, 0.1 + 2 * pi, ny, kind, 0.5}, {0.1, 0.1 + 2 * pi, 7, kind, 0.5}});
        const LayoutPtr layout = make_layout(MPI_COMM_WORLD, g);
        for (const Case& c : cases(3)) {
          const auto op = make_evolution_operator(c.equation, layout);
          const int S = op->components();
          Field u = random_field(layout, S, 1), v = random_field(layout, S, 2), q = random_field(layout, S, 3);
          op->prepare(u, std::vector<double>{0.7});
          op->prepare_derivative(v);
          op->prepare_adjoint(q);
          const Field got = rows(*op, &EvolutionOperator::value_row, S);
          const Field dv = rows(*op, &EvolutionOperator::derivative_row, S), dq = rows(*op, &EvolutionOperator::adjoint_row, S);
          const auto expected = Plain{g}.value(c.equation, whole(g.size(), S, 1), 0.7);
          double error = 0, scale = 0;
          for (const double x : expected[0]) scale = std::max(scale, std::fabs(x));
          for (std::ptrdiff_t i = 0; i < layout->owned(); ++i)
            error = std::max(error, std::fabs(got.level(0)[i] - expected[0][layout->global_offset() + i]));
          BOOST_TEST(error < 1e-13 * scale);
          BOOST_TEST(std::fabs(inner(q, dv) - inner(dq, v)) < 1e-12 * std::sqrt(inner(q, q) * inner(dv, dv)));
        }
      }
}

BOOST_AUTO_TEST_CASE(coefficients_that_are_known_at_cells_are_averaged_at_faces) {
  /// 1 + (global index modulo 7), at the cells of one layout only, as data from a file are.
  struct OnGrid : Function {
    std::int64_t first = 0;
    static double at_cell(std::int64_t i) { return 1 + double(i % 7); }
    void evaluate(const RowPoints& p, double* out) const override {
      if (p.offset < 0) throw InternalError("known at the cells only");
      for (int i = 0; i < p.n; ++i) out[i] = at_cell(first + p.offset + i);
    }
    bool depends_on_time() const override { return false; }
    void bind(const SlabLayout& layout) override { first = layout.global_offset(); }
  };
  for (int dim = 1; dim <= 3; ++dim)
    for (int shift = 0; shift < 3; ++shift) {
      const Grid g = grid(dim, shift);
      const LayoutPtr layout = make_layout(MPI_COMM_WORLD, g);
      const auto op = make_evolution_operator(one({}, {{std::make_shared<OnGrid>(), nullptr}}, 1, 0), layout);
      Field u = random_field(layout, 1, 1);
      op->prepare(u, std::vector<double>{0});
      const Field got = rows(*op, &EvolutionOperator::value_row, 1);
      const Values expected = Plain{g}.diffuse(whole(g.size(), 1, 1)[0], [](std::int64_t i, int, int, std::int64_t j) {
        return j < 0 ? OnGrid::at_cell(i) : 0.5 * (OnGrid::at_cell(i) + OnGrid::at_cell(j));
      });
      double error = 0;
      for (std::ptrdiff_t i = 0; i < layout->owned(); ++i)
        error = std::max(error, std::fabs(got.level()[i] - expected[static_cast<std::size_t>(layout->global_offset() + i)]));
      BOOST_TEST(error < 1e-12 * max_abs(got));
    }
}

BOOST_AUTO_TEST_CASE(rows_and_energies_have_the_same_bits_on_any_number_of_ranks) {
  for_all([](const ReactionDiffusionEquation& e, const Grid& g) {
    const LayoutPtr layouts[] = {make_layout(MPI_COMM_SELF, g), make_layout(MPI_COMM_WORLD, g)};
    std::vector<Field> value, derivative, adjoint;
    std::vector<std::optional<double>> energy;
    for (const LayoutPtr& layout : layouts) {
      const auto op = make_evolution_operator(e, layout);
      const int S = op->components();
      Field u = random_field(layout, S, 1), v = random_field(layout, S, 2);
      op->prepare(u, std::vector<double>{0.7});
      op->prepare_derivative(v);
      op->prepare_adjoint(v);
      value.push_back(rows(*op, &EvolutionOperator::value_row, S));
      derivative.push_back(rows(*op, &EvolutionOperator::derivative_row, S));
      adjoint.push_back(rows(*op, &EvolutionOperator::adjoint_row, S));
      energy.push_back(op->energy(u));
    }
    for (const auto* pair : {&value, &derivative, &adjoint}) {
      const Field &alone = (*pair)[0], &shared = (*pair)[1];
      int different = 0;
      for (int l = 0; l < alone.levels(); ++l)
        for (std::ptrdiff_t i = 0; i < layouts[1]->owned(); ++i) different += shared.level(l)[i] != alone.level(l)[layouts[1]->global_offset() + i];
      BOOST_TEST(different == 0);
    }
    BOOST_TEST((energy[0] == energy[1]));
  });
}

BOOST_AUTO_TEST_CASE(long_lines_are_cut_into_rows_without_a_trace) {
  const Grid g({{0.1, 0.1 + 2 * std::numbers::pi, 2500, Boundary::Dirichlet, 0.5}});
  for (const Case& c : cases(1)) {
    const LayoutPtr layouts[] = {make_layout(MPI_COMM_SELF, g), make_layout(MPI_COMM_WORLD, g)};
    std::vector<Field> value;
    for (const LayoutPtr& layout : layouts) {
      const auto op = make_evolution_operator(c.equation, layout);
      Field u = random_field(layout, op->components(), 1);
      op->prepare(u, std::vector<double>{0.7});
      value.push_back(rows(*op, &EvolutionOperator::value_row, op->components()));
    }
    const auto expected = Plain{g}.value(c.equation, whole(g.size(), value[0].levels(), 1), 0.7);
    double scale = 0, error = 0;
    int different = 0;
    for (const double x : expected[0]) scale = std::max(scale, std::fabs(x));
    for (std::ptrdiff_t i = 0; i < layouts[1]->owned(); ++i) {
      error = std::max(error, std::fabs(value[1].level(0)[i] - expected[0][layouts[1]->global_offset() + i]));
      different += value[1].level(0)[i] != value[0].level(0)[layouts[1]->global_offset() + i];
    }
    BOOST_TEST(error < 1e-13 * scale);
    BOOST_TEST(different == 0);
  }
}

BOOST_AUTO_TEST_CASE(derivatives_are_the_limits_of_differences) {
  for_all([](const ReactionDiffusionEquation& e, const Grid& g) {
    const LayoutPtr layout = make_layout(MPI_COMM_WORLD, g);
    const auto op = make_evolution_operator(e, layout);
    const int S = op->components();
    Field u = random_field(layout, S, 1), v = random_field(layout, S, 2);
    const auto moved = [&](double eps) {
      Field w = u.clone();
      for (int s = 0; s < S; ++s)
        for (std::ptrdiff_t i = 0; i < layout->owned(); ++i) w.level(s)[i] += eps * v.level(s)[i];
      op->prepare(w, std::vector<double>{0.7});
      return rows(*op, &EvolutionOperator::value_row, S);
    };
    const double eps = 1e-4;  // differences of fourth order: what is left is the rounding of the values
    const Field a = moved(eps), b = moved(-eps), c = moved(2 * eps), d = moved(-2 * eps);
    op->prepare(u, std::vector<double>{0.7});
    op->prepare_derivative(v);
    const Field got = rows(*op, &EvolutionOperator::derivative_row, S);
    for (int s = 0; s < S; ++s) {
      const double scale = std::max(max_abs(got, s), max_abs(a, s));
      double error = 0;
      for (std::ptrdiff_t i = 0; i < layout->owned(); ++i) {
        const double slope = (8 * (a.level(s)[i] - b.level(s)[i]) - (c.level(s)[i] - d.level(s)[i])) / (12 * eps);
        error = std::max(error, std::fabs(got.level(s)[i] - slope));
      }
      BOOST_TEST(error < 1e-10 * scale);
    }
  });
}

BOOST_AUTO_TEST_CASE(adjoints_are_the_transposes_of_derivatives) {
  for_all([](const ReactionDiffusionEquation& e, const Grid& g) {
    const LayoutPtr layout = make_layout(MPI_COMM_WORLD, g);
    const auto op = make_evolution_operator(e, layout);
    const int levels = 2 * op->components();
    Field u = random_field(layout, levels, 1), v = random_field(layout, levels, 2), q = random_field(layout, levels, 3);
    op->prepare(u, std::vector<double>{0.7, 0.9});
    op->prepare_derivative(v);
    op->prepare_adjoint(q);
    const Field dv = rows(*op, &EvolutionOperator::derivative_row, levels), dq = rows(*op, &EvolutionOperator::adjoint_row, levels);
    const double scale = std::sqrt(inner(q, q) * inner(dv, dv));
    BOOST_TEST(std::fabs(inner(q, dv) - inner(dq, v)) < 1e-12 * scale);
    BOOST_TEST(std::fabs(inner(q, dv)) > 1e-8 * scale);
  });
}

BOOST_AUTO_TEST_CASE(equations_descend_their_energies) {
  // R = G dE/du, so dE/du [G w] = volume <R, w> for every w, with G at u by its definition. Products that are not self-adjoint have no energy.
  for_all([](const ReactionDiffusionEquation& e, const Grid& g) {
    const LayoutPtr layout = make_layout(MPI_COMM_WORLD, g);
    const auto op = make_evolution_operator(e, layout);
    Field u = random_field(layout, op->components(), 1), w = random_field(layout, op->components(), 2);
    const auto varies = [](const DiffusionFactor& f) { return f.sigma || f.mobility; };
    const auto symmetric = [&](const std::vector<DiffusionFactor>& p) { return p.size() < 2 || std::ranges::none_of(p, varies); };
    if (e.reaction || !symmetric(e.species[0].G) || !symmetric(e.species[0].L)) {
      BOOST_TEST(!op->energy(u).has_value());
      BOOST_TEST(op->gradient_metric().empty());
      return;
    }
    const Plain plain{g};
    const auto all_u = whole(g.size(), 1, 1), all_w = whole(g.size(), 1, 2);
    const Values Gw = e.functionalised ? plain.laplace(all_w[0]) : plain.product(e.species[0].G, all_w[0], all_u[0]);
    const auto energy = [&](double eps) {
      Field moved(layout);
      for (std::ptrdiff_t i = 0; i < layout->owned(); ++i)
        moved.level()[i] = u.level()[i] + eps * Gw[static_cast<std::size_t>(layout->global_offset() + i)];
      return op->energy(moved).value();
    };
    const double eps = 1e-4, slope = (8 * (energy(eps) - energy(-eps)) - (energy(2 * eps) - energy(-2 * eps))) / (12 * eps);
    op->prepare(u, std::vector<double>{0});
    const Field R = rows(*op, &EvolutionOperator::value_row, 1);
    const double expected = g.cell_volume() * dot(R, w), scale = g.cell_volume() * std::sqrt(dot(R, R) * dot(w, w));
    BOOST_TEST(std::fabs(slope - expected) < 1e-8 * scale);

    const SymbolPolynomial G = op->gradient_metric();
    SymbolPolynomial metric;
    if (std::ranges::none_of(e.species[0].G, varies)) metric.resize(e.functionalised ? 2 : e.species[0].G.size() + 1);
    if (!metric.empty()) metric.back() = 1;
    BOOST_TEST((G == metric));
  });
}

BOOST_AUTO_TEST_CASE(mass_is_conserved_where_it_is_said_to_be) {
  int conserving = 0;
  for (const Boundary kind : {Boundary::Periodic, Boundary::NoFlux, Boundary::Dirichlet})
    for (const Case& c : cases(2)) {
      const LayoutPtr layout = make_layout(MPI_COMM_WORLD, Grid({{0, 2 * std::numbers::pi, 8, kind, 0.5}, {0, 1, 9, Boundary::NoFlux, 0.5}}));
      const auto op = make_evolution_operator(c.equation, layout);
      const int S = op->components();
      Field u = random_field(layout, S, 1);
      op->prepare(u, std::vector<double>{0.7});
      const Field R = rows(*op, &EvolutionOperator::value_row, S);
      bool balanced = true;
      for (int s = 0; s < S; ++s) balanced = balanced && std::fabs(sum(R, s)) < 1e-13 * max_abs(R, s) * double(layout->grid().size());
      BOOST_TEST(op->conserves_mass() == balanced);
      conserving += op->conserves_mass();
    }
  BOOST_TEST(conserving == 2 * 7);
}

BOOST_AUTO_TEST_CASE(variable_coefficients_stand_inside_the_divergence) {
  // The published operator converges to sigma Lap u + sigma_y u_x + sigma_x u_y instead (error 8.3 at every resolution).
  double before = 0;
  const double pi = std::numbers::pi;
  for (int n : {64, 128, 256}) {
    const LayoutPtr layout = make_layout(MPI_COMM_WORLD, Grid({{0, 2 * pi, n, Boundary::Periodic, 0}, {0, 2 * pi, n, Boundary::Periodic, 0}}));
    const ReactionDiffusionEquation e = one({}, {{make_formula("1 + 5/2*(sin(x)^2 + sin(y)^2)"), nullptr}}, 1, 0);
    const auto op = make_evolution_operator(e, layout);
    Field u(layout), exact(layout);
    fill(u, 0, *make_formula("sin(x)*cos(2*y)"), 0);
    // -div(sigma grad u) = -sigma Lap u - sigma_x u_x - sigma_y u_y
    fill(exact, 0,
         *make_formula("5*(1+5/2*(sin(x)^2+sin(y)^2))*sin(x)*cos(2*y) - 5*sin(x)*cos(x)*cos(x)*cos(2*y) + 10*sin(y)*cos(y)*sin(x)*sin(2*y)"), 0);
    op->prepare(u, std::vector<double>{0});
    Field R = rows(*op, &EvolutionOperator::value_row, 1);
    for (std::ptrdiff_t i = 0; i < layout->owned(); ++i) R.level()[i] -= exact.level()[i];
    const double error = max_abs(R);
    if (before > 0) BOOST_TEST(before / error == 4, boost::test_tools::tolerance(0.05));
    before = error;
    BOOST_TEST(op->frozen(nullptr, 0).linear[0][1] == 3.5, boost::test_tools::tolerance(1e-12));
    BOOST_TEST(op->linear_part()[0][1] == 3.5, boost::test_tools::tolerance(1e-12));
  }
}

BOOST_AUTO_TEST_CASE(homogeneous_states_grow_by_the_dispersion_relation) {
  // The derivative at u = m acts on a mode as the symbol says; frozen operators are that symbol with c for W''(m), the linear part has no W.
  const double length = 3, m = 0.3;
  const auto varies = [](const DiffusionFactor& f) { return f.sigma || f.mobility; };
  for (const SymbolKind space : {SymbolKind::Difference, SymbolKind::Exact})
    for (int dim = 1; dim <= 3; ++dim)
      for (const Case& c : cases(dim)) {
        ReactionDiffusionEquation e = c.equation;
        const SpeciesTerms terms = e.species[0];
        if (e.reaction || std::ranges::any_of(terms.G, varies) || std::ranges::any_of(terms.L, varies)) continue;
        e.space = space;
        const Boundary kinds[] = {Boundary::Periodic, Boundary::NoFlux, Boundary::Dirichlet};
        std::vector<Axis> axes;
        for (int d = 0; d < dim; ++d) axes.push_back({0, length, 6 + 2 * d, kinds[d], 0.5});
        const LayoutPtr layout = make_layout(MPI_COMM_WORLD, Grid(axes));
        const auto op = make_evolution_operator(e, layout);
        for (int q : {1, 2}) {
          double l = 0;
          Point k{};
          for (int d = 0; d < dim; ++d) {
            k[d] = (d == 0 ? 2 : 1) * std::numbers::pi * q / length;
            const double h = axes[d].spacing();
            l += space == SymbolKind::Exact ? k[d] * k[d] : (2 - 2 * std::cos(k[d] * h)) / (h * h);
          }
          Field u(layout), v(layout);
          for (std::ptrdiff_t i = 0; i < layout->owned(); ++i) {
            u.level()[i] = m;
            const Point x = Plain{layout->grid()}.place(layout->global_offset() + i);
            v.level()[i] = std::cos(k[0] * x[0]) * std::cos(k[1] * x[1]) * (dim > 2 ? std::sin(k[2] * x[2]) : 1);
          }
          const double e2 = e.eps * e.eps;
          const auto symbol = [&](double w) {
            if (e.functionalised) return l * (e2 * l + w - e.eta) * (e2 * l + w);
            return std::pow(l, double(terms.G.size())) * (terms.a * std::pow(l, double(terms.L.size())) + terms.b * w);
          };
          const auto at = [&](const SymbolPolynomial& p) {
            double value = 0, power = 1;
            for (const double x : p) value += x * power, power *= l;
            return value;
          };
          const FrozenOperator frozen = op->frozen(nullptr, 0);
          BOOST_TEST((frozen.kind == space && frozen.coupling.empty()));
          BOOST_TEST(at(frozen.linear[0]) == symbol(2), boost::test_tools::tolerance(1e-12));
          const double linear = e.functionalised ? l * e2 * l * (e2 * l - e.eta) : symbol(0);
          BOOST_TEST(std::fabs(at(op->linear_part()[0]) - linear) < 1e-12 * (1 + std::fabs(linear)));

          // Beside W'' there is -W''' v of the constant state; at Dirichlet walls that state is not homogeneous.
          if (e.functionalised && dim == 3) continue;
          const double expected = symbol(3 * m * m - 1) + (e.functionalised ? l * 6 * m * (m * m * m - m + 0.1) : 0);
          op->prepare(u, std::vector<double>{0});
          op->prepare_derivative(v);
          op->prepare_adjoint(v);
          const Field got = rows(*op, &EvolutionOperator::derivative_row, 1), transposed = rows(*op, &EvolutionOperator::adjoint_row, 1);
          double error = 0;
          for (std::ptrdiff_t i = 0; i < layout->owned(); ++i)
            for (const Field* f : {&got, &transposed}) error = std::max(error, std::fabs(f->level()[i] - expected * v.level()[i]));
          BOOST_TEST(error < 1e-11 * (1 + std::fabs(expected)), c.name << " in " << dim << "-D: " << error << " of " << expected);
        }
      }
}

BOOST_AUTO_TEST_CASE(exact_symbols_give_exact_derivatives_of_trigonometric_states) {
  const double pi = std::numbers::pi;
  const LayoutPtr layout = make_layout(MPI_COMM_WORLD, Grid({{0, 2 * pi, 16, Boundary::Periodic, 0}, {0, pi, 16, Boundary::NoFlux, 0.5}}));
  ReactionDiffusionEquation e = one({laplacian()}, {{make_constant(2), nullptr}}, 0.3, 1.7);
  e.space = SymbolKind::Exact;
  const auto op = make_evolution_operator(e, layout);
  Field u(layout), exact(layout);
  fill(u, 0, *make_formula("sin(x)*cos(2*y)"), 0);
  // -Lap(0.6 * 5 u + 1.7 (u^3 - u + 0.1)), with sin^3 x = (3 sin x - sin 3x)/4 and cos^3 2y = (3 cos 2y + cos 6y)/4
  fill(exact, 0,
       *make_formula("(15 - 8.5)*sin(x)*cos(2*y) + 1.7/16*(3*sin(x)*(3*5*cos(2*y) + 37*cos(6*y)) - sin(3*x)*(3*13*cos(2*y) + 45*cos(6*y)))"), 0);
  op->prepare(u, std::vector<double>{0});
  const Field R = rows(*op, &EvolutionOperator::value_row, 1);
  double error = 0;
  for (std::ptrdiff_t i = 0; i < layout->owned(); ++i) error = std::max(error, std::fabs(R.level()[i] - exact.level()[i]));
  BOOST_TEST(error < 1e-10);
  // Means over the box: |grad u|^2 5/4, u^2 1/4, u^4 9/64, u 0.
  BOOST_TEST(op->energy(u).value() == 2 * pi * pi * (0.3 * 1.25 + 1.7 * (9.0 / 256 - 0.125)), boost::test_tools::tolerance(1e-12));
}

BOOST_AUTO_TEST_CASE(exact_symbols_have_matching_adjoints_and_energies) {
  for (const Case& c : cases(2)) {
    ReactionDiffusionEquation e = c.equation;
    for (SpeciesTerms& terms : e.species)
      for (auto* factors : {&terms.G, &terms.L})
        for (DiffusionFactor& f : *factors) f = {f.sigma || f.mobility ? make_constant(1.5) : nullptr, nullptr};
    e.space = SymbolKind::Exact;
    BOOST_TEST_CONTEXT(c.name) {
      const LayoutPtr layout = make_layout(MPI_COMM_WORLD, grid(2, 1));
      const auto op = make_evolution_operator(e, layout);
      const int S = op->components();
      Field u = random_field(layout, S, 1), v = random_field(layout, S, 2), q = random_field(layout, S, 3);
      op->prepare(u, std::vector<double>{0.7});
      op->prepare_derivative(v);
      op->prepare_adjoint(q);
      const Field dv = rows(*op, &EvolutionOperator::derivative_row, S), dq = rows(*op, &EvolutionOperator::adjoint_row, S);
      const double scale = std::sqrt(inner(q, q) * inner(dv, dv));
      BOOST_TEST(std::fabs(inner(q, dv) - inner(dq, v)) < 1e-12 * scale);
      if (S > 1) continue;
      // With G by the same transforms: the operator of G alone (L, W away, one more mode factor).
      ReactionDiffusionEquation metric = one(e.functionalised ? std::vector{laplacian()} : e.species[0].G, {}, 1, 0);
      metric.space = SymbolKind::Exact;
      const auto G = make_evolution_operator(metric, layout);
      G->prepare(v, std::vector<double>{0});
      const Field Gv = rows(*G, &EvolutionOperator::value_row, 1);
      const auto energy = [&](double eps) {
        Field moved = u.clone();
        for (std::ptrdiff_t i = 0; i < layout->owned(); ++i) moved.level()[i] += eps * Gv.level()[i];
        return op->energy(moved).value();
      };
      const double eps = 1e-4, slope = (8 * (energy(eps) - energy(-eps)) - (energy(2 * eps) - energy(-2 * eps))) / (12 * eps);
      const Field R = rows(*op, &EvolutionOperator::value_row, 1);
      const double volume = layout->grid().cell_volume();
      BOOST_TEST(std::fabs(slope - volume * dot(R, v)) < 1e-8 * volume * std::sqrt(dot(R, R) * dot(v, v)));
    }
  }
}

BOOST_AUTO_TEST_CASE(steps_of_a_block_do_not_mix) {
  const LayoutPtr layout = make_layout(MPI_COMM_WORLD, grid(2, 0));
  for (const Case& c : cases(2)) {
    const auto op = make_evolution_operator(c.equation, layout), alone = make_evolution_operator(c.equation, layout);
    const int S = op->components();
    Field u = random_field(layout, 3 * S, 1);
    const std::vector<double> times{0.1, 0.5, 2};
    op->prepare(u, times);
    const Field all = rows(*op, &EvolutionOperator::value_row, 3 * S);
    for (std::size_t k = 0; k < 3; ++k) {
      Field single(layout, S);
      const int first = static_cast<int>(k) * S;
      for (int s = 0; s < S; ++s) single.copy_level(s, u, first + s);
      alone->prepare(single, std::span(&times[k], 1));
      const Field got = rows(*alone, &EvolutionOperator::value_row, S);
      int different = 0;
      for (int s = 0; s < S; ++s)
        for (std::ptrdiff_t i = 0; i < layout->owned(); ++i) different += got.level(s)[i] != all.level(first + s)[i];
      BOOST_TEST(different == 0);
      if (S == 1) BOOST_TEST((alone->energy(single) == op->energy(u, first)));
    }
  }
}

BOOST_AUTO_TEST_CASE(constants_of_frozen_operators) {
  const LayoutPtr layout = make_layout(MPI_COMM_WORLD, grid(2, 0));
  const std::vector<Case> all = cases(2);
  const auto find = [&](const std::string& name) { return std::ranges::find_if(all, [&](const Case& c) { return c.name == name; })->equation; };
  // Coupling: minus the Jacobian, at the base state (1, 0.5) or at the mean of the state.
  auto system = make_evolution_operator(find("system"), layout);
  Field uv(layout, 2);
  std::ranges::fill(uv.owned(0), 0.25);
  std::ranges::fill(uv.owned(1), 2.0);
  const std::vector<double> base{0.25 + 0.3, 1, -0.25, 0.4 - 1}, mean{4 + 0.3, 1, -4, 0.4 - 1};
  const auto close = [](const std::vector<double>& a, const std::vector<double>& b) {
    return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [](double x, double y) { return std::fabs(x - y) < 1e-13; });
  };
  BOOST_TEST(close(system->frozen(nullptr, 0).coupling, base));
  BOOST_TEST(close(system->frozen(&uv, 0).coupling, mean));

  // Mobility: its own mean, or that of M(state) = 1.5 + 0.125 - 0.0125.
  auto moving = make_evolution_operator(find("mobility"), layout);
  BOOST_TEST(moving->frozen(nullptr, 0).linear[0][2] == 1.4 * 0.3, boost::test_tools::tolerance(1e-12));
  BOOST_TEST(moving->frozen(&uv, 0).linear[0][2] == 1.6125 * 0.3, boost::test_tools::tolerance(1e-12));

  // W'' that grows without bound follows the state: the middle of its values, but not below the curvature of the potential.
  ReactionDiffusionEquation e = one({}, {laplacian()}, 1, 1);
  e.species[0].potential = std::make_shared<Logarithmic>();
  const auto logarithmic = make_evolution_operator(e, layout);
  BOOST_TEST((logarithmic->domain(0) == std::array<double, 2>{-1, 1}));
  BOOST_TEST(logarithmic->frozen(nullptr, 0).linear[0][0] == 2.0);
  Field u(layout);
  BOOST_TEST(logarithmic->frozen(&u, 0).linear[0][0] == 2.0);
  if (rank_of(MPI_COMM_WORLD) == 0) u.level()[0] = std::sqrt(0.9);  // W'' = 10 there, 1 elsewhere
  BOOST_TEST(logarithmic->frozen(&u, 0).linear[0][0] == 5.5, boost::test_tools::tolerance(1e-12));
}

BOOST_AUTO_TEST_CASE(terms_that_do_not_fit_are_refused) {
  const LayoutPtr layout = make_layout(MPI_COMM_WORLD, grid(2, 0));
  const auto refused = [](const ReactionDiffusionEquation& e, const LayoutPtr& on) {
    BOOST_CHECK_THROW((void)make_evolution_operator(e, on), InputError);
  };
  ReactionDiffusionEquation spectral = one({}, {sigma(2)}, 1, 1);
  spectral.space = SymbolKind::Exact;
  refused(spectral, layout);
  spectral = one({mobility()}, {laplacian()}, 1, 1);
  spectral.space = SymbolKind::Exact;
  refused(spectral, layout);
  refused(one({}, {mobility()}, 1, 1), layout);
  refused(one({}, {{make_formula("1+x"), std::make_shared<Bump>()}}, 1, 1), layout);
  refused(one({}, {{make_formula("sin(x)"), nullptr}}, 1, 1), layout);
  refused(one({}, {{make_formula("1+t"), nullptr}}, 1, 1), layout);
  refused(one({}, {{make_constant(-1), nullptr}}, 1, 1), layout);
  refused(one({}, {laplacian()}, 1, 1), make_layout(MPI_COMM_WORLD, Grid({{0, 1, 8, Boundary::Extrapolate, 0.5}})));
  ReactionDiffusionEquation e = functionalised(0.3);
  e.species[0].potential = nullptr;
  refused(e, layout);
}
