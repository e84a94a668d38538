#pragma once
/// The staggered space-time grid of dynamic transport: continuity equation, interpolation, projection.
///
/// Cells i of a box (spacing h_d), nodes t_n = n dt, n = 0 ... N_t, half times t_{n+1/2}:
///   rho[n][i]   at centres and nodes;  n = 0 is given, n = N_t too unless the end is free
///   m_d[n][i]   at the face between cells i and i + e_d, half time n + 1/2, in units of a speed c: the flux is c m; 0 at the ends of a no-flux axis
///   z[n][i]     at centres and half times: reaction, the source is c z (unbalanced transport only)
///   phi[n][i]   at centres and half times: multiplier of the continuity equation
///
///   (A x)[n] = (rho[n+1] - rho[n]) / dt + c sum_d (m_d[i] - m_d[i - e_d]) / h_d - nu Lap_h (theta rho[n+1] + (1 - theta) rho[n]) - c z[n] = 0
///   (A^T phi)  at rho[n]: (phi[n-1] - phi[n]) / dt - nu Lap_h (theta phi[n-1] + (1 - theta) phi[n]), phi[N_t] = 0;
///              at m_d: c (phi[i] - phi[i + e_d]) / h_d;  at z: -c phi
///   (K x)      rho: (rho[n] + rho[n+1]) / 2 (stationary: rho[1]);  m_d: (m_d[i - e_d] + m_d[i]) / 2;  z: z;  with a free end also `end`: rho[N_t]
///   (not
///              stationary)
///
/// The positive variant has two copies of K x, each with half the weight: rho[n] in the first, rho[n+1] in the second ("late") one. Costs then act on
/// every rho[n], not on means of two, which keeps more of it from falling below 0, but fronts smear.
///
/// Products are Euclidean; a free rho[N_t] has the weight M ("end weight") in the metric P of x, and `end` the weight 1 / M in that of y: with M =
/// N_t both products are those of int_0^T int a b dx dt + T int a(T) b(T) dx, in which the trace rho(T) is a bounded function of x, and step sizes
/// and numbers of iterations do not depend on dt. Source: Papadakis, Peyre, Oudet 2014 (staggered grids, projection); Achdou, Capuzzo-Dolcetta 2010
/// (theta = 1).
#include <array>
#include <memory>
#include <vector>

#include "grids/reduce.hpp"
#include "solvers/preconditioner.hpp"

namespace wasserflow {

/// A point of the staggered space: see above. z is empty without reaction.
struct StaggeredState {
  Field rho;             ///< N_t + 1 levels
  std::vector<Field> m;  ///< one an axis, N_t levels
  Field z;               ///< N_t levels
};

/// A point of the space of K x: values at centres and half times.
struct CentredState {
  Field rho;
  std::vector<Field> m;
  Field z;
  const Field* slopes = nullptr;   ///< what K^T takes in place of rho; not owned, null: rho
  Field end;                       ///< one level; empty unless the end is free, and where the problem is stationary
  std::vector<CentredState> late;  ///< the second copy (without `end`) in the positive variant, else empty
};

class StaggeredOperator {
 public:
  struct Setting {
    int steps = 1;
    double dt = 1;
    double viscosity = 0;
    double theta = 0.5;
    bool free_end = false;
    bool reaction = false;
    bool positive = false;    ///< the variant with two copies
    double speed = 1;         ///< c > 0
    bool stationary = false;  ///< one step with a free end and theta = 1 whose cost is taken at the end
  };
  /// Throws InputError for an axis that is neither periodic nor no_flux, a layout without ghosts, steps < 1, dt <= 0, viscosity < 0, theta outside
  /// [0, 1].
  /// @note Collective.
  StaggeredOperator(LayoutPtr layout, const Setting& setting);

  /// What A x shall be instead of 0 in the functions below, one level a half time; not owned, null: 0.
  void set_source(const Field* source) { source_ = source; }

  const LayoutPtr& layout() const { return layout_; }
  const Setting& setting() const { return setting_; }
  int steps() const { return setting_.steps; }
  /// The last level of rho that is unknown.
  int last_free() const { return setting_.free_end ? setting_.steps : setting_.steps - 1; }
  double end_weight() const { return end_weight_; }
  int copies() const { return setting_.positive ? 2 : 1; }
  double share() const { return setting_.positive ? 0.5 : 1; }  ///< weight of a copy
  /// Upper bound of the squared norm of K in the metrics: 1, a little more with a free end.
  double norm_squared() const;

  StaggeredState make_state() const;
  CentredState make_centred() const;
  Field make_multiplier() const { return Field(layout_, setting_.steps); }

  /// Ghosts that the functions below read.
  /// @note Collective.
  void exchange_for_continuity(StaggeredState& x) const;
  void exchange_for_interpolation(StaggeredState& x) const;
  void exchange(CentredState& y) const;

  /// Rows of n values from `offset`: a whole x line, any part of the slab in 1-D. Level is that of the half time.
  /// (A x - source)[level].
  void continuity_row(const StaggeredState& x, int level, std::ptrdiff_t offset, int n, double* out);
  /// (A P^{-1} K^T y)[level].
  void adjoint_continuity_row(const CentredState& y, int level, std::ptrdiff_t offset, int n, double* out);
  /// (K x)[level] without `end`; z is not written (K z = z).
  void interpolation_row(const StaggeredState& x, int level, std::ptrdiff_t offset, int n, double* rho, double* const* m, int copy = 0) const;

  /// Visits all free unknowns x_j row by row with g_j = (P^{-1} (K^T y - A^T phi))_j; either may be null. f(values of g, component, level, offset,
  /// n), component 0: rho, 1 + d: m_d, 1 + dim: z. Ghosts of y and phi are up to date.
  template <class F>
  void adjoint_sweep(const CentredState* y, const Field* phi, F&& f);

  /// A row of a step x -> x - move g, g = P^{-1} (K^T y - A^T phi): moves x there and writes K (x - over g), x that before the step: rho (one row a
  /// copy), and in `other` m_d and z. For all rows of all levels in order, behind which the caller may change y at the same row: x - over g is never
  /// stored but for a plane and the level `ahead_end`. Ghosts of the last m of x, of y and of phi are up to date.
  void step_row(StaggeredState& x, const CentredState& y, const Field& phi, double over, double move, int level, std::ptrdiff_t offset, int n,
                double* const* rho, double* const* other);
  /// x - over g at the last node, after a step.
  const double* ahead_end() const { return ahead_node_.data(); }

  /// phi = (A P^{-1} A^T)^{-1} r with r given row by row.
  /// @note Collective.
  void solve(const SpectralTransform::Source& r, Field& phi);
  /// x -> the nearest solution of A x = source with the same given levels, in the metric P. phi: work, holds the multiplier afterwards.
  /// @note Collective.
  void project(StaggeredState& x, Field& phi);
  struct ContinuityError {
    double largest = 0;  ///< max over cells and half times of |A x - source| dt: what appears from nowhere in a step (stationary: in unit
                         ///< time), as a density
    double mass = 0;     ///< max over nodes of the mass that has appeared since t = 0, as a sum over cells
  };
  /// @note Collective.
  ContinuityError continuity_error(StaggeredState& x);

  /// out += factor Lap_h u on level `level` of u (ghosts up to date).
  void add_laplacian_row(const Field& u, int level, std::ptrdiff_t offset, int n, double factor, double* out);

 private:
  /// sum of c_k times what stands at base_k.
  struct Combination {
    int terms = 0;
    std::array<const double*, 6> base{};
    std::array<double, 6> c{};
    void add(double factor, const double* level);
    void row(std::ptrdiff_t offset, int n, double* out) const;
    double at(std::ptrdiff_t offset) const;
  };
  /// Where the neighbours of a row stand. Along x (and in 1-D) only those of the first and the last point are special.
  struct Place {
    std::array<std::ptrdiff_t, 3> down{}, up{};  ///< offsets of the neighbouring rows, d > 0; of the point itself (mirror) beyond a no-flux end
    std::array<bool, 3> has_down{}, has_up{};    ///< is there a face
    std::ptrdiff_t left = 0, right = 0;          ///< offsets of the neighbours of the first and the last point
    bool has_left = true, has_right = true;
  };
  Place place(std::ptrdiff_t offset, int n) const;
  void add_adjoint_node(const CentredState& y, int node, double factor, Combination& to) const;
  void add_laplacian(const Combination& c, const Place& at, std::ptrdiff_t offset, int n, double factor, double* out);
  void adjoint_node_row(const CentredState* y, const Field* phi, int node, std::ptrdiff_t offset, int n, double* out);
  void adjoint_face_row(const CentredState* y, const Field* phi, int d, int level, std::ptrdiff_t offset, int n, double* out) const;
  void adjoint_faces(const CentredState* y, const Field* phi, int d, int level, std::ptrdiff_t here, std::ptrdiff_t above, int n, double* out) const;
  void adjoint_reaction_row(const CentredState* y, const Field* phi, int level, std::ptrdiff_t offset, int n, double* out) const;
  void step_faces(StaggeredState& x, const CentredState& y, const Field& phi, int d, double over, double move, int level, const Place& at,
                  std::ptrdiff_t offset, int n, double* out);

  LayoutPtr layout_;
  Setting setting_;
  int dim_;
  double end_weight_;
  const Field* source_ = nullptr;
  std::array<double, 3> inverse_h_{};
  std::unique_ptr<SpectralPreconditioner> metric_;
  std::vector<double> row_, error_, lap_[3];  ///< scratch rows
  /// Of x - over g in a step: rho at the last node seen; the faces below a plane of rows; those below a row (3-D), and those of a periodic wrap.
  std::vector<double> ahead_node_, ahead_plane_, ahead_line_, ahead_wrap_;
  std::vector<ExactSum> masses_;  ///< of A x a level
};

template <class F>
void StaggeredOperator::adjoint_sweep(const CentredState* y, const Field* phi, F&& f) {
  const SlabLayout& layout = *layout_;
  for (int level = 0; level < setting_.steps; ++level)
    for (int r = 0; r < layout.rows(); ++r) {
      const RowPoints p = layout.row(r);
      for (int d = 0; d < dim_; ++d) {
        adjoint_face_row(y, phi, d, level, p.offset, p.n, row_.data());
        f(row_.data(), 1 + d, level, p.offset, p.n);
      }
      if (level < last_free()) {
        adjoint_node_row(y, phi, level + 1, p.offset, p.n, row_.data());
        f(row_.data(), 0, level + 1, p.offset, p.n);
      }
      if (setting_.reaction) {
        adjoint_reaction_row(y, phi, level, p.offset, p.n, row_.data());
        f(row_.data(), 1 + dim_, level, p.offset, p.n);
      }
    }
}

}  // namespace wasserflow
