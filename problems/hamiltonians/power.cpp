#include "problems/hamiltonians/power.hpp"

#include "problems/hamiltonians/builtin.hpp"
#include "problems/kernel_hamiltonian.hpp"

namespace wasserflow {

HamiltonianPtr make_power(int dim, FunctionPtr a, double q) {
  return dispatch_dimension(dim, [&](auto d) { return make_kernel_hamiltonian("power", PowerKernel<d>{q}, {std::move(a)}); });
}

HamiltonianPtr read_power(const Parameters& p, int dim) {
  const double q = p.real("exponent", "q in H = a |p|^q/q", {}, Range{1, 64, true, false});
  return make_power(dim, read_function(p, "coefficient", "a(x,t) >= 0 in H = a |p|^q/q", dim, make_constant(1)), q);
}

}  // namespace wasserflow
