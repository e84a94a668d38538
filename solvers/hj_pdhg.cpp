#include "solvers/hj_pdhg.hpp"

#include <algorithm>
#include <cmath>

namespace wasserflow {

HjPdhg::HjPdhg(HamiltonJacobiProblem& problem, const PdhgParameters& parameters, const Field& initial, double kappa)
    : problem_(problem), engine_(parameters), before_(problem.layout) {
  require_convex(problem, "pdhg");
  const Grid& grid = problem.layout->grid();
  double h = grid.spacing(0);
  for (int d = 1; d < grid.dim(); ++d) h = std::min(h, grid.spacing(d));
  saddle_ = std::make_unique<HjSaddlePoint>(problem, 1);
  last().copy_level(0, initial, 0);
  const HjSaddlePoint::Scales scale = saddle_->scales();
  const double courant = h / problem.dt;
  saddle_->set_kappa_squared(kappa > 0 ? kappa * kappa : scale.speed > 0 ? 1.1 * scale.speed * courant : courant * courant);
  if (scale.rate > 0) engine_.set_weight(parameters.weight / scale.rate);
}

SolveReport HjPdhg::advance(std::span<const double> times) {
  problem_.set_times(times);
  const bool speeds_changed = adapt_numerical_speeds(problem_, last());
  if (speeds_changed || !problem_.drift.empty()) saddle_->refresh();
  for (int k = 0; k < saddle_->phi().levels(); ++k) {
    double* phi = saddle_->phi().level(k);
    const double *now = last().level(), *old = before_.level();
    const double steps = windows_ > 0 ? k + 1 : 0;
    for (std::ptrdiff_t i = 0; i < problem_.layout->owned(); ++i) phi[i] = now[i] + steps * (now[i] - old[i]);
  }
  saddle_->momenta_from_policy();
  SolveReport report = engine_.solve(*saddle_);
  max_residual_ = saddle_->max_residual();
  const int newest = phi().levels() - 1;
  before_.copy_level(0, newest > 0 ? phi() : last(), newest > 0 ? newest - 1 : 0);
  last().copy_level(0, phi(), newest);
  ++windows_;
  return report;
}

void HjPdhg::restore(const State& state) {
  engine_.set_weight(state.weight);
  saddle_->set_kappa_squared(state.kappa_squared);
  windows_ = state.windows;
}

}  // namespace wasserflow
