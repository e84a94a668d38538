#include "solvers/pushforward.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "grids/reduce.hpp"
#include "grids/row_neighbours.hpp"
#include "grids/support/errors.hpp"

namespace wasserflow {
namespace {

constexpr double whole = 0x1p61;  ///< fixed-point units of all mass
constexpr int widest = 64;        ///< cells that the image of one cell may cover along an axis: maps jump, and a jump is no stretch
constexpr double narrowest = 1e-3;

/// Image of a cell along one axis, in cells; cell j is [j - 1/2, j + 1/2].
struct Interval {
  double low, high;
};

/// phi at the points i - 2 ... i + 2 of a line of n >= 3; values beyond its ends are not used. factor = t / h^2.
struct Stencil {
  double p[5];
};

Interval image(const Stencil& phi, double factor, int i, int n) {
  const double* p = phi.p + 2;
  // Width of the image of cell i + k; a cell at an end takes that of its neighbour.
  const auto width = [&](int k) {
    const int c = std::min(std::max(i + k, 1), n - 2) - i;
    return std::max(narrowest, 1 - factor * (p[c + 1] - 2 * p[c] + p[c - 1]));
  };
  double w = width(0), centre;
  if (i == 0) {
    centre = i + 0.5 - factor * (p[1] - p[0]) - 0.5 * w;
  } else if (i == n - 1) {
    centre = i - 0.5 - factor * (p[0] - p[-1]) + 0.5 * w;
  } else {
    centre = i - 0.5 * factor * (p[1] - p[-1]);
    // A map that tears the mass apart jumps from one cell to the next, and both seem stretched: each of them belongs to its own side.
    const double left = width(-1), right = width(1);
    if (w > 1 + 3 * std::min(left, right)) {
      w = std::min(left, right);
      centre = left < right ? i - 0.5 - factor * (p[0] - p[-1]) + 0.5 * left : i + 0.5 - factor * (p[1] - p[0]) - 0.5 * right;
    }
  }
  w = std::min(static_cast<double>(widest), w);
  // Shifted into the box as a whole; in this order of arguments NaN stays inside too.
  const double end = n - 0.5, half = 0.5 * std::min(static_cast<double>(n), w), c = std::min(end - half, std::max(half - 0.5, centre));
  return {c - half, c + half};
}

Stencil stencil(const RowNeighbours& near, int d, int i) {
  return {{near.at(d, -2)[i], near.at(d, -1)[i], near.at(d, 0)[i], near.at(d, 1)[i], near.at(d, 2)[i]}};
}

/// Cells that an interval meets, with their shares.
struct Shares {
  int first, count;
  double weight[widest + 2];

  /// `slope`: relative change of the density across the cell, in [-2, 2].
  void set(const Interval& s, double slope, int n) {
    first = std::min(std::max(static_cast<int>(std::floor(s.low + 0.5)), 0), n - 1);
    const int last = std::min(std::max(static_cast<int>(std::ceil(s.high - 0.5)), first), n - 1);
    count = last - first + 1;
    const double inverse = 1 / (s.high - s.low);
    double before = 0;
    for (int j = 0; j < count - 1; ++j) {
      // Share of the image up to the upper end of cell first + j: int of 1 + slope (v - 1/2).
      const double v = std::min((first + j + 0.5 - s.low) * inverse, 1.0), share = v + 0.5 * slope * v * (v - 1);
      weight[j] = share - before;
      before = share;
    }
    weight[count - 1] = 1 - before;
  }
  /// Mean square of the distance from point i to the cells.
  double spread(double i) const {
    double sum = 0;
    for (int j = 0; j < count; ++j) {
      const double d = first + j - i;
      sum += weight[j] * d * d;
    }
    return sum;
  }
};

double relative_slope(double below, double here, double above) { return std::min(std::max(0.5 * (above - below) / here, -2.0), 2.0); }

/// Calls f(cell, part) for the parts of `mass`, which add up to it exactly.
template <class F>
void split(const Shares& s, std::int64_t mass, F&& f) {
  const double m = static_cast<double>(mass);
  std::int64_t rest = mass;
  for (int j = 0; j < s.count - 1; ++j) {
    const std::int64_t part = std::min(rest, static_cast<std::int64_t>(m * s.weight[j]));
    rest -= part;
    f(s.first + j, part);
  }
  f(s.first + s.count - 1, rest);
}

/// Index of point i of row r along axis d, in the whole grid.
int index_of(const SlabLayout& s, const RowPoints& row, int r, int i, int d) {
  if (s.dim() == 1) return s.first() + static_cast<int>(row.offset) + i;
  if (d == 0) return i;
  if (s.dim() == 2) return s.first() + r;
  return d == 1 ? r % s.grid().cells(1) : s.first() + r / s.grid().cells(1);
}

}  // namespace

void gradient_map(Field& phi, double t, std::vector<Field>& T) {
  const SlabLayout& s = phi.layout();
  phi.exchange_ghosts();
  RowNeighbours near(phi.layout_ptr(), 2);
  for (int r = 0; r < s.rows(); ++r) {
    const RowPoints row = s.row(r);
    near.load(phi.level(), r);
    for (int d = 0; d < s.dim(); ++d) {
      const Axis& axis = s.grid().axis(d);
      const double h = axis.spacing(), factor = t / (h * h);
      double* out = T[static_cast<std::size_t>(d)].level() + row.offset;
      for (int i = 0; i < row.n; ++i) {
        const Interval to = image(stencil(near, d, i), factor, index_of(s, row, r, i, d), axis.cells);
        out[i] = axis.lower + h * (0.5 * (to.low + to.high) + 0.5);
      }
    }
  }
}

Pushforward::Pushforward(LayoutPtr layout) : layout_(std::move(layout)), mine_(static_cast<std::size_t>(layout_->owned())) {
  for (const Axis& axis : layout_->grid().axes())
    if (axis.cells < 3) throw InternalError("Pushforward: an axis has fewer than 3 cells");
}

void Pushforward::apply(Field& phi, Field& rho, double t, Field& out, PlanFigures* figures, std::vector<Field>* origins) {
  const SlabLayout& s = *layout_;
  const double total = sum(rho);
  scale_ = total > 0 ? whole / total : 0;
  phi.exchange_ghosts();
  rho.exchange_ghosts();

  // Planes that receive something.
  const int slow = s.slow_axis(), n = s.slow_cells();
  const double factor = t / (s.grid().spacing(slow) * s.grid().spacing(slow));
  const double *p = phi.level(), *m = rho.level();
  double low = std::numeric_limits<double>::infinity(), high = -low;
  for (int k = 0; k < s.count(); ++k)
    for (std::ptrdiff_t i = k * s.plane(); i < (k + 1) * s.plane(); ++i) {
      if (!(m[i] * scale_ >= 0.5)) continue;
      const Interval to = image({{p[i - 2 * s.plane()], p[i - s.plane()], p[i], p[i + s.plane()], p[i + 2 * s.plane()]}}, factor, s.first() + k, n);
      low = std::min(low, to.low), high = std::max(high, to.high);
    }
  begin_ = low <= high ? std::max(0, static_cast<int>(std::floor(low + 0.5))) : 0;
  end_ = low <= high ? std::min(n, static_cast<int>(std::ceil(high - 0.5)) + 1) : 0;

  const std::size_t size = static_cast<std::size_t>(end_ - begin_) * static_cast<std::size_t>(s.plane());
  planes_.assign(size, 0);
  const bool measured = figures != nullptr;
  const int moments = measured && origins != nullptr ? s.dim() : 0;
  for (int d = 0; d < moments; ++d) moments_[static_cast<std::size_t>(d)].assign(size, 0);
  for (int d = moments; d < 3; ++d) moments_[static_cast<std::size_t>(d)].clear();
  dispatch_dim(s.dim(), [&](auto dim) {
    if (measured)
      deposit<decltype(dim)::value, true>(phi, rho, t, figures);
    else
      deposit<decltype(dim)::value, false>(phi, rho, t, figures);
  });
  collect(planes_);
  const double back = scale_ > 0 ? 1 / scale_ : 0;
  double* o = out.level();
  for (std::ptrdiff_t i = 0; i < s.owned(); ++i) o[i] = static_cast<double>(mine_[static_cast<std::size_t>(i)]) * back;
  for (int d = 0; d < moments; ++d) {
    collect(moments_[static_cast<std::size_t>(d)]);
    const Axis& axis = s.grid().axis(d);
    double* x = (*origins)[static_cast<std::size_t>(d)].level();
    for (int r = 0; r < s.rows(); ++r) {
      const RowPoints row = s.row(r);
      for (int i = 0; i < row.n; ++i) {
        const std::ptrdiff_t at = row.offset + i;
        const double own = d == 0 ? row.x[i] : d == 1 ? row.y : row.z;
        x[at] = o[at] > 0 ? axis.lower + axis.length() * (static_cast<double>(mine_[static_cast<std::size_t>(at)]) * back / o[at]) : own;
      }
    }
  }
}

template <int D, bool measured>
void Pushforward::deposit(const Field& phi, const Field& rho, double t, PlanFigures* figures) {
  const SlabLayout& s = *layout_;
  const Grid& grid = s.grid();
  const int nx = grid.cells(0), ny = grid.cells(1);
  double factor[D], inverse_cells[D];
  for (int d = 0; d < D; ++d) factor[d] = t / (grid.spacing(d) * grid.spacing(d)), inverse_cells[d] = 1.0 / grid.cells(d);
  RowNeighbours near(phi.layout_ptr(), 2), masses(rho.layout_ptr(), 1);
  Shares share[D];
  std::vector<double> cost(measured ? static_cast<std::size_t>(std::max(SlabLayout::row_limit, nx)) : 0);
  std::array<ExactSum, 2> sums;
  const bool with_origins = measured && !moments_[0].empty();
  for (int r = 0; r < s.rows(); ++r) {
    const RowPoints row = s.row(r);
    near.load(phi.level(), r);
    masses.load(rho.level(), r);
    const double* m = rho.level() + row.offset;
    for (int i = 0; i < row.n; ++i) {
      const auto mass = static_cast<std::int64_t>(m[i] * scale_ + 0.5);
      if constexpr (measured) cost[static_cast<std::size_t>(i)] = 0;
      if (mass <= 0) continue;
      int index[D];
      for (int d = 0; d < D; ++d) {
        index[d] = index_of(s, row, r, i, d);
        share[d].set(image(stencil(near, d, i), factor[d], index[d], grid.cells(d)), relative_slope(masses.at(d, -1)[i], m[i], masses.at(d, 1)[i]),
                     grid.cells(d));
      }
      const auto add = [&](std::ptrdiff_t at, std::int64_t part) {
        planes_[static_cast<std::size_t>(at)] += part;
        if constexpr (measured)
          if (with_origins)
            for (int d = 0; d < D; ++d)
              moments_[static_cast<std::size_t>(d)][static_cast<std::size_t>(at)] +=
                  static_cast<std::int64_t>(static_cast<double>(part) * ((index[d] + 0.5) * inverse_cells[d]));
      };
      const auto row_of = [&](std::ptrdiff_t base, std::int64_t part) { split(share[0], part, [&](int x, std::int64_t q) { add(base + x, q); }); };
      if constexpr (D == 1) row_of(-begin_, mass);
      if constexpr (D == 2) split(share[1], mass, [&](int y, std::int64_t part) { row_of(static_cast<std::ptrdiff_t>(y - begin_) * nx, part); });
      if constexpr (D == 3)
        split(share[2], mass, [&](int z, std::int64_t plane) {
          split(share[1], plane, [&](int y, std::int64_t part) { row_of((static_cast<std::ptrdiff_t>(z - begin_) * ny + y) * nx, part); });
        });
      if constexpr (measured)
        for (int d = 0; d < D; ++d) cost[static_cast<std::size_t>(i)] += 0.5 * m[i] * grid.spacing(d) * grid.spacing(d) * share[d].spread(index[d]);
    }
    if constexpr (measured) {
      add_row(sums[0], s, m, row.n);
      add_row(sums[1], s, cost.data(), row.n);
    }
  }
  if constexpr (measured) {
    ExactSum::reduce(s.comm(), sums);
    figures->mass = sums[0].value() * grid.cell_volume();
    figures->cost = sums[1].value() * grid.cell_volume();
  }
}

void Pushforward::collect(std::vector<std::int64_t>& planes) {
  const SlabLayout& s = *layout_;
  const auto ranks = static_cast<std::size_t>(s.ranks());
  std::vector<std::array<int, 2>> filled(ranks);
  const std::array<int, 2> range{begin_, end_};
  MPI_Allgather(range.data(), 2, MPI_INT, filled.data(), 2, MPI_INT, s.comm());
  std::vector<int> send_counts, send_at, receive_counts, receive_at;
  int received = 0;
  for (std::size_t r = 0; r < ranks; ++r) {
    const int low = s.first_of(static_cast<int>(r)), high = low + s.count_of(static_cast<int>(r));
    const int from = std::max(begin_, low), count = std::max(0, std::min(end_, high) - from);
    send_counts.push_back(count), send_at.push_back(count > 0 ? from - begin_ : 0);
    const int first = std::max(filled[r][0], s.first()), taken = std::max(0, std::min(filled[r][1], s.first() + s.count()) - first);
    receive_counts.push_back(taken), receive_at.push_back(received);
    received += taken;
  }
  const std::size_t plane = static_cast<std::size_t>(s.plane());
  incoming_.resize(std::max(incoming_.size(), static_cast<std::size_t>(received) * plane));
  MPI_Datatype type;
  MPI_Type_contiguous(static_cast<int>(plane), MPI_INT64_T, &type);
  MPI_Type_commit(&type);
  MPI_Alltoallv(planes.data(), send_counts.data(), send_at.data(), type, incoming_.data(), receive_counts.data(), receive_at.data(), type, s.comm());
  MPI_Type_free(&type);
  std::fill(mine_.begin(), mine_.end(), 0);
  for (std::size_t r = 0; r < ranks; ++r) {
    if (receive_counts[r] == 0) continue;
    const auto first = static_cast<std::size_t>(std::max(filled[r][0], s.first()) - s.first());
    const std::int64_t* from = incoming_.data() + static_cast<std::size_t>(receive_at[r]) * plane;
    std::int64_t* to = mine_.data() + first * plane;
    const std::size_t count = static_cast<std::size_t>(receive_counts[r]) * plane;
    for (std::size_t i = 0; i < count; ++i) to[i] += from[i];
  }
}

}  // namespace wasserflow
