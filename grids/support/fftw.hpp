#pragma once
/// Owners of FFTW plans and of the memory they run on.
#include <fftw3.h>

#include <cstddef>
#include <utility>

namespace wasserflow {

/// Move-only owner of a serial FFTW plan; get() is the escape hatch. Plans are made with FFTW_ESTIMATE: measured planning may pick another
/// algorithm, and with it other bits, in the next run.
class FftwPlan {
 public:
  FftwPlan() = default;
  explicit FftwPlan(fftw_plan plan) : plan_(plan) {}
  FftwPlan(FftwPlan&& other) noexcept : plan_(std::exchange(other.plan_, nullptr)) {}
  FftwPlan& operator=(FftwPlan&& other) noexcept {
    std::swap(plan_, other.plan_);
    return *this;
  }
  ~FftwPlan() {
    if (plan_) fftw_destroy_plan(plan_);
  }
  fftw_plan get() const { return plan_; }
  explicit operator bool() const { return plan_ != nullptr; }

 private:
  fftw_plan plan_ = nullptr;
};

/// Doubles on a 64-byte boundary, set to 0; large ones ask for huge pages, since transposes touch many pages at once.
class FftwBuffer {
 public:
  FftwBuffer() = default;
  explicit FftwBuffer(std::size_t doubles);
  FftwBuffer(FftwBuffer&& other) noexcept : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  FftwBuffer& operator=(FftwBuffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~FftwBuffer();
  double* data() const { return data_; }
  std::size_t size() const { return size_; }

 private:
  double* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace wasserflow
