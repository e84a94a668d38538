#include "apps/run/describe.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

namespace wasserflow {

namespace {

using Keys = std::vector<ResolvedKey>;

std::string facts(const ResolvedKey& k, bool with_value) {
  std::string s = k.type;
  if (!k.range.empty()) s += (k.type == "choice" ? ": " : ", ") + k.range;
  s += k.fallback.empty() ? (k.source == "default" ? ", optional" : ", required") : ", default " + k.fallback;
  if (with_value && k.source != "default") s += fmt::format("; here {} from {}", k.value, k.source);
  return s;
}

std::string key_text(const ResolvedKey& k, bool with_value) { return fmt::format("  {} ({})\n      {}\n", k.path, facts(k, with_value), k.doc); }

std::string cell(std::string text) {
  for (std::size_t at = 0; (at = text.find('|', at)) != std::string::npos; at += 2) text.insert(at, "\\");
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

std::string key_table(const Keys& keys) {
  std::string s = "| key | type | range | default | meaning |\n|---|---|---|---|---|\n";
  for (const ResolvedKey& k : keys)
    s += fmt::format("| `{}` | {} | {} | {} | {} |\n", k.path, k.type, cell(k.range),
                     k.fallback.empty() ? (k.source == "default" ? "optional" : "required") : "`" + cell(k.fallback) + "`", cell(k.doc));
  return s;
}

/// Keys that stand in a table or below it.
Keys below(const Keys& keys, const std::string& table) {
  Keys out;
  for (const ResolvedKey& k : keys)
    if (k.path.starts_with(table + ".") || k.path.starts_with(table + "[") || k.path == table) out.push_back(k);
  return out;
}

Keys topic_keys(const Topic& topic, const AppInfo& info, const std::function<std::unique_ptr<Application>()>& make) {
  if (topic.table.empty()) return {};
  const ProblemFile file = ProblemFile::parse(topic.example.empty() ? info.example : topic.example, "problem.toml", topic.settings);
  load_problem(file, *make(), MPI_COMM_SELF, true);
  return below(file.resolved(), topic.table);
}

std::vector<std::string> kinds(const std::vector<Topic>& topics) {
  std::vector<std::string> out;
  for (const Topic& t : topics)
    if (std::find(out.begin(), out.end(), t.kind) == out.end()) out.push_back(t.kind);
  return out;
}

std::string everything(const Keys& keys, const std::vector<Topic>& topics, const AppInfo& info, bool with_value) {
  std::string s = fmt::format("{}: {}\n\nKeys of a problem file:\n", info.name, info.summary);
  for (const ResolvedKey& k : keys) s += key_text(k, with_value);
  for (const std::string& kind : kinds(topics)) {
    s += fmt::format("\n{} (--describe NAME lists the keys of each):\n", kind);
    for (const Topic& t : topics)
      if (t.kind == kind) s += fmt::format("  {:<18}{}\n", t.name, t.doc);
  }
  return s;
}

std::string reference(const Keys& keys, const std::vector<Topic>& topics, const AppInfo& info,
                      const std::function<std::unique_ptr<Application>()>& make) {
  std::string s = fmt::format("# Input of {}\n\n{}\n", info.name, info.summary);
  std::vector<std::string> tables;
  const auto table_of = [](const ResolvedKey& k) {
    const std::size_t dot = k.path.find('.');
    return dot == std::string::npos ? std::string() : k.path.substr(0, k.path.find_first_of(".["));
  };
  for (const ResolvedKey& k : keys)
    if (std::find(tables.begin(), tables.end(), table_of(k)) == tables.end()) tables.push_back(table_of(k));
  for (const std::string& table : tables) {
    Keys own;
    for (const ResolvedKey& k : keys)
      if (table_of(k) == table) own.push_back(k);
    s += fmt::format("\n## {}\n\n{}", table.empty() ? "Keys of the file itself" : "[" + table + "]", key_table(own));
  }
  for (const std::string& kind : kinds(topics)) {
    s += fmt::format("\n## {}\n", kind);
    for (const Topic& t : topics) {
      if (t.kind != kind) continue;
      s += fmt::format("\n### `{}`\n\n{}\n", t.name, t.doc);
      if (const Keys own = topic_keys(t, info, make); !own.empty()) s += "\n" + key_table(own);
    }
  }
  return s;
}

}  // namespace

LoadedProblem load_problem(const ProblemFile& file, Application& app, MPI_Comm comm, bool check_only) {
  LoadedProblem loaded;
  const Parameters root = file.root();
  const Parameters problem = root.table("problem", "What this problem is.");
  const std::string stem = std::filesystem::path(file.path()).stem().string();
  loaded.name = problem.text("name", "Name of the problem; the default run directory is runs/<name>.", stem);
  problem.text("title", "For people: a line on what is solved.", "");
  if (loaded.name.empty() || loaded.name.find('/') != std::string::npos || loaded.name.starts_with('.'))
    problem.fail("name", "a name is not empty, has no '/', and does not start with '.'");
  loaded.checkpoint_seconds =
      root.table("output", "What is saved, and how often.")
          .real("checkpoint_seconds", "Wall-clock seconds between checkpoints; 0 saves one each step.", 600.0, Range::nonnegative());
  app.setup(root, comm, check_only);
  file.check_all_used();
  return loaded;
}

std::string describe(const Options& options, const AppInfo& info, const std::function<std::unique_ptr<Application>()>& make) {
  const bool own = options.problem.empty();
  ProblemFile file =
      own ? ProblemFile::parse(info.example, "problem.toml", options.settings) : ProblemFile::read(MPI_COMM_SELF, options.problem, options.settings);
  if (!own) file.limit("grid.cells", 16);
  load_problem(file, *make(), MPI_COMM_SELF, true);
  const Keys keys = file.resolved();
  const std::vector<Topic> topics = info.topics ? info.topics() : std::vector<Topic>{};
  const std::string& wanted = options.described;
  if (wanted.empty()) return options.markdown ? reference(keys, topics, info, make) : everything(keys, topics, info, !own);

  std::string s;
  Keys found = below(keys, wanted);
  if (found.empty())
    for (const ResolvedKey& k : keys)
      if (k.path.ends_with("." + wanted)) found.push_back(k);
  if (!found.empty()) s += options.markdown ? key_table(found) : "";
  if (!options.markdown)
    for (const ResolvedKey& k : found) s += key_text(k, !own);
  std::vector<std::string> names;
  for (const ResolvedKey& k : keys) {
    names.push_back(k.path);
    names.push_back(k.path.substr(k.path.rfind('.') + 1));
  }
  for (const Topic& t : topics) {
    names.push_back(t.name);
    if (t.name != wanted) continue;
    s += fmt::format("{} ({})\n    {}\n", t.name, t.kind, t.doc);
    const Keys its = topic_keys(t, info, make);
    if (options.markdown && !its.empty()) s += "\n" + key_table(its);
    if (!options.markdown)
      for (const ResolvedKey& k : its) s += key_text(k, false);
  }
  if (s.empty()) {
    const std::string hint = nearest(wanted, names);
    throw InputError(fmt::format("nothing here is called '{}'{}", wanted, hint.empty() ? "" : "; did you mean '" + hint + "'?"));
  }
  return s;
}

}  // namespace wasserflow
