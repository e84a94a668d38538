// ranks: 1 2 4
// timeout: 60
#define BOOST_TEST_MODULE implicit_preconditioner
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <cstring>
#include <numbers>

#include "grids/reduce.hpp"
#include "grids/support/errors.hpp"
#include "solvers/implicit_preconditioner.hpp"

using namespace wasserflow;

namespace {

using Vector = std::vector<double>;  // all points of the grid, on every rank
using Kind = ImplicitPreconditioner::Kind;

/// All mixes of boundary kinds in one and two dimensions, some in three.
std::vector<std::vector<Boundary>> mixes(int dim) {
  constexpr Boundary p = Boundary::Periodic, n = Boundary::NoFlux, d = Boundary::Dirichlet;
  if (dim == 3) return {{p, p, p}, {n, n, n}, {d, p, n}, {n, d, p}};
  std::vector<std::vector<Boundary>> all{{}};
  for (int axis = 0; axis < dim; ++axis) {
    std::vector<std::vector<Boundary>> longer;
    for (const auto& mix : all)
      for (Boundary kind : {p, n, d}) {
        longer.push_back(mix);
        longer.back().push_back(kind);
      }
    all = longer;
  }
  return all;
}

Grid box(const std::vector<Boundary>& mix, const std::vector<int>& cells) {
  std::vector<Axis> axes;
  for (std::size_t d = 0; d < mix.size(); ++d)
    axes.push_back({0.0, 4.0 + static_cast<double>(d), cells[d], mix[d], mix[d] == Boundary::Periodic ? 0.0 : 0.5});
  return Grid(axes);
}

double noise(std::int64_t i) {
  auto x = static_cast<std::uint64_t>(i) + 0x9e3779b97f4a7c15U;
  x = (x ^ (x >> 30U)) * 0xbf58476d1ce4e5b9U;  // splitmix64
  x = (x ^ (x >> 27U)) * 0x94d049bb133111ebU;
  return static_cast<double>(static_cast<std::int64_t>(x ^ (x >> 31U))) * 0x1p-63;
}

std::vector<Vector> noise_levels(const Grid& grid, int levels) {
  std::vector<Vector> u(static_cast<std::size_t>(levels), Vector(static_cast<std::size_t>(grid.size())));
  std::int64_t i = 0;
  for (Vector& v : u)
    for (double& x : v) x = noise(i++);
  return u;
}

/// -Laplacian by the three-point stencils with the ghosts of each axis.
Vector minus_laplacian(const Grid& grid, const Vector& u) {
  Vector out(u.size(), 0.0);
  std::ptrdiff_t inner = 1;
  for (int d = 0; d < grid.dim(); ++d) {
    const int n = grid.cells(d);
    const double h2 = grid.spacing(d) * grid.spacing(d);
    for (std::size_t p = 0; p < u.size(); ++p) {
      const int i = static_cast<int>(static_cast<std::ptrdiff_t>(p) / inner % n);
      const auto neighbour = [&](int to) {
        double sign = 1;
        if (to < 0 || to >= n) {
          if (grid.axis(d).boundary == Boundary::Periodic) {
            to = (to + n) % n;
          } else {
            sign = grid.axis(d).boundary == Boundary::Dirichlet ? -1 : 1;
            to = to < 0 ? 0 : n - 1;
          }
        }
        return sign * u[p + static_cast<std::size_t>((to - i) * inner)];
      };
      out[p] += (2 * u[p] - neighbour(i - 1) - neighbour(i + 1)) / h2;
    }
    inner *= n;
  }
  return out;
}

Vector apply_polynomial(const Grid& grid, const SymbolPolynomial& p, Vector u) {
  Vector out(u.size(), 0.0);
  for (double c : p) {
    for (std::size_t i = 0; i < u.size(); ++i) out[i] += c * u[i];
    u = minus_laplacian(grid, u);
  }
  return out;
}

/// M z for level k S + s = step k, component s.
std::vector<Vector> apply_metric(const Grid& grid, double tau, const FrozenOperator& frozen, const std::vector<Vector>& z) {
  const std::size_t S = frozen.linear.size();
  std::vector<Vector> y = z;
  for (std::size_t l = 0; l < z.size(); ++l) {
    const std::size_t s = l % S, first = l - s;
    const Vector linear = apply_polynomial(grid, frozen.linear[s], z[l]);
    for (std::size_t i = 0; i < y[l].size(); ++i) {
      y[l][i] += tau * linear[i];
      for (std::size_t q = 0; q < S && !frozen.coupling.empty(); ++q) y[l][i] += tau * frozen.coupling[s * S + q] * z[first + q][i];
      if (l >= S) y[l][i] -= z[l - S][i];
    }
  }
  return y;
}

Field field_of(const LayoutPtr& layout, const std::vector<Vector>& u) {
  Field f(layout, static_cast<int>(u.size()));
  for (int l = 0; l < f.levels(); ++l)
    for (std::ptrdiff_t i = 0; i < layout->owned(); ++i)
      f.level(l)[i] = u[static_cast<std::size_t>(l)][static_cast<std::size_t>(layout->global_offset() + i)];
  return f;
}

/// Largest difference over all levels and ranks relative to the largest value of b.
double distance(const Field& a, const Field& b) {
  double difference = 0, size = 0;
  for (int l = 0; l < b.levels(); ++l)
    for (std::ptrdiff_t i = 0; i < b.layout().owned(); ++i) {
      difference = std::max(difference, std::abs(a.level(l)[i] - b.level(l)[i]));
      size = std::max(size, std::abs(b.level(l)[i]));
    }
  return global_max(b.layout().comm(), difference) / global_max(b.layout().comm(), size);
}

double inner_product(const Field& a, const Field& b) {
  double sum = 0;
  for (int l = 0; l < a.levels(); ++l) sum += dot(a, b, l, l);
  return sum;
}

/// One and more components, polynomials of degree 0 to 3, with and without coupling.
std::vector<FrozenOperator> operators() {
  return {{{{0.7}}, {}, SymbolKind::Difference},
          {{{2.0, 0.3}}, {}, SymbolKind::Difference},
          {{{0.0, -0.05, 0.1}}, {}, SymbolKind::Difference},
          {{{0.0, 0.2, -0.01, 0.004}}, {}, SymbolKind::Difference},
          {{{0.0, 0.1}, {0.5, 0.0, 0.2}}, {}, SymbolKind::Difference},
          {{{0.0, 0.1}, {0.0, 0.4}}, {1.0, -2.0, 3.0, 0.5}, SymbolKind::Difference},
          // Zeros on the diagonal of X: pivots must be looked for.
          {{{0.0, 0.1}, {}, {0.3, 0.2}}, {-0.1, 4.0, -1.0, 3.0, -10.0, 0.5, 0.2, -0.7, 1.0}, SymbolKind::Difference},
          {{{0.0, 1.0}, {0.1, 0.1}, {0.2}, {0.0, 0.0, 0.3}, {1.0}},
           {1, 2, 0, 0, 1, -1, 2, 1, 0, 0, 0, 3, 1, 1, 0, 0.5, 0, 0, 2, -2, 0, 0, 1, 1, 1},
           SymbolKind::Difference}};
}

}  // namespace

BOOST_AUTO_TEST_CASE(inverse_undoes_the_stencils) {
  const double tau = 0.1;
  for (int dim = 1; dim <= 3; ++dim)
    for (const auto& mix : mixes(dim))
      for (const FrozenOperator& frozen : operators())
        for (int steps : {1, 3}) {
          const int S = static_cast<int>(frozen.linear.size());
          const Grid grid = box(mix, dim == 3 ? std::vector<int>{5, 6, 7} : std::vector<int>{10, 9});
          const LayoutPtr layout = make_layout(MPI_COMM_WORLD, grid);
          const std::vector<Vector> z = noise_levels(grid, steps * S);
          const Field y = field_of(layout, apply_metric(grid, tau, frozen, z)), expected = field_of(layout, z);
          ImplicitPreconditioner precondition(layout, steps, S);
          precondition.set(tau, frozen);
          Field result(layout, steps * S), other(layout, steps * S);
          for (int repeat = 0; repeat < 2; ++repeat) {  // the second time on used buffers
            precondition.apply(y, result);
            BOOST_TEST(distance(result, expected) < 1e-12);
          }
          // <M^{-1} y, z> = <y, M^{-T} z>, and the normal inverse is one after the other.
          precondition.apply(expected, other, Kind::Transpose);
          const double left = inner_product(result, expected), right = inner_product(y, other);
          BOOST_TEST(std::abs(left - right) < 1e-11 * inner_product(expected, expected));
          precondition.apply(result, other, Kind::Transpose);
          precondition.apply(y, result, Kind::Normal);
          BOOST_TEST(distance(result, other) < 1e-13);
        }
}

BOOST_AUTO_TEST_CASE(exact_symbols_on_a_wave) {
  const Grid grid({{0.0, 2.0, 16, Boundary::Periodic, 0.0}, {0.0, 3.0, 12, Boundary::NoFlux, 0.5}});
  const LayoutPtr layout = make_layout(MPI_COMM_WORLD, grid);
  Field u(layout), v(layout);
  const double a = 2 * std::numbers::pi * 3 / 2.0, b = std::numbers::pi * 2 / 3.0;
  for (int j = 0; j < layout->count(); ++j)
    for (int i = 0; i < 16; ++i) u.level()[16 * j + i] = std::sin(a * i / 8.0) * std::cos(b * (layout->first() + j + 0.5) / 4.0);
  ImplicitPreconditioner precondition(layout, 1, 1);
  precondition.set(0.5, {{{1.0, 0.2}}, {}, SymbolKind::Difference});
  precondition.set(0.5, {{{1.0, 0.2}}, {}, SymbolKind::Exact});
  precondition.apply(u, v);
  double worst = 0;
  for (std::ptrdiff_t i = 0; i < layout->owned(); ++i)
    worst = std::max(worst, std::abs(v.level()[i] * (1 + 0.5 * (1 + 0.2 * (a * a + b * b))) - u.level()[i]));
  BOOST_TEST(global_max(MPI_COMM_WORLD, worst) < 1e-14);
}

BOOST_AUTO_TEST_CASE(inverse_of_a_polynomial) {
  for (const auto& mix : mixes(2))
    for (int steps : {1, 3}) {
      const Grid grid = box(mix, {12, 10});
      const LayoutPtr layout = make_layout(MPI_COMM_WORLD, grid);
      const bool kernel = mix[0] != Boundary::Dirichlet && mix[1] != Boundary::Dirichlet;
      const SymbolPolynomial p{0.0, 0.5};
      ImplicitPreconditioner precondition(layout, steps, 2);
      precondition.set(0.3, {{{0.0, 1.0}, {0.1, 0.0, 1.0}}, {0.0, 1.0, 0.5, 0.0}, SymbolKind::Difference});
      const std::vector<Vector> z = noise_levels(grid, 2 * steps);
      std::vector<Vector> y, expected = z;
      for (const Vector& u : z) y.push_back(apply_polynomial(grid, p, u));
      for (Vector& u : expected) {  // constants are lost
        double mean = 0;
        for (double x : u) mean += x / static_cast<double>(u.size());
        for (double& x : u) x -= kernel ? mean : 0.0;
      }
      const Field right = field_of(layout, y), wanted = field_of(layout, expected);
      Field result(layout, 2 * steps), first(layout, 2 * steps), both(layout, 4 * steps), halves(layout, 2 * steps);
      precondition.apply_inverse(p, right, result);
      BOOST_TEST(distance(result, wanted) < 1e-12);

      const Field input = field_of(layout, z);
      precondition.apply(input, first);
      precondition.apply_inverse(p, first, result);
      const long pairs = precondition.transform_pairs();
      for (int repeat = 0; repeat < 2; ++repeat) {
        precondition.apply_with_inverse(p, SpectralTransform::from(input), SpectralTransform::to(both));
        for (int l = 0; l < 2 * steps; ++l) halves.copy_level(l, both, l);
        BOOST_TEST(distance(halves, first) < 1e-14);
        for (int l = 0; l < 2 * steps; ++l) halves.copy_level(l, both, 2 * steps + l);
        BOOST_TEST(distance(halves, result) < 1e-13);
      }
      BOOST_TEST(pairs == 6 * steps);
      BOOST_TEST(precondition.transform_pairs() == 12 * steps);
    }
}

BOOST_AUTO_TEST_CASE(steps_that_are_too_large) {
  const LayoutPtr layout = make_layout(MPI_COMM_WORLD, box({Boundary::NoFlux, Boundary::Periodic}, {8, 8}));
  ImplicitPreconditioner scalar(layout, 2, 1), pair(layout, 1, 2);
  BOOST_CHECK_THROW(scalar.set(0.0, {{{1.0}}, {}, SymbolKind::Difference}), InputError);
  BOOST_CHECK_THROW(scalar.set(1.0, {{{1.0}, {1.0}}, {}, SymbolKind::Difference}), InternalError);
  const std::vector<Vector> z = noise_levels(layout->grid(), 2);
  const Field u = field_of(layout, z);
  Field before(layout, 2), after(layout, 2);
  BOOST_CHECK_THROW(scalar.apply(u, before), InternalError);

  // 1 + tau (lambda^2 / 4 - lambda) is least at lambda = 2, which is not a mode, and there are modes near it.
  const FrozenOperator hump{{{0.0, -1.0, 0.25}}, {}, SymbolKind::Difference};
  scalar.set(0.9, hump);
  scalar.apply(u, before);
  BOOST_CHECK_THROW(scalar.set(1.2, hump), InputError);
  BOOST_CHECK_THROW(scalar.set(std::nan(""), hump), InputError);
  BOOST_CHECK_THROW(scalar.set(0.5, {{{std::nan("")}}, {}, SymbolKind::Difference}), InputError);
  BOOST_TEST(scalar.tau() == 0.9);
  scalar.apply(u, after);
  BOOST_TEST(distance(after, before) == 0.0);

  // 1 + tau c is singular at lambda = 0 for c = [[-1, 2], [1, -2]] and tau = 1/3.
  const FrozenOperator coupled{{{0.0, 1.0}, {0.0, 1.0}}, {-1.0, 2.0, 1.0, -2.0}, SymbolKind::Difference};
  BOOST_CHECK_NO_THROW(pair.set(0.25, coupled));
  BOOST_CHECK_THROW(pair.set(1.0 / 3, coupled), InputError);
  BOOST_CHECK_NO_THROW(pair.set(0.5, coupled));
}

BOOST_AUTO_TEST_CASE(float_transforms) {
  for (int dim = 1; dim <= 3; ++dim)
    for (const auto& mix : mixes(dim))
      for (const FrozenOperator& frozen : operators()) {
        const int S = static_cast<int>(frozen.linear.size());
        const LayoutPtr layout = make_layout(MPI_COMM_WORLD, box(mix, dim == 3 ? std::vector<int>{9, 6, 11} : std::vector<int>{26, 19}));
        const Field u = field_of(layout, noise_levels(layout->grid(), 2 * S));
        ImplicitPreconditioner precondition(layout, 2, S), single(layout, 2, S, true);
        precondition.set(0.1, frozen);
        single.set(0.1, frozen);
        Field a(layout, 4 * S), b(layout, 4 * S);
        for (Kind kind : {Kind::Inverse, Kind::Transpose, Kind::Normal}) {
          precondition.apply(u, a, kind);
          single.apply(u, b, kind);
          BOOST_TEST(distance(b, a) < 1e-5);
          BOOST_TEST(distance(b, a) > 0.0);
        }
        const SymbolPolynomial p{1.0, 0.2};
        precondition.apply_with_inverse(p, SpectralTransform::from(u), SpectralTransform::to(a));
        single.apply_with_inverse(p, SpectralTransform::from(u), SpectralTransform::to(b));
        BOOST_TEST(distance(b, a) < 1e-5);
        precondition.apply_inverse(p, u, a);
        single.apply_inverse(p, u, b);
        BOOST_TEST(distance(b, a) < 1e-5);
      }
}

BOOST_AUTO_TEST_CASE(bits_do_not_depend_on_the_number_of_ranks) {
  for (int dim = 1; dim <= 3; ++dim)
    for (const auto& mix : mixes(dim))
      for (const FrozenOperator& frozen : operators()) {
        const int S = static_cast<int>(frozen.linear.size());
        const Grid grid = box(mix, dim == 3 ? std::vector<int>{9, 6, 11} : std::vector<int>{26, 19});
        const std::vector<Vector> u = noise_levels(grid, 2 * S);
        const auto run = [&](MPI_Comm comm, bool single) {
          const LayoutPtr layout = make_layout(comm, grid);
          ImplicitPreconditioner precondition(layout, 2, S, single);
          precondition.set(0.1, frozen);
          Field out(layout, 2 * S);
          precondition.apply(field_of(layout, u), out, Kind::Normal);
          return out;
        };
        for (bool single : {false, true}) {
          const Field a = run(MPI_COMM_WORLD, single), b = run(MPI_COMM_SELF, single);
          int different = 0;
          for (int l = 0; l < 2 * S; ++l)
            different +=
                std::memcmp(a.level(l), b.level(l) + a.layout().global_offset(), static_cast<std::size_t>(a.layout().owned()) * sizeof(double)) != 0;
          BOOST_TEST(different == 0);
        }
      }
}
