// ranks: 1 2 4
// timeout: 120
#define BOOST_TEST_MODULE howard_grids
#include <boost/test/unit_test.hpp>

#include "grids/reduce.hpp"
#include "solvers/howard.hpp"
#include "tests/support/hj_examples.hpp"

using namespace wasserflow;

namespace {
HamiltonianPtr example(int number, int dim) { return number == 1 ? test::quadratic(dim) : test::one_homogeneous(dim); }

/// The norm |p|_2 by upwind sides, not separable: sqrt(sum_d min(D+, 0)^2 + max(D-, 0)^2).
HamiltonianPtr upwind_norm(int dim) {
  const auto h = [dim](const test::Pointwise::Point&, const double* q) {
    double s = 0;
    for (int d = 0; d < dim; ++d) s += std::pow(std::min(q[2 * d], 0.0), 2) + std::pow(std::max(q[2 * d + 1], 0.0), 2);
    return std::sqrt(s);
  };
  const auto g = [dim, h](const test::Pointwise::Point& x, const double* q, double* out) {
    const double s = h(x, q);
    for (int d = 0; d < dim; ++d) {
      out[2 * d] = s > 0 ? std::min(q[2 * d], 0.0) / s : 0;
      out[2 * d + 1] = s > 0 ? std::max(q[2 * d + 1], 0.0) / s : 0;
    }
  };
  return std::make_unique<test::Pointwise>(dim, Splitting::Upwind, true, h, g, nullptr, nullptr);
}

/// Rotated anisotropic quadratic with a cross term, Lax-Friedrichs: (p^2 + p r + r^2)/2 in 2-D.
HamiltonianPtr crossed() {
  return test::lax_friedrichs(
      2, true, [](const test::Pointwise::Point&, const double* p) { return (p[0] * p[0] + p[0] * p[1] + p[1] * p[1]) / 2; },
      [](const test::Pointwise::Point&, const double* p, double* g) { g[0] = p[0] + p[1] / 2, g[1] = p[1] + p[0] / 2; });
}

/// `steps` implicit steps from g; returns phi at the end in level 0.
Field march(MPI_Comm comm, const Grid& grid, HamiltonianPtr h, double eps, double dt, int steps, const std::function<void(Field&, int)>& initial,
            std::array<double, 3> alpha = {}, HowardReport* worst = nullptr) {
  const LayoutPtr layout = make_layout(comm, grid);
  HamiltonJacobiProblem problem = make_hamilton_jacobi_problem(test::only(std::move(h)), layout, eps, dt, {dt}, alpha);
  Howard howard(problem);
  Field phi(layout, 2);
  initial(phi, 0);
  for (int k = 1; k <= steps; ++k) {
    problem.set_times(std::array{k * dt});
    phi.copy_level(1, phi, 0);
    const HowardReport report = howard.step(phi, 0, phi, 1);
    BOOST_TEST_REQUIRE(report.converged);
    if (worst && report.iterations > worst->iterations) *worst = report;
    phi.copy_level(0, phi, 1);
  }
  return phi;
}

void compare_with_one_rank(const Field& many, const Field& one, double tolerance) {
  const double scale = std::max(1.0, max_abs(one));
  double worst = 0;
  for (std::ptrdiff_t i = 0; i < many.layout().owned(); ++i)
    worst = std::max(worst, std::fabs(many.level()[i] - one.level()[many.layout().global_offset() + i]));
  BOOST_TEST(worst <= tolerance * scale);
}
}  // namespace

// With H, g and box separable the discrete solution in 2-D and 3-D is the sum of 1-D ones.
BOOST_AUTO_TEST_CASE(solutions_of_separable_problems_add_up) {
  const int n = 12, steps = 3;
  const double dt = 2.0 / n;
  for (int number : {1, 2})
    for (double eps : {0.0, 0.1}) {
      const Field line = march(MPI_COMM_SELF, test::torus(1, n), example(number, 1), eps, dt, steps, test::set_sines);
      for (int dim : {2, 3}) {
        const Field phi = march(MPI_COMM_WORLD, test::torus(dim, n), example(number, dim), eps, dt, steps, test::set_sines);
        double worst = 0;
        for (std::ptrdiff_t i = 0; i < phi.layout().owned(); ++i) {
          std::int64_t at = phi.layout().global_offset() + i;
          double expected = 0;
          for (int d = 0; d < dim; ++d, at /= n) expected += line.level()[at % n];
          worst = std::max(worst, std::fabs(phi.level()[i] - expected));
        }
        BOOST_TEST(worst < 1e-10);
      }
    }
}

BOOST_AUTO_TEST_CASE(answers_do_not_depend_on_the_ranks) {
  const Boundary kinds[] = {Boundary::Periodic, Boundary::NoFlux, Boundary::Dirichlet, Boundary::Extrapolate};
  for (int dim : {1, 2, 3})
    for (Boundary kind : kinds) {
      std::vector<Axis> axes;
      for (int d = 0; d < dim; ++d) axes.push_back({0, 2, dim == 1 ? 64 : 10 + d, kind, kind == Boundary::Periodic ? 0 : 0.5});
      // A bowl: its slopes lead out of the box, as extrapolation wants.
      const auto bowl = [dim](Field& f, int k) {
        test::set(f, k, [dim](double x, double y, double z) {
          return 0.5 * ((x - 1) * (x - 1) + (dim > 1 ? (y - 1) * (y - 1.1) : 0) + (dim > 2 ? (z - 1) * (z - 0.9) : 0)) + 0.1 * std::sin(7 * x);
        });
      };
      for (const auto& make : {+[](int d) { return test::quadratic(d, false); }, +[](int d) { return upwind_norm(d); }}) {
        const Field many = march(MPI_COMM_WORLD, Grid(axes), make(dim), 0.02, 0.1, 3, bowl);
        const Field one = march(MPI_COMM_SELF, Grid(axes), make(dim), 0.02, 0.1, 3, bowl);
        compare_with_one_rank(many, one, 1e-12);
      }
    }
}

BOOST_AUTO_TEST_CASE(lax_friedrichs_with_cross_terms) {
  HowardReport worst;
  const Field many = march(MPI_COMM_WORLD, test::torus(2, 24), crossed(), 0, 1.0 / 12, 4, test::set_sines, {5, 5, 0}, &worst);
  const Field one = march(MPI_COMM_SELF, test::torus(2, 24), crossed(), 0, 1.0 / 12, 4, test::set_sines, {5, 5, 0});
  compare_with_one_rank(many, one, 1e-12);
  BOOST_TEST(worst.iterations <= 6);
  BOOST_TEST(worst.damped == 0);
  // Too little artificial viscosity: no longer covered by the theory, still solved.
  march(MPI_COMM_WORLD, test::torus(2, 24), crossed(), 0, 1.0 / 12, 2, test::set_sines, {1, 1, 0});
}

// phi <= psi at the start stays so; constants are carried along; the maximum of g bounds phi where H >= 0 = H(0).
BOOST_AUTO_TEST_CASE(comparison_principle) {
  for (int number : {1, 2}) {
    const Grid grid = test::torus(2, 16);
    const auto solve = [&](double bump, double shift) {
      return march(MPI_COMM_WORLD, grid, example(number, 2), 0.01, 0.25, 3, [&](Field& f, int k) {
        test::set(f, k, [&](double x, double y, double) {
          return std::sin(3.1 * x) + std::cos(6.3 * y) + shift + bump * std::exp(-20 * ((x - 1) * (x - 1) + (y - 0.7) * (y - 0.7)));
        });
      });
    };
    const Field low = solve(0, 0), high = solve(0.5, 0), moved = solve(0, 3);
    double order = 1, shift = 0;
    for (std::ptrdiff_t i = 0; i < low.layout().owned(); ++i) {
      order = std::min(order, high.level()[i] - low.level()[i]);
      shift = std::max(shift, std::fabs(moved.level()[i] - low.level()[i] - 3));
    }
    BOOST_TEST(order > -1e-11);
    BOOST_TEST(shift < 1e-11);
    BOOST_TEST(global_max(MPI_COMM_WORLD, *std::max_element(low.owned().begin(), low.owned().end())) <= 2.0);
  }
}

// density solves with the transpose of dR/dphi: checked by differences of R; mass is kept and rho is not negative.
BOOST_AUTO_TEST_CASE(density_is_the_adjoint_of_the_linearised_step) {
  for (int dim : {1, 2, 3})
    for (Boundary kind : {Boundary::Periodic, Boundary::NoFlux, Boundary::Dirichlet, Boundary::Extrapolate}) {
      std::vector<Axis> axes;
      for (int d = 0; d < dim; ++d) axes.push_back({0, 2, 8 + d, kind, kind == Boundary::Periodic ? 0 : 0.5});
      const LayoutPtr layout = make_layout(MPI_COMM_WORLD, Grid(axes));
      HamiltonJacobiProblem problem = make_hamilton_jacobi_problem(test::only(test::quadratic(dim)), layout, 0.03, 0.2, {0.2});
      Howard howard(problem);
      Field phi(layout), later(layout), rho(layout), direction(layout), plus(layout), minus(layout);
      test::set(phi, 0, [](double x, double y, double z) { return (x - 1) * (x - 1) + 0.7 * (y - 1) * (y - 1) + (z - 0.8) * (z - 1); });
      test::set(later, 0, [](double x, double y, double z) { return 2 + std::sin(5 * x + 3 * y - z); });
      test::set(direction, 0, [](double x, double y, double z) { return std::cos(4 * x - y + 2 * z); });
      howard.density(phi, 0, later, 0, rho, 0);
      const double delta = 1e-7;  // Hh has continuous slopes only: the error is of first order
      const auto shifted = [&](double by, Field& r) {
        Field u = phi.clone(), zero(layout);
        for (std::ptrdiff_t i = 0; i < layout->owned(); ++i) u.level()[i] += by * direction.level()[i];
        hj_residual(problem, zero, 0, u, 0, 0, &r);
      };
      shifted(delta, plus);
      shifted(-delta, minus);
      const double change = (dot(plus, rho) - dot(minus, rho)) / (2 * delta);
      BOOST_TEST(change == dot(later, direction) / 0.2, boost::test_tools::tolerance(1e-5));
      if (kind != Boundary::Dirichlet) BOOST_TEST(sum(rho) == sum(later), boost::test_tools::tolerance(1e-11));
      if (kind != Boundary::Extrapolate) BOOST_TEST(*std::min_element(rho.owned().begin(), rho.owned().end()) >= 0);
    }
}

BOOST_AUTO_TEST_CASE(an_unfinished_step_says_so) {
  const LayoutPtr layout = make_layout(MPI_COMM_WORLD, test::torus(1, 64));
  const HamiltonJacobiProblem problem = make_hamilton_jacobi_problem(test::only(test::quadratic(1)), layout, 0, 0.1, {0.1});
  Field phi(layout, 2);
  test::set_sines(phi, 0);
  phi.copy_level(1, phi, 0);
  Howard hasty(problem, {1e-12, 1});
  const HowardReport first = hasty.step(phi, 0, phi, 1);
  BOOST_TEST(!first.converged);
  BOOST_TEST(first.iterations == 1);
  BOOST_TEST(first.residual.max_abs == hj_residual(problem, phi, 0, phi, 1, 0).max_abs);
  // Continues from where it stopped; a solution is recognised without another iteration.
  Howard howard(problem, {1e-12, 100});
  BOOST_TEST(howard.step(phi, 0, phi, 1).converged);
  const HowardReport again = howard.step(phi, 0, phi, 1);
  BOOST_TEST(again.converged);
  BOOST_TEST(again.iterations == 0);
}

BOOST_AUTO_TEST_CASE(bad_input_is_refused_on_every_rank) {
  const LayoutPtr layout = make_layout(MPI_COMM_WORLD, test::torus(1, 16));
  const auto game = [] {
    return test::lax_friedrichs(
        1, false, [](const test::Pointwise::Point&, const double* p) { return -std::cos(p[0]); },
        [](const test::Pointwise::Point&, const double* p, double* g) { g[0] = std::sin(p[0]); });
  };
  const HamiltonJacobiProblem problem = make_hamilton_jacobi_problem(test::only(game()), layout, 0, 0.1, {0.1}, {1, 0, 0});
  BOOST_CHECK_THROW(Howard{problem}, InputError);
  BOOST_CHECK_THROW(make_hamilton_jacobi_problem(test::only(game()), layout, -1, 0.1, {0.1}), InputError);
  BOOST_CHECK_THROW(make_hamilton_jacobi_problem(test::only(game()), layout, 0, 0, {0.1}), InputError);
  const HamiltonJacobiProblem good = make_hamilton_jacobi_problem(test::only(test::quadratic(1)), layout, 0, 0.1, {0.1});
  Howard howard(good);
  Field phi(layout, 2);
  phi.level(0)[0] = std::numeric_limits<double>::quiet_NaN();
  BOOST_CHECK_THROW((void)howard.step(phi, 0, phi, 1), DivergedError);
}
