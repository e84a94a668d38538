#pragma once
/// Owners of FFTW plans and of the memory they run on, for double (libfftw3) and float (libfftw3f).
#include <fftw3.h>

#include <cstddef>
#include <utility>

namespace wasserflow {

/// FFTW's names for a real type.
template <class T>
struct Fftw;
template <>
struct Fftw<double> {
  using Plan = fftw_plan;
  using Complex = fftw_complex;
  static constexpr auto plan_dft = fftw_plan_guru64_dft;
  static constexpr auto plan_dft_r2c = fftw_plan_guru64_dft_r2c;
  static constexpr auto plan_dft_c2r = fftw_plan_guru64_dft_c2r;
  static constexpr auto execute_dft = fftw_execute_dft;
  static constexpr auto execute_dft_r2c = fftw_execute_dft_r2c;
  static constexpr auto execute_dft_c2r = fftw_execute_dft_c2r;
  static constexpr auto destroy = fftw_destroy_plan;
};
template <>
struct Fftw<float> {
  using Plan = fftwf_plan;
  using Complex = fftwf_complex;
  static constexpr auto plan_dft = fftwf_plan_guru64_dft;
  static constexpr auto plan_dft_r2c = fftwf_plan_guru64_dft_r2c;
  static constexpr auto plan_dft_c2r = fftwf_plan_guru64_dft_c2r;
  static constexpr auto execute_dft = fftwf_execute_dft;
  static constexpr auto execute_dft_r2c = fftwf_execute_dft_r2c;
  static constexpr auto execute_dft_c2r = fftwf_execute_dft_c2r;
  static constexpr auto destroy = fftwf_destroy_plan;
};

/// Move-only owner of a serial FFTW plan; get() is the escape hatch. Plans are made with FFTW_ESTIMATE: measured planning may pick another
/// algorithm, and with it other bits, in the next run.
template <class T>
class FftwPlan {
 public:
  using Plan = typename Fftw<T>::Plan;

  FftwPlan() = default;
  explicit FftwPlan(Plan plan) : plan_(plan) {}
  FftwPlan(FftwPlan&& other) noexcept : plan_(std::exchange(other.plan_, nullptr)) {}
  FftwPlan& operator=(FftwPlan&& other) noexcept {
    std::swap(plan_, other.plan_);
    return *this;
  }
  ~FftwPlan() {
    if (plan_) Fftw<T>::destroy(plan_);
  }
  Plan get() const { return plan_; }
  explicit operator bool() const { return plan_ != nullptr; }

 private:
  Plan plan_ = nullptr;
};

/// Numbers on a 64-byte boundary, set to 0; large buffers ask for huge pages, since transposes touch many pages at once.
template <class T>
class FftwBuffer {
 public:
  FftwBuffer() = default;
  explicit FftwBuffer(std::size_t size);
  FftwBuffer(FftwBuffer&& other) noexcept : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  FftwBuffer& operator=(FftwBuffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~FftwBuffer();
  T* data() const { return data_; }
  std::size_t size() const { return size_; }

 private:
  T* data_ = nullptr;
  std::size_t size_ = 0;
};

extern template class FftwBuffer<double>;
extern template class FftwBuffer<float>;

}  // namespace wasserflow
