#include "problems/hamiltonians/norm.hpp"

#include "problems/hamiltonians/builtin.hpp"
#include "problems/kernel_hamiltonian.hpp"

namespace wasserflow {

namespace {

template <int D, bool Upwind>
HamiltonianPtr l1(std::vector<FunctionPtr> c) {
  if (same_everywhere(c)) return make_kernel_hamiltonian("norm l1", L1Kernel<D, true, Upwind>{}, {c[0]});
  return make_kernel_hamiltonian("norm l1", L1Kernel<D, false, Upwind>{}, std::move(c));
}

const char* const coefficient_doc = "Coefficient c(x,t) >= 0 of the norm";

}  // namespace

HamiltonianPtr make_norm_l1(int dim, std::vector<FunctionPtr> c, Splitting splitting) {
  return dispatch_dimension(dim, [&](auto d) { return splitting == Splitting::Upwind ? l1<d, true>(std::move(c)) : l1<d, false>(std::move(c)); });
}

HamiltonianPtr make_norm_l2(int dim, FunctionPtr c, Splitting splitting) {
  return dispatch_dimension(dim, [&](auto d) {
    if (splitting == Splitting::Upwind) return make_kernel_hamiltonian("norm l2", L2Kernel<d, true>{}, {std::move(c)});
    return make_kernel_hamiltonian("norm l2", L2Kernel<d, false>{}, {std::move(c)});
  });
}

HamiltonianPtr make_norm_linf(int dim, FunctionPtr c, Splitting splitting) {
  return dispatch_dimension(dim, [&](auto d) {
    if (splitting == Splitting::Upwind) return make_kernel_hamiltonian("norm linf", LinfKernel<d, true>{}, {std::move(c)});
    return make_kernel_hamiltonian("norm linf", LinfKernel<d, false>{}, {std::move(c)});
  });
}

HamiltonianPtr read_norm(const Parameters& p, int dim) {
  const std::string kind = p.choice("norm", "The norm in H = c |p|", {"l1", "l2", "linf"}, "l2");
  const Splitting splitting = read_splitting(p);
  if (kind == "l1") return make_norm_l1(dim, read_functions(p, "coefficient", coefficient_doc, dim, make_constant(1)), splitting);
  FunctionPtr c = read_function(p, "coefficient", coefficient_doc, dim, make_constant(1));
  return kind == "l2" ? make_norm_l2(dim, std::move(c), splitting) : make_norm_linf(dim, std::move(c), splitting);
}

HamiltonianPtr read_one_homogeneous(const Parameters& p, int dim) {
  const Splitting splitting = read_splitting(p);
  return make_norm_l1(dim, read_functions(p, "coefficient", "a_d in H = sum_d a_d |p_d|: one function, or one an axis", dim, make_constant(1)),
                      splitting);
}

}  // namespace wasserflow
