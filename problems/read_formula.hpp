#pragma once
/// Formulas in problem files, with the place of a fault.
#include <span>
#include <string>

#include "grids/support/parameters.hpp"
#include "problems/formula.hpp"

namespace wasserflow {

/// Numbers of the table `constants` in `table`, which its formulas use by name; none when it is absent.
NamedConstants read_constants(const Parameters& table);

/// The formula that stands as text under `key` of `p`. Throws InputError at the fault, with the path of the key in front.
Formula read_formula(const Parameters& p, const std::string& key, const std::string& doc, std::span<const std::string> variables,
                     const NamedConstants& constants);

/// The same for a text that was read from `key` of `p` already.
Formula parse_formula(const std::string& text, const Parameters& p, const std::string& key, std::span<const std::string> variables,
                      const NamedConstants& constants);

}  // namespace wasserflow
