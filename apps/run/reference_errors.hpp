#pragma once
/// Errors against a reference solution, as all apps report them.
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <vector>

#include "grids/field.hpp"
#include "problems/function.hpp"

namespace wasserflow {

/// Sums of the difference to the reference, over levels and points: what the error norms are made of.
struct ErrorSums {
  double l1 = 0, l2 = 0, linf = 0, reference_l1 = 0, reference_l2 = 0, reference_linf = 0;
  std::int64_t points = 0;

  void add(const ErrorSums& other);
  double mean_l1() const;
  double rms() const;
  std::vector<double> pack() const;  ///< for checkpoints
  static ErrorSums unpack(const std::vector<double>& values);
};

/// Level `level` of u against the reference at time t; the same bits on any number of ranks.
/// @note Collective.
ErrorSums compare(const Field& u, int level, const Function& reference, double t);

/// "errors" of report.json: norms over all times that were compared, relative ones, and those at the final time.
nlohmann::ordered_json error_report(const ErrorSums& all, const ErrorSums& final);

}  // namespace wasserflow
