#include "problems/hamiltonians/formula.hpp"

#include <fmt/format.h>

#include "grids/support/errors.hpp"
#include "problems/formula_hoist.hpp"
#include "problems/plugin_library.hpp"

namespace wasserflow {

namespace {

const std::array<std::string, 3> slope_names{"px", "py", "pz"};
const std::array<std::string, 4> place{"x", "y", "z", "t"};

template <std::size_t... I>
std::array<Argument, sizeof...(I)> no_arguments(std::index_sequence<I...>) {
  return {((void)I, Argument(0.0))...};
}

/// A formula with its derivatives, the parts that depend on (x, t) only replaced by names.
struct FormulaParts {
  HoistedFormula hoisted;
  std::vector<std::string> inputs;  ///< px ..., x, y, z, t, wf_c0 ...
  std::vector<Formula> value, first, all;
  std::vector<std::vector<Formula>> axis;

  FormulaParts(const Formula& h, std::size_t dim) {
    const std::span<const std::string> slopes(slope_names.data(), dim);
    hoisted = hoist(h, slopes);
    if (hoisted.names.size() > 12) hoisted = {h, {}, {}};  // more tables than sweeps carry: computed with the rest
    inputs.assign(slopes.begin(), slopes.end());
    inputs.insert(inputs.end(), place.begin(), place.end());
    inputs.insert(inputs.end(), hoisted.names.begin(), hoisted.names.end());
    value = first = {hoisted.formula};
    for (std::size_t d = 0; d < dim; ++d) first.push_back(hoisted.formula.derivative(slope_names[d]));
    all = first;
    for (std::size_t i = 0; i < dim; ++i)
      for (std::size_t j = i; j < dim; ++j) all.push_back(first[i + 1].derivative(slope_names[j]));
    for (std::size_t d = 0; d < dim; ++d) axis.push_back({hoisted.formula, first[d + 1], first[d + 1].derivative(slope_names[d])});
  }
};

class FormulaLaw final : public ConvexLaw {
 public:
  FormulaLaw(const Formula& h, int dim) : dim_(static_cast<std::size_t>(dim)), time_(h.depends_on("t")) {
    const FormulaParts parts(h, dim_);
    count_ = static_cast<int>(parts.hoisted.names.size());
    if (count_ > 0) tabulate_ = Program(parts.hoisted.quantities, place);
    value_ = Program(parts.value, parts.inputs);
    first_ = Program(parts.first, parts.inputs);
    all_ = Program(parts.all, parts.inputs);
    for (const std::vector<Formula>& outputs : parts.axis) axis_.push_back(Program(outputs, parts.inputs));
  }

  int coefficients() const override { return count_; }
  bool depends_on_time() const override { return time_; }
  void tabulate(const RowPoints& p, double* const* c) const override {
    if (count_ == 0) return;
    const std::array<Argument, 4> at{p.x, p.y, p.z, p.t};
    tabulate_.evaluate(p.n, at, c);
  }
  void evaluate(const RowPoints& p, const double* const* c, const double* const* slope, double* h, double* const* g, double* const* hess,
                int axis) const override {
    std::array<Argument, 19> in = no_arguments(std::make_index_sequence<19>{});
    std::size_t n = 0;
    for (std::size_t d = 0; d < dim_; ++d) in[n++] = slope[d];
    in[n++] = p.x;
    for (const double other : {p.y, p.z, p.t}) in[n++] = other;
    for (std::size_t k = 0; k < static_cast<std::size_t>(count_); ++k) in[n++] = c[k];
    const std::span<const Argument> inputs(in.data(), n);
    std::array<double*, 10> out{h};
    if (!g) return value_.evaluate(p.n, inputs, out.data());
    if (axis >= 0) {
      out[1] = g[0];
      out[2] = hess[0];
      return axis_[static_cast<std::size_t>(axis)].evaluate(p.n, inputs, out.data());
    }
    for (std::size_t d = 0; d < dim_; ++d) out[1 + d] = g[d];
    if (!hess) return first_.evaluate(p.n, inputs, out.data());
    for (std::size_t k = 0; k < dim_ * (dim_ + 1) / 2; ++k) out[1 + dim_ + k] = hess[k];
    all_.evaluate(p.n, inputs, out.data());
  }

 private:
  std::size_t dim_;
  bool time_;
  int count_ = 0;
  Program tabulate_, value_, first_, all_;
  std::vector<Program> axis_;
};

}  // namespace

std::string formula_source(const Formula& h, int dim) {
  const FormulaParts parts(h, static_cast<std::size_t>(dim));
  std::string text = "#include <cmath>\n#include \"problems/plugin_abi.h\"\nnamespace {\n";
  const auto loop = [&](const std::string& name, const std::vector<Formula>& outputs, bool slopes) {
    text += "void " + name +
            "(int n, const double* xs, double y, double z, double t, const double* const* c, const double* const* p, double* const* o) {\n"
            "  (void)xs, (void)y, (void)z, (void)t, (void)c, (void)p;\n#pragma GCC ivdep\n  for (int i = 0; i < n; ++i) {\n"
            "    [[maybe_unused]] const double x = xs[i];\n";
    for (int d = 0; slopes && d < dim; ++d)
      text += fmt::format("    [[maybe_unused]] const double {} = p[{}][i];\n", slope_names[static_cast<std::size_t>(d)], d);
    for (std::size_t k = 0; slopes && k < parts.hoisted.names.size(); ++k)
      text += fmt::format("    [[maybe_unused]] const double {} = c[{}][i];\n", parts.hoisted.names[k], k);
    std::vector<std::string> names;
    for (std::size_t k = 0; k < outputs.size(); ++k) names.push_back(fmt::format("o[{}][i]", k));
    text += emit_cpp(outputs, names, "    ") + "  }\n}\n";
  };
  loop("tabulate_all", parts.hoisted.quantities, false);
  loop("value", parts.value, true);
  loop("first", parts.first, true);
  loop("all", parts.all, true);
  for (std::size_t d = 0; d < parts.axis.size(); ++d) loop(fmt::format("along{}", d), parts.axis[d], true);
  text +=
      "void tabulate(int, int n, const double* x, double y, double z, double t, double* const* c) {\n"
      "  tabulate_all(n, x, y, z, t, nullptr, nullptr, c);\n}\n"
      "int evaluate(int dim, int n, const double* x, double y, double z, double t, const double* const* c, const double* const* p, double* h, "
      "double* "
      "const* g,\n             double* const* hess, int axis) {\n";
  text += fmt::format("  if (dim != {}) return 1;\n  if (n == 0) return 0;\n  double* o[10] = {{h}};\n", dim);
  text += "  if (!g) return value(n, x, y, z, t, c, p, o), 0;\n";
  for (int d = 0; d < dim; ++d)
    text += fmt::format("  if (axis == {}) return o[1] = g[0], o[2] = hess[0], along{}(n, x, y, z, t, c, p, o), 0;\n", d, d);
  text += fmt::format("  for (int d = 0; d < {}; ++d) o[1 + d] = g[d];\n  if (!hess) return first(n, x, y, z, t, c, p, o), 0;\n", dim);
  text += fmt::format("  for (int k = 0; k < {}; ++k) o[{} + k] = hess[k];\n  all(n, x, y, z, t, c, p, o);\n  return 0;\n}}\n}}\n",
                      dim * (dim + 1) / 2, dim + 1);
  text += "extern \"C\" const wf_hamiltonian_v1* wf_plugin() {\n";
  text += fmt::format(
      "  static const wf_hamiltonian_v1 table{{wf_abi_version, sizeof(wf_hamiltonian_v1), \"formula\", {}, tabulate, evaluate}};\n  return "
      "&table;\n}}\n",
      parts.hoisted.names.size());
  return text;
}

LawPtr formula_law(const Formula& h, int dim) { return std::make_shared<FormulaLaw>(h, dim); }

HamiltonianTerms read_formula_hamiltonian(const Parameters& p, int dim) {
  std::vector<std::string> variables(place.begin(), place.begin() + dim);
  variables.push_back("t");
  variables.insert(variables.end(), slope_names.begin(), slope_names.begin() + dim);
  const std::string text = p.text("H", "Formula of H in x, y, z, t and the slopes px, py, pz; convex in the slopes");
  NamedConstants constants;
  if (p.has("constants")) constants = p.table("constants", "Numbers that the formulas of this table use by name").all_reals("A constant of formulas");
  const Formula h = Formula::parse(text, variables, constants, p.location("H"));
  const std::string compile =
      p.choice("compile",
               "Compile the formula with the system's C++ compiler, as plugins are: auto does when there is no closed form and "
               "there is a compiler",
               {"auto", "never", "always"}, "auto");
  const ConvexOptions options = read_convex_options(p);
  const LawPtr law = formula_law(h, dim);
  HamiltonianTerms terms;
  try {
    terms = make_convex("formula", law, dim, options);
  } catch (const InputError& e) {
    p.fail("H", e.what());
  }
  if (compile == "never" || (compile == "auto" && terms.kinetic->name() != "formula")) return terms;
  try {
    return make_convex("formula", compile_text_and_load(formula_source(h, dim), dim), dim, options);
  } catch (const Error&) {  // the same on all ranks; interpreted it is right too, only slower
    if (compile == "always") throw;
    return terms;
  }
}

}  // namespace wasserflow
