#include "grids/support/mpi.hpp"

#include <fmt/format.h>

#include "grids/support/errors.hpp"

namespace wasserflow {

Session::Session(int& argc, char**& argv, const std::vector<std::string>& petsc_options) {
  MPI_Init(&argc, &argv);
  // PETSc parses only what the user gave it: its own argv with the program's name first.
  std::vector<std::string> words{argc > 0 ? argv[0] : "wasserflow"};
  words.insert(words.end(), petsc_options.begin(), petsc_options.end());
  std::vector<char*> pointers;
  for (std::string& w : words) pointers.push_back(w.data());
  pointers.push_back(nullptr);
  int count = static_cast<int>(words.size());
  char** p = pointers.data();
  PETSC_COMM_WORLD = MPI_COMM_WORLD;
  // The driver owns the signals (SIGTERM and SIGUSR1 end in a checkpoint).
  petsc_check(PetscOptionsSetValue(nullptr, "-no_signal_handler", "true"));
  petsc_check(PetscInitialize(&count, &p, nullptr, nullptr));
  petsc_check(PetscPushErrorHandler(PetscReturnErrorHandler, nullptr));
}

Session::~Session() {
  if (petsc_alive()) PetscFinalize();
  int finalized = 0;
  MPI_Finalized(&finalized);
  if (!finalized) MPI_Finalize();
}

void petsc_check(PetscErrorCode code, std::source_location where) {
  if (code == 0) return;
  const char* text = nullptr;
  PetscErrorMessage(code, &text, nullptr);
  throw InternalError(fmt::format("PETSc error {} ({}) at {}:{}", static_cast<int>(code), text ? text : "unknown",
                                  where.file_name(), where.line()));
}

bool petsc_alive() {
  PetscBool initialized = PETSC_FALSE, finalized = PETSC_FALSE;
  PetscInitialized(&initialized);
  PetscFinalized(&finalized);
  return initialized && !finalized;
}

int rank_of(MPI_Comm comm) {
  int r = 0;
  MPI_Comm_rank(comm, &r);
  return r;
}

int size_of(MPI_Comm comm) {
  int s = 1;
  MPI_Comm_size(comm, &s);
  return s;
}

}  // namespace wasserflow
