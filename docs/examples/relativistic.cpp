// H(x, p) = c(x) sqrt(1 + |p|^2): a particle whose speed stays below c(x), as in special relativity.
#include "problems/plugin.hpp"

struct Relativistic {
  static constexpr int dim = 2;           // it is written for two dimensions
  static constexpr int coefficients = 1;  // c(x) is tabulated once, not computed in every sweep

  template <class Point, class T>
  static void tabulate(const Point& at, T* c) {
    c[0] = 1 + 0.5 * exp(-4 * (at.x - 1) * (at.x - 1));
  }

  template <class Point, class P>
  P operator()(const Point& at, const P* p) const {
    return at.c[0] * sqrt(1 + p[0] * p[0] + p[1] * p[1]);
  }
};

extern "C" const wf_hamiltonian_v1* wf_plugin() { return wasserflow::plugin<Relativistic>("relativistic"); }
