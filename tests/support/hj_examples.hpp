#pragma once
/// Hamilton-Jacobi test cases that do not use the library's own Hamiltonians: pointwise formulas, written out, and their exact solutions.
#include <algorithm>
#include <cmath>
#include <functional>
#include <numbers>

#include "grids/support/errors.hpp"
#include "solvers/hamilton_jacobi_problem.hpp"

namespace wasserflow::test {

inline double speed(double z) { return (z - 1) * (z - 1) + 0.1; }

/// A Hamiltonian from pointwise functions of (coordinates, slopes); the derivative is given too. Nothing is tabulated and the prox is not there.
class Pointwise : public Hamiltonian {
 public:
  using Point = std::array<double, 3>;
  using Value = std::function<double(const Point&, const double* slopes)>;
  using Slope = std::function<void(const Point&, const double* slopes, double* out)>;
  Pointwise(int dim, Splitting splitting, bool convex, Value numerical, Slope gradient, Value true_value, Slope true_gradient)
      : dim_(dim),
        splitting_(splitting),
        convex_(convex),
        numerical_(numerical),
        gradient_(gradient),
        true_(true_value),
        true_gradient_(true_gradient) {}
  std::string name() const override { return "pointwise"; }
  Splitting splitting() const override { return splitting_; }
  bool is_convex() const override { return convex_; }
  void bind(LayoutPtr, std::span<const double>) override {}
  void set_times(std::span<const double>) override {}
  void evaluate(const RowPoints& p, const double* const* q, double* h) const override { values(p, slots(dim_), q, h, numerical_); }
  void gradient(const RowPoints& p, const double* const* q, double* const* g) const override { slopes(p, slots(dim_), q, g, gradient_); }
  void prox(const RowPoints&, double, double, double*, double* const*) const override { throw InternalError("not there"); }
  void lagrangian(const RowPoints&, const double* const*, double*) const override { throw InternalError("not there"); }
  void evaluate_true(const RowPoints& p, const double* const* q, double* h) const override { values(p, dim_, q, h, true_); }
  void gradient_true(const RowPoints& p, const double* const* q, double* const* g) const override { slopes(p, dim_, q, g, true_gradient_); }

 private:
  static void values(const RowPoints& p, int count, const double* const* q, double* h, const Value& f) {
    double v[6];
    for (int i = 0; i < p.n; ++i) {
      for (int j = 0; j < count; ++j) v[j] = q[j][i];
      h[i] = f({p.x[i], p.y, p.z}, v);
    }
  }
  static void slopes(const RowPoints& p, int count, const double* const* q, double* const* g, const Slope& f) {
    double v[6], out[6];
    for (int i = 0; i < p.n; ++i) {
      for (int j = 0; j < count; ++j) v[j] = q[j][i];
      f({p.x[i], p.y, p.z}, v, out);
      for (int j = 0; j < count; ++j) g[j][i] = out[j];
    }
  }
  int dim_;
  Splitting splitting_;
  bool convex_;
  Value numerical_;
  Slope gradient_;
  Value true_;
  Slope true_gradient_;
};

/// Example 1: H = sum_d a(x_d)^2 p_d^2/2, upwinded by Engquist and Osher; with a = 1 when `variable` is false.
inline HamiltonianPtr quadratic(int dim, bool variable = true) {
  const auto a2 = [variable](double x) { return variable ? speed(x) * speed(x) : 1.0; };
  return std::make_unique<Pointwise>(
      dim, Splitting::Upwind, true,
      [=](const Pointwise::Point& x, const double* q) {
        double h = 0;
        for (int d = 0; d < dim; ++d) h += a2(x[d]) / 2 * (std::pow(std::min(q[2 * d], 0.0), 2) + std::pow(std::max(q[2 * d + 1], 0.0), 2));
        return h;
      },
      [=](const Pointwise::Point& x, const double* q, double* g) {
        for (int d = 0; d < dim; ++d) g[2 * d] = a2(x[d]) * std::min(q[2 * d], 0.0), g[2 * d + 1] = a2(x[d]) * std::max(q[2 * d + 1], 0.0);
      },
      [=](const Pointwise::Point& x, const double* p) {
        double h = 0;
        for (int d = 0; d < dim; ++d) h += a2(x[d]) / 2 * p[d] * p[d];
        return h;
      },
      [=](const Pointwise::Point& x, const double* p, double* g) {
        for (int d = 0; d < dim; ++d) g[d] = a2(x[d]) * p[d];
      });
}

/// Example 2: H = sum_d a(x_d) |p_d|.
inline HamiltonianPtr one_homogeneous(int dim) {
  return std::make_unique<Pointwise>(
      dim, Splitting::Upwind, true,
      [=](const Pointwise::Point& x, const double* q) {
        double h = 0;
        for (int d = 0; d < dim; ++d) h += speed(x[d]) * (std::max(-q[2 * d], 0.0) + std::max(q[2 * d + 1], 0.0));
        return h;
      },
      [=](const Pointwise::Point& x, const double* q, double* g) {
        for (int d = 0; d < dim; ++d) g[2 * d] = q[2 * d] < 0 ? -speed(x[d]) : 0, g[2 * d + 1] = q[2 * d + 1] > 0 ? speed(x[d]) : 0;
      },
      [=](const Pointwise::Point& x, const double* p) {
        double h = 0;
        for (int d = 0; d < dim; ++d) h += speed(x[d]) * std::fabs(p[d]);
        return h;
      },
      [=](const Pointwise::Point& x, const double* p, double* g) {
        for (int d = 0; d < dim; ++d) g[d] = speed(x[d]) * (p[d] > 0 ? 1.0 : p[d] < 0 ? -1.0 : 0.0);
      });
}

/// H(p) without upwind form (Lax-Friedrichs), from H and its derivative.
inline HamiltonianPtr lax_friedrichs(int dim, bool convex, Pointwise::Value h, Pointwise::Slope g) {
  return std::make_unique<Pointwise>(dim, Splitting::LaxFriedrichs, convex, h, g, h, g);
}

/// Exact solutions of examples 1 and 2 in one dimension on [0, 2), g = sin(pi x): in y(x) = int_0^x ds/a(s) the speed is 1, so that
/// example 1 is a Hopf-Lax formula and example 2 the minimum of g over [y - t, y + t].
class Exact1d {
 public:
  explicit Exact1d(int example) : example_(example) {}
  double operator()(double x, double t) const {
    if (t == 0) return std::sin(std::numbers::pi * x);
    const double y = warp(x);
    if (example_ == 2) {
      const double lower = y - t, upper = y + t;
      for (int k = -3; k <= 3; ++k)
        if (lower <= warp(1.5) + k * period() && warp(1.5) + k * period() <= upper) return -1;
      return std::min(initial(lower), initial(upper));
    }
    const auto cost = [&](double z) { return initial(z) + (y - z) * (y - z) / (2 * t); };
    // phi <= max g and the control cost bound the search; every local minimum of the samples is refined.
    const int samples = 400;
    const double radius = 2 * std::sqrt(t), h = 2 * radius / samples;
    double best = cost(y), left = cost(y - radius - h), here = cost(y - radius);
    for (int i = 0; i <= samples; ++i) {
      const double z = y - radius + i * h, right = cost(z + h);
      if (here <= left && here <= right) best = std::min(best, golden(cost, z - h, z + h));
      left = here;
      here = right;
    }
    return best;
  }

 private:
  static double root() { return std::sqrt(0.1); }
  static double period() { return 2 * std::atan(1 / root()) / root(); }
  static double warp(double x) {
    const double k = std::floor(x / 2);
    return (std::atan((x - 2 * k - 1) / root()) + std::atan(1 / root())) / root() + k * period();
  }
  static double initial(double y) {
    const double k = std::floor(y / period());
    return std::sin(std::numbers::pi * (1 + root() * std::tan(root() * (y - k * period()) - std::atan(1 / root()))));
  }
  template <class F>
  static double golden(const F& f, double a, double b) {
    const double ratio = (std::sqrt(5.0) - 1) / 2;
    double c = b - ratio * (b - a), d = a + ratio * (b - a), fc = f(c), fd = f(d);
    for (int i = 0; i < 40; ++i) {
      if (fc < fd)
        b = d, d = c, fd = fc, c = b - ratio * (b - a), fc = f(c);
      else
        a = c, c = d, fc = fd, d = a + ratio * (b - a), fd = f(d);
    }
    return std::min(fc, fd);
  }
  int example_;
};

/// Periodic box [0, 2)^dim with n points an axis.
inline Grid torus(int dim, int n) { return Grid(std::vector<Axis>(static_cast<std::size_t>(dim), Axis{0, 2, n, Boundary::Periodic, 0})); }

/// f(coordinates) at every owned point of level k.
inline void set(Field& field, int k, const std::function<double(double, double, double)>& f) {
  for (int r = 0; r < field.layout().rows(); ++r) {
    const RowPoints p = field.layout().row(r);
    for (int i = 0; i < p.n; ++i) field.level(k)[p.offset + i] = f(p.x[i], p.y, p.z);
  }
}

/// sum_d sin(pi x_d) over the axes of the grid.
inline void set_sines(Field& field, int k) {
  const int dim = field.layout().dim();
  set(field, k, [dim](double x, double y, double z) {
    using std::numbers::pi;
    return std::sin(pi * x) + (dim > 1 ? std::sin(pi * y) : 0) + (dim > 2 ? std::sin(pi * z) : 0);
  });
}

inline HamiltonianTerms only(HamiltonianPtr h) {
  HamiltonianTerms terms;
  terms.kinetic = std::move(h);
  return terms;
}

}  // namespace wasserflow::test
