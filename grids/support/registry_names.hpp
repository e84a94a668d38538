#pragma once
/// What a registry holds, for --describe and for lists of choices.
#include <string>
#include <utility>
#include <vector>

#include "grids/support/parameters.hpp"

namespace wasserflow {

using NamesWithDocs = std::vector<std::pair<std::string, std::string>>;

template <class Factory>
NamesWithDocs names_with_docs(const Registry<Factory>& registry) {
  NamesWithDocs all;
  for (const auto& [name, entry] : registry.entries()) all.emplace_back(name, entry.doc);
  return all;
}

}  // namespace wasserflow
