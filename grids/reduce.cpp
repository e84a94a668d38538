#include "grids/reduce.hpp"

#include <bit>
#include <cmath>
#include <vector>

namespace wasserflow {

__extension__ typedef unsigned __int128 Wide;

void ExactSum::add(double x) {
  if (x == 0) return;
  const std::uint64_t bits = std::bit_cast<std::uint64_t>(x);
  int exponent = static_cast<int>((bits >> 52) & 0x7ff);
  if (exponent == 0x7ff) {
    special_ += x;
    return;
  }
  std::uint64_t mantissa = bits & ((std::uint64_t{1} << 52) - 1);
  if (exponent == 0)
    exponent = 1;
  else
    mantissa |= std::uint64_t{1} << 52;
  // x = mantissa * 2^(exponent - 1075); position counts from 2^-1088.
  const int position = exponent + 13;
  const int k = position >> 5;
  const int shift = position & 31;
  const Wide wide = static_cast<Wide>(mantissa) << shift;
  const std::int64_t a = static_cast<std::int64_t>(static_cast<std::uint64_t>(wide) & 0xffffffffu);
  const std::int64_t b = static_cast<std::int64_t>(static_cast<std::uint64_t>(wide >> 32) & 0xffffffffu);
  const std::int64_t c = static_cast<std::int64_t>(static_cast<std::uint64_t>(wide >> 64));
  const std::size_t i = static_cast<std::size_t>(k);
  if (bits >> 63) {
    limb_[i] -= a, limb_[i + 1] -= b, limb_[i + 2] -= c;
  } else {
    limb_[i] += a, limb_[i + 1] += b, limb_[i + 2] += c;
  }
  if (++pending_ >= (1 << 29)) normalise();
}

void ExactSum::normalise() {
  std::int64_t carry = 0;
  for (std::size_t k = 0; k < limbs; ++k) {
    const std::int64_t v = limb_[k] + carry;
    if (k + 1 == limbs) {
      limb_[k] = v;
      break;
    }
    carry = v >> 32;  // floor: the remainder is in [0, 2^32)
    limb_[k] = v - (carry << 32);
  }
  pending_ = 0;
}

double ExactSum::value() const {
  if (special_ != 0 || std::isnan(special_)) return special_;
  ExactSum s = *this;
  s.normalise();
  // A negative total has a negative top limb: negate, so that all limbs below are digits of the magnitude.
  const bool negative = s.limb_[limbs - 1] < 0;
  if (negative) {
    for (std::int64_t& v : s.limb_) v = -v;
    s.normalise();
  }
  int top = limbs - 1;
  while (top > 0 && s.limb_[static_cast<std::size_t>(top)] == 0) --top;
  // Four limbs hold at least 97 leading bits: more than a double needs; what is below them only rounds.
  long double v = 0;
  for (int k = top; k >= 0 && k > top - 4; --k)
    v += std::ldexp(static_cast<long double>(s.limb_[static_cast<std::size_t>(k)]), 32 * k - 1088);
  return static_cast<double>(negative ? -v : v);
}

void ExactSum::reduce(MPI_Comm comm, std::span<ExactSum> sums) {
  int ranks = 1;
  MPI_Comm_size(comm, &ranks);
  if (ranks == 1) return;
  std::vector<std::int64_t> buffer;
  std::vector<double> special;
  for (ExactSum& s : sums) {
    s.normalise();
    buffer.insert(buffer.end(), s.limb_.begin(), s.limb_.end());
    special.push_back(s.special_);
  }
  MPI_Allreduce(MPI_IN_PLACE, buffer.data(), static_cast<int>(buffer.size()), MPI_INT64_T, MPI_SUM, comm);
  MPI_Allreduce(MPI_IN_PLACE, special.data(), static_cast<int>(special.size()), MPI_DOUBLE, MPI_SUM, comm);
  for (std::size_t i = 0; i < sums.size(); ++i) {
    for (std::size_t k = 0; k < limbs; ++k) sums[i].limb_[k] = buffer[i * limbs + k];
    sums[i].special_ = special[i];
    sums[i].normalise();
  }
}

double dot(const Field& a, const Field& b, int ka, int kb) {
  const double *p = a.level(ka), *q = b.level(kb);
  return sum_rows<1>(a.layout(), [&](std::ptrdiff_t o, int n) {
    double s = 0;
    for (int i = 0; i < n; ++i) s += p[o + i] * q[o + i];
    return std::array{s};
  })[0];
}

double sum(const Field& a, int k) {
  const double* p = a.level(k);
  return sum_rows<1>(a.layout(), [&](std::ptrdiff_t o, int n) {
    double s = 0;
    for (int i = 0; i < n; ++i) s += p[o + i];
    return std::array{s};
  })[0];
}

double max_abs(const Field& a, int k) {
  double m = 0;
  for (double v : a.owned(k)) m = std::isnan(v) ? v : (std::fabs(v) > m ? std::fabs(v) : m);
  return global_max(a.layout().comm(), m);
}

double global_max(MPI_Comm comm, double local) {
  MPI_Allreduce(MPI_IN_PLACE, &local, 1, MPI_DOUBLE, MPI_MAX, comm);
  return local;
}

double global_min(MPI_Comm comm, double local) {
  MPI_Allreduce(MPI_IN_PLACE, &local, 1, MPI_DOUBLE, MPI_MIN, comm);
  return local;
}

bool all_finite(const Field& a) {
  double bad = 0;
  for (int k = 0; k < a.levels(); ++k)
    for (double v : a.owned(k))
      if (!std::isfinite(v)) bad = 1;
  return global_max(a.layout().comm(), bad) == 0;
}

}  // namespace wasserflow
