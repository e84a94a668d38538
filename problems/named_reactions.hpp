#pragma once
/// Reaction laws that problem files know by name.
#include <functional>

#include "problems/reaction.hpp"

namespace wasserflow {

/// From the table of parameters to the reaction.
using ReactionFactory = std::function<ReactionPtr(const Parameters&, int dim)>;

/// Adds the laws of this file to a registry, one line each.
void add_named_reactions(Registry<ReactionFactory>& registry);

}  // namespace wasserflow
