#include "problems/reaction_diffusion.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>

#include "grids/support/registry_names.hpp"
#include "problems/read_formula.hpp"

namespace wasserflow {

namespace {

using Equation = ReactionDiffusionEquation;

class FormulaMobility final : public Mobility {
 public:
  FormulaMobility(const Formula& m, double mean) : mean_(mean) {
    const Formula dm = m.derivative("u");
    value_ = Program({&m, 1}, variable);
    derivative_ = Program({&dm, 1}, variable);
  }
  void value(int n, const double* u, double* m) const override { evaluate(value_, n, u, m); }
  void derivative(int n, const double* u, double* dm) const override { evaluate(derivative_, n, u, dm); }
  double mean() const override { return mean_; }
  static inline const std::array<std::string, 1> variable{"u"};

 private:
  static void evaluate(const Program& program, int n, const double* u, double* out) {
    const Argument in[] = {u};
    program.evaluate(n, in, &out);
  }
  Program value_, derivative_;
  double mean_;
};

const char* const sigma_doc = "sigma(x) > 0 of -div(sigma grad u) in L, a function of the coordinates.";
const char* const mobility_doc =
    "M(u) >= 0 of -div(M grad) in G: a number, a formula in u, or { formula, constants, mean }, where mean stands for M in preconditioners (its "
    "average "
    "on [-1, 1] by default).";

/// sigma under `key`; null for 1.
FunctionPtr read_sigma(const Parameters& p, const std::string& key, int dim) {
  const FunctionPtr sigma = read_function(p, key, sigma_doc, dim, make_constant(1));
  if (sigma->depends_on_time()) p.fail(key, "coefficients of the divergence do not depend on t");
  if (const double* value = sigma->constant()) {
    if (!(*value > 0) || !std::isfinite(*value)) p.fail(key, fmt::format("sigma must be positive, got {}", *value));
    if (*value == 1) return nullptr;
  }
  return sigma;
}

/// A factor with the mobility under `key`, plain for 1.
DiffusionFactor read_mobility(const Parameters& p, const std::string& key) {
  if (!p.has(key) || p.is_number(key)) {
    const double m = p.real(key, mobility_doc, 1.0, Range::positive());
    return {m == 1 ? nullptr : make_constant(m), nullptr};
  }
  const bool table = p.is_table(key);
  const Parameters place = table ? p.table(key, mobility_doc) : p;
  const std::string name = table ? "formula" : key;
  const Formula m =
      read_formula(place, name, table ? "M as a formula in u and the constants." : mobility_doc, FormulaMobility::variable, read_constants(place));
  double mean = table ? place.real("mean", "Number that stands for M in preconditioners.", std::nan(""), Range::positive()) : std::nan("");
  if (const std::optional<double> number = m.constant()) {
    if (!(*number > 0)) place.fail(name, fmt::format("the mobility must be positive, got {}", *number));
    return {*number == 1 ? nullptr : make_constant(*number), nullptr};
  }
  if (!std::isfinite(mean)) {
    const FormulaMobility sampled(m, 1);
    constexpr std::size_t n = 200;
    std::array<double, n> u{}, values{};
    for (std::size_t i = 0; i < n; ++i) u[i] = -1 + (static_cast<double>(i) + 0.5) * 2 / n;
    sampled.value(static_cast<int>(n), u.data(), values.data());
    double sum = 0;
    for (const double v : values) {
      if (v < 0) place.fail(name, "the mobility is negative somewhere on [-1, 1]: write max(M, 0) for one that vanishes outside of an interval");
      sum += v;
    }
    mean = sum / n;
    if (!(mean > 0) || !std::isfinite(mean))
      place.fail(name, "the average of the mobility on [-1, 1] is not positive and finite: write { formula = \"...\", mean = ... }");
  }
  return {nullptr, std::make_shared<FormulaMobility>(m, mean)};
}

struct Given {
  const Parameters& p;  ///< [equation]
  int dim;
  Equation& equation;  ///< with the reaction and one entry a species
};

SpeciesTerms& only_species(const Given& g) {
  if (g.equation.species.size() != 1)
    g.p.fail("type", fmt::format("'{}' is an equation of one species, the reaction has {}", g.equation.type, g.equation.species.size()));
  return g.equation.species.front();
}

void read_a_and_b(const Given& g, SpeciesTerms& u) {
  u.a = g.p.real("a", "Weight a of the gradient energy; interfaces have width sqrt(a / b).", {}, Range::positive());
  u.b = g.p.real("b", "Weight b of the potential W.", {}, Range::nonnegative());
  u.potential = read_potential(g.p, "potential", "Potential W(u).");
}

void allen_cahn(const Given& g) {
  SpeciesTerms& u = only_species(g);
  read_a_and_b(g, u);
  u.L = {{read_sigma(g.p, "sigma", g.dim), nullptr}};
}

void cahn_hilliard(const Given& g) {
  SpeciesTerms& u = only_species(g);
  read_a_and_b(g, u);
  u.L = {{read_sigma(g.p, "sigma", g.dim), nullptr}};
  u.G = {read_mobility(g.p, "mobility")};
}

void functionalised_cahn_hilliard(const Given& g) {
  SpeciesTerms& u = only_species(g);
  g.equation.functionalised = true;
  const double eps = g.p.real("eps", "Width of the interfaces.", {}, Range::positive());
  g.equation.eps = eps;
  g.equation.eta = g.p.real("eta", "Weight of the functional term eta (eps^2 Lap u - W'); eps^2 when absent.", eps * eps);
  u.potential = read_potential(g.p, "potential", "Potential W(u).");
}

void reaction_diffusion(const Given& g) {
  if (!g.equation.reaction) g.p.fail("type", "'reaction_diffusion' needs a table [reaction] with its 'type'");
  const int count = static_cast<int>(g.equation.species.size());
  const std::vector<double> d =
      g.p.reals("diffusion", "Diffusivity of each species, in the order of the reaction's species.", count, {}, Range::nonnegative());
  const FunctionPtr sigma = read_sigma(g.p, "sigma", g.dim);
  for (std::size_t s = 0; s < d.size(); ++s) {
    g.equation.species[s].a = d[s];
    g.equation.species[s].L = {{sigma, nullptr}};
  }
}

std::vector<DiffusionFactor> read_product(const Given& g, const std::string& key, const std::string& doc, bool mobility_too) {
  std::vector<DiffusionFactor> product;
  const std::string kinds = mobility_too ? "'laplacian', { sigma = ... } or { mobility = ... }" : "'laplacian' or { sigma = ... }";
  const std::string full = doc + " A list of " + kinds + ", the last one acts first; an empty list is the identity.";
  for (int k = 0; k < g.p.array_size(key); ++k) {
    const Parameters factor = g.p.element(key, k, full);
    if (factor.is_text("")) {
      factor.choice("", full, {"laplacian"});
      product.emplace_back();
    } else if (factor.has("sigma")) {
      product.push_back({read_sigma(factor, "sigma", g.dim), nullptr});
    } else if (mobility_too && factor.has("mobility")) {
      product.push_back(read_mobility(factor, "mobility"));
    } else {
      factor.fail("", "expected " + kinds);
    }
  }
  if (!g.p.has(key) || g.p.array_size(key) == 0) g.p.texts(key, full, 0, std::vector<std::string>{});
  return product;
}

void gradient_flow(const Given& g) {
  SpeciesTerms& u = only_species(g);
  read_a_and_b(g, u);
  u.G = read_product(g, "G", "Metric G of u_t = -G (a L u + b W'(u)).", true);
  u.L = read_product(g, "L", "Operator L of u_t = -G (a L u + b W'(u)).", false);
  if (u.L.empty()) g.p.fail("L", "L has at least one factor: an equation without derivatives is none of this family");
}

const Registry<std::function<void(const Given&)>>& registry() {
  static const auto entries = [] {
    Registry<std::function<void(const Given&)>> r("equation");
    r.add("allen_cahn", "u_t = a div(sigma grad u) - b W'(u)", allen_cahn);
    r.add("cahn_hilliard", "u_t = div(M(u) grad mu), mu = -a div(sigma grad u) + b W'(u)", cahn_hilliard);
    r.add("functionalised_cahn_hilliard", "sixth order: u_t = Lap mu, mu = (eps^2 Lap - W''(u) + eta) (eps^2 Lap u - W'(u))",
          functionalised_cahn_hilliard);
    r.add("reaction_diffusion", "u_s,t = diffusion_s div(sigma grad u_s) + r_s(u) with the rates of [reaction]", reaction_diffusion);
    r.add("gradient_flow", "u_t = -G (a L u + b W'(u)) with products G and L of -Lap, -div(sigma grad) and (in G) -div(M(u) grad)", gradient_flow);
    return r;
  }();
  return entries;
}

/// Coefficients that vary in space or with u: the factors -div(c grad) with c no number.
bool constant_coefficients(const Equation& equation) {
  const auto plain = [](const DiffusionFactor& f) { return !f.mobility && (!f.sigma || f.sigma->constant()); };
  return std::all_of(equation.species.begin(), equation.species.end(),
                     [&](const SpeciesTerms& s) { return std::all_of(s.G.begin(), s.G.end(), plain) && std::all_of(s.L.begin(), s.L.end(), plain); });
}

}  // namespace

ReactionDiffusionEquation read_reaction_diffusion(const Parameters& root, const Grid& grid) {
  const Parameters p = root.table("equation", "what is solved; a table [reaction] adds rates r_s(u, x, t) to every type");
  Equation equation;
  equation.type = p.choice("type", "What is solved.", registry().names());
  const auto& entry = registry().find(p, "type", equation.type);
  if (root.has("reaction")) equation.reaction = read_reaction(root.table("reaction", "rates r_s(u, x, t) of the species"), grid.dim());
  for (const std::string& name : equation.reaction ? equation.reaction->species() : std::vector<std::string>{"u"})
    equation.species.push_back({.name = name, .G = {}, .L = {}, .potential = nullptr});
  entry.make({p, grid.dim(), equation});
  const std::string space =
      p.choice("discretization", "How -Laplacian acts: second-order differences, or exact symbols (constant coefficients only).",
               {"difference", "spectral"}, "difference");
  equation.space = space == "spectral" ? SymbolKind::Exact : SymbolKind::Difference;
  if (equation.space == SymbolKind::Exact && !constant_coefficients(equation))
    p.fail("discretization", "exact symbols need constant coefficients: sigma and the mobility must be numbers");
  return equation;
}

const std::vector<std::pair<std::string, std::string>>& reaction_diffusion_types() {
  static const NamesWithDocs types = names_with_docs(registry());
  return types;
}

}  // namespace wasserflow
