#include "problems/gaussian_mixture.hpp"

#include <fmt/format.h>

#include <cmath>
#include <numbers>

#include "grids/support/vector_math.hpp"

namespace wasserflow {

namespace {

/// Entry (i, j), j <= i, of a packed lower triangle.
constexpr std::size_t low(int i, int j) { return static_cast<std::size_t>(i * (i + 1) / 2 + j); }

class MixtureData final : public DataDensity {
 public:
  explicit MixtureData(GaussianMixture mixture) : mixture_(std::move(mixture)) {}
  int dim() const override { return mixture_.dim(); }
  std::shared_ptr<const MovedDensity> moved(double alpha, double variance) const override {
    return std::make_shared<const GaussianMixture>(mixture_.moved(alpha, variance));
  }

 private:
  GaussianMixture mixture_;
};

}  // namespace

std::array<double, 9> isotropic_covariance(int dim, double variance) {
  std::array<double, 9> c{};
  for (int d = 0; d < dim; ++d) c[static_cast<std::size_t>(d * dim + d)] = variance;
  return c;
}

GaussianMixture::GaussianMixture(int dim, std::vector<GaussianComponent> components) : dim_(dim), components_(std::move(components)) {
  if (components_.empty()) throw InputError("a Gaussian mixture has at least one component");
  factors_.reserve(components_.size());
  for (std::size_t c = 0; c < components_.size(); ++c) {
    const GaussianComponent& component = components_[c];
    const auto fail = [&](const char* why) { throw InputError(fmt::format("component {} of the Gaussian mixture: {}", c + 1, why)); };
    if (!(component.weight > 0)) fail("its weight must be positive");
    const auto entry = [&](int i, int j) { return component.covariance[static_cast<std::size_t>(i * dim + j)]; };
    // Cholesky C = L L^T, then the whitening W = L^-1.
    std::array<double, 6> l{};
    Factor f{std::log(component.weight) - 0.5 * dim * std::log(2 * std::numbers::pi), component.mean, {}};
    for (int i = 0; i < dim; ++i) {
      for (int j = 0; j <= i; ++j) {
        if (std::fabs(entry(i, j) - entry(j, i)) > 1e-12 * (std::fabs(entry(i, i)) + std::fabs(entry(j, j))))
          fail("its covariance must be symmetric");
        double s = entry(i, j);
        for (int k = 0; k < j; ++k) s -= l[low(i, k)] * l[low(j, k)];
        if (i > j)
          l[low(i, j)] = s / l[low(j, j)];
        else if (s > 1e-14 * std::fabs(entry(i, i)) && std::isfinite(s))
          l[low(i, i)] = std::sqrt(s);
        else
          fail("its covariance must be positive definite");
      }
      f.log_scale -= std::log(l[low(i, i)]);
    }
    for (int j = 0; j < dim; ++j) {
      f.whitening[low(j, j)] = 1 / l[low(j, j)];
      for (int i = j + 1; i < dim; ++i) {
        double s = 0;
        for (int k = j; k < i; ++k) s -= l[low(i, k)] * f.whitening[low(k, j)];
        f.whitening[low(i, j)] = s / l[low(i, i)];
      }
    }
    factors_.push_back(f);
  }
}

template <int D>
void GaussianMixture::sweep(const RowPoints& p, double* log_density, double* const* score) const {
  for (int begin = 0; begin < p.n; begin += 8) {
    const int n = std::min(8, p.n - begin);
    Pack8 x{};
    for (int i = 0; i < n; ++i) x[i] = p.x[begin + i];
    struct Whitened {
      Pack8 u[D];
    };
    const auto whiten = [&](const Factor& f) {
      Whitened w;
      const Pack8 dx = x - f.mean[0];
      w.u[0] = dx * f.whitening[low(0, 0)];
      if constexpr (D > 1) w.u[1] = dx * f.whitening[low(1, 0)] + f.whitening[low(1, 1)] * (p.y - f.mean[1]);
      if constexpr (D > 2)
        w.u[2] = dx * f.whitening[low(2, 0)] + (f.whitening[low(2, 1)] * (p.y - f.mean[1]) + f.whitening[low(2, 2)] * (p.z - f.mean[2]));
      return w;
    };
    const auto exponent = [](const Factor& f, const Whitened& w) {
      Pack8 q = w.u[0] * w.u[0];
      for (int d = 1; d < D; ++d) q += w.u[d] * w.u[d];
      return f.log_scale - 0.5 * q;
    };
    Pack8 largest = exponent(factors_[0], whiten(factors_[0]));
    for (std::size_t c = 1; c < factors_.size(); ++c) {
      const Pack8 e = exponent(factors_[c], whiten(factors_[c]));
      largest = e > largest ? e : largest;
    }
    Pack8 total{}, slope[D]{};
    for (const Factor& f : factors_) {
      const Whitened w = whiten(f);
      const Pack8 share = exp8(exponent(f, w) - largest);
      total += share;
      if (!score) continue;
      for (int d = 0; d < D; ++d) {
        Pack8 g = f.whitening[low(d, d)] * w.u[d];
        for (int i = d + 1; i < D; ++i) g += f.whitening[low(i, d)] * w.u[i];
        slope[d] -= share * g;
      }
    }
    if (log_density) {
      const Pack8 l = largest + log8(total);
      for (int i = 0; i < n; ++i) log_density[begin + i] = l[i];
    }
    if (!score) continue;
    for (int d = 0; d < D; ++d)
      if (score[d])
        for (int i = 0; i < n; ++i) score[d][begin + i] = slope[d][i] / total[i];
  }
}

void GaussianMixture::evaluate(const RowPoints& p, double* log_density, double* const* score) const {
  dispatch_dim(dim_, [&](auto d) { sweep<decltype(d)::value>(p, log_density, score); });
}

namespace {

RowPoints point(const double* x, int dim) {
  RowPoints p;
  p.n = 1;
  p.x = x;
  p.y = dim > 1 ? x[1] : 0;
  p.z = dim > 2 ? x[2] : 0;
  return p;
}

}  // namespace

double GaussianMixture::log_density(const double* x) const {
  double l = 0;
  evaluate(point(x, dim_), &l, nullptr);
  return l;
}

double GaussianMixture::density(const double* x) const { return std::exp(log_density(x)); }

void GaussianMixture::score(const double* x, double* s) const {
  double* const parts[3]{s, dim_ > 1 ? s + 1 : nullptr, dim_ > 2 ? s + 2 : nullptr};
  evaluate(point(x, dim_), nullptr, parts);
}

void GaussianMixture::score_jacobian(const double* x, double* jacobian) const {
  // sum_c r_c (a_c a_c^T - C_c^-1) - s s^T with a_c = -C_c^-1 (x - m_c) and r_c the responsibilities.
  const double l = log_density(x);
  std::array<double, 3> s{};
  score(x, s.data());
  for (int i = 0; i < dim_ * dim_; ++i) jacobian[i] = -s[static_cast<std::size_t>(i / dim_)] * s[static_cast<std::size_t>(i % dim_)];
  for (const Factor& f : factors_) {
    std::array<double, 3> u{}, a{};
    double q = 0;
    for (std::size_t i = 0; i < static_cast<std::size_t>(dim_); ++i) {
      for (std::size_t j = 0; j <= i; ++j) u[i] += f.whitening[i * (i + 1) / 2 + j] * (x[j] - f.mean[j]);
      q += u[i] * u[i];
    }
    const double share = std::exp(f.log_scale - 0.5 * q - l);
    for (int i = 0; i < dim_; ++i)
      for (int k = i; k < dim_; ++k) a[static_cast<std::size_t>(i)] -= f.whitening[low(k, i)] * u[static_cast<std::size_t>(k)];
    for (int i = 0; i < dim_; ++i)
      for (int j = 0; j < dim_; ++j) {
        double precision = 0;
        for (int k = std::max(i, j); k < dim_; ++k) precision += f.whitening[low(k, i)] * f.whitening[low(k, j)];
        jacobian[i * dim_ + j] += share * (a[static_cast<std::size_t>(i)] * a[static_cast<std::size_t>(j)] - precision);
      }
  }
}

GaussianMixture GaussianMixture::moved(double alpha, double variance) const {
  std::vector<GaussianComponent> components = components_;
  for (GaussianComponent& c : components) {
    for (double& m : c.mean) m *= alpha;
    for (double& v : c.covariance) v *= alpha * alpha;
    for (int d = 0; d < dim_; ++d) c.covariance[static_cast<std::size_t>(d * dim_ + d)] += variance;
  }
  return {dim_, std::move(components)};
}

GaussianMixture read_gaussian_mixture(const Parameters& p, int dim) {
  const int count = p.array_size("components");
  if (!p.has("components")) p.reals("components", "The Gaussians, an array of tables with mean, deviation or covariance, and weight.", 0);  // throws
  if (count == 0) p.fail("components", "a mixture has at least one component");
  std::vector<GaussianComponent> components;
  double total = 0;
  for (int k = 0; k < count; ++k) {
    const Parameters c = p.element("components", k, "One Gaussian of the mixture.");
    GaussianComponent component;
    component.weight = c.real("weight", "Its mass, relative to that of the others.", 1.0, Range::positive());
    total += component.weight;
    const std::vector<double> mean = c.reals("mean", "Its mean.", dim);
    std::ranges::copy(mean, component.mean.begin());
    component.covariance = {};
    if (c.has("covariance")) {
      const std::string doc = "Its covariance, dim x dim numbers row by row.";
      const std::vector<double> entries = c.reals("covariance", doc, 0);
      if (static_cast<int>(entries.size()) != dim * dim)
        c.fail("covariance", fmt::format("expected {} numbers, row by row, got {}", dim * dim, entries.size()));
      std::ranges::copy(entries, component.covariance.begin());
      try {
        GaussianMixture(dim, {component});
      } catch (const InputError&) {
        c.fail("covariance", "a covariance must be symmetric and positive definite");
      }
    } else {
      const std::vector<double> deviation = c.reals("deviation", "Its standard deviation along each axis.", dim, {}, Range::positive());
      for (std::size_t d = 0; d < deviation.size(); ++d) component.covariance[d * deviation.size() + d] = deviation[d] * deviation[d];
    }
    components.push_back(component);
  }
  for (GaussianComponent& c : components) c.weight /= total;
  return {dim, std::move(components)};
}

GaussianMixture nine_blobs() {
  constexpr double s = 0.65;
  std::vector<GaussianComponent> blobs;
  for (const auto& [x, y] : {std::pair{-2, -2}, {2, -2}, {-2, 2}, {2, 2}, {0, 0}, {-4, 0}, {4, 0}, {0, -4}, {0, 4}})
    blobs.push_back({1.0 / 9, {s * x, s * y, 0}, isotropic_covariance(2, 0.2 * s * s)});
  return {2, std::move(blobs)};
}

DataDensityPtr make_data(GaussianMixture mixture) { return std::make_shared<MixtureData>(std::move(mixture)); }

}  // namespace wasserflow
