#include "solvers/preconditioner.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "grids/support/errors.hpp"

namespace wasserflow {
namespace {

constexpr int lanes = 8;  // doubles solved at once; rows of modes are padded to whole ones

/// Symbol along `axis`, each value `copies` times, padded by zeros; zeros for an axis that is not there.
std::vector<double> spread(const AxisSymbols& symbols, int axis, int modes, int copies, const char* what) {
  std::vector<double> out(static_cast<std::size_t>(modes) * static_cast<std::size_t>(copies) + 2 * lanes, 0.0);
  if (axis < 0) return out;
  const std::vector<double>& in = symbols.axis[static_cast<std::size_t>(axis)];
  if (in.empty()) return out;
  if (in.size() < static_cast<std::size_t>(modes))
    throw InputError(fmt::format("preconditioner: the {} symbol of axis {} has {} values, {} modes need one", what, axis, in.size(), modes));
  for (int k = 0; k < modes; ++k) {
    const double value = in[static_cast<std::size_t>(k)];
    if (!(value >= 0)) throw InputError(fmt::format("preconditioner: the {} symbol of axis {} is {} at mode {}, not >= 0", what, axis, value, k));
    std::fill_n(out.begin() + static_cast<std::ptrdiff_t>(k) * copies, copies, value);
  }
  return out;
}

}  // namespace

SpectralPreconditioner::SpectralPreconditioner(LayoutPtr layout, int levels, const TimeOperator& time, const AxisSymbols& viscosity,
                                               const AxisSymbols& gradient, double shift)
    : transform_(std::move(layout), levels), pivots_(static_cast<std::size_t>(levels) * lanes) {
  set(time, viscosity, gradient, shift);
}

SpectralPreconditioner SpectralPreconditioner::hamilton_jacobi(LayoutPtr layout, int levels, double dt, const std::array<double, 3>& viscosity,
                                                               GradientScheme scheme, SymbolKind kind, double shift) {
  const Grid& grid = layout->grid();
  AxisSymbols v, s;
  for (int d = 0; d < grid.dim(); ++d) {
    const auto i = static_cast<std::size_t>(d);
    const Axis& axis = grid.axis(d);
    const std::vector<double> lambda = laplacian_symbol(axis, axis.cells, kind);
    for (double value : lambda) v.axis[i].push_back(viscosity[i] * value);
    if (scheme == GradientScheme::Upwind)
      for (double value : lambda) s.axis[i].push_back(2 * value);
    else
      s.axis[i] = kind == SymbolKind::Exact ? lambda : central_difference_symbol(axis, axis.cells);
  }
  return SpectralPreconditioner(std::move(layout), levels, {dt, 1, TimeEnds::InitialValue}, v, s, shift);
}

void SpectralPreconditioner::set(const TimeOperator& time, const AxisSymbols& viscosity, const AxisSymbols& gradient, double shift) {
  if (!(time.dt > 0)) throw InputError(fmt::format("preconditioner: dt = {} must be > 0", time.dt));
  if (!(time.theta >= 0 && time.theta <= 1)) throw InputError(fmt::format("preconditioner: theta = {} must be in [0, 1]", time.theta));
  if (!(shift >= 0)) throw InputError(fmt::format("preconditioner: shift = {} must be >= 0", shift));
  const auto table = [&](const AxisSymbols& symbols, int axis, int copies, const char* what) {
    return spread(symbols, axis, transform_.modes(axis), copies, what);
  };
  const int rows = transform_.row_axis(), columns = transform_.column_axis(), outer = transform_.outer_axis(), parts = transform_.parts();
  v_row_ = table(viscosity, rows, 1, "viscosity");
  v_column_ = table(viscosity, columns, parts, "viscosity");
  v_outer_ = table(viscosity, outer, 1, "viscosity");
  s_row_ = table(gradient, rows, 1, "gradient");
  s_column_ = table(gradient, columns, parts, "gradient");
  s_outer_ = table(gradient, outer, 1, "gradient");
  time_ = time;
  shift_ = shift;
}

void SpectralPreconditioner::apply(const Field& r, Field& out, int first_r, int first_out) {
  transform_.solve(
      r, [this](const ModeBlock& block) { solve_block(block); }, out, first_r, first_out);
}

void SpectralPreconditioner::apply(const SpectralTransform::Source& source, const SpectralTransform::Sink& sink) {
  transform_.solve(
      source, [this](const ModeBlock& block) { solve_block(block); }, sink);
}

void SpectralPreconditioner::solve_block(const ModeBlock& block) {
  const double scale = transform_.normalisation();
  const double inverse_dt = 1 / time_.dt, theta = time_.theta;
  const int levels = block.levels;
  const std::ptrdiff_t stride = block.level_stride;
  // Of b^2 and a^2 every diagonal entry has both, but for a corner.
  const TimeEnds ends = time_.ends;
  const double first_b = ends == TimeEnds::InitialValue && levels > 1 ? 1 : 0;
  const double first_a = ends == TimeEnds::Planning && levels == 1 ? 0 : 1;
  const double last_a = ends == TimeEnds::Planning ? 0 : 1;
  const double last_b = ends == TimeEnds::InitialValue ? 0 : 1;
  const double* __restrict vc = v_column_.data();
  const double* __restrict sc = s_column_.data();
  double* __restrict pivot = pivots_.data();

  for (int j = 0; j < block.rows; ++j) {
    const double v0 = v_outer_[static_cast<std::size_t>(block.outer)] + v_row_[static_cast<std::size_t>(block.first_row + j)];
    const double s0 = s_outer_[static_cast<std::size_t>(block.outer)] + s_row_[static_cast<std::size_t>(block.first_row + j)] + shift_;
    double* const row = block.data + j * block.pitch;
    const int n = block.columns * block.parts;
    for (int i0 = 0; i0 < n; i0 += lanes) {
      double* __restrict x = row + i0;
      double a2[lanes], b2[lanes], ab[lanes], s[lanes];
      for (int i = 0; i < lanes; ++i) {
        const double v = v0 + vc[i0 + i];
        const double a = inverse_dt + theta * v, b = (1 - theta) * v - inverse_dt;
        a2[i] = a * a;
        b2[i] = b * b;
        ab[i] = a * b;
        s[i] = s0 + sc[i0 + i];
      }
      for (int i = 0; i < lanes; ++i) {
        double diagonal = first_a * a2[i] + first_b * b2[i] + s[i];
        diagonal = ends == TimeEnds::Planning && v0 + vc[i0 + i] == 0 && s[i] == 0 ? diagonal + inverse_dt * inverse_dt : diagonal;
        pivot[i] = 1 / diagonal;
        x[i] *= scale;
      }
      for (int l = 1; l < levels; ++l) {
        const double take_a = l + 1 == levels ? last_a : 1, take_b = l + 1 == levels ? last_b : 1;
        double* __restrict p = pivot + static_cast<std::ptrdiff_t>(l) * lanes;
        double* __restrict y = x + l * stride;
        const double* before = x + (l - 1) * stride;
        for (int i = 0; i < lanes; ++i) {
          const double factor = ab[i] * p[i - lanes];
          p[i] = 1 / (take_a * a2[i] + take_b * b2[i] + s[i] - ab[i] * factor);
          y[i] = y[i] * scale - factor * before[i];
        }
      }
      double* last = x + (levels - 1) * stride;
      const double* p_last = pivot + static_cast<std::ptrdiff_t>(levels - 1) * lanes;
      for (int i = 0; i < lanes; ++i) last[i] *= p_last[i];
      for (int l = levels - 2; l >= 0; --l) {
        const double* p = pivot + static_cast<std::ptrdiff_t>(l) * lanes;
        double* __restrict y = x + l * stride;
        const double* after = x + (l + 1) * stride;
        for (int i = 0; i < lanes; ++i) y[i] = (y[i] - ab[i] * after[i]) * p[i];
      }
    }
  }
}

}  // namespace wasserflow
