#include "problems/formula.hpp"

#include <algorithm>
#include <charconv>
#include <unordered_map>

#include "problems/formula_node.hpp"

namespace wasserflow {

Formula::Formula(double value) : node_(make_number(value)) {}

Formula Formula::variable(const std::string& name) { return Formula(intern(Op::Variable, nullptr, nullptr, nullptr, 0, name)); }

Formula operator+(const Formula& a, const Formula& b) { return Formula(make(Op::Add, a.node_, b.node_)); }
Formula operator-(const Formula& a, const Formula& b) { return Formula(make(Op::Subtract, a.node_, b.node_)); }
Formula operator*(const Formula& a, const Formula& b) { return Formula(make(Op::Multiply, a.node_, b.node_)); }
Formula operator/(const Formula& a, const Formula& b) { return Formula(make(Op::Divide, a.node_, b.node_)); }
Formula operator-(const Formula& a) { return Formula(make(Op::Negate, a.node_)); }
Formula pow(const Formula& a, const Formula& b) { return Formula(make(Op::Power, a.node_, b.node_)); }

namespace {

Formula select(const Formula& condition, const Formula& then, const Formula& otherwise) {
  return Formula(make(Op::If, condition.node(), then.node(), otherwise.node()));
}

Formula call(Op op, const Formula& a) { return Formula(make(op, a.node())); }
Formula call(Op op, const Formula& a, const Formula& b) { return Formula(make(op, a.node(), b.node())); }

/// 0 where u = 0, f elsewhere.
Formula unless_zero(const Formula& u, const Formula& f) { return select(call(Op::Equal, u, 0), 0, f); }

/// Derivative of node n = op(a, b, c) from those of its arguments.
Formula differentiate(NodePtr n, const Formula& a, const Formula& b, const Formula& c, const Formula& da, const Formula& db, const Formula& dc) {
  const Formula self(n);
  switch (n->op) {
    case Op::Constant:
    case Op::Variable:
    case Op::Sign:
    case Op::Floor:
    case Op::Heaviside:
    case Op::Less:
    case Op::LessEqual:
    case Op::Equal:
    case Op::NotEqual:
      return 0;
    case Op::Negate:
      return -da;
    case Op::Sin:
      return call(Op::Cos, a) * da;
    case Op::Cos:
      return -(call(Op::Sin, a) * da);
    case Op::Tan:
      return (1 + self * self) * da;
    case Op::Asin:
      return da / call(Op::Sqrt, 1 - a * a);
    case Op::Acos:
      return -(da / call(Op::Sqrt, 1 - a * a));
    case Op::Atan:
      return da / (1 + a * a);
    case Op::Sinh:
      return call(Op::Cosh, a) * da;
    case Op::Cosh:
      return call(Op::Sinh, a) * da;
    case Op::Tanh:
      return (1 - self * self) * da;
    case Op::Exp:
      return self * da;
    case Op::Log:
      return da / a;
    case Op::Sqrt:
      return da.is_zero() ? 0 : unless_zero(a, 0.5 / self) * da;
    case Op::Abs:
      return call(Op::Sign, a) * da;
    case Op::IntegerPower:
      return n->value * Formula(make_integer_power(a.node(), static_cast<int>(n->value) - 1)) * da;
    case Op::Add:
      return da + db;
    case Op::Subtract:
      return da - db;
    case Op::Multiply:
      return da * b + a * db;
    case Op::Divide:
      return db.is_zero() ? da / b : (da - self * db) / b;
    case Op::Power:
      if (db.is_zero()) {
        if (da.is_zero()) return 0;
        const Formula factor = b * pow(a, b - 1);
        const std::optional<double> q = b.constant();
        return (q && *q > 0 && *q < 1 ? unless_zero(a, factor) : factor) * da;
      }
      if (da.is_zero()) return self * call(Op::Log, a) * db;
      return self * (db * call(Op::Log, a) + b * da / a);
    case Op::Atan2:
      return (b * da - a * db) / (a * a + b * b);
    case Op::Min:
      return select(call(Op::LessEqual, a, b), da, db);
    case Op::Max:
      return select(call(Op::LessEqual, b, a), da, db);
    case Op::Mod:
      return da - call(Op::Floor, a / b) * db;
    case Op::If:
      return select(a, db, dc);
  }
  (void)c;
  return 0;
}

}  // namespace

Formula Formula::derivative(const std::string& variable) const {
  std::unordered_map<NodePtr, Formula> d;
  d.try_emplace(nullptr, 0.0);
  const Formula x = Formula::variable(variable);
  for (const NodePtr n : reachable({this, 1})) {
    const auto of = [&](std::size_t i) { return n->arg[i] ? Formula(n->arg[i]) : Formula(); };
    const auto result = n == x.node() ? Formula(1) : differentiate(n, of(0), of(1), of(2), d[n->arg[0]], d[n->arg[1]], d[n->arg[2]]);
    d.try_emplace(n, result);
  }
  return d[node_];
}

Formula Formula::substitute(const std::string& variable, const Formula& by) const {
  std::unordered_map<NodePtr, NodePtr> image;
  const Formula x = Formula::variable(variable);
  for (const NodePtr n : reachable({this, 1})) {
    if (n->arity() == 0)
      image[n] = n == x.node() ? by.node() : n;
    else if (n->op == Op::IntegerPower)
      image[n] = make_integer_power(image[n->arg[0]], static_cast<int>(n->value));
    else
      image[n] = make(n->op, image[n->arg[0]], n->arg[1] ? image[n->arg[1]] : nullptr, n->arg[2] ? image[n->arg[2]] : nullptr);
  }
  return Formula(image[node_]);
}

bool Formula::depends_on(const std::string& variable) const {
  const std::vector<std::string> names = variables();
  return std::find(names.begin(), names.end(), variable) != names.end();
}

std::vector<std::string> Formula::variables() const {
  std::vector<std::string> names;
  for (const NodePtr n : reachable({this, 1}))
    if (n->op == Op::Variable) names.push_back(n->name);
  std::sort(names.begin(), names.end());
  return names;
}

std::optional<double> Formula::constant() const {
  if (!node_->is_constant()) return {};
  return node_->value;
}

double Formula::value(const NamedConstants& variables) const {
  std::unordered_map<NodePtr, double> v;
  v[nullptr] = 0;
  for (const NodePtr n : reachable({this, 1})) {
    if (n->op == Op::Variable) {
      const auto found = std::find_if(variables.begin(), variables.end(), [&](const auto& pair) { return pair.first == n->name; });
      if (found == variables.end()) throw InternalError("formula " + text() + " needs a value of '" + n->name + "'");
      v[n] = found->second;
    } else if (n->is_constant()) {
      v[n] = n->value;
    } else {
      v[n] = apply(n->op, v[n->arg[0]], n->op == Op::IntegerPower ? n->value : v[n->arg[1]], v[n->arg[2]]);
    }
  }
  return v[node_];
}

}  // namespace wasserflow
