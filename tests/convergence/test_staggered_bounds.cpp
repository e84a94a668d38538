// ranks: 1 2 4
// timeout: 120
// Upper bounds of the discrete minimum on staggered grids, where the divergence-free iterate is negative in empty places.
#define BOOST_TEST_MODULE staggered_bounds
#include <boost/test/unit_test.hpp>

#include "tests/support/mean_field_runs.hpp"

using namespace wasserflow;

namespace {

/// A cap with a sharp edge, nothing outside.
test::PointFunction cap(double x0, double y0, double radius) {
  return [=](double x, double y, double) { return std::max(0.0, radius * radius - (x - x0) * (x - x0) - (y - y0) * (y - y0)); };
}

struct Problem {
  std::string name, tables;
  int dim;
  bool free_end;
  double viscosity = 0;
  double end_mass = 1;
  bool repulsion = false;
};

MeanFieldProblem make(const Problem& p, MPI_Comm comm = MPI_COMM_WORLD) {
  const double y0 = p.dim == 1 ? 0 : 0.4, y1 = p.dim == 1 ? 0 : 0.6;
  const Grid grid = p.dim == 1 ? test::cube(1, 32) : Grid({{0, 1, 20, Boundary::NoFlux, 0.5}, {0, 1, 16, Boundary::Periodic, 0.5}});
  const LayoutPtr layout = make_layout(comm, grid);
  MeanFieldProblem problem =
      test::mean_field(layout, {.cost = "[hamiltonian]\ntype = \"quadratic\"\n" + p.tables, .steps = 8, .viscosity = p.viscosity}, cap(0.3, y0, 0.2),
                       p.free_end ? test::PointFunction() : cap(0.7, y1, 0.15));
  if (problem.final_density)
    for (double& v : problem.final_density->owned()) v *= p.end_mass;
  if (p.repulsion) {
    FokkerPlanckEquation equation;
    equation.interaction = make_formula("0.2*exp(-20*x^2)");
    problem.nonlocal = std::make_shared<NonlocalPotential>(equation, layout);
  }
  return problem;
}

const std::string pull = "[terminal]\ntype = \"potential\"\nV = \"2*(x - 0.7)^2\"\n";

const std::vector<Problem> problems{
    {"transport", "", 1, false},
    {"transport in the plane", "", 2, false},
    {"bridge", "", 1, false, 0.01},
    {"unbalanced", "[unbalanced]\npenalty = 0.5\n", 1, false, 0, 1.2},
    {"free end", pull, 1, true},
    {"free end in the plane", pull + "[coupling]\ntype = \"power\"\nexponent = 2\ncoefficient = 0.1\n", 2, true, 0.01},
    {"repulsion", pull, 1, true, 0, 1, true}};

}  // namespace

BOOST_AUTO_TEST_CASE(minima_lie_below_and_bounds_fall_to_them) {
  for (const Problem& p : problems) BOOST_TEST_CONTEXT(p.name) {
      auto run = test::solve(make(p), 1e-2);
      std::vector<double> upper, objective;
      for (const double tolerance : {1e-2, 1e-3, 1e-4}) {
        test::solve_on(run, test::mean_field_parameters(tolerance));
        const MeanFieldBounds b = run.scheme->bounds();
        BOOST_TEST_MESSAGE(p.name << ", " << run.report.iterations << " iterations to " << tolerance << ": " << run.figures.objective()
                                  << " <= " << b.upper << " with a share of " << b.share << ", least density " << run.figures.least_density);
        BOOST_TEST(std::isfinite(b.upper));
        BOOST_TEST(!std::isfinite(b.lower));
        BOOST_TEST(b.share > 0);
        upper.push_back(b.upper);
        objective.push_back(run.figures.objective());
      }
      const double least = objective.back();
      for (const double u : upper) BOOST_TEST(u > least * (1 - 1e-3));
      for (std::size_t k = 1; k < upper.size(); ++k) BOOST_TEST(upper[k] < upper[k - 1]);
      BOOST_TEST(upper.back() < 1.1 * least);
    }
}

// One step in 1-D has no freedom: fluxes are cumulated masses, and the bound is their cost.
BOOST_AUTO_TEST_CASE(single_step) {
  constexpr int cells = 16;
  const LayoutPtr layout = make_layout(MPI_COMM_SELF, test::cube(1, cells));
  const MeanFieldProblem problem = test::mean_field(layout, {.steps = 1}, test::gaussian({0.3}, {0.05}), test::gaussian({0.6}, {0.03}));
  const Field first = problem.initial.clone(), last = problem.final_density->clone();
  const auto run = test::solve(test::mean_field(layout, {.steps = 1}, test::gaussian({0.3}, {0.05}), test::gaussian({0.6}, {0.03})), 1e-6);
  const double h = 1.0 / cells;
  double low = 0, cost = 0;  // flux through the lower face
  for (int i = 0; i < cells; ++i) {
    const double high = low + (first.level()[i] - last.level()[i]) * h, m = 0.5 * (low + (i + 1 < cells ? high : 0));
    cost += m * m / (first.level()[i] + last.level()[i]) * h;
    low = high;
  }
  const MeanFieldBounds b = run.scheme->bounds();
  BOOST_TEST(b.upper == cost, boost::test_tools::tolerance(1e-10));
}

BOOST_AUTO_TEST_CASE(iterates_and_ranks) {
  for (const Problem& p : {problems[0], problems[1], problems[6]}) {
    auto many = test::solve(make(p), 1e-3), one = test::solve(make(p, MPI_COMM_SELF), 1e-3);
    const MeanFieldBounds a = many.scheme->bounds(), b = one.scheme->bounds();
    BOOST_TEST(a.upper == b.upper);
    BOOST_TEST(a.share == b.share);
    BOOST_TEST(many.scheme->bounds().upper == a.upper);
    // A solve goes on as if nobody had asked.
    auto again = test::solve(make(p), 1e-3);
    test::solve_on(many, test::mean_field_parameters(1e-4));
    static_cast<void>(again.scheme->figures());
    test::solve_on(again, test::mean_field_parameters(1e-4));
    BOOST_TEST(many.report.iterations == again.report.iterations);
    BOOST_TEST(many.figures.objective() == again.figures.objective());
  }
}
