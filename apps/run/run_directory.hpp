#pragma once
/// The directory of a run: made, refused or cleared, and locked. All of it happens on rank 0.
#include <mpi.h>

#include <string>

namespace wasserflow {

/// Holds the lock on the directory of a run while it lives, so that two processes cannot write into one directory.
class RunDirectory {
 public:
  enum class Mode { New, Overwrite, Restart };

  /// Throws InputError when it holds an earlier run and mode is New, or when there is nothing to restart from; IoError when it cannot be made or
  /// another process writes to it. Removes the results of the earlier run (Overwrite), or report.json alone (Restart).
  /// @note Collective.
  RunDirectory(MPI_Comm comm, const std::string& path, Mode mode);
  ~RunDirectory();
  RunDirectory(const RunDirectory&) = delete;
  RunDirectory& operator=(const RunDirectory&) = delete;

  const std::string& path() const { return path_; }

 private:
  std::string path_;
  int lock_ = -1;
};

}  // namespace wasserflow
