// timeout: 300
// processors: 2
// wf-mean-field seen from outside: the same answer on any number of ranks and after a stop, and what a problem without coupling has in common with
// wf-hamilton-jacobi.
#define BOOST_TEST_MODULE mean_field_runs
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <csignal>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "tests/support/process.hpp"
#include "tests/support/run_files.hpp"

using namespace wasserflow::test;
namespace fs = std::filesystem;
using Words = std::vector<std::string>;
using Json = nlohmann::json;

namespace {

const char* const transport = R"toml([grid]
upper = [1.0, 1.5]
cells = [24, 32]
[time]
steps = 8
[initial]
rho = "exp(-((x-0.3)^2 + (y-0.4)^2)/0.02)"
[final]
rho = "exp(-((x-0.7)^2 + (y-1.0)^2)/0.03)"
[solver]
tolerance = 1e-3
[output]
every = 4
[trajectories]
starts = 4
)toml";

const char* const game = R"toml(diffusion = 0.1
[grid]
upper = 1.0
cells = 48
boundary = "periodic"
[time]
steps = 12
[[coupling]]
type = "potential"
V = "cos(2*pi*x)*(1+t)"
[[coupling]]
type = "power"
coefficient = 0.1
[interaction]
W = "0.2*exp(-20*x^2)"
[terminal]
type = "entropy"
gamma = 0.05
[initial]
rho = "1 + 0.5*sin(2*pi*x)"
[solver]
tolerance = 1e-4
[output]
every = 4
[trajectories]
starts = 6
samples = 2
)toml";

const char* const unbalanced = R"toml([grid]
upper = 1.0
cells = 48
[time]
steps = 8
[unbalanced]
penalty = 0.3
[initial]
rho = "exp(-(x-0.3)^2/0.02)"
[final]
rho = "exp(-(x-0.6)^2/0.01)"
mass = 1.5
[solver]
tolerance = 1e-3
[output]
times = [0.0, 0.3, 1.0]
)toml";

const char* const movements = R"toml([grid]
lower = -1.0
upper = 1.0
cells = 64
[jko]
tau = 0.01
steps = 3
energy = [{ type = "entropy", gamma = 0.5 }, { type = "potential", V = "x^2" }]
[initial]
rho = "exp(-(x-0.2)^2/0.02)"
[solver]
tolerance = 1e-3
)toml";

struct Case {
  std::string name, problem;
  Words settings;
};

const std::vector<Case> cases{
    {"transport", transport, {}},
    {"game", game, {}},
    {"game, upwind", game, {"solver.scheme=\"upwind\"", "solver.max_iterations=200"}},
    {"unbalanced", unbalanced, {}},
    {"minimising movements", movements, {}},
};

ProcessResult solve(const Case& c, const std::string& dir, const std::string& output, Words more = {}, int ranks = 1,
                    std::function<void(pid_t)> meanwhile = {}) {
  Words words{"p.toml", "-o", output, "--log", "quiet"};
  for (const std::string& s : c.settings) words.insert(words.end(), {"--set", s});
  words.insert(words.end(), more.begin(), more.end());
  return run_app("wf-mean-field", words, {.ranks = ranks, .directory = dir, .timeout = 100, .meanwhile = std::move(meanwhile)});
}

/// 0: converged; 3: the iteration limit of the case.
bool ended(const ProcessResult& r) { return r.code == 0 || r.code == 3; }

}  // namespace

BOOST_AUTO_TEST_CASE(answers_do_not_depend_on_the_ranks) {
  for (const Case& c : cases) BOOST_TEST_CONTEXT(c.name) {
      const std::string dir = fresh_directory("mean_field_ranks");
      write_file(dir + "/p.toml", c.problem);
      for (const int ranks : {1, 2, 4}) {
        const ProcessResult r = solve(c, dir, std::to_string(ranks), {}, ranks);
        BOOST_TEST_REQUIRE(ended(r), r.err);
      }
      const Json one = report(dir + "/1");
      for (const char* ranks : {"2", "4"}) {
        const Json other = report(dir + "/" + ranks);
        BOOST_TEST(one["iterations"] == other["iterations"]);
        int compared = 0;
        for (const auto& [name, value] : one["quantities"].items())
          if (value.is_number() && name != "bytes_per_point") {
            const double a = value, b = other["quantities"][name];
            ++compared;
            BOOST_TEST(a == b, ranks << " ranks, " << name << ": " << a << " and " << b);
          }
        BOOST_TEST(compared > 10);
        BOOST_TEST((read_file(dir + "/1/history.csv") == read_file(dir + "/" + ranks + "/history.csv")), ranks);
      }
    }
}

BOOST_AUTO_TEST_CASE(a_run_that_was_stopped_equals_the_straight_one) {
  for (const Case& c : cases) BOOST_TEST_CONTEXT(c.name) {
      const std::string dir = fresh_directory("mean_field_restart");
      write_file(dir + "/p.toml", c.problem);
      const Words often{"--set", "output.checkpoint_seconds=0"};
      BOOST_TEST(ended(solve(c, dir, "straight", often)));
      // Killed before its last check: the newest checkpoint is not the last one.
      BOOST_TEST(ended(solve(c, dir, "killed", often)));
      std::vector<std::string> checkpoints;
      for (const auto& file : fs::directory_iterator(dir + "/killed/checkpoints")) checkpoints.push_back(file.path().string());
      std::sort(checkpoints.begin(), checkpoints.end());
      BOOST_TEST_REQUIRE(checkpoints.size() == 2u);
      fs::remove(checkpoints.back());
      const ProcessResult r = solve(c, dir, "killed", {"--restart", "--set", "output.checkpoint_seconds=0"});
      BOOST_TEST(ended(r), r.err);
      BOOST_TEST(check_same_files(dir + "/killed", dir + "/straight") >= 3);
      // Stopped by a signal as soon as there is a checkpoint, on one of the coarse grids or in the first movement; goes on with two ranks.
      bool sent = false;
      const ProcessResult stopped = solve(c, dir, "stopped", often, 1, [&](pid_t pid) {
        if (sent || !fs::exists(dir + "/stopped/checkpoints") || fs::is_empty(dir + "/stopped/checkpoints")) return;
        kill(pid, SIGTERM);
        sent = true;
      });
      if (stopped.code == 5) {
        BOOST_TEST(report(dir + "/stopped")["status"] == "time_limit");
        const ProcessResult rest = solve(c, dir, "stopped", {"--restart"}, 2);
        BOOST_TEST(ended(rest), rest.err);
        BOOST_TEST((read_file(dir + "/stopped/history.csv") == read_file(dir + "/straight/history.csv")), "history.csv after a signal");
        const Json a = report(dir + "/stopped"), b = report(dir + "/straight");
        BOOST_TEST(a["quantities"]["objective"] == b["quantities"]["objective"]);
        BOOST_TEST(a["iterations"] == b["iterations"]);
        BOOST_TEST(a["operator_passes"] == b["operator_passes"]);
      } else {
        BOOST_TEST(ended(stopped), stopped.err);
      }
    }
}

BOOST_AUTO_TEST_CASE(masses_are_kept_and_files_hold_no_negative_density) {
  const std::string dir = fresh_directory("mean_field_mass");
  for (const Case& c : cases) BOOST_TEST_CONTEXT(c.name) {
      write_file(dir + "/p.toml", c.problem);
      BOOST_TEST(ended(solve(c, dir, "run", {"--overwrite"})));
      const Json q = report(dir + "/run")["quantities"];
      BOOST_TEST(q["mass_error"].get<double>() < (c.name == "game, upwind" ? 1e-11 : 1e-12));
      BOOST_TEST(std::fabs(q["mass"].get<double>() - 1) < 1e-12);
      BOOST_TEST(std::fabs(q["final_mass"].get<double>() - (c.name == "unbalanced" ? 1.5 : 1)) < 1e-12);
    }
}

/// Bounds of the discrete minimum are reported; for the upwind scheme their gap ends a solve that asks for it.
BOOST_AUTO_TEST_CASE(bounds_are_reported_and_end_solves) {
  const std::string dir = fresh_directory("mean_field_bounds");
  const std::string problem =
      "[grid]\nupper = 1.0\ncells = 48\n[time]\nsteps = 12\n[initial]\nrho = \"max(0, 0.02 - (x - 0.3)^2)\"\n[final]\nrho = \"max(0, 0.02 - (x - "
      "0.7)^2) + 1e-3\"\n[solver]\n";
  write_file(dir + "/s.toml", problem);
  write_file(dir + "/u.toml", problem + "scheme = \"upwind\"\nstop = \"gap\"\ntolerance = 2e-3\n");
  for (const std::string scheme : {"s", "u"}) BOOST_TEST_CONTEXT(scheme) {
      const ProcessResult r = run_app("wf-mean-field", {scheme + ".toml", "-o", scheme, "--log", "quiet"}, {.directory = dir});
      BOOST_TEST_REQUIRE(r.code == 0, r.err);
      const Json whole = report(dir + "/" + scheme), q = whole["quantities"];
      const double upper = q["upper_bound"].get<double>(), objective = q["objective"].get<double>();
      BOOST_TEST(upper > objective * (1 - 1e-3));
      BOOST_TEST(upper < objective * 1.1);
      if (scheme == "s") continue;
      const double lower = q["lower_bound"].get<double>();
      BOOST_TEST(lower <= upper);
      BOOST_TEST(q["gap"].get<double>() <= 2e-3);
      BOOST_TEST(std::fabs((upper - lower) / upper - q["gap"].get<double>()) < 1e-12);
      BOOST_TEST(whole["residuals"].size() == 1);
    }
  write_file(dir + "/c.toml", problem + "scheme = \"upwind\"\nstop = \"gap\"\n[mobility]\ntype = \"power\"\nexponent = 0.5\n");
  const ProcessResult refused = run_app("wf-mean-field", {"c.toml", "-o", "c"}, {.directory = dir});
  BOOST_TEST(refused.code == 2);
  BOOST_TEST(refused.err.find("solver.stop") != std::string::npos, refused.err);
}

/// The Hamilton-Jacobi equation in reversed time, on the same grid and scheme.
BOOST_AUTO_TEST_CASE(a_game_without_coupling_is_a_control_problem) {
  const std::string dir = fresh_directory("mean_field_control");
  const std::string grid = "diffusion = 0.05\n[grid]\nupper = 1.0\ncells = 32\nboundary = \"periodic\"\n";
  const std::string hamiltonian = "[time]\nsteps = 10\nfinal = 0.5\n[hamiltonian]\ntype = \"formula\"\nH = \"(1 + 0.5*sin(2*pi*x))*px^2/2\"\n";
  write_file(dir + "/mf.toml",
             grid + hamiltonian +
                 "[terminal]\ntype = \"potential\"\nV = \"cos(2*pi*x)\"\n[initial]\nrho = \"1 + 0*x\"\n[solver]\nscheme = \"upwind\"\n"
                 "tolerance = 1e-11\nmax_iterations = 20000\n[output]\nfields = [\"phi\"]\n");
  write_file(dir + "/hj.toml", grid + "nodes = \"center\"\n" + hamiltonian +
                                   "[initial]\nphi = \"cos(2*pi*x)\"\n[solver]\nmethod = \"howard\"\ntolerance = 1e-12\n[output]\nevery = 1\n");
  const ProcessResult a = run_app("wf-mean-field", {"mf.toml", "-o", "mf", "--log", "quiet"}, {.directory = dir});
  BOOST_TEST(a.code == 0, a.err);
  const ProcessResult b = run_app("wf-hamilton-jacobi", {"hj.toml", "-o", "hj", "--log", "quiet"}, {.directory = dir});
  BOOST_TEST(b.code == 0, b.err);
  // phi(., 0) of the game is phi(., T) of the control problem; with rho = 1 at the start the objective is its mean.
  const ProcessResult read = run_process({"/usr/bin/python3", "-c",
                                          "import h5py, numpy\n"
                                          "a = h5py.File('mf/fields/000000.h5')['phi'][()]\n"
                                          "b = h5py.File('hj/fields/000010.h5')['phi'][()]\n"
                                          "print(abs(a - b).max(), b.mean())\n"},
                                         {.directory = dir});
  BOOST_TEST_REQUIRE(read.code == 0, read.err);
  double difference = 1, mean = 0;
  BOOST_TEST(std::sscanf(read.out.c_str(), "%lf %lf", &difference, &mean) == 2);
  BOOST_TEST(difference < 1e-8);
  const Json q = report(dir + "/mf")["quantities"];
  BOOST_TEST(std::fabs(q["objective"].get<double>() - mean) < 1e-7);
  BOOST_TEST(q["lower_bound"].get<double>() <= mean + 1e-10);
}

/// Best responses: averages go on with the same bits, Newton's and Anderson's methods from their last iterate.
BOOST_AUTO_TEST_CASE(best_responses_go_on_where_they_were_stopped) {
  const std::string problem =
      "diffusion = 0.05\n[grid]\nupper = 1.0\ncells = 32\n[time]\nsteps = 8\n[initial]\nrho = \"exp(-(x-0.3)^2/0.05)\"\n[game]\nf = \"rho\"\ng = "
      "\"(x-0.7)^2\"\n[solver]\nscheme = \"fixed_point\"\ndamping = 0.2\n[output]\nfields = [\"rho\", \"phi\"]\nevery = 4\n";
  for (const std::string method : {"damped", "fictitious-play", "anderson", "newton-krylov"}) BOOST_TEST_CONTEXT(method) {
      const bool averages = method == "damped" || method == "fictitious-play";
      const Case c{
          method, problem, {"solver.method=\"" + method + "\"", method == "fictitious-play" ? "solver.tolerance=1e-3" : "solver.tolerance=1e-9"}};
      const std::string dir = fresh_directory("mean_field_responses");
      write_file(dir + "/p.toml", problem);
      const ProcessResult straight = solve(c, dir, "straight");
      BOOST_TEST_REQUIRE(straight.code == 0, straight.err);
      const ProcessResult stopped = solve(c, dir, "stopped", {"--time-limit", "00:00:00"});
      BOOST_TEST(stopped.code == 5, stopped.err);
      const Json early = report(dir + "/stopped");
      BOOST_TEST(early["status"] == "time_limit");
      BOOST_TEST(early["iterations"].get<int>() < report(dir + "/straight")["iterations"].get<int>());
      const ProcessResult rest = solve(c, dir, "stopped", {"--restart"}, averages ? 1 : 2);
      BOOST_TEST(rest.code == 0, rest.err);
      // Half of the way, then the rest.
      const ProcessResult half = solve(c, dir, "half", {"--set", "solver.max_iterations=4"});
      BOOST_TEST(half.code == 3, half.err);
      const ProcessResult whole = solve(c, dir, "half", {"--restart"});
      BOOST_TEST(whole.code == 0, whole.err);
      for (const char* name : {"/stopped", "/half"}) {
        const Json a = report(dir + name), b = report(dir + "/straight");
        if (averages) {
          BOOST_TEST(check_same_files(dir + name, dir + "/straight") >= 3);
          BOOST_TEST((a["quantities"] == b["quantities"]));
        }
        for (const char* figure : {"mean_x", "variance_x"})
          BOOST_TEST(std::fabs(a["quantities"][figure].get<double>() - b["quantities"][figure].get<double>()) < 1e-7, figure);
        BOOST_TEST(a["residuals"]["response"]["relative"].get<double>() <= (method == "fictitious-play" ? 1e-3 : 1e-9));
      }
    }
}

/// A game with a potential by its minimisation and by best responses, on the same grid and scheme.
BOOST_AUTO_TEST_CASE(best_responses_reach_the_minimiser_of_a_game_with_a_potential) {
  const std::string dir = fresh_directory("mean_field_game");
  const std::string common =
      "diffusion = 0.05\n[grid]\nupper = 1.0\ncells = 32\n[time]\nsteps = 8\n[initial]\nrho = \"exp(-(x-0.3)^2/0.05)\"\n[output]\nfields = "
      "[\"rho\"]\n";
  write_file(dir + "/potential.toml", common +
                                          "[coupling]\ntype = \"power\"\ncoefficient = 0.25\n[terminal]\ntype = \"potential\"\nV = \"(x-0.7)^2\"\n"
                                          "[solver]\nscheme = \"upwind\"\ntolerance = 1e-9\nmax_iterations = 20000\n");
  write_file(dir + "/responses.toml", common + "[game]\nf = \"rho/2\"\ng = \"(x-0.7)^2\"\n[solver]\nscheme = \"fixed_point\"\ntolerance = 1e-10\n");
  for (const char* name : {"potential", "responses"}) {
    const ProcessResult r = run_app("wf-mean-field", {std::string(name) + ".toml", "-o", name, "--log", "quiet"}, {.directory = dir});
    BOOST_TEST(r.code == 0, r.err);
  }
  const Json a = report(dir + "/potential")["quantities"], b = report(dir + "/responses")["quantities"];
  for (const char* name : {"mean_x", "variance_x"}) BOOST_TEST(std::fabs(a[name].get<double>() - b[name].get<double>()) < 1e-6, name);
}
