#pragma once
/// The published examples of phase-field steps (Liu, Zuo, Osher, Li arXiv:2401.14602), for tests of nonlinear solvers.
#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <numbers>
#include <vector>

#include "solvers/nonlinear_solver.hpp"
#include "solvers/reaction_diffusion_operator.hpp"

namespace wasserflow::test {

struct PhaseField {
  ReactionDiffusionEquation equation;
  Grid grid;
  std::function<double(double, double)> initial;
  double dt = 0;
};

inline Grid periodic_square(double length, int cells) {
  const Axis axis{0.0, length, cells, Boundary::Periodic, 0.0};
  return Grid({axis, axis});
}

/// u_t = eps Lap u - (u^3 - u) / eps on [0, 1/2]^2, a sharp disc of radius 0.2.
inline PhaseField allen_cahn_circle(int cells, double dt = 0.001, double eps = 0.01) {
  ReactionDiffusionEquation e;
  e.type = "allen_cahn";
  SpeciesTerms u;
  u.L = {DiffusionFactor{}};
  u.a = eps;
  u.b = 1 / eps;
  u.potential = make_double_well();
  e.species = {u};
  return {e, periodic_square(0.5, cells), [](double x, double y) { return std::hypot(x - 0.25, y - 0.25) <= 0.2 ? 1.0 : -1.0; }, dt};
}

/// u_t = Lap(-eps^2 Lap u + u^3 - u), eps = 0.1, on [0, 2 pi]^2, seven discs.
inline PhaseField cahn_hilliard_circles(int cells, double dt = 0.001) {
  ReactionDiffusionEquation e;
  e.type = "cahn_hilliard";
  SpeciesTerms u;
  u.G = u.L = {DiffusionFactor{}};
  u.a = 0.01;
  u.b = 1;
  u.potential = make_double_well();
  e.species = {u};
  const auto initial = [](double x, double y) {
    constexpr double pi = std::numbers::pi;
    constexpr std::array<std::array<double, 3>, 7> discs{{{pi / 2, pi / 2, pi / 5},
                                                          {pi / 4, 3 * pi / 4, 2 * pi / 15},
                                                          {pi / 2, 5 * pi / 4, 2 * pi / 15},
                                                          {pi, pi / 4, pi / 10},
                                                          {3 * pi / 2, pi / 4, pi / 10},
                                                          {pi, pi, pi / 4},
                                                          {3 * pi / 2, 3 * pi / 2, pi / 4}}};
    double value = -1;
    for (const auto& [cx, cy, radius] : discs) {
      const double d = std::hypot(x - cx, y - cy) - radius;
      if (d < 0) value += 2 * std::exp(-0.01 / (d * d));
    }
    return value;
  };
  return {e, periodic_square(2 * std::numbers::pi, cells), initial, dt};
}

/// Functionalised Cahn-Hilliard, eps = 0.18, on [0, 2 pi]^2.
inline PhaseField functionalised_pores(int cells, double dt = 0.01) {
  ReactionDiffusionEquation e;
  e.type = "functionalised_cahn_hilliard";
  e.functionalised = true;
  e.eps = 0.18;
  e.eta = e.eps * e.eps;
  SpeciesTerms u;
  u.potential = make_double_well();
  e.species = {u};
  const auto initial = [](double x, double y) {
    return 2 * std::exp(std::sin(x) + std::sin(y) - 2) + 2.2 * std::exp(-std::sin(x) - std::sin(y) - 2) - 1;
  };
  return {e, periodic_square(2 * std::numbers::pi, cells), initial, dt};
}

/// Implicit Euler in blocks with one solver; initial guesses extrapolate earlier states (a constant within a block of more than one step).
class PhaseSteps {
 public:
  PhaseSteps(MPI_Comm comm, PhaseField problem, int block = 1, bool single = false)
      : problem_(std::move(problem)),
        layout_(make_layout(comm, problem_.grid, 1)),
        system(make_evolution_operator(problem_.equation, layout_), block, single),
        U(system.make_field()),
        state(layout_) {
    for (int r = 0; r < layout_->rows(); ++r) {
      const RowPoints p = layout_->row(r);
      for (int i = 0; i < p.n; ++i) state.level()[p.offset + i] = problem_.initial(p.x[i], p.y);
    }
  }

  /// Makes the next block's system and initial guess.
  void prepare(int extrapolation = 0) {
    std::vector<double> times;
    for (int k = 1; k <= system.steps(); ++k) times.push_back((taken_ + k) * problem_.dt);
    system.set(state, problem_.dt, times);
    const int order = system.steps() > 1 ? 0 : std::min<int>(extrapolation, static_cast<int>(earlier_.size()));
    for (int k = 0; k < system.steps(); ++k) U.copy_level(k, state, 0);
    for (std::ptrdiff_t i = 0; order > 0 && i < layout_->owned(); ++i) {
      const double u = state.level()[i], v = earlier_[0].level()[i];
      U.level()[i] = order == 1 ? 2 * u - v : 3 * (u - v) + earlier_[1].level()[i];
    }
  }

  NonlinearReport step(NonlinearSolver& solver, int extrapolation = 0) {
    prepare(extrapolation);
    NonlinearReport report = solver.solve(system, U);
    earlier_.insert(earlier_.begin(), state.clone());
    if (earlier_.size() > 2) earlier_.pop_back();
    state.copy_level(0, U, system.steps() - 1);
    taken_ += system.steps();
    return report;
  }

  std::vector<int> iterations(NonlinearSolver& solver, int blocks, int extrapolation = 0) {
    std::vector<int> counts;
    for (int k = 0; k < blocks; ++k) {
      const NonlinearReport report = step(solver, extrapolation);
      counts.push_back(report.reason == StopReason::Converged ? report.iterations : -report.iterations);
    }
    return counts;
  }

 private:
  PhaseField problem_;
  LayoutPtr layout_;
  std::vector<Field> earlier_;
  int taken_ = 0;

 public:
  StepSystem system;
  Field U, state;
};

}  // namespace wasserflow::test
