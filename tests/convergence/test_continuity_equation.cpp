// ranks: 1 2 4
// timeout: 120
#define BOOST_TEST_MODULE continuity_equation
#include <boost/test/unit_test.hpp>
#include <numbers>

#include "grids/reduce.hpp"
#include "grids/support/errors.hpp"
#include "solvers/continuity_equation.hpp"

using namespace wasserflow;
using std::numbers::pi;

namespace {

template <class F>
Field make(const LayoutPtr& layout, F&& f) {
  Field u(layout);
  for (int r = 0; r < layout->rows(); ++r) {
    const RowPoints p = layout->row(r);
    for (int i = 0; i < p.n; ++i) u.level()[p.offset + i] = f(p.x[i], p.y, p.z);
  }
  return u;
}

double l1_distance(const Field& a, const Field& b) {
  Field c = a.clone();
  for (std::ptrdiff_t i = 0; i < a.layout().owned(); ++i) c.level()[i] = std::fabs(a.level()[i] - b.level()[i]);
  return sum(c) * a.layout().grid().cell_volume();
}

double least(const Field& u) {
  double m = u.level()[0];
  for (const double v : u.owned()) m = std::min(m, v);
  return global_min(u.layout().comm(), m);
}

/// Order of the errors of successive halvings of h: the last one.
double order(const std::vector<double>& e) { return std::log2(e[e.size() - 2] / e.back()); }

/// Cell average of a function of x by its antiderivative.
template <class F>
double average(const F& antiderivative, double x, double h) {
  return (antiderivative(x + h / 2) - antiderivative(x - h / 2)) / h;
}

}  // namespace

// rho_t + ((sin x) rho)_x = 0 on a circle: characteristics tan(x/2) = tan(x0/2) e^t, so that the mass left of x is that left of x0 at the start.
BOOST_AUTO_TEST_CASE(fifth_order_in_one_dimension) {
  const auto velocity = make_formula("sin(x)");
  const double T = 0.8;
  const auto start = [](double x) { return x + 0.5 * std::sin(x + 0.3); };  // antiderivative of 1 + cos(x + 0.3)/2
  for (const double direction : {1.0, -1.0}) {
    std::vector<double> errors;
    for (const int n : {40, 80, 160, 320}) {
      const LayoutPtr layout = make_layout(MPI_COMM_WORLD, Grid({{-pi, pi, n, Boundary::Periodic, 0.5}}), 3);
      const double h = 2 * pi / n;
      Field u = make(layout, [&](double x, double, double) { return average(start, x, h); });
      const auto moved = [&](double x) {
        // (-pi, pi) is mapped onto itself; faces sit at its ends too.
        const double y = std::fabs(x) > pi - 1e-9 ? x : 2 * std::atan(std::tan(x / 2) * std::exp(-direction * T));
        return start(y);
      };
      Field exact = make(layout, [&](double x, double, double) { return average(moved, x, h); });
      const double mass = sum(u);
      // dt ~ h^(5/3), so that the error in time is of fifth order too.
      ContinuityEquation equation(layout, {velocity}, 0.4 * std::pow(40.0 / n, 2.0 / 3));
      (void)equation.advance(u, 2, 2 + direction * T);
      errors.push_back(l1_distance(u, exact));
      BOOST_TEST(std::fabs(sum(u) - mass) <= 1e-13 * mass);
    }
    BOOST_TEST(errors.back() < 2e-7);
    BOOST_TEST(order(errors) > 4.7);
  }
}

// Ornstein-Uhlenbeck drift -x in three dimensions keeps Gaussians: variance e^{-2t}; and a rotation in 2-D. Second order across axes.
BOOST_AUTO_TEST_CASE(contraction_and_rotation) {
  for (const int dim : {2, 3}) {
    std::vector<double> errors;
    for (const int n : dim == 2 ? std::vector{24, 48, 96} : std::vector{16, 32}) {
      std::vector<Axis> axes{{-4, 4, n, Boundary::NoFlux, 0.5}, {-4, 4, n, Boundary::Extrapolate, 0.5}};
      if (dim == 3) axes.push_back({-4, 4, n, Boundary::NoFlux, 0.5});
      const LayoutPtr layout = make_layout(MPI_COMM_WORLD, Grid(axes), 3);
      std::vector<FunctionPtr> velocity{make_formula("-x/2 - y"), make_formula("x - y/2")};
      if (dim == 3) velocity.push_back(make_formula("-z/2"));
      // mean (1, 0, 0.5) turns by t and shrinks by e^{-t/2}, variance e^{-t}; averages as products of error functions.
      const double h = 8.0 / n;
      const auto gaussian = [&](double t) {
        return [=](double x, double y, double z) {
          const double shrink = std::exp(-t / 2), sd = 0.8 * shrink;
          const auto part = [&](double c, double m) {
            return average([&](double s) { return 0.5 * std::erf((s - m) / (sd * std::sqrt(2.0))); }, c, h);
          };
          return part(x, shrink * std::cos(t)) * part(y, shrink * std::sin(t)) * (dim == 3 ? part(z, shrink / 2) : 1);
        };
      };
      Field u = make(layout, gaussian(0)), exact = make(layout, gaussian(0.7));
      ContinuityEquation equation(layout, velocity);
      (void)equation.advance(u, 0, 0.7);
      errors.push_back(l1_distance(u, exact));
      BOOST_TEST(least(u) >= 0);
    }
    BOOST_TEST(errors.back() < (dim == 2 ? 2e-3 : 6e-2));
    BOOST_TEST(order(errors) > 1.9);
    BOOST_TEST_MESSAGE("errors in " << dim << "-D: " << errors.front() << " ... " << errors.back());
  }
}

// A block that moves, opens and closes over vacuum: no undershoot, mass to rounding, at any CFL number up to 1.
BOOST_AUTO_TEST_CASE(positive_next_to_vacuum) {
  for (const double cfl : {0.4, 1.0}) {
    const LayoutPtr layout = make_layout(MPI_COMM_WORLD, Grid({{0, 1, 60, Boundary::Periodic, 0.5}, {0, 1, 50, Boundary::NoFlux, 0.5}}), 3);
    Field u = make(layout, [](double x, double y, double) { return std::fabs(x - 0.5) < 0.2 && std::fabs(y - 0.5) < 0.3 ? 1.0 : 0.0; });
    const double mass = sum(u);
    ContinuityEquation equation(layout, {make_formula("1 + sin(6*y)"), make_formula("sin(12*x)*cos(20*t)")}, cfl);
    (void)equation.advance(u, 0, 0.5);
    BOOST_TEST(least(u) >= 0);
    BOOST_TEST(std::fabs(sum(u) - mass) < 1e-13 * mass);
    (void)equation.advance(u, 0.5, 0);
    BOOST_TEST(least(u) >= 0);
    BOOST_TEST(std::fabs(sum(u) - mass) < 1e-13 * mass);
  }
}

// What leaves through a free end is gone, nothing comes in: a uniform density carried out by v = 1 leaves T behind.
BOOST_AUTO_TEST_CASE(free_ends) {
  const LayoutPtr layout = make_layout(MPI_COMM_WORLD, Grid({{0, 1, 200, Boundary::Extrapolate, 0.5}}), 3);
  Field u(layout);
  u.fill(1);
  ContinuityEquation equation(layout, {make_constant(1)});
  (void)equation.advance(u, 0, 0.25);
  BOOST_TEST(sum(u) / 200 == 0.75, boost::test_tools::tolerance(1e-10));
  (void)equation.advance(u, 0, 3);
  BOOST_TEST(sum(u) < 1e-6);
  BOOST_TEST(least(u) >= 0);
}

BOOST_AUTO_TEST_CASE(characteristics) {
  // div v from differences and given; against the closed form of rho_t + ((sin x) rho)_x = 0.
  const LayoutPtr layout = make_layout(MPI_COMM_WORLD, Grid({{-3, 3, 50, Boundary::NoFlux, 0.5}}));
  const auto v = make_formula("sin(x)*cos(t)");
  for (const FunctionPtr& divergence : {FunctionPtr(), make_formula("cos(x)*cos(t)")}) {
    std::vector<Field> end;
    end.emplace_back(layout);
    Field ratio(layout);
    follow_characteristics({v}, divergence, 0.4, 1.3, 200, end, ratio);
    const double s = std::exp(std::sin(1.3) - std::sin(0.4));
    Field x = make(layout, [&](double x, double, double) { return 2 * std::atan(s * std::tan(x / 2)); });
    // dX/dx = sin X / sin x
    Field r = make(layout, [&](double x, double, double) { return std::log(std::sin(2 * std::atan(s * std::tan(x / 2))) / std::sin(x)); });
    BOOST_TEST(l1_distance(end[0], x) < 1e-9);
    BOOST_TEST(l1_distance(ratio, r) < 1e-9);
  }
  // Rotation and contraction in 2-D: finite volumes against characteristics.
  const LayoutPtr plane = make_layout(MPI_COMM_WORLD, Grid({{-3, 3, 64, Boundary::NoFlux, 0.5}, {-3, 3, 60, Boundary::NoFlux, 0.5}}), 3);
  const std::vector<FunctionPtr> velocity{make_formula("-sin(x)*cos(y)*(1+t)"), make_formula("cos(x)*sin(2*y)")};
  const auto start = [](double x, double y, double) { return std::exp(-2 * (x - 0.3) * (x - 0.3) - 2 * y * y); };
  Field u = make(plane, start);
  ContinuityEquation equation(plane, velocity);
  (void)equation.advance(u, 0, 0.5);
  std::vector<Field> origin;
  origin.emplace_back(plane), origin.emplace_back(plane);
  Field ratio(plane);
  follow_characteristics(velocity, nullptr, 0.5, 0, 20, origin, ratio);
  for (std::ptrdiff_t i = 0; i < plane->owned(); ++i)
    ratio.level()[i] = start(origin[0].level()[i], origin[1].level()[i], 0) * std::exp(ratio.level()[i]);
  BOOST_TEST(l1_distance(u, ratio) < 6e-3 * sum(u) * plane->grid().cell_volume());
}

BOOST_AUTO_TEST_CASE(same_bits_on_any_number_of_ranks) {
  const auto run = [](MPI_Comm comm, int dim) {
    std::vector<Axis> axes{{-1, 1, dim == 1 ? 333 : 15, Boundary::Periodic, 0}};
    if (dim > 1) axes.push_back({-1, 1, 14, dim == 2 ? Boundary::NoFlux : Boundary::Extrapolate, 0.5});
    if (dim > 2) axes.push_back({-1, 1, 16, Boundary::Periodic, 0.5});
    const LayoutPtr layout = make_layout(comm, Grid(axes), 3);
    const std::vector<FunctionPtr> all{make_formula("sin(3*x)+y*z+t"), make_formula("cos(3*x)*y"), make_formula("sin(3*z)*x")};
    Field u = make(layout, [](double x, double y, double z) { return std::fabs(x + y / 3) < 0.4 && z * z < 0.3 ? 1 + x * y : 0.0; });
    ContinuityEquation equation(layout, {all.begin(), all.begin() + dim});
    (void)equation.advance(u, 0, 0.3);
    return u;
  };
  for (const int dim : {1, 2, 3}) {
    const Field all = run(MPI_COMM_WORLD, dim), one = run(MPI_COMM_SELF, dim);
    int different = 0;
    for (std::ptrdiff_t i = 0; i < all.layout().owned(); ++i) different += all.level()[i] != one.level()[i + all.layout().global_offset()];
    BOOST_TEST(different == 0);
  }
}

BOOST_AUTO_TEST_CASE(bad_input) {
  const auto layout = [](Boundary kind, int n, int ghost) { return make_layout(MPI_COMM_WORLD, Grid({{0, 1, n, kind, 0.5}}), ghost); };
  const std::vector<FunctionPtr> v{make_constant(1)};
  BOOST_CHECK_THROW(ContinuityEquation(layout(Boundary::NoFlux, 20, 1), v), InputError);
  BOOST_CHECK_THROW(ContinuityEquation(layout(Boundary::Dirichlet, 20, 3), v), InputError);
  BOOST_CHECK_THROW(ContinuityEquation(layout(Boundary::NoFlux, 20, 3), v, 1.5), InputError);
  const LayoutPtr good = layout(Boundary::NoFlux, 20, 3);
  Field u(good);
  u.fill(1);
  BOOST_CHECK_THROW((void)ContinuityEquation(good, {make_formula("1/(t - 0.5)")}).advance(u, 0, 0.5), DivergedError);
}
