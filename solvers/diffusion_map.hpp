#pragma once
/// One factor K of the operators of problems/reaction_diffusion.hpp, acting on fields of several steps: differences or exact symbols.
#include <memory>
#include <vector>

#include "grids/field.hpp"
#include "grids/spectral_transform.hpp"
#include "problems/reaction_diffusion.hpp"
#include "solvers/diffusion_stencil.hpp"
#include "solvers/evolution_operator.hpp"

namespace wasserflow {

/// A field w of which rows of K w are wanted: the caller's, or one that the operator builds in `own`. Step k stands at level first + k stride.
struct Operand {
  Field own;
  Field image;  ///< K w, where it comes from transforms
  const Field* w = nullptr;
  int first = 0, stride = 1;

  const double* level(int k) const { return w->level(first + k * stride); }
  void refer(const Field& field, int first_level = 0, int level_stride = 1) { w = &field, first = first_level, stride = level_stride; }
  /// Makes `own` the field, with room for `steps` steps. Allocates at the first call (and when there are more steps than ever before).
  Field& build(const LayoutPtr& layout, int steps) {
    if (!own || own.levels() < steps) own = Field(layout, steps);
    refer(own);
    return own;
  }
};

/// -div(c grad) with c = 1, sigma(x) or M(u), by differences; or (-Laplacian)^power times a number by exact symbols. Self-adjoint for fixed c.
class DiffusionMap {
 public:
  using Transform = std::shared_ptr<SpectralTransform>;  ///< of one level, shared by all factors

  /// @note Collective.
  DiffusionMap(LayoutPtr layout, const DiffusionFactor& factor);
  DiffusionMap(LayoutPtr layout, double scale, int power, Transform transform);
  /// The factors of a product in the order in which they act: with exact symbols, one for all of them.
  /// @note Collective.
  static std::vector<DiffusionMap> product(const LayoutPtr& layout, const std::vector<DiffusionFactor>& factors, const Transform& transform);

  /// Makes rows of K w available for steps 0 ... steps - 1: ghosts of an own field (those of a caller's field are there), or transforms.
  /// @note Collective.
  void prepare(Operand& w, int steps) const;
  /// out = beta out + scale (K w)_r at step k; `m`: cell values of M(u) (level of a field with ghosts) when there is a mobility.
  void row(const Operand& w, int k, int r, double scale, double beta, double* out, const double* m = nullptr) const;

  bool variable() const { return mobility_ || (stencil_ && stencil_->variable()); }
  const Mobility* mobility() const { return mobility_.get(); }
  double wall() const { return wall_; }
  const DiffusionStencil* stencil() const { return stencil_.get(); }
  /// Constant-coefficient symbol: mean c times lambda^power.
  SymbolPolynomial symbol() const;

 private:
  LayoutPtr layout_;
  std::shared_ptr<const DiffusionStencil> stencil_;  // null with exact symbols
  MobilityPtr mobility_;
  double wall_ = 0;  // M at Dirichlet walls
  double scale_ = 1;
  int power_ = 1;
  Transform transform_;
};

SymbolPolynomial multiply(const SymbolPolynomial& p, const SymbolPolynomial& q);

}  // namespace wasserflow
