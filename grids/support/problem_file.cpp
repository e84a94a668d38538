#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <fstream>
#include <sstream>

#include "grids/support/mpi.hpp"
#include "grids/support/problem_state.hpp"

namespace wasserflow {

namespace {

constexpr std::string_view override_mark = "--set ";

std::string trim(const std::string& s) {
  const std::size_t a = s.find_first_not_of(" \t\r\n");
  if (a == std::string::npos) return "";
  return s.substr(a, s.find_last_not_of(" \t\r\n") - a + 1);
}

toml::table parse_toml(const std::string& text, const std::string& name) {
  try {
    return toml::parse(text, name);
  } catch (const toml::parse_error& e) {
    throw InputError("not valid TOML: " + std::string(e.description()),
                     {name, static_cast<int>(e.source().begin.line), static_cast<int>(e.source().begin.column)});
  }
}

/// Applies "key.path=value" to the tree. What does not parse as a TOML value is taken as text.
void apply_override(toml::table& root, const std::string& setting) {
  const std::string name = std::string(override_mark) + setting;
  const std::size_t equals = setting.find('=');
  const std::string key = trim(setting.substr(0, equals));
  if (equals == std::string::npos || key.empty()) throw InputError("an override is written key=value", {name});
  const std::string value = trim(setting.substr(equals + 1));

  toml::table parsed;
  bool plain = true;
  try {
    parsed = toml::parse("v = " + value, name);
    plain = parsed.size() != 1;
  } catch (const toml::parse_error&) {
  }
  // Brackets and quotes promise TOML: a mistake in them is not meant as text.
  if (plain && !value.empty() && std::strchr("[{\"'", value.front())) throw InputError("the value is not valid TOML", {name});
  if (plain) parsed = toml::parse("v = " + toml_text(value), name);

  toml::node* at = &root;
  std::size_t begin = 0;
  for (;;) {
    const std::size_t dot = key.find('.', begin);
    const std::string part = trim(key.substr(begin, dot == std::string::npos ? dot : dot - begin));
    if (part.empty()) throw InputError(fmt::format("'{}' is not a key", key), {name});
    const bool last = dot == std::string::npos;
    if (toml::array* array = at->as_array()) {
      const bool digits = part.size() < 8 && std::all_of(part.begin(), part.end(), [](unsigned char c) { return std::isdigit(c); });
      const std::size_t i = digits ? static_cast<std::size_t>(std::stoi(part)) : array->size();
      if (i >= array->size())
        throw InputError(fmt::format("'{}' is not an index into the {} elements of '{}'", part, array->size(), key.substr(0, begin - 1)), {name});
      if (last) {
        array->replace(array->cbegin() + static_cast<std::ptrdiff_t>(i), std::move(*parsed.get("v")));
        return;
      }
      at = array->get(i);
    } else if (toml::table* table = at->as_table()) {
      if (last) {
        table->insert_or_assign(part, std::move(*parsed.get("v")));
        return;
      }
      if (!table->contains(part)) {
        toml::table fresh = toml::parse("v = {}", name);
        table->insert(part, std::move(*fresh.get("v")->as_table()));
      }
      at = table->get(part);
    } else {
      throw InputError(fmt::format("'{}' is not a table", key.substr(0, begin - 1)), {name});
    }
    begin = dot + 1;
  }
}

struct Unused {
  std::string table;
  std::string key;
  const toml::node* value;
};

void find_unused(const ProblemFile::State& state, const toml::node& node, KeyPath& where, std::vector<Unused>& out);

void look_into(const ProblemFile::State& state, const toml::node& child, KeyPath& where, std::vector<Unused>& out) {
  if (!state.used.contains(&child)) {
    const PathStep last = where.back();
    where.pop_back();
    out.push_back({text(where), last.index < 0 ? last.key : fmt::format("[{}]", last.index), &child});
    where.push_back(last);
  } else if (!state.whole.contains(&child)) {
    find_unused(state, child, where, out);
  }
}

void find_unused(const ProblemFile::State& state, const toml::node& node, KeyPath& where, std::vector<Unused>& out) {
  if (const toml::table* table = node.as_table()) {
    for (const auto& [key, child] : *table) {
      where.push_back({std::string(key.str()), -1});
      look_into(state, child, where, out);
      where.pop_back();
    }
  } else if (const toml::array* array = node.as_array()) {
    for (std::size_t i = 0; i < array->size(); ++i) {
      where.push_back({"", static_cast<int>(i)});
      look_into(state, *array->get(i), where, out);
      where.pop_back();
    }
  }
}

}  // namespace

std::string text(const KeyPath& path) {
  std::string s;
  for (const PathStep& step : path) {
    if (step.index >= 0)
      s += fmt::format("[{}]", step.index);
    else
      s += (s.empty() ? "" : ".") + step.key;
  }
  return s;
}

Location ProblemFile::State::location(const toml::node& node) const {
  const toml::source_region& region = node.source();
  if (!region.path || *region.path == path) return {path, static_cast<int>(region.begin.line), static_cast<int>(region.begin.column)};
  return {*region.path, 0, 0};
}

std::string ProblemFile::State::source(const toml::node* node) const {
  if (!node) return "default";
  const Location where = location(*node);
  return where.file.starts_with(override_mark) ? "--set" : where.text();
}

void ProblemFile::State::record(const KeyPath& where, ResolvedKey key) {
  if (const auto it = shown.find(key.path); it != shown.end()) key.value = it->second;
  for (Record& r : records)
    if (r.where == where) {
      r.key = std::move(key);
      return;
    }
  records.push_back({where, std::move(key)});
}

ProblemFile ProblemFile::parse(const std::string& text, const std::string& name, const std::vector<std::string>& overrides) {
  ProblemFile file;
  file.state_ = std::make_shared<State>();
  file.state_->path = name;
  file.state_->root = parse_toml(text, name);
  for (const std::string& setting : overrides) apply_override(file.state_->root, setting);
  return file;
}

ProblemFile ProblemFile::read(MPI_Comm comm, const std::string& path, const std::vector<std::string>& overrides) {
  std::string text;
  check_all(comm, [&] {
    if (rank_of(comm) != 0) return;
    errno = 0;
    std::ifstream in(path, std::ios::binary);
    std::ostringstream all;
    if (in) all << in.rdbuf();
    // A directory opens but does not read.
    if (!in || all.fail())
      throw InputError(fmt::format("the problem file '{}' cannot be read: {}", path, errno ? std::strerror(errno) : "not a file"));
    text = all.str();
  });
  long long size = static_cast<long long>(text.size());
  MPI_Bcast(&size, 1, MPI_LONG_LONG, 0, comm);
  if (size > (1 << 26)) throw InputError("more than 64 MiB: not a problem file", {path});
  text.resize(static_cast<std::size_t>(size));
  MPI_Bcast(text.data(), static_cast<int>(size), MPI_CHAR, 0, comm);
  return parse(text, path, overrides);
}

void ProblemFile::limit(const std::string& key, int most) {
  const toml::node_view<toml::node> found = state_->root.at_path(key);
  if (!found) return;
  state_->shown[key] = toml_text(*found.node());
  const auto cut = [&](toml::node& node) {
    if (toml::value<std::int64_t>* n = node.as_integer(); n && n->get() > most) n->get() = most;
  };
  cut(*found.node());
  if (toml::array* array = found.as_array())
    for (toml::node& element : *array) cut(element);
}

Parameters ProblemFile::root() const {
  Parameters p;
  p.node_ = std::make_shared<Parameters::Node>();
  p.node_->state = state_;
  p.node_->value = &state_->root;
  p.node_->nearby = {state_->path};
  return p;
}

const std::string& ProblemFile::path() const { return state_->path; }

void ProblemFile::check_all_used() const {
  std::vector<Unused> unused;
  KeyPath where;
  find_unused(*state_, state_->root, where, unused);
  if (unused.empty()) return;
  const auto place = [&](const Unused& u) {
    const Location l = state_->location(*u.value);
    return std::tuple(l.line == 0, l.line, l.column);  // those of the file first
  };
  const Unused& first = *std::min_element(unused.begin(), unused.end(), [&](const Unused& a, const Unused& b) { return place(a) < place(b); });
  const auto asked = state_->asked.find(first.table);
  std::vector<std::string> names;
  if (asked != state_->asked.end()) names.assign(asked->second.begin(), asked->second.end());
  std::string message = first.value->is_table() ? "unknown table" : "unknown key";
  message += " '" + (first.table.empty() || first.key.starts_with('[') ? first.table : first.table + ".") + first.key + "'";
  const std::string hint = nearest(first.key, names);
  if (!hint.empty()) {
    message += "; did you mean '" + hint + "'?";
  } else if (!names.empty()) {
    message += fmt::format(" (known {}: {})", first.table.empty() ? "here" : "in [" + first.table + "]", fmt::join(names, ", "));
  }
  throw InputError(message, state_->location(*first.value));
}

std::vector<ResolvedKey> ProblemFile::resolved() const {
  std::vector<ResolvedKey> keys;
  for (const State::Record& r : state_->records) keys.push_back(r.key);
  return keys;
}

}  // namespace wasserflow
