// ranks: 1 2
// timeout: 120
#define BOOST_TEST_MODULE howard_terms
#include <boost/test/unit_test.hpp>

#include "grids/reduce.hpp"
#include "problems/exact_solutions.hpp"
#include "solvers/howard.hpp"
#include "tests/support/hj_examples.hpp"

using namespace wasserflow;
using std::numbers::pi;

namespace {
class Lambda : public Function {
 public:
  using F = std::function<double(double x, double y, double t)>;
  Lambda(bool in_time, F f) : in_time_(in_time), f_(std::move(f)) {}
  void evaluate(const RowPoints& p, double* out) const override {
    for (int i = 0; i < p.n; ++i) out[i] = f_(p.x[i], p.y, p.t);
  }
  bool depends_on_time() const override { return in_time_; }

 private:
  bool in_time_;
  F f_;
};
FunctionPtr function(Lambda::F f, bool in_time = false) { return std::make_shared<Lambda>(in_time, std::move(f)); }

/// l1 error of implicit steps to `exact` on |x - centre| <= reach; over all levels, or over the last alone.
double error(const Grid& grid, HamiltonianTerms terms, double eps, double end, int steps, const Function& exact, double reach, bool all_levels) {
  const LayoutPtr layout = make_layout(MPI_COMM_WORLD, grid);
  const double dt = end / steps;
  HamiltonJacobiProblem problem = make_hamilton_jacobi_problem(std::move(terms), layout, eps, dt, {dt});
  Howard howard(problem);
  Field phi(layout, 2);
  std::vector<double> truth(std::size_t(std::max(grid.cells(0), SlabLayout::row_limit)));
  const double centre = (grid.axis(0).lower + grid.axis(0).upper) / 2;
  double total = 0;
  std::int64_t count = 0;
  for (int k = 0; k <= steps; ++k) {
    if (k > 0) {
      problem.set_times(std::array{k * dt});
      phi.copy_level(1, phi, 0);
      BOOST_TEST_REQUIRE(howard.step(phi, 0, phi, 1).converged);
      phi.copy_level(0, phi, 1);
    }
    for (int r = 0; r < layout->rows(); ++r) {
      RowPoints p = layout->row(r);
      p.t = k * dt;
      if (k == 0 || all_levels || k == steps) exact.evaluate(p, truth.data());
      if (k == 0) std::copy_n(truth.data(), p.n, phi.level(0) + p.offset);
      if (!all_levels && k < steps) continue;
      for (int i = 0; i < p.n; ++i)
        if (std::fabs(p.x[i] - centre) <= reach) total += std::fabs(phi.level(0)[p.offset + i] - truth[std::size_t(i)]), ++count;
    }
  }
  double sums[2] = {total, double(count)};
  MPI_Allreduce(MPI_IN_PLACE, sums, 2, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
  return sums[0] / sums[1];
}
}  // namespace

BOOST_AUTO_TEST_CASE(viscous_solutions_against_hopf_cole) {
  double last = 0;
  for (int n : {40, 80, 160, 320}) {
    const FunctionPtr exact = make_hopf_cole(test::torus(1, n), function([](double x, double, double) { return std::sin(pi * x); }), 0.1);
    const double e = error(test::torus(1, n), test::only(test::quadratic(1, false)), 0.1, 1, n / 2, *exact, 1, true);
    BOOST_TEST_MESSAGE("Hopf-Cole " << n << " " << e);
    if (n == 320) BOOST_TEST(std::log2(last / e) > 0.93);
    last = e;
  }
  BOOST_TEST(last < 8e-3);
}

// H = p_v^2/2 - v p_q on |v| <= 4; errors on |v| <= 1, where the ends of the box are not felt.
BOOST_AUTO_TEST_CASE(newtons_equation_of_motion) {
  const double expected[] = {4.54e-2, 2.36e-2};
  double last = 0;
  for (int r : {0, 1}) {
    const Grid grid({Axis{-4, 4, 80 << r, Boundary::NoFlux, 0}, Axis{-1, 1, 40 << r, Boundary::Periodic, 0}});
    const FunctionPtr exact = make_newton(grid, function([](double v, double q, double) { return std::sin(pi * q) * std::exp(-v * v / 2); }));
    HamiltonianTerms terms;
    terms.kinetic = std::make_unique<test::Pointwise>(
        2, Splitting::Upwind, true,
        [](const test::Pointwise::Point&, const double* q) { return (std::pow(std::min(q[0], 0.0), 2) + std::pow(std::max(q[1], 0.0), 2)) / 2; },
        [](const test::Pointwise::Point&, const double* q, double* g) {
          g[0] = std::min(q[0], 0.0), g[1] = std::max(q[1], 0.0);
          g[2] = g[3] = 0;
        },
        nullptr, nullptr);
    terms.drift = {function([](double, double, double) { return 0.0; }), function([](double v, double, double) { return -v; })};
    const double e = error(grid, std::move(terms), 0, 0.5, 20 << r, *exact, 1, false);
    BOOST_TEST_MESSAGE("Newton " << (80 << r) << " " << e);
    BOOST_TEST(e == expected[r], boost::test_tools::tolerance(0.03));
    if (r == 1) BOOST_TEST(std::log2(last / e) > 0.9);
    last = e;
  }
}

// Manufactured: phi = sin(pi (x - t)) cos(pi y) with drift, potential and viscosity that depend on place and time.
BOOST_AUTO_TEST_CASE(terms_that_depend_on_time) {
  const double eps = 0.05;
  const auto b = [](double x, double, double t) { return std::cos(pi * x + t); };
  const auto c = [](double, double y, double t) { return 0.5 - std::sin(pi * y) * t; };
  const auto phi = [](double x, double y, double t) { return std::sin(pi * (x - t)) * std::cos(pi * y); };
  const auto potential = [=](double x, double y, double t) {
    const double px = pi * std::cos(pi * (x - t)) * std::cos(pi * y), py = -pi * std::sin(pi * (x - t)) * std::sin(pi * y);
    return px - (px * px + py * py) / 2 - b(x, y, t) * px - c(x, y, t) * py - 2 * eps * pi * pi * phi(x, y, t);
  };
  double last = 0;
  for (int n : {24, 48, 96}) {
    HamiltonianTerms terms = test::only(test::quadratic(2, false));
    terms.drift = {function(b, true), function(c, true)};
    terms.potential = function(potential, true);
    const double e = error(test::torus(2, n), std::move(terms), eps, 0.5, n / 4, *function(phi, true), 1, false);
    BOOST_TEST_MESSAGE("manufactured " << n << " " << e);
    if (n == 96) BOOST_TEST(std::log2(last / e) > 0.8);
    last = e;
  }
}
