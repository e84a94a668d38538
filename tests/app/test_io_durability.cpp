// timeout: 300
// What a run leaves behind when the disk fills up, a rank fails or gets stuck, or the job is killed: earlier results whole, the exit code of
// a failed write, and no hang. The test starts itself under mpirun as the run (case writer, with its orders in the environment).
#define BOOST_TEST_MODULE io_durability
#include <fcntl.h>
#include <spawn.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <chrono>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <random>
#include <sstream>
#include <thread>

#include "grids/io/checkpoint.hpp"
#include "grids/io/durable_file.hpp"
#include "grids/io/field_series.hpp"
#include "grids/support/mpi.hpp"

using namespace wasserflow;
namespace fs = std::filesystem;

extern char** environ;

namespace {

// As it was before MPI put its own variables there, which a second mpirun would stumble over.
const std::vector<std::string> clean_environment = [] {
  std::vector<std::string> variables;
  for (char** e = environ; *e; ++e) variables.emplace_back(*e);
  return variables;
}();

Grid box() { return Grid({{0, 1, 96}, {0, 1, 80}}); }
double value(std::int64_t i, std::int64_t step) { return static_cast<double>(i) + 1e-3 * static_cast<double>(step); }

void fill(Field& f, std::int64_t step) {
  for (std::ptrdiff_t i = 0; i < f.layout().owned(); ++i) f.level()[i] = value(f.layout().global_offset() + i, step);
}

void limit_file_size(rlim_t bytes) {
  rlimit limit{};
  getrlimit(RLIMIT_FSIZE, &limit);
  limit.rlim_cur = bytes;
  setrlimit(RLIMIT_FSIZE, &limit);
}

/// The run: saves fields and checkpoints step after step until something stops it.
void run(const std::string& order, const std::string& directory) {
  const int rank = rank_of(MPI_COMM_WORLD), last = size_of(MPI_COMM_WORLD) - 1;
  const LayoutPtr layout = make_layout(MPI_COMM_WORLD, box());
  Field phi(layout);
  CheckpointStore store(MPI_COMM_WORLD, directory + "/checkpoints");
  std::int64_t step = 0;
  if (const std::optional<Checkpoint> checkpoint = store.newest_valid()) step = checkpoint->integer("step") + 1;
  FieldSeries series(MPI_COMM_WORLD, directory, layout);
  const auto killer = [&](const std::string& word) {
    if (!order.starts_with(word) || rank != std::min(last, 1)) return;
    std::thread([delay = std::stoi(order.substr(word.size()))] {
      usleep(static_cast<useconds_t>(delay));
      kill(getpid(), SIGKILL);
    }).detach();
  };
  killer("killed early ");
  for (const std::int64_t start = step; step < 100000; ++step) {
    if (step == 3 && order == "limit") limit_file_size(40000);
    if (step == 3 && order == "limit one rank" && rank == last) limit_file_size(40000);
    if (step == 3 && order == "stuck") {
      DurableFile file;
      file.path = directory + "/stuck.h5";
      file.bytes = 8;
      file.create = [](const std::string& part) {
        write_text_file(part, "12345678");
        return std::vector<std::int64_t>{};
      };
      file.write = [&](int, std::span<const std::int64_t>) {
        if (rank == last) sleep(60);
      };
      file.patience = 1;
      write_durable_file(MPI_COMM_WORLD, file);
    }
    fill(phi, step);
    CheckpointData data;
    data.integers["step"] = step;
    store.save(all_levels("phi", phi), data);
    if (step == start) killer("killed later ");
    if (!order.starts_with("kill")) series.write(static_cast<double>(step), all_levels("phi", phi));
  }
}

struct Outcome {
  int exit_code = -1;  ///< 128 + signal when it was killed
  std::string output;
  double seconds = 0;
};

/// Runs this program as the writer; under mpirun when `ranks` > 0.
Outcome start(int ranks, const std::string& order, const std::string& directory) {
  std::vector<std::string> words;
  if (ranks > 0) words = {"mpirun", "--oversubscribe", "-n", std::to_string(ranks)};
  words.push_back(fs::read_symlink("/proc/self/exe").string());
  words.push_back("--run_test=writer");
  std::vector<std::string> variables = clean_environment;
  variables.push_back("WRITER_ORDER=" + order);
  variables.push_back("WRITER_DIRECTORY=" + directory);
  const auto pointers = [](std::vector<std::string>& from) {
    std::vector<char*> p;
    for (std::string& s : from) p.push_back(s.data());
    p.push_back(nullptr);
    return p;
  };
  std::vector<char*> argv = pointers(words), env = pointers(variables);
  const std::string log = (fs::temp_directory_path() / ("wasserflow_writer_" + std::to_string(getpid()))).string();
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 1, log.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  posix_spawn_file_actions_adddup2(&actions, 1, 2);
  const auto before = std::chrono::steady_clock::now();
  pid_t child = 0;
  BOOST_REQUIRE(posix_spawnp(&child, argv[0], &actions, nullptr, argv.data(), env.data()) == 0);
  posix_spawn_file_actions_destroy(&actions);
  int status = 0;
  waitpid(child, &status, 0);
  Outcome outcome;
  outcome.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - before).count();
  outcome.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  std::ifstream in(log);
  std::stringstream text;
  text << in.rdbuf();
  outcome.output = text.str();
  fs::remove(log);
  return outcome;
}

int count(const std::string& text, const std::string& word) {
  int n = 0;
  for (std::size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) ++n;
  return n;
}

/// Everything in the run directory that has its final name is whole, the index names all of it, and nothing unfinished lies about.
void check_results(const std::string& directory, int least) {
  Field whole(make_layout(MPI_COMM_SELF, box()));
  std::ifstream in(directory + "/fields.xdmf");
  std::stringstream index;
  index << in.rdbuf();
  int files = 0;
  for (const fs::directory_entry& e : fs::directory_iterator(directory + "/fields")) {
    BOOST_TEST(e.path().extension() == ".h5", e.path() << " is left over");
    const FieldFile file(e.path().string());
    file.verify(0, 1);
    file.read("phi", whole, 0);
    BOOST_TEST(whole.level()[777] == value(777, static_cast<std::int64_t>(*file.time())));
    BOOST_TEST(count(index.str(), "fields/" + e.path().filename().string()) == 1);
    ++files;
  }
  BOOST_TEST(files >= least);
  BOOST_TEST(count(index.str(), "<Time ") == files);
  BOOST_TEST(count(index.str(), "</Xdmf>") == 1);
  const std::optional<Checkpoint> checkpoint = CheckpointStore(MPI_COMM_SELF, directory + "/checkpoints").newest_valid();
  BOOST_REQUIRE(checkpoint.has_value());
  BOOST_TEST(checkpoint->integer("step") + 1 >= files);
  checkpoint->load("phi", whole);
  BOOST_TEST(whole.level()[777] == value(777, checkpoint->integer("step")));
}

struct Scratch {
  std::string path = (fs::temp_directory_path() / ("wasserflow_durability_" + std::to_string(getpid()))).string();
  Scratch() { fs::create_directories(path); }
  ~Scratch() { fs::remove_all(path); }
};

}  // namespace

BOOST_AUTO_TEST_CASE(writer) {
  const char* order = std::getenv("WRITER_ORDER");
  if (!order) return;  // not started by the cases below
  int code = 0;
  try {
    run(order, std::getenv("WRITER_DIRECTORY"));
  } catch (const Error& e) {
    code = static_cast<int>(e.code());
    if (rank_of(MPI_COMM_WORLD) == 0) std::cerr << "error: " << e.what() << std::endl;
  }
  PetscFinalize();
  MPI_Finalize();
  std::_Exit(code);
}

BOOST_AUTO_TEST_CASE(full_disk) {
  for (int ranks : {1, 2, 4}) {
    const Scratch scratch;
    if (mount("tmpfs", scratch.path.c_str(), "tmpfs", 0, "size=1500k") != 0) {
      std::cout << "SKIPPED: full_disk, mounting a small file system is not permitted here (" << std::strerror(errno) << ")\n";
      return;
    }
    const Outcome outcome = start(ranks, "fill the disk", scratch.path);
    BOOST_TEST(outcome.exit_code == 6, outcome.output);
    BOOST_TEST(outcome.seconds < 60);
    BOOST_TEST(count(outcome.output, "error:") == 1, outcome.output);
    BOOST_TEST(count(outcome.output, "No space left on device") == 1, outcome.output);
    check_results(scratch.path, 5);
    BOOST_TEST(umount(scratch.path.c_str()) == 0);
  }
}

BOOST_AUTO_TEST_CASE(file_size_limit) {
  for (int ranks : {1, 2, 4}) {
    const Scratch scratch;
    const Outcome outcome = start(ranks, "limit", scratch.path);
    BOOST_TEST(outcome.exit_code == 6, outcome.output);
    BOOST_TEST(outcome.seconds < 60);
    BOOST_TEST(count(outcome.output, "error:") == 1, outcome.output);
    BOOST_TEST(count(outcome.output, "File too large") == 1, outcome.output);
    check_results(scratch.path, 3);
  }
}

BOOST_AUTO_TEST_CASE(write_error_on_one_rank_alone) {
  for (int ranks : {2, 4}) {
    const Scratch scratch;
    const Outcome outcome = start(ranks, "limit one rank", scratch.path);
    BOOST_TEST(outcome.exit_code == 6, outcome.output);
    BOOST_TEST(outcome.seconds < 60);
    BOOST_TEST(count(outcome.output, "error:") == 1, outcome.output);
    BOOST_TEST(count(outcome.output, "File too large (rank " + std::to_string(ranks - 1) + ")") == 1, outcome.output);
    check_results(scratch.path, 3);
    BOOST_TEST(!fs::exists(scratch.path + "/checkpoints/000003.h5.part"));
  }
}

BOOST_AUTO_TEST_CASE(stuck_rank_does_not_keep_the_others) {
  const Scratch scratch;
  const Outcome outcome = start(2, "stuck", scratch.path);
  BOOST_TEST(outcome.exit_code == 6, outcome.output);
  BOOST_TEST(outcome.seconds < 40);
  BOOST_TEST(count(outcome.output, "gave up after waiting") == 1, outcome.output);
  check_results(scratch.path, 3);
}

BOOST_AUTO_TEST_CASE(output_that_cannot_be_written) {
  for (int ranks : {1, 4}) {
    const Scratch scratch;
    std::ofstream(scratch.path + "/file") << "no directory";
    const Outcome outcome = start(ranks, "fill the disk", scratch.path + "/file");
    BOOST_TEST(outcome.exit_code == 6, outcome.output);
    BOOST_TEST(count(outcome.output, "error:") == 1, outcome.output);
  }
}

BOOST_AUTO_TEST_CASE(killed_at_any_moment) {
  std::mt19937 generator(std::random_device{}());
  std::uniform_int_distribution<int> delay(0, 60000);  // microseconds; a checkpoint takes one to a few milliseconds
  for (int ranks : {0, 2}) {
    const Scratch scratch;
    std::int64_t newest = -1;
    bool went_on = false;
    for (int turn = 0; turn < (ranks == 0 ? 12 : 5); ++turn) {
      const Outcome outcome = start(ranks, (turn % 3 == 0 ? "killed early " : "killed later ") + std::to_string(delay(generator)), scratch.path);
      BOOST_TEST(outcome.exit_code != 0, outcome.output);
      CheckpointStore store(MPI_COMM_SELF, scratch.path + "/checkpoints");
      const std::optional<Checkpoint> checkpoint = store.newest_valid();
      BOOST_TEST(store.rejected().empty(), "a broken checkpoint has its final name");
      BOOST_TEST((checkpoint.has_value() || newest < 0));
      if (!checkpoint) continue;
      BOOST_TEST(checkpoint->integer("step") >= newest);
      went_on = went_on || (newest >= 0 && checkpoint->integer("step") > newest);
      newest = checkpoint->integer("step");
      Field whole(make_layout(MPI_COMM_SELF, box()));
      checkpoint->load("phi", whole);
      for (std::ptrdiff_t i = 0; i < whole.layout().owned(); ++i) BOOST_REQUIRE(whole.level()[i] == value(i, newest));
    }
    BOOST_TEST(went_on, "no run got as far as a new checkpoint: nothing was tested");
  }
}
