#include "solvers/trajectories.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "grids/reduce.hpp"
#include "grids/row_neighbours.hpp"
#include "grids/support/errors.hpp"
#include "grids/support/mpi.hpp"
#include "grids/support/counter_random.hpp"

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

/// Values of distributed fields at scattered points: each rank asks the owners of the planes its points lie in.
class Interpolator {
 public:
  Interpolator(const SlabLayout& layout, Interpolation kind) : layout_(layout), kind_(kind) {}

  /// out[c * points.size() + i] = level c of f at point i, c < components. Ghosts of f up to date.
  /// @note Collective.
  void sample(const Field& f, int components, const std::vector<Point>& points, std::vector<double>& out) {
    const auto ranks = static_cast<std::size_t>(layout_.ranks());
    const int dim = layout_.dim();
    std::vector<int> owner(points.size()), ask(ranks, 0), answer(ranks, 0);
    for (std::size_t i = 0; i < points.size(); ++i) {
      owner[i] = owner_of(points[i]);
      ++ask[static_cast<std::size_t>(owner[i])];
    }
    MPI_Alltoall(ask.data(), 1, MPI_INT, answer.data(), 1, MPI_INT, layout_.comm());
    const auto scaled = [ranks](const std::vector<int>& counts, int factor) {
      std::pair<std::vector<int>, std::vector<int>> out;  // counts, offsets
      int offset = 0;
      for (std::size_t r = 0; r < ranks; ++r) {
        out.first.push_back(factor * counts[r]);
        out.second.push_back(offset);
        offset += factor * counts[r];
      }
      return out;
    };
    const auto [ask_count, ask_offset] = scaled(ask, dim);
    const auto [answer_count, answer_offset] = scaled(answer, dim);
    std::vector<std::size_t> place(points.size());
    std::vector<int> filled(ranks, 0);
    std::vector<double> sent(points.size() * static_cast<std::size_t>(dim));
    for (std::size_t i = 0; i < points.size(); ++i) {
      const auto r = static_cast<std::size_t>(owner[i]);
      place[i] = static_cast<std::size_t>(ask_offset[r] / dim + filled[r]++);
      std::copy_n(points[i].begin(), dim, sent.begin() + static_cast<std::ptrdiff_t>(place[i]) * dim);
    }
    const auto asked = static_cast<std::size_t>((answer_offset.back() + answer_count.back()) / dim);
    std::vector<double> received(asked * static_cast<std::size_t>(dim));
    MPI_Alltoallv(sent.data(), ask_count.data(), ask_offset.data(), MPI_DOUBLE, received.data(), answer_count.data(), answer_offset.data(),
                  MPI_DOUBLE, layout_.comm());
    std::vector<double> values(asked * static_cast<std::size_t>(components));
    for (std::size_t i = 0; i < asked; ++i)
      evaluate(f, components, received.data() + i * static_cast<std::size_t>(dim), values.data() + i * static_cast<std::size_t>(components));
    const auto [back_count, back_offset] = scaled(ask, components);
    const auto [give_count, give_offset] = scaled(answer, components);
    std::vector<double> back(points.size() * static_cast<std::size_t>(components));
    MPI_Alltoallv(values.data(), give_count.data(), give_offset.data(), MPI_DOUBLE, back.data(), back_count.data(), back_offset.data(), MPI_DOUBLE,
                  layout_.comm());
    out.resize(back.size());
    for (std::size_t i = 0; i < points.size(); ++i)
      for (std::size_t c = 0; c < static_cast<std::size_t>(components); ++c)
        out[c * points.size() + i] = back[place[i] * static_cast<std::size_t>(components) + c];
  }

 private:
  struct Place {
    int index;        // node below; for Nearest the node itself
    double fraction;  // towards the next node
  };
  Place locate(int d, double x) const {
    const Axis& axis = layout_.grid().axis(d);
    double u = (x - axis.lower) / axis.spacing() - axis.offset;
    if (axis.boundary == Boundary::Periodic) {
      u -= axis.cells * std::floor(u / axis.cells);
      if (kind_ == Interpolation::Nearest) u = std::floor(u + 0.5);
      if (u >= axis.cells) u -= axis.cells;  // rounding of a point just below 0
    } else {
      u = std::clamp(u, 0.0, axis.cells - 1.0);
      if (kind_ == Interpolation::Nearest) u = std::floor(u + 0.5);
    }
    const int index = static_cast<int>(u);
    return {index, u - index};
  }
  int owner_of(const Point& x) const {
    const int plane = locate(layout_.slow_axis(), x[static_cast<std::size_t>(layout_.slow_axis())]).index;
    int r = static_cast<int>((static_cast<std::int64_t>(plane) * layout_.ranks()) / layout_.slow_cells());
    while (plane < layout_.first_of(r)) --r;
    while (plane >= layout_.first_of(r + 1)) ++r;
    return r;
  }
  void evaluate(const Field& f, int components, const double* x, double* out) const {
    // Corner offsets and weights, doubled an axis; nodes along the slow axis may lie in the ghost plane above.
    std::array<std::ptrdiff_t, 8> offset{};
    std::array<double, 8> weight{1.0};
    std::size_t corners = 1;
    std::ptrdiff_t stride = 1;
    for (int d = 0; d < layout_.dim(); ++d) {
      const auto [index, fraction] = locate(d, x[d]);
      const int n = layout_.grid().cells(d);
      const bool slow = d == layout_.slow_axis();
      const int low = slow ? index - layout_.first() : index;
      const int high = fraction == 0 ? low : slow ? low + 1 : (index + 1) % n;
      for (std::size_t c = 0; c < corners; ++c) {
        offset[corners + c] = offset[c] + high * stride;
        weight[corners + c] = weight[c] * fraction;
        offset[c] += low * stride;
        weight[c] *= 1 - fraction;
      }
      corners *= 2;
      stride *= n;
    }
    for (int k = 0; k < components; ++k) {
      double sum = 0;
      for (std::size_t c = 0; c < corners; ++c) sum += weight[c] * f.level(k)[offset[c]];
      out[k] = sum;
    }
  }

  const SlabLayout& layout_;
  Interpolation kind_;
};

/// Applies the boundary to a moved point; false when it left through a Dirichlet boundary.
bool stay_inside(const Grid& grid, Point& x) {
  for (int d = 0; d < grid.dim(); ++d) {
    const Axis& axis = grid.axis(d);
    double& s = x[static_cast<std::size_t>(d)];
    if (s >= axis.lower && s <= axis.upper) continue;
    if (axis.boundary == Boundary::NoFlux) {
      const double u = std::fmod(std::abs(s - axis.lower), 2 * axis.length());
      s = axis.lower + (u > axis.length() ? 2 * axis.length() - u : u);
    } else if (axis.boundary == Boundary::Dirichlet) {
      s = std::clamp(s, axis.lower, axis.upper);
      return false;
    }
  }
  return true;
}

}  // namespace

std::vector<Trajectory> optimal_trajectories(HamiltonJacobiProblem& problem, std::span<const double> times, const LevelSource& level,
                                             std::span<const Point> starts, const TrajectoryOptions& options) {
  const SlabLayout& layout = *problem.layout;
  const Grid& grid = layout.grid();
  const int dim = grid.dim();
  if (times.empty()) throw InternalError("optimal_trajectories: no times");
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

  Field phi(problem.layout), control(problem.layout, dim + 1);
  RowNeighbours near(problem.layout, 1);
  Interpolator feedback(layout, options.interpolation);
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
      Interpolator(layout, Interpolation::Linear).sample(phi, 1, points, values);
      for (std::size_t i = 0; i < paths.size(); ++i) paths[i].value = values[i];
    }
    feedback.sample(control, dim + 1, points, values);
    const double noise = std::sqrt(2 * problem.eps * dt);
    const auto step = static_cast<std::uint32_t>(levels - k);
    const std::size_t n = points.size();
    std::vector<std::size_t> left;
    for (std::size_t i = 0; i < n; ++i) {
      Trajectory& path = paths[moving[i]];
      Point x = points[i];
      std::array<double, 4> normal{};
      if (noise > 0) {
        const auto sample = static_cast<std::uint64_t>(path.sample);
        const auto first = normal_pair(options.seed, sample, step, 0), second = dim > 2 ? normal_pair(options.seed, sample, step, 1) : first;
        normal = {first[0], first[1], second[0], second[1]};
      }
      Point velocity{};
      for (std::size_t d = 0; d < static_cast<std::size_t>(dim); ++d) {
        velocity[d] = values[d * n + i];
        x[d] += dt * velocity[d] + noise * normal[d];
      }
      path.running_cost += dt * values[static_cast<std::size_t>(dim) * n + i];
      const bool inside = stay_inside(grid, x);
      if (!options.keep_points && path.points.size() == 2) {
        path.points.pop_back();
        path.times.pop_back();
        path.costs.pop_back();
        path.velocities.pop_back();
      } else {
        path.velocities.back() = velocity;
      }
      path.points.push_back(x);
      path.times.push_back(times.back() - times[static_cast<std::size_t>(k - 1)]);
      path.costs.push_back(path.running_cost);
      path.velocities.push_back(velocity);
      if (inside) left.push_back(moving[i]);
    }
    moving.swap(left);
  }
  level(0, phi);
  phi.exchange_ghosts();
  gather_points();
  Interpolator(layout, Interpolation::Linear).sample(phi, 1, points, values);
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
