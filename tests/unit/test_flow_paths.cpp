// ranks: 1 2 4
#define BOOST_TEST_MODULE flow_paths
#include <boost/test/unit_test.hpp>

#include "grids/support/errors.hpp"
#include "solvers/flow_paths.hpp"

using namespace wasserflow;

namespace {

std::vector<double> uniform_times(int steps, double final) {
  std::vector<double> times;
  for (int k = 0; k <= steps; ++k) times.push_back(final * k / steps);
  return times;
}

/// A turn about the origin, in time with the angle t^2.
VelocitySource turning(const LayoutPtr& layout, std::span<const double> times) {
  return [layout, times](int k, Field& v) {
    const double t = 0.5 * (times[static_cast<std::size_t>(k)] + times[static_cast<std::size_t>(k) + 1]);
    for (int r = 0; r < layout->rows(); ++r) {
      const RowPoints p = layout->row(r);
      for (int i = 0; i < p.n; ++i) {
        v.level(0)[p.offset + i] = -2 * t * p.y;
        v.level(1)[p.offset + i] = 2 * t * p.x[i];
      }
    }
  };
}

LayoutPtr box(int cells) {
  return make_layout(MPI_COMM_WORLD, Grid({Axis{-2, 2, cells, Boundary::NoFlux, 0.5}, Axis{-2, 2, cells, Boundary::NoFlux, 0.5}}), 1);
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_turn_is_followed_at_second_order) {
  const LayoutPtr layout = box(16);
  double before = 0;
  for (const int steps : {16, 32, 64}) {
    const std::vector<double> times = uniform_times(steps, 1);
    const std::vector<Trajectory::Point> starts{{1, 0, 0}, {0, -0.5, 0}, {0.3, 0.4, 0}, {-1, 0.2, 0}};
    double error = 0, cost = 0;
    for (const Trajectory& path : flow_paths(layout, times, 0, turning(layout, times), starts)) {
      const Trajectory::Point& x = starts[static_cast<std::size_t>(path.sample)];
      const double c = std::cos(1.0), s = std::sin(1.0);
      error = std::max({error, std::fabs(path.points.back()[0] - (c * x[0] - s * x[1])), std::fabs(path.points.back()[1] - (s * x[0] + c * x[1]))});
      // int 2 t^2 |x|^2 dt
      cost = std::max(cost, std::fabs(path.cost() - 2.0 / 3 * (x[0] * x[0] + x[1] * x[1])));
      BOOST_TEST(path.points.size() == times.size());
      BOOST_TEST(path.times.back() == 1.0);
    }
    std::vector<double> both{error, cost};
    MPI_Allreduce(MPI_IN_PLACE, both.data(), 2, MPI_DOUBLE, MPI_MAX, MPI_COMM_WORLD);
    BOOST_TEST(both[0] < 0.4 / steps / steps * 1.0);
    BOOST_TEST(both[1] < 2.0 / steps / steps);
    if (before > 0) BOOST_TEST(before / both[0] > 3.6);
    before = both[0];
  }
}

BOOST_AUTO_TEST_CASE(noise_has_its_variance_and_does_not_depend_on_the_ranks) {
  const LayoutPtr layout = box(8), alone = make_layout(MPI_COMM_SELF, layout->grid(), 1);
  const std::vector<double> times = uniform_times(4, 0.1);
  const std::vector<Trajectory::Point> starts(4000, Trajectory::Point{0.1, -0.2, 0});
  const auto still = [](int, Field& v) { v.fill(0); };
  const auto all = flow_paths(alone, times, 0.2, still, starts, {.seed = 7, .keep_points = false});
  const auto mine = flow_paths(layout, times, 0.2, still, starts, {.seed = 7, .keep_points = false});
  double variance = 0, mean = 0;
  for (const Trajectory& path : all) {
    mean += path.points.back()[1] / 4000;
    variance += std::pow(path.points.back()[1] + 0.2, 2) / 4000;
  }
  BOOST_TEST(std::fabs(mean + 0.2) < 4 * std::sqrt(0.04 / 4000));
  BOOST_TEST(std::fabs(variance - 0.04) < 4 * 0.04 * std::sqrt(2.0 / 4000));
  for (const Trajectory& path : mine) BOOST_TEST((path.points.back() == all[static_cast<std::size_t>(path.sample)].points.back()));
}

BOOST_AUTO_TEST_CASE(walls_reflect_and_starts_lie_inside) {
  const LayoutPtr layout = box(8);
  const std::vector<double> times = uniform_times(4, 1);
  const auto right = [](int, Field& v) {
    v.fill(0);
    for (double& x : v.owned(0)) x = 1;
  };
  const std::vector<Trajectory::Point> starts{{1.5, 0, 0}};
  for (const Trajectory& path : flow_paths(layout, times, 0, right, starts)) BOOST_TEST(std::fabs(path.points.back()[0] - 1.75) < 0.26);
  const std::vector<Trajectory::Point> outside{{2.5, 0, 0}};
  BOOST_CHECK_THROW((void)flow_paths(layout, times, 0, right, outside), InputError);
}
