#include "solvers/diffusion_map.hpp"

#include <cmath>

#include "grids/support/errors.hpp"

namespace wasserflow {

DiffusionMap::DiffusionMap(LayoutPtr layout, const DiffusionFactor& factor) : layout_(std::move(layout)), mobility_(factor.mobility) {
  if (factor.sigma && factor.mobility) throw InputError("a factor -div(c grad) has either sigma or a mobility");
  stencil_ = factor.sigma ? std::make_shared<DiffusionStencil>(layout_, factor.sigma) : std::make_shared<DiffusionStencil>(layout_);
  scale_ = stencil_->mean();
  if (!mobility_) return;
  const double zero = 0;
  mobility_->value(1, &zero, &wall_);
  scale_ = mobility_->mean();
}

DiffusionMap::DiffusionMap(LayoutPtr layout, double scale, int power, Transform transform)
    : layout_(std::move(layout)), scale_(scale), power_(power), transform_(std::move(transform)) {}

std::vector<DiffusionMap> DiffusionMap::product(const LayoutPtr& layout, const std::vector<DiffusionFactor>& factors, const Transform& transform) {
  std::vector<DiffusionMap> maps;
  if (!transform) {
    for (auto factor = factors.rbegin(); factor != factors.rend(); ++factor) maps.emplace_back(layout, *factor);
    return maps;
  }
  double scale = 1;
  for (const DiffusionFactor& factor : factors) {
    const double* value = factor.sigma ? factor.sigma->constant() : nullptr;
    if (factor.mobility || (factor.sigma && value == nullptr))
      throw InputError("exact (spectral) symbols need constant coefficients: choose discretization = \"difference\"");
    if (value != nullptr) scale *= *value;
  }
  if (!(scale >= 0) || !std::isfinite(scale)) throw InputError("the coefficient of a diffusion must not be negative");
  if (!factors.empty()) maps.emplace_back(layout, scale, static_cast<int>(factors.size()), transform);
  return maps;
}

void DiffusionMap::prepare(Operand& w, int steps) const {
  if (!transform_) {
    if (w.w == &w.own) w.own.exchange_ghosts(0, steps);
    return;
  }
  if (!w.image || w.image.levels() < steps) w.image = Field(layout_, steps);
  const SpectralTransform& t = *transform_;
  std::array<std::vector<double>, 3> symbol;
  for (int d = 0; d < layout_->dim(); ++d)
    symbol[static_cast<std::size_t>(d)] = laplacian_symbol(layout_->grid().axis(d), t.modes(d), SymbolKind::Exact);
  const auto lambda = [&](int axis, int mode) { return axis < 0 ? 0.0 : symbol[static_cast<std::size_t>(axis)][static_cast<std::size_t>(mode)]; };
  const double scale = scale_ * t.normalisation();
  const auto visit = [&](const ModeBlock& block) {
    for (int j = 0; j < block.rows; ++j) {
      const double others = lambda(t.outer_axis(), block.outer) + lambda(t.row_axis(), block.first_row + j);
      double* data = block.data + j * block.pitch;
      for (int i = 0; i < block.columns; ++i) {
        const double l = others + lambda(t.column_axis(), i);
        double factor = scale;
        for (int p = 0; p < power_; ++p) factor *= l;
        for (int c = 0; c < block.parts; ++c) data[i * block.parts + c] *= factor;
      }
    }
  };
  for (int k = 0; k < steps; ++k) transform_->solve(*w.w, visit, w.image, w.first + k * w.stride, k);
}

void DiffusionMap::row(const Operand& w, int k, int r, double scale, double beta, double* out, const double* m) const {
  if (!transform_) {
    if (mobility_)
      stencil_->row(w.level(k), m, wall_, r, scale, beta, out);
    else
      stencil_->row(w.level(k), r, scale, beta, out);
    return;
  }
  const RowPoints p = layout_->row(r);
  const double* image = w.image.level(k) + p.offset;
  if (beta == 0)
    for (int i = 0; i < p.n; ++i) out[i] = scale * image[i];
  else
    for (int i = 0; i < p.n; ++i) out[i] = beta * out[i] + scale * image[i];
}

SymbolPolynomial DiffusionMap::symbol() const {
  SymbolPolynomial p(static_cast<std::size_t>(power_) + 1, 0.0);
  p.back() = scale_;
  return p;
}

SymbolPolynomial multiply(const SymbolPolynomial& p, const SymbolPolynomial& q) {
  if (p.empty() || q.empty()) return {};
  SymbolPolynomial out(p.size() + q.size() - 1, 0.0);
  for (std::size_t i = 0; i < p.size(); ++i)
    for (std::size_t j = 0; j < q.size(); ++j) out[i + j] += p[i] * q[j];
  return out;
}

}  // namespace wasserflow
