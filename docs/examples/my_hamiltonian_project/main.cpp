// The app wf-hamilton-jacobi with one Hamiltonian more, H(x, p) = c(x) sqrt(1 + |p|^2).
#include "apps/run/hamilton_jacobi.hpp"
#include "problems/catalogue.hpp"

// Derivatives in p come from the type P, several points at a time from the type of c.
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

int main(int argc, char** argv) {
  wasserflow::add_hamiltonian<Relativistic>("relativistic", "H = c(x) sqrt(1 + |p|^2)");
  return wasserflow::hamilton_jacobi_main(argc, argv);
}
