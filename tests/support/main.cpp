// One main for all test programs: MPI and PETSc up, Boost.Test runs, the ranks agree on the result.
#define BOOST_TEST_NO_MAIN
#include <boost/test/unit_test.hpp>

#include "grids/support/mpi.hpp"

int main(int argc, char** argv) {
  wasserflow::Session session(argc, argv);
  int failed = boost::unit_test::unit_test_main([] { return true; }, argc, argv);
  MPI_Allreduce(MPI_IN_PLACE, &failed, 1, MPI_INT, MPI_MAX, MPI_COMM_WORLD);
  return failed;
}
