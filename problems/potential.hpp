#pragma once
/// Bulk free energies W(u) of gradient flows, with f = W' and its derivatives, row by row.
#include <limits>
#include <memory>
#include <string>

#include "grids/support/parameters.hpp"

namespace wasserflow {

/// W and its derivatives over n values. Thread-compatible, not collective; outputs do not overlap inputs.
class Potential {
 public:
  virtual ~Potential() = default;
  virtual void energy(int n, const double* u, double* w) const = 0;   ///< W(u)
  virtual void first(int n, const double* u, double* f) const = 0;    ///< f = W'(u)
  virtual void second(int n, const double* u, double* df) const = 0;  ///< f' = W''(u)
  virtual void third(int n, const double* u, double* d2f) const = 0;  ///< W'''(u)
  /// W and f are defined on the open interval (lower, upper).
  virtual double lower() const { return -std::numeric_limits<double>::infinity(); }
  virtual double upper() const { return std::numeric_limits<double>::infinity(); }
  /// W'' at the (deeper) minimum of W: the constant that stands for f' in preconditioners. Finite and > 0.
  virtual double curvature() const = 0;
  virtual std::string text() const = 0;  ///< as in a problem file
};
using PotentialPtr = std::shared_ptr<const Potential>;

/// W = (u^2 - 1)^2 / 4, f = u^3 - u.
PotentialPtr make_double_well();
/// Flory-Huggins: W = theta/2 [(1+u) ln(1+u) + (1-u) ln(1-u)] - theta_c/2 u^2 on (-1, 1), f = theta/2 ln((1+u)/(1-u)) - theta_c u.
PotentialPtr make_flory_huggins(double theta, double theta_c);

/// Reads `key` of `p`: a name ("double_well") or a table with `type`: double_well, flory_huggins (theta, theta_c), polynomial (coefficients c_0, c_1,
/// ... of W), formula (W = "..." in u, constants; derivatives are symbolic). Throws InputError at the key at fault.
PotentialPtr read_potential(const Parameters& p, const std::string& key, const std::string& doc);
/// For --describe and the tests: name -> doc.
const std::vector<std::pair<std::string, std::string>>& potential_types();

}  // namespace wasserflow
