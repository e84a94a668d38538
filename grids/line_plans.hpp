#pragma once
/// A batch of one-dimensional transforms of fixed shape, forward and backward.
#include <cstddef>

#include "grids/support/fftw.hpp"

namespace wasserflow {

enum class AxisTransform;

/// Where the lines of a batch stand: element j of line l at j * stride + l * distance, in elements (a complex number is one element).
struct LineShape {
  std::ptrdiff_t stride = 1;
  std::ptrdiff_t distance = 0;
};

/// `lines` transforms of length n between two arrays. Input elements are real (parts 1) or complex (parts 2); Fourier transforms of real
/// input are complex and halved. The same plan runs on any 64-byte aligned arrays, so that its result does not depend on where they are.
class LinePlans {
 public:
  LinePlans() = default;
  /// `in` and `out` are distinct arrays with 64-byte alignment; they are not touched.
  LinePlans(AxisTransform kind, int n, int parts, int lines, LineShape in_shape, LineShape out_shape, double* in, double* out);

  /// Fourier: exponent -2 pi i j k / n; Cosine: REDFT10; Sine: RODFT10.
  void forward(double* in, double* out) const;
  /// Back from `out` to `in`, not normalised; changes `out`.
  void backward(double* out, double* in) const;

 private:
  enum class Call { RealToComplex, Complex, RealToReal };
  Call call_ = Call::Complex;
  FftwPlan forward_, backward_;
};

}  // namespace wasserflow
