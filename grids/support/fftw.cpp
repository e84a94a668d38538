#include "grids/support/fftw.hpp"

#include <sys/mman.h>

#include <cstdlib>
#include <cstring>
#include <new>

namespace wasserflow {

template <class T>
FftwBuffer<T>::FftwBuffer(std::size_t size) : size_(size) {
  constexpr std::size_t line = 64, huge = std::size_t{1} << 21;
  const bool large = size * sizeof(T) >= huge;
  const std::size_t unit = large ? huge : line;
  const std::size_t bytes = (size * sizeof(T) / unit + 1) * unit;
  data_ = static_cast<T*>(std::aligned_alloc(unit, bytes));
  if (!data_) throw std::bad_alloc();
#ifdef MADV_HUGEPAGE
  if (large) madvise(data_, bytes, MADV_HUGEPAGE);  // advice only: nothing is lost where it is refused
#endif
  std::memset(data_, 0, bytes);
}

template <class T>
FftwBuffer<T>::~FftwBuffer() {
  std::free(data_);
}

template class FftwBuffer<double>;
template class FftwBuffer<float>;

}  // namespace wasserflow
