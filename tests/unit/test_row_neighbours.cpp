// ranks: 1 2 4
#define BOOST_TEST_MODULE row_neighbours
#include <boost/test/unit_test.hpp>

#include "grids/field.hpp"
#include "grids/row_neighbours.hpp"
#include "grids/support/errors.hpp"

using namespace wasserflow;

namespace {
double value(std::int64_t i, std::int64_t j, std::int64_t k) { return std::sin(0.7 * double(i) + 1.3 * double(j) - 0.4 * double(k) + 0.2); }

/// The boundary rules of grids/grid.hpp, one axis after another, as a recursive definition.
double extended(const Grid& grid, std::array<std::int64_t, 3> at) {
  for (int d = 0; d < grid.dim(); ++d) {
    const std::int64_t n = grid.cells(d), i = at[d];
    if (i >= 0 && i < n) continue;
    const std::int64_t g = i < 0 ? -i : i - n + 1;
    const auto with = [&](std::int64_t to) {
      std::array<std::int64_t, 3> moved = at;
      moved[d] = to;
      return extended(grid, moved);
    };
    switch (grid.axis(d).boundary) {
      case Boundary::Periodic:
        return with((i % n + n) % n);
      case Boundary::NoFlux:
        return with(i < 0 ? g - 1 : n - g);
      case Boundary::Dirichlet:
        return -with(i < 0 ? g - 1 : n - g);
      default:
        return with(i < 0 ? 0 : n - 1) + double(g) * (with(i < 0 ? 0 : n - 1) - with(i < 0 ? 1 : n - 2));
    }
  }
  return value(at[0], at[1], at[2]);
}
}  // namespace

BOOST_AUTO_TEST_CASE(neighbours_along_every_axis_follow_the_boundary_rules) {
  const Boundary kinds[] = {Boundary::Periodic, Boundary::NoFlux, Boundary::Dirichlet, Boundary::Extrapolate};
  for (int dim = 1; dim <= 3; ++dim)
    for (int width : {1, 3})
      for (int shift = 0; shift < 4; ++shift) {
        std::vector<Axis> axes;
        for (int d = 0; d < dim; ++d) axes.push_back({0, 1, 4 + (d + 1 == dim ? 8 : d), kinds[(d + shift) % 4], 0.5});
        const LayoutPtr layout = make_layout(MPI_COMM_WORLD, Grid(axes), width);
        const std::int64_t nx = layout->grid().cells(0), ny = layout->grid().cells(1);
        Field f(layout);
        const auto place = [&](std::ptrdiff_t local) {
          const std::int64_t i = layout->global_offset() + local;
          return std::array<std::int64_t, 3>{i % nx, i / nx % ny, i / (nx * ny)};
        };
        for (std::ptrdiff_t i = 0; i < layout->owned(); ++i) {
          const auto at = place(i);
          f.level()[i] = value(at[0], at[1], at[2]);
        }
        f.exchange_ghosts();
        RowNeighbours near(layout, width);
        for (int r = 0; r < layout->rows(); ++r) {
          near.load(f.level(), r);
          const RowPoints p = layout->row(r);
          for (int d = 0; d < dim; ++d)
            for (int g = -width; g <= width; ++g)
              for (int i = 0; i < p.n; ++i) {
                auto at = place(p.offset + i);
                at[d] += g;
                BOOST_REQUIRE_SMALL(near.at(d, g)[i] - extended(layout->grid(), at), 1e-13);
              }
        }
      }
}

BOOST_AUTO_TEST_CASE(a_stencil_wider_than_the_ghosts_is_refused) {
  const LayoutPtr layout = make_layout(MPI_COMM_WORLD, Grid({{0, 1, 8, Boundary::Periodic, 0}}), 1);
  BOOST_CHECK_THROW(RowNeighbours(layout, 2), InternalError);
}
