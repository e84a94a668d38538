#pragma once
/// Files that are either there and whole, or not there: the one way results and checkpoints reach the disk.
///
/// The steps of write_durable_file (NAME is the final path):
///   1. Rank 0 alone, with HDF5's serial driver, makes NAME.part with all metadata and the space of all data, and closes it; fallocate takes the
///      disk blocks. A full disk, a quota or an unwritable directory shows here: NAME.part is removed, and every rank throws
///      the same IoError. Nothing that existed before has been touched.
///   2. Every rank writes its slab with pwrite at the offset of the contiguous dataset, and checksums beside it.
///   3. A rank that fails in 2. prints one message, removes NAME.part and ends the job with MPI_Abort and exit code 6: no collective call follows an
///      error that only one rank knows. The others wait with a deadline, so that a rank stuck in a dead file system cannot keep the job
///      hanging. On one rank the error is thrown as IoError.
///   4. Every rank fsyncs what it wrote; when asked, it reads it back from the device and compares.
///   5. All ranks being done, rank 0 renames NAME.part to NAME and fsyncs the directory. Only then may an index name the file.
///
/// Why pwrite and not collective HDF5 writes: a slab is one contiguous piece of the file, so that MPI-IO has nothing to gather, while a parallel HDF5
/// file that meets ENOSPC on one rank leaves the others inside a collective call or in H5Fclose, for ever. With pwrite no rank waits for
/// another between steps 1 and 5, each call's result is its own, and files have the same bytes on any number of ranks but for the slab
/// tables. It needs what MPI-IO needs too: one file system that all ranks see.
#include <mpi.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

namespace wasserflow {

struct DurableFile {
  std::string path;        ///< final name
  std::int64_t bytes = 0;  ///< about the size it will have: asked from the disk before anything is written
  /// Rank 0: makes the file `part` and returns what the others must know to write (offsets of datasets). Throws IoError.
  std::function<std::vector<std::int64_t>(const std::string& part)> create;
  /// Every rank: writes its part to descriptor `fd`; no collective calls. Throws IoError.
  std::function<void(int fd, std::span<const std::int64_t> table)> write;
  /// Every rank, after fsync: reads back and compares; no collective calls. May be empty. Throws IoError.
  std::function<void(int fd, std::span<const std::int64_t> table)> verify;
  /// Seconds that a rank waits for the others before it ends the job; 0 means ten minutes plus the time for the bytes at 1 MB/s.
  double patience = 0;
};

/// Writes the file by the steps above. Throws IoError on all ranks when it cannot be made; ends the job with exit code 6 when writing fails later.
/// @note Collective.
void write_durable_file(MPI_Comm comm, const DurableFile& file);

/// Makes a directory and its parents. Throws IoError on all ranks.
/// @note Collective.
void ensure_directory(MPI_Comm comm, const std::string& path);

/// A small text file, replaced whole: NAME.part, fsync, rename, fsync of the directory. Not collective. Throws IoError.
void write_text_file(const std::string& path, const std::string& text);

/// Whole pieces at an offset, however the system cuts them. Throw IoError; read_at also at the end of the file.
void write_at(int fd, const void* data, std::size_t bytes, std::int64_t offset);
void read_at(int fd, void* data, std::size_t bytes, std::int64_t offset);

/// CRC-32 (zlib's) of a piece of memory, and of a piece of a file.
std::uint32_t checksum(const void* data, std::size_t bytes, std::uint32_t before = 0);
std::uint32_t checksum_of_file(int fd, std::size_t bytes, std::int64_t offset);

/// A file opened for reading or writing; closed at the end of its life. Throws IoError.
class Descriptor {
 public:
  Descriptor(const std::string& path, int flags);
  ~Descriptor();
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }
  /// Closes now and reports what the file system kept back until here. Throws IoError.
  void close();

 private:
  std::string path_;
  int fd_ = -1;
};

}  // namespace wasserflow
