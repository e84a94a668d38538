#include "solvers/rearrangement.hpp"

#include <algorithm>
#include <array>

#include "grids/plane_window.hpp"
#include "grids/reduce.hpp"

namespace wasserflow {
namespace {

/// Monotone coupling of two sequences of masses, each divided by its sum: calls f(i, j, share) in ascending order.
template <class F>
void couple(const double* p, double p_sum, const double* q, double q_sum, int n, F&& f) {
  int i = -1, j = -1;
  double p_rest = 0, q_rest = 0;
  for (;;) {
    while (p_rest <= 0 && ++i < n) p_rest = p[i] / p_sum;
    while (q_rest <= 0 && ++j < n) q_rest = q[j] / q_sum;
    if (i >= n || j >= n) return;  // what is left of the other one is rounding
    const double share = std::min(p_rest, q_rest);
    p_rest -= share, q_rest -= share;
    f(i, j, share);
  }
}

double sum_of(const double* p, std::ptrdiff_t n) {
  double s = 0;
  for (std::ptrdiff_t i = 0; i < n; ++i) s += p[i];
  return s;
}

/// Masses of all planes, on every rank.
std::vector<double> plane_masses(const Field& u) {
  const SlabLayout& s = u.layout();
  std::vector<double> mine(static_cast<std::size_t>(s.count())), all(static_cast<std::size_t>(s.slow_cells()));
  for (int k = 0; k < s.count(); ++k) mine[static_cast<std::size_t>(k)] = sum_of(u.level() + k * s.plane(), s.plane());
  std::vector<int> counts, offsets;
  for (int r = 0; r < s.ranks(); ++r) counts.push_back(s.count_of(r)), offsets.push_back(s.first_of(r));
  MPI_Allgatherv(mine.data(), s.count(), MPI_DOUBLE, all.data(), counts.data(), offsets.data(), MPI_DOUBLE, s.comm());
  return all;
}

/// Sums of a pair of planes, rows or points, per unit of mass. Lengths along axis d in units of its spacing.
struct Costs {
  std::array<double, 3> square{}, turn{};
  void add(double share, const Costs& other) {
    for (std::size_t d = 0; d < 3; ++d) square[d] += share * other.square[d], turn[d] += share * other.turn[d];
  }
};

/// The coupling inside of pairs of planes and rows. `away[d]`: x(y) - y along axis d at the points of a plane of mu.
class Pairs {
 public:
  explicit Pairs(const SlabLayout& s)
      : nx_(s.grid().cells(0)), ny_(s.grid().cells(1)), rows_p_(static_cast<std::size_t>(ny_)), rows_q_(static_cast<std::size_t>(ny_)) {}

  /// Moved by `shift[d]` = y - z along the axes that are coupled already.
  Costs rows(const double* p, double p_sum, const double* q, double q_sum, const std::array<const double*, 3>& away,
             std::array<double, 3> shift) const {
    Costs out;
    couple(p, p_sum, q, q_sum, nx_, [&](int i, int j, double share) {
      shift[0] = i - j;
      for (std::size_t d = 0; d < 3; ++d) {
        out.square[d] += share * shift[d] * shift[d];
        if (away[d] != nullptr) out.turn[d] += share * shift[d] * away[d][i];
      }
    });
    return out;
  }

  Costs planes(const double* p, const double* q, const std::array<const double*, 3>& away, std::array<double, 3> shift) {
    for (int y = 0; y < ny_; ++y) {
      rows_p_[static_cast<std::size_t>(y)] = sum_of(p + static_cast<std::ptrdiff_t>(y) * nx_, nx_);
      rows_q_[static_cast<std::size_t>(y)] = sum_of(q + static_cast<std::ptrdiff_t>(y) * nx_, nx_);
    }
    Costs out;
    couple(rows_p_.data(), sum_of(rows_p_.data(), ny_), rows_q_.data(), sum_of(rows_q_.data(), ny_), ny_, [&](int i, int j, double share) {
      shift[1] = i - j;
      const std::ptrdiff_t a = static_cast<std::ptrdiff_t>(i) * nx_, b = static_cast<std::ptrdiff_t>(j) * nx_;
      std::array<const double*, 3> here{};
      for (std::size_t d = 0; d < 3; ++d) here[d] = away[d] != nullptr ? away[d] + a : nullptr;
      out.add(share, rows(p + a, rows_p_[static_cast<std::size_t>(i)], q + b, rows_q_[static_cast<std::size_t>(j)], here, shift));
    });
    return out;
  }

 private:
  int nx_, ny_;
  std::vector<double> rows_p_, rows_q_;
};

}  // namespace

Rearrangement rearrangement(const Field& mu, const Field& nu, const std::vector<Field>* origins) {
  const SlabLayout& s = mu.layout();
  const Grid& grid = s.grid();
  const int dim = s.dim();
  const auto slow = static_cast<std::size_t>(dim - 1);
  const std::vector<double> p = plane_masses(mu), q = plane_masses(nu);
  struct Pair {
    int from, to;
    double share;
  };
  std::vector<Pair> mine;
  int begin = 0, end = 0;
  couple(p.data(), sum_of(p.data(), s.slow_cells()), q.data(), sum_of(q.data(), s.slow_cells()), s.slow_cells(), [&](int i, int j, double share) {
    if (i < s.first() || i >= s.first() + s.count()) return;
    if (mine.empty()) begin = j;
    end = j + 1;
    mine.push_back({i, j, share});
  });
  PlaneWindow window(s, begin, end);
  const double* targets = window.load(nu.level());

  std::vector<double> away(origins != nullptr ? static_cast<std::size_t>(s.plane()) * static_cast<std::size_t>(dim) : 0);
  std::array<const double*, 3> away_of{};
  Pairs pairs(s);
  std::array<ExactSum, 2> sums;
  int loaded = -1;
  for (const Pair& pair : mine) {
    const std::ptrdiff_t plane = (pair.from - s.first()) * s.plane();
    if (origins != nullptr && loaded != pair.from) {
      loaded = pair.from;
      const int nx = grid.cells(0);
      for (int d = 0; d < dim; ++d) {
        const Axis& axis = grid.axis(d);
        double* out = away.data() + d * s.plane();
        const double *x = (*origins)[static_cast<std::size_t>(d)].level() + plane, per = 1 / axis.spacing();
        for (std::ptrdiff_t i = 0; i < s.plane(); ++i) {
          const std::int64_t own = d == dim - 1 ? pair.from : d == 0 ? i % nx : i / nx;
          out[i] = (x[i] - axis.node(own)) * per;
        }
        away_of[static_cast<std::size_t>(d)] = out;
      }
    }
    std::array<double, 3> shift{};
    shift[slow] = pair.from - pair.to;
    const double *a = mu.level() + plane, *b = targets + (pair.to - begin) * s.plane();
    Costs costs;
    if (dim == 1) {
      costs.square[0] = shift[0] * shift[0];
      if (origins != nullptr) costs.turn[0] = shift[0] * away_of[0][0];
    } else if (dim == 2) {
      costs = pairs.rows(a, p[static_cast<std::size_t>(pair.from)], b, q[static_cast<std::size_t>(pair.to)], away_of, shift);
    } else {
      costs = pairs.planes(a, b, away_of, shift);
    }
    for (int d = 0; d < dim; ++d) {
      const double unit = pair.share * grid.spacing(d) * grid.spacing(d);
      sums[0] += unit * costs.square[static_cast<std::size_t>(d)];
      sums[1] += unit * costs.turn[static_cast<std::size_t>(d)];
    }
  }
  ExactSum::reduce(s.comm(), sums);
  return {sums[0].value(), sums[1].value()};
}

}  // namespace wasserflow
