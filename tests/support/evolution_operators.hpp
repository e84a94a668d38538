#pragma once
/// Equations, grids, states and plain definitions that the tests of evolution operators share.
#include <algorithm>
#include <cmath>
#include <functional>
#include <numbers>

#include "grids/reduce.hpp"
#include "grids/support/errors.hpp"
#include "solvers/reaction_diffusion_operator.hpp"

namespace wasserflow::test {
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

inline ReactionDiffusionEquation one(std::vector<DiffusionFactor> G, std::vector<DiffusionFactor> L, double a, double b) {
  ReactionDiffusionEquation e;
  e.species.push_back({"u", std::move(G), std::move(L), a, b, std::make_shared<Tilted>()});
  return e;
}

inline ReactionDiffusionEquation functionalised(double eps) {
  ReactionDiffusionEquation e = one({}, {}, 0, 0);
  e.functionalised = true;
  e.eps = eps;
  e.eta = 0.7 * eps * eps;
  return e;
}

inline std::vector<Case> cases(int dim) {
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
inline Grid grid(int dim, int shift) {
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

inline Field random_field(const LayoutPtr& layout, int levels, int seed) {
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

inline double inner(const Field& a, const Field& b) {
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

inline std::vector<Values> whole(std::int64_t size, int levels, int seed) {
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

}  // namespace wasserflow::test
