#pragma once
/// One HDF5 file of fields, the format that saved times and checkpoints share:
///
///   /NAME            every field: float64, shape (nz, ny, nx) with 1 for a missing axis, contiguous, not compressed; cell averages stand as nodes at
///                    the cell centres
///   /x /y /z         coordinates of the nodes, attached to the fields as dimension scales z y x (0 for a missing axis), with the attributes lower,
///                    upper (the box) and boundary (its kind)
///   /integrity/NAME  uint64, shape (slabs, 3): first point, number of points, CRC-32 of the float64 values in x-fastest order
///   attribute time   physical time (saved times)
#include <hdf5.h>

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "grids/field.hpp"
#include "grids/io/hdf5.hpp"

namespace wasserflow {

/// A level of a field under the name it has in files.
struct NamedField {
  std::string name;
  const Field* field = nullptr;
  int level = 0;
};

/// All levels of a field as NAME, or as NAME.000, NAME.001, ... when there are several.
std::vector<NamedField> all_levels(const std::string& name, const Field& field);
/// The same of several fields, with `prefix` ahead of their names: what checkpoints hold of a solver's state_fields().
std::vector<NamedField> all_levels(const std::vector<std::pair<std::string, Field*>>& fields, const std::string& prefix = "");

struct FieldFileOptions {
  std::optional<double> time;
  bool read_back = false;  ///< compare with the device before the file gets its name
  /// Rank 0: puts more small objects into the file.
  std::function<void(hid_t file, const std::string& path)> more;
  std::int64_t more_bytes = 0;  ///< about their size
};

/// Writes the fields as one durable file. Names must differ from each other and from x, y, z, integrity and state, and hold no '/'. Fields on
/// different grids may share a file; the coordinates are those of the first one.
/// Errors as write_durable_file.
/// @note Collective over `comm`, which is the communicator of all fields' layouts.
void write_field_file(MPI_Comm comm, const std::string& path, std::span<const NamedField> fields, const FieldFileOptions& options);

/// A field file opened for reading by this process. No member is collective; all throw IoError.
class FieldFile {
 public:
  struct Slab {
    std::int64_t first = 0, points = 0;
    std::uint32_t checksum = 0;
  };
  struct Entry {
    std::string name;
    std::array<std::int64_t, 3> shape{};  ///< nz, ny, nx
    std::int64_t offset = 0;              ///< of the first value in the file
    std::vector<Slab> slabs;
  };

  explicit FieldFile(const std::string& path);
  const std::string& path() const { return path_; }
  hid_t id() const { return file_.get(); }
  std::optional<double> time() const { return time_; }
  const std::vector<Entry>& entries() const { return entries_; }
  std::vector<std::string> names() const;
  bool has(const std::string& name) const;

  /// Checks the slabs `begin`, `begin + stride`, ... of every field, and that the slabs cover the field.
  void verify(int begin, int stride) const;
  /// Owned points of a level, whatever the ranks that wrote them. The grid must have the shape of the dataset.
  void read(const std::string& name, Field& field, int level) const;

 private:
  const Entry& find(const std::string& name) const;
  std::string path_;
  H5Id file_;
  std::optional<double> time_;
  std::vector<Entry> entries_;
};

}  // namespace wasserflow
