#include "problems/hamiltonians/quadratic.hpp"

#include "problems/hamiltonians/builtin.hpp"
#include "problems/kernel_hamiltonian.hpp"

namespace wasserflow {

HamiltonianPtr make_quadratic(int dim, std::vector<FunctionPtr> a) {
  return dispatch_dimension(dim, [&](auto d) {
    if (a.size() == 1) return make_kernel_hamiltonian("quadratic", QuadraticKernel<d, true>{}, std::move(a));
    return make_kernel_hamiltonian("quadratic", QuadraticKernel<d, false>{}, std::move(a));
  });
}

HamiltonianPtr read_quadratic(const Parameters& p, int dim) {
  return make_quadratic(dim, read_functions(p, "coefficient", "Coefficient of H = sum_d a_d p_d^2/2: one function, or one an axis", dim, make_constant(1)));
}

}  // namespace wasserflow
