#pragma once
/// Coefficients of Fokker-Planck fluxes on the faces of a slab, at one time and state.
#include <array>
#include <vector>

#include "grids/field.hpp"
#include "problems/fokker_planck.hpp"

namespace wasserflow {

/// Fluxes through the faces across an axis, divided by the spacing: F / h = a rho_below - b rho_above. Face f of a line of n cells is the lower face
/// of cell f, face n the upper end; both are there on periodic axes too. At absorbing ends rho outside is -rho inside, and a = b.
struct AxisFaces {
  std::vector<double> a, b;
  std::vector<double> da, db;  ///< dF / h = da v_below - db v_above - g (difference of the perturbed potential); empty: those above
  std::vector<double> g;       ///< empty without nonlocal terms
};

/// All of a step. Cross terms of a tensor D: vertices between the cells (i, j) and (i + 1, j + 1) exchange weight (rho - rho') along their two
/// diagonals with opposite signs, for -2 D_xy u_xy by a symmetric stencil.
struct StepFaces {
  bool made = false;
  double time = 0;
  std::array<AxisFaces, 3> axis;
  Field corner;       ///< weights of the vertices above each cell: a level a pair of axes (xy, xz, yz); none without cross terms
  Field reaction;     ///< c; none without
  double peclet = 0;  ///< largest |q| / D of this rank's inner faces
};

/// Tabulates the coefficients of an equation at cell centres and makes faces of them.
class FokkerPlanckFaces {
 public:
  /// @note Collective.
  FokkerPlanckFaces(const FokkerPlanckEquation& equation, LayoutPtr layout);

  /// Faces at time t. `rho` (ghosts up to date): the density of nonlinear terms, level k; `phi` its nonlocal potential. Throws InputError (all ranks
  /// alike) where a coefficient is not finite or D negative.
  /// @note Collective where coefficients depend on time, or at the first call.
  void make(StepFaces& faces, double t, const Field* rho, const Field* phi, int k);

  /// Where the lower faces of row r stand, and how far the upper ones are from them.
  std::ptrdiff_t lower(int d, int r) const;
  std::ptrdiff_t shift(int d) const { return d == slow_ ? layout_->plane() : d == 0 ? 1 : nx_; }
  std::ptrdiff_t offset(int r) const { return static_cast<std::ptrdiff_t>(r) * (layout_->dim() > 1 ? nx_ : SlabLayout::row_limit); }
  int length(int r) const {
    return layout_->dim() > 1 ? nx_ : static_cast<int>(std::min<std::ptrdiff_t>(SlabLayout::row_limit, layout_->owned() - offset(r)));
  }
  const Field& potential() const { return V_; }  ///< at the time of the last make; none without
  bool has_corners() const { return tensor_; }

 private:
  struct Line;
  void tabulate(double t);
  void make_axis(int d, AxisFaces& faces, StepFaces& step, const Field* rho, int k);
  void close_ends(int d, AxisFaces& faces, const Field* rho, int k) const;
  void end_face(int d, AxisFaces& faces, std::ptrdiff_t face, std::ptrdiff_t cell, std::ptrdiff_t inner, bool upper, const Field* rho, int k) const;
  void make_corners(StepFaces& step) const;
  double diffusion(int d, std::ptrdiff_t cell) const;

  FokkerPlanckEquation equation_;
  LayoutPtr layout_;
  int nx_, slow_;
  bool tensor_ = false, timed_ = false, tabulated_ = false;
  double time_ = 0;
  Field V_, D_, b_, c_;
  Field Q_;                     // V + phi
  int diffusions_ = 0;          // levels of D_
  std::vector<double> padded_;  // x rows with an image at both ends
};

}  // namespace wasserflow
