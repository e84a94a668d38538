#pragma once
/// Local convex couplings F(x, t, rho) of mean-field problems, row by row: value, derivative, proximal map and conjugate.
///
/// F is convex in rho on [0, maximum(x, t)], +infinity outside; its derivative f = dF/drho is what enters the Hamilton-Jacobi equation,
///   -phi_t - nu Lap phi + H(x, t, grad phi) = f(x, t, rho).
/// A coupling is a sum of terms (gamma, c, d, target are functions of (x, t); see coupling_types()):
///   potential  V rho, any sign          entropy  gamma rho ln rho, gamma >= 0            power  c rho^s, s > 1, c >= 0
///   quadratic  d/2 (rho - target)^2     kl       d (rho ln(rho/target) - rho + target)   capacity  rho <= maximum
///   formula    F = "..." in x, y, z, t, rho, differentiated symbolically
/// Terminal costs G(x, rho) are the same type, bound to one time. In a discrete problem they count `scale` = 1/dt times.
/// Source of the closed forms: Papadakis, Peyre, Oudet 2014; Chizat, Peyre, Schmitzer, Vialard 2018 (KL); Combettes & Pesquet 2011.
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "problems/function.hpp"

namespace wasserflow {

/// One smooth convex term that is neither affine, quadratic nor logarithmic in f, on chunks of at most `coupling_chunk` points.
class CouplingTerm {
 public:
  virtual ~CouplingTerm() = default;
  /// @note Collective.
  virtual void bind(const LayoutPtr&, std::span<const double> /*times*/) {}
  /// @note Collective.
  virtual void set_times(std::span<const double> /*times*/) {}
  /// value[i] += s F, f[i] += s dF/drho, df[i] += s d2F/drho2 at rho = r[i] > 0, i < p.n; null rows are not wanted. All rows hold p.n values rounded
  /// up to a multiple of 8, of which those behind p.n do not matter. Outputs do not overlap inputs.
  virtual void add(const RowPoints& p, double s, const double* r, double* value, double* f, double* df) const = 0;
  /// f falls to -infinity like a logarithm at rho = 0, so that minimisers are positive.
  virtual bool logarithmic() const { return false; }
};
inline constexpr int coupling_chunk = 64;

/// Where a coefficient comes from, for messages: its key and the place of its value in the problem file. Default: not from a file.
struct CoefficientOrigin {
  std::string key;
  Location where;
};

/// Move-only value. Default: F = 0 on rho >= 0. Bound to a layout and to the times of the levels before its rows are evaluated, like a Hamiltonian.
class Coupling {
 public:
  // Terms, added before bind. Errors about a coefficient name its origin.
  Coupling& add_potential(FunctionPtr v, double factor = 1);                                ///< factor V rho
  Coupling& add_entropy(FunctionPtr gamma, CoefficientOrigin from = {});                    ///< gamma rho ln rho
  Coupling& add_power(FunctionPtr c, double s, CoefficientOrigin from = {});                ///< c rho^s, s > 1
  Coupling& add_quadratic(FunctionPtr d, FunctionPtr target, CoefficientOrigin from = {});  ///< d/2 (rho - target)^2; origin of d
  /// d (rho ln(rho/target) - rho + target); rho vanishes with the target.
  Coupling& add_kl(FunctionPtr d, FunctionPtr target, CoefficientOrigin from = {}, CoefficientOrigin target_from = {});
  Coupling& add_capacity(FunctionPtr maximum, CoefficientOrigin from = {});  ///< rho <= maximum
  Coupling& add(std::unique_ptr<CouplingTerm> term);
  Coupling& add(Coupling other);  ///< all terms of another one

  /// Tabulates coefficients. InputError (on all ranks) with the place where gamma, c, d or a maximum is negative, or a formula not convex.
  /// @note Collective.
  void bind(LayoutPtr layout, std::span<const double> times);
  /// @note Collective.
  void set_times(std::span<const double> times);

  bool is_zero() const { return is_affine() && potential_.empty() && capacity_.empty(); }
  /// No terms but potentials and capacities: f does not depend on rho.
  bool is_affine() const { return quadratic_.empty() && logarithmic_.empty() && smooth_.empty(); }
  bool has_capacity() const { return !capacity_.empty(); }

  // Rows of any length; `out` may not overlap inputs. scale > 0 multiplies F.
  /// out[i] = scale F(rho[i]); +infinity for rho < 0 or above the capacity.
  void value(const RowPoints& p, const double* rho, double* out, double scale = 1) const;
  /// out[i] = scale f(max(rho[i], 1e-300)), without the normal cones of rho >= 0 and of the capacity.
  void derivative(const RowPoints& p, const double* rho, double* out, double scale = 1) const;
  /// In place: v[i] -> argmin over r of scale F(r) + (r - v[i])^2 / (2 gamma), gamma > 0.
  void prox(const RowPoints& p, double gamma, double* v, double scale = 1) const;
  /// out[i] = sup over r of v[i] r - scale F(r) (+infinity where F grows too slowly); with `argmax` also the r that reaches it, which inverts f:
  /// the density that belongs to a residual v of the Hamilton-Jacobi equation.
  void conjugate(const RowPoints& p, const double* v, double* out, double* argmax = nullptr, double scale = 1) const;

  // For joint proximal maps (problems/transport_cost.hpp), on chunks: p.n <= coupling_chunk, arrays as in CouplingTerm::add.
  /// slope += s (V - sum d target), curvature += s sum d: the affine and the quadratic terms.
  void add_quadratic_part(const RowPoints& p, double s, double* slope, double* curvature) const;
  /// weight += s sum gamma, offset += ...: the terms with f = weight ln rho + offset.
  void add_logarithmic_part(const RowPoints& p, double s, double* weight, double* offset) const;
  /// The other smooth terms at r > 0.
  void add_smooth_part(const RowPoints& p, double s, const double* r, double* value, double* f, double* df) const;
  /// maximum[i] = min(maximum[i], capacity).
  void limit(const RowPoints& p, double* maximum) const;
  bool has_logarithmic_part() const { return !logarithmic_.empty(); }
  bool has_smooth_part() const { return !smooth_.empty(); }
  /// f falls to -infinity like a logarithm at rho = 0.
  bool logarithmic() const;

 private:
  struct Term {
    FunctionPtr function;
    double factor = 1;
    CoefficientOrigin from{};
    Tabulated table{};
  };
  struct Quadratic {
    Term d, target;
  };
  template <class F>
  void each_table(F&& f);
  LayoutPtr layout_;
  std::vector<Term> potential_, capacity_;
  struct Logarithmic {
    Term gamma, target;
    bool relative;  ///< KL(rho, target), otherwise rho ln rho
  };
  std::vector<Quadratic> quadratic_;
  std::vector<Logarithmic> logarithmic_;
  std::vector<std::unique_ptr<CouplingTerm>> smooth_;
};

/// A coupling that counts `scale` times.
struct ScaledCoupling {
  const Coupling* coupling;
  double scale;
};
/// Coupling::conjugate of a sum.
void conjugate(std::span<const ScaledCoupling> sum, const RowPoints& p, const double* v, double* out, double* argmax = nullptr);

/// Adds the terms that stand under `key` of `p`: a table with `type`, or an array of such tables; nothing when the key is absent. `dim` names the
/// variables of functions. Throws InputError at the key at fault.
Coupling read_coupling(const Parameters& p, const std::string& key, const std::string& doc, int dim);
/// What `type` may be, for --describe: each adds its term to a coupling.
using CouplingReader = std::function<void(Coupling&, const Parameters&, int dim)>;
const Registry<CouplingReader>& coupling_types();
/// A table (TOML text) of the type, in any dimension.
std::string coupling_example(const std::string& type);

}  // namespace wasserflow
