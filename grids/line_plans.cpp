#include "grids/line_plans.hpp"

#include "grids/spectral_transform.hpp"
#include "grids/support/errors.hpp"

namespace wasserflow {
namespace {

fftw_complex* complex(double* p) { return reinterpret_cast<fftw_complex*>(p); }

}  // namespace

LinePlans::LinePlans(AxisTransform kind, int n, int parts, int lines, LineShape in_shape, LineShape out_shape, double* in, double* out) {
  const auto dim = [](int length, std::ptrdiff_t a, std::ptrdiff_t b) { return fftw_iodim64{length, a, b}; };
  constexpr unsigned flags = FFTW_ESTIMATE | FFTW_DESTROY_INPUT;
  if (kind == AxisTransform::Fourier) {
    const fftw_iodim64 length = dim(n, in_shape.stride, out_shape.stride), back = dim(n, out_shape.stride, in_shape.stride);
    const fftw_iodim64 batch = dim(lines, in_shape.distance, out_shape.distance), batch_back = dim(lines, out_shape.distance, in_shape.distance);
    if (parts == 1) {
      call_ = Call::RealToComplex;
      forward_ = FftwPlan(fftw_plan_guru64_dft_r2c(1, &length, 1, &batch, in, complex(out), flags));
      backward_ = FftwPlan(fftw_plan_guru64_dft_c2r(1, &back, 1, &batch_back, complex(out), in, flags));
    } else {
      call_ = Call::Complex;
      forward_ = FftwPlan(fftw_plan_guru64_dft(1, &length, 1, &batch, complex(in), complex(out), FFTW_FORWARD, flags));
      backward_ = FftwPlan(fftw_plan_guru64_dft(1, &back, 1, &batch_back, complex(out), complex(in), FFTW_BACKWARD, flags));
    }
  } else {
    call_ = Call::RealToReal;
    const fftw_iodim64 length = dim(n, in_shape.stride * parts, out_shape.stride * parts);
    const fftw_iodim64 back = dim(n, out_shape.stride * parts, in_shape.stride * parts);
    const fftw_iodim64 batch[2] = {dim(lines, in_shape.distance * parts, out_shape.distance * parts), dim(parts, 1, 1)};
    const fftw_iodim64 batch_back[2] = {dim(lines, out_shape.distance * parts, in_shape.distance * parts), dim(parts, 1, 1)};
    const bool cosine = kind == AxisTransform::Cosine;
    const fftw_r2r_kind there = cosine ? FFTW_REDFT10 : FFTW_RODFT10, return_kind = cosine ? FFTW_REDFT01 : FFTW_RODFT01;
    forward_ = FftwPlan(fftw_plan_guru64_r2r(1, &length, 2, batch, in, out, &there, flags));
    backward_ = FftwPlan(fftw_plan_guru64_r2r(1, &back, 2, batch_back, out, in, &return_kind, flags));
  }
  if (!forward_ || !backward_) throw InternalError("FFTW made no plan");
}

void LinePlans::forward(double* in, double* out) const {
  switch (call_) {
    case Call::RealToComplex:
      fftw_execute_dft_r2c(forward_.get(), in, complex(out));
      break;
    case Call::Complex:
      fftw_execute_dft(forward_.get(), complex(in), complex(out));
      break;
    case Call::RealToReal:
      fftw_execute_r2r(forward_.get(), in, out);
      break;
  }
}

void LinePlans::backward(double* out, double* in) const {
  switch (call_) {
    case Call::RealToComplex:
      fftw_execute_dft_c2r(backward_.get(), complex(out), in);
      break;
    case Call::Complex:
      fftw_execute_dft(backward_.get(), complex(out), complex(in));
      break;
    case Call::RealToReal:
      fftw_execute_r2r(backward_.get(), out, in);
      break;
  }
}

}  // namespace wasserflow
