#include "solvers/local_reaction.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

namespace wasserflow {
namespace {

constexpr int newton_steps = 8;

/// right = matrix^-1 right by elimination with pivots; false when that is no number.
bool solve(std::vector<double>& matrix, std::vector<double>& right) {
  const std::size_t n = right.size();
  for (std::size_t k = 0; k < n; ++k) {
    std::size_t pivot = k;
    for (std::size_t i = k + 1; i < n; ++i)
      if (std::fabs(matrix[i * n + k]) > std::fabs(matrix[pivot * n + k])) pivot = i;
    for (std::size_t c = 0; c < n && pivot != k; ++c) std::swap(matrix[k * n + c], matrix[pivot * n + c]);
    std::swap(right[k], right[pivot]);
    for (std::size_t i = k + 1; i < n; ++i) {
      const double factor = matrix[i * n + k] / matrix[k * n + k];
      for (std::size_t c = k; c < n; ++c) matrix[i * n + c] -= factor * matrix[k * n + c];
      right[i] -= factor * right[k];
    }
  }
  for (std::size_t k = n; k-- > 0;) {
    for (std::size_t c = k + 1; c < n; ++c) right[k] -= matrix[k * n + c] * right[c];
    right[k] /= matrix[k * n + k];
  }
  return std::all_of(right.begin(), right.end(), [](double v) { return std::isfinite(v); });
}

}  // namespace

void react_in_place(const Reaction& reaction, const std::vector<double>& half_times, double dt, const std::vector<const Field*>& initial,
                    const std::vector<Field*>& density) {
  const SlabLayout& layout = initial.front()->layout();
  const std::size_t count = initial.size();
  const auto longest = static_cast<std::size_t>(layout.dim() == 1 ? SlabLayout::row_limit : layout.grid().cells(0));
  std::vector<double> rows((3 * count + count * count) * longest), matrix(count * count), right(count);
  std::vector<double*> before(count), middle(count), rate(count), jacobian(count * count);
  double* next = rows.data();
  for (std::vector<double*>* all : {&before, &middle, &rate, &jacobian})
    for (double*& row : *all) row = std::exchange(next, next + longest);
  const double half = 0.5 * dt;
  for (int r = 0; r < layout.rows(); ++r) {
    RowPoints p = layout.row(r);
    for (std::size_t k = 0; k < count; ++k) std::copy_n(initial[k]->level() + p.offset, p.n, before[k]);
    for (std::size_t level = 0; level < half_times.size(); ++level) {
      p.level = static_cast<int>(level);
      p.t = half_times[level];
      for (std::size_t k = 0; k < count; ++k) std::copy_n(before[k], p.n, middle[k]);
      for (int step = 0; step < newton_steps; ++step) {
        reaction.rates(p, middle.data(), rate.data());
        reaction.jacobian(p, middle.data(), jacobian.data());
        for (int i = 0; i < p.n; ++i) {
          for (std::size_t k = 0; k < count; ++k) {
            right[k] = middle[k][i] - before[k][i] - half * rate[k][i];
            for (std::size_t j = 0; j < count; ++j) matrix[k * count + j] = (j == k ? 1 : 0) - half * jacobian[k * count + j][i];
          }
          if (!solve(matrix, right)) continue;
          for (std::size_t k = 0; k < count; ++k) middle[k][i] = std::max(middle[k][i] - right[k], 0.0);
        }
      }
      for (std::size_t k = 0; k < count; ++k) {
        std::copy_n(middle[k], p.n, density[k]->level(p.level) + p.offset);
        for (int i = 0; i < p.n; ++i) before[k][i] = std::max(2 * middle[k][i] - before[k][i], 0.0);
      }
    }
  }
}

}  // namespace wasserflow
