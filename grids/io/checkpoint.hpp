#pragma once
/// Checkpoints: DIRECTORY/000000.h5, 000001.h5, ... of which the two newest are kept. Format of field_file.hpp with the small values in /state;
/// written by the protocol of durable_file.hpp and read back before they get their name, so that a run killed at any moment has a valid newest
/// checkpoint.
#include <mpi.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "grids/io/field_file.hpp"

namespace wasserflow {

/// What a run must know beside its fields: counters, step sizes, random state, the resolved problem. The same on every rank. Names hold no '/'.
/// Doubles come back with the same bits.
struct CheckpointData {
  std::map<std::string, double> reals;
  std::map<std::string, std::int64_t> integers;
  std::map<std::string, std::vector<double>> vectors;
  std::map<std::string, std::string> texts;
};

/// A checkpoint found on disk whose checksums are right.
class Checkpoint {
 public:
  const std::string& path() const { return path_; }
  int number() const { return number_; }
  const CheckpointData& data() const { return data_; }
  /// Entries of data(); IoError on all ranks alike when there is none of this name.
  double real(const std::string& name) const;
  std::int64_t integer(const std::string& name) const;
  const std::vector<double>& vector(const std::string& name) const;
  const std::string& text(const std::string& name) const;

  bool has(const std::string& field) const;
  /// Owned points of a level, bit for bit, on any number of ranks; ghosts are left alone. Throws IoError on all ranks: no such field, or another
  /// shape.
  /// @note Collective.
  void load(const std::string& name, Field& field, int level = 0) const;
  /// All levels of what all_levels(name, field) saved.
  /// @note Collective.
  void load_levels(const std::string& name, Field& field) const;
  /// All that all_levels(fields, prefix) saved.
  /// @note Collective.
  void load_levels(const std::vector<std::pair<std::string, Field*>>& fields, const std::string& prefix = "") const;

 private:
  friend class CheckpointStore;
  Checkpoint() = default;
  MPI_Comm comm_ = MPI_COMM_NULL;
  std::string path_;
  int number_ = 0;
  CheckpointData data_;
  std::shared_ptr<const FieldFile> file_;
};

class CheckpointStore {
 public:
  /// `directory` is the folder of the checkpoints itself, e.g. RUN/checkpoints; made at the first save.
  CheckpointStore(MPI_Comm comm, std::string directory);

  /// Writes the next checkpoint, then removes all but it and the one before. Throws DivergedError on all ranks, before anything is written, when a
  /// field holds NaN or infinity, naming field and place; IoError when it cannot be written, with the earlier ones intact.
  /// @note Collective.
  void save(std::span<const NamedField> fields, const CheckpointData& data);

  /// The newest checkpoint whose metadata and checksums are right, none when there is none. rejected() says what was passed over and why.
  /// @note Collective.
  std::optional<Checkpoint> newest_valid();
  const std::vector<std::string>& rejected() const { return rejected_; }

  /// Removes all checkpoints, for a run that starts anew in an old directory.
  /// @note Collective.
  void clear();

 private:
  std::vector<int> numbers() const;  ///< on disk, ascending; rank 0's view on every rank
  std::string path_of(int number) const;

  MPI_Comm comm_;
  std::string directory_;
  std::vector<std::string> rejected_;
  int last_ = -1;  ///< number of the last checkpoint saved or found valid here, -1 when none
};

}  // namespace wasserflow
