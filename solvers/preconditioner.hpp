#pragma once
/// Spectral preconditioners: metrics that are inverted mode by mode, with a tridiagonal solve in time.
#include <array>
#include <vector>

#include "grids/spectral_transform.hpp"

namespace wasserflow {

/// Which time levels of a window are unknown, and with it the corners of the tridiagonal matrix. a = 1 / dt + theta v, b = -1 / dt + (1 - theta) v;
/// every off-diagonal entry is a b.
///   InitialValue  T = B^T B with B lower bidiagonal (a, b): diagonal a^2 + b^2, the last one a^2. The value before level 0 is given.
///   FreeEnd       T = A A^T, density given at the start and free at the end: diagonal a^2 + b^2, the first one a^2.
///   Planning      T = A A^T, density given at both ends: first a^2, last b^2 (one level: 0).
/// Papadakis, Peyre, Oudet 2014 (section 4) for T = A A^T without viscosity.
enum class TimeEnds { InitialValue, FreeEnd, Planning };

/// Time part of a metric. With v the symbol of the viscous term and s the symbol of the gradient term, the metric of a mode is T(a, b) + s I.
struct TimeOperator {
  double dt = 1;     ///< > 0
  double theta = 1;  ///< weight of the viscous term at the newer level, in [0, 1]
  TimeEnds ends = TimeEnds::InitialValue;
  double end_weight = 1;  ///< > 0, FreeEnd: weight M of the free end in the metric of densities, T = A diag(1, ..., 1, 1 / M) A^T
};

/// Symbols that are sums over axes: one vector an axis, entry k for mode k (as many as SpectralTransform::modes; more are ignored).
/// An empty vector stands for zeros.
struct AxisSymbols {
  std::array<std::vector<double>, 3> axis;
};

/// Gradient part of the metric of a Hamilton-Jacobi window: both one-sided differences of each axis (upwind; sum 2 lambda_d), or the
/// central difference (Lax-Friedrichs; sin^2 symbol).
enum class GradientScheme { Upwind, Central };

/// P^{-1} for the metric P = T(1/dt + v, -1/dt) + s + shift, mode by mode, where v and s are sums of axis symbols. With InitialValue ends
/// and s = 2 sum lambda_d this is P = K^T K of the primal-dual method for Hamilton-Jacobi windows, so that its step sizes need only tau sigma < 1
/// (the G-prox PDHG of Jacobs, Leger, Li, Osher 2019). P is symmetric positive definite where every mode has T + s + shift > 0; a mode with no
/// diagonal at all (Planning and v = s = shift = 0) gets 1/dt^2 in its first entry, which is exact for compatible right-hand sides.
class SpectralPreconditioner {
 public:
  /// Fields of `levels` levels on `layout`. Throws InputError when dt <= 0, theta is outside [0, 1], shift < 0, a symbol is negative, or has
  /// fewer entries than the axis has modes.
  /// @note Collective.
  SpectralPreconditioner(LayoutPtr layout, int levels, const TimeOperator& time, const AxisSymbols& viscosity, const AxisSymbols& gradient,
                         double shift = 0);

  /// The metric of a Hamilton-Jacobi window of `levels` implicit steps `dt`, with viscosity nu_d along axis d.
  /// @note Collective.
  static SpectralPreconditioner hamilton_jacobi(LayoutPtr layout, int levels, double dt, const std::array<double, 3>& viscosity,
                                                GradientScheme scheme = GradientScheme::Upwind, SymbolKind kind = SymbolKind::Difference,
                                                double shift = 0);

  /// out = P^{-1} r, owned parts: levels first_r ... of r to levels first_out ... of out. `r` and `out` may be one field.
  /// @note Collective.
  void apply(const Field& r, Field& out, int first_r = 0, int first_out = 0);
  /// The same with rows made and taken on the fly (a residual that is never stored, an update that is fused), see SpectralTransform.
  /// @note Collective.
  void apply(const SpectralTransform::Source& source, const SpectralTransform::Sink& sink);

  /// The rest of the metric's life is cheap to change: new time operator, symbols and shift on the same plans.
  void set(const TimeOperator& time, const AxisSymbols& viscosity, const AxisSymbols& gradient, double shift = 0);

  SpectralTransform& transform() { return transform_; }
  const SlabLayout& layout() const { return transform_.layout(); }
  int levels() const { return transform_.levels(); }

 private:
  void solve_block(const ModeBlock& block);

  SpectralTransform transform_;
  TimeOperator time_;
  double shift_ = 0;
  // Symbols in the order of a block, padded.
  std::vector<double> v_row_, v_column_, v_outer_, s_row_, s_column_, s_outer_;
  std::vector<double> pivots_;  ///< elimination factors of one row of modes, all levels
};

}  // namespace wasserflow
