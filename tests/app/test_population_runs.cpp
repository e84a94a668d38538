// timeout: 240
// processors: 2
// Several populations in wf-mean-field: the same answer on any number of ranks and after a stop, against Runge-Kutta where nobody moves, bad input.
#define BOOST_TEST_MODULE population_runs
#include <array>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "tests/support/process.hpp"
#include "tests/support/run_files.hpp"

using namespace wasserflow::test;
namespace fs = std::filesystem;
using Words = std::vector<std::string>;
using Json = nlohmann::json;

namespace {

const char* const epidemic = R"toml([grid]
upper = [1.0, 1.0]
cells = [12, 16]
[time]
steps = 8
[reaction]
type = "formula"
species = ["S", "I", "R"]
rates = ["-beta*S*I", "beta*S*I - gamma*I", "gamma*I"]
constants = { beta = 2.0, gamma = 0.5 }
[population.S]
initial.rho = "0.8 + 0.3*cos(pi*x)"
diffusion = 0.002
coupling = { type = "power", coefficient = 1.0 }
[population.I]
initial.rho = "0.4*exp(-30*((x-0.6)^2 + (y-0.4)^2))"
initial.mass = 0.05
coupling = { type = "power", coefficient = 1.0 }
terminal = { type = "potential", V = 0.1 }
diffusion = 0.001
mobility.weight = 10.0
[population.R]
initial.rho = 0.0
mobility.weight = 100.0
coupling = { type = "power", coefficient = 1.0 }
[solver]
tolerance = 1e-3
levels = 2
[output]
every = 4
[trajectories]
starts = [3, 3]
)toml";

ProcessResult solve(const std::string& dir, const std::string& output, Words more = {}, int ranks = 1) {
  Words words{"p.toml", "-o", output, "--log", "quiet"};
  words.insert(words.end(), more.begin(), more.end());
  return run_app("wf-mean-field", words, {.ranks = ranks, .directory = dir, .timeout = 100});
}

}  // namespace

BOOST_AUTO_TEST_CASE(answers_do_not_depend_on_ranks_or_stops) {
  const std::string dir = fresh_directory("population_ranks");
  write_file(dir + "/p.toml", epidemic);
  for (const int ranks : {1, 2, 4}) {
    const ProcessResult r = solve(dir, std::to_string(ranks), {}, ranks);
    BOOST_TEST_REQUIRE(r.code == 0, r.err);
  }
  for (const char* ranks : {"2", "4"}) BOOST_TEST((read_file(dir + "/" + ranks + "/history.csv") == read_file(dir + "/1/history.csv")), ranks);
  const Json one = report(dir + "/1"), q = one["quantities"];
  BOOST_TEST(std::fabs(q["final_mass"].get<double>() / q["mass"].get<double>() - 1) < 1e-12);
  BOOST_TEST(std::fabs(q["mass_I"].get<double>() - 0.05) < 1e-14);
  BOOST_TEST(q["mass_R"] == 0.0);
  BOOST_TEST(q["final_mass_R"].get<double>() > 0.01);
  BOOST_TEST(one["masses"]["S"].size() == 9u);
  for (const char* name : {"S", "I"}) BOOST_TEST(fs::exists(dir + "/1/trajectories_" + name + ".h5"));

  // Stopped at the first check, and after four sweeps: goes on with the same bits.
  const ProcessResult stopped = solve(dir, "stopped", {"--time-limit", "00:00:00"});
  BOOST_TEST(stopped.code == 5, stopped.err);
  const ProcessResult rest = solve(dir, "stopped", {"--restart"});
  BOOST_TEST(rest.code == 0, rest.err);
  BOOST_TEST(check_same_files(dir + "/stopped", dir + "/1") == 3);
  BOOST_TEST((report(dir + "/stopped")["quantities"] == q));
  const Words one_grid{"--set", "solver.levels=1"}, few{"--set", "solver.levels=1", "--set", "solver.max_iterations=4"};
  BOOST_TEST(solve(dir, "straight", one_grid).code == 0);
  BOOST_TEST(solve(dir, "half", few).code == 3);
  const ProcessResult half = solve(dir, "half", {"--restart", "--set", "solver.levels=1"});
  BOOST_TEST(half.code == 0, half.err);
  BOOST_TEST(check_same_files(dir + "/half", dir + "/straight") == 3);
}

/// With dear motion every cell is an epidemic of its own.
BOOST_AUTO_TEST_CASE(dear_motion_leaves_the_equations_of_the_epidemic) {
  const std::string dir = fresh_directory("population_uniform");
  write_file(dir + "/p.toml", epidemic);
  Words words{"--set", "population.S.diffusion=0", "--set", "population.I.diffusion=0", "--set", "time.steps=32"};
  for (const char* name : {"S", "I", "R"}) words.insert(words.end(), {"--set", std::string("population.") + name + ".mobility.weight=1e8"});
  const ProcessResult r = solve(dir, "dear", words, 2);
  BOOST_TEST_REQUIRE(r.code == 0, r.err);
  const ProcessResult read = run_process({"/usr/bin/python3", "-c",
                                          "import h5py, numpy as np\n"
                                          "def load(n): f = h5py.File('dear/fields/%06d.h5' % n); return [f['rho_' + s][()] for s in 'SIR']\n"
                                          "u = np.array(load(0)); n = 2000; h = 1.0 / n\n"
                                          "def rate(u): return np.array([-2*u[0]*u[1], 2*u[0]*u[1] - u[1]/2, u[1]/2])\n"
                                          "for _ in range(n):\n"
                                          "    a = rate(u); b = rate(u + h/2*a); c = rate(u + h/2*b); d = rate(u + h*c)\n"
                                          "    u = u + h/6*(a + 2*b + 2*c + d)\n"
                                          "print(abs(u - np.array(load(8))).max(), abs(u).max())\n"},
                                         {.directory = dir});
  BOOST_TEST_REQUIRE(read.code == 0, read.err);
  double difference = 1, size = 0;
  BOOST_TEST(std::sscanf(read.out.c_str(), "%lf %lf", &difference, &size) == 2);
  BOOST_TEST(difference < 1e-3 * size, read.out);
}

BOOST_AUTO_TEST_CASE(bad_input_is_refused_with_one_message) {
  struct Fault {
    std::string from, to, message;
  };
  const std::vector<Fault> faults{
      {"\"gamma*I\"]", "\"gamma*J\"]", "p.toml:9:52: reaction.rates[2]"},
      {", \"gamma*I\"]", "]", "reaction.rates: expected 3 formulas, one a species, got 2"},
      {"[reaction]", "[reactions]", "population: several populations need [reaction]"},
      {"[population.R]", "[population.Q]", "population.Q: there is no species 'Q'"},
      {"[population.R]\ninitial.rho = 0.0\nmobility.weight = 100.0\ncoupling = { type = \"power\", coefficient = 1.0 }", "",
       "population.R: the species 'R' of [reaction] needs a table [population.R]"},
      {"[solver]", "[initial]\nrho = \"1\"\n[solver]", "p.toml:26:1: initial: with several populations every one has its own: population.S.initial"},
      {"[solver]", "[final]\nrho = \"1\"\n[solver]", "final: several populations have no [final]"},
      {"[solver]", "[solver]\nscheme = \"upwind\"", "p.toml:27:10: solver.scheme: several populations take the staggered scheme"},
      {"0.8 + 0.3", "0.2 + 0.3", "p.toml:12:15: population.S.initial.rho: the density is negative: "},
      {"diffusion = 0.002", "diffusion = -1.0", "population.S.diffusion: -1 is out of range"},
      {"diffusion = 0.002", "difusion = 0.002", "unknown key 'population.S.difusion'; did you mean 'diffusion'?"},
  };
  for (std::size_t i = 0; i < faults.size(); ++i) BOOST_TEST_CONTEXT(faults[i].message) {
      const Fault& f = faults[i];
      const std::string dir = fresh_directory("population_input");
      std::string text = epidemic;
      BOOST_TEST_REQUIRE(text.find(f.from) != std::string::npos);
      text.replace(text.find(f.from), f.from.size(), f.to);
      write_file(dir + "/p.toml", text);
      const ProcessResult r = run_app("wf-mean-field", {"p.toml"}, {.ranks = i % 5 == 0 ? 2 : 1, .directory = dir, .timeout = 30});
      BOOST_TEST(r.code == 2, r.err);
      BOOST_TEST(count_lines(r.err, "error: ") == 1, r.err);
      BOOST_TEST(r.err.find(f.message) != std::string::npos, r.err);
      BOOST_TEST(std::distance(fs::directory_iterator(dir), fs::directory_iterator{}) == 1);
    }
}
