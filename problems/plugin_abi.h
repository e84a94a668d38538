/* The binary interface between Wasserflow and Hamiltonians in shared libraries. Plain C, so that any compiler and language can provide one; C++ users
 * write a struct instead (problems/plugin.hpp). A library exports
 *
 *   const struct wf_hamiltonian_v1* wf_plugin(void);
 *
 * Functions work on rows of n points: x is an array, y, z, t are the same for all of them; c[k], p[d], h, g[d], hess[k] are arrays of n doubles that do
 * not overlap. They may be called from several threads and must not keep state. */
#ifndef WASSERFLOW_PLUGIN_ABI_H
#define WASSERFLOW_PLUGIN_ABI_H

#ifdef __cplusplus
extern "C" {
#endif

enum { wf_abi_version = 1 };

struct wf_hamiltonian_v1 {
  int abi;          /* wf_abi_version */
  int size;         /* sizeof(struct wf_hamiltonian_v1) */
  const char* name; /* shown in logs */
  int coefficients; /* how many quantities depend on (x, t) only; at most 12 */
  /* Fills c[0 .. coefficients-1]. Called once a time level; may be null without coefficients. */
  void (*tabulate)(int dim, int n, const double* x, double y, double z, double t, double* const* c);
  /* h = H(x, t, p), convex in p. g not null: also g[d] = dH/dp_d; hess not null: also the upper triangle of the Hessian row by row (xx, xy, yy;
   * xx, xy, xz, yy, yz, zz). axis >= 0: derivatives by p[axis] only, in g[0] and hess[0]. At kinks the derivative of smallest size.
   * Returns 0, or 1 when H is not defined in this dimension (asked with n = 0). */
  int (*evaluate)(int dim, int n, const double* x, double y, double z, double t, const double* const* c, const double* const* p, double* h,
                  double* const* g, double* const* hess, int axis);
};

#ifdef __cplusplus
}
#endif
#endif
