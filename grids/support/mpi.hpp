#pragma once
/// MPI and PETSc: start and end, error checks, small collectives.
#include <mpi.h>
#include <petscsys.h>

#include <source_location>
#include <utility>
#include <string>
#include <vector>

namespace wasserflow {

/// Starts MPI and PETSc in main and ends them when it goes out of scope. `petsc_options` go to PETSc's options database
/// (everything behind `--petsc` on the command line). One object a process.
/// @note Collective.
class Session {
 public:
  Session(int& argc, char**& argv, const std::vector<std::string>& petsc_options = {});
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
};

/// Throws InternalError with PETSc's message, file and line when `code` is not 0.
void petsc_check(PetscErrorCode code, std::source_location where = std::source_location::current());

/// True between PetscInitialize and PetscFinalize: owners of PETSc objects skip Destroy outside.
bool petsc_alive();

int rank_of(MPI_Comm comm);
int size_of(MPI_Comm comm);

/// A move-only owner of a PETSc object `T` with destroy function `Destroy`; get() is the escape hatch.
template <class T, PetscErrorCode (*Destroy)(T*)>
class PetscHandle {
 public:
  PetscHandle() = default;
  explicit PetscHandle(T object) : object_(object) {}
  PetscHandle(PetscHandle&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
  PetscHandle& operator=(PetscHandle&& other) noexcept {
    std::swap(object_, other.object_);
    return *this;
  }
  ~PetscHandle() {
    if (object_ && petsc_alive()) Destroy(&object_);
  }
  T get() const { return object_; }
  /// For PETSc's create functions: petsc_check(KSPCreate(comm, ksp.put())).
  T* put() { return &object_; }
  explicit operator bool() const { return object_ != nullptr; }

 private:
  T object_ = nullptr;
};

}  // namespace wasserflow
