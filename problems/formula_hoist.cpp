#include "problems/formula_hoist.hpp"

#include <algorithm>
#include <map>

#include "problems/formula_node.hpp"

namespace wasserflow {

HoistedFormula hoist(const Formula& formula, std::span<const std::string> variables) {
  HoistedFormula result;
  std::map<NodePtr, bool> depends;
  std::map<NodePtr, NodePtr> replaced;
  const std::vector<Formula> outputs{formula};
  for (const NodePtr n : reachable(outputs)) {  // arguments come first
    bool d = n->op == Op::Variable && std::find(variables.begin(), variables.end(), n->name) != variables.end();
    for (int k = 0; k < n->arity(); ++k) d = d || depends[n->arg[static_cast<std::size_t>(k)]];
    depends[n] = d;
  }
  const auto walk = [&](const auto& self, NodePtr n) -> NodePtr {
    if (n->is_constant()) return n;
    if (const auto found = replaced.find(n); found != replaced.end()) return found->second;
    NodePtr r = n;
    if (!depends[n]) {
      result.names.push_back("wf_c" + std::to_string(result.names.size()));
      result.quantities.emplace_back(n);
      r = Formula::variable(result.names.back()).node();
    } else if (n->op == Op::IntegerPower) {
      r = make_integer_power(self(self, n->arg[0]), static_cast<int>(n->value));
    } else if (n->arity() > 0) {
      std::array<NodePtr, 3> arg{};
      for (std::size_t k = 0; k < static_cast<std::size_t>(n->arity()); ++k) arg[k] = self(self, n->arg[k]);
      r = make(n->op, arg[0], arg[1], arg[2]);
    }
    return replaced[n] = r;
  };
  result.formula = Formula(walk(walk, formula.node()));
  return result;
}

}  // namespace wasserflow
