#include "solvers/column_weights.hpp"

#include <cmath>

namespace wasserflow {

ColumnWeights::ColumnWeights(int memory, double smallest) : memory_(memory), smallest_(smallest) {
  const auto m = static_cast<std::size_t>(memory);
  slots_.reserve(m);
  weights_.assign(m, 0);
  factor_.assign(m * m, 0);
}

void ColumnWeights::solve(const std::vector<double>& gram, const std::vector<double>& right, int kept, int newest) {
  const auto product = [&](int i, int j) { return gram[static_cast<std::size_t>(i * memory_ + j)]; };
  slots_.clear();
  std::vector<double>& x = weights_;  // the right side becomes the solution in place
  for (int age = 0; age < kept; ++age) {
    const int slot = (newest - age + memory_) % memory_, i = static_cast<int>(slots_.size());
    const double scale = std::sqrt(product(slot, slot));
    if (!(scale > 0)) continue;
    double pivot = 1, b = right[static_cast<std::size_t>(slot)] / scale;
    for (int j = 0; j < i; ++j) {
      const int other = slots_[static_cast<std::size_t>(j)];
      double v = product(slot, other) / (scale * std::sqrt(product(other, other)));
      for (int k = 0; k < j; ++k) v -= factor(i, k) * factor(j, k);
      factor(i, j) = v / factor(j, j);
      pivot -= factor(i, j) * factor(i, j);
      b -= factor(i, j) * x[static_cast<std::size_t>(j)];
    }
    if (!(pivot > smallest_)) continue;
    factor(i, i) = std::sqrt(pivot);
    x[static_cast<std::size_t>(i)] = b / factor(i, i);
    slots_.push_back(slot);
  }
  for (int i = static_cast<int>(slots_.size()) - 1; i >= 0; --i) {
    double v = x[static_cast<std::size_t>(i)];
    for (int j = i + 1; j < static_cast<int>(slots_.size()); ++j) v -= factor(j, i) * x[static_cast<std::size_t>(j)];
    x[static_cast<std::size_t>(i)] = v / factor(i, i);
  }
  for (std::size_t i = 0; i < slots_.size(); ++i) x[i] /= std::sqrt(product(slots_[i], slots_[i]));
}

}  // namespace wasserflow
