// The resolved set of a problem file as TOML: every key with its value, meaning, range and source.
#include <fmt/format.h>

#include <cmath>
#include <sstream>

#include "grids/support/problem_state.hpp"

namespace wasserflow {

namespace {

/// The records as a tree, in reading order.
struct Entry {
  PathStep step;
  const ResolvedKey* key = nullptr;
  std::vector<Entry> children;
  Entry& child(const PathStep& s) {
    for (Entry& c : children)
      if (c.step == s) return c;
    children.push_back({s, nullptr, {}});
    return children.back();
  }
  bool is_array() const { return !children.empty() && children.front().step.index >= 0; }
  bool is_array_of_tables() const {
    if (!is_array()) return false;
    for (const Entry& c : children)
      if (c.children.empty() || c.is_array()) return false;
    return true;
  }
  bool is_section() const { return (!children.empty() && !is_array()) || is_array_of_tables(); }
};

/// Texts that others recorded may be no TOML: they are then shown as text.
std::string valid_value(const std::string& text) {
  try {
    if (toml::parse("v = " + text).size() == 1) return text;
  } catch (const toml::parse_error&) {
  }
  return toml_text(text);
}

std::string inline_value(const Entry& e) {
  if (e.children.empty()) return e.key ? valid_value(e.key->value) : "{}";
  std::string s;
  for (const Entry& c : e.children) {
    s += s.empty() ? "" : ", ";
    if (c.step.index < 0) s += toml_key(c.step.key) + " = ";
    s += inline_value(c);
  }
  return e.is_array() ? "[" + s + "]" : "{ " + s + " }";
}

void comment(std::string& out, const std::string& text) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) out += "# " + line + "\n";
}

std::string remark(const ResolvedKey& k) {
  std::string s = k.doc;
  if (!s.empty() && s.back() != '.') s += '.';
  if (!k.range.empty()) s += (k.type == "choice" ? " One of: " : " Range: ") + k.range + ".";
  if (!k.fallback.empty() && k.source != "default") s += " Default: " + k.fallback + ".";
  return s + (k.source == "default" ? " (default)" : " (" + k.source + ")");
}

void write(std::string& out, const Entry& e, const std::string& header, const std::map<std::string, std::string>& docs, const std::string& path) {
  for (const Entry& c : e.children) {
    if (c.is_section()) continue;
    if (c.key && c.children.empty() && c.key->value.empty()) {
      comment(out, remark(*c.key));
      comment(out, toml_key(c.step.key) + " is not given");
      continue;
    }
    if (c.key) comment(out, remark(*c.key));
    out += toml_key(c.step.key) + " = " + inline_value(c) + "\n";
  }
  for (const Entry& c : e.children) {
    if (!c.is_section()) continue;
    const std::string name = (header.empty() ? "" : header + ".") + toml_key(c.step.key);
    const std::string at = (path.empty() ? "" : path + ".") + c.step.key;
    const auto heading = [&](const std::string& line, const std::string& where) {
      out += "\n";
      if (const auto doc = docs.find(where); doc != docs.end()) comment(out, doc->second);
      out += line + "\n";
    };
    if (c.is_array()) {
      for (const Entry& element : c.children) {
        const std::string where = fmt::format("{}[{}]", at, element.step.index);
        heading("[[" + name + "]]", where);
        write(out, element, name, docs, where);
      }
    } else {
      heading("[" + name + "]", at);
      write(out, c, name, docs, at);
    }
  }
}

}  // namespace

std::string toml_text(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  std::string s = fmt::format("{}", value);
  return s.find_first_of(".e") == std::string::npos ? s + ".0" : s;
}

std::string toml_text(const std::string& value) {
  std::string s = "\"";
  for (const char c : value) {
    switch (c) {
      case '"':
        s += "\\\"";
        break;
      case '\\':
        s += "\\\\";
        break;
      case '\n':
        s += "\\n";
        break;
      case '\t':
        s += "\\t";
        break;
      case '\r':
        s += "\\r";
        break;
      default:
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
          s += fmt::format("\\u{:04x}", static_cast<unsigned>(static_cast<unsigned char>(c)));
        else
          s += c;
    }
  }
  return s + "\"";
}

std::string toml_text(const toml::node& node) {
  std::ostringstream s;
  node.visit([&](const auto& n) {
    if constexpr (toml::is_string<decltype(n)>)
      s << toml_text(n.get());
    else if constexpr (toml::is_floating_point<decltype(n)>)
      s << toml_text(n.get());
    else if constexpr (toml::is_array<decltype(n)>) {
      s << '[';
      bool first = true;
      for (const toml::node& e : n) {
        s << (first ? "" : ", ") << toml_text(e);
        first = false;
      }
      s << ']';
    } else if constexpr (toml::is_table<decltype(n)>) {
      s << "{ ";
      bool first = true;
      for (const auto& [k, e] : n) {
        s << (first ? "" : ", ") << toml_key(std::string(k.str())) << " = " << toml_text(e);
        first = false;
      }
      s << " }";
    } else {
      s << n;
    }
  });
  return s.str();
}

std::string toml_key(const std::string& key) {
  const bool bare = !key.empty() && key.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-") == std::string::npos;
  return bare ? key : toml_text(key);
}

std::string type_name(const toml::node& node) {
  switch (node.type()) {
    case toml::node_type::table:
      return "a table";
    case toml::node_type::array:
      return "an array";
    case toml::node_type::string:
      return "text";
    case toml::node_type::integer:
      return "integer";
    case toml::node_type::floating_point:
      return "real";
    case toml::node_type::boolean:
      return "flag";
    default:
      return "a date or time";
  }
}

std::string ProblemFile::resolved_toml() const {
  Entry root;
  for (const State::Record& r : state_->records) {
    Entry* e = &root;
    for (const PathStep& step : r.where) e = &e->child(step);
    e->key = &r.key;
  }
  std::string out = "# Every key of the problem with its value; in brackets where the value came from.\n";
  write(out, root, "", state_->table_docs, "");
  return out;
}

}  // namespace wasserflow
