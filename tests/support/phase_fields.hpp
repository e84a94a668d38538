#pragma once
// Equations, fields and a plain solver for tests of the reaction-diffusion family.
#include <cmath>
#include <functional>
#include <numbers>

#include "grids/reduce.hpp"
#include "solvers/reaction_diffusion_operator.hpp"
#include "solvers/time_stepper.hpp"

namespace wasserflow::test {

inline ReactionDiffusionEquation allen_cahn(double a, double b) {
  ReactionDiffusionEquation e;
  e.type = "allen_cahn";
  SpeciesTerms u;
  u.L.push_back({});
  u.a = a;
  u.b = b;
  u.potential = make_double_well();
  e.species.push_back(u);
  return e;
}

inline ReactionDiffusionEquation cahn_hilliard(double a, double b) {
  ReactionDiffusionEquation e = allen_cahn(a, b);
  e.type = "cahn_hilliard";
  e.species[0].G.push_back({});
  return e;
}

inline ReactionDiffusionEquation functionalised(double eps) {
  ReactionDiffusionEquation e = allen_cahn(1, 1);
  e.type = "functionalised_cahn_hilliard";
  e.functionalised = true;
  e.eps = eps;
  e.eta = eps * eps;
  return e;
}

inline Grid box(int dim, int n, double length, Boundary kind = Boundary::Periodic) {
  return Grid(std::vector<Axis>(static_cast<std::size_t>(dim), Axis{0, length, n, kind, kind == Boundary::Periodic ? 0 : 0.5}));
}

inline Field make_field(const LayoutPtr& layout, const std::function<double(double, double, double)>& f) {
  Field u(layout);
  for (int r = 0; r < layout->rows(); ++r) {
    const RowPoints p = layout->row(r);
    for (int i = 0; i < p.n; ++i) u.level()[p.offset + i] = f(p.x[i], p.y, p.z);
  }
  return u;
}

inline double max_difference(const Field& a, const Field& b) {
  double worst = 0;
  for (std::ptrdiff_t i = 0; i < a.layout().owned(); ++i) worst = std::max(worst, std::fabs(a.level()[i] - b.level()[i]));
  return global_max(a.layout().comm(), worst);
}

/// The fixed point U <- U - M^{-1} F(U), and a hook that may spoil its outcome.
class Picard : public NonlinearSolver {
 public:
  explicit Picard(double tolerance = 1e-10, int most = 200) : tolerance_(tolerance), most_(most) {}
  std::function<void(StepSystem&, Field&, NonlinearReport&)> spoil;

  const std::string& name() const override { return name_; }
  const std::vector<NonlinearReport>& attempts() const override { return attempts_; }
  NonlinearReport solve(StepSystem& system, Field& U) override {
    NonlinearReport r;
    r.method = name_;
    Field z = system.make_field();
    for (r.iterations = 0;; ++r.iterations) {
      r.residual = system.preconditioned_residual(U, z);
      r.reason = r.residual < tolerance_ ? StopReason::Converged : std::isfinite(r.residual) ? StopReason::IterationLimit : StopReason::Diverged;
      if (r.reason != StopReason::IterationLimit || r.iterations == most_) break;
      for (int l = 0; l < U.levels(); ++l)
        for (std::ptrdiff_t i = 0; i < U.layout().owned(); ++i) U.level(l)[i] -= z.level(l)[i];
    }
    if (spoil) spoil(system, U, r);
    attempts_.assign(1, r);
    return r;
  }

 private:
  double tolerance_;
  int most_;
  std::string name_ = "picard";
  std::vector<NonlinearReport> attempts_;
};

/// Runs to `end`; checks on every report.
inline std::vector<StepReport> run(TimeStepper& stepper, double end) {
  std::vector<StepReport> reports;
  while (stepper.time() < end) reports.push_back(stepper.advance(end));
  return reports;
}

}  // namespace wasserflow::test
