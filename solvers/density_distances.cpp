#include "solvers/density_distances.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "grids/reduce.hpp"
#include "grids/row_neighbours.hpp"
#include "grids/support/errors.hpp"

namespace wasserflow {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

/// All values of a 1-D field on every rank.
std::vector<double> gathered(const Field& f, int level) {
  const SlabLayout& s = f.layout();
  std::vector<int> counts, offsets;
  for (int r = 0; r < s.ranks(); ++r) {
    counts.push_back(s.count_of(r));
    offsets.push_back(s.first_of(r));
  }
  std::vector<double> all(static_cast<std::size_t>(s.slow_cells()));
  MPI_Allgatherv(f.level(level), s.count(), MPI_DOUBLE, all.data(), counts.data(), offsets.data(), MPI_DOUBLE, s.comm());
  return all;
}

/// Share of one face in the Fisher information, times h^2, with p and q in the cells below (1) and above (2) it.
double face_term(double p1, double p2, double q1, double q2) {
  const double p = std::max(p1, 0.0), r = std::max(p2, 0.0);
  if (p <= 0 && r <= 0) return 0;
  if ((q1 <= 0 && p > 0) || (q2 <= 0 && r > 0)) return infinity;
  if (p > 0 && r > 0) {
    const double slope = std::log(r / q2) - std::log(p / q1);
    return 0.5 * (p + r) * slope * slope;
  }
  // One of the two is 0: the logarithm has no slope there, the square root has.
  const double slope = (q2 > 0 ? std::sqrt(r / q2) : 0.0) - (q1 > 0 ? std::sqrt(p / q1) : 0.0);
  return 2 * (std::max(q1, 0.0) + std::max(q2, 0.0)) * slope * slope;
}

/// Points of row r that have a face towards larger coordinates of axis d inside the box.
int faces_of_row(const SlabLayout& s, int d, int r, const RowPoints& row) {
  const Axis& axis = s.grid().axis(d);
  if (axis.boundary == Boundary::Periodic) return axis.cells > 1 ? row.n : 0;
  if (s.dim() == 1) return static_cast<int>(std::min<std::ptrdiff_t>(row.n, axis.cells - 1 - (s.first() + row.offset)));
  if (d == 0) return row.n - 1;
  const int ny = s.dim() == 3 ? s.grid().cells(1) : 1;
  const int index = d == s.slow_axis() ? s.first() + r / ny : r % ny;
  return index + 1 < axis.cells ? row.n : 0;
}

double fisher_information(Field& p, Field& q, int level_p, int level_q) {
  const SlabLayout& s = p.layout();
  p.exchange_ghosts(level_p, level_p + 1);
  q.exchange_ghosts(level_q, level_q + 1);
  RowNeighbours p_near(p.layout_ptr(), 1), q_near(q.layout_ptr(), 1);
  std::vector<double> terms(static_cast<std::size_t>(std::max(SlabLayout::row_limit, s.grid().cells(0))));
  std::array<ExactSum, 1> total;
  for (int r = 0; r < s.rows(); ++r) {
    const RowPoints row = s.row(r);
    p_near.load(p.level(level_p), r);
    q_near.load(q.level(level_q), r);
    for (int d = 0; d < s.dim(); ++d) {
      const int n = faces_of_row(s, d, r, row);
      const double *p1 = p_near.at(d, 0), *p2 = p_near.at(d, 1), *q1 = q_near.at(d, 0), *q2 = q_near.at(d, 1);
      const double scale = s.grid().cell_volume() / (s.grid().spacing(d) * s.grid().spacing(d));
      for (int i = 0; i < n; ++i) terms[static_cast<std::size_t>(i)] = scale * face_term(p1[i], p2[i], q1[i], q2[i]);
      add_row(total[0], s, terms.data(), n);
    }
  }
  ExactSum::reduce(s.comm(), total);
  return total[0].value();
}

}  // namespace

DensityDistances density_distances(Field& p, Field& q, int level_p, int level_q) {
  const SlabLayout& s = p.layout();
  if (q.layout().owned() != s.owned() || q.layout().dim() != s.dim()) throw InternalError("density_distances: the layouts of the densities differ");
  const double *a = p.level(level_p), *b = q.level(level_q);
  const double volume = s.grid().cell_volume();
  const auto [l1, squares, kl] = sum_rows<3>(s, [&](std::ptrdiff_t o, int n) {
    std::array<double, 3> sum{};
    for (std::ptrdiff_t i = o; i < o + n; ++i) {
      const double x = std::max(a[i], 0.0), y = std::max(b[i], 0.0);
      const double root = std::sqrt(x) - std::sqrt(y);
      sum[0] += std::fabs(a[i] - b[i]);
      sum[1] += root * root;
      if (x > 0) sum[2] += y > 0 ? x * std::log(x / y) : infinity;
    }
    return sum;
  });
  DensityDistances out;
  out.l1 = l1 * volume;
  out.hellinger = std::sqrt(0.5 * squares * volume);
  out.kl = kl * volume;
  out.fisher = fisher_information(p, q, level_p, level_q);
  if (s.dim() == 1) out.w2 = quantile_distance(gathered(p, level_p), gathered(q, level_q), s.grid().spacing(0));
  return out;
}

std::optional<double> quantile_distance(std::span<const double> p, std::span<const double> q, double h) {
  const auto add = [](double s, double x) { return s + std::max(x, 0.0); };
  const double p_mass = std::accumulate(p.begin(), p.end(), 0.0, add), q_mass = std::accumulate(q.begin(), q.end(), 0.0, add);
  if (!(p_mass > 0) || !(q_mass > 0)) return {};
  // Walks through both densities by equal shares of mass, so that no cumulative sum loses what is small. Between two steps both quantile functions
  // are linear in the mass: the integral of the squared difference, from d0 to d1, is m (d0^2 + d0 d1 + d1^2) / 3. Lengths in units of h.
  struct Cursor {
    std::span<const double> density;
    double mass;
    std::size_t cell = 0;
    double rest = 0;   // mass of the cell that was not moved yet
    double share = 0;  // mass of the whole cell
    void load() { share = rest = cell < density.size() ? std::max(density[cell], 0.0) / mass : 0; }
    bool find() {
      while (cell < density.size() && rest <= 0) ++cell, load();
      return cell < density.size();
    }
    double offset() const { return 1 - rest / share; }
  };
  Cursor a{p, p_mass}, b{q, q_mass};
  a.load(), b.load();
  double sum = 0;
  while (a.find() && b.find()) {
    const double cells = static_cast<double>(a.cell) - static_cast<double>(b.cell);
    const double moved = std::min(a.rest, b.rest);
    const double d0 = cells + (a.offset() - b.offset());
    a.rest -= moved, b.rest -= moved;
    const double d1 = cells + (a.offset() - b.offset());
    sum += moved * (d0 * d0 + d0 * d1 + d1 * d1) / 3;
  }
  return h * std::sqrt(sum);
}

}  // namespace wasserflow
