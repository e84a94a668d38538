#pragma once
/// Fields on a slab layout: values with ghost planes in place, one or more (time) levels.
#include <petscvec.h>

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "grids/slab_layout.hpp"
#include "grids/support/mpi.hpp"

namespace wasserflow {

/// Indexing only: a level of a field as (i, j, k) with x fastest; k counts planes of the slow axis from the first owned one and may run into the ghosts.
template <class T, int D>
class FieldView {
 public:
  FieldView(T* owned, int nx, int ny) : p_(owned), nx_(nx), ny_(ny) {}
  T& operator()(std::ptrdiff_t i) const requires(D == 1) { return p_[i]; }
  T& operator()(std::ptrdiff_t i, std::ptrdiff_t j) const requires(D == 2) { return p_[i + nx_ * j]; }
  T& operator()(std::ptrdiff_t i, std::ptrdiff_t j, std::ptrdiff_t k) const requires(D == 3) { return p_[i + nx_ * (j + ny_ * k)]; }

 private:
  T* p_;
  std::ptrdiff_t nx_, ny_;
};

/// Scalar field of float64 values: `levels` slabs (time levels) in one allocation, each with its ghost planes. Move-only. Ghosts hold what the
/// last exchange_ghosts left there. Allocation sets everything to 0.
class Field {
 public:
  Field() = default;
  explicit Field(LayoutPtr layout, int levels = 1);
  Field(Field&&) noexcept = default;
  Field& operator=(Field&&) noexcept = default;
  Field clone() const;  ///< same layout and values, ghosts included

  const SlabLayout& layout() const { return *layout_; }
  const LayoutPtr& layout_ptr() const { return layout_; }
  int levels() const { return levels_; }
  explicit operator bool() const { return layout_ != nullptr; }

  /// First owned value of a level; ghost planes are at negative offsets and behind the owned ones.
  double* level(int k = 0) { return data_.get() + static_cast<std::ptrdiff_t>(k) * stride_ + lead_; }
  const double* level(int k = 0) const { return data_.get() + static_cast<std::ptrdiff_t>(k) * stride_ + lead_; }
  std::span<double> owned(int k = 0) { return {level(k), static_cast<std::size_t>(layout_->owned())}; }
  std::span<const double> owned(int k = 0) const { return {level(k), static_cast<std::size_t>(layout_->owned())}; }
  std::ptrdiff_t level_stride() const { return stride_; }  ///< distance between equal points of successive levels

  template <int D>
  FieldView<double, D> view(int k = 0) {
    return {level(k), layout_->grid().cells(0), layout_->grid().cells(1)};
  }
  template <int D>
  FieldView<const double, D> view(int k = 0) const {
    return {level(k), layout_->grid().cells(0), layout_->grid().cells(1)};
  }

  /// The owned part of a level as a PETSc Vec, without a copy; made at the first call, owned by the field.
  /// @note Collective at the first call for a level.
  Vec vec(int k = 0);

  void fill(double value);                        ///< all levels, ghosts included
  void copy_level(int to, const Field& from, int level);  ///< owned values and ghosts of one level; same layout shape

  /// Fills the ghost planes of levels [begin, end) along the slow axis: neighbours' planes, or the axis' boundary rule (Boundary).
  /// The faster axes have no ghosts in memory; kernels apply their boundary rule.
  /// @note Collective over the layout's ranks.
  void exchange_ghosts(int begin, int end);
  void exchange_ghosts() { exchange_ghosts(0, levels_); }

 private:
  struct Free {
    void operator()(double* p) const;
  };
  LayoutPtr layout_;
  int levels_ = 0;
  std::ptrdiff_t stride_ = 0;
  std::ptrdiff_t lead_ = 0;
  std::unique_ptr<double[], Free> data_;
  std::vector<PetscHandle<Vec, VecDestroy>> vecs_;
};

}  // namespace wasserflow
