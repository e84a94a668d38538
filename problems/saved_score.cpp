#include "problems/saved_score.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <list>

#include "grids/io/field_file.hpp"
#include "grids/reduce.hpp"
#include "problems/grid_values.hpp"

namespace wasserflow {
namespace {

constexpr std::size_t held = 6, nearest_files = 4;

struct SavedFile {
  std::string path;
  double time = 0;
};

std::string name_of(const SavedScoreSource& source, int axis) { return source.density ? "rho" : std::string("score_") + "xyz"[axis]; }

std::vector<SavedFile> find_files(const SavedScoreSource& source, int dim) {
  const auto fail = [&](const std::string& message) { throw InputError(message, source.where); };
  std::vector<SavedFile> files;
  if (!std::filesystem::is_directory(source.path)) {
    if (!std::filesystem::exists(source.path)) fail("there is no run or file " + source.path);
    files.push_back({source.path, std::numeric_limits<double>::quiet_NaN()});
  } else {
    const std::filesystem::path folder = std::filesystem::path(source.path) / "fields";
    if (std::filesystem::is_directory(folder))
      for (const auto& entry : std::filesystem::directory_iterator(folder))
        if (entry.path().extension() == ".h5") files.push_back({entry.path().string(), 0});
    if (files.empty()) fail(source.path + " is no run directory with saved fields (fields/*.h5)");
  }
  for (SavedFile& file : files) {
    try {
      const FieldFile fields(file.path);
      for (int d = 0; d < (source.density ? 1 : dim); ++d)
        if (const std::string name = name_of(source, d); !fields.has(name)) fail(file.path + " has no field '" + name + "'");
      if (!std::isnan(file.time)) {
        if (!fields.time()) fail(file.path + " does not tell its time");
        file.time = *fields.time();
      }
    } catch (const IoError& e) {
      fail(e.what());
    }
  }
  std::ranges::sort(files, {}, &SavedFile::time);
  return files;
}

bool same_grid(const Grid& a, const Grid& b) {
  const auto same = [](const Axis& s, const Axis& t) {
    return s.lower == t.lower && s.upper == t.upper && s.cells == t.cells && s.boundary == t.boundary && s.offset == t.offset;
  };
  return std::ranges::equal(a.axes(), b.axes(), same);
}

/// The files of a run with what was read of them last, for all components.
class SavedSeries {
 public:
  SavedSeries(SavedScoreSource source, int dim) : source_(std::move(source)), dim_(dim), files_(find_files(source_, dim)) {}
  bool timed() const { return files_.size() > 1; }

  void bind(const SlabLayout& layout) {
    if (layout_ && layout_->first() == layout.first() && layout_->count() == layout.count() && same_grid(layout_->grid(), layout.grid())) return;
    loaded_.clear();
    layout_ = nullptr;
    double largest = 0;
    check_all(layout.comm(), [&] {
      check_box(layout.grid());
      layout_ = std::make_unique<SlabLayout>(layout);
      const GridValues values(files_.front().path, name_of(source_, 0), layout, source_.where, source_.thinned);
      for (std::ptrdiff_t i = 0; i < values.owned_count(); ++i) largest = std::max(largest, values.owned()[i]);
    });
    least_ = source_.floor * global_max(layout.comm(), largest);
    if (source_.density && !(least_ > 0)) throw InputError(files_.front().path + ": the density is not positive anywhere", source_.where);
  }

  void evaluate(int axis, const RowPoints& p, double* out) {
    if (!layout_) throw InternalError("a saved score is known on the grid it is bound to only");
    double t = p.t;
    const std::size_t n = files_.size(), count = std::min(n, nearest_files);
    std::size_t first = 0;
    if (timed()) {
      t = std::clamp(t, files_.front().time, files_.back().time);
      const auto above = static_cast<std::size_t>(std::ranges::lower_bound(files_, t, {}, &SavedFile::time) - files_.begin());
      first = std::min(above < count / 2 ? 0 : above - count / 2, n - count);
    }
    std::fill_n(out, p.n, 0.0);
    part_.resize(static_cast<std::size_t>(p.n));
    for (std::size_t j = 0; j < count; ++j) {
      double weight = 1;
      for (std::size_t l = 0; l < count; ++l)
        if (l != j) weight *= (t - files_[first + l].time) / (files_[first + j].time - files_[first + l].time);
      if (weight == 0) continue;
      const std::vector<GridValues>& values = load(first + j);
      if (source_.density)
        values[0].derivative(p, axis, part_.data());
      else
        values[static_cast<std::size_t>(axis)].evaluate(p, part_.data());
      for (int i = 0; i < p.n; ++i) out[i] += weight * part_[static_cast<std::size_t>(i)];
    }
  }

 private:
  struct Loaded {
    std::size_t file;
    std::vector<GridValues> values;  // log rho, or one an axis
  };

  const std::vector<GridValues>& load(std::size_t file) {
    const auto found = std::ranges::find(loaded_, file, &Loaded::file);
    if (found != loaded_.end()) {
      loaded_.splice(loaded_.begin(), loaded_, found);
      return loaded_.front().values;
    }
    if (loaded_.size() == held) loaded_.pop_back();
    Loaded next{file, {}};
    for (int d = 0; d < (source_.density ? 1 : dim_); ++d) {
      next.values.emplace_back(files_[file].path, name_of(source_, d), *layout_, source_.where, source_.thinned);
      if (source_.density)
        for (double& v : next.values.back().all()) v = std::log(std::max(v, 0.0) + least_);
    }
    loaded_.push_front(std::move(next));
    return loaded_.front().values;
  }

  void check_box(const Grid& grid) const {
    const std::string& path = files_.front().path;
    const H5Id file = h5_open(path);
    for (int d = 0; d < grid.dim(); ++d) {
      const H5Id axis(H5Dopen2(file.get(), std::string(1, "xyz"[d]).c_str(), H5P_DEFAULT));
      if (axis.get() < 0) continue;
      const double lower = h5_read_real_attribute(axis.get(), path, "lower"), upper = h5_read_real_attribute(axis.get(), path, "upper");
      const double far = 1e-9 * grid.axis(d).length();
      if (std::fabs(lower - grid.axis(d).lower) > far || std::fabs(upper - grid.axis(d).upper) > far)
        throw InputError(fmt::format("{} was saved on [{:g}, {:g}] along {}, the grid is [{:g}, {:g}]", path, lower, upper, "xyz"[d],
                                     grid.axis(d).lower, grid.axis(d).upper),
                         source_.where);
    }
  }

  SavedScoreSource source_;
  int dim_;
  std::vector<SavedFile> files_;
  std::unique_ptr<SlabLayout> layout_;
  double least_ = 0;
  std::list<Loaded> loaded_;
  std::vector<double> part_;
};

class SavedScore final : public Function {
 public:
  SavedScore(std::shared_ptr<SavedSeries> series, int axis) : series_(std::move(series)), axis_(axis) {}
  void evaluate(const RowPoints& p, double* out) const override { series_->evaluate(axis_, p, out); }
  bool on_nodes() const override { return true; }
  bool depends_on_time() const override { return series_->timed(); }
  void bind(const SlabLayout& layout) override { series_->bind(layout); }

 private:
  std::shared_ptr<SavedSeries> series_;
  int axis_;
};

}  // namespace

std::vector<double> saved_times(const SavedScoreSource& source, int dim) {
  std::vector<double> times;
  for (const SavedFile& file : find_files(source, dim)) times.push_back(file.time);
  return times;
}

std::vector<FunctionPtr> saved_score(const SavedScoreSource& source, int dim) {
  const auto series = std::make_shared<SavedSeries>(source, dim);
  std::vector<FunctionPtr> all;
  for (int d = 0; d < dim; ++d) all.push_back(std::make_shared<SavedScore>(series, d));
  return all;
}

}  // namespace wasserflow
