#pragma once
/// The smooth terms of couplings; for problems/coupling*.cpp only.
#include <algorithm>

#include "problems/coupling.hpp"

namespace wasserflow {

/// c rho^s, s > 1, c >= 0.
std::unique_ptr<CouplingTerm> make_power_term(FunctionPtr c, double s, CoefficientOrigin from);
/// F by a formula in x, y, z, t, rho; convex in rho.
std::unique_ptr<CouplingTerm> make_formula_term(const Formula& f, Location where);

/// InputError on all ranks with the place where a tabulated function is below 0.
/// @note Collective.
void require_nonnegative(const SlabLayout& layout, std::span<const double> times, const Tabulated& table, const std::string& what,
                         const CoefficientOrigin& from = {});

/// The values of a table on a chunk: copied, the last pack filled up with the first value.
void load_row(const Tabulated& table, const RowPoints& p, double* out);
/// Points [first, first + count) of a row.
inline RowPoints part_of(const RowPoints& p, int first, int count) {
  RowPoints part = p;
  part.x += first;
  part.offset += first;
  part.n = count;
  return part;
}

/// f(chunk of the row, its first point).
template <class F>
void for_chunks(const RowPoints& p, F&& f) {
  for (int i = 0; i < p.n; i += coupling_chunk) f(part_of(p, i, std::min(coupling_chunk, p.n - i)), i);
}

}  // namespace wasserflow
