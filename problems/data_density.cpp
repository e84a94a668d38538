#include "problems/data_density.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <utility>

namespace wasserflow {

namespace {

class DensityFunction final : public Function {
 public:
  explicit DensityFunction(DataDensityPtr data) : data_(std::move(data)), moved_(data_->moved(1, 0)) {}
  void evaluate(const RowPoints& p, double* out) const override {
    moved_->evaluate(p, out, nullptr);
    std::transform(out, out + p.n, out, [](double l) { return std::exp(l); });
  }
  bool depends_on_time() const override { return false; }
  const DataDensityPtr& data() const { return data_; }

 private:
  DataDensityPtr data_;
  std::shared_ptr<const MovedDensity> moved_;
};

/// A data density and a process, with what was prepared for the last time.
class Motion {
 public:
  struct Moment {
    double t, alpha, variance;
    std::shared_ptr<const MovedDensity> density;
  };
  Motion(DataDensityPtr data, const DiffusionProcess& process) : data_(std::move(data)), process_(process) {}

  std::shared_ptr<const Moment> at(double t) const {
    std::shared_ptr<const Moment> last = last_.load();
    if (last && last->t == t) return last;
    const double alpha = process_.alpha(t), variance = process_.variance(t);
    last = std::make_shared<const Moment>(t, alpha, variance, data_->moved(alpha, variance));
    last_.store(last);
    return last;
  }

 private:
  DataDensityPtr data_;
  DiffusionProcess process_;
  mutable std::atomic<std::shared_ptr<const Moment>> last_;
};

enum class Quantity { Density, LogDensity, Score, PosteriorMean };

class MovedFunction final : public Function {
 public:
  MovedFunction(std::shared_ptr<const Motion> motion, Quantity quantity, int axis = 0)
      : motion_(std::move(motion)), quantity_(quantity), axis_(axis) {}

  void evaluate(const RowPoints& p, double* out) const override {
    const auto moment = motion_->at(p.t);
    if (quantity_ == Quantity::Density || quantity_ == Quantity::LogDensity) {
      moment->density->evaluate(p, out, nullptr);
      if (quantity_ == Quantity::Density) std::transform(out, out + p.n, out, [](double l) { return std::exp(l); });
      return;
    }
    double* score[3]{};
    score[axis_] = out;
    moment->density->evaluate(p, nullptr, score);
    if (quantity_ == Quantity::Score) return;
    for (int i = 0; i < p.n; ++i) {
      const double x = axis_ == 0 ? p.x[i] : axis_ == 1 ? p.y : p.z;
      out[i] = (x + moment->variance * out[i]) / moment->alpha;
    }
  }
  bool depends_on_time() const override { return true; }

 private:
  std::shared_ptr<const Motion> motion_;
  Quantity quantity_;
  int axis_;
};

}  // namespace

FunctionPtr density_function(DataDensityPtr data) { return std::make_shared<DensityFunction>(std::move(data)); }

DataDensityPtr data_of(const FunctionPtr& density) {
  const auto f = std::dynamic_pointer_cast<DensityFunction>(density);
  return f ? f->data() : nullptr;
}

MovedFunctions moved_functions(DataDensityPtr data, const DiffusionProcess& process) {
  const int dim = data->dim();
  const auto motion = std::make_shared<const Motion>(std::move(data), process);
  MovedFunctions f;
  f.density = std::make_shared<MovedFunction>(motion, Quantity::Density);
  f.log_density = std::make_shared<MovedFunction>(motion, Quantity::LogDensity);
  for (int d = 0; d < dim; ++d) {
    f.score.push_back(std::make_shared<MovedFunction>(motion, Quantity::Score, d));
    f.posterior_mean.push_back(std::make_shared<MovedFunction>(motion, Quantity::PosteriorMean, d));
  }
  return f;
}

}  // namespace wasserflow
