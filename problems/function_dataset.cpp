#include <memory>

#include "problems/function.hpp"
#include "problems/grid_values.hpp"

namespace wasserflow {

namespace {

class Dataset : public Function {
 public:
  Dataset(std::string file, std::string dataset, Location where, bool thinned)
      : file_(std::move(file)), dataset_(std::move(dataset)), where_(std::move(where)), thinned_(thinned) {}

  void evaluate(const RowPoints& p, double* out) const override {
    if (!values_) throw InternalError("dataset '" + dataset_ + "' of " + file_ + " is known on the grid it is bound to only");
    values_->evaluate(p, out);
  }
  bool on_nodes() const override { return true; }
  bool depends_on_time() const override { return false; }
  std::string text() const override { return "{ file = '" + file_ + "', dataset = '" + dataset_ + "' }"; }
  void bind(const SlabLayout& layout) override {
    check_all(layout.comm(), [&] { values_ = std::make_unique<GridValues>(file_, dataset_, layout, where_, thinned_); });
  }

 private:
  std::string file_, dataset_;
  Location where_;
  bool thinned_;
  std::unique_ptr<GridValues> values_;
};

}  // namespace

FunctionPtr make_dataset(const std::string& file, const std::string& dataset, Location where, bool thinned) {
  return std::make_shared<Dataset>(file, dataset, std::move(where), thinned);
}

}  // namespace wasserflow
