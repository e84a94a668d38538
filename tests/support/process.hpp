#pragma once
/// Runs programs for tests, with a time limit: a job that hangs is a result, not a hung test.
#include <sys/types.h>

#include <functional>
#include <map>
#include <string>
#include <vector>

namespace wasserflow::test {

struct ProcessResult {
  int code = -1;  ///< exit code; 128 + signal when a signal ended it
  bool timed_out = false;
  std::string out;
  std::string err;  ///< without what mpirun says about exit codes
  double seconds = 0;
};

struct ProcessOptions {
  int ranks = 1;  ///< above 1 it is started by mpirun
  std::map<std::string, std::string> environment = {};
  std::string directory = {};  ///< to run in; "" for the present one
  double timeout = 60;         ///< seconds; then it is killed
  /// Called about every 5 ms while it runs, e.g. to send a signal to the process (mpirun, when there are several ranks).
  std::function<void(pid_t)> meanwhile = {};
};

/// Runs `command[0]` with the other words as arguments.
ProcessResult run_process(const std::vector<std::string>& command, const ProcessOptions& options = {});

/// The program of an app: "wf-hamilton-jacobi" from the apps, "app_heat" from the programs of tests.
std::string app_path(const std::string& name);
ProcessResult run_app(const std::string& name, const std::vector<std::string>& arguments, const ProcessOptions& options = {});

/// An empty directory of the test's own, below the build tree.
std::string fresh_directory(const std::string& name);
std::string read_file(const std::string& path);  ///< "" when it is not there
void write_file(const std::string& path, const std::string& text);
/// Number of lines that hold `part`.
int count_lines(const std::string& text, const std::string& part);

}  // namespace wasserflow::test
