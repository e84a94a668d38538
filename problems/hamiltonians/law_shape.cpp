#include "problems/hamiltonians/law_shape.hpp"

#include <fmt/format.h>

#include <random>

#include "grids/support/errors.hpp"

namespace wasserflow {

namespace {

using Slope = std::array<double, 3>;

Slope scaled(const Slope& p, double s) { return {s * p[0], s * p[1], s * p[2]}; }
Slope along(const Slope& p, int d) {
  Slope r{};
  r[static_cast<std::size_t>(d)] = p[static_cast<std::size_t>(d)];
  return r;
}
Slope unit(int d) { return along({1, 1, 1}, d); }

/// The closed form at slope p, from the law's values at the unit slopes (norms, powers) or its derivatives at 0 (quadratic).
double closed_form(const LawShape& shape, int dim, const Slope& p, const Slope& unit_values, double value, const Slope& gradient,
                   const std::array<double, 6>& hessian) {
  double sum = 0, squares = 0, largest = 0;
  for (std::size_t d = 0; d < static_cast<std::size_t>(dim); ++d) {
    sum += unit_values[d] * std::abs(p[d]);
    squares += p[d] * p[d];
    largest = std::max(largest, std::abs(p[d]));
  }
  switch (shape.family) {
    case LawShape::Family::L1: return sum;
    case LawShape::Family::L2: return unit_values[0] * std::sqrt(squares);
    case LawShape::Family::Linf: return unit_values[0] * largest;
    case LawShape::Family::Power: return unit_values[0] * std::pow(squares, 0.5 * shape.exponent);
    case LawShape::Family::Quadratic: {
      double h = value;
      for (int i = 0, k = 0; i < dim; ++i) {
        h += gradient[static_cast<std::size_t>(i)] * p[static_cast<std::size_t>(i)];
        for (int j = i; j < dim; ++j, ++k)
          h += (i == j ? 0.5 : 1.0) * hessian[static_cast<std::size_t>(k)] * p[static_cast<std::size_t>(i)] * p[static_cast<std::size_t>(j)];
      }
      return h;
    }
    case LawShape::Family::None: break;
  }
  return std::numeric_limits<double>::quiet_NaN();
}

constexpr std::array<Slope, 4> probes{{{0.7, -1.3, 0.4}, {-2.1, 0.3, 1.9}, {-0.2, -0.9, -1.1}, {5.3, 3.7, -6.1}}};

}  // namespace

LawSample::LawSample(const ConvexLaw& law, const RowPoints& one, int dim) : law_(law), p_(one), dim_(dim) {
  p_.n = 1;
  std::array<double*, 16> out{};
  for (std::size_t k = 0; k < c_.size(); ++k) out[k] = &c_[k], rows_[k] = &c_[k];
  law_.tabulate(p_, out.data());
}

double LawSample::value(const Slope& slope) const {
  double h = 0;
  const std::array<const double*, 3> rows{&slope[0], &slope[1], &slope[2]};
  law_.evaluate(p_, rows_.data(), rows.data(), &h, nullptr, nullptr);
  return h;
}

Slope LawSample::gradient(const Slope& slope) const {
  double h = 0;
  Slope g{};
  const std::array<const double*, 3> rows{&slope[0], &slope[1], &slope[2]};
  const std::array<double*, 3> out{&g[0], &g[1], &g[2]};
  law_.evaluate(p_, rows_.data(), rows.data(), &h, out.data(), nullptr);
  return g;
}

std::array<double, 6> LawSample::hessian(const Slope& slope) const {
  double h = 0;
  Slope g{};
  std::array<double, 6> hess{};
  const std::array<const double*, 3> rows{&slope[0], &slope[1], &slope[2]};
  const std::array<double*, 3> out{&g[0], &g[1], &g[2]};
  std::array<double*, 6> second;
  for (std::size_t k = 0; k < 6; ++k) second[k] = &hess[k];
  law_.evaluate(p_, rows_.data(), rows.data(), &h, out.data(), second.data());
  return hess;
}

LawRows::LawRows(const ConvexLaw& law, const RowPoints& p, int dim) : law_(law), p_(p), dim_(dim) {
  const std::size_t n = static_cast<std::size_t>(p.n), count = static_cast<std::size_t>(law.coefficients());
  c_.resize(n * count);
  std::vector<double*> out;
  for (std::size_t k = 0; k < count; ++k) out.push_back(c_.data() + k * n), rows_.push_back(c_.data() + k * n);
  law_.tabulate(p_, out.data());
}

LawRows::Result LawRows::evaluate(const Slope& slope) const {
  const std::size_t n = static_cast<std::size_t>(p_.n), dim = static_cast<std::size_t>(dim_);
  Result r{std::vector<double>(n), std::vector<std::vector<double>>(dim, std::vector<double>(n)),
           std::vector<std::vector<double>>(dim * (dim + 1) / 2, std::vector<double>(n))};
  std::vector<std::vector<double>> slopes;
  std::vector<const double*> in;
  std::vector<double*> g, hess;
  for (std::size_t d = 0; d < dim; ++d) slopes.emplace_back(n, slope[d]), g.push_back(r.gradient[d].data());
  for (const auto& s : slopes) in.push_back(s.data());
  for (auto& h : r.hessian) hess.push_back(h.data());
  law_.evaluate(p_, rows_.data(), in.data(), r.value.data(), g.data(), hess.data());
  return r;
}

namespace {

struct RandomSlopes {
  std::mt19937_64 generator{1};
  double uniform(double a, double b) { return std::uniform_real_distribution<double>(a, b)(generator); }
  Slope draw(int dim) {
    const double size = std::pow(10.0, uniform(-1, 1));
    Slope s{};
    for (std::size_t d = 0; d < static_cast<std::size_t>(dim); ++d) s[d] = size * uniform(-1, 1);
    return s;
  }
};

bool convex_between(const LawSample& at, int dim, const Slope& a, const Slope& b) {
  const Slope middle{0.5 * (a[0] + b[0]), 0.5 * (a[1] + b[1]), 0.5 * (a[2] + b[2])};
  const double ha = at.value(a), hb = at.value(b), hm = at.value(middle);
  if (hm > 0.5 * (ha + hb) + 1e-11 * (std::abs(ha) + std::abs(hb) + std::abs(hm))) return false;
  // Curvature sees what wide chords miss.
  const std::array<double, 6> hess = at.hessian(a);
  double curvature = 0, size = 0;
  for (int i = 0, k = 0; i < dim; ++i)
    for (int j = i; j < dim; ++j, ++k) {
      const double term = (i == j ? 1 : 2) * hess[static_cast<std::size_t>(k)] * b[static_cast<std::size_t>(i)] * b[static_cast<std::size_t>(j)];
      curvature += term;
      size += std::abs(term);
    }
  return !(curvature < -1e-10 * size);
}

}  // namespace

bool convex_at(const ConvexLaw& law, const RowPoints& one, int dim) {
  const LawSample at(law, one, dim);
  RandomSlopes random;
  for (int k = 0; k < 12; ++k)
    if (!convex_between(at, dim, random.draw(dim), random.draw(dim))) return false;
  return true;
}

LawShape analyse(const ConvexLaw& law, int dim) {
  RandomSlopes random;
  const auto uniform = [&](double from, double to) { return random.uniform(from, to); };
  LawShape shape;
  std::array<bool, 6> possible{false, true, true, true, true, true};  // by Family
  double exponent = 0;
  int used = 0;
  for (int place = 0; place < 48; ++place) {
    const double reach = place % 2 ? 2 : 1, x = uniform(place % 2 ? -reach : 0, reach);
    RowPoints p;
    p.n = 1;
    p.x = &x;
    p.y = dim > 1 ? uniform(place % 2 ? -reach : 0, reach) : 0;
    p.z = dim > 2 ? uniform(place % 2 ? -reach : 0, reach) : 0;
    p.t = uniform(0, 1);
    p.offset = -1;
    const LawSample at(law, p, dim);
    const Slope a = random.draw(dim), b = random.draw(dim), zero{};
    Slope middle{};
    for (std::size_t d = 0; d < 3; ++d) middle[d] = 0.5 * (a[d] + b[d]);
    const double ha = at.value(a), hb = at.value(b), hm = at.value(middle), h0 = at.value(zero);
    if (!std::isfinite(ha + hb + hm + h0)) continue;
    ++used;
    const double scale = std::abs(ha) + std::abs(hb) + std::abs(h0);
    if (place % 2 == 0) shape.convex = shape.convex && convex_at(law, p, dim);
    double sum = h0;
    for (int d = 0; d < dim; ++d) sum += at.value(along(a, d)) - h0;
    if (!(std::abs(sum - ha) <= 1e-11 * scale)) shape.separable = false;

    // Which closed forms are still possible.
    Slope values{};
    for (int d = 0; d < dim; ++d) values[static_cast<std::size_t>(d)] = at.value(unit(d));
    const Slope g0 = at.gradient(zero);
    const std::array<double, 6> hess0 = at.hessian(zero);
    for (int d = 1, k = 0; d < dim; ++d) {
      k += dim - d + 1;  // the diagonal entry (d, d) of the triangle
      shape.isotropic = shape.isotropic && values[static_cast<std::size_t>(d)] == values[0] && hess0[static_cast<std::size_t>(k)] == hess0[0];
    }
    if (std::abs(h0) > 0) shape.constant = true;
    for (double g : g0) shape.linear = shape.linear || g != 0;
    if (std::abs(h0) > 1e-14 * scale) possible[2] = possible[3] = possible[4] = possible[5] = false;
    const double q = std::log2(at.value(scaled(unit(0), 2)) / values[0]);
    if (exponent == 0) exponent = std::abs(q - std::round(4 * q) / 4) < 1e-9 ? std::round(4 * q) / 4 : q;
    if (!(exponent > 1.01 && std::abs(q - exponent) < 1e-9)) possible[5] = false;
    for (std::size_t f = 1; f < possible.size(); ++f) {
      LawShape candidate;
      candidate.family = static_cast<LawShape::Family>(f);
      candidate.exponent = exponent;
      for (const Slope& s : {a, b, middle, probes[0], probes[1], probes[2]}) {
        const double h = at.value(s);
        if (possible[f] && !(std::abs(closed_form(candidate, dim, s, values, h0, g0, hess0) - h) <= 1e-11 * (scale + std::abs(h))))
          possible[f] = false;
      }
    }
  }
  if (used < 8) return shape;  // nothing known: generic
  for (std::size_t f = 1; f < possible.size() && shape.family == LawShape::Family::None; ++f)
    if (possible[f]) shape.family = static_cast<LawShape::Family>(f);
  shape.exponent = exponent;
  return shape;
}

void check_shape(const LawRows& rows, const LawShape& shape, const RowPoints& p) {
  const LawRows::Result zero = rows.evaluate({});
  std::array<LawRows::Result, 3> units;
  for (int d = 0; d < rows.dim(); ++d) units[static_cast<std::size_t>(d)] = rows.evaluate(unit(d));
  for (const Slope& s : probes) {
    const LawRows::Result at = rows.evaluate(s);
    for (std::size_t i = 0; i < static_cast<std::size_t>(p.n); ++i) {
      Slope values{}, gradient{};
      std::array<double, 6> hessian{};
      for (std::size_t d = 0; d < static_cast<std::size_t>(rows.dim()); ++d) values[d] = units[d].value[i], gradient[d] = zero.gradient[d][i];
      for (std::size_t k = 0; k < zero.hessian.size(); ++k) hessian[k] = zero.hessian[k][i];
      bool convex = shape.family == LawShape::Family::Quadratic || values[0] >= 0;
      for (std::size_t d = 1; d < static_cast<std::size_t>(rows.dim()) && shape.family == LawShape::Family::L1; ++d)
        convex = convex && values[d] >= 0;
      if (shape.isotropic)  // what is used for all axes
        for (std::size_t d = 1, k = 0; d < static_cast<std::size_t>(rows.dim()); ++d) {
          k += static_cast<std::size_t>(rows.dim()) - d + 1;
          values[d] = values[0];
          hessian[k] = hessian[0];
        }
      double curvature = 0;  // of a quadratic form along the probe
      for (int a = 0, k = 0; a < rows.dim(); ++a)
        for (int b = a; b < rows.dim(); ++b, ++k)
          curvature += (a == b ? 1 : 2) * hessian[static_cast<std::size_t>(k)] * s[static_cast<std::size_t>(a)] * s[static_cast<std::size_t>(b)];
      for (std::size_t d = 0, k = 0; d < static_cast<std::size_t>(rows.dim()); k += static_cast<std::size_t>(rows.dim()) - d, ++d)
        convex = convex && (shape.family != LawShape::Family::Quadratic || hessian[k] >= 0);
      if (!convex || (shape.family == LawShape::Family::Quadratic && curvature < 0))
        throw InputError(
            fmt::format("at x = {:g}, y = {:g}, z = {:g}, t = {:g} the Hamiltonian is not convex in the slopes; explicit schemes take it with "
                        "hamiltonian.closed_form = false",
                        p.x[i], p.y, p.z, p.t));
      const double h = at.value[i], form = closed_form(shape, rows.dim(), s, values, zero.value[i], gradient, hessian);
      if (!(std::abs(form - h) <= 1e-9 * (std::abs(h) + std::abs(form) + std::abs(zero.value[i]))))
        throw InputError(
            fmt::format("at x = {:g}, y = {:g}, z = {:g}, t = {:g} the Hamiltonian is not of the closed form that it has elsewhere: set "
                        "hamiltonian.closed_form = false",
                        p.x[i], p.y, p.z, p.t));
    }
  }
}

}  // namespace wasserflow
