#pragma once
/// -div(c grad) by second-order differences on a slab layout, row by row.
#include <array>
#include <vector>

#include "grids/slab_layout.hpp"
#include "problems/function.hpp"

namespace wasserflow {

/// K w = -div(c grad w), with faces between cells and walls where an axis ends (ghost values of grids/grid.hpp):
///   (K w)_i = sum_d [ c_{i-1/2} (w_i - w_{i-1}) + c_{i+1/2} (w_i - w_{i+1}) ] / h_d^2.
/// Self-adjoint and >= 0 for Periodic, NoFlux (walls do not count) and Dirichlet axes in any mix; constants give exactly 0 away from Dirichlet walls.
/// Arguments named `w`, `v`, `m` are levels as Field::level gives them, with ghost planes up to date. Rows hold the same bits on any number of ranks.
/// Not thread-safe: rows go through scratch of the object.
class DiffusionStencil {
 public:
  /// c = 1. InternalError for Extrapolate axes or without ghost planes.
  explicit DiffusionStencil(LayoutPtr layout);
  /// c = sigma at the midpoints of faces, tabulated here; for data on a grid the mean of both cells. Throws InputError on all ranks alike when sigma
  /// depends on time, is negative or is not finite.
  /// @note Collective.
  DiffusionStencil(LayoutPtr layout, FunctionPtr sigma);

  /// out = beta out + scale (K w)_r; out is not read when beta is 0.
  void row(const double* w, int r, double scale, double beta, double* out) const;
  /// The same with c the mean of the values m of both cells, and c = wall at Dirichlet walls.
  void row(const double* w, const double* m, double wall, int r, double scale, double beta, double* out) const;
  /// out_i = sum over all faces of cell i of c (D v)(D w) / 2: adds up to <v, K w>. Without `walls` it is d <v, K w> / d m_i for c the mean of cell
  /// values (this object's own c should be 1 then).
  void pair_row(const double* v, const double* w, int r, double* out, bool walls = true) const;

  double mean() const { return mean_; }  ///< of c over all faces
  double constant() const { return constant_; }
  bool variable() const { return variable_; }

 private:
  /// Values beside a row: x ends as numbers, neighbours across as rows to be multiplied by a sign (-1 beyond a Dirichlet wall in the middle).
  struct Near {
    const double* u;
    double left, right;
    std::array<const double*, 2> low, high;  // of axes 1 and 2
    std::array<double, 2> low_sign, high_sign;
  };
  /// Coefficients of the faces of a row: x faces 0 ... n, faces across at both sides of each cell.
  struct Faces {
    const double* x;
    std::array<const double*, 2> low, high;
  };
  Near near(const double* level, int r, bool walls = true) const;
  Faces faces(int r) const;
  void variable_row(const Near& w, const Faces& c, int n, double scale, double beta, double* out) const;
  bool first_of_axis(int d, int r) const;
  bool last_of_axis(int d, int r) const;
  int row_length(int r) const;
  std::ptrdiff_t row_offset(int r) const;
  void tabulate(const Function& sigma);
  void tabulate_means(const Function& sigma);
  std::ptrdiff_t first_face(int d, int r) const;  // in table d: of the row's low faces
  template <class Face>
  void fill_tables(Face&& face);

  LayoutPtr layout_;
  int dim_, nx_, ny_;
  bool variable_ = false;
  double constant_ = 1, mean_ = 1;
  std::array<double, 3> weight_{};            // 1 / h^2
  std::array<std::vector<double>, 3> table_;  // c of faces: cells + 1 along the axis itself (owned planes + 1 along the slow one)
  mutable std::vector<double> scratch_;
};

}  // namespace wasserflow
