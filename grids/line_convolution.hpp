#pragma once
/// Convolutions of eight lines side by side with one symmetric kernel, in the linear and in the logarithmic domain.
#include <cstddef>
#include <cstring>
#include <limits>
#include <vector>

#include "grids/grid.hpp"
#include "grids/support/fftw.hpp"

namespace wasserflow {

/// Lines stand interleaved: value i of lane l at [8 i + l]. Inputs run over the points -reach ... n + reach + extra - 1, outputs over 0 ... n - 1. Input 0 is
/// the density or its logarithm; further inputs are payloads, which log_sum_exp averages with the weights of the terms of its sum.
class LineConvolution {
 public:
  LineConvolution() = default;
  /// Kernel by its log weights at the distances 0 ... reach; at most `payloads` payloads. A part of a line gives the bits of the whole line when it starts
  /// at a multiple of tile(log_weight) and has as many extra input points as the whole line has up to the end of a tile.
  LineConvolution(const std::vector<double>& log_weight, int n, int payloads, int extra = 0);
  static int tile(const std::vector<double>& log_weight);

  double* input(int f) { return inputs_[static_cast<std::size_t>(f)].data(); }  ///< at point -reach
  const double* output(int f) const { return outputs_[static_cast<std::size_t>(f)].data(); }

  /// Fills input f beyond its n points from the points that `image(i)` names (0 ... n - 1; -1: nothing, 0 or log 0).
  template <class Image>
  void surround(int f, bool logarithm, Image&& image) {
    double* p = input(f) + static_cast<std::ptrdiff_t>(reach_) * 8;
    const auto fill = [&](std::ptrdiff_t i) {
      const int j = image(static_cast<int>(i));
      if (j >= 0)
        std::memcpy(p + i * 8, p + static_cast<std::ptrdiff_t>(j) * 8, 8 * sizeof(double));
      else
        for (int l = 0; l < 8; ++l) p[i * 8 + l] = logarithm ? -std::numeric_limits<double>::infinity() : 0.0;
    };
    for (std::ptrdiff_t i = -reach_; i < 0; ++i) fill(i);
    for (std::ptrdiff_t i = n_; i < n_ + reach_; ++i) fill(i);
  }
  /// Payload `d` becomes the coordinate along an axis, counted on beyond its ends; point 0 is node `first`.
  void coordinates(int d, const Axis& axis, int first);

  /// output 0 = sum over j of weight_|j| input 0 [i + j].
  void sum();
  /// output 0 = log of sum over j of weight_|j| exp(input 0 [i + j]); outputs 1 ... `payloads`: the averages of the payloads.
  void log_sum_exp(int payloads);

  /// to[0 .. 7] = from[0 .. lanes - 1], the last one repeated.
  static void take(const double* from, int lanes, double* to) {
    if (lanes == 8) {
      std::memcpy(to, from, 8 * sizeof(double));
      return;
    }
    for (int l = 0; l < 8; ++l) to[l] = from[l < lanes ? l : lanes - 1];
  }

 private:
  template <int tile>
  void tiled(int payloads);

  int n_ = 0, reach_ = 0, extra_ = 0, tile_ = 16;
  std::vector<double> weight_;
  std::vector<FftwBuffer<double>> inputs_, outputs_;
  std::vector<double> table_;  ///< exp of log weights of a tile against a tile, by their distance, relative to the largest of each distance
  std::vector<double> top_;    ///< that largest one
  FftwBuffer<double> exponentials_, largest_;
};

}  // namespace wasserflow
