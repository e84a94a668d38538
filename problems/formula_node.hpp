#pragma once
/// Nodes of formulas; for the files problems/formula_*.cpp only.
#include <array>
#include <cmath>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "problems/formula.hpp"

namespace wasserflow {

enum class Op : int {
  Constant,
  Variable,  // leaves
  Negate,
  Sin,
  Cos,
  Tan,
  Asin,
  Acos,
  Atan,
  Sinh,
  Cosh,
  Tanh,
  Exp,
  Log,
  Sqrt,
  Abs,  // one argument
  Sign,
  Floor,
  Heaviside,
  IntegerPower,
  Add,
  Subtract,
  Multiply,
  Divide,
  Power,
  Atan2,
  Min,
  Max,
  Mod,  // two arguments
  Less,
  LessEqual,
  Equal,
  NotEqual,
  If  // three arguments
};

/// Interned: equal nodes are one object. Arguments always have smaller ids than the node.
struct FormulaNode {
  Op op;
  int id;
  double value;      ///< of a constant; the exponent of an integer power
  std::string name;  ///< of a variable
  std::array<const FormulaNode*, 3> arg;

  bool is_constant() const { return op == Op::Constant; }
  bool is_constant(double x) const { return op == Op::Constant && value == x; }
  int arity() const { return op < Op::Negate ? 0 : op < Op::Add ? 1 : op < Op::If ? 2 : 3; }
};

using NodePtr = const FormulaNode*;

/// The node as it stands, without simplification. For IntegerPower `value` is the exponent.
NodePtr intern(Op op, NodePtr a = nullptr, NodePtr b = nullptr, NodePtr c = nullptr, double value = 0, const std::string& name = {});
/// Simplified: constants folded, neutral elements dropped, arguments of commutative operations in a fixed order.
NodePtr make(Op op, NodePtr a, NodePtr b = nullptr, NodePtr c = nullptr);
NodePtr make_number(double value);
NodePtr make_integer_power(NodePtr base, int exponent);

/// All nodes that the outputs depend on, arguments before their users, in the order of a depth-first walk.
std::vector<NodePtr> reachable(std::span<const Formula> outputs);
/// The outputs with integer powers written as products and nothing simplified: what is evaluated and emitted.
std::vector<Formula> expand_powers(std::span<const Formula> outputs);

/// Value of an operation at numbers. For IntegerPower b is the exponent.
double apply(Op op, double a, double b, double c);

/// Calls visit(f, library) with the pointwise function of the operation: one, two or three doubles to a double; `library` is std::true_type for
/// functions of the mathematical library. The only place where operations get their meaning. IntegerPower is handled by the caller.
template <class Visit>
void visit_operation(Op op, Visit&& visit) {
  constexpr std::false_type plain;
  constexpr std::true_type library;
  switch (op) {
    case Op::Negate:
      return visit([](double a) { return -a; }, plain);
    case Op::Sin:
      return visit([](double a) { return std::sin(a); }, library);
    case Op::Cos:
      return visit([](double a) { return std::cos(a); }, library);
    case Op::Tan:
      return visit([](double a) { return std::tan(a); }, library);
    case Op::Asin:
      return visit([](double a) { return std::asin(a); }, library);
    case Op::Acos:
      return visit([](double a) { return std::acos(a); }, library);
    case Op::Atan:
      return visit([](double a) { return std::atan(a); }, library);
    case Op::Sinh:
      return visit([](double a) { return std::sinh(a); }, library);
    case Op::Cosh:
      return visit([](double a) { return std::cosh(a); }, library);
    case Op::Tanh:
      return visit([](double a) { return std::tanh(a); }, library);
    case Op::Exp:
      return visit([](double a) { return std::exp(a); }, library);
    case Op::Log:
      return visit([](double a) { return std::log(a); }, library);
    case Op::Sqrt:
      return visit([](double a) { return std::sqrt(a); }, plain);
    case Op::Abs:
      return visit([](double a) { return std::fabs(a); }, plain);
    case Op::Sign:
      return visit([](double a) { return (a > 0 ? 1.0 : 0.0) - (a < 0 ? 1.0 : 0.0); }, plain);
    case Op::Floor:
      return visit([](double a) { return std::floor(a); }, plain);
    case Op::Heaviside:
      return visit([](double a) { return a >= 0 ? 1.0 : 0.0; }, plain);
    case Op::Add:
      return visit([](double a, double b) { return a + b; }, plain);
    case Op::Subtract:
      return visit([](double a, double b) { return a - b; }, plain);
    case Op::Multiply:
      return visit([](double a, double b) { return a * b; }, plain);
    case Op::Divide:
      return visit([](double a, double b) { return a / b; }, plain);
    case Op::Power:
      return visit([](double a, double b) { return std::pow(a, b); }, library);
    case Op::Atan2:
      return visit([](double a, double b) { return std::atan2(a, b); }, library);
    case Op::Min:
      return visit([](double a, double b) { return b < a ? b : a; }, plain);
    case Op::Max:
      return visit([](double a, double b) { return b > a ? b : a; }, plain);
    case Op::Mod:
      return visit([](double a, double b) { return a - b * std::floor(a / b); }, plain);
    case Op::Less:
      return visit([](double a, double b) { return a < b ? 1.0 : 0.0; }, plain);
    case Op::LessEqual:
      return visit([](double a, double b) { return a <= b ? 1.0 : 0.0; }, plain);
    case Op::Equal:
      return visit([](double a, double b) { return a == b ? 1.0 : 0.0; }, plain);
    case Op::NotEqual:
      return visit([](double a, double b) { return a != b ? 1.0 : 0.0; }, plain);
    case Op::If:
      return visit([](double a, double b, double c) { return a != 0 ? b : c; }, plain);
    case Op::Constant:
    case Op::Variable:
    case Op::IntegerPower:
      break;
  }
}

}  // namespace wasserflow
