#include "grids/line_convolution.hpp"

#include <algorithm>
#include <cmath>

#include "grids/support/pack8.hpp"
#include "grids/support/vector_math.hpp"

namespace wasserflow {
namespace {

constexpr int largest_tile = 16;
/// Log weights of one tile against another one may differ by this much: sums of exponentials relative to the largest stay far from underflow.
constexpr double tile_range = 300;

}  // namespace

int LineConvolution::tile(const std::vector<double>& log_weight) {
  const std::size_t reach = log_weight.size() - 1;
  const double steepest = reach > 0 ? log_weight[reach - 1] - log_weight[reach] : 0;
  int size = largest_tile;
  while (size > 4 && 2 * size * steepest > tile_range) size /= 2;
  return size;
}

LineConvolution::LineConvolution(const std::vector<double>& log_weight, int n, int payloads, int extra)
    : n_(n), reach_(static_cast<int>(log_weight.size()) - 1), extra_(extra), tile_(tile(log_weight)) {
  for (const double w : log_weight) weight_.push_back(std::exp(w));
  const double infinity = std::numeric_limits<double>::infinity();
  const auto at = [&](int j) { return std::abs(j) <= reach_ ? log_weight[static_cast<std::size_t>(std::abs(j))] : -infinity; };
  const int distances = (tile_ - 1 + 2 * reach_) / tile_ + 1, width = 2 * tile_ - 1;
  for (int d = 0; d < distances; ++d) {
    double top = -infinity;
    for (int k = 0; k < width; ++k) top = std::max(top, at(d * tile_ + k - (tile_ - 1) - reach_));
    top_.push_back(top);
    for (int k = 0; k < width; ++k) table_.push_back(std::exp(at(d * tile_ + k - (tile_ - 1) - reach_) - top));
  }
  // Rounded up to whole tiles on both sides of the transfer from outputs to inputs.
  const std::size_t tiles = static_cast<std::size_t>((n + tile_ - 1) / tile_ + distances);
  const std::size_t points = tiles * static_cast<std::size_t>(tile_);
  for (int f = 0; f <= payloads; ++f) {
    inputs_.emplace_back(points * 8);
    outputs_.emplace_back(points * 8);
  }
  std::fill_n(inputs_[0].data(), points * 8, -infinity);
  exponentials_ = FftwBuffer<double>(points * 8);
  largest_ = FftwBuffer<double>(tiles * 8);
}

void LineConvolution::coordinates(int d, const Axis& axis, int first) {
  double* p = input(1 + d);
  for (int i = 0; i < n_ + 2 * reach_ + extra_; ++i) store8(p + static_cast<std::ptrdiff_t>(i) * 8, Pack8{} + axis.node(first + i - reach_));
}

void LineConvolution::sum() {
  const double* u = input(0) + static_cast<std::ptrdiff_t>(reach_) * 8;
  double* out = outputs_[0].data();
  // Four points at a time: the loads of neighbours overlap.
  int i = 0;
  for (; i + 4 <= n_; i += 4) {
    const double* p = u + static_cast<std::ptrdiff_t>(i) * 8;
    Pack8 a = weight_[0] * load8(p), b = weight_[0] * load8(p + 8), c = weight_[0] * load8(p + 16), d = weight_[0] * load8(p + 24);
    for (std::ptrdiff_t j = 1; j <= reach_; ++j) {
      const double w = weight_[static_cast<std::size_t>(j)];
      const double *left = p - j * 8, *right = p + j * 8;
      a += w * (load8(left) + load8(right));
      b += w * (load8(left + 8) + load8(right + 8));
      c += w * (load8(left + 16) + load8(right + 16));
      d += w * (load8(left + 24) + load8(right + 24));
    }
    double* o = out + static_cast<std::ptrdiff_t>(i) * 8;
    store8(o, a), store8(o + 8, b), store8(o + 16, c), store8(o + 24, d);
  }
  for (; i < n_; ++i) {
    const double* p = u + static_cast<std::ptrdiff_t>(i) * 8;
    Pack8 a = weight_[0] * load8(p);
    for (std::ptrdiff_t j = 1; j <= reach_; ++j) a += weight_[static_cast<std::size_t>(j)] * (load8(p - j * 8) + load8(p + j * 8));
    store8(out + static_cast<std::ptrdiff_t>(i) * 8, a);
  }
}

void LineConvolution::log_sum_exp(int payloads) {
  switch (tile_) {
    case 16: tiled<16>(payloads); break;
    case 8: tiled<8>(payloads); break;
    default: tiled<4>(payloads);
  }
}

template <int tile>
void LineConvolution::tiled(int payloads) {
  const double* f = input(0);
  const int padded = n_ + 2 * reach_ + extra_, tiles = (padded + tile - 1) / tile, distances = static_cast<int>(top_.size());
  const Pack8 lowest = Pack8{} - 1e300;  // stands for -infinity where differences are formed
  double *e = exponentials_.data(), *largest = largest_.data();
  // What fills the last tile counts as nothing.
  std::fill(inputs_[0].data() + static_cast<std::ptrdiff_t>(padded) * 8, inputs_[0].data() + inputs_[0].size(), -std::numeric_limits<double>::infinity());
  for (int t = 0; t < tiles; ++t) {
    const double* p = f + static_cast<std::ptrdiff_t>(t) * tile * 8;
    Pack8 m = lowest;
    for (int b = 0; b < tile; ++b) {
      const Pack8 v = load8(p + b * 8);
      m = v > m ? v : m;
    }
    store8(largest + static_cast<std::ptrdiff_t>(t) * 8, m);
    for (int b = 0; b < tile; ++b) store8(e + (static_cast<std::ptrdiff_t>(t) * tile + b) * 8, exp8(load8(p + b * 8) - m));
  }
  for (int o = 0; o * tile < n_; ++o) {
    const int last = std::min(distances, tiles - o);
    Pack8 top = lowest;
    for (int d = 0; d < last; ++d) {
      const Pack8 c = load8(largest + static_cast<std::ptrdiff_t>(o + d) * 8) + top_[static_cast<std::size_t>(d)];
      top = c > top ? c : top;
    }
    alignas(64) double sums[tile * 8] = {}, means[3][tile * 8] = {}, scaled[tile * 8];
    for (int d = 0; d < last; ++d) {
      const Pack8 factor = exp8(load8(largest + static_cast<std::ptrdiff_t>(o + d) * 8) + top_[static_cast<std::size_t>(d)] - top);
      bool any = false;
      for (int l = 0; l < 8; ++l) any = any || factor[l] > 0;
      if (!any) continue;
      const std::ptrdiff_t source = static_cast<std::ptrdiff_t>(o + d) * tile * 8;
      const double* table = table_.data() + static_cast<std::ptrdiff_t>(d) * (2 * tile - 1) + (tile - 1);
      const auto accumulate = [&](double* into) {
        for (int a = 0; a < tile; a += 4) {
          Pack8 s0 = load8(into + a * 8), s1 = load8(into + a * 8 + 8), s2 = load8(into + a * 8 + 16), s3 = load8(into + a * 8 + 24);
          for (int b = 0; b < tile; ++b) {
            const Pack8 v = load8(scaled + b * 8);
            const double* w = table + (b - a);
            s0 += w[0] * v, s1 += w[-1] * v, s2 += w[-2] * v, s3 += w[-3] * v;
          }
          store8(into + a * 8, s0), store8(into + a * 8 + 8, s1), store8(into + a * 8 + 16, s2), store8(into + a * 8 + 24, s3);
        }
      };
      for (int b = 0; b < tile; ++b) store8(scaled + b * 8, load8(e + source + b * 8) * factor);
      accumulate(sums);
      for (int q = 0; q < payloads; ++q) {
        const double* payload = inputs_[static_cast<std::size_t>(1 + q)].data() + source;
        for (int b = 0; b < tile; ++b) store8(scaled + b * 8, load8(e + source + b * 8) * factor * load8(payload + b * 8));
        accumulate(means[q]);
      }
    }
    const std::ptrdiff_t at = static_cast<std::ptrdiff_t>(o) * tile * 8;
    for (int a = 0; a < tile; ++a) {
      const Pack8 s = load8(sums + a * 8);
      store8(outputs_[0].data() + at + a * 8, log8(s) + top);
      for (int q = 0; q < payloads; ++q) {
        const Pack8 m = load8(means[q] + a * 8);
        store8(outputs_[static_cast<std::size_t>(1 + q)].data() + at + a * 8, s > 0.0 ? m / s : Pack8{});
      }
    }
  }
}

}  // namespace wasserflow
