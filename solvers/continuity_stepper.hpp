#pragma once
/// The continuity equation behind the interface of time steppers: probability flows and other transport without diffusion.
#include "problems/fokker_planck.hpp"
#include "solvers/continuity_equation.hpp"
#include "solvers/step_control.hpp"
#include "solvers/time_stepper.hpp"

namespace wasserflow {

/// The name of the method with what it is.
const std::vector<std::pair<std::string, std::string>>& continuity_methods();

/// rho_t + div(rho (b - grad V)) = 0 by ContinuityEquation (WENO5, SSP-RK3). Steps of size dt stand on the grid of fixed steps that TimeStepper
/// describes, and each takes as many substeps as the CFL number asks for: what is saved does not change them but for the times they must reach. In
/// reports `iterations` counts substeps, `evaluations` stages.
class ContinuityStepper final : public TimeStepper {
 public:
  /// Throws InputError for equations with diffusion, reaction or terms in rho, and as ContinuityEquation does (3 ghost planes). -grad V at faces is
  /// by fourth-order differences over a cell.
  /// @note Collective.
  ContinuityStepper(const TimeParameters& time, const FokkerPlanckEquation& equation, const Field& initial, double cfl = 0.4);

  StepReport advance(double end) override;
  double time() const override { return control_.time(); }
  const Field& state() const override { return rho_; }
  Field& state() override { return rho_; }
  std::vector<std::pair<std::string, Field*>> state_fields() override { return {{"rho", &rho_}}; }
  std::map<std::string, double> state_numbers() const override;
  void restore(const std::map<std::string, double>& numbers) override { control_.restore(numbers); }

 private:
  Field rho_;
  StepControl control_;
  ContinuityEquation equation_;
};

}  // namespace wasserflow
