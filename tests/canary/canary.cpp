// Fails on purpose, on the last rank only: tests/unit/test_canary.sh checks that ctest notices.
#define BOOST_TEST_MODULE canary
#include <boost/test/unit_test.hpp>

#include "grids/support/mpi.hpp"

BOOST_AUTO_TEST_CASE(wrong_on_the_last_rank) {
  BOOST_CHECK_MESSAGE(wasserflow::rank_of(MPI_COMM_WORLD) + 1 < wasserflow::size_of(MPI_COMM_WORLD), "the canary sings");
}
