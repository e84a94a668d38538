#include "grids/spectral_transform.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <numbers>
#include <type_traits>

#include "grids/line_transform.hpp"
#include "grids/support/errors.hpp"
#include "grids/support/mpi.hpp"
#include "grids/support/pack8.hpp"

namespace wasserflow {
namespace {

constexpr int batch = 8;  // lines a local transform takes at once
template <class T>
constexpr int line_size = 64 / sizeof(T);  // numbers in a cache line
template <class T>
constexpr int block_width = 2 * line_size<T>;          // numbers of a block in one plane: two cache lines
constexpr std::size_t cached = std::size_t{8} << 20U;  // bytes

std::ptrdiff_t round_up(std::ptrdiff_t n, std::ptrdiff_t unit) { return (n + unit - 1) / unit * unit; }
/// Distance of contiguous lines of n numbers: whole cache lines and an odd number of them, so that lines do not fall on the same cache sets.
template <class T>
std::ptrdiff_t line_distance(std::ptrdiff_t n) {
  return round_up(n, 2 * line_size<T>) + line_size<T>;
}

template <class T>
void copy(T* to, const T* from, std::ptrdiff_t n) {
  std::memcpy(to, from, static_cast<std::size_t>(n) * sizeof(T));
}

/// to[c][r] = from[r][c] for `rows` x `columns` elements of `parts` numbers; `from_row`, `to_row`: numbers from row to row.
template <int parts, class T>
void transpose(const T* from, std::ptrdiff_t from_row, int rows, int columns, T* to, std::ptrdiff_t to_row) {
  constexpr int tile = parts == 2 ? 4 : 8;
  const int r_end = rows / tile * tile, c_end = columns / tile * tile;
  const auto tile_at = [&](int r, int c) {
    (parts == 2 ? transpose_complex_4x4<T> : transpose_real_8x8<T>)(from + r * from_row + c * parts, from_row, to + c * to_row + r * parts, to_row);
  };
  if (rows < columns) {
    for (int c = 0; c < c_end; c += tile)
      for (int r = 0; r < r_end; r += tile) tile_at(r, c);
  } else {
    for (int r = 0; r < r_end; r += tile)
      for (int c = 0; c < c_end; c += tile) tile_at(r, c);
  }
  const auto move = [&](int r, int c) { std::memcpy(to + c * to_row + r * parts, from + r * from_row + c * parts, parts * sizeof(T)); };
  for (int c = 0; c < c_end; ++c)
    for (int r = r_end; r < rows; ++r) move(r, c);
  for (int c = c_end; c < columns; ++c)
    for (int r = 0; r < rows; ++r) move(r, c);
}

template <class T>
void transpose(int parts, const T* from, std::ptrdiff_t from_row, int rows, int columns, T* to, std::ptrdiff_t to_row) {
  (parts == 2 ? transpose<2, T> : transpose<1, T>)(from, from_row, rows, columns, to, to_row);
}

template <class T>
MPI_Datatype mpi_type() {
  return std::is_same_v<T, double> ? MPI_DOUBLE : MPI_FLOAT;
}

/// Angle between successive samples of mode k.
double angle(const Axis& axis, int k) {
  const double n = axis.cells;
  switch (axis_transform(axis.boundary)) {
    case AxisTransform::Fourier: return 2 * std::numbers::pi * k / n;
    case AxisTransform::Cosine: return std::numbers::pi * k / n;
    default: return std::numbers::pi * (k + 1) / n;
  }
}

}  // namespace

AxisTransform axis_transform(Boundary boundary) {
  switch (boundary) {
    case Boundary::Periodic: return AxisTransform::Fourier;
    case Boundary::Dirichlet: return AxisTransform::Sine;
    default: return AxisTransform::Cosine;
  }
}

std::vector<double> laplacian_symbol(const Axis& axis, int modes, SymbolKind kind) {
  std::vector<double> symbol(static_cast<std::size_t>(modes));
  const double h = axis.spacing();
  const bool fourier = axis_transform(axis.boundary) == AxisTransform::Fourier;
  for (int k = 0; k < modes; ++k) {
    const double w = kind == SymbolKind::Exact ? angle(axis, fourier ? std::min(k, axis.cells - k) : k) : 2 * std::sin(angle(axis, k) / 2);
    symbol[static_cast<std::size_t>(k)] = w * w / (h * h);
  }
  return symbol;
}

std::vector<double> central_difference_symbol(const Axis& axis, int modes) {
  std::vector<double> symbol(static_cast<std::size_t>(modes));
  const double h = axis.spacing();
  for (int k = 0; k < modes; ++k) {
    const double w = std::sin(angle(axis, k));
    symbol[static_cast<std::size_t>(k)] = w * w / (h * h);
  }
  return symbol;
}

template <class T>
struct BasicSpectralTransform<T>::State {
  static constexpr int width = block_width<T>;

  State(LayoutPtr layout_in, int levels_in);

  LayoutPtr layout;
  int levels;
  int dim;
  std::array<int, 3> modes{1, 1, 1};
  std::array<AxisTransform, 3> kind{};
  std::array<int, 4> parts{1, 1, 1, 1};  // of the data before axis d; parts[dim] of the modes
  int halved = -1;

  // Batches of contiguous lines: x rows in a, their modes in b; y lines in lines, their modes in c; slow lines in s, their modes in block.
  LineTransform<T> x_lines, y_lines, slow_lines;
  std::ptrdiff_t a_distance = 0, b_distance = 0, line = 0, c_distance = 0, s_distance = 0, m_distance = 0;
  FftwBuffer<T> a, b, lines, c, s, block;

  // Blocks of `rows` modes of the axis before the slow one, at one outer mode; a rank owns the blocks first_block[rank] ... first_block[rank + 1]
  // - 1.
  int rows = 0, outers = 1, blocks_per_outer = 0;
  std::ptrdiff_t line_modes = 0;  // numbers of a line of modes of that axis
  std::vector<int> first_block;
  // A piece is the part of a block from one slab: [level][plane][width]. `mine` holds the pieces of all blocks from this slab, `theirs` the pieces of
  // this rank's blocks from the other slabs.
  std::vector<std::ptrdiff_t> piece;                                    // numbers a piece from each rank takes
  std::vector<std::ptrdiff_t> theirs_at;                                // where the pieces of a rank start in `theirs`
  std::vector<int> my_counts, my_offsets, their_counts, their_offsets;  // of the redistribution, in rows of `width` numbers
  FftwBuffer<T> mine, theirs;
  bool large = false;  // `mine` exceeds what a core keeps in cache: it is written past the caches

  // 1-D: the slab of this rank, all slabs, one line a level, transformed `line_batch` at a time.
  int line_batch = batch;
  std::vector<int> line_counts, line_offsets;
  FftwBuffer<T> slab, slabs;

  std::vector<double> row;  // float: a row on its way from a source or to a sink

  void take(const Source& source, int level, std::ptrdiff_t offset, int n, T* to);
  void give(const Sink& sink, int level, std::ptrdiff_t offset, int n, const T* from);
  void plan_line();
  void plan_box();
  int blocks() const { return outers * blocks_per_outer; }
  const T* piece_of(int rank, int index) const {
    return rank == layout->rank() ? mine.data() + index * piece[static_cast<std::size_t>(rank)]
                                  : theirs.data() + theirs_at[static_cast<std::size_t>(rank)] +
                                        (index - first_block[static_cast<std::size_t>(layout->rank())]) * piece[static_cast<std::size_t>(rank)];
  }
  T* piece_of(int rank, int index) { return const_cast<T*>(std::as_const(*this).piece_of(rank, index)); }

  /// `sourced`: levels that come from the source, 0 when there is none; the visitor writes the others.
  void run(const Source* source, int sourced, const Visitor& visit, const Sink* sink);
  void run_line(const Source* source, int sourced, const Visitor& visit, const Sink* sink);
  void local_forward(const Source& source, int sourced);
  void local_backward(const Sink& sink);
  void exchange(bool forward);
  void blocks_pass(const Visitor& visit, int sourced, bool to_sink);
  /// Copies `count` lines of modes of the row axis to `mine`, the first one to its offset `at` and the others `step` apart.
  void pack(const T* modes_of_lines, std::ptrdiff_t distance, int count, std::ptrdiff_t at, std::ptrdiff_t step);
  void unpack(T* modes_of_lines, std::ptrdiff_t distance, int count, std::ptrdiff_t at, std::ptrdiff_t step) const;
  /// Asks for the lines that unpack will copy later: hardware does not foresee where they stand.
  void prefetch(int count, std::ptrdiff_t at, std::ptrdiff_t step) const;
};

template <class T>
BasicSpectralTransform<T>::State::State(LayoutPtr layout_in, int levels_in) : layout(std::move(layout_in)), levels(levels_in), dim(layout->dim()) {
  const Grid& grid = layout->grid();
  for (int d = 0; d < dim; ++d) {
    const auto i = static_cast<std::size_t>(d);
    kind[i] = axis_transform(grid.axis(d).boundary);
    modes[i] = grid.cells(d);
    parts[i + 1] = parts[i];
    if (kind[i] == AxisTransform::Fourier && parts[i] == 1) {
      halved = d;
      parts[i + 1] = 2;
      modes[i] = grid.cells(d) / 2 + 1;
    }
  }
  if (!std::is_same_v<T, double>) row.resize(static_cast<std::size_t>(grid.cells(0)));
  if (dim == 1)
    plan_line();
  else
    plan_box();
}

template <class T>
void BasicSpectralTransform<T>::State::take(const Source& source, int level, std::ptrdiff_t offset, int n, T* to) {
  if constexpr (std::is_same_v<T, double>) {
    source(level, offset, n, to);
  } else {
    source(level, offset, n, row.data());
    for (int i = 0; i < n; ++i) to[i] = static_cast<T>(row[static_cast<std::size_t>(i)]);
  }
}

template <class T>
void BasicSpectralTransform<T>::State::give(const Sink& sink, int level, std::ptrdiff_t offset, int n, const T* from) {
  if constexpr (std::is_same_v<T, double>) {
    sink(level, offset, n, from);
  } else {
    for (int i = 0; i < n; ++i) row[static_cast<std::size_t>(i)] = from[i];
    sink(level, offset, n, row.data());
  }
}

template <class T>
void BasicSpectralTransform<T>::State::plan_line() {
  const int n = layout->grid().cells(0), ranks = layout->ranks();
  a_distance = line_distance<T>(n);
  b_distance = line_distance<T>(static_cast<std::ptrdiff_t>(modes[0]) * parts[1]);
  line_batch = std::min(batch, levels);
  const std::ptrdiff_t padded = round_up(levels, line_batch);
  a = FftwBuffer<T>(static_cast<std::size_t>(padded * a_distance));
  b = FftwBuffer<T>(static_cast<std::size_t>(padded * b_distance));
  x_lines = LineTransform<T>(kind[0], n, 1, line_batch, a_distance, b_distance);
  if (ranks == 1) return;
  for (int r = 0; r < ranks; ++r) {
    line_counts.push_back(levels * layout->count_of(r));
    line_offsets.push_back(levels * layout->first_of(r));
  }
  slab = FftwBuffer<T>(static_cast<std::size_t>(levels) * static_cast<std::size_t>(layout->count()));
  slabs = FftwBuffer<T>(static_cast<std::size_t>(levels) * static_cast<std::size_t>(n));
}

template <class T>
void BasicSpectralTransform<T>::State::plan_box() {
  const Grid& grid = layout->grid();
  const int slow = dim - 1, ranks = layout->ranks(), rank = layout->rank(), planes = grid.cells(slow);
  a_distance = line_distance<T>(grid.cells(0));
  b_distance = line_distance<T>(round_up(static_cast<std::ptrdiff_t>(modes[0]) * parts[1], width));
  a = FftwBuffer<T>(static_cast<std::size_t>(batch * a_distance));
  b = FftwBuffer<T>(static_cast<std::size_t>(batch * b_distance));
  x_lines = LineTransform<T>(kind[0], grid.cells(0), 1, batch, a_distance, b_distance);
  if (dim == 3) {
    line = line_distance<T>(static_cast<std::ptrdiff_t>(grid.cells(1)) * parts[1]);
    c_distance = line_distance<T>(round_up(static_cast<std::ptrdiff_t>(modes[1]) * parts[2], width));
    lines = FftwBuffer<T>(static_cast<std::size_t>(round_up(modes[0], batch) * line));
    c = FftwBuffer<T>(static_cast<std::size_t>(batch * c_distance));
    y_lines = LineTransform<T>(kind[1], grid.cells(1), parts[1], batch, line, c_distance);
    outers = modes[0];
  }
  const auto before = parts[static_cast<std::size_t>(slow)], after = parts[static_cast<std::size_t>(dim)];
  rows = width / before;
  line_modes = static_cast<std::ptrdiff_t>(modes[static_cast<std::size_t>(slow - 1)]) * before;
  blocks_per_outer = (modes[static_cast<std::size_t>(slow - 1)] + rows - 1) / rows;
  for (int r = 0; r <= ranks; ++r) first_block.push_back(static_cast<int>(static_cast<std::int64_t>(blocks()) * r / ranks));
  const auto owned_blocks = [&](int r) { return first_block[static_cast<std::size_t>(r) + 1] - first_block[static_cast<std::size_t>(r)]; };
  int mine_rows = 0, their_rows = 0;
  for (int r = 0; r < ranks; ++r) {
    piece.push_back((static_cast<std::ptrdiff_t>(levels) * layout->count_of(r) + 1) * width);  // one row more keeps blocks off the same cache sets
    const int my_piece = levels * layout->count() + 1, their_piece = levels * layout->count_of(r) + 1;
    my_counts.push_back(r == rank ? 0 : owned_blocks(r) * my_piece);
    my_offsets.push_back(first_block[static_cast<std::size_t>(r)] * my_piece);
    their_counts.push_back(r == rank ? 0 : owned_blocks(rank) * their_piece);
    their_offsets.push_back(their_rows);
    theirs_at.push_back(static_cast<std::ptrdiff_t>(their_rows) * width);
    mine_rows += owned_blocks(r) * my_piece;
    their_rows += their_counts.back();
  }
  mine = FftwBuffer<T>(static_cast<std::size_t>(mine_rows) * width);
  large = mine.size() * sizeof(T) > cached;
  theirs = FftwBuffer<T>(static_cast<std::size_t>(their_rows) * width);
  s_distance = line_distance<T>(static_cast<std::ptrdiff_t>(planes) * before);
  m_distance = line_distance<T>(static_cast<std::ptrdiff_t>(modes[static_cast<std::size_t>(slow)]) * after);
  s = FftwBuffer<T>(static_cast<std::size_t>(rows * s_distance));
  block = FftwBuffer<T>(static_cast<std::size_t>(levels * rows * m_distance));
  slow_lines = LineTransform<T>(kind[static_cast<std::size_t>(slow)], planes, before, rows, s_distance, m_distance);
}

template <class T>
void BasicSpectralTransform<T>::State::run(const Source* source, int sourced, const Visitor& visit, const Sink* sink) {
  if (dim == 1) return run_line(source, sourced, visit, sink);
  if (source) {
    local_forward(*source, sourced);
    exchange(true);
  }
  blocks_pass(visit, sourced, sink != nullptr);
  if (sink) {
    exchange(false);
    local_backward(*sink);
  }
}

template <class T>
void BasicSpectralTransform<T>::State::run_line(const Source* source, int sourced, const Visitor& visit, const Sink* sink) {
  const int n = layout->grid().cells(0), count = layout->count(), ranks = layout->ranks();
  if (source) {
    if (ranks == 1) {
      for (int l = 0; l < sourced; ++l) take(*source, l, 0, n, a.data() + l * a_distance);
    } else {
      for (int l = 0; l < sourced; ++l) take(*source, l, 0, count, slab.data() + static_cast<std::ptrdiff_t>(l) * count);
      MPI_Allgatherv(slab.data(), levels * count, mpi_type<T>(), slabs.data(), line_counts.data(), line_offsets.data(), mpi_type<T>(),
                     layout->comm());
      for (int r = 0; r < ranks; ++r)
        for (int l = 0; l < levels; ++l)
          copy(a.data() + l * a_distance + layout->first_of(r),
               slabs.data() + line_offsets[static_cast<std::size_t>(r)] + static_cast<std::ptrdiff_t>(l) * layout->count_of(r), layout->count_of(r));
    }
    for (int l = 0; l < sourced; l += line_batch) x_lines.forward(a.data() + l * a_distance, b.data() + l * b_distance);
  }
  BasicModeBlock<T> modes_block;
  modes_block.data = b.data();
  modes_block.level_stride = b_distance;
  modes_block.pitch = b_distance;
  modes_block.levels = levels;
  modes_block.parts = parts[1];
  modes_block.columns = modes[0];
  visit(modes_block);
  if (sink) {
    for (int l = 0; l < levels; l += line_batch) x_lines.backward(b.data() + l * b_distance, a.data() + l * a_distance);
    for (int l = 0; l < levels; ++l) give(*sink, l, 0, count, a.data() + l * a_distance + layout->first());
  }
}

template <class T>
void BasicSpectralTransform<T>::State::pack(const T* from, std::ptrdiff_t distance, int count, std::ptrdiff_t at, std::ptrdiff_t step) {
  const std::ptrdiff_t size = piece[static_cast<std::size_t>(layout->rank())];
  for (int k = 0; k < blocks_per_outer; ++k, at += size, from += width)
    for (int i = 0; i < count; ++i)
      for (int c = 0; c < width; c += 8) {
        T* const to = mine.data() + at + i * step + c;
        if (large)
          stream8(to, load8(from + i * distance + c));
        else
          store8(to, load8(from + i * distance + c));
      }
}

template <class T>
void BasicSpectralTransform<T>::State::unpack(T* to, std::ptrdiff_t distance, int count, std::ptrdiff_t at, std::ptrdiff_t step) const {
  const std::ptrdiff_t size = piece[static_cast<std::size_t>(layout->rank())];
  const std::ptrdiff_t whole = line_modes / width;
  for (std::ptrdiff_t k = 0; k < whole; ++k)
    for (int i = 0; i < count; ++i) copy(to + i * distance + k * width, mine.data() + at + k * size + i * step, width);
  // The padding behind the last mode stays 0: it would grow from solve to solve.
  for (int i = 0; i < count; ++i) copy(to + i * distance + whole * width, mine.data() + at + whole * size + i * step, line_modes % width);
}

template <class T>
void BasicSpectralTransform<T>::State::prefetch(int count, std::ptrdiff_t at, std::ptrdiff_t step) const {
  const std::ptrdiff_t size = piece[static_cast<std::size_t>(layout->rank())];
  for (int k = 0; k < blocks_per_outer; ++k)
    for (int i = 0; i < count; ++i)
      for (int c = 0; c < width; c += line_size<T>) __builtin_prefetch(mine.data() + at + k * size + i * step + c, 0, 2);
}

template <class T>
void BasicSpectralTransform<T>::State::local_forward(const Source& source, int sourced) {
  const int nx = layout->grid().cells(0), planes = layout->count();
  for (int l = 0; l < sourced; ++l) {
    if (dim == 2) {
      for (int j = 0; j < planes; j += batch) {
        const int count = std::min(batch, planes - j);
        for (int i = 0; i < count; ++i) take(source, l, static_cast<std::ptrdiff_t>(j + i) * nx, nx, a.data() + i * a_distance);
        x_lines.forward(a.data(), b.data());
        pack(b.data(), b_distance, count, (static_cast<std::ptrdiff_t>(l) * planes + j) * width, width);
      }
      continue;
    }
    const int ny = layout->grid().cells(1);
    const std::ptrdiff_t step = blocks_per_outer * piece[static_cast<std::size_t>(layout->rank())];
    for (int z = 0; z < planes; ++z) {
      const std::ptrdiff_t plane = (static_cast<std::ptrdiff_t>(l) * planes + z) * width;
      for (int y = 0; y < ny; y += batch) {
        const int count = std::min(batch, ny - y);
        for (int i = 0; i < count; ++i) take(source, l, (static_cast<std::ptrdiff_t>(z) * ny + y + i) * nx, nx, a.data() + i * a_distance);
        x_lines.forward(a.data(), b.data());
        transpose(parts[1], b.data(), b_distance, count, modes[0], lines.data() + static_cast<std::ptrdiff_t>(y) * parts[1], line);
      }
      for (int k = 0; k < modes[0]; k += batch) {
        y_lines.forward(lines.data() + k * line, c.data());
        pack(c.data(), c_distance, std::min(batch, modes[0] - k), plane + k * step, step);
      }
    }
  }
  if (large) stream_fence();
}

template <class T>
void BasicSpectralTransform<T>::State::local_backward(const Sink& sink) {
  const int nx = layout->grid().cells(0), planes = layout->count();
  for (int l = 0; l < levels; ++l) {
    if (dim == 2) {
      for (int j = 0; j < planes; j += batch) {
        const int count = std::min(batch, planes - j);
        unpack(b.data(), b_distance, count, (static_cast<std::ptrdiff_t>(l) * planes + j) * width, width);
        x_lines.backward(b.data(), a.data());
        for (int i = 0; i < count; ++i) give(sink, l, static_cast<std::ptrdiff_t>(j + i) * nx, nx, a.data() + i * a_distance);
      }
      continue;
    }
    const int ny = layout->grid().cells(1);
    const std::ptrdiff_t step = blocks_per_outer * piece[static_cast<std::size_t>(layout->rank())];
    for (int z = 0; z < planes; ++z) {
      const std::ptrdiff_t plane = (static_cast<std::ptrdiff_t>(l) * planes + z) * width;
      for (int k = 0; k < modes[0]; k += batch) {
        unpack(c.data(), c_distance, std::min(batch, modes[0] - k), plane + k * step, step);
        if (large) prefetch(std::min(batch, modes[0] - k - batch), plane + (k + batch) * step, step);
        y_lines.backward(c.data(), lines.data() + k * line);
      }
      for (int y = 0; y < ny; y += batch) {
        const int count = std::min(batch, ny - y);
        transpose(parts[1], lines.data() + static_cast<std::ptrdiff_t>(y) * parts[1], line, modes[0], count, b.data(), b_distance);
        x_lines.backward(b.data(), a.data());
        for (int i = 0; i < count; ++i) give(sink, l, (static_cast<std::ptrdiff_t>(z) * ny + y + i) * nx, nx, a.data() + i * a_distance);
      }
    }
  }
}

template <class T>
void BasicSpectralTransform<T>::State::exchange(bool forward) {
  if (layout->ranks() == 1) return;
  // Counts are in rows of `width` numbers (two cache lines): they stay in an int up to 256 GB a rank.
  MPI_Datatype row;
  MPI_Type_contiguous(width, mpi_type<T>(), &row);
  MPI_Type_commit(&row);
  if (forward)
    MPI_Alltoallv(mine.data(), my_counts.data(), my_offsets.data(), row, theirs.data(), their_counts.data(), their_offsets.data(), row,
                  layout->comm());
  else
    MPI_Alltoallv(theirs.data(), their_counts.data(), their_offsets.data(), row, mine.data(), my_counts.data(), my_offsets.data(), row,
                  layout->comm());
  MPI_Type_free(&row);
}

template <class T>
void BasicSpectralTransform<T>::State::blocks_pass(const Visitor& visit, int sourced, bool to_sink) {
  const auto slow = static_cast<std::size_t>(dim - 1);
  const int rank = layout->rank(), ranks = layout->ranks(), before = parts[slow];
  BasicModeBlock<T> m;
  m.data = block.data();
  m.levels = levels;
  m.parts = parts[static_cast<std::size_t>(dim)];
  m.pitch = m_distance;
  m.columns = modes[slow];
  m.level_stride = rows * m_distance;
  for (int k = first_block[static_cast<std::size_t>(rank)]; k < first_block[static_cast<std::size_t>(rank) + 1]; ++k) {
    m.outer = k / blocks_per_outer;
    m.first_row = k % blocks_per_outer * rows;
    m.rows = std::min(rows, modes[slow - 1] - m.first_row);
    for (int l = 0; l < sourced; ++l) {
      for (int r = 0; r < ranks; ++r)
        transpose(before, piece_of(r, k) + static_cast<std::ptrdiff_t>(l) * layout->count_of(r) * width, width, layout->count_of(r), rows,
                  s.data() + static_cast<std::ptrdiff_t>(layout->first_of(r)) * before, s_distance);
      slow_lines.forward(s.data(), m.data + l * m.level_stride);
    }
    visit(m);
    for (int l = 0; to_sink && l < levels; ++l) {
      slow_lines.backward(m.data + l * m.level_stride, s.data());
      for (int r = 0; r < ranks; ++r)
        transpose(before, s.data() + static_cast<std::ptrdiff_t>(layout->first_of(r)) * before, s_distance, rows, layout->count_of(r),
                  piece_of(r, k) + static_cast<std::ptrdiff_t>(l) * layout->count_of(r) * width, width);
    }
  }
}

template <class T>
BasicSpectralTransform<T>::BasicSpectralTransform(LayoutPtr layout, int levels) : state_(std::make_unique<State>(std::move(layout), levels)) {}
template <class T>
BasicSpectralTransform<T>::~BasicSpectralTransform() = default;
template <class T>
BasicSpectralTransform<T>::BasicSpectralTransform(BasicSpectralTransform&&) noexcept = default;
template <class T>
BasicSpectralTransform<T>& BasicSpectralTransform<T>::operator=(BasicSpectralTransform&&) noexcept = default;

template <class T>
const SlabLayout& BasicSpectralTransform<T>::layout() const {
  return *state_->layout;
}
template <class T>
int BasicSpectralTransform<T>::levels() const {
  return state_->levels;
}
template <class T>
AxisTransform BasicSpectralTransform<T>::kind(int axis) const {
  return state_->kind[static_cast<std::size_t>(axis)];
}
template <class T>
int BasicSpectralTransform<T>::modes(int axis) const {
  return axis >= 0 && axis < state_->dim ? state_->modes[static_cast<std::size_t>(axis)] : 1;
}
template <class T>
int BasicSpectralTransform<T>::parts() const {
  return state_->parts[static_cast<std::size_t>(state_->dim)];
}
template <class T>
bool BasicSpectralTransform<T>::halved(int axis) const {
  return state_->halved == axis;
}
template <class T>
int BasicSpectralTransform<T>::column_axis() const {
  return state_->dim - 1;
}
template <class T>
int BasicSpectralTransform<T>::row_axis() const {
  return state_->dim - 2;
}
template <class T>
int BasicSpectralTransform<T>::outer_axis() const {
  return state_->dim == 3 ? 0 : -1;
}

template <class T>
double BasicSpectralTransform<T>::normalisation() const {
  double product = 1;
  for (int d = 0; d < state_->dim; ++d) product *= state_->layout->grid().cells(d) * (kind(d) == AxisTransform::Fourier ? 1.0 : 2.0);
  return 1 / product;
}

template <class T>
void BasicSpectralTransform<T>::solve(const Source& source, const Visitor& visit, const Sink& sink, int sourced) {
  state_->run(&source, sourced < 0 ? levels() : sourced, visit, &sink);
}
template <class T>
void BasicSpectralTransform<T>::forward(const Source& source, const Visitor& visit) {
  state_->run(&source, levels(), visit, nullptr);
}
template <class T>
void BasicSpectralTransform<T>::backward(const Visitor& visit, const Sink& sink) {
  state_->run(nullptr, 0, visit, &sink);
}

template <class T>
void BasicSpectralTransform<T>::solve(const Field& in, const Visitor& visit, Field& out, int first_in, int first_out) {
  solve(from(in, first_in), visit, to(out, first_out));
}

template <class T>
typename BasicSpectralTransform<T>::Source BasicSpectralTransform<T>::from(const Field& field, int first) {
  return [&field, first](int level, std::ptrdiff_t offset, int n, double* row) { copy(row, field.level(first + level) + offset, n); };
}

template <class T>
typename BasicSpectralTransform<T>::Sink BasicSpectralTransform<T>::to(Field& field, int first) {
  const bool large = static_cast<std::size_t>(field.layout().owned()) * static_cast<std::size_t>(field.levels()) * sizeof(double) > cached;
  return [&field, first, large](int level, std::ptrdiff_t offset, int n, const double* row) {
    double* to = field.level(first + level) + offset;
    if (!large) return copy(to, row, n);
    const std::ptrdiff_t head = std::min<std::ptrdiff_t>(n, (-(reinterpret_cast<std::intptr_t>(to) / 8) & 7));
    copy(to, row, head);
    std::ptrdiff_t i = head;
    for (; i + 8 <= n; i += 8) stream8(to + i, load8(row + i));
    copy(to + i, row + i, n - i);
    stream_fence();
  };
}

template <class T>
typename BasicSpectralTransform<T>::Sink BasicSpectralTransform<T>::add_to(Field& field, double factor, int first) {
  return [&field, factor, first](int level, std::ptrdiff_t offset, int n, const double* row) {
    double* __restrict values = field.level(first + level) + offset;
    for (int i = 0; i < n; ++i) values[i] += factor * row[i];
  };
}

template class BasicSpectralTransform<double>;
template class BasicSpectralTransform<float>;

}  // namespace wasserflow
