// usage: sample_run DIRECTORY DIM CELLS    a small run directory for the tests of readers: phi and rho at three times, trajectories
// phi = 1 + x + 10 y + 100 z + 1000 t at the nodes, which the tests compute on their own; rho = phi^2.
#include <cstdlib>

#include "grids/io/field_series.hpp"
#include "grids/io/polylines.hpp"
#include "grids/support/mpi.hpp"

using namespace wasserflow;

int main(int argc, char** argv) {
  Session session(argc, argv);
  if (argc != 4) return 2;
  const std::string directory = argv[1];
  const int dim = std::atoi(argv[2]), cells = std::atoi(argv[3]);
  std::vector<Axis> axes{
      {-1.0, 1.0, cells, Boundary::Periodic, 0}, {0.0, 3.0, 2 * cells, Boundary::NoFlux, 0.5}, {2.0, 4.0, cells / 2, Boundary::Periodic, 0}};
  axes.resize(static_cast<std::size_t>(dim));
  const LayoutPtr layout = make_layout(MPI_COMM_WORLD, Grid(axes));
  const Grid& grid = layout->grid();
  FieldSeries series(MPI_COMM_WORLD, directory, layout);
  Field phi(layout), rho(layout);
  for (double t : {0.0, 0.25, 1.0}) {
    for (std::ptrdiff_t i = 0; i < layout->owned(); ++i) {
      std::int64_t point = layout->global_offset() + i;
      double v = 1 + 1000 * t, weight = 1;
      for (int d = 0; d < dim; ++d, weight *= 10) {
        v += weight * grid.axis(d).node(point % grid.cells(d));
        point /= grid.cells(d);
      }
      phi.level()[i] = v;
      rho.level()[i] = v * v;
    }
    const std::vector<NamedField> fields{{"phi", &phi}, {"rho", &rho}};
    series.write(t, fields);
  }
  // Line k of four has k + 2 points on a ray from (0.1 k, 0, 0); the ranks hold blocks of them in order.
  const int ranks = size_of(MPI_COMM_WORLD), rank = rank_of(MPI_COMM_WORLD);
  std::vector<Polyline> lines;
  for (int k = 4 * rank / ranks; k < 4 * (rank + 1) / ranks; ++k) {
    Polyline line;
    line.values.resize(2);
    for (int j = 0; j < k + 2; ++j) {
      line.points.push_back({0.1 * k + 0.2 * j, dim > 1 ? 0.3 * j : 0.0, dim > 2 ? 0.5 * j : 0.0});
      line.values[0].push_back(0.25 * j);
      line.values[1].push_back(k + 0.5 * j);
    }
    lines.push_back(std::move(line));
  }
  const std::vector<std::string> names{"time", "cost"};
  write_polylines(MPI_COMM_WORLD, directory + "/trajectories", lines, names);
  return 0;
}
