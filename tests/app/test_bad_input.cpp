// timeout: 240
// processors: 2
// Bad input of every kind: one message with the place and the nearest right name, the right exit code, nothing written, no hang, on 1 and 4 ranks.
#define BOOST_TEST_MODULE bad_input
#include <boost/test/unit_test.hpp>
#include <filesystem>

#include "tests/support/process.hpp"

using namespace wasserflow::test;
namespace fs = std::filesystem;

namespace {

const char* const good = "[grid]\ncells = [10, 16]\n[time]\nsteps = 2\n";

struct Case {
  std::string name;
  std::string problem;
  std::vector<std::string> arguments;
  int code;
  std::string message;
};

}  // namespace

BOOST_AUTO_TEST_CASE(bad_input) {
  const std::vector<Case> cases{
      {"unknown key",
       "[grid]\ncells = 8\n[time]\nsteps = 2\nstep = 3\n",
       {"p.toml"},
       2,
       "p.toml:5:8: unknown key 'time.step'; did you mean 'steps'?"},
      {"unknown table",
       "[grid]\ncells = 8\n[time]\nsteps = 2\n[outptu]\nevery = 3\n",
       {"p.toml"},
       2,
       "p.toml:5:1: unknown table 'outptu'; did you mean 'output'?"},
      {"missing key",
       "[grid]\ncells = 8\n[time]\nsteeps = 2\n",
       {"p.toml"},
       2,
       "p.toml:3:1: time.steps: this key is required; did you mean it by 'steeps'?"},
      {"wrong type", "[grid]\ncells = \"many\"\n[time]\nsteps = 2\n", {"p.toml"}, 2, "p.toml:2:9: grid.cells: expected integers, got text \"many\""},
      {"negative cells",
       "[grid]\ncells = [8, -8]\n[time]\nsteps = 2\n",
       {"p.toml"},
       2,
       "p.toml:2:13: grid.cells: -8 is out of range, it must be >= 1"},
      {"unknown choice", "[grid]\ncells = 8\nboundary = \"periodc\"\n[time]\nsteps = 2\n", {"p.toml"}, 2, "did you mean 'periodic'?"},
      {"no TOML", "[grid\ncells = 8\n", {"p.toml"}, 2, "p.toml:1:6: not valid TOML"},
      {"bad override", good, {"p.toml", "--set", "grid.cells=0"}, 2, "--set grid.cells=0: grid.cells: 0 is out of range"},
      {"bad name", good, {"p.toml", "--set", "problem.name=../x"}, 2, "problem.name: a name is not empty"},
      {"missing file", good, {"absent.toml"}, 2, "'absent.toml' cannot be read: No such file or directory"},
      {"a directory", good, {"."}, 2, "'.' cannot be read"},
      {"no problem", good, {}, 2, "no problem file is given"},
      {"unknown flag", good, {"p.toml", "--ovrwrite"}, 2, "unknown flag '--ovrwrite'; did you mean '--overwrite'?"},
      {"bad time limit", good, {"p.toml", "--time-limit", "10"}, 2, "--time-limit is HH:MM:SS"},
      {"bad level", good, {"p.toml", "--log", "loud"}, 2, "loud"},
      {"restart from nothing", good, {"p.toml", "--restart", "nowhere"}, 2, "nowhere"},
      {"unwritable output", good, {"p.toml", "--output", "/dev/null/run"}, 6, "/dev/null/run: Not a directory"},
      {"output is a file", good, {"p.toml", "--output", "p.toml"}, 6, "p.toml: "},
  };
  for (const int ranks : {1, 4})
    for (const Case& c : cases) BOOST_TEST_CONTEXT(c.name << " on " << ranks << " ranks") {
        const std::string dir = fresh_directory("bad_input");
        write_file(dir + "/p.toml", c.problem);
        const ProcessResult r = run_app("app_heat", c.arguments, {.ranks = ranks, .directory = dir, .timeout = 30});
        BOOST_TEST(!r.timed_out);
        BOOST_TEST(r.code == c.code);
        BOOST_TEST(count_lines(r.err, c.message) == 1, r.err);
        BOOST_TEST(count_lines(r.err, "") <= 2, r.err);
        BOOST_TEST(r.out == "");
        BOOST_TEST(read_file(dir + "/p.toml") == c.problem);
        BOOST_TEST(std::distance(fs::directory_iterator(dir), fs::directory_iterator{}) == 1);
      }
}

BOOST_AUTO_TEST_CASE(more_ranks_than_rows) {
  const std::string dir = fresh_directory("bad_input");
  write_file(dir + "/p.toml", good);
  for (const char* check : {"--check", "--overwrite"}) {
    const ProcessResult r = run_app("app_heat", {"p.toml", check, "--set", "grid.cells=[16,3]"}, {.ranks = 4, .directory = dir, .timeout = 30});
    BOOST_TEST(!r.timed_out);
    BOOST_TEST(r.code == 2);
    BOOST_TEST(count_lines(r.err, "use at most 3") == 1, r.err);
    BOOST_TEST(count_lines(r.err, "") == 1, r.err);
    BOOST_TEST(std::distance(fs::directory_iterator(dir), fs::directory_iterator{}) == 1);
  }
}
