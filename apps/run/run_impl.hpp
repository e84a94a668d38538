#pragma once
/// Inside of Run; included by the driver's .cpp files only.
#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "apps/run/command_line.hpp"
#include "apps/run/driver.hpp"
#include "apps/run/history.hpp"
#include "grids/io/checkpoint.hpp"
#include "grids/io/field_series.hpp"

namespace wasserflow {

struct Run::Impl {
  using Clock = std::chrono::steady_clock;

  MPI_Comm comm = MPI_COMM_NULL;
  Options options;
  std::string directory;
  std::string restart_directory;  // "" when this run starts anew
  std::string problem_text;       // resolved.toml, kept in checkpoints
  double checkpoint_seconds = 0;
  Clock::time_point started;
  Log log;
  nlohmann::ordered_json report;

  std::unique_ptr<History> history;  // rank 0
  std::string history_error;
  std::unique_ptr<CheckpointStore> checkpoints;
  std::unique_ptr<FieldSeries> series;
  int series_start = 0;  // files of the earlier run that stay

  // Of rank 0; the others learn the decisions.
  Clock::time_point last_poll, last_checkpoint;
  double longest_step = 0, longest_checkpoint = 0;
  bool due = false;
  std::string stop_cause;

  static double seconds(Clock::time_point from, Clock::time_point to) { return std::chrono::duration<double>(to - from).count(); }
  double elapsed() const { return seconds(started, Clock::now()); }
};

}  // namespace wasserflow
