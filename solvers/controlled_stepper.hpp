#pragma once
/// What all time steppers share: the loop of attempts around a step, energy control, checkpoints. For solvers/*_stepper.cpp.
#include <limits>

#include "solvers/step_control.hpp"

namespace wasserflow {

/// Outcome of one attempt at a step, the same on all ranks.
struct Attempt {
  const char* failed = nullptr;                             ///< as StepReport::why; null: the step was computed
  bool usable = false;                                      ///< failed, but finite and inside the domain
  double error = std::numeric_limits<double>::quiet_NaN();  ///< estimate relative to the tolerance
};

class ControlledStepper : public TimeStepper {
 public:
  StepReport advance(double end) final;
  double time() const final { return control_.time(); }
  const Field& state() const final { return state_; }
  Field& state() final { return state_; }
  std::map<std::string, double> state_numbers() const override;
  void restore(const std::map<std::string, double>& numbers) override;

 protected:
  /// `order`: of the local error estimate.
  ControlledStepper(const TimeParameters& parameters, EvolutionOperatorPtr op, const Field& initial, int order, bool energy_control);

  /// Computes candidate() from state(); adds its work to the report.
  /// @note Collective.
  virtual Attempt attempt(const StepControl::Step& step, StepReport& report) = 0;
  /// The last attempt's result; step.count steps of components() levels.
  virtual Field& candidate() = 0;
  /// Makes the candidate the state.
  virtual void commit(const StepControl::Step& step) = 0;

  const TimeParameters parameters_;
  EvolutionOperatorPtr op_;
  const int components_;
  Field state_;

 private:
  bool energy_grew(const StepControl::Step& step, double residual, double& energy);
  StepControl control_;
  bool energy_control_;
  double inverse_metric_ = 1;  // largest eigenvalue of G^{-1} on fields without mean
  bool energy_known_ = false;
  double energy_ = 0, energy_scale_ = 0;
};

/// max_i |f(level, i)| over the points of all components, on all ranks.
/// @note Collective.
template <class F>
double max_over(const SlabLayout& layout, int levels, F&& f) {
  double worst = 0;
  for (int s = 0; s < levels; ++s)
    for (std::ptrdiff_t i = 0; i < layout.owned(); ++i) worst = std::max(worst, std::fabs(f(s, i)));
  MPI_Allreduce(MPI_IN_PLACE, &worst, 1, MPI_DOUBLE, MPI_MAX, layout.comm());
  return worst;
}

std::unique_ptr<TimeStepper> make_implicit_stepper(const TimeParameters& parameters, EvolutionOperatorPtr op, NonlinearSolverPtr solver,
                                                   const Field& initial, bool single);
std::unique_ptr<TimeStepper> make_imex_stepper(const TimeParameters& parameters, EvolutionOperatorPtr op, const Field& initial);
std::unique_ptr<TimeStepper> make_etdrk4_stepper(const TimeParameters& parameters, EvolutionOperatorPtr op, const Field& initial);

}  // namespace wasserflow
