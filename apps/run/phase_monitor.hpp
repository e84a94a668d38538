#pragma once
/// Named diagnostics of a reaction-diffusion run: columns of history.csv and quantities of report.json.
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <utility>
#include <vector>

#include "apps/run/history.hpp"
#include "grids/io/checkpoint.hpp"
#include "grids/spectral_transform.hpp"
#include "grids/support/parameters.hpp"
#include "solvers/evolution_operator.hpp"

namespace wasserflow {

/// Columns: energy; mass (integral), mass_drift (of the mean, since time 0), minimum, maximum, front_position, interface_length, mean_length a
/// species, with the species' name behind it where there are several ("mass_v").
class PhaseMonitor {
 public:
  /// Reads output.diagnostics, output.diagnostics_every and output.interface_level; throws InputError for diagnostics the equation does not have.
  PhaseMonitor(const Parameters& output, EvolutionOperatorPtr op, std::vector<std::string> species);
  static const std::vector<std::pair<std::string, std::string>>& names();  ///< name, what it is

  /// True when the state after `steps` steps that led to `step` is to be measured; `end`: saved states always are.
  bool due(long long step, int steps, bool end) const { return end || step / every_ > (step - steps) / every_; }
  /// Measures a state and keeps what the report says of all that were measured. `energy`: that of the state where it is known, else NaN.
  /// @note Collective.
  void measure(Field& u, double energy);
  /// Adds the columns to a row: those measured last, or NaN.
  void add_columns(HistoryRow& row, bool measured) const;
  double energy() const { return value("energy"); }  ///< NaN when it is not measured
  double mass_drift() const { return drift_; }       ///< largest so far
  double mass() const { return value(column("mass", 0)); }

  /// @note Collective.
  void report(nlohmann::ordered_json& quantities, const Field& u);
  void save(CheckpointData& data) const;
  void restore(const Checkpoint& checkpoint);

 private:
  bool wants(const std::string& name) const;
  std::string column(const std::string& name, int species) const;
  double value(const std::string& name) const;
  void set(const std::string& name, double value);

  EvolutionOperatorPtr op_;
  std::vector<std::string> species_;
  std::vector<std::string> wanted_;
  int every_ = 1;
  double level_ = 0;
  std::unique_ptr<SpectralTransform> transform_;
  std::vector<std::pair<std::string, double>> columns_;

  // Of all states measured so far.
  std::vector<double> first_mass_;
  double first_energy_ = 0, largest_increase_ = 0, drift_ = 0;
  bool begun_ = false;
};

}  // namespace wasserflow
