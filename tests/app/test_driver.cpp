// timeout: 240
// processors: 2
// What all apps do in the same way, seen from outside: exit codes, files, one message, no hang; restart, signals, time limit.
#define BOOST_TEST_MODULE driver
#include <signal.h>

#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "tests/support/process.hpp"

using namespace wasserflow::test;
namespace fs = std::filesystem;
using Words = std::vector<std::string>;

namespace {

const char* const problem = R"([grid]
cells = [10, 16]
[time]
steps = 8
)";

/// A directory with p.toml in it.
std::string workplace(const std::string& name) {
  std::string dir = fresh_directory("driver_" + name);
  write_file(dir + "/p.toml", problem);
  return dir;
}

ProcessResult heat(const std::string& dir, const Words& arguments, ProcessOptions options = {}) {
  options.directory = dir;
  Words all{"p.toml"};
  all.insert(all.end(), arguments.begin(), arguments.end());
  const ProcessResult r = run_app("app_heat", all, options);
  BOOST_TEST_CONTEXT(r.out << r.err) BOOST_TEST(!r.timed_out);
  return r;
}

nlohmann::json report(const std::string& run) { return nlohmann::json::parse(read_file(run + "/report.json")); }

/// A report as it must be, whatever happened.
void check_report(const std::string& run, const std::string& status, int code) {
  const nlohmann::json j = report(run);
  for (const char* key : {"app", "version", "problem", "status", "exit_code", "ranks", "grid", "iterations", "operator_passes", "residuals", "errors",
                          "quantities", "wall_seconds", "timers", "peak_memory_bytes"})
    BOOST_TEST(j.contains(key), key);
  BOOST_TEST(j["status"] == status);
  BOOST_TEST(j["exit_code"] == code);
  BOOST_TEST(j["wall_seconds"].get<double>() > 0);
  BOOST_TEST(j["peak_memory_bytes"].get<double>() > 1e6);
}

void send_when(pid_t pid, int signal, bool& sent, bool condition) {
  if (sent || !condition) return;
  sent = true;
  kill(pid, signal);
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_run_leaves_its_files) {
  for (const int ranks : {1, 2}) {
    const std::string dir = workplace("files");
    const ProcessResult r = heat(dir, {"--set", "initial.amplitude=2"}, {.ranks = ranks});
    BOOST_TEST(r.code == 0);
    BOOST_TEST(r.err == "");
    const std::string run = dir + "/runs/p";
    check_report(run, "converged", 0);
    const nlohmann::json j = report(run);
    BOOST_TEST(j["ranks"] == ranks);
    BOOST_TEST(j["grid"]["cells"] == nlohmann::json({10, 16}));
    BOOST_TEST(j["iterations"] == 8);
    BOOST_TEST(j["quantities"]["nothing"].is_null());
    BOOST_TEST(j["timers"]["run/step"]["calls"] == 8);
    BOOST_TEST(count_lines(read_file(run + "/resolved.toml"), "amplitude = 2.0") == 1);
    BOOST_TEST(count_lines(read_file(run + "/resolved.toml"), "(--set)") == 1);
    BOOST_TEST(count_lines(read_file(run + "/history.csv"), "step,time,sum,max") == 1);
    BOOST_TEST(count_lines(read_file(run + "/history.csv"), "") == 9);
    BOOST_TEST(read_file(run + "/log.txt") == r.out);
    BOOST_TEST(r.out.find('\r') == std::string::npos);
    BOOST_TEST(fs::exists(run + "/fields/000004.h5"));
    BOOST_TEST(!fs::exists(run + "/fields/000005.h5"));
    BOOST_TEST(count_lines(read_file(run + "/fields.xdmf"), "<Time") == 5);
    for (const auto& entry : fs::recursive_directory_iterator(run)) BOOST_TEST(entry.path().extension() != ".part");

    // A finished run is not overwritten by accident, and stays as it was.
    const std::string before = read_file(run + "/report.json");
    const ProcessResult again = heat(dir, {}, {.ranks = ranks});
    BOOST_TEST(again.code == 2);
    BOOST_TEST(count_lines(again.err, "finished run") == 1);
    BOOST_TEST(read_file(run + "/report.json") == before);
    BOOST_TEST(heat(dir, {"--overwrite", "--set", "time.steps=2"}).code == 0);
    BOOST_TEST(!fs::exists(run + "/fields/000004.h5"));
    BOOST_TEST(count_lines(read_file(run + "/history.csv"), "") == 3);
    // The resolved problem runs as it stands, to the same answer.
    BOOST_TEST(run_app("app_heat", {"runs/p/resolved.toml", "-o", "again"}, {.directory = dir}).code == 0);
    BOOST_TEST(read_file(dir + "/again/history.csv") == read_file(run + "/history.csv"));
  }
}

BOOST_AUTO_TEST_CASE(exit_codes) {
  struct Case {
    std::string fault, status, message;
    int code;
  };
  const std::vector<Case> cases{{"limit", "iteration_limit", "", 3},
                                {"diverged", "diverged", "turned NaN in step 3 at (0, 0)", 4},
                                {"input", "failed", "a fault of the input", 2},
                                {"io", "failed", "a fault of the disk", 6},
                                {"internal", "failed", "a defect", 70}};
  for (const int ranks : {1, 4})
    for (const Case& c : cases) BOOST_TEST_CONTEXT(c.fault << " on " << ranks) {
        const std::string dir = workplace("codes");
        const ProcessResult r = heat(dir, {"--set", "fault=" + c.fault}, {.ranks = ranks});
        BOOST_TEST(r.code == c.code);
        if (c.message.empty())
          BOOST_TEST(r.err == "");
        else
          BOOST_TEST((r.err.starts_with("error: ") && r.err.find(c.message) != std::string::npos && count_lines(r.err, "") == 1), r.err);
        check_report(dir + "/runs/p", c.status, c.code);
        BOOST_TEST(report(dir + "/runs/p")["message"].get<std::string>().find(c.message) != std::string::npos);
      }
}

BOOST_AUTO_TEST_CASE(an_error_on_one_rank_alone_ends_the_job) {
  const std::string dir = workplace("alone");
  const ProcessResult r = heat(dir, {"--set", "fault=one_rank", "--set", "fault_rank=1"}, {.ranks = 2});
  BOOST_TEST(r.code == 70);
  BOOST_TEST(count_lines(r.err, "error on rank 1 alone: a defect on one rank") == 1);
  BOOST_TEST(r.seconds < 30);
}

BOOST_AUTO_TEST_CASE(check_and_describe_write_nothing) {
  for (const int ranks : {1, 2}) {
    const std::string dir = workplace("check");
    // A grid far too large to be built here is tried small and shown as it is.
    const ProcessResult r = heat(dir, {"--check", "--set", "grid.cells=[100000,100000]"}, {.ranks = ranks});
    BOOST_TEST(r.code == 0);
    BOOST_TEST(count_lines(r.out, "cells = [100000, 100000]") == 1);
    BOOST_TEST(count_lines(r.out, "p.toml: this problem is valid") == 1);
    BOOST_TEST(heat(dir, {"--check", "--set", "initial.hight=1"}, {.ranks = ranks}).code == 2);
    const ProcessResult all = run_app("app_heat", {"--describe"}, {.ranks = ranks, .directory = dir});
    BOOST_TEST(all.code == 0);
    BOOST_TEST(count_lines(all.out, "grid.cells (integers, >= 1, required)") == 1);
    BOOST_TEST(count_lines(all.out, "A bump.") == 1);
    BOOST_TEST(count_lines(run_app("app_heat", {"--describe", "bump"}, {.directory = dir}).out, "initial.height (real, default 2.0)") == 1);
    BOOST_TEST(count_lines(run_app("app_heat", {"--describe", "--format", "markdown"}, {.directory = dir}).out, "| `initial.height` | real |") == 1);
    const ProcessResult unknown = run_app("app_heat", {"--describe", "cels"}, {.ranks = ranks, .directory = dir});
    BOOST_TEST(unknown.code == 2);
    BOOST_TEST(count_lines(unknown.err, "did you mean 'cells'?") == 1);
    BOOST_TEST(std::distance(fs::directory_iterator(dir), fs::directory_iterator{}) == 1);
  }
  BOOST_TEST(run_app("app_heat", {"--help"}).code == 0);
  BOOST_TEST(count_lines(run_app("app_heat", {"--version"}).out, "app-heat ") == 1);
}

BOOST_AUTO_TEST_CASE(stop_and_restart_equal_the_straight_run) {
  struct Stop {
    int ranks, signal;
    const char* name;
  };
  // Not SIGTERM through mpirun: it kills the job a second later, which a busy machine may not keep.
  for (const Stop& stop : {Stop{1, SIGUSR1, "SIGUSR1"}, Stop{1, SIGTERM, "SIGTERM"}, Stop{1, SIGINT, "SIGINT"}, Stop{2, SIGUSR1, "SIGUSR1"}})
    BOOST_TEST_CONTEXT(stop.name << " on " << stop.ranks) {
      const std::string dir = workplace("restart");
      BOOST_TEST(heat(dir, {"-o", "straight"}, {.ranks = stop.ranks}).code == 0);
      bool sent = false;
      ProcessOptions options{.ranks = stop.ranks};
      options.meanwhile = [&](pid_t pid) { send_when(pid, stop.signal, sent, count_lines(read_file(dir + "/stopped/history.csv"), "") >= 4); };
      BOOST_TEST(heat(dir, {"-o", "stopped", "--set", "pause=0.2"}, options).code == 5);
      BOOST_TEST(sent);
      check_report(dir + "/stopped", "time_limit", 5);
      BOOST_TEST(report(dir + "/stopped")["stopped_by"] == stop.name);
      BOOST_TEST(count_lines(read_file(dir + "/stopped/history.csv"), "") < 9);
      BOOST_TEST(heat(dir, {"-o", "stopped", "--restart", "--set", "pause=0"}, {.ranks = stop.ranks}).code == 0);
      check_report(dir + "/stopped", "converged", 0);
      for (const char* file : {"history.csv", "fields.xdmf", "fields/000000.h5", "fields/000004.h5"})
        BOOST_TEST((read_file(dir + "/stopped/" + file) == read_file(dir + "/straight/" + file)), file);
      BOOST_TEST(report(dir + "/stopped")["quantities"] == report(dir + "/straight")["quantities"]);
    }
}

BOOST_AUTO_TEST_CASE(a_killed_run_continues_from_its_newest_checkpoint) {
  for (const int ranks : {1, 2}) {
    const std::string dir = workplace("killed");
    BOOST_TEST(heat(dir, {"-o", "straight"}, {.ranks = ranks}).code == 0);
    bool sent = false;
    ProcessOptions options{.ranks = ranks};
    options.meanwhile = [&](pid_t pid) { send_when(pid, SIGKILL, sent, count_lines(read_file(dir + "/killed/history.csv"), "") >= 5); };
    // A checkpoint each step; the run is ahead of it by a row of history and perhaps a saved time.
    const ProcessResult killed = heat(dir, {"-o", "killed", "--set", "output.checkpoint_seconds=0", "--set", "pause=0.2"}, options);
    BOOST_TEST(sent);
    BOOST_TEST(killed.code == 128 + SIGKILL);
    BOOST_TEST(!fs::exists(dir + "/killed/report.json"));
    ProcessResult resumed = heat(dir, {"-o", "killed"}, {.ranks = ranks});
    BOOST_TEST(resumed.code == 2);
    BOOST_TEST(count_lines(resumed.err, "unfinished run") == 1);
    for (int i = 0; i < 100; ++i) {  // ranks that mpirun left behind hold the lock until they notice
      resumed = heat(dir, {"-o", "killed", "--restart"}, {.ranks = ranks});
      if (resumed.code != 6) break;
      usleep(100000);
    }
    BOOST_TEST_CONTEXT(resumed.err) BOOST_TEST(resumed.code == 0);
    BOOST_TEST((read_file(dir + "/killed/history.csv") == read_file(dir + "/straight/history.csv")));
    BOOST_TEST((read_file(dir + "/killed/fields/000004.h5") == read_file(dir + "/straight/fields/000004.h5")));
    BOOST_TEST((read_file(dir + "/killed/fields.xdmf") == read_file(dir + "/straight/fields.xdmf")));
  }
}

BOOST_AUTO_TEST_CASE(the_time_limit_ends_with_a_checkpoint_before_it) {
  for (const int ranks : {1, 2}) {
    const std::string dir = workplace("limit");
    const ProcessResult r = heat(dir, {"--time-limit", "00:00:03", "--set", "time.steps=1000", "--set", "pause=0.1"}, {.ranks = ranks});
    BOOST_TEST(r.code == 5);
    BOOST_TEST(report(dir + "/runs/p")["wall_seconds"].get<double>() < 3);
    BOOST_TEST(report(dir + "/runs/p")["stopped_by"] == "time limit");
    BOOST_TEST(fs::exists(dir + "/runs/p/checkpoints"));
  }
}

BOOST_AUTO_TEST_CASE(restart_elsewhere_and_without_a_checkpoint) {
  const std::string dir = workplace("elsewhere");
  BOOST_TEST(heat(dir, {"-o", "a", "--set", "output.checkpoint_seconds=0", "--set", "time.steps=4"}).code == 0);
  const std::string before = read_file(dir + "/a/history.csv");
  BOOST_TEST(heat(dir, {"-o", "b", "--restart", "a"}).code == 0);
  BOOST_TEST(read_file(dir + "/a/history.csv") == before);
  BOOST_TEST(count_lines(read_file(dir + "/b/history.csv"), "") == 5);  // steps 5 to 8 and the header
  BOOST_TEST(heat(dir, {"-o", "c"}).code == 0);
  const ProcessResult none = heat(dir, {"-o", "c", "--restart"});
  BOOST_TEST(none.code == 2);
  BOOST_TEST(count_lines(none.err, "no valid checkpoint") == 1);
}

BOOST_AUTO_TEST_CASE(two_processes_cannot_share_a_directory) {
  const std::string dir = workplace("shared");
  ProcessResult second;
  bool sent = false;
  ProcessOptions options;
  options.meanwhile = [&](pid_t pid) {
    if (sent || !fs::exists(dir + "/runs/p/history.csv")) return;
    sent = true;
    second = heat(dir, {"--overwrite"});
    kill(pid, SIGUSR1);
  };
  BOOST_TEST(heat(dir, {"--set", "pause=0.2", "--set", "time.steps=1000"}, options).code == 5);
  BOOST_TEST(second.code == 6);
  BOOST_TEST(count_lines(second.err, "another process writes to this directory") == 1);
}

BOOST_AUTO_TEST_CASE(petsc_options_and_levels_of_output) {
  const std::string dir = workplace("petsc");
  const ProcessResult r = heat(dir, {"--log", "detailed", "--progress", "off", "--petsc", "-log_view"});
  BOOST_TEST(r.code == 0);
  BOOST_TEST(count_lines(r.out, "save fields") >= 2);  // in our table and as an event in PETSc's
  BOOST_TEST(count_lines(r.out, "step        time") == 0);
  BOOST_TEST(count_lines(read_file(dir + "/runs/p/log.txt"), "step        time") == 1);
  const ProcessResult quiet = heat(dir, {"--log", "quiet", "--overwrite"});
  BOOST_TEST(count_lines(quiet.out, "") == 1);
  BOOST_TEST(count_lines(quiet.out, "converged after") == 1);
}

BOOST_AUTO_TEST_CASE(a_live_line_only_at_a_terminal) {
  const std::string dir = workplace("live");
  const std::string call = app_path("app_heat") + " p.toml --overwrite --progress ";
  // script (of Debian's base system) gives its command a terminal.
  const auto at_terminal = [&](const std::string& command) { return run_process({"script", "-qec", command, "/dev/null"}, {.directory = dir}); };
  const ProcessResult live = at_terminal(call + "auto");
  BOOST_TEST(live.code == 0);
  BOOST_TEST(live.out.find("\r\033[K    16") != std::string::npos);
  BOOST_TEST(at_terminal(call + "plain").out.find("\033[K") == std::string::npos);
  BOOST_TEST(at_terminal("mpirun --oversubscribe -n 2 " + call + "auto").out.find("\033[K") == std::string::npos);
  BOOST_TEST(read_file(dir + "/runs/p/log.txt").find("\033[K") == std::string::npos);
}
