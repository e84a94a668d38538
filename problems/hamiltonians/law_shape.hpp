#pragma once
/// What kind of function a law is, found out by sampling.
#include <vector>

#include "problems/convex_law.hpp"

namespace wasserflow {

/// A law at one point.
class LawSample {
 public:
  LawSample(const ConvexLaw& law, const RowPoints& one, int dim);
  double value(const std::array<double, 3>& slope) const;
  std::array<double, 3> gradient(const std::array<double, 3>& slope) const;
  std::array<double, 6> hessian(const std::array<double, 3>& slope) const;

 private:
  const ConvexLaw& law_;
  RowPoints p_;
  int dim_;
  std::array<double, 16> c_{};
  std::array<const double*, 16> rows_{};
};

/// A law on a row at a slope that is the same for all its points.
class LawRows {
 public:
  struct Result {
    std::vector<double> value;
    std::vector<std::vector<double>> gradient, hessian;
  };
  LawRows(const ConvexLaw& law, const RowPoints& p, int dim);
  Result evaluate(const std::array<double, 3>& slope) const;
  int dim() const { return dim_; }

 private:
  const ConvexLaw& law_;
  RowPoints p_;
  int dim_;
  std::vector<double> c_;
  std::vector<const double*> rows_;
};

struct LawShape {
  enum class Family { None, Quadratic, L1, L2, Linf, Power };
  bool convex = true;
  bool separable = true;  ///< H(p) - H(0) is the sum of H(p_d e_d) - H(0)
  Family family = Family::None;
  bool isotropic = true;                  ///< the coefficients of all axes are the same
  bool linear = false, constant = false;  ///< a quadratic form has a linear part, a constant
  double exponent = 2;                    ///< of a power
};

/// Samples (x, t) in and around the unit box and slopes of several sizes; places where H is not a finite number are left out. `convex` is judged in
/// the unit box alone: coefficients may change their sign outside the grid that will be used.
LawShape analyse(const ConvexLaw& law, int dim);
/// Whether H passes for convex at a point: chords and curvature at random slopes.
bool convex_at(const ConvexLaw& law, const RowPoints& one, int dim);

/// InputError with the place when the closed form does not give the law's values at a point of the row, or is not convex there.
void check_shape(const LawRows& rows, const LawShape& shape, const RowPoints& p);

}  // namespace wasserflow
