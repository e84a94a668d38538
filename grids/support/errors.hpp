#pragma once
/// Error types, the exit code each one ends a program with, and agreement on errors between ranks.
#include <mpi.h>

#include <exception>
#include <functional>
#include <stdexcept>
#include <string>

namespace wasserflow {

/// What a program returns to its caller (and to a batch system).
enum class ExitCode : int {
  Success = 0,         ///< converged or completed
  BadInput = 2,        ///< the user's input is at fault; nothing was written
  IterationLimit = 3,  ///< stopped at the iteration limit; results are written and marked
  Diverged = 4,        ///< NaN, infinity or divergence; the last good checkpoint stays
  Stopped = 5,         ///< time limit or signal; a checkpoint was written
  IoFailed = 6,        ///< a file could not be written or read
  Internal = 70        ///< a defect of this software
};

/// A place in a file the user wrote. Line and column count from 1; 0 means unknown.
struct Location {
  std::string file;
  int line = 0;
  int column = 0;
  /// "file:line:column", with unknown parts left out; "" when nothing is known.
  std::string text() const;
};

/// Base of all errors that this library throws.
class Error : public std::runtime_error {
 public:
  Error(ExitCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  ExitCode code() const { return code_; }

 private:
  ExitCode code_;
};

/// The user's input is at fault: exit code 2. what() starts with the location where one is known.
class InputError : public Error {
 public:
  explicit InputError(const std::string& message, Location where = {});
  const Location& where() const { return where_; }

 private:
  Location where_;
};

/// A file could not be read or written: exit code 6.
class IoError : public Error {
 public:
  explicit IoError(const std::string& message) : Error(ExitCode::IoFailed, message) {}
};

/// An iterate turned NaN or infinite, or a step size collapsed: exit code 4.
class DivergedError : public Error {
 public:
  explicit DivergedError(const std::string& message) : Error(ExitCode::Diverged, message) {}
};

/// A broken invariant of this software: exit code 70.
class InternalError : public Error {
 public:
  explicit InternalError(const std::string& message) : Error(ExitCode::Internal, message) {}
};

/// Runs `work` on this rank, then agrees with all ranks of `comm`: when any rank threw, every rank throws the error of the lowest
/// failing rank (same type of this file and same text). `work` must not contain collective calls.
/// @note Collective.
void check_all(MPI_Comm comm, const std::function<void()>& work);

}  // namespace wasserflow
