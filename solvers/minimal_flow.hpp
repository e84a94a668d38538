#pragma once
/// Beckmann's minimal flow as a saddle point: fluxes of given divergence and least norm.
#include <array>
#include <memory>
#include <string>
#include <vector>

#include "solvers/preconditioner.hpp"
#include "solvers/saddle_point.hpp"

namespace wasserflow {

/// Norm |m| of the fluxes, which measures distances in the plane: L1 (taxi), L2 (straight), Linf (chessboard). The potential's gradient is bounded in
/// the dual norm.
enum class GroundNorm { L1, L2, Linf };
std::string to_string(GroundNorm norm);

/// min over m, max over |p|_* <= 1 of  <m, p>  where div m = f, on one grid:
///   m_d stands on the upper face of its cell along axis d (0 on no_flux walls), (div m)_i = sum_d (m_d[i] - m_d[i - e_d]) / h_d,
///   cost sum_i |(m_x, m_y, m_z)[i]| h^dim: the fluxes through the upper faces of a cell are one vector.
/// The dual is: max -<phi, f> where |D phi|_* <= 1 everywhere, D phi the forward differences. Scaled to slope 1, phi of the Helmholtz decomposition p
/// = D phi + (divergence-free) is feasible, which bounds the minimum from below; m is always feasible and bounds it from above. The difference of
/// both is a certified gap; differences of primal and dual objectives at infeasible points, as in published codes, are none.
///
/// The primal step projects in L2 onto divergence-free fields, by one Poisson solve (the G-prox PDHG of Jacobs, Leger, Li, Osher 2019, SIAM J.
/// Numer. Anal. 57, 1100-1123), so that steps and iteration counts know nothing of the cell size. Everything else is one sweep. Upper bounds fall
/// fast; the largest slope of phi falls slowly, in spots, and a weighted mean of phi over the iterations has a smaller one: both are tried.
class MinimalFlow final : public SaddlePoint {
 public:
  /// Axes are periodic or no_flux. Throws InputError for others.
  /// @note Collective.
  MinimalFlow(LayoutPtr layout, GroundNorm norm);

  /// f, with mean 0.
  Field& divergence() { return f_; }
  /// m: one level an axis.
  Field& flux() { return m_; }
  /// p: one level an axis.
  Field& dual_flux() { return p_; }
  /// The mean of phi, not scaled: -<phi, f> / slope() bounds the minimum from below.
  Field& potential() { return mean_; }
  double slope() const { return mean_slope_; }

  /// m = the flux of least L2 norm, p = 0.
  /// @note Collective.
  void start();
  /// Moves m, in L2 the least way, to the fluxes with div m = f. Returns max |div m - f| before.
  /// @note Collective.
  double project();
  /// Forgets bounds and means: for a new start (m, p).
  void reset();
  /// max |div m - f|.
  /// @note Collective.
  double divergence_error();
  /// The operators by themselves: out = div v, out = D u (a level an axis).
  /// @note Collective.
  void apply_divergence(Field& v, Field& out);
  void apply_gradient(Field& u, Field& out);
  /// Upper bound of int |m| for the flux m that is linear between the faces of each cell, by trapezoidal sums, which overestimate convex functions.
  /// Its divergence is f, constant on cells: the bound holds in the continuum, for densities that are constant on cells.
  /// @note Collective.
  double continuum_cost();
  /// Root of the mean of |m|_2^2.
  /// @note Collective.
  double rms_flux();

  double upper() const { return upper_; }  ///< least cost of a feasible m at any check
  double lower() const { return lower_; }  ///< largest certified lower bound at any check
  double cost() const { return cost_; }    ///< of the present m, at the last check

  /// What a checkpoint must hold besides flux, dual_flux and potential; taken behind a check.
  struct State {
    double upper = 0, lower = 0, slope = 0;
    int checks = 0;
  };
  State state() const { return {upper_, lower_, mean_slope_, checks_}; }
  /// After the fields were filled.
  /// @note Collective.
  void restore(const State& state);

  std::vector<Field*> primal() override { return {&m_}; }
  std::vector<Field*> dual() override { return {&p_}; }
  double operator_norm_squared() override { return 1; }
  void primal_step(double tau, double relaxation) override;
  double dual_step(double sigma, double relaxation, bool measure) override;
  /// "gap": upper() - lower(), relative to upper().
  std::vector<Residual> residuals() override;

 private:
  void decompose();                                                                ///< phi of p, with ghosts
  void divergence_row(const Field& v, std::ptrdiff_t offset, int n, double* out);  ///< ghosts of the slow component up to date
  void exchange(Field& v);
  /// Rows of u moved up by one cell along each axis; valid until the next call.
  void neighbours(const double* u, const RowPoints& p, std::array<const double*, 3>& next);

  LayoutPtr layout_;
  GroundNorm norm_;
  std::array<double, 3> over_h_{};
  Field f_, m_, p_, phi_, mean_;
  SpectralPreconditioner poisson_;
  std::vector<double> padded_, row_;
  double tau_ = 1, relaxation_ = 1;
  bool decomposed_ = false;
  double upper_ = 0, lower_ = 0, cost_ = 0, mean_slope_ = 0;
  int checks_ = 0;
};

}  // namespace wasserflow
