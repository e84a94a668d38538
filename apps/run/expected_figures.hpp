#pragma once
/// Figures that a problem file expects of its own report, for regression tests: [reference] expected_*.
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "grids/support/parameters.hpp"

namespace wasserflow {

class ExpectedFigures {
 public:
  /// Entry `entry` of the part `part` of report.json, from the key expected_<entry>.
  struct Known {
    std::string part, entry;
  };
  /// Reads those keys of [reference] and expected_tolerance.
  void read(const Parameters& reference, const std::vector<Known>& known);
  /// "expected" of report.json: { tolerance, figures = { "errors.l1": value, ... } }. tests/app/run_example.py compares.
  nlohmann::ordered_json report() const;

 private:
  std::vector<std::pair<std::string, double>> figures_;
  double tolerance_ = 0;
};

}  // namespace wasserflow
