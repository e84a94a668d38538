// ranks: 1
// timeout: 60
#define BOOST_TEST_MODULE formula_emit
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>

#include <unistd.h>

#include "problems/formula.hpp"

using namespace wasserflow;

namespace {
const std::vector<std::string> names{"x", "y", "px", "py"};
}

BOOST_AUTO_TEST_CASE(shared_work_becomes_a_temporary) {
  const std::vector<Formula> outputs{Formula::parse("sin(x)^2 + 1", names), Formula::parse("sin(x)*2", names)};
  const std::vector<std::string> targets{"a", "b[i]"};
  BOOST_TEST(emit_cpp(outputs, targets) ==
             "  const double wf_0 = std::sin(x);\n"
             "  a = (1.0 + (wf_0*wf_0));\n"
             "  b[i] = (2.0*wf_0);\n");
  BOOST_CHECK_THROW(emit_cpp(outputs, std::vector<std::string>{"a"}), InternalError);
}

BOOST_AUTO_TEST_CASE(compiled_code_gives_the_same_numbers) {
  if (std::system("c++ --version > /dev/null 2>&1") != 0) {
    BOOST_TEST_MESSAGE("skipped: there is no c++ compiler on this machine");
    return;
  }
  const NamedConstants constants{{"k", -3}, {"tiny", 1e-300}};
  std::vector<Formula> outputs;
  for (const char* text :
       {"sqrt(px^2 + py^2)*exp(-4*(x - 1)^2)", "k*px^7 + py^-2 + tiny", "if(px > py && x != 0, min(px, py), max(x, y, 2))",
        "mod(x, 0.7) + floor(y) + sign(px) + heaviside(py) + abs(x)", "pow(abs(x), py) + atan2(x, y) + tan(x) + asin(sin(x))*acos(cos(y)) + atan(y)",
        "log(2 + x)*sinh(y) - cosh(x)/tanh(py) + -x", "3", "px", "(x <= y) + (x >= 1) + (x == y)"})
    outputs.push_back(Formula::parse(text, names, constants));
  for (const char* p : {"px", "py"}) outputs.push_back(outputs[0].derivative(p));
  std::string long_sum = "x";
  for (int k = 0; k < 2000; ++k) long_sum += " + y";
  outputs.push_back(Formula::parse("sin(" + long_sum + ")", names));

  std::mt19937 random(8);
  std::uniform_real_distribution<double> uniform(-1.5, 1.5);
  const std::size_t n = 50;
  std::vector<std::vector<double>> in(names.size(), std::vector<double>(n));
  for (auto& column : in)
    for (double& v : column) v = uniform(random);
  for (auto& column : in) column[0] = 0;
  for (auto& column : in) column[1] = 1;

  std::vector<std::string> targets;
  for (std::size_t k = 0; k < outputs.size(); ++k) targets.push_back("out[" + std::to_string(k) + "]");
  const std::filesystem::path directory = std::filesystem::temp_directory_path() / ("wf_emit_" + std::to_string(getpid()));
  std::filesystem::create_directories(directory);
  {
    std::ofstream source(directory / "emitted.cpp");
    source.precision(17);
    source << "#include <cmath>\n#include <cstdio>\nvoid f(double x, double y, double px, double py, double* out) {\n  (void)x, (void)y, (void)px, "
              "(void)py;\n"
           << emit_cpp(outputs, targets) << "}\nint main() {\n  double out[" << outputs.size() << "];\n";
    for (std::size_t i = 0; i < n; ++i)
      source << "  f(" << in[0][i] << ", " << in[1][i] << ", " << in[2][i] << ", " << in[3][i]
             << ", out); for (double v : out) std::printf(\"%.17g\\n\", v);\n";
    source << "}\n";
  }
  const std::string binary = (directory / "emitted").string();
  BOOST_REQUIRE(std::system(("c++ -Wall -Wextra -Wno-float-equal -Werror -O1 -o " + binary + " " + binary + ".cpp").c_str()) == 0);
  FILE* pipe = popen(binary.c_str(), "r");
  BOOST_REQUIRE(pipe);
  const Program program(outputs, names);
  std::vector<std::vector<double>> expected(outputs.size(), std::vector<double>(n));
  std::vector<double*> o;
  for (auto& column : expected) o.push_back(column.data());
  program.evaluate(static_cast<int>(n), std::vector<Argument>{in[0].data(), in[1].data(), in[2].data(), in[3].data()}, o.data());
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t k = 0; k < outputs.size(); ++k) {
      char word[64];
      BOOST_REQUIRE(std::fscanf(pipe, "%63s", word) == 1);
      const double got = std::strtod(word, nullptr), want = expected[k][i];
      BOOST_TEST(((std::isnan(got) && std::isnan(want)) || got == want || std::fabs(got - want) <= 1e-12 * (1 + std::fabs(want))),
                 outputs[k].text() << ": " << got << " != " << want);
    }
  pclose(pipe);
  std::filesystem::remove_all(directory);
}
