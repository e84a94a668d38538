#include "solvers/step_system.hpp"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <limits>

#include "grids/reduce.hpp"

namespace wasserflow {
namespace {

/// Calls f(r) for the layout rows that make up the points [offset, offset + n): one x line, or the chunks of a slab in 1-D.
template <class F>
void for_rows(const SlabLayout& layout, std::ptrdiff_t offset, int n, F&& f) {
  const std::ptrdiff_t row = layout.dim() == 1 ? SlabLayout::row_limit : layout.grid().cells(0);
  for (int r = static_cast<int>(offset / row); r * row < offset + n; ++r) f(r, r * row - offset);
}

/// Bits of |x|: as integers they have the order of the numbers, with infinity and then NaN behind all others.
std::uint64_t magnitude(double x) { return std::bit_cast<std::uint64_t>(x) & ~(std::uint64_t{1} << 63U); }

/// out = u - before + tau out, and the largest |out|. NaN counts as infinity. The largest is taken over integers: that loop vectorises, and does
/// not forget NaN.
double residual_row(int n, const double* __restrict u, const double* __restrict before, double tau, double* __restrict out) {
  std::uint64_t worst = 0;
  for (int i = 0; i < n; ++i) {
    out[i] = (u[i] - before[i]) + tau * out[i];
    worst = std::max(worst, magnitude(out[i]));
  }
  const double largest = std::bit_cast<double>(worst);
  return largest <= std::numeric_limits<double>::max() ? largest : std::numeric_limits<double>::infinity();
}

}  // namespace

StepSystem::StepSystem(EvolutionOperatorPtr op, int steps, bool single)
    : op_(std::move(op)), steps_(steps), preconditioner_(op_->layout(), steps, op_->components(), single), known_(op_->layout(), op_->components()) {}

void StepSystem::set(const Field& known, double tau, std::span<const double> times, bool follow) {
  for (int s = 0; s < components(); ++s) std::copy_n(known.level(s), layout()->owned(), known_.level(s));
  times_.assign(times.begin(), times.end());
  tau_ = tau;
  state_ = adjoint_ = nullptr;
  const FrozenOperator frozen = op_->frozen(follow ? &known_ : nullptr, times_.front());
  preconditioner_.set(tau, frozen);

  if (highest_ == 0) {
    for (const Axis& axis : layout()->grid().axes()) {
      const std::vector<double> lambda = laplacian_symbol(axis, axis.cells, frozen.kind);
      highest_ += *std::max_element(lambda.begin(), lambda.end());
    }
  }
  double largest = 0, stiffness = 0;
  for (int s = 0; s < components(); ++s) largest = std::max(largest, max_abs(known_, s));
  for (const SymbolPolynomial& polynomial : frozen.linear) {
    double value = 0, power = 1;
    for (const double c : polynomial) value += std::fabs(c) * power, power *= highest_;
    stiffness = std::max(stiffness, value);
  }
  rounding_ = std::numeric_limits<double>::epsilon() * largest * (1 / tau + stiffness);
  stiffness_ = tau * stiffness;
}

void StepSystem::prepare(Field& U) {
  op_->prepare(U, times_);
  state_ = &U;
  ++evaluations_;
}

double StepSystem::residual_rows(int level, std::ptrdiff_t offset, int n, double* out) const {
  const double* u = state_->level(level) + offset;
  const double* before = (level < components() ? known_.level(level) : state_->level(level - components())) + offset;
  for_rows(*layout(), offset, n, [&](int r, std::ptrdiff_t at) { op_->value_row(level, r, out + at); });
  return residual_row(n, u, before, tau_, out);
}

double StepSystem::preconditioned_residual(Field& U, Field& z, Field* F) { return preconditioned_residual(U, SpectralTransform::to(z), F); }

double StepSystem::preconditioned_residual(Field& U, const SpectralTransform::Sink& z, Field* F) {
  prepare(U);
  double worst = 0;
  preconditioner_.apply(
      [&](int level, std::ptrdiff_t offset, int n, double* row) {
        worst = std::max(worst, residual_rows(level, offset, n, row));
        if (F != nullptr) std::copy_n(row, n, F->level(level) + offset);
      },
      z);
  return global_max(layout()->comm(), worst) / tau_;
}

double StepSystem::residual(Field& U) {
  prepare(U);
  double worst = 0;
  const std::ptrdiff_t owned = layout()->owned();
  const int n = layout()->dim() == 1 ? static_cast<int>(owned) : layout()->grid().cells(0);
  row_.resize(static_cast<std::size_t>(n));
  for (int level = 0; level < levels(); ++level)
    for (std::ptrdiff_t at = 0; at < owned; at += n) worst = std::max(worst, residual_rows(level, at, n, row_.data()));
  return global_max(layout()->comm(), worst) / tau_;
}

double StepSystem::residual(Field& U, Field& F) {
  prepare(U);
  double worst = 0;
  const std::ptrdiff_t owned = layout()->owned();
  const int n = layout()->dim() == 1 ? static_cast<int>(owned) : layout()->grid().cells(0);
  for (int level = 0; level < levels(); ++level)
    for (std::ptrdiff_t at = 0; at < owned; at += n) worst = std::max(worst, residual_rows(level, at, n, F.level(level) + at));
  return global_max(layout()->comm(), worst) / tau_;
}

double StepSystem::picard(Field& U) {
  prepare(U);
  double worst = 0;
  preconditioner_.apply([&](int level, std::ptrdiff_t offset, int n, double* row) { worst = std::max(worst, residual_rows(level, offset, n, row)); },
                        SpectralTransform::add_to(U, -1));
  return global_max(layout()->comm(), worst) / tau_;
}

void StepSystem::linearise(Field& U) {
  op_->prepare(U, times_);
  state_ = &U;
}

void StepSystem::derivative(Field& V, Field& out) {
  op_->prepare_derivative(V);
  ++evaluations_;
  const int rows = layout()->rows();
  for (int level = 0; level < levels(); ++level)
    for (int r = 0; r < rows; ++r) {
      const RowPoints p = layout()->row(r);
      double* o = out.level(level) + p.offset;
      op_->derivative_row(level, r, o);
      const double* v = V.level(level) + p.offset;
      if (level < components()) {
        for (int i = 0; i < p.n; ++i) o[i] = v[i] + tau_ * o[i];
      } else {
        const double* before = V.level(level - components()) + p.offset;
        for (int i = 0; i < p.n; ++i) o[i] = (v[i] - before[i]) + tau_ * o[i];
      }
    }
}

void StepSystem::prepare_adjoint(Field& P) {
  op_->prepare_adjoint(P);
  adjoint_ = &P;
  ++evaluations_;
}

void StepSystem::adjoint_rows(int level, std::ptrdiff_t offset, int n, double* out) const {
  for_rows(*layout(), offset, n, [&](int r, std::ptrdiff_t at) { op_->adjoint_row(level, r, out + at); });
  const double* p = adjoint_->level(level) + offset;
  if (level + components() >= levels()) {
    for (int i = 0; i < n; ++i) out[i] = p[i] + tau_ * out[i];
  } else {
    const double* after = adjoint_->level(level + components()) + offset;
    for (int i = 0; i < n; ++i) out[i] = (p[i] - after[i]) + tau_ * out[i];
  }
}

void StepSystem::adjoint(Field& P, Field& out) {
  prepare_adjoint(P);
  const int rows = layout()->rows();
  for (int level = 0; level < levels(); ++level)
    for (int r = 0; r < rows; ++r) {
      const RowPoints p = layout()->row(r);
      adjoint_rows(level, p.offset, p.n, out.level(level) + p.offset);
    }
}

bool StepSystem::admissible(const Field& U) const {
  bool good = true;
  for (int level = 0; level < levels(); ++level) {
    const auto [lower, upper] = op_->domain(level % components());
    std::uint64_t outside = 0;  // no early exit: the loop vectorises, and all is well nearly always
    for (const double u : U.owned(level)) outside |= static_cast<std::uint64_t>(!(u > lower)) | static_cast<std::uint64_t>(!(u < upper));
    good = good && outside == 0;
  }
  return global_min(layout()->comm(), good ? 1 : 0) > 0;
}

}  // namespace wasserflow
