// timeout: 300
// processors: 2
// wf-transport seen from outside: the same answer on any number of ranks and after a stop, closed forms, bad input.
#define BOOST_TEST_MODULE transport_runs
#include <signal.h>

#include <boost/test/unit_test.hpp>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "grids/io/hdf5.hpp"
#include "tests/support/process.hpp"

using namespace wasserflow;
using namespace wasserflow::test;
namespace fs = std::filesystem;
using Words = std::vector<std::string>;
using Json = nlohmann::json;

namespace {

const char* const plane = R"toml([grid]
lower = [-1.0, 0.0]
upper = [1.0, 3.0]
cells = [32, 48]
boundary = ["no_flux", "periodic"]
[initial]
rho = "exp(-8*x^2)*(1.2+sin(2*pi*y/3))"
[final]
rho = "exp(-3*(x-0.4)^2)*(1.1+cos(2*pi*y/3))"
[transport]
type = "w1"
[solver]
tolerance = 1e-4
coarsest = 16
)toml";

// Uniform on [0, 1] and on [1, 3]: W1 = 1.5, also on this grid.
const char* const line = R"toml([grid]
upper = 4.0
cells = 64
[initial]
rho = { type = "boxes", boxes = [{ lower = [0.0], upper = [1.0] }] }
[final]
rho = { type = "boxes", boxes = [{ lower = [1.0], upper = [3.0] }] }
[transport]
type = "w1"
[reference]
distance = 1.5
)toml";

// A bump and its translate.
const char* const w2 = R"toml([grid]
upper = [1.0, 1.0]
cells = [32, 32]
[initial]
rho = "exp(-((x-0.3)^2 + (y-0.4)^2)/0.005)"
[final]
rho = "exp(-((x-0.7)^2 + (y-0.5)^2)/0.005)"
[transport]
type = "w2"
[solver]
tolerance = 1e-2
[output]
times = [0.0, 0.5, 1.0]
)toml";

ProcessResult solve(const std::string& dir, const char* problem, const std::string& name, Words more = {}, int ranks = 1) {
  write_file(dir + "/p.toml", problem);
  Words words{dir + "/p.toml", "--output", dir + "/" + name, "--log", "quiet"};
  words.insert(words.end(), more.begin(), more.end());
  return run_app("wf-transport", words, {.ranks = ranks});
}

Json report(const std::string& dir, const std::string& name) { return Json::parse(read_file(dir + "/" + name + "/report.json")); }

/// The saved fields of two runs, bit for bit.
void same_fields(const std::string& one, const std::string& other, const std::vector<std::string>& names) {
  int compared = 0;
  for (const auto& file : fs::directory_iterator(one + "/fields")) {
    const std::string path = file.path().string(), second = other + "/fields/" + file.path().filename().string();
    const H5Id a = h5_open(path), b = h5_open(second);
    for (const std::string& name : names) {
      BOOST_TEST((h5_read_reals(a.get(), path, name) == h5_read_reals(b.get(), second, name)), file.path().filename().string() << ": " << name);
      ++compared;
    }
  }
  BOOST_TEST(compared >= 2 * static_cast<int>(names.size()));
}

void same_runs(const std::string& one, const std::string& other, const std::vector<std::string>& names) {
  BOOST_TEST((read_file(one + "/history.csv") == read_file(other + "/history.csv")), "history.csv");
  same_fields(one, other, names);
}

}  // namespace

BOOST_AUTO_TEST_CASE(answers_do_not_depend_on_the_ranks) {
  const std::string dir = fresh_directory("transport_ranks");
  struct Case {
    const char* problem;
    std::vector<std::string> fields;
  };
  for (const auto& [problem, fields] :
       {Case{plane, {"rho", "phi", "m_x", "m_y"}}, {line, {"rho", "phi", "m_x"}}, {w2, {"rho", "phi", "psi", "map_x", "map_y"}}}) {
    fs::remove_all(dir);
    fs::create_directories(dir);
    BOOST_TEST(solve(dir, problem, "one").code == 0);
    for (const int ranks : {2, 3}) {
      const std::string name = "ranks" + std::to_string(ranks);
      BOOST_TEST(solve(dir, problem, name, {}, ranks).code == 0);
      same_runs(dir + "/one", dir + "/" + name, fields);
      BOOST_TEST((report(dir, name)["quantities"]["distance"] == report(dir, "one")["quantities"]["distance"]));
    }
  }
}

BOOST_AUTO_TEST_CASE(a_run_that_is_lengthened_equals_the_straight_one) {
  const std::string dir = fresh_directory("transport_restart");
  BOOST_TEST(solve(dir, plane, "straight").code == 0);
  BOOST_TEST(solve(dir, plane, "halves", {"--set", "solver.max_iterations=20"}).code == 3);
  const Json half = report(dir, "halves"), straight = report(dir, "straight");
  BOOST_TEST(half["status"] == "iteration_limit");
  BOOST_TEST(half["iterations"] == 20);
  BOOST_TEST(half["quantities"]["grid_gap"].get<double>() > 1e-4);
  BOOST_TEST(solve(dir, plane, "halves", {"--restart"}, 2).code == 0);
  same_runs(dir + "/straight", dir + "/halves", {"rho", "phi", "m_x", "m_y"});
  const Json whole = report(dir, "halves");
  BOOST_TEST((whole["quantities"] == straight["quantities"]));
  BOOST_TEST((whole["levels"] == straight["levels"]));
  BOOST_TEST(straight["levels"].size() == 2U);
  // The intervals that are certified are nested.
  BOOST_TEST(half["quantities"]["lower"].get<double>() <= straight["quantities"]["lower"].get<double>());
  BOOST_TEST(half["quantities"]["grid_upper"].get<double>() >= straight["quantities"]["grid_upper"].get<double>());
}

BOOST_AUTO_TEST_CASE(a_run_stopped_by_a_signal_goes_on_with_other_ranks) {
  const std::string dir = fresh_directory("transport_stop");
  // Checks at every iteration, and a checkpoint at each, so that the signal comes in time.
  const Words slow{"--set", "solver.check_every=1", "--set", "solver.tolerance=1e-4"};
  Words writing = slow;
  writing.insert(writing.end(), {"--set", "output.checkpoint_seconds=0"});
  BOOST_TEST_REQUIRE(solve(dir, plane, "straight", slow).code == 0);
  bool sent = false;
  Words words{dir + "/p.toml", "--output", dir + "/stopped", "--log", "quiet"};
  words.insert(words.end(), writing.begin(), writing.end());
  const ProcessResult stopped = run_app("wf-transport", words, {.ranks = 2, .meanwhile = [&](pid_t pid) {
                                                                  if (sent || count_lines(read_file(dir + "/stopped/history.csv"), "") < 5) return;
                                                                  sent = true;
                                                                  kill(pid, SIGUSR1);
                                                                }});
  BOOST_TEST(stopped.code == 5, stopped.err);
  const Json r = report(dir, "stopped");
  BOOST_TEST(r["status"] == "time_limit");
  BOOST_TEST(r["quantities"]["lower"].get<double>() <= r["quantities"]["upper"].get<double>());
  Words again = slow;
  again.push_back("--restart");
  BOOST_TEST_REQUIRE(solve(dir, plane, "stopped", again).code == 0);
  same_runs(dir + "/straight", dir + "/stopped", {"rho", "phi", "m_x", "m_y"});
}

/// Every checkpoint is a place where the run might have been stopped, on the grid itself and on the coarser one.
BOOST_AUTO_TEST_CASE(potentials_of_wasserstein_two_go_on_from_a_checkpoint) {
  const std::string dir = fresh_directory("transport_w2_restart");
  const Words careful{"--set", "solver.tolerance=1e-9",    "--set", "solver.check_every=1",
                      "--set", "solver.max_iterations=30", "--set", "solver.moment_start=false"};
  const auto with = [&](Words more) {
    more.insert(more.begin(), careful.begin(), careful.end());
    return more;
  };
  const int code = solve(dir, w2, "straight", careful).code;
  BOOST_TEST((code == 0 || code == 3));
  BOOST_TEST(report(dir, "straight")["iterations"].get<int>() >= 6);
  // No time at all: stopped at the first check on the coarsest grid.
  const ProcessResult early = solve(dir, w2, "early", with({"--time-limit", "00:00:00"}));
  BOOST_TEST(early.code == 5, early.err);
  BOOST_TEST(report(dir, "early")["quantities"]["distance"].is_null());
  BOOST_TEST(solve(dir, w2, "early", with({"--restart"}), 2).code == code);
  same_runs(dir + "/straight", dir + "/early", {"rho", "phi", "psi", "map_x", "map_y"});
  BOOST_TEST((report(dir, "early")["quantities"] == report(dir, "straight")["quantities"]));
  // Lengthened: from the grid itself.
  BOOST_TEST(solve(dir, w2, "halves", with({"--set", "solver.max_iterations=4"})).code == 3);
  BOOST_TEST(report(dir, "halves")["iterations"] == 4);
  BOOST_TEST(solve(dir, w2, "halves", with({"--restart"}), 2).code == code);
  same_runs(dir + "/straight", dir + "/halves", {"rho", "phi", "psi", "map_x", "map_y"});
  BOOST_TEST((report(dir, "halves")["quantities"] == report(dir, "straight")["quantities"]));
}

BOOST_AUTO_TEST_CASE(wasserstein_two_of_a_translate) {
  const std::string dir = fresh_directory("transport_w2");
  BOOST_TEST(solve(dir, w2, "run").code == 0);
  const Json q = report(dir, "run")["quantities"];
  const double exact = std::hypot(0.4, 0.1);
  BOOST_TEST(std::fabs(q["distance"].get<double>() - exact) < 2e-3 * exact);
  BOOST_TEST(q["lower"].get<double>() <= q["upper"].get<double>());
  BOOST_TEST(std::fabs(q["squared"].get<double>() - std::pow(q["distance"].get<double>(), 2)) < 1e-9);
}

BOOST_AUTO_TEST_CASE(closed_forms_and_ground_norms) {
  const std::string dir = fresh_directory("transport_line");
  for (const char* norm : {"l1", "l2", "linf"}) {
    BOOST_TEST(solve(dir, line, norm, {"--set", std::string("transport.ground_norm=\"") + norm + "\""}).code == 0);
    const Json r = report(dir, norm), q = r["quantities"];
    BOOST_TEST(r["status"] == "converged");
    BOOST_TEST(q["lower"].get<double>() <= 1.5 * (1 + 1e-12));
    BOOST_TEST(q["upper"].get<double>() >= 1.5 * (1 - 1e-12));
    BOOST_TEST(q["gap"].get<double>() <= 1e-3);
    BOOST_TEST(q["grid_gap"].get<double>() <= 1e-4);
    BOOST_TEST(r["errors"]["distance_relative"].get<double>() < 1e-4);
    BOOST_TEST(r["residuals"]["divergence"]["relative"].get<double>() < 1e-12);
  }
}

BOOST_AUTO_TEST_CASE(bad_input) {
  const std::string dir = fresh_directory("transport_bad");
  struct Case {
    Words more;
    const char* says;
  };
  const Case cases[] = {
      {{"--set", "final.mass=2.0"}, "unbalanced"},
      {{"--set", "transport.type=\"w11\""}, "did you mean 'w1'"},
      {{"--set", "transport.ground_norm=\"l3\""}, "l2"},
      {{"--set", "grid.boundary=\"dirichlet\""}, "no_flux"},
      {{"--set", "initial.rho=\"x\""}, "negative"},
      {{"--set", "final.rho=\"0*x\""}, "0 everywhere"},
      {{"--set", "final.rho={type=\"image\",file=\"nothing.png\"}"}, "nothing.png"},
      {{"--set", "output.fields=[\"ph\"]"}, "phi"},
      {{"--set", "solver.tolerance=1.5"}, "tolerance"},
      {{"--set", "solver.tolerence=0.1"}, "tolerance"},
  };
  for (const Case& c : cases) BOOST_TEST_CONTEXT(c.more[1]) {
      const ProcessResult r = solve(dir, plane, "bad", c.more, 2);
      BOOST_TEST(r.code == 2);
      BOOST_TEST(r.err.find(c.says) != std::string::npos, r.err);
      BOOST_TEST(!fs::exists(dir + "/bad"));
    }
}
