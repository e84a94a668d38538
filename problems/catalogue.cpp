#include "problems/catalogue.hpp"

#include "problems/hamiltonians/builtin.hpp"
#include "problems/hamiltonians/formula.hpp"
#include "problems/plugin_library.hpp"

namespace wasserflow {

namespace {
/// A closed form has neither drift nor potential of its own.
HamiltonianFactory closed(HamiltonianPtr (*read)(const Parameters&, int)) {
  return [read](const Parameters& p, int dim) {
    HamiltonianTerms terms;
    terms.kinetic = read(p, dim);
    return terms;
  };
}

Catalogue builtin() {
  Catalogue c;
  c.hamiltonians.add("quadratic", "H = sum_d a_d(x,t) p_d^2/2", closed(read_quadratic));
  c.hamiltonians.add("anisotropic", "H = p^T A(x,t) p/2 with a symmetric matrix A", closed(read_anisotropic));
  c.hamiltonians.add("power", "H = a(x,t) |p|^q/q with q > 1", closed(read_power));
  c.hamiltonians.add("one_homogeneous", "H = sum_d a_d(x,t) |p_d|", closed(read_one_homogeneous));
  c.hamiltonians.add("norm", "H = c(x,t) |p| with the l1, l2 or l-infinity norm", closed(read_norm));
  c.hamiltonians.add("formula", "H as a formula in x, y, z, t, px, py, pz", read_formula_hamiltonian);
  c.hamiltonians.add("plugin", "H from a C++ file, compiled and cached, or from a shared library", read_plugin_hamiltonian);
  return c;
}
}  // namespace

Catalogue& catalogue() {
  static Catalogue c = builtin();
  return c;
}

}  // namespace wasserflow
