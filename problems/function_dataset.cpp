#include <hdf5.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <functional>

#include "problems/function.hpp"

namespace wasserflow {

namespace {

/// Closes an HDF5 object when it goes out of scope.
class Handle {
 public:
  Handle(hid_t id, herr_t (*close)(hid_t)) : id_(id), close_(close) {}
  ~Handle() {
    if (id_ >= 0) close_(id_);
  }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  operator hid_t() const { return id_; }

 private:
  hid_t id_;
  herr_t (*close_)(hid_t);
};

/// Keeps HDF5 from printing its error stack: the errors here carry their own message.
class QuietHdf5 {
 public:
  QuietHdf5() {
    H5Eget_auto2(H5E_DEFAULT, &print_, &data_);
    H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
  }
  ~QuietHdf5() { H5Eset_auto2(H5E_DEFAULT, print_, data_); }
  QuietHdf5(const QuietHdf5&) = delete;
  QuietHdf5& operator=(const QuietHdf5&) = delete;

 private:
  H5E_auto2_t print_ = nullptr;
  void* data_ = nullptr;
};

std::string shape_text(const std::vector<hsize_t>& shape) {
  std::string s = "(";
  for (std::size_t i = 0; i < shape.size(); ++i) s += (i ? ", " : "") + std::to_string(shape[i]);
  return s + ")";
}

class Dataset : public Function {
 public:
  Dataset(std::string file, std::string dataset, Location where, bool thinned)
      : file_(std::move(file)), dataset_(std::move(dataset)), where_(std::move(where)), thinned_(thinned) {}

  void evaluate(const RowPoints& p, double* out) const override {
    if (p.offset < 0 || p.offset + p.n > static_cast<std::ptrdiff_t>(values_.size()))
      throw InternalError("dataset '" + dataset_ + "' of " + file_ + " is known at the points of the grid it was bound to only");
    std::copy_n(values_.data() + p.offset, p.n, out);
  }
  bool depends_on_time() const override { return false; }
  std::string text() const override { return "{ file = '" + file_ + "', dataset = '" + dataset_ + "' }"; }
  void bind(const SlabLayout& layout) override {
    check_all(layout.comm(), [&] { read(layout); });
  }

 private:
  [[noreturn]] void fail(const std::string& message) const { throw InputError(message, where_); }

  /// This rank's slab, by the serial driver: every rank reads for itself.
  void read(const SlabLayout& layout) {
    const QuietHdf5 quiet;
    if (!std::filesystem::exists(file_)) fail("there is no file " + file_);
    const Handle access(H5Pcreate(H5P_FILE_ACCESS), H5Pclose);
    H5Pset_file_locking(access, false, true);  // some parallel file systems have no locks; nobody writes here
    const Handle file(H5Fopen(file_.c_str(), H5F_ACC_RDONLY, access), H5Fclose);
    if (file < 0) fail(file_ + " is not an HDF5 file that can be read");
    const Handle dataset(H5Dopen2(file, dataset_.c_str(), H5P_DEFAULT), H5Dclose);
    if (dataset < 0) fail("there is no dataset '" + dataset_ + "' in " + file_ + contents(file));
    const Handle type(H5Dget_type(dataset), H5Tclose);
    if (const H5T_class_t c = H5Tget_class(type); c != H5T_FLOAT && c != H5T_INTEGER)
      fail("dataset '" + dataset_ + "' of " + file_ + " does not hold numbers");

    const Handle space(H5Dget_space(dataset), H5Sclose);
    const int rank = H5Sget_simple_extent_ndims(space), dim = layout.dim();
    std::vector<hsize_t> shape(static_cast<std::size_t>(std::max(rank, 0)));
    if (rank > 0) H5Sget_simple_extent_dims(space, shape.data(), nullptr);
    std::vector<hsize_t> wanted;  // z y x
    for (int d = dim - 1; d >= 0; --d) wanted.push_back(static_cast<hsize_t>(layout.grid().cells(d)));
    std::vector<hsize_t> padded(static_cast<std::size_t>(std::max(rank - dim, 0)), 1);
    padded.insert(padded.end(), wanted.begin(), wanted.end());
    const bool smaller = thinned_ && std::ranges::equal(padded, shape, std::less_equal());
    if (rank > 3 || !(smaller || shape == padded))
      fail("dataset '" + dataset_ + "' of " + file_ + " has shape " + shape_text(shape) + ", the grid has " + shape_text(wanted) + " (z y x)");

    std::vector<hsize_t> start(shape.size(), 0), stride(shape.size(), 1), count = padded;
    for (std::size_t i = 0; i < shape.size(); ++i) stride[i] = shape[i] / padded[i];
    const std::size_t slow = static_cast<std::size_t>(rank - dim);
    start[slow] = static_cast<hsize_t>(layout.first()) * stride[slow];
    count[slow] = static_cast<hsize_t>(layout.count());
    const Handle memory(H5Screate_simple(rank, count.data(), nullptr), H5Sclose);
    values_.assign(static_cast<std::size_t>(layout.owned()), 0.0);
    if (H5Sselect_hyperslab(space, H5S_SELECT_SET, start.data(), stride.data(), count.data(), nullptr) < 0 ||
        H5Dread(dataset, H5T_NATIVE_DOUBLE, memory, space, H5P_DEFAULT, values_.data()) < 0)
      throw IoError("dataset '" + dataset_ + "' of " + file_ + " could not be read");
    if (!std::all_of(values_.begin(), values_.end(), [](double v) { return std::isfinite(v); }))
      fail("dataset '" + dataset_ + "' of " + file_ + " has values that are not finite");
  }

  /// " (it has: ...)": the datasets at the top of the file, with the nearest name in front.
  std::string contents(hid_t file) const {
    std::vector<std::string> names;
    H5Literate(
        file, H5_INDEX_NAME, H5_ITER_INC, nullptr,
        [](hid_t, const char* name, const H5L_info_t*, void* list) -> herr_t {
          static_cast<std::vector<std::string>*>(list)->emplace_back(name);
          return 0;
        },
        &names);
    std::string all;
    for (const std::string& n : names) all += (all.empty() ? "" : ", ") + n;
    const std::string hint = nearest(dataset_.substr(dataset_.starts_with('/') ? 1 : 0), names);
    return (hint.empty() ? "" : "; did you mean '" + hint + "'?") + (all.empty() ? " (it is empty)" : " (it has: " + all + ")");
  }

  std::string file_, dataset_;
  Location where_;
  bool thinned_;
  std::vector<double> values_;  ///< at the owned points of the layout it was bound to
};

}  // namespace

FunctionPtr make_dataset(const std::string& file, const std::string& dataset, Location where, bool thinned) {
  return std::make_shared<Dataset>(file, dataset, std::move(where), thinned);
}

}  // namespace wasserflow
