#include "grids/support/fftw.hpp"

#include <sys/mman.h>

#include <cstdlib>
#include <cstring>
#include <new>

namespace wasserflow {

FftwBuffer::FftwBuffer(std::size_t doubles) : size_(doubles) {
  constexpr std::size_t line = 64, huge = std::size_t{1} << 21;
  const bool large = doubles * sizeof(double) >= huge;
  const std::size_t unit = large ? huge : line;
  const std::size_t bytes = (doubles * sizeof(double) / unit + 1) * unit;
  data_ = static_cast<double*>(std::aligned_alloc(unit, bytes));
  if (!data_) throw std::bad_alloc();
#ifdef MADV_HUGEPAGE
  if (large) madvise(data_, bytes, MADV_HUGEPAGE);  // advice only: nothing is lost where it is refused
#endif
  std::memset(data_, 0, bytes);
}

FftwBuffer::~FftwBuffer() { std::free(data_); }

}  // namespace wasserflow
