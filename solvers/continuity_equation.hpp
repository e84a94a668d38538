#pragma once
/// rho_t + div(rho v) = 0 by fifth-order finite volumes and by characteristics: probability flows.
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "problems/function.hpp"

namespace wasserflow {

/// v[i] = component `axis` of the velocity at p.x[i], p.y, p.z, p.t, which are midpoints of faces across that axis (p.n of them; p.offset is -1: no
/// point of the grid). Local.
using FaceVelocity = std::function<void(int axis, const RowPoints& p, double* v)>;

/// Finite volumes for cell averages. Densities at faces from the upwind side by WENO5 (Jiang & Shu 1996; solvers/weno.hpp), times v at the midpoint
/// of the face: fifth order in space in 1-D and wherever rho v varies along one axis only, second order in h across faces in 2-D and 3-D. Third order
/// in time by the strong-stability-preserving Runge-Kutta method of Shu & Osher 1988. Cells never turn negative: outflows of a stage that take more
/// than a cell holds are scaled down (Bott, Monthly Weather Review 117 (1989)), which happens next to vacuum only and costs no step size (the limiter
/// of Zhang & Shu 2010 needs steps six times smaller). Mass changes by rounding only, save for what leaves through free ends.
///   periodic; no_flux: nothing passes; extrapolate: mass leaves freely, nothing enters
class ContinuityEquation {
 public:
  /// One function of (x, t) an axis. `cfl`: largest dt (|v_x|/h_x + |v_y|/h_y + ...), in (0, 1]. Throws InputError for a layout with fewer than 3
  /// ghost planes or cells an axis and for dirichlet ends. Functions are to be bound to the layout; data from files are
  /// interpolated to faces.
  /// @note Collective.
  ContinuityEquation(LayoutPtr layout, const std::vector<FunctionPtr>& velocity, double cfl = 0.4);
  /// The same with a callback; `depends_on_time`: whether it must be called at every stage.
  /// @note Collective.
  ContinuityEquation(LayoutPtr layout, FaceVelocity velocity, bool depends_on_time, double cfl = 0.4);
  ~ContinuityEquation();
  /// Integrates level 0 of rho >= 0 from t0 to t1, in either direction of time; returns the number of steps. Same bits on any number of ranks. Throws
  /// DivergedError, with the time, when the velocity or rho is not finite.
  /// @note Collective.
  long advance(Field& rho, double t0, double t1);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Solutions of dX/dt = v(X, t) from X(t0) = x at every owned point of a layout to t1, by `steps` steps of the classical fourth-order Runge-Kutta
/// method: end[d] takes component d of X(t1), log_ratio the integral of div v along the way, so that the density that flows obeys
///   rho(x, t0) = rho(X(t1), t1) exp(log_ratio).
/// No grid enters: what finite volumes are compared with (Chen et al., Neural ordinary differential equations, 2018, appendix A). `divergence`: div
/// v; null: fourth-order differences of v over a twentieth of a cell.
/// @note Collective.
void follow_characteristics(const std::vector<FunctionPtr>& velocity, const FunctionPtr& divergence, double t0, double t1, int steps,
                            std::span<Field> end, Field& log_ratio);

}  // namespace wasserflow
