#pragma once
/// The app wf-fokker-planck as a function.
namespace wasserflow {

/// Returns the exit code of the process.
/// @note Collective; starts and ends MPI.
int fokker_planck_main(int argc, char** argv);

}  // namespace wasserflow
