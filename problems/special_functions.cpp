#include "problems/special_functions.hpp"

#include <cmath>
#include <numbers>

namespace wasserflow {

double erfcx(double x) {
  if (x < 3) return std::exp(x * x) * std::erfc(x);
  // Laplace's continued fraction: 1/sqrt(pi) / (x + (1/2) / (x + 1 / (x + (3/2) / ...))); its error after n terms falls as exp(-2 x sqrt(2 n)).
  double tail = x;
  for (int k = 8 + static_cast<int>(200 / (x * x)); k >= 1; --k) tail = x + 0.5 * k / tail;
  return std::numbers::inv_sqrtpi / tail;
}

double bessel_i0e(double z) {
  if (z < 20) {  // power series, all terms positive
    const double q = z * z / 4;
    double term = 1, sum = 1;
    for (int k = 1; term > 1e-17 * sum; ++k) {
      term *= q / (static_cast<double>(k) * k);
      sum += term;
    }
    return std::exp(-z) * sum;
  }
  double term = 1, sum = 1;  // asymptotic; the smallest term is about exp(-2 z)
  for (int k = 1; term > 1e-17 && k < 40; ++k) {
    const double odd = 2.0 * k - 1;
    term *= odd * odd / (8 * k * z);
    sum += term;
  }
  return sum / std::sqrt(2 * std::numbers::pi * z);
}

}  // namespace wasserflow
