#pragma once
/// What problem files can name. Registration is explicit: the built-in entries stand in problems/catalogue.cpp; a program that links Wasserflow adds
/// its own before it reads a problem file.
#include <functional>

#include "problems/hamiltonians/convex.hpp"

namespace wasserflow {

/// Reads [hamiltonian] for a grid of dimension `dim`.
using HamiltonianFactory = std::function<HamiltonianTerms(const Parameters&, int dim)>;

struct Catalogue {
  Registry<HamiltonianFactory> hamiltonians{"Hamiltonian"};
};

/// The catalogue of this process.
Catalogue& catalogue();

/// Adds the Hamiltonian of a struct (see problems/law_rows.hpp) under a name that problem files can then use, in every dimension:
///   int main(int argc, char** argv) {
///     wasserflow::add_hamiltonian<MyHamiltonian>("mine", "H = ...");
///     return wasserflow::hamilton_jacobi_main(argc, argv);
///   }
template <class H>
void add_hamiltonian(const std::string& name, const std::string& doc) {
  catalogue().hamiltonians.add(name, doc, [name](const Parameters& p, int dim) {
    LawPtr law;
    unroll<3>([&](auto d) {
      if constexpr (law_has_dimension<H>(d + 1))
        if (dim == d + 1) law = std::make_shared<StructLaw<H, d + 1>>();
    });
    if (!law) p.fail("type", "the Hamiltonian '" + name + "' is not defined in dimension " + std::to_string(dim));
    return make_convex(name, law, dim, read_convex_options(p));
  });
}

}  // namespace wasserflow
