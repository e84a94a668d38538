#include "problems/catalogue.hpp"

#include "problems/hamiltonians/builtin.hpp"

namespace wasserflow {

namespace {
Catalogue builtin() {
  Catalogue c;
  c.hamiltonians.add("quadratic", "H = sum_d a_d(x,t) p_d^2/2", read_quadratic);
  c.hamiltonians.add("one_homogeneous", "H = sum_d a_d(x,t) |p_d|", read_one_homogeneous);
  c.hamiltonians.add("norm", "H = c(x,t) |p| with the l1, l2 or l-infinity norm", read_norm);
  return c;
}
}  // namespace

Catalogue& catalogue() {
  static Catalogue c = builtin();
  return c;
}

}  // namespace wasserflow
