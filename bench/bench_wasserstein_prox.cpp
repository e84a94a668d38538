// One proximal step by each backend, beside a bare transform pair of the same grid: milliseconds and time a point.
//   [mpirun -n 2] bench_wasserstein_prox [--benchmark_filter=...]
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include "grids/spectral_transform.hpp"
#include "grids/support/mpi.hpp"
#include "solvers/wasserstein_prox.hpp"

using namespace wasserflow;

namespace {

LayoutPtr box(int dim, int cells) {
  return make_layout(MPI_COMM_WORLD, Grid(std::vector<Axis>(static_cast<std::size_t>(dim), Axis{-4, 4, cells, Boundary::NoFlux, 0.5})), 2);
}

template <class F>
Field field(const LayoutPtr& layout, F&& f) {
  Field u(layout);
  for (int r = 0; r < layout->rows(); ++r) {
    const RowPoints p = layout->row(r);
    for (int i = 0; i < p.n; ++i) u.level()[p.offset + i] = f(p.x[i] * p.x[i] + p.y * p.y + p.z * p.z);
  }
  return u;
}

/// sigma of the kernel is 4 cells; V = |x|^2 / 2 with beta = 4, so that every backend can work.
void step(benchmark::State& state, ProxBackend backend, Surround around, int dim, int cells) {
  const LayoutPtr layout = box(dim, cells);
  const double beta = 4, sigma = 4 * 8.0 / cells, T = sigma * sigma / (2 * beta);
  const Field V = field(layout, [](double r2) { return r2 / 2; });
  Field rho = field(layout, [](double r2) { return std::exp(-r2); });
  WassersteinProx prox(layout, V, {around, around, around}, {beta, T, ProxKernel::Kernel, backend});
  for (auto _ : state) prox.step(rho);
  state.counters["a_point"] = benchmark::Counter(static_cast<double>(layout->grid().size()),
                                                     benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
}

void transform_pair(benchmark::State& state, int dim, int cells) {
  const LayoutPtr layout = box(dim, cells);
  SpectralTransform transform(layout);
  Field u(layout);
  for (auto _ : state) transform.solve(u, [](const ModeBlock&) {}, u);
  state.counters["a_point"] = benchmark::Counter(static_cast<double>(layout->grid().size()),
                                                     benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
}

}  // namespace

int main(int argc, char** argv) {
  const Session session(argc, argv);
  benchmark::Initialize(&argc, argv);
  for (const auto& [dim, cells] : {std::pair{2, 256}, {2, 1024}, {3, 64}, {3, 128}}) {
    const std::string grid = fmt::format("{}^{}", cells, dim);
    benchmark::RegisterBenchmark(("transform pair/" + grid).c_str(), transform_pair, dim, cells)->Unit(benchmark::kMillisecond);
    for (ProxBackend backend : {ProxBackend::Fft, ProxBackend::Direct, ProxBackend::Log})
      benchmark::RegisterBenchmark((to_string(backend) + " reflecting/" + grid).c_str(), step, backend, Surround::Reflecting, dim, cells)
          ->Unit(benchmark::kMillisecond);
    benchmark::RegisterBenchmark(("fft free/" + grid).c_str(), step, ProxBackend::Fft, Surround::Free, dim, cells)->Unit(benchmark::kMillisecond);
  }
  benchmark::RunSpecifiedBenchmarks();
}
