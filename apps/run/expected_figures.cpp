#include "apps/run/expected_figures.hpp"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

namespace wasserflow {

void ExpectedFigures::read(const Parameters& reference, const std::vector<Known>& known) {
  figures_.clear();
  for (const auto& [part, entry] : known) {
    const double value = reference.real("expected_" + entry, fmt::format("known value of {}.{} on this grid, for regression tests", part, entry),
                                        std::nan(""), Range::any());
    if (std::isfinite(value)) figures_.emplace_back(part + "." + entry, value);
  }
  tolerance_ = reference.real("expected_tolerance", "relative tolerance of the expected figures", 0.02, Range::positive());
}

nlohmann::ordered_json ExpectedFigures::report() const {
  auto figures = nlohmann::ordered_json::object();
  for (const auto& [name, value] : figures_) figures[name] = value;
  return {{"tolerance", tolerance_}, {"figures", figures}};
}

}  // namespace wasserflow
