#include "problems/coupling.hpp"

#include <array>
#include <cmath>

#include "problems/coupling_terms.hpp"
#include "problems/monotone_root.hpp"

namespace wasserflow {

namespace {
constexpr double infinity = std::numeric_limits<double>::infinity();
using Buffer = std::array<double, coupling_chunk>;

/// Copied, with the last pack filled up.
void load(const double* from, int n, double* to) {
  std::copy_n(from, n, to);
  std::fill(to + n, to + padded(n), from[0]);
}

std::vector<std::unique_ptr<CouplingTerm>> moved(std::vector<std::unique_ptr<CouplingTerm>>& terms) { return std::move(terms); }
}  // namespace

Coupling& Coupling::add_potential(FunctionPtr v, double factor) {
  potential_.push_back({std::move(v), factor});
  return *this;
}
Coupling& Coupling::add_entropy(FunctionPtr gamma, CoefficientOrigin from) {
  logarithmic_.push_back({{std::move(gamma), 1, std::move(from)}, {make_constant(1), 1}, false});
  return *this;
}
Coupling& Coupling::add_power(FunctionPtr c, double s, CoefficientOrigin from) {
  if (s != 2) return add(make_power_term(std::move(c), s, std::move(from)));
  quadratic_.push_back({{std::move(c), 2, std::move(from)}, {make_constant(0), 1}});
  return *this;
}
Coupling& Coupling::add_quadratic(FunctionPtr d, FunctionPtr target, CoefficientOrigin from) {
  quadratic_.push_back({{std::move(d), 1, std::move(from)}, {std::move(target), 1}});
  return *this;
}
Coupling& Coupling::add_kl(FunctionPtr d, FunctionPtr target, CoefficientOrigin from, CoefficientOrigin target_from) {
  logarithmic_.push_back({{std::move(d), 1, std::move(from)}, {std::move(target), 1, std::move(target_from)}, true});
  return *this;
}
Coupling& Coupling::add_capacity(FunctionPtr maximum, CoefficientOrigin from) {
  capacity_.push_back({std::move(maximum), 1, std::move(from)});
  return *this;
}
Coupling& Coupling::add(std::unique_ptr<CouplingTerm> term) {
  smooth_.push_back(std::move(term));
  return *this;
}
Coupling& Coupling::add(Coupling other) {
  for (Term& t : other.potential_) potential_.push_back(std::move(t));
  for (Term& t : other.capacity_) capacity_.push_back(std::move(t));
  for (Quadratic& q : other.quadratic_) quadratic_.push_back(std::move(q));
  for (Logarithmic& l : other.logarithmic_) logarithmic_.push_back(std::move(l));
  for (auto& t : moved(other.smooth_)) smooth_.push_back(std::move(t));
  return *this;
}

template <class F>
void Coupling::each_table(F&& f) {
  for (Term& t : potential_) f(t, nullptr);
  for (Term& t : capacity_) f(t, "a capacity");
  for (Quadratic& q : quadratic_) {
    f(q.d, "the coefficient of a coupling \"quadratic\"");
    f(q.target, nullptr);
  }
  for (Logarithmic& l : logarithmic_) {
    f(l.gamma, l.relative ? "the coefficient of a coupling \"kl\"" : "the coefficient of a coupling \"entropy\"");
    f(l.target, "the target of a coupling \"kl\"");
  }
}

void Coupling::bind(LayoutPtr layout, std::span<const double> times) {
  each_table([&](Term& t, const char* sign) {
    t.table = Tabulated(t.function, layout, times);
    if (sign) require_nonnegative(*layout, times, t.table, sign, t.from);
  });
  for (auto& term : smooth_) term->bind(layout, times);
  layout_ = std::move(layout);
}

void Coupling::set_times(std::span<const double> times) {
  each_table([&](Term& t, const char* sign) {
    t.table.set_times(times);
    if (sign && t.function->depends_on_time()) require_nonnegative(*layout_, times, t.table, sign, t.from);
  });
  for (auto& term : smooth_) term->set_times(times);
}

bool Coupling::logarithmic() const {
  return !logarithmic_.empty() || std::any_of(smooth_.begin(), smooth_.end(), [](const auto& t) { return t->logarithmic(); });
}

void Coupling::add_quadratic_part(const RowPoints& p, double s, double* slope, double* curvature) const {
  alignas(64) Buffer a, b;
  const int n = padded(p.n);
  for (const Term& t : potential_) {
    load_row(t.table, p, a.data());
    for (int i = 0; i < n; ++i) slope[i] += s * t.factor * a[static_cast<std::size_t>(i)];
  }
  for (const Quadratic& q : quadratic_) {
    load_row(q.d.table, p, a.data());
    load_row(q.target.table, p, b.data());
    for (int i = 0; i < n; ++i) {
      const double d = s * q.d.factor * a[static_cast<std::size_t>(i)];
      slope[i] -= d * b[static_cast<std::size_t>(i)];
      curvature[i] += d;
    }
  }
}

void Coupling::add_logarithmic_part(const RowPoints& p, double s, double* weight, double* offset) const {
  alignas(64) Buffer a, b;
  for (const Logarithmic& l : logarithmic_) {
    load_row(l.gamma.table, p, a.data());
    load_row(l.target.table, p, b.data());
    for (int i = 0; i < padded(p.n); i += 8) {
      const Pack8 g = s * load8(&a[static_cast<std::size_t>(i)]), t = load8(&b[static_cast<std::size_t>(i)]);
      store8(weight + i, load8(weight + i) + g);
      store8(offset + i, load8(offset + i) + (l.relative ? -g * log8(t > 1e-300 ? t : Pack8{} + 1e-300) : g));
    }
  }
}

void Coupling::add_smooth_part(const RowPoints& p, double s, const double* r, double* value, double* f, double* df) const {
  for (const auto& term : smooth_) term->add(p, s, r, value, f, df);
}

void Coupling::limit(const RowPoints& p, double* maximum) const {
  alignas(64) Buffer a;
  for (const Term& t : capacity_) {
    load_row(t.table, p, a.data());
    for (int i = 0; i < padded(p.n); ++i) maximum[i] = std::min(maximum[i], a[static_cast<std::size_t>(i)]);
  }
}

void Coupling::value(const RowPoints& row, const double* rho, double* out, double scale) const {
  for_chunks(row, [&](const RowPoints& p, int first) {
    alignas(64) Buffer r, v{}, a, b;
    alignas(64) Buffer maximum;
    maximum.fill(infinity);
    load(rho + first, p.n, r.data());
    const std::size_t n = static_cast<std::size_t>(padded(p.n));
    for (const Term& t : potential_) {
      load_row(t.table, p, a.data());
      for (std::size_t i = 0; i < n; ++i) v[i] += t.factor * a[i] * r[i];
    }
    for (const Quadratic& q : quadratic_) {
      load_row(q.d.table, p, a.data());
      load_row(q.target.table, p, b.data());
      for (std::size_t i = 0; i < n; ++i) v[i] += 0.5 * q.d.factor * a[i] * (r[i] - b[i]) * (r[i] - b[i]);
    }
    limit(p, maximum.data());
    alignas(64) Buffer positive;
    for (std::size_t i = 0; i < n; ++i) positive[i] = std::max(r[i], 1e-300);
    for (const Logarithmic& l : logarithmic_) {
      load_row(l.gamma.table, p, a.data());
      load_row(l.target.table, p, b.data());
      for (std::size_t i = 0; i < n; i += 8) {
        const Pack8 g = load8(&a[i]), t = load8(&b[i]), x = load8(&positive[i]), log = log8(x) - log8(t > 1e-300 ? t : Pack8{} + 1e-300);
        store8(&v[i], load8(&v[i]) + (l.relative ? g * (x * (log - 1.0) + t) : g * x * log));
      }
    }
    add_smooth_part(p, 1, positive.data(), v.data(), nullptr, nullptr);
    for (std::size_t i = 0; i < static_cast<std::size_t>(p.n); ++i)
      out[first + static_cast<int>(i)] = r[i] >= 0 && r[i] <= maximum[i] ? scale * v[i] : infinity;
  });
}

void Coupling::derivative(const RowPoints& row, const double* rho, double* out, double scale) const {
  for_chunks(row, [&](const RowPoints& p, int first) {
    alignas(64) Buffer r, slope{}, curvature{}, f{}, weight{};
    load(rho + first, p.n, r.data());
    for (std::size_t i = 0; i < static_cast<std::size_t>(padded(p.n)); ++i) r[i] = std::max(r[i], 1e-300);
    add_quadratic_part(p, scale, slope.data(), curvature.data());
    if (has_logarithmic_part()) {
      add_logarithmic_part(p, scale, weight.data(), f.data());
      for (std::size_t i = 0; i < static_cast<std::size_t>(padded(p.n)); i += 8) store8(&f[i], load8(&f[i]) + load8(&weight[i]) * log8(load8(&r[i])));
    }
    add_smooth_part(p, scale, r.data(), nullptr, f.data(), nullptr);
    for (std::size_t i = 0; i < static_cast<std::size_t>(p.n); ++i) out[first + static_cast<int>(i)] = slope[i] + curvature[i] * r[i] + f[i];
  });
}

void Coupling::prox(const RowPoints& row, double gamma, double* v, double scale) const {
  for_chunks(row, [&](const RowPoints& p, int first) {
    alignas(64) Buffer a, r, slope{}, curvature{}, weight{}, maximum;
    load(v + first, p.n, a.data());
    const std::size_t n = static_cast<std::size_t>(padded(p.n));
    const double g = gamma * scale;
    add_quadratic_part(p, g, slope.data(), curvature.data());
    add_logarithmic_part(p, g, weight.data(), slope.data());
    for (std::size_t i = 0; i < n; ++i) {
      a[i] = (a[i] - slope[i]) / (1 + curvature[i]);
      weight[i] /= 1 + curvature[i];
      r[i] = std::max(a[i], 0.0);
    }
    if (has_logarithmic_part()) logarithmic_roots<0>(static_cast<int>(n), a.data(), weight.data(), nullptr, nullptr, 1, r.data());
    if (has_smooth_part()) {
      for (std::size_t i = 0; i < n; ++i) r[i] = std::max(r[i], std::min(g, 1.0));
      monotone_roots<coupling_chunk>(static_cast<int>(n), r.data(), logarithmic(), [&](const double* x, double* h, double* dh) {
        alignas(64) Buffer f{}, df{};
        add_smooth_part(p, g, x, nullptr, f.data(), df.data());
        for (std::size_t i = 0; i < n; ++i) {
          const double s = 1 / (1 + curvature[i]);
          h[i] = x[i] - a[i] + s * f[i];
          dh[i] = 1 + s * df[i];
        }
        if (has_logarithmic_part()) add_logarithm(static_cast<int>(n), weight.data(), x, h, dh);
      });
    }
    if (has_capacity()) {
      maximum.fill(infinity);
      limit(p, maximum.data());
      for (std::size_t i = 0; i < n; ++i) r[i] = std::min(r[i], maximum[i]);
    }
    for (std::size_t i = 0; i < n; ++i) r[i] = a[i] == a[i] ? r[i] : a[i];  // what is not a number stays visible
    std::copy_n(r.data(), p.n, v + first);
  });
}

void Coupling::conjugate(const RowPoints& p, const double* v, double* out, double* argmax, double scale) const {
  const std::array<ScaledCoupling, 1> one{{{this, scale}}};
  wasserflow::conjugate(one, p, v, out, argmax);
}

void conjugate(std::span<const ScaledCoupling> sum, const RowPoints& row, const double* v, double* out, double* argmax) {
  bool smooth = false, logarithmic = false;
  for (const ScaledCoupling& c : sum) {
    smooth |= c.coupling->has_smooth_part() || c.coupling->has_logarithmic_part();
    logarithmic |= c.coupling->logarithmic();
  }
  for_chunks(row, [&](const RowPoints& p, int first) {
    alignas(64) Buffer s, r{}, slope{}, curvature{}, weight{}, offset{}, maximum;
    load(v + first, p.n, s.data());
    const std::size_t n = static_cast<std::size_t>(padded(p.n));
    maximum.fill(infinity);
    for (const ScaledCoupling& c : sum) {
      c.coupling->add_quadratic_part(p, c.scale, slope.data(), curvature.data());
      c.coupling->add_logarithmic_part(p, c.scale, weight.data(), offset.data());
      c.coupling->limit(p, maximum.data());
    }
    for (std::size_t i = 0; i < n; ++i) {
      const double reach = s[i] - slope[i];
      r[i] = reach <= 0 ? 0.0 : curvature[i] > 0 ? reach / curvature[i] : infinity;
    }
    if (smooth) {
      alignas(64) Buffer root;
      root.fill(1.0);
      monotone_roots<coupling_chunk>(static_cast<int>(n), root.data(), logarithmic, [&](const double* x, double* h, double* dh) {
        for (std::size_t i = 0; i < n; ++i) {
          h[i] = slope[i] + offset[i] + curvature[i] * x[i] - s[i];
          dh[i] = curvature[i] + 1e-300;
        }
        if (logarithmic) add_logarithm(static_cast<int>(n), weight.data(), x, h, dh);
        for (const ScaledCoupling& c : sum) c.coupling->add_smooth_part(p, c.scale, x, nullptr, h, dh);
      });
      for (std::size_t i = 0; i < n; ++i) r[i] = root[i] < 1e100 ? root[i] : infinity;
    }
    alignas(64) Buffer f, total{};
    for (std::size_t i = 0; i < n; ++i) {
      maximum[i] = std::min(r[i], maximum[i]);
      r[i] = std::min(maximum[i], 1e100);
    }
    for (const ScaledCoupling& c : sum) {
      c.coupling->value(p, r.data(), f.data(), c.scale);
      for (std::size_t i = 0; i < n; ++i) total[i] += f[i];
    }
    for (std::size_t i = 0; i < static_cast<std::size_t>(p.n); ++i) {
      out[first + static_cast<int>(i)] = maximum[i] < infinity ? s[i] * r[i] - total[i] : infinity;
      if (argmax) argmax[first + static_cast<int>(i)] = maximum[i];
    }
  });
}

}  // namespace wasserflow
