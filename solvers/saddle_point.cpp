#include "solvers/saddle_point.hpp"

#include "grids/support/errors.hpp"

namespace wasserflow {
namespace {
[[noreturn]] void lacks(const char* what) {
  throw InternalError(std::string("this saddle point has no ") + what + ": it runs with given steps only");
}
}  // namespace

double SaddlePoint::operator_norm_squared() { lacks("operator norm"); }
double SaddlePoint::primal_error(double, double) { lacks("primal error"); }
void SaddlePoint::scale_extrapolation(double) { lacks("scalable extrapolation"); }
double SaddlePoint::adjoint_distance(const std::vector<Field>&) { lacks("adjoint distance"); }
double SaddlePoint::dual_distance(const std::vector<Field>&) { lacks("dual distance"); }

}  // namespace wasserflow
