#include "problems/read_formula.hpp"

namespace wasserflow {

NamedConstants read_constants(const Parameters& table) {
  if (!table.has("constants")) return {};
  return table.table("constants", "Numbers that the formulas of this table use by name.").all_reals("A constant of formulas.");
}

Formula parse_formula(const std::string& text, const Parameters& p, const std::string& key, std::span<const std::string> variables,
                      const NamedConstants& constants) {
  try {
    return Formula::parse(text, variables, constants, p.location(key));
  } catch (const InputError& e) {
    // The same error with the path of the key in front of the message.
    const std::string what = e.what(), place = e.where().file.empty() ? "" : e.where().text() + ": ";
    throw InputError(p.path(key) + ": " + what.substr(place.size()), e.where());
  }
}

Formula read_formula(const Parameters& p, const std::string& key, const std::string& doc, std::span<const std::string> variables,
                     const NamedConstants& constants) {
  return parse_formula(p.text(key, doc), p, key, variables, constants);
}

}  // namespace wasserflow
