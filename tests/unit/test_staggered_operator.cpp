// ranks: 1 2 4
// timeout: 60
#define BOOST_TEST_MODULE staggered_operator
#include <boost/test/unit_test.hpp>

#include <cmath>
#include <random>

#include "grids/reduce.hpp"
#include "grids/support/errors.hpp"
#include "solvers/staggered_operator.hpp"

using namespace wasserflow;

namespace {

struct Case {
  int dim;
  Boundary boundary;
  bool free_end;
  double nu, theta;
  bool reaction;
  bool positive = false;
};

std::vector<Case> cases() {
  std::vector<Case> all;
  for (int dim : {1, 2, 3})
    for (Boundary b : {Boundary::NoFlux, Boundary::Periodic})
      for (bool end : {false, true})
        for (double nu : {0.0, 0.1})
          for (double theta : {0.5, 1.0}) {
            if (nu == 0 && theta == 1) continue;
            all.push_back({dim, b, end, nu, theta, (static_cast<int>(end) + dim + (nu > 0 ? 1 : 0)) % 2 == 0});
          }
  for (bool end : {false, true})  // the variant with two copies
    for (int dim : {1, 2, 3}) all.push_back({dim, Boundary::NoFlux, end, 0.1, 0.5, end, true});
  return all;
}

Grid box(int dim, Boundary last) {
  const int cells[] = {7, 5, 6};
  std::vector<Axis> axes;
  for (int d = 0; d < dim; ++d) {  // the last axis is cut into slabs; the others have both kinds too
    const Boundary b = (d == dim - 1) == (last == Boundary::NoFlux) ? Boundary::NoFlux : Boundary::Periodic;
    axes.push_back({-0.5, 0.5 + 0.25 * d, cells[d] + (dim == 1 ? 6 : 0), b, 0.5});
  }
  return Grid(axes);
}

StaggeredOperator make(const Case& c, int steps = 5) {
  return StaggeredOperator(make_layout(MPI_COMM_WORLD, box(c.dim, c.boundary)),
                           {steps, 0.7 / steps, c.nu, c.theta, c.free_end, c.reaction, c.positive, 1.3});
}

/// Values that depend on the place in the grid, not on the cut into ranks.
void randomise(Field& f, unsigned seed, int first = 0, int last = -1) {
  const SlabLayout& l = f.layout();
  for (int k = first; k < (last < 0 ? f.levels() : last); ++k)
    for (std::ptrdiff_t i = 0; i < l.owned(); ++i) {
      std::mt19937 g(seed + 7919U * static_cast<unsigned>(k) + 104729U * static_cast<unsigned>(l.global_offset() + i));
      g.discard(3);
      f.level(k)[i] = std::uniform_real_distribution<double>(-1, 1)(g);
    }
}

/// Faces on a no-flux end carry nothing.
void close_ends(StaggeredOperator& a, StaggeredState& x) {
  const SlabLayout& l = *a.layout();
  const Grid& g = l.grid();
  for (int d = 0; d < g.dim(); ++d) {
    if (g.axis(d).boundary == Boundary::Periodic) continue;
    std::ptrdiff_t stride = 1;
    for (int e = 0; e < d; ++e) stride *= g.cells(e);
    for (std::ptrdiff_t i = 0; i < l.owned(); ++i)
      if ((l.global_offset() + i) / stride % g.cells(d) == g.cells(d) - 1)
        for (int k = 0; k < a.steps(); ++k) x.m[static_cast<std::size_t>(d)].level(k)[i] = 0;
  }
}

StaggeredState random_state(StaggeredOperator& a, unsigned seed) {
  StaggeredState x = a.make_state();
  randomise(x.rho, seed);
  for (std::size_t d = 0; d < x.m.size(); ++d) randomise(x.m[d], seed + 1 + static_cast<unsigned>(d));
  if (x.z) randomise(x.z, seed + 5);
  close_ends(a, x);
  return x;
}

CentredState random_centred(StaggeredOperator& a, unsigned seed) {
  CentredState y = a.make_centred();
  randomise(y.rho, seed);
  for (std::size_t d = 0; d < y.m.size(); ++d) randomise(y.m[d], seed + 1 + static_cast<unsigned>(d));
  if (y.z) randomise(y.z, seed + 5);
  if (y.end) randomise(y.end, seed + 6);
  for (CentredState& late : y.late) {
    randomise(late.rho, seed + 7);
    for (std::size_t d = 0; d < late.m.size(); ++d) randomise(late.m[d], seed + 8 + static_cast<unsigned>(d));
    if (late.z) randomise(late.z, seed + 12);
  }
  return y;
}

double inner(const Field& a, const Field& b) {
  double s = 0;
  for (int k = 0; k < a.levels(); ++k) s += dot(a, b, k, k);
  return s;
}

/// <x, P g> over the unknowns with g = P^{-1} (K^T y - A^T phi) from the sweep.
double against_sweep(StaggeredOperator& a, StaggeredState& x, const CentredState* y, const Field* phi) {
  StaggeredState g = a.make_state();
  a.adjoint_sweep(y, phi, [&](const double* v, int c, int level, std::ptrdiff_t offset, int n) {
    Field& f = c == 0 ? g.rho : c <= a.layout()->dim() ? g.m[static_cast<std::size_t>(c - 1)] : g.z;
    const double weight = c == 0 && level == a.steps() ? a.end_weight() : 1;
    for (int i = 0; i < n; ++i) f.level(level)[offset + i] = weight * v[i];
  });
  double s = inner(x.rho, g.rho);
  for (std::size_t d = 0; d < x.m.size(); ++d) s += inner(x.m[d], g.m[d]);
  return x.z ? s + inner(x.z, g.z) : s;
}

}  // namespace

/// The step of whole fields that step_row makes row by row, on duals that are spoilt behind it.
BOOST_AUTO_TEST_CASE(a_step_row_by_row) {
  const double over = 0.7, move = 0.3;
  for (const Case& c : cases()) {
    StaggeredOperator a = make(c);
    const SlabLayout& l = *a.layout();
    const int dim = l.dim();
    StaggeredState x = random_state(a, 1), ahead = random_state(a, 1), moved = random_state(a, 1);
    CentredState y = random_centred(a, 11);
    Field phi = a.make_multiplier();
    randomise(phi, 23);
    phi.exchange_ghosts();
    a.exchange(y);
    const auto component = [&](StaggeredState& s, int k) -> Field& { return k == 0 ? s.rho : k <= dim ? s.m[static_cast<std::size_t>(k - 1)] : s.z; };
    a.adjoint_sweep(&y, &phi, [&](const double* g, int k, int level, std::ptrdiff_t offset, int n) {
      for (int i = 0; i < n; ++i) {
        component(ahead, k).level(level)[offset + i] -= over * g[i];
        component(moved, k).level(level)[offset + i] -= move * g[i];
      }
    });
    a.exchange_for_interpolation(ahead);
    a.exchange_for_interpolation(x);
    int wrong = 0;
    const auto compare = [&](double is, double should) { wrong += !(std::fabs(is - should) <= 1e-13); };
    std::array<std::vector<double>, 7> rows;
    for (auto& row : rows) row.resize(64);
    double *rho[] = {rows[0].data(), rows[1].data()}, *other[] = {rows[2].data(), rows[3].data(), rows[4].data(), rows[5].data()};
    for (int level = 0; level < a.steps(); ++level)
      for (int r = 0; r < l.rows(); ++r) {
        const RowPoints p = l.row(r);
        a.step_row(x, y, phi, over, move, level, p.offset, p.n, rho, other);
        std::vector<double> want(64);
        std::array<std::vector<double>, 3> flux;
        std::vector<double*> m;
        for (auto& row : flux) {
          row.resize(64);
          m.push_back(row.data());
        }
        for (int copy = 0; copy < a.copies(); ++copy) {
          a.interpolation_row(ahead, level, p.offset, p.n, want.data(), m.data(), copy);
          for (int i = 0; i < p.n; ++i) {
            compare(rho[copy][i], want[static_cast<std::size_t>(i)]);
            for (int d = 0; d < dim; ++d) compare(other[d][i], m[static_cast<std::size_t>(d)][i]);
            if (c.reaction) compare(other[dim][i], ahead.z.level(level)[p.offset + i]);
          }
        }
        const auto spoil = [&](Field& f) { std::fill_n(f.level(level) + p.offset, p.n, std::nan("")); };
        spoil(y.rho);
        for (Field& f : y.m) spoil(f);
        if (y.z) spoil(y.z);
        for (CentredState& late : y.late) {
          spoil(late.rho);
          for (Field& f : late.m) spoil(f);
          if (late.z) spoil(late.z);
        }
      }
    for (int k = 0; k <= dim + (c.reaction ? 1 : 0); ++k)
      for (int level = 0; level < component(x, k).levels(); ++level)
        for (std::ptrdiff_t i = 0; i < l.owned(); ++i) compare(component(x, k).level(level)[i], component(moved, k).level(level)[i]);
    for (std::ptrdiff_t i = 0; i < l.owned(); ++i) compare(a.ahead_end()[i], ahead.rho.level(a.steps())[i]);
    BOOST_TEST(wrong == 0);
  }
}

BOOST_AUTO_TEST_CASE(adjoints) {
  for (const Case& c : cases()) {
    StaggeredOperator a = make(c);
    StaggeredState x = random_state(a, 1);
    for (int level = 0; level < x.rho.levels(); ++level)  // given levels are no unknowns
      if (level == 0 || level > a.last_free()) std::fill(x.rho.owned(level).begin(), x.rho.owned(level).end(), 0.0);
    CentredState y = random_centred(a, 11);
    Field phi = a.make_multiplier();
    randomise(phi, 23);
    phi.exchange_ghosts();
    a.exchange(y);
    a.exchange_for_continuity(x);
    // A and K row by row.
    Field ax = a.make_multiplier();
    CentredState kx = a.make_centred();
    const SlabLayout& l = *a.layout();
    for (int level = 0; level < a.steps(); ++level)
      for (int r = 0; r < l.rows(); ++r) {
        const RowPoints p = l.row(r);
        a.continuity_row(x, level, p.offset, p.n, ax.level(level) + p.offset);
        double* m[3];
        for (int d = 0; d < l.dim(); ++d) m[d] = kx.m[static_cast<std::size_t>(d)].level(level) + p.offset;
        a.interpolation_row(x, level, p.offset, p.n, kx.rho.level(level) + p.offset, m);
        if (!c.positive) continue;
        for (int d = 0; d < l.dim(); ++d) m[d] = kx.late[0].m[static_cast<std::size_t>(d)].level(level) + p.offset;
        a.interpolation_row(x, level, p.offset, p.n, kx.late[0].rho.level(level) + p.offset, m, 1);
      }
    const double aphi = -against_sweep(a, x, nullptr, &phi), phia = inner(ax, phi);
    BOOST_TEST(std::fabs(aphi - phia) < 1e-11 * (1 + std::fabs(phia)));
    double ky = 0;
    for (int k = 0; k < a.copies(); ++k) {
      const CentredState &ka = k == 0 ? kx : kx.late[0], &ya = k == 0 ? y : y.late[0];
      ky += a.share() * inner(ka.rho, ya.rho);
      for (std::size_t d = 0; d < ka.m.size(); ++d) ky += a.share() * inner(ka.m[d], ya.m[d]);
      if (x.z) ky += a.share() * inner(x.z, ya.z);
    }
    if (y.end) ky += dot(x.rho, y.end, a.steps(), 0);
    const double yk = against_sweep(a, x, &y, nullptr);
    BOOST_TEST(std::fabs(ky - yk) < 1e-12 * (1 + std::fabs(ky)));
    // A P^{-1} K^T in one row is the composition.
    StaggeredState g = a.make_state();
    a.adjoint_sweep(&y, nullptr, [&](const double* v, int comp, int level, std::ptrdiff_t offset, int n) {
      Field& f = comp == 0 ? g.rho : comp <= l.dim() ? g.m[static_cast<std::size_t>(comp - 1)] : g.z;
      std::copy_n(v, n, f.level(level) + offset);
    });
    a.exchange_for_continuity(g);
    std::vector<double> one(static_cast<std::size_t>(l.owned())), two(one);
    double worst = 0;
    for (int level = 0; level < a.steps(); ++level)
      for (int r = 0; r < l.rows(); ++r) {
        const RowPoints p = l.row(r);
        a.continuity_row(g, level, p.offset, p.n, one.data());
        a.adjoint_continuity_row(y, level, p.offset, p.n, two.data());
        for (std::size_t i = 0; i < static_cast<std::size_t>(p.n); ++i) worst = std::max(worst, std::fabs(one[i] - two[i]));
      }
    BOOST_TEST(worst < 1e-11);
  }
}

BOOST_AUTO_TEST_CASE(projection) {
  for (const Case& c : cases())
    for (int steps : {1, 5}) {
      StaggeredOperator a = make(c, steps);
      StaggeredState x = random_state(a, 3);
      if (!c.free_end && !c.reaction) {  // equal masses
        const double shift = (sum(x.rho, 0) - sum(x.rho, steps)) / static_cast<double>(a.layout()->grid().size());
        for (double& v : x.rho.owned(steps)) v += shift;
      }
      Field phi = a.make_multiplier();
      StaggeredState before = a.make_state();
      for (int k = 0; k <= steps; ++k) before.rho.copy_level(k, x.rho, k);
      a.project(x, phi);
      BOOST_TEST(a.continuity_error(x).largest < 1e-12);
      BOOST_TEST(a.continuity_error(x).mass < 1e-12);
      // Given levels stand; a second projection moves nothing; the step is orthogonal to the kernel of A.
      BOOST_TEST(dot(before.rho, before.rho, 0, 0) == dot(x.rho, x.rho, 0, 0));
      const double size = inner(x.rho, x.rho), m = inner(x.m[0], x.m[0]);
      a.project(x, phi);
      BOOST_TEST(std::fabs(inner(x.rho, x.rho) - size) < 1e-12 * size);
      BOOST_TEST(std::fabs(inner(x.m[0], x.m[0]) - m) <= 1e-12 * (m + 1e-3));
    }
}

// The interpolation is bounded as claimed, by power iteration.
BOOST_AUTO_TEST_CASE(norm) {
  for (bool free_end : {false, true})
    for (int steps : {1, 4, 16}) {
      StaggeredOperator a = make({1, Boundary::Periodic, free_end, 0, 0.5, false}, steps);
      CentredState y = random_centred(a, 5);
      double norm = 0;
      for (int it = 0; it < 200; ++it) {
        StaggeredState x = a.make_state();
        a.exchange(y);
        a.adjoint_sweep(&y, nullptr, [&](const double* v, int c, int level, std::ptrdiff_t offset, int n) {
          std::copy_n(v, n, (c == 0 ? x.rho : x.m[0]).level(level) + offset);
        });
        a.exchange_for_interpolation(x);
        const double before = inner(y.rho, y.rho) + inner(y.m[0], y.m[0]) + (y.end ? dot(y.end, y.end) / a.end_weight() : 0);
        const SlabLayout& l = *a.layout();
        for (int level = 0; level < steps; ++level)
          for (int r = 0; r < l.rows(); ++r) {
            const RowPoints p = l.row(r);
            double* m[1] = {y.m[0].level(level) + p.offset};
            a.interpolation_row(x, level, p.offset, p.n, y.rho.level(level) + p.offset, m);
          }
        if (y.end)
          for (std::ptrdiff_t i = 0; i < l.owned(); ++i) y.end.level()[i] = a.end_weight() * x.rho.level(steps)[i];
        const double after = inner(y.rho, y.rho) + inner(y.m[0], y.m[0]) + (y.end ? dot(y.end, y.end) / a.end_weight() : 0);
        norm = std::sqrt(after / before);
        for (Field* f : {&y.rho, &y.m[0], &y.end})
          if (*f)
            for (int k = 0; k < f->levels(); ++k)
              for (double& v : f->owned(k)) v /= norm;
      }
      BOOST_TEST(norm <= a.norm_squared() * (1 + 1e-12));
      BOOST_TEST(norm > 0.8 * a.norm_squared());
    }
}

BOOST_AUTO_TEST_CASE(refusals) {
  const LayoutPtr dirichlet = make_layout(MPI_COMM_WORLD, Grid({{0, 1, 8, Boundary::Dirichlet, 0.5}}));
  BOOST_CHECK_THROW(StaggeredOperator(dirichlet, {}), InputError);
  const LayoutPtr good = make_layout(MPI_COMM_WORLD, Grid({{0, 1, 8, Boundary::NoFlux, 0.5}}));
  BOOST_CHECK_THROW(StaggeredOperator(good, {.steps = 0}), InputError);
  BOOST_CHECK_THROW(StaggeredOperator(good, {.dt = 0}), InputError);
  BOOST_CHECK_THROW(StaggeredOperator(good, {.viscosity = -1}), InputError);
  BOOST_CHECK_THROW(StaggeredOperator(good, {.theta = 2}), InputError);
}
