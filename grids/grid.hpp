#pragma once
/// Boxes with uniform cells and a boundary kind per axis.
#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

namespace wasserflow {

/// What stands beyond the first and the last cell of an axis. Ghost values of u (g = 1, 2, ... cells outside):
///   Periodic     u[-g] = u[n-g]
///   NoFlux       u[-g] = u[g-1]                       (homogeneous Neumann, mirror)
///   Dirichlet    u[-g] = -u[g-1]                      (value 0 at the boundary face)
///   Extrapolate  u[-g] = u[0] + g (u[0]-u[1])         (linear; for Hamilton-Jacobi equations: outflow)
enum class Boundary { Periodic, NoFlux, Dirichlet, Extrapolate };

/// Names in problem files: "periodic", "no_flux", "dirichlet", "extrapolate".
std::string_view name(Boundary boundary);

/// One axis of a box. Unknown i sits at lower + (i + offset) * spacing; offset 0 (periodic default) or 1/2 (cell centres).
struct Axis {
  double lower = 0;
  double upper = 1;
  int cells = 1;
  Boundary boundary = Boundary::Periodic;
  double offset = 0;

  double length() const { return upper - lower; }
  double spacing() const { return (upper - lower) / cells; }
  double node(std::int64_t i) const { return lower + (static_cast<double>(i) + offset) * spacing(); }
};

/// A box in 1 to 3 dimensions. Axes are x, y, z; x is the fastest index in memory, the last axis the slowest.
class Grid {
 public:
  /// Throws InputError when there are not 1 to 3 axes, cells < 1, or upper <= lower.
  explicit Grid(std::vector<Axis> axes);

  int dim() const { return static_cast<int>(axes_.size()); }
  const Axis& axis(int d) const { return axes_[static_cast<std::size_t>(d)]; }
  const std::vector<Axis>& axes() const { return axes_; }
  /// Cells of axis d, 1 for d >= dim().
  int cells(int d) const { return d < dim() ? axes_[static_cast<std::size_t>(d)].cells : 1; }
  double spacing(int d) const { return axis(d).spacing(); }
  std::int64_t size() const;
  double cell_volume() const;
  double volume() const { return cell_volume() * static_cast<double>(size()); }

 private:
  std::vector<Axis> axes_;
};

/// Calls f with std::integral_constant<int, dim>: chooses the dimension once, outside of all loops.
template <class F>
decltype(auto) dispatch_dim(int dim, F&& f);

}  // namespace wasserflow

#include <type_traits>
#include <utility>

template <class F>
decltype(auto) wasserflow::dispatch_dim(int dim, F&& f) {
  switch (dim) {
    case 1: return std::forward<F>(f)(std::integral_constant<int, 1>{});
    case 2: return std::forward<F>(f)(std::integral_constant<int, 2>{});
    default: return std::forward<F>(f)(std::integral_constant<int, 3>{});
  }
}
