#include "apps/run/command_line.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <map>

namespace wasserflow {

std::vector<std::string> take_petsc_options(std::vector<std::string>& words) {
  const auto at = std::find(words.begin(), words.end(), "--petsc");
  if (at == words.end()) return {};
  std::vector<std::string> options(at + 1, words.end());
  words.erase(at, words.end());
  return options;
}

std::optional<double> parse_duration(const std::string& text) {
  int days = 0, hours = 0, minutes = 0, seconds = 0, used = 0;
  const bool with_days = std::sscanf(text.c_str(), "%d-%d:%2d:%2d%n", &days, &hours, &minutes, &seconds, &used) == 4;
  if (!with_days && std::sscanf(text.c_str(), "%d:%2d:%2d%n", &hours, &minutes, &seconds, &used) != 3) return {};
  if (!with_days) days = 0;
  if (used != static_cast<int>(text.size()) || days < 0 || hours < 0 || minutes < 0 || seconds < 0 || minutes > 59 || seconds > 59) return {};
  return ((days * 24.0 + hours) * 60 + minutes) * 60 + seconds;
}

std::variant<Options, EarlyEnd> parse_command_line(const std::vector<std::string>& words, const AppInfo& info) {
  Options o;
  CLI::App cli(info.summary, info.name);
  cli.footer(
      "Everything behind --petsc goes to PETSc, e.g. --petsc -log_view.\n"
      "Exit codes: 0 converged or completed, 2 bad input, 3 iteration limit, 4 diverged, 5 stopped by time limit or signal with a checkpoint,\n"
      "6 input or output failed, 70 internal error.");
  const std::map<std::string, Verbosity> levels{
      {"quiet", Verbosity::Quiet}, {"normal", Verbosity::Normal}, {"detailed", Verbosity::Detailed}, {"debug", Verbosity::Debug}};
  const std::map<std::string, Log::Progress> progress{{"auto", Log::Progress::Auto}, {"plain", Log::Progress::Plain}, {"off", Log::Progress::Off}};
  const std::map<std::string, bool> formats{{"text", false}, {"markdown", true}};
  std::string limit, level = "normal", shown = "auto", format = "text";
  cli.add_option("problem", o.problem, "Problem file (TOML)")->type_name("FILE");
  cli.add_option("--output,-o", o.output, "Run directory; default: runs/<problem name>")->type_name("DIR");
  cli.add_flag("--overwrite", o.overwrite, "Replace the results of an earlier run in the run directory");
  cli.add_option("--set", o.settings, "Override one key of the problem file, e.g. --set grid.cells=[128,128]; may be given many times")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
  cli.add_flag("--check", o.check,
               "Read and validate the problem, build everything on a small grid, print the resolved problem, stop; writes nothing");
  CLI::Option* describe =
      cli.add_option("--describe", o.described, "List keys and what they may name, or one of them: meaning, default, range, source")
          ->type_name("[NAME]")
          ->expected(0, 1);
  cli.add_option("--format", format, "Of --describe: text or markdown")->check(CLI::IsMember(formats));
  CLI::Option* restart =
      cli.add_option("--restart", o.restart_from, "Continue from the newest valid checkpoint, of the run directory or of another one")
          ->type_name("[DIR]")
          ->expected(0, 1);
  cli.add_option("--time-limit", limit, "Save a checkpoint and stop with code 5 before this wall-clock time is over")->type_name("HH:MM:SS");
  cli.add_option("--log", level, "quiet, normal, detailed or debug")->check(CLI::IsMember(levels));
  cli.add_option("--progress", shown, "auto (a live line on one process at a terminal), plain, or off (no table rows)")
      ->check(CLI::IsMember(progress));
  cli.set_version_flag("--version", fmt::format("{} {}", info.name, WASSERFLOW_VERSION));
  const auto mistake = [&](const std::string& text) {
    return EarlyEnd{static_cast<int>(ExitCode::BadInput), fmt::format("{}: {}\n(--help shows how it is called)", info.name, text)};
  };
  try {
    std::vector<std::string> reversed(words.rbegin(), words.rend());
    cli.parse(reversed);
  } catch (const CLI::CallForHelp&) {
    return EarlyEnd{0, cli.help()};
  } catch (const CLI::CallForVersion& e) {
    return EarlyEnd{0, e.what()};
  } catch (const CLI::ParseError& e) {
    std::string text = e.what();
    std::vector<std::string> flags;
    for (const CLI::Option* option : cli.get_options())
      for (const std::string& name : option->get_lnames()) flags.push_back("--" + name);
    for (const std::string& word : words) {
      const std::string flag = word.substr(0, word.find('='));
      if (!flag.starts_with("--") || std::find(flags.begin(), flags.end(), flag) != flags.end()) continue;
      const std::string hint = nearest(flag, flags);
      text = fmt::format("unknown flag '{}'{}", flag, hint.empty() ? "" : "; did you mean '" + hint + "'?");
      break;
    }
    return mistake(text);
  }
  o.verbosity = levels.at(level);
  o.progress = progress.at(shown);
  o.markdown = formats.at(format);
  o.describe = describe->count() > 0;
  o.restart = restart->count() > 0;
  // "--restart problem.toml": the optional value is not meant to be the problem.
  for (std::string* value : {&o.restart_from, &o.described})
    if (o.problem.empty() && value->ends_with(".toml")) std::swap(o.problem, *value);
  if (!limit.empty()) {
    o.time_limit = parse_duration(limit);
    if (!o.time_limit) return mistake(fmt::format("--time-limit is HH:MM:SS or D-HH:MM:SS, not '{}'", limit));
  }
  if (o.problem.empty() && !o.describe) return mistake("no problem file is given");
  if (o.restart && o.overwrite) return mistake("--restart continues what --overwrite would remove: give one of them");
  if (o.restart && o.output.empty()) o.output = o.restart_from;
  return o;
}

}  // namespace wasserflow
