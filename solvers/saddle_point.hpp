#pragma once
/// The narrow interface between equations and the primal-dual engine.
#include <string>
#include <vector>

#include "grids/field.hpp"

namespace wasserflow {

/// A named residual of an iterate. `absolute` is in the units of the equation; `scale` is what the relative residual divides by.
struct Residual {
  std::string name;
  double absolute = 0;
  double scale = 1;
  double relative() const { return scale > 0 ? absolute / scale : absolute; }
};

/// The saddle point
///   min over x, max over y of  <K x, y> - F*(y) + <c, x>,
/// x in the metric P (preconditioner), y in a diagonal metric D: what an equation gives to the engine (Pdhg). The problem owns the iterates
/// (x, y) and the extrapolated point xb, so that its steps can be fused sweeps. F* is convex with a simple proximal map; sign convention as in
/// Chambolle & Pock 2011. All members are collective over the ranks of the fields.
class SaddlePoint {
 public:
  virtual ~SaddlePoint() = default;

  /// Iterates in a fixed order; the engine copies and averages them for restarts and line searches.
  virtual std::vector<Field*> primal() = 0;
  virtual std::vector<Field*> dual() = 0;

  /// An upper bound of || D^{1/2} K P^{-1/2} ||^2; steps satisfy tau sigma norm < 4/3 (1 with relaxation). Not asked for by StepRule::Given.
  virtual double operator_norm_squared();

  /// Lipschitz constant (in the metric P) of the gradient of a smooth convex term h(x) that the primal step takes explicitly, d = -P^{-1} (K^T y + c
  /// + grad h(x)) (Condat 2013; Vu 2013); 0 when there is none. Steps are shortened for it.
  virtual double forward_lipschitz() { return 0; }

  /// d = -P^{-1} (K^T y + c);  xb = x + 2 tau d;  x += relaxation tau d.
  virtual void primal_step(double tau, double relaxation) = 0;
  /// yh = argmin F*(y') - <K xb, y'> + ||y' - y||^2 / (2 sigma);  y += relaxation (yh - y). Returns ||yh - y|| in the metric of y when
  /// `measure`, else 0.
  virtual double dual_step(double sigma, double relaxation, bool measure) = 0;

  /// What termination looks at; the first one is shown in the progress line.
  virtual std::vector<Residual> residuals() = 0;
  /// residuals() are by-products of the last step: the engine measures (primal_error, `measure`) the step before every check.
  virtual bool measures_steps() const { return false; }

  // Problems that run with StepRule::Given alone need nothing of what follows; the functions that a step rule needs and a problem lacks throw
  // InternalError.

  /// || K^T y + c || in the metric P^{-1}, for the y that the last primal_step read. To be called between primal_step(tau, relaxation) and dual_step.
  virtual double primal_error(double tau, double relaxation);
  /// xb = x + factor (xb - x): other extrapolations than the standard one, with relaxation 1.
  virtual void scale_extrapolation(double factor);
  /// ||K^T (y - y_other)|| in the metric P^{-1}; y_other in the order of dual().
  virtual double adjoint_distance(const std::vector<Field>& y_other);
  /// ||y - y_other|| in the metric of y.
  virtual double dual_distance(const std::vector<Field>& y_other);
};

}  // namespace wasserflow
