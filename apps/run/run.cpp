#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>
#include <sstream>

#include "apps/run/run_impl.hpp"
#include "grids/support/mpi.hpp"
#include "grids/support/signals.hpp"

namespace wasserflow {

namespace {

// The driver's own entries of checkpoints.
const char* const history_rows = "driver.history_rows";
const char* const saved_fields = "driver.saved_fields";
const char* const problem_entry = "driver.problem";

/// The keys of a resolved problem, with their values, as lines "table.key = value".
std::set<std::string> settings(const std::string& resolved) {
  std::set<std::string> out;
  std::istringstream lines(resolved);
  std::string table;
  for (std::string line; std::getline(lines, line);) {
    if (line.empty() || line.front() == '#') continue;
    if (line.front() == '[')
      table = line.substr(line.find_first_not_of('['), line.find(']') - line.find_first_not_of('[')) + ".";
    else
      out.insert(table + line);
  }
  return out;
}

}  // namespace

Run::Run(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Run::~Run() = default;

MPI_Comm Run::comm() const { return impl_->comm; }
Log& Run::log() { return impl_->log; }
const std::string& Run::directory() const { return impl_->directory; }
bool Run::restarting() const { return !impl_->restart_directory.empty(); }
nlohmann::ordered_json& Run::report() { return impl_->report; }
bool Run::checkpoint_due() const { return impl_->due; }

bool Run::stop_requested() {
  Impl& r = *impl_;
  const Impl::Clock::time_point now = Impl::Clock::now();
  r.longest_step = std::max(r.longest_step, Impl::seconds(r.last_poll, now));
  r.last_poll = now;
  enum { Signal, TimeUp, Due, HistoryFailed };
  std::array<int, 4> flags{stop_signal(), 0, 0, 0};
  if (rank_of(r.comm) == 0) {
    // One more step, which may take longer than any before, and a checkpoint must still fit.
    const double reserve = 1.5 * r.longest_step + 2 * r.longest_checkpoint + 1;
    flags[TimeUp] = r.options.time_limit && r.elapsed() + reserve > *r.options.time_limit;
    flags[Due] = Impl::seconds(r.last_checkpoint, now) >= r.checkpoint_seconds;
    flags[HistoryFailed] = !r.history_error.empty();
  }
  MPI_Allreduce(MPI_IN_PLACE, flags.data(), 4, MPI_INT, MPI_MAX, r.comm);
  r.due = flags[Due] != 0;
  if (flags[HistoryFailed])
    check_all(r.comm, [&] {
      if (!r.history_error.empty()) throw IoError(r.history_error);
    });
  if (r.stop_cause.empty() && flags[Signal] != 0) r.stop_cause = signal_name(flags[Signal]);
  if (r.stop_cause.empty() && flags[TimeUp] != 0) r.stop_cause = "time limit";
  return !r.stop_cause.empty();
}

std::optional<Checkpoint> Run::restart() {
  Impl& r = *impl_;
  if (!restarting()) return {};
  const bool same_directory = r.restart_directory == r.directory;
  CheckpointStore other(r.comm, r.restart_directory + "/checkpoints");
  CheckpointStore& store = same_directory ? *r.checkpoints : other;
  std::optional<Checkpoint> found = store.newest_valid();
  for (const std::string& reason : store.rejected()) r.log.warn("checkpoint passed over: {}", reason);
  if (!found) throw InputError(fmt::format("no valid checkpoint to restart from in {}", r.restart_directory));
  const CheckpointData& data = found->data();
  const auto integer = [&](const char* name) {
    const auto it = data.integers.find(name);
    return it == data.integers.end() ? 0 : it->second;
  };
  // A longer run, another tolerance: that is what restarting is for. But it is said.
  if (const auto before = data.texts.find(problem_entry); before != data.texts.end()) {
    const std::set<std::string> old = settings(before->second);
    for (const std::string& line : settings(r.problem_text))
      if (!old.contains(line) && !line.starts_with("problem.")) r.log.info("not as in the checkpoint's run: {}", line);
  }
  // In another directory the files begin with this run.
  if (same_directory) {
    r.series_start = static_cast<int>(integer(saved_fields));
    check_all(r.comm, [&] {
      if (rank_of(r.comm) == 0) r.history = std::make_unique<History>(r.directory + "/history.csv", integer(history_rows));
    });
  }
  r.log.info("restarting from {}", found->path());
  r.report["restarted_from"] = found->path();
  return found;
}

void Run::save_checkpoint(std::span<const NamedField> fields, const CheckpointData& data) {
  Impl& r = *impl_;
  const auto timer = timers().scope("checkpoint");
  const Impl::Clock::time_point begin = Impl::Clock::now();
  long long rows = 0;
  check_all(r.comm, [&] {
    if (!r.history) return;
    if (!r.history_error.empty()) throw IoError(r.history_error);
    r.history->sync();
    rows = r.history->rows();
  });
  MPI_Bcast(&rows, 1, MPI_LONG_LONG, 0, r.comm);
  CheckpointData all = data;
  all.integers[history_rows] = rows;
  all.integers[saved_fields] = r.series ? r.series->count() : r.series_start;
  all.texts[problem_entry] = r.problem_text;
  r.checkpoints->save(fields, all);
  r.last_checkpoint = Impl::Clock::now();
  r.longest_checkpoint = std::max(r.longest_checkpoint, Impl::seconds(begin, r.last_checkpoint));
  // The pause is no part of the step that stop_requested measures.
  r.last_poll += r.last_checkpoint - begin;
  r.due = false;
}

void Run::save_fields(double time, std::span<const NamedField> fields) {
  Impl& r = *impl_;
  const auto timer = timers().scope("save fields");
  if (fields.empty()) throw InternalError("save_fields without a field");
  if (!r.series) {
    r.series = std::make_unique<FieldSeries>(r.comm, r.directory, fields.front().field->layout_ptr());
    if (r.series_start > 0) r.series->resume(r.series_start);
  }
  r.series->write(time, fields);
}

void Run::history(const HistoryRow& row) {
  Impl& r = *impl_;
  if (!r.history || !r.history_error.empty()) return;
  // Only rank 0 knows of an error here: all ranks throw it together at the next collective member.
  try {
    r.history->write(row);
  } catch (const IoError& e) {
    r.history_error = e.what();
  }
}

}  // namespace wasserflow
