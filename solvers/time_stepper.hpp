#pragma once
/// Time steppers of u_t + R(u, t) = 0 behind one interface: implicit ones with a nonlinear solver inside, and IMEX ones.
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "grids/support/parameters.hpp"
#include "solvers/nonlinear_solver.hpp"

namespace wasserflow {

/// What a step (or a block of steps) took.
struct [[nodiscard]] StepReport {
  double t = 0;              ///< time reached
  double dt = 0;             ///< size of the step (of one step of a block)
  int steps = 1;             ///< steps of the block
  bool converged = true;     ///< false: tolerance not reached even at the smallest step
  bool diverged = false;     ///< not finite, or nothing works at the smallest step: the state is that before the step
  int rejections = 0;        ///< halvings and repeated steps
  std::string why;           ///< reason of the last rejection: "solver", "error", "energy", "domain", "preconditioner" (a mode of 1 + tau A is not
                             ///< positive); "" for none
  std::string method;        ///< nonlinear solver that gave the answer; "" for IMEX
  int fallbacks = 0;         ///< rungs of the ladder that failed before it
  int iterations = 0;        ///< nonlinear iterations, all attempts and stages
  long transform_pairs = 0;  ///< all attempts
  long evaluations = 0;
  double residual = 0;        ///< max |F| / tau of the worst stage at the answer; NaN for IMEX, which solve linear systems exactly
  double error_estimate = 0;  ///< embedded estimate relative to the tolerance, max norm; NaN when there is none
  double energy = 0;          ///< at `t`, when energy control is on and the equation has an energy; else NaN
};

/// When steps are chosen by the stepper.
struct AdaptiveParameters {
  bool on = false;
  double tolerance = 1e-3;           ///< of the embedded error estimate of a step, max norm
  double smallest = 0, largest = 0;  ///< bounds of dt; 0: dt / 1024 and none
  double safety = 0.9, grow = 2, shrink = 0.2;
};

struct TimeParameters {
  std::string method = "implicit_euler";  ///< implicit_euler, bdf2, sdirk2, crank_nicolson; imex_euler, sbdf2, etdrk4
  double dt = 0;                          ///< step, or first step when adaptive
  int block = 1;                          ///< implicit_euler: steps solved at once
  int extrapolation = 2;                  ///< order of the initial guess from earlier steps: 0, 1, 2
  bool energy_control = true;             ///< implicit: repeat with half the step when the energy grows (where there is one)
  double stabiliser = 1;                  ///< IMEX: S in A + S G b, in units of the potential's curvature W''(minimum)
  AdaptiveParameters adaptive;
  /// `methods`: those that time.method may name, with what they are; empty: time_methods(). `fallback`: the method where the key is absent.
  static TimeParameters read(const Parameters& time, std::vector<std::pair<std::string, std::string>> methods = {},
                             const std::string& fallback = "implicit_euler");
};

/// Marches the state from time 0. Methods, with tau as StepSystem has it, w = dt / (the step before), f = -R:
///   implicit_euler  tau = dt, known = u^n;  error: dt (f^{n+1} - f^n) / 2, which is half the distance from the linear extrapolation of Euler steps
///   bdf2            tau = dt (1 + w)/(1 + 2w), known = ((1 + w)^2 u^n - w^2 u^{n-1})/(1 + 2w); starts with implicit Euler;
///                   error: dt^3 (1 + w)^2 / (6 w (1 + 2w)) u''', with u''' from the second divided difference of f
///   sdirk2          tau = gamma dt, gamma = 1 - 1/sqrt 2 (Alexander 1977; stiffly accurate, L-stable); error: distance from the embedded first-order
///                   solution of Ellsiepen (1999), (gamma - g) dt (f_2 - f_1) with g = 2 - 5 sqrt(2)/4
///   crank_nicolson  tau = dt / 2, known = u^n - tau R(u^n): A-stable, not L-stable (stiff modes change sign every step); fixed steps only
///   imex_euler      (1 + dt A) u^{n+1} = u^n - dt (R - A)(u^n), A: the linear part and the stabiliser
///   sbdf2           variable-step BDF2 in A, linear extrapolation of R - A; starts with imex_euler (Ascher, Ruuth, Wetton 1995)
///   etdrk4          exponential differencing (Cox & Matthews 2002) with the coefficients of Kassam & Trefethen (2005), tabulated once a dt for every
///                   mode: about nine numbers a point and component
/// A step whose solver fails, whose energy grows or that leaves its domain is repeated with half the size down to dt / 1024; a block of steps first
/// with half as many of them. Fixed steps stand on the grid t_k = k dt, and halved ones on its bisections, so that two halves reach the same time;
/// the size goes back to dt at the next point where it fits. A time that is no grid point ends a shorter (or up to a tenth longer) step and is the
/// origin of a new grid. IMEX steps are checked for finite values and the domain only. The first step of an adaptive run (bdf2: two) has no error
/// estimate.
class TimeStepper {
 public:
  virtual ~TimeStepper() = default;
  /// One step, or one block, no further than `end` (a step that would pass it or nearly reach it ends there).
  /// @note Collective.
  virtual StepReport advance(double end) = 0;
  virtual double time() const = 0;
  virtual const Field& state() const = 0;  ///< components at time()
  virtual Field& state() = 0;
  /// All that a checkpoint must hold so that the rest of the run has the same bits.
  virtual std::vector<std::pair<std::string, Field*>> state_fields() = 0;
  virtual std::map<std::string, double> state_numbers() const = 0;
  virtual void restore(const std::map<std::string, double>& numbers) = 0;
};

/// `solver` is not used by IMEX methods (may be null for them). Throws InputError where the method does not suit the operator.
/// @note Collective.
std::unique_ptr<TimeStepper> make_time_stepper(const TimeParameters& parameters, EvolutionOperatorPtr op, NonlinearSolverPtr solver,
                                               const Field& initial, bool single = false);
const std::vector<std::pair<std::string, std::string>>& time_methods();

}  // namespace wasserflow
