#include "solvers/nonlocal_potential.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>
#include <vector>

#include "grids/spectral_transform.hpp"
#include "grids/support/errors.hpp"

namespace wasserflow {
namespace {

/// Whole planes of the slow axis from the slabs of one layout to those of another whose planes have the same size; planes that only one has stay.
class PlaneExchange {
 public:
  PlaneExchange(const SlabLayout& from, const SlabLayout& to, int planes, std::ptrdiff_t points) : comm_(from.comm()) {
    const auto share = [&](const SlabLayout& a, int ra, const SlabLayout& b, int rb) {
      const int first = std::max(a.first_of(ra), b.first_of(rb));
      const int last = std::min({a.first_of(ra + 1), b.first_of(rb + 1), planes});
      return std::pair{first, std::max(0, last - first)};
    };
    for (int r = 0; r < from.ranks(); ++r) {
      const auto [s, ns] = share(from, from.rank(), to, r);
      const auto [g, ng] = share(from, r, to, to.rank());
      send_count_.push_back(static_cast<int>(ns * points));
      send_at_.push_back(ns > 0 ? static_cast<int>((s - from.first()) * points) : 0);
      receive_count_.push_back(static_cast<int>(ng * points));
      receive_at_.push_back(ng > 0 ? static_cast<int>((g - to.first()) * points) : 0);
    }
  }
  void operator()(const double* from, double* to) const {
    MPI_Alltoallv(from, send_count_.data(), send_at_.data(), MPI_DOUBLE, to, receive_count_.data(), receive_at_.data(), MPI_DOUBLE, comm_);
  }

 private:
  MPI_Comm comm_;
  std::vector<int> send_count_, send_at_, receive_count_, receive_at_;
};

/// Index of a mode block on this rank; blocks partition the modes alike in every transform.
using BlockKey = std::pair<int, int>;
BlockKey key_of(const ModeBlock& b) { return {b.outer, b.first_row}; }

Grid padded_grid(const Grid& grid) {
  std::vector<Axis> axes;
  for (Axis axis : grid.axes()) {
    if (axis.boundary != Boundary::Periodic) {
      axis.upper += axis.length();
      axis.cells *= 2;
    }
    axis.boundary = Boundary::Periodic;
    axis.offset = 0;
    axes.push_back(axis);
  }
  return Grid(axes);
}

/// Displacement of point i of a periodic line of n points: the nearest image.
double displacement(int i, int n, double h) { return h * (i <= n / 2 ? i : i - n); }

}  // namespace

struct NonlocalPotential::State {
  LayoutPtr layout;
  // W * rho
  LayoutPtr padded;
  std::unique_ptr<SpectralTransform> convolution;
  std::map<BlockKey, std::vector<double>> kernel;  ///< symbol of W: rows x columns
  Field box, slab;
  std::unique_ptr<PlaneExchange> out, back;
  // S
  double chi = 0, decay = 0;
  std::unique_ptr<SpectralTransform> poisson;
  std::vector<double> lambda[3];

  void make_convolution(const Function& W);
  void convolve(const double* rho, double* phi);
  void solve_poisson(const Field& rho, int level, double* phi, bool add);
};

void NonlocalPotential::State::make_convolution(const Function& W) {
  const Grid& grid = layout->grid();
  padded = make_layout(layout->comm(), padded_grid(grid), 1);
  const Grid& big = padded->grid();
  convolution = std::make_unique<SpectralTransform>(padded);
  box = Field(padded);
  const int nx = big.cells(0), ny = big.cells(1), dim = big.dim();
  const auto at = [&](int i, int j, int k) {
    const double x = displacement(i, nx, big.spacing(0)), y = dim > 1 ? displacement(j, ny, big.spacing(1)) : 0,
                 z = dim > 2 ? displacement(k, big.cells(2), big.spacing(2)) : 0;
    const double value = 0.5 * (W.at(x, y, z, 0) + W.at(-x, -y, -z, 0));
    if (!std::isfinite(value))
      throw InputError("the interaction potential " + W.text() + " is not finite at some displacement (regularise it there)");
    return value;
  };
  check_all(layout->comm(), [&] {
    const std::ptrdiff_t plane = padded->plane();
    for (std::ptrdiff_t o = 0; o < padded->owned(); ++o) {
      const int slow = padded->first() + static_cast<int>(o / plane), rest = static_cast<int>(o % plane);
      box.level()[o] = dim == 1 ? at(slow, 0, 0) : dim == 2 ? at(rest, slow, 0) : at(rest % nx, rest / nx, slow);
    }
  });
  const double scale = convolution->normalisation() * grid.cell_volume();
  convolution->forward(SpectralTransform::from(box), [&](const ModeBlock& b) {
    std::vector<double>& w = kernel[key_of(b)];
    for (int j = 0; j < b.rows; ++j)
      for (int i = 0; i < b.columns; ++i) w.push_back(scale * b.data[j * b.pitch + i * b.parts]);  // even: real modes
  });
  box.fill(0);
  std::ptrdiff_t points = dim == 1 ? 1 : nx;
  if (dim > 2) points *= ny;
  slab = Field(make_layout(layout->comm(), Grid([&] {  // the slabs of the layout with padded planes
                             std::vector<Axis> axes = big.axes();
                             axes.back() = grid.axes().back();
                             return axes;
                           }()),
                           1));
  out = std::make_unique<PlaneExchange>(slab.layout(), *padded, layout->slow_cells(), points);
  back = std::make_unique<PlaneExchange>(*padded, slab.layout(), layout->slow_cells(), points);
}

void NonlocalPotential::State::convolve(const double* rho, double* phi) {
  const int nx = layout->grid().cells(0), dim = layout->dim(), big = padded->grid().cells(0), ny = layout->grid().cells(1);
  // Rows of the slab among the padded rows: 1-D has one contiguous line.
  const std::ptrdiff_t lines = dim == 1 ? 1 : layout->owned() / nx, n = dim == 1 ? layout->owned() : nx;
  const auto row = [&](std::ptrdiff_t l) {
    return dim < 3 ? l * (dim == 1 ? 0 : big) : ((l / ny) * padded->grid().cells(1) + l % ny) * static_cast<std::ptrdiff_t>(big);
  };
  for (std::ptrdiff_t l = 0; l < lines; ++l) std::copy_n(rho + l * n, n, slab.level() + row(l));
  box.fill(0);
  (*out)(slab.level(), box.level());
  convolution->solve(
      box,
      [&](const ModeBlock& b) {
        const double* w = kernel.at(key_of(b)).data();
        for (int j = 0; j < b.rows; ++j)
          for (int i = 0; i < b.columns; ++i, ++w)
            for (int c = 0; c < b.parts; ++c) b.data[j * b.pitch + i * b.parts + c] *= *w;
      },
      box);
  (*back)(box.level(), slab.level());
  for (std::ptrdiff_t l = 0; l < lines; ++l) std::copy_n(slab.level() + row(l), n, phi + l * n);
  // What the padding holds must be 0 when the slab is filled next.
  slab.fill(0);
}

void NonlocalPotential::State::solve_poisson(const Field& rho, int level, double* phi, bool add) {
  const int row_axis = poisson->row_axis(), outer_axis = poisson->outer_axis(), column_axis = poisson->column_axis();
  const double scale = -chi * poisson->normalisation();
  poisson->solve([&](int, std::ptrdiff_t o, int n, double* row) { std::copy_n(rho.level(level) + o, n, row); },
                 [&](const ModeBlock& b) {
                   const double outer = outer_axis >= 0 ? lambda[outer_axis][static_cast<std::size_t>(b.outer)] : 0;
                   for (int j = 0; j < b.rows; ++j) {
                     const double lj = outer + decay + (row_axis >= 0 ? lambda[row_axis][static_cast<std::size_t>(b.first_row + j)] : 0);
                     for (int i = 0; i < b.columns; ++i) {
                       const double l = lj + lambda[column_axis][static_cast<std::size_t>(i)], f = l > 0 ? scale / l : 0;
                       for (int c = 0; c < b.parts; ++c) b.data[j * b.pitch + i * b.parts + c] *= f;
                     }
                   }
                 },
                 [&](int, std::ptrdiff_t o, int n, const double* row) {
                   if (add)
                     for (int i = 0; i < n; ++i) phi[o + i] += row[i];
                   else
                     std::copy_n(row, n, phi + o);
                 });
}

NonlocalPotential::NonlocalPotential(const FokkerPlanckEquation& equation, LayoutPtr layout) : state_(std::make_unique<State>()) {
  State& s = *state_;
  s.layout = std::move(layout);
  if (equation.interaction) s.make_convolution(*equation.interaction);
  if (equation.chemotaxis != 0) {
    s.chi = equation.chemotaxis;
    s.decay = equation.decay;
    s.poisson = std::make_unique<SpectralTransform>(s.layout);
    for (int d = 0; d < s.layout->dim(); ++d) s.lambda[d] = laplacian_symbol(s.layout->grid().axis(d), s.poisson->modes(d));
  }
}

NonlocalPotential::~NonlocalPotential() = default;
NonlocalPotential::NonlocalPotential(NonlocalPotential&&) noexcept = default;
NonlocalPotential& NonlocalPotential::operator=(NonlocalPotential&&) noexcept = default;

void NonlocalPotential::apply(const Field& rho, int level, Field& phi, int level_out) {
  State& s = *state_;
  if (s.convolution) s.convolve(rho.level(level), phi.level(level_out));
  if (s.poisson) s.solve_poisson(rho, level, phi.level(level_out), s.convolution != nullptr);
}

}  // namespace wasserflow
