// H(x, p) = c(x) (sqrt(1 + |p|^2) - 1), c(x) = 1 + 3 exp(-4 |x - (1, 1)|^2): no closed form of its proximal map is needed, nor derivatives.
#include "problems/plugin.hpp"

struct MyHamiltonian {
  static constexpr int dim = 2;
  static constexpr int coefficients = 1;

  // What depends on the point only: once a grid point, not once an iteration.
  template <class Point, class T>
  static void tabulate(const Point& at, T* c) {
    const T dx = at.x - 1;
    const T dy = at.y - 1;
    c[0] = 1 + 3 * exp(-4 * (dx * dx + dy * dy));
  }

  template <class Point, class P>
  P operator()(const Point& at, const P* p) const {
    return at.c[0] * (sqrt(1 + p[0] * p[0] + p[1] * p[1]) - 1);
  }
};

extern "C" const wf_hamiltonian_v1* wf_plugin() { return wasserflow::plugin<MyHamiltonian>("my_hamiltonian"); }
