// ranks: 1 2 4
// timeout: 60
#define BOOST_TEST_MODULE heat_convolution
#include <boost/test/unit_test.hpp>
#include <random>

#include "grids/heat_convolution.hpp"
#include "grids/reduce.hpp"

using namespace wasserflow;

namespace {

struct Case {
  std::vector<Axis> axes;
  std::array<Surround, 3> surround{};
  std::array<double, 3> variance{};
};

std::vector<Case> cases() {
  using enum Surround;
  const auto axis = [](int n) { return Axis{-1, 1, n, Boundary::Periodic, 0.5}; };
  return {{{axis(40)}, {Periodic}, {0.02}},
          {{axis(37)}, {Reflecting}, {0.3}},  // wider than the box
          {{axis(64)}, {Free}, {0.005}},
          {{axis(20), axis(24)}, {Free, Reflecting}, {0.05, 0.02}},
          {{axis(13), axis(16)}, {Reflecting, Periodic}, {0.05, 2.0}},
          {{axis(9), axis(10), axis(12)}, {Free, Periodic, Free}, {0.2, 0.1, 0.3}},
          {{axis(16), axis(6), axis(8)}, {Periodic, Free, Reflecting}, {0.01, 0.02, 0.2}}};
}

/// Entry of the matrix of one axis by its definition: sum over images of the weights of the heat kernel.
std::vector<double> axis_matrix(const Axis& axis, Surround surround, double variance) {
  const int n = axis.cells, far = 40 * n;
  const std::vector<double> w = log_heat_kernel(variance, axis.spacing(), far);
  std::vector<double> g(static_cast<std::size_t>(n * n), 0.0);
  for (int i = 0; i < n; ++i)
    for (int j = i - far; j <= i + far; ++j) {
      int image = j;
      if (surround == Surround::Periodic) image = ((j % n) + n) % n;
      if (surround == Surround::Reflecting) {
        image = ((j % (2 * n)) + 2 * n) % (2 * n);
        if (image >= n) image = 2 * n - 1 - image;
      }
      if (image >= 0 && image < n) g[static_cast<std::size_t>(i * n + image)] += std::exp(w[static_cast<std::size_t>(std::abs(i - j))]);
    }
  return g;
}

/// G u on the whole grid, by dense matrices.
std::vector<double> dense(const Case& c, std::vector<double> u) {
  std::ptrdiff_t stride = 1;
  for (std::size_t d = 0; d < c.axes.size(); ++d) {
    const int n = c.axes[d].cells;
    const std::vector<double> g = axis_matrix(c.axes[d], c.surround[d], c.variance[d]);
    std::vector<double> out(u.size(), 0.0);
    for (std::size_t p = 0; p < u.size(); ++p) {
      const int i = static_cast<int>(static_cast<std::ptrdiff_t>(p) / stride % n);
      for (int j = 0; j < n; ++j) out[p] += g[static_cast<std::size_t>(i * n + j)] * u[p + static_cast<std::size_t>((j - i) * stride)];
    }
    u = out;
    stride *= n;
  }
  return u;
}

std::vector<double> random_values(std::size_t n, double low, double high) {
  std::mt19937 g(7);
  std::vector<double> v(n);
  for (double& x : v) x = std::uniform_real_distribution<>(low, high)(g);
  return v;
}

void put(Field& f, const std::vector<double>& global) {
  for (std::ptrdiff_t i = 0; i < f.layout().owned(); ++i) f.level()[i] = global[static_cast<std::size_t>(f.layout().global_offset() + i)];
}

/// Largest relative difference to the global values.
double relative_error(const Field& f, const std::vector<double>& global) {
  double worst = 0;
  for (std::ptrdiff_t i = 0; i < f.layout().owned(); ++i) {
    const double exact = global[static_cast<std::size_t>(f.layout().global_offset() + i)];
    worst = std::max(worst, std::fabs(f.level()[i] - exact) / std::fabs(exact));
  }
  return global_max(f.layout().comm(), worst);
}

}  // namespace

BOOST_AUTO_TEST_CASE(three_ways_apply_the_matrix_of_the_definition) {
  for (const Case& c : cases()) {
    const Grid grid(c.axes);
    const LayoutPtr layout = make_layout(MPI_COMM_WORLD, grid);
    HeatConvolution heat(layout, c.variance, c.surround);
    const std::vector<double> u = random_values(static_cast<std::size_t>(grid.size()), 0.5, 2), exact = dense(c, u);
    Field in(layout), out(layout);
    put(in, u);
    heat.direct(in, out);
    BOOST_TEST(relative_error(out, exact) < 1e-14);
    heat.fft(in, out);
    BOOST_TEST(relative_error(out, exact) < 1e-13);
    std::vector<double> logs(u.size());
    std::transform(u.begin(), u.end(), logs.begin(), [](double x) { return std::log(x); });
    put(in, logs);
    heat.log_sum_exp(in, in);  // in place
    for (double& x : in.owned()) x = std::exp(x);
    BOOST_TEST(relative_error(in, exact) < 2e-14);
  }
}

BOOST_AUTO_TEST_CASE(mean_positions) {
  for (const Case& c : cases()) {
    const Grid grid(c.axes);
    if (c.surround[0] != Surround::Free || grid.dim() == 3) continue;  // without images the mean is G(y u) / G u
    const LayoutPtr layout = make_layout(MPI_COMM_WORLD, grid);
    HeatConvolution heat(layout, c.variance, c.surround);
    std::vector<double> u = random_values(static_cast<std::size_t>(grid.size()), 0.5, 2), weighted = u, logs = u;
    for (std::size_t p = 0; p < u.size(); ++p) {
      weighted[p] *= 3 + grid.axis(0).node(static_cast<std::int64_t>(p) % grid.cells(0));
      logs[p] = std::log(u[p]);
    }
    const std::vector<double> total = dense(c, u);
    weighted = dense(c, weighted);
    Field f(layout), sum(layout);
    std::vector<Field> mean;
    for (int d = 0; d < grid.dim(); ++d) mean.emplace_back(layout);
    put(f, logs);
    heat.log_sum_exp_with_mean(f, sum, mean);
    for (double& x : mean[0].owned()) x += 3;
    std::vector<double> exact(u.size());
    for (std::size_t p = 0; p < u.size(); ++p) exact[p] = weighted[p] / total[p];
    BOOST_TEST(relative_error(mean[0], exact) < 1e-13);
  }
}

// Values between e^-6000 and e^6000, against sums in the logarithmic domain term by term.
BOOST_AUTO_TEST_CASE(any_dynamic_range) {
  const int n = 90;
  const Axis axis{-1, 1, n, Boundary::NoFlux, 0.5};
  const LayoutPtr layout = make_layout(MPI_COMM_WORLD, Grid({axis}));
  const double v = 0.004, steep = 6000;
  const auto f = [&](int i) { return i % 17 == 3 ? -std::numeric_limits<double>::infinity() : steep * axis.node(i); };
  HeatConvolution::Options options;
  options.tilt[0] = steep * axis.spacing();
  HeatConvolution heat(layout, {v}, {Surround::Free}, options);
  Field in(layout), out(layout);
  for (std::ptrdiff_t i = 0; i < layout->owned(); ++i) in.level()[i] = f(static_cast<int>(layout->global_offset() + i));
  heat.log_sum_exp(in, out);
  const std::vector<double> w = log_heat_kernel(v, axis.spacing(), n);
  double worst = 0;
  for (std::ptrdiff_t i = 0; i < layout->owned(); ++i) {
    const int g = static_cast<int>(layout->global_offset() + i);
    double top = -1e300, sum = 0;
    for (int j = 0; j < n; ++j) top = std::max(top, f(j) + w[static_cast<std::size_t>(std::abs(g - j))]);
    for (int j = 0; j < n; ++j) sum += std::exp(f(j) + w[static_cast<std::size_t>(std::abs(g - j))] - top);
    worst = std::max(worst, std::fabs(out.level()[i] - top - std::log(sum)));
  }
  BOOST_TEST(global_max(MPI_COMM_WORLD, worst) < 1e-11);  // of values up to 6000
}

BOOST_AUTO_TEST_CASE(same_bits_on_any_number_of_ranks) {
  for (const Case& c : cases()) {
    const Grid grid(c.axes);
    const std::vector<double> u = random_values(static_cast<std::size_t>(grid.size()), -3, 2);
    std::array<Field, 2> direct, fft, lse;
    for (int who : {0, 1}) {
      const LayoutPtr layout = make_layout(who == 0 ? MPI_COMM_WORLD : MPI_COMM_SELF, grid);
      HeatConvolution heat(layout, c.variance, c.surround);
      Field in(layout);
      put(in, u);
      direct[who] = Field(layout), fft[who] = Field(layout), lse[who] = Field(layout);
      heat.direct(in, direct[who]);
      heat.fft(in, fft[who]);
      heat.log_sum_exp(in, lse[who]);
    }
    const SlabLayout& mine = direct[0].layout();
    for (const std::array<Field, 2>* pair : {&direct, &fft, &lse})
      for (std::ptrdiff_t i = 0; i < mine.owned(); ++i)
        BOOST_REQUIRE((*pair)[0].level()[i] == (*pair)[1].level()[mine.global_offset() + i]);
  }
}

// The sampled kernel against the Gaussian it samples, the discrete one by its second moment, both by their sum.
BOOST_AUTO_TEST_CASE(kernels) {
  for (const auto& [v, h] : {std::pair{1.0, 0.3}, {1.0, 0.45}, {0.01, 0.2}, {0.3, 0.4}}) {
    const std::vector<double> log_weight = log_heat_kernel(v, h, 80);
    double total = 0, second = 0;
    for (int j = 80; j >= 0; --j) {
      const double w = std::exp(log_weight[static_cast<std::size_t>(j)]) * (j > 0 ? 2 : 1);
      total += w;
      second += w * j * j * h * h;
    }
    BOOST_TEST(total == 1, boost::test_tools::tolerance(1e-14));
    BOOST_TEST(second == v, boost::test_tools::tolerance(1e-12));
  }
}
