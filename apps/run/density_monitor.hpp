#pragma once
/// What runs of densities measure: mass, moments, entropies, extremes.
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "apps/run/history.hpp"
#include "grids/field.hpp"
#include "grids/io/checkpoint.hpp"
#include "grids/support/parameters.hpp"

namespace wasserflow {

/// What the equation can say of a density; empty functions for what it has not.
struct DensityFunctionals {
  std::function<std::optional<double>(Field&)> energy;            ///< free energy
  std::function<std::optional<double>(Field&)> relative_entropy;  ///< to the Gibbs density
  std::function<bool(Field&, double mass)> gibbs;                 ///< that density
};

/// mean_x ... and variance_x ... are those of the density divided by its mass, with coordinates as they are, also on periodic axes.
struct DensityMoments {
  double mass = 0;
  std::vector<double> mean, variance;
};
/// @note Collective; the same bits on any number of ranks.
DensityMoments density_moments(const Field& rho);

/// Puts the distances of a density to an exact one of the same layout into "quantities": distance_l1 (int |rho - exact|), distance_hellinger,
/// distance_kl (int rho log(rho / exact) over rho > 0, with exact at least 2e-308) and, in 1-D or with `transport`, distance_w2
/// (solvers/transport_distance.hpp; with distance_w2_lower and _upper or distance_w2_eps). Exchanges ghosts; raises `exact` to that value.
/// @note Collective.
void report_distances(nlohmann::ordered_json& quantities, Field& rho, Field& exact, bool transport);
/// reference.transport: whether Wasserstein distances are wanted in 2-D and 3-D.
bool read_transport(const Parameters& reference);
std::vector<std::string> distance_entries();

class DensityMonitor {
 public:
  DensityMonitor() = default;
  /// Reads output.diagnostics and output.diagnostics_every; `probe`: a density of positive values, to learn which functionals are there. Throws
  /// InputError for diagnostics that the equation does not have.
  /// @note Collective.
  DensityMonitor(const Parameters& output, DensityFunctionals functionals, Field& probe);
  static const std::vector<std::pair<std::string, std::string>>& names();  ///< name, what it is
  static std::vector<std::string> entries(int dim);                        ///< of report.json

  bool due(long long step, int steps, bool saved) const { return saved || step / every_ > (step - steps) / every_; }
  /// `energy`: that of the state where it is known, else NaN.
  /// @note Collective.
  void measure(Field& rho, double energy);
  void add_columns(HistoryRow& row, bool measured) const;
  double value(const std::string& name) const;  ///< NaN when it is not measured
  bool measures(const std::string& name) const;
  double least_value() const { return least_; }  ///< of all states measured so far
  void report(nlohmann::ordered_json& quantities, bool conserves_mass) const;
  void save(CheckpointData& data) const;
  void restore(const Checkpoint& checkpoint);

 private:
  bool wants(const std::string& name) const;
  void set(const std::string& name, double value);

  DensityFunctionals functionals_;
  std::vector<std::string> wanted_;
  int every_ = 1;
  Field gibbs_;
  std::vector<std::pair<std::string, double>> columns_;
  // Of all states measured so far.
  bool begun_ = false;
  double first_mass_ = 0, first_energy_ = 0, drift_ = 0, least_ = 0, energy_increase_ = 0, entropy_increase_ = 0;
};

}  // namespace wasserflow
