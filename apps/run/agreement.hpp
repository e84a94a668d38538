#pragma once
/// Errors of a parallel program that every rank learns of, and that never leave a rank waiting for another.
#include <mpi.h>

#include <functional>
#include <string>

namespace wasserflow {

/// How a piece of work ended on all ranks: code 0 and no text when it ended well everywhere.
struct Outcome {
  int code = 0;
  std::string message;
};

/// Runs `work`, which may be collective, on every rank. When it throws on all ranks, or on some while the others reach its end, all ranks get the
/// code and message of the lowest failing rank (with its number where the others did not fail). When the others do not come within `patience`
/// seconds - they wait in a collective call for the rank that threw - this rank prints its number and message, and ends the job with MPI_Abort.
/// @note Collective.
Outcome run_on_all(MPI_Comm comm, const std::function<void()>& work, double patience = 10);

}  // namespace wasserflow
