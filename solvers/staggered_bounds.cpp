/// The certified upper bound: the divergence-free iterate, mixed with a positive feasible path where it is negative.
#include <algorithm>

#include "grids/reduce.hpp"
#include "solvers/feasible_mixture.hpp"
#include "solvers/staggered_scheme.hpp"

namespace wasserflow {
namespace {

std::size_t index(int i) { return static_cast<std::size_t>(i); }

/// One interval of a positive feasible path at a time: its densities at both nodes and the fluxes (and reaction) of least norm between them.
class PositiveStep {
 public:
  PositiveStep(const MeanFieldProblem& problem, StaggeredOperator::Setting setting)
      : path_(problem.initial, problem.final_density ? &*problem.final_density : nullptr, problem.steps),
        operator_(problem.layout, single(setting)),
        x_(operator_.make_state()),
        phi_(operator_.make_multiplier()) {}

  void move_to(int level) {
    for (int end : {0, 1}) path_.density(level + end, x_.rho.level(end));
    for (Field& m : x_.m) m.fill(0);
    if (x_.z) x_.z.fill(0);
    operator_.project(x_, phi_);
    operator_.exchange_for_interpolation(x_);
  }
  const StaggeredState& x() const { return x_; }
  StaggeredOperator& space() { return operator_; }

 private:
  static StaggeredOperator::Setting single(StaggeredOperator::Setting setting) {
    setting.steps = 1;
    setting.free_end = false;  // of an interval
    return setting;
  }

  PositivePath path_;
  StaggeredOperator operator_;
  StaggeredState x_;
  Field phi_;
};

}  // namespace

MeanFieldBounds StaggeredScheme::bounds() {
  MeanFieldBounds bounds;
  if (problem_.source || problem_.potential) return bounds;
  const SlabLayout& layout = *problem_.layout;
  const TransportCost& cost = *problem_.cost;
  const double cell = layout.grid().cell_volume(), dt = problem_.stationary ? 1 : problem_.dt();
  operator_.exchange_for_interpolation(x_);
  PositiveStep step(problem_, operator_.setting());

  Field mean, image;  // of rho in an interval, x and path; W * both
  if (problem_.nonlocal) mean = Field(problem_.layout, 2);
  if (problem_.nonlocal) image = Field(problem_.layout, 2);
  const double older = problem_.stationary ? 0 : 0.5;
  const auto interact = [&](int level) {
    const Field* from[] = {&x_.rho, &step.x().rho};
    for (int k : {0, 1}) {
      const double *before = from[k]->level(k == 0 ? level : 0), *after = from[k]->level(k == 0 ? level + 1 : 1);
      for (std::ptrdiff_t i = 0; i < layout.owned(); ++i) mean.level(k)[i] = older * before[i] + (1 - older) * after[i];
      problem_.nonlocal->apply(mean, k, image, k);
    }
  };

  std::vector<double> path_rows(v_.size() * terms_.size());
  std::vector<double*> path;
  for (std::size_t c = 0; c < v_.size(); ++c) path.push_back(path_rows.data() + c * terms_.size());
  const LeastMixture least = least_mixture([&](std::span<const double> shares, std::span<double> values) {
    std::vector<ExactSum> sums(2 * shares.size());  // running costs, terminal costs
    for (int level = 0; level < problem_.steps; ++level) {
      step.move_to(level);
      if (problem_.nonlocal) interact(level);
      for (int line = 0; line < layout.rows() * operator_.copies(); ++line) {
        const int which = line / layout.rows();
        const RowPoints p = row(line % layout.rows(), level);
        operator_.interpolation_row(x_, level, p.offset, p.n, v_[0], v_.data() + 1, which);
        step.space().interpolation_row(step.x(), 0, p.offset, p.n, path[0], path.data() + 1, which);
        if (x_.z) {
          std::copy_n(x_.z.level(level) + p.offset, p.n, v_.back());
          std::copy_n(step.x().z.level() + p.offset, p.n, path.back());
        }
        for (std::size_t k = 0; k < shares.size(); ++k) {
          const double b = shares[k], a = 1 - b;
          for (int c = 0; c <= slots_; ++c) {
            const double unit = c == 0 ? 1 : -speed_;
            for (int i = 0; i < p.n; ++i) u_[index(c)][i] = unit * (a * v_[index(c)][i] + b * path[index(c)][i]);
          }
          cost.energy(p, u_[0], u_.data() + 1, terms_.data());
          if (problem_.nonlocal) {
            const double *w = image.level(0) + p.offset, *other = image.level(1) + p.offset;
            for (int i = 0; i < p.n; ++i) terms_[index(i)] += 0.5 * u_[0][i] * (a * w[i] + b * other[i]);
          }
          add_row(sums[2 * k], layout, terms_.data(), p.n);
        }
      }
    }
    for (int r = 0; r < layout.rows() && y_.end; ++r) {
      RowPoints p = layout.row(r);
      p.t = problem_.horizon;
      const double *x = x_.rho.level(problem_.steps) + p.offset, *other = step.x().rho.level(1) + p.offset;
      for (std::size_t k = 0; k < shares.size(); ++k) {
        for (int i = 0; i < p.n; ++i) u_[0][i] = (1 - shares[k]) * x[i] + shares[k] * other[i];
        cost.terminal().value(p, u_[0], terms_.data());
        add_row(sums[2 * k + 1], layout, terms_.data(), p.n);
      }
    }
    ExactSum::reduce(layout.comm(), sums);
    for (std::size_t k = 0; k < shares.size(); ++k) values[k] = dt * cell * operator_.share() * sums[2 * k].value() + cell * sums[2 * k + 1].value();
  });
  bounds.upper = least.value;
  bounds.share = least.share;
  return bounds;
}

}  // namespace wasserflow
