#include "grids/line_transform.hpp"

#include <cmath>
#include <cstring>
#include <numbers>

#include "grids/spectral_transform.hpp"
#include "grids/support/errors.hpp"
#include "grids/support/pack8.hpp"

namespace wasserflow {
namespace {

template <class T>
typename Fftw<T>::Complex* complex(T* p) {
  return reinterpret_cast<typename Fftw<T>::Complex*>(p);
}

constexpr int pack = 4;  // complex numbers in a Pack8

template <class T>
constexpr Pack8Of<T> conjugate{1, -1, 1, -1, 1, -1, 1, -1};

/// V is a pack; comparing packs gives the integers that index them.
template <class V>
V reverse(V v) {
  return __builtin_shuffle(v, decltype(v < v){6, 7, 4, 5, 2, 3, 0, 1});
}
template <class V>
V reverse_all(V v) {
  return __builtin_shuffle(v, decltype(v < v){7, 6, 5, 4, 3, 2, 1, 0});
}
template <class V>
V swap(V v) {
  return __builtin_shuffle(v, decltype(v < v){1, 0, 3, 2, 5, 4, 7, 6});
}

/// For the pairs (k, m - k) of a complex line of m values, in place, with s = x[k] + conj x[m-k], d = x[k] - conj x[m-k] and t the table:
///   x[k] = h s + t[k] d,  x[m-k] = conj(h s - t[k] d).       Not for k = 0.
template <class T>
void rotate_pairs(T* x, int m, const T* table, T h) {
  using Pack8 = Pack8Of<T>;
  int k = 1;
  for (; k + pack - 1 < m - k - pack + 1; k += pack) {
    T* low = x + 2 * k;
    T* high = x + 2 * (m - k - pack + 1);
    const T* t = table + 4 * k;  // a pack of real parts twice, then a pack of (-imaginary, imaginary), for each k
    const Pack8 a = load8(low), b = reverse(load8(high)) * conjugate<T>;
    const Pack8 s = a + b, d = a - b;
    const Pack8 p0 = load8(t), p1 = load8(t + 8);
    const Pack8 real = __builtin_shuffle(p0, p1, Pack8IndexOf<T>{0, 1, 4, 5, 8, 9, 12, 13});
    const Pack8 imaginary = __builtin_shuffle(p0, p1, Pack8IndexOf<T>{2, 3, 6, 7, 10, 11, 14, 15});
    const Pack8 turned = real * d + imaginary * swap(d);
    store8(low, h * s + turned);
    store8(high, reverse((h * s - turned) * conjugate<T>));
  }
  for (; k <= m - k; ++k) {
    T* low = x + 2 * k;
    T* high = x + 2 * (m - k);
    const T sr = low[0] + high[0], si = low[1] - high[1], dr = low[0] - high[0], di = low[1] + high[1];
    const T tr = table[4 * k], ti = table[4 * k + 3];
    const T ur = tr * dr - ti * di, ui = tr * di + ti * dr;
    low[0] = h * sr + ur;
    low[1] = h * si + ui;
    if (k == m - k) break;
    high[0] = h * sr - ur;
    high[1] = ui - h * si;
  }
}

/// Even samples ascending, then odd ones descending with factor `sign`.
template <int parts, class T>
void fold(const T* x, int n, T sign, T* v) {
  for (int j = 0; j < (n + 1) / 2; ++j)
    for (int c = 0; c < parts; ++c) v[parts * j + c] = x[2 * parts * j + c];
  for (int j = 0; j < n / 2; ++j)
    for (int c = 0; c < parts; ++c) v[parts * (n - 1 - j) + c] = sign * x[2 * parts * j + parts + c];
}

template <int parts, class T>
void unfold(const T* v, int n, T sign, T* x) {
  for (int j = 0; j < n / 2; ++j)
    for (int c = 0; c < parts; ++c) {
      x[2 * parts * j + c] = v[parts * j + c];
      x[2 * parts * j + parts + c] = sign * v[parts * (n - 1 - j) + c];
    }
  if (n % 2 == 1)
    for (int c = 0; c < parts; ++c) x[parts * (n - 1) + c] = v[parts * (n / 2) + c];
}

// With z the Fourier modes of the folded line and w = exp(-i pi k / 2n):  X[k] = w z[k] + conj(w) z[n-k],  2 z[k] = conj(w) (X[k] - i X[n-k]).
// A sine transform has its modes in reverse order: X[k] at n - 1 - k.

template <class T>
void cosine_modes(const T* z, int n, const T* cosine, const T* sine, bool sines, T* x) {
  using Pack8 = Pack8Of<T>;
  const auto place = [&](int k) { return x + 2 * (sines ? n - 1 - k : k); };
  place(0)[0] = 2 * z[0];
  place(0)[1] = 2 * z[1];
  int k = 1;
  for (; k + pack - 1 < n - k - pack + 1; k += pack) {
    const Pack8 a = load8(z + 2 * k), b = reverse(load8(z + 2 * (n - k - pack + 1)));
    const Pack8 s = a + b, j = swap(a - b) * conjugate<T>, c = load8(cosine + 2 * k), d = load8(sine + 2 * k);
    const Pack8 low = c * s + d * j, high = d * s - c * j;
    if (sines) {
      store8(x + 2 * (n - k - pack), reverse(low));
      store8(x + 2 * (k - 1), high);
    } else {
      store8(x + 2 * k, low);
      store8(x + 2 * (n - k - pack + 1), reverse(high));
    }
  }
  for (; k <= n - k; ++k) {
    const T* a = z + 2 * k;
    const T* b = z + 2 * (n - k);
    const T sr = a[0] + b[0], si = a[1] + b[1], jr = a[1] - b[1], ji = b[0] - a[0], c = cosine[2 * k], d = sine[2 * k];
    place(k)[0] = c * sr + d * jr;
    place(k)[1] = c * si + d * ji;
    place(n - k)[0] = d * sr - c * jr;
    place(n - k)[1] = d * si - c * ji;
  }
}

template <class T>
void cosine_modes_back(const T* x, int n, const T* cosine, const T* sine, bool sines, T* z) {
  using Pack8 = Pack8Of<T>;
  const auto place = [&](int k) { return x + 2 * (sines ? n - 1 - k : k); };
  z[0] = place(0)[0];
  z[1] = place(0)[1];
  int k = 1;
  for (; k + pack - 1 < n - k - pack + 1; k += pack) {
    const Pack8 a = sines ? reverse(load8(x + 2 * (n - k - pack))) : load8(x + 2 * k);
    const Pack8 b = sines ? load8(x + 2 * (k - 1)) : reverse(load8(x + 2 * (n - k - pack + 1)));
    const Pack8 q = swap(b) * conjugate<T>, f = a + q, g = a - q, c = load8(cosine + 2 * k), d = load8(sine + 2 * k);
    store8(z + 2 * k, c * f - d * (swap(f) * conjugate<T>));
    store8(z + 2 * (n - k - pack + 1), reverse(c * g + d * (swap(g) * conjugate<T>)));
  }
  for (; k <= n - k; ++k) {
    const T* a = place(k);
    const T* b = place(n - k);
    const T c = cosine[2 * k], d = sine[2 * k];
    const T fr = a[0] + b[1], fi = a[1] - b[0], gr = a[0] - b[1], gi = a[1] + b[0];
    z[2 * k] = c * fr - d * fi;
    z[2 * k + 1] = c * fi + d * fr;
    z[2 * (n - k)] = c * gr + d * gi;
    z[2 * (n - k) + 1] = c * gi - d * gr;
  }
}

/// The same for a real line and its modes 0 ... n / 2:  X[k] = 2 Re(w z[k]),  X[n-k] = -2 Im(w z[k]). Tables with one entry a mode.
template <class T>
void real_cosine_modes(const T* z, int n, const T* cosine, const T* sine, bool sines, T* x) {
  using Pack8 = Pack8Of<T>;
  const auto place = [&](int k) { return x + (sines ? n - 1 - k : k); };
  *place(0) = 2 * z[0];
  int k = 1;
  for (; k + 7 <= (n - 1) / 2; k += 8) {
    const Pack8 p = load8(z + 2 * k), q = load8(z + 2 * k + 8), c = load8(cosine + k), d = load8(sine + k);
    const Pack8 re = __builtin_shuffle(p, q, Pack8IndexOf<T>{0, 2, 4, 6, 8, 10, 12, 14});
    const Pack8 im = __builtin_shuffle(p, q, Pack8IndexOf<T>{1, 3, 5, 7, 9, 11, 13, 15});
    const Pack8 low = T{2} * (c * re + d * im), high = T{2} * (d * re - c * im);
    store8(sines ? x + k - 1 : x + k, sines ? high : low);
    store8(x + n - k - (sines ? 8 : 7), reverse_all(sines ? low : high));
  }
  for (; k <= n / 2; ++k) {
    *place(n - k) = 2 * (sine[k] * z[2 * k] - cosine[k] * z[2 * k + 1]);
    *place(k) = 2 * (cosine[k] * z[2 * k] + sine[k] * z[2 * k + 1]);
  }
}

template <class T>
void real_cosine_modes_back(const T* x, int n, const T* cosine, const T* sine, bool sines, T* z) {
  using Pack8 = Pack8Of<T>;
  const auto mode = [&](int k) { return x[sines ? n - 1 - k : k]; };
  z[0] = mode(0);
  z[1] = 0;
  int k = 1;
  for (; k + 7 <= n / 2; k += 8) {
    const Pack8 ascending = load8(sines ? x + k - 1 : x + k), descending = reverse_all(load8(x + n - k - (sines ? 8 : 7)));
    const Pack8 a = sines ? descending : ascending, b = sines ? ascending : descending;
    const Pack8 c = load8(cosine + k), d = load8(sine + k);
    const Pack8 re = c * a + d * b, im = d * a - c * b;
    store8(z + 2 * k, __builtin_shuffle(re, im, Pack8IndexOf<T>{0, 8, 1, 9, 2, 10, 3, 11}));
    store8(z + 2 * k + 8, __builtin_shuffle(re, im, Pack8IndexOf<T>{4, 12, 5, 13, 6, 14, 7, 15}));
  }
  for (; k <= n / 2; ++k) {
    const T a = mode(k), b = mode(n - k);
    z[2 * k] = cosine[k] * a + sine[k] * b;
    z[2 * k + 1] = sine[k] * a - cosine[k] * b;
  }
}

}  // namespace

template <class T>
LineTransform<T>::LineTransform(AxisTransform kind, int n, int parts, int lines, std::ptrdiff_t in_distance, std::ptrdiff_t out_distance)
    : kind_(kind), n_(n), parts_(parts), lines_(lines), in_distance_(in_distance), out_distance_(out_distance), halved_(parts == 1 && n % 2 == 0) {
  const bool fourier = kind == AxisTransform::Fourier;
  // Cosines and sines go from the folded copy back into the input array, whose lines hold two doubles more than the samples.
  const std::ptrdiff_t to = fourier ? out_distance : in_distance;
  FftwBuffer<T> a(static_cast<std::size_t>(lines * in_distance)), b(static_cast<std::size_t>(lines * to));
  constexpr unsigned flags = FFTW_ESTIMATE | FFTW_DESTROY_INPUT;
  const auto dim = [](int length, std::ptrdiff_t from, std::ptrdiff_t into) { return fftw_iodim64{length, from, into}; };
  if (parts == 1 && !halved_) {
    const fftw_iodim64 line = dim(n, 1, 1), there = dim(lines, in_distance, to / 2), back = dim(lines, to / 2, in_distance);
    forward_ = FftwPlan<T>(Fftw<T>::plan_dft_r2c(1, &line, 1, &there, a.data(), complex(b.data()), flags));
    backward_ = FftwPlan<T>(Fftw<T>::plan_dft_c2r(1, &line, 1, &back, complex(b.data()), a.data(), flags));
  } else {
    const fftw_iodim64 line = dim(halved_ ? n / 2 : n, 1, 1), there = dim(lines, in_distance / 2, to / 2), back = dim(lines, to / 2, in_distance / 2);
    forward_ = FftwPlan<T>(Fftw<T>::plan_dft(1, &line, 1, &there, complex(a.data()), complex(b.data()), FFTW_FORWARD, flags));
    backward_ = FftwPlan<T>(Fftw<T>::plan_dft(1, &line, 1, &back, complex(b.data()), complex(a.data()), FFTW_BACKWARD, flags));
  }
  if (!forward_ || !backward_) throw InternalError("FFTW made no plan");

  constexpr long double pi = std::numbers::pi_v<long double>;
  if (halved_) {
    // Mode k of the real line is (s - i exp(-2 pi i k / n) d) / 2 in the terms of rotate_pairs, and back: s + i exp(2 pi i k / n) d.
    for (int k = 0; k <= n / 2; ++k) {
      const long double w = 2 * pi * k / n;
      const auto c = static_cast<T>(std::cos(w)), s = static_cast<T>(std::sin(w));
      turn_.insert(turn_.end(), {-s / 2, -s / 2, c / 2, -c / 2});
      turn_back_.insert(turn_back_.end(), {-s, -s, -c, c});
    }
  }
  if (!fourier) {
    work_ = std::move(a);
    for (int k = 0; k <= n; ++k)
      for (int c = 0; c < parts; ++c) {
        cosine_.push_back(static_cast<T>(std::cos(pi * k / (2 * n))));
        sine_.push_back(static_cast<T>(std::sin(pi * k / (2 * n))));
      }
  }
}

template <class T>
void LineTransform<T>::fourier_forward(T* in, T* out, std::ptrdiff_t distance) {
  if (parts_ == 1 && !halved_) return Fftw<T>::execute_dft_r2c(forward_.get(), in, complex(out));
  Fftw<T>::execute_dft(forward_.get(), complex(in), complex(out));
  if (!halved_) return;
  for (int l = 0; l < lines_; ++l) {
    T* x = out + l * distance;
    const T r = x[0], i = x[1];
    rotate_pairs(x, n_ / 2, turn_.data(), T(0.5));
    x[0] = r + i;
    x[1] = 0;
    x[n_] = r - i;
    x[n_ + 1] = 0;
  }
}

template <class T>
void LineTransform<T>::fourier_backward(T* out, T* in, std::ptrdiff_t distance) {
  if (parts_ == 1 && !halved_) return Fftw<T>::execute_dft_c2r(backward_.get(), complex(out), in);
  for (int l = 0; halved_ && l < lines_; ++l) {
    T* x = out + l * distance;
    const T first = x[0], last = x[n_];
    rotate_pairs(x, n_ / 2, turn_back_.data(), T(1));
    x[0] = first + last;
    x[1] = first - last;
  }
  Fftw<T>::execute_dft(backward_.get(), complex(out), complex(in));
}

template <class T>
void LineTransform<T>::forward(T* in, T* out) {
  if (kind_ == AxisTransform::Fourier) return fourier_forward(in, out, out_distance_);
  const bool sines = kind_ == AxisTransform::Sine;
  const T sign = sines ? -1 : 1;
  for (int l = 0; l < lines_; ++l) (parts_ == 2 ? fold<2, T> : fold<1, T>)(in + l * in_distance_, n_, sign, work_.data() + l * in_distance_);
  fourier_forward(work_.data(), in, in_distance_);
  for (int l = 0; l < lines_; ++l)
    (parts_ == 2 ? cosine_modes<T> : real_cosine_modes<T>)(in + l * in_distance_, n_, cosine_.data(), sine_.data(), sines, out + l * out_distance_);
}

template <class T>
void LineTransform<T>::backward(T* out, T* in) {
  if (kind_ == AxisTransform::Fourier) return fourier_backward(out, in, out_distance_);
  const bool sines = kind_ == AxisTransform::Sine;
  const T sign = sines ? -1 : 1;
  for (int l = 0; l < lines_; ++l)
    (parts_ == 2 ? cosine_modes_back<T> : real_cosine_modes_back<T>)(out + l * out_distance_, n_, cosine_.data(), sine_.data(), sines,
                                                                     in + l * in_distance_);
  fourier_backward(in, work_.data(), in_distance_);
  for (int l = 0; l < lines_; ++l) (parts_ == 2 ? unfold<2, T> : unfold<1, T>)(work_.data() + l * in_distance_, n_, sign, in + l * in_distance_);
}

template class LineTransform<double>;
template class LineTransform<float>;

}  // namespace wasserflow
