#pragma once
/// Mean-field problems from the texts of a problem file, for tests that compare schemes and methods with each other and with closed forms.
#include <boost/test/unit_test.hpp>
#include <string>
#include <vector>

#include "grids/reduce.hpp"
#include "problems/transport_cost.hpp"
#include "solvers/mean_field.hpp"
#include "solvers/pdhg.hpp"

namespace wasserflow::test {

struct MeanFieldCase {
  std::vector<Axis> axes;
  int steps = 16;
  double horizon = 1, viscosity = 0;
  std::string file;           ///< tables of a problem file: [hamiltonian], [coupling], [terminal]
  std::string initial = "1";  ///< scaled to mass 1
  std::string final_density = {};
};

inline Axis interval(double lower, double upper, int cells, Boundary kind = Boundary::NoFlux) {
  return {lower, upper, cells, kind, kind == Boundary::Periodic ? 0 : 0.5};
}

inline Field density_of(const LayoutPtr& layout, const std::string& formula) {
  Field rho(layout);
  fill(rho, 0, *make_formula(formula), 0);
  const double mass = sum(rho) * layout->grid().cell_volume();
  for (double& v : rho.owned()) v /= mass;
  return rho;
}

inline MeanFieldProblem mean_field(const MeanFieldCase& c, MPI_Comm comm = MPI_COMM_WORLD) {
  const int dim = static_cast<int>(c.axes.size());
  const ProblemFile file = ProblemFile::parse(c.file, "problem.toml");
  TransportTerms terms = read_transport_terms(file.root(), dim);
  const Splitting splitting = terms.hamiltonian.kinetic->splitting();
  MeanFieldProblem problem;
  problem.layout = make_layout(comm, Grid(c.axes));
  problem.steps = c.steps;
  problem.horizon = c.horizon;
  problem.viscosity = c.viscosity;
  problem.cost = std::make_shared<TransportCost>(std::move(terms), dim, splitting);
  problem.initial = density_of(problem.layout, c.initial);
  if (!c.final_density.empty()) problem.final_density = density_of(problem.layout, c.final_density);
  return problem;
}

/// Runs over-relaxed to a relative tolerance of all residuals. `weight`: in units of the default one.
inline SolveReport solve(MeanFieldScheme& scheme, double tolerance, int most = 20000, double weight = 1) {
  PdhgParameters parameters;
  parameters.tolerance = 0;
  parameters.relative_tolerance = tolerance;
  parameters.max_iterations = most;
  parameters.check_every = 10;
  parameters.rule = StepRule::Fixed;
  parameters.relaxation = 1.9;
  parameters.step_product = 0.98;
  parameters.weight = weight * scheme.default_weight();
  Pdhg engine(parameters);
  return engine.solve(scheme);
}

}  // namespace wasserflow::test
