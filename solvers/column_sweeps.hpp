#pragma once
/// Rows of tall, thin float32 matrices against rows of doubles: several columns at a time, so that a row is read and converted once.
#include "grids/support/pack8.hpp"

namespace wasserflow {

inline double sum_of_lanes(Pack8 v) { return ((v[0] + v[1]) + (v[2] + v[3])) + ((v[4] + v[5]) + (v[6] + v[7])); }

/// with_d[k] = d . column k and with_z[k] = z . column k over n values.
template <int K>
void products_of(const double* d, const double* z, const float* const* columns, int n, double* with_d, double* with_z) {
  Pack8 sum_d[K]{}, sum_z[K]{};
  int i = 0;
  for (; i + 8 <= n; i += 8) {
    const Pack8 x = load8(d + i), y = load8(z + i);
    for (int k = 0; k < K; ++k) {
      const Pack8 c = __builtin_convertvector(load8(columns[k] + i), Pack8);
      sum_d[k] += x * c;
      sum_z[k] += y * c;
    }
  }
  for (int k = 0; k < K; ++k) {
    double sd = sum_of_lanes(sum_d[k]), sz = sum_of_lanes(sum_z[k]);
    for (int j = i; j < n; ++j) {
      sd += d[j] * static_cast<double>(columns[k][j]);
      sz += z[j] * static_cast<double>(columns[k][j]);
    }
    with_d[k] = sd;
    with_z[k] = sz;
  }
}

inline void products(const double* d, const double* z, const float* const* columns, int count, int n, double* with_d, double* with_z) {
  int k = 0;
  for (; k + 4 <= count; k += 4) products_of<4>(d, z, columns + k, n, with_d + k, with_z + k);
  for (; k < count; ++k) products_of<1>(d, z, columns + k, n, with_d + k, with_z + k);
}

inline double square(const double* z, int n) {
  Pack8 sum{};
  int i = 0;
  for (; i + 8 <= n; i += 8) sum += load8(z + i) * load8(z + i);
  double s = sum_of_lanes(sum);
  for (; i < n; ++i) s += z[i] * z[i];
  return s;
}

template <int K, class T>
void subtract_some(const T* const* columns, const double* weights, int n, double* x) {
  for (int i = 0; i < n; ++i) {
    double v = x[i];
    for (int k = 0; k < K; ++k) v -= weights[k] * static_cast<double>(columns[k][i]);
    x[i] = v;
  }
}

/// x -= sum_k weights[k] column k over n values.
template <class T>
void subtract_columns(const T* const* columns, const double* weights, int count, int n, double* x) {
  int k = 0;
  for (; k + 4 <= count; k += 4) subtract_some<4>(columns + k, weights + k, n, x);
  for (; k + 2 <= count; k += 2) subtract_some<2>(columns + k, weights + k, n, x);
  if (k < count) subtract_some<1>(columns + k, weights + k, n, x);
}

}  // namespace wasserflow
