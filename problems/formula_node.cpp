#include "problems/formula_node.hpp"

#include <bit>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <numbers>
#include <tuple>
#include <unordered_map>

namespace wasserflow {

NodePtr intern(Op op, NodePtr a, NodePtr b, NodePtr c, double value, const std::string& name) {
  using Key = std::tuple<Op, std::uint64_t, std::string, NodePtr, NodePtr, NodePtr>;
  static std::mutex mutex;
  static std::map<Key, std::unique_ptr<const FormulaNode>> table;
  const double canonical = value == 0 ? 0.0 : value;  // one node for 0 and -0
  const std::lock_guard lock(mutex);
  std::unique_ptr<const FormulaNode>& slot = table[Key{op, std::bit_cast<std::uint64_t>(canonical), name, a, b, c}];
  if (!slot) slot = std::make_unique<const FormulaNode>(FormulaNode{op, static_cast<int>(table.size()), canonical, name, {a, b, c}});
  return slot.get();
}

NodePtr make_number(double value) { return intern(Op::Constant, nullptr, nullptr, nullptr, value); }

double apply(Op op, double a, double b, double c) {
  if (op == Op::IntegerPower) return std::pow(a, b);
  double result = 0;
  visit_operation(op, [&](auto f, auto) {
    if constexpr (std::is_invocable_v<decltype(f), double>)
      result = f(a);
    else if constexpr (std::is_invocable_v<decltype(f), double, double>)
      result = f(a, b);
    else
      result = f(a, b, c);
  });
  return result;
}

namespace {

/// Node as factor * rest with a number in front.
struct Scaled {
  double factor;
  NodePtr rest;
};

Scaled split_factor(NodePtr a) {
  if (a->op == Op::Negate) return {-1, a->arg[0]};
  if (a->op == Op::Multiply && a->arg[0]->is_constant()) return {a->arg[0]->value, a->arg[1]};
  return {1, a};
}

NodePtr scale(double factor, NodePtr a) {
  if (a->is_constant()) return make_number(factor * a->value);
  const Scaled s = split_factor(a);
  factor *= s.factor;
  if (factor == 0) return make_number(0);
  if (factor == 1) return s.rest;
  if (factor == -1) return s.rest->op == Op::Subtract ? intern(Op::Subtract, s.rest->arg[1], s.rest->arg[0]) : intern(Op::Negate, s.rest);
  return intern(Op::Multiply, make_number(factor), s.rest);
}

/// Numbers first, then by age: a + b and b + a become one node.
NodePtr intern_commutative(Op op, NodePtr a, NodePtr b) {
  if (b->is_constant() || (!a->is_constant() && b->id < a->id)) std::swap(a, b);
  return intern(op, a, b);
}

NodePtr make_sum(NodePtr a, NodePtr b) {
  if (b->is_constant()) std::swap(a, b);
  if (a->is_constant(0)) return b;
  if (a->is_constant() && b->op == Op::Add && b->arg[0]->is_constant()) return make_sum(make_number(a->value + b->arg[0]->value), b->arg[1]);
  const Scaled sa = split_factor(a), sb = split_factor(b);
  if (sa.rest == sb.rest) return scale(sa.factor + sb.factor, sa.rest);
  if (b->op == Op::Negate) return make(Op::Subtract, a, b->arg[0]);
  if (a->op == Op::Negate) return make(Op::Subtract, b, a->arg[0]);
  return intern_commutative(Op::Add, a, b);
}

NodePtr make_difference(NodePtr a, NodePtr b) {
  if (a->is_constant(0)) return scale(-1, b);
  if (b->is_constant()) return make_sum(make_number(-b->value), a);
  const Scaled sa = split_factor(a), sb = split_factor(b);
  if (sa.rest == sb.rest) return scale(sa.factor - sb.factor, sa.rest);
  if (b->op == Op::Negate) return make_sum(a, b->arg[0]);
  return intern(Op::Subtract, a, b);
}

NodePtr make_product(NodePtr a, NodePtr b) {
  if (b->is_constant()) std::swap(a, b);
  if (a->is_constant()) return scale(a->value, b);
  const Scaled sa = split_factor(a), sb = split_factor(b);
  if (sa.rest != a || sb.rest != b) return scale(sa.factor * sb.factor, make_product(sa.rest, sb.rest));
  // Powers of one base; of equal sign only, so that x / x keeps its gap at 0.
  const auto base = [](NodePtr n) { return n->op == Op::IntegerPower ? n->arg[0] : n; };
  const auto exponent = [](NodePtr n) { return n->op == Op::IntegerPower ? n->value : 1.0; };
  if (base(a) == base(b) && (exponent(a) > 0) == (exponent(b) > 0)) return make_integer_power(base(a), static_cast<int>(exponent(a) + exponent(b)));
  return intern_commutative(Op::Multiply, a, b);
}

NodePtr make_quotient(NodePtr a, NodePtr b) {
  if (a->is_constant(0)) return a;
  if (b->is_constant()) {
    int exponent = 0;
    const bool exact = std::fabs(std::frexp(b->value, &exponent)) == 0.5 && std::abs(exponent) < 1000;  // the inverse of a power of two is exact
    if (exact) return scale(1 / b->value, a);
    if (b->value == 0) return intern(Op::Divide, a, b);
    const Scaled s = split_factor(a);
    if (s.rest != a) return scale(s.factor / b->value, s.rest);
    return intern(Op::Divide, a, b);
  }
  const Scaled s = split_factor(a);
  if (s.rest == b) return make_number(s.factor);
  if (s.rest != a) return scale(s.factor, make_quotient(s.rest, b));
  if (b->op == Op::Negate) return scale(-1, make_quotient(a, b->arg[0]));
  return intern(Op::Divide, a, b);
}

NodePtr make_power(NodePtr a, NodePtr b) {
  if (a->is_constant(1)) return a;
  if (a->is_constant(std::numbers::e)) return make(Op::Exp, b);
  if (!b->is_constant()) return intern(Op::Power, a, b);
  constexpr double largest = 64;  // beyond that the library's pow is the shorter way
  const double q = b->value, whole = std::floor(q);
  if (q == whole && std::fabs(q) <= largest) return make_integer_power(a, static_cast<int>(q));
  if (q == -0.5) return make_quotient(make_number(1), make(Op::Sqrt, a));
  if (q - whole == 0.5 && std::fabs(q) <= 8) return make_product(make_integer_power(a, static_cast<int>(whole)), make(Op::Sqrt, a));
  return intern(Op::Power, a, b);
}

bool never_negative(NodePtr a) {
  switch (a->op) {
    case Op::Constant:
      return a->value >= 0;
    case Op::IntegerPower:
      return std::fmod(a->value, 2) == 0;
    case Op::Abs:
    case Op::Sqrt:
    case Op::Exp:
    case Op::Cosh:
    case Op::Heaviside:
    case Op::Less:
    case Op::LessEqual:
    case Op::Equal:
    case Op::NotEqual:
      return true;
    default:
      return false;
  }
}

NodePtr make_unary(Op op, NodePtr a) {
  switch (op) {
    case Op::Negate:
      return scale(-1, a);
    case Op::Abs:
      if (never_negative(a)) return a;
      if (a->op == Op::Negate) a = a->arg[0];
      break;
    case Op::Sqrt:
      if (a->op == Op::IntegerPower && a->value == 2) return make(Op::Abs, a->arg[0]);
      break;
    default:
      break;
  }
  return intern(op, a);
}

}  // namespace

NodePtr make_integer_power(NodePtr base, int exponent) {
  if (exponent == 0) return make_number(1);
  if (exponent == 1) return base;
  if (base->is_constant()) return make_number(std::pow(base->value, exponent));
  const bool even = exponent % 2 == 0;
  if (base->op == Op::IntegerPower && std::fabs(base->value * exponent) <= 64)
    return make_integer_power(base->arg[0], static_cast<int>(base->value) * exponent);
  if (even && (base->op == Op::Negate || base->op == Op::Abs)) return make_integer_power(base->arg[0], exponent);
  if (!even && base->op == Op::Negate) return scale(-1, make_integer_power(base->arg[0], exponent));
  if (exponent == 2 && base->op == Op::Sqrt) return base->arg[0];
  return intern(Op::IntegerPower, base, nullptr, nullptr, exponent);
}

NodePtr make(Op op, NodePtr a, NodePtr b, NodePtr c) {
  if (a->is_constant() && (!b || b->is_constant()) && (!c || c->is_constant()))
    return make_number(apply(op, a->value, b ? b->value : 0, c ? c->value : 0));
  switch (op) {
    case Op::Add:
      return make_sum(a, b);
    case Op::Subtract:
      return make_difference(a, b);
    case Op::Multiply:
      return make_product(a, b);
    case Op::Divide:
      return make_quotient(a, b);
    case Op::Power:
      return make_power(a, b);
    case Op::Min:
    case Op::Max:
      return a == b ? a : intern_commutative(op, a, b);
    case Op::Less:
    case Op::NotEqual:
      return a == b ? make_number(0) : intern(op, a, b);
    case Op::LessEqual:
    case Op::Equal:
      return a == b ? make_number(1) : intern(op, a, b);
    case Op::Atan2:
    case Op::Mod:
      return intern(op, a, b);
    case Op::If:
      if (a->is_constant()) return a->value != 0 ? b : c;
      return b == c ? b : intern(op, a, b, c);
    default:
      return make_unary(op, a);
  }
}

std::vector<NodePtr> reachable(std::span<const Formula> outputs) {
  std::vector<NodePtr> order;
  std::unordered_map<NodePtr, bool> done;  // false: waits for its arguments
  std::vector<NodePtr> stack;
  for (const Formula& f : outputs) {
    stack.push_back(f.node());
    while (!stack.empty()) {
      const NodePtr n = stack.back();
      const auto [entry, first] = done.try_emplace(n, false);
      if (first) {
        for (int i = n->arity() - 1; i >= 0; --i)
          if (const NodePtr a = n->arg[static_cast<std::size_t>(i)]; !done.contains(a) || !done[a]) stack.push_back(a);
        continue;
      }
      stack.pop_back();
      if (!done[n]) {
        done[n] = true;
        order.push_back(n);
      }
    }
  }
  return order;
}

std::vector<Formula> expand_powers(std::span<const Formula> outputs) {
  std::unordered_map<NodePtr, NodePtr> expanded;
  const auto power = [](auto self, NodePtr x, int n) -> NodePtr {
    if (n == 1) return x;
    if (n % 2 == 1) return intern(Op::Multiply, self(self, x, n - 1), x);
    const NodePtr half = self(self, x, n / 2);
    return intern(Op::Multiply, half, half);
  };
  for (const NodePtr n : reachable(outputs)) {
    if (n->arity() == 0) {
      expanded[n] = n;
    } else if (n->op == Op::IntegerPower) {
      const int exponent = static_cast<int>(n->value);
      const NodePtr p = power(power, expanded[n->arg[0]], std::abs(exponent));
      expanded[n] = exponent > 0 ? p : intern(Op::Divide, make_number(1), p);
    } else {
      const auto of = [&](std::size_t i) { return static_cast<int>(i) < n->arity() ? expanded[n->arg[i]] : nullptr; };
      expanded[n] = intern(n->op, of(0), of(1), of(2));
    }
  }
  std::vector<Formula> result;
  for (const Formula& f : outputs) result.emplace_back(expanded[f.node()]);
  return result;
}

}  // namespace wasserflow
