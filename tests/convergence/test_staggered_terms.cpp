// ranks: 1 2 4
// timeout: 120
// What mean-field problems may have besides transport: reaction, interaction, obstacles, congestion, other Hamiltonians.
#define BOOST_TEST_MODULE staggered_terms
#include <boost/test/unit_test.hpp>

#include <fmt/format.h>

#include "tests/support/mean_field_runs.hpp"

using namespace wasserflow;

namespace {

const std::string quadratic = "[hamiltonian]\ntype = \"quadratic\"\n";
constexpr double pi = std::numbers::pi;

}  // namespace

// Flat densities of different mass: the Hellinger (Fisher-Rao) geodesic, rho = (sqrt(rho_0) (1 - t) + sqrt(rho_1) t)^2, cost 2 delta^2 (sqrt(rho_1) -
// sqrt(rho_0))^2.
BOOST_AUTO_TEST_CASE(reaction_alone) {
  const LayoutPtr layout = make_layout(MPI_COMM_WORLD, test::cube(1, 8));
  for (double delta : {0.5, 1.0}) {
    auto run = test::solve(test::mean_field(
                               layout, {.cost = quadratic + fmt::format("[unbalanced]\npenalty = {}\n", delta), .steps = 32},
                               [](double, double, double) { return 1.0; }, [](double, double, double) { return 4.0; }, false),
                           1e-6);
    BOOST_TEST((run.report.reason == StopReason::Converged));
    BOOST_TEST(std::fabs(run.figures.objective() / (2 * delta * delta) - 1) < 2e-3);
    Field rho(layout, 33);
    run.scheme->density(rho);
    BOOST_TEST(std::fabs(rho.level(16)[0] - 2.25) < 2e-3);
  }
}

// Far bumps of unequal mass: making and losing mass costs less than moving it.
BOOST_AUTO_TEST_CASE(reaction_and_transport) {
  const LayoutPtr layout = make_layout(MPI_COMM_WORLD, test::cube(2, 20));
  const auto bump = [](double c, double size) {
    return [=](double x, double y, double) { return 0.2 + size * std::exp(-40 * ((x - c) * (x - c) + (y - 0.5) * (y - 0.5))); };
  };
  double before = 0;
  for (double delta : {0.1, 0.4, 1.6}) {
    auto run = test::solve(test::mean_field(layout, {.cost = quadratic + fmt::format("[unbalanced]\npenalty = {}\n", delta), .steps = 8},
                                            bump(0.3, 1), bump(0.7, 2), false),
                           1e-4);
    BOOST_TEST((run.report.reason == StopReason::Converged));
    BOOST_TEST(run.figures.continuity < 1e-11);
    BOOST_TEST(run.figures.objective() > before);  // the cost grows with the price
    before = run.figures.objective();
    BOOST_TEST(run.figures.value_equation < 0.02);
  }
}

// W * rho = rho by a kernel that is one cell wide: the interaction 1/2 <rho, W rho> is the local coupling rho^2/2.
BOOST_AUTO_TEST_CASE(interaction_of_one_cell_is_a_local_coupling) {
  for (int dim : {1, 2}) {
    const int cells = dim == 1 ? 32 : 12;
    const LayoutPtr layout = make_layout(MPI_COMM_WORLD, test::cube(dim, cells));
    const auto start = test::gaussian({0.4, 0.5}, {0.02, 0.03});
    const std::string end = "[terminal]\ntype = \"potential\"\nV = \"(x - 0.6)^2\"\n";
    auto local =
        test::solve(test::mean_field(layout, {.cost = quadratic + end + "[coupling]\ntype = \"quadratic\"\ntarget = 0\n", .steps = 8}, start), 3e-6);
    MeanFieldProblem problem = test::mean_field(layout, {.cost = quadratic + end, .steps = 8}, start);
    FokkerPlanckEquation w;
    const double h = 1.0 / cells, height = std::pow(cells, dim);
    w.interaction = make_formula(fmt::format("{}*exp(-(x^2{})/{})", height, dim == 2 ? "+y^2" : "", 0.01 * h * h));
    problem.nonlocal = std::make_shared<NonlocalPotential>(w, layout);
    auto nonlocal = test::solve(std::move(problem), 3e-6);
    BOOST_TEST((local.report.reason == StopReason::Converged));
    BOOST_TEST((nonlocal.report.reason == StopReason::Converged));
    BOOST_TEST(std::fabs(nonlocal.figures.objective() / local.figures.objective() - 1) < 1e-5);
    BOOST_TEST(std::fabs(nonlocal.figures.interaction / local.figures.running - 1) < 1e-4);
    Field a(layout, 9), b(layout, 9);
    local.scheme->density(a);
    nonlocal.scheme->density(b);
    double worst = 0;
    for (std::ptrdiff_t i = 0; i < layout->owned(); ++i) worst = std::max(worst, std::fabs(a.level(8)[i] - b.level(8)[i]));
    BOOST_TEST(global_max(layout->comm(), worst) < 5e-3);
    BOOST_TEST(std::fabs(nonlocal.figures.value_equation - local.figures.value_equation) < 1e-3);
  }
}

// A wall with a gap: nothing stands in it, and the way around is longer.
BOOST_AUTO_TEST_CASE(obstacle) {
  const LayoutPtr layout = make_layout(MPI_COMM_WORLD, test::cube(2, 24));
  const auto wall = [](double x, double y) { return std::fabs(x - 0.5) < 0.06 && y < 0.6; };
  const auto bump = [&](double c) {
    return [=](double x, double y, double) { return wall(x, y) ? 0 : 0.01 + std::exp(-60 * ((x - c) * (x - c) + (y - 0.3) * (y - 0.3))); };
  };
  const std::string mobility = "[mobility]\nobstacle = \"min(0.06 - abs(x - 0.5), 0.6 - y)\"\n";
  auto around = test::solve(test::mean_field(layout, {.cost = quadratic + mobility, .steps = 8}, bump(0.2), bump(0.8)), 3e-4);
  auto straight = test::solve(test::mean_field(layout, {.cost = quadratic, .steps = 8}, bump(0.2), bump(0.8)), 3e-4);
  BOOST_TEST((around.report.reason == StopReason::Converged));
  BOOST_TEST(around.figures.objective() > 1.15 * straight.figures.objective());
  Field rho(layout, 9);
  around.scheme->density(rho);
  double inside = 0;
  for (int r = 0; r < layout->rows(); ++r) {
    const RowPoints p = layout->row(r);
    for (int i = 0; i < p.n; ++i)
      if (wall(p.x[i], p.y)) inside = std::max(inside, rho.level(4)[p.offset + i]);
  }
  BOOST_TEST(global_max(layout->comm(), inside) < 4e-2);  // of about 20 at the peaks
}

// K = |m|^2/2 (mobility 1): the H^-1 geodesic is the straight line between the densities, its cost that of one Poisson equation.
BOOST_AUTO_TEST_CASE(constant_mobility) {
  const LayoutPtr layout = make_layout(MPI_COMM_WORLD, test::cube(1, 64));
  auto run = test::solve(
      test::mean_field(
          layout, {.cost = quadratic + "[mobility]\ntype = \"power\"\nexponent = 0\n", .steps = 8},
          [](double x, double, double) { return 1 + 0.5 * std::cos(pi * x); }, [](double x, double, double) { return 1 - 0.5 * std::cos(pi * x); }),
      1e-6);
  // m = sin(pi x) / pi: 1/2 int m^2.
  BOOST_TEST((run.report.reason == StopReason::Converged));
  BOOST_TEST(std::fabs(run.figures.objective() * 4 * pi * pi - 1) < 2e-3);
}

// H = c |p|: the cone |m| <= c rho. A density that can be reached costs nothing but its terminal cost.
BOOST_AUTO_TEST_CASE(bounded_speed) {
  const LayoutPtr layout = make_layout(MPI_COMM_WORLD, test::cube(1, 64));
  const std::string cost = "[hamiltonian]\ntype = \"one_homogeneous\"\ncoefficient = 0.2\n[terminal]\ntype = \"potential\"\nV = \"x\"\n";
  auto run =
      test::solve(test::mean_field(layout, {.cost = cost, .steps = 16}, test::gaussian({0.6}, {0.004})), 5e-4);  // linear programme: slow tails
  BOOST_TEST((run.report.reason == StopReason::Converged));
  BOOST_TEST(std::fabs(run.figures.objective() - 0.4) < 2e-3);  // everything moves by 0.2
}
