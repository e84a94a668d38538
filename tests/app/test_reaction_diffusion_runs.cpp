// timeout: 400
// processors: 2
// wf-reaction-diffusion seen from outside: the same answer on any number of ranks, after stop, kill and restart, and from its own resolved.toml;
// failure.
#define BOOST_TEST_MODULE reaction_diffusion_runs
#include <signal.h>

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

const char* const circle = R"toml([grid]
upper = [0.5, 0.5]
cells = [24, 16]
[equation]
type = "allen_cahn"
a = 0.01
b = 100.0
[time]
final = 0.02
dt = 0.001
[initial]
u = "tanh((0.17 - sqrt((x-0.25)^2 + (y-0.25)^2)) / 0.03)"
[output]
every = 5
diagnostics = ["energy", "mass", "minimum", "maximum", "front_position", "interface_length", "structure_factor"]
)toml";

const char* const mixture = R"toml([grid]
upper = [6.0, 6.0]
cells = [16, 24]
boundary = "no_flux"
[equation]
type = "cahn_hilliard"
a = 0.04
b = 1.0
[time]
final = 0.2
dt = 0.01
[initial]
u = "0.2*cos(pi*x/3)*cos(pi*y/2) + 0.1*cos(pi*y/6)"
[output]
interval = 0.05
)toml";

const char* const spots = R"toml([grid]
upper = [2.0, 2.0]
cells = [16, 16]
[equation]
type = "reaction_diffusion"
diffusion = [8e-5, 4e-5]
[reaction]
type = "gray_scott"
[time]
final = 20.0
dt = 1.0
[initial]
u = "1 - 0.5*exp(-20*((x-1)^2 + (y-1)^2))"
v = "0.25*exp(-20*((x-1)^2 + (y-1.1)^2))"
[output]
times = [5.0, 10.0]
fields = ["v"]
)toml";

struct Case {
  std::string name, problem;
  Words settings;
  bool own_kernels = true;  ///< no Krylov solver of PETSc inside
};

const std::vector<Case> cases{
    {"Allen-Cahn", circle, {"solver.method=\"anderson\""}},
    {"Allen-Cahn, blocks", circle, {"time.block=5", "solver.method=\"pdhg-published\""}},
    {"Allen-Cahn, Newton-Krylov", circle, {"solver.method=\"newton-krylov\"", "solver.tolerance=1e-11"}, false},
    {"Allen-Cahn, single precision", circle, {"solver.method=\"picard\"", "solver.precision=\"single\""}},
    {"Cahn-Hilliard, adaptive BDF2", mixture, {"time.method=\"bdf2\"", "time.adaptive=true", "solver.method=\"anderson\""}},
    {"Cahn-Hilliard, SDIRK2", mixture, {"time.method=\"sdirk2\"", "solver.method=\"picard\"", "output.diagnostics_every=3"}},
    {"Cahn-Hilliard, SBDF2", mixture, {"time.method=\"sbdf2\""}},
    {"Gray-Scott", spots, {"solver.method=\"anderson\""}},
    {"Gray-Scott, ETDRK4", spots, {"time.method=\"etdrk4\""}},
};

ProcessResult solve(const std::string& dir, const std::string& output, Words settings, const Words& more = {}, ProcessOptions options = {}) {
  options.directory = dir;
  options.timeout = 120;
  Words words{"p.toml", "-o", output, "--log", "quiet"};
  for (const std::string& s : settings) words.insert(words.end(), {"--set", s});
  words.insert(words.end(), more.begin(), more.end());
  ProcessResult r = run_app("wf-reaction-diffusion", words, options);
  BOOST_TEST(!r.timed_out);
  return r;
}

void same_files(const std::string& a, const std::string& b) {
  check_same_files(b, a);
  BOOST_TEST((read_file(a + "/fields.xdmf") == read_file(b + "/fields.xdmf")), "fields.xdmf");
}

void same_reports(const std::string& a, const std::string& b) {
  const Json one = report(a), other = report(b);
  for (const char* key : {"status", "steps_done", "iterations", "operator_passes", "transform_pairs", "solvers", "steps", "residuals", "quantities"})
    BOOST_TEST((one[key] == other[key]), key << ": " << one[key] << " is not " << other[key]);
}

}  // namespace

BOOST_AUTO_TEST_CASE(answers_do_not_depend_on_the_ranks) {
  for (const Case& c : cases) BOOST_TEST_CONTEXT(c.name) {
      const std::string dir = fresh_directory("rd_ranks");
      write_file(dir + "/p.toml", c.problem);
      for (const int ranks : {1, 2, 4}) {
        const ProcessResult r = solve(dir, std::to_string(ranks), c.settings, {}, {.ranks = ranks});
        BOOST_TEST_REQUIRE(r.code == 0, r.err);
      }
      const Json one = Json::parse(read_file(dir + "/1/report.json"));
      BOOST_TEST(count_lines(read_file(dir + "/1/history.csv"), "") > 4);
      for (const char* ranks : {"2", "4"}) BOOST_TEST_CONTEXT(ranks << " ranks") {
          if (c.own_kernels) {
            BOOST_TEST((read_file(dir + "/" + ranks + "/history.csv") == read_file(dir + "/1/history.csv")));
            same_reports(dir + "/1", dir + "/" + ranks);
            continue;
          }
          const Json other = Json::parse(read_file(dir + "/" + ranks + "/report.json"));
          for (const char* name : {"energy", "mass", "front_position", "interface_length", "mean_length"}) {
            const double a = one["quantities"][name], b = other["quantities"][name];
            BOOST_TEST(std::fabs(a - b) <= 1e-11 * (1 + std::fabs(a)), name << ": " << a << " and " << b);
          }
        }
    }
}

BOOST_AUTO_TEST_CASE(stop_and_restart_equal_the_straight_run) {
  for (const std::size_t i : {0u, 1u, 4u, 6u, 7u})
    for (const int ranks : {1, 2}) BOOST_TEST_CONTEXT(cases[i].name << " on " << ranks) {
        const std::string dir = fresh_directory("rd_restart");
        write_file(dir + "/p.toml", cases[i].problem);
        Words longer = cases[i].settings;
        longer.push_back("output.checkpoint_seconds=0");
        if (cases[i].problem == circle) longer.push_back("time.final=0.08");
        if (cases[i].problem == mixture) longer.push_back("time.final=0.6");
        if (cases[i].problem == spots) longer.push_back("time.final=60");
        BOOST_TEST(solve(dir, "straight", longer, {}, {.ranks = ranks}).code == 0);
        bool sent = false;
        ProcessOptions options{.ranks = ranks};
        options.meanwhile = [&](pid_t pid) {
          if (sent || count_lines(read_file(dir + "/stopped/history.csv"), "") < 4) return;
          sent = true;
          kill(pid, SIGUSR1);
        };
        BOOST_TEST(solve(dir, "stopped", longer, {}, options).code == 5);
        BOOST_TEST(Json::parse(read_file(dir + "/stopped/report.json"))["status"] == "time_limit");
        const int rows = count_lines(read_file(dir + "/stopped/history.csv"), "");
        const ProcessResult r = solve(dir, "stopped", longer, {"--restart"}, {.ranks = ranks});
        BOOST_TEST(r.code == 0, r.err);
        BOOST_TEST(count_lines(read_file(dir + "/stopped/history.csv"), "") > rows);
        same_files(dir + "/straight", dir + "/stopped");
        same_reports(dir + "/straight", dir + "/stopped");
      }
}

BOOST_AUTO_TEST_CASE(killed_runs_go_on_from_their_checkpoint_on_other_ranks) {
  const std::string dir = fresh_directory("rd_kill");
  write_file(dir + "/p.toml", mixture);
  const Words settings{"time.method=\"bdf2\"", "time.adaptive=true", "time.final=1.0", "output.checkpoint_seconds=0", "solver.method=\"anderson\""};
  BOOST_TEST(solve(dir, "straight", settings).code == 0);
  bool sent = false;
  ProcessOptions options;
  options.meanwhile = [&](pid_t pid) {
    if (sent || count_lines(read_file(dir + "/killed/history.csv"), "") < 6) return;
    sent = true;
    kill(pid, SIGKILL);
  };
  BOOST_TEST(solve(dir, "killed", settings, {}, options).code == 128 + SIGKILL);
  BOOST_TEST(!fs::exists(dir + "/killed/report.json"));
  const ProcessResult r = solve(dir, "killed", settings, {"--restart"}, {.ranks = 2});
  BOOST_TEST(r.code == 0, r.err);
  same_reports(dir + "/straight", dir + "/killed");
  BOOST_TEST((read_file(dir + "/killed/history.csv") == read_file(dir + "/straight/history.csv")));
}

BOOST_AUTO_TEST_CASE(the_resolved_problem_gives_the_same_run) {
  for (const char* problem : {circle, spots}) {
    const std::string dir = fresh_directory("rd_resolved");
    write_file(dir + "/p.toml", problem);
    BOOST_TEST(solve(dir, "a", {}).code == 0);
    const ProcessResult again = run_app("wf-reaction-diffusion", {"a/resolved.toml", "-o", "b", "--log", "quiet"}, {.directory = dir});
    BOOST_TEST(again.code == 0, again.err);
    same_files(dir + "/a", dir + "/b");
  }
}

BOOST_AUTO_TEST_CASE(reports_say_what_happened) {
  const std::string dir = fresh_directory("rd_report");
  write_file(dir + "/p.toml", mixture);
  BOOST_TEST(solve(dir, "a", {"solver.method=\"anderson\""}).code == 0);
  const Json r = Json::parse(read_file(dir + "/a/report.json"));
  BOOST_TEST(r["status"] == "converged");
  BOOST_TEST(r["steps_done"] == 20);
  BOOST_TEST(r["solvers"]["anderson"] == 20);
  BOOST_TEST(r["residuals"]["max_abs"].get<double>() <= 1e-6);
  BOOST_TEST(r["residuals"]["max_abs"].get<double>() > 0);
  const Json& q = r["quantities"];
  BOOST_TEST(q["mass_drift"].get<double>() <= 1e-13);
  BOOST_TEST(q["largest_energy_increase"] == 0);
  BOOST_TEST(q["energy"].get<double>() < q["energy_first"].get<double>());
  // Saved at 0, 0.05, 0.1, 0.15, 0.2.
  BOOST_TEST(std::distance(fs::directory_iterator(dir + "/a/fields"), fs::directory_iterator{}) == 5);
}

// u_t = u^2 from 1 ends at t = 1: no step beyond exists, however small. The last checkpoint stays.
BOOST_AUTO_TEST_CASE(blow_up_ends_with_code_4_and_a_checkpoint) {
  for (const int ranks : {1, 2}) {
    const std::string dir = fresh_directory("rd_blow_up");
    write_file(dir + "/p.toml", R"toml([grid]
upper = 1.0
cells = 16
[equation]
type = "reaction_diffusion"
diffusion = 0.01
[reaction]
type = "formula"
rates = ["u^2"]
[time]
final = 2.0
dt = 0.05
[initial]
u = 1.0
[output]
checkpoint_seconds = 0
)toml");
    const ProcessResult r = solve(dir, "a", {}, {}, {.ranks = ranks});
    BOOST_TEST(r.code == 4, r.err);
    BOOST_TEST(count_lines(r.err, "error: step ") == 1, r.err);
    const Json report = Json::parse(read_file(dir + "/a/report.json"));
    BOOST_TEST(report["status"] == "diverged");
    BOOST_TEST(report["steps_done"].get<int>() > 5);
    BOOST_TEST(report["time_reached"].get<double>() > 0.8);
    BOOST_TEST(report["time_reached"].get<double>() < 1.1);
    BOOST_TEST(fs::exists(dir + "/a/checkpoints"));
    BOOST_TEST(!fs::is_empty(dir + "/a/checkpoints"));
  }
}
