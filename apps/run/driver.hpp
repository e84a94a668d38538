#pragma once
/// The shared driver of all apps: command line, problem file, run directory, report, exit codes, signals and time limit, restart.
///
/// An app is an Application, and a main of one line:
///
///     int main(int argc, char** argv) { return run_app(argc, argv, info, [] { return std::make_unique<MyApplication>(); }); }
///
/// run_app: 1. starts MPI and PETSc, reads the command line; 2. reads the problem file; 3. Application::setup reads all keys and builds everything;
/// 4. unknown keys are refused; 5. the run directory is made and locked (nothing is written before this); 6. Application::run; 7. report.json.
#include <mpi.h>

#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "apps/run/history.hpp"
#include "grids/io/checkpoint.hpp"
#include "grids/support/log.hpp"
#include "grids/support/parameters.hpp"
#include "grids/support/table.hpp"
#include "grids/support/timers.hpp"

namespace wasserflow {

/// How a run ended: `status` in report.json, and the exit code.
enum class Status {
  Converged,       ///< "converged", 0: converged, or completed
  IterationLimit,  ///< "iteration_limit", 3
  Diverged,        ///< "diverged", 4 (also when run throws DivergedError)
  TimeLimit,       ///< "time_limit", 5: stop_requested was true, a checkpoint is written
  Failed           ///< "failed": run threw; the code of the error
};
const char* name(Status status);
ExitCode exit_code(Status status);

/// What the driver does for a running app. Members marked so are collective: all ranks call them in the same order.
class Run {
 public:
  ~Run();
  Run(const Run&) = delete;
  Run& operator=(const Run&) = delete;

  MPI_Comm comm() const;
  Log& log();
  Timers& timers() { return Timers::global(); }
  const std::string& directory() const;  ///< for files of the app's own; they appear with a rename
  bool restarting() const;               ///< --restart was given

  /// True when a signal came on any rank, or when the time limit is so near that one more step and a checkpoint might not fit before it. Call it once
  /// a step: when true, save a checkpoint and return Status::TimeLimit.
  /// @note Collective (one small reduction).
  bool stop_requested();
  /// True when output.checkpoint_seconds have passed since the last checkpoint. Agreed by the last stop_requested; not collective itself.
  bool checkpoint_due() const;

  /// The newest valid checkpoint when --restart was given (InputError when there is none). Cuts history.csv and the saved fields back to what they
  /// were when it was written, so that stop + restart leaves the files of a straight run.
  /// @note Collective.
  std::optional<Checkpoint> restart();
  /// @note Collective.
  void save_checkpoint(std::span<const NamedField> fields, const CheckpointData& data);
  /// One file fields/NNNNNN.h5 and an entry of fields.xdmf.
  /// @note Collective.
  void save_fields(double time, std::span<const NamedField> fields);
  /// A row of history.csv; the first row makes the header, later ones have the same names in the same order. Written at once. Rank 0's values count.
  void history(const HistoryRow& row);

  /// Entries of report.json beyond those of the driver: "iterations", "operator_passes", "iterations_per_step", "residuals", "errors", "quantities".
  /// Rank 0's is written. NaN and infinity become null.
  nlohmann::ordered_json& report();

 private:
  friend class Driver;
  struct Impl;
  explicit Run(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// What one executable solves.
class Application {
 public:
  virtual ~Application() = default;
  /// Reads every key and builds everything that can fail because of the input; throws InputError on all ranks alike. Writes nothing. With
  /// `check_only` the grid is a small one of the same kind, and run will not be called.
  /// @note Collective over `comm`.
  virtual void setup(const Parameters& root, MPI_Comm comm, bool check_only) = 0;
  /// Solves. May throw any Error of grids/support/errors.hpp on all ranks alike; an error on one rank alone ends the job.
  /// @note Collective.
  virtual Status run(Run& run) = 0;
};

/// Something --describe NAME explains besides keys: a Hamiltonian, a function family, a solver.
struct Topic {
  std::string kind;  ///< "Hamiltonian"
  std::string name;  ///< "quadratic"
  std::string doc;
  std::string table;                  ///< its keys stand here, e.g. "hamiltonian"; "" when it has none
  std::vector<std::string> settings;  ///< overrides of the example that choose it
  std::string example = {};           ///< a problem file of its own; "": AppInfo::example
};

struct AppInfo {
  std::string name;     ///< "wf-hamilton-jacobi"
  std::string summary;  ///< one line
  std::string example;  ///< a small complete problem file (TOML text): --describe runs setup on it to learn the keys
  std::function<std::vector<Topic>()> topics = {};
};

/// The whole main of an app. Returns the exit code of the process.
/// @note Collective; starts and ends MPI.
int run_app(int argc, char** argv, const AppInfo& info, const std::function<std::unique_ptr<Application>()>& make);

}  // namespace wasserflow
