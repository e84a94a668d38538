#include "solvers/trajectory_files.hpp"

#include <fmt/format.h>

#include "grids/io/polylines.hpp"

namespace wasserflow {

std::optional<TrajectoryPlan> read_trajectory_plan(const Parameters& parent, const Grid& grid) {
  if (!parent.has("trajectories")) return std::nullopt;
  const Parameters p = parent.table("trajectories", "optimal trajectories, integrated with the feedback that the value function gives");
  TrajectoryPlan plan;
  std::vector<Trajectory::Point> starts;
  if (p.has("points")) {
    for (int i = 0; i < p.array_size("points"); ++i) {
      const Parameters start = p.element("points", i, "a point where trajectories start: { at = [x, y, z] }");
      const std::vector<double> at = start.reals("at", "coordinates of the start", grid.dim());
      Trajectory::Point x{};
      for (int d = 0; d < grid.dim(); ++d) {
        const Axis& axis = grid.axis(d);
        const double s = at[static_cast<std::size_t>(d)];
        if (axis.boundary != Boundary::Periodic && (s < axis.lower || s > axis.upper))
          start.fail("at", fmt::format("{} lies outside of the box along {}", s, "xyz"[d]));
        x[static_cast<std::size_t>(d)] = s;
      }
      starts.push_back(x);
    }
  } else {
    const std::vector<int> counts = p.integers("starts", "starts along each axis, in the middle of equal parts of it", grid.dim(),
                                               std::vector<int>(static_cast<std::size_t>(grid.dim()), 8), Range::between(1, 100000));
    starts = tensor_starts(grid, counts);
  }
  plan.samples = p.integer("samples", "paths from each start (of use with diffusion)", 1, Range::between(1, 1e8));
  plan.options.seed = static_cast<std::uint64_t>(p.integer("seed", "seed of the noise; results depend on nothing else", 1, Range::nonnegative()));
  plan.options.interpolation = p.choice("interpolation", "of the feedback between grid points; nearest keeps bang-bang controls sharp",
                                        {"linear", "nearest"}, "linear") == "linear"
                                   ? TrajectoryOptions::Interpolation::Linear
                                   : TrajectoryOptions::Interpolation::Nearest;
  for (const Trajectory::Point& x : starts) plan.starts.insert(plan.starts.end(), static_cast<std::size_t>(plan.samples), x);
  return plan;
}

void write_trajectories(MPI_Comm comm, const std::string& path, std::span<const Trajectory> trajectories, int dim, int samples) {
  std::vector<std::string> names = {"time", "cost", "start"};
  for (int d = 0; d < dim; ++d) names.push_back(std::string("velocity_") + "xyz"[d]);
  std::vector<Polyline> lines;
  for (const Trajectory& t : trajectories) {
    Polyline line;
    line.points = t.points;
    for (auto& x : line.points)
      for (std::size_t d = static_cast<std::size_t>(dim); d < 3; ++d) x[d] = 0;
    line.values = {t.times, t.costs, std::vector<double>(t.points.size(), static_cast<double>(t.sample / samples))};
    line.values[1].back() = t.cost();
    for (std::size_t d = 0; d < static_cast<std::size_t>(dim); ++d) {
      std::vector<double>& component = line.values.emplace_back();
      for (const auto& v : t.velocities) component.push_back(v[d]);
    }
    lines.push_back(std::move(line));
  }
  write_polylines(comm, path, lines, names);
}

}  // namespace wasserflow
