#pragma once
/// Inside of Parameters and ProblemFile; included by their .cpp files only (it pulls in toml++).
#include <toml++/toml.h>
#include <map>
#include <set>

#include "grids/support/parameters.hpp"

namespace wasserflow {

/// One step from the root of the file to a value: a key, or an index into an array.
struct PathStep {
  std::string key;
  int index = -1;
  bool operator==(const PathStep&) const = default;
};
using KeyPath = std::vector<PathStep>;

/// "grid.cells", "terms[0].width"
std::string text(const KeyPath& path);

struct ProblemFile::State {
  std::string path;
  toml::table root;

  struct Record {
    KeyPath where;
    ResolvedKey key;
  };
  std::vector<Record> records;                         // in reading order
  std::map<std::string, std::set<std::string>> asked;  // names asked for, by path of the table
  std::set<const toml::node*> used;                    // values that were read, tables that were opened
  std::set<const toml::node*> whole;                   // tables and arrays that were read as one value
  std::map<std::string, std::string> table_docs;       // by path

  std::map<std::string, std::string> shown;  // what the resolved set says instead of the value, by path

  /// Where a value stands: in the file, or in an override.
  Location location(const toml::node& node) const;
  std::string source(const toml::node* node) const;
  void record(const KeyPath& where, ResolvedKey key);
};

struct Parameters::Node {
  std::shared_ptr<ProblemFile::State> state;
  const toml::node* value = nullptr;  // null when the table is absent
  KeyPath where;
  Location nearby;  // for messages when the table is absent

  const toml::node* find(const std::string& key) const;  // notes that the key was asked for
  KeyPath below(const std::string& key) const;
  std::vector<std::string> keys() const;
};

/// TOML text of values.
std::string toml_text(const toml::node& node);
std::string toml_text(double value);
std::string toml_text(const std::string& value);
inline std::string toml_text(int value) { return std::to_string(value); }
inline std::string toml_text(bool value) { return value ? "true" : "false"; }
template <class T>
std::string toml_text(const std::vector<T>& values) {
  std::string s = "[";
  for (const T& v : values) s += (s.size() > 1 ? ", " : "") + toml_text(v);
  return s + "]";
}
std::string toml_key(const std::string& key);
/// "text", "integer", ... for messages.
std::string type_name(const toml::node& node);

}  // namespace wasserflow
