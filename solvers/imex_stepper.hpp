#pragma once
/// What the IMEX steppers share: R in the modes of the implicit part. For solvers/*_stepper.cpp.
#include "solvers/controlled_stepper.hpp"

namespace wasserflow {

/// The state changes by increments d = u^{n+1} - q with q from states at hand: every scheme is written so that only R and such differences are
/// transformed. With A diagonal in the modes, A u never is: a stage costs one transform pair, and constants and the mean are kept to rounding.
class ImexStepper : public ControlledStepper {
 public:
  ImexStepper(const TimeParameters& parameters, EvolutionOperatorPtr op, const Field& initial);
  std::vector<std::pair<std::string, Field*>> state_fields() override { return {{"state", &state_}}; }

 protected:
  Field& candidate() override { return next_; }
  void commit(const StepControl::Step& step) override;

  /// row = R(u) for the u of the last op_->prepare, in the cut of SpectralTransform.
  void rate_rows(int level, std::ptrdiff_t offset, int n, double* row) const;
  /// lambda of the modes of a row of a block: base + column[i].
  double base(const ModeBlock& block, int row) const;
  const std::vector<double>& column() const { return symbol_[static_cast<std::size_t>(transform_.column_axis())]; }
  /// A(lambda) of a component, with the stabiliser.
  double implicit_part(int component, double lambda) const;
  /// Multiplies by scale / (1 + tau A), mode by mode; notes where 1 + tau A is not positive.
  void divide(const ModeBlock& block, double scale, double tau);
  /// out = u + row (out may be u); notes values that are not finite or outside of their domain.
  void take(int level, int n, const double* u, const double* row, double* out);
  /// Starts the notes anew; after the transforms, what they say on all ranks.
  void begin() { singular_ = outside_ = false; }
  /// @note Collective.
  Attempt outcome() const;

  SpectralTransform transform_;
  Field next_;

 private:
  std::vector<SymbolPolynomial> implicit_;
  std::array<std::vector<double>, 3> symbol_;
  bool singular_ = false, outside_ = false;
};

}  // namespace wasserflow
