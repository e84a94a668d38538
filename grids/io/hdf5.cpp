#include "grids/io/hdf5.hpp"

#include <algorithm>

namespace wasserflow {

namespace {

herr_t keep_innermost(unsigned, const H5E_error2_t* error, void* text) {
  auto* out = static_cast<std::string*>(text);
  if (out->empty() && error->desc) *out = error->desc;
  return 0;
}

H5Id text_type(std::size_t size) {
  H5Id type(H5Tcopy(H5T_C_S1));
  H5Tset_size(type.get(), std::max<std::size_t>(size, 1));
  H5Tset_strpad(type.get(), H5T_STR_NULLPAD);
  H5Tset_cset(type.get(), H5T_CSET_UTF8);
  return type;
}

/// A property list for making objects without the time of their making: equal contents give equal files.
H5Id creation(hid_t kind) {
  H5Id list(H5Pcreate(kind));
  H5Pset_obj_track_times(list.get(), false);
  return list;
}

void write_value(hid_t where, const std::string& path, const std::string& name, hid_t type, hid_t space, const void* value) {
  const H5Id list = creation(H5P_DATASET_CREATE);
  H5Id dataset(h5_check(H5Dcreate2(where, name.c_str(), type, space, H5P_DEFAULT, list.get(), H5P_DEFAULT), path, "create " + name));
  h5_check(H5Dwrite(dataset.get(), type, H5S_ALL, H5S_ALL, H5P_DEFAULT, value), path, "write " + name);
  if (!dataset.close()) throw IoError(path + ": cannot write " + name);
}

void write_attribute(hid_t object, const std::string& path, const std::string& name, hid_t type, const void* value) {
  H5Id space(h5_check(H5Screate(H5S_SCALAR), path, "describe " + name));
  H5Id attribute(h5_check(H5Acreate2(object, name.c_str(), type, space.get(), H5P_DEFAULT, H5P_DEFAULT), path, "create attribute " + name));
  h5_check(H5Awrite(attribute.get(), type, value), path, "write attribute " + name);
}

template <class T>
T read_attribute(hid_t object, const std::string& path, const std::string& name, hid_t type) {
  H5Id attribute(h5_check(H5Aopen(object, name.c_str(), H5P_DEFAULT), path, "open attribute " + name));
  H5Id space(h5_check(H5Aget_space(attribute.get()), path, "read attribute " + name));
  if (H5Sget_simple_extent_npoints(space.get()) != 1) throw IoError(path + ": attribute " + name + " is no scalar");
  T value{};
  h5_check(H5Aread(attribute.get(), type, &value), path, "read attribute " + name);
  return value;
}

template <class T>
std::vector<T> read_dataset(hid_t where, const std::string& path, const std::string& name, hid_t type) {
  H5Id dataset(h5_check(H5Dopen2(where, name.c_str(), H5P_DEFAULT), path, "open " + name));
  H5Id space(h5_check(H5Dget_space(dataset.get()), path, "read " + name));
  const hssize_t n = H5Sget_simple_extent_npoints(space.get());
  if (n < 0) throw IoError(path + ": cannot read the shape of " + name);
  std::vector<T> values(static_cast<std::size_t>(n));
  if (n > 0) h5_check(H5Dread(dataset.get(), type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()), path, "read " + name);
  return values;
}

H5Id access() {
  H5Id list(H5Pcreate(H5P_FILE_ACCESS));
  H5Pset_libver_bounds(list.get(), H5F_LIBVER_V18, H5F_LIBVER_V18);
  H5Pset_file_locking(list.get(), false, true);
  H5Pset_fclose_degree(list.get(), H5F_CLOSE_STRONG);
  return list;
}

}  // namespace

bool H5Id::close() {
  const hid_t id = std::exchange(id_, H5I_INVALID_HID);
  if (id < 0 || H5Iis_valid(id) <= 0) return true;
  switch (H5Iget_type(id)) {
    case H5I_FILE: return H5Fclose(id) >= 0;
    case H5I_GROUP: return H5Gclose(id) >= 0;
    case H5I_DATASET: return H5Dclose(id) >= 0;
    case H5I_DATASPACE: return H5Sclose(id) >= 0;
    case H5I_DATATYPE: return H5Tclose(id) >= 0;
    case H5I_ATTR: return H5Aclose(id) >= 0;
    case H5I_GENPROP_LST: return H5Pclose(id) >= 0;
    default: return H5Idec_ref(id) >= 0;
  }
}

H5Quiet::H5Quiet() {
  H5Eget_auto2(H5E_DEFAULT, &function_, &data_);
  H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
}

H5Quiet::~H5Quiet() { H5Eset_auto2(H5E_DEFAULT, function_, data_); }

hid_t h5_check(hid_t code, const std::string& path, const std::string& what) {
  if (code >= 0) return code;
  std::string reason;
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, keep_innermost, &reason);
  throw IoError(path + ": cannot " + what + (reason.empty() ? "" : ": " + reason));
}

H5Id h5_create(const std::string& path) {
  const H5Id list = access(), made = creation(H5P_FILE_CREATE);
  return H5Id(h5_check(H5Fcreate(path.c_str(), H5F_ACC_TRUNC, made.get(), list.get()), path, "create the file"));
}

H5Id h5_open(const std::string& path) {
  const H5Id list = access();
  return H5Id(h5_check(H5Fopen(path.c_str(), H5F_ACC_RDONLY, list.get()), path, "open the file"));
}

H5Id h5_group(hid_t where, const std::string& path, const std::string& name) {
  const H5Id list = creation(H5P_GROUP_CREATE);
  return H5Id(h5_check(H5Gcreate2(where, name.c_str(), H5P_DEFAULT, list.get(), H5P_DEFAULT), path, "create " + name));
}

H5Id h5_dataset(hid_t where, const std::string& path, const std::string& name, hid_t type, std::span<const hsize_t> shape) {
  H5Id space(h5_check(H5Screate_simple(static_cast<int>(shape.size()), shape.data(), nullptr), path, "describe " + name));
  const H5Id list = creation(H5P_DATASET_CREATE);
  H5Pset_layout(list.get(), H5D_CONTIGUOUS);
  H5Pset_alloc_time(list.get(), H5D_ALLOC_TIME_EARLY);
  H5Pset_fill_time(list.get(), H5D_FILL_TIME_NEVER);
  return H5Id(h5_check(H5Dcreate2(where, name.c_str(), type, space.get(), H5P_DEFAULT, list.get(), H5P_DEFAULT), path, "create " + name));
}

std::int64_t h5_offset(hid_t dataset, const std::string& path, const std::string& name) {
  const haddr_t offset = H5Dget_offset(dataset);
  if (offset == HADDR_UNDEF) throw IoError(path + ": " + name + " is not stored as one contiguous piece");
  return static_cast<std::int64_t>(offset);
}

void h5_write(hid_t where, const std::string& path, const std::string& name, std::span<const double> values) {
  const hsize_t n = values.size();
  H5Id space(h5_check(H5Screate_simple(1, &n, nullptr), path, "describe " + name));
  write_value(where, path, name, H5T_NATIVE_DOUBLE, space.get(), values.data());
}

void h5_write(hid_t where, const std::string& path, const std::string& name, double value) {
  H5Id space(h5_check(H5Screate(H5S_SCALAR), path, "describe " + name));
  write_value(where, path, name, H5T_NATIVE_DOUBLE, space.get(), &value);
}

void h5_write(hid_t where, const std::string& path, const std::string& name, std::int64_t value) {
  H5Id space(h5_check(H5Screate(H5S_SCALAR), path, "describe " + name));
  write_value(where, path, name, H5T_NATIVE_INT64, space.get(), &value);
}

void h5_write(hid_t where, const std::string& path, const std::string& name, const std::string& text) {
  H5Id space(h5_check(H5Screate(H5S_SCALAR), path, "describe " + name));
  const H5Id type = text_type(text.size());
  write_value(where, path, name, type.get(), space.get(), text.c_str());
}

void h5_attribute(hid_t object, const std::string& path, const std::string& name, double value) {
  write_attribute(object, path, name, H5T_NATIVE_DOUBLE, &value);
}

void h5_attribute(hid_t object, const std::string& path, const std::string& name, std::int64_t value) {
  write_attribute(object, path, name, H5T_NATIVE_INT64, &value);
}

void h5_attribute(hid_t object, const std::string& path, const std::string& name, const std::string& text) {
  const H5Id type = text_type(text.size());
  write_attribute(object, path, name, type.get(), text.c_str());
}

bool h5_has(hid_t where, const std::string& name) { return H5Lexists(where, name.c_str(), H5P_DEFAULT) > 0; }

bool h5_has_attribute(hid_t object, const std::string& name) { return H5Aexists(object, name.c_str()) > 0; }

double h5_read_real_attribute(hid_t object, const std::string& path, const std::string& name) {
  return read_attribute<double>(object, path, name, H5T_NATIVE_DOUBLE);
}

std::int64_t h5_read_integer_attribute(hid_t object, const std::string& path, const std::string& name) {
  return read_attribute<std::int64_t>(object, path, name, H5T_NATIVE_INT64);
}

std::vector<std::string> h5_names(hid_t group, const std::string& path) {
  std::vector<std::string> names;
  const auto add = [](hid_t, const char* name, const H5L_info_t*, void* out) -> herr_t {
    static_cast<std::vector<std::string>*>(out)->emplace_back(name);
    return 0;
  };
  h5_check(H5Literate(group, H5_INDEX_NAME, H5_ITER_INC, nullptr, add, &names), path, "list the contents");
  std::sort(names.begin(), names.end());
  return names;
}

std::vector<hsize_t> h5_shape(hid_t dataset, const std::string& path, const std::string& name) {
  H5Id space(h5_check(H5Dget_space(dataset), path, "read the shape of " + name));
  const int rank = H5Sget_simple_extent_ndims(space.get());
  if (rank < 0) throw IoError(path + ": cannot read the shape of " + name);
  std::vector<hsize_t> shape(static_cast<std::size_t>(rank));
  H5Sget_simple_extent_dims(space.get(), shape.data(), nullptr);
  return shape;
}

std::vector<double> h5_read_reals(hid_t where, const std::string& path, const std::string& name) {
  return read_dataset<double>(where, path, name, H5T_NATIVE_DOUBLE);
}

std::vector<std::int64_t> h5_read_integers(hid_t where, const std::string& path, const std::string& name) {
  return read_dataset<std::int64_t>(where, path, name, H5T_NATIVE_INT64);
}

std::string h5_read_text(hid_t where, const std::string& path, const std::string& name) {
  H5Id dataset(h5_check(H5Dopen2(where, name.c_str(), H5P_DEFAULT), path, "open " + name));
  H5Id type(h5_check(H5Dget_type(dataset.get()), path, "read " + name));
  if (H5Tget_class(type.get()) != H5T_STRING || H5Tis_variable_str(type.get()) > 0) throw IoError(path + ": " + name + " is no text");
  std::string text(H5Tget_size(type.get()), '\0');
  h5_check(H5Dread(dataset.get(), type.get(), H5S_ALL, H5S_ALL, H5P_DEFAULT, text.data()), path, "read " + name);
  text.resize(std::min(text.size(), text.find('\0')));
  return text;
}

}  // namespace wasserflow
