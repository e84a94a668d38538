#pragma once
/// Global sums that do not depend on the number of ranks, bit for bit.
#include <mpi.h>

#include <array>
#include <cstdint>
#include <span>

#include "grids/field.hpp"

namespace wasserflow {

/// Exact sum of doubles: a fixed-point accumulator wide enough for every double, so that the order of additions and the cut into ranks
/// do not matter. Feed it row sums (a row is never cut in 2-D and 3-D) or, in 1-D, every term. About 3 ns an addition. NaN and infinity are kept.
class ExactSum {
 public:
  void add(double x);
  ExactSum& operator+=(double x) { add(x); return *this; }
  double value() const;  ///< of this rank
  /// Sums of all ranks for several accumulators in one message; every rank gets the same bits.
  /// @note Collective.
  static void reduce(MPI_Comm comm, std::span<ExactSum> sums);

 private:
  // limb k counts units of 2^(32 k - 1088); limbs are carry-save: they hold more than 32 bits until normalised.
  static constexpr int limbs = 68;
  std::array<std::int64_t, limbs> limb_{};
  double special_ = 0;  ///< NaN or infinity once one was added
  int pending_ = 0;
  void normalise();
};

/// Adds n successive terms so that the total has the same bits on any number of ranks: as one row sum where rows are never cut (2-D, 3-D), term by
/// term in 1-D, where slabs cut the line.
inline void add_row(ExactSum& sum, const SlabLayout& layout, const double* terms, int n) {
  if (layout.dim() == 1) {
    for (int i = 0; i < n; ++i) sum += terms[i];
    return;
  }
  double s = 0;
  for (int i = 0; i < n; ++i) s += terms[i];
  sum += s;
}

/// Sums f(row) over all rows of the layout, where f returns the sum over one row (2-D, 3-D); in 1-D `f` is called point by point.
/// f(offset, n) -> double. Several sums at once: f returns std::array<double, N>.
/// @note Collective.
template <std::size_t N, class F>
std::array<double, N> sum_rows(const SlabLayout& layout, F&& f) {
  std::array<ExactSum, N> sums;
  const auto take = [&](const std::array<double, N>& part) {
    for (std::size_t i = 0; i < N; ++i) sums[i] += part[i];
  };
  for (int r = 0; r < layout.rows(); ++r) {
    const RowPoints p = layout.row(r);
    if (layout.dim() > 1)
      take(f(p.offset, p.n));
    else
      for (int i = 0; i < p.n; ++i) take(f(p.offset + i, 1));
  }
  ExactSum::reduce(layout.comm(), sums);
  std::array<double, N> out;
  for (std::size_t i = 0; i < N; ++i) out[i] = sums[i].value();
  return out;
}

/// Inner product, sum, norms over owned points of level k (Euclidean, no cell volume).
/// @note Collective.
double dot(const Field& a, const Field& b, int ka = 0, int kb = 0);
double sum(const Field& a, int k = 0);
double max_abs(const Field& a, int k = 0);
double global_max(MPI_Comm comm, double local);
double global_min(MPI_Comm comm, double local);
/// True when every owned value of every level is finite, on all ranks.
bool all_finite(const Field& a);

}  // namespace wasserflow
