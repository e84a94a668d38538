#include "solvers/trajectories.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "grids/reduce.hpp"
#include "grids/row_neighbours.hpp"
#include "grids/support/counter_random.hpp"
#include "grids/support/errors.hpp"
#include "grids/support/mpi.hpp"
#include "solvers/point_sampler.hpp"

namespace wasserflow {

namespace {

using Point = Trajectory::Point;
using Interpolation = TrajectoryOptions::Interpolation;

/// Feedback at the grid points: levels 0 .. dim-1 of `control` are the velocity -H_p, level dim the running cost. Ghosts of phi are exchanged here,
/// those of control too.
void tabulate_feedback(const HamiltonJacobiProblem& problem, Field& phi, RowNeighbours& near, Field& control) {
  const Grid& grid = problem.layout->grid();
  const int dim = grid.dim();
  const bool upwind = problem.kinetic->splitting() == Splitting::Upwind;
  const int slots = problem.kinetic->slots(dim);
  phi.exchange_ghosts();
  const auto width = static_cast<std::size_t>(std::max(grid.cells(0), SlabLayout::row_limit));
  std::vector<double> scratch(width * static_cast<std::size_t>(2 * slots + 1));
  std::array<double*, 6> q{}, g{};
  for (int j = 0; j < slots; ++j) {
    q[static_cast<std::size_t>(j)] = scratch.data() + static_cast<std::size_t>(2 * j) * width;
    g[static_cast<std::size_t>(j)] = scratch.data() + static_cast<std::size_t>(2 * j + 1) * width;
  }
  double* hamiltonian = scratch.data() + static_cast<std::size_t>(2 * slots) * width;
  for (int r = 0; r < problem.layout->rows(); ++r) {
    const RowPoints row = problem.row(r, 0);
    near.load(phi.level(), r);
    for (int d = 0; d < dim; ++d) {
      const double *below = near.at(d, -1), *here = near.at(d, 0), *above = near.at(d, 1);
      const double per = 1 / grid.spacing(d);
      const auto k = static_cast<std::size_t>(upwind ? 2 * d : d);
      for (int i = 0; i < row.n; ++i) {
        if (upwind) {
          q[k][i] = (above[i] - here[i]) * per;
          q[k + 1][i] = (here[i] - below[i]) * per;
        } else {
          q[k][i] = 0.5 * (above[i] - below[i]) * per;
        }
      }
    }
    problem.kinetic->evaluate(row, q.data(), hamiltonian);
    problem.kinetic->gradient(row, q.data(), g.data());
    // Drift does not enter L = H_p . p - H; the potential does.
    double* cost = control.level(dim) + row.offset;
    const double* potential = problem.potential.is_constant() ? nullptr : problem.potential.row(row);
    for (int i = 0; i < row.n; ++i) {
      double l = -hamiltonian[i] - (potential ? potential[i] : problem.potential.value());
      for (std::size_t j = 0; j < static_cast<std::size_t>(slots); ++j) l += g[j][i] * q[j][i];
      cost[i] = l;
    }
    for (int d = 0; d < dim; ++d) {
      double* velocity = control.level(d) + row.offset;
      const Tabulated* b = problem.drift.empty() ? nullptr : &problem.drift[static_cast<std::size_t>(d)];
      const double* drift = b && !b->is_constant() ? b->row(row) : nullptr;
      const double constant = b && b->is_constant() ? b->value() : 0;
      const auto k = static_cast<std::size_t>(upwind ? 2 * d : d);
      for (int i = 0; i < row.n; ++i) velocity[i] = -(g[k][i] + (upwind ? g[k + 1][i] : 0.0)) - (drift ? drift[i] : constant);
    }
  }
  control.exchange_ghosts();
}

}  // namespace

std::vector<Trajectory> begin_paths(const SlabLayout& layout, std::span<const Point> starts) {
  const Grid& grid = layout.grid();
  const int dim = grid.dim();
  for (const Point& x : starts)
    for (int d = 0; d < dim; ++d) {
      const double s = x[static_cast<std::size_t>(d)];
      const Axis& axis = grid.axis(d);
      if (!std::isfinite(s) || (axis.boundary != Boundary::Periodic && (s < axis.lower || s > axis.upper)))
        throw InputError(fmt::format("a trajectory cannot start at {} along {}: the box is [{}, {}]", s, "xyz"[d], axis.lower, axis.upper));
    }
  const auto total = static_cast<std::int64_t>(starts.size());
  const std::int64_t begin = total * layout.rank() / layout.ranks(), end = total * (layout.rank() + 1) / layout.ranks();
  std::vector<Trajectory> paths(static_cast<std::size_t>(end - begin));
  for (std::size_t i = 0; i < paths.size(); ++i) {
    paths[i].sample = begin + static_cast<std::int64_t>(i);
    paths[i].times = {0.0};
    paths[i].costs = {0.0};
    paths[i].velocities = {Point{}};
    paths[i].points = {starts[static_cast<std::size_t>(paths[i].sample)]};
  }
  return paths;
}

Point path_noise(const TrajectoryOptions& options, std::int64_t sample, int step, int dim) {
  const auto number = static_cast<std::uint64_t>(sample);
  const auto k = static_cast<std::uint32_t>(step);
  const auto first = normal_pair(options.seed, number, k, 0), second = dim > 2 ? normal_pair(options.seed, number, k, 1) : first;
  return {first[0], first[1], second[0]};
}

void Trajectory::append(const Point& x, double time, const Point& velocity, double cost, bool keep_points) {
  if (!keep_points && points.size() == 2) {
    points.pop_back();
    times.pop_back();
    costs.pop_back();
    velocities.pop_back();
  } else {
    velocities.back() = velocity;
  }
  points.push_back(x);
  times.push_back(time);
  costs.push_back(cost);
  velocities.push_back(velocity);
}

std::vector<Trajectory> optimal_trajectories(HamiltonJacobiProblem& problem, std::span<const double> times, const LevelSource& level,
                                             std::span<const Point> starts, const TrajectoryOptions& options) {
  const SlabLayout& layout = *problem.layout;
  const Grid& grid = layout.grid();
  const int dim = grid.dim();
  if (times.empty()) throw InternalError("optimal_trajectories: no times");
  std::vector<Trajectory> paths = begin_paths(layout, starts);
  Field phi(problem.layout), control(problem.layout, dim + 1);
  RowNeighbours near(problem.layout, 1);
  PointSampler feedback(layout, options.interpolation == Interpolation::Nearest);
  std::vector<std::size_t> moving(paths.size());
  for (std::size_t i = 0; i < moving.size(); ++i) moving[i] = i;
  std::vector<Point> points;
  std::vector<double> values;
  const auto gather_points = [&] {
    points.clear();
    for (const std::size_t i : moving) points.push_back(paths[i].points.back());
  };
  const int levels = static_cast<int>(times.size()) - 1;
  for (int k = levels; k >= 1; --k) {
    const double t = times[static_cast<std::size_t>(k)], dt = t - times[static_cast<std::size_t>(k - 1)];
    level(k, phi);
    problem.set_times(std::vector<double>(problem.times.size(), t));
    tabulate_feedback(problem, phi, near, control);
    gather_points();
    if (k == levels) {
      PointSampler(layout).sample(phi, 1, points, values);
      for (std::size_t i = 0; i < paths.size(); ++i) paths[i].value = values[i];
    }
    feedback.sample(control, dim + 1, points, values);
    const double noise = std::sqrt(2 * problem.eps * dt);
    const std::size_t n = points.size();
    std::vector<std::size_t> left;
    for (std::size_t i = 0; i < n; ++i) {
      Trajectory& path = paths[moving[i]];
      Point x = points[i];
      const Point normal = noise > 0 ? path_noise(options, path.sample, levels - k, dim) : Point{};
      Point velocity{};
      for (std::size_t d = 0; d < static_cast<std::size_t>(dim); ++d) {
        velocity[d] = values[d * n + i];
        x[d] += dt * velocity[d] + noise * normal[d];
      }
      path.running_cost += dt * values[static_cast<std::size_t>(dim) * n + i];
      const bool inside = keep_inside(grid, x);
      path.append(x, times.back() - times[static_cast<std::size_t>(k - 1)], velocity, path.running_cost, options.keep_points);
      if (inside) left.push_back(moving[i]);
    }
    moving.swap(left);
  }
  level(0, phi);
  phi.exchange_ghosts();
  gather_points();
  PointSampler(layout).sample(phi, 1, points, values);
  for (std::size_t i = 0; i < moving.size(); ++i) paths[moving[i]].terminal_cost = values[i];
  return paths;
}

std::vector<Point> tensor_starts(const Grid& grid, std::span<const int> counts) {
  if (static_cast<int>(counts.size()) != grid.dim()) throw InternalError("tensor_starts: one count an axis");
  std::vector<Point> starts = {{}};
  for (int d = grid.dim() - 1; d >= 0; --d) {
    const Axis& axis = grid.axis(d);
    const int n = counts[static_cast<std::size_t>(d)];
    std::vector<Point> finer;
    for (Point p : starts)
      for (int i = 0; i < n; ++i) {
        p[static_cast<std::size_t>(d)] = axis.lower + (i + 0.5) * axis.length() / n;
        finer.push_back(p);
      }
    starts.swap(finer);
  }
  return starts;
}

MeanCost mean_cost(MPI_Comm comm, std::span<const Trajectory> trajectories) {
  std::array<ExactSum, 3> sums;
  for (const Trajectory& path : trajectories) {
    sums[0] += 1;
    sums[1] += path.cost();
    sums[2] += path.value;
  }
  ExactSum::reduce(comm, sums);
  const double n = sums[0].value();
  if (n == 0) return {};
  const MeanCost all{sums[1].value() / n, sums[2].value() / n, 0};
  std::array<ExactSum, 1> squares;
  for (const Trajectory& path : trajectories) {
    const double gap = path.cost() - path.value - (all.mean - all.mean_value);
    squares[0] += gap * gap;
  }
  ExactSum::reduce(comm, squares);
  return {all.mean, all.mean_value, n > 1 ? std::sqrt(squares[0].value() / (n - 1) / n) : 0};
}

}  // namespace wasserflow
