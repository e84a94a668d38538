#include "problems/profile.hpp"

#include <algorithm>
#include <boost/math/tools/minima.hpp>
#include <cmath>
#include <cstdint>
#include <limits>

#include "grids/support/errors.hpp"

namespace wasserflow {

namespace {

/// min of f over [a, b], which holds one local minimum.
template <class F>
std::pair<double, double> refine(const F& f, double a, double b) {
  std::uintmax_t evaluations = 60;
  return boost::math::tools::brent_find_minima(f, a, b, std::numeric_limits<double>::digits / 2, evaluations);
}

}  // namespace

Profile::Profile(Boundary boundary, double lower, double upper, const std::function<double(double)>& g)
    : boundary_(boundary), lower_(lower), upper_(upper), length_(upper - lower) {
  if (boundary == Boundary::Dirichlet) throw InputError("this exact solution does not know the boundary kind 'dirichlet'");
  constexpr int cells_per_length = 8192;
  cells_ = cells_per_length;
  if (boundary == Boundary::Extrapolate) {
    lower_ -= length_;
    upper_ += length_;
    cells_ *= 3;
  }
  const double h = (upper_ - lower_) / cells_;
  inverse_spacing_ = 1 / h;
  table_.resize(static_cast<std::size_t>(cells_) + 4);
  for (int i = -1; i <= cells_ + 2; ++i) {
    int j = i;
    if (boundary == Boundary::Periodic) j = (i + cells_) % cells_;
    if (boundary == Boundary::NoFlux) j = i < 0 ? -i : i > cells_ ? 2 * cells_ - i : i;
    table_[static_cast<std::size_t>(i + 1)] = g(lower_ + j * h);
  }
  minimum_ = *std::min_element(table_.begin(), table_.end());
  maximum_ = *std::max_element(table_.begin(), table_.end());
  kink_ = 1e-8 * (maximum_ - minimum_);
  for (int i = 0; i < cells_; ++i) {
    const double* v = table_.data() + i + 1;
    convexity_ = std::max(convexity_, (v[-1] - 2 * v[0] + v[1]) * inverse_spacing_ * inverse_spacing_);
    if (v[0] < v[-1] && v[0] <= v[1]) minima_.push_back(refine(*this, lower_ + (i - 1) * h, lower_ + (i + 1) * h).first);
  }
}

double Profile::operator()(double s) const {
  double u = (s - lower_) * inverse_spacing_;
  const double n = cells_;
  if (boundary_ == Boundary::Periodic) {
    u -= n * std::floor(u / n);
  } else if (boundary_ == Boundary::NoFlux) {
    u -= 2 * n * std::floor(u / (2 * n));
    if (u > n) u = 2 * n - u;
  } else {
    u = std::clamp(u, 0.0, n);
  }
  const int i = std::min(static_cast<int>(u), cells_ - 1);
  const double f = u - i;
  const double* v = table_.data() + i + 1;
  // Next to a kink the parabola from the side without it; cubic elsewhere.
  const double left = v[-1] - 2 * v[0] + v[1], right = v[0] - 2 * v[1] + v[2];
  const double low = std::min(std::abs(left), std::abs(right)), high = std::max(std::abs(left), std::abs(right));
  if (high > 16 * low + kink_) return v[0] + f * (v[1] - v[0] + 0.5 * (f - 1) * (std::abs(left) < std::abs(right) ? left : right));
  const double a = f * (f - 1), b = (f + 1) * (f - 2);
  return -a * (f - 2) / 6 * v[-1] + b * (f - 1) / 2 * v[0] - b * f / 2 * v[1] + a * (f + 1) / 6 * v[2];
}

double hopf_lax(const Profile& g, const HopfLaxCost& cost, double s, double t) {
  if (t <= 0) return g(s);
  const double reach = cost.speed * t;
  const bool norm = cost.power == 1;
  const double dual = norm ? 0 : cost.power / (cost.power - 1);
  // The winner cannot cost more than g saves: t H*(w/t) <= max g - min g.
  double w = norm ? reach : reach * std::pow(dual * (g.maximum() - g.minimum()) / reach, 1 / dual);
  if (norm && g.boundary() != Boundary::Extrapolate) w = std::min(w, g.length());
  const double lower = g.boundary() == Boundary::Periodic ? s - w : std::max(s - w, g.lower());
  const double upper = g.boundary() == Boundary::Periodic ? s + w : std::min(s + w, g.upper());
  const auto objective = [&](double z) {
    if (norm) return g(z);
    const double v = std::abs(z - s) / reach;
    return g(z) + reach * (dual == 2 ? v * v : std::pow(v, dual)) / dual;
  };
  if (!(upper > lower)) return g(s);
  const int n = static_cast<int>(std::clamp((upper - lower) / g.length() * 512, 128.0, 65536.0));
  const double h = (upper - lower) / n;
  double best = std::min(objective(lower), objective(upper));
  // Every sampled local minimum, with a bound from below by its second difference: only those that can still win are refined.
  double before = objective(lower), here = objective(lower + h);
  struct Candidate {
    double z, bound;
  };
  static thread_local std::vector<Candidate> candidates;
  candidates.clear();
  for (int i = 1; i < n; ++i) {
    const double after = objective(lower + (i + 1) * h);
    if (here <= before && here <= after) {
      best = std::min(best, here);
      candidates.push_back({lower + i * h, here - (before - 2 * here + after)});
    }
    before = here;
    here = after;
  }
  candidates.push_back({lower + 0.5 * h, -std::numeric_limits<double>::infinity()});
  candidates.push_back({upper - 0.5 * h, -std::numeric_limits<double>::infinity()});
  const double sampled = best;
  for (const Candidate& c : candidates)
    if (c.bound <= sampled) best = std::min(best, refine(objective, std::max(c.z - h, lower), std::min(c.z + h, upper)).second);
  return best;
}

double hopf_cole(const Profile& g, double eps, double s, double t) {
  if (t <= 0) return g(s);
  // Exponent of the integrand, in units of 1/(2 eps): F(z) = g(z) + (s - z)^2/(2 t). Its sharpest peak has this width:
  const double width = std::sqrt(2 * eps / (1 / t + g.convexity()));
  const double h = width / 2;  // trapezoid error exp(-8 pi^2)
  // Terms below exp(-40) of the largest do not count.
  const double range = std::sqrt(2 * t * (g.maximum() - g.minimum()) + 2 * t * 2 * eps * 40);
  const auto n = static_cast<std::int64_t>(std::ceil(range / h));
  static thread_local std::vector<double> exponent;
  exponent.clear();
  double least = std::numeric_limits<double>::infinity();
  for (std::int64_t j = -n; j <= n; ++j) {
    const double d = static_cast<double>(j) * h;
    exponent.push_back(g(s + d) + d * d / (2 * t));
    least = std::min(least, exponent.back());
  }
  double sum = 0;
  for (const double f : exponent) sum += std::exp((least - f) / (2 * eps));
  return least - 2 * eps * std::log(h * sum / std::sqrt(4 * M_PI * eps * t));
}

}  // namespace wasserflow
