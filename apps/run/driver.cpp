#include "apps/run/driver.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <sys/resource.h>

#include <cstdio>
#include <ctime>
#include <filesystem>

#include "apps/run/agreement.hpp"
#include "apps/run/describe.hpp"
#include "apps/run/run_directory.hpp"
#include "apps/run/run_impl.hpp"
#include "grids/io/durable_file.hpp"
#include "grids/support/mpi.hpp"
#include "grids/support/signals.hpp"

namespace wasserflow {

const char* name(Status status) {
  switch (status) {
    case Status::Converged: return "converged";
    case Status::IterationLimit: return "iteration_limit";
    case Status::Diverged: return "diverged";
    case Status::TimeLimit: return "time_limit";
    default: return "failed";
  }
}

ExitCode exit_code(Status status) {
  switch (status) {
    case Status::Converged: return ExitCode::Success;
    case Status::IterationLimit: return ExitCode::IterationLimit;
    case Status::Diverged: return ExitCode::Diverged;
    case Status::TimeLimit: return ExitCode::Stopped;
    default: return ExitCode::Internal;
  }
}

namespace {

/// grid.* as it was read, in JSON.
nlohmann::ordered_json grid_json(const ProblemFile& file) {
  auto grid = nlohmann::ordered_json::object();
  for (const ResolvedKey& k : file.resolved()) {
    if (!k.path.starts_with("grid.")) continue;
    // Numbers, texts and lists of them are written alike in TOML and JSON; inf and nan are not.
    auto value = nlohmann::ordered_json::parse(k.value, nullptr, false);
    grid[k.path.substr(5)] = value.is_discarded() ? nlohmann::ordered_json(k.value) : value;
  }
  return grid;
}

/// Largest memory in use at any time, all ranks together.
/// @note Collective.
std::int64_t peak_memory(MPI_Comm comm) {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  std::int64_t bytes = static_cast<std::int64_t>(usage.ru_maxrss) * 1024;
  MPI_Allreduce(MPI_IN_PLACE, &bytes, 1, MPI_INT64_T, MPI_SUM, comm);
  return bytes;
}

}  // namespace

/// The steps of a run; run_app calls them in order.
class Driver {
 public:
  Driver(MPI_Comm comm, const AppInfo& info, const std::function<std::unique_ptr<Application>()>& make, Options options)
      : comm_(comm), info_(info), make_(make), options_(std::move(options)), started_(Run::Impl::Clock::now()) {}

  int execute() {
    if (options_.describe)
      return finish(run_on_all(comm_, [&] {
        if (rank_of(comm_) == 0) print(describe(options_, info_, make_));
      }));
    if (const Outcome o = run_on_all(comm_, [&] { read(); }); o.code != 0) return finish(o);
    if (options_.check) {
      if (rank_of(comm_) == 0) print(file_->resolved_toml() + fmt::format("\n# {}: this problem is valid.\n", file_->path()));
      return 0;
    }
    if (const Outcome o = run_on_all(comm_, [&] { prepare(); }); o.code != 0) return finish(o);
    Status status = Status::Failed;
    const Outcome solved = run_on_all(comm_, [&] { status = solve(); });
    int code = solved.code;
    if (code == 0) code = static_cast<int>(exit_code(status));
    if (code == static_cast<int>(ExitCode::Diverged)) status = Status::Diverged;
    finish(solved);
    const Outcome reported = run_on_all(comm_, [&] { report(status, code, solved.message); });
    // The first thing that went wrong counts.
    return solved.code != 0 || reported.code == 0 ? code : finish(reported);
  }

 private:
  void read() {
    const auto timer = Timers::global().scope("setup");
    file_.emplace(ProblemFile::read(comm_, options_.problem, options_.settings));
    if (options_.check) file_->limit("grid.cells", std::max(16, 8 * size_of(comm_)));
    app_ = make_();
    loaded_ = load_problem(*file_, *app_, comm_, options_.check);
  }

  void prepare() {
    using Mode = RunDirectory::Mode;
    const std::string output = options_.output.empty() ? "runs/" + loaded_.name : options_.output;
    const std::string from = !options_.restart ? "" : options_.restart_from.empty() ? output : options_.restart_from;
    const bool continues = options_.restart && from == output;
    if (options_.restart && !continues)
      check_all(comm_, [&] {
        if (rank_of(comm_) == 0 && !std::filesystem::exists(from + "/checkpoints"))
          throw InputError(fmt::format("no valid checkpoint to restart from in {}", from));
      });
    auto impl = std::make_unique<Run::Impl>();
    directory_ = std::make_unique<RunDirectory>(comm_, output, continues ? Mode::Restart : options_.overwrite ? Mode::Overwrite : Mode::New);
    impl->comm = comm_;
    impl->options = options_;
    impl->directory = output;
    impl->restart_directory = from;
    impl->problem_text = file_->resolved_toml();
    impl->checkpoint_seconds = loaded_.checkpoint_seconds;
    impl->started = impl->last_poll = impl->last_checkpoint = started_;
    impl->log = Log(comm_, options_.verbosity, options_.progress);
    impl->checkpoints = std::make_unique<CheckpointStore>(comm_, output + "/checkpoints");
    check_all(comm_, [&] {
      if (rank_of(comm_) != 0) return;
      impl->log.open(output + "/log.txt", continues);
      write_text_file(output + "/resolved.toml", impl->problem_text);
      // A restart replaces it once the checkpoint says how many rows stay.
      if (!continues) impl->history = std::make_unique<History>(output + "/history.csv");
    });
    auto& r = impl->report;
    r["app"] = info_.name;
    r["version"] = WASSERFLOW_VERSION;
    r["problem"] = loaded_.name;
    r["problem_file"] = file_->path();
    r["status"] = nullptr;
    r["exit_code"] = nullptr;
    r["message"] = "";
    r["started_at"] = fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::time(nullptr)));
    r["ranks"] = size_of(comm_);
    r["grid"] = grid_json(*file_);
    r["iterations"] = nullptr;
    r["operator_passes"] = nullptr;
    for (const char* key : {"residuals", "errors", "quantities"}) r[key] = nlohmann::ordered_json::object();
    run_.reset(new Run(std::move(impl)));
    run_->log().info("{} {}: {} on {} rank{}, output in {}", info_.name, WASSERFLOW_VERSION, loaded_.name, size_of(comm_),
                     size_of(comm_) == 1 ? "" : "s", output);
  }

  Status solve() {
    const auto timer = Timers::global().scope("run");
    return app_->run(*run_);
  }

  void report(Status status, int code, const std::string& message) {
    Run::Impl& r = *run_->impl_;
    const std::vector<Timers::Entry> timers = Timers::global().collect(comm_);
    const std::int64_t memory = peak_memory(comm_);
    auto& j = r.report;
    j["status"] = name(status);
    j["exit_code"] = code;
    j["message"] = message;
    if (status == Status::TimeLimit) j["stopped_by"] = r.stop_cause;
    j["wall_seconds"] = r.elapsed();
    auto& t = j["timers"] = nlohmann::ordered_json::object();
    for (const Timers::Entry& e : timers) t[e.path] = {{"calls", e.calls}, {"seconds", e.seconds}, {"min_seconds", e.min_seconds}};
    j["peak_memory_bytes"] = memory;
    if (r.log.shows(Verbosity::Detailed)) r.log.line(Timers::table(timers));
    if (!message.empty()) r.log.warn("the run failed: {}", message);
    r.log.line(fmt::format("{}{} after {:.2f} s; results in {}", name(status), r.stop_cause.empty() ? "" : " (" + r.stop_cause + ")", r.elapsed(),
                           r.directory));
    r.log.flush();
    check_all(comm_, [&] {
      if (rank_of(comm_) == 0)
        write_text_file(r.directory + "/report.json", j.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n");
    });
  }

  /// One message for all ranks.
  int finish(const Outcome& outcome) const {
    if (outcome.code != 0 && rank_of(comm_) == 0) {
      std::fflush(stdout);
      std::fprintf(stderr, "error: %s\n", outcome.message.c_str());
    }
    return outcome.code;
  }

  static void print(const std::string& text) {
    std::fputs(text.c_str(), stdout);
    std::fflush(stdout);
  }

  MPI_Comm comm_;
  const AppInfo& info_;
  const std::function<std::unique_ptr<Application>()>& make_;
  Options options_;
  Run::Impl::Clock::time_point started_;
  std::optional<ProblemFile> file_;
  LoadedProblem loaded_;
  std::unique_ptr<Application> app_;
  std::unique_ptr<RunDirectory> directory_;
  std::unique_ptr<Run> run_;
};

int run_app(int argc, char** argv, const AppInfo& info, const std::function<std::unique_ptr<Application>()>& make) {
  std::vector<std::string> words(argv + std::min(argc, 1), argv + argc);
  const std::vector<std::string> petsc = take_petsc_options(words);
  try {
    Session session(argc, argv, petsc);
    catch_stop_signals();
    const auto parsed = parse_command_line(words, info);
    if (const auto* end = std::get_if<EarlyEnd>(&parsed)) {
      if (rank_of(MPI_COMM_WORLD) == 0) std::fprintf(end->code == 0 ? stdout : stderr, "%s\n", end->text.c_str());
      return end->code;
    }
    return Driver(MPI_COMM_WORLD, info, make, std::get<Options>(parsed)).execute();
  } catch (const std::exception& e) {
    std::fprintf(stderr, "error: %s\n", e.what());
    return static_cast<int>(ExitCode::Internal);
  }
}

}  // namespace wasserflow
