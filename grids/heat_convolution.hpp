#pragma once
/// Convolution with Gaussians on grids: the heat semigroup, in the linear and in the logarithmic domain.
#include <array>
#include <memory>
#include <utility>
#include <vector>

#include "grids/field.hpp"

namespace wasserflow {

/// What stands beyond the ends of an axis: its own other end, its mirror image, or nothing.
enum class Surround { Periodic, Reflecting, Free };
/// From the boundary kind: periodic, no_flux -> reflecting, everything else free.
Surround surround(Boundary boundary);

/// How a Gaussian stands on a grid of spacing h, with sigma = sqrt(v):
///   Sampled    proportional to exp(-(j h)^2 / (2 v)): spectrally accurate where h <= sigma / 2
///   Discrete   exp(-2 s) I_j(2 s), s = v / (2 h^2): the semigroup of the discrete heat equation, second order for every v / h^2
///   Automatic  Sampled where h <= sigma / 2, else Discrete
/// Both are positive, symmetric and sum to 1.
enum class KernelKind { Automatic, Sampled, Discrete };
/// log of the weights at the distances 0 ... reach.
std::vector<double> log_heat_kernel(double variance, double spacing, int reach, KernelKind kind = KernelKind::Automatic);

/// G = exp(s Lap), the convolution with a Gaussian of variance v = 2 s along each axis: a symmetric matrix with positive entries. Rows sum to 1 (Periodic,
/// Reflecting); at a Free end what leaves the box is lost. All ways apply the same matrix:
///   direct           banded sums axis by axis: each value has relative accuracy; 2 reach + 1 terms a point and axis
///   fft              by transforms: accuracy eps max|u|, whatever the value is. A Free axis is the mean of its even and its odd image, which cancel
///                    outside: 2^f pairs for f free axes, the work of zero padding without its memory
///   log_sum_exp      log(G exp(f)) for any range of f, by tiles that share an exponent
/// The slow axis takes its planes from all ranks that hold them: the kernel may be wider than a slab. Every line passes through the same
/// operations, so that results do not depend on the number of ranks, bit for bit.
class HeatConvolution {
 public:
  struct Options {
    KernelKind kind = KernelKind::Automatic;
    /// Greatest |log u_{i+1} - log u_i| along each axis for which results shall keep their relative accuracy: weights are kept as far as such data
    /// can lift them above rounding. The reach is about t + sqrt(t^2 + 82 v/h^2) cells with t = tilt v / h^2.
    std::array<double, 3> tilt{};
  };
  /// Throws InputError for a variance that is not positive.
  /// @note Collective.
  HeatConvolution(LayoutPtr layout, std::array<double, 3> variance, std::array<Surround, 3> surround, Options options);
  HeatConvolution(LayoutPtr layout, std::array<double, 3> variance, std::array<Surround, 3> surround)
      : HeatConvolution(std::move(layout), variance, surround, Options{}) {}
  ~HeatConvolution();
  HeatConvolution(HeatConvolution&&) noexcept;
  HeatConvolution& operator=(HeatConvolution&&) noexcept;

  /// Owned values of one level; `in` and `out` may be one field.
  /// @note Collective.
  void direct(const Field& in, Field& out, int level_in = 0, int level_out = 0);
  void fft(const Field& in, Field& out, int level_in = 0, int level_out = 0);
  /// Values may be -infinity: a density that is 0 there.
  void log_sum_exp(const Field& in, Field& out, int level_in = 0, int level_out = 0);
  /// log(G exp(f)) and the mean positions mean[d](x) = sum_y y_d G(x, y) exp(f(y)) / (G exp f)(x), with y counted on beyond periodic and reflecting
  /// ends: differences to x give gradients of log(G exp f) without differencing. 0 where G exp f = 0.
  void log_sum_exp_with_mean(const Field& f, Field& log_sum, std::vector<Field>& mean);

  const SlabLayout& layout() const;
  int reach(int axis) const;                         ///< cells
  const std::vector<double>& weights(int axis) const;  ///< of the distances 0 ... reach
  double variance(int axis) const;
  Surround surround(int axis) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace wasserflow
