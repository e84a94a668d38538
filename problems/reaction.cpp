#include "problems/reaction.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <limits>

#include "grids/support/registry_names.hpp"
#include "problems/named_reactions.hpp"
#include "problems/read_formula.hpp"

namespace wasserflow {

namespace {

const std::array<std::string, 4> place{"x", "y", "z", "t"};

/// Outputs of a program over a row, where null outputs are not wanted.
void evaluate(const Program& program, const RowPoints& p, std::size_t species, const double* const* u, double* const* out) {
  constexpr int chunk = Program::chunk;
  const std::size_t outputs = static_cast<std::size_t>(program.outputs());
  thread_local std::vector<double> unused;
  thread_local std::vector<Argument> in;
  thread_local std::vector<double*> target;
  unused.resize(chunk * outputs);
  target.resize(outputs);
  for (int first = 0; first < p.n; first += chunk) {
    in.clear();
    for (std::size_t s = 0; s < species; ++s) in.emplace_back(u[s] + first);
    in.emplace_back(p.x + first);
    for (const double coordinate : {p.y, p.z, p.t}) in.emplace_back(coordinate);
    for (std::size_t k = 0; k < outputs; ++k) target[k] = out[k] ? out[k] + first : unused.data() + chunk * k;
    program.evaluate(std::min(chunk, p.n - first), in, target.data());
  }
}

class FormulaReaction final : public Reaction {
 public:
  FormulaReaction(std::vector<std::string> species, const std::vector<Formula>& rates) : species_(std::move(species)) {
    std::vector<std::string> inputs = species_;
    inputs.insert(inputs.end(), place.begin(), place.end());
    std::vector<Formula> derivatives;
    for (const Formula& r : rates) {
      time_ = time_ || r.depends_on("t");
      for (const std::string& name : species_) derivatives.push_back(r.derivative(name));
    }
    rates_ = Program(rates, inputs);
    jacobian_ = Program(derivatives, inputs);
  }
  std::vector<std::string> species() const override { return species_; }
  void rates(const RowPoints& p, const double* const* u, double* const* rate) const override { evaluate(rates_, p, species_.size(), u, rate); }
  void jacobian(const RowPoints& p, const double* const* u, double* const* jacobian) const override {
    evaluate(jacobian_, p, species_.size(), u, jacobian);
  }
  bool depends_on_time() const override { return time_; }
  std::vector<double> base_state() const override { return base_state_; }
  void set_base_state(std::vector<double> state) { base_state_ = std::move(state); }

 private:
  std::vector<std::string> species_;
  Program rates_, jacobian_;
  bool time_ = false;
  std::vector<double> base_state_;
};

/// Rates and Jacobian at one point of state space, at the origin and time 0.
struct PointValues {
  std::vector<double> r, j;
  PointValues(const Reaction& reaction, const std::vector<double>& state) {
    const std::size_t S = state.size();
    const double x = 0;
    RowPoints p;
    p.n = 1;
    p.x = &x;
    r.resize(S);
    j.resize(S * S);
    std::vector<const double*> in;
    std::vector<double*> rates, derivatives;
    for (const double& value : state) in.push_back(&value);
    for (double& value : r) rates.push_back(&value);
    for (double& value : j) derivatives.push_back(&value);
    reaction.rates(p, in.data(), rates.data());
    reaction.jacobian(p, in.data(), derivatives.data());
  }
  bool finite() const {
    const auto good = [](double v) { return std::isfinite(v); };
    return std::all_of(r.begin(), r.end(), good) && std::all_of(j.begin(), j.end(), good);
  }
  double trace() const {
    double sum = 0;
    for (std::size_t s = 0; s < r.size(); ++s) sum += j[s * r.size() + s];
    return sum;
  }
};

/// Solves J d = r by elimination with pivots; false when J is singular.
bool solve(std::vector<double> j, std::vector<double>& r) {
  const std::size_t n = r.size();
  for (std::size_t k = 0; k < n; ++k) {
    std::size_t pivot = k;
    for (std::size_t i = k + 1; i < n; ++i)
      if (std::fabs(j[i * n + k]) > std::fabs(j[pivot * n + k])) pivot = i;
    if (!(std::fabs(j[pivot * n + k]) > 1e-14)) return false;
    for (std::size_t c = 0; c < n; ++c) std::swap(j[k * n + c], j[pivot * n + c]);
    std::swap(r[k], r[pivot]);
    for (std::size_t i = k + 1; i < n; ++i) {
      const double factor = j[i * n + k] / j[k * n + k];
      for (std::size_t c = k; c < n; ++c) j[i * n + c] -= factor * j[k * n + c];
      r[i] -= factor * r[k];
    }
  }
  for (std::size_t k = n; k-- > 0;) {
    for (std::size_t c = k + 1; c < n; ++c) r[k] -= j[k * n + c] * r[c];
    r[k] /= j[k * n + k];
  }
  return true;
}

/// A steady state at the origin and time 0 by Newton's method from some starts; of several the one with the least trace of the Jacobian, which is the
/// most stable in the mean. Without one: zeros. Empty when the rates are not finite there either.
std::vector<double> find_base_state(const Reaction& reaction, std::size_t S) {
  std::vector<double> best, state(S);
  double least = std::numeric_limits<double>::infinity();
  constexpr std::array<double, 4> values{0, 0.4, 1, 2};
  std::size_t starts = 1;
  for (std::size_t s = 0; s < S && s < 3; ++s) starts *= values.size();
  for (std::size_t start = 0; start < starts; ++start) {
    std::size_t code = start;
    for (std::size_t s = 0; s < S; ++s, code = s < 3 ? code / values.size() : code) state[s] = values[code % values.size()];
    for (int k = 0; k < 50; ++k) {
      const PointValues at(reaction, state);
      if (!at.finite()) break;
      const bool steady = std::all_of(at.r.begin(), at.r.end(), [](double r) { return std::fabs(r) < 1e-12; });
      if (steady && at.trace() < least) {
        least = at.trace();
        best = state;
      }
      std::vector<double> step = at.r;
      if (steady || !solve(at.j, step)) break;
      for (std::size_t s = 0; s < S; ++s) state[s] -= step[s];
    }
  }
  if (!best.empty()) return best;
  best.assign(S, 0);
  return PointValues(reaction, best).finite() ? best : std::vector<double>{};
}

bool is_name(const std::string& name) {
  const auto letter = [](char c) { return std::isalpha(static_cast<unsigned char>(c)) || c == '_'; };
  return !name.empty() && letter(name[0]) &&
         std::all_of(name.begin(), name.end(), [&](char c) { return letter(c) || std::isdigit(static_cast<unsigned char>(c)); });
}

ReactionPtr read_formula_reaction(const Parameters& p, int dim) {
  const std::vector<std::string> species = p.texts("species", "Names of the species, which the rates use.", 0, std::vector<std::string>{"u"});
  if (species.empty()) p.fail("species", "a reaction has at least one species");
  const std::vector<std::string> functions = formula_functions();
  for (std::size_t s = 0; s < species.size(); ++s) {
    const std::string& name = species[s];
    const auto refuse = [&](const std::string& why) {
      if (!p.has("species")) p.fail("species", why);
      p.element("species", static_cast<int>(s), "A species.").fail("", why);
    };
    if (!is_name(name)) refuse("'" + name + "' is no name: letters, digits and _ only, no digit first");
    if (std::find(place.begin(), place.end(), name) != place.end() || name == "pi" || name == "e" ||
        std::find(functions.begin(), functions.end(), name) != functions.end())
      refuse("'" + name + "' has another meaning in formulas");
    if (std::find(species.begin(), species.begin() + static_cast<std::ptrdiff_t>(s), name) != species.begin() + static_cast<std::ptrdiff_t>(s))
      refuse("the species '" + name + "' is named twice");
  }
  const std::vector<std::string> texts = p.texts("rates", "Rate of each species: formulas in the species, the coordinates, t and the constants.", 0);
  if (texts.size() != species.size()) p.fail("rates", fmt::format("expected {} formulas, one a species, got {}", species.size(), texts.size()));
  std::vector<std::string> variables = species;
  variables.insert(variables.end(), place.begin(), place.begin() + dim);
  variables.emplace_back("t");
  const NamedConstants constants = read_constants(p);
  for (const auto& [name, value] : constants)
    if (std::find(variables.begin(), variables.end(), name) != variables.end())
      p.table("constants", "Numbers that the formulas of this table use by name.").fail(name, "a variable of the rates has this name");
  std::vector<Formula> rates;
  for (std::size_t s = 0; s < texts.size(); ++s)
    rates.push_back(parse_formula(texts[s], p.element("rates", static_cast<int>(s), "Rate of a species."), "", variables, constants));

  const auto reaction = std::make_shared<FormulaReaction>(species, rates);
  const int count = static_cast<int>(species.size());
  const std::string doc = "Homogeneous state around which preconditioners linearise, one value a species; found by Newton's method when absent.";
  std::vector<double> state = p.has("base_state") ? p.reals("base_state", doc, count) : find_base_state(*reaction, species.size());
  if (!p.has("base_state")) p.record("base_state", "reals", "", doc, "");
  if (state.empty() || !PointValues(*reaction, state).finite())
    p.fail(p.has("base_state") ? "base_state" : "rates", state.empty()
                                                             ? "the rates are not finite where all species are 0: give a 'base_state' where they are"
                                                             : "the rates or their derivatives are not finite at the base state");
  reaction->set_base_state(std::move(state));
  return reaction;
}

const Registry<ReactionFactory>& registry() {
  static const auto entries = [] {
    Registry<ReactionFactory> r("reaction");
    r.add("formula", "rates as formulas in the species, x, y, z and t", read_formula_reaction);
    add_named_reactions(r);
    return r;
  }();
  return entries;
}

}  // namespace

ReactionPtr read_reaction(const Parameters& p, int dim) {
  const std::string type = p.choice("type", "Law of the rates.", registry().names());
  return registry().find(p, "type", type).make(p, dim);
}

const std::vector<std::pair<std::string, std::string>>& reaction_types() {
  static const NamesWithDocs types = names_with_docs(registry());
  return types;
}

}  // namespace wasserflow
