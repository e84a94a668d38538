#include "apps/run/run_directory.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "grids/support/errors.hpp"
#include "grids/support/mpi.hpp"

namespace wasserflow {

namespace fs = std::filesystem;

RunDirectory::RunDirectory(MPI_Comm comm, const std::string& path, Mode mode) : path_(path) {
  check_all(comm, [&] {
    if (rank_of(comm) != 0) return;
    try {
      const fs::path dir(path_);
      const bool finished = fs::exists(dir / "report.json");
      const bool begun = finished || fs::exists(dir / "resolved.toml") || fs::exists(dir / "checkpoints");
      if (begun && mode == Mode::New)
        throw InputError(finished
                             ? fmt::format("{} holds a finished run: choose another directory with --output, or replace it with --overwrite", path_)
                             : fmt::format("{} holds an unfinished run: continue it with --restart, or replace it with --overwrite", path_));
      if (mode == Mode::Restart && !fs::exists(dir / "checkpoints"))
        throw InputError(fmt::format("no valid checkpoint to restart from in {}", path_));
      fs::create_directories(dir);
      lock_ = ::open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
      if (lock_ < 0) throw IoError(fmt::format("{}: {}", path_, std::strerror(errno)));
      // File systems without locks answer with other errors; there the user has to take care.
      if (::flock(lock_, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
        throw IoError(fmt::format("{}: another process writes to this directory", path_));
      if (::access(path_.c_str(), W_OK | X_OK) != 0) throw IoError(fmt::format("{}: {}", path_, std::strerror(errno)));
      fs::remove(dir / "report.json");
      if (mode == Mode::Overwrite)
        for (const char* name : {"resolved.toml", "history.csv", "log.txt", "fields.xdmf", "fields", "checkpoints"}) fs::remove_all(dir / name);
    } catch (const fs::filesystem_error& e) {
      throw IoError(fmt::format("{}: {}", path_, e.code().message()));
    }
  });
}

RunDirectory::~RunDirectory() {
  if (lock_ >= 0) ::close(lock_);
}

}  // namespace wasserflow
