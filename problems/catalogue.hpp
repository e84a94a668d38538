#pragma once
/// What problem files can name. Registration is explicit: the built-in entries stand in problems/catalogue.cpp; a program that links Wasserflow adds
/// its own before it reads a problem file.
#include <functional>

#include "problems/hamiltonian.hpp"

namespace wasserflow {

using HamiltonianFactory = std::function<HamiltonianPtr(const Parameters&, int dim)>;

struct Catalogue {
  Registry<HamiltonianFactory> hamiltonians{"Hamiltonian"};
};

/// The catalogue of this process.
Catalogue& catalogue();

}  // namespace wasserflow
