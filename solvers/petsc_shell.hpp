#pragma once
/// What solvers of step systems through PETSc share: fields as vectors, and C++ behind PETSc's callbacks.
#include <petscvec.h>

#include <exception>

#include "solvers/step_system.hpp"

namespace wasserflow {

/// The owned values of all levels of a field, level after level, to and from a vector with as many local entries. Ghosts are left alone. Not
/// collective.
void gather(const Field& field, Vec to);
void scatter(Vec from, Field& field);

/// out = M^{-1} in with the preconditioner of the system; both hold the levels of the system one after another.
/// @note Collective.
void apply_preconditioner(StepSystem& system, const double* in, double* out);

/// C++ errors must not pass through PETSc's frames: a callback runs its work in run(), which keeps the error and tells PETSc of one; the solver
/// throws it when PETSc has returned.
class CallbackErrors {
 public:
  template <class Work>
  PetscErrorCode run(Work&& work) {
    try {
      work();
      return 0;
    } catch (...) {
      error_ = std::current_exception();
      return PETSC_ERR_USER;
    }
  }
  void clear() { error_ = nullptr; }
  void rethrow() const {
    if (error_) std::rethrow_exception(error_);
  }

 private:
  std::exception_ptr error_;
};

}  // namespace wasserflow
