#pragma once
/// Hamiltonians from laws: any convex H known by its values and derivatives. What a law is (convex, a sum over axes, one of the closed forms) is
/// found out by sampling.
#include <cstdint>

#include "problems/convex_law.hpp"
#include "problems/hamiltonian.hpp"

namespace wasserflow {

struct ConvexOptions {
  std::string splitting = "auto";  ///< "auto", "upwind", "lax_friedrichs"
  bool recognise = true;           ///< solve quadratic forms, norms and powers by their closed forms
};

/// Keys `splitting` and `closed_form` of [hamiltonian].
ConvexOptions read_convex_options(const Parameters& p);

/// H = law. Where the law is a quadratic form p^T A p/2 + b.p + c, a weighted l1, l2 or l-infinity norm or a power c |p|^q, the result is that closed
/// form with coefficients taken from the law (b, c become drift and potential); checked at every grid point, InputError when it fails at one.
/// Otherwise the generic proximal map is used: by upwind sides when H is a sum over axes, else in Lax-Friedrichs form. A law that is not convex at
/// the samples gives a Hamiltonian with is_convex() false, which only explicit schemes take. Throws InputError when "upwind" is asked for and H
/// neither splits by axis nor is a norm or power.
HamiltonianTerms make_convex(const std::string& name, LawPtr law, int dim, const ConvexOptions& options = {});

}  // namespace wasserflow
