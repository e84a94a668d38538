#pragma once
/// Beckmann's minimal flow as a saddle point: fluxes of given divergence and least norm, second-order accurate, with certified bounds.
#include <array>
#include <string>
#include <vector>

#include "solvers/flux_cost.hpp"
#include "solvers/ground_norm.hpp"
#include "solvers/preconditioner.hpp"
#include "solvers/saddle_point.hpp"

namespace wasserflow {

/// W = min { int |m| : div m = f } = max { -int phi f : |grad phi|_* <= 1 }  in the continuum, for f constant on the cells of a grid. The grid's
/// problem is the maximum over the functions phi = sum_i u_i B_i, B_i the tensor product of quadratic B-splines with knots on the faces of the cells:
///   -int phi f = -<A u, f> h^dim,  A = (1, 4, 1) / 6 along every axis,
/// and grad phi, in the Bezier form on a cell, has the coefficients (R D u)_s: D u the differences on the faces and R the vectors of their means at
/// the 2^dim kinds of places s of a staggered grid (centres, faces of each axis, ..., corners of cells; a component that stands there already is
/// taken as it is, else the two, four, ... around). Lengths are convex, so that |grad phi|_* is nowhere above the longest of these vectors:
///   V = max { -<A u, f> : |(R D u)_s|_* <= 1 for all s } = min { mean over s of sum |mu_s| h^dim : div R^T mu = A f },   V <= W.
/// Every u, scaled to slope 1, bounds V and W from below, and so bounds W by what a user may trust. R^T mu is a flux on the faces; moved in L2 to
/// div m = f it bounds W from above (flux_cost.hpp). For smooth f both are off W by O(h^2); vectors of values at one place each make the scheme
/// symmetric, where one-sided pairings of fluxes are of first order.
///
/// Any mu, moved to div R^T mu = A f, bounds V from above: upper() - lower() is a certified gap of the grid's problem and tends to 0. The steps are
///   u^ = u - tau (-Lap)^{-1} (A f - div R^T mu),   mu^ = w - sigma proj(w / sigma),  w = mu + sigma R D (2 u^ - u),   both relaxed:
/// the G-prox PDHG of Jacobs, Leger, Li, Osher 2019 (SIAM J. Numer. Anal. 57, 1100-1123) with the roles of the two spaces exchanged, one Poisson
/// solve a step; |R| <= 1, so that steps and iteration counts know nothing of the cell size. Longest slopes fall slowly, in spots, and a weighted
/// mean of u over the iterations has smaller ones: both are tried.
class MinimalFlow final : public SaddlePoint {
 public:
  /// Axes are periodic or no_flux, one ghost plane at least. Throws InputError for others.
  /// @note Collective.
  MinimalFlow(LayoutPtr layout, GroundNorm norm);

  /// Takes f, whose mean must be 0, on the same layout.
  /// @note Collective.
  void set_divergence(const Field& f);
  const Field& divergence() const { return f_; }
  /// u, the coefficients of the potential's spline.
  Field& iterate() { return u_; }
  /// mu: a level for each component of the vector at each kind of place; level_of() numbers them.
  Field& multiplier() { return mu_; }
  /// The level of component k at the places s: bit d of s is set when they stand on upper faces along axis d, else they are centres along it.
  int level_of(unsigned place, int k) const { return level_[place * 3 + static_cast<unsigned>(k)]; }
  int places() const { return 1 << layout_->dim(); }
  /// The weighted mean of u, not scaled: -<A u, f> / slope() bounds the minimum from below.
  Field& potential() { return mean_; }
  double slope() const { return mean_slope_; }

  /// u = 0, mu = 0.
  void start();
  /// u and mu from the solution on the grid of twice the cell size.
  /// @note Collective.
  void start_from(MinimalFlow& coarse);
  /// Forgets bounds and means: for a new start.
  void reset();

  /// m = R^T mu, moved in L2 the least way to div m = f: a level an axis, on the upper faces of the cells (0 on walls). Valid until the next step.
  /// @note Collective.
  Field& flux();
  /// max |div m - f| of flux().
  /// @note Collective.
  double divergence_error();
  /// What flux() costs in the continuum.
  /// @note Collective.
  FluxCost continuum_cost();
  /// Length of the vector of the means of |m_d| of flux(): the scale of steps.
  /// @note Collective.
  double mean_flux();
  /// The operators by themselves: out = R D u (levels of multiplier()), out = div R^T mu. <out, mu> / places() = -<u, div R^T mu>.
  /// @note Collective.
  void apply_gradient(Field& u, Field& out);
  void apply_divergence(Field& mu, Field& out);

  /// means = A u: what the spline of coefficients u is in the mean on each cell. Exchanges the ghosts of u.
  /// @note Collective.
  void cell_means(Field& u, Field& means);

  double upper() const { return upper_; }  ///< least cost of a feasible mu at any check: of the grid's problem
  double lower() const { return lower_; }  ///< largest certified lower bound at any check: of the grid's problem and of the continuum

  /// What a checkpoint must hold besides iterate, multiplier and potential; taken behind a check.
  struct State {
    double upper = 0, lower = 0, slope = 0;
    int checks = 0;
  };
  State state() const { return {upper_, lower_, mean_slope_, checks_}; }
  /// After the fields were filled.
  void restore(const State& state);

  std::vector<Field*> primal() override { return {&u_}; }
  std::vector<Field*> dual() override { return {&mu_}; }
  double operator_norm_squared() override { return 1; }
  void primal_step(double tau, double relaxation) override;
  double dual_step(double sigma, double relaxation, bool measure) override;
  /// "gap": upper() - lower(), relative to upper().
  std::vector<Residual> residuals() override;

 private:
  /// Calls visit(face along x as a constant, place, points of the row that are not on an upper wall, rows) at every row and place; rows hold
  /// means of u and its differences along the other axes, padded by one value at both ends. Ghosts of u up to date.
  template <int D, class F>
  void visit_gradients(const double* u, F&& visit);
  void gather(Field& mu);                                                          ///< m_ = R^T mu
  void decompose();                                                                ///< v: -Lap v = A f - div R^T mu, without ghosts
  void divergence_row(const Field& v, std::ptrdiff_t offset, int n, double* out);  ///< ghosts of the slow component up to date
  void exchange_faces(Field& v);
  /// m_ -= D w, ghosts of w up to date.
  void subtract_gradient(const Field& w);
  bool last_of(int axis, const RowPoints& at) const;

  LayoutPtr layout_;
  GroundNorm norm_;
  std::array<double, 3> over_h_{};
  std::array<int, 24> level_{};
  int exchanged_levels_ = 0;  ///< the first ones of mu_
  Field f_, g_, psi_;         ///< g = A f, -Lap psi = f - A f
  Field u_, v_, mean_, mu_, m_;
  SpectralPreconditioner poisson_;
  std::vector<double> buffer_, row_;
  std::ptrdiff_t buffer_stride_ = 0;
  double tau_ = 1, relaxation_ = 1;
  bool decomposed_ = false;
  double upper_ = 0, lower_ = 0, mean_slope_ = 0;
  int checks_ = 0;
};

}  // namespace wasserflow
