#pragma once
/// The published examples of time-implicit phase fields (Liu, Liu, Osher, Li arXiv:2305.03945) and one with a logarithmic potential, for tests.
#include <algorithm>
#include <cmath>
#include <functional>
#include <numbers>
#include <string>
#include <vector>

#include "grids/reduce.hpp"
#include "solvers/reaction_diffusion_operator.hpp"
#include "solvers/step_system.hpp"

namespace wasserflow::test {

/// An equation on a periodic square with its initial data.
struct PhaseExample {
  std::string name;
  ReactionDiffusionEquation equation;
  double length = 1;
  std::function<double(double, double)> initial;
};

inline SpeciesTerms phase_terms(double a, double b, int laplacians_in_G, FunctionPtr sigma = nullptr, PotentialPtr potential = make_double_well()) {
  SpeciesTerms terms;
  terms.G.assign(static_cast<std::size_t>(laplacians_in_G), DiffusionFactor{});
  terms.L = {DiffusionFactor{std::move(sigma), nullptr}};
  terms.a = a;
  terms.b = b;
  terms.potential = std::move(potential);
  return terms;
}

/// A disc that shrinks: a = .01, b = 100.
inline PhaseExample allen_cahn_example() {
  PhaseExample e{"allen-cahn", {}, 0.5, [](double x, double y) { return std::hypot(x - 0.25, y - 0.25) <= 0.2 ? 1.0 : -1.0; }};
  e.equation.species = {phase_terms(0.01, 100, 0)};
  return e;
}

/// Seven discs: a = .01, b = 1.
inline PhaseExample cahn_hilliard_example() {
  PhaseExample e{"cahn-hilliard", {}, 2 * std::numbers::pi, [](double x, double y) {
                   constexpr double pi = std::numbers::pi;
                   static constexpr double discs[7][3] = {{pi / 2, pi / 2, pi / 5},          {pi / 4, 3 * pi / 4, 2 * pi / 15},
                                                          {pi / 2, 5 * pi / 4, 2 * pi / 15}, {pi, pi / 4, pi / 10},
                                                          {3 * pi / 2, pi / 4, pi / 10},     {pi, pi, pi / 4},
                                                          {3 * pi / 2, 3 * pi / 2, pi / 4}};
                   double u = -1;
                   for (const auto& disc : discs) {
                     const double d = std::hypot(x - disc[0], y - disc[1]) - disc[2];
                     if (d < 0) u += 2 * std::exp(-0.01 / (d * d));
                   }
                   return u;
                 }};
  e.equation.species = {phase_terms(0.01, 1, 1)};
  return e;
}

/// Conductivity from 1 to 6: a = .01, b = 100. Below 256^2 cells the interfaces are narrower than the cells.
inline PhaseExample variable_example() {
  PhaseExample e{"variable", {}, 2 * std::numbers::pi, [](double x, double y) { return 0.5 * (std::cos(4 * x) + std::cos(4 * y)); }};
  e.equation.species = {phase_terms(0.01, 100, 0, make_formula("1 + 2.5 * (sin(x)^2 + sin(y)^2)"))};
  return e;
}

/// Functionalised Cahn-Hilliard, eps = .18.
inline PhaseExample sixth_order_example() {
  PhaseExample e{"sixth order", {}, 2 * std::numbers::pi, [](double x, double y) {
                   const double s = std::sin(x) + std::sin(y);
                   return 2 * std::exp(s - 2) + 2.2 * std::exp(-s - 2) - 1;
                 }};
  e.equation.species = {phase_terms(1, 1, 0)};
  e.equation.functionalised = true;
  e.equation.eps = 0.18;
  e.equation.eta = 0.18 * 0.18;
  return e;
}

/// Cahn-Hilliard (or Allen-Cahn, `laplacians` = 0) with the logarithmic potential, whose minima stand at +-.9949 for theta_c / theta = 3
/// and at +-.9996 for 4.26.
inline PhaseExample logarithmic_example(int laplacians = 1, double theta = 1, double theta_c = 3) {
  PhaseExample e{
      "logarithmic", {}, 2 * std::numbers::pi, [](double x, double y) { return 0.9999 * std::tanh(4 * std::cos(x) * std::cos(2 * y) + 0.5); }};
  e.equation.species = {phase_terms(0.01, 1, laplacians, nullptr, make_flory_huggins(theta, theta_c))};
  return e;
}

inline LayoutPtr phase_layout(const PhaseExample& e, int cells, MPI_Comm comm = MPI_COMM_WORLD, int dim = 2) {
  return make_layout(comm, Grid(std::vector<Axis>(static_cast<std::size_t>(dim), Axis{0, e.length, cells, Boundary::Periodic, 0})));
}

inline void fill_initial(Field& u, const PhaseExample& e) {
  const SlabLayout& layout = u.layout();
  for (int r = 0; r < layout.rows(); ++r) {
    const RowPoints p = layout.row(r);
    for (int i = 0; i < p.n; ++i) u.level()[p.offset + i] = e.initial(p.x[i], p.y);
  }
}

/// One implicit Euler step (or a block of equal ones) of an example from its initial data, with the initial guess in U.
struct PhaseStep {
  PhaseExample example;
  LayoutPtr layout;
  StepSystem system;
  Field known, U;

  PhaseStep(PhaseExample e, int cells, double dt, int steps = 1, MPI_Comm comm = MPI_COMM_WORLD, int dim = 2)
      : example(std::move(e)),
        layout(phase_layout(example, cells, comm, dim)),
        system(make_evolution_operator(example.equation, layout), steps),
        known(layout),
        U(system.make_field()) {
    fill_initial(known, example);
    set(dt);
  }
  /// The next step from `known`, which is the initial guess too.
  void set(double dt) {
    std::vector<double> times;
    for (int k = 0; k < system.steps(); ++k) {
      times.push_back(dt * (k + 1));
      U.copy_level(k, known, 0);
    }
    system.set(known, dt, times);
  }
  /// The answer becomes `known`.
  void advance(double dt) {
    known.copy_level(0, U, system.steps() - 1);
    set(dt);
  }
  double energy() { return system.op().energy(U).value(); }
};

inline double largest_difference(const Field& a, const Field& b, int level = 0) {
  double worst = 0;
  for (std::ptrdiff_t i = 0; i < a.layout().owned(); ++i) worst = std::max(worst, std::fabs(a.level(level)[i] - b.level(level)[i]));
  return global_max(a.layout().comm(), worst);
}

}  // namespace wasserflow::test
