#pragma once
/// Whole Hamilton-Jacobi runs from the texts of a problem file, for tests that compare methods with each other.
#include <algorithm>
#include <boost/test/unit_test.hpp>

#include "grids/reduce.hpp"
#include "solvers/hj_march.hpp"
#include "tests/support/hj_examples.hpp"

namespace wasserflow::test {

struct Example {
  int dim = 1;
  int cells = 20;
  int steps = 10;  ///< that are run, of size dt
  double dt = 0.1;
  std::string hamiltonian;  ///< keys of [hamiltonian]
  std::string initial;
  double eps = 0;
  std::vector<Axis> axes = {};  ///< empty: the torus [0, 2)^dim
};

inline const std::string quadratic_1d = "type = \"quadratic\"\ncoefficient = [\"((x-1)^2 + 0.1)^2\"]";
inline const std::string homogeneous_1d = "type = \"one_homogeneous\"\ncoefficient = [\"(x-1)^2 + 0.1\"]";
/// A controlled force on velocities (no_flux) and positions (periodic); the motion is the drift.
inline Example newton(int cells, int steps, double dt) {
  return {2,
          cells,
          steps,
          dt,
          "type = \"quadratic\"\ncoefficient = [1.0, 0.0]\ndrift = [\"0\", \"-x\"]",
          "sin(pi*y)*exp(-x^2/2)",
          0.0,
          {{-1, 1, cells, Boundary::NoFlux, 0.5}, {-1, 1, cells, Boundary::Periodic, 0}}};
}

struct Run {
  std::vector<int> iterations;    ///< a window
  std::vector<double> residuals;  ///< mean |R| a window
  std::vector<Field> phi;         ///< a level
  Field rho;                      ///< of the last step
  std::vector<Field> m;

  int most() const { return *std::max_element(iterations.begin(), iterations.end()); }
  int least() const { return *std::min_element(iterations.begin(), iterations.end()); }
  int total() const {
    int s = 0;
    for (int n : iterations) s += n;
    return s;
  }
  double mean_residual() const {
    double s = 0;
    for (double r : residuals) s += r;
    return s / static_cast<double>(residuals.size());
  }
};

/// `solver`: keys of [solver]. Every window must converge.
inline Run run(MPI_Comm comm, const Example& e, const std::string& solver) {
  const ProblemFile file =
      ProblemFile::parse("[hamiltonian]\n" + e.hamiltonian + "\n[initial]\nphi = \"" + e.initial + "\"\n[solver]\n" + solver, "problem.toml");
  const Parameters root = file.root();
  const HjMethod method = read_hj_method(root.table("solver", ""));
  const LayoutPtr layout = make_layout(comm, e.axes.empty() ? torus(e.dim, e.cells) : Grid(e.axes), method.ghost);
  std::vector<double> times;
  for (int k = 1; k <= method.window; ++k) times.push_back(k * e.dt);
  HamiltonJacobiProblem problem = make_hamilton_jacobi_problem(read_hamiltonian(root.table("hamiltonian", ""), e.dim), layout, e.eps, e.dt, times);
  Field g(layout);
  fill(g, 0, *read_function(root.table("initial", ""), "phi", "", e.dim), 0);
  file.check_all_used();
  const auto march = method.make(problem, g);
  Run run;
  for (int k = 0; k < e.steps; k += method.window) {
    for (int l = 0; l < method.window; ++l) times[static_cast<std::size_t>(l)] = (k + l + 1) * e.dt;
    const HjWindowReport report = march->advance(times);
    BOOST_TEST((report.reason == StopReason::Converged),
               solver << " ended at mean|R| " << report.residual.mean_abs << " after " << report.iterations);
    run.iterations.push_back(report.iterations);
    run.residuals.push_back(report.residual.mean_abs);
    for (int l = 0; l < method.window; ++l) {
      run.phi.emplace_back(layout);
      run.phi.back().copy_level(0, march->phi(), l);
    }
  }
  run.rho = Field(layout);
  for (int d = 0; d < e.dim; ++d) run.m.emplace_back(layout);
  BOOST_TEST(march->density(run.rho, run.m));
  return run;
}

/// Largest difference of fields on the same ranks.
inline double difference(const Field& a, const Field& b) {
  double worst = 0;
  for (std::ptrdiff_t i = 0; i < a.layout().owned(); ++i) worst = std::max(worst, std::fabs(a.level()[i] - b.level()[i]));
  return global_max(a.layout().comm(), worst);
}
/// Of phi at all levels.
inline double difference(const Run& a, const Run& b) {
  double worst = 0;
  for (std::size_t k = 0; k < a.phi.size(); ++k) worst = std::max(worst, difference(a.phi[k], b.phi[k]));
  return worst;
}

}  // namespace wasserflow::test
