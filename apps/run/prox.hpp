#pragma once
/// The app wf-prox as a function.
namespace wasserflow {

/// Returns the exit code of the process.
/// @note Collective; starts and ends MPI.
int prox_main(int argc, char** argv);

}  // namespace wasserflow
