#include "problems/coupling_terms.hpp"

#include <fmt/format.h>

#include <array>
#include <cmath>

#include "grids/support/errors.hpp"
#include "grids/support/mpi.hpp"
#include "problems/formula.hpp"
#include "problems/monotone_root.hpp"

namespace wasserflow {

void load_row(const Tabulated& table, const RowPoints& p, double* out) {
  const int n = padded(p.n);
  if (table.is_constant()) {
    std::fill_n(out, n, table.value());
    return;
  }
  const double* const row = table.row(p);
  std::copy_n(row, p.n, out);
  std::fill(out + p.n, out + n, row[0]);
}

void require_nonnegative(const SlabLayout& layout, std::span<const double> times, const Tabulated& table, const std::string& what,
                         const CoefficientOrigin& from) {
  const std::string subject = (from.key.empty() ? "" : from.key + ": ") + what;
  check_all(layout.comm(), [&] {
    if (table.is_constant()) {
      if (!(table.value() >= 0)) throw InputError(fmt::format("{} is negative: {:g}", subject, table.value()), from.where);
      return;
    }
    for (std::size_t k = 0; k < times.size(); ++k)
      for (int r = 0; r < layout.rows(); ++r) {
        RowPoints p = layout.row(r);
        p.level = static_cast<int>(k);
        const double* const values = table.row(p);
        for (int i = 0; i < p.n; ++i)
          if (!(values[i] >= 0))
            throw InputError(
                fmt::format("{} is negative: {:g} at x = {:g}, y = {:g}, z = {:g}, t = {:g}", subject, values[i], p.x[i], p.y, p.z, times[k]),
                from.where);
      }
  });
}

namespace {

using Buffer = std::array<double, coupling_chunk>;

/// A function of (x, t) that is not negative.
struct Coefficient {
  FunctionPtr function;
  std::string what;
  CoefficientOrigin from;
  Tabulated table{};

  void bind(const LayoutPtr& layout, std::span<const double> times) {
    table = Tabulated(function, layout, times);
    require_nonnegative(*layout, times, table, what, from);
  }
  void set_times(const LayoutPtr& layout, std::span<const double> times) {
    table.set_times(times);
    if (function->depends_on_time()) require_nonnegative(*layout, times, table, what, from);
  }
};

class PowerTerm final : public CouplingTerm {
 public:
  PowerTerm(FunctionPtr c, double s, CoefficientOrigin from) : c_{std::move(c), "the coefficient of a coupling \"power\"", std::move(from)}, s_(s) {}
  void bind(const LayoutPtr& layout, std::span<const double> times) override {
    layout_ = layout;
    c_.bind(layout, times);
  }
  void set_times(std::span<const double> times) override { c_.set_times(layout_, times); }

  void add(const RowPoints& p, double s, const double* r, double* value, double* f, double* df) const override {
    alignas(64) Buffer c;
    load_row(c_.table, p, c.data());
    for (int i = 0; i < padded(p.n); i += 8) {
      const Pack8 rho = load8(r + i), slope = s * s_ * load8(&c[static_cast<std::size_t>(i)]) * power(rho);
      if (value) store8(value + i, load8(value + i) + slope * rho * (1 / s_));
      if (f) store8(f + i, load8(f + i) + slope);
      if (df) store8(df + i, load8(df + i) + (s_ - 1) * slope / rho);
    }
  }

 private:
  /// rho^(s - 1).
  Pack8 power(Pack8 rho) const {
    if (s_ == 3) return rho * rho;
    return exp8((s_ - 1) * log8(rho));
  }
  LayoutPtr layout_;
  Coefficient c_;
  double s_;
};

const std::vector<std::string> formula_inputs{"rho", "x", "y", "z", "t"};

class FormulaTerm final : public CouplingTerm {
 public:
  FormulaTerm(const Formula& f, Location where) : time_(f.depends_on("t")), text_(f.text()), where_(std::move(where)) {
    const Formula first = f.derivative("rho"), second = first.derivative("rho");
    value_ = Program({&f, 1}, formula_inputs);
    const std::array<Formula, 2> slopes{first, second};
    slopes_ = Program(slopes, formula_inputs);
  }
  void bind(const LayoutPtr& layout, std::span<const double> times) override {
    layout_ = layout;
    judge(times);
  }
  void set_times(std::span<const double> times) override {
    if (time_) judge(times);
  }
  bool logarithmic() const override { return logarithmic_; }

  void add(const RowPoints& p, double s, const double* r, double* value, double* f, double* df) const override {
    alignas(64) Buffer a{}, b{};  // whole packs: no remainder with other roundings
    const int n = padded(p.n);
    const std::array<Argument, 5> in{r, p.x, p.y, p.z, p.t};
    std::array<double*, 2> out{a.data(), b.data()};
    if (value) {
      value_.evaluate(p.n, in, out.data());
      for (int i = 0; i < n; ++i) value[i] += s * a[static_cast<std::size_t>(i)];
    }
    if (!f && !df) return;
    slopes_.evaluate(p.n, in, out.data());
    for (int i = 0; i < n; ++i) {
      if (f) f[i] += s * a[static_cast<std::size_t>(i)];
      if (df) df[i] += s * (b[static_cast<std::size_t>(i)] > 0 ? b[static_cast<std::size_t>(i)] : 0.0);
    }
  }

 private:
  /// Convex and finite at a range of densities, at some points of the grid and times? Also how f behaves at 0.
  void judge(std::span<const double> times) {
    int logarithmic = 0;
    check_all(layout_->comm(), [&] {
      for (std::size_t k = 0; k < times.size(); k += 1 + times.size() / 4)
        for (int r = 0; r < layout_->rows(); r += 1 + layout_->rows() / 16) {
          const RowPoints row = layout_->row(r);
          for (int i = 0; i < row.n; i += 1 + row.n / 8) {
            RowPoints p = part(row, i, static_cast<int>(k), times[k]);
            logarithmic |= judge_point(p);
          }
        }
    });
    MPI_Allreduce(MPI_IN_PLACE, &logarithmic, 1, MPI_INT, MPI_MAX, layout_->comm());
    logarithmic_ = logarithmic != 0;
  }
  static RowPoints part(const RowPoints& row, int i, int level, double t) {
    RowPoints p = part_of(row, i, 1);
    p.level = level;
    p.t = t;
    return p;
  }
  bool judge_point(const RowPoints& p) const {
    const auto slope = [&](double rho) {
      double f = 0, df = 0, value = 0;
      const std::array<Argument, 5> in{&rho, p.x, p.y, p.z, p.t};
      std::array<double*, 2> out{&f, &df};
      slopes_.evaluate(1, in, out.data());
      double* v = &value;
      value_.evaluate(1, in, &v);
      return std::array<double, 3>{value, f, df};
    };
    const auto fail = [&](const char* how, double rho) {
      throw InputError(
          fmt::format("the coupling F = \"{}\" is {} at rho = {:g}, x = {:g}, y = {:g}, z = {:g}, t = {:g}", text_, how, rho, p.x[0], p.y, p.z, p.t),
          where_);
    };
    constexpr double infinity = std::numeric_limits<double>::infinity();
    double before = -infinity, size = 0;
    for (double rho = 1e-8; rho < 1.5e4; rho *= 1.7782794100389228) {  // four a decade
      const auto [value, f, df] = slope(rho);
      if (value == infinity && rho > 10) break;  // exponentials overflow
      if (!std::isfinite(value) || !std::isfinite(f) || std::isnan(df)) fail("not a finite number", rho);
      size = std::max(size, std::abs(f));
      if (f < before - 1e-10 * size || df < -1e-10 * (size / rho + 1)) fail("not convex in rho", rho);
      before = f;
    }
    const double far = slope(1e-280)[1], near = slope(1e-140)[1];
    return far < near - 1 || std::isinf(far);
  }

  LayoutPtr layout_;
  bool time_, logarithmic_ = false;
  std::string text_;
  Location where_;
  Program value_, slopes_;
};

}  // namespace

std::unique_ptr<CouplingTerm> make_power_term(FunctionPtr c, double s, CoefficientOrigin from) {
  return std::make_unique<PowerTerm>(std::move(c), s, std::move(from));
}
std::unique_ptr<CouplingTerm> make_formula_term(const Formula& f, Location where) { return std::make_unique<FormulaTerm>(f, std::move(where)); }

}  // namespace wasserflow
