#include "solvers/phase_diagnostics.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "grids/reduce.hpp"
#include "grids/support/errors.hpp"
#include "grids/support/mpi.hpp"

namespace wasserflow {
namespace {

/// Node nearest to the centre of the box.
int central_node(const Axis& axis) { return std::clamp(static_cast<int>(std::floor(0.5 * axis.cells - axis.offset + 0.5)), 0, axis.cells - 1); }

/// The x line through the centre, on every rank.
/// @note Collective.
std::vector<double> central_line(const Field& u, int field_level) {
  const SlabLayout& s = u.layout();
  const Grid& grid = s.grid();
  std::vector<double> line(static_cast<std::size_t>(grid.cells(0)));
  const double* values = u.level(field_level);
  if (s.dim() == 1) {
    std::vector<int> counts, firsts;
    for (int r = 0; r < s.ranks(); ++r) counts.push_back(s.count_of(r)), firsts.push_back(s.first_of(r));
    MPI_Allgatherv(values, s.count(), MPI_DOUBLE, line.data(), counts.data(), firsts.data(), MPI_DOUBLE, s.comm());
    return line;
  }
  const int plane = central_node(grid.axis(s.slow_axis()));
  int owner = 0;
  while (s.first_of(owner + 1) <= plane) ++owner;
  if (owner == s.rank()) {
    const std::ptrdiff_t row = s.dim() == 3 ? static_cast<std::ptrdiff_t>(central_node(grid.axis(1))) * grid.cells(0) : 0;
    std::copy_n(values + (plane - s.first()) * s.plane() + row, line.size(), line.begin());
  }
  MPI_Bcast(line.data(), static_cast<int>(line.size()), MPI_DOUBLE, owner, s.comm());
  return line;
}

}  // namespace

double front_position(const Field& u, double level, int field_level) {
  const std::vector<double> line = central_line(u, field_level);
  const Axis& axis = u.layout().grid().axis(0);
  const double centre = 0.5 * (axis.lower + axis.upper);
  const int n = axis.cells;
  const int last = axis.boundary == Boundary::Periodic ? n : n - 1;  // a periodic line ends at the image of its first node
  for (int i = 0; i < last; ++i) {
    if (!(axis.node(i + 1) >= centre)) continue;
    const double a = line[static_cast<std::size_t>(i)] - level, b = line[static_cast<std::size_t>((i + 1) % n)] - level;
    if (!((a < 0) != (b < 0))) continue;
    const double at = axis.node(i) + a / (a - b) * axis.spacing();
    if (at >= centre) return at - centre;
  }
  return std::numeric_limits<double>::quiet_NaN();
}

StructureFactor structure_factor(SpectralTransform& transform, const Field& u, int field_level) {
  const SlabLayout& s = u.layout();
  const Grid& grid = s.grid();
  if (transform.levels() != 1) throw InternalError("structure_factor needs a transform of one level");
  // Of an axis: wave numbers of its modes, squared; what makes the sum over modes of weight |mode|^2 the mean square of u; modes that each one stands
  // for.
  struct AxisModes {
    std::vector<double> k2{0.0}, weight{1.0}, count{1.0};
  };
  const auto modes_of = [&](int d) {
    AxisModes out;
    if (d < 0) return out;
    const Axis& axis = grid.axis(d);
    const double n = axis.cells;
    const int modes = transform.modes(d);
    out.k2 = laplacian_symbol(axis, modes, SymbolKind::Exact);
    out.weight.assign(static_cast<std::size_t>(modes), 1 / (2 * n * n));
    out.count.assign(static_cast<std::size_t>(modes), 1.0);
    switch (transform.kind(d)) {
      case AxisTransform::Fourier:
        out.weight.assign(static_cast<std::size_t>(modes), 1 / (n * n));
        if (transform.halved(d))
          for (int k = 1; 2 * k < axis.cells; ++k) out.count[static_cast<std::size_t>(k)] = 2;
        break;
      case AxisTransform::Cosine: out.weight.front() *= 0.5; break;
      case AxisTransform::Sine: out.weight.back() *= 0.5; break;
    }
    return out;
  };
  const AxisModes row = modes_of(transform.row_axis()), column = modes_of(transform.column_axis()), outer = modes_of(transform.outer_axis());
  double longest = 0;
  for (const Axis& axis : grid.axes()) longest = std::max(longest, axis.length());
  const double width = 2 * std::numbers::pi / longest, per_width = 1 / width;
  const double most = std::sqrt(*std::max_element(row.k2.begin(), row.k2.end()) + *std::max_element(column.k2.begin(), column.k2.end()) +
                                *std::max_element(outer.k2.begin(), outer.k2.end()));
  const std::size_t shells = static_cast<std::size_t>(most / width + 0.5) + 2;

  const double mean = sum(u, field_level) / static_cast<double>(grid.size());
  std::vector<ExactSum> power(shells + 1);  // of each shell; the last one: sum k |u_k|^2
  std::vector<double> count(shells, 0.0);
  const double* const values = u.level(field_level);
  const auto source = [&](int, std::ptrdiff_t offset, int n, double* out) {
    for (int i = 0; i < n; ++i) out[i] = values[offset + i] - mean;
  };
  const bool mine = s.dim() > 1 || s.rank() == 0;  // in 1-D every rank sees all modes
  transform.forward(source, [&](const ModeBlock& block) {
    if (!mine) return;
    const auto o = static_cast<std::size_t>(block.outer);
    for (int j = 0; j < block.rows; ++j) {
      const auto r = static_cast<std::size_t>(transform.row_axis() < 0 ? 0 : block.first_row + j);
      const double* const data = block.data + j * block.pitch;
      double moment = 0;  // of the row, which is whole on every number of ranks
      for (int i = 0; i < block.columns; ++i) {
        const auto c = static_cast<std::size_t>(i);
        const double re = data[i * block.parts], im = block.parts == 2 ? data[i * block.parts + 1] : 0;
        const double modes = row.count[r] * column.count[c] * outer.count[o];
        const double square = modes * (row.weight[r] * column.weight[c] * outer.weight[o] * (re * re + im * im));
        const double k = std::sqrt(row.k2[r] + column.k2[c] + outer.k2[o]);
        const auto shell = static_cast<std::size_t>(k * per_width + 0.5);
        power[shell] += square;
        moment += k * square;
        count[shell] += modes;
      }
      power[shells] += moment;
    }
  });
  ExactSum::reduce(s.comm(), power);
  MPI_Allreduce(MPI_IN_PLACE, count.data(), static_cast<int>(shells), MPI_DOUBLE, MPI_SUM, s.comm());
  StructureFactor out;
  double variance = 0;
  for (std::size_t b = 0; b < shells; ++b) {
    const double total = power[b].value();
    variance += total;
    out.k.push_back(static_cast<double>(b) * width);
    out.modes.push_back(count[b]);
    out.s.push_back(count[b] > 0 ? total / count[b] : 0);
  }
  const double moment = power[shells].value();
  out.mean_length = moment > 0 ? 2 * std::numbers::pi * variance / moment : std::numeric_limits<double>::infinity();
  return out;
}

}  // namespace wasserflow
