#pragma once
/// Solving mean-field problems in tests.
#include <memory>

#include "solvers/mean_field_continuation.hpp"
#include "tests/support/mean_field_examples.hpp"

namespace wasserflow::test {

struct MeanFieldRun {
  std::unique_ptr<StaggeredScheme> scheme;
  SolveReport report;
  MeanFieldFigures figures;
};

inline PdhgParameters mean_field_parameters(double tolerance, int most = 3000) {
  PdhgParameters p = mean_field_pdhg();
  p.tolerance = tolerance;
  p.max_iterations = most;
  return p;
}

/// Goes on from the present iterate of `run`.
inline void solve_on(MeanFieldRun& run, const PdhgParameters& parameters) {
  Pdhg engine(parameters);
  engine.set_weight(parameters.weight * run.scheme->default_weight());
  run.report = engine.solve(*run.scheme);
  run.figures = run.scheme->figures();
}

inline MeanFieldRun solve(MeanFieldProblem problem, double tolerance, int most = 3000) {
  MeanFieldRun run;
  run.scheme = std::make_unique<StaggeredScheme>(std::move(problem));
  run.scheme->start();
  solve_on(run, mean_field_parameters(tolerance, most));
  return run;
}

/// sum x_d^2 rho / sum rho at a level.
inline double second_moment(const Field& rho, int level, int d = 0) {
  const SlabLayout& l = rho.layout();
  const double* u = rho.level(level);
  std::array<ExactSum, 2> s;
  for (int r = 0; r < l.rows(); ++r) {
    const RowPoints p = l.row(r);
    for (int i = 0; i < p.n; ++i) {
      const double x = d == 0 ? p.x[i] : d == 1 ? p.y : p.z;
      s[0] += u[p.offset + i];
      s[1] += u[p.offset + i] * x * x;
    }
  }
  ExactSum::reduce(l.comm(), s);
  return s[1].value() / s[0].value();
}

}  // namespace wasserflow::test
