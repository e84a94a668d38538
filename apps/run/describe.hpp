#pragma once
/// --describe: what a problem file may say, learnt from the app's own reading of its keys.
#include <functional>
#include <memory>
#include <string>

#include "apps/run/command_line.hpp"
#include "apps/run/driver.hpp"

namespace wasserflow {

/// Reads the driver's own keys and lets the app set itself up from the file; then refuses keys that nobody read.
/// @note Collective over `comm`.
struct LoadedProblem {
  std::string name;
  double checkpoint_seconds = 0;
};
LoadedProblem load_problem(const ProblemFile& file, Application& app, MPI_Comm comm, bool check_only);

/// The text that --describe prints. Runs the app's setup on AppInfo::example (or on `options.problem`, then values and sources are those of the
/// file). InputError when nothing has the name that was asked for. Not collective: for one process.
std::string describe(const Options& options, const AppInfo& info, const std::function<std::unique_ptr<Application>()>& make);

}  // namespace wasserflow
