#pragma once
/// Mobilities V(rho) of transport: how much flux a density carries at a given cost, kinetic cost V L(m/V).
#include <memory>
#include <string>

#include "grids/support/parameters.hpp"
#include "problems/formula.hpp"

namespace wasserflow {

/// V >= 0, concave on [0, maximum()]. V = rho is plain transport; V = rho^beta is the congestion cost |m|^2 / (2 rho^beta).
class Mobility {
 public:
  virtual ~Mobility() = default;
  /// v[i] = V(r[i]), dv = V', ddv = V'' at r[i] > 0 for i < n, a multiple of 8. Null rows are not wanted. Outputs do not overlap inputs.
  virtual void evaluate(int n, const double* r, double* v, double* dv, double* ddv) const = 0;
  virtual double maximum() const;                  ///< largest density; +infinity when there is none
  virtual bool singular() const { return false; }  ///< V' is infinite at 0
};
using MobilityPtr = std::shared_ptr<const Mobility>;

/// V = rho^beta, 0 <= beta <= 1.
MobilityPtr make_power_mobility(double beta);
/// V by a formula in rho, concave and positive on (0, maximum); InputError when it is not at samples.
MobilityPtr make_formula_mobility(const Formula& v, double maximum, const Location& where = {});
/// [mobility]: type "linear" (nullptr, the default), "power" (exponent), "formula" (V, maximum).
MobilityPtr read_mobility(const Parameters& p);

}  // namespace wasserflow
