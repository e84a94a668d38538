#pragma once
/// Eight doubles or floats at a time, for the few loops that compilers do not vectorise: transposes, and sweeps that run forward and backward at
/// once. GCC's vector extension: it becomes whatever the target has.
#include <cstddef>
#include <cstring>
#if defined(__SSE2__)
#include <immintrin.h>
#endif

namespace wasserflow {

template <class T>
struct Pack8Types;
template <>
struct Pack8Types<double> {
  using Values = double __attribute__((vector_size(64)));
  using Index = long long __attribute__((vector_size(64)));
};
template <>
struct Pack8Types<float> {
  using Values = float __attribute__((vector_size(32)));
  using Index = int __attribute__((vector_size(32)));
};
template <class T>
using Pack8Of = typename Pack8Types<T>::Values;
template <class T>
using Pack8IndexOf = typename Pack8Types<T>::Index;
using Pack8 = Pack8Of<double>;
using Pack8Index = Pack8IndexOf<double>;

template <class T>
[[gnu::always_inline]] inline Pack8Of<T> load8(const T* p) {
  Pack8Of<T> v;
  std::memcpy(&v, p, sizeof v);
  return v;
}

template <class T>
[[gnu::always_inline]] inline void store8(T* p, Pack8Of<T> v) {
  std::memcpy(p, &v, sizeof v);
}

/// Past the caches, for data that will not be read soon; `p` is aligned to the pack. A stream_fence() must follow before others read.
[[gnu::always_inline]] inline void stream8(double* p, Pack8 v) {
#if defined(__AVX512F__)
  _mm512_stream_pd(p, v);
#elif defined(__SSE2__)
  for (int i = 0; i < 8; i += 2) _mm_stream_pd(p + i, _mm_setr_pd(v[i], v[i + 1]));
#else
  store8(p, v);
#endif
}

[[gnu::always_inline]] inline void stream8(float* p, Pack8Of<float> v) {
#if defined(__AVX__)
  _mm256_stream_ps(p, v);
#elif defined(__SSE2__)
  for (int i = 0; i < 8; i += 4) _mm_stream_ps(p + i, _mm_setr_ps(v[i], v[i + 1], v[i + 2], v[i + 3]));
#else
  store8(p, v);
#endif
}

inline void stream_fence() {
#if defined(__SSE2__)
  _mm_sfence();
#endif
}

/// to[c][r] = from[r][c], 4 x 4 complex numbers; `from_row` and `to_row`: real numbers from row to row.
template <class T>
[[gnu::always_inline]] inline void transpose_complex_4x4(const T* from, std::ptrdiff_t from_row, T* to, std::ptrdiff_t to_row) {
  using Pack8 = Pack8Of<T>;
  using Pack8Index = Pack8IndexOf<T>;
  const Pack8 a = load8(from), b = load8(from + from_row), c = load8(from + 2 * from_row), d = load8(from + 3 * from_row);
  constexpr Pack8Index low{0, 1, 8, 9, 2, 3, 10, 11}, high{4, 5, 12, 13, 6, 7, 14, 15};
  const Pack8 ab0 = __builtin_shuffle(a, b, low), ab1 = __builtin_shuffle(a, b, high);  // columns 0 and 1, 2 and 3
  const Pack8 cd0 = __builtin_shuffle(c, d, low), cd1 = __builtin_shuffle(c, d, high);
  constexpr Pack8Index left{0, 1, 2, 3, 8, 9, 10, 11}, right{4, 5, 6, 7, 12, 13, 14, 15};
  store8(to, __builtin_shuffle(ab0, cd0, left));
  store8(to + to_row, __builtin_shuffle(ab0, cd0, right));
  store8(to + 2 * to_row, __builtin_shuffle(ab1, cd1, left));
  store8(to + 3 * to_row, __builtin_shuffle(ab1, cd1, right));
}

/// The same for 8 x 8 real numbers.
template <class T>
[[gnu::always_inline]] inline void transpose_real_8x8(const T* from, std::ptrdiff_t from_row, T* to, std::ptrdiff_t to_row) {
  using Pack8 = Pack8Of<T>;
  using Pack8Index = Pack8IndexOf<T>;
  Pack8 x[8], y[8];
  for (int i = 0; i < 8; ++i) x[i] = load8(from + i * from_row);
  constexpr Pack8Index even{0, 8, 2, 10, 4, 12, 6, 14}, odd{1, 9, 3, 11, 5, 13, 7, 15};
  for (int i = 0; i < 8; i += 2) {
    y[i] = __builtin_shuffle(x[i], x[i + 1], even);
    y[i + 1] = __builtin_shuffle(x[i], x[i + 1], odd);
  }
  constexpr Pack8Index even2{0, 1, 8, 9, 4, 5, 12, 13}, odd2{2, 3, 10, 11, 6, 7, 14, 15};
  for (int i = 0; i < 8; i += 4)
    for (int j = 0; j < 2; ++j) {
      x[i + j] = __builtin_shuffle(y[i + j], y[i + j + 2], even2);
      x[i + j + 2] = __builtin_shuffle(y[i + j], y[i + j + 2], odd2);
    }
  constexpr Pack8Index low{0, 1, 2, 3, 8, 9, 10, 11}, high{4, 5, 6, 7, 12, 13, 14, 15};
  for (int j = 0; j < 4; ++j) {
    store8(to + j * to_row, __builtin_shuffle(x[j], x[j + 4], low));
    store8(to + (j + 4) * to_row, __builtin_shuffle(x[j], x[j + 4], high));
  }
}

}  // namespace wasserflow
