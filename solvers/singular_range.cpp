/// Extreme singular values of M^{-1} DF(U) by Lanczos.
#include <petscsys.h>
// needs petscsys.h
#include <petscblaslapack.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "grids/reduce.hpp"
#include "grids/support/counter_random.hpp"
#include "grids/support/errors.hpp"
#include "solvers/pdhg_step.hpp"

namespace wasserflow {
namespace {

/// The smallest and the largest eigenvalue of a symmetric tridiagonal matrix, and how far an eigenvalue of the operator may be from each when the
/// next entry beside the diagonal is `next`: by the residual of the Ritz vector, or by its square over the gap (Kato & Temple).
struct Extremes {
  double smallest, smallest_error, largest, largest_error;
};

Extremes extremes(std::vector<double> diagonal, std::vector<double> beside, double next) {
  const std::size_t n = diagonal.size();
  const auto order = static_cast<PetscBLASInt>(n);
  PetscBLASInt failed = 0;
  std::vector<double> vectors(n * n), work(std::max<std::size_t>(1, 2 * n));
  beside.resize(n);
  LAPACKREALsteqr_("I", &order, diagonal.data(), beside.data(), vectors.data(), &order, work.data(), &failed);
  if (failed != 0) throw InternalError("eigenvalues of a tridiagonal matrix were not found");
  const auto error = [&](std::size_t at, std::size_t neighbour) {
    const double residual = next * std::fabs(vectors[at * n + n - 1]), gap = std::fabs(diagonal[at] - diagonal[neighbour]);
    return residual < gap ? residual * residual / gap : residual;
  };
  return {diagonal.front(), error(0, std::min<std::size_t>(1, n - 1)), diagonal.back(), error(n - 1, n - std::min<std::size_t>(2, n))};
}

double inner(const Field& a, const Field& b) {
  double s = 0;
  for (int level = 0; level < a.levels(); ++level) s += dot(a, b, level, level);
  return s;
}

/// to = scale to + factor from
void combine(Field& to, double scale, const Field& from, double factor) {
  for (int level = 0; level < to.levels(); ++level) {
    double* t = to.level(level);
    const double* f = from.level(level);
    for (std::ptrdiff_t i = 0; i < to.layout().owned(); ++i) t[i] = scale * t[i] + factor * f[i];
  }
}

}  // namespace

SingularRange singular_range(StepSystem& system, Field& U, int steps) {
  system.linearise(U);
  Field v = system.make_field(), before = system.make_field(), w = system.make_field(), image = system.make_field();
  for (int level = 0; level < v.levels(); ++level) {
    const std::int64_t first = v.layout().global_offset();
    for (std::ptrdiff_t i = 0; i < v.layout().owned(); ++i)
      v.level(level)[i] = uniform_pair(1, static_cast<std::uint64_t>(first + i), static_cast<std::uint32_t>(level))[0] - 0.5;
  }
  combine(v, 1 / std::sqrt(inner(v, v)), v, 0);

  std::vector<double> diagonal, beside;
  double smallest = 1, largest = 1;
  for (int k = 0; k < steps; ++k) {
    // image = DF^T (M M^T)^{-1} DF v
    system.derivative(v, w);
    system.preconditioner().apply(w, w, ImplicitPreconditioner::Kind::Normal);
    system.adjoint(w, image);
    if (k > 0) combine(image, 1, before, -beside.back());
    diagonal.push_back(inner(image, v));
    combine(image, 1, v, -diagonal.back());
    const double length = std::sqrt(inner(image, image));
    if (!std::isfinite(length)) return {length, length};
    const Extremes e = extremes(diagonal, beside, length);
    smallest = std::sqrt(std::max(e.smallest, 0.0));
    largest = std::sqrt(e.largest + e.largest_error);
    // Singular values are wanted to about 5 and 1 per cent.
    if (length < 1e-12 * e.largest || (k >= 9 && e.smallest_error < 0.1 * e.smallest && e.largest_error < 0.02 * e.largest)) break;
    beside.push_back(length);
    combine(image, 1 / length, image, 0);
    std::swap(before, v);
    std::swap(v, image);
  }
  return {smallest, largest};
}

}  // namespace wasserflow
