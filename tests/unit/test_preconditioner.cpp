// ranks: 1 2 3 4
// timeout: 120
#define BOOST_TEST_MODULE preconditioner
#include <boost/test/unit_test.hpp>
#include <cstring>
#include <random>

#include "grids/support/errors.hpp"
#include "solvers/preconditioner.hpp"

using namespace wasserflow;

namespace {

/// Dense matrix, row after row.
struct Matrix {
  int rows, columns;
  std::vector<double> entry;
  Matrix(int m, int n) : rows(m), columns(n), entry(static_cast<std::size_t>(m) * static_cast<std::size_t>(n), 0.0) {}
  double& operator()(int i, int j) { return entry[static_cast<std::size_t>(i) * static_cast<std::size_t>(columns) + static_cast<std::size_t>(j)]; }
  double operator()(int i, int j) const {
    return entry[static_cast<std::size_t>(i) * static_cast<std::size_t>(columns) + static_cast<std::size_t>(j)];
  }
};

using Vector = std::vector<double>;

Vector times(const Matrix& a, const Vector& x) {
  Vector y(static_cast<std::size_t>(a.rows), 0.0);
  for (int i = 0; i < a.rows; ++i)
    for (int j = 0; j < a.columns; ++j) y[static_cast<std::size_t>(i)] += a(i, j) * x[static_cast<std::size_t>(j)];
  return y;
}

Vector transposed_times(const Matrix& a, const Vector& x) {
  Vector y(static_cast<std::size_t>(a.columns), 0.0);
  for (int i = 0; i < a.rows; ++i)
    for (int j = 0; j < a.columns; ++j) y[static_cast<std::size_t>(j)] += a(i, j) * x[static_cast<std::size_t>(i)];
  return y;
}

Grid box(const std::vector<Boundary>& mix, const std::vector<int>& cells) {
  std::vector<Axis> axes;
  for (std::size_t d = 0; d < mix.size(); ++d) axes.push_back({0.0, 1.0 + 0.5 * static_cast<double>(d), cells[d], mix[d], 0.5});
  return Grid(axes);
}

/// Adds `weight` times the value `steps` cells along axis d from point p to row i of the matrix, by the ghost rule of the axis.
void add_shifted(Matrix& m, int i, const Grid& grid, int p, int d, int steps, double weight, int first_column) {
  int inner = 1;
  for (int e = 0; e < d; ++e) inner *= grid.cells(e);
  const int n = grid.cells(d), at = p / inner % n;
  int to = at + steps;
  double sign = 1;
  if (to < 0 || to >= n) {
    switch (grid.axis(d).boundary) {
      case Boundary::Periodic:
        to = (to + n) % n;
        break;
      case Boundary::NoFlux:
        to = to < 0 ? -to - 1 : 2 * n - 1 - to;
        break;
      default:
        to = to < 0 ? -to - 1 : 2 * n - 1 - to;
        sign = -1;
    }
  }
  m(i, first_column + p + (to - at) * inner) += sign * weight;
}

/// K of a Hamilton-Jacobi window: (phi_t - sum nu_d Laplacian_d phi, then the gradient rows), the value before level 0 being 0.
Matrix window_operator(const Grid& grid, int levels, double dt, const std::array<double, 3>& nu, GradientScheme scheme) {
  const int size = static_cast<int>(grid.size()), dim = grid.dim();
  const int gradients = scheme == GradientScheme::Upwind ? 2 * dim : dim;
  Matrix k(size * levels * (1 + gradients), size * levels);
  int row = 0;
  for (int l = 0; l < levels; ++l)
    for (int p = 0; p < size; ++p) {
      const int column = l * size;
      k(row, column + p) += 1 / dt;
      if (l > 0) k(row, column - size + p) -= 1 / dt;
      for (int d = 0; d < dim; ++d) {
        const double w = nu[static_cast<std::size_t>(d)] / (grid.spacing(d) * grid.spacing(d));
        k(row, column + p) += 2 * w;
        add_shifted(k, row, grid, p, d, 1, -w, column);
        add_shifted(k, row, grid, p, d, -1, -w, column);
      }
      ++row;
      for (int d = 0; d < dim; ++d) {
        const double h = grid.spacing(d);
        if (scheme == GradientScheme::Central) {
          add_shifted(k, row, grid, p, d, 1, 0.5 / h, column);
          add_shifted(k, row, grid, p, d, -1, -0.5 / h, column);
          ++row;
          continue;
        }
        add_shifted(k, row, grid, p, d, 1, 1 / h, column);
        k(row, column + p) -= 1 / h;
        ++row;
        k(row, column + p) += 1 / h;
        add_shifted(k, row, grid, p, d, -1, -1 / h, column);
        ++row;
      }
    }
  return k;
}

Vector noise(int n, unsigned seed) {
  std::mt19937_64 generator(seed);
  Vector x(static_cast<std::size_t>(n));
  for (double& v : x) v = std::uniform_real_distribution<double>(-1, 1)(generator);
  return x;
}

void scatter(const Vector& all, Field& field) {
  const std::int64_t size = field.layout().grid().size();
  for (int l = 0; l < field.levels(); ++l)
    for (std::ptrdiff_t i = 0; i < field.layout().owned(); ++i)
      field.level(l)[i] = all[static_cast<std::size_t>(l * size + field.layout().global_offset() + i)];
}

/// Largest difference between the field and the vector of all its values, over all ranks.
double distance(const Field& field, const Vector& all) {
  const std::int64_t size = field.layout().grid().size();
  double worst = 0;
  for (int l = 0; l < field.levels(); ++l)
    for (std::ptrdiff_t i = 0; i < field.layout().owned(); ++i)
      worst = std::max(worst, std::abs(field.level(l)[i] - all[static_cast<std::size_t>(l * size + field.layout().global_offset() + i)]));
  MPI_Allreduce(MPI_IN_PLACE, &worst, 1, MPI_DOUBLE, MPI_MAX, MPI_COMM_WORLD);
  return worst;
}

const std::vector<std::pair<std::vector<Boundary>, std::vector<int>>>& cases() {
  const Boundary p = Boundary::Periodic, n = Boundary::NoFlux, d = Boundary::Dirichlet;
  static const std::vector<std::pair<std::vector<Boundary>, std::vector<int>>> all{{{p}, {16}},
                                                                                   {{n}, {11}},
                                                                                   {{d}, {12}},
                                                                                   {{p}, {9}},
                                                                                   {{p, p}, {8, 6}},
                                                                                   {{n, p}, {5, 8}},
                                                                                   {{p, d}, {7, 5}},
                                                                                   {{d, n}, {6, 5}},
                                                                                   {{p, p, p}, {4, 5, 4}},
                                                                                   {{n, p, p}, {4, 3, 5}},
                                                                                   {{d, n, p}, {3, 4, 5}},
                                                                                   {{p, n, d}, {5, 3, 4}}};
  return all;
}

}  // namespace

BOOST_AUTO_TEST_CASE(inverts_K_transposed_K_of_a_window) {
  for (const auto& [mix, cells] : cases())
    for (int levels : {1, 2, 5})
      for (double viscosity : {0.0, 0.03})
        for (GradientScheme scheme : {GradientScheme::Upwind, GradientScheme::Central}) {
          const Grid grid = box(mix, cells);
          const std::array<double, 3> nu{viscosity, 2 * viscosity, 0.5 * viscosity};
          const double dt = 0.07;
          const Matrix k = window_operator(grid, levels, dt, nu, scheme);
          const Vector phi = noise(k.columns, 3);
          const Vector right = transposed_times(k, times(k, phi));
          const LayoutPtr layout = make_layout(MPI_COMM_WORLD, grid);
          auto precond = SpectralPreconditioner::hamilton_jacobi(layout, levels, dt, nu, scheme);
          Field r(layout, levels), out(layout, levels);
          scatter(right, r);
          precond.apply(r, out);
          BOOST_TEST(distance(out, phi) < 1e-11);
          precond.apply(r, r);  // in place, on used buffers
          BOOST_TEST(distance(r, phi) < 1e-11);
        }
}

BOOST_AUTO_TEST_CASE(shift_adds_to_the_diagonal) {
  const Grid grid = box({Boundary::NoFlux, Boundary::Periodic}, {5, 6});
  const int levels = 3;
  const Matrix k = window_operator(grid, levels, 0.1, {}, GradientScheme::Upwind);
  const Vector phi = noise(k.columns, 5);
  Vector right = transposed_times(k, times(k, phi));
  for (std::size_t i = 0; i < right.size(); ++i) right[i] += 40 * phi[i];
  const LayoutPtr layout = make_layout(MPI_COMM_WORLD, grid);
  auto precond = SpectralPreconditioner::hamilton_jacobi(layout, levels, 0.1, {}, GradientScheme::Upwind, SymbolKind::Difference, 40);
  Field r(layout, levels);
  scatter(right, r);
  precond.apply(r, r);
  BOOST_TEST(distance(r, phi) < 1e-12);
}

BOOST_AUTO_TEST_CASE(inverts_the_continuity_operator_of_both_kinds_of_ends) {
  // A rho = (rho[n+1] - rho[n]) / dt + theta V rho[n+1] + (1 - theta) V rho[n], rho[0] given, and rho[levels] too when planning.
  const double dt = 0.2, theta = 0.5;
  for (TimeEnds ends : {TimeEnds::FreeEnd, TimeEnds::Planning})
    for (int levels : {1, 2, 4})
      for (double nu : {0.0, 0.05})
        for (const auto& [mix, cells] : cases()) {
          const Grid grid = box(mix, cells);
          const int size = static_cast<int>(grid.size());
          const int unknown = ends == TimeEnds::Planning ? levels - 1 : levels;
          Matrix a(size * levels, size * std::max(unknown, 1)), gradient(size * levels * grid.dim(), size * levels);
          int row = 0;
          for (int l = 0; l < levels; ++l)
            for (int p = 0; p < size; ++p) {
              for (int newer = 0; newer < 2; ++newer) {
                const int node = l + newer - 1;  // rho[node + 1]
                if (node < 0 || node >= unknown) continue;
                const double weight = newer ? theta : 1 - theta;
                a(l * size + p, node * size + p) += newer ? 1 / dt : -1 / dt;
                for (int d = 0; d < grid.dim(); ++d) {
                  const double w = weight * nu / (grid.spacing(d) * grid.spacing(d));
                  a(l * size + p, node * size + p) += 2 * w;
                  add_shifted(a, l * size + p, grid, p, d, 1, -w, node * size);
                  add_shifted(a, l * size + p, grid, p, d, -1, -w, node * size);
                }
              }
              for (int d = 0; d < grid.dim(); ++d, ++row) {  // both one-sided differences halved: a symbol of lambda
                add_shifted(gradient, row, grid, p, d, 1, 1 / grid.spacing(d), l * size);
                gradient(row, l * size + p) -= 1 / grid.spacing(d);
              }
            }
          bool dirichlet = false;
          for (Boundary b : mix) dirichlet = dirichlet || b == Boundary::Dirichlet;
          if (dirichlet) continue;  // one-sided differences alone do not square to the Laplacian there
          Vector phi = noise(size * levels, 11);
          if (ends == TimeEnds::Planning) {
            // Constants in space and time are the null space: compare without them.
            double mean = 0;
            for (double v : phi) mean += v / static_cast<double>(phi.size());
            for (double& v : phi) v -= mean;
          }
          Vector right = transposed_times(gradient, times(gradient, phi));
          const Vector time = times(a, transposed_times(a, phi));
          for (std::size_t i = 0; i < right.size(); ++i) right[i] += time[i];
          AxisSymbols v, s;
          for (int d = 0; d < grid.dim(); ++d) {
            s.axis[static_cast<std::size_t>(d)] = laplacian_symbol(grid.axis(d), grid.cells(d));
            v.axis[static_cast<std::size_t>(d)] = s.axis[static_cast<std::size_t>(d)];
            for (double& x : v.axis[static_cast<std::size_t>(d)]) x *= nu;
          }
          const LayoutPtr layout = make_layout(MPI_COMM_WORLD, grid);
          SpectralPreconditioner precond(layout, levels, {dt, theta, ends}, v, s);
          Field out(layout, levels);
          scatter(right, out);
          precond.apply(out, out);
          if (ends == TimeEnds::Planning) {
            double mean = 0;
            for (int l = 0; l < levels; ++l)
              for (double x : out.owned(l)) mean += x;
            MPI_Allreduce(MPI_IN_PLACE, &mean, 1, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
            mean /= static_cast<double>(size * levels);
            for (int l = 0; l < levels; ++l)
              for (double& x : out.owned(l)) x -= mean;
          }
          BOOST_TEST(distance(out, phi) < 1e-10);
        }
}

BOOST_AUTO_TEST_CASE(bits_do_not_depend_on_the_number_of_ranks) {
  for (const auto& [mix, cells] : cases()) {
    std::vector<int> larger = cells;
    for (int& n : larger) n = 3 * n + 1;
    const Grid grid = box(mix, larger);
    const int levels = 2;
    const Vector right = noise(static_cast<int>(grid.size()) * levels, 8);
    const auto solve = [&](MPI_Comm comm) {
      const LayoutPtr layout = make_layout(comm, grid);
      auto precond = SpectralPreconditioner::hamilton_jacobi(layout, levels, 0.02, {0.1, 0.2, 0.1});
      Field r(layout, levels);
      scatter(right, r);
      precond.apply(r, r);
      return r;
    };
    const Field shared = solve(MPI_COMM_WORLD), own = solve(MPI_COMM_SELF);
    int different = 0;
    for (int l = 0; l < levels; ++l)
      different += std::memcmp(shared.level(l), own.level(l) + shared.layout().global_offset(),
                               static_cast<std::size_t>(shared.layout().owned()) * sizeof(double)) != 0;
    BOOST_TEST(different == 0);
  }
}

BOOST_AUTO_TEST_CASE(bad_input_is_refused) {
  const LayoutPtr layout = make_layout(MPI_COMM_WORLD, box({Boundary::Periodic}, {8}));
  BOOST_CHECK_THROW(SpectralPreconditioner::hamilton_jacobi(layout, 1, 0.0, {}), InputError);
  BOOST_CHECK_THROW(SpectralPreconditioner::hamilton_jacobi(layout, 1, 0.1, {-1, 0, 0}), InputError);
  BOOST_CHECK_THROW(SpectralPreconditioner(layout, 1, {0.1, 2.0}, {}, {}), InputError);
  AxisSymbols few;
  few.axis[0] = {0.0, 1.0};
  BOOST_CHECK_THROW(SpectralPreconditioner(layout, 1, {0.1}, {}, few), InputError);
}
