// ranks: 1 2 3 4
// timeout: 60
#define BOOST_TEST_MODULE grid_transfer
#include <boost/test/unit_test.hpp>
#include <random>

#include "grids/reduce.hpp"
#include "grids/support/errors.hpp"
#include "solvers/space_time_prolongation.hpp"

using namespace wasserflow;

namespace {

/// f at cell centres, or at the upper faces along `face_axis`.
template <class F>
Field fill_with(const LayoutPtr& layout, F&& f, int face_axis = -1) {
  Field u(layout);
  const auto shift = [&](int d) { return d == face_axis ? layout->grid().spacing(d) / 2 : 0.0; };
  for (int r = 0; r < layout->rows(); ++r) {
    const RowPoints p = layout->row(r);
    for (int i = 0; i < p.n; ++i)
      u.level()[p.offset + i] = f(p.x[i] + shift(0), layout->dim() > 1 ? p.y + shift(1) : 0, layout->dim() > 2 ? p.z + shift(2) : 0);
  }
  return u;
}

LayoutPtr box(int dim, Boundary kind, std::array<int, 3> cells = {12, 16, 24}, int ghost = 1) {
  std::vector<Axis> axes;
  for (int d = 0; d < dim; ++d) axes.push_back({-0.5, 0.5 + d, cells[static_cast<std::size_t>(d)], kind, 0.5});
  if (dim == 1) axes[0].cells = 24;
  return make_layout(MPI_COMM_WORLD, Grid(axes), ghost);
}

double linear(double x, double y, double z) { return 2 + 3 * x - y + 0.5 * z; }
double parabola(double x, double y, double z) { return linear(x, y, z) + x * x - 2 * y * y + x * y + z * z - 0.3 * x * z; }

/// Compares where no wall is near (ghosts there are mirrored).
void compare_inside(const Field& v, const Field& exact, double tolerance) {
  const SlabLayout& layout = v.layout();
  const auto inner = [&](double c, int d) {
    const Axis& a = layout.grid().axis(d);
    return c > a.lower + 3 * a.spacing() && c < a.upper - 3 * a.spacing();
  };
  int compared = 0;
  for (int r = 0; r < layout.rows(); ++r) {
    const RowPoints p = layout.row(r);
    for (int i = 0; i < p.n; ++i) {
      if (!inner(p.x[i], 0) || (layout.dim() > 1 && !inner(p.y, 1)) || (layout.dim() > 2 && !inner(p.z, 2))) continue;
      ++compared;
      BOOST_TEST(std::fabs(v.level()[p.offset + i] - exact.level()[p.offset + i]) < tolerance);
    }
  }
  MPI_Allreduce(MPI_IN_PLACE, &compared, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
  BOOST_TEST(compared > 0);
}

}  // namespace

BOOST_AUTO_TEST_CASE(coarser_grids_and_their_limits) {
  const LayoutPtr fine = box(2, Boundary::NoFlux);
  const LayoutPtr coarse = coarser(*fine, 4);
  BOOST_REQUIRE(coarse);
  BOOST_TEST(coarse->grid().cells(0) == 6);
  BOOST_TEST(coarse->grid().spacing(1) == 2 * fine->grid().spacing(1));
  BOOST_TEST(!coarser(*fine, 7));
  BOOST_TEST(!coarser(*box(2, Boundary::NoFlux, {12, 17, 1}), 1));
  if (fine->ranks() > 1) BOOST_TEST(!coarser(*box(1, Boundary::Periodic), 13));
  const int few = fine->ranks() * 2 - 2;  // one rank would be left without a plane
  if (few >= fine->ranks()) BOOST_TEST(!coarser(*box(2, Boundary::NoFlux, {12, few, 1}), 1));
}

BOOST_AUTO_TEST_CASE(restriction_keeps_sums_and_linear_functions) {
  for (int dim = 1; dim <= 3; ++dim) {
    const LayoutPtr fine = box(dim, Boundary::NoFlux), coarse = coarser(*fine, 1);
    BOOST_REQUIRE(coarse);
    Field u = fill_with(fine, linear), v(coarse);
    restrict_cells(u, 0, v, 0);
    const Field exact = fill_with(coarse, linear);
    for (std::ptrdiff_t i = 0; i < coarse->owned(); ++i) BOOST_TEST(std::fabs(v.level()[i] - exact.level()[i]) < 1e-13);
    for (std::ptrdiff_t i = 0; i < fine->owned(); ++i) u.level()[i] = std::sin(double(fine->global_offset() + i));
    restrict_cells(u, 0, v, 0);
    const double a = sum(u), b = sum(v) * std::pow(2, dim);
    BOOST_TEST(std::fabs(a - b) < 1e-12);
  }
}

// Linear functions are interpolated exactly away from walls (mirror ghosts bend them there), on every axis and on faces.
BOOST_AUTO_TEST_CASE(interpolation_of_linear_functions) {
  for (int dim = 1; dim <= 3; ++dim)
    for (int face = -1; face < dim; ++face) {
      const LayoutPtr fine = box(dim, Boundary::NoFlux), coarse = coarser(*fine, 1);
      Field u = fill_with(coarse, linear, face), v(fine);
      prolong(u, 0, v, 0, face);
      const Field exact = fill_with(fine, linear, face);
      compare_inside(v, exact, 1e-13);
    }
}

// Parabolas are exact for the quadratic one, in cells and faces, also with planes that begin in the middle of a coarse cell (3 ranks).
BOOST_AUTO_TEST_CASE(quadratic_interpolation_of_parabolas) {
  for (int dim = 1; dim <= 3; ++dim)
    for (int face = -1; face < dim; ++face) {
      const LayoutPtr fine = box(dim, Boundary::NoFlux, {20, 20, 20}, 2), coarse = coarser(*fine, 1);
      Field u = fill_with(coarse, parabola, face), v(fine);
      prolong(u, 0, v, 0, face, Interpolation::Quadratic);
      compare_inside(v, fill_with(fine, parabola, face), 1e-13);
    }
  Field u(coarser(*box(1, Boundary::NoFlux), 1)), v(box(1, Boundary::NoFlux));
  BOOST_CHECK_THROW(prolong(u, 0, v, 0, -1, Interpolation::Quadratic), InternalError);
}

// In time too, up to the ends: cubics at nodes, parabolas at half times; linear ones by default, kept at the last half times.
BOOST_AUTO_TEST_CASE(polynomials_in_time) {
  const LayoutPtr fine = box(2, Boundary::Periodic, {12, 16, 1}), coarse = coarser(*fine, 1);
  const auto check = [&](TimeSamples samples, int steps, Interpolation interpolation, auto&& f, bool ends) {
    const int nodes = samples == TimeSamples::Nodes ? 1 : 0;
    const auto time = [&](int k, int n) { return (k + (nodes == 1 ? 0 : 0.5)) / n; };
    Field u(coarse, steps + nodes), v(fine, 2 * steps + nodes);
    for (int k = 0; k < u.levels(); ++k)
      for (double& x : u.owned(k)) x = f(time(k, steps));
    prolong(u, v, samples, -1, interpolation);
    for (int k = 0; k < v.levels(); ++k) {
      const bool end = nodes == 0 && (k == 0 || k + 1 == v.levels());
      const double t = end && ends ? time(k / 2, steps) : time(k, 2 * steps);
      for (double x : v.owned(k)) BOOST_TEST(std::fabs(x - f(t)) < 1e-13);
    }
  };
  const auto line = [](double t) { return 1 - 3 * t; };
  const auto square = [](double t) { return 1 + t - 2 * t * t; };
  const auto cube = [](double t) { return 1 + t - 2 * t * t + 3 * t * t * t; };
  for (int steps : {1, 2, 3, 8}) {
    check(TimeSamples::Nodes, steps, Interpolation::Linear, line, false);
    check(TimeSamples::HalfTimes, steps, Interpolation::Linear, line, true);
    if (steps > 2) check(TimeSamples::HalfTimes, steps, Interpolation::Quadratic, square, false);
    if (steps > 2) check(TimeSamples::Nodes, steps, Interpolation::Quadratic, cube, false);
    if (steps == 2) check(TimeSamples::Nodes, steps, Interpolation::Quadratic, square, false);
  }
}

// Periodic waves: second order, everywhere.
BOOST_AUTO_TEST_CASE(interpolation_around_periodic_axes) {
  constexpr double tau = 6.283185307179586;
  for (int dim = 1; dim <= 3; ++dim)
    for (int face = -1; face < dim; ++face) {
      const auto wave = [&](double x, double y, double z) {
        return std::sin(tau * x) + (dim > 1 ? std::cos(tau * y / 2) : 0) + (dim > 2 ? std::sin(tau * z / 3 + 1) : 0);
      };
      double error[2];
      for (int k = 0; k < 2; ++k) {
        const int m = k == 0 ? 1 : 2;
        const LayoutPtr fine = box(dim, Boundary::Periodic, {16 * m, 32 * m, 48 * m}), coarse = coarser(*fine, 1);
        const LayoutPtr line = dim == 1 ? make_layout(MPI_COMM_WORLD, Grid({{-0.5, 0.5, 32 * m, Boundary::Periodic, 0.5}}), 1) : fine;
        const LayoutPtr from = dim == 1 ? coarser(*line, 1) : coarse;
        Field u = fill_with(from, wave, face), v(line);
        prolong(u, 0, v, 0, face);
        const Field exact = fill_with(line, wave, face);
        double worst = 0;
        for (std::ptrdiff_t i = 0; i < line->owned(); ++i) worst = std::max(worst, std::fabs(v.level()[i] - exact.level()[i]));
        error[k] = global_max(MPI_COMM_WORLD, worst);
      }
      BOOST_TEST(error[0] < 0.2);
      BOOST_TEST(error[1] < 0.3 * error[0]);
    }
}

// A flux through no wall stays one: the interpolated one is 0 on both.
BOOST_AUTO_TEST_CASE(fluxes_vanish_on_walls) {
  for (int dim = 1; dim <= 3; ++dim) {
    const LayoutPtr fine = box(dim, Boundary::NoFlux), coarse = coarser(*fine, 1);
    for (int d = 0; d < dim; ++d) {
      Field u = fill_with(coarse, [](double, double, double) { return 1.0; });
      const Axis& axis = coarse->grid().axis(d);
      const auto place = [&](const RowPoints& p, int i, int e) { return e == 0 ? p.x[i] : e == 1 ? p.y : p.z; };
      for (int r = 0; r < coarse->rows(); ++r) {
        const RowPoints p = coarse->row(r);
        for (int i = 0; i < p.n; ++i)
          if (place(p, i, d) > axis.upper - axis.spacing()) u.level()[p.offset + i] = 0;
      }
      Field v(fine);
      prolong(u, 0, v, 0, d);
      const Axis& a = fine->grid().axis(d);
      for (int r = 0; r < fine->rows(); ++r) {
        const RowPoints p = fine->row(r);
        for (int i = 0; i < p.n; ++i) {
          const double c = place(p, i, d), h = a.spacing();
          const double expected = c > a.upper - h ? 0 : c > a.upper - 2 * h || c < a.lower + h ? 0.5 : 1;
          BOOST_TEST(v.level()[p.offset + i] == expected);
        }
      }
    }
  }
}
