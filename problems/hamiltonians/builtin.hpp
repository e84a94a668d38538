#pragma once
/// The closed-form Hamiltonians, from functions and from [hamiltonian].
#include "problems/hamiltonian.hpp"

namespace wasserflow {

/// H = sum_d a_d(x, t) p_d^2 / 2. `a`: one function for all axes, or one an axis; a >= 0.
HamiltonianPtr make_quadratic(int dim, std::vector<FunctionPtr> a);
/// H = sum_d c_d(x, t) |p_d|. `c`: one function for all axes, or one an axis; c >= 0.
HamiltonianPtr make_norm_l1(int dim, std::vector<FunctionPtr> c);
/// H = c(x, t) |p|_2.
HamiltonianPtr make_norm_l2(int dim, FunctionPtr c);
/// H = c(x, t) max_d |p_d|.
HamiltonianPtr make_norm_linf(int dim, FunctionPtr c);

HamiltonianPtr read_quadratic(const Parameters& p, int dim);
HamiltonianPtr read_norm(const Parameters& p, int dim);
HamiltonianPtr read_one_homogeneous(const Parameters& p, int dim);

}  // namespace wasserflow
