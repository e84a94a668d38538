#include "problems/exact_solutions.hpp"

#include <algorithm>
#include <array>
#include <boost/math/tools/minima.hpp>
#include <cmath>
#include <functional>
#include <limits>
#include <span>
#include <unordered_map>

#include "grids/support/errors.hpp"

namespace wasserflow {

namespace {

using Point = std::array<double, 3>;
using AxisSolution = std::function<double(double x, double t)>;

double value_at(const Function& f, const Point& p) {
  RowPoints row;
  row.n = 1;
  row.x = p.data();
  row.y = p[1];
  row.z = p[2];
  double out = 0;
  f.evaluate(row, &out);
  return out;
}

/// The g_d of g = sum_d g_d(x_d), each with its share of the constant. Throws InputError when g is not such a sum.
std::vector<std::function<double(double)>> separate(const Grid& grid, const FunctionPtr& g) {
  const int dim = grid.dim();
  Point centre{};
  for (int d = 0; d < dim; ++d) centre[static_cast<std::size_t>(d)] = 0.5 * (grid.axis(d).lower + grid.axis(d).upper);
  const double share = value_at(*g, centre) * (dim - 1) / dim;
  std::vector<std::function<double(double)>> parts;
  for (int d = 0; d < dim; ++d)
    parts.emplace_back([g, centre, share, d](double s) {
      Point p = centre;
      p[static_cast<std::size_t>(d)] = s;
      return value_at(*g, p) - share;
    });
  for (int i = 1; i <= 32 && dim > 1; ++i) {
    Point p{};
    double sum = 0, scale = 1;
    for (int d = 0; d < dim; ++d) {
      constexpr std::array<double, 3> irrational = {0.7548776662466927, 0.5698402909980532, 0.4301597090019468};
      const double f = std::fmod(i * irrational[static_cast<std::size_t>(d)], 1.0);
      const double s = grid.axis(d).lower + f * grid.axis(d).length();
      p[static_cast<std::size_t>(d)] = s;
      const double part = parts[static_cast<std::size_t>(d)](s);
      sum += part;
      scale = std::max(scale, std::abs(part));
    }
    if (std::abs(value_at(*g, p) - sum) > 1e-10 * scale)
      throw InputError("this exact solution needs initial data that are a sum of functions of one coordinate each");
  }
  return parts;
}

Profile profile(const Axis& axis, const std::function<double(double)>& g) { return Profile(axis.boundary, axis.lower, axis.upper, g); }

/// sum_d phi_d(x_d, t). Remembers the values along x and those at single y and z of one time.
class SeparableSolution : public Function {
 public:
  explicit SeparableSolution(std::vector<AxisSolution> axes) : axes_(std::move(axes)) {}
  bool depends_on_time() const override { return true; }
  void evaluate(const RowPoints& p, double* out) const override {
    if (p.t != time_) {
      time_ = p.t;
      x_.clear();
      for (auto& known : single_) known.clear();
    }
    if (x_.size() != static_cast<std::size_t>(p.n) || !std::equal(x_.begin(), x_.end(), p.x)) {
      x_.assign(p.x, p.x + p.n);
      values_.resize(x_.size());
      for (std::size_t i = 0; i < x_.size(); ++i) values_[i] = axes_[0](x_[i], time_);
    }
    double rest = 0;
    if (axes_.size() > 1) rest += single(1, p.y);
    if (axes_.size() > 2) rest += single(2, p.z);
    for (std::size_t i = 0; i < x_.size(); ++i) out[i] = values_[i] + rest;
  }

 private:
  double single(std::size_t d, double s) const {
    const auto [known, added] = single_[d - 1].try_emplace(s, 0.0);
    if (added) known->second = axes_[d](s, time_);
    return known->second;
  }
  std::vector<AxisSolution> axes_;
  mutable double time_ = std::numeric_limits<double>::quiet_NaN();
  mutable std::vector<double> x_, values_;
  mutable std::array<std::unordered_map<double, double>, 2> single_;
};

constexpr double variable_speed_root = 0.31622776601683794;  // sqrt(1/10)

FunctionPtr make_variable_speed(const Grid& grid, const FunctionPtr& g, double power) {
  std::vector<AxisSolution> axes;
  const auto parts = separate(grid, g);
  for (int d = 0; d < grid.dim(); ++d) {
    const Axis& axis = grid.axis(d);
    if (axis.boundary != Boundary::Periodic || axis.lower != 0 || axis.upper != 2)
      throw InputError("this exact solution needs periodic axes from 0 to 2");
    const auto& part = parts[static_cast<std::size_t>(d)];
    const Profile stretched(Boundary::Periodic, 0, stretched_coordinate(2), [&](double y) { return part(stretched_inverse(y)); });
    axes.emplace_back(
        [stretched, power](double x, double t) { return hopf_lax(stretched, {.power = power, .speed = 1}, stretched_coordinate(x), t); });
  }
  return std::make_shared<SeparableSolution>(std::move(axes));
}

/// min of g_x + g_y over the disc of radius speed t: over its local minima inside and over the circle.
class DiscMinimum : public Function {
 public:
  DiscMinimum(Profile gx, Profile gy, double speed) : gx_(std::move(gx)), gy_(std::move(gy)), speed_(speed) {}
  bool depends_on_time() const override { return true; }
  void evaluate(const RowPoints& p, double* out) const override {
    for (int i = 0; i < p.n; ++i) out[i] = value(p.x[i], p.y, speed_ * p.t);
  }

 private:
  double value(double x, double y, double r) const {
    double best = gx_(x) + gy_(y);
    if (r <= 0) return best;
    for (const double zx : images(gx_, x, r))
      for (const double zy : images(gy_, y, r))
        if ((zx - x) * (zx - x) + (zy - y) * (zy - y) <= r * r) best = std::min(best, gx_(zx) + gy_(zy));
    const auto on_circle = [&](double angle) { return gx_(x + r * std::cos(angle)) + gy_(y + r * std::sin(angle)); };
    const double length = std::min(gx_.length(), gy_.length());
    const int n = std::max(32, static_cast<int>(2 * M_PI * r / length * 40));
    const double h = 2 * M_PI / n;
    double before = on_circle(-h), here = on_circle(0);
    for (int i = 0; i < n; ++i) {
      const double after = on_circle((i + 1) * h);
      if (here <= before && here <= after && here - (before - 2 * here + after) <= best) {
        std::uintmax_t evaluations = 60;
        best = std::min(
            best,
            boost::math::tools::brent_find_minima(on_circle, (i - 1) * h, (i + 1) * h, std::numeric_limits<double>::digits / 2, evaluations).second);
      }
      before = here;
      here = after;
    }
    return best;
  }
  /// Local minima of g and of its periodic or mirror images within r of s.
  static std::vector<double> images(const Profile& g, double s, double r) {
    std::vector<double> out;
    const double period = g.boundary() == Boundary::NoFlux ? 2 * g.length() : g.length();
    const auto add = [&](double z) {
      if (g.boundary() == Boundary::Extrapolate) {
        if (std::abs(z - s) <= r) out.push_back(z);
        return;
      }
      for (double k = std::ceil((s - r - z) / period); z + k * period <= s + r; ++k) out.push_back(z + k * period);
    };
    for (const double z : g.minima()) {
      add(z);
      if (g.boundary() == Boundary::NoFlux) add(2 * g.lower() - z);
    }
    return out;
  }
  Profile gx_, gy_;
  double speed_;
};

/// What make_newton and make_hopf_lax_anisotropic have in common: a linear system with quadratic cost of control reaches q' = centre[1] + c11 u_1,
/// v' = centre[0] + c21 u_1 + c22 u_2 at the cost |u|^2/2. A line of constant u_1 is a row of points for g.
struct Reach {
  std::array<double, 2> centre;
  double c11, c21, c22;
};

/// min over u of g(v', q') + |u|^2/2 by a scan over the disc that can hold the minimum and Newton refinement.
class LinearQuadraticSolution : public Function {
 public:
  using Reachable = std::function<Reach(double v, double q, double t)>;
  /// wrap[d]: g is continued periodically along axis d; otherwise it is asked for its values outside of the box.
  LinearQuadraticSolution(const Grid& grid, FunctionPtr g, Reachable reachable, std::array<bool, 2> wrap)
      : g_(std::move(g)), reachable_(std::move(reachable)), axes_{grid.axis(0), grid.axis(1)}, wrap_(wrap) {
    double least = std::numeric_limits<double>::infinity(), most = -least;
    constexpr int n = 129;
    std::vector<double> v(n), values(n);
    const auto sample = [&](int d, int i) {  // half a length to both sides of the box, which the solution may look into
      const Axis& axis = axes_[static_cast<std::size_t>(d)];
      const double f = static_cast<double>(i) / (n - 1);
      return axis.lower + axis.length() * (wrap_[static_cast<std::size_t>(d)] ? f : 2 * f - 0.5);
    };
    for (int i = 0; i < n; ++i) v[static_cast<std::size_t>(i)] = sample(0, i);
    for (int j = 0; j < n; ++j) {
      evaluate_g(v, sample(1, j), values.data());
      for (const double value : values) {
        least = std::min(least, value);
        most = std::max(most, value);
      }
    }
    least_ = least - 0.01 * (most - least);
  }
  bool depends_on_time() const override { return true; }
  void evaluate(const RowPoints& p, double* out) const override {
    for (int i = 0; i < p.n; ++i) out[i] = value(p.x[i], p.y, p.t);
  }

 private:
  double wrapped(std::size_t d, double s) const {
    return wrap_[d] ? s - axes_[d].length() * std::floor((s - axes_[d].lower) / axes_[d].length()) : s;
  }
  void evaluate_g(std::span<double> v, double q, double* out) const {
    for (double& s : v) s = wrapped(0, s);
    RowPoints points;
    points.n = static_cast<int>(v.size());
    points.x = v.data();
    points.y = wrapped(1, q);
    g_->evaluate(points, out);
  }
  /// g + |u|^2/2 on the row u_1 = a, u_2 = b + k step, k < n.
  void row(const Reach& r, double a, double b, double step, int n, double* out) const {
    std::array<double, max_points> v;
    for (int k = 0; k < n; ++k) v[static_cast<std::size_t>(k)] = r.centre[0] + r.c21 * a + r.c22 * (b + k * step);
    evaluate_g({v.data(), static_cast<std::size_t>(n)}, r.centre[1] + r.c11 * a, out);
    for (int k = 0; k < n; ++k) out[k] += 0.5 * (a * a + (b + k * step) * (b + k * step));
  }
  double value(double v, double q, double t) const {
    if (t <= 0) {
      double g = 0;
      evaluate_g({&v, 1}, q, &g);
      return g;
    }
    const Reach r = reachable_(v, q, t);
    // Control can save no more than g(centre) - min g. Samples of the square |u_j| <= radius, 16 a length of the box.
    double here = 0, v0 = r.centre[0];
    evaluate_g({&v0, 1}, r.centre[1], &here);
    const double radius = std::sqrt(2 * std::max(here - least_, 0.0)) + 1e-3;
    const double needed = 32 * radius * std::max(r.c11 / axes_[1].length(), std::hypot(r.c21, r.c22) / axes_[0].length());
    const int n = static_cast<int>(std::clamp(needed, 16.0, max_points - 1.0)) + 1;
    const double h = 2 * radius / (n - 1);
    static thread_local std::vector<double> f;
    f.resize(static_cast<std::size_t>(n) * static_cast<std::size_t>(n));
    for (int j = 0; j < n; ++j) row(r, -radius + j * h, -radius, h, n, f.data() + j * n);
    double best = *std::min_element(f.begin(), f.end());
    const double sampled = best;
    for (int j = 1; j + 1 < n; ++j)
      for (int k = 1; k + 1 < n; ++k) {
        const double* c = f.data() + j * n + k;
        if (c[0] > c[-1] || c[0] > c[1] || c[0] > c[-n] || c[0] > c[n]) continue;
        const double bound = c[0] - (c[-1] - 2 * c[0] + c[1]) - (c[-n] - 2 * c[0] + c[n]);
        if (bound <= sampled) best = std::min(best, refine(r, -radius + j * h, -radius + k * h, h));
      }
    return best;
  }
  /// Newton steps on difference quotients with a shrinking stencil, confined to it.
  double refine(const Reach& r, double a, double b, double h) const {
    double best = std::numeric_limits<double>::infinity();
    for (int round = 0; round < 12; ++round) {
      double f[3][3];
      for (int j = 0; j < 3; ++j) row(r, a + (j - 1) * h, b - h, h, 3, f[j]);
      int bj = 1, bk = 1;
      for (int j = 0; j < 3; ++j)
        for (int k = 0; k < 3; ++k)
          if (f[j][k] < f[bj][bk]) bj = j, bk = k;
      best = std::min(best, f[bj][bk]);
      if (bj != 1 || bk != 1) {  // the minimum lies further out: walk
        a += (bj - 1) * h;
        b += (bk - 1) * h;
        h *= 0.7;
        continue;
      }
      const double ga = 0.5 * (f[2][1] - f[0][1]), gb = 0.5 * (f[1][2] - f[1][0]);
      const double haa = f[2][1] - 2 * f[1][1] + f[0][1], hbb = f[1][2] - 2 * f[1][1] + f[1][0];
      const double hab = 0.25 * (f[2][2] - f[2][0] - f[0][2] + f[0][0]);
      const double det = haa * hbb - hab * hab;
      if (haa > 0 && det > 0) {
        a += h * std::clamp((hab * gb - hbb * ga) / det, -1.0, 1.0);
        b += h * std::clamp((hab * ga - haa * gb) / det, -1.0, 1.0);
      }
      h *= 0.2;
      if (h < 1e-6) break;
    }
    return best;
  }
  static constexpr int max_points = 256;
  FunctionPtr g_;
  Reachable reachable_;
  std::array<Axis, 2> axes_;
  std::array<bool, 2> wrap_;
  double least_ = 0;  // a little below the minimum of g
};

}  // namespace

FunctionPtr make_hopf_lax(const Grid& grid, FunctionPtr g, HopfLaxCost cost) {
  if (!(cost.power >= 1) || !(cost.speed > 0)) throw InputError("the Hopf-Lax formula needs a power of at least 1 and a positive speed");
  std::vector<AxisSolution> axes;
  const auto parts = separate(grid, g);
  for (int d = 0; d < grid.dim(); ++d)
    axes.emplace_back(
        [g1 = profile(grid.axis(d), parts[static_cast<std::size_t>(d)]), cost](double x, double t) { return hopf_lax(g1, cost, x, t); });
  return std::make_shared<SeparableSolution>(std::move(axes));
}

FunctionPtr make_hopf_lax_l2(const Grid& grid, FunctionPtr g, double speed) {
  if (grid.dim() == 1) return make_hopf_lax(grid, std::move(g), {.power = 1, .speed = speed});
  if (grid.dim() != 2) throw InputError("the exact solution for the l2 norm is known here in one and two dimensions only");
  if (!(speed > 0)) throw InputError("the Hopf-Lax formula needs a positive speed");
  const auto parts = separate(grid, g);
  return std::make_shared<DiscMinimum>(profile(grid.axis(0), parts[0]), profile(grid.axis(1), parts[1]), speed);
}

FunctionPtr make_hopf_cole(const Grid& grid, FunctionPtr g, double eps) {
  if (!(eps > 0)) throw InputError("the Hopf-Cole solution needs a positive diffusion");
  std::vector<AxisSolution> axes;
  const auto parts = separate(grid, g);
  for (int d = 0; d < grid.dim(); ++d)
    axes.emplace_back([g1 = profile(grid.axis(d), parts[static_cast<std::size_t>(d)]), eps](double x, double t) { return hopf_cole(g1, eps, x, t); });
  return std::make_shared<SeparableSolution>(std::move(axes));
}

double stretched_coordinate(double x) {
  constexpr double s = variable_speed_root;
  const double edge = std::atan(1 / s), box = std::floor(x / 2);
  return (std::atan((x - 2 * box - 1) / s) + edge) / s + box * 2 * edge / s;
}

double stretched_inverse(double y) {
  constexpr double s = variable_speed_root;
  const double edge = std::atan(1 / s), box = std::floor(y * s / (2 * edge));
  return 1 + s * std::tan(s * (y - box * 2 * edge / s) - edge) + 2 * box;
}

FunctionPtr make_quadratic_variable_speed(const Grid& grid, FunctionPtr g) { return make_variable_speed(grid, g, 2); }
FunctionPtr make_onehomogeneous_variable_speed(const Grid& grid, FunctionPtr g) { return make_variable_speed(grid, g, 1); }

FunctionPtr make_newton(const Grid& grid, FunctionPtr g) {
  if (grid.dim() != 2) throw InputError("Newton's equation of motion needs two axes: velocity and position");
  const auto reachable = [](double v, double q, double t) {
    return Reach{{v, q + v * t}, t * std::sqrt(t / 3), 0.5 * std::sqrt(3 * t), 0.5 * std::sqrt(t)};
  };
  return std::make_shared<LinearQuadraticSolution>(grid, std::move(g), reachable,
                                                   std::array<bool, 2>{false, grid.axis(1).boundary == Boundary::Periodic});
}

FunctionPtr make_hopf_lax_anisotropic(const Grid& grid, FunctionPtr g, std::array<double, 3> matrix) {
  const auto [xx, xy, yy] = matrix;
  if (grid.dim() != 2) throw InputError("the anisotropic quadratic Hamiltonian has an exact solution here in two dimensions only");
  if (!(yy > 0) || !(xx * yy > xy * xy)) throw InputError("the matrix of the quadratic Hamiltonian must be positive definite");
  std::array<bool, 2> wrap{};
  for (int d = 0; d < 2; ++d) {
    const Boundary kind = grid.axis(d).boundary;
    if (kind != Boundary::Periodic && kind != Boundary::Extrapolate)
      throw InputError("this exact solution needs the boundary kinds 'periodic' or 'extrapolate'");
    wrap[static_cast<std::size_t>(d)] = kind == Boundary::Periodic;
  }
  const auto reachable = [xx, xy, yy](double x, double y, double t) {
    return Reach{{x, y}, std::sqrt(t * yy), xy * std::sqrt(t / yy), std::sqrt(t * (xx - xy * xy / yy))};
  };
  return std::make_shared<LinearQuadraticSolution>(grid, std::move(g), reachable, wrap);
}

}  // namespace wasserflow
