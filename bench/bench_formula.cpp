// Formulas over rows of points: the chunked programs of problems/formula.hpp against muParser and against the same expression compiled by
// hand. "point" is the time a point.
#include <benchmark/benchmark.h>
#include <muParser.h>

#include <cmath>
#include <cstddef>
#include <string>
#include <vector>

#include "problems/formula.hpp"

namespace {

using namespace wasserflow;

const std::vector<std::string> names{"x", "y", "px", "py"};
constexpr const char* polynomial = "px^2/2 + py^2 + x*px - 0.5*y*py + 3*x^2*y^2 - 1";
constexpr const char* transcendental = "sqrt(px^2 + py^2)*(1 + 0.5*sin(x)*cos(y)) + sin(px)";

struct Points {
  explicit Points(std::size_t n) : values(names.size(), std::vector<double>(n)), out(n) {
    for (std::size_t d = 0; d < names.size(); ++d)
      for (std::size_t i = 0; i < n; ++i) values[d][i] = std::sin(static_cast<double>(i * (d + 2)) + 0.3);
  }
  std::vector<std::vector<double>> values;
  std::vector<double> out;
};

void report(benchmark::State& state, std::size_t n) {
  state.counters["ns"] =
      benchmark::Counter(static_cast<double>(n) * 1e-9, benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
}

void program(benchmark::State& state, const char* text, bool gradient) {
  const auto n = static_cast<std::size_t>(state.range(0));
  Points points(n);
  const Formula f = Formula::parse(text, names);
  std::vector<Formula> outputs{f};
  if (gradient) outputs = {f.derivative("px"), f.derivative("py")};
  const Program compiled(outputs, names);
  std::vector<double> second(n);
  double* const out[] = {points.out.data(), second.data()};
  // y is one number for all points of a row, as in a sweep over a grid.
  const std::vector<Argument> in{points.values[0].data(), 0.3, points.values[2].data(), points.values[3].data()};
  for (auto _ : state) {
    compiled.evaluate(static_cast<int>(n), in, out);
    benchmark::ClobberMemory();
  }
  report(state, n);
}

/// Point by point: its bulk mode starts OpenMP threads, which cost more than the points of a row.
void muparser(benchmark::State& state, const char* text) {
  const auto n = static_cast<std::size_t>(state.range(0));
  Points points(n);
  mu::Parser parser;
  double point[4];
  for (std::size_t d = 0; d < names.size(); ++d) parser.DefineVar(names[d], &point[d]);
  parser.SetExpr(text);
  for (auto _ : state) {
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t d = 0; d < names.size(); ++d) point[d] = points.values[d][i];
      points.out[i] = parser.Eval();
    }
    benchmark::ClobberMemory();
  }
  report(state, n);
}

template <class F>
void by_hand(benchmark::State& state, F f) {
  const auto n = static_cast<std::size_t>(state.range(0));
  Points points(n);
  const double *x = points.values[0].data(), *px = points.values[2].data(), *py = points.values[3].data();
  double* out = points.out.data();
  for (auto _ : state) {
    for (std::size_t i = 0; i < n; ++i) out[i] = f(x[i], 0.3, px[i], py[i]);
    benchmark::ClobberMemory();
  }
  report(state, n);
}

BENCHMARK_CAPTURE(program, polynomial, polynomial, false)->Arg(64)->Arg(1024);
BENCHMARK_CAPTURE(program, polynomial_gradient, polynomial, true)->Arg(1024);
BENCHMARK_CAPTURE(muparser, polynomial, polynomial)->Arg(1024);
BENCHMARK_CAPTURE(by_hand, polynomial, [](double x, double y, double px, double py) {
  return px * px / 2 + py * py + x * px - 0.5 * y * py + 3 * x * x * y * y - 1;
})->Arg(1024);
BENCHMARK_CAPTURE(program, transcendental, transcendental, false)->Arg(64)->Arg(1024);
BENCHMARK_CAPTURE(program, transcendental_gradient, transcendental, true)->Arg(1024);
BENCHMARK_CAPTURE(muparser, transcendental, transcendental)->Arg(1024);
BENCHMARK_CAPTURE(by_hand, transcendental, [](double x, double y, double px, double py) {
  return std::sqrt(px * px + py * py) * (1 + 0.5 * std::sin(x) * std::cos(y)) + std::sin(px);
})->Arg(1024);

}  // namespace

BENCHMARK_MAIN();
