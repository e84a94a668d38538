// timeout: 400
// processors: 2
// wf-fokker-planck and wf-prox seen from outside: the same answer on any number of ranks and after a restart, closed forms.
#define BOOST_TEST_MODULE density_runs
#include <signal.h>

#include <boost/test/unit_test.hpp>
#include <cmath>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <tuple>

#include "grids/io/hdf5.hpp"
#include "tests/support/density_problems.hpp"
#include "tests/support/process.hpp"
#include "tests/support/run_files.hpp"

using namespace wasserflow;
using namespace wasserflow::test;
namespace fs = std::filesystem;
using Words = std::vector<std::string>;
using Json = nlohmann::json;

namespace {

struct Case {
  std::string name, app, problem;
  Words settings;
  bool own_kernels = true;  ///< no Krylov solver of PETSc inside
};

const std::vector<Case> cases{
    {"implicit Euler", "wf-fokker-planck", wells, {}, false},
    {"SDIRK2", "wf-fokker-planck", wells, {"time.method=\"sdirk2\""}, false},
    {"kernel", "wf-fokker-planck", wells, {"time.method=\"kernel\""}},
    {"symmetric, transforms", "wf-fokker-planck", wells, {"time.method=\"symmetric\"", "prox.backend=\"fft\""}},
    {"symmetric, logarithms", "wf-fokker-planck", wells, {"time.method=\"symmetric\"", "prox.backend=\"log\""}},
    {"entropic JKO, porous", "wf-fokker-planck", porous, {}},
    {"tensor", "wf-fokker-planck", tensor, {}, false},
    {"there and back", "wf-fokker-planck", board, {}, false},
    {"probability flow", "wf-fokker-planck", flow, {}},
    {"kernel formula", "wf-prox", prox, {}},
    {"symmetric scaling", "wf-prox", prox, {"prox.kernel=\"symmetric\"", "prox.surround=\"free\""}},
};

ProcessResult solve(const Case& c, const std::string& dir, const std::string& output, const Words& more = {}, ProcessOptions options = {}) {
  Words words{"p.toml", "-o", output, "--log", "quiet"};
  for (const std::string& s : c.settings) words.insert(words.end(), {"--set", s});
  words.insert(words.end(), more.begin(), more.end());
  options.directory = dir;
  options.timeout = 100;
  return run_app(c.app, words, options);
}


/// All datasets of one saved time that are not coordinates.
std::map<std::string, std::vector<double>> saved_fields(const std::string& path) {
  std::map<std::string, std::vector<double>> all;
  const H5Id file = h5_open(path);
  for (const std::string& name : h5_names(file.get(), path))
    if (name.starts_with("rho") || name.starts_with("score")) all[name] = h5_read_reals(file.get(), path, name);
  return all;
}

/// All saved fields of two runs: the same bits, or 1e-12 of their largest value. Of scores 1e-10, weighted by the density: a score divides what the
/// density is known to by the density.
void same_fields(const Case& c, const std::string& a, const std::string& b) {
  int compared = 0;
  for (const auto& file : fs::directory_iterator(a + "/fields")) {
    const auto one = saved_fields(file.path().string()), other = saved_fields(b + "/fields/" + file.path().filename().string());
    BOOST_TEST_REQUIRE(one.size() == other.size());
    const std::vector<double>& rho = one.at("rho");
    const double most = *std::max_element(rho.begin(), rho.end());
    for (const auto& [name, values] : one) {
      const std::vector<double>& others = other.at(name);
      BOOST_TEST_REQUIRE(values.size() == others.size());
      double difference = 0, largest = 0;
      for (std::size_t i = 0; i < values.size(); ++i) {
        const double weight = name == "rho" || c.own_kernels ? 1 : std::max(rho[i], 0.0) / most;
        difference = std::max(difference, weight * std::fabs(values[i] - others[i]));
        largest = std::max(largest, weight * std::fabs(values[i]));
      }
      BOOST_TEST(difference <= (c.own_kernels   ? 0
                                : name == "rho" ? 1e-12
                                                : 1e-10) *
                                   largest,
                 name << " of " << file.path().filename() << ": " << difference);
      ++compared;
    }
  }
  BOOST_TEST(compared >= 3);
}

}  // namespace

BOOST_AUTO_TEST_CASE(answers_do_not_depend_on_the_ranks) {
  for (const Case& c : cases) BOOST_TEST_CONTEXT(c.name) {
      const std::string dir = fresh_directory("density_ranks");
      write_file(dir + "/p.toml", c.problem);
      for (const int ranks : {1, 2, 4}) {
        const ProcessResult r = solve(c, dir, std::to_string(ranks), {}, {.ranks = ranks});
        BOOST_TEST_REQUIRE(r.code == 0, r.err);
      }
      const Json one = report(dir + "/1")["quantities"];
      BOOST_TEST(one["mass_drift"].get<double>() <= 1e-13);
      for (const char* ranks : {"2", "4"}) {
        same_fields(c, dir + "/1", dir + "/" + ranks);
        const Json other = report(dir + "/" + ranks)["quantities"];
        int compared = 0;
        for (const auto& [name, value] : one.items())
          if (value.is_number() && other[name].is_number()) {
            const double a = value, b = other[name];
            // Increases are differences of nearly equal numbers.
            if (name.starts_with("largest_")) continue;
            ++compared;
            BOOST_TEST(std::fabs(a - b) <= 1e-12 * (1 + std::fabs(a)), ranks << " ranks, " << name << ": " << a << " and " << b);
          }
        BOOST_TEST(compared > 6);
      }
    }
}

BOOST_AUTO_TEST_CASE(a_run_that_is_lengthened_equals_the_straight_one) {
  for (const Case& c : cases) BOOST_TEST_CONTEXT(c.name) {
      const std::string dir = fresh_directory("density_restart");
      write_file(dir + "/p.toml", c.problem);
      const bool steps = c.app == "wf-prox";
      const Words half{"--set", steps ? "prox.steps=2" : "time.final=0.25"};
      BOOST_TEST(solve(c, dir, "straight").code == 0);
      BOOST_TEST(solve(c, dir, "halves", half).code == 0);
      BOOST_TEST((read_file(dir + "/halves/history.csv") != read_file(dir + "/straight/history.csv")));
      const ProcessResult r = solve(c, dir, "halves", {"--restart"});
      BOOST_TEST(r.code == 0, r.err);
      BOOST_TEST((read_file(dir + "/halves/history.csv") == read_file(dir + "/straight/history.csv")), "history.csv");
      int files = 0;
      for (const auto& file : fs::directory_iterator(dir + "/straight/fields")) {
        const std::string name = file.path().filename().string();
        BOOST_TEST((read_file(dir + "/halves/fields/" + name) == read_file(file.path().string())), name);
        ++files;
      }
      BOOST_TEST(files >= 3);
    }
}

BOOST_AUTO_TEST_CASE(gibbs_density_and_entropy) {
  const std::string dir = fresh_directory("density_gibbs");
  write_file(dir + "/p.toml", wells);
  for (const char* method : {"implicit_euler", "symmetric"}) BOOST_TEST_CONTEXT(method) {
      const Case c{"",
                   "wf-fokker-planck",
                   "",
                   {std::string("time.method=\"") + method + "\"", "time.dt=4", "time.final=400", "output.every=20", "solver.tolerance=1e-12"}};
      const ProcessResult r = solve(c, dir, method);
      BOOST_TEST(r.code == 0, r.err);
      const Json q = report(dir + "/" + method)["quantities"];
      BOOST_TEST(q["gibbs_distance"].get<double>() < 1e-10);
      BOOST_TEST(q["relative_entropy"].get<double>() < 1e-14);
      BOOST_TEST(q["largest_entropy_increase"].get<double>() < 1e-14);
      BOOST_TEST(q["least_value"].get<double>() >= 0);
    }
}

// A signal ends the run with a checkpoint; on another number of ranks it goes on to the fields and the history of the straight run.
BOOST_AUTO_TEST_CASE(stopped_runs_go_on_with_other_ranks) {
  for (const auto& [i, before, after] : {std::tuple{0, 1, 2}, std::tuple{2, 2, 1}, std::tuple{4, 1, 4}, std::tuple{6, 4, 1}, std::tuple{7, 1, 2},
                                         std::tuple{8, 2, 3}, std::tuple{9, 2, 1}, std::tuple{10, 1, 4}})
    BOOST_TEST_CONTEXT(cases[i].name << " on " << before << " and " << after) {
      Case c = cases[i];
      const bool prox = c.app == "wf-prox";
      // Small steps, many of them, so that the signal comes in time.
      for (const char* key : {"output.checkpoint_seconds=0", prox ? "prox.steps=60" : "time.dt=0.0078125", "output.every=10"})
        c.settings.emplace_back(key);
      const std::string dir = fresh_directory("density_stop");
      write_file(dir + "/p.toml", c.problem);
      const Words quick{"--set", "output.checkpoint_seconds=1000"};
      BOOST_TEST_REQUIRE(solve(c, dir, "straight", quick).code == 0);
      bool sent = false;
      ProcessOptions options{.ranks = before};
      options.meanwhile = [&](pid_t pid) {
        if (sent || count_lines(read_file(dir + "/stopped/history.csv"), "") < 5) return;
        sent = true;
        kill(pid, SIGUSR1);
      };
      const ProcessResult stopped = solve(c, dir, "stopped", {}, options);
      BOOST_TEST(stopped.code == 5, stopped.err);
      BOOST_TEST(report(dir + "/stopped")["status"] == "time_limit");
      const ProcessResult r = solve(c, dir, "stopped", {"--restart", quick[0], quick[1]}, {.ranks = after});
      BOOST_TEST_REQUIRE(r.code == 0, r.err);
      same_fields(c, dir + "/straight", dir + "/stopped");
      if (c.own_kernels) BOOST_TEST((read_file(dir + "/stopped/history.csv") == read_file(dir + "/straight/history.csv")), "history.csv");
      BOOST_TEST(count_lines(read_file(dir + "/stopped/history.csv"), "") == count_lines(read_file(dir + "/straight/history.csv"), ""));
    }
}

// --time-limit does the same; one second is kept for the last step and its checkpoint.
BOOST_AUTO_TEST_CASE(a_time_limit_ends_runs_with_a_checkpoint) {
  for (const std::size_t i : {std::size_t{3}, cases.size() - 1}) BOOST_TEST_CONTEXT(cases[i].name) {
      Case c = cases[i];
      const bool prox = c.app == "wf-prox";
      for (const char* key : {"output.checkpoint_seconds=0", prox ? "prox.steps=2000" : "time.dt=0.000244140625", "output.every=500"})
        c.settings.emplace_back(key);
      const std::string dir = fresh_directory("density_limit");
      write_file(dir + "/p.toml", c.problem);
      const ProcessResult stopped = solve(c, dir, "stopped", {"--time-limit", "00:00:02"});
      BOOST_TEST_REQUIRE(stopped.code == 5, stopped.err);
      BOOST_TEST(stopped.seconds < 3);
      const Words quick{"--set", "output.checkpoint_seconds=1000"};
      BOOST_TEST_REQUIRE(solve(c, dir, "straight", quick).code == 0);
      BOOST_TEST_REQUIRE(solve(c, dir, "stopped", {"--restart", quick[0], quick[1]}, {.ranks = 2}).code == 0);
      same_fields(c, dir + "/straight", dir + "/stopped");
    }
}
