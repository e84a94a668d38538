#pragma once
/// Hamiltonians given as formulas in x, y, z, t and px, py, pz.
#include "problems/formula.hpp"
#include "problems/hamiltonians/convex.hpp"

namespace wasserflow {

/// The law of a formula, interpreted: derivatives are symbolic, parts that depend on (x, t) only are tabulated.
LawPtr formula_law(const Formula& h, int dim);
/// type = "formula": keys H, constants, splitting, closed_form.
HamiltonianTerms read_formula_hamiltonian(const Parameters& p, int dim);

}  // namespace wasserflow
