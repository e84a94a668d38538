#include "problems/grid_values.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <functional>

#include "grids/io/hdf5.hpp"
#include "grids/support/parameters.hpp"

namespace wasserflow {
namespace {

constexpr int margin = 3;

/// " (it has: ...)": the datasets at the top of the file, with the nearest name in front.
std::string contents(hid_t file, const std::string& path, const std::string& dataset) {
  const std::vector<std::string> names = h5_names(file, path);
  const std::string hint = nearest(dataset.starts_with('/') ? dataset.substr(1) : dataset, names);
  return (hint.empty() ? "" : "; did you mean '" + hint + "'?") +
         (names.empty() ? " (it is empty)" : fmt::format(" (it has: {})", fmt::join(names, ", ")));
}

int wrapped(std::ptrdiff_t i, int n) { return static_cast<int>(((i % n) + n) % n); }

}  // namespace

GridValues::GridValues(const std::string& path, const std::string& name, const SlabLayout& layout, const Location& where, bool thinned)
    : grid_(layout.grid()), first_(layout.first()), count_(layout.count()), plane_(layout.plane()) {
  const Axis& slow = grid_.axis(layout.slow_axis());
  const bool periodic = slow.boundary == Boundary::Periodic;
  low_ = periodic ? first_ - margin : std::max(0, first_ - margin);
  high_ = periodic ? first_ + count_ + margin : std::min(slow.cells, first_ + count_ + margin);
  const auto fail = [&](const std::string& message) { throw InputError(message, where); };
  const H5Quiet quiet;
  if (!std::filesystem::exists(path)) fail("there is no file " + path);
  H5Id file;
  try {
    file = h5_open(path);
  } catch (const IoError&) {
    fail(path + " is not an HDF5 file that can be read");
  }
  const H5Id dataset(H5Dopen2(file.get(), name.c_str(), H5P_DEFAULT));
  if (dataset.get() < 0) fail("there is no dataset '" + name + "' in " + path + contents(file.get(), path, name));
  const H5Id type(H5Dget_type(dataset.get()));
  if (const H5T_class_t c = H5Tget_class(type.get()); c != H5T_FLOAT && c != H5T_INTEGER)
    fail("dataset '" + name + "' of " + path + " does not hold numbers");

  const H5Id space(H5Dget_space(dataset.get()));
  const int rank = H5Sget_simple_extent_ndims(space.get()), dim = grid_.dim();
  std::vector<hsize_t> shape(static_cast<std::size_t>(std::max(rank, 0)));
  if (rank > 0) H5Sget_simple_extent_dims(space.get(), shape.data(), nullptr);
  std::vector<hsize_t> wanted;  // z y x
  for (int d = dim - 1; d >= 0; --d) wanted.push_back(static_cast<hsize_t>(grid_.cells(d)));
  std::vector<hsize_t> padded(static_cast<std::size_t>(std::max(rank - dim, 0)), 1);
  padded.insert(padded.end(), wanted.begin(), wanted.end());
  const bool smaller = thinned && std::ranges::equal(padded, shape, std::less_equal());
  if (rank > 3 || !(smaller || shape == padded))
    fail(fmt::format("dataset '{}' of {} has shape ({}), the grid has ({}) (z y x)", name, path, fmt::join(shape, ", "), fmt::join(wanted, ", ")));

  values_.assign(static_cast<std::size_t>(high_ - low_) * static_cast<std::size_t>(plane_), 0.0);
  std::vector<hsize_t> start(shape.size(), 0), stride(shape.size(), 1), count = padded;
  for (std::size_t i = 0; i < shape.size(); ++i) stride[i] = shape[i] / padded[i];
  const auto at = static_cast<std::size_t>(rank - dim);
  // Planes that follow each other in the file at once.
  for (int begin = low_; begin < high_;) {
    const int from = wrapped(begin, slow.cells), length = std::min(high_ - begin, slow.cells - from);
    start[at] = static_cast<hsize_t>(from) * stride[at];
    count[at] = static_cast<hsize_t>(length);
    const H5Id memory(H5Screate_simple(rank, count.data(), nullptr));
    if (H5Sselect_hyperslab(space.get(), H5S_SELECT_SET, start.data(), stride.data(), count.data(), nullptr) < 0 ||
        H5Dread(dataset.get(), H5T_NATIVE_DOUBLE, memory.get(), space.get(), H5P_DEFAULT, values_.data() + (begin - low_) * plane_) < 0)
      throw IoError("dataset '" + name + "' of " + path + " could not be read");
    begin += length;
  }
  if (!std::ranges::all_of(values_, [](double v) { return std::isfinite(v); }))
    fail("dataset '" + name + "' of " + path + " has values that are not finite");
}

const double* GridValues::owned() const { return values_.data() + (first_ - low_) * plane_; }
std::ptrdiff_t GridValues::owned_count() const { return count_ * plane_; }

GridValues::Stencil GridValues::stencil(int d, double coordinate, bool derivative) const {
  const Axis& axis = grid_.axis(d);
  // Nodes and midpoints to the bit, whatever the rounding of coordinates.
  double u = (coordinate - axis.lower) / axis.spacing() - axis.offset;
  if (const double half = std::round(2 * u) / 2; std::fabs(u - half) < 1e-9) u = half;
  if (axis.boundary != Boundary::Periodic && (u < -1.5 || u > axis.cells + 0.5))
    throw InternalError("values on a grid were asked for outside of its box");
  const bool node = u == std::floor(u), periodic = axis.boundary == Boundary::Periodic;
  Stencil s;
  s.first = static_cast<std::ptrdiff_t>(std::floor(u));
  if (derivative || !node) {
    const int wish = node ? 5 : 4;
    s.count = periodic ? wish : std::min(wish, axis.cells);
    s.first -= node ? 2 : 1;
    if (!periodic) s.first = std::clamp<std::ptrdiff_t>(s.first, 0, axis.cells - s.count);
    const double x = u - static_cast<double>(s.first);
    for (int j = 0; j < s.count; ++j) {
      double product = derivative ? 0 : 1;
      for (int l = 0; l < s.count; ++l) {
        if (l == j) continue;
        if (!derivative) {
          product *= (x - l) / (j - l);
          continue;
        }
        double term = 1.0 / (j - l);
        for (int m = 0; m < s.count; ++m)
          if (m != j && m != l) term *= (x - m) / (j - m);
        product += term;
      }
      s.weight[static_cast<std::size_t>(j)] = derivative ? product / axis.spacing() : product;
    }
  } else if (!periodic) {
    s.first = std::clamp<std::ptrdiff_t>(s.first, 0, axis.cells - 1);
  }
  if (d == grid_.dim() - 1) {  // planes are numbered as they stand here
    if (periodic && s.first < low_) s.first += axis.cells;
    if (periodic && s.first + s.count > high_) s.first -= axis.cells;
    if (s.first < low_ || s.first + s.count > high_) throw InternalError("values on a grid are known near this rank's part of it only");
    s.first -= low_;
  }
  return s;
}

void GridValues::combine(const RowPoints& p, int derivative, double* out) const {
  const int dim = grid_.dim(), nx = grid_.cells(0);
  if (derivative < 0 && p.offset >= 0) {
    if (p.offset + p.n > owned_count()) throw InternalError("values on a grid were asked for at points of another one");
    std::copy_n(owned() + p.offset, p.n, out);
    return;
  }
  const double* line = values_.data();
  if (dim > 1) {
    const Stencil y = stencil(1, p.y, derivative == 1), z = dim > 2 ? stencil(2, p.z, derivative == 2) : Stencil{};
    line_.assign(static_cast<std::size_t>(nx), 0.0);
    for (int k = 0; k < z.count; ++k)
      for (int j = 0; j < y.count; ++j) {
        const std::ptrdiff_t row = dim == 2 ? y.first + j : (z.first + k) * grid_.cells(1) + wrapped(y.first + j, grid_.cells(1));
        const double weight = y.weight[static_cast<std::size_t>(j)] * z.weight[static_cast<std::size_t>(k)];
        const double* from = values_.data() + row * nx;
        for (int i = 0; i < nx; ++i) line_[static_cast<std::size_t>(i)] += weight * from[i];
      }
    line = line_.data();
  }
  for (int i = 0; i < p.n; ++i) {
    const Stencil x = stencil(0, p.x[i], derivative == 0);
    double value = 0;
    for (int j = 0; j < x.count; ++j) {
      const std::ptrdiff_t at = dim == 1 ? x.first + j : wrapped(x.first + j, nx);
      value += x.weight[static_cast<std::size_t>(j)] * line[at];
    }
    out[i] = value;
  }
}

}  // namespace wasserflow
