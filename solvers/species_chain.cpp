#include "solvers/species_chain.hpp"

#include <algorithm>
#include <cmath>

#include "grids/reduce.hpp"
#include "grids/support/errors.hpp"

namespace wasserflow {
namespace {

bool constant_product(const std::vector<DiffusionMap>& maps) {
  return maps.size() < 2 || std::ranges::none_of(maps, [](const DiffusionMap& m) { return m.variable(); });
}

}  // namespace

SpeciesChain::SpeciesChain(LayoutPtr layout, const SpeciesTerms& terms, int s, int species, const DiffusionMap::Transform& transform)
    : layout_(std::move(layout)),
      terms_(terms),
      s_(s),
      species_(species),
      L_(DiffusionMap::product(layout_, terms.L, transform)),
      G_(DiffusionMap::product(layout_, terms.G, transform)),
      plain_(layout_),
      has_potential_(terms.potential && terms.b != 0),
      has_energy_(constant_product(L_) && constant_product(G_)),
      l_(L_.size()),
      g_(G_.size()),
      dl_(L_.size()),
      dg_(G_.size()),
      al_(L_.size()),
      ag_(G_.size()),
      el_(L_.size() / 2 + 1),
      m_(G_.size()),
      dm_(G_.size()),
      scratch_(2 * static_cast<std::size_t>((layout_->dim() > 1 ? layout_->grid().cells(0) : SlabLayout::row_limit) + 8)) {
  for (const DiffusionMap& map : L_)
    if (map.mobility()) throw InputError("a mobility stands in G only, not in L");
}

std::ptrdiff_t SpeciesChain::offset(int r) const {
  return static_cast<std::ptrdiff_t>(r) * (layout_->dim() > 1 ? layout_->grid().cells(0) : SlabLayout::row_limit);
}

int SpeciesChain::length(int r) const {
  if (layout_->dim() > 1) return layout_->grid().cells(0);
  return static_cast<int>(std::min<std::ptrdiff_t>(SlabLayout::row_limit, layout_->owned() - offset(r)));
}

/// operand.own(step k, row r) = values that row(k, r, out) writes.
template <class Row>
void SpeciesChain::build(Operand& operand, int steps, Row&& row) const {
  Field& field = operand.build(layout_, steps);
  for (int k = 0; k < steps; ++k)
    for (int r = 0; r < layout_->rows(); ++r) row(k, r, field.level(k) + offset(r));
}

/// M(u), or M'(u) v, at the owned points and in the ghost plane beside them, from the ghosts of u and v.
void SpeciesChain::cell_values(Field& m, const Mobility& mobility, bool derivative, const Field* v, int steps) const {
  if (!m || m.levels() < steps) m = Field(layout_, steps);
  const int plane = static_cast<int>(layout_->plane());
  const auto values = [&](int k, std::ptrdiff_t at, int n) {
    const double* u = u_->level(k * species_ + s_) + at;
    double* out = m.level(k) + at;
    if (!derivative) {
      mobility.value(n, u, out);
      return;
    }
    mobility.derivative(n, u, out);
    const double* w = v->level(k * species_ + s_) + at;
    for (int i = 0; i < n; ++i) out[i] *= w[i];
  };
  for (int k = 0; k < steps; ++k) {
    values(k, -plane, plane);
    for (int r = 0; r < layout_->rows(); ++r) values(k, offset(r), length(r));
    values(k, layout_->owned(), plane);
  }
}

void SpeciesChain::mu_row(int k, int r, double* __restrict out) const {
  const double* __restrict u = u_->level(k * species_ + s_) + offset(r);
  if (has_potential_) terms_.potential->first(length(r), u, out);
  const double keep = has_potential_ ? terms_.b : 0;
  if (!L_.empty()) {
    L_.back().row(l_.back(), k, r, terms_.a, keep, out);
    return;
  }
  const int n = length(r);
  if (has_potential_)
    for (int i = 0; i < n; ++i) out[i] = terms_.a * u[i] + keep * out[i];
  else
    for (int i = 0; i < n; ++i) out[i] = terms_.a * u[i];
}

void SpeciesChain::prepare(const Field& u, int steps) {
  u_ = &u;
  for (std::size_t j = 0; j < L_.size(); ++j) {
    if (j == 0)
      l_[0].refer(u, s_, species_);
    else
      build(l_[j], steps, [&](int k, int r, double* out) { L_[j - 1].row(l_[j - 1], k, r, 1, 0, out); });
    L_[j].prepare(l_[j], steps);
  }
  for (std::size_t j = 0; j < G_.size(); ++j) {
    if (G_[j].mobility()) cell_values(m_[j], *G_[j].mobility(), false, nullptr, steps);
    build(g_[j], steps, [&](int k, int r, double* out) {
      if (j == 0)
        mu_row(k, r, out);
      else
        G_[j - 1].row(g_[j - 1], k, r, 1, 0, out, cells(m_, j - 1, k));
    });
    G_[j].prepare(g_[j], steps);
  }
}

void SpeciesChain::value_row(int k, int r, double* out) const {
  if (G_.empty())
    mu_row(k, r, out);
  else
    G_.back().row(g_.back(), k, r, 1, 0, out, cells(m_, G_.size() - 1, k));
}

void SpeciesChain::mu_derivative_row(int k, int r, double* __restrict out) const {
  const double* __restrict v = v_->level(k * species_ + s_) + offset(r);
  const int n = length(r);
  const double b = terms_.b, a = terms_.a;
  if (has_potential_) {
    terms_.potential->second(n, u_->level(k * species_ + s_) + offset(r), out);
    for (int i = 0; i < n; ++i) out[i] *= v[i];
  }
  if (!L_.empty())
    L_.back().row(dl_.back(), k, r, a, has_potential_ ? b : 0, out);
  else if (has_potential_)
    for (int i = 0; i < n; ++i) out[i] = a * v[i] + b * out[i];
  else
    for (int i = 0; i < n; ++i) out[i] = a * v[i];
}

/// d(K_M w) = K_M dw + K_{M'(u) v} w for the factor j of G.
void SpeciesChain::g_derivative_row(std::size_t j, int k, int r, double* out) const {
  G_[j].row(dg_[j], k, r, 1, 0, out, cells(m_, j, k));
  if (G_[j].mobility()) plain_.row(g_[j].level(k), dm_[j].level(k), 0, r, 1, 1, out);
}

void SpeciesChain::prepare_derivative(const Field& v, int steps) {
  v_ = &v;
  for (std::size_t j = 0; j < L_.size(); ++j) {
    if (j == 0)
      dl_[0].refer(v, s_, species_);
    else
      build(dl_[j], steps, [&](int k, int r, double* out) { L_[j - 1].row(dl_[j - 1], k, r, 1, 0, out); });
    L_[j].prepare(dl_[j], steps);
  }
  for (std::size_t j = 0; j < G_.size(); ++j) {
    if (G_[j].mobility()) cell_values(dm_[j], *G_[j].mobility(), true, &v, steps);
    build(dg_[j], steps, [&](int k, int r, double* out) {
      if (j == 0)
        mu_derivative_row(k, r, out);
      else
        g_derivative_row(j - 1, k, r, out);
    });
    G_[j].prepare(dg_[j], steps);
  }
}

void SpeciesChain::derivative_row(int k, int r, double* out) const {
  if (G_.empty())
    mu_derivative_row(k, r, out);
  else
    g_derivative_row(G_.size() - 1, k, r, out);
}

void SpeciesChain::start_adjoint_row(int k, int r, double* out) const { G_[0].row(ag_[0], k, r, 1, 0, out, cells(m_, 0, k)); }

void SpeciesChain::prepare_adjoint(const Field& p, int steps) {
  p_ = &p;
  const std::size_t q = G_.size(), l = L_.size();
  for (std::size_t j = q; j-- > 0;) {  // ag_[j] is what G_[j] acts on: p, then G_[q-1] p, ...
    if (j + 1 == q)
      ag_[j].refer(p, s_, species_);
    else
      build(ag_[j], steps, [&](int k, int r, double* out) { G_[j + 1].row(ag_[j + 1], k, r, 1, 0, out, cells(m_, j + 1, k)); });
    G_[j].prepare(ag_[j], steps);
  }
  Operand& start = l == 0 ? start_ : al_[l - 1];
  if (q == 0)
    start.refer(p, s_, species_);
  else
    build(start, steps, [&](int k, int r, double* out) { start_adjoint_row(k, r, out); });
  for (std::size_t j = l; j-- > 0;) {
    if (j + 1 < l) build(al_[j], steps, [&](int k, int r, double* out) { L_[j + 1].row(al_[j + 1], k, r, 1, 0, out); });
    L_[j].prepare(al_[j], steps);
  }
}

void SpeciesChain::adjoint_row(int k, int r, double* __restrict out) const {
  const int n = length(r);
  const double* __restrict y = (L_.empty() ? start_ : al_.back()).level(k) + offset(r);
  const double* u = u_->level(k * species_ + s_) + offset(r);
  const double a = terms_.a, b = terms_.b;
  if (has_potential_) {
    terms_.potential->second(n, u, out);
    for (int i = 0; i < n; ++i) out[i] *= y[i];
  }
  if (!L_.empty())
    L_[0].row(al_[0], k, r, a, has_potential_ ? b : 0, out);
  else if (has_potential_)
    for (int i = 0; i < n; ++i) out[i] = a * y[i] + b * out[i];
  else
    for (int i = 0; i < n; ++i) out[i] = a * y[i];
  for (std::size_t j = 0; j < G_.size(); ++j) {
    const Mobility* mobility = G_[j].mobility();
    if (mobility == nullptr) continue;
    // Faces at walls have the coefficient M(0), which does not depend on u.
    double* pair = scratch_.data();
    double* slope = scratch_.data() + scratch_.size() / 2;
    plain_.pair_row(g_[j].level(k), ag_[j].level(k), r, pair, false);
    mobility->derivative(n, u, slope);
    for (int i = 0; i < n; ++i) out[i] += slope[i] * pair[i];
  }
}

SymbolPolynomial SpeciesChain::symbol(double c, Field* state) const {
  SymbolPolynomial inner{1};
  for (const DiffusionMap& map : L_) inner = multiply(inner, map.symbol());
  for (double& x : inner) x *= terms_.a;
  inner[0] += c;
  for (const DiffusionMap& map : G_) {
    SymbolPolynomial factor = map.symbol();
    if (map.mobility() && state != nullptr) {
      ExactSum sums[1];
      for (int r = 0; r < layout_->rows(); ++r) {
        map.mobility()->value(length(r), state->level(s_) + offset(r), scratch_.data());
        add_row(sums[0], *layout_, scratch_.data(), length(r));
      }
      ExactSum::reduce(layout_->comm(), sums);
      const double mean = sums[0].value() / static_cast<double>(layout_->grid().size());
      // Where nearly nothing moves the constant of the equation is the safe one.
      if (mean > 0.01 * factor.back() && std::isfinite(mean)) factor.back() = mean;
    }
    inner = multiply(inner, factor);
  }
  return inner;
}

SymbolPolynomial SpeciesChain::metric() const {
  SymbolPolynomial g{1};
  for (const DiffusionMap& map : G_) {
    if (map.variable()) return {};
    g = multiply(g, map.symbol());
  }
  return g;
}

void SpeciesChain::prepare_energy(const Field& u, int step) {
  energy_state_.refer(u, step * species_ + s_);
  if (L_.empty()) return;
  el_[0].refer(u, step * species_ + s_);
  if (L_[0].stencil() == nullptr) {
    L_[0].prepare(el_[0], 1);
    return;
  }
  // <u, K^n u> = |K^(n/2) u|^2, or <w, K w> with w = K^((n-1)/2) u.
  for (std::size_t j = 1; j <= L_.size() / 2; ++j) {
    build(el_[j], 1, [&](int, int r, double* out) { plain_.row(el_[j - 1].level(0), r, 1, 0, out); });
    el_[j].own.exchange_ghosts();
  }
}

void SpeciesChain::energy_row(int r, double* __restrict out) const {
  const int n = length(r);
  const double* u = energy_state_.level(0) + offset(r);
  double factor = 0.5 * terms_.a;
  if (L_.empty()) {
    for (int i = 0; i < n; ++i) out[i] = factor * u[i] * u[i];
  } else if (L_[0].stencil() == nullptr) {
    L_[0].row(el_[0], 0, r, factor, 0, out);
    for (int i = 0; i < n; ++i) out[i] *= u[i];
  } else if (L_.size() == 1) {
    L_[0].stencil()->pair_row(energy_state_.level(0), energy_state_.level(0), r, out);
    for (int i = 0; i < n; ++i) out[i] *= factor;
  } else {
    const double* w = el_[L_.size() / 2].level(0);
    for (const DiffusionMap& map : L_) factor *= map.symbol().back();
    if (L_.size() % 2 == 1) {
      plain_.pair_row(w, w, r, out);
      for (int i = 0; i < n; ++i) out[i] *= factor;
    } else {
      for (int i = 0; i < n; ++i) out[i] = factor * w[offset(r) + i] * w[offset(r) + i];
    }
  }
  if (!has_potential_) return;
  double* W = scratch_.data();
  terms_.potential->energy(n, u, W);
  for (int i = 0; i < n; ++i) out[i] += terms_.b * W[i];
}

}  // namespace wasserflow
