// timeout: 400
// processors: 2
// wf-hamilton-jacobi seen from outside: the same answer on any number of ranks, after stop and restart, and from its own resolved.toml; bad input.
#define BOOST_TEST_MODULE hamilton_jacobi_runs
#include <signal.h>

#include <boost/test/unit_test.hpp>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include "tests/support/process.hpp"

using namespace wasserflow::test;
namespace fs = std::filesystem;
using Words = std::vector<std::string>;

namespace {

const char* const problem = R"toml([grid]
lower = 0.0
upper = [2.0, 2.0]
cells = [24, 16]
[time]
final = 0.5
steps = 8
[hamiltonian]
type = "quadratic"
coefficient = ["((x-1)^2 + 0.1)^2", "((y-1)^2 + 0.1)^2"]
[initial]
phi = "sin(pi*x) + sin(pi*y)"
[output]
every = 2
)toml";

ProcessResult solve(const std::string& dir, const std::string& output, const std::string& method, const Words& more, ProcessOptions options = {}) {
  options.directory = dir;
  options.timeout = 120;
  Words words{"p.toml", "-o", output, "--log", "quiet", "--set", "solver.method=" + method};
  words.insert(words.end(), more.begin(), more.end());
  ProcessResult r = run_app("wf-hamilton-jacobi", words, options);
  BOOST_TEST(!r.timed_out);
  return r;
}

/// The columns of history.csv by name.
std::map<std::string, std::vector<double>> columns(const std::string& csv) {
  std::map<std::string, std::vector<double>> out;
  std::vector<std::string> names;
  std::istringstream lines(csv);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream cells(line);
    const bool header = names.empty();
    std::size_t i = 0;
    for (std::string cell; std::getline(cells, cell, ','); ++i) {
      if (header)
        names.push_back(cell);
      else
        out[names[i]].push_back(std::strtod(cell.c_str(), nullptr));
    }
  }
  return out;
}

}  // namespace

BOOST_AUTO_TEST_CASE(answers_do_not_depend_on_the_ranks) {
  for (const std::string method : {"pdhg", "howard", "explicit"}) BOOST_TEST_CONTEXT(method) {
      const std::string dir = fresh_directory("hj_ranks");
      write_file(dir + "/p.toml", problem);
      for (const int ranks : {1, 2, 3, 4}) {
        const ProcessResult r = solve(dir, std::to_string(ranks), method, {}, {.ranks = ranks});
        BOOST_TEST_REQUIRE(r.code == 0, r.err);
      }
      const std::string one = read_file(dir + "/1/history.csv");
      BOOST_TEST(count_lines(one, "") > 1);
      for (const char* ranks : {"2", "3", "4"}) {
        const std::string other = read_file(dir + "/" + ranks + "/history.csv");
        // Bit for bit where only own kernels run; Howard's linear solver sums in an order of its own.
        if (method != "howard") {
          BOOST_TEST((other == one), ranks << " ranks");
          continue;
        }
        for (const auto& [name, values] : columns(one)) {
          if (!name.starts_with("phi")) continue;
          const std::vector<double> others = columns(other)[name];
          BOOST_TEST_REQUIRE(others.size() == values.size());
          for (std::size_t i = 0; i < values.size(); ++i) BOOST_TEST(std::fabs(values[i] - others[i]) <= 1e-12 * (1 + std::fabs(values[i])), name);
        }
      }
    }
}

BOOST_AUTO_TEST_CASE(stop_and_restart_equal_the_straight_run) {
  for (const std::string method : {"pdhg", "howard", "explicit"})
    for (const int ranks : {1, 2}) BOOST_TEST_CONTEXT(method << " on " << ranks) {
        const std::string dir = fresh_directory("hj_restart");
        write_file(dir + "/p.toml", problem);
        const Words longer{"--set", "time.steps=80", "--set", "output.checkpoint_seconds=0"};
        BOOST_TEST(solve(dir, "straight", method, longer, {.ranks = ranks}).code == 0);
        bool sent = false;
        ProcessOptions options{.ranks = ranks};
        options.meanwhile = [&](pid_t pid) {
          if (sent || count_lines(read_file(dir + "/stopped/history.csv"), "") < 4) return;
          sent = true;
          kill(pid, SIGUSR1);
        };
        BOOST_TEST(solve(dir, "stopped", method, longer, options).code == 5);
        BOOST_TEST(fs::exists(dir + "/stopped/checkpoints"));
        BOOST_TEST(nlohmann::json::parse(read_file(dir + "/stopped/report.json"))["status"] == "time_limit");
        Words restart = longer;
        restart.push_back("--restart");
        BOOST_TEST(solve(dir, "stopped", method, restart, {.ranks = ranks}).code == 0);
        BOOST_TEST((read_file(dir + "/stopped/history.csv") == read_file(dir + "/straight/history.csv")));
        BOOST_TEST((read_file(dir + "/stopped/fields.xdmf") == read_file(dir + "/straight/fields.xdmf")));
        for (const auto& file : fs::directory_iterator(dir + "/straight/fields")) {
          const std::string name = file.path().filename().string();
          BOOST_TEST((read_file(dir + "/stopped/fields/" + name) == read_file(file.path().string())), name);
        }
        const nlohmann::json a = nlohmann::json::parse(read_file(dir + "/straight/report.json"));
        const nlohmann::json b = nlohmann::json::parse(read_file(dir + "/stopped/report.json"));
        for (const char* key : {"status", "iterations", "operator_passes", "residuals", "errors", "quantities"})
          BOOST_TEST((a[key] == b[key]), key << ": " << a[key] << " is not " << b[key]);
      }
}

BOOST_AUTO_TEST_CASE(the_resolved_problem_gives_the_same_run) {
  const std::string dir = fresh_directory("hj_resolved");
  write_file(dir + "/p.toml", problem);
  BOOST_TEST(solve(dir, "a", "pdhg", {"--set", "solver.window=2"}).code == 0);
  const ProcessResult again = run_app("wf-hamilton-jacobi", {"a/resolved.toml", "-o", "b", "--log", "quiet"}, {.directory = dir});
  BOOST_TEST(again.code == 0, again.err);
  BOOST_TEST((read_file(dir + "/a/history.csv") == read_file(dir + "/b/history.csv")));
}

BOOST_AUTO_TEST_CASE(bad_input_is_refused_with_one_message) {
  struct Case {
    std::string name, from, to, message;
  };
  // The message begins with the place: line and column of the value, of the fault inside of a formula.
  const std::vector<Case> cases{
      {"unknown key", "every = 2", "evry = 2", "p.toml:14:8: unknown key 'output.evry'; did you mean 'every'?"},
      {"unknown table", "[output]", "[ouput]", "p.toml:13:1: unknown table 'ouput'; did you mean 'output'?"},
      {"wrong type", "steps = 8", "steps = \"ten\"", "p.toml:7:9: time.steps: expected integer, got text \"ten\""},
      {"negative cells", "cells = [24, 16]", "cells = [24, -16]", "p.toml:4:14: grid.cells: -16 is out of range"},
      {"unknown boundary", "cells = [24, 16]", "cells = [24, 16]\nboundary = \"periodc\"", "did you mean 'periodic'?"},
      {"unknown Hamiltonian", "\"quadratic\"", "\"quadratik\"",
       "p.toml:9:8: hamiltonian.type: unknown Hamiltonian 'quadratik'; did you mean 'quadratic'?"},
      {"unknown method", "[output]", "[solver]\nmethod = \"howrd\"\n[output]", "did you mean 'howard'?"},
      {"syntax error", "\"sin(pi*x) + sin(pi*y)\"", "\"sin(pi*x) + * y\"", "p.toml:12:20: initial.phi"},
      {"syntax error in a Hamiltonian", "type = \"quadratic\"", "type = \"formula\"\nH = \"px^2 + sin(py\"", "p.toml:10:19: formula"},
      {"Hamiltonian that is not convex", "type = \"quadratic\"", "type = \"formula\"\nH = \"px^2 - py^2\"", "is not convex in p"},
      {"window does not divide", "[output]", "[solver]\nwindow = 3\n[output]", "p.toml:14:10: solver.window"},
      {"more ranks than rows", "cells = [24, 16]", "cells = [24, 3]", "use at most 3"},
  };
  for (const int ranks : {1, 4})
    for (const Case& c : cases) BOOST_TEST_CONTEXT(c.name << " on " << ranks << " ranks") {
        if (ranks == 1 && c.name == "more ranks than rows") continue;
        const std::string dir = fresh_directory("hj_bad_input");
        std::string text = problem;
        BOOST_TEST_REQUIRE(text.find(c.from) != std::string::npos);
        text.replace(text.find(c.from), c.from.size(), c.to);
        write_file(dir + "/p.toml", text);
        const ProcessResult r = run_app("wf-hamilton-jacobi", {"p.toml"}, {.ranks = ranks, .directory = dir, .timeout = 30});
        BOOST_TEST(!r.timed_out);
        BOOST_TEST(r.code == 2);
        BOOST_TEST(count_lines(r.err, "error: ") == 1, r.err);
        BOOST_TEST(r.err.find(c.message) != std::string::npos, r.err);
        BOOST_TEST(r.err.find("on rank") == std::string::npos, r.err);
        BOOST_TEST(std::distance(fs::directory_iterator(dir), fs::directory_iterator{}) == 1);
      }
}
