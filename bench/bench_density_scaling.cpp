/// What steps of densities cost beside what they must, and how the cost grows with the grid.
/// Usage: [mpirun -n N] bench_density_scaling prox [most points, 2^21]   proximal steps beside transforms, least traffic and flops
///        [mpirun -n N] bench_density_scaling steps [most points]        implicit and split steps, nanoseconds a point
///        [mpirun -n N] bench_density_scaling memory KIND CELLS          peak memory of all ranks on CELLS^3 points;
///                                                                       KIND: prox, implicit_euler, sdirk2, strang
/// Times are the least of some repeats: processor time on one rank, wall time on several.
#include <fmt/core.h>
#include <sys/resource.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <string>

#include "grids/reduce.hpp"
#include "grids/spectral_transform.hpp"
#include "grids/support/mpi.hpp"
#include "solvers/continuity_stepper.hpp"
#include "solvers/fokker_planck_operator.hpp"
#include "solvers/wasserstein_prox.hpp"

using namespace wasserflow;

namespace {

int ranks() {
  int size = 1;
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  return size;
}

double now() {
  if (ranks() > 1) return MPI_Wtime();
  timespec t{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

/// Seconds of the fastest of some repeats: as many as fit into half a second, 3 at least.
double least(const std::function<void()>& work) {
  double best = 1e300, total = 0;
  work();
  for (int k = 0; k < 3 || (total < 0.5 && k < 200); ++k) {
    MPI_Barrier(MPI_COMM_WORLD);
    const double begin = now();
    work();
    const double seconds = global_max(MPI_COMM_WORLD, now() - begin);
    best = std::min(best, seconds);
    total += seconds;
  }
  return best;
}

void say(const std::string& line) {
  int rank = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  if (rank == 0) fmt::print("{}\n", line), std::fflush(stdout);
}

LayoutPtr box(int dim, int cells, int ghost) {
  return make_layout(MPI_COMM_WORLD, Grid(std::vector<Axis>(static_cast<std::size_t>(dim), Axis{-4, 4, cells, Boundary::NoFlux, 0.5})), ghost);
}

Field field(const LayoutPtr& layout, const std::string& formula) {
  Field u(layout);
  fill(u, 0, *make_formula(formula), 0);
  return u;
}

/// Arithmetic of this processor on data in registers and the first cache, flops a second: what sums of products can reach.
double peak_flops() {
  constexpr int n = 1024, repeats = 20000;
  std::vector<double> a(n, 1.0), b(n, 1e-9), c(n, 0.0);
  const double seconds = least([&] {
    for (int k = 0; k < repeats; ++k) {
      double* __restrict out = c.data();
      const double* __restrict x = a.data();
      const double* __restrict y = b.data();
      for (int i = 0; i < n; ++i) {
        double s = out[i];
        s += x[i] * y[i], s += y[i] * x[i], s = s * x[i] + y[i], s = s * x[i] - y[i];
        s = s * x[i] + y[i], s = s * x[i] - y[i], s = s * x[i] + y[i], s = s * x[i] - y[i];
        out[i] = s;
      }
    }
  });
  return 16.0 * n * repeats / seconds;
}

const std::vector<std::pair<int, int>> grids{{2, 64}, {2, 128}, {2, 256}, {2, 512}, {2, 1024}, {3, 32}, {3, 64}, {3, 128}, {3, 256}};

/// sigma of the kernel is 4 cells; V = |x|^2 / 2 with beta = 4, so that every backend can work.
void prox(std::int64_t largest) {
  const double peak = peak_flops();
  say(fmt::format("{} ranks; sums of products in the first cache: {:.1f} Gflop/s on each", ranks(), peak * 1e-9));
  say("  grid     fft ns/point  fft / (pair + traffic)  free / 2^dim pairs  direct ns/point  direct / flops at peak  log / direct");
  for (const auto& [dim, cells] : grids) {
    if (std::pow(cells, dim) > static_cast<double>(largest)) continue;
    const LayoutPtr layout = box(dim, cells, 2);
    const auto points = static_cast<double>(layout->grid().size());
    const double h = 8.0 / cells, beta = 4, sigma = 4 * h, T = sigma * sigma / (2 * beta);
    const Field V = field(layout, "(x^2+y^2+z^2)/2");
    const auto timed = [&](ProxBackend backend, Surround around) {
      WassersteinProx operation(layout, V, {around, around, around}, {beta, T, ProxKernel::Kernel, backend});
      Field rho = field(layout, "exp(-x^2-y^2-z^2)");
      return least([&] { operation.step(rho); });
    };
    double pair = 0, traffic = 0;
    {
      SpectralTransform transform(layout);
      Field u = field(layout, "exp(-x^2-y^2-z^2)"), before = field(layout, "1"), after = field(layout, "1");
      pair = least([&] {
        transform.solve(
            u, [](const ModeBlock&) {}, u);
      });
      traffic = least([&] {
        double* __restrict r = u.level();
        const double* __restrict a = before.level();
        const double* __restrict b = after.level();
        for (std::ptrdiff_t i = 0; i < layout->owned(); ++i) r[i] = std::max(0.0, r[i] * a[i] * b[i]);
      });
    }
    double flops = 0;
    {
      const HeatConvolution heat(layout, {sigma * sigma, sigma * sigma, sigma * sigma},
                                 {Surround::Reflecting, Surround::Reflecting, Surround::Reflecting});
      for (int d = 0; d < dim; ++d) flops += 2.0 * (2 * heat.reach(d) + 1) * points;
    }
    const double fft = timed(ProxBackend::Fft, Surround::Reflecting), free = timed(ProxBackend::Fft, Surround::Free);
    const double direct = timed(ProxBackend::Direct, Surround::Reflecting), log = timed(ProxBackend::Log, Surround::Reflecting);
    say(fmt::format("  {:>4}^{}   {:10.1f}   {:12.2f}           {:12.2f}       {:12.1f}      {:12.2f}         {:12.2f}", cells, dim,
                    fft * 1e9 / points, fft / (pair + traffic), free / ((1 << dim) * pair), direct * 1e9 / points, direct * peak * ranks() / flops,
                    log / direct));
  }
}

FokkerPlanckEquation double_well() {
  FokkerPlanckEquation equation;
  equation.potential = make_formula("(x^2-1)^2/4+y^2/2+z^2/2");
  equation.diffusion = {make_constant(0.5)};
  return equation;
}

TimeParameters time_of(const std::string& method, double dt) {
  TimeParameters time;
  time.method = method;
  time.dt = dt;
  time.energy_control = false;
  return time;
}

struct Stepper {
  std::unique_ptr<TimeStepper> stepper;
  int iterations = 0;
  void step() { iterations = stepper->advance(1e9).iterations; }
};

/// A step of length 20 h^2 / (2 dim D): the same number of cells of diffusion on every grid.
Stepper make(const std::string& method, int dim, int cells) {
  const double h = 8.0 / cells, dt = 20 * h * h / dim;
  const LayoutPtr layout = box(dim, cells, method == "strang" ? 3 : 2);
  const Field rho = field(layout, "exp(-4*((x-0.5)^2+y^2+z^2))");
  Stepper s;
  if (method == "strang")
    s.stepper = std::make_unique<ContinuityStepper>(time_of(method, dt), double_well(), rho);
  else
    s.stepper = make_time_stepper(time_of(method, dt), make_fokker_planck_operator(double_well(), layout),
                                  make_linear_solver({.tolerance = 1e-6, .max_iterations = 1000}), rho);
  return s;
}

void steps(std::int64_t largest) {
  say(fmt::format("{} ranks; nanoseconds a point and step, iterations (strang: substeps)", ranks()));
  say("  grid     implicit_euler        sdirk2          strang");
  for (const auto& [dim, cells] : grids) {
    if (std::pow(cells, dim) > static_cast<double>(largest)) continue;
    std::string line = fmt::format("  {:>4}^{}", cells, dim);
    for (const char* method : {"implicit_euler", "sdirk2", "strang"}) {
      Stepper s = make(method, dim, cells);
      const double seconds = least([&] { s.step(); });
      line += fmt::format("  {:9.1f} ({:3})", seconds * 1e9 / std::pow(cells, dim), s.iterations);
    }
    say(line);
  }
}

double peak_bytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  double bytes = 1024.0 * static_cast<double>(usage.ru_maxrss), all = 0;
  MPI_Allreduce(&bytes, &all, 1, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
  return all;
}

/// One kind in a process: the peak cannot be taken back.
void memory(const std::string& kind, int cells) {
  const double points = std::pow(cells, 3), before = peak_bytes();
  if (kind == "prox") {
    const LayoutPtr layout = box(3, cells, 2);
    const double h = 8.0 / cells, sigma = 4 * h;
    const Field V = field(layout, "(x^2+y^2+z^2)/2");
    WassersteinProx operation(layout, V, {Surround::Reflecting, Surround::Reflecting, Surround::Reflecting},
                              {4, sigma * sigma / 8, ProxKernel::Kernel, ProxBackend::Fft});
    Field rho = field(layout, "exp(-x^2-y^2-z^2)");
    operation.step(rho);
  } else {
    Stepper s = make(kind, 3, cells);
    s.step();
    say(fmt::format("{} iterations", s.iterations));
  }
  say(fmt::format("{:<16} {}^3 on {} ranks: {:.2f} GiB at the peak, {:.2f} of them before; {:.0f} bytes a point", kind, cells, ranks(),
                  peak_bytes() / std::pow(1024.0, 3), before / std::pow(1024.0, 3), (peak_bytes() - before) / points));
}

}  // namespace

int main(int argc, char** argv) {
  const Session session(argc, argv);
  const std::string mode = argc > 1 ? argv[1] : "prox";
  if (mode == "memory")
    memory(argc > 2 ? argv[2] : "prox", argc > 3 ? std::atoi(argv[3]) : 128);
  else if (mode == "steps")
    steps(argc > 2 ? std::atoll(argv[2]) : std::int64_t{1} << 21);
  else
    prox(argc > 2 ? std::atoll(argv[2]) : std::int64_t{1} << 21);
  return 0;
}
