#pragma once
/// Reactions between species: rates r(u, x, t) of u_t = ... + r and their Jacobian, row by row.
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "grids/slab_layout.hpp"
#include "grids/support/parameters.hpp"

namespace wasserflow {

/// Rates of `species()` species. Thread-compatible, not collective; outputs do not overlap inputs.
class Reaction {
 public:
  virtual ~Reaction() = default;
  virtual std::vector<std::string> species() const = 0;  ///< names, in the order of all arrays here
  /// rate[s][i] = r_s(u_0[i], u_1[i], ..., x_i, t), i < p.n. Null entries of `rate` are not wanted.
  virtual void rates(const RowPoints& p, const double* const* u, double* const* rate) const = 0;
  /// jacobian[s * S + q][i] = d r_s / d u_q.
  virtual void jacobian(const RowPoints& p, const double* const* u, double* const* jacobian) const = 0;
  virtual bool depends_on_time() const { return false; }
  /// A homogeneous state around which preconditioners linearise (a steady state where there is one): one value a species.
  virtual std::vector<double> base_state() const = 0;
};
using ReactionPtr = std::shared_ptr<const Reaction>;

/// Reads [reaction]: `type` one of reaction_types(), `species` and `rates` (one formula a species in the species' names, x, y, z, t and `constants`) for
/// type "formula". Derivatives of formulas are symbolic. Throws InputError at the key at fault.
ReactionPtr read_reaction(const Parameters& p, int dim);
/// Names in problem files with what they are: formula, schnakenberg, gray_scott, predator_prey, fitzhugh_nagumo, ...
const std::vector<std::pair<std::string, std::string>>& reaction_types();

}  // namespace wasserflow
