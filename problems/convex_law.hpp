#pragma once
/// A Hamiltonian H(x, t, p), convex in p, that is known by its values and derivatives only: a formula, a person's C++ struct, a plugin.
#include <memory>
#include <string>

#include "grids/slab_layout.hpp"
#include "problems/law_rows.hpp"

namespace wasserflow {

class ConvexLaw {
 public:
  virtual ~ConvexLaw() = default;
  /// Quantities that depend on (x, t) only: tabulated once a time level and handed to evaluate.
  virtual int coefficients() const { return 0; }
  virtual void tabulate(const RowPoints&, double* const* /*c*/) const {}
  virtual bool depends_on_time() const { return true; }
  /// h[i] = H; with g also g[d][i] = dH/dp_d, with hess the upper triangle of the Hessian row by row. axis >= 0: derivatives by that slope only, in
  /// g[0] and hess[0]. c[k]: rows of the coefficients. At kinks the smallest derivative. Outputs do not overlap inputs.
  virtual void evaluate(const RowPoints& p, const double* const* c, const double* const* slope, double* h, double* const* g, double* const* hess,
                        int axis = -1) const = 0;
};

using LawPtr = std::shared_ptr<const ConvexLaw>;

/// The law of a struct (see problems/law_rows.hpp) in D dimensions.
template <class H, int D>
class StructLaw final : public ConvexLaw {
 public:
  explicit StructLaw(H law = {}) : law_(std::move(law)) {}
  int coefficients() const override { return law_coefficients<H>(); }
  void tabulate(const RowPoints& p, double* const* c) const override { law_tabulate<H>(row(p, nullptr), c); }
  void evaluate(const RowPoints& p, const double* const* c, const double* const* slope, double* h, double* const* g, double* const* hess,
                int axis) const override {
    law_evaluate<H, D>(law_, row(p, c), slope, h, g, hess, axis);
  }

 private:
  static LawRow row(const RowPoints& p, const double* const* c) { return {p.n, p.x, p.y, p.z, p.t, c}; }
  H law_;
};

}  // namespace wasserflow
