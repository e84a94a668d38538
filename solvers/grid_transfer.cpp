#include "solvers/grid_transfer.hpp"

#include <algorithm>
#include <array>

#include "grids/support/errors.hpp"

namespace wasserflow {
namespace {

/// Weights of the coarse cells c - 1, c, c + 1, c = fine / 2, that a fine value hangs on.
using Stencil = std::array<double, 3>;

/// `wall`: beyond the upper face of c is a no_flux wall, where odd values and a parabola through them make a straight line.
Stencil stencil(int fine, bool face, bool wall, Interpolation interpolation) {
  const bool odd = fine % 2 == 1, quadratic = interpolation == Interpolation::Quadratic;
  if (face) {
    if (odd) return {0, 1, 0};
    return quadratic && !wall ? Stencil{0.375, 0.75, -0.125} : Stencil{0.5, 0.5, 0};
  }
  const Stencil up = quadratic ? Stencil{-0.09375, 0.9375, 0.15625} : Stencil{0, 0.75, 0.25};
  return odd ? up : Stencil{up[2], up[1], up[0]};
}

/// The cell that stands for `cell` in -1 ... n. Face values of no_flux axes: the last one is the wall's 0.
int inside(int cell, int n, Boundary boundary, bool face) {
  if (cell >= 0 && cell < n) return cell;
  if (boundary == Boundary::Periodic || (face && cell < 0)) return (cell + n) % n;
  return cell < 0 ? 0 : n - 1;
}

void require_doubled(const SlabLayout& fine, const SlabLayout& coarse) {
  bool good = fine.dim() == coarse.dim() && fine.ranks() == coarse.ranks() && coarse.ghost() >= 1 && fine.ghost() >= 1;
  for (int d = 0; good && d < fine.dim(); ++d) good = fine.grid().cells(d) == 2 * coarse.grid().cells(d);
  if (!good) throw InternalError("grid transfer: the fine grid does not halve the cells of the coarse one");
}

}  // namespace

LayoutPtr coarser(const SlabLayout& layout, int least) {
  std::vector<Axis> axes = layout.grid().axes();
  for (Axis& a : axes) {
    if (a.cells % 2 != 0 || a.cells / 2 < least) return nullptr;
    a.cells /= 2;
  }
  if (axes.back().cells < layout.ranks() * std::max(1, layout.ghost())) return nullptr;
  return make_layout(layout.comm(), Grid(axes), layout.ghost());
}

void close_lower_wall(Field& field, int level) {
  const SlabLayout& s = field.layout();
  if (s.first() == 0 && s.grid().axis(s.slow_axis()).boundary == Boundary::NoFlux) std::fill_n(field.level(level) - s.plane(), s.plane(), 0.0);
}

void faces_to_cells(Field& faces, int from, int axis, Field& out, int to) {
  const SlabLayout& s = faces.layout();
  const std::ptrdiff_t nx = s.grid().cells(0), ny = s.grid().cells(1);
  double* o = out.level(to);
  if (axis == s.slow_axis()) {
    faces.exchange_ghosts(from, from + 1);
    close_lower_wall(faces, from);
    const double* m = faces.level(from);
    for (std::ptrdiff_t i = 0; i < s.owned(); ++i) o[i] = 0.5 * (m[i] + m[i - s.plane()]);
    return;
  }
  // On no_flux walls the last face holds 0.
  const std::ptrdiff_t step = axis == 0 ? 1 : nx, cells = axis == 0 ? nx : ny;
  const double* m = faces.level(from);
  for (std::ptrdiff_t i = 0; i < s.owned(); ++i) o[i] = 0.5 * (m[i] + m[i / step % cells > 0 ? i - step : i + (cells - 1) * step]);
}

void restrict_cells(Field& fine, int from, Field& coarse, int to) {
  const SlabLayout &f = fine.layout(), &c = coarse.layout();
  require_doubled(f, c);
  fine.exchange_ghosts(from, from + 1);
  const double* u = fine.level(from);
  double* v = coarse.level(to);
  const std::ptrdiff_t first = 2 * static_cast<std::ptrdiff_t>(c.first()) - f.first();  // of the children of this rank's first plane: -1 or 0
  if (c.dim() == 1) {
    for (std::ptrdiff_t i = 0; i < c.owned(); ++i) v[i] = 0.5 * (u[first + 2 * i] + u[first + 2 * i + 1]);
    return;
  }
  const std::ptrdiff_t nx = c.grid().cells(0), ny = c.dim() == 3 ? c.grid().cells(1) : 1;
  const int children = c.dim() == 3 ? 4 : 2;
  for (std::ptrdiff_t row = 0; row < c.owned() / nx; ++row) {
    std::array<const double*, 4> child{};
    for (int k = 0; k < children; ++k) {
      const std::ptrdiff_t line = c.dim() == 2 ? first + 2 * row + k : (first + 2 * (row / ny) + k / 2) * 2 * ny + 2 * (row % ny) + k % 2;
      child[static_cast<std::size_t>(k)] = u + line * 2 * nx;
    }
    for (std::ptrdiff_t i = 0; i < nx; ++i) {
      double sum = 0;
      for (int k = 0; k < children; ++k) {
        const double* w = child[static_cast<std::size_t>(k)] + 2 * i;
        sum += w[0] + w[1];
      }
      v[row * nx + i] = sum / (2 * children);
    }
  }
}

void divide_cells(Field& coarse, int from, Field& fine, int to) {
  const SlabLayout &f = fine.layout(), &c = coarse.layout();
  require_doubled(f, c);
  coarse.exchange_ghosts(from, from + 1);
  const double* u = coarse.level(from);
  double* v = fine.level(to);
  if (c.dim() == 1) {
    for (std::ptrdiff_t i = 0; i < f.owned(); ++i) v[i] = u[(f.first() + i) / 2 - c.first()];
    return;
  }
  const std::ptrdiff_t nx = c.grid().cells(0), ny = c.dim() == 3 ? c.grid().cells(1) : 1;
  for (std::ptrdiff_t row = 0; row < f.owned() / (2 * nx); ++row) {
    const std::ptrdiff_t plane = (f.first() + (c.dim() == 3 ? row / (2 * ny) : row)) / 2, j = c.dim() == 3 ? row % (2 * ny) / 2 : 0;
    const double* w = u + ((plane - c.first()) * ny + j) * nx;
    double* out = v + row * 2 * nx;
    for (std::ptrdiff_t i = 0; i < nx; ++i) out[2 * i] = out[2 * i + 1] = w[i];
  }
}

void prolong(Field& coarse, int from, Field& fine, int to, int face_axis, Interpolation interpolation) {
  prolong_staggered(coarse, from, fine, to, face_axis < 0 ? 0U : 1U << face_axis, interpolation);
}

void prolong_staggered(Field& coarse, int from, Field& fine, int to, unsigned faces, Interpolation interpolation) {
  const auto face = [&](int axis) { return (faces >> axis & 1U) != 0; };
  const SlabLayout &f = fine.layout(), &c = coarse.layout();
  require_doubled(f, c);
  // The parent of the last plane of a rank may be the next one's.
  if (interpolation == Interpolation::Quadratic && c.ghost() < 2)
    throw InternalError("grid transfer: quadratic interpolation needs two ghost planes");
  const Grid& grid = c.grid();
  const int slow = c.slow_axis();
  coarse.exchange_ghosts(from, from + 1);
  if (face(slow)) close_lower_wall(coarse, from);
  const double* u = coarse.level(from);
  double* v = fine.level(to);
  const auto weights = [&](int cell, int d) {
    const bool wall = grid.axis(d).boundary == Boundary::NoFlux && cell / 2 == grid.cells(d) - 1;
    return stencil(cell, face(d), wall, interpolation);
  };
  if (c.dim() == 1) {
    for (std::ptrdiff_t i = 0; i < f.owned(); ++i) {
      const int cell = f.first() + static_cast<int>(i);
      const Stencil s = weights(cell, 0);
      const double* w = u + (cell / 2 - c.first());
      v[i] = s[0] == 0 ? s[1] * w[0] + s[2] * w[1] : s[0] * w[-1] + s[1] * w[0] + (s[2] == 0 ? 0 : s[2] * w[1]);
    }
    return;
  }
  const int nx = grid.cells(0), ny = c.dim() == 3 ? grid.cells(1) : 1;
  std::vector<double> line(static_cast<std::size_t>(nx) + 2);
  const std::ptrdiff_t rows = f.owned() / (2 * nx);
  for (std::ptrdiff_t row = 0; row < rows; ++row) {
    const int plane = f.first() + static_cast<int>(c.dim() == 3 ? row / (2 * ny) : row), along_y = static_cast<int>(row % (2 * ny));
    const Stencil z = weights(plane, slow), y = c.dim() == 3 ? weights(along_y, 1) : Stencil{0, 1, 0};
    std::fill(line.begin(), line.end(), 0.0);
    for (int a = 0; a < 3; ++a)
      for (int b = 0; b < 3; ++b) {
        const double weight = z[static_cast<std::size_t>(a)] * y[static_cast<std::size_t>(b)];
        if (weight == 0) continue;
        const int j = c.dim() == 3 ? inside(along_y / 2 + b - 1, ny, grid.axis(1).boundary, face(1)) : 0;
        const double* w = u + (static_cast<std::ptrdiff_t>(plane / 2 + a - 1 - c.first()) * ny + j) * nx;
        for (int i = 0; i < nx; ++i) line[static_cast<std::size_t>(i) + 1] += weight * w[i];
      }
    double* l = line.data() + 1;
    const Boundary x = grid.axis(0).boundary;
    l[-1] = l[inside(-1, nx, x, face(0))];
    l[nx] = l[inside(nx, nx, x, face(0))];
    double* out = v + row * 2 * nx;
    const Stencil even = weights(0, 0), odd = weights(1, 0), last = weights(2 * nx - 2, 0);
    for (int i = 0; i < nx; ++i) {
      out[2 * i] = even[0] * l[i - 1] + even[1] * l[i] + even[2] * l[i + 1];
      out[2 * i + 1] = odd[0] * l[i - 1] + odd[1] * l[i] + odd[2] * l[i + 1];
    }
    out[2 * nx - 2] = last[0] * l[nx - 2] + last[1] * l[nx - 1] + last[2] * l[nx];
  }
}

}  // namespace wasserflow
