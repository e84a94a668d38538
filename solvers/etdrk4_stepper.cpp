#include <array>
#include <cmath>
#include <complex>
#include <numbers>
#include <unordered_map>

#include "solvers/imex_stepper.hpp"

namespace wasserflow {
namespace {

/// Coefficients of one mode for c = -dt A: E = e^{c/2}, Q = dt phi_1(c/2)/2, and f1, f2, f3 of Cox & Matthews (2002).
struct Coefficients {
  double E, Q, f1, f2, f3;
};

template <class T>
std::array<T, 4> quotients(T z) {
  const T e = std::exp(z), z3 = z * z * z;
  return {(std::exp(0.5 * z) - 1.0) / z, (-4.0 - z + e * (4.0 - 3.0 * z + z * z)) / z3, (2.0 + z + e * (z - 2.0)) / z3,
          (-4.0 - 3.0 * z - z * z + e * (4.0 - z)) / z3};
}

/// Near c = 0 the quotients cancel: there they are means over a circle around c (Kassam & Trefethen 2005), whose lower half is the conjugate one.
Coefficients coefficients(double c, double dt) {
  std::array<double, 4> q{};
  if (std::fabs(c) > 4) {
    q = quotients(c);
  } else {
    constexpr int points = 16;
    for (int k = 0; k < points; ++k) {
      const std::complex<double> z = c + std::polar(1.0, std::numbers::pi * (k + 0.5) / points);
      const auto at = quotients(z);
      for (std::size_t i = 0; i < q.size(); ++i) q[i] += at[i].real() / points;
    }
  }
  return {std::exp(0.5 * c), dt * q[0], dt * q[1], dt * q[2], dt * q[3]};
}

class Etdrk4 final : public ImexStepper {
 public:
  using ImexStepper::ImexStepper;

 protected:
  // For u' = -A u + (A u - R(u)) the stages are a = u + d_a, ... with, mode by mode and E = e^{-dt A/2}:
  //   d_a = -Q R(u);  d_b = (1 - E) d_a - Q R(a);  d_c = (E - 1) d_a + 2 (1 - E) d_b - 2 Q R(b);
  //   u+ = u + A [2 f2 (d_a + d_b) + f3 d_c] - f1 R(u) - 2 f2 (R(a) + R(b)) - f3 R(c).
  Attempt attempt(const StepControl::Step& step, StepReport& report) override {
    begin();
    dt_ = step.dt;
    for (int stage = 0; stage < 4; ++stage) {
      const double times[1] = {stage == 0 ? time() : stage == 3 ? step.t : time() + 0.5 * step.dt};
      op_->prepare(stage == 0 ? state_ : next_, times);
      transform_.solve([this](int s, std::ptrdiff_t at, int n, double* row) { rate_rows(s, at, n, row); },
                       [&](const ModeBlock& block) { combine(block, stage); },
                       [&](int s, std::ptrdiff_t at, int n, const double* row) { take(s, n, state_.level(s) + at, row, next_.level(s) + at); });
      report.transform_pairs += components_;
      ++report.evaluations;
      // A stage outside of the domain has no R.
      const Attempt result = outcome();
      if (result.failed != nullptr || stage == 3) return result;
    }
    return {};
  }

 private:
  /// Of one block of modes: coefficients, and what later stages need of the earlier ones.
  struct Table {
    double dt = 0;
    std::vector<Coefficients> coefficients;
    std::vector<double> A, change, sum;
  };

  Table& table(const ModeBlock& block) {
    Table& t = tables_[static_cast<long>(block.outer) << 32 | block.first_row];
    if (t.dt == dt_) return t;
    const std::size_t count = static_cast<std::size_t>(block.levels) * static_cast<std::size_t>(block.rows) * static_cast<std::size_t>(block.columns);
    t.dt = dt_;
    t.coefficients.clear();
    t.A.clear();
    t.coefficients.reserve(count);
    t.A.reserve(count);
    t.change.resize(count * static_cast<std::size_t>(block.parts));
    t.sum.resize(count * static_cast<std::size_t>(block.parts));
    for (int s = 0; s < block.levels; ++s)
      for (int j = 0; j < block.rows; ++j)
        for (int i = 0; i < block.columns; ++i) {
          t.A.push_back(implicit_part(s, base(block, j) + column()[static_cast<std::size_t>(i)]));
          t.coefficients.push_back(coefficients(-dt_ * t.A.back(), dt_));
        }
    return t;
  }

  /// From R of a stage to the increment that makes the next one.
  void combine(const ModeBlock& block, int stage) {
    Table& t = table(block);
    const double scale = transform_.normalisation();
    std::size_t mode = 0;
    for (int s = 0; s < block.levels; ++s)
      for (int j = 0; j < block.rows; ++j) {
        double* row = block.data + s * block.level_stride + j * block.pitch;
        for (int i = 0; i < block.columns; ++i, ++mode) {
          const Coefficients& k = t.coefficients[mode];
          const double A = t.A[mode];
          for (int c = 0; c < block.parts; ++c) {
            double& x = row[i * block.parts + c];
            double& change = t.change[mode * static_cast<std::size_t>(block.parts) + static_cast<std::size_t>(c)];
            double& sum = t.sum[mode * static_cast<std::size_t>(block.parts) + static_cast<std::size_t>(c)];
            const double R = x * scale;
            switch (stage) {
              case 0:
                x = change = -k.Q * R;
                sum = 2 * k.f2 * A * x - k.f1 * R;
                break;
              case 1:
                x = (1 - k.E) * change - k.Q * R;
                sum += 2 * k.f2 * (A * x - R);
                change = (1 - k.E) * (2 * x - change);
                break;
              case 2:
                x = change - 2 * k.Q * R;
                sum += k.f3 * A * x - 2 * k.f2 * R;
                break;
              default: x = sum - k.f3 * R;
            }
          }
        }
      }
  }

  double dt_ = 0;
  std::unordered_map<long, Table> tables_;
};

}  // namespace

std::unique_ptr<TimeStepper> make_etdrk4_stepper(const TimeParameters& parameters, EvolutionOperatorPtr op, const Field& initial) {
  return std::make_unique<Etdrk4>(parameters, std::move(op), initial);
}

}  // namespace wasserflow
