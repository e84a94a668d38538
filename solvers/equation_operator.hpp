#pragma once
/// What the operators of all reaction-diffusion equations share: steps and times, potentials and reactions over rows, boxes of admissible values.
#include <functional>
#include <optional>

#include "problems/reaction_diffusion.hpp"
#include "solvers/diffusion_map.hpp"
#include "solvers/evolution_operator.hpp"

namespace wasserflow {

class EquationOperator : public EvolutionOperator {
 public:
  const LayoutPtr& layout() const override { return layout_; }
  int components() const override { return static_cast<int>(equation_.species.size()); }
  std::array<double, 2> domain(int s) const override;

 protected:
  EquationOperator(const ReactionDiffusionEquation& equation, LayoutPtr layout);

  /// Where row r starts and how long it is.
  std::ptrdiff_t offset(int r) const { return static_cast<std::ptrdiff_t>(r) * (layout_->dim() > 1 ? nx_ : SlabLayout::row_limit); }
  int length(int r) const {
    return layout_->dim() > 1 ? nx_ : static_cast<int>(std::min<std::ptrdiff_t>(SlabLayout::row_limit, layout_->owned() - offset(r)));
  }
  /// field(step k, row r) = values that `row(k, r, out)` writes.
  template <class Row>
  void fill_rows(Field& field, int steps, Row&& row) const {
    for (int k = 0; k < steps; ++k)
      for (int r = 0; r < layout_->rows(); ++r) row(k, r, field.level(k) + offset(r));
  }
  double* scratch(int i) const { return scratch_.data() + static_cast<std::ptrdiff_t>(i) * pitch_; }
  void reserve_scratch(int rows);
  /// State and times of prepare, with u's ghosts exchanged; steps_ is their number.
  void take_state(Field& u, std::span<const double> times);
  /// Exchanges the ghosts of the steps of v that belong to the state, and returns their number.
  int take_argument(Field& v) const;

  /// Sum over the grid of rows, the same bits on any number of ranks; row(r, out) writes the terms.
  double total(const std::function<void(int r, double* out)>& row) const;
  /// What stands for W'' in constant-coefficient operators (see make_evolution_operator).
  double curvature(const Potential& potential, Field* state, int level) const;
  bool has_wall() const;  ///< some axis is Dirichlet

  ReactionDiffusionEquation equation_;
  LayoutPtr layout_;
  DiffusionMap::Transform transform_;  // null with differences
  Field* u_ = nullptr;
  std::vector<double> times_;
  int steps_ = 0;

 private:
  int nx_;
  std::ptrdiff_t pitch_;
  mutable std::vector<double> scratch_;
};

/// @note Collective.
EvolutionOperatorPtr make_functionalised_operator(const ReactionDiffusionEquation& equation, LayoutPtr layout);

}  // namespace wasserflow
