// One forward and backward pair of the distributed transform against fftw3-mpi's own (real to complex, in place and out of place, FFTW_ESTIMATE,
// transposed order in between), side by side: repeats of the three are interleaved and ratios are taken within a repeat.
//   mpirun -n 2 bench_transforms [repeats]        measures on 1 rank and on all ranks
#include <fftw3-mpi.h>

#include <fmt/format.h>
#include <algorithm>
#include <cstdlib>
#include <vector>

#include "grids/spectral_transform.hpp"
#include "grids/support/mpi.hpp"

using namespace wasserflow;

namespace {

/// fftw3-mpi's transform of a box with periodic axes; data stay in transposed order between forward and backward.
class FftwMpi {
 public:
  FftwMpi(const Grid& grid, bool in_place, MPI_Comm comm) {
    const int dim = grid.dim();
    std::vector<std::ptrdiff_t> n, half;
    for (int d = dim - 1; d >= 0; --d) n.push_back(grid.cells(d));
    half = n;
    half.back() = n.back() / 2 + 1;
    std::ptrdiff_t count, first, count_after, first_after;
    const std::ptrdiff_t size = fftw_mpi_local_size_transposed(dim, half.data(), comm, &count, &first, &count_after, &first_after);
    real_ = fftw_alloc_real(static_cast<std::size_t>(2 * size));
    complex_ = in_place ? reinterpret_cast<fftw_complex*>(real_) : fftw_alloc_complex(static_cast<std::size_t>(size));
    forward_ = fftw_mpi_plan_dft_r2c(dim, n.data(), real_, complex_, comm, FFTW_ESTIMATE | FFTW_MPI_TRANSPOSED_OUT);
    backward_ = fftw_mpi_plan_dft_c2r(dim, n.data(), complex_, real_, comm, FFTW_ESTIMATE | FFTW_MPI_TRANSPOSED_IN);
    for (std::ptrdiff_t i = 0; i < 2 * size; ++i) real_[i] = 1e-3 * static_cast<double>(i % 1000);
    size_ = size;
    scale_ = 1.0 / static_cast<double>(grid.size());
  }
  ~FftwMpi() {
    fftw_destroy_plan(forward_);
    fftw_destroy_plan(backward_);
    if (reinterpret_cast<double*>(complex_) != real_) fftw_free(complex_);
    fftw_free(real_);
  }
  FftwMpi(const FftwMpi&) = delete;
  FftwMpi& operator=(const FftwMpi&) = delete;

  void pair() {
    fftw_execute(forward_);
    double* modes = reinterpret_cast<double*>(complex_);
    for (std::ptrdiff_t i = 0; i < 2 * size_; ++i) modes[i] *= scale_;
    fftw_execute(backward_);
  }

 private:
  fftw_plan forward_, backward_;
  double* real_;
  fftw_complex* complex_;
  std::ptrdiff_t size_;
  double scale_;
};

template <class F>
double seconds(MPI_Comm comm, F&& work) {
  MPI_Barrier(comm);
  const double start = MPI_Wtime();
  work();
  MPI_Barrier(comm);
  return MPI_Wtime() - start;
}

double median(std::vector<double> x) {
  std::nth_element(x.begin(), x.begin() + static_cast<std::ptrdiff_t>(x.size() / 2), x.end());
  return x[x.size() / 2];
}

Grid periodic_box(const std::vector<int>& cells, Boundary kind = Boundary::Periodic) {
  std::vector<Axis> axes;
  for (int n : cells) axes.push_back({0.0, 1.0, n, kind, kind == Boundary::Periodic ? 0.0 : 0.5});
  return Grid(axes);
}

template <class T>
void scale_modes(const BasicModeBlock<T>& block, T factor) {
  for (int l = 0; l < block.levels; ++l)
    for (int j = 0; j < block.rows; ++j) {
      T* row = block.data + l * block.level_stride + j * block.pitch;
      for (int i = 0; i < block.columns * block.parts; ++i) row[i] *= factor;
    }
}

void compare(MPI_Comm comm, const std::vector<int>& cells, int repeats) {
  const Grid grid = periodic_box(cells);
  const LayoutPtr layout = make_layout(comm, grid);
  SpectralTransform ours(layout);
  Field u(layout);
  for (std::ptrdiff_t i = 0; i < layout->owned(); ++i) u.level()[i] = 1e-3 * static_cast<double>(i % 1000);
  FftwMpi in_place(grid, true, comm), out_of_place(grid, false, comm);
  const double factor = ours.normalisation();
  std::vector<double> t_ours, t_in, t_out, ratio;
  for (int r = -1; r < repeats; ++r) {
    const double a = seconds(comm, [&] {
      ours.solve(
          u, [&](const ModeBlock& block) { scale_modes(block, factor); }, u);
    });
    const double b = seconds(comm, [&] { in_place.pair(); });
    const double c = seconds(comm, [&] { out_of_place.pair(); });
    if (r < 0) continue;
    t_ours.push_back(a);
    t_in.push_back(b);
    t_out.push_back(c);
    ratio.push_back(a / std::min(b, c));
  }
  std::string name;
  for (int n : cells) name += (name.empty() ? "" : " x ") + std::to_string(n);
  if (rank_of(comm) == 0)
    fmt::print("{:>16} {:>6} {:>12.4f} {:>12.4f} {:>14.4f} {:>12.2f} {:>12.2f}\n", name, size_of(comm), median(t_ours), median(t_in), median(t_out),
               median(ratio), 1e9 * median(t_ours) / static_cast<double>(grid.size()));
}

/// Seconds a pair by boundary kind in double and in float, no peer: fftw3-mpi has no real-to-real transposed order that would compare.
void by_kind(MPI_Comm comm, const std::vector<int>& cells, int repeats) {
  for (Boundary kind : {Boundary::Periodic, Boundary::NoFlux, Boundary::Dirichlet}) {
    const Grid grid = periodic_box(cells, kind);
    const LayoutPtr layout = make_layout(comm, grid);
    SpectralTransform ours(layout);
    BasicSpectralTransform<float> single(layout);
    Field u(layout);
    u.fill(1.0);
    const auto pair = [&](auto& transform, auto factor) {
      return seconds(comm, [&] {
        transform.solve(
            u, [&](const auto& block) { scale_modes(block, factor); }, u);
      });
    };
    std::vector<double> t, ratio;
    for (int r = -1; r < repeats; ++r) {
      const double a = pair(ours, ours.normalisation()), b = pair(single, static_cast<float>(ours.normalisation()));
      if (r < 0) continue;
      t.push_back(a);
      ratio.push_back(b / a);
    }
    std::string size;
    for (int n : cells) size += (size.empty() ? "" : " x ") + std::to_string(n);
    if (rank_of(comm) == 0)
      fmt::print("{:>16} {:>6} {:>12} {:>12.5f} {:>14.2f} {:>14.2f}\n", size, size_of(comm), name(kind), median(t),
                 1e9 * median(t) / static_cast<double>(grid.size()), median(ratio));
  }
}

}  // namespace

int main(int argc, char** argv) {
  Session session(argc, argv);
  fftw_mpi_init();
  const int repeats = argc > 1 ? std::max(1, std::atoi(argv[1])) : 11;
  const int rank = rank_of(MPI_COMM_WORLD), ranks = size_of(MPI_COMM_WORLD);
  MPI_Comm alone;
  MPI_Comm_split(MPI_COMM_WORLD, rank == 0 ? 0 : MPI_UNDEFINED, 0, &alone);
  const auto everywhere = [&](const auto& measure) {
    if (rank == 0) measure(alone);
    MPI_Barrier(MPI_COMM_WORLD);
    if (ranks > 1) measure(MPI_COMM_WORLD);
  };
  if (rank == 0)
    fmt::print("{:>16} {:>6} {:>12} {:>12} {:>14} {:>12} {:>12}\n", "grid", "ranks", "ours s/pair", "fftw3-mpi", "out of place", "ratio",
               "ours ns/pt");
  for (const auto& cells : {std::vector<int>{1024, 1024}, std::vector<int>{256, 256, 256}})
    everywhere([&](MPI_Comm comm) { compare(comm, cells, cells.size() == 2 ? 5 * repeats : repeats); });
  if (rank == 0) fmt::print("\n{:>16} {:>6} {:>12} {:>12} {:>14} {:>14}\n", "grid", "ranks", "boundary", "s/pair", "ns/pt", "float / double");
  for (const auto& cells : {std::vector<int>{256, 256}, std::vector<int>{1024, 1024}, std::vector<int>{128, 128, 128}})
    everywhere([&](MPI_Comm comm) { by_kind(comm, cells, cells.size() == 2 ? 5 * repeats : repeats); });
  if (alone != MPI_COMM_NULL) MPI_Comm_free(&alone);
}
