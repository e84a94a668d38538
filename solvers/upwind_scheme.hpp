#pragma once
/// Mean-field problems by the monotone upwind scheme: the window of implicit Hamilton-Jacobi steps in reversed time, with couplings.
#include <array>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "solvers/feasible_mixture.hpp"
#include "solvers/hj_saddle_point.hpp"
#include "solvers/howard.hpp"
#include "solvers/mean_field.hpp"

namespace wasserflow {

struct UpwindOptions {
  /// Numerical speeds alpha_d of Hamiltonians with Splitting::LaxFriedrichs: at least max |dH/dp_d| for a monotone scheme. Not used by upwind
  /// splittings.
  std::array<double, 3> alpha{};
};

/// With rho^n >= 0 at cell centres and nodes t_n, and one momentum for each one-sided slope of phi (Splitting::Upwind; the central slope for
/// Splitting::LaxFriedrichs), n = 1 ... N_t:
///   (rho^n - rho^{n-1})/dt - nu Lap rho^n - sum of the differences of the momenta = 0,
///   -(phi^n - phi^{n-1})/dt - nu Lap phi^{n-1} + Hh(t_{n-1}, q(phi^{n-1})) = f(t_{n-1}, rho^n),   phi^{N_t} = g(rho^{N_t}),
/// with Hh the numerical Hamiltonian of problems/hamiltonian.hpp, drift and potential included: phi is the value function at the nodes t_0 ...
/// t_{N_t - 1}, and solves the implicit scheme of HamiltonJacobiProblem. First order, monotone, rho >= 0 in every iterate. Axes are no_flux or
/// periodic. As K is the identity on (rho, m) at the points of phi, every phi has a dual value that bounds the discrete optimum from below
/// (figures().lower_bound). Source: Achdou & Capuzzo-Dolcetta 2010; Briceno-Arias, Kalise, Silva 2018; Jacobs, Leger, Li, Osher 2019 for the metric.
class UpwindScheme final : public MeanFieldScheme {
 public:
  /// Binds problem.cost to the layout and the times. Throws InputError for boundaries that mass could leave through, for slopes that are not those of
  /// the Hamiltonian's own splitting, for Hamiltonians without upwind sides and numerical speeds, for reaction fluxes, for obstacles with
  /// viscosity (noise carries mass into them, and one-sided momenta cannot hold it back), and for final densities that are 0 where mass starts: what
  /// leaves a cell in a step is a part of what is there after it, so that no cell is ever emptied, and no path of finite cost exists.
  /// @note Collective.
  explicit UpwindScheme(MeanFieldProblem problem, const UpwindOptions& options = {});
  ~UpwindScheme() override;

  const MeanFieldProblem& problem() const override { return problem_; }
  void start() override;
  /// 0.35 r / kappa^2, kappa half the speed scale, r between mean and root mean square of rho_0: K phi is of the order of phi_t, that of the squared
  /// speed. Transport without couplings: times dim kappa L / (43 nu'), L the longest axis, nu' = nu + kappa (h + kappa dt) / 2 with the noise of the
  /// scheme, which is all that damps what moves with the density; without it iterations grow with the number of cells. Found by trial on transport,
  /// bridges and games in 1-D and 2-D; twice or half of it costs about half as many iterations more.
  double default_weight() override;
  void start_from(MeanFieldScheme& coarse) override;

  /// The iterate, scaled at each node to the mass of rho_0 (which it has in the limit).
  void density(Field& rho) override;
  void momentum(std::vector<Field>& m) override;
  void value(Field& phi) override;
  std::vector<double> value_times() const override;
  MeanFieldFigures figures() override;
  /// Upper bounds: the iterate moved onto the continuity equation where that is not negative, what the policy of phi makes of rho_0 where the end is
  /// free, else a mixture. With a given end they are infinite unless the final density is positive wherever mass comes from: no cell is emptied.
  MeanFieldBounds bounds() override;
  /// From now on residuals() is the relative gap of bounds() alone, so that it ends a solve.
  void stop_by_gap() { by_gap_ = true; }
  std::vector<std::pair<std::string, Field*>> state_fields() override;
  std::size_t bytes() const override;

  std::vector<Field*> primal() override { return saddle_->primal(); }
  std::vector<Field*> dual() override { return saddle_->dual(); }
  double operator_norm_squared() override { return saddle_->operator_norm_squared(); }
  void primal_step(double tau, double relaxation) override { saddle_->primal_step(tau, relaxation); }
  /// Returns sigma times the square root of the residual "value_equation" at the new densities, primal_error that of "continuity": the balance of
  /// weights sees what ends a solve, not what goes on where the density vanishes, and sets in at the squares of its ratios.
  double dual_step(double sigma, double relaxation, bool measure) override;
  double primal_error(double tau, double relaxation) override;
  void scale_extrapolation(double factor) override { saddle_->scale_extrapolation(factor); }
  double adjoint_distance(const std::vector<Field>& y_other) override { return saddle_->adjoint_distance(y_other); }
  double dual_distance(const std::vector<Field>& y_other) override { return saddle_->dual_distance(y_other); }
  /// "continuity": its residual in H^-1 of space-time, relative to the density; "value_equation": mean of rho |R|, R the residual of the
  /// Hamilton-Jacobi equation, relative to the mean of rho (|phi_t - nu Lap phi| + |Hh|).
  std::vector<Residual> residuals() override;

  HjSaddlePoint& saddle_point() { return *saddle_; }

 private:
  struct Certificate;
  int level_of_node(int node) const { return problem_.steps - node; }  ///< level of the window that holds rho at a node >= 1
  double mass_factor(int level);                                       ///< mass of rho_0 over that of a level
  void value_residual(double& residual, double& scale);
  double lower_bound();
  double objective_of_policy();
  double objective_of_projection();
  PositivePath positive_path();
  void make_positive_path(const PositivePath& path);
  void costs_of_mixtures(const PositivePath& path, std::span<const double> shares, std::span<double> values);
  void add_drift(const RowPoints& p, const double* rho, int slot, double factor, double* m) const;
  void update_nonlocal();

  MeanFieldProblem problem_;
  std::unique_ptr<HamiltonJacobiProblem> window_;
  std::unique_ptr<HjSaddlePoint> saddle_;
  std::unique_ptr<Field> nonlocal_;  ///< W * rho at the iterate, null without a nonlocal term
  std::unique_ptr<Howard> howard_;   ///< for objective_of_policy
  std::vector<Tabulated> drift_;
  std::shared_ptr<Certificate> certificate_;  ///< work space of upper bounds, made by the first one
  double mass_ = 0, density_norm_ = 1;
  bool relaxed_ = true;  ///< the iterate is over-relaxed
  bool by_gap_ = false;
};

}  // namespace wasserflow
