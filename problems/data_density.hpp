#pragma once
/// Densities of data that stay in closed form when they are scaled and blurred, X_t = alpha X_0 + sigma Z: the exact densities and scores of
/// noising diffusions, and so the exact coefficients of their reverse processes.
#include <array>
#include <memory>
#include <vector>

#include "problems/diffusion_process.hpp"
#include "problems/function.hpp"

namespace wasserflow {

/// The density of alpha X_0 + sigma Z for one alpha and sigma, ready for evaluation.
class MovedDensity {
 public:
  virtual ~MovedDensity() = default;
  /// log p and the score grad log p (one pointer an axis) at the points of a row; null pointers are left out. log p = -infinity and score 0 outside
  /// the support. Thread-safe, not collective.
  virtual void evaluate(const RowPoints& p, double* log_density, double* const* score) const = 0;
};

/// The density of X_0.
class DataDensity {
 public:
  virtual ~DataDensity() = default;
  virtual int dim() const = 0;
  /// The density of alpha X_0 + sqrt(variance) Z; alpha > 0, variance >= 0.
  virtual std::shared_ptr<const MovedDensity> moved(double alpha, double variance) const = 0;
};
using DataDensityPtr = std::shared_ptr<const DataDensity>;

/// w_k of the mass (weights are scaled to sum 1) on the circle of radius |r| about the origin with r ~ N(radius, deviation^2); in the plane. Without
/// blur (variance 0) the singularity 1/|x| at the origin is taken away by the variance (1e-4 deviation)^2. Throws InputError unless all are positive.
struct Ring {
  double weight = 1, radius = 1, deviation = 0.1;
};
DataDensityPtr make_rings(std::vector<Ring> rings);

/// w_k of the mass (weights are scaled to sum 1), uniform in a box; 1 to 3 dimensions. Throws InputError: no box, a weight that is not positive, an
/// empty box, more than 64 different intervals along an axis.
struct Box {
  double weight = 1;
  std::array<double, 3> lower{}, upper{};
};
DataDensityPtr make_boxes(int dim, std::vector<Box> boxes);

/// p_0 as a function of x.
FunctionPtr density_function(DataDensityPtr data);
/// The data that density_function was made of; null for other functions.
DataDensityPtr data_of(const FunctionPtr& density);

/// Functions of (x, t) along a process. What depends on t alone is prepared once for each time at which it is asked for, and shared by functions
/// that come from one call.
struct MovedFunctions {
  FunctionPtr density, log_density;
  std::vector<FunctionPtr> score;           ///< grad log p_t, one an axis
  std::vector<FunctionPtr> posterior_mean;  ///< E[X_0 | X_t = x] = (x + sigma^2 score) / alpha (Tweedie's formula)
};
MovedFunctions moved_functions(DataDensityPtr data, const DiffusionProcess& process);

}  // namespace wasserflow
