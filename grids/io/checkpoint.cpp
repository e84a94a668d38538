#include "grids/io/checkpoint.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "grids/io/durable_file.hpp"
#include "grids/support/mpi.hpp"

namespace wasserflow {

namespace fs = std::filesystem;

namespace {

/// CRC-32 over names and values in a fixed order.
std::uint32_t state_checksum(const CheckpointData& data) {
  std::uint32_t crc = 0;
  const auto add = [&](const char* kind, const std::string& name, const void* bytes, std::size_t n) {
    crc = checksum(kind, 1, crc);
    crc = checksum(name.c_str(), name.size() + 1, crc);
    crc = checksum(bytes, n, crc);
  };
  for (const auto& [name, value] : data.reals) add("r", name, &value, sizeof value);
  for (const auto& [name, value] : data.integers) add("i", name, &value, sizeof value);
  for (const auto& [name, value] : data.vectors) add("v", name, value.data(), value.size() * sizeof(double));
  for (const auto& [name, value] : data.texts) add("t", name, value.data(), value.size());
  return crc;
}

void write_state(hid_t file, const std::string& path, const CheckpointData& data) {
  const H5Id state = h5_group(file, path, "state");
  h5_attribute(state.get(), path, "checksum", static_cast<std::int64_t>(state_checksum(data)));
  const H5Id reals = h5_group(state.get(), path, "reals"), integers = h5_group(state.get(), path, "integers");
  const H5Id vectors = h5_group(state.get(), path, "vectors"), texts = h5_group(state.get(), path, "texts");
  for (const auto& [name, value] : data.reals) h5_write(reals.get(), path, name, value);
  for (const auto& [name, value] : data.integers) h5_write(integers.get(), path, name, value);
  for (const auto& [name, value] : data.vectors) h5_write(vectors.get(), path, name, std::span<const double>(value));
  for (const auto& [name, value] : data.texts) h5_write(texts.get(), path, name, value);
}

CheckpointData read_state(hid_t file, const std::string& path) {
  const H5Quiet quiet;
  CheckpointData data;
  const H5Id state(h5_check(H5Gopen2(file, "state", H5P_DEFAULT), path, "open state"));
  const auto each = [&](const char* kind, auto&& take) {
    const H5Id g(h5_check(H5Gopen2(state.get(), kind, H5P_DEFAULT), path, std::string("open state/") + kind));
    for (const std::string& name : h5_names(g.get(), path)) take(g.get(), name);
  };
  const auto one = [&](auto values, const std::string& name) {
    if (values.size() != 1) throw IoError(path + ": state " + name + " is no scalar");
    return values.front();
  };
  each("reals", [&](hid_t g, const std::string& name) { data.reals[name] = one(h5_read_reals(g, path, name), name); });
  each("integers", [&](hid_t g, const std::string& name) { data.integers[name] = one(h5_read_integers(g, path, name), name); });
  each("vectors", [&](hid_t g, const std::string& name) { data.vectors[name] = h5_read_reals(g, path, name); });
  each("texts", [&](hid_t g, const std::string& name) { data.texts[name] = h5_read_text(g, path, name); });
  if (h5_read_integer_attribute(state.get(), path, "checksum") != static_cast<std::int64_t>(state_checksum(data)))
    throw IoError(path + ": wrong checksum of the state");
  return data;
}

/// Sum of sizes, generously.
std::int64_t bytes_of(const CheckpointData& data) {
  std::size_t bytes = 1024 * (data.reals.size() + data.integers.size() + data.vectors.size() + data.texts.size());
  for (const auto& [name, value] : data.vectors) bytes += value.size() * sizeof(double);
  for (const auto& [name, value] : data.texts) bytes += value.size();
  return static_cast<std::int64_t>(bytes);
}

void require_finite(const NamedField& f) {
  const std::span<const double> values = f.field->owned(f.level);
  const auto bad = std::find_if(values.begin(), values.end(), [](double v) { return !std::isfinite(v); });
  if (bad == values.end()) return;
  const SlabLayout& layout = f.field->layout();
  const Grid& grid = layout.grid();
  std::int64_t point = layout.global_offset() + (bad - values.begin());
  std::string place;
  for (int d = 0; d < grid.dim(); ++d) {
    place += fmt::format("{}{} = {:.6g}", d > 0 ? ", " : "", "xyz"[d], grid.axis(d).node(point % grid.cells(d)));
    point /= grid.cells(d);
  }
  throw DivergedError(fmt::format("{} is {} at {} (level {}); no checkpoint was written", f.name, *bad, place, f.level));
}

template <class Map>
const typename Map::mapped_type& entry(const Map& map, const std::string& name, const std::string& path) {
  const auto found = map.find(name);
  if (found == map.end()) throw IoError(path + ": no entry " + name);
  return found->second;
}

}  // namespace

double Checkpoint::real(const std::string& name) const { return entry(data_.reals, name, path_); }
std::int64_t Checkpoint::integer(const std::string& name) const { return entry(data_.integers, name, path_); }
const std::vector<double>& Checkpoint::vector(const std::string& name) const { return entry(data_.vectors, name, path_); }
const std::string& Checkpoint::text(const std::string& name) const { return entry(data_.texts, name, path_); }

bool Checkpoint::has(const std::string& field) const { return file_->has(field); }

void Checkpoint::load(const std::string& name, Field& field, int level) const {
  check_all(comm_, [&] { file_->read(name, field, level); });
}

void Checkpoint::load_levels(const std::string& name, Field& field) const {
  for (const NamedField& f : all_levels(name, field)) load(f.name, field, f.level);
}

void Checkpoint::load_levels(const std::vector<std::pair<std::string, Field*>>& fields, const std::string& prefix) const {
  for (const auto& [name, field] : fields) load_levels(prefix + name, *field);
}

CheckpointStore::CheckpointStore(MPI_Comm comm, std::string directory) : comm_(comm), directory_(std::move(directory)) {}

std::string CheckpointStore::path_of(int number) const { return fmt::format("{}/{:06}.h5", directory_, number); }

std::vector<int> CheckpointStore::numbers() const {
  std::vector<int> found;
  if (rank_of(comm_) == 0) {
    std::error_code code;
    for (const fs::directory_entry& e : fs::directory_iterator(directory_, code)) {
      const std::string stem = e.path().stem().string();
      if (e.path().extension() == ".h5" && stem.size() >= 6 && stem.size() <= 9 && stem.find_first_not_of("0123456789") == std::string::npos)
        found.push_back(std::stoi(stem));
    }
    std::sort(found.begin(), found.end());
  }
  int n = static_cast<int>(found.size());
  MPI_Bcast(&n, 1, MPI_INT, 0, comm_);
  found.resize(static_cast<std::size_t>(n));
  MPI_Bcast(found.data(), n, MPI_INT, 0, comm_);
  return found;
}

void CheckpointStore::save(std::span<const NamedField> fields, const CheckpointData& data) {
  check_all(comm_, [&] {
    for (const NamedField& f : fields) require_finite(f);
  });
  ensure_directory(comm_, directory_);
  const std::vector<int> before = numbers();
  const int number = before.empty() ? 0 : before.back() + 1;
  write_field_file(comm_, path_of(number), fields,
                   {.time = {},
                    .read_back = true,
                    .more = [&](hid_t file, const std::string& path) { write_state(file, path, data); },
                    .more_bytes = bytes_of(data)});
  // One that this run knows to be valid is kept beside the new one; a broken file with a higher number is not.
  const int keep = last_ >= 0 ? last_ : before.empty() ? -1 : before.back();
  last_ = number;
  if (rank_of(comm_) != 0) return;
  std::error_code code;
  for (int n : before)
    if (n != keep) fs::remove(path_of(n), code);
}

std::optional<Checkpoint> CheckpointStore::newest_valid() {
  rejected_.clear();
  std::vector<int> found = numbers();
  std::reverse(found.begin(), found.end());
  for (int number : found) {
    Checkpoint checkpoint;
    checkpoint.comm_ = comm_;
    checkpoint.path_ = path_of(number);
    checkpoint.number_ = number;
    try {
      check_all(comm_, [&] {
        checkpoint.file_ = std::make_shared<const FieldFile>(checkpoint.path_);
        checkpoint.file_->verify(rank_of(comm_), size_of(comm_));
        checkpoint.data_ = read_state(checkpoint.file_->id(), checkpoint.path_);
      });
    } catch (const Error& e) {
      rejected_.push_back(e.what());
      continue;
    }
    last_ = number;
    return checkpoint;
  }
  return std::nullopt;
}

void CheckpointStore::clear() {
  const std::vector<int> found = numbers();
  last_ = -1;
  if (rank_of(comm_) == 0) {
    std::error_code code;
    for (int n : found) fs::remove(path_of(n), code);
    std::vector<fs::path> unfinished;
    for (const fs::directory_entry& e : fs::directory_iterator(directory_, code))
      if (e.path().extension() == ".part") unfinished.push_back(e.path());
    for (const fs::path& path : unfinished) fs::remove(path, code);
  }
  MPI_Barrier(comm_);
}

}  // namespace wasserflow
