#include "problems/convex_prox.hpp"

#include <limits>
#include <numeric>

#include "problems/hamiltonians/anisotropic.hpp"

namespace wasserflow {

namespace {

constexpr int chunk = ConvexPoints::chunk;
// GCC.
constexpr double tolerance = 1e-14;  ///< of the residuals, relative to their terms
constexpr int newton_steps = 30;
using Row = std::array<double, chunk>;

struct Side {
  int axis;
  bool even;  ///< D+: slopes below base count
};
Side side(int slot) { return {slot / 2, slot % 2 == 0}; }

/// H with the slope of one axis given and the others at base; derivatives by that slope.
void along(const ConvexPoints& at, int axis, const double* slope, double* h, double* g, double* hess) {
  std::array<const double*, 3> rows{};
  for (int d = 0; d < at.dim; ++d) rows[static_cast<std::size_t>(d)] = d == axis ? slope : at.base[d];
  double* const gs[1] = {g};
  double* const hs[1] = {hess};
  at.law->evaluate(at.p, at.c, rows.data(), h, gs, hs, axis);
}

double clip(const Side& s, double base, double q) { return s.even ? smaller(q, base) : larger(q, base); }

/// lambda for the quadratic form that has the slopes of H at the given reaches: the start of the iteration, exact for quadratic H.
inline double quadratic_start(int slots, const double* curvature, const double* reach, double a, double ratio) {
  const double least = larger(a, 0.0);
  double lambda = least;
  for (int k = 0; k < 6; ++k) {
    double f = lambda - a, f1 = 1, f2 = 0;
    for (int j = 0; j < slots; ++j) {
      const double r = 1 / (1 + curvature[j] * lambda), t = 0.5 * ratio * curvature[j] * (reach[j] * r) * (reach[j] * r), c = curvature[j] * r;
      f -= t;
      f1 += 2 * t * c;
      f2 += 3 * t * c * c;
    }
    lambda = larger(lambda - f * f1 / larger(f1 * f1 + f * f2, 0.25 * (f1 * f1)), least);
  }
  return lambda;
}

/// One point of a chunk.
struct OnePoint {
  std::array<const double*, 16> c_rows{};
  std::array<const double*, 3> base_rows{};
  ConvexPoints at;
  OnePoint(const ConvexPoints& all, int i) : at(all.part(i, 1, c_rows, base_rows)) {}
};

/// Root of an increasing function on [low, high], low >= 0, to relative accuracy: Newton steps that stay in the bracket and get shorter, otherwise
/// bisection, of the exponent where the bracket is wide. f(x, value, derivative).
template <class F>
double bracketed_root(double low, double high, double x, F&& f) {
  double last = std::numeric_limits<double>::infinity();
  for (int i = 0; i < 400; ++i) {
    double value = 0, derivative = 1;
    f(x, value, derivative);
    if (value == 0) return x;
    (value < 0 ? low : high) = x;
    double next = x - value / derivative;
    if (!(next > low && next < high) || !(std::abs(next - x) < 0.7 * last))
      next = high > 4 * low ? std::sqrt(larger(low, 1e-30 * high)) * std::sqrt(high) : 0.5 * (low + high);
    last = std::abs(next - x);
    x = next;
    if (last <= 1e-16 * x || high - low <= 2e-16 * high || high < 1e-290) break;
  }
  return x;
}

/// b on one side with b + step dH/dp(b) = v; sought as a distance from base, which may be tiny.
double side_root(const ConvexPoints& at, const Side& s, double base, double v, double step) {
  const double sign = s.even ? -1 : 1, reach = std::abs(v - base);
  const double distance = bracketed_root(0.0, reach, reach, [&](double e, double& f, double& f1) {
    const double x = base + sign * e;
    double value = 0, slope = 0, curvature = 0;
    along(at, s.axis, &x, &value, &slope, &curvature);
    f = e - reach + step * sign * slope;
    f1 = 1 + step * curvature;
  });
  return base + sign * distance;
}

/// Upwind form, one point: lambda in an outer iteration, each side in an inner one. w: used slopes over sigma_m. Returns lambda, w becomes b.
double upwind_alone(const ConvexPoints& at, double a, double ratio, double* w, double least) {
  const int slots = 2 * at.dim;
  std::array<double, 6> start{}, b{};
  std::copy_n(w, slots, start.begin());
  double bottom = 0, g = 0, hess = 0;
  along(at, 0, at.base[0], &bottom, &g, &hess);
  const auto hamiltonian = [&](double lambda, double& derivative) {
    double h = bottom;
    derivative = 0;
    for (int j = 0; j < slots; ++j) {
      const std::size_t jj = static_cast<std::size_t>(j);
      const Side s = side(j);
      const double base = at.base[s.axis][0], v = start[jj];
      b[jj] = v;
      if (v == base) continue;
      double value = 0, slope = 0, curvature = 0;
      if (lambda > 0) b[jj] = side_root(at, s, base, v, lambda);
      along(at, s.axis, &b[jj], &value, &slope, &curvature);
      h += value - bottom;
      derivative -= slope * slope / (1 + lambda * curvature);
    }
    return h;
  };
  double unused = 0;
  // Without a step for the density (it is given) H does not count, infinite or not.
  const double top = ratio > 0 ? larger(least, a + ratio * hamiltonian(0, unused)) : least;
  const double lambda = ratio == 0 ? least : bracketed_root(least, top, least, [&](double x, double& f, double& f1) {
    double derivative = 0;
    f = x - a - ratio * hamiltonian(x, derivative);
    f1 = 1 - ratio * derivative;
  });
  hamiltonian(lambda, unused);
  std::copy_n(b.begin(), slots, w);
  return lambda;
}

}  // namespace

ConvexPoints ConvexPoints::part(int first, int count, std::array<const double*, 16>& c_rows, std::array<const double*, 3>& base_rows) const {
  ConvexPoints r = *this;
  r.p.n = count;
  r.p.x += first;
  r.p.offset += first;
  for (int k = 0; k < law->coefficients(); ++k) c_rows[static_cast<std::size_t>(k)] = c[k] + first;
  for (int d = 0; d < dim; ++d) base_rows[static_cast<std::size_t>(d)] = base[d] + first;
  r.c = c_rows.data();
  r.base = base_rows.data();
  return r;
}

void upwind_value(const ConvexPoints& at, const double* const* q, double* h) {
  Row bottom, part, w, unused1, unused2;
  along(at, 0, at.base[0], bottom.data(), unused1.data(), unused2.data());
  const int n = at.p.n;
  std::copy_n(bottom.data(), n, h);
  for (int j = 0; j < 2 * at.dim; ++j) {
    const Side s = side(j);
    for (int i = 0; i < n; ++i) w[static_cast<std::size_t>(i)] = clip(s, at.base[s.axis][i], q[j][i]);
    along(at, s.axis, w.data(), part.data(), unused1.data(), unused2.data());
    for (int i = 0; i < n; ++i) h[i] += part[static_cast<std::size_t>(i)] - bottom[static_cast<std::size_t>(i)];
  }
}

void upwind_gradient(const ConvexPoints& at, const double* const* q, double* const* g) {
  Row value, w, unused;
  const int n = at.p.n;
  for (int j = 0; j < 2 * at.dim; ++j) {
    const Side s = side(j);
    for (int i = 0; i < n; ++i) w[static_cast<std::size_t>(i)] = clip(s, at.base[s.axis][i], q[j][i]);
    along(at, s.axis, w.data(), value.data(), g[j], unused.data());
    for (int i = 0; i < n; ++i) g[j][i] = w[static_cast<std::size_t>(i)] == at.base[s.axis][i] ? 0.0 : g[j][i];
  }
}

void upwind_prox(const ConvexPoints& at, const ProxSteps& steps, double* u0, double* const* u) {
  const int n = at.p.n, slots = 2 * at.dim;
  const double ratio = steps.ratio;
  Row a, least, lambda, bottom, sum, done, unused, unused2;
  std::array<Row, 6> w, b, f, g, hess, kink;
  bool pinned[6] = {};
  along(at, 0, at.base[0], bottom.data(), unused.data(), unused2.data());
  for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i) {
    a[i] = u0[i] * steps.inverse_m;
    least[i] = larger(a[i] + ratio * bottom[i], 0.0);
    sum[i] = bottom[i];
  }
  for (int j = 0; j < slots; ++j) {
    const Side s = side(j);
    const std::size_t jj = static_cast<std::size_t>(j);
    const double* const base = at.base[s.axis];
    for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i) b[jj][i] = w[jj][i] = clip(s, base[i], u[j][i] * steps.inverse_m);
    if (at.kinked) {  // the slope just beside base; at base itself the law gives the smallest one
      Row beside;
      for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i) beside[i] = base[i] + (s.even ? -1 : 1) * (1e-140 + 4e-16 * std::abs(base[i]));
      along(at, s.axis, beside.data(), unused.data(), kink[jj].data(), unused2.data());
    } else {
      kink[jj].fill(0);
    }
    along(at, s.axis, w[jj].data(), f[jj].data(), g[jj].data(), hess[jj].data());
    for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i) sum[i] += f[jj][i] - bottom[i];
  }
  for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i) {
    const bool active = (ratio > 0 ? a[i] + ratio * sum[i] : a[i]) > 0;
    done[i] = active ? 0.0 : 1.0;
    double curvature[6], reach[6];
    for (std::size_t j = 0; j < static_cast<std::size_t>(slots); ++j) {
      reach[j] = w[j][i] - at.base[j / 2][i];
      curvature[j] = reach[j] == 0 ? 0.0 : std::abs(g[j][i] / reach[j]);
    }
    lambda[i] = active ? quadratic_start(slots, curvature, reach, a[i] + ratio * bottom[i], ratio) : 0.0;
    for (std::size_t j = 0; j < static_cast<std::size_t>(slots); ++j)
      if (active) b[j][i] = at.base[j / 2][i] + reach[j] / (1 + curvature[j] * lambda[i]);
  }

  for (int step = 0; step < newton_steps; ++step) {
    double open = 0;
    for (int j = 0; j < slots; ++j) {
      const std::size_t jj = static_cast<std::size_t>(j);
      along(at, side(j).axis, b[jj].data(), f[jj].data(), g[jj].data(), hess[jj].data());
    }
    for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i) {
      double h = bottom[i], gz = 0, gy = 0, scale = std::abs(bottom[i]), y[6], z[6];
      const double l = lambda[i];
      bool converged = true;
      for (std::size_t j = 0; j < static_cast<std::size_t>(slots); ++j) {
        const Side s = side(static_cast<int>(j));
        const double base = at.base[s.axis][i], reach = w[j][i] - base;
        // A slope that rests at a kink, or that its side does not use, stays where it is.
        pinned[j] = std::abs(l * kink[j][i]) >= std::abs(reach);
        const double slope = b[j][i] == base ? kink[j][i] : g[j][i], curvature = b[j][i] == base && at.kinked ? 0.0 : hess[j][i];
        const double residual = w[j][i] - b[j][i] - l * slope, d = 1 / (1 + l * curvature);
        y[j] = pinned[j] ? base - b[j][i] : residual * d;
        z[j] = pinned[j] ? 0.0 : slope * d;
        h += f[j][i] - bottom[i];
        scale += std::abs(f[j][i]);
        gz += pinned[j] ? 0.0 : slope * z[j];
        gy += (pinned[j] && b[j][i] == base ? 0.0 : slope) * y[j];
        converged &= pinned[j] ? b[j][i] == base : std::abs(residual) <= tolerance * (std::abs(w[j][i]) + std::abs(base));
      }
      const double residual = a[i] + ratio * h - l;
      converged &= std::abs(residual) <= tolerance * (std::abs(a[i]) + l + ratio * scale);
      if (done[i] != 0 || converged) {
        done[i] = 1;
        continue;
      }
      open = 1;
      double next = larger(l + (residual + ratio * gy) / (1 + ratio * gz), least[i]);
      const double change = next - l;
      lambda[i] = next;
      for (std::size_t j = 0; j < static_cast<std::size_t>(slots); ++j) {
        const double base = at.base[j / 2][i], moved = pinned[j] ? base : b[j][i] + y[j] - change * z[j];
        b[j][i] = smaller(larger(moved, smaller(base, w[j][i])), larger(base, w[j][i]));
      }
    }
    if (open == 0) break;
  }

  for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i) {
    const bool alone = !(done[i] == 1);
    if (alone) {
      const OnePoint one(at, static_cast<int>(i));
      double v[6];
      for (std::size_t j = 0; j < static_cast<std::size_t>(slots); ++j) v[j] = w[j][i];
      lambda[i] = upwind_alone(one.at, a[i], ratio, v, least[i]);
      for (std::size_t j = 0; j < static_cast<std::size_t>(slots); ++j) b[j][i] = v[j];
    }
    u0[i] = steps.m * lambda[i];
    for (std::size_t j = 0; j < static_cast<std::size_t>(slots); ++j) {
      // Both forms agree; the first keeps its digits for small densities, the second holds at kinks.
      const bool smooth = !alone && b[j][i] != at.base[j / 2][i];
      const double m = smooth ? u0[i] * g[j][i] : steps.m * (w[j][i] - b[j][i]);
      u[j][i] = lambda[i] > 0 && w[j][i] != at.base[j / 2][i] ? m : 0.0;
    }
  }
}

namespace {

/// Lax-Friedrichs form, one point: b minimises |b - v|^2/2 + lambda H(b) by damped Newton steps; slopes at 0, where norms have their kink, are tried
/// too. `x` is the start and the result; returns H there and dH/dlambda in `derivative`.
template <int D>
double central_inner(const ConvexPoints& at, double lambda, const double* v, double* x, double& derivative) {
  constexpr int pairs = D * (D + 1) / 2;
  double h = 0, g[D], hess[pairs];
  const auto evaluate = [&](const double* q, double* value, double* slope, double* curvature) {
    std::array<const double*, D> rows;
    std::array<double*, D> gs;
    std::array<double*, pairs> hs;
    for (std::size_t d = 0; d < D; ++d) rows[d] = q + d, gs[d] = slope + d;
    for (std::size_t k = 0; k < pairs; ++k) hs[k] = curvature + k;
    at.law->evaluate(at.p, at.c, rows.data(), value, gs.data(), hs.data());
  };
  const auto objective = [&](const double* q, double value) {
    double s = lambda * value;
    for (int d = 0; d < D; ++d) s += 0.5 * (q[d] - v[d]) * (q[d] - v[d]);
    return s;
  };
  evaluate(x, &h, g, hess);
  double best = objective(x, h), size = 0;
  for (int d = 0; d < D; ++d) size += std::abs(v[d]);
  double zero[D] = {}, h0 = 0, g0[D], hess0[pairs];
  evaluate(zero, &h0, g0, hess0);
  if (objective(zero, h0) < best) {
    std::copy_n(zero, D, x);
    std::copy_n(g0, D, g);
    std::copy_n(hess0, pairs, hess);
    h = h0;
    best = objective(zero, h0);
  }
  double m[pairs], inverse[pairs], step[D], residual[D];
  int polish = 0;
  for (int i = 0; i < 100; ++i) {
    double slope = 0, length = 0;
    for (int d = 0; d < D; ++d) residual[d] = v[d] - x[d] - lambda * g[d];
    for (int k = 0; k < pairs; ++k) m[k] = lambda * hess[k];
    for (int d = 0; d < D; ++d) m[triangle<D>(d, d)] += 1;
    symmetric_inverse<D>(m, inverse);
    symmetric_times<D>(inverse, residual, step);
    for (int d = 0; d < D; ++d) slope += step[d] * residual[d], length += std::abs(step[d]);
    if (!(length > 1e-16 * size)) break;
    bool moved = false;
    for (double t = 1; t > 1e-12; t *= 0.5) {
      double trial[D], value = 0, gt[D], ht[pairs];
      for (int d = 0; d < D; ++d) trial[d] = x[d] + t * step[d];
      evaluate(trial, &value, gt, ht);
      const double o = objective(trial, value);
      // Close to the minimum the objective says nothing any more: Newton's step is good then, and is taken a few times.
      const bool close = slope <= 1e-9 * (std::abs(best) + slope) && polish < 4;
      if (!close && !(o <= best - 1e-4 * t * slope)) continue;
      polish += close;
      moved = true;
      std::copy_n(trial, D, x);
      std::copy_n(gt, D, g);
      std::copy_n(ht, pairs, hess);
      h = value;
      best = o;
      break;
    }
    if (!moved) break;
  }
  bool at_zero = true;
  for (int d = 0; d < D; ++d) at_zero &= x[d] == 0;
  for (int k = 0; k < pairs; ++k) m[k] = lambda * hess[k];
  for (int d = 0; d < D; ++d) m[triangle<D>(d, d)] += 1;
  symmetric_inverse<D>(m, inverse);
  symmetric_times<D>(inverse, g, step);
  derivative = 0;
  for (int d = 0; d < D && !at_zero; ++d) derivative -= g[d] * step[d];
  return h;
}

template <int D>
double central_alone(const ConvexPoints& at, double a, double ratio, const double* v, double top, double* b) {
  double unused = 0;
  const double lambda = ratio == 0 ? larger(a, 0.0) : bracketed_root(0.0, top, larger(a, 0.0), [&](double x, double& f, double& f1) {
    std::copy_n(v, D, b);
    double derivative = 0;
    f = x - a - ratio * central_inner<D>(at, x, v, b, derivative);
    f1 = 1 - ratio * derivative;
  });
  std::copy_n(v, D, b);
  central_inner<D>(at, lambda, v, b, unused);
  return lambda;
}

template <int D>
void central(const ConvexPoints& at, const ProxSteps& steps, double* u0, double* const* u) {
  constexpr int pairs = D * (D + 1) / 2;
  const int n = at.p.n;
  const std::size_t packs = static_cast<std::size_t>((n + Pack::width - 1) / Pack::width);
  const double ratio = steps.ratio;
  Row a{}, lambda{}, h{}, top{}, open{};
  std::array<Row, D> v{}, b{}, g{};
  std::array<Row, pairs> hess{};
  std::array<const double*, D> rows;
  std::array<double*, D> gs;
  std::array<double*, pairs> hs;
  for (std::size_t d = 0; d < D; ++d) rows[d] = b[d].data(), gs[d] = g[d].data();
  for (std::size_t k = 0; k < pairs; ++k) hs[k] = hess[k].data();
  for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i) {
    a[i] = u0[i] * steps.inverse_m;
    for (std::size_t d = 0; d < D; ++d) b[d][i] = v[d][i] = u[d][i] * steps.inverse_m;
  }
  at.law->evaluate(at.p, at.c, rows.data(), h.data(), gs.data(), hs.data());
  for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i) {
    top[i] = ratio > 0 ? a[i] + ratio * h[i] : a[i];
    open[i] = top[i] > 0 ? 1.0 : 0.0;
    double squares = 0, product = 0;
    for (std::size_t d = 0; d < D; ++d) squares += v[d][i] * v[d][i], product += v[d][i] * g[d][i];
    const double curvature = squares > 0 ? larger(product, 0.0) / squares : 0.0, reach = std::sqrt(squares);
    lambda[i] = top[i] > 0 ? quadratic_start(1, &curvature, &reach, a[i], ratio) : 0.0;
    for (std::size_t d = 0; d < D; ++d) b[d][i] = v[d][i] / (1 + curvature * lambda[i]);
  }
  for (int step = 0; step < newton_steps; ++step) {
    at.law->evaluate(at.p, at.c, rows.data(), h.data(), gs.data(), hs.data());
    double left = 0;
    for (std::size_t pack = 0; pack < packs; ++pack) {
      const std::size_t i = pack * Pack::width;
      Pack x[D], r[D], s[D], m[pairs], inverse[pairs], y[D], z[D];
      const Pack l = Pack::load(&lambda[i]), aa = Pack::load(&a[i]), value = Pack::load(&h[i]);
      Pack size = 0, worst = 0;
      unroll<D>([&](auto d) {
        const Pack vd = Pack::load(&v[d][i]);
        x[d] = Pack::load(&b[d][i]);
        s[d] = Pack::load(&g[d][i]);
        r[d] = vd - x[d] - l * s[d];
        size += abs(vd);
        worst = larger(worst, abs(r[d]));
      });
      unroll<pairs>([&](auto k) { m[k] = l * Pack::load(&hess[k][i]); });
      unroll<D>([&](auto d) { m[triangle<D>(d, d)] += 1.0; });
      symmetric_inverse<D>(m, inverse);
      symmetric_times<D>(inverse, r, y);
      symmetric_times<D>(inverse, s, z);
      Pack gz = 0, gy = 0;
      unroll<D>([&](auto d) {
        gz += s[d] * z[d];
        gy += s[d] * y[d];
      });
      const Pack residual = aa + ratio * value - l;
      const Mask converged = (worst <= tolerance * size) & (abs(residual) <= tolerance * (abs(aa) + l + ratio * abs(value)));
      const Mask move = (Pack::load(&open[i]) != 0.0) & !converged;
      const Pack next = larger(l + (residual + ratio * gy) / (1.0 + ratio * gz), Pack(0.0)), change = next - l;
      select(move, next, l).store(&lambda[i]);
      // A step through the origin overshoots where H flattens out with |p|: it is cut short there.
      Pack moved[D], across = 0;
      unroll<D>([&](auto d) {
        moved[d] = x[d] + y[d] - change * z[d];
        across += moved[d] * x[d];
      });
      unroll<D>([&](auto d) { select(move, select(across < 0.0, 0.1 * x[d], moved[d]), x[d]).store(&b[d][i]); });
      const Pack still = select(move, Pack(1.0), Pack(0.0));
      still.store(&open[i]);
      for (int k = 0; k < Pack::width; ++k) left = larger(left, still[k]);
    }
    if (left == 0) break;
  }
  for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i) {
    if (!(top[i] > 0)) {
      u0[i] = 0;
      for (std::size_t d = 0; d < D; ++d) u[d][i] = 0;
      continue;
    }
    const bool alone = !(open[i] == 0) || !std::isfinite(lambda[i]);
    if (alone) {
      const OnePoint one(at, static_cast<int>(i));
      double vi[D], bi[D];
      for (std::size_t d = 0; d < D; ++d) vi[d] = v[d][i];
      lambda[i] = central_alone<D>(one.at, a[i], ratio, vi, top[i], bi);
      for (std::size_t d = 0; d < D; ++d) b[d][i] = bi[d];
    }
    u0[i] = steps.m * lambda[i];
    for (std::size_t d = 0; d < D; ++d) u[d][i] = lambda[i] > 0 ? (alone ? steps.m * (v[d][i] - b[d][i]) : u0[i] * g[d][i]) : 0.0;
  }
}

}  // namespace

void central_prox(const ConvexPoints& at, const ProxSteps& steps, double* u0, double* const* u) {
  if (at.dim == 1) return central<1>(at, steps, u0, u);
  if (at.dim == 2) return central<2>(at, steps, u0, u);
  central<3>(at, steps, u0, u);
}

double upwind_conjugate(const ConvexPoints& at, const double* v) {
  double bottom = 0, g = 0, hess = 0;
  along(at, 0, at.base[0], &bottom, &g, &hess);
  double result = -bottom;
  for (int j = 0; j < 2 * at.dim; ++j) {
    const Side s = side(j);
    const double base = at.base[s.axis][0];
    if (s.even ? v[j] > 0 : v[j] < 0) return std::numeric_limits<double>::infinity();
    if (v[j] == 0) continue;
    double b = base, best = v[j] * base, step = 1;
    for (int k = 0; k < 60; ++k, step *= 4) {
      const double target = b + step * v[j];
      double value = 0;
      const double next = side_root(at, s, base, target, step);
      along(at, s.axis, &next, &value, &g, &hess);
      const double reached = v[j] * next - (value - bottom), moved = std::abs(next - b);
      const bool done = reached - best <= 1e-15 * std::abs(reached) && moved <= 1e-8 * std::abs(next);
      b = next;
      best = std::max(best, reached);
      if (std::abs(b) > 1e15) return std::numeric_limits<double>::infinity();
      if (done && k > 2) break;
    }
    result += best;
  }
  return result;
}

namespace {
template <int D>
double conjugate(const ConvexPoints& at, const double* v) {
  double b[D] = {}, best = -std::numeric_limits<double>::infinity(), step = 1, unused = 0;
  for (int k = 0; k < 60; ++k, step *= 4) {
    double target[D], next[D], reached = 0, moved = 0, size = 0;
    for (int d = 0; d < D; ++d) next[d] = b[d], target[d] = b[d] + step * v[d];
    reached = -central_inner<D>(at, step, target, next, unused);
    for (int d = 0; d < D; ++d) {
      reached += v[d] * next[d];
      moved += std::abs(next[d] - b[d]);
      size += std::abs(next[d]);
      b[d] = next[d];
    }
    const bool done = reached - best <= 1e-15 * std::abs(reached) && moved <= 1e-8 * size;
    best = std::max(best, reached);
    if (size > 1e15) return std::numeric_limits<double>::infinity();
    if (done && k > 2) break;
  }
  return best;
}
}  // namespace

double central_conjugate(const ConvexPoints& at, const double* v) {
  return at.dim == 1 ? conjugate<1>(at, v) : at.dim == 2 ? conjugate<2>(at, v) : conjugate<3>(at, v);
}

}  // namespace wasserflow
