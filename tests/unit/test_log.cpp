// ranks: 1 2
// Log, tables, timers, stop signals, and the small parsers of the command line.
#define BOOST_TEST_MODULE log
#include <petsclog.h>

#include <boost/test/unit_test.hpp>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <sstream>
#include <thread>

#include "apps/run/command_line.hpp"
#include "grids/support/errors.hpp"
#include "grids/support/log.hpp"
#include "grids/support/mpi.hpp"
#include "grids/support/signals.hpp"
#include "grids/support/table.hpp"
#include "grids/support/timers.hpp"
#include "tests/support/process.hpp"

using namespace wasserflow;

namespace {

std::string log_path() { return std::string(WASSERFLOW_BINARY_DIR) + "/test_log_" + std::to_string(size_of(MPI_COMM_WORLD)) + ".txt"; }

bool first_rank() { return rank_of(MPI_COMM_WORLD) == 0; }

}  // namespace

BOOST_AUTO_TEST_CASE(lines_go_to_the_file_of_rank_0_by_level) {
  {
    Log log(MPI_COMM_WORLD, Verbosity::Detailed, Log::Progress::Off);
    log.info("before the file {}", 1);
    log.open(log_path(), false);
    log.detail("detail {}", 2.5);
    log.debug("not shown");
    log.warn("careful");
    log.row("a row");
    log.progress("never in a file");
    BOOST_TEST(log.shows(Verbosity::Normal) == first_rank());
    BOOST_TEST(!log.shows(Verbosity::Debug));
    BOOST_TEST(!log.live());  // stdout of a test is no terminal
  }
  if (first_rank()) BOOST_TEST(test::read_file(log_path()) == "before the file 1\ndetail 2.5\nwarning: careful\na row\n");
  MPI_Barrier(MPI_COMM_WORLD);
  {
    Log log(MPI_COMM_WORLD, Verbosity::Quiet);
    log.open(log_path(), true);
    log.info("not shown");
    log.line("shown");
  }
  if (first_rank()) BOOST_TEST(test::count_lines(test::read_file(log_path()), "") == 5);
  Log nothing;
  nothing.warn("dropped");
  BOOST_TEST(!nothing.shows(Verbosity::Quiet));
  Log bad(MPI_COMM_WORLD, Verbosity::Quiet);
  if (first_rank())
    BOOST_CHECK_THROW(bad.open("/dev/null/log.txt", false), IoError);
  else
    BOOST_CHECK_NO_THROW(bad.open("/dev/null/log.txt", false));
  if (first_rank()) std::filesystem::remove(log_path());
}

BOOST_AUTO_TEST_CASE(tables_have_columns_of_one_width_and_repeat_their_header) {
  Log log(MPI_COMM_WORLD, Verbosity::Normal, Log::Progress::Off);
  log.open(log_path(), false);
  IterationTable table(log, {{"step", 6}, {"a long title", 5}, {"kind", 8}, {"value", 12, "{:.5f}"}});
  BOOST_TEST(table.format_header() == "  step  a long title      kind         value");
  BOOST_TEST(table.format_row({std::int64_t{12}, 1.5e-7, std::string("pdhg"), -3.25}) == "    12     1.500e-07      pdhg      -3.25000");
  BOOST_TEST(table.format_row({std::int64_t{12}}).size() == table.format_header().size());
  IterationTable hidden(log, {{"step", 6}}, Verbosity::Detailed);
  for (std::int64_t i = 0; i < 100; ++i) {
    table.row({i, 1.0, std::string("x"), 2.0});
    hidden.row({i});
  }
  BOOST_TEST(!hidden.shown());
  if (first_rank()) {
    const std::string text = test::read_file(log_path());
    BOOST_TEST(test::count_lines(text, "") == 103);
    BOOST_TEST(test::count_lines(text, "a long title") == 3);
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) BOOST_TEST(line.size() == table.format_header().size());
    std::filesystem::remove(log_path());
  }
}

BOOST_AUTO_TEST_CASE(timers_nest_and_are_known_to_petsc) {
  Timers timers;
  const auto work = [&](int repeats) {
    const auto outer = timers.scope("test solve");
    for (int i = 0; i < repeats; ++i) {
      const auto inner = timers.scope("test transform");
      // Rank 1 is slower.
      std::this_thread::sleep_for(std::chrono::milliseconds(5 * (1 + rank_of(MPI_COMM_WORLD))));
    }
    if (repeats == 1) throw std::runtime_error("unwinds both scopes");
  };
  work(3);
  BOOST_CHECK_THROW(work(1), std::runtime_error);
  if (first_rank()) const auto only_here = timers.scope("of rank 0");
  const auto mine = timers.entries();
  BOOST_TEST_REQUIRE(mine.size() == (first_rank() ? 3u : 2u));
  BOOST_TEST(mine[0].path == "test solve");
  BOOST_TEST(mine[0].calls == 2);
  BOOST_TEST(mine[1].path == "test solve/test transform");
  BOOST_TEST(mine[1].calls == 4);
  BOOST_TEST(mine[1].depth == 1);
  BOOST_TEST(mine[0].seconds >= mine[1].seconds);
  BOOST_TEST(mine[1].seconds >= 0.02 * (1 + rank_of(MPI_COMM_WORLD)));
  const auto all = timers.collect(MPI_COMM_WORLD);
  BOOST_TEST_REQUIRE(all.size() == 3u);
  BOOST_TEST(all[2].path == "of rank 0");
  BOOST_TEST(all[1].seconds >= 0.02 * size_of(MPI_COMM_WORLD));
  BOOST_TEST(all[1].min_seconds <= all[1].seconds);
  BOOST_TEST(Timers::table(all).find("  test transform") != std::string::npos);
  PetscLogStage stage = -1;
  PetscLogStageGetId("test solve", &stage);
  BOOST_TEST(stage > 0);
  PetscLogEvent event = -1;
  PetscLogEventGetId("test transform", &event);
  BOOST_TEST(event > 0);
  {
    const auto open = timers.scope("open");
    BOOST_CHECK_THROW(timers.clear(), InternalError);
  }
  timers.clear();
  BOOST_TEST(timers.entries().empty());
}

BOOST_AUTO_TEST_CASE(signals_raise_a_flag) {
  catch_stop_signals();
  clear_stop_signal();
  for (const int signal : {SIGUSR1, SIGTERM, SIGINT}) {
    std::raise(signal);
    BOOST_TEST(stop_signal() == signal);
    clear_stop_signal();
  }
  BOOST_TEST(std::string(signal_name(SIGUSR1)) == "SIGUSR1");
}

BOOST_AUTO_TEST_CASE(durations_and_petsc_options) {
  BOOST_TEST(parse_duration("00:00:05").value() == 5);
  BOOST_TEST(parse_duration("100:30:05").value() == 100 * 3600 + 30 * 60 + 5);
  BOOST_TEST(parse_duration("1-02:03:04").value() == 93784);
  for (const char* bad : {"", "5", "5:00", "00:60:00", "00:00:61", "1:2:3x", "-1:00:00", "a:b:c", "1-00:00"})
    BOOST_TEST(!parse_duration(bad).has_value(), bad);
  std::vector<std::string> words{"p.toml", "--petsc", "-log_view", "--petsc"};
  BOOST_TEST(take_petsc_options(words) == (std::vector<std::string>{"-log_view", "--petsc"}), boost::test_tools::per_element());
  BOOST_TEST(words.size() == 1u);
}

BOOST_AUTO_TEST_CASE(command_lines) {
  const AppInfo info{"wf-x", "", ""};
  const auto options = [&](const std::vector<std::string>& words) { return std::get<Options>(parse_command_line(words, info)); };
  const Options o =
      options({"--set", "a=1", "p.toml", "--set", "b=[1,2]", "--log", "debug", "--progress", "off", "--time-limit", "01:00:00", "-o", "dir"});
  BOOST_TEST(o.problem == "p.toml");
  BOOST_TEST(o.settings == (std::vector<std::string>{"a=1", "b=[1,2]"}), boost::test_tools::per_element());
  BOOST_TEST((o.verbosity == Verbosity::Debug && o.progress == Log::Progress::Off));
  BOOST_TEST(o.time_limit.value() == 3600);
  BOOST_TEST(o.output == "dir");
  BOOST_TEST(!o.restart);
  const Options r = options({"--restart", "p.toml"});
  BOOST_TEST((r.restart && r.problem == "p.toml" && r.restart_from.empty()));
  const Options d = options({"p.toml", "--restart", "runs/a"});
  BOOST_TEST((d.restart_from == "runs/a" && d.output == "runs/a"));
  BOOST_TEST(options({"--describe"}).describe);
  BOOST_TEST(options({"--describe", "grid"}).described == "grid");
  const auto code = [&](const std::vector<std::string>& words) { return std::get<EarlyEnd>(parse_command_line(words, info)).code; };
  BOOST_TEST(code({"--help"}) == 0);
  BOOST_TEST(code({"--version"}) == 0);
  BOOST_TEST(code({}) == 2);
  BOOST_TEST(code({"p.toml", "q.toml"}) == 2);
  BOOST_TEST(code({"p.toml", "--restart", "a", "--overwrite"}) == 2);
  BOOST_TEST(code({"p.toml", "--set"}) == 2);
}
