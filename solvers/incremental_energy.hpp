#pragma once
/// The incremental energy of an implicit step of a gradient flow, along lines.
///
/// With R = G dE/du, F = U - known + tau R = tau G grad Phi for Phi(U) = |U - known|^2_{G^{-1}} / (2 tau) + E(U) (all inner products Euclidean, E per
/// cell volume). M and G have the same modes, so -M^{-1} F is a direction of descent. Every direction d is carried with its image G^{-1} d: then
/// <grad Phi, d> = <F, G^{-1} d> / tau, and the quadratic part of Phi along a line is known.
#include <limits>
#include <optional>
#include <vector>

#include "grids/reduce.hpp"
#include "solvers/step_system.hpp"

namespace wasserflow {

/// Inner product of n values by 32 running sums, which vectors hold.
template <class T>
double row_dot(int n, const double* a, const T* b) {
  double s[32] = {};
  int i = 0;
  for (; i + 32 <= n; i += 32)
    for (int l = 0; l < 32; ++l) s[l] += a[i + l] * static_cast<double>(b[i + l]);
  for (; i < n; ++i) s[0] += a[i] * static_cast<double>(b[i]);
  for (int half = 16; half > 0; half /= 2)
    for (int l = 0; l < half; ++l) s[l] += s[l + half];
  return s[0];
}

/// Several sums over the grid in one message, with the same bits on any number of ranks.
class RowSums {
 public:
  /// `part(offset, n, out)` gives `count` sums over n points (1-D: over single points). The result stands until the next call.
  /// @note Collective.
  template <class Part>
  const std::vector<double>& operator()(const SlabLayout& layout, int count, Part&& part) {
    const std::size_t c = static_cast<std::size_t>(count);
    sums_.assign(c, ExactSum{});
    row_.resize(c);
    values_.resize(c);
    const auto take = [&](std::ptrdiff_t offset, int n) {
      part(offset, n, row_.data());
      for (std::size_t i = 0; i < c; ++i) sums_[i] += row_[i];
    };
    for (int r = 0; r < layout.rows(); ++r) {
      const RowPoints p = layout.row(r);
      if (layout.dim() > 1)
        take(p.offset, p.n);
      else
        for (int i = 0; i < p.n; ++i) take(p.offset + i, 1);
    }
    ExactSum::reduce(layout.comm(), sums_);
    for (std::size_t i = 0; i < c; ++i) values_[i] = sums_[i].value();
    return values_;
  }

 private:
  std::vector<ExactSum> sums_;
  std::vector<double> row_, values_;
};

/// Point U + a d of a line: Phi relative to that at a = 0, its slope, and max |F| / tau.
struct LinePoint {
  double a = 0, value = 0, slope = 0, residual = 0;
};

/// Lines of one system at a time. Fields are made at the first begin.
class IncrementalEnergy {
 public:
  static constexpr double infinity = std::numeric_limits<double>::infinity();
  /// Differences of Phi below this part of its terms are rounding.
  static constexpr double rounding = 2e-14;

  /// True for one step of one component whose R is G dE/du with constant G (EvolutionOperator::gradient_metric).
  static bool exists(StepSystem& system);

  /// Takes up a system for which exists() is true and makes the initial guess admissible: it gets the mean of `known` where that must be kept, and
  /// gives way to `known` where it is outside of the domain or Phi is lower there, so that an answer that descends from it has no more energy than
  /// `known`. False when neither is in the domain.
  /// @note Collective.
  bool begin(StepSystem& system, Field& U);
  /// Where the mean is conserved F has none but rounding: gives U the mean of `known` to the last digits.
  /// @note Collective.
  void keep_mean(Field& U);

  /// E a cell volume; infinite where it is not a number.
  /// @note Collective.
  double energy(Field& U);

  Field& direction() { return d_; }
  /// G^{-1} d times G(0) when G is a number: then it is the direction itself.
  Field& image() { return identity_ ? d_ : metric_d_; }
  const Field& image() const { return identity_ ? d_ : metric_d_; }
  bool own_image() const { return !identity_; }
  /// <grad Phi, d> = per_product() <F, image>.
  double per_product() const { return scale_ / system_->tau(); }

  /// Direction M^{-1} source with its image, by one forward transform.
  /// @note Collective.
  void precondition(const SpectralTransform::Source& source);
  /// The image of a direction that came from elsewhere.
  /// @note Collective.
  void make_image();
  /// Largest a for which U + a d stays inside of the domain, with some distance kept.
  /// @note Collective.
  double reach(const Field& U) const;

  /// What a step along a line must do.
  struct Search {
    double first = 1;          ///< step tried first
    double decrease = 0.1;     ///< Phi falls by this part of a times the slope (Armijo)
    double curvature = 0.9;    ///< the slope is at least this part of the first one (Wolfe); infinite: no matter
    double beyond = infinity;  ///< and not above this part of it with the other sign
    double tolerance = 0;      ///< enough when max |F| / tau is below and Phi does not grow
  };
  /// A step along the direction from U, where E is `energy_here`, that meets the conditions or, where Phi's change is rounding, their approximation
  /// by slopes (Hager & Zhang 2005). On success trial(), trial_F() and trial_energy() belong to it. None: there is no such step down to rounding.
  /// @note Collective.
  std::optional<LinePoint> search(const Field& U, double energy_here, double slope, const Search& conditions);
  Field& trial() { return trial_; }
  Field& trial_F() { return trial_F_; }
  double trial_energy() const { return trial_energy_; }

 private:
  double mean(const double* values, const double* minus);
  /// Rounding in F gives directions a mean, which long steps would make grow and Phi knows nothing of.
  void remove_mean();
  LinePoint evaluate(const Field& U, double a, double linear, double quadratic, double energy_here);

  StepSystem* system_ = nullptr;
  SymbolPolynomial metric_;  // G
  bool identity_ = false;    // G is a number
  double scale_ = 1, volume_ = 1, lower_ = -infinity, upper_ = infinity, trial_energy_ = 0;
  Field trial_, trial_F_, d_, metric_d_;
  RowSums sums_;
};

}  // namespace wasserflow
