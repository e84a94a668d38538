// ranks: 1 2 4
// timeout: 60
#define BOOST_TEST_MODULE log_density
#include <boost/test/unit_test.hpp>

#include "grids/support/errors.hpp"
#include "solvers/log_density.hpp"
#include "tests/support/phase_fields.hpp"

using namespace wasserflow;
using std::numbers::pi;

namespace {

Field space_time(const LayoutPtr& layout, const std::vector<double>& times, const std::function<double(double, double, double, double)>& f) {
  Field u(layout, static_cast<int>(times.size()));
  for (int k = 0; k < u.levels(); ++k)
    u.copy_level(k, test::make_field(layout, [&](double x, double y, double z) { return f(x, y, z, times[static_cast<std::size_t>(k)]); }), 0);
  return u;
}

double worst(const Field& u) {
  double most = 0;
  for (int k = 0; k < u.levels(); ++k) most = std::max(most, max_abs(u, k));
  return most;
}

std::vector<double> uniform(int n, double end) {
  std::vector<double> t;
  for (int k = 0; k <= n; ++k) t.push_back(end * k / n);
  return t;
}

}  // namespace

// phi quadratic in x and t: no error anywhere, ends and irregular times included.
BOOST_AUTO_TEST_CASE(quadratic_functions_are_exact) {
  const std::vector<double> times{0, 0.1, 0.35, 0.4};
  for (const int dim : {1, 2, 3})
    for (const Boundary kind : {Boundary::NoFlux, Boundary::Dirichlet, Boundary::Extrapolate}) {
      const LayoutPtr layout = make_layout(MPI_COMM_WORLD, Grid(std::vector<Axis>(static_cast<std::size_t>(dim), Axis{-1, 2, 9, kind, 0.5})));
      const double y1 = dim > 1 ? 1 : 0, z1 = dim > 2 ? 1 : 0;
      Field phi = space_time(layout, times,
                             [&](double x, double y, double z, double t) { return t * t - (1 + t) * x * x + y1 * (y * x - y * y) + z1 * z * z; });
      const Field exact = space_time(layout, times, [&](double x, double y, double z, double t) {
        const double D = 0.5 * (1 + t);
        const std::array<double, 3> g{-2 * (1 + t) * x + y1 * y, y1 * (x - 2 * y), z1 * 2 * z}, f{-x, y1 * 2 * y * t, z1};
        double R = 2 * t - x * x + (-1 + y1 * 2 * t) - D * (-2 * (1 + t) - 2 * y1 + 2 * z1);
        for (std::size_t d = 0; d < 3; ++d) R += f[d] * g[d] - D * g[d] * g[d];
        return R;
      });
      std::vector<FunctionPtr> drift{make_formula("-x"), make_formula("2 * y * t"), make_formula("1")};
      drift.resize(static_cast<std::size_t>(dim));
      Field R(layout, 4);
      log_density_residual(drift, *make_formula("(1 + t) / 2"), phi, times, R);
      for (int k = 0; k < 4; ++k)
        for (std::ptrdiff_t i = 0; i < layout->owned(); ++i) R.level(k)[i] -= exact.level(k)[i];
      BOOST_TEST(worst(R) < 1e-11, dim << ": " << worst(R));
    }
}

// The logarithm of a mixture under Ornstein-Uhlenbeck solves the equation: second order in space and time.
BOOST_AUTO_TEST_CASE(mixtures_have_no_residual) {
  const auto log_density = [](double x, double, double, double t) {
    const double a = std::exp(-t), v = 0.3 * a * a + 0.5 * (1 - a * a);
    const auto part = [&](double m) { return std::exp(-(x - m * a) * (x - m * a) / (2 * v)) / std::sqrt(2 * pi * v); };
    return std::log(0.4 * part(-1) + 0.6 * part(0.8));
  };
  double before = 0;
  for (const int n : {64, 128, 256}) {
    const LayoutPtr layout = make_layout(MPI_COMM_WORLD, Grid({{-3, 3, n, Boundary::NoFlux, 0.5}}));
    const std::vector<double> times = uniform(n / 2, 1);
    Field phi = space_time(layout, times, log_density), R(layout, n / 2 + 1);
    log_density_residual({make_formula("-x")}, *make_constant(0.5), phi, times, R);
    // Cells at ends are first order.
    double error = 0;
    for (int k = 0; k < R.levels(); ++k)
      for (int r = 0; r < layout->rows(); ++r) {
        const RowPoints p = layout->row(r);
        for (int i = 0; i < p.n; ++i)
          if (std::fabs(p.x[i]) < 2.7) error = std::max(error, std::fabs(R.level(k)[p.offset + i]));
      }
    error = global_max(MPI_COMM_WORLD, error);
    if (before > 0) BOOST_TEST(std::fabs(std::log2(before / error) - 2) < 0.35, std::log2(before / error));
    before = error;
  }
}

BOOST_AUTO_TEST_CASE(faults) {
  const LayoutPtr layout = make_layout(MPI_COMM_WORLD, Grid({{-3, 3, 32, Boundary::NoFlux, 0.5}}));
  Field phi(layout, 2), R(layout, 2);
  BOOST_CHECK_THROW(log_density_residual({}, *make_constant(1), phi, std::vector<double>{0, 0}, R), InputError);
  BOOST_CHECK_THROW(log_density_residual({}, *make_constant(1), phi, std::vector<double>{0}, R), InputError);
  BOOST_CHECK_THROW(log_density_residual({make_constant(1), make_constant(1)}, *make_constant(1), phi, std::vector<double>{0, 1}, R), InputError);
}
