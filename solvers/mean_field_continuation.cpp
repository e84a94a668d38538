#include "solvers/mean_field_continuation.hpp"

#include "grids/support/errors.hpp"

namespace wasserflow {

PdhgParameters mean_field_pdhg() {
  PdhgParameters p;
  p.tolerance = 1e-4;
  p.check_every = 10;
  p.relaxation = 1.9;
  p.step_product = 0.99;
  p.weight = 1;
  p.rule = StepRule::Balanced;
  p.balance_up = p.balance_down = 4;
  p.balance_factor = 1.6;
  p.balance_limit = 10;
  p.balance_iterations = 200;
  return p;
}

MeanFieldSolution solve_mean_field(const MeanFieldFactory& factory, int levels, const PdhgParameters& parameters,
                                   const std::function<void(Pdhg&, MeanFieldScheme&, int level)>& prepare) {
  if (levels < 1) throw InternalError("continuation needs a level");
  MeanFieldSolution solution;
  double weight = 0;
  for (int level = 0; level < levels; ++level) {
    MeanFieldSchemePtr scheme = factory(levels - 1 - level);
    if (solution.scheme)
      scheme->start_from(*solution.scheme);
    else
      scheme->start();
    solution.scheme = std::move(scheme);
    MeanFieldScheme& now = *solution.scheme;
    Pdhg engine(parameters);
    engine.set_weight(level > 0 ? weight : parameters.weight * now.default_weight());
    if (prepare) prepare(engine, now, level);
    MeanFieldLevel entry;
    const MeanFieldProblem& problem = now.problem();
    for (int d = 0; d < problem.layout->dim(); ++d) entry.cells[static_cast<std::size_t>(d)] = problem.layout->grid().cells(d);
    entry.steps = problem.steps;
    entry.report = engine.solve(now);
    solution.levels.push_back(entry);
    if (entry.report.reason == StopReason::Diverged) break;
    weight = engine.weight();
  }
  return solution;
}

}  // namespace wasserflow
