#pragma once
/// Reaction-diffusion and phase-field equations as terms: what is solved, not how.
///
///   u_s,t = -G_s ( a_s L_s u_s + b_s W_s'(u_s) ) + r_s(u, x, t),      s = 1 ... S,
///
/// with G, L products of -Laplacian, -div(sigma(x) grad) and, in G, -div(M(u) grad); an empty product is the identity.
///   Allen-Cahn                  G = 1,  L = -div(sigma grad)
///   Cahn-Hilliard               G = -div(M(u) grad),  L = -div(sigma grad)
///   reaction-diffusion systems  G = 1,  L = -div(sigma grad),  a = diffusivity,  no W
///   functionalised (sixth order)  u_t = Lap mu,  mu = (eps^2 Lap - W''(u) + eta) v,  v = eps^2 Lap u - W'(u)
/// Sources: Liu, Liu, Osher, Li arXiv:2305.03945; Liu, Zuo, Osher, Li arXiv:2401.14602; Gavish, Hayrapetyan, Promislow, Yang 2011 (functionalised).
#include <string>
#include <vector>

#include "grids/grid.hpp"
#include "grids/spectral_transform.hpp"
#include "problems/function.hpp"
#include "problems/potential.hpp"
#include "problems/reaction.hpp"

namespace wasserflow {

/// M(u) inside the divergence of G: values and derivative. M >= 0.
class Mobility {
 public:
  virtual ~Mobility() = default;
  virtual void value(int n, const double* u, double* m) const = 0;
  virtual void derivative(int n, const double* u, double* dm) const = 0;
  virtual double mean() const = 0;  ///< a constant that stands for M in preconditioners, > 0
};
using MobilityPtr = std::shared_ptr<const Mobility>;

/// -div(c grad) with c = sigma(x), M(u) of the same species, or 1 (both null).
struct DiffusionFactor {
  FunctionPtr sigma;
  MobilityPtr mobility;
};

struct SpeciesTerms {
  std::string name = "u";
  std::vector<DiffusionFactor> G, L;  ///< products; the last factor acts first
  double a = 1;
  double b = 0;
  PotentialPtr potential;  ///< null: no W
};

struct ReactionDiffusionEquation {
  std::string type;
  std::vector<SpeciesTerms> species;
  ReactionPtr reaction;  ///< null: none
  /// Functionalised Cahn-Hilliard: one species whose G, L, a, b are not used.
  bool functionalised = false;
  double eps = 0, eta = 0;  ///< width of the interface; eta: weight of the functional term (eps^2 in the published example)
  /// How -Laplacian acts: second-order differences or exact symbols (spectral; every coefficient must then be constant).
  SymbolKind space = SymbolKind::Difference;
};

/// Reads [equation] and [reaction]. equation.type: allen_cahn, cahn_hilliard, functionalised_cahn_hilliard, reaction_diffusion, gradient_flow
/// (G and L as lists of "laplacian" and { sigma = ... } / { mobility = ... }); keys a, b, sigma, mobility, potential, eps, eta, diffusion (one number a
/// species), discretization ("difference", "spectral"). Throws InputError at the key at fault.
ReactionDiffusionEquation read_reaction_diffusion(const Parameters& root, const Grid& grid);
const std::vector<std::pair<std::string, std::string>>& reaction_diffusion_types();

}  // namespace wasserflow
