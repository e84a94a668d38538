#include "solvers/fine_grid_reference.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "grids/support/errors.hpp"
#include "solvers/explicit_scheme.hpp"

namespace wasserflow {

namespace {

class SampledTimes : public Function {
 public:
  SampledTimes(Field values, std::vector<double> times) : values_(std::move(values)), times_(std::move(times)) {}
  bool depends_on_time() const override { return true; }
  void evaluate(const RowPoints& p, double* out) const override {
    for (std::size_t k = 0; k < times_.size(); ++k)
      if (std::abs(times_[k] - p.t) <= 1e-12 * (1 + std::abs(p.t))) {
        std::copy_n(values_.level(static_cast<int>(k)) + p.offset, p.n, out);
        return;
      }
    throw InternalError("the fine-grid reference was not computed for this time");
  }

 private:
  Field values_;
  std::vector<double> times_;
};

/// Coarse node that a fine node of an axis counts for, with its weight (0: none).
struct Share {
  int node = 0;
  double weight = 0;
};

std::vector<Share> shares(const Axis& coarse, int refinement) {
  std::vector<Share> out(static_cast<std::size_t>(coarse.cells) * static_cast<std::size_t>(refinement));
  for (int i = 0; i < coarse.cells; ++i) {
    const double place = (i + coarse.offset) * refinement - coarse.offset;  // in fine nodes
    const int below = static_cast<int>(std::floor(place + 1e-9));
    const double beyond = std::max(place - below, 0.0);
    out[static_cast<std::size_t>(below)] = {i, beyond > 1e-9 ? 1 - beyond : 1.0};
    if (beyond > 1e-9) out[static_cast<std::size_t>(below + 1)] = {i, beyond};
  }
  return out;
}

}  // namespace

FunctionPtr make_fine_grid_reference(HamiltonianTerms terms, const LayoutPtr& layout, const Function& initial, double eps,
                                     std::span<const double> times, int refinement) {
  if (refinement < 1) throw InputError("a fine grid cannot have fewer cells than the grid it is compared with");
  std::vector<Axis> axes = layout->grid().axes();
  std::array<std::vector<Share>, 3> share;
  share.fill({{0, 1.0}});
  for (std::size_t d = 0; d < axes.size(); ++d) {
    share[d] = shares(axes[d], refinement);
    axes[d].cells *= refinement;
  }
  const LayoutPtr fine = make_layout(layout->comm(), Grid(axes), 3);
  HamiltonJacobiProblem problem = make_hamilton_jacobi_problem(std::move(terms), fine, eps, 1.0, {0.0});
  ExplicitScheme scheme(problem);
  Field phi(fine);
  fill(phi, 0, initial, 0.0);

  Field sampled(layout, static_cast<int>(times.size()));
  std::vector<double> whole(static_cast<std::size_t>(layout->grid().size()));
  const Grid &coarse = layout->grid(), &grid = fine->grid();
  const int slow = fine->slow_axis();
  double now = 0;
  for (std::size_t k = 0; k < times.size(); ++k) {
    if (times[k] > now) static_cast<void>(scheme.advance(phi, 0, now, times[k]));
    now = std::max(now, times[k]);
    std::fill(whole.begin(), whole.end(), 0.0);
    const double* value = phi.level();
    std::array<int, 3> begin{}, end{grid.cells(0), grid.cells(1), grid.cells(2)};
    begin[static_cast<std::size_t>(slow)] = fine->first();
    end[static_cast<std::size_t>(slow)] = fine->first() + fine->count();
    for (int z = begin[2]; z < end[2]; ++z)
      for (int y = begin[1]; y < end[1]; ++y)
        for (int x = begin[0]; x < end[0]; ++x, ++value) {
          const Share a = share[0][static_cast<std::size_t>(x)], b = share[1][static_cast<std::size_t>(y)], c = share[2][static_cast<std::size_t>(z)];
          const double weight = a.weight * b.weight * c.weight;
          if (weight == 0) continue;
          const std::int64_t node =
              a.node + static_cast<std::int64_t>(coarse.cells(0)) * (b.node + static_cast<std::int64_t>(coarse.cells(1)) * c.node);
          whole[static_cast<std::size_t>(node)] += weight * *value;
        }
    MPI_Allreduce(MPI_IN_PLACE, whole.data(), static_cast<int>(whole.size()), MPI_DOUBLE, MPI_SUM, layout->comm());
    std::copy_n(whole.begin() + layout->global_offset(), layout->owned(), sampled.level(static_cast<int>(k)));
  }
  return std::make_shared<SampledTimes>(std::move(sampled), std::vector<double>(times.begin(), times.end()));
}

}  // namespace wasserflow
