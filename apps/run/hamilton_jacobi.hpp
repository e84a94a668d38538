#pragma once
/// The app wf-hamilton-jacobi as a function, for projects that add a Hamiltonian of their own:
///
///     int main(int argc, char** argv) {
///       wasserflow::add_hamiltonian<MyHamiltonian>("my_name", "what it is");
///       return wasserflow::hamilton_jacobi_main(argc, argv);
///     }
namespace wasserflow {

/// Returns the exit code of the process.
/// @note Collective; starts and ends MPI.
int hamilton_jacobi_main(int argc, char** argv);

}  // namespace wasserflow
