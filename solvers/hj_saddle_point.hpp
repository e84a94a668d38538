#pragma once
/// Windows of implicit Hamilton-Jacobi steps as a saddle point in momentum form, with fused sweeps.
#include <array>
#include <memory>
#include <optional>
#include <vector>

#include "grids/row_neighbours.hpp"
#include "solvers/hamilton_jacobi_problem.hpp"
#include "solvers/hj_residual.hpp"
#include "solvers/preconditioner.hpp"
#include "solvers/saddle_point.hpp"

namespace wasserflow {

/// What a mean-field problem adds to a window, which then spans its whole horizon in reversed time: rho^k of the window is the density at node W + 1
/// - k. Its couplings are part of the proximal map of the problem's Hamiltonian.
struct HjMeanFieldTerms {
  /// rho_0: the weight of phi^W in the linear term, in place of 1; one level.
  Field initial_density;
  /// The density of level 1 is given (planning, transport): the Hamiltonian's proximal map returns it, and the metric has no row for it.
  bool planning = false;
  /// Gradient in rho of a smooth convex term at the present iterate, all levels, taken by a forward step (Condat 2013), and its Lipschitz constant.
  const Field* gradient = nullptr;
  double lipschitz = 0;
};

/// A window of W implicit steps (HamiltonJacobiProblem with W levels), phi^0 given:
///   min over phi, max over (rho, m) of  sum_k sum_i [ rho R0(phi) + sum_j m_j q_j(phi) - rho Lh(m/rho) ] - (1/dt) sum_i phi^W,
///   R0 = (phi^k - phi^{k-1})/dt + upwinded drift + f - sum_d nu_d (D+_d - D-_d)/h_d phi^k,
/// so K phi = (R0 without f, q_j) with q_j the slopes of the splitting, and the maximum over (rho, m) is reached where rho >= 0, R <= 0, rho R = 0.
/// rho is the density of optimal trajectories of the window, of mass 1 a cell at its end; rho > 0 everywhere for monotone schemes, so R = 0.
///
/// Metrics: y = (rho, m_j) in |rho|^2 + |m|^2 / kappa^2, x = phi in P = K^T D K without drift, inverted by transforms in space and a
/// tridiagonal solve in time: P = B^T B + kappa^2 s, B = 1/dt + v on the diagonal and -1/dt below, v = sum nu_d lambda_d, s = 2 sum lambda_d (upwind)
/// or sum sin^2 (Lax-Friedrichs). Thus |D^{1/2} K P^{-1/2}| = 1 for every grid, time step and viscosity. kappa is a speed: kappa^2 of the order of
/// |H_p| h/dt keeps the conditioning even at large time steps (the worst modes are those that move with the full speed at low, and those that do not
/// move at high wave numbers).
///
/// With HjMeanFieldTerms the last term is - (1/dt) sum_i rho_0 phi^W, and R = f(rho) where rho > 0, f the derivative of the coupling.
/// With the first density given, P lacks the row of rho^1: its first diagonal entry is 1/dt^2.
///
/// On faces: with G_{i+1/2} = (phi_{i+1} - phi_i)/h (boundary faces by the ghost rule), every row of K in space is a sum A_i G_{i+1/2} + B_i
/// G_{i-1/2} of contributions to the high and the low face of its cell, and K^T y = (F_{i-1/2} - F_{i+1/2})/h with the face sums F_{i+1/2} = A_i +
/// B_{i+1}. Boundary faces:
///   periodic wrap; no_flux F = 0; dirichlet F = 2 A or 2 B; extrapolate: F = 0 and its contribution moves to the next face inside.
/// Source: Meng, Hao, Liu, Osher, Li 2023 (arXiv:2310.01605) for PDHG on Hamilton-Jacobi equations; Jacobs, Leger, Li, Osher 2019 for the metric;
/// Briceno-Arias, Kalise, Silva 2018 for upwinded momenta.
class HjSaddlePoint final : public SaddlePoint {
 public:
  /// `problem` must outlive this object. kappa_squared > 0.
  /// @note Collective.
  HjSaddlePoint(const HamiltonJacobiProblem& problem, double kappa_squared, HjMeanFieldTerms terms = {});

  /// After problem.set_times or a change of its numerical speeds: renews what depends on them.
  /// @note Collective.
  void refresh();
  void set_kappa_squared(double kappa_squared);
  double kappa_squared() const { return kappa2_; }

  Field& phi() { return phi_; }
  const Field& phi() const { return phi_; }
  Field& rho() { return rho_; }
  const Field& rho() const { return rho_; }
  std::vector<Field>& momenta() { return m_; }
  /// phi^0 of the window: one level.
  Field& initial() { return initial_; }
  const Field& initial() const { return initial_; }

  /// m_j = rho dHh/dq_j(phi): the momenta that the present phi asks for. The start of a window.
  void momenta_from_policy();
  /// Mean over the grid of |Hh(q)|, and mean over grid and axes of |H_p| + |b|, at the initial data: scales of phi_t and of the speed.
  struct Scales {
    double rate = 0;
    double speed = 0;
  };
  Scales scales();

  std::vector<Field*> primal() override { return {&phi_}; }
  std::vector<Field*> dual() override;
  double operator_norm_squared() override;
  void primal_step(double tau, double relaxation) override;
  double dual_step(double sigma, double relaxation, bool measure) override;
  double primal_error(double tau, double relaxation) override;
  void scale_extrapolation(double factor) override;
  double adjoint_distance(const std::vector<Field>& y_other) override;
  double dual_distance(const std::vector<Field>& y_other) override;
  /// "mean_abs": mean |R| over the window, R the residual of the implicit scheme, relative to mean |phi_t|.
  std::vector<Residual> residuals() override;
  /// max |R| at the last residuals().
  double max_residual() const { return max_residual_; }

  /// || c - K^T y || in the metric P^{-1}: the residual of the continuity equation, as a distance of densities. Leaves P^{-1}(c - K^T y) in
  /// scratch().
  double continuity_residual();
  /// A field of the window's shape that is free between iterations.
  Field& scratch() { return work_; }
  /// Linear rows of K at row r, accumulated: u0 += s0 (K x)_0, u[j] += sm (K x)_j; `before` is the row of the level before, null for 0. Ghosts of x
  /// are up to date.
  void add_operator_row(const Field& x, const double* before, int level, int r, double s0, double sm, double* u0, double* const* u);

  // The operator by itself, for tests: y = K x (linear part) and x = K^T y on fields of the window's shape.
  void apply(const Field& x, Field& y_rho, std::vector<Field>& y_m);
  void apply_adjoint(const Field& y_rho, const std::vector<Field>& y_m, Field& x);
  SpectralPreconditioner& preconditioner() { return *preconditioner_; }
  /// P^{-1} with rows made and taken on the fly, levels in the order of the window.
  void apply_metric(const SpectralTransform::Source& source, const SpectralTransform::Sink& sink);

 private:
  /// Duals seen as one argument: rho and the momenta.
  struct Dual {
    const Field* rho;
    const Field* m;  ///< first of slots
  };
  void exchange_dual(Field& rho, std::vector<Field>& m);
  /// Like the public one, but onto u0 and u from base0 and base, which may be the same rows.
  void add_operator_row(const Field& x, const double* before, const RowPoints& p, int r, double s0, double sm, const double* base0,
                        const double* const* base, double* u0, double* const* u);
  /// out = K^T y on a row (all terms; owned rows; ghosts up to date).
  void adjoint_row(const Dual& y, const RowPoints& p, int r, double* out);
  /// out = c - K^T y on a row.
  void negative_gradient_row(const Dual& y, const RowPoints& p, int r, double* out);
  void add_faces(const Dual& y, const RowPoints& p, int r, int d, double* out);
  void add_faces_along_row(const Dual& y, const RowPoints& p, double* out);
  /// Contribution A (high) or B (low) of the cells that start at owned offset `at` to their faces along d; a pointer to m itself where it is the only
  /// term.
  const double* face_side(const Dual& y, int level, int d, bool high, std::ptrdiff_t at, int n, double* scratch) const;
  template <class F>
  void for_rows(std::ptrdiff_t offset, int n, F&& f) const;  ///< f(row index) for the rows inside a transform's row

  const HamiltonJacobiProblem& problem_;
  HjMeanFieldTerms terms_;
  LayoutPtr layout_;
  int levels_, dim_, slots_;
  bool upwind_;
  double kappa2_;
  bool plain_ = true;  ///< no drift, no viscosity: faces are momenta
  Field phi_, work_, rho_, initial_;
  std::vector<Field> m_;
  std::vector<Field> drift_;  ///< drift with ghosts, an axis each; empty without drift
  std::unique_ptr<SpectralPreconditioner> preconditioner_;
  std::optional<RowNeighbours> near_;
  std::optional<HjRowOperator> residual_row_;
  std::vector<double> scratch_;  ///< row buffers
  std::vector<double*> buffer_;
  double max_residual_ = 0;
};

}  // namespace wasserflow
