#include "grids/support/parameters.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <climits>
#include <cmath>
#include <filesystem>

#include "grids/support/problem_state.hpp"

namespace wasserflow {

bool Range::contains(double x) const { return (lower_open ? x > lower : x >= lower) && (upper_open ? x < upper : x <= upper); }

std::string Range::text() const {
  const bool below = std::isfinite(lower), above = std::isfinite(upper);
  if (below && above) return fmt::format("{}{}, {}{}", lower_open ? '(' : '[', lower, upper, upper_open ? ')' : ']');
  if (below) return fmt::format("{} {}", lower_open ? ">" : ">=", lower);
  if (above) return fmt::format("{} {}", upper_open ? "<" : "<=", upper);
  return "";
}

// One request for one key: finds the value, checks it, says what is wrong with it, and records it.
struct Parameters::Request {
  const Parameters& p;
  const std::string& key;
  const std::string& doc;
  std::string type;
  std::string range;
  const toml::node* value;

  Request(const Parameters& parameters, const std::string& name, const std::string& meaning, const std::string& kind,
          const std::string& interval = "")
      : p(parameters), key(name), doc(meaning), type(kind), range(interval), value(p.node_->find(name)) {
    if (value) p.node_->state->used.insert(value);
  }

  [[noreturn]] void fail_at(const toml::node& node, const std::string& what) const {
    throw InputError(fmt::format("{}: {} ({})", p.path(key), what, doc), p.node_->state->location(node));
  }
  [[noreturn]] void wrong_type(const toml::node& node) const {
    fail_at(node, fmt::format("expected {}, got {} {}", type, type_name(node), toml_text(node)));
  }
  /// A required key is absent.
  [[noreturn]] void missing() const {
    std::vector<std::string> strangers;  // present, but nobody asked for them so far
    const std::set<std::string>& asked = p.node_->state->asked[wasserflow::text(p.node_->where)];
    for (const std::string& name : p.keys())
      if (!asked.contains(name)) strangers.push_back(name);
    std::string hint = nearest(key, strangers);
    if (!hint.empty()) hint = fmt::format("; did you mean it by '{}'?", hint);
    throw InputError(fmt::format("{}: this key is required{} ({})", p.path(key), hint, doc), p.location(key));
  }
  template <class T>
  const T& fallback_or_missing(const std::optional<T>& fallback) const {
    if (!fallback) missing();
    return *fallback;
  }

  /// Infinity and NaN only where they are a default themselves (NaN then says that nothing is given).
  double number(const toml::node& node, const Range& r, bool nonfinite_too) const {
    const std::optional<double> x = node.is_number() ? node.value<double>() : std::nullopt;
    if (!x) wrong_type(node);
    if (std::isnan(*x) && nonfinite_too) return *x;
    if (!std::isfinite(*x) && !nonfinite_too) fail_at(node, fmt::format("{} is not a finite number", *x));
    if (!r.contains(*x))
      fail_at(node,
              fmt::format("{} is out of range, it must be {}{}", *x, r.text().starts_with('[') || r.text().starts_with('(') ? "in " : "", r.text()));
    return *x;
  }
  int whole_number(const toml::node& node, const Range& r) const {
    const double x = number(node, r, false);
    if (std::floor(x) != x) wrong_type(node);  // 1e6 is one
    if (x < INT_MIN || x > INT_MAX) fail_at(node, fmt::format("{} does not fit a 32-bit integer", x));
    return static_cast<int>(x);
  }
  std::string string(const toml::node& node) const {
    if (!node.is_string()) wrong_type(node);
    return node.as_string()->get();
  }

  /// `count` elements, one standing for all.
  template <class T, class Read>
  std::vector<T> list(int count, Read read) const {
    std::vector<T> out;
    if (const toml::array* array = value->as_array()) {
      p.node_->state->whole.insert(value);
      for (const toml::node& element : *array) out.push_back(read(element));
      if (count > 0 && static_cast<int>(out.size()) != count)
        fail_at(*value, fmt::format("expected {} value{}, got {}", count, count == 1 ? "" : "s (or a single one for all)", out.size()));
    } else {
      out.assign(static_cast<std::size_t>(std::max(count, 1)), read(*value));
    }
    return out;
  }
  template <class T>
  static std::vector<T> spread(std::vector<T> fallback, int count) {
    if (count > 1 && fallback.size() == 1) fallback.resize(static_cast<std::size_t>(count), fallback.front());
    return fallback;
  }

  void record(const std::string& resolved, const std::string& fallback) const {
    p.node_->state->record(p.node_->below(key), {p.path(key), type, resolved, fallback, range, doc, p.node_->state->source(value)});
  }
};

namespace {

template <class T>
std::string default_text(const std::optional<T>& fallback) {
  return fallback ? toml_text(*fallback) : "";
}

}  // namespace

const toml::node* Parameters::Node::find(const std::string& key) const {
  if (key.empty()) return value;
  state->asked[wasserflow::text(where)].insert(key);
  const toml::table* table = value ? value->as_table() : nullptr;
  return table ? table->get(key) : nullptr;
}

KeyPath Parameters::Node::below(const std::string& key) const {
  KeyPath path = where;
  if (!key.empty()) path.push_back({key, -1});
  return path;
}

std::vector<std::string> Parameters::Node::keys() const {
  const toml::table* table = value ? value->as_table() : nullptr;
  if (!table) return {};
  std::vector<std::pair<std::pair<int, int>, std::string>> found;
  for (const auto& [key, child] : *table) {
    const Location at = state->location(child);
    found.push_back({{at.line == 0 ? INT_MAX : at.line, at.column}, std::string(key.str())});  // overrides last
  }
  std::sort(found.begin(), found.end());
  std::vector<std::string> names;
  for (auto& [place, name] : found) names.push_back(std::move(name));
  return names;
}

double Parameters::real(const std::string& key, const std::string& doc, std::optional<double> fallback, Range range) const {
  const Request r(*this, key, doc, "real", range.text());
  const double x = r.value ? r.number(*r.value, range, fallback && !std::isfinite(*fallback)) : r.fallback_or_missing(fallback);
  r.record(std::isnan(x) ? "" : toml_text(x), fallback && std::isnan(*fallback) ? "" : default_text(fallback));
  return x;
}

int Parameters::integer(const std::string& key, const std::string& doc, std::optional<int> fallback, Range range) const {
  const Request r(*this, key, doc, "integer", range.text());
  const int x = r.value ? r.whole_number(*r.value, range) : r.fallback_or_missing(fallback);
  r.record(toml_text(x), default_text(fallback));
  return x;
}

bool Parameters::flag(const std::string& key, const std::string& doc, std::optional<bool> fallback) const {
  const Request r(*this, key, doc, "flag");
  if (r.value && !r.value->is_boolean()) r.wrong_type(*r.value);
  const bool x = r.value ? r.value->as_boolean()->get() : r.fallback_or_missing(fallback);
  r.record(toml_text(x), default_text(fallback));
  return x;
}

std::string Parameters::text(const std::string& key, const std::string& doc, std::optional<std::string> fallback) const {
  const Request r(*this, key, doc, "text");
  const std::string x = r.value ? r.string(*r.value) : r.fallback_or_missing(fallback);
  r.record(toml_text(x), default_text(fallback));
  return x;
}

std::string Parameters::choice(const std::string& key, const std::string& doc, const std::vector<std::string>& names,
                               std::optional<std::string> fallback) const {
  const Request r(*this, key, doc, "choice", fmt::format("{}", fmt::join(names, " | ")));
  const std::string x = r.value ? r.string(*r.value) : r.fallback_or_missing(fallback);
  if (r.value && std::find(names.begin(), names.end(), x) == names.end()) {
    const std::string hint = nearest(x, names);
    r.fail_at(*r.value, fmt::format("'{}' is none of {}{}", x, fmt::join(names, ", "), hint.empty() ? "" : "; did you mean '" + hint + "'?"));
  }
  r.record(toml_text(x), default_text(fallback));
  return x;
}

std::vector<double> Parameters::reals(const std::string& key, const std::string& doc, int count, std::optional<std::vector<double>> fallback,
                                      Range range) const {
  const Request r(*this, key, doc, "reals", range.text());
  const bool nonfinite_too = fallback && std::any_of(fallback->begin(), fallback->end(), [](double x) { return !std::isfinite(x); });
  const std::vector<double> x = r.value ? r.list<double>(count, [&](const toml::node& n) { return r.number(n, range, nonfinite_too); })
                                        : r.spread(r.fallback_or_missing(fallback), count);
  r.record(toml_text(x), default_text(fallback));
  return x;
}

std::vector<int> Parameters::integers(const std::string& key, const std::string& doc, int count, std::optional<std::vector<int>> fallback,
                                      Range range) const {
  const Request r(*this, key, doc, "integers", range.text());
  const std::vector<int> x =
      r.value ? r.list<int>(count, [&](const toml::node& n) { return r.whole_number(n, range); }) : r.spread(r.fallback_or_missing(fallback), count);
  r.record(toml_text(x), default_text(fallback));
  return x;
}

std::vector<std::string> Parameters::texts(const std::string& key, const std::string& doc, int count,
                                           std::optional<std::vector<std::string>> fallback) const {
  const Request r(*this, key, doc, "texts");
  const std::vector<std::string> x =
      r.value ? r.list<std::string>(count, [&](const toml::node& n) { return r.string(n); }) : r.spread(r.fallback_or_missing(fallback), count);
  r.record(toml_text(x), default_text(fallback));
  return x;
}

Parameters Parameters::table(const std::string& key, const std::string& doc) const {
  const Request r(*this, key, doc, "a table");
  if (r.value && !r.value->is_table()) r.wrong_type(*r.value);
  Parameters sub;
  sub.node_ = std::make_shared<Node>();
  sub.node_->state = node_->state;
  sub.node_->value = r.value;
  sub.node_->where = node_->below(key);
  sub.node_->nearby = location(key);
  node_->state->table_docs.emplace(wasserflow::text(sub.node_->where), doc);
  return sub;
}

int Parameters::array_size(const std::string& key) const {
  const toml::node* value = node_->find(key);
  if (!value) return 0;
  return value->is_array() ? static_cast<int>(value->as_array()->size()) : 1;
}

Parameters Parameters::element(const std::string& key, int index, const std::string& doc) const {
  const Request r(*this, key, doc, "an array");
  Parameters sub;
  sub.node_ = std::make_shared<Node>();
  sub.node_->state = node_->state;
  sub.node_->where = node_->below(key);
  sub.node_->nearby = location(key);
  const toml::array* array = r.value ? r.value->as_array() : nullptr;
  if (array) {
    sub.node_->where.push_back({"", index});
    sub.node_->value = index >= 0 && static_cast<std::size_t>(index) < array->size() ? array->get(static_cast<std::size_t>(index)) : nullptr;
  } else if (index == 0) {
    sub.node_->value = r.value;
  }
  if (!sub.node_->value) throw InputError(fmt::format("{}: no element {} ({})", path(key), index, doc), location(key));
  node_->state->used.insert(sub.node_->value);
  node_->state->table_docs.emplace(wasserflow::text(sub.node_->where), doc);
  return sub;
}

bool Parameters::has(const std::string& key) const { return node_->find(key) != nullptr; }

bool Parameters::is_number(const std::string& key) const {
  const toml::node* value = node_->find(key);
  return value && value->is_number();
}

bool Parameters::is_text(const std::string& key) const {
  const toml::node* value = node_->find(key);
  return value && value->is_string();
}

bool Parameters::is_table(const std::string& key) const {
  const toml::node* value = node_->find(key);
  return value && value->is_table();
}

bool Parameters::is_array(const std::string& key) const {
  const toml::node* value = node_->find(key);
  return value && value->is_array();
}

std::vector<std::string> Parameters::keys() const { return node_->keys(); }

std::vector<std::pair<std::string, double>> Parameters::all_reals(const std::string& doc) const {
  std::vector<std::pair<std::string, double>> out;
  for (const std::string& key : keys()) out.emplace_back(key, real(key, doc));
  return out;
}

Location Parameters::location(const std::string& key) const {
  if (const toml::node* value = node_->find(key)) return node_->state->location(*value);
  return node_->value ? node_->state->location(*node_->value) : node_->nearby;
}

std::string Parameters::path(const std::string& key) const { return wasserflow::text(node_->below(key)); }

void Parameters::fail(const std::string& key, const std::string& message) const { throw InputError(path(key) + ": " + message, location(key)); }

void Parameters::record(const std::string& key, const std::string& type, const std::string& value, const std::string& doc,
                        const std::string& fallback, const std::string& range) const {
  const Request r(*this, key, doc, type, range);
  // A table that was opened answers for its keys itself; any other value was read as a whole.
  if (r.value && !node_->state->table_docs.contains(path(key)) && !(r.value->is_array() && node_->state->table_docs.contains(path(key) + "[0]")))
    node_->state->whole.insert(r.value);
  r.record(value, fallback);
}

bool Parameters::limited() const { return !node_->state->shown.empty(); }

std::string Parameters::directory() const {
  const std::string parent = std::filesystem::path(node_->state->path).parent_path().string();
  return parent.empty() ? "." : parent;
}

}  // namespace wasserflow
