#pragma once
/// Explicit transport behind the interface of time steppers: the continuity equation alone, or split from a heat semigroup.
#include <array>
#include <optional>

#include "grids/heat_convolution.hpp"
#include "problems/fokker_planck.hpp"
#include "solvers/continuity_equation.hpp"
#include "solvers/step_control.hpp"
#include "solvers/time_stepper.hpp"

namespace wasserflow {

/// The names of these methods with what they are.
const std::vector<std::pair<std::string, std::string>>& continuity_methods();

/// rho_t + div(rho (b - grad V)) = D Lap rho in steps of size dt that stand on the grid of fixed steps that TimeStepper describes:
///   ssp_rk3  D = 0: ContinuityEquation (WENO5, SSP-RK3), in as many substeps as the CFL number asks for
///   strang   exp(dt/2 D Lap), transport as above over dt, exp(dt/2 D Lap) (Strang, SIAM J. Numer. Anal. 5 (1968)): second order in dt. The heat
///            semigroup is a convolution with a positive kernel of sum 1; D is a number, or one an axis, or functions of t alone (their integrals
///            over half a step by Gauss' formula of sixth order). Where cells are wider than half the kernel the discrete heat semigroup stands in
///            (KernelKind::Discrete), second order in h.
/// Both keep densities positive and their mass to rounding; the same bits on any number of ranks. In reports `iterations` counts substeps,
/// `evaluations` their stages and convolutions.
class ContinuityStepper final : public TimeStepper {
 public:
  /// Throws InputError for terms that a method does not have (reaction, terms nonlinear in rho, D that varies in space, walls), and as
  /// ContinuityEquation does (3 ghost planes). -grad V at faces is by fourth-order differences over a cell.
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
  /// The heat semigroup from t0 on.
  void diffuse(double t0, double length);

  std::vector<FunctionPtr> diffusion_;  // one an axis; empty: none
  std::array<Surround, 3> surround_{};
  Field rho_;
  StepControl control_;
  ContinuityEquation equation_;
  std::array<double, 3> variance_{};     // of heat_
  std::optional<HeatConvolution> heat_;  // the last one
};

}  // namespace wasserflow
