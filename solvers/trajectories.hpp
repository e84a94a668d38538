#pragma once
/// Optimal trajectories of the control problem behind a Hamilton-Jacobi equation, by the feedback that its value function gives.
#include <array>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "solvers/hamilton_jacobi_problem.hpp"

namespace wasserflow {

/// Control time s runs against the time of the equation, t = T - s: phi(x, t) is the least cost from x with the time t to go. Along an optimal
/// trajectory
///   dx = -H_p(x, t, grad phi) ds + sqrt(2 eps) dW,   running cost L = H_p . grad phi - H,   terminal cost g = phi(., 0),
/// with H including drift and potential, so that phi(x, T) is the mean of the costs.
struct Trajectory {
  using Point = std::array<double, 3>;
  std::int64_t sample = 0;        ///< number of its start
  std::vector<double> times;      ///< control times, from 0; one a point
  std::vector<Point> points;      ///< not wrapped around periodic axes, so that lines do not jump
  std::vector<double> costs;      ///< running cost up to each point
  std::vector<Point> velocities;  ///< feedback -H_p used from each point on; at the last point that of the one before
  double running_cost = 0;        ///< int L ds
  double terminal_cost = 0;       ///< g where it ends; 0 when it left through a Dirichlet boundary
  double value = 0;               ///< phi(x, T) at the start, interpolated: what the mean of the costs approaches
  double cost() const { return running_cost + terminal_cost; }
  /// The next point, and the velocity that led there; without `keep_points` it replaces the last point unless that is the start.
  void append(const Point& x, double time, const Point& velocity, double cost, bool keep_points);
};

struct TrajectoryOptions {
  enum class Interpolation { Linear, Nearest };
  /// Of the feedback between grid points; Nearest keeps bang-bang controls bang-bang.
  Interpolation interpolation = Interpolation::Linear;
  std::uint64_t seed = 1;   ///< of the noise, which depends on (seed, sample, step) only
  bool keep_points = true;  ///< false: only start and end, for means over many samples
};

/// Puts phi at level k into level 0 of the field (owned points).
/// @note Collective.
using LevelSource = std::function<void(int k, Field& phi)>;

/// Integrates from every start by one Euler(-Maruyama) step a time level, with the feedback of the level at the step's start. `times` are
/// t_0 = 0 < ... < t_N = T of the levels. Every rank passes all starts (the components beyond the dimension are ignored) and returns a
/// contiguous share of the trajectories, in order; the values do not depend on the number of ranks. Boundaries: Periodic wraps, NoFlux reflects,
/// Dirichlet ends the trajectory, beyond Extrapolate the feedback of the nearest point in the box holds.
///
/// A trajectory stays with its rank, which asks the owners of the slabs for the feedback at its points: two all-to-all exchanges of a few numbers a
/// trajectory and step. The problem's times are left at t_1.
/// Throws InputError when a start lies outside of an axis that is not periodic.
/// @note Collective.
std::vector<Trajectory> optimal_trajectories(HamiltonJacobiProblem& problem, std::span<const double> times, const LevelSource& level,
                                             std::span<const Trajectory::Point> starts, const TrajectoryOptions& options = {});

/// This rank's share of the paths, each with its start at time 0. Throws InputError when a start lies outside of an axis that is not periodic.
std::vector<Trajectory> begin_paths(const SlabLayout& layout, std::span<const Trajectory::Point> starts);
/// Independent standard normal numbers, one an axis.
Trajectory::Point path_noise(const TrajectoryOptions& options, std::int64_t sample, int step, int dim);

/// counts[d] points along axis d, in the middle of equal parts of it; all combinations.
std::vector<Trajectory::Point> tensor_starts(const Grid& grid, std::span<const int> counts);

/// Means over the trajectories of all ranks.
struct MeanCost {
  double mean = 0;            ///< of the costs
  double mean_value = 0;      ///< of Trajectory::value
  double standard_error = 0;  ///< of the mean of cost - value; 0 for fewer than two
};
/// @note Collective over `comm`.
MeanCost mean_cost(MPI_Comm comm, std::span<const Trajectory> trajectories);

}  // namespace wasserflow
