#pragma once
/// The command line that all apps share.
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "apps/run/driver.hpp"

namespace wasserflow {

struct Options {
  std::string problem;
  std::string output;  ///< "" for runs/<problem name>
  bool overwrite = false;
  std::vector<std::string> settings;  ///< key=value
  bool check = false;
  bool describe = false;
  std::string described;  ///< one key, table or topic; "" for all
  bool markdown = false;
  bool restart = false;
  std::string restart_from;          ///< "" for the run directory
  std::optional<double> time_limit;  ///< seconds
  Verbosity verbosity = Verbosity::Normal;
  Log::Progress progress = Log::Progress::Auto;
};

/// What the process ends with at once: --help, --version, or a mistake on the command line.
struct EarlyEnd {
  int code = 0;
  std::string text;
};

/// Takes "--petsc" and everything behind it out of the words.
std::vector<std::string> take_petsc_options(std::vector<std::string>& words);

/// `words`: without the name of the program.
std::variant<Options, EarlyEnd> parse_command_line(const std::vector<std::string>& words, const AppInfo& info);

/// Seconds of "HH:MM:SS" or "D-HH:MM:SS"; nothing when it is neither.
std::optional<double> parse_duration(const std::string& text);

}  // namespace wasserflow
