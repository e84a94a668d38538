#pragma once
/// A batch of one-dimensional transforms of fixed shape, forward and backward.
#include <cstddef>
#include <vector>

#include "grids/support/fftw.hpp"

namespace wasserflow {

enum class AxisTransform;

/// `lines` transforms of length n between two arrays of contiguous lines. Input elements are real (parts 1) or complex (parts 2, real part
/// first); Fourier transforms of real input keep the modes 0 ... n / 2, complex. All work goes into complex FFTW plans, which run on SIMD codelets;
/// FFTW's own real-to-real and real-to-complex plans mostly do not, and take 3 and 1.6 times as long here:
///   - a real line of even length is one complex line of half the length (Numerical Recipes, 12.3.2);
///   - DCT-II and DCT-III are a Fourier transform of the line in the order 0, 2, 4, ..., 5, 3, 1 (Makhoul 1980);
///   - DST-II is the DCT-II of (-1)^j u_j with its modes in reverse order.
/// Every line of a batch passes through the same operations, wherever it stands: results do not depend on the batch.
/// T is double or float.
template <class T>
class LineTransform {
 public:
  LineTransform() = default;
  /// Distances between successive lines are in real numbers, multiples of 8; `in_distance` >= parts * n + 2, `out_distance` holds the modes.
  LineTransform(AxisTransform kind, int n, int parts, int lines, std::ptrdiff_t in_distance, std::ptrdiff_t out_distance);

  /// Fourier: exponent -2 pi i j k / n; Cosine: REDFT10; Sine: RODFT10. `in` and `out` are distinct, 64-byte aligned; changes `in`.
  void forward(T* in, T* out);
  /// Back from `out` to `in`, not normalised; changes `out`.
  void backward(T* out, T* in);

 private:
  void fourier_forward(T* in, T* out, std::ptrdiff_t out_distance);
  void fourier_backward(T* out, T* in, std::ptrdiff_t out_distance);

  AxisTransform kind_{};
  int n_ = 0, parts_ = 1, lines_ = 0;
  std::ptrdiff_t in_distance_ = 0, out_distance_ = 0;
  bool halved_ = false;  ///< real lines as complex lines of half the length
  FftwPlan<T> forward_, backward_;
  FftwBuffer<T> work_;
  std::vector<T> turn_, turn_back_;  ///< rotations that split a complex line of half the length into the modes of the real one, and back
  std::vector<T> cosine_, sine_;     ///< of pi k / (2 n), `parts` times each
};

extern template class LineTransform<double>;
extern template class LineTransform<float>;

}  // namespace wasserflow
