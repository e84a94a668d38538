#include "problems/transport_cost.hpp"

namespace wasserflow {

TransportTerms read_transport_terms(const Parameters& root, int dim) {
  TransportTerms terms;
  terms.hamiltonian = read_hamiltonian(root.table("hamiltonian", "Hamiltonian H(x, t, p): its conjugate is the cost of moving"), dim);
  terms.running = read_coupling(root, "coupling", "Running cost F(x, t, rho) of the density; an array of tables adds up", dim);
  terms.terminal = read_coupling(root, "terminal", "Terminal cost G(x, rho) of the density; an array of tables adds up", dim);
  const Parameters mobility = root.table("mobility", "How the density may move: congestion, weights, obstacles");
  terms.mobility = read_mobility(mobility);
  if (mobility.has("weight"))
    terms.weight = read_function(mobility, "weight", "w(x,t) > 0: the kinetic cost counts w times; 1e100 or more blocks", dim);
  if (mobility.has("obstacle"))
    terms.obstacle = read_function(mobility, "obstacle", "Where this function of (x,t) is positive there is neither density nor flux", dim);
  terms.reaction = root.table("unbalanced", "Mass may be made and lost")
                       .real("penalty", "delta in the cost delta^2 z^2/(2 rho) of the rate z at which mass is made; 0: mass is conserved", 0.0,
                             Range::nonnegative());
  return terms;
}

TransportCost read_transport_cost(const Parameters& root, int dim, Splitting splitting) {
  TransportTerms terms = read_transport_terms(root, dim);
  try {
    return TransportCost(std::move(terms), dim, splitting);
  } catch (const InputError& e) {
    root.fail("hamiltonian", e.what());
  }
}

}  // namespace wasserflow
