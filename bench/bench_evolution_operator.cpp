// Cost of R(u, t), of its derivative and adjoint and of the energy for each equation: nanoseconds a point and a pass, all stages included, in one
// process.
//   bench_evolution_operator [--benchmark_filter=...]
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <cmath>
#include <numbers>

#include "grids/support/mpi.hpp"
#include "solvers/reaction_diffusion_operator.hpp"

using namespace wasserflow;

namespace {

/// M(u) = (1 - u^2)^2 + 0.01
struct Degenerate : Mobility {
  void value(int n, const double* u, double* m) const override {
    for (int i = 0; i < n; ++i) m[i] = (1 - u[i] * u[i]) * (1 - u[i] * u[i]) + 0.01;
  }
  void derivative(int n, const double* u, double* m) const override {
    for (int i = 0; i < n; ++i) m[i] = -4 * u[i] * (1 - u[i] * u[i]);
  }
  double mean() const override { return 0.5; }
};

ReactionDiffusionEquation equation(const std::string& type) {
  ReactionDiffusionEquation e;
  SpeciesTerms terms{"u", {}, {{}}, 0.01, 1, make_double_well()};
  if (type == "cahn_hilliard" || type == "spectral_cahn_hilliard") terms.G = {{}};
  if (type == "variable_allen_cahn") terms.L = {{make_formula("1+sin(x)^2"), nullptr}};
  if (type == "mobility") terms.G = {{nullptr, std::make_shared<Degenerate>()}};
  e.species = {terms};
  if (type == "functionalised") e.functionalised = true, e.eps = 0.18, e.eta = e.eps * e.eps;
  if (type == "spectral_cahn_hilliard") e.space = SymbolKind::Exact;
  if (type == "gray_scott" || type == "formula_system") {
    const ProblemFile file = ProblemFile::parse(type == "gray_scott" ? "[reaction]\ntype = \"gray_scott\""
                                                                     : "[reaction]\ntype = \"formula\"\nspecies = [\"u\", \"v\"]\n"
                                                                       "rates = [\"-u*v^2 + 0.024*(1-u)\", \"u*v^2 - 0.084*v\"]",
                                                "bench");
    e.reaction = read_reaction(file.root().table("reaction", "rates"), 2);
    e.species.assign(2, SpeciesTerms{"", {}, {{}}, 1e-5, 0, nullptr});
  }
  return e;
}

enum class Pass { Value, Derivative, Adjoint, Energy };

void rows(benchmark::State& state, const std::string& type, int dim, int cells, Pass pass) {
  std::vector<Axis> axes(static_cast<std::size_t>(dim), Axis{0, 2 * std::numbers::pi, cells, Boundary::Periodic, 0});
  const LayoutPtr layout = make_layout(MPI_COMM_SELF, Grid(axes));
  const auto op = make_evolution_operator(equation(type), layout);
  const int species = op->components();
  Field u(layout, species), v(layout, species);
  for (int s = 0; s < species; ++s)
    for (std::ptrdiff_t i = 0; i < layout->owned(); ++i)
      u.level(s)[i] = std::sin(0.01 * static_cast<double>(i)), v.level(s)[i] = std::cos(0.03 * static_cast<double>(i));
  const std::vector<double> times{0};
  std::vector<double> out(static_cast<std::size_t>(cells));
  op->prepare(u, times);
  for (auto _ : state) {
    if (pass == Pass::Value) op->prepare(u, times);
    if (pass == Pass::Derivative) op->prepare_derivative(v);
    if (pass == Pass::Adjoint) op->prepare_adjoint(v);
    if (pass == Pass::Energy) {
      benchmark::DoNotOptimize(op->energy(u));
      continue;
    }
    for (int k = 0; k < species * layout->rows(); ++k) {
      const int s = k / layout->rows(), r = k % layout->rows();
      if (pass == Pass::Value) op->value_row(s, r, out.data());
      if (pass == Pass::Derivative) op->derivative_row(s, r, out.data());
      if (pass == Pass::Adjoint) op->adjoint_row(s, r, out.data());
      benchmark::DoNotOptimize(out.data());
      benchmark::ClobberMemory();
    }
  }
  state.counters["per_point"] =
      benchmark::Counter(static_cast<double>(layout->owned()), benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
}

}  // namespace

int main(int argc, char** argv) {
  Session session(argc, argv);
  struct Box {
    int dim, cells;
  };
  for (const std::string type :
       {"allen_cahn", "variable_allen_cahn", "cahn_hilliard", "mobility", "functionalised", "spectral_cahn_hilliard", "gray_scott", "formula_system"})
    for (const Box box : {Box{2, 256}, Box{2, 1024}, Box{3, 64}})
      for (const auto& [name, pass] : {std::pair{"value", Pass::Value}, std::pair{"derivative", Pass::Derivative},
                                       std::pair{"adjoint", Pass::Adjoint}, std::pair{"energy", Pass::Energy}}) {
        if (pass == Pass::Energy && (type == "gray_scott" || type == "formula_system")) continue;  // systems have none
        benchmark::RegisterBenchmark(fmt::format("{}/{}^{}/{}", type, box.cells, box.dim, name).c_str(), rows, type, box.dim, box.cells, pass)
            ->Unit(benchmark::kMicrosecond);
      }
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
