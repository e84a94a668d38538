#pragma once
/// Hamiltonians given as formulas in x, y, z, t and px, py, pz.
#include "problems/formula.hpp"
#include "problems/hamiltonians/convex.hpp"

namespace wasserflow {

/// The law of a formula, interpreted: derivatives are symbolic, parts that depend on (x, t) only are tabulated.
LawPtr formula_law(const Formula& h, int dim);
/// The same law as the C++ source of a plugin (problems/plugin_abi.h).
std::string formula_source(const Formula& h, int dim);
/// type = "formula": keys H, constants, compile, splitting, closed_form.
/// @note Collective over MPI_COMM_WORLD (a formula may be compiled).
HamiltonianTerms read_formula_hamiltonian(const Parameters& p, int dim);

}  // namespace wasserflow
