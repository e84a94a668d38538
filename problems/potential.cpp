#include "problems/potential.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <utility>
#include <vector>

#include "grids/support/registry_names.hpp"
#include "problems/read_formula.hpp"

namespace wasserflow {

namespace {

constexpr double infinite = std::numeric_limits<double>::infinity();
constexpr double nan = std::numeric_limits<double>::quiet_NaN();

template <class Law>
void sweep(int n, const double* __restrict u, double* __restrict out, Law law) {
  for (int i = 0; i < n; ++i) out[i] = law(u[i]);
}

class DoubleWell final : public Potential {
 public:
  void energy(int n, const double* u, double* w) const override {
    sweep(n, u, w, [](double x) { return 0.25 * (x * x - 1) * (x * x - 1); });
  }
  void first(int n, const double* u, double* f) const override {
    sweep(n, u, f, [](double x) { return (x * x - 1) * x; });
  }
  void second(int n, const double* u, double* df) const override {
    sweep(n, u, df, [](double x) { return 3 * x * x - 1; });
  }
  void third(int n, const double* u, double* d2f) const override {
    sweep(n, u, d2f, [](double x) { return 6 * x; });
  }
  double curvature() const override { return 2; }
  std::string text() const override { return "\"double_well\""; }
};

const std::array<std::string, 1> variable{"u"};

Formula log(const Formula& a) { return Formula::parse("log(a)", std::array<std::string, 1>{"a"}).substitute("a", a); }

/// W'' at the deepest minimum of W between `from` and `to`. Without a minimum of positive curvature: the largest |W''| there, at least 1e-3.
double curvature_at_minimum(const Potential& potential, double from, double to) {
  constexpr int n = 20001;
  const double step = (to - from) / n;
  std::vector<double> u(n), w(n), f(n);
  for (int i = 0; i < n; ++i) u[static_cast<std::size_t>(i)] = from + (i + 0.5) * step;
  potential.energy(n, u.data(), w.data());
  potential.first(n, u.data(), f.data());
  const auto at = [&](void (Potential::*values)(int, const double*, double*) const, double x) {
    double value = 0;
    (potential.*values)(1, &x, &value);
    return value;
  };
  double depth = infinite, curvature = 0;
  for (std::size_t i = 0; i + 1 < n; ++i) {
    if (!(f[i] <= 0 && f[i + 1] > 0)) continue;  // W falls, then rises
    double below = u[i], above = u[i + 1];
    for (int k = 0; k < 60; ++k) {
      const double middle = 0.5 * (below + above);
      (at(&Potential::first, middle) <= 0 ? below : above) = middle;
    }
    const double energy = at(&Potential::energy, below), second = at(&Potential::second, below);
    if (std::isfinite(second) && second > 1e-6 && energy < depth) {
      depth = energy;
      curvature = second;
    }
  }
  if (curvature > 0) return curvature;
  potential.second(n, u.data(), w.data());
  for (const double second : w)
    if (std::isfinite(second)) curvature = std::max(curvature, std::fabs(second));
  return std::max(curvature, 1e-3);
}

/// W and three derivatives as compiled formulas in u; NaN outside of an open interval.
class CompiledPotential final : public Potential {
 public:
  struct Terms {
    std::array<Formula, 4> derivatives;  ///< W, W', W'', W'''
    double lower = -infinite, upper = infinite;
    double from = -10, to = 10;  ///< where the minimum of W is looked for
    std::string text;
  };
  explicit CompiledPotential(Terms terms) : terms_(std::move(terms)) {
    for (std::size_t k = 0; k < 4; ++k) programs_[k] = Program({&terms_.derivatives[k], 1}, variable);
    curvature_ = curvature_at_minimum(*this, std::max(terms_.from, terms_.lower), std::min(terms_.to, terms_.upper));
  }
  void energy(int n, const double* u, double* w) const override { evaluate(0, n, u, w); }
  void first(int n, const double* u, double* f) const override { evaluate(1, n, u, f); }
  void second(int n, const double* u, double* df) const override { evaluate(2, n, u, df); }
  void third(int n, const double* u, double* d2f) const override { evaluate(3, n, u, d2f); }
  double lower() const override { return terms_.lower; }
  double upper() const override { return terms_.upper; }
  double curvature() const override { return curvature_; }
  std::string text() const override { return terms_.text; }

 private:
  void evaluate(std::size_t derivative, int n, const double* u, double* out) const {
    const Argument in[] = {u};
    programs_[derivative].evaluate(n, in, &out);
    const double lower = terms_.lower, upper = terms_.upper;
    if (lower == -infinite && upper == infinite) return;
#pragma GCC ivdep
    for (int i = 0; i < n; ++i) out[i] = (u[i] > lower) & (u[i] < upper) ? out[i] : nan;
  }
  Terms terms_;
  std::array<Program, 4> programs_;
  double curvature_ = 1;
};

std::array<Formula, 4> with_derivatives(const Formula& w) {
  const Formula f = w.derivative("u"), df = f.derivative("u");
  return {w, f, df, df.derivative("u")};
}

PotentialPtr make_polynomial(std::vector<double> c) {
  while (c.size() > 1 && c.back() == 0) c.pop_back();
  CompiledPotential::Terms terms;
  terms.text = "{ type = \"polynomial\", coefficients = [";
  for (std::size_t k = 0; k < c.size(); ++k) terms.text += fmt::format("{}{}", k > 0 ? ", " : "", c[k]);
  terms.text += "] }";
  const Formula u = Formula::variable("u");
  for (std::size_t d = 0; d < 4; ++d) {
    Formula sum;
    for (std::size_t k = c.size(); k-- > 0;) sum = sum * u + c[k];  // Horner
    terms.derivatives[d] = sum;
    for (std::size_t k = 1; k < c.size(); ++k) c[k - 1] = static_cast<double>(k) * c[k];
    c.size() > 1 ? c.pop_back() : void(c[0] = 0);
    if (d > 0) continue;
    double bound = 0;  // Cauchy's, for the zeros of W'
    for (const double a : c) bound = std::max(bound, c.back() != 0 ? std::fabs(a / c.back()) : 0.0);
    terms.to = std::min(1 + bound, 1e3);
    terms.from = -terms.to;
  }
  return std::make_shared<CompiledPotential>(std::move(terms));
}

PotentialPtr read_polynomial(const Parameters& p) {
  const std::vector<double> c = p.reals("coefficients", "c_0, c_1, c_2, ... of W(u) = c_0 + c_1 u + c_2 u^2 + ...", 0);
  if (c.empty()) p.fail("coefficients", "a polynomial has at least one coefficient");
  return make_polynomial(c);
}

PotentialPtr read_formula_potential(const Parameters& p) {
  const NamedConstants constants = read_constants(p);
  const std::string doc = "W(u) as a formula in u and the constants; its derivatives are formed symbolically.";
  CompiledPotential::Terms terms;
  const Formula w = read_formula(p, "W", doc, variable, constants);
  terms.derivatives = with_derivatives(w);
  const double lower = p.real("lower", "W is defined for u above this only.", nan),
               upper = p.real("upper", "W is defined for u below this only.", nan);
  if (std::isfinite(lower)) terms.lower = lower;
  if (std::isfinite(upper)) terms.upper = upper;
  if (!(terms.lower < terms.upper)) p.fail("upper", "the interval of u is empty");
  if (terms.lower > terms.from && std::isfinite(terms.lower)) terms.to = std::max(terms.to, terms.lower + 10);
  if (terms.upper < terms.to && std::isfinite(terms.upper)) terms.from = std::min(terms.from, terms.upper - 10);
  terms.text = "{ type = \"formula\", W = \"" + w.text() + "\"";
  if (std::isfinite(lower)) terms.text += fmt::format(", lower = {}", lower);
  if (std::isfinite(upper)) terms.text += fmt::format(", upper = {}", upper);
  terms.text += " }";
  return std::make_shared<CompiledPotential>(std::move(terms));
}

const Registry<std::function<PotentialPtr(const Parameters&)>>& registry() {
  static const auto entries = [] {
    Registry<std::function<PotentialPtr(const Parameters&)>> r("potential");
    r.add("double_well", "W = (u^2 - 1)^2 / 4, wells at -1 and 1", [](const Parameters&) { return make_double_well(); });
    r.add("flory_huggins", "W = theta/2 [(1+u) ln(1+u) + (1-u) ln(1-u)] - theta_c/2 u^2 on (-1, 1), two wells for theta < theta_c",
          [](const Parameters& p) {
            const double theta = p.real("theta", "Absolute temperature: weight of the entropy of mixing.", {}, Range::positive());
            return make_flory_huggins(theta, p.real("theta_c", "Critical temperature: weight of the attraction.", {}, Range::nonnegative()));
          });
    r.add("polynomial", "W = c_0 + c_1 u + c_2 u^2 + ...", read_polynomial);
    r.add("formula", "W as a formula in u", read_formula_potential);
    return r;
  }();
  return entries;
}

}  // namespace

PotentialPtr make_double_well() { return std::make_shared<DoubleWell>(); }

PotentialPtr make_flory_huggins(double theta, double theta_c) {
  if (!(theta > 0)) throw InputError(fmt::format("the Flory-Huggins potential needs theta > 0, got {}", theta));
  const Formula u = Formula::variable("u"), above = 1 + u, below = 1 - u, product = above * below;
  CompiledPotential::Terms terms;
  terms.derivatives = {0.5 * theta * (above * log(above) + below * log(below)) - 0.5 * theta_c * u * u,
                       0.5 * theta * log(above / below) - theta_c * u, theta / product - theta_c, 2 * theta * u / (product * product)};
  terms.lower = -1;
  terms.upper = 1;
  terms.text = fmt::format("{{ type = \"flory_huggins\", theta = {}, theta_c = {} }}", theta, theta_c);
  return std::make_shared<CompiledPotential>(std::move(terms));
}

PotentialPtr read_potential(const Parameters& p, const std::string& key, const std::string& doc) {
  if (p.is_table(key)) {
    const Parameters t = p.table(key, doc);
    const std::string type = t.choice("type", "Family of the potential W.", registry().names());
    return registry().find(t, "type", type).make(t);
  }
  const std::string name = p.text(key, doc + " Its name, or a table with its name as 'type' and its parameters.", "double_well");
  const auto& entry = registry().find(p, key, name);
  if (name != "double_well") p.fail(key, "the potential '" + name + "' has parameters: write a table " + key + " = { type = \"" + name + "\", ... }");
  return entry.make(p);
}

const std::vector<std::pair<std::string, std::string>>& potential_types() {
  static const NamesWithDocs types = names_with_docs(registry());
  return types;
}

}  // namespace wasserflow
