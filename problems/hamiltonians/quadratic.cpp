#include "problems/hamiltonians/quadratic.hpp"

#include "problems/hamiltonians/builtin.hpp"
#include "problems/kernel_hamiltonian.hpp"

namespace wasserflow {

HamiltonianPtr make_quadratic(int dim, std::vector<FunctionPtr> a) {
  return dispatch_dimension(dim, [&](auto d) {
    if (same_everywhere(a)) return make_kernel_hamiltonian("quadratic", QuadraticKernel<d, true>{}, {a[0]});
    return make_kernel_hamiltonian("quadratic", QuadraticKernel<d, false>{}, std::move(a));
  });
}

Splitting read_splitting(const Parameters& p) {
  const std::string kind = p.choice("splitting", "Numerical Hamiltonian: upwind sides, or central slopes with artificial viscosity (Lax-Friedrichs)",
                                    {"auto", "upwind", "lax_friedrichs"}, "auto");
  return kind == "lax_friedrichs" ? Splitting::LaxFriedrichs : Splitting::Upwind;
}

HamiltonianPtr read_quadratic(const Parameters& p, int dim) {
  const Splitting splitting = read_splitting(p);
  std::vector<FunctionPtr> a =
      read_functions(p, "coefficient", "a_d in H = sum_d a_d p_d^2/2: one function, or one an axis; not negative", dim, make_constant(1));
  if (splitting == Splitting::Upwind) return make_quadratic(dim, std::move(a));
  a.resize(static_cast<std::size_t>(dim), a.front());
  std::vector<FunctionPtr> matrix;
  for (int i = 0; i < dim; ++i)
    for (int j = i; j < dim; ++j) matrix.push_back(i == j ? a[static_cast<std::size_t>(i)] : make_constant(0));
  return make_anisotropic(dim, std::move(matrix), splitting);
}

}  // namespace wasserflow
