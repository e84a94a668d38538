#include "problems/hamiltonian.hpp"

#include "problems/catalogue.hpp"

namespace wasserflow {

HamiltonianTerms read_hamiltonian(const Parameters& p, int dim) {
  HamiltonianTerms terms;
  const std::string type = p.text("type", "Name of the Hamiltonian H(x, t, p), convex in p", "quadratic");
  terms.kinetic = catalogue().hamiltonians.find(p, "type", type).make(p, dim);
  if (p.has("drift")) terms.drift = read_functions(p, "drift", "Drift b(x,t), one function an axis: H += b . p", dim);
  if (terms.drift.size() == 1) terms.drift.resize(static_cast<std::size_t>(dim), terms.drift[0]);
  if (p.has("potential")) terms.potential = read_function(p, "potential", "Potential f(x,t): H += f", dim);
  return terms;
}

}  // namespace wasserflow
