#pragma once
/// Anderson acceleration of fixed points x = T(x) of several fields, whose memory can be saved and restored.
#include <string>
#include <utility>
#include <vector>

#include "grids/field.hpp"
#include "solvers/column_weights.hpp"

namespace wasserflow {

/// x+ = x + b f - sum over j of gamma_j (dx_j + b df_j), f = T(x) - x, with the differences of the last `memory` iterations and gamma that minimises
/// |f - sum gamma_j df_j| in the norm sum over fields of weight^2 |.|^2 (Walker & Ni 2011, type II). Differences that are nearly combinations of
/// newer ones are left out. The same bits on any number of ranks.
class AndersonMixing {
 public:
  AndersonMixing() = default;
  /// Fields like `like`; no two objects share any.
  AndersonMixing(int memory, const std::vector<const Field*>& like);

  /// x -> x+, with g = T(x), damping b in (0, 1]. @note Collective.
  void step(const std::vector<Field*>& x, const std::vector<const Field*>& g, const std::vector<double>& weight, double damping);
  /// The next step is a plain one.
  void forget() { kept_ = 0, begun_ = false; }

  /// All that a restart needs.
  std::vector<std::pair<std::string, Field*>> state_fields();
  std::vector<double> counters() const { return {static_cast<double>(kept_), static_cast<double>(newest_), begun_ ? 1.0 : 0.0}; }
  void restore(const std::vector<double>& counters);

 private:
  double product(const std::vector<Field>& a, const std::vector<Field>& b, const std::vector<double>& weight) const;
  void fit(const std::vector<double>& weight);

  int memory_ = 0, kept_ = 0, newest_ = 0;  ///< columns that stand, slot of the newest
  bool begun_ = false;                      ///< last_ are x and f of the iteration before
  std::vector<std::vector<Field>> dx_, df_;
  std::vector<Field> last_x_, last_f_;
  ColumnWeights gamma_;
};

}  // namespace wasserflow
