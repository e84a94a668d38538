#include "problems/hamiltonians/norm.hpp"

#include "problems/hamiltonians/builtin.hpp"
#include "problems/kernel_hamiltonian.hpp"

namespace wasserflow {

HamiltonianPtr make_norm_l1(int dim, std::vector<FunctionPtr> c) {
  return dispatch_dimension(dim, [&](auto d) {
    if (c.size() == 1) return make_kernel_hamiltonian("norm l1", L1Kernel<d, true>{}, std::move(c));
    return make_kernel_hamiltonian("norm l1", L1Kernel<d, false>{}, std::move(c));
  });
}

HamiltonianPtr make_norm_l2(int dim, FunctionPtr c) {
  return dispatch_dimension(dim, [&](auto d) { return make_kernel_hamiltonian("norm l2", L2Kernel<d>{}, {std::move(c)}); });
}

HamiltonianPtr make_norm_linf(int dim, FunctionPtr c) {
  return dispatch_dimension(dim, [&](auto d) { return make_kernel_hamiltonian("norm linf", LinfKernel<d>{}, {std::move(c)}); });
}

HamiltonianPtr read_norm(const Parameters& p, int dim) {
  const std::string kind = p.choice("norm", "The norm in H = c |p|", {"l1", "l2", "linf"}, "l2");
  if (kind == "l1") return make_norm_l1(dim, read_functions(p, "coefficient", "Coefficient of H = c |p|: one function, or one an axis", dim, make_constant(1)));
  FunctionPtr c = read_function(p, "coefficient", "Coefficient of H = c |p|", dim, make_constant(1));
  return kind == "l2" ? make_norm_l2(dim, std::move(c)) : make_norm_linf(dim, std::move(c));
}

HamiltonianPtr read_one_homogeneous(const Parameters& p, int dim) {
  return make_norm_l1(dim, read_functions(p, "coefficient", "Coefficient of H = sum_d a_d |p_d|: one function, or one an axis", dim, make_constant(1)));
}

}  // namespace wasserflow
