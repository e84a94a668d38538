#include "solvers/log_normaliser.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

namespace wasserflow {
namespace {

const std::array<std::string, 3> names{"x", "y", "z"};

/// Nodes and log weights for E f(xi), xi ~ N(0, 1): roots of the orthonormal Hermite function of degree n by Newton's method from asymptotic guesses.
void hermite_rule(int n, std::vector<double>& node, std::vector<double>& log_weight) {
  node.assign(static_cast<std::size_t>(n), 0);
  log_weight.assign(static_cast<std::size_t>(n), 0);
  // Physicists' variable t = xi / sqrt 2; p_k orthonormal for exp(-t^2).
  std::vector<double> roots;
  for (int i = 0; i < (n + 1) / 2; ++i) {
    const auto at = [&](int k) { return roots[static_cast<std::size_t>(k)]; };
    double t = i == 0   ? std::sqrt(2.0 * n + 1) - 1.85575 * std::pow(2.0 * n + 1, -1.0 / 6)
               : i == 1 ? at(0) - 1.14 * std::pow(n, 0.426) / at(0)
               : i == 2 ? 1.86 * at(1) - 0.86 * at(0)
               : i == 3 ? 1.91 * at(2) - 0.91 * at(1)
                        : 2 * at(i - 1) - at(i - 2);
    double slope = 1;
    for (int it = 0; it < 100; ++it) {
      double p = std::pow(std::numbers::pi, -0.25), before = 0;
      for (int k = 0; k < n; ++k) {
        const double next = t * std::sqrt(2.0 / (k + 1)) * p - std::sqrt(static_cast<double>(k) / (k + 1)) * before;
        before = p;
        p = next;
      }
      slope = std::sqrt(2.0 * n) * before;
      const double step = p / slope;
      t -= step;
      if (std::fabs(step) < 1e-15 * (1 + std::fabs(t))) break;
    }
    roots.push_back(t);
    const double log_w = std::log(2 / (slope * slope)) - 0.5 * std::log(std::numbers::pi);
    for (const int k : {i, n - 1 - i}) {
      node[static_cast<std::size_t>(k)] = (k == i ? 1 : -1) * t * std::numbers::sqrt2;
      log_weight[static_cast<std::size_t>(k)] = log_w;
    }
  }
  if (n % 2 == 1) node[static_cast<std::size_t>(n / 2)] = 0;
}

/// Cholesky factor of a symmetric d x d matrix in place; false when it is not positive definite.
bool cholesky(int d, double* a) {
  for (int i = 0; i < d; ++i)
    for (int j = 0; j <= i; ++j) {
      double s = a[i * d + j];
      for (int k = 0; k < j; ++k) s -= a[i * d + k] * a[j * d + k];
      if (i == j) {
        if (!(s > 0)) return false;
        a[i * d + i] = std::sqrt(s);
      } else {
        a[i * d + j] = s / a[j * d + j];
      }
    }
  return true;
}

void solve_cholesky(int d, const double* l, double* b) {
  for (int i = 0; i < d; ++i) {
    for (int k = 0; k < i; ++k) b[i] -= l[i * d + k] * b[k];
    b[i] /= l[i * d + i];
  }
  for (int i = d - 1; i >= 0; --i) {
    for (int k = i + 1; k < d; ++k) b[i] -= l[k * d + i] * b[k];
    b[i] /= l[i * d + i];
  }
}

}  // namespace

LogNormaliser::LogNormaliser(const Formula& V, int dim, double beta, double T) : dim_(dim), beta_(beta), T_(T) {
  if (!(beta > 0) || !(T > 0)) throw InputError(fmt::format("beta and T must be positive, not {} and {}", beta, T));
  const std::vector<std::string> inputs(names.begin(), names.begin() + dim);
  for (const std::string& v : V.variables())
    if (std::find(inputs.begin(), inputs.end(), v) == inputs.end())
      throw InputError(fmt::format("the potential depends on '{}', which is no coordinate in {} dimensions", v, dim));
  std::vector<Formula> all{V};
  for (const std::string& x : inputs) all.push_back(V.derivative(x));
  for (const std::string& x : inputs)
    for (const std::string& y : inputs) all.push_back(V.derivative(x).derivative(y));
  value_ = Program(std::span(all).first(1), inputs);
  derivatives_ = Program(all, inputs);
}

double LogNormaliser::value(std::span<const double> z) const {
  const std::vector<Argument> inputs(z.begin(), z.end());
  double v = 0;
  double* out = &v;
  value_.evaluate(1, inputs, &out);
  return v;
}

void LogNormaliser::derivatives(std::span<const double> z, double& v, double* g, double* h) const {
  const std::vector<Argument> inputs(z.begin(), z.end());
  std::array<double*, 13> out{&v};
  for (int i = 0; i < dim_; ++i) out[static_cast<std::size_t>(1 + i)] = g + i;
  for (int i = 0; i < dim_ * dim_; ++i) out[static_cast<std::size_t>(1 + dim_ + i)] = h + i;
  derivatives_.evaluate(1, inputs, out.data());
}

double LogNormaliser::gauss_hermite(std::span<const double> y, int n) const {
  if (n < 1 || n > 200) throw InputError(fmt::format("a Gauss-Hermite rule has 1 to 200 points here, not {}", n));
  std::vector<double> node, log_weight, terms;
  hermite_rule(n, node, log_weight);
  const double sigma = std::sqrt(2 * beta_ * T_);
  std::array<double, 3> z{};
  int total = 1;
  for (int d = 0; d < dim_; ++d) total *= n;
  for (int k = 0; k < total; ++k) {
    double log_w = 0;
    for (int d = 0, rest = k; d < dim_; ++d, rest /= n) {
      const auto i = static_cast<std::size_t>(rest % n);
      z[static_cast<std::size_t>(d)] = y[static_cast<std::size_t>(d)] + sigma * node[i];
      log_w += log_weight[i];
    }
    terms.push_back(log_w - value(std::span(z).first(static_cast<std::size_t>(dim_))) / (2 * beta_));
  }
  const double top = *std::max_element(terms.begin(), terms.end());
  double sum = 0;
  for (const double t : terms) sum += std::exp(t - top);
  return 0.5 * dim_ * std::log(4 * std::numbers::pi * beta_ * T_) + top + std::log(sum);
}

double LogNormaliser::laplace(std::span<const double> y) const {
  std::array<double, 3> s{}, g{}, step{};
  std::array<double, 9> h{}, l{};
  std::copy(y.begin(), y.end(), s.begin());
  const auto point = std::span(s).first(static_cast<std::size_t>(dim_));
  const auto objective = [&](double v) {
    double q = v;
    for (int d = 0; d < dim_; ++d) q += (s[d] - y[d]) * (s[d] - y[d]) / (2 * T_);
    return q;
  };
  double v = 0, now = 0;
  for (int it = 0; it < 200; ++it) {
    derivatives(point, v, g.data(), h.data());
    now = objective(v);
    // I/T + Hess V, with more of the identity until it is positive definite.
    double size = 0;
    for (double more = 0;; more = more > 0 ? 4 * more : 1 / T_) {
      for (int i = 0; i < dim_ * dim_; ++i) l[static_cast<std::size_t>(i)] = h[static_cast<std::size_t>(i)] + (i % (dim_ + 1) == 0 ? 1 / T_ + more : 0.0);
      if (cholesky(dim_, l.data())) break;
    }
    for (int d = 0; d < dim_; ++d) step[d] = -(g[d] + (s[d] - y[d]) / T_);
    solve_cholesky(dim_, l.data(), step.data());
    for (int d = 0; d < dim_; ++d) size = std::max(size, std::fabs(step[d]));
    const std::array<double, 3> from = s;
    double t = 1;
    for (; t > 1e-10; t /= 2) {
      for (int d = 0; d < dim_; ++d) s[d] = from[d] + t * step[d];
      if (objective(value(point)) <= now) break;
    }
    if (size < 1e-12 || t <= 1e-10) break;
  }
  derivatives(point, v, g.data(), h.data());
  for (int i = 0; i < dim_ * dim_; ++i) l[static_cast<std::size_t>(i)] = T_ * h[static_cast<std::size_t>(i)] + (i % (dim_ + 1) == 0 ? 1.0 : 0.0);
  if (!cholesky(dim_, l.data())) return std::nan("");
  double half_log_det = 0;
  for (int d = 0; d < dim_; ++d) half_log_det += std::log(l[static_cast<std::size_t>(d * (dim_ + 1))]);
  return 0.5 * dim_ * std::log(4 * std::numbers::pi * beta_ * T_) - objective(v) / (2 * beta_) - half_log_det;
}

double LogNormaliser::taylor(std::span<const double> y) const {
  double v = 0, square = 0, laplacian = 0;
  std::array<double, 3> g{};
  std::array<double, 9> h{};
  derivatives(y, v, g.data(), h.data());
  for (int d = 0; d < dim_; ++d) square += g[d] * g[d], laplacian += h[static_cast<std::size_t>(d * (dim_ + 1))];
  return 0.5 * dim_ * std::log(4 * std::numbers::pi * beta_ * T_) - v / (2 * beta_) + T_ * (square / (4 * beta_) - laplacian / 2);
}

}  // namespace wasserflow
