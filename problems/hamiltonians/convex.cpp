#include "problems/hamiltonians/convex.hpp"

#include "grids/support/errors.hpp"
#include "problems/convex_prox.hpp"
#include "problems/hamiltonians/builtin.hpp"
#include "problems/hamiltonians/law_shape.hpp"
#include "problems/kernel_hamiltonian.hpp"

namespace wasserflow {

namespace {

constexpr int chunk = ConvexPoints::chunk;
const std::array<double, chunk> zeros{};

/// Slope of least H along one axis, the others at rest: where the upwind sides meet.
class BaseSlope final : public Function {
 public:
  BaseSlope(LawPtr law, int dim, int axis) : law_(std::move(law)), dim_(dim), axis_(axis) {}
  bool depends_on_time() const override { return law_->depends_on_time(); }
  void evaluate(const RowPoints& p, double* out) const override {
    RowPoints one = p;
    one.n = 1;
    for (int i = 0; i < p.n; ++i) {
      one.x = p.x + i;
      one.offset = p.offset + i;
      out[i] = least(one);
    }
  }

 private:
  double least(const RowPoints& p) const {
    const LawSample at(*law_, p, dim_);
    const auto slope = [&](double q) {
      std::array<double, 3> s{};
      s[static_cast<std::size_t>(axis_)] = q;
      return at.gradient(s)[static_cast<std::size_t>(axis_)];
    };
    double low = -1, high = 1;
    while (slope(low) > 0 && low > -1e8) low *= 4;
    while (slope(high) < 0 && high < 1e8) high *= 4;
    if (slope(low) > 0 || slope(high) < 0)
      throw InputError(
          "the Hamiltonian has no least value along an axis, so that it has no upwind sides: set hamiltonian.splitting = \"lax_friedrichs\"");
    if (slope(0) == 0) return 0;
    for (int i = 0; i < 2000 && high - low > 0; ++i) {
      const double middle = 0.5 * (low + high);
      if (middle == low || middle == high) break;
      const double s = slope(middle);
      if (s == 0) return middle;
      (s < 0 ? low : high) = middle;
    }
    return 0.5 * (low + high);
  }
  LawPtr law_;
  int dim_, axis_;
};

/// One coefficient of a law as a function, to be tabulated.
class LawCoefficient final : public Function {
 public:
  LawCoefficient(LawPtr law, int k) : law_(std::move(law)), k_(k) {}
  bool depends_on_time() const override { return law_->depends_on_time(); }
  void evaluate(const RowPoints& p, double* out) const override {
    std::vector<double> all(static_cast<std::size_t>(law_->coefficients()) * static_cast<std::size_t>(p.n));
    std::vector<double*> rows;
    for (int k = 0; k < law_->coefficients(); ++k) rows.push_back(k == k_ ? out : all.data() + static_cast<std::ptrdiff_t>(k) * p.n);
    law_->tabulate(p, rows.data());
  }

 private:
  LawPtr law_;
  int k_;
};

class ConvexHamiltonian final : public Hamiltonian {
 public:
  ConvexHamiltonian(std::string name, LawPtr law, int dim, Splitting splitting, bool convex)
      : name_(std::move(name)), law_(std::move(law)), dim_(dim), splitting_(splitting), convex_(convex), coefficients_(functions(false)) {}

  std::string name() const override { return name_; }
  Splitting splitting() const override { return splitting_; }
  bool is_convex() const override { return convex_; }

  void bind(LayoutPtr layout, std::span<const double> times) override {
    coefficients_ = CoefficientTables(functions(splitting_ == Splitting::Upwind));
    coefficients_.bind(layout, times);
    judge(*layout, times);
  }
  void set_times(std::span<const double> times) override { coefficients_.set_times(times); }

  void evaluate(const RowPoints& p, const double* const* q, double* h) const override {
    if (splitting_ == Splitting::LaxFriedrichs) return evaluate_true(p, q, h);
    chunks(p, [&](const ConvexPoints& at, int first) {
      std::array<const double*, 6> rows;
      for (int j = 0; j < 2 * dim_; ++j) rows[static_cast<std::size_t>(j)] = q[j] + first;
      upwind_value(at, rows.data(), h + first);
    });
  }
  void gradient(const RowPoints& p, const double* const* q, double* const* g) const override {
    if (splitting_ == Splitting::LaxFriedrichs) return gradient_true(p, q, g);
    chunks(p, [&](const ConvexPoints& at, int first) {
      std::array<const double*, 6> rows;
      std::array<double*, 6> out;
      for (int j = 0; j < 2 * dim_; ++j) rows[static_cast<std::size_t>(j)] = q[j] + first, out[static_cast<std::size_t>(j)] = g[j] + first;
      upwind_gradient(at, rows.data(), out.data());
    });
  }
  void prox(const RowPoints& p, double sigma_rho, double sigma_m, double* u0, double* const* u) const override {
    chunks(p, [&](const ConvexPoints& at, int first) {
      std::array<double*, 6> rows;
      for (int j = 0; j < slots(dim_); ++j) rows[static_cast<std::size_t>(j)] = u[j] + first;
      (splitting_ == Splitting::Upwind ? upwind_prox : central_prox)(at, ProxSteps{sigma_rho, sigma_m}, u0 + first, rows.data());
    });
  }
  void lagrangian(const RowPoints& p, const double* const* v, double* l) const override {
    chunks(p, [&](const ConvexPoints& at, int first) {
      for (int i = 0; i < at.p.n; ++i) {
        std::array<const double*, 16> c{};
        std::array<const double*, 3> base{};
        std::array<double, 6> velocity{};
        for (int j = 0; j < slots(dim_); ++j) velocity[static_cast<std::size_t>(j)] = v[j][first + i];
        const ConvexPoints one = at.part(i, 1, c, base);
        l[first + i] = (splitting_ == Splitting::Upwind ? upwind_conjugate : central_conjugate)(one, velocity.data());
      }
    });
  }

  void evaluate_true(const RowPoints& p, const double* const* slope, double* h) const override {
    chunks(p, [&](const ConvexPoints& at, int first) {
      std::array<const double*, 3> rows;
      for (int d = 0; d < dim_; ++d) rows[static_cast<std::size_t>(d)] = slope[d] + first;
      law_->evaluate(at.p, at.c, rows.data(), h + first, nullptr, nullptr);
    });
  }
  void gradient_true(const RowPoints& p, const double* const* slope, double* const* g) const override {
    chunks(p, [&](const ConvexPoints& at, int first) {
      std::array<double, chunk> value;
      std::array<const double*, 3> rows;
      std::array<double*, 3> out;
      for (int d = 0; d < dim_; ++d) rows[static_cast<std::size_t>(d)] = slope[d] + first, out[static_cast<std::size_t>(d)] = g[d] + first;
      law_->evaluate(at.p, at.c, rows.data(), value.data(), out.data(), nullptr);
    });
  }

 private:
  /// Convex on the grid it is used on? At some hundred of its points.
  void judge(const SlabLayout& layout, std::span<const double> times) {
    int convex = 1;
    for (int r = 0; r < layout.rows(); r += 1 + layout.rows() / 16) {
      RowPoints p = layout.row(r);
      const int n = p.n;
      const double* const x = p.x;
      if (!times.empty()) p.t = times.back();
      for (int i = 0; i < n; i += 1 + n / 8) {
        p.n = 1;
        p.x = x + i;
        if (!convex_at(*law_, p, dim_)) convex = 0;
      }
    }
    MPI_Allreduce(MPI_IN_PLACE, &convex, 1, MPI_INT, MPI_MIN, layout.comm());
    convex_ = convex != 0;
  }

  /// The law's coefficients, then the base slopes.
  std::vector<FunctionPtr> functions(bool base) const {
    std::vector<FunctionPtr> f;
    for (int k = 0; k < law_->coefficients(); ++k) f.push_back(std::make_shared<LawCoefficient>(law_, k));
    for (int d = 0; base && d < dim_; ++d) f.push_back(std::make_shared<BaseSlope>(law_, dim_, d));
    return f;
  }

  template <class Body>
  void chunks(const RowPoints& p, Body&& body) const {
    const CoefficientTables::Row row(coefficients_, p);
    const KernelRow& tables = row;
    const int count = law_->coefficients();
    for (int first = 0; first < p.n; first += chunk) {
      std::array<const double*, 16> c{};
      std::array<const double*, 3> base{zeros.data(), zeros.data(), zeros.data()};
      for (int k = 0; k < count; ++k) c[static_cast<std::size_t>(k)] = tables.c[k] + first;
      if (splitting_ == Splitting::Upwind)
        for (int d = 0; d < dim_; ++d) base[static_cast<std::size_t>(d)] = tables.c[count + d] + first;
      ConvexPoints at{law_.get(), dim_, p, c.data(), base.data(), true};
      at.p.n = std::min(chunk, p.n - first);
      at.p.x += first;
      at.p.offset += first;
      body(at, first);
    }
  }

  std::string name_;
  LawPtr law_;
  int dim_;
  Splitting splitting_;
  bool convex_;
  CoefficientTables coefficients_;
};

/// A coefficient of a recognised closed form, taken from the law row by row. Every point is checked against the closed form.
class ShapeCoefficient final : public Function {
 public:
  enum class Part { Hessian, Gradient, Constant, Value };
  /// `index`: entry of the Hessian's triangle, axis of the gradient, axis of the unit slope at which H is taken; times `factor`.
  ShapeCoefficient(LawPtr law, int dim, LawShape shape, Part part, int index, double factor = 1)
      : law_(std::move(law)), dim_(dim), shape_(shape), part_(part), index_(index), factor_(factor) {}
  bool depends_on_time() const override { return law_->depends_on_time(); }
  void evaluate(const RowPoints& p, double* out) const override {
    const LawRows rows(*law_, p, dim_);
    std::array<double, 3> slope{};
    if (part_ == Part::Value) slope[static_cast<std::size_t>(index_)] = 1;
    const LawRows::Result at = rows.evaluate(slope);
    const std::vector<double>& source = part_ == Part::Hessian    ? at.hessian[static_cast<std::size_t>(index_)]
                                        : part_ == Part::Gradient ? at.gradient[static_cast<std::size_t>(index_)]
                                                                  : at.value;
    for (int i = 0; i < p.n; ++i) out[i] = factor_ * source[static_cast<std::size_t>(i)];
    if (index_ == 0 && part_ != Part::Gradient && part_ != Part::Constant) check_shape(rows, shape_, p);
  }

 private:
  LawPtr law_;
  int dim_;
  LawShape shape_;
  Part part_;
  int index_;
  double factor_;
};

}  // namespace

ConvexOptions read_convex_options(const Parameters& p) {
  ConvexOptions o;
  o.splitting = p.choice("splitting",
                         "Numerical Hamiltonian: upwind sides, or central slopes with artificial viscosity (Lax-Friedrichs); auto: upwind where H "
                         "splits by axis or is a norm",
                         {"auto", "upwind", "lax_friedrichs"}, "auto");
  o.recognise = p.flag("closed_form", "Solve quadratic forms, norms and powers of |p| by their closed forms", true);
  return o;
}

HamiltonianTerms make_convex(const std::string& name, LawPtr law, int dim, const ConvexOptions& options) {
  using Part = ShapeCoefficient::Part;
  const LawShape shape = analyse(*law, dim);
  const bool central = options.splitting == "lax_friedrichs";
  const Splitting splitting = central ? Splitting::LaxFriedrichs : Splitting::Upwind;
  HamiltonianTerms terms;
  const auto coefficient = [&](Part part, int index, double factor = 1) -> FunctionPtr {
    return std::make_shared<ShapeCoefficient>(law, dim, shape, part, index, factor);
  };
  if (options.recognise && shape.convex && shape.family != LawShape::Family::None) {
    switch (shape.family) {
      case LawShape::Family::Quadratic: {
        if (options.splitting == "upwind" && !shape.separable) break;
        std::vector<FunctionPtr> matrix;
        for (int i = 0, k = 0; i < dim; ++i)
          for (int j = i; j < dim; ++j, ++k)
            matrix.push_back(i != j && shape.separable                               ? make_constant(0)
                             : i == j && i > 0 && shape.isotropic && shape.separable ? matrix[0]
                                                                                     : coefficient(Part::Hessian, k));
        terms.kinetic = make_anisotropic(dim, std::move(matrix), splitting);
        for (int d = 0; shape.linear && d < dim; ++d) terms.drift.push_back(coefficient(Part::Gradient, d));
        if (shape.constant) terms.potential = coefficient(Part::Constant, 0);
        return terms;
      }
      case LawShape::Family::L1: {
        std::vector<FunctionPtr> c;
        for (int d = 0; d < dim; ++d) c.push_back(d > 0 && shape.isotropic ? c[0] : coefficient(Part::Value, d));
        terms.kinetic = make_norm_l1(dim, std::move(c), splitting);
        return terms;
      }
      case LawShape::Family::L2: terms.kinetic = make_norm_l2(dim, coefficient(Part::Value, 0), splitting); return terms;
      case LawShape::Family::Linf: terms.kinetic = make_norm_linf(dim, coefficient(Part::Value, 0), splitting); return terms;
      case LawShape::Family::Power:
        if (central) break;
        terms.kinetic = make_power(dim, coefficient(Part::Value, 0, shape.exponent), shape.exponent);
        return terms;
      case LawShape::Family::None: break;
    }
  }
  if (options.splitting == "upwind" && !shape.separable)
    throw InputError(name + ": this Hamiltonian is not a sum over axes, so that it has no upwind sides; set splitting = \"lax_friedrichs\"");
  const bool upwind = !central && shape.separable && shape.convex;
  terms.kinetic = std::make_unique<ConvexHamiltonian>(name, std::move(law), dim, upwind ? Splitting::Upwind : Splitting::LaxFriedrichs, shape.convex);
  return terms;
}

}  // namespace wasserflow
