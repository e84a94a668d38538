#include "problems/hamiltonians/anisotropic.hpp"

#include <fmt/format.h>

#include "problems/hamiltonians/builtin.hpp"
#include "problems/kernel_hamiltonian.hpp"

namespace wasserflow {

HamiltonianPtr make_anisotropic(int dim, std::vector<FunctionPtr> matrix, Splitting splitting) {
  bool diagonal = true;
  std::vector<FunctionPtr> diagonal_entries;
  std::size_t k = 0;
  for (int i = 0; i < dim; ++i)
    for (int j = i; j < dim; ++j, ++k) {
      if (i == j) diagonal_entries.push_back(matrix[k]);
      if (i != j) diagonal = diagonal && matrix[k]->constant() && *matrix[k]->constant() == 0;
    }
  if (diagonal && splitting == Splitting::Upwind) return make_quadratic(dim, std::move(diagonal_entries));
  return dispatch_dimension(dim, [&](auto d) { return make_kernel_hamiltonian("anisotropic", AnisotropicKernel<d>{}, std::move(matrix)); });
}

HamiltonianPtr read_anisotropic(const Parameters& p, int dim) {
  const Splitting splitting = read_splitting(p);
  const std::string doc = "Upper triangle of A(x,t) in H = p^T A p/2, row by row: xx, xy, yy or xx, xy, xz, yy, yz, zz";
  const int entries = dim * (dim + 1) / 2;
  if (!p.is_array("matrix") || p.array_size("matrix") != entries) p.fail("matrix", fmt::format("expected {} functions: {}", entries, doc));
  std::vector<FunctionPtr> matrix;
  for (int k = 0; k < entries; ++k) matrix.push_back(read_function(p.element("matrix", k, doc), "", doc, dim));
  return make_anisotropic(dim, std::move(matrix), splitting);
}

}  // namespace wasserflow
