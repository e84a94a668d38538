#pragma once
/// The closed-form Hamiltonians, from functions and from [hamiltonian].
#include "problems/hamiltonian.hpp"

namespace wasserflow {

/// H = sum_d a_d(x, t) p_d^2 / 2. `a`: one function for all axes, or one an axis; a >= 0.
HamiltonianPtr make_quadratic(int dim, std::vector<FunctionPtr> a);
/// H = p^T A(x, t) p / 2. `matrix`: the upper triangle of A row by row, A positive semidefinite. Lax-Friedrichs form unless A is diagonal (entries
/// that are the constant 0) and upwinding is asked for.
HamiltonianPtr make_anisotropic(int dim, std::vector<FunctionPtr> matrix, Splitting splitting = Splitting::Upwind);
/// H = sum_d c_d(x, t) |p_d|. `c`: one function for all axes, or one an axis; c >= 0.
HamiltonianPtr make_norm_l1(int dim, std::vector<FunctionPtr> c, Splitting splitting = Splitting::Upwind);
/// H = c(x, t) |p|_2.
HamiltonianPtr make_norm_l2(int dim, FunctionPtr c, Splitting splitting = Splitting::Upwind);
/// H = c(x, t) max_d |p_d|.
HamiltonianPtr make_norm_linf(int dim, FunctionPtr c, Splitting splitting = Splitting::Upwind);

/// H = a(x, t) |p|_2^q / q with q > 1, by upwind sides.
HamiltonianPtr make_power(int dim, FunctionPtr a, double q);

/// Key `splitting`: "auto" and "upwind" are upwind sides here, "lax_friedrichs" central slopes with artificial viscosity.
Splitting read_splitting(const Parameters& p);
HamiltonianPtr read_quadratic(const Parameters& p, int dim);
HamiltonianPtr read_anisotropic(const Parameters& p, int dim);
HamiltonianPtr read_power(const Parameters& p, int dim);
HamiltonianPtr read_norm(const Parameters& p, int dim);
HamiltonianPtr read_one_homogeneous(const Parameters& p, int dim);

}  // namespace wasserflow
