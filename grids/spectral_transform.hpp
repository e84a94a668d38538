#pragma once
/// Distributed transforms that diagonalise the discrete Laplacian of each boundary kind.
#include <cstddef>
#include <functional>
#include <memory>
#include <vector>

#include "grids/field.hpp"
#include "grids/slab_layout.hpp"

namespace wasserflow {

/// The transform of an axis: Fourier (periodic), Cosine (DCT-II; no_flux, and extrapolate as its nearest relative), Sine (DST-II; dirichlet).
/// Cells stand at the half samples of the cosines and sines, whatever Axis::offset says.
enum class AxisTransform { Fourier, Cosine, Sine };
AxisTransform axis_transform(Boundary boundary);

/// How derivatives act on a mode: as the second-order differences of the stencils do, or as the exact derivative does.
enum class SymbolKind { Difference, Exact };

/// Symbol of minus the Laplacian of one axis, lambda(k) >= 0, for `modes` modes k = 0, 1, ...
///   Difference: (2 - 2 cos w) / h^2, with w = 2 pi k / n (Fourier), pi k / n (Cosine), pi (k + 1) / n (Sine); Exact: (w / h)^2 (Fourier: |k| <= n /
///   2).
std::vector<double> laplacian_symbol(const Axis& axis, int modes, SymbolKind kind = SymbolKind::Difference);

/// Symbol of C^T C for the central difference C = (u[i+1] - u[i-1]) / (2 h) with the ghosts of the axis: sin(w)^2 / h^2.
std::vector<double> central_difference_symbol(const Axis& axis, int modes);

/// A part of the modes, of all levels: all `columns` modes of the slow axis, contiguous in memory, times `rows` successive modes of the axis before
/// it (the row axis), at one mode `outer` of the x axis in 3-D. In 1-D a block is the one row of all x modes. Value (level l, row j, column i, part
/// c) stands at data[l * level_stride + j * pitch + i * parts + c]. Pitch and level stride are multiples of 8, and the pitch is at least columns *
/// parts + 8: a visitor may overrun a row to whole vectors (what stands there is finite and not used).
template <class T>
struct BasicModeBlock {
  T* data = nullptr;
  std::ptrdiff_t level_stride = 0;
  std::ptrdiff_t pitch = 0;
  int levels = 1;
  int parts = 1;  ///< 2: complex, real part first; 1: real
  int rows = 1;
  int columns = 0;
  int first_row = 0;  ///< mode index of row 0
  int outer = 0;      ///< mode index along x in 3-D, else 0
};
using ModeBlock = BasicModeBlock<double>;

/// Transforms of real fields on a slab layout, all axes, to modes and back. The first periodic axis (x before y before z) turns real into complex
/// data and keeps n / 2 + 1 modes; the others keep n. The local axes are transformed first, batch by batch in cache; one global redistribution makes
/// the slow axis local; its transform, the visitor and the transform back run block by block in cache, and a second redistribution returns the data.
/// In 1-D every rank gathers the line (all levels in one message) and transforms all of it. Transforms are not normalised (those of FFTW: FFT,
/// REDFT10 / REDFT01, RODFT10 / RODFT01): backward(forward(u)) = u / normalisation(). Results do not depend on the number of ranks, bit for bit:
/// every line passes through the same batch of fixed shape. T is what the modes are held, transformed and sent in: double, or float for half the
/// traffic and a relative accuracy of about 1e-6; rows are doubles in both.
template <class T>
class BasicSpectralTransform {
 public:
  /// Writes row values: n values of level `level` that start `offset` points after the first owned one. A row is a whole x line (1-D: the slab).
  using Source = std::function<void(int level, std::ptrdiff_t offset, int n, double* row)>;
  /// Takes row values of the result, in the same cut.
  using Sink = std::function<void(int level, std::ptrdiff_t offset, int n, const double* row)>;
  /// Reads or changes the modes of a block in place. Blocks come in any order; every mode of the grid is visited once, on one rank (1-D: on all
  /// ranks).
  using Visitor = std::function<void(const BasicModeBlock<T>&)>;

  /// Makes all plans and buffers for fields with `levels` levels.
  explicit BasicSpectralTransform(LayoutPtr layout, int levels = 1);
  ~BasicSpectralTransform();
  BasicSpectralTransform(BasicSpectralTransform&&) noexcept;
  BasicSpectralTransform& operator=(BasicSpectralTransform&&) noexcept;

  const SlabLayout& layout() const;
  int levels() const;
  AxisTransform kind(int axis) const;
  int modes(int axis) const;     ///< modes kept along an axis, 1 beyond the last one
  int parts() const;             ///< 2 when some axis is periodic (complex modes), else 1
  bool halved(int axis) const;   ///< the real-to-complex axis: modes k and n - k are conjugate, only k <= n / 2 are there
  double normalisation() const;  ///< 1 / product of n (Fourier) and 2 n (others)
  int column_axis() const;       ///< axis of ModeBlock's columns: dim - 2, 0 in 1-D
  int row_axis() const;          ///< axis of ModeBlock's rows: the slow axis; -1 in 1-D
  int outer_axis() const;        ///< axis of ModeBlock::outer: 0 in 3-D, else -1

  /// Forward, visitor, backward. With `sourced` >= 0 only levels [0, sourced) come from the source; the visitor writes the modes of the others.
  /// @note Collective.
  void solve(const Source& source, const Visitor& visit, const Sink& sink, int sourced = -1);
  /// The same between the owned parts of fields: levels first_in ... of `in` to levels first_out ... of `out`. `in` and `out` may be one field.
  /// @note Collective.
  void solve(const Field& in, const Visitor& visit, Field& out, int first_in = 0, int first_out = 0);
  /// Forward only: the visitor sees the modes, nothing comes back.
  /// @note Collective.
  void forward(const Source& source, const Visitor& visit);
  /// Backward only: the visitor writes all modes of each block.
  /// @note Collective.
  void backward(const Visitor& visit, const Sink& sink);

  /// Rows from and to the owned part of a field, levels counted from `first`. The field must outlive the use.
  static Source from(const Field& field, int first = 0);
  static Sink to(Field& field, int first = 0);
  /// field += factor * row
  static Sink add_to(Field& field, double factor, int first = 0);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

extern template class BasicSpectralTransform<double>;
extern template class BasicSpectralTransform<float>;
using SpectralTransform = BasicSpectralTransform<double>;

}  // namespace wasserflow
