#pragma once
/// M^{-1} of implicit steps: block lower bidiagonal in time, a small matrix a mode in space.
#include <memory>

#include "grids/spectral_transform.hpp"
#include "solvers/evolution_operator.hpp"

namespace wasserflow {

/// For a block of N implicit steps of S components, M has X = I + tau Rf on its diagonal and -I below it, where Rf is the FrozenOperator:
///   M^{-1} y:   z_1 = X^{-1} y_1, z_i = X^{-1}(y_i + z_{i-1});    M^{-T} z: w_N = X^{-T} z_N, w_i = X^{-T}(z_i + w_{i+1}).
/// One transform pair each, and one pair for both together (M M^T)^{-1}: all blocks share the modes. Level k S + s of a field is step k, component s.
/// Source: Liu, Liu, Osher, Li arXiv:2305.03945.
class ImplicitPreconditioner {
 public:
  enum class Kind { Inverse, Transpose, Normal };  ///< M^{-1}, M^{-T}, M^{-T} M^{-1}
  /// `single`: transforms in float32 (half the traffic; relative accuracy of about 1e-6).
  /// @note Collective.
  ImplicitPreconditioner(LayoutPtr layout, int steps, int components, bool single = false);
  ~ImplicitPreconditioner();
  ImplicitPreconditioner(ImplicitPreconditioner&&) noexcept;
  ImplicitPreconditioner& operator=(ImplicitPreconditioner&&) noexcept;

  /// Must come before the first apply; costs nothing when nothing changed. Throws InputError, the same on all ranks, when a mode of X is not positive
  /// (no coupling) or singular: tau is then too large for the frozen constants. What was set before stays in that case.
  void set(double tau, const FrozenOperator& frozen);
  double tau() const { return tau_; }

  /// @note Collective.
  void apply(const SpectralTransform::Source& source, const SpectralTransform::Sink& sink, Kind kind = Kind::Inverse);
  void apply(const Field& in, Field& out, Kind kind = Kind::Inverse);
  /// out = p(lambda)^{-1} in for every level, modes with p = 0 give 0: G^{-1} on mean-free fields. lambda is of the kind that was set.
  /// @note Collective.
  void apply_inverse(const SymbolPolynomial& p, const Field& in, Field& out);
  /// Both at once, one transform forward and two back: levels [0, L) of the sink get M^{-1} in, levels [L, 2L) get p^{-1} M^{-1} in. The first call
  /// makes the buffers for 2L levels.
  /// @note Collective.
  void apply_with_inverse(const SymbolPolynomial& p, const SpectralTransform::Source& source, const SpectralTransform::Sink& sink);

  int steps() const { return steps_; }
  int components() const { return components_; }
  const SlabLayout& layout() const { return *layout_; }
  long transform_pairs() const { return (transforms_ + 1) / 2; }  ///< since construction: pairs of one level (work), for reports

 private:
  void check_set() const;

  struct State;
  LayoutPtr layout_;
  int steps_, components_;
  double tau_ = 0;
  long transforms_ = 0;  ///< of one level, one way
  std::unique_ptr<State> state_;
};

}  // namespace wasserflow
