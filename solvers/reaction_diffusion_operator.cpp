#include "solvers/reaction_diffusion_operator.hpp"

#include <algorithm>
#include <cmath>

#include "grids/reduce.hpp"
#include "grids/support/errors.hpp"
#include "solvers/equation_operator.hpp"
#include "solvers/species_chain.hpp"

namespace wasserflow {
namespace {

/// R_s = G_s(a_s L_s u_s + b_s W_s'(u_s)) - r_s.
class ReactionDiffusionOperator : public EquationOperator {
 public:
  ReactionDiffusionOperator(const ReactionDiffusionEquation& equation, LayoutPtr layout);

  void prepare(Field& u, std::span<const double> times) override;
  void value_row(int level, int r, double* out) const override;
  void prepare_derivative(Field& v) override;
  void derivative_row(int level, int r, double* out) const override;
  void prepare_adjoint(Field& p) override;
  void adjoint_row(int level, int r, double* out) const override;
  FrozenOperator frozen(Field* state, double t) override;
  std::vector<SymbolPolynomial> linear_part() const override;
  SymbolPolynomial gradient_metric() const override;
  std::optional<double> energy(Field& u, int step) override;
  bool conserves_mass() const override;

 private:
  const SpeciesChain& chain(int level) const { return chains_[static_cast<std::size_t>(level % components())]; }
  /// out -= row `s` of the Jacobian of the reaction (or its column) times `v`.
  void subtract_jacobian(const Field& v, int level, int r, bool transposed, double* out) const;
  RowPoints points(int k, int r) const;
  const double* const* species_rows(const Field& u, int k, int r) const;

  std::vector<SpeciesChain> chains_;
  const Field* v_ = nullptr;  // argument of the derivative
  const Field* p_ = nullptr;  // of the adjoint
  mutable std::vector<const double*> rows_;
  mutable std::vector<double*> wanted_;
};

ReactionDiffusionOperator::ReactionDiffusionOperator(const ReactionDiffusionEquation& equation, LayoutPtr layout)
    : EquationOperator(equation, std::move(layout)) {
  const int S = components();
  if (equation_.reaction && static_cast<int>(equation_.reaction->species().size()) != S)
    throw InputError("the reaction has another number of species than the equation");
  for (int s = 0; s < S; ++s) chains_.emplace_back(layout_, equation_.species[static_cast<std::size_t>(s)], s, S, transform_);
  reserve_scratch(S * S + 2);
  rows_.resize(static_cast<std::size_t>(S));
  wanted_.resize(static_cast<std::size_t>(S * S));
}

RowPoints ReactionDiffusionOperator::points(int k, int r) const {
  RowPoints p = layout_->row(r);
  p.t = times_[static_cast<std::size_t>(k)];
  p.level = k;
  return p;
}

const double* const* ReactionDiffusionOperator::species_rows(const Field& u, int k, int r) const {
  const int S = components();
  for (int s = 0; s < S; ++s) rows_[static_cast<std::size_t>(s)] = u.level(k * S + s) + offset(r);
  return rows_.data();
}

void ReactionDiffusionOperator::prepare(Field& u, std::span<const double> times) {
  take_state(u, times);
  for (SpeciesChain& c : chains_) c.prepare(u, steps_);
}

void ReactionDiffusionOperator::value_row(int level, int r, double* out) const {
  const int S = components(), k = level / S, s = level % S;
  chain(level).value_row(k, r, out);
  if (!equation_.reaction) return;
  std::ranges::fill(wanted_, nullptr);
  double* rate = wanted_[static_cast<std::size_t>(s)] = scratch(0);
  equation_.reaction->rates(points(k, r), species_rows(*u_, k, r), wanted_.data());
  const int n = length(r);
  for (int i = 0; i < n; ++i) out[i] -= rate[i];
}

void ReactionDiffusionOperator::prepare_derivative(Field& v) {
  const int steps = take_argument(v);
  v_ = &v;
  for (SpeciesChain& c : chains_) c.prepare_derivative(v, steps);
}

void ReactionDiffusionOperator::derivative_row(int level, int r, double* out) const {
  chain(level).derivative_row(level / components(), r, out);
  if (equation_.reaction) subtract_jacobian(*v_, level, r, false, out);
}

void ReactionDiffusionOperator::prepare_adjoint(Field& p) {
  const int steps = take_argument(p);
  p_ = &p;
  for (SpeciesChain& c : chains_) c.prepare_adjoint(p, steps);
}

void ReactionDiffusionOperator::adjoint_row(int level, int r, double* out) const {
  chain(level).adjoint_row(level / components(), r, out);
  if (equation_.reaction) subtract_jacobian(*p_, level, r, true, out);
}

void ReactionDiffusionOperator::subtract_jacobian(const Field& v, int level, int r, bool transposed, double* __restrict out) const {
  const int S = components(), k = level / S, s = level % S, n = length(r);
  for (int i = 0; i < S * S; ++i) wanted_[static_cast<std::size_t>(i)] = scratch(i);
  equation_.reaction->jacobian(points(k, r), species_rows(*u_, k, r), wanted_.data());
  for (int q = 0; q < S; ++q) {
    const double* __restrict jacobian = scratch(transposed ? q * S + s : s * S + q);
    const double* __restrict w = v.level(k * S + q) + offset(r);
    for (int i = 0; i < n; ++i) out[i] -= jacobian[i] * w[i];
  }
}

FrozenOperator ReactionDiffusionOperator::frozen(Field* state, double t) {
  FrozenOperator out;
  out.kind = equation_.space;
  const int S = components();
  for (int s = 0; s < S; ++s) {
    const SpeciesTerms& terms = equation_.species[static_cast<std::size_t>(s)];
    const double c = terms.potential ? curvature(*terms.potential, state, s) : 0;
    out.linear.push_back(chains_[static_cast<std::size_t>(s)].symbol(terms.b * c, state));
  }
  if (!equation_.reaction) return out;
  std::vector<double> u = equation_.reaction->base_state();
  if (state != nullptr)
    for (int s = 0; s < S; ++s) {
      const double mean = sum(*state, s) / static_cast<double>(layout_->grid().size());
      if (std::isfinite(mean)) u[static_cast<std::size_t>(s)] = mean;
    }
  // Rates that depend on the place are taken at the middle of the box.
  std::array<double, 3> middle{};
  for (int d = 0; d < layout_->dim(); ++d)
    middle[static_cast<std::size_t>(d)] = 0.5 * (layout_->grid().axis(d).lower + layout_->grid().axis(d).upper);
  const RowPoints p{.n = 1, .x = middle.data(), .y = middle[1], .z = middle[2], .t = t};
  out.coupling.resize(static_cast<std::size_t>(S * S));
  for (int s = 0; s < S; ++s) rows_[static_cast<std::size_t>(s)] = &u[static_cast<std::size_t>(s)];
  for (int i = 0; i < S * S; ++i) wanted_[static_cast<std::size_t>(i)] = &out.coupling[static_cast<std::size_t>(i)];
  equation_.reaction->jacobian(p, rows_.data(), wanted_.data());
  for (double& j : out.coupling) j = std::isfinite(j) ? -j : 0;
  return out;
}

std::vector<SymbolPolynomial> ReactionDiffusionOperator::linear_part() const {
  std::vector<SymbolPolynomial> out;
  for (const SpeciesChain& c : chains_) out.push_back(c.symbol(0, nullptr));
  return out;
}

SymbolPolynomial ReactionDiffusionOperator::gradient_metric() const {
  if (components() > 1 || equation_.reaction || !chains_[0].has_energy()) return {};
  return chains_[0].metric();
}

std::optional<double> ReactionDiffusionOperator::energy(Field& u, int step) {
  if (components() > 1 || equation_.reaction || !chains_[0].has_energy()) return {};
  u.exchange_ghosts(step, step + 1);
  chains_[0].prepare_energy(u, step);
  return layout_->grid().cell_volume() * total([&](int r, double* out) { chains_[0].energy_row(r, out); });
}

bool ReactionDiffusionOperator::conserves_mass() const {
  return !equation_.reaction && !has_wall() && std::ranges::all_of(equation_.species, [](const SpeciesTerms& s) { return !s.G.empty(); });
}

}  // namespace

EvolutionOperatorPtr make_evolution_operator(const ReactionDiffusionEquation& equation, LayoutPtr layout) {
  if (equation.functionalised) return make_functionalised_operator(equation, std::move(layout));
  return std::make_shared<ReactionDiffusionOperator>(equation, std::move(layout));
}

}  // namespace wasserflow
