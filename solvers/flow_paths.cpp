#include "solvers/flow_paths.hpp"

#include <cmath>

#include "grids/support/errors.hpp"
#include "solvers/point_sampler.hpp"

namespace wasserflow {

std::vector<Trajectory> flow_paths(const LayoutPtr& layout, std::span<const double> times, double viscosity, const VelocitySource& velocity,
                                   std::span<const Trajectory::Point> starts, const TrajectoryOptions& options) {
  using Point = Trajectory::Point;
  if (times.empty()) throw InternalError("flow_paths: no times");
  const int dim = layout->dim();
  std::vector<Trajectory> paths = begin_paths(*layout, starts);
  const std::size_t n = paths.size();
  Field v(layout, dim);
  const PointSampler sampler(*layout, options.interpolation == TrajectoryOptions::Interpolation::Nearest);
  std::vector<Point> from(n), points(n);
  std::vector<double> values;
  for (int k = 0; k + 1 < static_cast<int>(times.size()); ++k) {
    const double dt = times[static_cast<std::size_t>(k) + 1] - times[static_cast<std::size_t>(k)];
    velocity(k, v);
    v.exchange_ghosts();
    const auto move = [&](std::size_t i, double h) {
      Point x = from[i];
      for (std::size_t d = 0; d < static_cast<std::size_t>(dim); ++d) x[d] += h * values[d * n + i];
      return x;
    };
    for (std::size_t i = 0; i < n; ++i) points[i] = from[i] = paths[i].points.back();
    sampler.sample(v, dim, points, values);
    for (std::size_t i = 0; i < n; ++i) {
      points[i] = move(i, 0.5 * dt);
      keep_inside(layout->grid(), points[i]);
    }
    sampler.sample(v, dim, points, values);
    const double noise = std::sqrt(2 * viscosity * dt);
    for (std::size_t i = 0; i < n; ++i) {
      Trajectory& path = paths[i];
      Point x = move(i, dt), speed{};
      const Point normal = noise > 0 ? path_noise(options, path.sample, k, dim) : Point{};
      for (std::size_t d = 0; d < static_cast<std::size_t>(dim); ++d) {
        speed[d] = values[d * n + i];
        x[d] += noise * normal[d];
        path.running_cost += 0.5 * dt * speed[d] * speed[d];
      }
      keep_inside(layout->grid(), x);
      path.append(x, times[static_cast<std::size_t>(k) + 1] - times.front(), speed, path.running_cost, options.keep_points);
    }
  }
  return paths;
}

}  // namespace wasserflow
