// ranks: 1 2 4
// timeout: 120
#define BOOST_TEST_MODULE explicit_grids
#include <boost/test/unit_test.hpp>

#include "grids/reduce.hpp"
#include "solvers/explicit_scheme.hpp"
#include "tests/support/hj_examples.hpp"

using namespace wasserflow;
using std::numbers::pi;

namespace {
const Boundary kinds[] = {Boundary::Periodic, Boundary::NoFlux, Boundary::Dirichlet, Boundary::Extrapolate};

Grid box(int dim, int n, Boundary kind, double upper = 2) {
  return Grid(std::vector<Axis>(static_cast<std::size_t>(dim), Axis{0, upper, n, kind, kind == Boundary::Periodic ? 0 : 0.5}));
}

Field solve(MPI_Comm comm, const Grid& grid, HamiltonianPtr h, double eps, double end, const ExplicitOptions& options,
            const std::function<double(double, double, double)>& g) {
  const LayoutPtr layout = make_layout(comm, grid, 3);
  HamiltonJacobiProblem problem = make_hamilton_jacobi_problem(test::only(std::move(h)), layout, eps, 1, {0.0});
  ExplicitScheme scheme(problem, options);
  Field phi(layout);
  test::set(phi, 0, g);
  (void)scheme.advance(phi, 0, 0, end);
  return phi;
}

double bowl(double x, double y, double z) {
  return 0.5 * ((x - 1) * (x - 1) + (y - 1) * (y - 1.1) + (z - 1) * (z - 0.9)) + 0.1 * std::sin(7 * x) - 0.1 * std::cos(3 * y + z);
}
}  // namespace

BOOST_AUTO_TEST_CASE(answers_have_the_same_bits_on_any_number_of_ranks) {
  for (int dim : {1, 2, 3})
    for (Boundary kind : kinds)
      for (NumericalFlux flux : {NumericalFlux::EngquistOsher, NumericalFlux::Godunov, NumericalFlux::LocalLaxFriedrichs})
        for (Reconstruction reconstruction : {Reconstruction::FirstOrder, Reconstruction::Weno5}) {
          const Grid grid = box(dim, dim == 1 ? 70 : 13, kind);
          const auto run = [&](MPI_Comm comm) { return solve(comm, grid, test::quadratic(dim), 0.01, 0.1, {reconstruction, flux, 0.75}, bowl); };
          const Field many = run(MPI_COMM_WORLD), one = run(MPI_COMM_SELF);
          bool equal = true;
          for (std::ptrdiff_t i = 0; i < many.layout().owned(); ++i)
            equal = equal && many.level()[i] == one.level()[many.layout().global_offset() + i];
          BOOST_TEST(equal);
        }
}

// H, g and the box split by axis, and so do all three fluxes and WENO5: solutions add up as long as the time steps are the same.
BOOST_AUTO_TEST_CASE(solutions_of_separable_problems_add_up) {
  const int n = 16;
  for (NumericalFlux flux : {NumericalFlux::EngquistOsher, NumericalFlux::Godunov})
    for (Reconstruction reconstruction : {Reconstruction::FirstOrder, Reconstruction::Weno5}) {
      // One step in every dimension: the end time is below the CFL limit of all of them.
      const auto run = [&](MPI_Comm comm, int dim) {
        return solve(comm, test::torus(dim, n), test::quadratic(dim), 0, 0.005, {reconstruction, flux, 1}, [dim](double x, double y, double z) {
          return std::sin(pi * x) + (dim > 1 ? std::sin(pi * y) : 0) + (dim > 2 ? std::sin(pi * z) : 0);
        });
      };
      const Field line = run(MPI_COMM_SELF, 1);
      for (int dim : {2, 3}) {
        const Field phi = run(MPI_COMM_WORLD, dim);
        double worst = 0;
        for (std::ptrdiff_t i = 0; i < phi.layout().owned(); ++i) {
          std::int64_t at = phi.layout().global_offset() + i;
          double expected = 0;
          for (int d = 0; d < dim; ++d, at /= n) expected += line.level()[at % n];
          worst = std::max(worst, std::fabs(phi.level()[i] - expected));
        }
        BOOST_TEST(worst < 1e-13);
      }
    }
}

// Even data: the box with mirrors at its ends and the periodic box of twice the length have the same solution.
BOOST_AUTO_TEST_CASE(no_flux_is_the_even_half_of_a_periodic_box) {
  const auto even = [](double x, double, double) { return std::cos(pi * x) + 0.3 * std::cos(2 * pi * x); };
  const Grid doubled({Axis{0, 2, 64, Boundary::Periodic, 0.5}});
  const Field half = solve(MPI_COMM_WORLD, box(1, 32, Boundary::NoFlux, 1), test::quadratic(1, false), 0.02, 0.3, {}, even);
  const Field whole = solve(MPI_COMM_SELF, doubled, test::quadratic(1, false), 0.02, 0.3, {}, even);
  for (std::ptrdiff_t i = 0; i < half.layout().owned(); ++i)
    BOOST_TEST_REQUIRE(std::fabs(half.level()[i] - whole.level()[half.layout().global_offset() + i]) < 1e-12);
}

// Heat equation with value 0 at the faces, fourth order in space.
BOOST_AUTO_TEST_CASE(dirichlet_heat_equation) {
  const auto zero = [] {
    return test::lax_friedrichs(
        2, true, [](const test::Pointwise::Point&, const double*) { return 0.0; },
        [](const test::Pointwise::Point&, const double*, double* g) { g[0] = g[1] = 0; });
  };
  const double eps = 0.1, end = 0.5;
  const auto error = [&](int n) {
    const auto g = [](double x, double y, double) { return std::sin(pi * x) * std::sin(2 * pi * y); };
    const Field phi = solve(MPI_COMM_WORLD, box(2, n, Boundary::Dirichlet, 1), zero(), eps, end, {}, g);
    Field exact(phi.layout_ptr());
    test::set(exact, 0, [&](double x, double y, double z) { return g(x, y, z) * std::exp(-5 * pi * pi * eps * end); });
    double worst = 0;
    for (std::ptrdiff_t i = 0; i < phi.layout().owned(); ++i) worst = std::max(worst, std::fabs(phi.level()[i] - exact.level()[i]));
    return global_max(MPI_COMM_WORLD, worst);
  };
  const double coarse = error(16), fine = error(32);
  BOOST_TEST(fine < 1e-5);
  BOOST_TEST(std::log2(coarse / fine) > 3.5);
}

// g = x^2/2 flows out of the box: phi = x^2/(2 (1 + t)) stays undisturbed away from the ends.
BOOST_AUTO_TEST_CASE(extrapolation_lets_characteristics_leave) {
  const Grid grid({Axis{-1, 1, 80, Boundary::Extrapolate, 0.5}});
  const Field phi = solve(MPI_COMM_WORLD, grid, test::quadratic(1, false), 0, 1, {}, [](double x, double, double) { return x * x / 2; });
  double worst = 0, everywhere = 0;
  for (std::ptrdiff_t i = 0; i < phi.layout().owned(); ++i) {
    const double x = phi.layout().x_nodes()[static_cast<std::size_t>(i)], e = std::fabs(phi.level()[i] - x * x / 4);
    everywhere = std::max(everywhere, e);
    if (std::fabs(x) < 0.8) worst = std::max(worst, e);
  }
  BOOST_TEST(global_max(MPI_COMM_WORLD, worst) < 1e-4);
  BOOST_TEST(global_max(MPI_COMM_WORLD, everywhere) < 2e-2);
}

// Monotone at CFL number 1: order is kept, and with H >= 0 = H(0) the solution stays below max g.
BOOST_AUTO_TEST_CASE(comparison_principle_of_the_first_order_scheme) {
  for (NumericalFlux flux : {NumericalFlux::EngquistOsher, NumericalFlux::Godunov, NumericalFlux::LocalLaxFriedrichs}) {
    const auto run = [&](double bump) {
      return solve(MPI_COMM_WORLD, test::torus(2, 20), test::one_homogeneous(2), 0.01, 0.5, {Reconstruction::FirstOrder, flux, 0.5},
                   [bump](double x, double y, double) {
                     return std::sin(pi * x) + std::cos(2 * pi * y) + bump * std::exp(-20 * (x - 1) * (x - 1) - 30 * (y - 0.7) * (y - 0.7));
                   });
    };
    const Field low = run(0), high = run(0.5);
    double order = 1, top = 0;
    for (std::ptrdiff_t i = 0; i < low.layout().owned(); ++i) {
      order = std::min(order, high.level()[i] - low.level()[i]);
      top = std::max(top, low.level()[i]);
    }
    BOOST_TEST(order > -1e-13);
    BOOST_TEST(top <= 2.0);
  }
}

BOOST_AUTO_TEST_CASE(steps_end_exactly_at_the_asked_times) {
  const LayoutPtr layout = make_layout(MPI_COMM_WORLD, test::torus(1, 32), 3);
  HamiltonJacobiProblem problem = make_hamilton_jacobi_problem(test::only(test::quadratic(1)), layout, 0, 1, {0.0});
  ExplicitScheme scheme(problem);
  Field phi(layout), once(layout);
  test::set_sines(phi, 0);
  test::set_sines(once, 0);
  double t = 0;
  long steps = 0;
  for (int k = 1; k <= 10; ++k) {
    steps += scheme.advance(phi, 0, t, 0.05 * k).steps;
    t = 0.05 * k;
  }
  const ExplicitReport report = scheme.advance(once, 0, 0, 0.5);
  BOOST_TEST(report.stages == 3 * report.steps);
  BOOST_TEST(steps >= report.steps);
  // Only the time steps differ.
  for (std::ptrdiff_t i = 0; i < layout->owned(); ++i) once.level()[i] = std::fabs(once.level()[i] - phi.level()[i]);
  BOOST_TEST(sum(once) / 32 < 5e-4);
  BOOST_TEST(scheme.advance(phi, 0, 0.5, 0.5).steps == 0);
}

BOOST_AUTO_TEST_CASE(bad_input_is_refused) {
  const auto free = [](bool) {
    return test::lax_friedrichs(
        1, true, [](const test::Pointwise::Point&, const double* p) { return std::fabs(p[0]); },
        [](const test::Pointwise::Point&, const double* p, double* g) { g[0] = p[0] < 0 ? -1 : 1; });
  };
  const LayoutPtr layout = make_layout(MPI_COMM_WORLD, test::torus(1, 32), 3);
  HamiltonJacobiProblem problem = make_hamilton_jacobi_problem(test::only(free(true)), layout, 0, 1, {0.0});
  BOOST_CHECK_THROW(ExplicitScheme(problem, {Reconstruction::Weno5, NumericalFlux::Godunov, 0.5}), InputError);
  BOOST_CHECK_THROW(ExplicitScheme(problem, {Reconstruction::Weno5, {}, 1.5}), InputError);
  Field phi(layout);
  phi.level()[3] = std::numeric_limits<double>::infinity();
  ExplicitScheme scheme(problem);
  BOOST_CHECK_THROW((void)scheme.advance(phi, 0, 0, 1), DivergedError);
}
