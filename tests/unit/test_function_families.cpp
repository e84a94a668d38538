// ranks: 1 2 4
// timeout: 60
#define BOOST_TEST_MODULE function_families
#include <fmt/format.h>

#include <boost/test/unit_test.hpp>
#include <cmath>
#include <numbers>
#include <set>

#include "grids/reduce.hpp"
#include "problems/function.hpp"

using namespace wasserflow;

namespace {

const MPI_Comm world = MPI_COMM_WORLD;

FunctionPtr read(const std::string& value, int dim = 2) {
  const ProblemFile file = ProblemFile::parse("[a]\nf = " + value, "p.toml");
  const FunctionPtr f = read_function(file.root().table("a", "A table."), "f", "A function.", dim);
  file.check_all_used();
  return f;
}

void says(const std::string& value, const std::string& place, const std::string& part, int dim = 2) {
  try {
    read(value, dim);
    BOOST_ERROR("no error in: " << value);
  } catch (const InputError& e) {
    const std::string m = e.what();
    BOOST_TEST(m.rfind(place, 0) == 0, m);
    BOOST_TEST(m.find(part) != std::string::npos, m);
  }
}

const double pi = std::numbers::pi;

}  // namespace

BOOST_AUTO_TEST_CASE(discs_with_every_profile) {
  // One disc is an indicator of a ball.
  const FunctionPtr disc = read("{ type = 'discs', centers = [[0.25, 0.25]], radii = 0.2 }"),
                    ball = read("{ type = 'indicator_ball', center = 0.25, radius = 0.2, inside = 1, outside = -1 }");
  int inside = 0;
  for (int i = 0; i < 64; ++i)
    for (int j = 0; j < 64; ++j) {
      BOOST_TEST(disc->at(i / 128.0, j / 128.0, 0, 0) == ball->at(i / 128.0, j / 128.0, 0, 0));
      inside += disc->at(i / 128.0, j / 128.0, 0, 0) > 0;
    }
  BOOST_TEST(inside > 1900);
  BOOST_TEST(inside < 2200);  // pi 0.2^2 128^2 = 2059

  // The seven circles of arXiv:2305.03945: -1 + sum_i m(d_i), m(d) = 2 exp(-0.1^2 / d^2) for d < 0.
  struct Circle {
    double x, y, r;
  };
  const std::vector<Circle> circles{{pi / 2, pi / 2, pi / 5},        {pi / 4, 3 * pi / 4, 2 * pi / 15}, {pi / 2, 5 * pi / 4, 2 * pi / 15},
                                    {pi, pi / 4, pi / 10},           {3 * pi / 2, pi / 4, pi / 10},     {pi, pi, pi / 4},
                                    {3 * pi / 2, 3 * pi / 2, pi / 4}};
  std::string centers, radii;
  for (const Circle& c : circles) {
    centers += fmt::format("[{}, {}], ", c.x, c.y);
    radii += fmt::format("{}, ", c.r);
  }
  const FunctionPtr seven = read("{ type = 'discs', profile = 'compact', width = 0.1, centers = [" + centers + "], radii = [" + radii + "] }");
  for (int i = 0; i < 40; ++i)
    for (int j = 0; j < 40; ++j) {
      const double x = 2 * pi * i / 40, y = 2 * pi * j / 40;
      double u = -1;
      for (const Circle& c : circles) {
        const double d = std::hypot(x - c.x, y - c.y) - c.r;
        if (d < 0) u += 2 * std::exp(-0.01 / (d * d));
      }
      BOOST_TEST(std::fabs(seven->at(x, y, 0, 0) - u) < 1e-12);
    }

  const FunctionPtr smooth =
      read("{ type = 'discs', profile = 'tanh', width = 0.3, centers = [[0, 0], [3, 0]], radii = 1, inside = 5, outside = 1 }");
  BOOST_TEST(std::fabs(smooth->at(0, 0.8, 0, 0) - (1 + 2 * (1 - std::tanh(-0.2 / 0.3)))) < 1e-14);
  BOOST_TEST(std::fabs(smooth->at(2.5, 1.2, 0, 0) - (1 + 2 * (1 - std::tanh(0.3 / 0.3)))) < 1e-14);
  // Across a periodic edge, in one and three dimensions.
  const FunctionPtr wrapped = read("{ type = 'discs', centers = [[0, 0]], radii = 0.2, period = [1, 0] }");
  BOOST_TEST(wrapped->at(0.9, 0.1, 0, 0) == 1);
  BOOST_TEST(wrapped->at(-1.9, 0.1, 0, 0) == -1 + 2 * (0.1 * 0.1 + 0.1 * 0.1 <= 0.04));
  BOOST_TEST(wrapped->at(0.1, 0.9, 0, 0) == -1);
  const FunctionPtr line = read("{ type = 'discs', centers = [0.2, 0.7], radii = [0.1, 0.05] }", 1);
  BOOST_TEST(line->at(0.29, 0, 0, 0) == 1);
  BOOST_TEST(line->at(0.64, 0, 0, 0) == -1);
  BOOST_TEST(read("{ type = 'discs', centers = 0.5, radii = 0.1 }", 3)->at(0.5, 0.5, 0.59, 0) == 1);
}

BOOST_AUTO_TEST_CASE(noise_depends_on_the_place_alone) {
  const FunctionPtr noise = read("{ type = 'noise', amplitude = 0.05, mean = 0.3, seed = 7 }", 3);
  for (const std::vector<int>& cells : std::vector<std::vector<int>>{{3000}, {48, 40}, {12, 10, 14}}) {
    std::vector<Axis> axes;
    for (const int n : cells) axes.push_back({-1, 1, n, Boundary::Periodic, 0});
    const LayoutPtr layout = make_layout(world, Grid(axes));
    Field field(layout);
    fill(field, 0, *noise, 0);
    std::set<double> seen;
    double sum = 0, squares = 0;
    for (int r = 0; r < layout->rows(); ++r) {
      const RowPoints p = layout->row(r);
      for (int i = 0; i < p.n; ++i) {
        const double v = field.level()[p.offset + i];
        BOOST_TEST(v == noise->at(p.x[i], p.y, p.z, 0));  // whatever rank and row it came from
        BOOST_TEST(std::fabs(v - 0.3) < 0.05);
        seen.insert(v);
        sum += v - 0.3;
        squares += (v - 0.3) * (v - 0.3);
      }
    }
    BOOST_TEST(seen.size() == static_cast<std::size_t>(layout->owned()));
    double totals[2] = {sum, squares};
    MPI_Allreduce(MPI_IN_PLACE, totals, 2, MPI_DOUBLE, MPI_SUM, world);
    const double n = static_cast<double>(layout->grid().size());
    BOOST_TEST(std::fabs(totals[0] / n) < 4 * 0.05 / std::sqrt(3 * n));  // four standard deviations
    BOOST_TEST(std::fabs(totals[1] / n / (0.0025 / 3) - 1) < 4 * std::sqrt(0.8 / n));
  }
  BOOST_TEST(noise->at(0.0, 0.5, 0, 0) == noise->at(-0.0, 0.5, 0, 0));
  BOOST_TEST(noise->at(0.1, 0.2, 0.3, 0) != noise->at(0.2, 0.1, 0.3, 0));
  BOOST_TEST(noise->at(0.1, 0.2, 0.3, 0) != noise->at(0.1, 0.3, 0.2, 0));
  BOOST_TEST(noise->at(0.1, 0.2, 0, 0) != read("{ type = 'noise', amplitude = 0.05, mean = 0.3, seed = 8 }")->at(0.1, 0.2, 0, 0));
  BOOST_TEST(*read("{ type = 'noise', amplitude = 0, mean = 2 }")->constant() == 2);
}

BOOST_AUTO_TEST_CASE(sums_add_every_form) {
  const std::string text =
      "{ type = 'sum', terms = [1.5, 'k*x + t', { type = 'noise', amplitude = 0.1 }, { formula = 'q*y', constants = { q = 2 } }], "
      "constants = { k = 3 } }";
  const FunctionPtr f = read(text), noise = read("{ type = 'noise', amplitude = 0.1 }");
  BOOST_TEST(f->depends_on_time());
  const LayoutPtr layout = make_layout(world, Grid({{0, 1, 700, Boundary::NoFlux, 0.5}, {0, 1, 4, Boundary::NoFlux, 0.5}}));
  Field field(layout);
  fill(field, 0, *f, 0.25);
  for (int r = 0; r < layout->rows(); ++r) {
    const RowPoints p = layout->row(r);
    for (int i = 0; i < p.n; ++i) {
      const double v = 1.5 + (3 * p.x[i] + 0.25) + noise->at(p.x[i], p.y, 0, 0) + 2 * p.y;
      BOOST_TEST(std::fabs(field.level()[p.offset + i] - v) < 1e-14);
    }
  }
  BOOST_TEST(read("{ type = 'sum', terms = 'x' }")->at(4, 0, 0, 0) == 4);
  BOOST_TEST(*read("{ type = 'sum', terms = [] }")->constant() == 0);
  BOOST_TEST(!read("{ type = 'sum', terms = ['x', 1] }")->depends_on_time());
  const FunctionPtr again = read(read("{ type = 'sum', terms = ['x', { type = 'noise', amplitude = 0.1 }] }")->text());
  BOOST_TEST(again->at(0.3, 0.1, 0, 0) == 0.3 + noise->at(0.3, 0.1, 0, 0));
}

BOOST_AUTO_TEST_CASE(faults_are_named_at_their_place) {
  says("{ type = 'discs', radii = 1 }", "p.toml:2:5: a.f.centers", "Centres");
  says("{ type = 'discs', centers = [], radii = 1 }", "p.toml:2:33: ", "at least one");
  says("{ type = 'discs', centers = [1, 2], radii = 1 }", "p.toml:2:34: a.f.centers[0]: ", "array of 2 numbers");
  says("{ type = 'discs', centers = [[1, 2, 3]], radii = 1 }", "p.toml:2:34: a.f.centers[0]: ", "expected 2 values");
  says("{ type = 'discs', centers = [[1, 2]], radii = [1, 2] }", "p.toml:2:51: a.f.radii: ", "expected 1 value");
  says("{ type = 'discs', centers = [[1, 2]], radii = 1, profile = 'tan' }", "p.toml:2:64: ", "did you mean 'tanh'?");
  says("{ type = 'discs', centers = [[1, 2]], radii = 1, profile = 'tanh' }", "p.toml:2:5: ", "a.f.width");
  says("{ type = 'discs', centers = [[1, 2]], radii = 1, width = 1 }", "p.toml:2:62: ", "width");
  says("{ type = 'noise' }", "p.toml:2:5: ", "a.f.amplitude");
  says("{ type = 'noise', amplitude = 1, seed = -1 }", "p.toml:2:45: ", ">= 0");
  says("{ type = 'sum' }", "p.toml:2:5: ", "a.f.terms");
  says("{ type = 'sum', terms = ['x', 'x + w'] }", "p.toml:2:40: a.f.terms[1]: ", "unknown name 'w'");
  says("{ type = 'sums', terms = ['x'] }", "p.toml:2:14: ", "did you mean 'sum'?");
}
