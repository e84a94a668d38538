#pragma once
/// Typed reader of problem files (TOML). Reading a key documents it: meaning, unit, default and range stand at the point of use, and
/// the same calls generate `resolved.toml`, `--describe` and the input reference.
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "grids/support/errors.hpp"

namespace wasserflow {

/// Closed or open interval a number must lie in; shown as "[0, 1]", "> 0", ...
struct Range {
  double lower = -std::numeric_limits<double>::infinity();
  double upper = std::numeric_limits<double>::infinity();
  bool lower_open = false;
  bool upper_open = false;
  static Range any() { return {}; }
  static Range positive() { return {0, std::numeric_limits<double>::infinity(), true, false}; }
  static Range nonnegative() { return {0, std::numeric_limits<double>::infinity(), false, false}; }
  static Range at_least(double x) { return {x, std::numeric_limits<double>::infinity(), false, false}; }
  static Range between(double a, double b) { return {a, b, false, false}; }
  bool contains(double x) const;
  std::string text() const;
};

/// One key as it was read: the material of resolved.toml and of the input reference.
struct ResolvedKey {
  std::string path;      ///< "grid.cells"
  std::string type;      ///< "real", "integer", "flag", "text", "choice", "reals", "integers", "function"
  std::string value;     ///< as TOML text
  std::string fallback;  ///< default as TOML text, "" when the key is required
  std::string range;     ///< "" when any value will do
  std::string doc;
  std::string source;  ///< "problem.toml:12:3", "--set", "default"
};

class ProblemFile;

/// A table of the problem file. Cheap to copy; refers to its ProblemFile. All errors are InputError with file, line, column and the path
/// of the key; the same on every rank, since every rank parses the same text. No member is collective.
/// The empty key "" names the value itself: an element of an array that is a number is read by `element(...).real("", doc)`.
class Parameters {
 public:
  // A required key has no fallback argument; its absence is an error that names the table and the doc.
  double real(const std::string& key, const std::string& doc, std::optional<double> fallback = {}, Range range = {}) const;
  int integer(const std::string& key, const std::string& doc, std::optional<int> fallback = {}, Range range = {}) const;
  bool flag(const std::string& key, const std::string& doc, std::optional<bool> fallback = {}) const;
  std::string text(const std::string& key, const std::string& doc, std::optional<std::string> fallback = {}) const;
  /// One of `names`; anything else is an error that suggests the nearest.
  std::string choice(const std::string& key, const std::string& doc, const std::vector<std::string>& names,
                     std::optional<std::string> fallback = {}) const;
  /// `count` numbers (any number when 0); a single number stands for all of them.
  std::vector<double> reals(const std::string& key, const std::string& doc, int count, std::optional<std::vector<double>> fallback = {},
                            Range range = {}) const;
  std::vector<int> integers(const std::string& key, const std::string& doc, int count, std::optional<std::vector<int>> fallback = {},
                            Range range = {}) const;
  std::vector<std::string> texts(const std::string& key, const std::string& doc, int count,
                                 std::optional<std::vector<std::string>> fallback = {}) const;

  /// Sub-table; an empty one when it is absent (its required keys then complain). `doc` says what the table is for.
  Parameters table(const std::string& key, const std::string& doc) const;
  /// Elements of an array of tables or of an array; for a non-array value a list of one.
  int array_size(const std::string& key) const;
  Parameters element(const std::string& key, int index, const std::string& doc) const;

  bool has(const std::string& key) const;
  bool is_number(const std::string& key) const;
  bool is_text(const std::string& key) const;
  bool is_table(const std::string& key) const;
  bool is_array(const std::string& key) const;
  std::vector<std::string> keys() const;  ///< keys present in this table (marks nothing as used)
  /// Numeric constants of this whole table by name, e.g. [hamiltonian.constants]; marks all as used.
  std::vector<std::pair<std::string, double>> all_reals(const std::string& doc) const;

  Location location(const std::string& key) const;                                   ///< of the value; of the table when the key is absent
  std::string path(const std::string& key) const;                                    ///< "grid.cells"
  [[noreturn]] void fail(const std::string& key, const std::string& message) const;  ///< InputError at the key's value
  /// For keys read by other means (functions): records them as used and puts them into the resolved set.
  void record(const std::string& key, const std::string& type, const std::string& value, const std::string& doc, const std::string& fallback = {},
              const std::string& range = {}) const;
  /// True behind ProblemFile::limit: the problem is only tried on a smaller grid, which data in files do not fit.
  bool limited() const;
  /// Directory of the problem file: relative paths in it count from there.
  std::string directory() const;

 private:
  friend class ProblemFile;
  struct Node;
  struct Request;
  std::shared_ptr<Node> node_;
};

/// A parsed problem file with its overrides (`--set key=value`).
class ProblemFile {
 public:
  /// Rank 0 reads the file and broadcasts its text. Throws InputError: missing file, TOML syntax error (line, column), bad override.
  /// @note Collective over `comm`.
  static ProblemFile read(MPI_Comm comm, const std::string& path, const std::vector<std::string>& overrides = {});
  /// From text, for tests; `name` stands in messages. Not collective.
  static ProblemFile parse(const std::string& text, const std::string& name, const std::vector<std::string>& overrides = {});

  Parameters root() const;
  const std::string& path() const;
  /// From here on readers find whole numbers above `most` under the dotted `key` cut down to it, while the resolved set shows the user's: to try a
  /// problem on a small grid.
  void limit(const std::string& key, int most);
  /// Throws InputError for the first key that nobody read, with the nearest of the keys that were asked for in its table.
  void check_all_used() const;
  std::vector<ResolvedKey> resolved() const;  ///< in reading order
  std::string resolved_toml() const;          ///< complete problem file with comments: meaning, range, source of each value

  struct State;

 private:
  std::shared_ptr<State> state_;
};

/// The candidate nearest to `word` by edit distance, "" when none is near.
std::string nearest(const std::string& word, const std::vector<std::string>& candidates);

/// Factories by name with suggestions for misspelt ones: Registry<Hamiltonian(const Parameters&)>-like tables. A name can be registered as
/// unavailable, with the reason (a library that was not compiled in).
template <class Factory>
class Registry {
 public:
  struct Entry {
    std::string doc;
    Factory make;
    std::string unavailable;  ///< reason, "" when available
  };
  explicit Registry(std::string what) : what_(std::move(what)) {}
  void add(const std::string& name, const std::string& doc, Factory make) { entries_.emplace_back(name, Entry{doc, std::move(make), ""}); }
  void add_unavailable(const std::string& name, const std::string& doc, const std::string& reason) {
    entries_.emplace_back(name, Entry{doc, {}, reason});
  }
  std::vector<std::string> names() const {
    std::vector<std::string> n;
    for (const auto& [name, entry] : entries_) n.push_back(name);
    return n;
  }
  /// Entry of the name that stands in `key` of `p`; InputError with the nearest name otherwise.
  const Entry& find(const Parameters& p, const std::string& key, const std::string& name) const {
    for (const auto& [n, entry] : entries_)
      if (n == name) {
        if (!entry.unavailable.empty()) p.fail(key, what_ + " '" + name + "' is not available here: " + entry.unavailable);
        return entry;
      }
    std::string hint = nearest(name, names());
    std::string all;
    for (const std::string& n : names()) all += (all.empty() ? "" : ", ") + n;
    p.fail(key, "unknown " + what_ + " '" + name + "'" + (hint.empty() ? "" : "; did you mean '" + hint + "'?") + " (known: " + all + ")");
  }
  const std::vector<std::pair<std::string, Entry>>& entries() const { return entries_; }

 private:
  std::string what_;
  std::vector<std::pair<std::string, Entry>> entries_;
};

}  // namespace wasserflow
