#pragma once
/// The methods that march a Hamilton-Jacobi equation in time, behind one interface, by their names in problem files.
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "grids/support/parameters.hpp"
#include "solvers/hj_residual.hpp"
#include "solvers/pdhg.hpp"

namespace wasserflow {

/// What one window (one or more implicit steps, or one output interval of an explicit scheme) cost and how well it is solved.
struct [[nodiscard]] HjWindowReport {
  StopReason reason = StopReason::Converged;
  int iterations = 0;  ///< of the method: PDHG iterations, policies, explicit time steps
  long operator_passes = 0;
  ResidualNorms residual;  ///< of the implicit scheme at the result, by the plain operator; NaN for explicit schemes, which solve no equation
  double weight = 0;       ///< PDHG: primal weight at the end
};

/// Marches from g = phi(., 0). `problem` has window() levels and outlives the object.
class HjMarch {
 public:
  virtual ~HjMarch() = default;
  int window() const { return problem_.levels(); }
  /// Solves the window whose levels are at `times` (window() of them, increasing).
  /// @note Collective.
  virtual HjWindowReport advance(std::span<const double> times) = 0;
  /// Values at the levels of the last window.
  virtual const Field& phi() const = 0;
  /// Newest value function.
  virtual const Field& last() const = 0;
  /// Density of optimal trajectories of the last step, mass 1 a cell at its end, and momenta rho dH/dp (an axis each, sides added). May
  /// solve a linear system. False when the method has none.
  /// @note Collective.
  virtual bool density(Field& /*rho*/, std::vector<Field>& /*m*/) { return false; }

  /// All that a checkpoint must hold: fields by name (their number and shape never change) and numbers.
  virtual std::vector<std::pair<std::string, Field*>> state_fields() = 0;
  virtual std::map<std::string, double> state_numbers() const { return {}; }
  /// After the state fields were filled.
  virtual void restore(const std::map<std::string, double>&) {}
  /// Called at every check of an iterative window, on all ranks (PDHG only).
  std::function<void(const PdhgProgress&)> monitor;

 protected:
  explicit HjMarch(HamiltonJacobiProblem& problem) : problem_(problem) {}
  HamiltonJacobiProblem& problem_;
};

/// Names in problem files, with what they are.
const std::vector<std::pair<std::string, std::string>>& hj_methods();

/// What [solver] says, read before the grid is built: a window of `window` levels, a layout with `ghost` planes.
struct HjMethod {
  std::string name = "pdhg";
  int window = 1;
  int ghost = 1;
  /// Makes the method for a problem. Throws InputError where the Hamiltonian does not suit it.
  /// @note Collective.
  std::function<std::unique_ptr<HjMarch>(HamiltonJacobiProblem&, const Field& initial)> make;
};
HjMethod read_hj_method(const Parameters& solver);

}  // namespace wasserflow
