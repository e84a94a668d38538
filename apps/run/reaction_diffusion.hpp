#pragma once
/// The app wf-reaction-diffusion as a function.
namespace wasserflow {

/// Returns the exit code of the process.
/// @note Collective; starts and ends MPI.
int reaction_diffusion_main(int argc, char** argv);

}  // namespace wasserflow
