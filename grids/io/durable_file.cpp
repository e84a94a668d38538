#include "grids/io/durable_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <exception>
#include <filesystem>
#include <utility>

#include "grids/support/errors.hpp"
#include "grids/support/mpi.hpp"

namespace wasserflow {

namespace {

// What rank 0 asks from the disk beyond the data, for HDF5's metadata.
constexpr std::int64_t metadata_bytes = 64 * 1024;

std::string reason(int code) { return std::strerror(code); }

/// A file size limit (ulimit -f) is reported by EFBIG like any other error, not by a signal that kills one rank.
class NoFileSizeSignal {
 public:
  NoFileSizeSignal() {
    struct sigaction ignore {};
    ignore.sa_handler = SIG_IGN;
    sigaction(SIGXFSZ, &ignore, &before_);
  }
  ~NoFileSizeSignal() { sigaction(SIGXFSZ, &before_, nullptr); }
  NoFileSizeSignal(const NoFileSizeSignal&) = delete;
  NoFileSizeSignal& operator=(const NoFileSizeSignal&) = delete;

 private:
  struct sigaction before_ {};
};

/// Takes disk blocks for the file. Where the file system cannot (some network ones), the free space is looked at instead: glibc's posix_fallocate
/// would write a byte into every block there.
void reserve(const std::string& path, int flags, std::int64_t bytes) {
  Descriptor file(path, flags);
  int code = 0;
  do code = fallocate(file.get(), 0, 0, std::max<std::int64_t>(bytes, 1)) == 0 ? 0 : errno;
  while (code == EINTR);
  if (code == EOPNOTSUPP || code == ENOSYS) {
    struct statvfs space {};
    code = fstatvfs(file.get(), &space) != 0                                                                        ? errno
           : static_cast<double>(space.f_bavail) * static_cast<double>(space.f_frsize) < static_cast<double>(bytes) ? ENOSPC
                                                                                                                    : 0;
  }
  if (code != 0) throw IoError(fmt::format("{}: no room for {} bytes: {}", path, bytes, reason(code)));
  file.close();
}

void sync(int fd, const std::string& path) {
  int code = 0;
  do code = fsync(fd);
  while (code != 0 && errno == EINTR);
  if (code != 0) throw IoError(path + ": cannot write to the device: " + reason(errno));
}

void sync_directory_of(const std::string& path) {
  const std::string parent = std::filesystem::path(path).parent_path().string();
  const std::string directory = parent.empty() ? "." : parent;
  Descriptor d(directory, O_RDONLY | O_DIRECTORY);
  // Some network file systems have no fsync for directories; there the rename is as durable as it gets.
  if (fsync(d.get()) != 0 && errno != EINVAL) throw IoError(directory + ": cannot write to the device: " + reason(errno));
}

void rename_into_place(const std::string& part, const std::string& path) {
  if (std::rename(part.c_str(), path.c_str()) != 0) throw IoError(path + ": cannot rename " + part + ": " + reason(errno));
  sync_directory_of(path);
}

[[noreturn]] void end_job(MPI_Comm comm, const std::string& message) {
  std::fprintf(stderr, "error: %s (rank %d)\n", message.c_str(), rank_of(comm));
  std::fflush(stderr);
  MPI_Abort(comm, static_cast<int>(ExitCode::IoFailed));
  _exit(static_cast<int>(ExitCode::IoFailed));
}

/// An error that only this rank knows. Of several ranks that fail, the one that removes the unfinished file tells.
[[noreturn]] void fail_alone(MPI_Comm comm, const std::string& part, const std::string& message) {
  const bool told = unlink(part.c_str()) != 0 && errno == ENOENT;
  if (size_of(comm) == 1) throw IoError(message);
  if (told) sleep(5);
  end_job(comm, message);
}

/// A barrier with a deadline.
void wait_for_all(MPI_Comm comm, const std::string& path, double seconds) {
  MPI_Request request = MPI_REQUEST_NULL;
  MPI_Ibarrier(comm, &request);
  const double start = MPI_Wtime();
  for (int turn = 0, done = 0;; ++turn) {
    MPI_Test(&request, &done, MPI_STATUS_IGNORE);
    if (done) return;
    if (MPI_Wtime() - start > seconds) end_job(comm, fmt::format("{}: gave up after waiting {:.0f} s for other ranks to write it", path, seconds));
    if (turn > 100) usleep(200);
  }
}

}  // namespace

Descriptor::Descriptor(const std::string& path, int flags) : path_(path), fd_(open(path.c_str(), flags | O_CLOEXEC, 0644)) {
  if (fd_ < 0) throw IoError(path + ": cannot open: " + reason(errno));
}

Descriptor::~Descriptor() {
  if (fd_ >= 0) ::close(fd_);
}

void Descriptor::close() {
  const int fd = std::exchange(fd_, -1);
  if (fd >= 0 && ::close(fd) != 0 && errno != EINTR) throw IoError(path_ + ": cannot close: " + reason(errno));
}

void write_at(int fd, const void* data, std::size_t bytes, std::int64_t offset) {
  for (const char* p = static_cast<const char*>(data); bytes > 0;) {
    const ssize_t n = pwrite(fd, p, std::min<std::size_t>(bytes, 1u << 30), offset);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) throw IoError("cannot write: " + reason(n < 0 ? errno : ENOSPC));
    p += n;
    offset += n;
    bytes -= static_cast<std::size_t>(n);
  }
}

void read_at(int fd, void* data, std::size_t bytes, std::int64_t offset) {
  for (char* p = static_cast<char*>(data); bytes > 0;) {
    const ssize_t n = pread(fd, p, std::min<std::size_t>(bytes, 1u << 30), offset);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw IoError("cannot read: " + reason(errno));
    if (n == 0) throw IoError("the file is too short");
    p += n;
    offset += n;
    bytes -= static_cast<std::size_t>(n);
  }
}

std::uint32_t checksum(const void* data, std::size_t bytes, std::uint32_t before) {
  if (bytes == 0) return before;  // zlib starts anew at a null pointer
  return static_cast<std::uint32_t>(crc32_z(before, static_cast<const Bytef*>(data), bytes));
}

std::uint32_t checksum_of_file(int fd, std::size_t bytes, std::int64_t offset) {
  std::vector<char> buffer(std::min<std::size_t>(bytes, 4u << 20));
  std::uint32_t crc = 0;
  while (bytes > 0) {
    const std::size_t n = std::min(bytes, buffer.size());
    read_at(fd, buffer.data(), n, offset);
    crc = checksum(buffer.data(), n, crc);
    offset += static_cast<std::int64_t>(n);
    bytes -= n;
  }
  return crc;
}

void write_durable_file(MPI_Comm comm, const DurableFile& file) {
  const std::string part = file.path + ".part";
  const NoFileSizeSignal no_signal;
  const bool first = rank_of(comm) == 0;
  std::int64_t bytes = file.bytes;
  MPI_Bcast(&bytes, 1, MPI_INT64_T, 0, comm);
  const double patience = file.patience > 0 ? file.patience : 600 + 1e-6 * static_cast<double>(bytes);

  // Step 1. The space is asked for before HDF5 starts: its library does not recover well from a failed close.
  std::vector<std::int64_t> table;
  std::exception_ptr error;
  if (first) {
    try {
      unlink(part.c_str());
      reserve(part, O_RDWR | O_CREAT | O_TRUNC, bytes + metadata_bytes);
      table = file.create(part);
      struct stat status {};
      if (stat(part.c_str(), &status) != 0) throw IoError(part + ": " + reason(errno));
      reserve(part, O_RDWR, status.st_size);
    } catch (...) {
      error = std::current_exception();
      unlink(part.c_str());
    }
  }
  wait_for_all(comm, file.path, patience);
  check_all(comm, [&] {
    if (error) std::rethrow_exception(error);
  });
  std::int64_t entries = static_cast<std::int64_t>(table.size());
  MPI_Bcast(&entries, 1, MPI_INT64_T, 0, comm);
  table.resize(static_cast<std::size_t>(entries));
  MPI_Bcast(table.data(), static_cast<int>(entries), MPI_INT64_T, 0, comm);

  // Steps 2 to 4: no collective call in here.
  try {
    Descriptor descriptor(part, O_RDWR);
    file.write(descriptor.get(), table);
    sync(descriptor.get(), part);
    if (file.verify) {
      // The pages are clean now: dropping them makes the reads come from the device.
      posix_fadvise(descriptor.get(), 0, 0, POSIX_FADV_DONTNEED);
      file.verify(descriptor.get(), table);
    }
    descriptor.close();
  } catch (const std::exception& e) {
    const std::string text = e.what();
    fail_alone(comm, part, text.find(file.path) == std::string::npos ? file.path + ": " + text : text);
  }
  wait_for_all(comm, file.path, patience);

  // Step 5.
  check_all(comm, [&] {
    if (first) rename_into_place(part, file.path);
  });
}

void ensure_directory(MPI_Comm comm, const std::string& path) {
  check_all(comm, [&] {
    if (rank_of(comm) != 0) return;
    std::error_code code;
    std::filesystem::create_directories(path, code);
    if (code) throw IoError(path + ": cannot make the directory: " + code.message());
    sync_directory_of(path);
  });
}

void write_text_file(const std::string& path, const std::string& text) {
  const std::string part = path + ".part";
  const NoFileSizeSignal no_signal;
  try {
    Descriptor file(part, O_WRONLY | O_CREAT | O_TRUNC);
    write_at(file.get(), text.data(), text.size(), 0);
    sync(file.get(), part);
    file.close();
    rename_into_place(part, path);
  } catch (const IoError& e) {
    unlink(part.c_str());
    const std::string what = e.what();
    throw IoError(what.find(path) == std::string::npos ? path + ": " + what : what);
  }
}

}  // namespace wasserflow
