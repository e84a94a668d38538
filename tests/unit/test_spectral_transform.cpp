// ranks: 1 2 3 4
// timeout: 120
#define BOOST_TEST_MODULE spectral_transform
#include <fftw3-mpi.h>

#include <boost/test/unit_test.hpp>
#include <complex>
#include <cstring>
#include <numbers>

#include "grids/spectral_transform.hpp"

using namespace wasserflow;

namespace {

using Complex = std::complex<double>;
constexpr Boundary kinds[] = {Boundary::Periodic, Boundary::NoFlux, Boundary::Dirichlet};

/// All mixes of the three kinds in `dim` dimensions.
std::vector<std::vector<Boundary>> mixes(int dim) {
  std::vector<std::vector<Boundary>> all{{}};
  for (int d = 0; d < dim; ++d) {
    std::vector<std::vector<Boundary>> longer;
    for (const auto& mix : all)
      for (Boundary kind : kinds) {
        longer.push_back(mix);
        longer.back().push_back(kind);
      }
    all = longer;
  }
  return all;
}

Grid box(const std::vector<Boundary>& mix, const std::vector<int>& cells) {
  std::vector<Axis> axes;
  for (std::size_t d = 0; d < mix.size(); ++d)
    axes.push_back({0.0, 1.0 + 0.5 * static_cast<double>(d), cells[d], mix[d], mix[d] == Boundary::Periodic ? 0.0 : 0.5});
  return Grid(axes);
}

/// A value for every global point and level, the same on any number of ranks.
double noise(std::int64_t point, int level) {
  auto x = static_cast<std::uint64_t>(point * 16 + level) + 0x9e3779b97f4a7c15U;
  x = (x ^ (x >> 30U)) * 0xbf58476d1ce4e5b9U;  // splitmix64
  x = (x ^ (x >> 27U)) * 0x94d049bb133111ebU;
  return static_cast<double>(static_cast<std::int64_t>(x ^ (x >> 31U))) * 0x1p-63;
}

Field noise_field(const LayoutPtr& layout, int levels) {
  Field f(layout, levels);
  for (int l = 0; l < levels; ++l)
    for (std::ptrdiff_t i = 0; i < layout->owned(); ++i) f.level(l)[i] = noise(layout->global_offset() + i, l);
  return f;
}

/// The definition: what mode k takes of sample j.
Complex basis(AxisTransform kind, int n, int k, int j) {
  const double pi = std::numbers::pi;
  switch (kind) {
    case AxisTransform::Fourier: return std::polar(1.0, -2 * pi * k * j / n);
    case AxisTransform::Cosine: return 2 * std::cos(pi * k * (j + 0.5) / n);
    default: return 2 * std::sin(pi * (k + 1) * (j + 0.5) / n);
  }
}

/// Modes by direct sums, axis by axis, all n of every axis, x fastest.
std::vector<Complex> direct_modes(const Grid& grid, std::vector<Complex> u) {
  std::ptrdiff_t inner = 1;
  for (int d = 0; d < grid.dim(); ++d) {
    const int n = grid.cells(d);
    std::vector<Complex> out(u.size());
    for (std::ptrdiff_t p = 0; p < static_cast<std::ptrdiff_t>(u.size()); ++p) {
      const int k = static_cast<int>(p / inner % n);
      Complex sum = 0;
      for (int j = 0; j < n; ++j) sum += basis(axis_transform(grid.axis(d).boundary), n, k, j) * u[static_cast<std::size_t>(p + (j - k) * inner)];
      out[static_cast<std::size_t>(p)] = sum;
    }
    u = out;
    inner *= n;
  }
  return u;
}

/// Calls f(level, kx, ky, kz, value) for every mode of a block.
template <class F>
void each_mode(const SpectralTransform& transform, const ModeBlock& block, F&& f) {
  for (int l = 0; l < block.levels; ++l)
    for (int j = 0; j < block.rows; ++j)
      for (int i = 0; i < block.columns; ++i) {
        std::array<int, 3> k{0, 0, 0};
        if (transform.outer_axis() >= 0) k[static_cast<std::size_t>(transform.outer_axis())] = block.outer;
        if (transform.row_axis() >= 0) k[static_cast<std::size_t>(transform.row_axis())] = block.first_row + j;
        k[static_cast<std::size_t>(transform.column_axis())] = i;
        double* p = block.data + l * block.level_stride + j * block.pitch + i * block.parts;
        f(l, k[0], k[1], k[2], Complex(p[0], block.parts == 2 ? p[1] : 0.0), p);
      }
}

double max_over_ranks(double x) {
  MPI_Allreduce(MPI_IN_PLACE, &x, 1, MPI_DOUBLE, MPI_MAX, MPI_COMM_WORLD);
  return x;
}

/// Largest distance between the transform's modes and `expected` (level 0 of noise_field), and how many modes were visited over all ranks.
std::pair<double, long> compare_modes(const Grid& grid, const std::vector<Complex>& expected) {
  const LayoutPtr layout = make_layout(MPI_COMM_WORLD, grid);
  SpectralTransform transform(layout, 2);
  const Field u = noise_field(layout, 2);
  double worst = 0;
  long visited = 0;
  transform.forward(SpectralTransform::from(u), [&](const ModeBlock& block) {
    each_mode(transform, block, [&](int l, int kx, int ky, int kz, Complex value, double*) {
      if (l != 0) return;
      ++visited;
      const auto p =
          static_cast<std::size_t>(kx + static_cast<std::ptrdiff_t>(grid.cells(0)) * (ky + static_cast<std::ptrdiff_t>(grid.cells(1)) * kz));
      worst = std::max(worst, std::abs(value - expected[p]));
    });
  });
  if (grid.dim() > 1) MPI_Allreduce(MPI_IN_PLACE, &visited, 1, MPI_LONG, MPI_SUM, MPI_COMM_WORLD);
  const long modes = static_cast<long>(transform.modes(0)) * transform.modes(1) * transform.modes(2);
  return {max_over_ranks(worst), visited - modes};
}

std::vector<double> whole_field(const Grid& grid) {
  std::vector<double> u(static_cast<std::size_t>(grid.size()));
  for (std::size_t i = 0; i < u.size(); ++i) u[i] = noise(static_cast<std::int64_t>(i), 0);
  return u;
}

}  // namespace

BOOST_AUTO_TEST_CASE(modes_are_the_direct_sums) {
  const std::vector<int> even{8, 6, 4}, odd{7, 5, 9}, wide{19, 4, 5};
  for (int dim = 1; dim <= 3; ++dim)
    for (const auto& mix : mixes(dim))
      for (const auto& cells : {even, odd, wide}) {
        const Grid grid = box(mix, cells);
        const std::vector<double> u = whole_field(grid);
        const auto [error, excess] = compare_modes(grid, direct_modes(grid, {u.begin(), u.end()}));
        BOOST_TEST(error < 1e-12);
        BOOST_TEST(excess == 0);
      }
}

BOOST_AUTO_TEST_CASE(extrapolate_is_transformed_as_no_flux) {
  const Grid grid = box({Boundary::Extrapolate, Boundary::Extrapolate}, {6, 5});
  const std::vector<double> u = whole_field(grid);
  BOOST_TEST(compare_modes(grid, direct_modes(box({Boundary::NoFlux, Boundary::NoFlux}, {6, 5}), {u.begin(), u.end()})).first < 1e-12);
}

BOOST_AUTO_TEST_CASE(modes_are_those_of_fftw_mpi) {
  fftw_mpi_init();
  const auto run = [](const std::vector<Boundary>& mix, const std::vector<int>& cells) {
    const Grid grid = box(mix, cells);
    const int dim = grid.dim();
    std::vector<std::ptrdiff_t> n(static_cast<std::size_t>(dim));
    for (int d = 0; d < dim; ++d) n[static_cast<std::size_t>(dim - 1 - d)] = grid.cells(d);
    const bool periodic = mix[0] == Boundary::Periodic;
    // Real-to-complex rows are padded to 2 (nx / 2 + 1) doubles.
    std::vector<std::ptrdiff_t> local = n;
    if (periodic) local.back() = grid.cells(0) / 2 + 1;
    std::ptrdiff_t count = 0, first = 0;
    const std::ptrdiff_t size = fftw_mpi_local_size(dim, local.data(), MPI_COMM_WORLD, &count, &first);
    double* data = fftw_alloc_real(static_cast<std::size_t>(2 * size));
    std::vector<fftw_r2r_kind> r2r;
    for (int d = dim - 1; d >= 0; --d) r2r.push_back(mix[static_cast<std::size_t>(d)] == Boundary::NoFlux ? FFTW_REDFT10 : FFTW_RODFT10);
    fftw_plan plan = periodic ? fftw_mpi_plan_dft_r2c(dim, n.data(), data, reinterpret_cast<fftw_complex*>(data), MPI_COMM_WORLD, FFTW_ESTIMATE)
                              : fftw_mpi_plan_r2r(dim, n.data(), data, data, MPI_COMM_WORLD, r2r.data(), FFTW_ESTIMATE);
    std::ptrdiff_t rows = count;
    for (int d = 1; d < dim - 1; ++d) rows *= grid.cells(d);
    const std::ptrdiff_t nx = grid.cells(0), distance = periodic ? 2 * local.back() : nx;
    const std::ptrdiff_t first_row = count > 0 ? first * (rows / count) : 0;
    for (std::ptrdiff_t r = 0; r < rows; ++r)
      for (std::ptrdiff_t i = 0; i < nx; ++i) data[r * distance + i] = noise((first_row + r) * nx + i, 0);
    fftw_execute(plan);
    // Everybody gets all modes.
    std::vector<Complex> modes(static_cast<std::size_t>(grid.size()), 0.0);
    const int parts = periodic ? 2 : 1;
    for (std::ptrdiff_t r = 0; r < rows; ++r)
      for (std::ptrdiff_t i = 0; i < distance / parts; ++i)
        modes[static_cast<std::size_t>((first_row + r) * nx + i)] =
            Complex(data[r * distance + i * parts], periodic ? data[r * distance + i * parts + 1] : 0.0);
    MPI_Allreduce(MPI_IN_PLACE, modes.data(), static_cast<int>(2 * modes.size()), MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
    fftw_destroy_plan(plan);
    fftw_free(data);
    const auto [error, excess] = compare_modes(grid, modes);
    BOOST_TEST(error < 2e-12);
    BOOST_TEST(excess == 0);
  };
  const Boundary p = Boundary::Periodic;
  for (const auto& cells : {std::vector<int>{32, 24}, std::vector<int>{27, 35}}) {
    run({p, p}, cells);
    for (Boundary x : {Boundary::NoFlux, Boundary::Dirichlet})
      for (Boundary y : {Boundary::NoFlux, Boundary::Dirichlet}) run({x, y}, cells);
  }
  for (const auto& cells : {std::vector<int>{16, 12, 20}, std::vector<int>{13, 15, 11}}) {
    run({p, p, p}, cells);
    for (Boundary x : {Boundary::NoFlux, Boundary::Dirichlet})
      for (Boundary y : {Boundary::NoFlux, Boundary::Dirichlet})
        for (Boundary z : {Boundary::NoFlux, Boundary::Dirichlet}) run({x, y, z}, cells);
  }
}

BOOST_AUTO_TEST_CASE(backward_undoes_forward) {
  for (int dim = 1; dim <= 3; ++dim)
    for (const auto& mix : mixes(dim))
      for (const auto& cells : {std::vector<int>{32, 20, 12}, std::vector<int>{17, 9, 11}, std::vector<int>{1, 3, 4}}) {
        if (dim == 1 && cells[0] < 4) continue;
        const LayoutPtr layout = make_layout(MPI_COMM_WORLD, box(mix, dim == 2 ? std::vector<int>{cells[0], cells[2]} : cells));
        SpectralTransform transform(layout, 3);
        const Field u = noise_field(layout, 4);
        Field v(layout, 5);
        const double scale = transform.normalisation();
        const auto normalise = [&](const ModeBlock& block) {
          each_mode(transform, block, [&](int, int, int, int, Complex, double* value) {
            for (int c = 0; c < block.parts; ++c) value[c] *= scale;
          });
        };
        double worst = 0;
        for (int repeat = 0; repeat < 2; ++repeat) {  // the second time on used buffers
          transform.solve(u, normalise, v, 1, 2);
          for (int l = 0; l < 3; ++l)
            for (std::ptrdiff_t i = 0; i < layout->owned(); ++i) worst = std::max(worst, std::abs(v.level(2 + l)[i] - u.level(1 + l)[i]));
        }
        transform.solve(SpectralTransform::from(u, 1), normalise, SpectralTransform::add_to(v, -1.0, 2));
        for (int l = 0; l < 3; ++l)
          for (std::ptrdiff_t i = 0; i < layout->owned(); ++i) worst = std::max(worst, std::abs(v.level(2 + l)[i]));
        BOOST_TEST(max_over_ranks(worst) < 1e-14);
        BOOST_TEST(v.level(1)[0] == 0.0);
      }
}

BOOST_AUTO_TEST_CASE(modes_alone_give_the_field_back) {
  // One mode of no_flux x periodic: backward only, against the cosine wave it stands for.
  const Grid grid = box({Boundary::NoFlux, Boundary::Periodic}, {12, 10});
  const LayoutPtr layout = make_layout(MPI_COMM_WORLD, grid);
  SpectralTransform transform(layout);
  Field u(layout);
  transform.backward(
      [&](const ModeBlock& block) {
        each_mode(transform, block, [&](int, int kx, int ky, int, Complex, double* value) {
          value[0] = kx == 3 && ky == 2 ? 1.0 : 0.0;
          value[1] = 0;
        });
      },
      SpectralTransform::to(u));
  const double pi = std::numbers::pi;
  double worst = 0;
  for (int j = 0; j < layout->count(); ++j)
    for (int i = 0; i < 12; ++i) {
      const double wave = 2 * std::cos(pi * 3 * (i + 0.5) / 12) * 2 * std::cos(2 * pi * 2 * (layout->first() + j) / 10.0);
      worst = std::max(worst, std::abs(u.level()[j * 12 + i] - wave));
    }
  BOOST_TEST(max_over_ranks(worst) < 1e-13);
}

BOOST_AUTO_TEST_CASE(symbols_are_those_of_the_stencils) {
  // In 1-D with the ghosts of Boundary: -Laplacian u, and C^T C u with C as a matrix, mode by mode.
  for (Boundary kind : kinds)
    for (int n : {9, 16}) {
      const Grid grid = box({kind}, {n});
      const double h = grid.spacing(0);
      std::vector<std::vector<double>> central(static_cast<std::size_t>(n), std::vector<double>(static_cast<std::size_t>(n), 0.0));
      std::vector<double> u(static_cast<std::size_t>(n)), lap(u), twice(u);
      for (int i = 0; i < n; ++i) u[static_cast<std::size_t>(i)] = noise(i, 0);
      const auto outside = [&](int i) -> std::pair<int, double> {
        if (i >= 0 && i < n) return {i, 1.0};
        if (kind == Boundary::Periodic) return {(i + n) % n, 1.0};
        return {i < 0 ? -i - 1 : 2 * n - 1 - i, kind == Boundary::NoFlux ? 1.0 : -1.0};
      };
      for (int i = 0; i < n; ++i) {
        const auto [l, cl] = outside(i - 1);
        const auto [r, cr] = outside(i + 1);
        lap[static_cast<std::size_t>(i)] =
            (2 * u[static_cast<std::size_t>(i)] - cl * u[static_cast<std::size_t>(l)] - cr * u[static_cast<std::size_t>(r)]) / (h * h);
        central[static_cast<std::size_t>(i)][static_cast<std::size_t>(r)] += cr / (2 * h);
        central[static_cast<std::size_t>(i)][static_cast<std::size_t>(l)] -= cl / (2 * h);
      }
      for (std::size_t i = 0; i < u.size(); ++i)
        for (std::size_t j = 0; j < u.size(); ++j)
          for (std::size_t k = 0; k < u.size(); ++k) twice[i] += central[k][i] * central[k][j] * u[j];
      const auto modes = [&](const std::vector<double>& f) { return direct_modes(grid, {f.begin(), f.end()}); };
      const auto u_modes = modes(u), lap_modes = modes(lap), twice_modes = modes(twice);
      const auto lambda = laplacian_symbol(grid.axis(0), n), square = central_difference_symbol(grid.axis(0), n);
      for (std::size_t k = 0; k < u.size(); ++k) {
        BOOST_TEST(std::abs(lap_modes[k] - lambda[k] * u_modes[k]) < 1e-10);
        BOOST_TEST(std::abs(twice_modes[k] - square[k] * u_modes[k]) < 1e-10);
      }
      const auto exact = laplacian_symbol(grid.axis(0), n, SymbolKind::Exact);
      const double w = (kind == Boundary::Periodic ? 2 : 1) * std::numbers::pi;  // length 1
      BOOST_TEST(exact[2] == std::pow(w * (kind == Boundary::Dirichlet ? 3 : 2), 2), boost::test_tools::tolerance(1e-14));
      if (kind == Boundary::Periodic) BOOST_TEST(exact[static_cast<std::size_t>(n - 1)] == exact[1], boost::test_tools::tolerance(1e-14));
    }
}

BOOST_AUTO_TEST_CASE(fields_larger_than_the_caches) {
  // Their stores go past the caches, on one rank; on several ranks these slabs are small again: both give the same bits.
  const Boundary p = Boundary::Periodic, n = Boundary::NoFlux;
  for (const Grid& grid : {box({p, n}, {1031, 1100}), box({n, p, p}, {111, 96, 109})}) {
    const LayoutPtr shared = make_layout(MPI_COMM_WORLD, grid), own = make_layout(MPI_COMM_SELF, grid);
    const auto identity = [](const LayoutPtr& layout, const Field& u) {
      SpectralTransform transform(layout);
      const double scale = transform.normalisation();
      Field v(layout);
      transform.solve(
          u,
          [&](const ModeBlock& block) {
            each_mode(transform, block, [&](int, int, int, int, Complex, double* value) {
              for (int c = 0; c < block.parts; ++c) value[c] *= scale;
            });
          },
          v);
      return v;
    };
    const Field u = noise_field(shared, 1);
    const Field a = identity(shared, u), b = identity(own, noise_field(own, 1));
    double worst = 0;
    for (std::ptrdiff_t i = 0; i < shared->owned(); ++i) worst = std::max(worst, std::abs(a.level()[i] - u.level()[i]));
    BOOST_TEST(max_over_ranks(worst) < 1e-14);
    BOOST_TEST(std::memcmp(a.level(), b.level() + shared->global_offset(), static_cast<std::size_t>(shared->owned()) * sizeof(double)) == 0);
  }
}

BOOST_AUTO_TEST_CASE(float_transforms) {
  // Against double ones with the same visitor, and bit for bit on any number of ranks.
  for (int dim = 1; dim <= 3; ++dim)
    for (const auto& mix : mixes(dim))
      for (const auto& cells : {std::vector<int>{32, 24, 16}, std::vector<int>{33, 7, 5}}) {
        const Grid grid = box(mix, dim == 2 ? std::vector<int>{cells[0], cells[2]} : cells);
        const LayoutPtr shared = make_layout(MPI_COMM_WORLD, grid), own = make_layout(MPI_COMM_SELF, grid);
        const auto solve = [](const LayoutPtr& layout, auto number) {
          using T = decltype(number);
          BasicSpectralTransform<T> transform(layout, 3);
          const auto scale = static_cast<T>(transform.normalisation());
          const Field u = noise_field(layout, 2);
          Field v(layout, 3);
          for (int repeat = 0; repeat < 2; ++repeat)
            transform.solve(
                SpectralTransform::from(u),
                [&](const BasicModeBlock<T>& block) {
                  for (int l = 0; l < 2; ++l)
                    for (int j = 0; j < block.rows; ++j) {
                      T* row = block.data + l * block.level_stride + j * block.pitch;
                      for (int i = 0; i < block.columns; ++i)
                        for (int c = i * block.parts; c < (i + 1) * block.parts; ++c) {
                          row[c] *= scale / static_cast<T>(1.5 + l + 0.1 * (block.first_row + j) + 0.5 * i + 0.25 * block.outer);
                          if (l == 0) row[c + 2 * block.level_stride] = row[c];  // level 2 is not from the source
                        }
                    }
                },
                SpectralTransform::to(v), 2);
          return v;
        };
        const Field a = solve(shared, float{}), b = solve(own, float{}), c = solve(shared, double{});
        int different = 0;
        double error = 0, size = 0;
        for (int l = 0; l < 3; ++l) {
          different += std::memcmp(a.level(l), b.level(l) + shared->global_offset(), static_cast<std::size_t>(shared->owned()) * sizeof(double)) != 0;
          for (std::ptrdiff_t i = 0; i < shared->owned(); ++i) {
            error = std::max(error, std::abs(a.level(l)[i] - c.level(l)[i]));
            size = std::max(size, std::abs(c.level(l)[i]));
          }
          different += l == 2 && std::memcmp(a.level(0), a.level(2), static_cast<std::size_t>(shared->owned()) * sizeof(double)) != 0;
        }
        BOOST_TEST(different == 0);
        BOOST_TEST(max_over_ranks(error) < 2e-6 * max_over_ranks(size));
        BOOST_TEST(max_over_ranks(error) > 0.0);
      }
}

BOOST_AUTO_TEST_CASE(bits_do_not_depend_on_the_number_of_ranks) {
  for (int dim = 1; dim <= 3; ++dim)
    for (const auto& mix : mixes(dim))
      for (const auto& cells : {std::vector<int>{32, 24, 16}, std::vector<int>{33, 13, 7}, std::vector<int>{30, 31, 4}}) {
        const Grid grid = box(mix, dim == 2 ? std::vector<int>{cells[0], cells[2]} : cells);
        const LayoutPtr shared = make_layout(MPI_COMM_WORLD, grid), own = make_layout(MPI_COMM_SELF, grid);
        const auto solve = [](const LayoutPtr& layout) {
          SpectralTransform transform(layout, 2);
          const Field u = noise_field(layout, 2);
          Field v(layout, 2);
          transform.solve(
              u,
              [&](const ModeBlock& block) {
                each_mode(transform, block, [&](int l, int kx, int ky, int kz, Complex, double* value) {
                  for (int c = 0; c < block.parts; ++c) value[c] /= 1.5 + l + kx + 0.5 * ky + 0.25 * kz;
                });
              },
              v);
          return v;
        };
        const Field a = solve(shared), b = solve(own);
        int different = 0;
        for (int l = 0; l < 2; ++l)
          different += std::memcmp(a.level(l), b.level(l) + shared->global_offset(), static_cast<std::size_t>(shared->owned()) * sizeof(double)) != 0;
        BOOST_TEST(different == 0);
      }
}
