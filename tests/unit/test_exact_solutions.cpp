// timeout: 60
#define BOOST_TEST_MODULE exact_solutions
#include <boost/test/unit_test.hpp>
#include <functional>
#include <random>

#include "grids/support/errors.hpp"
#include "problems/exact_solutions.hpp"

using namespace wasserflow;

namespace {

using Point = std::array<double, 3>;

class Plain : public Function {
 public:
  explicit Plain(std::function<double(Point)> f) : f_(std::move(f)) {}
  void evaluate(const RowPoints& p, double* out) const override {
    for (int i = 0; i < p.n; ++i) out[i] = f_({p.x[i], p.y, p.z});
  }
  bool depends_on_time() const override { return false; }

 private:
  std::function<double(Point)> f_;
};

FunctionPtr plain(std::function<double(Point)> f) { return std::make_shared<Plain>(std::move(f)); }
double sine(double s) { return std::sin(M_PI * s); }
FunctionPtr sines(int dim) {
  return plain([dim](Point p) {
    double s = 0;
    for (int d = 0; d < dim; ++d) s += sine(p[static_cast<std::size_t>(d)]);
    return s;
  });
}

Grid box(int dim, Boundary kind = Boundary::Periodic, double lower = 0, double upper = 2) {
  return Grid(std::vector<Axis>(static_cast<std::size_t>(dim), Axis{lower, upper, 16, kind, kind == Boundary::Periodic ? 0.0 : 0.5}));
}

double at(const Function& f, Point p, double t) {
  RowPoints row;
  row.n = 1;
  row.x = p.data();
  row.y = p[1];
  row.z = p[2];
  row.t = t;
  double out = 0;
  f.evaluate(row, &out);
  return out;
}

/// Share of random points where central differences do not satisfy phi_t + H(x, grad phi) = eps Lap phi: a viscosity solution with semiconcave kinks
/// fails next to its kinks only.
double share_of_failures(const Function& phi, int dim, double eps, const std::function<double(Point, Point)>& hamiltonian, double lower, double upper,
                         double least_time = 0.1, double tolerance = 1e-4) {
  std::mt19937 generator(11);
  std::uniform_real_distribution<double> position(lower, upper), time(least_time, 1.0);
  const double h = 3e-4;
  int failures = 0;
  constexpr int points = 300;
  for (int i = 0; i < points; ++i) {
    Point x{}, slope{};
    for (int d = 0; d < dim; ++d) x[static_cast<std::size_t>(d)] = position(generator);
    const double t = time(generator), middle = at(phi, x, t);
    double laplacian = 0;
    for (std::size_t d = 0; d < static_cast<std::size_t>(dim); ++d) {
      Point a = x, b = x;
      a[d] -= h;
      b[d] += h;
      const double va = at(phi, a, t), vb = at(phi, b, t);
      slope[d] = (vb - va) / (2 * h);
      laplacian += (va - 2 * middle + vb) / (h * h);
    }
    const double rate = (at(phi, x, t + h) - at(phi, x, t - h)) / (2 * h);
    const double residual = rate + hamiltonian(x, slope) - eps * laplacian;
    if (!(std::abs(residual) < tolerance * (1 + std::abs(rate) + eps * std::abs(laplacian)))) ++failures;
  }
  return static_cast<double>(failures) / points;
}

double variable_speed(double x) {
  const double z = x - 2 * std::floor(x / 2) - 1;
  return z * z + 0.1;
}

}  // namespace

BOOST_AUTO_TEST_CASE(examples_with_variable_speed_solve_their_equation) {
  for (int dim = 1; dim <= 3; ++dim) {
    const auto quadratic = make_quadratic_variable_speed(box(dim), sines(dim));
    const auto homogeneous = make_onehomogeneous_variable_speed(box(dim), sines(dim));
    const auto h2 = [dim](Point x, Point p) {
      double h = 0;
      for (std::size_t d = 0; d < static_cast<std::size_t>(dim); ++d) h += 0.5 * std::pow(variable_speed(x[d]) * p[d], 2);
      return h;
    };
    const auto h1 = [dim](Point x, Point p) {
      double h = 0;
      for (std::size_t d = 0; d < static_cast<std::size_t>(dim); ++d) h += variable_speed(x[d]) * std::abs(p[d]);
      return h;
    };
    BOOST_TEST(share_of_failures(*quadratic, dim, 0, h2, -1, 3) < 0.02);
    BOOST_TEST(share_of_failures(*homogeneous, dim, 0, h1, -1, 3) < 0.02);
    BOOST_TEST(share_of_failures(*homogeneous, dim, 0, h2, -1, 3) > 0.5);  // the wrong equation is noticed
  }
}

// Minima over a plain dense grid, in the coordinate the formula is stated in.
BOOST_AUTO_TEST_CASE(hopf_lax_agrees_with_a_dense_search) {
  const auto bowl = [](double s) {
    const double z = s - 2 * std::floor(s / 2) - 1;
    return 0.5 * z * z;
  };
  struct Case {
    std::function<double(double)> g;
    double power, speed;
  };
  for (const Case& c : {Case{sine, 2, 1}, Case{sine, 1, 1}, Case{bowl, 2, 1}, Case{sine, 1.5, 0.7}, Case{sine, 4, 2}, Case{bowl, 1, 0.3}}) {
    const auto phi = make_hopf_lax(box(1), plain([&](Point p) { return c.g(p[0]); }), {.power = c.power, .speed = c.speed});
    for (const double t : {1e-4, 0.05, 0.4, 1.0, 2.5})
      for (const double x : {0.0, 0.13, 0.5, 0.97, 1.0, 1.51, 1.93}) {
        double least = c.g(x);
        constexpr int n = 20000;
        const double reach = c.power == 1 ? c.speed * t : 4 * std::pow(t, 1 / c.power) * std::max(1.0, c.speed) + 2 * t;
        for (int i = -n; i <= n; ++i) {
          const double d = reach * i / n;
          const double dual = c.power == 1 ? 0 : c.power / (c.power - 1);
          const double cost = c.power == 1 ? 0 : c.speed * t * std::pow(std::abs(d) / (c.speed * t), dual) / dual;
          least = std::min(least, c.g(x + d) + cost);
        }
        const double value = at(*phi, {x, 0, 0}, t);
        BOOST_TEST(value <= least + 1e-10);
        BOOST_TEST(value >= least - 4e-5);  // the step of the search
      }
  }
}

// Closed form: for g = (x-1)^2/2 and H = p^2/2 the minimum over one image is (x-1)^2 / (2 (1 + t)).
BOOST_AUTO_TEST_CASE(quadratic_bowl_has_its_closed_form) {
  const auto g = plain([](Point p) { return 0.5 * (std::pow(p[0] - 1, 2) + std::pow(p[1] - 1, 2)); });
  for (const Boundary kind : {Boundary::NoFlux, Boundary::Extrapolate}) {
    const auto phi = make_hopf_lax(box(2, kind), g);
    for (const double t : {0.0, 0.01, 0.3, 1.0})
      for (const double x : {0.01, 0.4, 1.2, 1.99})
        for (const double y : {0.3, 1.7})
          BOOST_TEST(std::abs(at(*phi, {x, y, 0}, t) - 0.5 * (std::pow(x - 1, 2) + std::pow(y - 1, 2)) / (1 + t)) < 1e-12);
  }
}

BOOST_AUTO_TEST_CASE(l2_norm_agrees_with_a_dense_search_and_its_equation) {
  const auto phi = make_hopf_lax_l2(box(2), sines(2), 1.3);
  BOOST_TEST(share_of_failures(
                 *phi, 2, 0, [](Point, Point p) { return 1.3 * std::hypot(p[0], p[1]); }, -1, 3, 0.05) < 0.03);
  for (const double t : {0.0, 0.1, 0.4, 0.8})
    for (const double x : {0.1, 0.77, 1.4})
      for (const double y : {0.02, 0.6, 1.1}) {
        double least = 9;
        constexpr int n = 400;
        for (int r = 0; r <= n; ++r)
          for (int a = 0; a < 3 * n; ++a) {
            const double radius = 1.3 * t * r / n, angle = 2 * M_PI * a / (3 * n);
            least = std::min(least, sine(x + radius * std::cos(angle)) + sine(y + radius * std::sin(angle)));
          }
        BOOST_TEST(std::abs(at(*phi, {x, y, 0}, t) - least) < 1e-4);
      }
}

BOOST_AUTO_TEST_CASE(hopf_cole_agrees_with_a_fourier_sum) {
  for (const double eps : {0.1, 0.5}) {
    const auto phi = make_hopf_cole(box(1), sines(1), eps);
    constexpr int n = 256;
    for (const double t : {0.0, 1e-3, 0.1, 1.0})
      for (const double x : {0.0, 0.3, 0.5, 1.2, 1.5}) {
        double w = 0;
        for (int k = -60; k <= 60; ++k) {
          double re = 0, im = 0;
          for (int j = 0; j < n; ++j) {
            const double w0 = std::exp(-sine(2.0 * j / n) / (2 * eps)) / n, angle = 2 * M_PI * k * j / n;
            re += w0 * std::cos(angle);
            im -= w0 * std::sin(angle);
          }
          const double angle = M_PI * k * x;
          w += std::exp(-eps * std::pow(M_PI * k, 2) * t) * (re * std::cos(angle) - im * std::sin(angle));
        }
        BOOST_TEST(std::abs(at(*phi, {x, 0, 0}, t) + 2 * eps * std::log(w)) < 1e-11);
      }
  }
}

BOOST_AUTO_TEST_CASE(hopf_cole_solves_its_equation_at_small_diffusion) {
  const auto h = [](Point, Point p) { return 0.5 * (p[0] * p[0] + p[1] * p[1] + p[2] * p[2]); };
  for (const double eps : {0.003, 0.02}) BOOST_TEST(share_of_failures(*make_hopf_cole(box(1), sines(1), eps), 1, eps, h, 0, 2, 0.05, 3e-3) == 0);
  BOOST_TEST(share_of_failures(*make_hopf_cole(box(3), sines(3), 0.1), 3, 0.1, h, 0, 2) == 0);
  // Reflecting ends: no slope there, and the limit of no diffusion is Hopf-Lax.
  const auto bowl = plain([](Point p) { return std::cos(p[0]); });
  const auto closed = make_hopf_cole(box(1, Boundary::NoFlux), bowl, 0.05);
  BOOST_TEST(std::abs(at(*closed, {1e-3, 0, 0}, 0.5) - at(*closed, {0, 0, 0}, 0.5)) < 1e-5);
  const double limit = at(*make_hopf_lax(box(1, Boundary::NoFlux), bowl), {1.9, 0, 0}, 0.5);
  BOOST_TEST(std::abs(at(*make_hopf_cole(box(1, Boundary::NoFlux), bowl, 1e-4), {1.9, 0, 0}, 0.5) - limit) < 1e-3);
}

BOOST_AUTO_TEST_CASE(newton_agrees_with_a_dense_search_and_its_equation) {
  const auto g = [](double v, double q) { return std::sin(M_PI * q) * std::exp(-0.5 * v * v); };
  const auto phi = make_newton(box(2, Boundary::Periodic, -1, 1), plain([&](Point p) { return g(p[0], p[1]); }));
  BOOST_TEST(share_of_failures(
                 *phi, 2, 0, [](Point x, Point p) { return 0.5 * p[0] * p[0] - x[0] * p[1]; }, -1, 1, 0.1, 3e-4) < 0.05);
  for (const double t : {0.0, 0.1, 0.5, 1.0})
    for (const double v : {-0.9, -0.2, 0.5})
      for (const double q : {-0.8, 0.1, 0.6}) {
        double least = g(v, q + v * t);
        constexpr int n = 400;
        for (int i = -n; i <= n && t > 0; ++i)
          for (int j = -n; j <= n; ++j) {
            // End point by way of a constant and a linear force: a = alpha + beta s has cost int a^2/2.
            const double alpha = 6.0 * i / n, beta = 20.0 * j / n;
            const double dv = alpha * t + 0.5 * beta * t * t, dq = 0.5 * alpha * t * t + beta * t * t * t / 6;
            const double cost = 0.5 * (alpha * alpha * t + alpha * beta * t * t + beta * beta * t * t * t / 3);
            least = std::min(least, g(v + dv, q + v * t + dq) + cost);
          }
        const double value = at(*phi, {v, q, 0}, t);
        BOOST_TEST(value <= least + 1e-9);
        BOOST_TEST(value >= least - 3e-3);
      }
}

BOOST_AUTO_TEST_CASE(anisotropic_hopf_lax_agrees_with_a_dense_search_and_its_equation) {
  // Not separable, and periodic only by its continuation.
  const auto wrap = [](double s) { return s - 2 * std::floor(s / 2) - 1; };
  const auto g = [&](double x, double y) { return std::exp(-wrap(x) * wrap(x)) * std::cos(M_PI * y); };
  const double xx = 0.9, xy = -0.4, yy = 0.5, det = xx * yy - xy * xy;
  const auto phi = make_hopf_lax_anisotropic(box(2), plain([&](Point p) { return g(p[0], p[1]); }), {xx, xy, yy});
  const auto h = [&](Point, Point p) { return 0.5 * (xx * p[0] * p[0] + 2 * xy * p[0] * p[1] + yy * p[1] * p[1]); };
  BOOST_TEST(share_of_failures(*phi, 2, 0, h, -1, 3, 0.1, 3e-4) < 0.05);
  for (const double t : {0.1, 0.7})
    for (const double x : {0.05, 0.8, 1.6})
      for (const double y : {0.3, 1.0}) {
        double least = 9;
        constexpr int n = 300;
        for (int i = -n; i <= n; ++i)
          for (int j = -n; j <= n; ++j) {
            const double dx = 3.0 * i / n, dy = 3.0 * j / n;
            least = std::min(least, g(x + dx, y + dy) + 0.5 * (yy * dx * dx - 2 * xy * dx * dy + xx * dy * dy) / det / t);
          }
        const double value = at(*phi, {x, y, 0}, t);
        BOOST_TEST(value <= least + 1e-9);
        BOOST_TEST(value >= least - 2e-3);
      }
}

// The explicit Engquist-Osher scheme knows nothing of the formulas and converges to both with first order.
BOOST_AUTO_TEST_CASE(an_explicit_scheme_converges_to_the_examples) {
  for (const int example : {1, 2}) {
    const auto phi = example == 1 ? make_quadratic_variable_speed(box(1), sines(1)) : make_onehomogeneous_variable_speed(box(1), sines(1));
    std::vector<double> errors;
    for (const int n : {80, 160, 320}) {
      const double h = 2.0 / n;
      const int steps = 5 * n;
      const double dt = 1.0 / steps;
      std::vector<double> u, next;
      for (int i = 0; i < n; ++i) u.push_back(sine(i * h));
      next = u;
      for (int k = 0; k < steps; ++k) {
        for (int i = 0; i < n; ++i) {
          const auto at_cell = [&](int j) { return u[static_cast<std::size_t>((j + n) % n)]; };
          const double plus = (at_cell(i + 1) - at_cell(i)) / h, minus = (at_cell(i) - at_cell(i - 1)) / h, a = variable_speed(i * h);
          const double low = a * std::min(plus, 0.0), high = a * std::max(minus, 0.0);
          next[static_cast<std::size_t>(i)] = at_cell(i) - dt * (example == 1 ? 0.5 * (low * low + high * high) : high - low);
        }
        u.swap(next);
      }
      double error = 0;
      for (int i = 0; i < n; ++i) error += h * std::abs(u[static_cast<std::size_t>(i)] - at(*phi, {i * h, 0, 0}, 1)) / 2;
      errors.push_back(error);
      BOOST_TEST_MESSAGE("example " << example << " n " << n << " error " << error);
    }
    BOOST_TEST(errors[2] < 6e-3);
    BOOST_TEST(std::log2(errors[1] / errors[2]) > 0.9);
    BOOST_TEST(std::log2(errors[1] / errors[2]) < 1.1);
  }
}

BOOST_AUTO_TEST_CASE(rows_give_the_same_values_as_single_points_and_sums_of_axes) {
  const auto solid = make_quadratic_variable_speed(box(3), sines(3)), line = make_quadratic_variable_speed(box(1), sines(1));
  std::vector<double> x, out(16);
  for (int i = 0; i < 16; ++i) x.push_back(i / 8.0);
  for (const double t : {0.3, 0.7, 0.3})
    for (const double y : {0.25, 1.5})
      for (const double z : {0.5, 1.75}) {
        RowPoints row;
        row.n = 16;
        row.x = x.data();
        row.y = y;
        row.z = z;
        row.t = t;
        solid->evaluate(row, out.data());
        for (std::size_t i = 0; i < 16; ++i)
          BOOST_TEST(std::abs(out[i] - at(*line, {x[i], 0, 0}, t) - at(*line, {y, 0, 0}, t) - at(*line, {z, 0, 0}, t)) < 1e-12);
      }
  BOOST_TEST(std::abs(stretched_inverse(stretched_coordinate(5.3)) - 5.3) < 1e-12);
  BOOST_TEST(std::abs(stretched_inverse(stretched_coordinate(-0.7)) + 0.7) < 1e-12);
  BOOST_TEST(std::abs((stretched_coordinate(0.4001) - stretched_coordinate(0.3999)) / 2e-4 - 1 / variable_speed(0.4)) < 1e-6);
}

BOOST_AUTO_TEST_CASE(what_does_not_fit_is_refused) {
  const auto product = plain([](Point p) { return std::sin(p[0]) * std::sin(p[1]); });
  BOOST_CHECK_THROW(make_hopf_lax(box(2), product), InputError);
  BOOST_CHECK_THROW(make_hopf_lax(box(1, Boundary::Dirichlet), sines(1)), InputError);
  BOOST_CHECK_THROW(make_hopf_lax(box(1), sines(1), {.power = 0.5}), InputError);
  BOOST_CHECK_THROW(make_hopf_lax_l2(box(3), sines(3)), InputError);
  BOOST_CHECK_THROW(make_hopf_cole(box(1), sines(1), 0), InputError);
  BOOST_CHECK_THROW(make_quadratic_variable_speed(box(1, Boundary::Periodic, 0, 1), sines(1)), InputError);
  BOOST_CHECK_THROW(make_hopf_lax_anisotropic(box(2), sines(2), {1, 1, 1}), InputError);
  BOOST_CHECK_THROW(make_hopf_lax_anisotropic(box(2, Boundary::NoFlux), sines(2), {1, 0, 1}), InputError);
  BOOST_CHECK_THROW(make_newton(box(1), sines(1)), InputError);
}
