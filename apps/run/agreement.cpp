#include "apps/run/agreement.hpp"

#include <fmt/format.h>

#include <array>
#include <chrono>
#include <climits>
#include <cstdio>
#include <new>
#include <thread>

#include "grids/support/errors.hpp"
#include "grids/support/mpi.hpp"

namespace wasserflow {

Outcome run_on_all(MPI_Comm world, const std::function<void()>& work, double patience) {
  // A communicator of its own: ranks that wait inside of `work` cannot mistake these messages for theirs.
  MPI_Comm comm = MPI_COMM_NULL;
  MPI_Comm_dup(world, &comm);
  Outcome mine;
  try {
    work();
  } catch (const Error& e) {
    mine = {static_cast<int>(e.code()), e.what()};
  } catch (const std::bad_alloc&) {
    mine = {static_cast<int>(ExitCode::Internal), "out of memory"};
  } catch (const std::exception& e) {
    mine = {static_cast<int>(ExitCode::Internal), e.what()};
  } catch (...) {
    mine = {static_cast<int>(ExitCode::Internal), "an unknown exception"};
  }
  const bool failed = mine.code != 0;
  const int rank = rank_of(comm);
  std::array<int, 2> least{failed ? rank : INT_MAX, failed ? 1 : 0};  // lowest failing rank; 1 when all failed
  MPI_Request request = MPI_REQUEST_NULL;
  MPI_Iallreduce(MPI_IN_PLACE, least.data(), 2, MPI_INT, MPI_MIN, comm, &request);
  if (failed) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::duration<double>(patience);
    for (int done = 0;;) {
      MPI_Test(&request, &done, MPI_STATUS_IGNORE);
      if (done) break;
      if (std::chrono::steady_clock::now() > deadline) {
        std::fflush(stdout);
        std::fprintf(stderr, "error on rank %d alone: %s\n", rank, mine.message.c_str());
        std::fflush(stderr);
        MPI_Abort(world, mine.code);
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  } else {
    MPI_Wait(&request, MPI_STATUS_IGNORE);
  }
  Outcome out;
  if (least[0] != INT_MAX) {
    std::array<int, 2> head{mine.code, static_cast<int>(mine.message.size())};
    MPI_Bcast(head.data(), 2, MPI_INT, least[0], comm);
    out.code = head[0];
    out.message = rank == least[0] ? mine.message : std::string(static_cast<std::size_t>(head[1]), ' ');
    MPI_Bcast(out.message.data(), head[1], MPI_CHAR, least[0], comm);
    if (least[1] == 0) out.message = fmt::format("on rank {}: {}", least[0], out.message);
  }
  MPI_Comm_free(&comm);
  return out;
}

}  // namespace wasserflow
