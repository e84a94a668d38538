#pragma once
/// Formulas that a person writes into a problem file: parsed, differentiated symbolically, evaluated over rows of points, emitted as C++.
///
/// Grammar, loosest first:  a || b   a && b   a < b  <=  >  >=  ==  !=   a + b  a - b   a * b  a / b   -a  !a   a ^ b   (a)  f(a, ...)
///   `^` binds tighter than unary minus and to the right: -x^2 = -(x^2), 2^3^2 = 2^9. Comparisons give 1 or 0 and do not chain; a condition
///   holds when it is not 0. Numbers as in C (2, 0.5, 1e-3). Constants pi, e. Functions: see formula_functions().
///   mod(a, b) = a - b floor(a/b); heaviside(0) = 1; sign(0) = 0; log is the natural logarithm.
///
/// Equal subexpressions are one node, so that formulas are compared and copied by a pointer and shared work is done once. Simplification follows the
/// rules of real numbers (0*a = 0, a - a = 0). Nodes are kept for the life of the process: a problem file holds few. Thread-safe.
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "grids/support/errors.hpp"

namespace wasserflow {

using NamedConstants = std::vector<std::pair<std::string, double>>;

struct FormulaNode;

class Formula {
 public:
  Formula() : Formula(0.0) {}
  Formula(double value);  // implicit: 2 * x
  static Formula variable(const std::string& name);

  /// Parses `text` in the given variables and constants (a constant hides pi or e of the same name).
  /// Throws InputError: syntax, unknown name (with the nearest one), wrong number of arguments, a constant part that is not a finite number.
  /// `where` is the place of the text's opening quote in its file; the error points to the place of the fault behind it. The message
  /// also names the column within the text.
  static Formula parse(const std::string& text, std::span<const std::string> variables, const NamedConstants& constants = {}, Location where = {});

  /// Derivative by a variable. Steps (sign, floor, heaviside, comparisons) have derivative 0 and abs, min, max that of the active side (abs: 0 at 0);
  /// sqrt(u) and u^q, 0 < q < 1, have derivative 0 where u = 0, so that norms have slope 0 at the origin.
  Formula derivative(const std::string& variable) const;
  /// With `variable` replaced by another formula.
  Formula substitute(const std::string& variable, const Formula& by) const;

  bool depends_on(const std::string& variable) const;
  std::vector<std::string> variables() const;  ///< names it depends on, sorted
  std::optional<double> constant() const;      ///< the value, when it is one number
  bool is_zero() const { return constant() == 0.0; }
  std::string text() const;  ///< parses back to the same formula
  /// Value at one point, for tests and set-up; throws InternalError when a variable is missing.
  double value(const NamedConstants& variables) const;

  const FormulaNode* node() const { return node_; }
  explicit Formula(const FormulaNode* node) : node_(node) {}

  /// The same node. Formulas that are equal by algebra only may differ.
  friend bool operator==(const Formula& a, const Formula& b) { return a.node_ == b.node_; }
  friend Formula operator+(const Formula& a, const Formula& b);
  friend Formula operator-(const Formula& a, const Formula& b);
  friend Formula operator*(const Formula& a, const Formula& b);
  friend Formula operator/(const Formula& a, const Formula& b);
  friend Formula operator-(const Formula& a);
  friend Formula pow(const Formula& a, const Formula& b);

 private:
  const FormulaNode* node_;
};

/// Names of the functions that formulas may use.
std::vector<std::string> formula_functions();

/// One input of a Program: an array, or a number that stands for all points.
struct Argument {
  Argument(const double* array) : values(array) {}
  Argument(double number) : value(number) {}
  const double* values = nullptr;
  double value = 0;
};

/// One or several formulas compiled for evaluation over many points: a register program that runs over chunks of points, shares common
/// subexpressions between all outputs, and computes parts that depend on numbers only once a call. A point's result does not depend on its place in
/// the arrays, bit for bit.
class Program {
 public:
  Program() = default;
  /// Throws InternalError when an output depends on a variable that is not among `inputs`.
  Program(std::span<const Formula> outputs, std::span<const std::string> inputs);

  /// outputs[k][i] = formula k at point i, i < n; inputs in the order of the constructor. Outputs overlap neither inputs nor each other. Thread-safe;
  /// allocates at most once a thread (scratch for the largest program).
  void evaluate(int n, std::span<const Argument> inputs, double* const* outputs) const;

  int outputs() const { return static_cast<int>(outputs_.size()); }
  int operations() const { return static_cast<int>(code_.size()); }  ///< a point
  static constexpr int chunk = 256;

 private:
  struct Instruction {
    int op;
    int target;   ///< slot of the result
    int arg[3];   ///< slots; -1 unused
    int registr;  ///< chunk buffer of the result
    int output;   ///< output that takes the result instead of a buffer, -1 for none
  };
  // Slots: inputs first, then constants, then the results in order.
  int inputs_ = 0;
  std::vector<double> constants_;
  std::vector<Instruction> code_;
  std::vector<int> outputs_;  ///< slot of each output
  std::vector<char> direct_;  ///< written by its instruction when that depends on an array
  int registers_ = 0;
};

/// C++ statements that compute the formulas: temporaries `const double wf_<k> = ...;` for shared subexpressions, then `<output_name> = ...;`.
/// Variables appear under their names, output names stand as given ("h[i]"). Needs <cmath>.
std::string emit_cpp(std::span<const Formula> outputs, std::span<const std::string> output_names, const std::string& indent = "  ");

}  // namespace wasserflow
