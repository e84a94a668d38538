// ranks: 1
// timeout: 60
#define BOOST_TEST_MODULE formula
#include <muParser.h>

#include <boost/test/unit_test.hpp>
#include <cmath>
#include <numbers>
#include <random>

#include "problems/formula.hpp"

using namespace wasserflow;

namespace {

const std::vector<std::string> names{"x", "y", "z", "t"};

Formula parse(const std::string& text, const NamedConstants& constants = {}) { return Formula::parse(text, names, constants); }

double at(const Formula& f, double x, double y = 0, double z = 0, double t = 0) { return f.value({{"x", x}, {"y", y}, {"z", z}, {"t", t}}); }

bool close(double a, double b, double tolerance) {
  if (std::isnan(a) || std::isnan(b)) return std::isnan(a) && std::isnan(b);
  return a == b || std::fabs(a - b) <= tolerance * (1 + std::fabs(a) + std::fabs(b));
}

/// Random expressions that muParser and Formula both read, smooth when asked for. Powers are parenthesised: the two differ on -x^2.
class Expressions {
 public:
  explicit Expressions(unsigned seed, bool smooth) : random_(seed), smooth_(smooth) {}
  std::string make(int depth) {
    const auto a = [&] { return make(depth - 1); };
    if (depth == 0) switch (pick(6)) {
        case 0: return "x";
        case 1: return "y";
        case 2: return "z";
        case 3: return "t";
        case 4: return "2";
        default: return "0.7";
      }
    switch (pick(smooth_ ? 16 : 22)) {
      case 0: return "(" + a() + " + " + a() + ")";
      case 1: return "(" + a() + " - " + a() + ")";
      case 2: return a() + "*" + a();
      case 3: return a() + "/(2 + cos(" + a() + "))";
      case 4: return "(-(" + a() + "))";
      case 5: return "((" + a() + ")^2)";
      case 6: return "(sin(" + a() + ")^3)";
      case 7: return "((1.5 + sin(" + a() + "))^(-2))";
      case 8: return "sin(" + a() + ")";
      case 9: return "cos(" + a() + ")";
      case 10: return "exp(sin(" + a() + "))";
      case 11: return "log(1 + (" + a() + ")^2)";
      case 12: return "sqrt(1 + (" + a() + ")^2)";
      case 13: return "tanh(" + a() + ")";
      case 14: return "atan(" + a() + ")";
      case 15: return "atan2(sin(" + a() + "), 1.5 + cos(" + a() + "))";
      case 16: return "abs(" + a() + ")";
      case 17: return "min(" + a() + ", " + a() + ")";
      case 18: return "max(" + a() + ", " + a() + ")";
      case 19: return "(" + a() + " < " + a() + ")";
      case 20: return "(" + a() + " >= " + a() + ")";
      default: return "sign(" + a() + ")";
    }
  }

 private:
  int pick(int n) { return std::uniform_int_distribution<int>(0, n - 1)(random_); }
  std::mt19937 random_;
  bool smooth_;
};

/// The error's message; fails the test when there is none.
std::string message(const std::string& text, const NamedConstants& constants = {}, int* column = nullptr) {
  try {
    Formula::parse(text, names, constants, Location{"p.toml", 7, 10});
  } catch (const InputError& e) {
    if (column) *column = e.where().column;
    return e.what();
  }
  BOOST_ERROR("no error in: " << text);
  return {};
}

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

BOOST_AUTO_TEST_CASE(precedence_and_constants) {
  BOOST_TEST(at(parse("-x^2"), 3) == -9);
  BOOST_TEST(at(parse("2^3^2"), 0) == 512);
  BOOST_TEST(at(parse("2^-x"), 1) == 0.5);
  BOOST_TEST(at(parse("6/3/2 - 1 - 1"), 0) == -1);
  BOOST_TEST(at(parse("1 + 2*x^2"), 3) == 19);
  BOOST_TEST(at(parse("+x - -x"), 3) == 6);
  BOOST_TEST(at(parse("pi"), 0) == std::numbers::pi);
  BOOST_TEST(at(parse("log(e)"), 0) == 1);
  BOOST_TEST(at(parse("a*x", {{"a", 2.5}}), 2) == 5);
  BOOST_TEST(at(parse("e", {{"e", 7}}), 0) == 7);
  BOOST_TEST(at(parse("if(x > 1, 10, 20)"), 2) == 10);
  BOOST_TEST(at(parse("if(x > 1 && y < 0 || t == 5, 10, 20)"), 2, 1, 0, 5) == 10);
  BOOST_TEST(at(parse("if(!(x > 1), 10, 20)"), 2) == 20);
  BOOST_TEST(at(parse("mod(x, 3)"), -1) == 2);
  BOOST_TEST(at(parse("heaviside(x) + 10*heaviside(x - 1)"), 0) == 1);
  BOOST_TEST(at(parse("min(x, y, z) + max(1, 2, 3)"), 5, 4, 6) == 7);
  BOOST_TEST(at(parse("1e-3 + .5 + 2.E1"), 0) == 20.501);
}

BOOST_AUTO_TEST_CASE(values_agree_with_muparser) {
  std::mt19937 random(5);
  std::uniform_real_distribution<double> uniform(-2, 2);
  for (const bool smooth : {true, false}) {
    Expressions expressions(smooth ? 1 : 2, smooth);
    for (int k = 0; k < 150; ++k) {
      const std::string text = expressions.make(4);
      BOOST_TEST_CONTEXT(text) {
        const Formula f = parse(text);
        double v[4];
        mu::Parser oracle;
        for (std::size_t i = 0; i < 4; ++i) oracle.DefineVar(names[i], &v[i]);
        oracle.SetExpr(text);
        const int n = 37;
        std::vector<std::vector<double>> in(4, std::vector<double>(n));
        std::vector<double> expected(n), out(n), again(n);
        for (int i = 0; i < n; ++i) {
          for (std::size_t d = 0; d < 4; ++d) in[d][static_cast<std::size_t>(i)] = v[d] = d == 3 ? 0.3 : uniform(random);
          expected[static_cast<std::size_t>(i)] = oracle.Eval();
        }
        const Program program({&f, 1}, names);
        double* const o[] = {out.data()};
        program.evaluate(n, std::vector<Argument>{in[0].data(), in[1].data(), in[2].data(), 0.3}, o);
        const Formula reread = parse(f.text());
        double* const o2[] = {again.data()};
        Program({&reread, 1}, names).evaluate(n, std::vector<Argument>{in[0].data(), in[1].data(), in[2].data(), in[3].data()}, o2);
        for (std::size_t i = 0; i < n; ++i) {
          BOOST_TEST(close(out[i], expected[i], 1e-11));
          BOOST_TEST(close(out[i], again[i], 1e-11));
          BOOST_TEST(close(at(f, in[0][i], in[1][i], in[2][i], 0.3), expected[i], 1e-11));
        }
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(derivatives_agree_with_central_differences) {
  std::mt19937 random(9);
  std::uniform_real_distribution<double> uniform(-1.5, 1.5);
  Expressions expressions(3, true);
  const double h = 1e-5;
  for (int k = 0; k < 150; ++k) {
    const std::string text = expressions.make(3);
    BOOST_TEST_CONTEXT(text) {
      const Formula f = parse(text), fx = f.derivative("x"), fxy = fx.derivative("y");
      for (int i = 0; i < 5; ++i) {
        const double x = uniform(random), y = uniform(random), z = uniform(random), t = uniform(random);
        BOOST_TEST(close(at(fx, x, y, z, t), (at(f, x + h, y, z, t) - at(f, x - h, y, z, t)) / (2 * h), 1e-6));
        BOOST_TEST(close(at(fxy, x, y, z, t), (at(fx, x, y + h, z, t) - at(fx, x, y - h, z, t)) / (2 * h), 1e-6));
      }
    }
  }
  // The functions that random expressions leave out, at places where they are smooth.
  for (const char* text : {"tan(x)",      "asin(x/2)",   "acos(x/2)",
                           "sinh(x)",     "cosh(x)",     "exp(x)",
                           "log(x)",      "abs(x - 3)",  "x^y",
                           "2^x",         "x^1.5",       "x^0.3",
                           "x^2.7",       "x^70",        "x^(-1.5)",
                           "pow(x, y*x)", "mod(x, 0.3)", "mod(2, x)",
                           "min(x, y)",   "max(x, y^2)", "if(x > y, x*y, x^2)",
                           "sign(x)*x",   "floor(x)*x",  "heaviside(x)*x",
                           "atan2(x, y)", "1/x",         "e^(2*x)"})
    BOOST_TEST_CONTEXT(text) {
      const Formula f = parse(text), fx = f.derivative("x");
      const double x = 0.73, y = 0.41;
      BOOST_TEST(close(at(fx, x, y), (at(f, x + h, y) - at(f, x - h, y)) / (2 * h), 1e-7));
    }
}

BOOST_AUTO_TEST_CASE(kinks_have_the_slope_of_smallest_size) {
  for (const char* text : {"abs(x)", "sqrt(x^2 + y^2)", "2*sqrt(x^2 + 3*y^2)", "(x^2 + y^2)^0.75", "(x^2 + y^2)^0.4", "abs(x)^1.5"})
    BOOST_TEST_CONTEXT(text) {
      BOOST_TEST(at(parse(text).derivative("x"), 0, 0) == 0);
      BOOST_TEST(at(parse(text).derivative("x"), 0.5, 0) > 0);
    }
  BOOST_TEST(std::isfinite(at(parse("sqrt(x^2 + y^2)").derivative("x").derivative("x"), 0, 0)));
  BOOST_TEST(std::isnan(at(parse("sqrt(x)").derivative("x"), -1)));
}

BOOST_AUTO_TEST_CASE(simplification_and_sharing) {
  BOOST_CHECK(parse("x*y + 0*z") == parse("y*x"));
  BOOST_CHECK(parse("x*x*x") == parse("x^3"));
  BOOST_CHECK(parse("sqrt(x^2)") == parse("abs(x)"));
  BOOST_CHECK(parse("x^2/2").derivative("x") == parse("x"));
  BOOST_CHECK(parse("x^2/2 + a*y", {{"a", 3}}).derivative("y") == Formula(3));
  BOOST_CHECK(parse("x - x").is_zero());
  BOOST_CHECK(parse("x^2*y").derivative("z").is_zero());
  BOOST_CHECK(parse("sin(x)*y").depends_on("x"));
  BOOST_CHECK(!parse("sin(x)*y").depends_on("z"));
  BOOST_CHECK(parse("z*x").variables() == (std::vector<std::string>{"x", "z"}));
  BOOST_TEST(parse("2^10").constant().value() == 1024);
  BOOST_CHECK(parse("x^2 + y").substitute("x", parse("y + 1")) == parse("(y + 1)^2 + y"));
  BOOST_CHECK(parse("if(1 < 2, x, y)") == parse("x"));
  // sin(x)^2 appears in both outputs and is computed once: sin, square, two more operations.
  const std::vector<Formula> outputs{parse("sin(x)^2 + y"), parse("sin(x)^2*y")};
  BOOST_TEST(Program(outputs, names).operations() == 4);
  BOOST_TEST(Program(std::vector{parse("x^8")}, names).operations() == 3);
}

BOOST_AUTO_TEST_CASE(a_value_does_not_depend_on_its_place) {
  const std::vector<Formula> outputs{
      parse("sin(x)*exp(-y) + x^3/(1 + t)"),           parse("y*z"), parse("x"), parse("t^2"), parse("3"), parse("y*z"),
      parse("if(t > 0, pow(x*x, y), x) + atan2(y, x)")};
  const Program program(outputs, names);
  const int n = 1000;
  std::mt19937 random(3);
  std::uniform_real_distribution<double> uniform(0, 2);
  std::vector<double> x(n), y(n);
  for (double& v : x) v = uniform(random);
  for (double& v : y) v = uniform(random);
  const auto evaluate = [&](int begin, int count) {
    std::vector<std::vector<double>> out(outputs.size(), std::vector<double>(static_cast<std::size_t>(count)));
    std::vector<double*> o;
    for (auto& column : out) o.push_back(column.data());
    program.evaluate(count, std::vector<Argument>{x.data() + begin, y.data() + begin, 0.25, 2.0}, o.data());
    return out;
  };
  const auto all = evaluate(0, n);
  for (const int begin : {0, 1, 255, 256, 517, 992})
    for (const int count : {1, 3, 8}) {
      const auto part = evaluate(begin, count);
      for (std::size_t k = 0; k < outputs.size(); ++k)
        for (int i = 0; i < count; ++i) BOOST_TEST(part[k][static_cast<std::size_t>(i)] == all[k][static_cast<std::size_t>(begin + i)]);
    }
  for (std::size_t i = 0; i < n; ++i) {
    BOOST_TEST(close(all[0][i], std::sin(x[i]) * std::exp(-y[i]) + x[i] * x[i] * x[i] / 3, 1e-14));
    BOOST_TEST(all[1][i] == y[i] * 0.25);
    BOOST_TEST(all[2][i] == x[i]);
    BOOST_TEST(all[3][i] == 4);
    BOOST_TEST(all[4][i] == 3);
    BOOST_TEST(all[5][i] == y[i] * 0.25);
    BOOST_TEST(close(all[6][i], std::pow(x[i] * x[i], y[i]) + std::atan2(y[i], x[i]), 1e-13));
  }
}

BOOST_AUTO_TEST_CASE(a_program_needs_its_variables) {
  const Formula f = parse("x + y");
  BOOST_CHECK_THROW(Program({&f, 1}, std::vector<std::string>{"x"}), InternalError);
}

BOOST_AUTO_TEST_CASE(errors_show_the_column_and_the_nearest_name) {
  int column = 0;
  std::string m = message("x + velocty*y", {{"velocity", 1}}, &column);
  BOOST_TEST(column == 15);  // the opening quote stands in column 10, the name in column 5 of the text
  BOOST_TEST(has(m, "p.toml:7:15: "));
  BOOST_TEST(has(m, "column 5: unknown name 'velocty'; did you mean 'velocity'?"));
  struct Case {
    const char* text;
    int column;
    const char* part;
  };
  for (const Case& c : std::initializer_list<Case>{{"", 1, "empty"},
                                                   {"x +", 4, "ends where a value"},
                                                   {"(x + 1", 7, "')'"},
                                                   {"x + 1)", 6, "unexpected ')'"},
                                                   {"2x", 2, "operator is missing"},
                                                   {"x y", 3, "unexpected 'y'"},
                                                   {"sine(x)", 1, "did you mean 'sin'?"},
                                                   {"sin x", 1, "parentheses"},
                                                   {"x(2)", 1, "not a function"},
                                                   {"1 + atan2(x)", 5, "takes two arguments, here it has 1"},
                                                   {"if(x, 1)", 1, "three arguments"},
                                                   {"min(x)", 1, "two or more"},
                                                   {"sin()", 1, "one argument"},
                                                   {"x**2", 2, "^"},
                                                   {"x/0", 2, "division by zero"},
                                                   {"x + log(0)", 5, "not a finite"},
                                                   {"x + sqrt(-1)", 5, "not a finite"},
                                                   {"1e999", 1, "does not fit"},
                                                   {"1 < x < 2", 7, "chain"},
                                                   {"x = 1", 3, "=="},
                                                   {"x \xE2\x88\x92 1", 3, "unexpected '\xE2\x88\x92'"},
                                                   {"x + #", 5, "unexpected '#'"},
                                                   {"x + .", 5, "not a number"}})
    BOOST_TEST_CONTEXT(c.text) {
      m = message(c.text, {}, &column);
      BOOST_TEST(column == 10 + c.column, m);
      BOOST_TEST(has(m, c.part), m);
    }
  BOOST_TEST(has(message("x + (1 +\n  2*qq)", {}, &column), "line 2, column 5: unknown name 'qq'"));
  BOOST_TEST(column == 5);
  message(std::string(5000, '('));
  message(std::string(5000, '-') + "x");
  message(std::string(100000, 'x'));
  BOOST_TEST(has(message("x", {{"x", 1}}), "name of a variable"));
  // Long chains are fine.
  std::string chain = "x";
  for (int i = 0; i < 4000; ++i) chain += "+x*y";
  BOOST_TEST(at(parse(chain).derivative("y"), 2, 3) == 8000);
}

BOOST_AUTO_TEST_CASE(any_text_gives_a_formula_or_an_input_error) {
  const std::vector<std::string> pieces{"x",  "y",  "(", ")", "sin(", "if(", ",", "+",    "-",  "*", "/", "^",    "<",
                                        "==", "&&", "!", "2", "1e3",  ".",   " ", "min(", "\n", "0", "q", "\xff", "#"};
  std::mt19937 random(12);
  int formulas = 0;
  for (int k = 0; k < 20000; ++k) {
    std::string text;
    for (unsigned i = 0, n = 1 + random() % 9; i < n; ++i) text += pieces[random() % pieces.size()];
    try {
      const Formula f = parse(text);
      ++formulas;
      BOOST_TEST(close(at(parse(f.text()), 0.3, 0.7), at(f, 0.3, 0.7), 1e-13), text << " became " << f.text());
      at(f.derivative("x"), 0.3, 0.7);
    } catch (const InputError&) {
    }
  }
  BOOST_TEST(formulas > 300);
}
