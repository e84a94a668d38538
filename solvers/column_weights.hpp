#pragma once
/// The small least-squares problem of Anderson's acceleration.
#include <vector>

namespace wasserflow {

/// Weights gamma that minimise |z - sum over j of gamma_j d_j| from inner products of the columns d_j, which stand in `memory` slots in the order of
/// their age: by Cholesky's factorisation of their Gram matrix, scaled to unit diagonal, from the newest to the oldest. A column that is nearly a
/// combination of newer ones is left out: one at whose angle to them the squared sine is at most `smallest`.
class ColumnWeights {
 public:
  ColumnWeights() = default;
  ColumnWeights(int memory, double smallest);

  /// gram[i * memory + j] = <d_i, d_j> and right[i] = <d_i, z>, by slots; the `kept` slots up to `newest` are in use.
  void solve(const std::vector<double>& gram, const std::vector<double>& right, int kept, int newest);

  const std::vector<int>& slots() const { return slots_; }         ///< in use, from the newest to the oldest
  const std::vector<double>& weights() const { return weights_; }  ///< gamma of slots()[i] at i
  void clear() { slots_.clear(); }

 private:
  double& factor(int i, int j) { return factor_[static_cast<std::size_t>(i * memory_ + j)]; }

  int memory_ = 0;
  double smallest_ = 0;
  std::vector<int> slots_;
  std::vector<double> weights_, factor_;
};

}  // namespace wasserflow
