#pragma once
/// Functions of one variable on an axis, tabulated and extended beyond it, and the one-dimensional formulas of Hopf-Lax and Hopf-Cole on them.
#include <functional>
#include <vector>

#include "grids/grid.hpp"

namespace wasserflow {

/// g(s) on an interval, continued beyond it by the boundary kind: periodically, by reflection (NoFlux), or by g itself for one more length to
/// each side and constant from there (Extrapolate). Tabulated at 8192 intervals a length with cubic interpolation between: errors near 1e-14 for
/// smooth g; kinks on a node (ends, middle) keep their shape, others are rounded over one interval.
class Profile {
 public:
  /// Throws InputError for Dirichlet: neither formula holds for it.
  Profile(Boundary boundary, double lower, double upper, const std::function<double(double)>& g);
  double operator()(double s) const;
  Boundary boundary() const { return boundary_; }
  double lower() const { return lower_; }  ///< of the table: the interval, or one more length to each side
  double upper() const { return upper_; }
  double length() const { return length_; }  ///< of the interval
  double minimum() const { return minimum_; }
  double maximum() const { return maximum_; }
  double convexity() const { return convexity_; }  ///< max of g'', at least 0
  /// Positions of the local minima in [lower, upper), refined.
  const std::vector<double>& minima() const { return minima_; }

 private:
  Boundary boundary_;
  double lower_, upper_, length_;
  double inverse_spacing_ = 0;
  int cells_ = 0;
  std::vector<double> table_;  // cells_ + 1 nodes with one ghost before and two behind
  double minimum_ = 0, maximum_ = 0, convexity_ = 0;
  double kink_ = 0;  // second differences that jump by more belong to kinks
  std::vector<double> minima_;
};

/// The control cost of a Hopf-Lax formula.
struct HopfLaxCost {
  double power = 2;  ///< q >= 1 in H(p) = speed |p|^q / q; q = 1 is speed |p|
  double speed = 1;  ///< > 0
};

/// Viscosity solution of phi_t + H(phi_s) = 0, phi(., 0) = g at (s, t): min over z of g(z) + t H*((z - s)/t); global minimisation by a scan and
/// refinement of every local minimum that can win.
/// Source: Evans, Partial Differential Equations, 3.3.2.
double hopf_lax(const Profile& g, const HopfLaxCost& cost, double s, double t);

/// Solution of phi_t + |phi_s|^2 / 2 = eps phi_ss, phi(., 0) = g at (s, t): phi = -2 eps log w with w_t = eps w_ss. The heat integral is a trapezoid
/// sum of positive terms in logarithms, so that it keeps its relative accuracy where w spans hundreds of decades. Source: Evans, Partial Differential
/// Equations, 4.4.1.
double hopf_cole(const Profile& g, double eps, double s, double t);

}  // namespace wasserflow
