#pragma once
/// Values on the cells of a grid from an HDF5 file, between cells too.
#include <array>
#include <span>
#include <string>
#include <vector>

#include "grids/slab_layout.hpp"
#include "grids/support/errors.hpp"

namespace wasserflow {

/// This rank's part of a dataset of shape (nz, ny, nx), leading extents of 1 may be left out, with 3 planes of its neighbours on both sides (none
/// beyond ends that are not periodic). Every rank reads for itself by the serial driver. Between nodes: polynomials of third degree an axis, fourth
/// order, one-sided at ends. The same bits on any number of ranks.
class GridValues {
 public:
  /// `thinned`: the grid may be smaller than the dataset, of which every n-th value is taken then. Throws InputError at `where`: no such file or
  /// dataset, not numbers, another shape than the grid's, values that are not finite. Not collective.
  GridValues(const std::string& file, const std::string& dataset, const SlabLayout& layout, const Location& where, bool thinned = false);

  /// out[i] = value at the point i of a row, which is in the box and at most a cell from this rank's part of it.
  void evaluate(const RowPoints& p, double* out) const { combine(p, -1, out); }
  /// The derivative along an axis: fourth order, central differences on nodes and midpoints of faces.
  void derivative(const RowPoints& p, int axis, double* out) const { combine(p, axis, out); }

  const double* owned() const;
  std::ptrdiff_t owned_count() const;
  std::span<double> all() { return values_; }  ///< with the neighbours' planes

 private:
  struct Stencil {
    std::ptrdiff_t first = 0;
    int count = 1;
    std::array<double, 5> weight{1};
  };
  Stencil stencil(int axis, double coordinate, bool derivative) const;
  void combine(const RowPoints& p, int derivative, double* out) const;

  Grid grid_;
  int first_, count_, low_, high_;  // owned planes, and those that are here
  std::ptrdiff_t plane_ = 1;
  std::vector<double> values_;
  mutable std::vector<double> line_;
};

}  // namespace wasserflow
