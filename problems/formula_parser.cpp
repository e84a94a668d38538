#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <numbers>
#include <string_view>

#include "grids/support/parameters.hpp"
#include "problems/formula_node.hpp"

namespace wasserflow {

namespace {

struct FunctionName {
  const char* name;
  Op op;
  int arguments;  ///< -1: two or more, taken from the left
};

constexpr FunctionName function_names[] = {{"sin", Op::Sin, 1},     {"cos", Op::Cos, 1},
                                           {"tan", Op::Tan, 1},     {"asin", Op::Asin, 1},
                                           {"acos", Op::Acos, 1},   {"atan", Op::Atan, 1},
                                           {"atan2", Op::Atan2, 2}, {"sinh", Op::Sinh, 1},
                                           {"cosh", Op::Cosh, 1},   {"tanh", Op::Tanh, 1},
                                           {"exp", Op::Exp, 1},     {"log", Op::Log, 1},
                                           {"sqrt", Op::Sqrt, 1},   {"abs", Op::Abs, 1},
                                           {"min", Op::Min, -1},    {"max", Op::Max, -1},
                                           {"sign", Op::Sign, 1},   {"floor", Op::Floor, 1},
                                           {"mod", Op::Mod, 2},     {"pow", Op::Power, 2},
                                           {"if", Op::If, 3},       {"heaviside", Op::Heaviside, 1}};

bool name_start(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool digit(char c) { return c >= '0' && c <= '9'; }

std::string joined(const std::vector<std::string>& words) {
  std::string all;
  for (const std::string& w : words) all += (all.empty() ? "" : ", ") + w;
  return all;
}

/// Recursive descent, one function a precedence level.
class Parser {
 public:
  Parser(const std::string& text, std::span<const std::string> variables, const NamedConstants& constants, const Location& where)
      : text_(text), variables_(variables), constants_(constants), where_(where) {}

  Formula parse() {
    constexpr std::size_t longest = 20000;
    if (text_.size() > longest)
      fail(longest, "a formula may have " + std::to_string(longest) + " characters, this one has " + std::to_string(text_.size()));
    skip_space();
    if (at_ == text_.size()) fail(at_, "the formula is empty");
    const Formula f = disjunction();
    if (at_ < text_.size()) fail(at_, unexpected() + expectation("an operator or the end of the formula"));
    return f;
  }

 private:
  Formula disjunction() {
    Formula a = conjunction();
    while (take("||")) a = truth(Formula(make(Op::Max, truth(a).node(), truth(conjunction()).node())));
    return a;
  }

  Formula conjunction() {
    Formula a = comparison();
    while (take("&&")) a = truth(a) * truth(comparison());
    return a;
  }

  Formula comparison() {
    const Formula a = sum();
    const std::size_t place = at_;
    Op op;
    bool swapped = false;
    if (!take_comparison(op, swapped)) return a;
    const Formula b = sum();
    const std::size_t second = at_;
    Op ignored;
    bool ignored_too;
    if (take_comparison(ignored, ignored_too)) fail(second, "comparisons do not chain; join two of them by &&");
    return swapped ? combine(place, op, b, a) : combine(place, op, a, b);
  }

  bool take_comparison(Op& op, bool& swapped) {
    swapped = false;
    if (take("<=")) return op = Op::LessEqual, true;
    if (take(">=")) return op = Op::LessEqual, swapped = true;
    if (take("==")) return op = Op::Equal, true;
    if (take("!=")) return op = Op::NotEqual, true;
    if (take("<")) return op = Op::Less, true;
    if (take(">")) return op = Op::Less, swapped = true;
    if (at_ < text_.size() && text_[at_] == '=') fail(at_, "'=' assigns nothing here; write == to compare");
    return false;
  }

  Formula sum() {
    Formula a = term();
    for (;;) {
      const std::size_t place = at_;
      if (take("+"))
        a = combine(place, Op::Add, a, term());
      else if (take("-"))
        a = combine(place, Op::Subtract, a, term());
      else
        return a;
    }
  }

  Formula term() {
    Formula a = unary();
    for (;;) {
      const std::size_t place = at_;
      if (text_.compare(at_, 2, "**") == 0) fail(at_, "powers are written with ^");
      if (take("*")) {
        a = combine(place, Op::Multiply, a, unary());
      } else if (take("/")) {
        const Formula b = unary();
        if (b.is_zero()) fail(place, "division by zero");
        a = combine(place, Op::Divide, a, b);
      } else {
        return a;
      }
    }
  }

  Formula unary() {
    const Nesting guard(*this);
    if (take("-")) return -unary();
    if (take("+")) return unary();
    if (text_.compare(at_, 2, "!=") != 0 && take("!")) {
      const Formula a = unary();
      return combine(at_, Op::Equal, a, 0);
    }
    return power();
  }

  Formula power() {
    const Formula base = primary();
    const std::size_t place = at_;
    if (!take("^")) return base;
    return combine(place, Op::Power, base, unary());
  }

  Formula primary() {
    if (at_ == text_.size()) fail(at_, "the formula ends where a value is expected");
    const char c = text_[at_];
    if (take("(")) {
      const Formula inside = disjunction();
      if (!take(")")) fail(at_, unexpected() + expectation("')'"));
      return inside;
    }
    if (digit(c) || c == '.') return number();
    if (name_start(c)) return name();
    fail(at_, unexpected() + expectation("a value"));
  }

  Formula number() {
    double value = 0;
    const char* first = text_.data() + at_;
    const auto [end, error] = std::from_chars(first, text_.data() + text_.size(), value);
    if (error == std::errc::result_out_of_range) fail(at_, "number '" + std::string(first, end) + "' does not fit a double");
    if (error != std::errc()) fail(at_, "'.' is not a number");
    at_ += static_cast<std::size_t>(end - first);
    if (at_ < text_.size() && (name_start(text_[at_]) || digit(text_[at_]) || text_[at_] == '.'))
      fail(at_, "an operator is missing behind the number '" + std::string(first, end) + "'");
    skip_space();
    return value;
  }

  Formula name() {
    const std::size_t start = at_;
    while (at_ < text_.size() && (name_start(text_[at_]) || digit(text_[at_]))) ++at_;
    const std::string word = text_.substr(start, at_ - start);
    skip_space();
    if (at_ < text_.size() && text_[at_] == '(') return call(start, word);
    if (std::find(variables_.begin(), variables_.end(), word) != variables_.end()) return Formula::variable(word);
    for (const auto& [name, value] : constants_)
      if (name == word) return value;
    if (word == "pi") return std::numbers::pi;
    if (word == "e") return std::numbers::e;
    const std::vector<std::string> functions = formula_functions();
    if (std::find(functions.begin(), functions.end(), word) != functions.end())
      fail(start, "the function '" + word + "' needs its arguments in parentheses");
    const std::vector<std::string> known = values();
    const std::string hint = nearest(word, known);
    fail(start, "unknown name '" + word + "'" + (hint.empty() ? "" : "; did you mean '" + hint + "'?") + " (known: " + joined(known) + ")");
  }

  Formula call(std::size_t start, const std::string& word) {
    const auto found = std::find_if(std::begin(function_names), std::end(function_names), [&](const FunctionName& f) { return f.name == word; });
    if (found == std::end(function_names)) {
      const std::vector<std::string> known = values();
      if (std::find(known.begin(), known.end(), word) != known.end())
        fail(start, "'" + word + "' is not a function; write '" + word + "*(' for a product");
      const std::string hint = nearest(word, formula_functions());
      fail(start, "unknown function '" + word + "'" + (hint.empty() ? "" : "; did you mean '" + hint + "'?") +
                      " (known: " + joined(formula_functions()) + ")");
    }
    take("(");
    std::vector<Formula> arguments;
    if (!take(")")) {
      do arguments.push_back(disjunction());
      while (take(","));
      if (!take(")")) fail(at_, unexpected() + expectation("',' or ')'"));
    }
    const int given = static_cast<int>(arguments.size()), wanted = found->arguments;
    if (wanted < 0 ? given < 2 : given != wanted)
      fail(start, word + " takes " +
                      (wanted < 0    ? "two or more arguments"
                       : wanted == 1 ? "one argument"
                       : wanted == 2 ? "two arguments"
                                     : "three arguments") +
                      ", here it has " + std::to_string(given));
    if (given == 1) return combine(start, found->op, arguments[0]);
    if (found->op == Op::If) return Formula(make(Op::If, arguments[0].node(), arguments[1].node(), arguments[2].node()));
    Formula result = arguments[0];
    for (std::size_t i = 1; i < arguments.size(); ++i) result = combine(start, found->op, result, arguments[i]);
    return result;
  }

  /// The operation, refused when numbers alone give something that is not a finite number.
  Formula combine(std::size_t place, Op op, const Formula& a, const std::optional<Formula>& b = {}) {
    const Formula result(make(op, a.node(), b ? b->node() : nullptr));
    const bool numbers = a.constant() && (!b || b->constant());
    if (numbers && result.constant() && !std::isfinite(*result.constant())) fail(place, "the value of this constant part is not a finite number");
    return result;
  }

  static Formula truth(const Formula& a) {
    if (a.node()->op >= Op::Less && a.node()->op <= Op::NotEqual) return a;
    return Formula(make(Op::NotEqual, a.node(), make_number(0)));
  }

  std::vector<std::string> values() const {
    std::vector<std::string> known(variables_.begin(), variables_.end());
    for (const auto& [name, value] : constants_) known.push_back(name);
    known.insert(known.end(), {"pi", "e"});
    return known;
  }

  void skip_space() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n' || text_[at_] == '\r')) ++at_;
  }

  bool take(std::string_view token) {
    if (text_.compare(at_, token.size(), token) != 0) return false;
    at_ += token.size();
    skip_space();
    return true;
  }

  std::string unexpected() const {
    if (at_ >= text_.size()) return "the formula ends";
    const auto c = static_cast<unsigned char>(text_[at_]);
    std::size_t bytes = 1;
    if (c >= 0x80)  // show a whole UTF-8 character, e.g. a typographic minus
      while (at_ + bytes < text_.size() && (static_cast<unsigned char>(text_[at_ + bytes]) & 0xC0) == 0x80) ++bytes;
    if (c < 0x20 || c == 0x7f) return "unexpected control character";
    return "unexpected '" + text_.substr(at_, bytes) + "'";
  }

  std::string expectation(const std::string& what) const {
    return (at_ >= text_.size() ? " where " : "; expected ") + what + (at_ >= text_.size() ? " is expected" : "");
  }

  [[noreturn]] void fail(std::size_t place, const std::string& message) const {
    place = std::min(place, text_.size());
    const std::size_t line_start = place == 0 ? 0 : text_.rfind('\n', place - 1) + 1;  // npos + 1 == 0
    const int lines = static_cast<int>(std::count(text_.begin(), text_.begin() + static_cast<std::ptrdiff_t>(place), '\n'));
    const int column = static_cast<int>(place - line_start) + 1;
    Location where = where_;
    if (where.line > 0 && where.column > 0) {
      // A text of several lines can only stand in """ or ''', whose first line starts below the quotes.
      const bool several = text_.find('\n') != std::string::npos;
      where.line += several ? lines + 1 : 0;
      where.column = several ? column : where.column + column;
    }
    constexpr std::size_t shown = 60;
    const std::size_t first = place > shown / 2 && text_.size() > shown ? place - shown / 2 : 0;
    std::string excerpt = (first > 0 ? "..." : "") + text_.substr(first, shown) + (first + shown < text_.size() ? "..." : "");
    std::replace_if(
        excerpt.begin(), excerpt.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20; }, ' ');
    const std::string line = lines > 0 ? "line " + std::to_string(lines + 1) + ", " : "";
    throw InputError("formula \"" + excerpt + "\", " + line + "column " + std::to_string(column) + ": " + message, where);
  }

  /// Keeps hostile input from exhausting the stack.
  struct Nesting {
    explicit Nesting(Parser& p) : parser(p) {
      if (++parser.depth_ > 200) parser.fail(parser.at_, "parentheses and signs are nested too deeply");
    }
    ~Nesting() { --parser.depth_; }
    Nesting(const Nesting&) = delete;
    Nesting& operator=(const Nesting&) = delete;
    Parser& parser;
  };

  const std::string& text_;
  std::span<const std::string> variables_;
  const NamedConstants& constants_;
  const Location& where_;
  std::size_t at_ = 0;
  int depth_ = 0;
};

}  // namespace

std::vector<std::string> formula_functions() {
  std::vector<std::string> names;
  for (const FunctionName& f : function_names) names.emplace_back(f.name);
  return names;
}

Formula Formula::parse(const std::string& text, std::span<const std::string> variables, const NamedConstants& constants, Location where) {
  for (const auto& [name, value] : constants)
    if (std::find(variables.begin(), variables.end(), name) != variables.end())
      throw InputError("the constant '" + name + "' has the name of a variable", where);
  return Parser(text, variables, constants, where).parse();
}

}  // namespace wasserflow
