// ranks: 1 2 4
// timeout: 60
// Wasserstein distances of Gaussians in closed form, by the method that fits the box.
#define BOOST_TEST_MODULE transport_distance
#include <boost/test/unit_test.hpp>

#include "problems/function.hpp"
#include "solvers/transport_distance.hpp"

using namespace wasserflow;

namespace {

Field start(const LayoutPtr& layout, const std::string& formula) {
  Field u(layout);
  fill(u, 0, *make_formula(formula), 0);
  return u;
}

}  // namespace

// N(m0, s0^2) to N(m1, s1^2) in each axis: W2^2 = |m1 - m0|^2 + (s1 - s0)^2 an axis.
BOOST_AUTO_TEST_CASE(gaussians_on_a_line_and_in_the_plane) {
  const std::string g0 = "exp(-(x+0.5)^2/(2*0.16)-y^2/(2*0.25))", g1 = "3*exp(-(x-0.7)^2/(2*0.36)-(y-0.2)^2/(2*0.16))";
  const double along_x = 1.44 + 0.04, along_y = 0.04 + 0.01;
  const LayoutPtr line = make_layout(MPI_COMM_WORLD, Grid({{-4, 4, 200, Boundary::NoFlux, 0.5}}), 1);
  const auto one = transport_distance(start(line, "exp(-(x+0.5)^2/(2*0.16))"), start(line, "3*exp(-(x-0.7)^2/(2*0.36))"));
  BOOST_TEST_REQUIRE(one.has_value());
  BOOST_TEST(std::fabs(one->w2 - std::sqrt(along_x)) < 1e-3);
  BOOST_TEST(!one->lower.has_value());

  const LayoutPtr box = make_layout(MPI_COMM_WORLD, Grid({{-3, 3, 48, Boundary::NoFlux, 0.5}, {-3, 3, 40, Boundary::NoFlux, 0.5}}), 2);
  const auto plane = transport_distance(start(box, g0), start(box, g1));
  BOOST_TEST_REQUIRE((plane.has_value() && plane->lower.has_value() && plane->upper.has_value()));
  BOOST_TEST(std::fabs(plane->w2 - std::sqrt(along_x + along_y)) < 3e-3);
  BOOST_TEST(*plane->lower <= plane->w2);
  BOOST_TEST(*plane->upper >= plane->w2);
  BOOST_TEST(*plane->upper - *plane->lower < 5e-3);
  BOOST_TEST(!plane->eps.has_value());

  // The longest side of 6: eps = (6/32)^2, debiased: what is left of it is of second order in eps over the variances.
  const LayoutPtr torus = make_layout(MPI_COMM_WORLD, Grid({{-3, 3, 48, Boundary::Periodic, 0.5}, {-3, 3, 40, Boundary::Periodic, 0.5}}), 2);
  const auto blurred = transport_distance(start(torus, g0), start(torus, g1));
  BOOST_TEST_REQUIRE((blurred.has_value() && blurred->eps.has_value()));
  BOOST_TEST(*blurred->eps == 36.0 / 1024);
  BOOST_TEST(std::fabs(blurred->w2 - std::sqrt(along_x + along_y)) < 2e-2);
}

BOOST_AUTO_TEST_CASE(equal_and_empty_densities) {
  const LayoutPtr box = make_layout(MPI_COMM_WORLD, Grid({{-3, 3, 24, Boundary::NoFlux, 0.5}, {-3, 3, 24, Boundary::NoFlux, 0.5}}), 2);
  const Field p = start(box, "exp(-x^2-y^2)"), nothing(box);
  const auto none = transport_distance(p, p);
  BOOST_TEST_REQUIRE(none.has_value());
  BOOST_TEST(none->w2 < 1e-6);
  BOOST_TEST(!transport_distance(p, nothing).has_value());
}
