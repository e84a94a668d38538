#pragma once
/// Mean-field problems on staggered grids: second order in space and time (theta = 1/2), divergence-free iterates.
#include <memory>
#include <vector>

#include "solvers/mean_field.hpp"
#include "solvers/staggered_operator.hpp"

namespace wasserflow {

/// min over x with A x = 0 of sum over cells and half times of J(V) + (1/dt) sum over cells of G(V_end) + smooth interaction, V = K x
/// (solvers/staggered_operator.hpp; J of problems/transport_cost.hpp with central slots: fluxes are -m, sources -z there). As a saddle point
///   min over A x = 0, max over y of  <K x, y> - J*(y),  y = (dJ/drho, dJ/dm, dJ/dz, dG/drho / dt),
/// whose primal step is a projection and whose dual step is pointwise:
///   x+ = Proj(x - tau P^{-1}(K^T y + grad I(x)));   v = y / sigma + K(2 x+ - x);   y+ = sigma (v - prox_{J / sigma}(v)).
/// x stays feasible, so that with A x = 0 the projection costs one solve for the multiplier of -K^T y: x+ = x - tau g, g = P^{-1}(K^T y - A^T phi), A
/// P^{-1} A^T phi = A P^{-1} K^T y; phi is the value function. primal_step solves for phi; x moves row by row in the sweep of dual_step, so that 2 x+
/// - x is never stored. What rounding adds to A x is removed when it is seen at a check. The interaction I(x) = 1/2 sum <R, W * R>, R = rho part of K
/// x, is taken explicitly (Condat 2013; Vu 2013); its W should be positive semidefinite. Residuals, both 0 at solutions only and without units (norms
/// are root mean squares over space-time, c the speed scale):
///   primal  |V - K x| / (mean rho + |K x|), V = prox above    dual  |K^T y - A^T phi| / (c^2 + |y|)   in the metrics of the operator, momenta over c
/// (MeanFieldProblem::cost_scale in place of c^2 where it is given).
/// Source: Benamou, Brenier 2000; Papadakis, Peyre, Oudet 2014 (primal-dual on staggered grids); Condat 2013 (over-relaxation).
class StaggeredScheme final : public MeanFieldScheme {
 public:
  /// Binds problem.cost. Throws InputError (see MeanFieldProblem::validate), also for costs with upwind slots.
  /// @note Collective.
  explicit StaggeredScheme(MeanFieldProblem problem);

  /// Other end densities of the same mass for the next solve (JKO steps, sequences); start() or make_feasible() is due afterwards.
  void set_initial(const Field& rho);
  /// Projects the iterate onto the continuity equation with the ends of the problem.
  /// @note Collective.
  void make_feasible();

  StaggeredState& x() { return x_; }
  CentredState& y() { return y_; }
  StaggeredOperator& space() { return operator_; }
  /// sigma of the last dual step: with state_fields() all that the positive iterate needs.
  double dual_step_size() const { return sigma_; }
  void set_dual_step_size(double sigma) { sigma_ = sigma; }

  const MeanFieldProblem& problem() const override { return problem_; }
  void start() override;
  double default_weight() override;
  void start_from(MeanFieldScheme& coarse) override;
  void density(Field& rho) override;
  void momentum(std::vector<Field>& m) override;
  void value(Field& phi) override;
  std::vector<double> value_times() const override { return half_times_; }
  MeanFieldFigures figures() override;
  /// An upper bound only, and none with given sources, at obstacles, where speeds are bounded, and by two copies where a given end is empty.
  MeanFieldBounds bounds() override;
  std::vector<std::pair<std::string, Field*>> state_fields() override;
  std::size_t bytes() const override;

  std::vector<Field*> primal() override;
  std::vector<Field*> dual() override;
  double operator_norm_squared() override { return operator_.norm_squared(); }
  double forward_lipschitz() override { return lipschitz_; }
  void primal_step(double tau, double relaxation) override;
  /// Returns sigma times the primal residual.
  double dual_step(double sigma, double relaxation, bool measure) override;
  /// The dual residual.
  double primal_error(double tau, double relaxation) override;
  std::vector<Residual> residuals() override;
  bool measures_steps() const override { return true; }

 private:
  Field& component(StaggeredState& x, int c) const;
  /// pull_ = y.rho with the slopes of what is not in the cost: interaction and potential.
  void add_slopes();
  bool has_slopes() const { return problem_.nonlocal || problem_.potential; }
  void copy_ends();
  void keep_mass();
  /// Rows of V = prox(y / sigma + K x) at a row: rho, flux and source in physical units and the signs of the cost.
  void positive_row(const StaggeredState& x, const RowPoints& p, int copy = 0);
  CentredState& copy(int k) { return k == 0 ? y_ : y_.late[0]; }
  RowPoints row(int r, int level) const;
  double value_equation_residual();
  /// Root mean square over space-time of what was summed.
  double mean_square_root(double sum) const;

  MeanFieldProblem problem_;
  std::vector<double> half_times_;
  int dim_, slots_;
  double speed_, unit_;  ///< c, cost scale
  StaggeredOperator operator_;
  StaggeredState x_;
  CentredState y_;
  Field phi_;           ///< multiplier of the last primal step
  Field pull_, given_;  ///< y.rho + W * R + potential, with either of them; R at a level: with interaction only
  double lipschitz_ = 0;
  double over_ = 0, move_ = 0;  ///< of the last primal step: how far x goes ahead and by how much it moves along g
  double sigma_ = 1;            ///< of the last dual step
  double mean_density_ = 0, largest_density_ = 0;
  double ergodic_constant_ = 0;  ///< of the last value()
  double primal_residual_ = 0, dual_residual_ = 0;
  bool measured_ = false;
  std::vector<double> scratch_;
  std::vector<double*> v_, u_;  ///< rows of K x and of the argument of the proximal map: rho, m_d, z
  double* late_ = nullptr;      ///< row of rho of the second copy
  std::vector<double> terms_;
};

}  // namespace wasserflow
