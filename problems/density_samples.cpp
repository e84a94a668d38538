#include <fmt/format.h>

#include <cmath>
#include <filesystem>
#include <numbers>

#include "grids/io/hdf5.hpp"
#include "problems/bound_values.hpp"
#include "problems/density_sources.hpp"

namespace wasserflow {

namespace {

/// A dataset of samples, read in pieces.
class SampleReader {
 public:
  SampleReader(const SampleFile& source, int dim) : source_(source), dim_(static_cast<hsize_t>(dim)) {
    if (!std::filesystem::exists(source.file)) fail("there is no file " + source.file);
    try {
      file_ = h5_open(source.file);
      dataset_ = H5Id(h5_check(H5Dopen2(file_.get(), source.dataset.c_str(), H5P_DEFAULT), source.file, "open dataset '" + source.dataset + "'"));
      shape_ = h5_shape(dataset_.get(), source.file, source.dataset);
    } catch (const IoError& e) {
      fail(e.what());
    }
    const bool right = (shape_.size() == 2 && shape_[1] == dim_) || (shape_.size() == 1 && dim == 1);
    if (!right || shape_[0] == 0)
      fail(fmt::format("dataset '{}' of {} does not hold samples: expected the shape (N, {}){}", source.dataset, source.file, dim,
                       dim == 1 ? " or (N)" : ""));
  }
  std::size_t count() const { return shape_[0]; }

  /// Calls f(sample) for all samples, in order.
  template <class F>
  void each(F&& f) {
    constexpr hsize_t most = 65536;
    std::vector<double> piece;
    const H5Id space(H5Dget_space(dataset_.get()));
    for (hsize_t begin = 0; begin < shape_[0]; begin += most) {
      std::vector<hsize_t> start(shape_.size(), 0), number = shape_;
      start[0] = begin;
      number[0] = std::min(most, shape_[0] - begin);
      piece.resize(number[0] * dim_);
      const H5Id memory(H5Screate_simple(static_cast<int>(number.size()), number.data(), nullptr));
      H5Sselect_hyperslab(space.get(), H5S_SELECT_SET, start.data(), nullptr, number.data(), nullptr);
      if (H5Dread(dataset_.get(), H5T_NATIVE_DOUBLE, memory.get(), space.get(), H5P_DEFAULT, piece.data()) < 0)
        fail("dataset '" + source_.dataset + "' of " + source_.file + " could not be read as numbers");
      if (!std::all_of(piece.begin(), piece.end(), [](double v) { return std::isfinite(v); }))
        fail("dataset '" + source_.dataset + "' of " + source_.file + " has values that are not finite");
      for (hsize_t i = 0; i < number[0]; ++i) f(piece.data() + i * dim_);
    }
  }
  [[noreturn]] void fail(const std::string& message) const { throw InputError(message, source_.where); }

 private:
  H5Quiet quiet_;
  const SampleFile& source_;
  hsize_t dim_;
  H5Id file_, dataset_;
  std::vector<hsize_t> shape_;
};

/// Cell of the index, which may lie beyond the ends; -1: nowhere.
int cell_at(const Axis& axis, int i) {
  const int n = axis.cells;
  if (i >= 0 && i < n) return i;
  if (axis.boundary == Boundary::Periodic) return ((i % n) + n) % n;
  if (axis.boundary != Boundary::NoFlux) return -1;
  const int j = ((i % (2 * n)) + 2 * n) % (2 * n);
  return j < n ? j : 2 * n - 1 - j;
}

/// Averages of a kernel over the cells of an axis.
class AxisKernel {
 public:
  AxisKernel(const Axis& axis, double bandwidth) : axis_(axis), bandwidth_(bandwidth), weights_(static_cast<std::size_t>(axis.cells), 0.0) {}

  void place(double centre) {
    std::fill(weights_.begin() + from_, weights_.begin() + until_, 0.0);
    from_ = axis_.cells;
    until_ = 0;
    constexpr double reach = 8.5;  // deviations; beyond them the Gaussian is below 1e-16
    const double h = axis_.spacing(), edge = axis_.lower + (axis_.offset - 0.5) * h;
    const int first = static_cast<int>(std::floor((centre - reach * bandwidth_ - edge) / h));
    const int last = static_cast<int>(std::floor((centre + reach * bandwidth_ - edge) / h));
    const double scale = 1 / (std::numbers::sqrt2 * bandwidth_);
    double below = std::erf((edge + first * h - centre) * scale);
    for (int i = first; i <= last; ++i) {
      const double above = std::erf((edge + (i + 1) * h - centre) * scale);
      if (const int cell = cell_at(axis_, i); cell >= 0) {
        weights_[static_cast<std::size_t>(cell)] += (above - below) / (2 * h);
        from_ = std::min(from_, cell);
        until_ = std::max(until_, cell + 1);
      }
      below = above;
    }
    from_ = std::min(from_, until_);
  }
  int from() const { return from_; }
  int until() const { return until_; }
  const double* weights() const { return weights_.data(); }

 private:
  Axis axis_;
  double bandwidth_;
  std::vector<double> weights_;
  int from_ = 0, until_ = 0;  ///< cells that may not be 0
};

class Samples final : public BoundValues {
 public:
  explicit Samples(SampleFile source) : source_(std::move(source)) {}
  void bind(const SlabLayout& layout) override {
    check_all(layout.comm(), [&] {
      SampleReader samples(source_, layout.dim());
      values_.assign(static_cast<std::size_t>(layout.owned()), 0.0);
      if (source_.histogram)
        count(samples, layout);
      else
        spread(samples, layout);
    });
  }

 private:
  void count(SampleReader& samples, const SlabLayout& layout) {
    const Grid& grid = layout.grid();
    const int dim = grid.dim();
    samples.each([&](const double* x) {
      std::ptrdiff_t index = 0;
      for (int d = dim - 1; d >= 0; --d) {
        const Axis& axis = grid.axis(d);
        const double place = (x[d] - axis.lower) / axis.spacing() - axis.offset + 0.5;
        if (!(std::fabs(place) < 1e9)) return;
        int i = static_cast<int>(std::floor(place));
        if (axis.boundary != Boundary::Periodic && x[d] == axis.upper) i = axis.cells - 1;
        if (axis.boundary == Boundary::Periodic) i = cell_at(axis, i);
        if (i < 0 || i >= axis.cells) return;
        index = d == dim - 1 ? i - layout.first() : index * axis.cells + i;
        if (d == dim - 1 && (index < 0 || index >= layout.count())) return;
      }
      values_[static_cast<std::size_t>(index)] += 1;
    });
    for (double& v : values_) v /= static_cast<double>(samples.count()) * grid.cell_volume();
  }

  void spread(SampleReader& samples, const SlabLayout& layout) {
    const Grid& grid = layout.grid();
    const int dim = grid.dim();
    const std::vector<double> bandwidth = source_.bandwidth.empty() ? silverman(samples, dim) : source_.bandwidth;
    std::vector<AxisKernel> kernels;
    for (int d = 0; d < dim; ++d) kernels.emplace_back(grid.axis(d), bandwidth[static_cast<std::size_t>(d)]);
    const std::ptrdiff_t nx = grid.cells(0), ny = grid.cells(1);
    const double share = 1 / static_cast<double>(samples.count());
    struct Cells {
      int from, until;
    };
    samples.each([&](const double* x) {
      Cells cells[3]{{0, 1}, {0, 1}, {0, 1}};
      for (int d = dim - 1; d >= 0; --d) {
        AxisKernel& kernel = kernels[static_cast<std::size_t>(d)];
        kernel.place(x[d]);
        cells[d] = {kernel.from(), kernel.until()};
        if (d == dim - 1) cells[d] = {std::max(kernel.from(), layout.first()), std::min(kernel.until(), layout.first() + layout.count())};
        if (cells[d].from >= cells[d].until) return;
      }
      int shift[3]{};
      shift[dim - 1] = layout.first();
      const double* wx = kernels[0].weights();
      for (int k = cells[2].from; k < cells[2].until; ++k)
        for (int j = cells[1].from; j < cells[1].until; ++j) {
          const double c = share * (dim > 1 ? kernels[1].weights()[j] : 1.0) * (dim > 2 ? kernels[2].weights()[k] : 1.0);
          double* row = values_.data() + nx * ((j - shift[1]) + ny * (k - shift[2])) - shift[0];
          for (int i = cells[0].from; i < cells[0].until; ++i) row[i] += c * wx[i];
        }
    });
  }

  static std::vector<double> silverman(SampleReader& samples, int dim) {
    const double n = static_cast<double>(samples.count());
    std::vector<double> origin, sum(static_cast<std::size_t>(dim), 0.0), square = sum, bandwidth;
    samples.each([&](const double* x) {
      if (origin.empty()) origin.assign(x, x + dim);
      for (std::size_t d = 0; d < origin.size(); ++d) {
        sum[d] += x[d] - origin[d];
        square[d] += (x[d] - origin[d]) * (x[d] - origin[d]);
      }
    });
    for (std::size_t d = 0; d < sum.size(); ++d) {
      const double variance = n > 1 ? (square[d] - sum[d] * sum[d] / n) / (n - 1) : 0;
      if (!(variance > 0)) samples.fail("the samples do not differ along an axis: Silverman's rule gives no bandwidth; state one");
      bandwidth.push_back(std::sqrt(variance) * std::pow(4 / ((dim + 2) * n), 1.0 / (dim + 4)));
    }
    return bandwidth;
  }

  SampleFile source_;
};

}  // namespace

FunctionPtr make_samples(SampleFile source) { return std::make_shared<Samples>(std::move(source)); }

}  // namespace wasserflow
