#include "solvers/imex_stepper.hpp"

#include <algorithm>
#include <cmath>

namespace wasserflow {

ImexStepper::ImexStepper(const TimeParameters& parameters, EvolutionOperatorPtr op, const Field& initial)
    : ControlledStepper(parameters, std::move(op), initial, 1, false),
      transform_(op_->layout(), components_),
      next_(op_->layout(), components_),
      implicit_(op_->linear_part()) {
  const FrozenOperator frozen = op_->frozen(nullptr, 0);
  for (std::size_t s = 0; s < implicit_.size(); ++s) {
    SymbolPolynomial& a = implicit_[s];
    const SymbolPolynomial& f = frozen.linear[s];
    a.resize(std::max(a.size(), f.size()), 0.0);
    for (std::size_t k = 0; k < a.size(); ++k) a[k] += parameters.stabiliser * ((k < f.size() ? f[k] : 0) - a[k]);
  }
  const Grid& grid = op_->layout()->grid();
  for (int d = 0; d < grid.dim(); ++d) symbol_[static_cast<std::size_t>(d)] = laplacian_symbol(grid.axis(d), transform_.modes(d), frozen.kind);
}

void ImexStepper::commit(const StepControl::Step&) { std::swap(state_, next_); }

void ImexStepper::rate_rows(int level, std::ptrdiff_t offset, int n, double* row) const {
  const SlabLayout& layout = *op_->layout();
  if (layout.dim() > 1) return op_->value_row(level, static_cast<int>(offset / n), row);
  for (int r = 0; r < layout.rows(); ++r) op_->value_row(level, r, row + layout.row(r).offset);
}

double ImexStepper::base(const ModeBlock& block, int row) const {
  double lambda = 0;
  if (transform_.row_axis() >= 0) lambda += symbol_[static_cast<std::size_t>(transform_.row_axis())][static_cast<std::size_t>(block.first_row + row)];
  if (transform_.outer_axis() >= 0) lambda += symbol_[static_cast<std::size_t>(transform_.outer_axis())][static_cast<std::size_t>(block.outer)];
  return lambda;
}

double ImexStepper::implicit_part(int component, double lambda) const {
  double a = 0;
  const SymbolPolynomial& p = implicit_[static_cast<std::size_t>(component)];
  for (std::size_t k = p.size(); k-- > 0;) a = a * lambda + p[k];
  return a;
}

void ImexStepper::divide(const ModeBlock& block, double scale, double tau) {
  const std::vector<double>& columns = column();
  double lowest = 1;
  for (int s = 0; s < block.levels; ++s)
    for (int j = 0; j < block.rows; ++j) {
      double* row = block.data + s * block.level_stride + j * block.pitch;
      const double first = base(block, j);
      for (int i = 0; i < block.columns; ++i) {
        const double x = 1 + tau * implicit_part(s, first + columns[static_cast<std::size_t>(i)]), factor = scale / x;
        lowest = std::min(lowest, x);
        for (int c = 0; c < block.parts; ++c) row[i * block.parts + c] *= factor;
      }
    }
  singular_ = singular_ || !(lowest > 0);
}

void ImexStepper::take(int level, int n, const double* u, const double* row, double* out) {
  const std::array<double, 2> domain = op_->domain(level);
  bool inside = true;
  for (int i = 0; i < n; ++i) {
    out[i] = u[i] + row[i];
    inside = inside & (out[i] > domain[0]) & (out[i] < domain[1]);  // NaN and infinity are outside of every open interval
  }
  outside_ = outside_ || !inside;
}

Attempt ImexStepper::outcome() const {
  int notes[2] = {singular_, outside_};
  MPI_Allreduce(MPI_IN_PLACE, notes, 2, MPI_INT, MPI_MAX, op_->layout()->comm());
  Attempt result;
  if (notes[0] || notes[1]) result.failed = notes[0] ? "preconditioner" : "domain";
  return result;
}

namespace {

constexpr double sbdf2_ratio = 2.4;  // largest ratio of successive steps: zero-stable below 1 + sqrt 2

class Multistep final : public ImexStepper {
 public:
  Multistep(const TimeParameters& p, EvolutionOperatorPtr op, const Field& initial)
      : ImexStepper(p, std::move(op), initial), two_step_(p.method == "sbdf2") {
    if (!two_step_) return;
    for (Field* f : {&before_, &rate_, &rate_before_}) *f = Field(op_->layout(), components_);
  }

  std::vector<std::pair<std::string, Field*>> state_fields() override {
    auto fields = ImexStepper::state_fields();
    if (two_step_) {
      fields.emplace_back("before", &before_);
      fields.emplace_back("rate_before", &rate_before_);
    }
    return fields;
  }
  std::map<std::string, double> state_numbers() const override {
    std::map<std::string, double> numbers = ImexStepper::state_numbers();
    numbers["interval"] = interval_;
    return numbers;
  }
  void restore(const std::map<std::string, double>& numbers) override {
    ImexStepper::restore(numbers);
    interval_ = numbers.at("interval");
  }

 protected:
  // Euler: u+ = u - dt (1 + dt A)^{-1} R(u).
  // SBDF2, with q = (1 + w) u - w u_before and tau = dt (1 + w)/(1 + 2w):
  //   u+ = q - (1 + tau A)^{-1} { w (1 + w)/(1 + 2w) (u - u_before) + tau [(1 + w) R(u) - w R(u_before)] }.
  Attempt attempt(const StepControl::Step& step, StepReport& report) override {
    begin();
    const bool start = interval_ <= 0 || step.dt > sbdf2_ratio * interval_;
    const double w = start ? 0 : step.dt / interval_, tau = step.dt * (1 + w) / (1 + 2 * w), c = w * (1 + w) / (1 + 2 * w);
    const double times[1] = {time()};
    op_->prepare(state_, times);
    transform_.solve(
        [&](int s, std::ptrdiff_t at, int n, double* row) {
          rate_rows(s, at, n, row);
          if (!two_step_) return;
          std::copy_n(row, n, rate_.level(s) + at);
          if (start) {
            for (int i = 0; i < n; ++i) row[i] *= tau;
            return;
          }
          const double *u = state_.level(s) + at, *b = before_.level(s) + at, *r = rate_before_.level(s) + at;
          for (int i = 0; i < n; ++i) row[i] = c * (u[i] - b[i]) + tau * (row[i] + w * (row[i] - r[i]));
        },
        [&](const ModeBlock& block) { divide(block, -(two_step_ ? 1 : tau) * transform_.normalisation(), tau); },
        [&](int s, std::ptrdiff_t at, int n, const double* row) {
          const double* u = state_.level(s) + at;
          double* out = next_.level(s) + at;
          if (start) return take(s, n, u, row, out);
          const double* b = before_.level(s) + at;
          for (int i = 0; i < n; ++i) out[i] = u[i] + w * (u[i] - b[i]);
          take(s, n, out, row, out);
        });
    report.transform_pairs += components_;
    ++report.evaluations;
    return outcome();
  }

  void commit(const StepControl::Step& step) override {
    // After a sliver of a step the next ratio would be too large: the state before the sliver stays the earlier one.
    if (two_step_ && interval_ > 0 && step.dt * sbdf2_ratio < parameters_.dt && interval_ + step.dt <= 1.5 * parameters_.dt) {
      interval_ += step.dt;
    } else if (two_step_) {
      std::swap(before_, state_);
      std::swap(rate_before_, rate_);
      std::swap(state_, next_);
      interval_ = step.dt;
      return;
    }
    ImexStepper::commit(step);
  }

 private:
  const bool two_step_;
  Field before_, rate_, rate_before_;
  double interval_ = 0;  // time between before_ and the state; 0: no such state
};

}  // namespace

std::unique_ptr<TimeStepper> make_imex_stepper(const TimeParameters& parameters, EvolutionOperatorPtr op, const Field& initial) {
  return std::make_unique<Multistep>(parameters, std::move(op), initial);
}

}  // namespace wasserflow
