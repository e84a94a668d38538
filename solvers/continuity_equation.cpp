#include "solvers/continuity_equation.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "grids/reduce.hpp"
#include "grids/row_neighbours.hpp"
#include "grids/support/errors.hpp"
#include "solvers/weno.hpp"

namespace wasserflow {
namespace {

constexpr int width = 3;
/// Outflows are scaled to a little less than what a cell holds, so that rounding leaves nothing below 0.
constexpr double all_but_rounding = 1 - 16 * std::numeric_limits<double>::epsilon();

/// Fluxes through n faces: f[i] = v[i] times the density at the face below point i, u[g] being the row moved by g - 3 cells across the faces.
/// Densities that WENO5 puts below 0 are 0, so that every flux goes with v.
void upwind_fluxes(int n, const std::array<const double*, 6>& u, const double* v, double* __restrict f) {
  const double *m3 = u[0], *m2 = u[1], *m1 = u[2], *u0 = u[3], *p1 = u[4], *p2 = u[5];
  for (int i = 0; i < n; ++i) {
    const bool up = v[i] > 0;
    const double a = up ? m3[i] : p2[i], b = up ? m2[i] : p1[i], c = up ? m1[i] : u0[i], d = up ? u0[i] : m1[i], e = up ? p1[i] : m2[i];
    f[i] = v[i] * std::max(weno5(a, b, c, d, e), 0.0);
  }
}

}  // namespace

/// Faces of an axis are numbered by the owned cells above them, with one more at the end: arrays of the owned extents, longer by 1 along the axis.
struct ContinuityEquation::State {
  LayoutPtr layout;
  FaceVelocity velocity;
  bool depends_on_time;
  double cfl;
  RowNeighbours near;
  Field stage, share;  // share: which part of its outflows a cell can afford
  std::array<std::ptrdiff_t, 3> extent{1, 1, 1};
  std::vector<double> face_x;
  std::array<std::vector<double>, 3> now, next, flux;
  double now_speed = 0, next_speed = 0;

  State(LayoutPtr l, FaceVelocity v, bool time, double c)
      : layout(std::move(l)), velocity(std::move(v)), depends_on_time(time), cfl(c), near(checked(layout, c), width), stage(layout), share(layout) {
    for (int d = 0; d < layout->dim(); ++d) extent[at(d)] = d == layout->slow_axis() ? layout->count() : layout->grid().cells(d);
    for (int d = 0; d < layout->dim(); ++d) {
      std::size_t size = 1;
      for (int e = 0; e < 3; ++e) size *= static_cast<std::size_t>(extent[at(e)] + (e == d));
      for (auto* part : {&now, &next, &flux}) (*part)[at(d)].assign(size, 0.0);
    }
    const Axis& axis = layout->grid().axis(0);
    const int first = layout->dim() == 1 ? layout->first() : 0;
    for (std::ptrdiff_t i = 0; i <= extent[0]; ++i) face_x.push_back(face(axis, first + i));
  }

  static std::size_t at(int d) { return static_cast<std::size_t>(d); }
  static double face(const Axis& axis, std::ptrdiff_t cell_above) {
    return axis.lower + (static_cast<double>(cell_above) + axis.offset - 0.5) * axis.spacing();
  }
  static LayoutPtr checked(const LayoutPtr& layout, double cfl) {
    if (!(cfl > 0 && cfl <= 1)) throw InputError(fmt::format("the CFL number must be in (0, 1], not {}", cfl));
    if (layout->ghost() < width) throw InputError("the continuity equation needs layouts with 3 ghost planes");
    for (int d = 0; d < layout->dim(); ++d) {
      const Axis& axis = layout->grid().axis(d);
      if (axis.boundary == Boundary::Dirichlet)
        throw InputError(fmt::format("the continuity equation takes periodic, no_flux and extrapolate ends, not dirichlet along {}", "xyz"[d]));
      if (axis.cells < width) throw InputError(fmt::format("WENO5 needs at least 3 cells along {}, not {}", "xyz"[d], axis.cells));
    }
    return layout;
  }

  std::ptrdiff_t faces(int d, int e) const { return extent[at(e)] + (e == d); }
  double* row(std::vector<double>& faces_of, int d, std::ptrdiff_t j, std::ptrdiff_t k) const {
    return faces_of.data() + faces(d, 0) * (j + faces(d, 1) * k);
  }
  /// First owned cell along an axis.
  int first(int d) const { return d == layout->slow_axis() ? layout->first() : 0; }
  /// Ends of the box where nothing enters (free) or passes (no_flux): -1 at the lower end, +1 at the upper one, 0 inside and on periodic axes.
  int end_of(int d, std::ptrdiff_t local_face) const {
    const Axis& axis = layout->grid().axis(d);
    if (axis.boundary == Boundary::Periodic) return 0;
    const std::ptrdiff_t f = first(d) + local_face;
    return f == 0 ? -1 : f == axis.cells ? 1 : 0;
  }
  double admitted(int d, int end, double v) const {
    if (end == 0) return v;
    if (layout->grid().axis(d).boundary == Boundary::NoFlux) return 0;
    return end > 0 ? std::max(v, 0.0) : std::min(v, 0.0);
  }

  /// Velocities at time t, with the sign of the direction of time; returns the sum over the axes of the largest |v| / h.
  double evaluate(std::array<std::vector<double>, 3>& v, double t, double sign) {
    const Grid& grid = layout->grid();
    std::array<double, 3> peak{};
    double bad = 0;
    for (int d = 0; d < grid.dim(); ++d) {
      for (std::ptrdiff_t k = 0; k < faces(d, 2); ++k)
        for (std::ptrdiff_t j = 0; j < faces(d, 1); ++j) {
          RowPoints p;
          p.n = static_cast<int>(faces(d, 0));
          p.x = d == 0 ? face_x.data() : layout->x_nodes().data();
          if (grid.dim() > 1) p.y = d == 1 ? face(grid.axis(1), first(1) + j) : grid.axis(1).node(first(1) + j);
          if (grid.dim() > 2) p.z = d == 2 ? face(grid.axis(2), first(2) + k) : grid.axis(2).node(first(2) + k);
          p.t = t;
          p.offset = -1;  // no point of the grid
          double* out = row(v[at(d)], d, j, k);
          velocity(d, p, out);
          if (d == 0) {
            out[0] = admitted(0, end_of(0, 0), out[0]);
            out[p.n - 1] = admitted(0, end_of(0, p.n - 1), out[p.n - 1]);
          } else if (const int end = end_of(d, d == 1 ? j : k); end != 0) {
            for (int i = 0; i < p.n; ++i) out[i] = admitted(d, end, out[i]);
          }
          for (int i = 0; i < p.n; ++i) {
            out[i] *= sign;
            peak[at(d)] = std::max(peak[at(d)], std::fabs(out[i]));
            bad += !(std::fabs(out[i]) <= std::numeric_limits<double>::max());
          }
        }
    }
    MPI_Allreduce(MPI_IN_PLACE, peak.data(), 3, MPI_DOUBLE, MPI_MAX, layout->comm());
    if (global_max(layout->comm(), bad) > 0) throw DivergedError(fmt::format("continuity equation: the velocity is not finite at t = {:.6g}", t));
    double speed = 0;
    for (int d = 0; d < grid.dim(); ++d) speed += peak[at(d)] / grid.spacing(d);
    return speed;
  }

  void fluxes(Field& u, std::array<std::vector<double>, 3>& v) {
    const SlabLayout& s = *layout;
    const std::ptrdiff_t ny = extent[1];
    for (int r = 0; r < s.rows(); ++r) {
      const RowPoints p = s.row(r);
      near.load(u.level(), r);
      const std::ptrdiff_t i = s.dim() == 1 ? p.offset : 0, j = s.dim() == 1 ? 0 : r % ny, k = s.dim() == 1 ? 0 : r / ny;
      for (int d = 0; d < s.dim(); ++d) {
        const auto faces_at = [&](int shift, int n, std::ptrdiff_t to_j, std::ptrdiff_t to_k) {
          std::array<const double*, 6> c;
          for (int g = 0; g < 6; ++g) c[at(g)] = near.at(d, g - 3 + shift);
          upwind_fluxes(n, c, row(v[at(d)], d, to_j, to_k) + i, row(flux[at(d)], d, to_j, to_k) + i);
        };
        faces_at(0, d == 0 ? p.n + 1 : p.n, j, k);
        if (d == 1 && j + 1 == extent[1]) faces_at(1, p.n, j + 1, k);
        if (d == 2 && k + 1 == extent[2]) faces_at(1, p.n, j, k + 1);
      }
    }
  }

  /// What flows through the faces below and above the cells of a row: pointers and the distance between the two.
  struct CellFaces {
    const double* below;
    std::ptrdiff_t stride;
  };
  CellFaces cell_faces(int d, std::ptrdiff_t j, std::ptrdiff_t k) {
    return {row(flux[at(d)], d, j, k), d == 0 ? 1 : d == 1 ? faces(1, 0) : faces(2, 0) * faces(2, 1)};
  }

  template <class F>
  void for_rows(F&& f) const {
    for (std::ptrdiff_t k = 0; k < extent[2]; ++k)
      for (std::ptrdiff_t j = 0; j < extent[1]; ++j) f(j, k, extent[0] * (j + extent[1] * k));
  }

  /// Scales the fluxes of a step dt from u so that no cell gives more than it holds.
  void limit(const Field& u, double dt) {
    const Grid& grid = layout->grid();
    const std::ptrdiff_t nx = extent[0];
    bool any = false;
    for_rows([&](std::ptrdiff_t j, std::ptrdiff_t k, std::ptrdiff_t offset) {
      double* __restrict out = share.level() + offset;
      const double* value = u.level() + offset;
      std::fill_n(out, nx, 0.0);
      for (int d = 0; d < grid.dim(); ++d) {
        const auto [below, stride] = cell_faces(d, j, k);
        const double scale = dt / grid.spacing(d);
        for (std::ptrdiff_t i = 0; i < nx; ++i) out[i] += scale * (std::max(below[i + stride], 0.0) - std::min(below[i], 0.0));
      }
      double least = 1;
      for (std::ptrdiff_t i = 0; i < nx; ++i) {
        const double rest = std::max(value[i], 0.0) * all_but_rounding;
        out[i] = out[i] > rest ? rest / out[i] : 1.0;
        least = std::min(least, out[i]);
      }
      any = any || least < 1;
    });
    if (global_max(layout->comm(), any ? 1 : 0) == 0) return;
    share.exchange_ghosts();
    const SlabLayout& s = *layout;
    for (int r = 0; r < s.rows(); ++r) {
      const RowPoints p = s.row(r);
      near.load(share.level(), r);
      const std::ptrdiff_t i0 = s.dim() == 1 ? p.offset : 0, j = s.dim() == 1 ? 0 : r % extent[1], k = s.dim() == 1 ? 0 : r / extent[1];
      for (int d = 0; d < s.dim(); ++d) {
        const auto scale = [&](int shift, std::ptrdiff_t begin, std::ptrdiff_t n, std::ptrdiff_t to_j, std::ptrdiff_t to_k) {
          // A flux is paid by the cell it leaves; what lies beyond free ends gives nothing.
          double* f = row(flux[at(d)], d, to_j, to_k) + i0;
          const double *below = near.at(d, shift - 1), *above = near.at(d, shift);
          for (std::ptrdiff_t i = begin; i < n; ++i) f[i] *= f[i] > 0 ? below[i] : above[i];
        };
        // In 1-D a face between two chunks belongs to the upper one.
        const bool last = s.dim() > 1 || p.offset + p.n == extent[0];
        scale(0, 0, d == 0 && last ? p.n + 1 : p.n, j, k);
        if (d == 1 && j + 1 == extent[1]) scale(1, 0, p.n, j + 1, k);
        if (d == 2 && k + 1 == extent[2]) scale(1, 0, p.n, j, k + 1);
      }
    }
  }

  /// out = a base + b (u - dt div flux(u)), the last factor not negative.
  void stage_to(Field& u, std::array<std::vector<double>, 3>& v, double dt, double a, const Field& base, double b, Field& out) {
    u.exchange_ghosts();
    fluxes(u, v);
    limit(u, dt);
    const Grid& grid = layout->grid();
    const std::ptrdiff_t nx = extent[0];
    for_rows([&](std::ptrdiff_t j, std::ptrdiff_t k, std::ptrdiff_t offset) {
      double* to = out.level() + offset;
      const double *from = u.level() + offset, *old = base.level() + offset;
      // share is free again: the divergence of a row.
      double* __restrict change = share.level() + offset;
      std::fill_n(change, nx, 0.0);
      for (int d = 0; d < grid.dim(); ++d) {
        const auto [below, stride] = cell_faces(d, j, k);
        const double scale = dt / grid.spacing(d);
        for (std::ptrdiff_t i = 0; i < nx; ++i) change[i] += scale * (below[i + stride] - below[i]);
      }
      for (std::ptrdiff_t i = 0; i < nx; ++i) to[i] = a * old[i] + b * (from[i] - change[i]);
    });
  }
};

ContinuityEquation::ContinuityEquation(LayoutPtr layout, const std::vector<FunctionPtr>& velocity, double cfl)
    : ContinuityEquation(
          layout, [velocity](int d, const RowPoints& p, double* v) { velocity[static_cast<std::size_t>(d)]->evaluate(p, v); },
          std::any_of(velocity.begin(), velocity.end(), [](const FunctionPtr& f) { return f->depends_on_time(); }), cfl) {
  if (static_cast<int>(velocity.size()) != layout->dim()) throw InternalError("ContinuityEquation: one velocity function an axis");
}

ContinuityEquation::ContinuityEquation(LayoutPtr layout, FaceVelocity velocity, bool depends_on_time, double cfl)
    : state_(std::make_unique<State>(std::move(layout), std::move(velocity), depends_on_time, cfl)) {}

ContinuityEquation::~ContinuityEquation() = default;

long ContinuityEquation::advance(Field& rho, double t0, double t1) {
  State& s = *state_;
  const double sign = t1 >= t0 ? 1 : -1, span = std::fabs(t1 - t0);
  s.now_speed = s.evaluate(s.now, t0, sign);
  long steps = 0;
  double done = 0;
  while (done < span) {
    const double t = t0 + sign * done, rest = span - done;
    double left = std::max(1.0, std::ceil(rest * s.now_speed / s.cfl - 1e-12));
    // Velocities may grow within a step: the stages at its end and its middle must keep the bound too.
    double dt = rest / left;
    s.next_speed = s.now_speed;
    if (s.depends_on_time)
      while ((s.next_speed = s.evaluate(s.next, left > 1 ? t + sign * dt : t1, sign)) * dt > 1.1 * s.cfl) {
        left = std::max(left + 1, std::ceil(rest * s.next_speed / s.cfl - 1e-12));
        dt = rest / left;
      }
    if (done + dt == done) throw DivergedError(fmt::format("continuity equation: the velocity grows without bound near t = {:.6g}", t));
    auto& next = s.depends_on_time ? s.next : s.now;
    s.stage_to(rho, s.now, dt, 0, rho, 1, s.stage);
    s.stage_to(s.stage, next, dt, 0.75, rho, 0.25, s.stage);
    if (s.depends_on_time) s.evaluate(s.now, t + sign * dt / 2, sign);
    // Weights whose sum is 1 to the bit: mass would drift by the rounding of 1/3.
    s.stage_to(s.stage, s.now, dt, 1 - 2.0 / 3, rho, 2.0 / 3, rho);
    if (s.depends_on_time) std::swap(s.now, s.next);
    s.now_speed = s.next_speed;
    done = left > 1 ? done + dt : span;
    ++steps;
    if (steps % 64 == 0 && !all_finite(rho))
      throw DivergedError(fmt::format("continuity equation: values are not finite at t = {:.6g} (step {})", t + sign * dt, steps));
  }
  if (!all_finite(rho)) throw DivergedError(fmt::format("continuity equation: values are not finite at t = {:.6g}", t1));
  return steps;
}

}  // namespace wasserflow
