#include <charconv>
#include <cmath>
#include <unordered_map>

#include "problems/formula_node.hpp"

namespace wasserflow {

namespace {

std::string number_text(double x) {
  char buffer[32];
  const auto result = std::to_chars(buffer, buffer + sizeof buffer, x);
  return {buffer, result.ptr};
}

/// Binding strength of what a node's text ends up as, weakest first.
enum class Strength { Comparison, Sum, Product, Sign, Power, Atom };

const char* function_name(Op op) {
  switch (op) {
    case Op::Sin:
      return "sin";
    case Op::Cos:
      return "cos";
    case Op::Tan:
      return "tan";
    case Op::Asin:
      return "asin";
    case Op::Acos:
      return "acos";
    case Op::Atan:
      return "atan";
    case Op::Sinh:
      return "sinh";
    case Op::Cosh:
      return "cosh";
    case Op::Tanh:
      return "tanh";
    case Op::Exp:
      return "exp";
    case Op::Log:
      return "log";
    case Op::Sqrt:
      return "sqrt";
    case Op::Abs:
      return "abs";
    case Op::Sign:
      return "sign";
    case Op::Floor:
      return "floor";
    case Op::Heaviside:
      return "heaviside";
    case Op::Power:
      return "pow";
    case Op::Atan2:
      return "atan2";
    case Op::Min:
      return "min";
    case Op::Max:
      return "max";
    case Op::Mod:
      return "mod";
    case Op::If:
      return "if";
    default:
      return "";
  }
}

const char* operator_text(Op op) {
  switch (op) {
    case Op::Add:
      return " + ";
    case Op::Subtract:
      return " - ";
    case Op::Multiply:
      return "*";
    case Op::Divide:
      return "/";
    case Op::Less:
      return " < ";
    case Op::LessEqual:
      return " <= ";
    case Op::Equal:
      return " == ";
    case Op::NotEqual:
      return " != ";
    default:
      return "";
  }
}

std::string formula_text(NodePtr n, Strength needed) {
  std::string s;
  Strength strength = Strength::Atom;
  const auto binary = [&](Strength own, Strength left, Strength right) {
    strength = own;
    s = formula_text(n->arg[0], left) + operator_text(n->op) + formula_text(n->arg[1], right);
  };
  switch (n->op) {
    case Op::Constant:
      s = number_text(n->value);
      if (n->value < 0) strength = Strength::Sign;
      break;
    case Op::Variable:
      s = n->name;
      break;
    case Op::Negate:
      strength = Strength::Sign;
      s = "-" + formula_text(n->arg[0], Strength::Sign);
      break;
    case Op::IntegerPower:
      strength = Strength::Power;
      s = formula_text(n->arg[0], Strength::Atom) + "^" + number_text(n->value);
      break;
    case Op::Add:
      if (n->arg[0]->is_constant()) {  // x + 1, x - 1 read better than 1 + x, -1 + x
        const double c = n->arg[0]->value;
        strength = Strength::Sum;
        s = formula_text(n->arg[1], Strength::Sum) + (c < 0 ? " - " : " + ") + number_text(std::fabs(c));
        break;
      }
      binary(Strength::Sum, Strength::Sum, Strength::Product);
      break;
    case Op::Subtract:
      binary(Strength::Sum, Strength::Sum, Strength::Product);
      break;
    case Op::Multiply:
    case Op::Divide:
      binary(Strength::Product, Strength::Product, Strength::Sign);
      break;
    case Op::Less:
    case Op::LessEqual:
    case Op::Equal:
    case Op::NotEqual:
      binary(Strength::Comparison, Strength::Sum, Strength::Sum);
      break;
    default:
      s = std::string(function_name(n->op)) + "(";
      for (int i = 0; i < n->arity(); ++i) s += (i ? ", " : "") + formula_text(n->arg[static_cast<std::size_t>(i)], Strength::Comparison);
      s += ")";
  }
  return strength < needed ? "(" + s + ")" : s;
}

std::string cpp_number(double x) {
  if (std::isnan(x)) return "std::nan(\"\")";
  if (std::isinf(x)) return x < 0 ? "(-HUGE_VAL)" : "HUGE_VAL";
  std::string s = number_text(x);
  if (s.find_first_of(".e") == std::string::npos) s += ".0";
  return x < 0 ? "(" + s + ")" : s;
}

std::string cpp_expression(NodePtr n, const std::string& a, const std::string& b, const std::string& c) {
  switch (n->op) {
    case Op::Constant:
      return cpp_number(n->value);
    case Op::Variable:
      return n->name;
    case Op::Negate:
      return "(-" + a + ")";
    case Op::Add:
    case Op::Subtract:
    case Op::Multiply:
    case Op::Divide:
      return "(" + a + operator_text(n->op) + b + ")";
    case Op::Less:
    case Op::LessEqual:
    case Op::Equal:
    case Op::NotEqual:
      return "(" + a + operator_text(n->op) + b + " ? 1.0 : 0.0)";
    case Op::Abs:
      return "std::fabs(" + a + ")";
    case Op::Sign:
      return "((" + a + " > 0 ? 1.0 : 0.0) - (" + a + " < 0 ? 1.0 : 0.0))";
    case Op::Heaviside:
      return "(" + a + " >= 0 ? 1.0 : 0.0)";
    case Op::Min:
      return "(" + b + " < " + a + " ? " + b + " : " + a + ")";
    case Op::Max:
      return "(" + b + " > " + a + " ? " + b + " : " + a + ")";
    case Op::Mod:
      return "(" + a + " - " + b + "*std::floor(" + a + "/" + b + "))";
    case Op::If:
      return "(" + a + " != 0 ? " + b + " : " + c + ")";
    case Op::Power:
    case Op::Atan2:
      return std::string("std::") + function_name(n->op) + "(" + a + ", " + b + ")";
    default:
      return std::string("std::") + function_name(n->op) + "(" + a + ")";
  }
}

/// Times the text of argument i appears in the expression of n.
int appearances(NodePtr n, std::size_t i) {
  switch (n->op) {
    case Op::Sign:
    case Op::Min:
    case Op::Max:
    case Op::Mod:
      return 2;
    default:
      return n->arg[i] ? 1 : 0;
  }
}

}  // namespace

std::string Formula::text() const { return formula_text(node_, Strength::Comparison); }

std::string emit_cpp(std::span<const Formula> outputs, std::span<const std::string> output_names, const std::string& indent) {
  if (outputs.size() != output_names.size()) throw InternalError("emit_cpp: one name an output is needed");
  const std::vector<Formula> expanded = expand_powers(outputs);
  const std::vector<NodePtr> order = reachable(expanded);
  std::unordered_map<NodePtr, int> uses;
  for (const NodePtr n : order)
    for (int i = 0; i < n->arity(); ++i) uses[n->arg[static_cast<std::size_t>(i)]] += appearances(n, static_cast<std::size_t>(i));
  for (const Formula& f : expanded) ++uses[f.node()];
  std::string code;
  std::unordered_map<NodePtr, std::string> text;
  text[nullptr] = "";
  int temporaries = 0;
  for (const NodePtr n : order) {
    std::string e = cpp_expression(n, text[n->arg[0]], text[n->arg[1]], text[n->arg[2]]);
    constexpr std::size_t longest = 120;  // longer lines are hard to read, deeply nested ones hard to compile
    if (n->arity() > 0 && (uses[n] > 1 || e.size() > longest)) {
      const std::string name = "wf_" + std::to_string(temporaries++);
      code += indent + "const double " + name + " = " + e + ";\n";
      e = name;
    }
    text[n] = e;
  }
  for (std::size_t k = 0; k < outputs.size(); ++k) code += indent + output_names[k] + " = " + text[expanded[k].node()] + ";\n";
  return code;
}

}  // namespace wasserflow
