#pragma once
/// output.diagnostics, as all apps read it.
#include <string>
#include <utility>
#include <vector>

#include "grids/support/parameters.hpp"

namespace wasserflow {

/// The names under output.diagnostics, each one of `known` (name, meaning); `usual` without the key. Throws InputError at the key with the nearest name.
std::vector<std::string> read_diagnostic_names(const Parameters& output, const std::vector<std::pair<std::string, std::string>>& known,
                                               const std::vector<std::string>& usual);
/// output.diagnostics_every: steps between states that are measured.
int read_diagnostics_every(const Parameters& output);

}  // namespace wasserflow
