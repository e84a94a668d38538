#pragma once
/// G(a L u + b W'(u)) of one species: values, derivative, adjoint and energy, each as stages that stand in fields and a last one that is
/// evaluated row by row.
#include <vector>

#include "solvers/diffusion_map.hpp"

namespace wasserflow {

/// Fields hold `species` components a step; this is component `s`. prepare* are collective, expect ghosts of their argument to be up to date, and
/// leave everything for the rows; rows are local. The state is that of the last prepare.
class SpeciesChain {
 public:
  /// Throws InputError where factors do not suit (see make_evolution_operator).
  /// @note Collective.
  SpeciesChain(LayoutPtr layout, const SpeciesTerms& terms, int s, int species, const DiffusionMap::Transform& transform);

  void prepare(const Field& u, int steps);
  void value_row(int k, int r, double* out) const;
  void prepare_derivative(const Field& v, int steps);
  void derivative_row(int k, int r, double* out) const;
  void prepare_adjoint(const Field& p, int steps);
  void adjoint_row(int k, int r, double* out) const;

  /// Symbol of G (a L + c) with mean coefficients; those of mobilities follow `state` when it is given.
  /// @note Collective with a state.
  SymbolPolynomial symbol(double c, Field* state) const;
  /// True when R = G dE/du with G >= 0 for E = a/2 <u, L u> + b sum W: products are of constant factors, or of one factor.
  bool has_energy() const { return has_energy_; }
  /// Symbol of G when its coefficients are constant, else empty.
  SymbolPolynomial metric() const;
  void prepare_energy(const Field& u, int step);
  void energy_row(int r, double* out) const;  ///< a/2 u L u + b W, up to terms that add up to 0

 private:
  std::ptrdiff_t offset(int r) const;
  int length(int r) const;
  template <class Row>
  void build(Operand& operand, int steps, Row&& row) const;
  void cell_values(Field& m, const Mobility& mobility, bool derivative, const Field* v, int steps) const;
  const double* cells(const std::vector<Field>& m, std::size_t j, int k) const { return m[j] ? m[j].level(k) : nullptr; }
  void mu_row(int k, int r, double* out) const;             // a L u + b W'(u)
  void mu_derivative_row(int k, int r, double* out) const;  // a L v + b W''(u) v
  void g_derivative_row(std::size_t j, int k, int r, double* out) const;
  void start_adjoint_row(int k, int r, double* out) const;  // G^T p

  LayoutPtr layout_;
  SpeciesTerms terms_;
  int s_, species_;
  std::vector<DiffusionMap> L_, G_;  // in the order in which they act
  DiffusionStencil plain_;           // differences with c = 1
  bool has_potential_, has_energy_;
  const Field* u_ = nullptr;
  const Field* v_ = nullptr;
  const Field* p_ = nullptr;
  // What the factors act on, one operand a factor: of the value, of the derivative, and of the adjoint (where factors act in reverse).
  std::vector<Operand> l_, g_, dl_, dg_, al_, ag_, el_;
  std::vector<Field> m_, dm_;  // M(u) and M'(u) v for each factor of G with a mobility
  Operand start_;              // G^T p where L is empty
  Operand energy_state_;
  mutable std::vector<double> scratch_;
};

}  // namespace wasserflow
