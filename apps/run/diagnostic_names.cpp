#include "apps/run/diagnostic_names.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace wasserflow {

std::vector<std::string> read_diagnostic_names(const Parameters& output, const std::vector<std::pair<std::string, std::string>>& known,
                                               const std::vector<std::string>& usual) {
  std::string list;
  std::vector<std::string> names;
  for (const auto& [name, doc] : known) {
    names.push_back(name);
    list += (list.empty() ? "" : "; ") + name + ": " + doc;
  }
  const std::vector<std::string> wanted =
      output.texts("diagnostics", "columns of history.csv and entries of the report's quantities. " + list, 0, usual);
  for (const std::string& name : wanted)
    if (std::find(names.begin(), names.end(), name) == names.end()) {
      const std::string hint = nearest(name, names);
      output.fail("diagnostics", fmt::format("unknown diagnostic '{}'{}", name, hint.empty() ? "" : "; did you mean '" + hint + "'?"));
    }
  return wanted;
}

int read_diagnostics_every(const Parameters& output) {
  return output.integer("diagnostics_every", "steps between states that are measured; saved states always are", 1, Range::at_least(1));
}

}  // namespace wasserflow
