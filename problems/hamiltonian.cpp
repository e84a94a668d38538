#include "problems/hamiltonian.hpp"

#include "problems/catalogue.hpp"

namespace wasserflow {

HamiltonianTerms read_hamiltonian(const Parameters& p, int dim) {
  const std::string type = p.text("type", "Name of the Hamiltonian H(x, t, p), convex in p", "quadratic");
  HamiltonianTerms terms = catalogue().hamiltonians.find(p, "type", type).make(p, dim);
  if (p.has("drift")) {
    const std::vector<FunctionPtr> drift = read_functions(p, "drift", "Drift b(x,t), one function an axis: H += b . p", dim);
    for (std::size_t d = 0; d < drift.size(); ++d)
      if (terms.drift.size() <= d)
        terms.drift.push_back(drift[d]);
      else
        terms.drift[d] = make_sum({terms.drift[d], drift[d]});
  }
  if (p.has("potential")) {
    const FunctionPtr potential = read_function(p, "potential", "Potential f(x,t): H += f", dim);
    terms.potential = terms.potential ? make_sum({terms.potential, potential}) : potential;
  }
  return terms;
}

}  // namespace wasserflow
