#pragma once
/// HDF5 through its C interface: owners of identifiers, error checks, and the few calls that the files of this project are made of. Everything
/// here is serial: a file is made or read by one process (see durable_file.hpp for how all ranks fill it).
#include <hdf5.h>

#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "grids/support/errors.hpp"

namespace wasserflow {

/// Move-only owner of an HDF5 identifier of any kind.
class H5Id {
 public:
  H5Id() = default;
  explicit H5Id(hid_t id) : id_(id) {}
  H5Id(H5Id&& other) noexcept : id_(std::exchange(other.id_, H5I_INVALID_HID)) {}
  H5Id& operator=(H5Id&& other) noexcept {
    std::swap(id_, other.id_);
    return *this;
  }
  ~H5Id() { close(); }
  hid_t get() const { return id_; }
  /// Closes now; false when HDF5 reports an error (for a file: its metadata could not be written).
  bool close();

 private:
  hid_t id_ = H5I_INVALID_HID;
};

/// Keeps HDF5 from printing its error stack while it lives: errors become exceptions.
class H5Quiet {
 public:
  H5Quiet();
  ~H5Quiet();
  H5Quiet(const H5Quiet&) = delete;
  H5Quiet& operator=(const H5Quiet&) = delete;

 private:
  H5E_auto2_t function_ = nullptr;
  void* data_ = nullptr;
};

/// Throws IoError "PATH: cannot WHAT: <innermost HDF5 message>" when `code` is negative. Returns `code`.
hid_t h5_check(hid_t code, const std::string& path, const std::string& what);

/// A new file (truncates), file format of HDF5 1.8: metadata carry checksums and every reader knows it. No file locks: files are renamed into place
/// and never changed afterwards, and several network file systems have no locks.
H5Id h5_create(const std::string& path);
/// For reading. IoError when it is missing, truncated or no HDF5 file.
H5Id h5_open(const std::string& path);

/// A new group. Objects made here do not carry the time of their making: equal contents give equal files.
H5Id h5_group(hid_t where, const std::string& path, const std::string& name);

/// Contiguous dataset with its space allocated at once and nothing written to it. Returns the dataset; its first byte in the file is h5_offset.
H5Id h5_dataset(hid_t where, const std::string& path, const std::string& name, hid_t type, std::span<const hsize_t> shape);
/// Offset of the raw data in the file. IoError when the dataset is not contiguous.
std::int64_t h5_offset(hid_t dataset, const std::string& path, const std::string& name);

void h5_write(hid_t where, const std::string& path, const std::string& name, std::span<const double> values);
void h5_write(hid_t where, const std::string& path, const std::string& name, double value);
void h5_write(hid_t where, const std::string& path, const std::string& name, std::int64_t value);
void h5_write(hid_t where, const std::string& path, const std::string& name, const std::string& text);

void h5_attribute(hid_t object, const std::string& path, const std::string& name, double value);
void h5_attribute(hid_t object, const std::string& path, const std::string& name, std::int64_t value);
void h5_attribute(hid_t object, const std::string& path, const std::string& name, const std::string& text);

bool h5_has(hid_t where, const std::string& name);
bool h5_has_attribute(hid_t object, const std::string& name);
double h5_read_real_attribute(hid_t object, const std::string& path, const std::string& name);
std::int64_t h5_read_integer_attribute(hid_t object, const std::string& path, const std::string& name);

/// Names of the links in a group, sorted.
std::vector<std::string> h5_names(hid_t group, const std::string& path);
std::vector<hsize_t> h5_shape(hid_t dataset, const std::string& path, const std::string& name);
/// Whole dataset, converted to double or int64, whatever its shape.
std::vector<double> h5_read_reals(hid_t where, const std::string& path, const std::string& name);
std::vector<std::int64_t> h5_read_integers(hid_t where, const std::string& path, const std::string& name);
std::string h5_read_text(hid_t where, const std::string& path, const std::string& name);

}  // namespace wasserflow
