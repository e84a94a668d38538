#include "problems/hamiltonians/formula.hpp"

#include <fmt/format.h>

#include "problems/formula_hoist.hpp"

namespace wasserflow {

namespace {

const std::array<std::string, 3> slope_names{"px", "py", "pz"};
const std::array<std::string, 3> coordinate_names{"x", "y", "z"};

template <std::size_t... I>
std::array<Argument, sizeof...(I)> no_arguments(std::index_sequence<I...>) {
  return {((void)I, Argument(0.0))...};
}

class FormulaLaw final : public ConvexLaw {
 public:
  FormulaLaw(const Formula& h, int dim) : dim_(static_cast<std::size_t>(dim)), time_(h.depends_on("t")) {
    const std::span<const std::string> slopes(slope_names.data(), dim_);
    HoistedFormula parts = hoist(h, slopes);
    if (parts.names.size() > 12) parts = {h, {}, {}};  // more tables than sweeps carry: computed with the rest
    count_ = static_cast<int>(parts.names.size());
    const std::vector<std::string> place{"x", "y", "z", "t"};
    if (count_ > 0) tabulate_ = Program(parts.quantities, place);
    std::vector<std::string> inputs(slopes.begin(), slopes.end());
    inputs.insert(inputs.end(), place.begin(), place.end());
    inputs.insert(inputs.end(), parts.names.begin(), parts.names.end());
    std::vector<Formula> value{parts.formula}, first{parts.formula}, all;
    for (std::size_t d = 0; d < dim_; ++d) first.push_back(parts.formula.derivative(slope_names[d]));
    all = first;
    for (std::size_t i = 0; i < dim_; ++i)
      for (std::size_t j = i; j < dim_; ++j) all.push_back(first[i + 1].derivative(slope_names[j]));
    value_ = Program(value, inputs);
    first_ = Program(first, inputs);
    all_ = Program(all, inputs);
    for (std::size_t d = 0; d < dim_; ++d)
      axis_.push_back(Program(std::vector<Formula>{parts.formula, first[d + 1], first[d + 1].derivative(slope_names[d])}, inputs));
  }

  int coefficients() const override { return count_; }
  bool depends_on_time() const override { return time_; }
  void tabulate(const RowPoints& p, double* const* c) const override {
    if (count_ == 0) return;
    const std::array<Argument, 4> place{p.x, p.y, p.z, p.t};
    tabulate_.evaluate(p.n, place, c);
  }
  void evaluate(const RowPoints& p, const double* const* c, const double* const* slope, double* h, double* const* g, double* const* hess,
                int axis) const override {
    std::array<Argument, 19> in = no_arguments(std::make_index_sequence<19>{});
    std::size_t n = 0;
    for (std::size_t d = 0; d < dim_; ++d) in[n++] = slope[d];
    in[n++] = p.x;
    for (const double place : {p.y, p.z, p.t}) in[n++] = place;
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

LawPtr formula_law(const Formula& h, int dim) { return std::make_shared<FormulaLaw>(h, dim); }

HamiltonianTerms read_formula_hamiltonian(const Parameters& p, int dim) {
  std::vector<std::string> variables(coordinate_names.begin(), coordinate_names.begin() + dim);
  variables.push_back("t");
  variables.insert(variables.end(), slope_names.begin(), slope_names.begin() + dim);
  const std::string text = p.text("H", "Formula of H in x, y, z, t and the slopes px, py, pz; convex in the slopes");
  NamedConstants constants;
  if (p.has("constants")) constants = p.table("constants", "Numbers that the formulas of this table use by name").all_reals("A constant of formulas");
  const Formula h = Formula::parse(text, variables, constants, p.location("H"));
  try {
    return make_convex("formula", formula_law(h, dim), dim, read_convex_options(p));
  } catch (const InputError& e) {
    p.fail("H", e.what());
  }
}

}  // namespace wasserflow
