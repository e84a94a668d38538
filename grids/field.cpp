#include "grids/field.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>

#include "grids/support/errors.hpp"

namespace wasserflow {
namespace {

constexpr std::ptrdiff_t align = 8;  // doubles in a cache line

std::ptrdiff_t round_up(std::ptrdiff_t n) { return (n + align - 1) / align * align; }

}  // namespace

void Field::Free::operator()(double* p) const { std::free(p); }

Field::Field(LayoutPtr layout, int levels) : layout_(std::move(layout)), levels_(levels) {
  const std::ptrdiff_t ghosts = layout_->ghost() * layout_->plane();
  lead_ = round_up(ghosts);
  // One odd cache line between levels keeps equal points of successive levels out of the same cache set.
  stride_ = round_up(lead_ + layout_->owned() + ghosts) + align;
  const std::size_t bytes = static_cast<std::size_t>(stride_ * std::max(levels, 1)) * sizeof(double);
  data_.reset(static_cast<double*>(std::aligned_alloc(64, bytes)));
  if (!data_) throw std::bad_alloc();
  std::memset(data_.get(), 0, bytes);
  vecs_.resize(static_cast<std::size_t>(levels));
}

Field Field::clone() const {
  Field copy(layout_, levels_);
  std::memcpy(copy.data_.get(), data_.get(), static_cast<std::size_t>(stride_ * levels_) * sizeof(double));
  return copy;
}

Vec Field::vec(int k) {
  auto& handle = vecs_[static_cast<std::size_t>(k)];
  if (!handle)
    petsc_check(VecCreateMPIWithArray(layout_->comm(), 1, static_cast<PetscInt>(layout_->owned()),
                                      static_cast<PetscInt>(layout_->grid().size()), level(k), handle.put()));
  // Values may have changed behind PETSc's back: this raises the object's state, so that cached norms are dropped.
  double* values = nullptr;
  petsc_check(VecGetArray(handle.get(), &values));
  petsc_check(VecRestoreArray(handle.get(), &values));
  return handle.get();
}

void Field::fill(double value) { std::fill_n(data_.get(), stride_ * levels_, value); }

void Field::copy_level(int to, const Field& from, int k) {
  const std::ptrdiff_t ghosts = layout_->ghost() * layout_->plane();
  if (from.layout_->owned() != layout_->owned()) throw InternalError("copy_level: layouts differ");
  if (from.layout_->ghost() == layout_->ghost())
    std::memcpy(level(to) - ghosts, from.level(k) - ghosts, static_cast<std::size_t>(layout_->stored()) * sizeof(double));
  else
    std::memcpy(level(to), from.level(k), static_cast<std::size_t>(layout_->owned()) * sizeof(double));
}

void Field::exchange_ghosts(int begin, int end) {
  const SlabLayout& s = *layout_;
  const int width = s.ghost();
  if (width == 0 || begin >= end) return;
  const std::ptrdiff_t block = width * s.plane();
  const std::ptrdiff_t owned = s.owned();
  const bool alone = s.ranks() == 1;
  const Boundary kind = s.grid().axis(s.slow_axis()).boundary;

  if (!alone) {
    MPI_Datatype blocks;
    MPI_Type_vector(end - begin, static_cast<int>(block), static_cast<int>(stride_), MPI_DOUBLE, &blocks);
    MPI_Type_commit(&blocks);
    double* base = level(begin);
    MPI_Request requests[4];
    MPI_Irecv(base - block, 1, blocks, s.below(), 1, s.comm(), &requests[0]);
    MPI_Irecv(base + owned, 1, blocks, s.above(), 2, s.comm(), &requests[1]);
    MPI_Isend(base + owned - block, 1, blocks, s.above(), 1, s.comm(), &requests[2]);
    MPI_Isend(base, 1, blocks, s.below(), 2, s.comm(), &requests[3]);
    MPI_Waitall(4, requests, MPI_STATUSES_IGNORE);
    MPI_Type_free(&blocks);
  } else if (kind == Boundary::Periodic) {
    // A periodic axis may have fewer planes than ghosts on one rank: wrap plane by plane.
    const std::ptrdiff_t p = s.plane();
    const int n = s.count();
    for (int k = begin; k < end; ++k)
      for (int g = 1; g <= width; ++g) {
        std::memcpy(level(k) - g * p, level(k) + ((n - g % n) % n) * p, static_cast<std::size_t>(p) * sizeof(double));
        std::memcpy(level(k) + (n + g - 1) * p, level(k) + ((g - 1) % n) * p, static_cast<std::size_t>(p) * sizeof(double));
      }
  }
  if (kind == Boundary::Periodic) return;

  const std::ptrdiff_t p = s.plane();
  const auto fill_side = [&](double* edge, std::ptrdiff_t outward) {
    // edge: the boundary plane; outward: +p or -p. The plane inside the edge may be a neighbour's, already received.
    for (int g = 1; g <= width; ++g) {
      double* ghost = edge + g * outward;
      const double* mirror = edge - (g - 1) * outward;
      const double* inner = s.slow_cells() > 1 ? edge - outward : edge;
      switch (kind) {
        case Boundary::NoFlux: std::memcpy(ghost, mirror, static_cast<std::size_t>(p) * sizeof(double)); break;
        case Boundary::Dirichlet:
          for (std::ptrdiff_t i = 0; i < p; ++i) ghost[i] = -mirror[i];
          break;
        default:
          for (std::ptrdiff_t i = 0; i < p; ++i) ghost[i] = edge[i] + g * (edge[i] - inner[i]);
      }
    }
  };
  for (int k = begin; k < end; ++k) {
    if (s.rank() == 0) fill_side(level(k), -p);
    if (s.rank() + 1 == s.ranks()) fill_side(level(k) + owned - p, p);
  }
}

}  // namespace wasserflow
