#include <array>
#include <cmath>

#include "grids/support/errors.hpp"
#include "solvers/continuity_equation.hpp"

namespace wasserflow {
namespace {

/// n points that move on their own, with the integral of div v; rows of a function need equal y and z, so that points are taken one by one in 2-D and
/// 3-D.
class Flow {
 public:
  Flow(const std::vector<FunctionPtr>& velocity, const FunctionPtr& divergence, const Grid& grid) : velocity_(velocity), divergence_(divergence) {
    for (int d = 0; d < grid.dim(); ++d) step_[static_cast<std::size_t>(d)] = grid.spacing(d) / 20;
  }

  /// v at the points and div v; each `at` and `v` has dim rows of n values.
  void rate(int n, const std::array<std::vector<double>, 3>& at, double t, std::array<std::vector<double>, 3>& v, std::vector<double>& div) const {
    const int chunk = velocity_.size() == 1 ? n : 1;
    for (int i = 0; i < n; i += chunk) {
      RowPoints p;
      p.n = chunk;
      p.t = t;
      p.offset = -1;  // no point of a grid
      const std::size_t k = static_cast<std::size_t>(i);
      p.x = at[0].data() + i;
      if (velocity_.size() > 1) p.y = at[1][k];
      if (velocity_.size() > 2) p.z = at[2][k];
      for (std::size_t d = 0; d < velocity_.size(); ++d) velocity_[d]->evaluate(p, v[d].data() + i);
      if (divergence_)
        divergence_->evaluate(p, div.data() + i);
      else
        difference(p, div.data() + i);
    }
  }

 private:
  void difference(const RowPoints& p, double* div) const {
    std::vector<double> x(static_cast<std::size_t>(p.n)), part(x.size());
    std::fill_n(div, p.n, 0.0);
    for (std::size_t d = 0; d < velocity_.size(); ++d)
      for (const int g : {-2, -1, 1, 2}) {
        const double e = step_[d], weight = (g == 1 || g == -1 ? 8.0 : -1.0) * (g > 0 ? 1 : -1) / (12 * e);
        RowPoints moved = p;
        for (std::size_t i = 0; i < x.size(); ++i) x[i] = p.x[i] + (d == 0 ? g * e : 0);
        moved.x = x.data();
        if (d == 1) moved.y += g * e;
        if (d == 2) moved.z += g * e;
        velocity_[d]->evaluate(moved, part.data());
        for (std::size_t i = 0; i < x.size(); ++i) div[i] += weight * part[i];
      }
  }

  const std::vector<FunctionPtr>& velocity_;
  FunctionPtr divergence_;
  std::array<double, 3> step_{};
};

}  // namespace

void follow_characteristics(const std::vector<FunctionPtr>& velocity, const FunctionPtr& divergence, double t0, double t1, int steps,
                            std::span<Field> end, Field& log_ratio) {
  const SlabLayout& s = log_ratio.layout();
  if (static_cast<int>(velocity.size()) != s.dim() || static_cast<int>(end.size()) != s.dim())
    throw InternalError("follow_characteristics: one velocity and one end field an axis");
  const Flow flow(velocity, divergence, s.grid());
  const double dt = (t1 - t0) / steps;
  const std::size_t dim = velocity.size();
  for (int r = 0; r < s.rows(); ++r) {
    const RowPoints row = s.row(r);
    const std::size_t n = static_cast<std::size_t>(row.n);
    std::array<std::vector<double>, 3> x, stage, v, sum;
    std::vector<double> div(n), integral(n, 0.0);
    for (auto* part : {&x, &stage, &v, &sum}) part->fill(std::vector<double>(n));
    for (std::size_t i = 0; i < n; ++i) x[0][i] = row.x[i], x[1][i] = row.y, x[2][i] = row.z;
    for (int step = 0; step < steps; ++step) {
      const double t = t0 + step * dt;
      constexpr double node[] = {0, 0.5, 0.5, 1}, weight[] = {1.0 / 6, 1.0 / 3, 1.0 / 3, 1.0 / 6};
      for (std::size_t d = 0; d < dim; ++d) stage[d] = x[d], std::fill(sum[d].begin(), sum[d].end(), 0.0);
      for (std::size_t k = 0; k < 4; ++k) {
        flow.rate(row.n, stage, t + node[k] * dt, v, div);
        for (std::size_t d = 0; d < dim; ++d)
          for (std::size_t i = 0; i < n; ++i) {
            sum[d][i] += weight[k] * v[d][i];
            if (k < 3) stage[d][i] = x[d][i] + node[k + 1] * dt * v[d][i];
          }
        for (std::size_t i = 0; i < n; ++i) integral[i] += weight[k] * dt * div[i];
      }
      for (std::size_t d = 0; d < dim; ++d)
        for (std::size_t i = 0; i < n; ++i) x[d][i] += dt * sum[d][i];
    }
    for (std::size_t d = 0; d < dim; ++d) std::copy(x[d].begin(), x[d].end(), end[d].level() + row.offset);
    std::copy(integral.begin(), integral.end(), log_ratio.level() + row.offset);
  }
}

}  // namespace wasserflow
