#pragma once
/// Timing for benchmarks that compare with the memory's bandwidth: medians of interleaved repeats, processor seconds of the slowest rank.
#include <algorithm>
#include <ctime>
#include <vector>

#include "grids/reduce.hpp"

namespace wasserflow {

inline double median(std::vector<double> v) {
  std::sort(v.begin(), v.end());
  return v[v.size() / 2];
}

/// Processor seconds of `work` on the rank that takes most of them: other programs on the machine do not count.
/// @note Collective.
template <class Work>
double timed(MPI_Comm comm, Work&& work) {
  const auto now = [] {
    timespec t{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
  };
  MPI_Barrier(comm);
  const double start = now();
  work();
  return global_max(comm, now() - start);
}

/// a = b + c d over arrays that no cache holds, on all ranks at once.
class Triad {
 public:
  /// `n`: doubles an array of this rank, raised to 2^24.
  explicit Triad(std::size_t n) : a_(std::max(n, std::size_t{1} << 24), 1), b_(a_.size(), 2), d_(a_.size(), 3) {}
  /// Bytes a second of all ranks together, read and written.
  /// @note Collective.
  double bandwidth(MPI_Comm comm) {
    const double seconds = timed(comm, [&] {
      for (std::size_t i = 0; i < a_.size(); ++i) a_[i] = b_[i] + 0.5 * d_[i];
    });
    return 3 * sizeof(double) * static_cast<double>(a_.size()) * size_of(comm) / seconds;
  }

 private:
  std::vector<double> a_, b_, d_;
};

}  // namespace wasserflow
