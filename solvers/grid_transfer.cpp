#include "solvers/grid_transfer.hpp"

#include <algorithm>
#include <array>

#include "grids/support/errors.hpp"

namespace wasserflow {
namespace {

/// Coarse cells that a fine value hangs on, and their weights.
struct Stencil {
  std::array<int, 2> cell{};
  std::array<double, 2> weight{};
};

Stencil stencil(int fine, bool face) {
  const int c = fine >> 1;
  if (face) return fine % 2 == 1 ? Stencil{{c, c}, {1, 0}} : Stencil{{c - 1, c}, {0.5, 0.5}};
  return fine % 2 == 1 ? Stencil{{c, c + 1}, {0.75, 0.25}} : Stencil{{c - 1, c}, {0.25, 0.75}};
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

void prolong(Field& coarse, int from, Field& fine, int to, int face_axis) {
  prolong_staggered(coarse, from, fine, to, face_axis < 0 ? 0U : 1U << face_axis);
}

void prolong_staggered(Field& coarse, int from, Field& fine, int to, unsigned faces) {
  const auto face = [&](int axis) { return (faces >> axis & 1U) != 0; };
  const SlabLayout &f = fine.layout(), &c = coarse.layout();
  require_doubled(f, c);
  const Grid& grid = c.grid();
  const int slow = c.slow_axis();
  coarse.exchange_ghosts(from, from + 1);
  if (face(slow)) close_lower_wall(coarse, from);
  const double* u = coarse.level(from);
  double* v = fine.level(to);
  if (c.dim() == 1) {
    for (std::ptrdiff_t i = 0; i < f.owned(); ++i) {
      const Stencil s = stencil(f.first() + static_cast<int>(i), face(0));
      v[i] = s.weight[0] * u[s.cell[0] - c.first()] + s.weight[1] * u[s.cell[1] - c.first()];
    }
    return;
  }
  const int nx = grid.cells(0), ny = c.dim() == 3 ? grid.cells(1) : 1;
  std::vector<double> line(static_cast<std::size_t>(nx) + 2);
  const std::ptrdiff_t rows = f.owned() / (2 * nx);
  for (std::ptrdiff_t row = 0; row < rows; ++row) {
    const int plane = f.first() + static_cast<int>(c.dim() == 3 ? row / (2 * ny) : row);
    const Stencil z = stencil(plane, face(slow));
    const Stencil y = c.dim() == 3 ? stencil(static_cast<int>(row % (2 * ny)), face(1)) : Stencil{{0, 0}, {1, 0}};
    std::fill(line.begin(), line.end(), 0.0);
    for (std::size_t a = 0; a < 2; ++a)
      for (std::size_t b = 0; b < 2; ++b) {
        const double weight = z.weight[a] * y.weight[b];
        if (weight == 0) continue;
        const int j = c.dim() == 3 ? inside(y.cell[b], ny, grid.axis(1).boundary, face(1)) : 0;
        const double* w = u + (static_cast<std::ptrdiff_t>(z.cell[a] - c.first()) * ny + j) * nx;
        for (int i = 0; i < nx; ++i) line[static_cast<std::size_t>(i) + 1] += weight * w[i];
      }
    double* l = line.data() + 1;
    const Boundary x = grid.axis(0).boundary;
    l[-1] = l[inside(-1, nx, x, face(0))];
    l[nx] = l[inside(nx, nx, x, face(0))];
    double* out = v + row * 2 * nx;
    if (face(0))
      for (int i = 0; i < nx; ++i) out[2 * i] = 0.5 * (l[i - 1] + l[i]), out[2 * i + 1] = l[i];
    else
      for (int i = 0; i < nx; ++i) out[2 * i] = 0.25 * l[i - 1] + 0.75 * l[i], out[2 * i + 1] = 0.75 * l[i] + 0.25 * l[i + 1];
  }
}

}  // namespace wasserflow
