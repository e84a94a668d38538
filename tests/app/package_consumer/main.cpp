// A program outside of the tree: a distributed field, and its sum over all ranks.
#include <cstdio>

#include "grids/field.hpp"
#include "grids/support/mpi.hpp"

int main(int argc, char** argv) {
  using namespace wasserflow;
  Session session(argc, argv);
  const LayoutPtr layout = make_layout(MPI_COMM_WORLD, Grid({{0.0, 1.0, 8, Boundary::Periodic}, {0.0, 1.0, 6, Boundary::NoFlux}}), 1);
  Field field(layout, 1);
  field.fill(0.5);
  double sum = 0;
  for (std::ptrdiff_t i = 0; i < layout->owned(); ++i) sum += field.level(0)[i];
  MPI_Allreduce(MPI_IN_PLACE, &sum, 1, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
  if (rank_of(MPI_COMM_WORLD) == 0) std::printf("sum %g on %d ranks\n", sum, size_of(MPI_COMM_WORLD));
  return sum == 24 ? 0 : 1;
}
