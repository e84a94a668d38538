#include "solvers/staggered_operator.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "grids/support/errors.hpp"
#include "grids/support/prefetch.hpp"

namespace wasserflow {
namespace {
std::size_t index(int i) { return static_cast<std::size_t>(i); }
}  // namespace

void StaggeredOperator::Combination::add(double factor, const double* level) {
  if (factor == 0) return;
  for (int k = 0; k < terms; ++k)
    if (base[index(k)] == level) {
      c[index(k)] += factor;
      return;
    }
  base[index(terms)] = level;
  c[index(terms++)] = factor;
}

void StaggeredOperator::Combination::row(std::ptrdiff_t offset, int n, double* __restrict out) const {
  if (terms == 0) {
    std::fill_n(out, n, 0.0);
    return;
  }
  const auto from = [&](int k) { return base[index(k < terms ? k : 0)] + offset; };
  const auto factor = [&](int k) { return k < terms ? c[index(k)] : 0; };
  const double *const u0 = from(0), *const u1 = from(1);
  const double c0 = factor(0), c1 = factor(1);
  if (terms <= 2) {
    for (int i = 0; i < n; ++i) out[i] = c0 * u0[i] + c1 * u1[i];
    return;
  }
  const double *const u2 = from(2), *const u3 = from(3);
  const double c2 = factor(2), c3 = factor(3);
  for (int i = 0; i < n; ++i) out[i] = c0 * u0[i] + c1 * u1[i] + c2 * u2[i] + c3 * u3[i];
  for (int k = 4; k < terms; ++k) {
    const double* const u = from(k);
    const double ck = factor(k);
    for (int i = 0; i < n; ++i) out[i] += ck * u[i];
  }
}

double StaggeredOperator::Combination::at(std::ptrdiff_t offset) const {
  double value = 0;
  row(offset, 1, &value);
  return value;
}

StaggeredOperator::StaggeredOperator(LayoutPtr layout, const Setting& setting)
    : layout_(std::move(layout)), setting_(setting), dim_(layout_->dim()), end_weight_(setting.free_end ? setting.steps : 1) {
  const Grid& grid = layout_->grid();
  if (setting.steps < 1) throw InputError(fmt::format("transport in time needs at least 1 step, not {}", setting.steps));
  if (!(setting.dt > 0)) throw InputError(fmt::format("the time step of transport must be > 0, not {}", setting.dt));
  if (!(setting.viscosity >= 0)) throw InputError(fmt::format("the viscosity must be >= 0, not {}", setting.viscosity));
  if (!(setting.speed > 0)) throw InputError(fmt::format("the speed scale must be > 0, not {}", setting.speed));
  if (layout_->ghost() < 1) throw InternalError("staggered grids need one ghost plane");
  AxisSymbols viscosity, gradient;
  for (int d = 0; d < dim_; ++d) {
    const Axis& axis = grid.axis(d);
    if (axis.boundary != Boundary::Periodic && axis.boundary != Boundary::NoFlux)
      throw InputError(fmt::format("densities that are transported need periodic or no_flux axes, not {}", name(axis.boundary)));
    inverse_h_[index(d)] = 1 / axis.spacing();
    for (double lambda : laplacian_symbol(axis, axis.cells)) {
      viscosity.axis[index(d)].push_back(setting.viscosity * lambda);
      gradient.axis[index(d)].push_back(setting.speed * setting.speed * lambda);
    }
  }
  TimeOperator time{setting.dt, setting.theta, setting.free_end ? TimeEnds::FreeEnd : TimeEnds::Planning};
  time.end_weight = end_weight_;
  metric_ = std::make_unique<SpectralPreconditioner>(layout_, setting.steps, time, viscosity, gradient,
                                                     setting.reaction ? setting.speed * setting.speed : 0);
  const auto longest = static_cast<std::size_t>(dim_ == 1 ? layout_->owned() : grid.cells(0));
  row_.resize(longest);
  ahead_node_.resize(static_cast<std::size_t>(layout_->owned()));
  ahead_plane_.resize(static_cast<std::size_t>(layout_->plane()));
  for (auto* line : {&ahead_line_, &ahead_wrap_}) line->resize(longest);
  error_.resize(longest);
  for (auto& row : lap_) row.resize(longest);
  masses_.resize(index(setting.steps));
}

double StaggeredOperator::norm_squared() const {
  if (setting_.stationary) return 1;
  // Rows of K K^T: means of two nodes, 1; with the weighted end Gershgorin's circle of the last node (see the header for M).
  if (setting_.positive) return setting_.free_end ? 1 + 0.5 / end_weight_ : 1;
  return setting_.free_end ? 1 + 0.25 / end_weight_ + 0.25 / std::sqrt(end_weight_) : 1;
}

StaggeredState StaggeredOperator::make_state() const {
  StaggeredState x;
  x.rho = Field(layout_, setting_.steps + 1);
  for (int d = 0; d < dim_; ++d) x.m.emplace_back(layout_, setting_.steps);
  if (setting_.reaction) x.z = Field(layout_, setting_.steps);
  return x;
}

CentredState StaggeredOperator::make_centred() const {
  CentredState y;
  y.rho = Field(layout_, setting_.steps);
  for (int d = 0; d < dim_; ++d) y.m.emplace_back(layout_, setting_.steps);
  if (setting_.reaction) y.z = Field(layout_, setting_.steps);
  if (setting_.positive) {
    CentredState late;
    late.rho = Field(layout_, setting_.steps);
    for (int d = 0; d < dim_; ++d) late.m.emplace_back(layout_, setting_.steps);
    if (setting_.reaction) late.z = Field(layout_, setting_.steps);
    y.late.push_back(std::move(late));
  }
  if (setting_.free_end && !setting_.stationary) y.end = Field(layout_);
  return y;
}

void StaggeredOperator::exchange_for_continuity(StaggeredState& x) const {
  x.m.back().exchange_ghosts();
  if (setting_.viscosity > 0) x.rho.exchange_ghosts();
}

void StaggeredOperator::exchange_for_interpolation(StaggeredState& x) const { x.m.back().exchange_ghosts(); }

void StaggeredOperator::exchange(CentredState& y) const {
  y.m.back().exchange_ghosts();
  if (setting_.viscosity > 0) {
    (y.slopes ? *const_cast<Field*>(y.slopes) : y.rho).exchange_ghosts();
    if (y.end) y.end.exchange_ghosts();
  }
  for (CentredState& late : y.late) exchange(late);
}

StaggeredOperator::Place StaggeredOperator::place(std::ptrdiff_t offset, int n) const {
  const SlabLayout& layout = *layout_;
  const Grid& grid = layout.grid();
  Place at;
  const auto periodic = [&](int d) { return grid.axis(d).boundary == Boundary::Periodic; };
  if (dim_ == 1) {
    const std::ptrdiff_t first = layout.first() + offset;
    at.left = offset - 1;
    at.right = offset + n;
    at.has_left = periodic(0) || first > 0;
    at.has_right = periodic(0) || first + n < layout.slow_cells();
    return at;
  }
  at.has_left = at.has_right = periodic(0);
  at.left = at.has_left ? offset + n - 1 : offset;
  at.right = at.has_right ? offset : offset + n - 1;
  const std::ptrdiff_t plane = layout.plane();
  const auto slow = index(dim_ - 1);
  const std::ptrdiff_t k = layout.first() + offset / plane;
  at.has_down[slow] = periodic(dim_ - 1) || k > 0;
  at.has_up[slow] = periodic(dim_ - 1) || k + 1 < layout.slow_cells();
  at.down[slow] = at.has_down[slow] ? offset - plane : offset;
  at.up[slow] = at.has_up[slow] ? offset + plane : offset;
  if (dim_ == 3) {
    const std::ptrdiff_t nx = grid.cells(0), j = offset % plane / nx, last = grid.cells(1) - 1;
    at.has_down[1] = periodic(1) || j > 0;
    at.has_up[1] = periodic(1) || j < last;
    at.down[1] = j > 0 ? offset - nx : periodic(1) ? offset + last * nx : offset;
    at.up[1] = j < last ? offset + nx : periodic(1) ? offset - last * nx : offset;
  }
  return at;
}

void StaggeredOperator::add_adjoint_node(const CentredState& y, int node, double factor, Combination& to) const {
  if (node == 0 || node > last_free()) return;
  const bool end = node == setting_.steps;
  const double f = end ? factor / end_weight_ : factor;
  const Field& here = y.slopes ? *y.slopes : y.rho;
  if (setting_.stationary) {
    to.add(f, here.level(0));
    return;
  }
  // The interval before the node, and the one behind it: in the positive variant the late copy sees the first, the other one the second.
  const Field& before = y.late.empty() ? here : y.late[0].rho;
  to.add(0.5 * f, before.level(node - 1));
  if (end)
    to.add(f, y.end.level());
  else
    to.add(0.5 * f, here.level(node));
}

void StaggeredOperator::add_laplacian(const Combination& u, const Place& at, std::ptrdiff_t offset, int n, double factor, double* __restrict out) {
  double* const centre = lap_[0].data();
  u.row(offset, n, centre);
  double weight = factor * inverse_h_[0] * inverse_h_[0];
  const double left = at.has_left ? u.at(at.left) : centre[0], right = at.has_right ? u.at(at.right) : centre[n - 1];
  if (n == 1) {
    out[0] += weight * ((left + right) - 2 * centre[0]);
  } else {
    out[0] += weight * ((left + centre[1]) - 2 * centre[0]);
    for (int i = 1; i + 1 < n; ++i) out[i] += weight * ((centre[i - 1] + centre[i + 1]) - 2 * centre[i]);
    out[n - 1] += weight * ((centre[n - 2] + right) - 2 * centre[n - 1]);
  }
  double* const down = lap_[1].data();
  double* const up = lap_[2].data();
  for (int d = 1; d < dim_; ++d) {
    weight = factor * inverse_h_[index(d)] * inverse_h_[index(d)];
    u.row(at.down[index(d)], n, down);
    u.row(at.up[index(d)], n, up);
    for (int i = 0; i < n; ++i) out[i] += weight * ((down[i] + up[i]) - 2 * centre[i]);
  }
}

void StaggeredOperator::add_laplacian_row(const Field& u, int level, std::ptrdiff_t offset, int n, double factor, double* out) {
  Combination c;
  c.add(1, u.level(level));
  add_laplacian(c, place(offset, n), offset, n, factor, out);
}

void StaggeredOperator::continuity_row(const StaggeredState& x, int level, std::ptrdiff_t offset, int n, double* __restrict out) {
  const Place at = place(offset, n);
  Combination time;
  time.add(1 / setting_.dt, x.rho.level(level + 1));
  time.add(-1 / setting_.dt, x.rho.level(level));
  time.row(offset, n, out);
  for (int d = 0; d < dim_; ++d) {
    const double* const m = x.m[index(d)].level(level);
    const double* const high = m + offset;
    const double f = setting_.speed * inverse_h_[index(d)];
    if (d == 0) {
      out[0] += f * ((n > 1 || at.has_right ? high[0] : 0) - (at.has_left ? m[at.left] : 0));
      for (int i = 1; i + 1 < n; ++i) out[i] += f * (high[i] - high[i - 1]);
      if (n > 1) out[n - 1] += f * ((at.has_right ? high[n - 1] : 0) - high[n - 2]);
      continue;
    }
    const double* const low = m + at.down[index(d)];
    const double fh = at.has_up[index(d)] ? f : 0, fl = at.has_down[index(d)] ? f : 0;
    for (int i = 0; i < n; ++i) out[i] += fh * high[i] - fl * low[i];
  }
  if (setting_.viscosity > 0) {
    Combination v;
    v.add(setting_.theta, x.rho.level(level + 1));
    v.add(1 - setting_.theta, x.rho.level(level));
    add_laplacian(v, at, offset, n, -setting_.viscosity, out);
  }
  if (setting_.reaction) {
    const double* const z = x.z.level(level) + offset;
    for (int i = 0; i < n; ++i) out[i] -= setting_.speed * z[i];
  }
  if (source_) {
    const double* const source = source_->level(level) + offset;
    for (int i = 0; i < n; ++i) out[i] -= source[i];
  }
}

void StaggeredOperator::adjoint_continuity_row(const CentredState& y, int level, std::ptrdiff_t offset, int n, double* __restrict out) {
  const Place at = place(offset, n);
  if (dim_ > 1) {
    prefetch_row(y.rho.level(level) + offset + n, n);
    prefetch_row(y.rho.level(std::min(level + 1, setting_.steps - 1)) + offset + n, n);
    for (int d = 0; d < dim_; ++d) prefetch_row(y.m[index(d)].level(level) + offset + n + (d == dim_ - 1 ? layout_->plane() : d == 1 ? n : 0), n);
  }
  Combination time;
  add_adjoint_node(y, level + 1, 1 / setting_.dt, time);
  add_adjoint_node(y, level, -1 / setting_.dt, time);
  time.row(offset, n, out);
  // Faces hold means of two cells, so that differences of faces are central differences of cells.
  for (int k = 0; k < dim_ * copies(); ++k) {
    const int d = k % dim_;
    const CentredState& copy = k < dim_ ? y : y.late[0];
    const double* const m = copy.m[index(d)].level(level);
    const double* const here = m + offset;
    const double f = 0.5 * share() * setting_.speed * inverse_h_[index(d)];
    const auto add = [&](const double* up, const double* down, int begin, int end) {  // null beyond a no-flux end
      if (up && down)
        for (int i = begin; i < end; ++i) out[i] += f * (up[i - begin] - down[i - begin]);
      else if (up)
        for (int i = begin; i < end; ++i) out[i] += f * (here[i] + up[i - begin]);
      else if (down)
        for (int i = begin; i < end; ++i) out[i] -= f * (down[i - begin] + here[i]);
    };
    if (d == 0) {
      const double* const left = at.has_left ? m + at.left : nullptr;
      const double* const right = at.has_right ? m + at.right : nullptr;
      add(n > 1 ? here + 1 : right, left, 0, 1);
      if (n > 2) add(here + 2, here, 1, n - 1);
      if (n > 1) add(right, here + n - 2, n - 1, n);
    } else {
      add(at.has_up[index(d)] ? m + at.up[index(d)] : nullptr, at.has_down[index(d)] ? m + at.down[index(d)] : nullptr, 0, n);
    }
  }
  if (setting_.viscosity > 0) {
    Combination v;
    add_adjoint_node(y, level + 1, setting_.theta, v);
    add_adjoint_node(y, level, 1 - setting_.theta, v);
    if (v.terms > 0) add_laplacian(v, at, offset, n, -setting_.viscosity, out);
  }
  if (setting_.reaction) {
    for (int k = 0; k < copies(); ++k) {
      const double* const z = (k == 0 ? y : y.late[0]).z.level(level) + offset;
      const double f = share() * setting_.speed;
      for (int i = 0; i < n; ++i) out[i] -= f * z[i];
    }
  }
}

void StaggeredOperator::interpolation_row(const StaggeredState& x, int level, std::ptrdiff_t offset, int n, double* __restrict rho, double* const* m,
                                          int copy) const {
  const Place at = place(offset, n);
  const double* const before = x.rho.level(level) + offset;
  const double* const after = x.rho.level(level + 1) + offset;
  if (setting_.positive || setting_.stationary)
    std::copy_n(setting_.positive && copy == 0 ? before : after, n, rho);
  else
    for (int i = 0; i < n; ++i) rho[i] = 0.5 * (before[i] + after[i]);
  for (int d = 0; d < dim_; ++d) {
    const double* const faces = x.m[index(d)].level(level);
    const double* const high = faces + offset;
    double* __restrict out = m[d];
    if (d == 0) {
      out[0] = 0.5 * ((n > 1 || at.has_right ? high[0] : 0) + (at.has_left ? faces[at.left] : 0));
      for (int i = 1; i + 1 < n; ++i) out[i] = 0.5 * (high[i] + high[i - 1]);
      if (n > 1) out[n - 1] = 0.5 * ((at.has_right ? high[n - 1] : 0) + high[n - 2]);
      continue;
    }
    const double* const low = faces + at.down[index(d)];
    const double fh = at.has_up[index(d)] ? 0.5 : 0, fl = at.has_down[index(d)] ? 0.5 : 0;
    for (int i = 0; i < n; ++i) out[i] = fh * high[i] + fl * low[i];
  }
}

void StaggeredOperator::adjoint_node_row(const CentredState* y, const Field* phi, int node, std::ptrdiff_t offset, int n, double* __restrict out) {
  const bool end = node == setting_.steps;
  const double weight = end ? 1 / end_weight_ : 1;
  Combination c;
  if (y) add_adjoint_node(*y, node, 1, c);
  if (phi) {
    c.add(-weight / setting_.dt, phi->level(node - 1));
    if (!end) c.add(1 / setting_.dt, phi->level(node));
  }
  c.row(offset, n, out);
  if (phi && setting_.viscosity > 0) {
    Combination v;
    v.add(setting_.theta, phi->level(node - 1));
    if (!end) v.add(1 - setting_.theta, phi->level(node));
    add_laplacian(v, place(offset, n), offset, n, setting_.viscosity * weight, out);
  }
}

void StaggeredOperator::adjoint_face_row(const CentredState* y, const Field* phi, int d, int level, std::ptrdiff_t offset, int n, double* out) const {
  const Place at = place(offset, n);
  if (d == 0) {
    adjoint_faces(y, phi, d, level, offset, offset + 1, n - 1, out);
    if (at.has_right)
      adjoint_faces(y, phi, d, level, offset + n - 1, at.right, 1, out + n - 1);
    else
      out[n - 1] = 0;
  } else if (at.has_up[index(d)]) {
    adjoint_faces(y, phi, d, level, offset, at.up[index(d)], n, out);
  } else {
    std::fill_n(out, n, 0.0);
  }
}

/// Faces between the cells from `here` and those from `above`: K^T takes the mean of two cells, -A^T phi the difference of two.
void StaggeredOperator::adjoint_faces(const CentredState* y, const Field* phi, int d, int level, std::ptrdiff_t here, std::ptrdiff_t above, int n,
                                      double* __restrict out) const {
  const double half = y ? 0.5 * share() : 0, f = phi ? setting_.speed * inverse_h_[index(d)] : 0;
  const double* const m = y ? y->m[index(d)].level(level) : phi->level(level);
  const double* const p = phi ? phi->level(level) : m;
  const double *const m0 = m + here, *const m1 = m + above, *const p0 = p + here, *const p1 = p + above;
  for (int i = 0; i < n; ++i) out[i] = half * (m0[i] + m1[i]) + f * (p1[i] - p0[i]);
  if (!y || y->late.empty()) return;
  const double* const late = y->late[0].m[index(d)].level(level);
  const double *const l0 = late + here, *const l1 = late + above;
  for (int i = 0; i < n; ++i) out[i] += half * (l0[i] + l1[i]);
}

void StaggeredOperator::step_faces(StaggeredState& x, const CentredState& y, const Field& phi, int d, double over, double move, int level,
                                   const Place& at, std::ptrdiff_t offset, int n, double* __restrict out) {
  double* const faces = x.m[index(d)].level(level);
  double* const g = row_.data();
  // Moves the faces from `here`, those of ghosts not, and writes where they are ahead.
  const auto step = [&](std::ptrdiff_t here, std::ptrdiff_t above, int count, double* __restrict ahead) {
    adjoint_faces(&y, &phi, d, level, here, above, count, g);
    double* __restrict face = faces + here;
    const double moved = here < 0 ? 0 : move;
    for (int i = 0; i < count; ++i) {
      ahead[i] = face[i] - over * g[i];
      face[i] -= moved * g[i];
    }
  };
  if (d == 0) {
    double* const ahead = lap_[0].data();
    step(offset, offset + 1, n - 1, ahead);
    if (at.has_right)
      step(offset + n - 1, at.right, 1, ahead + n - 1);
    else
      ahead[n - 1] = 0;
    double left = at.has_left ? ahead[n - 1] : 0;
    if (dim_ == 1 && at.has_left) {
      if (offset == 0)
        step(-1, 0, 1, &left);
      else
        left = ahead_plane_[0];
    }
    out[0] = 0.5 * (left + ahead[0]);
    for (int i = 1; i < n; ++i) out[i] = 0.5 * (ahead[i - 1] + ahead[i]);
    if (dim_ == 1) ahead_plane_[0] = ahead[n - 1];
    return;
  }
  const std::ptrdiff_t plane = layout_->plane(), up = at.up[index(d)], down = at.down[index(d)];
  const bool slow = d == dim_ - 1;
  double* __restrict low = slow ? ahead_plane_.data() + offset % plane : ahead_line_.data();
  const double* wrapped = nullptr;
  if (slow ? offset < plane : down >= offset) {  // the first row of the axis that this rank sees
    if (!at.has_down[index(d)]) {
      std::fill_n(low, n, 0.0);
    } else {
      step(down, offset, n, low);
      if (!slow) std::copy_n(low, n, ahead_wrap_.data());
    }
  } else if (!slow && at.has_up[index(d)] && up <= offset) {
    wrapped = ahead_wrap_.data();
  }
  if (!at.has_up[index(d)]) {
    for (int i = 0; i < n; ++i) out[i] = 0.5 * low[i];
    return;
  }
  if (wrapped) {
    for (int i = 0; i < n; ++i) out[i] = 0.5 * (low[i] + wrapped[i]);
    return;
  }
  adjoint_faces(&y, &phi, d, level, offset, up, n, g);
  double* __restrict face = faces + offset;
  for (int i = 0; i < n; ++i) {
    const double ahead = face[i] - over * g[i];
    face[i] -= move * g[i];
    out[i] = 0.5 * (low[i] + ahead);
    low[i] = ahead;
  }
}

void StaggeredOperator::step_row(StaggeredState& x, const CentredState& y, const Field& phi, double over, double move, int level,
                                 std::ptrdiff_t offset, int n, double* const* rho, double* const* other) {
  const Place at = place(offset, n);
  if (dim_ > 1) {
    const int next_level = std::min(level + 1, setting_.steps - 1);
    const std::ptrdiff_t next = offset + n, above = next + layout_->plane();
    prefetch_row(x.rho.level(level + 1) + next, n);
    prefetch_row(y.rho.level(level) + next, n);
    prefetch_row(y.rho.level(next_level) + next, n);
    prefetch_row(phi.level(next_level) + next, n);
    prefetch_row(phi.level(level) + above, n);
    for (int d = 0; d < dim_; ++d) {
      prefetch_row(x.m[index(d)].level(level) + next, n);
      prefetch_row(y.m[index(d)].level(level) + (d == dim_ - 1 ? above : d == 1 ? next + n : next), n);
    }
  }
  double* __restrict node = ahead_node_.data() + offset;
  double* __restrict next = x.rho.level(level + 1) + offset;
  if (level == 0) std::copy_n(x.rho.level(0) + offset, n, node);
  double* __restrict first = rho[0];
  double* const g = row_.data();
  const bool moves = level < last_free();
  if (moves)
    adjoint_node_row(&y, &phi, level + 1, offset, n, g);
  else
    std::fill_n(g, n, 0.0);
  const double older = setting_.stationary ? 0 : setting_.positive ? 1 : 0.5, newer = setting_.positive ? 0 : 1 - older;
  for (int i = 0; i < n; ++i) {
    const double ahead = next[i] - over * g[i];
    next[i] -= move * g[i];
    first[i] = older * node[i] + newer * ahead;
    node[i] = ahead;
  }
  if (setting_.positive) std::copy_n(node, n, rho[1]);
  for (int d = 0; d < dim_; ++d) step_faces(x, y, phi, d, over, move, level, at, offset, n, other[d]);
  if (!setting_.reaction) return;
  adjoint_reaction_row(&y, &phi, level, offset, n, g);
  double* __restrict z = x.z.level(level) + offset;
  double* __restrict out = other[dim_];
  for (int i = 0; i < n; ++i) {
    out[i] = z[i] - over * g[i];
    z[i] -= move * g[i];
  }
}

void StaggeredOperator::adjoint_reaction_row(const CentredState* y, const Field* phi, int level, std::ptrdiff_t offset, int n,
                                             double* __restrict out) const {
  const double* const a = y ? y->z.level(level) + offset : nullptr;
  const double* const late = y && !y->late.empty() ? y->late[0].z.level(level) + offset : a;
  const double* const b = phi ? phi->level(level) + offset : nullptr;
  for (int i = 0; i < n; ++i) out[i] = (a ? 0.5 * (a[i] + late[i]) : 0) + (b ? setting_.speed * b[i] : 0);
}

void StaggeredOperator::solve(const SpectralTransform::Source& r, Field& phi) { metric_->apply(r, SpectralTransform::to(phi)); }

void StaggeredOperator::project(StaggeredState& x, Field& phi) {
  exchange_for_continuity(x);
  solve([&](int level, std::ptrdiff_t offset, int n, double* row) { continuity_row(x, level, offset, n, row); }, phi);
  phi.exchange_ghosts();
  adjoint_sweep(nullptr, &phi, [&](const double* g, int component, int level, std::ptrdiff_t offset, int n) {
    Field& field = component == 0 ? x.rho : component <= dim_ ? x.m[index(component - 1)] : x.z;
    double* __restrict to = field.level(level) + offset;
    for (int i = 0; i < n; ++i) to[i] += g[i];
  });
}

StaggeredOperator::ContinuityError StaggeredOperator::continuity_error(StaggeredState& x) {
  exchange_for_continuity(x);
  std::fill(masses_.begin(), masses_.end(), ExactSum());
  ContinuityError error;
  for (int level = 0; level < setting_.steps; ++level)
    for (int r = 0; r < layout_->rows(); ++r) {
      const RowPoints p = layout_->row(r);
      continuity_row(x, level, p.offset, p.n, error_.data());
      for (int i = 0; i < p.n; ++i) error.largest = std::max(error.largest, std::fabs(error_[index(i)]));
      add_row(masses_[index(level)], *layout_, error_.data(), p.n);
    }
  ExactSum::reduce(layout_->comm(), masses_);
  const double time = setting_.stationary ? 1 : setting_.dt;
  double mass = 0;
  for (const ExactSum& m : masses_) {
    mass += time * m.value();
    error.mass = std::max(error.mass, std::fabs(mass));
  }
  error.largest = time * global_max(layout_->comm(), error.largest);
  return error;
}

}  // namespace wasserflow
