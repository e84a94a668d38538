#pragma once
/// Scaled special functions that the standard library has not.

namespace wasserflow {

/// exp(x^2) erfc(x), x >= 0: no underflow. Relative error about 1e-15 (below 3: that of exp(x^2)).
double erfcx(double x);
/// exp(-z) I_0(z), z >= 0: no overflow.
double bessel_i0e(double z);

}  // namespace wasserflow
