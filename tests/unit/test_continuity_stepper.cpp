// ranks: 1 2 4
// timeout: 60
// Transport without diffusion by steps: an exact flow, a potential against its gradient, restarts, and what is refused.
#define BOOST_TEST_MODULE continuity_stepper
#include <boost/test/unit_test.hpp>

#include "grids/reduce.hpp"
#include "grids/support/errors.hpp"
#include "solvers/continuity_stepper.hpp"

using namespace wasserflow;

namespace {

Field start(const LayoutPtr& layout, const std::string& formula) {
  Field u(layout);
  fill(u, 0, *make_formula(formula), 0);
  return u;
}

double largest_gap(const Field& a, const Field& b) {
  double gap = 0;
  for (std::ptrdiff_t i = 0; i < a.layout().owned(); ++i) gap = std::max(gap, std::fabs(a.level()[i] - b.level()[i]));
  return global_max(a.layout().comm(), gap);
}

void march(ContinuityStepper& stepper, double end) {
  while (stepper.time() < end) {
    const StepReport step = stepper.advance(end);
    BOOST_TEST_REQUIRE(step.converged);
    BOOST_TEST((step.evaluations == 3 * step.iterations || step.evaluations == 3 * step.iterations + 2));
  }
}

TimeParameters steps(double dt) {
  TimeParameters time;
  time.method = "ssp_rk3";
  time.dt = dt;
  return time;
}

}  // namespace

// v = -x contracts: rho(x, t) = e^t rho_0(e^t x).
BOOST_AUTO_TEST_CASE(contraction_on_the_line_is_exact_to_second_order_in_point_values) {
  std::vector<double> errors;
  for (const int n : {50, 100, 200}) {
    const LayoutPtr layout = make_layout(MPI_COMM_WORLD, Grid({{-5, 5, n, Boundary::NoFlux, 0.5}}), 3);
    FokkerPlanckEquation equation;
    equation.potential = make_formula("x^2/2");
    const Field rho = start(layout, "exp(-x^2/2)");
    ContinuityStepper stepper(steps(0.1), equation, rho);
    march(stepper, 0.55);
    BOOST_TEST(stepper.time() == 0.55);
    errors.push_back(largest_gap(stepper.state(), start(layout, "exp(0.55)*exp(-(exp(0.55)*x)^2/2)")));
    BOOST_TEST(std::fabs(sum(stepper.state()) / sum(rho) - 1) < 1e-13);
    double least = 1;
    for (const double v : stepper.state().owned()) least = std::min(least, v);
    BOOST_TEST(least >= 0.0);
  }
  BOOST_TEST(errors[2] < 1e-3);
  BOOST_TEST(errors[1] / errors[2] > 3.5);
}

// -grad V by differences is the drift, also across the seam of a periodic axis and with time.
BOOST_AUTO_TEST_CASE(a_potential_is_its_negative_gradient) {
  const double two_pi = 2 * 3.14159265358979323846;
  const LayoutPtr layout = make_layout(MPI_COMM_WORLD, Grid({{0, two_pi, 32, Boundary::Periodic, 0.5}, {-2, 2, 24, Boundary::NoFlux, 0.5}}), 3);
  FokkerPlanckEquation by_potential, by_drift;
  by_potential.potential = make_formula("(1+t)*sin(x)*y+y^2/2");
  by_drift.drift = {make_formula("-(1+t)*cos(x)*y"), make_formula("-(1+t)*sin(x)-y")};
  const Field rho = start(layout, "2+cos(x)*exp(-y^2)");
  ContinuityStepper a(steps(0.05), by_potential, rho), b(steps(0.05), by_drift, rho);
  march(a, 0.2);
  march(b, 0.2);
  BOOST_TEST(largest_gap(a.state(), rho) > 0.1);
  BOOST_TEST(largest_gap(a.state(), b.state()) < 3e-4);
}

BOOST_AUTO_TEST_CASE(a_restored_stepper_goes_on_with_the_same_bits) {
  const LayoutPtr layout = make_layout(MPI_COMM_WORLD, Grid({{-3, 3, 40, Boundary::NoFlux, 0.5}}), 3);
  FokkerPlanckEquation equation;
  equation.drift = {make_formula("sin(3*t)-x*t")};
  const Field rho = start(layout, "exp(-4*x^2)");
  ContinuityStepper whole(steps(0.07), equation, rho), first(steps(0.07), equation, rho), second(steps(0.07), equation, rho);
  (void)whole.advance(0.1);
  (void)whole.advance(0.1);
  march(whole, 0.5);
  (void)first.advance(0.1);
  (void)first.advance(0.1);
  const auto from = first.state_fields();
  const auto to = second.state_fields();
  for (std::size_t k = 0; k < from.size(); ++k) to[k].second->copy_level(0, *from[k].second, 0);
  second.restore(first.state_numbers());
  BOOST_TEST(second.time() == 0.1);
  march(second, 0.5);
  BOOST_TEST(largest_gap(whole.state(), second.state()) == 0.0);
}

BOOST_AUTO_TEST_CASE(equations_with_other_terms_are_refused) {
  const LayoutPtr layout = make_layout(MPI_COMM_WORLD, Grid({{-3, 3, 40, Boundary::NoFlux, 0.5}}), 3);
  const Field rho = start(layout, "1");
  const auto refused = [&](auto&& change) {
    FokkerPlanckEquation equation;
    equation.drift = {make_formula("1")};
    change(equation);
    BOOST_CHECK_THROW(ContinuityStepper(steps(0.1), equation, rho), InputError);
  };
  refused([](FokkerPlanckEquation& e) { e.diffusion = {make_constant(0.1)}; });
  refused([](FokkerPlanckEquation& e) { e.reaction = make_constant(1); });
  refused([](FokkerPlanckEquation& e) { e.chemotaxis = 1; });
  refused([](FokkerPlanckEquation& e) { e.porous_exponent = 2; });
}

namespace {

TimeParameters split(double dt) {
  TimeParameters time = steps(dt);
  time.method = "strang";
  return time;
}

/// Cell averages of a normal density.
Field gaussian(const LayoutPtr& layout, double mean, double variance) {
  Field u(layout);
  const double h = layout->grid().spacing(0);
  const auto below = [&](double x) { return 0.5 * std::erfc((mean - x) / std::sqrt(2 * variance)); };
  for (int r = 0; r < layout->rows(); ++r) {
    const RowPoints p = layout->row(r);
    for (int i = 0; i < p.n; ++i) u.level()[p.offset + i] = (below(p.x[i] + h / 2) - below(p.x[i] - h / 2)) / h;
  }
  return u;
}

double l1(const Field& a, const Field& b) {
  Field gap = a.clone();
  for (std::ptrdiff_t i = 0; i < a.layout().owned(); ++i) gap.level()[i] = std::fabs(a.level()[i] - b.level()[i]);
  return sum(gap) * a.layout().grid().cell_volume();
}

}  // namespace

// An Ornstein-Uhlenbeck process, in cell averages of its closed form; with a diffusion of t: the variance is 1/4 e^{-2t} + int 2 D(s) e^{-2(t - s)}
// ds.
BOOST_AUTO_TEST_CASE(splitting_is_of_second_order_in_time) {
  const LayoutPtr layout = make_layout(MPI_COMM_WORLD, Grid({{-5, 5, 500, Boundary::NoFlux, 0.5}}), 3);
  const Field rho = gaussian(layout, 1, 0.25);
  for (const bool timed : {false, true}) {
    FokkerPlanckEquation equation;
    equation.potential = make_formula("x^2/2");
    equation.diffusion = {timed ? make_formula("0.5+t") : make_constant(0.5)};
    const double decay = std::exp(-2.0), variance = 0.25 * decay + 0.5 * (1 - decay) + (timed ? 2 * (0.5 - 0.25 * (1 - decay)) : 0);
    const Field exact = gaussian(layout, std::exp(-1.0), variance);
    std::vector<double> errors;
    for (const double dt : {0.2, 0.1, 0.05}) {
      ContinuityStepper stepper(split(dt), equation, rho);
      march(stepper, 1);
      errors.push_back(l1(stepper.state(), exact));
      BOOST_TEST(std::fabs(sum(stepper.state()) / sum(rho) - 1) < 1e-13);
      for (const double v : stepper.state().owned()) BOOST_TEST_REQUIRE(v >= 0);
    }
    const double order = std::log2(errors[1] / errors[2]);
    BOOST_TEST_MESSAGE("splitting: " << errors[0] << " " << errors[1] << " " << errors[2] << ", order " << order);
    BOOST_TEST((order > 1.9 && order < 2.1), order);
    BOOST_TEST(errors[2] < 1e-3);
  }
}

// Rotation in the plane with isotropic diffusion: the law of a Gaussian turns and widens independently, and the two parts commute: only space is
// left.
BOOST_AUTO_TEST_CASE(parts_that_commute_leave_no_error_of_splitting) {
  const LayoutPtr layout = make_layout(MPI_COMM_WORLD, Grid({{-4, 4, 80, Boundary::NoFlux, 0.5}, {-4, 4, 80, Boundary::NoFlux, 0.5}}), 3);
  FokkerPlanckEquation equation;
  equation.drift = {make_formula("-y"), make_formula("x")};
  equation.diffusion = {make_constant(0.1)};
  ContinuityStepper stepper(split(0.25), equation, start(layout, "exp(-((x-1)^2+y^2)/0.5)/(0.5*pi)"));
  march(stepper, 1);
  const Field exact = start(layout, "exp(-((x-cos(1))^2+(y-sin(1))^2)/0.9)/(0.9*pi)");
  BOOST_TEST(l1(stepper.state(), exact) < 3e-3);
}

BOOST_AUTO_TEST_CASE(a_restored_splitting_goes_on_with_the_same_bits) {
  const LayoutPtr layout = make_layout(MPI_COMM_WORLD, Grid({{-3, 3, 60, Boundary::NoFlux, 0.5}}), 3);
  for (const char* D : {"0.3", "0.3+t^2"}) {
    FokkerPlanckEquation equation;
    equation.potential = make_formula("x^4/4-x^2/2");
    equation.diffusion = {make_formula(D)};
    const Field rho = start(layout, "exp(-4*x^2)");
    ContinuityStepper whole(split(0.07), equation, rho), first(split(0.07), equation, rho), second(split(0.07), equation, rho);
    march(whole, 0.17);
    march(whole, 0.5);
    march(first, 0.17);
    second.state().copy_level(0, first.state(), 0);
    second.restore(first.state_numbers());
    march(second, 0.5);
    BOOST_TEST(largest_gap(whole.state(), second.state()) == 0.0);
  }
}

BOOST_AUTO_TEST_CASE(splitting_refuses_diffusion_that_varies_in_space) {
  const LayoutPtr layout = make_layout(MPI_COMM_WORLD, Grid({{-3, 3, 40, Boundary::NoFlux, 0.5}}), 3);
  FokkerPlanckEquation equation;
  equation.diffusion = {make_formula("1+x^2")};
  BOOST_CHECK_THROW(ContinuityStepper(split(0.1), equation, start(layout, "1")), InputError);
  equation.diffusion = {make_formula("t-1")};
  BOOST_CHECK_THROW(ContinuityStepper(split(0.1), equation, start(layout, "1")), InputError);
}
