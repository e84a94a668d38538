#include <algorithm>
#include <cmath>

#include "grids/support/errors.hpp"
#include "solvers/equation_operator.hpp"

namespace wasserflow {
namespace {

/// Functionalised Cahn-Hilliard, with K = -Laplacian and e = eps^2:
///   v = -(e K u + W'(u)),   mu = (eta - e K - W''(u)) v,   R = K mu;      E = volume sum [ v^2/2 - eta( e/2 u K u + W ) ],   dE/du = mu.
/// Constant-coefficient linear part: K (e K)(e K - eta), the derivatives of highest order and the linear term beside them; frozen, W' is c u with c =
/// W'' at its minimum: K (e K + c - eta)(e K + c).
class FunctionalisedOperator : public EquationOperator {
 public:
  FunctionalisedOperator(const ReactionDiffusionEquation& equation, LayoutPtr layout)
      : EquationOperator(equation, std::move(layout)),
        potential_(equation_.species[0].potential),
        e_(equation_.eps * equation_.eps),
        eta_(equation_.eta),
        K_(transform_ ? DiffusionMap(layout_, 1, 1, transform_) : DiffusionMap(layout_, DiffusionFactor{})) {
    if (components() != 1 || !potential_ || equation_.reaction)
      throw InputError("the functionalised equation has one species with a potential and no reaction");
    reserve_scratch(3);
  }

  void prepare(Field& u, std::span<const double> times) override {
    take_state(u, times);
    Ku_.refer(u);
    K_.prepare(Ku_, steps_);
    fill_rows(v_.build(layout_, steps_), steps_, [&](int k, int r, double* out) { v_row(Ku_, k, r, out); });
    K_.prepare(v_, steps_);
    fill_rows(mu_.build(layout_, steps_), steps_, [&](int k, int r, double* out) { second_factor_row(v_, k, r, out); });
    K_.prepare(mu_, steps_);
  }

  void value_row(int level, int r, double* out) const override { K_.row(mu_, level, r, 1, 0, out); }

  /// dv = -(e K + W'') q,   dmu = (eta - e K - W'') dv - W''' v q,   R' q = K dmu.
  void prepare_derivative(Field& q) override {
    const int steps = take_argument(q);
    Kq_.refer(q);
    K_.prepare(Kq_, steps);
    fill_rows(dv_.build(layout_, steps), steps, [&](int k, int r, double* out) { first_factor_row(Kq_, k, r, out); });
    K_.prepare(dv_, steps);
    fill_rows(dmu_.build(layout_, steps), steps, [&](int k, int r, double* out) {
      second_factor_row(dv_, k, r, out);
      subtract_third(Kq_, k, r, out);
    });
    K_.prepare(dmu_, steps);
  }

  void derivative_row(int level, int r, double* out) const override { K_.row(dmu_, level, r, 1, 0, out); }

  /// y = K p, z = (eta - e K - W'') y,   R'^T p = -(e K + W'') z - W''' v y.
  void prepare_adjoint(Field& p) override {
    const int steps = take_argument(p);
    Kp_.refer(p);
    K_.prepare(Kp_, steps);
    fill_rows(y_.build(layout_, steps), steps, [&](int k, int r, double* out) { K_.row(Kp_, k, r, 1, 0, out); });
    K_.prepare(y_, steps);
    fill_rows(z_.build(layout_, steps), steps, [&](int k, int r, double* out) { second_factor_row(y_, k, r, out); });
    K_.prepare(z_, steps);
  }

  void adjoint_row(int level, int r, double* out) const override {
    first_factor_row(z_, level, r, out);
    subtract_third(y_, level, r, out);
  }

  FrozenOperator frozen(Field* state, double) override {
    const double c = curvature(*potential_, state, 0);
    const SymbolPolynomial inner = multiply({c - eta_, e_}, {c, e_});
    return {{multiply({0, 1}, inner)}, {}, equation_.space};
  }

  std::vector<SymbolPolynomial> linear_part() const override { return {{0, 0, -eta_ * e_, e_ * e_}}; }
  SymbolPolynomial gradient_metric() const override { return {0, 1}; }

  std::optional<double> energy(Field& u, int step) override {
    u.exchange_ghosts(step, step + 1);
    Eu_.refer(u, step);
    K_.prepare(Eu_, 1);
    const double sum = total([&](int r, double* out) {
      const int n = length(r);
      double* W = scratch(1);
      double* v = scratch(2);
      const double* at = Eu_.level(0) + offset(r);
      if (K_.stencil())
        K_.stencil()->pair_row(Eu_.level(0), Eu_.level(0), r, out);
      else {
        K_.row(Eu_, 0, r, 1, 0, out);
        for (int i = 0; i < n; ++i) out[i] *= at[i];
      }
      v_row(Eu_, 0, r, v);
      potential_->energy(n, at, W);
      for (int i = 0; i < n; ++i) out[i] = 0.5 * v[i] * v[i] - eta_ * (0.5 * e_ * out[i] + W[i]);
    });
    return sum * layout_->grid().cell_volume();
  }

  bool conserves_mass() const override { return !has_wall(); }

 private:
  /// -(e K u + W'(u)) for the u of the operand.
  void v_row(const Operand& u, int k, int r, double* out) const {
    potential_->first(length(r), u.level(k) + offset(r), out);
    K_.row(u, k, r, -e_, -1, out);
  }
  /// -(e K + W'') q
  void first_factor_row(const Operand& q, int k, int r, double* __restrict out) const {
    const double* __restrict w = q.level(k) + offset(r);
    potential_->second(length(r), u_->level(k) + offset(r), out);
    for (int i = 0, n = length(r); i < n; ++i) out[i] *= w[i];
    K_.row(q, k, r, -e_, -1, out);
  }
  /// (eta - e K - W'') q
  void second_factor_row(const Operand& q, int k, int r, double* __restrict out) const {
    const double* __restrict w = q.level(k) + offset(r);
    potential_->second(length(r), u_->level(k) + offset(r), out);
    for (int i = 0, n = length(r); i < n; ++i) out[i] = (out[i] - eta_) * w[i];
    K_.row(q, k, r, -e_, -1, out);
  }
  /// out -= W'''(u) v q
  void subtract_third(const Operand& q, int k, int r, double* __restrict out) const {
    const double* __restrict w = q.level(k) + offset(r);
    const double* __restrict v = v_.level(k) + offset(r);
    double* __restrict third = scratch(0);
    potential_->third(length(r), u_->level(k) + offset(r), third);
    for (int i = 0, n = length(r); i < n; ++i) out[i] -= third[i] * v[i] * w[i];
  }

  PotentialPtr potential_;
  double e_, eta_;
  DiffusionMap K_;
  Operand Ku_, v_, mu_, Kq_, dv_, dmu_, Kp_, y_, z_, Eu_;
};

}  // namespace

EvolutionOperatorPtr make_functionalised_operator(const ReactionDiffusionEquation& equation, LayoutPtr layout) {
  return std::make_shared<FunctionalisedOperator>(equation, std::move(layout));
}

}  // namespace wasserflow
