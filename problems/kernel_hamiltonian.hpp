#pragma once
/// Turns a kernel into a Hamiltonian: tabulates the coefficients, loops over rows.
#include <algorithm>
#include <utility>

#include "problems/hamiltonian.hpp"
#include "problems/hamiltonian_kernel.hpp"

namespace wasserflow {

/// Coefficients tabulated on a layout, as the sweeps want them.
class CoefficientTables {
 public:
  explicit CoefficientTables(std::vector<FunctionPtr> functions) : functions_(std::move(functions)) {}
  /// @note Collective.
  void bind(const LayoutPtr& layout, std::span<const double> times);
  /// @note Collective.
  void set_times(std::span<const double> times);
  int size() const { return static_cast<int>(functions_.size()); }
  bool depends_on_time() const {
    return std::any_of(functions_.begin(), functions_.end(), [](const FunctionPtr& f) { return f->depends_on_time(); });
  }
  /// Throws InputError with the place where a coefficient is negative.
  /// @note Collective.
  void require_nonnegative(const std::string& name) const;

  /// Pointers of one row; refers to itself, so it is not copied.
  class Row {
   public:
    Row(const CoefficientTables& tables, const RowPoints& p);
    Row(const Row&) = delete;
    operator const KernelRow&() const { return row_; }

   private:
    KernelRow row_;
    std::array<const double*, 16> pointers_{};
    std::array<double, 16> constants_{};
  };

 private:
  std::vector<FunctionPtr> functions_;
  std::vector<Tabulated> tables_;
  LayoutPtr layout_;
  std::vector<double> times_;
};

template <HamiltonianKernel K>
class KernelHamiltonian final : public Hamiltonian {
 public:
  /// `coefficients`: K::coefficients functions of (x, t).
  KernelHamiltonian(std::string name, K kernel, std::vector<FunctionPtr> coefficients, bool convex = true)
      : name_(std::move(name)), kernel_(std::move(kernel)), coefficients_(std::move(coefficients)), convex_(convex) {}

  std::string name() const override { return name_; }
  Splitting splitting() const override { return K::upwind ? Splitting::Upwind : Splitting::LaxFriedrichs; }
  bool is_convex() const override { return convex_; }
  void bind(LayoutPtr layout, std::span<const double> times) override {
    coefficients_.bind(layout, times);
    require_convex();
  }
  void set_times(std::span<const double> times) override {
    coefficients_.set_times(times);
    if (coefficients_.depends_on_time()) require_convex();
  }

  void evaluate(const RowPoints& p, const double* const* q, double* h) const override {
    value_sweep<N, K::slots>(
        Row(coefficients_, p), q, h, [&](const auto& pt, const Pack* v) __attribute__((always_inline)) { return kernel_.value(pt, v); });
  }
  void gradient(const RowPoints& p, const double* const* q, double* const* g) const override {
    vector_sweep<N, K::slots>(
        Row(coefficients_, p), q, g, [&](const auto& pt, const Pack* v, Pack* o) __attribute__((always_inline)) { kernel_.gradient(pt, v, o); });
  }
  void prox(const RowPoints& p, double sigma_rho, double sigma_m, double* u0, double* const* u) const override {
    prox_sweep(kernel_, Row(coefficients_, p), ProxSteps{sigma_rho, sigma_m}, u0, u);
  }
  void lagrangian(const RowPoints& p, const double* const* v, double* l) const override {
    value_sweep<N, K::slots>(
        Row(coefficients_, p), v, l, [&](const auto& pt, const Pack* w) __attribute__((always_inline)) { return kernel_.lagrangian(pt, w); });
  }
  void evaluate_true(const RowPoints& p, const double* const* slope, double* h) const override {
    value_sweep<N, K::dim>(
        Row(coefficients_, p), slope, h, [&](const auto& pt, const Pack* v) __attribute__((always_inline)) { return kernel_.true_value(pt, v); });
  }
  void gradient_true(const RowPoints& p, const double* const* slope, double* const* g) const override {
    vector_sweep<N, K::dim>(
        Row(coefficients_, p), slope,
        g, [&](const auto& pt, const Pack* v, Pack* o) __attribute__((always_inline)) { kernel_.true_gradient(pt, v, o); });
  }

 private:
  void require_convex() const {
    if constexpr (K::nonnegative) coefficients_.require_nonnegative(name_);
  }
  using Row = CoefficientTables::Row;
  static constexpr int N = K::coefficients;
  std::string name_;
  K kernel_;
  CoefficientTables coefficients_;
  bool convex_ = true;
};

template <HamiltonianKernel K>
HamiltonianPtr make_kernel_hamiltonian(std::string name, K kernel, std::vector<FunctionPtr> coefficients) {
  return std::make_unique<KernelHamiltonian<K>>(std::move(name), std::move(kernel), std::move(coefficients));
}

/// One function stands for all axes.
inline bool same_everywhere(const std::vector<FunctionPtr>& f) {
  return std::all_of(f.begin(), f.end(), [&](const FunctionPtr& g) { return g == f.front(); });
}

/// f(std::integral_constant<int, dim>) for dim 1, 2, 3.
template <class F>
auto dispatch_dimension(int dim, F&& f) {
  if (dim == 1) return f(std::integral_constant<int, 1>{});
  if (dim == 2) return f(std::integral_constant<int, 2>{});
  return f(std::integral_constant<int, 3>{});
}

}  // namespace wasserflow
