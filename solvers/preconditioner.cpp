#include "solvers/preconditioner.hpp"

#include <fmt/format.h>

#include "grids/support/errors.hpp"
#include "grids/support/pack8.hpp"

namespace wasserflow {
namespace {

constexpr int lanes = 8;  // doubles solved at once; rows of modes are padded to whole ones

/// Symbol along `axis`, padded by zeros to whole packs; zeros for an axis that is not there.
std::vector<double> padded(const AxisSymbols& symbols, int axis, int modes, const char* what) {
  std::vector<double> out(static_cast<std::size_t>(modes + lanes), 0.0);
  if (axis < 0) return out;
  const std::vector<double>& in = symbols.axis[static_cast<std::size_t>(axis)];
  if (in.empty()) return out;
  if (in.size() < static_cast<std::size_t>(modes))
    throw InputError(fmt::format("preconditioner: the {} symbol of axis {} has {} values, {} modes need one", what, axis, in.size(), modes));
  for (int k = 0; k < modes; ++k) {
    const double value = in[static_cast<std::size_t>(k)];
    if (!(value >= 0)) throw InputError(fmt::format("preconditioner: the {} symbol of axis {} is {} at mode {}, not >= 0", what, axis, value, k));
    out[static_cast<std::size_t>(k)] = value;
  }
  return out;
}

/// One row of modes: v = v0 + v[column], s = s0 + s[column], a = a0 + a1 v, b = b0 + b1 v.
struct MetricRow {
  int levels, columns;
  std::ptrdiff_t stride;
  double scale, v0, s0, a0, a1, b0, b1, first_a, first_b, last_a, last_b, null_entry;
  const double* v;
  const double* s;
  double* pivots;
};

/// Value of a mode for each of its parts: `half` 0 and 1 are the first and the last four modes of complex data.
template <int parts>
Pack8 spread_modes(Pack8 modes, int half) {
  if (parts == 1) return modes;
  return half == 0 ? __builtin_shuffle(modes, Pack8Index{0, 0, 1, 1, 2, 2, 3, 3}) : __builtin_shuffle(modes, Pack8Index{4, 4, 5, 5, 6, 6, 7, 7});
}

/// Thomas' algorithm for eight modes at a time, right-hand side times scale.
template <int parts>
void solve_row(const MetricRow& m, double* row) {
  for (int i = 0; i < m.columns; i += lanes) {
    double* const x = row + static_cast<std::ptrdiff_t>(i) * parts;
    const Pack8 v = m.v0 + load8(m.v + i), s = m.s0 + load8(m.s + i), a = m.a0 + m.a1 * v, b = m.b0 + m.b1 * v;
    const Pack8 a2 = a * a, b2 = b * b, ab = a * b;
    Pack8 diagonal = m.first_a * a2 + m.first_b * b2 + s;
    if (m.null_entry > 0) diagonal = (v == 0.0) & (s == 0.0) ? diagonal + m.null_entry : diagonal;
    if (m.levels == 1) {
      const Pack8 factor = m.scale / diagonal;
      for (int half = 0; half < parts; ++half) store8(x + 8 * half, load8(x + 8 * half) * spread_modes<parts>(factor, half));
      continue;
    }
    Pack8 pivot = 1.0 / diagonal;
    store8(m.pivots, pivot);
    for (int half = 0; half < parts; ++half) store8(x + 8 * half, load8(x + 8 * half) * m.scale);
    for (int l = 1; l < m.levels; ++l) {
      const bool last = l + 1 == m.levels;
      const Pack8 factor = ab * pivot;
      pivot = 1.0 / ((last ? m.last_a : 1) * a2 + (last ? m.last_b : 1) * b2 + s - ab * factor);
      store8(m.pivots + static_cast<std::ptrdiff_t>(l) * lanes, pivot);
      double* const y = x + l * m.stride;
      for (int half = 0; half < parts; ++half)
        store8(y + 8 * half, load8(y + 8 * half) * m.scale - spread_modes<parts>(factor, half) * load8(y - m.stride + 8 * half));
    }
    Pack8 after[parts];
    for (int half = 0; half < parts; ++half) after[half] = Pack8{};
    for (int l = m.levels - 1; l >= 0; --l) {
      const Pack8 p = load8(m.pivots + static_cast<std::ptrdiff_t>(l) * lanes);
      double* const y = x + l * m.stride;
      for (int half = 0; half < parts; ++half) {
        after[half] = (load8(y + 8 * half) - spread_modes<parts>(ab, half) * after[half]) * spread_modes<parts>(p, half);
        store8(y + 8 * half, after[half]);
      }
    }
  }
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
  if (!(time.end_weight > 0)) throw InputError(fmt::format("preconditioner: end_weight = {} must be > 0", time.end_weight));
  if (!(shift >= 0)) throw InputError(fmt::format("preconditioner: shift = {} must be >= 0", shift));
  const auto table = [&](const AxisSymbols& symbols, int axis, const char* what) { return padded(symbols, axis, transform_.modes(axis), what); };
  const int rows = transform_.row_axis(), columns = transform_.column_axis(), outer = transform_.outer_axis();
  v_row_ = table(viscosity, rows, "viscosity");
  v_column_ = table(viscosity, columns, "viscosity");
  v_outer_ = table(viscosity, outer, "viscosity");
  s_row_ = table(gradient, rows, "gradient");
  s_column_ = table(gradient, columns, "gradient");
  s_outer_ = table(gradient, outer, "gradient");
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
  const double inverse_dt = 1 / time_.dt;
  const bool planning = time_.ends == TimeEnds::Planning, initial = time_.ends == TimeEnds::InitialValue;
  MetricRow m;
  m.levels = block.levels;
  m.stride = block.level_stride;
  m.columns = block.columns;
  m.scale = transform_.normalisation();
  m.a0 = inverse_dt;
  m.a1 = time_.theta;
  m.b0 = -inverse_dt;
  m.b1 = 1 - time_.theta;
  // Of a^2 and b^2 every diagonal entry has both, but for a corner.
  const double end = planning ? 0 : time_.ends == TimeEnds::FreeEnd ? 1 / time_.end_weight : 1;
  m.first_a = block.levels == 1 ? end : 1;
  m.first_b = initial && block.levels > 1 ? 1 : 0;
  m.last_a = end;
  m.last_b = initial ? 0 : 1;
  m.null_entry = planning ? inverse_dt * inverse_dt : 0;
  m.v = v_column_.data();
  m.s = s_column_.data();
  m.pivots = pivots_.data();
  for (int j = 0; j < block.rows; ++j) {
    m.v0 = v_outer_[static_cast<std::size_t>(block.outer)] + v_row_[static_cast<std::size_t>(block.first_row + j)];
    m.s0 = s_outer_[static_cast<std::size_t>(block.outer)] + s_row_[static_cast<std::size_t>(block.first_row + j)] + shift_;
    (block.parts == 2 ? solve_row<2> : solve_row<1>)(m, block.data + j * block.pitch);
  }
}

}  // namespace wasserflow
