#include "solvers/diffusion_stencil.hpp"

#include <algorithm>
#include <cmath>

#include "grids/reduce.hpp"
#include "grids/support/errors.hpp"

namespace wasserflow {
namespace {

std::size_t at(int d) { return static_cast<std::size_t>(d); }

/// out = beta out + sum_d weight_d (differences to both sides); D axes. Loops are over plain arrays so that they vectorise.
template <int D, bool Add, class Near>
void constant_row(const Near& w, int n, const std::array<double, 3>& weight, double beta, double* __restrict out) {
  const double* __restrict u = w.u;
  const double* __restrict ylow = w.low[0];
  const double* __restrict yhigh = w.high[0];
  const double* __restrict zlow = w.low[1];
  const double* __restrict zhigh = w.high[1];
  const double wx = weight[0], wy = weight[1], wz = weight[2];
  const double low_sign = w.low_sign[0], high_sign = w.high_sign[0];
  const auto point = [&](int i, double left, double right) {
    double k = wx * ((u[i] - left) + (u[i] - right));
    if constexpr (D == 2) k += wy * ((u[i] - ylow[i]) + (u[i] - yhigh[i]));
    if constexpr (D == 3) {
      k += wy * ((u[i] - low_sign * ylow[i]) + (u[i] - high_sign * yhigh[i]));
      k += wz * ((u[i] - zlow[i]) + (u[i] - zhigh[i]));
    }
    if constexpr (Add)
      out[i] = beta * out[i] + k;
    else
      out[i] = k;
  };
  point(0, w.left, n > 1 ? u[1] : w.right);
  for (int i = 1; i < n - 1; ++i) point(i, u[i - 1], u[i + 1]);
  if (n > 1) point(n - 1, u[n - 2], w.right);
}

/// out = weight times the sums over both x faces of each cell of c (D a)(D b); c null: 1.
template <class Near>
void pair_along_row(const Near& a, const Near& b, const double* __restrict c, int n, double weight, double* __restrict out) {
  const double* __restrict u = a.u;
  const double* __restrict v = b.u;
  const auto end = [&](int i) {
    const double low = (u[i] - (i > 0 ? u[i - 1] : a.left)) * (v[i] - (i > 0 ? v[i - 1] : b.left));
    const double high = (u[i] - (i < n - 1 ? u[i + 1] : a.right)) * (v[i] - (i < n - 1 ? v[i + 1] : b.right));
    out[i] = c ? weight * (c[i] * low + c[i + 1] * high) : weight * (low + high);
  };
  end(0);
  if (n > 1) end(n - 1);
  const auto low = [&](int i) { return (u[i] - u[i - 1]) * (v[i] - v[i - 1]); };
  const auto high = [&](int i) { return (u[i] - u[i + 1]) * (v[i] - v[i + 1]); };
  if (c)
    for (int i = 1; i < n - 1; ++i) out[i] = weight * (c[i] * low(i) + c[i + 1] * high(i));
  else
    for (int i = 1; i < n - 1; ++i) out[i] = weight * (low(i) + high(i));
}

/// out += the same for the faces between a row and one beside it.
void pair_across_row(const double* __restrict u, const double* __restrict v, const double* __restrict u_beside, const double* __restrict v_beside,
                     double sign, const double* __restrict c, int n, double weight, double* __restrict out) {
  if (c)
    for (int i = 0; i < n; ++i) out[i] += weight * c[i] * ((u[i] - sign * u_beside[i]) * (v[i] - sign * v_beside[i]));
  else
    for (int i = 0; i < n; ++i) out[i] += weight * ((u[i] - sign * u_beside[i]) * (v[i] - sign * v_beside[i]));
}

}  // namespace

DiffusionStencil::DiffusionStencil(LayoutPtr layout)
    : layout_(std::move(layout)), dim_(layout_->dim()), nx_(layout_->grid().cells(0)), ny_(layout_->grid().cells(1)) {
  if (layout_->ghost() < 1) throw InternalError("DiffusionStencil: the layout has no ghost planes");
  for (int d = 0; d < dim_; ++d) {
    const Axis& axis = layout_->grid().axis(d);
    if (axis.boundary == Boundary::Extrapolate) throw InternalError("DiffusionStencil: extrapolated ends");
    weight_[at(d)] = 1 / (axis.spacing() * axis.spacing());
  }
  scratch_.resize(5 * (at(dim_ == 1 ? SlabLayout::row_limit : nx_) + 8));
}

DiffusionStencil::DiffusionStencil(LayoutPtr layout, FunctionPtr sigma) : DiffusionStencil(std::move(layout)) {
  if (sigma->depends_on_time()) throw InputError("the coefficient of a diffusion may not depend on time");
  if (const double* value = sigma->constant()) {
    if (!(*value >= 0) || !std::isfinite(*value)) throw InputError("the coefficient of a diffusion must not be negative");
    constant_ = mean_ = *value;
    return;
  }
  variable_ = true;
  sigma->bind(*layout_);
  if (sigma->on_nodes())
    tabulate_means(*sigma);
  else
    tabulate(*sigma);
  ExactSum sums[2];
  check_all(layout_->comm(), [&] {
    for (const auto& table : table_)
      for (const double c : table)
        if (!(c >= 0) || !std::isfinite(c)) throw InputError("the coefficient of a diffusion is negative or not finite somewhere in the box");
  });
  for (int d = 0; d < dim_; ++d)
    for (int r = 0; r < layout_->rows(); ++r) {
      const int n = row_length(r);
      sums[0] += n;
      add_row(sums[1], *layout_, faces(r).x, d == 0 ? n : 0);
      if (d > 0) add_row(sums[1], *layout_, faces(r).low[at(d - 1)], n);
    }
  ExactSum::reduce(layout_->comm(), sums);
  mean_ = sums[1].value() / sums[0].value();
}

int DiffusionStencil::row_length(int r) const {
  return dim_ > 1 ? nx_ : std::min(SlabLayout::row_limit, layout_->count() - r * SlabLayout::row_limit);
}

std::ptrdiff_t DiffusionStencil::row_offset(int r) const { return static_cast<std::ptrdiff_t>(r) * (dim_ > 1 ? nx_ : SlabLayout::row_limit); }

bool DiffusionStencil::first_of_axis(int d, int r) const {
  if (d != layout_->slow_axis()) return d == 0 || r % ny_ == 0;
  return layout_->first() == 0 && row_offset(r) < layout_->plane();
}

bool DiffusionStencil::last_of_axis(int d, int r) const {
  if (d != layout_->slow_axis()) return d == 0 || r % ny_ == ny_ - 1;
  return layout_->first() + layout_->count() == layout_->slow_cells() && row_offset(r) + row_length(r) > layout_->owned() - layout_->plane();
}

DiffusionStencil::Near DiffusionStencil::near(const double* level, int r, bool walls) const {
  const Grid& grid = layout_->grid();
  const int n = row_length(r);
  Near w;
  w.u = level + row_offset(r);
  w.low = w.high = {w.u, w.u};
  w.low_sign = w.high_sign = {1, 1};
  const auto open = [&](int d) { return !walls && grid.axis(d).boundary == Boundary::Dirichlet; };
  switch (dim_ == 1 ? Boundary::Extrapolate : grid.axis(0).boundary) {
    case Boundary::Periodic: w.left = w.u[n - 1], w.right = w.u[0]; break;
    case Boundary::NoFlux: w.left = w.u[0], w.right = w.u[n - 1]; break;
    case Boundary::Dirichlet: w.left = walls ? -w.u[0] : w.u[0], w.right = walls ? -w.u[n - 1] : w.u[n - 1]; break;
    default:  // 1-D: both sides stand in memory
      w.left = open(0) && first_of_axis(0, r) ? w.u[0] : w.u[-1];
      w.right = open(0) && last_of_axis(0, r) ? w.u[n - 1] : w.u[n];
  }
  if (dim_ == 1) return w;
  const std::size_t slow = at(dim_ - 2);
  const int axis = dim_ - 1;
  w.low[slow] = open(axis) && first_of_axis(axis, r) ? w.u : w.u - layout_->plane();
  w.high[slow] = open(axis) && last_of_axis(axis, r) ? w.u : w.u + layout_->plane();
  if (dim_ == 2) return w;
  const int j = r % ny_;
  const Boundary kind = grid.axis(1).boundary;
  const double wall_sign = kind == Boundary::Dirichlet && walls ? -1 : 1;
  const std::ptrdiff_t wrap = kind == Boundary::Periodic ? static_cast<std::ptrdiff_t>(ny_ - 1) * nx_ : 0;
  w.low[0] = j > 0 ? w.u - nx_ : w.u + wrap;
  w.high[0] = j < ny_ - 1 ? w.u + nx_ : w.u - wrap;
  if (j == 0) w.low_sign[0] = wall_sign;
  if (j == ny_ - 1) w.high_sign[0] = wall_sign;
  return w;
}

void DiffusionStencil::row(const double* w, int r, double scale, double beta, double* out) const {
  const Near beside = near(w, r);
  if (variable_) {
    variable_row(beside, faces(r), row_length(r), scale, beta, out);
    return;
  }
  const double c = scale * constant_;
  const std::array<double, 3> weight{c * weight_[0], c * weight_[1], c * weight_[2]};
  const int n = row_length(r);
  dispatch_dim(dim_, [&](auto d) {
    if (beta != 0)
      constant_row<d, true>(beside, n, weight, beta, out);
    else
      constant_row<d, false>(beside, n, weight, 0, out);
  });
}

void DiffusionStencil::row(const double* w, const double* m, double wall, int r, double scale, double beta, double* out) const {
  const Near beside = near(w, r), cells = near(m, r, false);
  const int n = row_length(r);
  const std::ptrdiff_t pitch = static_cast<std::ptrdiff_t>(scratch_.size() / 5);
  double* next = scratch_.data();
  const auto take = [&] { return std::exchange(next, next + pitch); };
  const auto ends_at_wall = [&](int d, bool high) {
    return layout_->grid().axis(d).boundary == Boundary::Dirichlet && (high ? last_of_axis(d, r) : first_of_axis(d, r));
  };
  double* x = take();
  x[0] = ends_at_wall(0, false) ? wall : 0.5 * (cells.left + cells.u[0]);
  for (int i = 1; i < n; ++i) x[i] = 0.5 * (cells.u[i - 1] + cells.u[i]);
  x[n] = ends_at_wall(0, true) ? wall : 0.5 * (cells.u[n - 1] + cells.right);
  Faces c{x, {}, {}};
  for (int d = 1; d < dim_; ++d) {
    const std::size_t k = at(d - 1);
    const auto side = [&](const double* other, bool high) {
      double* face = take();
      if (ends_at_wall(d, high))
        std::fill_n(face, n, wall);
      else
        for (int i = 0; i < n; ++i) face[i] = 0.5 * (cells.u[i] + other[i]);
      return face;
    };
    c.low[k] = side(cells.low[k], false);
    c.high[k] = side(cells.high[k], true);
  }
  variable_row(beside, c, n, scale, beta, out);
}

void DiffusionStencil::variable_row(const Near& w, const Faces& c, int n, double scale, double beta, double* __restrict out) const {
  const double* __restrict u = w.u;
  const double* __restrict x = c.x;
  const double wx = scale * weight_[0];
  const auto along = [&](int i, double left, double right) { return wx * (x[i] * (u[i] - left) + x[i + 1] * (u[i] - right)); };
  if (beta == 0) std::fill_n(out, n, 0.0);
  const double keep = beta == 0 ? 1 : beta;
  out[0] = keep * out[0] + along(0, w.left, n > 1 ? u[1] : w.right);
  for (int i = 1; i < n - 1; ++i) out[i] = keep * out[i] + along(i, u[i - 1], u[i + 1]);
  if (n > 1) out[n - 1] = keep * out[n - 1] + along(n - 1, u[n - 2], w.right);
  for (int d = 1; d < dim_; ++d) {
    const std::size_t k = at(d - 1);
    const double* __restrict low = w.low[k];
    const double* __restrict high = w.high[k];
    const double* __restrict low_c = c.low[k];
    const double* __restrict high_c = c.high[k];
    const double wd = scale * weight_[at(d)], low_sign = w.low_sign[k], high_sign = w.high_sign[k];
    for (int i = 0; i < n; ++i) out[i] += wd * (low_c[i] * (u[i] - low_sign * low[i]) + high_c[i] * (u[i] - high_sign * high[i]));
  }
}

void DiffusionStencil::pair_row(const double* v, const double* w, int r, double* out, bool walls) const {
  const Near a = near(v, r, walls), b = near(w, r, walls);
  const Faces c = variable_ ? faces(r) : Faces{};
  std::array<double, 3> weight = weight_;
  for (double& x : weight) x *= 0.5 * constant_;
  pair_along_row(a, b, c.x, row_length(r), weight[0], out);
  for (int d = 1; d < dim_; ++d) {
    const std::size_t k = at(d - 1);
    pair_across_row(a.u, b.u, a.low[k], b.low[k], a.low_sign[k], c.low[k], row_length(r), weight[at(d)], out);
    pair_across_row(a.u, b.u, a.high[k], b.high[k], a.high_sign[k], c.high[k], row_length(r), weight[at(d)], out);
  }
}

std::ptrdiff_t DiffusionStencil::first_face(int d, int r) const {
  const std::ptrdiff_t offset = row_offset(r);
  if (d == layout_->slow_axis()) return offset;
  if (d == 0) return offset + r;                               // a row has one face more than cells
  return offset + static_cast<std::ptrdiff_t>(r / ny_) * nx_;  // a plane has one row of faces more than rows
}

DiffusionStencil::Faces DiffusionStencil::faces(int r) const {
  Faces c{table_[0].data() + first_face(0, r), {}, {}};
  for (int d = 1; d < dim_; ++d) {
    c.low[at(d - 1)] = table_[at(d)].data() + first_face(d, r);
    c.high[at(d - 1)] = c.low[at(d - 1)] + (d == layout_->slow_axis() ? layout_->plane() : nx_);
  }
  return c;
}

/// Sizes of the tables, and for every row the coefficients of its low faces along d (and of the high ones where the axis ends):
/// face(d, r, high, out) gives the row of faces at that side, for d = 0 all n + 1 of them.
template <class Face>
void DiffusionStencil::fill_tables(Face&& face) {
  const std::size_t rows = static_cast<std::size_t>(layout_->rows()), owned = static_cast<std::size_t>(layout_->owned());
  for (int d = 0; d < dim_; ++d) {
    const std::size_t extra = d == layout_->slow_axis() ? static_cast<std::size_t>(layout_->plane()) : d == 0 ? rows : at(nx_) * at(layout_->count());
    table_[at(d)].resize(owned + extra);
    for (int r = 0; r < layout_->rows(); ++r) {
      double* low = table_[at(d)].data() + first_face(d, r);
      face(d, r, false, low);
      const bool last = d == layout_->slow_axis() ? row_offset(r) + row_length(r) > layout_->owned() - layout_->plane() : r % ny_ == ny_ - 1;
      if (d > 0 && last) face(d, r, true, low + (d == layout_->slow_axis() ? layout_->plane() : nx_));
    }
  }
}

void DiffusionStencil::tabulate(const Function& sigma) {
  const Grid& grid = layout_->grid();
  // Both ends of a periodic axis are one face and get one value, whatever sigma makes of the box's sides.
  const auto coordinate = [&](int d, std::int64_t face) {
    const Axis& axis = grid.axis(d);
    if (face == 0 && axis.boundary == Boundary::Periodic) face = axis.cells;
    return axis.lower + (static_cast<double>(face) - 0.5 + axis.offset) * axis.spacing();
  };
  std::vector<double> x;
  fill_tables([&](int d, int r, bool high, double* out) {
    RowPoints p = layout_->row(r);
    p.offset = 0;
    if (d == 0) {
      const std::int64_t first = dim_ == 1 ? layout_->first() + row_offset(r) : 0;
      x.resize(static_cast<std::size_t>(p.n) + 1);
      for (int i = 0; i <= p.n; ++i) x[at(i)] = coordinate(0, first + i);
      p.x = x.data();
      p.n += 1;
    } else {
      const std::int64_t cell = d == layout_->slow_axis() ? layout_->first() + row_offset(r) / layout_->plane() : r % ny_;
      (d == 1 ? p.y : p.z) = coordinate(d, cell + high);
    }
    sigma.evaluate(p, out);
  });
}

void DiffusionStencil::tabulate_means(const Function& sigma) {
  Field cells(layout_);
  fill(cells, 0, sigma, 0);
  cells.exchange_ghosts();
  // Beyond a wall stands the same value (Dirichlet ghosts have the other sign).
  fill_tables([&](int d, int r, bool high, double* out) {
    const Near m = near(cells.level(), r, false);
    const int n = row_length(r);
    const auto mean = [](double a, double b) { return 0.5 * (a + b); };
    if (d == 0) {
      out[0] = mean(m.left, m.u[0]);
      for (int i = 1; i < n; ++i) out[i] = mean(m.u[i - 1], m.u[i]);
      out[n] = mean(m.u[n - 1], m.right);
      return;
    }
    const double* other = high ? m.high[at(d - 1)] : m.low[at(d - 1)];
    for (int i = 0; i < n; ++i) out[i] = mean(m.u[i], other[i]);
  });
}

}  // namespace wasserflow
