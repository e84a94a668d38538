#include "solvers/feasible_mixture.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>

#include "grids/reduce.hpp"

namespace wasserflow {

PositivePath::PositivePath(const Field& first, const Field* last, int steps, double least)
    : first_(&first), last_(last), steps_(steps), mean_first_(0), mean_last_(0), least_(least) {
  const auto points = static_cast<double>(first.layout().grid().size());
  mean_first_ = sum(first) / points;
  mean_last_ = last ? sum(*last) / points : mean_first_;
}

void PositivePath::density(int node, double* sigma) const {
  const int middle = last_ ? steps_ / 2 : steps_;
  const bool leaving = node <= middle && !(last_ && middle == 0 && node == steps_);
  double share = 0;  // of the uniform density
  if (leaving) {
    share = middle > 0 ? static_cast<double>(node) / middle : 0;
  } else if (node < steps_) {
    const double s = static_cast<double>(node - middle) / (steps_ - middle);
    share = std::min(1 - s, std::pow(least_, s));
  }
  const double s = static_cast<double>(node) / steps_, uniform = share * ((1 - s) * mean_first_ + s * mean_last_);
  const double* base = leaving ? first_->level() : last_->level();
  for (std::ptrdiff_t i = 0; i < first_->layout().owned(); ++i) sigma[i] = (1 - share) * base[i] + uniform;
}

SpectralPreconditioner make_poisson(const LayoutPtr& layout, double factor) {
  AxisSymbols symbol;
  for (int d = 0; d < layout->dim(); ++d) {
    const Axis& axis = layout->grid().axis(d);
    auto& values = symbol.axis[static_cast<std::size_t>(d)];
    values = laplacian_symbol(axis, axis.cells);
    for (double& v : values) v *= factor;
  }
  return SpectralPreconditioner(layout, 1, {1, 1, TimeEnds::Planning}, {}, symbol);
}

LeastMixture least_mixture(const std::function<void(std::span<const double>, std::span<double>)>& cost) {
  std::vector<double> shares{0, 1}, values;
  for (int k = 1; k < 10; ++k) shares.insert(shares.begin() + 1, std::pow(10.0, -k));
  LeastMixture best{std::numeric_limits<double>::infinity(), 1};
  for (int round = 0; round < 3; ++round) {
    values.assign(shares.size(), 0);
    cost(shares, values);
    for (double& v : values)
      if (std::isnan(v)) v = std::numeric_limits<double>::infinity();
    const auto least = std::min_element(values.begin(), values.end()) - values.begin();
    const auto at = static_cast<std::size_t>(least);
    if (values[at] < best.value) best = {values[at], shares[at]};
    if (!std::isfinite(best.value) || best.share == 0) break;
    // Between the neighbours of the best share so far, which is one of these unless another round brought nothing.
    const auto place = std::find(shares.begin(), shares.end(), best.share);
    if (place == shares.end()) break;
    double low = place == shares.begin() ? *place : *(place - 1);
    const double high = place + 1 == shares.end() ? *place : *(place + 1);
    if (low == 0) low = 0.1 * *place;
    std::vector<double> finer;
    constexpr int parts = 7;
    for (int k = 0; k <= parts; ++k) finer.push_back(low * std::pow(high / low, static_cast<double>(k) / parts));
    finer.insert(std::upper_bound(finer.begin(), finer.end(), best.share), best.share);
    shares = std::move(finer);
  }
  return best;
}

}  // namespace wasserflow
