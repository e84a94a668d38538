#pragma once
/// Wasserstein proximal steps behind the interface of time steppers, so that a problem file switches between them and schemes for the PDE.
#include <optional>

#include "solvers/back_and_forth_jko.hpp"
#include "solvers/entropic_transport.hpp"
#include "solvers/step_control.hpp"
#include "solvers/time_stepper.hpp"
#include "solvers/wasserstein_prox.hpp"

namespace wasserflow {

/// rho_t = div(rho grad V) + beta Lap rho + c Lap rho^m, in steps of size dt that are proximal operators:
///   kernel        kernel formula with T = dt (ProxKernel::Kernel): first order
///   symmetric     its symmetric scaling (ProxKernel::Symmetric): second order, keeps exp(-V / beta)
///   entropic_jko  entropic JKO steps: first order. The blur of a step is a diffusion of its own, of eps / (2 dt): the energy is given a temperature
///                 lowered by as much (where that leaves one that is not negative), so that eps may have the size of beta dt.
///   jko           JKO steps by the back-and-forth method: first order, no blur; no_flux axes
struct ProxStepParameters {
  double beta = 1;
  double porous_coefficient = 0, porous_exponent = 2;  ///< c, m; jko and entropic_jko only
  double eps = 0;                                      ///< entropic_jko: 0: beta dt
  ProxBackend backend = ProxBackend::Automatic;        ///< kernel, symmetric
  double tolerance = 1e-10;                            ///< entropic_jko: of the scalings; else ProxParameters::tolerance
  int max_iterations = 5000;                           ///< jko, entropic_jko
  double marginal = 2e-3;                              ///< jko: BackAndForthParameters::tolerance
};
/// The names of these methods with what they are.
const std::vector<std::pair<std::string, std::string>>& prox_methods();

/// Steps stand on the grid of fixed steps that TimeStepper describes; shorter last ones have operators of their own. In reports `method` is the
/// backend (direct, fft, log), "sinkhorn" or "back_and_forth", `iterations` counts its own, `evaluations` convolutions, and `residual` is the
/// marginal error of JKO steps.
class ProxStepper final : public TimeStepper {
 public:
  /// V at level 0 of a field. Throws InputError: beta <= 0 (kernel, symmetric), porous diffusion with them, V not finite.
  /// @note Collective.
  ProxStepper(const TimeParameters& time, const ProxStepParameters& parameters, const Field& V, std::array<Surround, 3> surround,
              const Field& initial);

  StepReport advance(double end) override;
  double time() const override { return control_.time(); }
  const Field& state() const override { return rho_; }
  Field& state() override { return rho_; }
  std::vector<std::pair<std::string, Field*>> state_fields() override { return {{"rho", &rho_}}; }
  std::map<std::string, double> state_numbers() const override;
  void restore(const std::map<std::string, double>& numbers) override;

  /// grad log rho of the last step from means under the kernel; false when there was none, or for JKO steps.
  /// @note Collective.
  bool score(std::vector<Field>& out);
  /// The operator of the full step; null for JKO steps.
  const WassersteinProx* prox() const { return nominal_.prox.get(); }
  double eps() const { return nominal_.eps; }

 private:
  struct Operator {
    double dt = 0, eps = 0;
    std::unique_ptr<WassersteinProx> prox;
    std::unique_ptr<EntropicJko> jko;
    std::unique_ptr<BackAndForthJko> exact;
  };
  Operator make(double dt) const;

  std::string method_;
  TimeParameters time_;
  ProxStepParameters parameters_;
  Field V_, rho_, before_;
  std::array<Surround, 3> surround_;
  StepControl control_;
  Operator nominal_, other_;
  Operator* last_ = nullptr;
};

/// Central differences of log rho, an axis each, second order; one-sided beside points where rho is not positive, and 0 there. Exchanges ghosts of
/// rho.
/// @note Collective.
void log_gradient(Field& rho, std::vector<Field>& out);

}  // namespace wasserflow
