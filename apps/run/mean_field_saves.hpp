#pragma once
/// Answers of mean-field problems over time: which fields are saved when, and particle paths.
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "apps/run/driver.hpp"
#include "grids/field.hpp"
#include "solvers/mean_field.hpp"
#include "solvers/mean_field_fixed_point.hpp"
#include "solvers/trajectory_files.hpp"

namespace wasserflow {

/// Levels over time of an answer.
struct MeanFieldAnswer {
  Field rho, phi;        ///< at `nodes`, at `value_times`
  std::vector<Field> m;  ///< at `middles`, one an axis
  std::vector<double> nodes, middles, value_times;
  double viscosity = 0;
};
/// @note Collective.
MeanFieldAnswer answer(MeanFieldScheme& scheme);
MeanFieldAnswer answer(MeanFieldFixedPoint& game);

/// out = the levels of `from` at `times`, interpolated (and, beyond them, continued) linearly to t.
void level_at(const Field& from, const std::vector<double>& times, double t, Field& out);

/// An answer of several; its fields are called rho_NAME, m_x_NAME, phi_NAME, of the only one rho, m_x, phi.
struct NamedAnswer {
  std::string name;  ///< "": the only one
  const MeanFieldAnswer* answer = nullptr;
};

/// output.times, output.every and output.fields.
class MeanFieldSaves {
 public:
  MeanFieldSaves() = default;
  /// `steps` intervals of [0, horizon], horizon 0: stationary; or a sequence of minimising movements. Throws InputError at the key at fault.
  MeanFieldSaves(const Parameters& output, int steps, double horizon, bool movements);

  int every() const { return every_; }
  bool wants(const std::string& field) const;
  /// All wanted fields of the answers, which share grid and times, one file a time.
  /// @note Collective.
  void save(Run& run, const std::vector<NamedAnswer>& answers) const;

 private:
  int every_ = 1;
  std::vector<double> times_;
  std::vector<std::string> fields_;
};

/// Particle paths of an answer in FILE.h5 and FILE.xdmf of the run directory, from those starts of the plan where there is somebody at first; what
/// report.json says of them.
/// @note Collective.
nlohmann::ordered_json trace_paths(Run& run, const MeanFieldAnswer& answer, const TrajectoryPlan& plan, const std::string& file);

}  // namespace wasserflow
