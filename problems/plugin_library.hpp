#pragma once
/// Hamiltonians in shared libraries: compiled from a source file when needed, cached, loaded.
#include <string>

#include "problems/hamiltonians/convex.hpp"

namespace wasserflow {

/// A C++ source compiled to a shared library with the system's compiler (the one of this build, or $WASSERFLOW_CXX) at the optimisation of the
/// kernels. The result is kept under $XDG_CACHE_HOME/wasserflow or ~/.cache/wasserflow by a hash of the preprocessed text, the compiler and its
/// flags, and is put in place by a rename. Returns the library's path. Throws InputError with the compiler's message (file, line, column), IoError
/// when the cache cannot be written.
std::string compile_plugin(const std::string& source);

/// Loads a library with wf_plugin (problems/plugin_abi.h); it stays loaded. InputError when it is not one, has another version, or does not know
/// `dim`.
LawPtr load_plugin(const std::string& library, int dim);

/// Rank 0 compiles, then all ranks load. The cache must be visible to all of them.
/// @note Collective over MPI_COMM_WORLD.
LawPtr compile_and_load(const std::string& source, int dim);
/// The same for a text.
/// @note Collective over MPI_COMM_WORLD.
LawPtr compile_text_and_load(const std::string& text, int dim);

/// type = "plugin": keys `source` or `library`, splitting, closed_form.
/// @note Collective over MPI_COMM_WORLD.
HamiltonianTerms read_plugin_hamiltonian(const Parameters& p, int dim);

}  // namespace wasserflow
