#include "grids/io/field_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <hdf5_hl.h>

#include <algorithm>
#include <set>

#include "grids/io/durable_file.hpp"
#include "grids/support/mpi.hpp"

namespace wasserflow {

namespace {

constexpr std::array<const char*, 3> axis_names{"x", "y", "z"};
constexpr std::size_t word = sizeof(double);

std::array<hsize_t, 3> shape_of(const Grid& grid) {
  return {static_cast<hsize_t>(grid.cells(2)), static_cast<hsize_t>(grid.cells(1)), static_cast<hsize_t>(grid.cells(0))};
}

std::vector<double> nodes(const Grid& grid, int d) {
  if (d >= grid.dim()) return {0.0};
  std::vector<double> x(static_cast<std::size_t>(grid.cells(d)));
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = grid.axis(d).node(static_cast<std::int64_t>(i));
  return x;
}

bool is_reserved(const std::string& name) { return name == "x" || name == "y" || name == "z" || name == "integrity" || name == "state"; }

void check_names(std::span<const NamedField> fields) {
  std::set<std::string> seen;
  for (const NamedField& f : fields) {
    if (f.name.empty() || f.name.find('/') != std::string::npos || is_reserved(f.name) || !seen.insert(f.name).second)
      throw InternalError("'" + f.name + "' cannot be the name of a field in a file");
    if (!f.field || !*f.field || f.level < 0 || f.level >= f.field->levels())
      throw InternalError("field " + f.name + " has no level " + std::to_string(f.level));
  }
}

/// Makes the file and returns, for each field, the offsets of its values and of its slab table.
std::vector<std::int64_t> create(const std::string& path, std::span<const NamedField> fields, const FieldFileOptions& options) {
  const H5Quiet quiet;
  H5Id file = h5_create(path);
  h5_attribute(file.get(), path, "format", std::string("wasserflow fields 1"));
  if (options.time) h5_attribute(file.get(), path, "time", *options.time);
  const Grid& grid = fields.front().field->layout().grid();
  std::array<H5Id, 3> scales;
  for (int d = 0; d < 3; ++d) {
    const std::string axis = axis_names[static_cast<std::size_t>(d)];
    h5_write(file.get(), path, axis, nodes(grid, d));
    H5Id& scale = scales[static_cast<std::size_t>(d)];
    scale = H5Id(h5_check(H5Dopen2(file.get(), axis.c_str(), H5P_DEFAULT), path, "open " + axis));
    h5_check(H5DSset_scale(scale.get(), axis.c_str()), path, "make a dimension scale of " + axis);
    if (d >= grid.dim()) continue;
    h5_attribute(scale.get(), path, "lower", grid.axis(d).lower);
    h5_attribute(scale.get(), path, "upper", grid.axis(d).upper);
    h5_attribute(scale.get(), path, "boundary", std::string(name(grid.axis(d).boundary)));
  }
  H5Id integrity = h5_group(file.get(), path, "integrity");
  std::vector<std::int64_t> offsets;
  for (const NamedField& f : fields) {
    const std::array<hsize_t, 3> shape = shape_of(f.field->layout().grid());
    const H5Id dataset = h5_dataset(file.get(), path, f.name, H5T_NATIVE_DOUBLE, shape);
    if (shape == shape_of(grid))
      for (unsigned d = 0; d < 3; ++d) h5_check(H5DSattach_scale(dataset.get(), scales[2 - d].get(), d), path, "attach coordinates to " + f.name);
    offsets.push_back(h5_offset(dataset.get(), path, f.name));
    const std::array<hsize_t, 2> table{static_cast<hsize_t>(f.field->layout().ranks()), 3};
    const H5Id slabs = h5_dataset(integrity.get(), path, f.name, H5T_NATIVE_UINT64, table);
    offsets.push_back(h5_offset(slabs.get(), path, f.name));
  }
  if (options.more) options.more(file.get(), path);
  integrity.close();
  for (H5Id& scale : scales) scale.close();
  if (!file.close()) throw IoError(path + ": cannot write the file");
  return offsets;
}

}  // namespace

std::vector<NamedField> all_levels(const std::string& name, const Field& field) {
  if (field.levels() == 1) return {{name, &field, 0}};
  std::vector<NamedField> fields;
  for (int k = 0; k < field.levels(); ++k) fields.push_back({fmt::format("{}.{:03}", name, k), &field, k});
  return fields;
}

std::vector<NamedField> all_levels(const std::vector<std::pair<std::string, Field*>>& fields, const std::string& prefix) {
  std::vector<NamedField> all;
  for (const auto& [name, field] : fields)
    for (const NamedField& f : all_levels(prefix + name, *field)) all.push_back(f);
  return all;
}

void write_field_file(MPI_Comm comm, const std::string& path, std::span<const NamedField> fields, const FieldFileOptions& options) {
  if (fields.empty()) throw InternalError(path + ": no fields to write");
  check_names(fields);
  DurableFile file;
  file.path = path;
  file.bytes = options.more_bytes;
  for (const NamedField& f : fields)
    file.bytes += static_cast<std::int64_t>(word) * (f.field->layout().grid().size() + 3 * f.field->layout().ranks()) + 2048;
  for (int d = 0; d < 3; ++d) file.bytes += static_cast<std::int64_t>(word) * fields.front().field->layout().grid().cells(d);
  file.create = [&](const std::string& part) { return create(part, fields, options); };
  std::vector<std::uint32_t> sums(fields.size());
  file.write = [&](int fd, std::span<const std::int64_t> offsets) {
    for (std::size_t i = 0; i < fields.size(); ++i) {
      const SlabLayout& layout = fields[i].field->layout();
      const std::span<const double> values = fields[i].field->owned(fields[i].level);
      const std::int64_t first = layout.global_offset();
      write_at(fd, values.data(), values.size_bytes(), offsets[2 * i] + static_cast<std::int64_t>(word) * first);
      sums[i] = checksum(values.data(), values.size_bytes());
      const std::array<std::uint64_t, 3> row{static_cast<std::uint64_t>(first), values.size(), sums[i]};
      write_at(fd, row.data(), sizeof row, offsets[2 * i + 1] + static_cast<std::int64_t>(sizeof row) * layout.rank());
    }
  };
  if (options.read_back)
    file.verify = [&](int fd, std::span<const std::int64_t> offsets) {
      for (std::size_t i = 0; i < fields.size(); ++i) {
        const SlabLayout& layout = fields[i].field->layout();
        const std::int64_t offset = offsets[2 * i] + static_cast<std::int64_t>(word) * layout.global_offset();
        if (checksum_of_file(fd, word * static_cast<std::size_t>(layout.owned()), offset) != sums[i])
          throw IoError(path + ": the device gave back other values than were written to it (" + fields[i].name + ")");
      }
    };
  write_durable_file(comm, file);
}

FieldFile::FieldFile(const std::string& path) : path_(path) {
  const H5Quiet quiet;
  file_ = h5_open(path);
  if (h5_has_attribute(file_.get(), "time")) time_ = h5_read_real_attribute(file_.get(), path, "time");
  if (!h5_has(file_.get(), "integrity")) throw IoError(path + ": no field file (group integrity is missing)");
  const H5Id integrity(h5_check(H5Gopen2(file_.get(), "integrity", H5P_DEFAULT), path, "open integrity"));
  for (const std::string& name : h5_names(integrity.get(), path)) {
    Entry entry;
    entry.name = name;
    const H5Id dataset(h5_check(H5Dopen2(file_.get(), name.c_str(), H5P_DEFAULT), path, "open " + name));
    const std::vector<hsize_t> shape = h5_shape(dataset.get(), path, name);
    const H5Id type(h5_check(H5Dget_type(dataset.get()), path, "read " + name));
    if (shape.size() != 3 || H5Tequal(type.get(), H5T_NATIVE_DOUBLE) <= 0) throw IoError(path + ": " + name + " is no float64 dataset of rank 3");
    std::copy(shape.begin(), shape.end(), entry.shape.begin());
    entry.offset = h5_offset(dataset.get(), path, name);
    const std::vector<std::int64_t> table = h5_read_integers(integrity.get(), path, name);
    if (table.size() % 3 != 0) throw IoError(path + ": broken slab table of " + name);
    for (std::size_t i = 0; i < table.size(); i += 3) entry.slabs.push_back({table[i], table[i + 1], static_cast<std::uint32_t>(table[i + 2])});
    entries_.push_back(std::move(entry));
  }
}

std::vector<std::string> FieldFile::names() const {
  std::vector<std::string> names;
  for (const Entry& e : entries_) names.push_back(e.name);
  return names;
}

bool FieldFile::has(const std::string& name) const {
  return std::any_of(entries_.begin(), entries_.end(), [&](const Entry& e) { return e.name == name; });
}

const FieldFile::Entry& FieldFile::find(const std::string& name) const {
  for (const Entry& e : entries_)
    if (e.name == name) return e;
  throw IoError(path_ + ": no field " + name);
}

void FieldFile::verify(int begin, int stride) const {
  const Descriptor descriptor(path_, O_RDONLY);
  for (const Entry& e : entries_) {
    std::int64_t next = 0;
    for (const Slab& s : e.slabs) {
      if (s.first != next || s.points < 0) throw IoError(path_ + ": broken slab table of " + e.name);
      next += s.points;
    }
    if (next != e.shape[0] * e.shape[1] * e.shape[2]) throw IoError(path_ + ": the slab table does not cover " + e.name);
    for (std::size_t i = static_cast<std::size_t>(begin); i < e.slabs.size(); i += static_cast<std::size_t>(stride)) {
      const Slab& s = e.slabs[i];
      if (checksum_of_file(descriptor.get(), word * static_cast<std::size_t>(s.points), e.offset + static_cast<std::int64_t>(word) * s.first) !=
          s.checksum)
        throw IoError(fmt::format("{}: wrong checksum of {} in slab {}", path_, e.name, i));
    }
  }
}

void FieldFile::read(const std::string& name, Field& field, int level) const {
  const Entry& e = find(name);
  const Grid& grid = field.layout().grid();
  if (e.shape != std::array<std::int64_t, 3>{grid.cells(2), grid.cells(1), grid.cells(0)})
    throw IoError(fmt::format("{}: {} has {} x {} x {} points where {} x {} x {} are needed", path_, name, e.shape[2], e.shape[1], e.shape[0],
                              grid.cells(0), grid.cells(1), grid.cells(2)));
  const Descriptor descriptor(path_, O_RDONLY);
  const std::span<double> values = field.owned(level);
  read_at(descriptor.get(), values.data(), values.size_bytes(), e.offset + static_cast<std::int64_t>(word) * field.layout().global_offset());
}

}  // namespace wasserflow
