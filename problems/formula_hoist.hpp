#pragma once
/// Splits a formula into the part that depends on given variables and the quantities that do not.
#include <string>
#include <vector>

#include "problems/formula.hpp"

namespace wasserflow {

struct HoistedFormula {
  Formula formula;                  ///< in the variables and in names[k]
  std::vector<std::string> names;   ///< "wf_c0", "wf_c1", ...
  std::vector<Formula> quantities;  ///< what the names stand for: the largest parts without the variables
};

/// Each largest subformula that is neither a number nor depends on `variables` becomes a name.
HoistedFormula hoist(const Formula& formula, std::span<const std::string> variables);

}  // namespace wasserflow
