#include "solvers/equation_operator.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "grids/reduce.hpp"
#include "grids/support/errors.hpp"

namespace wasserflow {

EquationOperator::EquationOperator(const ReactionDiffusionEquation& equation, LayoutPtr layout)
    : equation_(equation), layout_(std::move(layout)), nx_(layout_->grid().cells(0)) {
  if (equation_.species.empty()) throw InputError("an evolution equation needs at least one species");
  if (layout_->ghost() < 1) throw InternalError("evolution operators need a layout with ghost planes");
  for (const Axis& axis : layout_->grid().axes())
    if (axis.boundary == Boundary::Extrapolate)
      throw InputError("reaction-diffusion equations take the boundaries periodic, no_flux and dirichlet, not extrapolate");
  pitch_ = (std::min<std::ptrdiff_t>(nx_, layout_->dim() > 1 ? nx_ : SlabLayout::row_limit) + 15) / 8 * 8;
  if (equation_.space == SymbolKind::Exact) transform_ = std::make_shared<SpectralTransform>(layout_);
}

void EquationOperator::reserve_scratch(int rows) { scratch_.resize(static_cast<std::size_t>(rows * pitch_)); }

std::array<double, 2> EquationOperator::domain(int s) const {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  const SpeciesTerms& terms = equation_.species[static_cast<std::size_t>(s)];
  if (!terms.potential) return {-infinity, infinity};
  return {terms.potential->lower(), terms.potential->upper()};
}

void EquationOperator::take_state(Field& u, std::span<const double> times) {
  u_ = &u;
  times_.assign(times.begin(), times.end());
  steps_ = static_cast<int>(times_.size());
  if (steps_ * components() > u.levels()) throw InternalError("EvolutionOperator: more times than steps");
  u.exchange_ghosts(0, steps_ * components());
}

int EquationOperator::take_argument(Field& v) const {
  const int steps = std::min(steps_, v.levels() / components());
  v.exchange_ghosts(0, steps * components());
  return steps;
}

double EquationOperator::total(const std::function<void(int r, double* out)>& row) const {
  ExactSum sums[1];
  std::vector<double> terms(static_cast<std::size_t>(pitch_));
  for (int r = 0; r < layout_->rows(); ++r) {
    row(r, terms.data());
    const int n = length(r);
    if (layout_->dim() == 1) {
      add_row(sums[0], *layout_, terms.data(), n);
      continue;
    }
    // Rows are not cut: sums of every eighth term have the same bits on any number of ranks, and vectorise.
    std::fill(terms.begin() + n, terms.begin() + (n + 7) / 8 * 8, 0.0);
    std::array<double, 8> part{};
    for (int i = 0; i < n; i += 8)
      for (std::size_t k = 0; k < 8; ++k) part[k] += terms[static_cast<std::size_t>(i) + k];
    sums[0] += ((part[0] + part[4]) + (part[1] + part[5])) + ((part[2] + part[6]) + (part[3] + part[7]));
  }
  ExactSum::reduce(layout_->comm(), sums);
  return sums[0].value();
}

double EquationOperator::curvature(const Potential& potential, Field* state, int level) const {
  const double fixed = potential.curvature();
  if (state == nullptr || (std::isinf(potential.lower()) && std::isinf(potential.upper()))) return fixed;
  // W'' grows without bound towards the ends of the interval: the middle of the values that are there bounds |W'' - c| best.
  std::vector<double> d2(static_cast<std::size_t>(pitch_));
  double least = fixed, most = fixed;
  for (int r = 0; r < layout_->rows(); ++r) {
    potential.second(length(r), state->level(level) + offset(r), d2.data());
    const auto [low, high] = std::minmax_element(d2.begin(), d2.begin() + length(r));
    least = std::min(least, *low);
    most = std::max(most, *high);
  }
  least = global_min(layout_->comm(), least);
  most = global_max(layout_->comm(), most);
  const double middle = 0.5 * (least + most);
  return std::isfinite(middle) ? std::max(fixed, middle) : fixed;
}

bool EquationOperator::has_wall() const {
  return std::ranges::any_of(layout_->grid().axes(), [](const Axis& axis) { return axis.boundary == Boundary::Dirichlet; });
}

}  // namespace wasserflow
