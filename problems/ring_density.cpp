/// Laws on rings, moved: a Rice density integrated over the radius.
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numbers>

#include "grids/support/errors.hpp"
#include "problems/data_density.hpp"
#include "problems/special_functions.hpp"

namespace wasserflow {

namespace {

/// One ring of radius a ~ N(R, s^2), scaled by alpha and blurred by variance v, as a function of the distance r from the centre:
///   p(r) = int N(a; R, s^2) (2 pi v)^-1 exp(-(r^2 + alpha^2 a^2) / 2v) I_0(r alpha a / v) da
///        = (2 pi sqrt(v) l)^-1 exp(-(r - alpha R)^2 / 2 l^2) F(r),   l^2 = v + alpha^2 s^2.
/// F varies slowly (as 1/r far out); its logarithm is tabulated by Chebyshev series on panels that grow with r.
class MovedRing {
 public:
  MovedRing(const Ring& ring, double alpha, double variance)
      : alpha_(alpha), v_(variance), radius_(ring.radius), s2_(ring.deviation * ring.deviation) {
    l2_ = v_ + alpha * alpha * s2_;
    centre_ = alpha * ring.radius;
    log_scale_ = std::log(ring.weight / (2 * std::numbers::pi)) - 0.5 * std::log(v_) - 0.5 * std::log(l2_);
    const double end = 50 * (centre_ + 12 * std::sqrt(l2_));
    edges_.push_back(0);
    double width = std::min(std::sqrt(v_), l2_ / std::max(centre_, 1e-300));
    while (edges_.back() < end) {
      edges_.push_back(edges_.back() + width);
      width = edges_.back() / 2;
    }
    panels_.resize(edges_.size() - 1);
    for (std::size_t k = 0; k < panels_.size(); ++k) panels_[k] = expand(edges_[k], edges_[k + 1]);
  }

  /// log p and d/dr log p.
  std::array<double, 2> at(double r) const {
    const double inside = std::min(r, edges_.back());
    const auto k =
        std::min(static_cast<std::size_t>(std::upper_bound(edges_.begin(), edges_.end(), inside) - edges_.begin()) - 1, panels_.size() - 1);
    const double from = edges_[k], to = edges_[k + 1], x = (2 * inside - from - to) / (to - from);
    std::array<double, 2> f = clenshaw(panels_[k], x);
    f[1] *= 2 / (to - from);
    if (r > inside) {  // as a power of r
      f[0] += f[1] * inside * std::log(r / inside);
      f[1] *= inside / r;
    }
    const double d = r - centre_;
    return {log_scale_ - d * d / (2 * l2_) + f[0], -d / l2_ + f[1]};
  }

 private:
  static constexpr int degree = 18;
  using Series = std::array<double, degree + 1>;

  /// log F(r) by the trapezoidal rule over a, which converges geometrically: the integrand is Gaussian times an entire function.
  double log_factor(double r) const {
    // N(a; R, s^2) exp(-(r -+ alpha a)^2 / 2v) peaks at a = +-plus, +-minus with deviation s'; the second one counts where its weight does.
    const double plus = (radius_ * v_ + alpha_ * r * s2_) / l2_, minus = (radius_ * v_ - alpha_ * r * s2_) / l2_;
    const double deviation = std::sqrt(s2_ * v_ / l2_), reach = 9 * deviation, step = deviation / 2;
    const double lesser = 2 * r * centre_ / l2_;  // minus the logarithm of that weight
    double from = plus - reach;
    if (lesser < 46) from = std::min(from, minus - reach);
    const double until = std::max(plus + reach, lesser < 46 ? minus + reach : plus + reach);
    const int n = static_cast<int>(std::ceil((until - from) / step));
    double sum = 0;
    for (int j = 0; j <= n; ++j) {
      const double a = from + j * step;
      const double d = (a - (a > 0 ? plus : minus)) / deviation, exponent = -0.5 * d * d - (a > 0 ? 0 : lesser);
      if (exponent > -50) sum += std::exp(exponent) * bessel_i0e(r * alpha_ * std::fabs(a) / v_);
    }
    return std::log(sum * step / deviation / std::sqrt(2 * std::numbers::pi));
  }

  Series expand(double from, double to) const {
    constexpr int n = degree + 1;
    Series values, c;
    for (int j = 0; j < n; ++j)
      values[static_cast<std::size_t>(j)] = log_factor((from + to) / 2 + (to - from) / 2 * std::cos(std::numbers::pi * (j + 0.5) / n));
    for (int k = 0; k < n; ++k) {
      double sum = 0;
      for (int j = 0; j < n; ++j) sum += values[static_cast<std::size_t>(j)] * std::cos(std::numbers::pi * k * (j + 0.5) / n);
      c[static_cast<std::size_t>(k)] = (k == 0 ? 1 : 2) * sum / n;
    }
    return c;
  }

  /// Value and derivative of a Chebyshev series.
  static std::array<double, 2> clenshaw(const Series& c, double x) {
    double b1 = 0, b2 = 0, d1 = 0, d2 = 0;
    for (std::size_t k = degree; k >= 1; --k) {
      const double d = 2 * b1 + 2 * x * d1 - d2, b = c[k] + 2 * x * b1 - b2;
      d2 = d1;
      d1 = d;
      b2 = b1;
      b1 = b;
    }
    return {c[0] + x * b1 - b2, b1 + x * d1 - d2};
  }

  double alpha_, v_, radius_, s2_, l2_ = 0, centre_ = 0, log_scale_ = 0;
  std::vector<double> edges_;
  std::vector<Series> panels_;
};

class MovedRings final : public MovedDensity {
 public:
  MovedRings(const std::vector<Ring>& rings, double alpha, double variance) {
    for (const Ring& ring : rings) {
      // Without any blur the density has the singularity 1/r at the centre: a blur too small to be seen elsewhere takes it away.
      const double least = 1e-8 * alpha * alpha * ring.deviation * ring.deviation;
      rings_.emplace_back(ring, alpha, std::max(variance, least));
    }
  }
  void evaluate(const RowPoints& p, double* log_density, double* const* score) const override {
    for (int i = 0; i < p.n; ++i) {
      const double r = std::hypot(p.x[i], p.y);
      // Running log-sum-exp.
      double largest = -std::numeric_limits<double>::infinity(), sum = 0, slope = 0;
      for (const MovedRing& ring : rings_) {
        const auto [l, d] = ring.at(r);
        if (l > largest) {
          const double down = std::exp(largest - l);
          sum = sum * down + 1;
          slope = slope * down + d;
          largest = l;
        } else {
          const double share = std::exp(l - largest);
          sum += share;
          slope += share * d;
        }
      }
      if (log_density) log_density[i] = largest + std::log(sum);
      if (!score) continue;
      const double radial = r > 0 ? slope / (sum * r) : 0;
      if (score[0]) score[0][i] = radial * p.x[i];
      if (score[1]) score[1][i] = radial * p.y;
    }
  }

 private:
  std::vector<MovedRing> rings_;
};

class Rings final : public DataDensity {
 public:
  explicit Rings(std::vector<Ring> rings) : rings_(std::move(rings)) {
    if (rings_.empty()) throw InputError("a density on rings needs at least one");
    double total = 0;
    for (const Ring& r : rings_) {
      if (!(r.weight > 0 && r.radius > 0 && r.deviation > 0)) throw InputError("weight, radius and deviation of a ring must be positive");
      total += r.weight;
    }
    for (Ring& r : rings_) r.weight /= total;
  }
  int dim() const override { return 2; }
  std::shared_ptr<const MovedDensity> moved(double alpha, double variance) const override {
    return std::make_shared<MovedRings>(rings_, alpha, variance);
  }

 private:
  std::vector<Ring> rings_;
};

}  // namespace

DataDensityPtr make_rings(std::vector<Ring> rings) { return std::make_shared<Rings>(std::move(rings)); }

}  // namespace wasserflow
