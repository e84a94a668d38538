#pragma once
/// For C++ files that problem files name as a Hamiltonian (type = "plugin", source = "my_hamiltonian.cpp"):
///
///   #include "problems/plugin.hpp"
///   struct Mine {
///     template <class Point, class P>
///     P operator()(const Point& at, const P* p) const { return sqrt(1 + p[0] * p[0] + p[1] * p[1]); }
///   };
///   extern "C" const wf_hamiltonian_v1* wf_plugin() { return wasserflow::plugin<Mine>("mine"); }
///
/// What the struct may contain stands in problems/law_rows.hpp; derivatives come from automatic differentiation.
#include "problems/law_rows.hpp"
#include "problems/plugin_abi.h"

namespace wasserflow {

// Internal linkage: two libraries that both call their struct Mine must not share these.
namespace detail {
template <class H>
static void plugin_tabulate(int, int n, const double* x, double y, double z, double t, double* const* c) {
  law_tabulate<H>({n, x, y, z, t, nullptr}, c);
}
template <class H>
static int plugin_evaluate(int dim, int n, const double* x, double y, double z, double t, const double* const* c, const double* const* p, double* h,
                           double* const* g, double* const* hess, int axis) {
  const LawRow row{n, x, y, z, t, c};
  bool done = false;
  unroll<3>([&](auto d) {
    if constexpr (law_has_dimension<H>(d + 1))
      if (dim == d + 1) {
        law_evaluate<H, d + 1>(H{}, row, p, h, g, hess, axis);
        done = true;
      }
  });
  return done ? 0 : 1;
}
}  // namespace detail

/// The table of a struct H, which is default-constructed.
template <class H>
static const wf_hamiltonian_v1* plugin(const char* name) {
  static const wf_hamiltonian_v1 table{wf_abi_version,        sizeof(wf_hamiltonian_v1),  name,
                                       law_coefficients<H>(), detail::plugin_tabulate<H>, detail::plugin_evaluate<H>};
  return &table;
}

}  // namespace wasserflow
