#include "apps/run/phase_monitor.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <numbers>

#include "apps/run/diagnostic_names.hpp"
#include "grids/reduce.hpp"
#include "solvers/phase_diagnostics.hpp"

namespace wasserflow {
namespace {

constexpr double none = std::numeric_limits<double>::quiet_NaN();

}  // namespace

const std::vector<std::pair<std::string, std::string>>& PhaseMonitor::names() {
  static const std::vector<std::pair<std::string, std::string>> all{
      {"energy", "the energy that decays, where the equation has one"},
      {"mass", "integral of each species; mass_drift: change of its mean since time 0"},
      {"minimum", "least value of each species"},
      {"maximum", "largest value of each species"},
      {"front_position", "distance from the centre of the box, along x, to the first point where the species is output.interface_level"},
      {"interface_length", "measure of the set where the species is output.interface_level: points, length or area in 1-D, 2-D, 3-D"},
      {"structure_factor", "mean_length: 2 pi / (mean wave number of the structure factor); the report has the last structure factor itself"}};
  return all;
}

PhaseMonitor::PhaseMonitor(const Parameters& output, EvolutionOperatorPtr op, std::vector<std::string> species)
    : op_(std::move(op)), species_(std::move(species)) {
  Field probe(op_->layout(), op_->components());
  for (int s = 0; s < op_->components(); ++s) {  // some state inside of the domain
    const auto [low, high] = op_->domain(s);
    const double inside = low < 0 && high > 0                         ? 0
                          : std::isfinite(low) && std::isfinite(high) ? 0.5 * (low + high)
                          : std::isfinite(low)                        ? low + 1
                                                                      : high - 1;
    std::fill_n(probe.level(s), op_->layout()->owned(), inside);
  }
  const bool has_energy = op_->energy(probe).has_value();
  std::vector<std::string> usual{"mass", "minimum", "maximum"};
  if (has_energy) usual.insert(usual.begin(), "energy");
  wanted_ = read_diagnostic_names(output, names(), usual);
  for (const std::string& name : wanted_) {
    if (name == "energy" && !has_energy) output.fail("diagnostics", "this equation has no energy");
  }
  every_ = read_diagnostics_every(output);
  level_ = output.real("interface_level", "value of a species at the interface, for front_position and interface_length", 0.0);
  if (wants("structure_factor")) transform_ = std::make_unique<SpectralTransform>(op_->layout());
  const auto add = [&](const char* name) {
    for (int s = 0; s < op_->components(); ++s) columns_.emplace_back(column(name, s), none);
  };
  if (wants("energy")) columns_.emplace_back("energy", none);
  if (wants("mass")) add("mass"), add("mass_drift");
  for (const char* name : {"minimum", "maximum", "front_position", "interface_length"})
    if (wants(name)) add(name);
  if (wants("structure_factor")) add("mean_length");
}

bool PhaseMonitor::wants(const std::string& name) const { return std::find(wanted_.begin(), wanted_.end(), name) != wanted_.end(); }

std::string PhaseMonitor::column(const std::string& name, int species) const {
  return species_.size() > 1 ? name + "_" + species_[static_cast<std::size_t>(species)] : name;
}

double PhaseMonitor::value(const std::string& name) const {
  for (const auto& [column, value] : columns_)
    if (column == name) return value;
  return none;
}

void PhaseMonitor::set(const std::string& name, double value) {
  for (auto& [column, old] : columns_)
    if (column == name) old = value;
}

void PhaseMonitor::measure(Field& u, double known_energy) {
  const SlabLayout& layout = *op_->layout();
  const MPI_Comm comm = layout.comm();
  if (wants("energy")) {
    const double before = energy(), now = std::isfinite(known_energy) ? known_energy : op_->energy(u).value_or(none);
    if (!begun_) first_energy_ = now;
    if (begun_) largest_increase_ = std::max(largest_increase_, now - before);
    set("energy", now);
  }
  for (int s = 0; s < op_->components(); ++s) {
    const auto i = static_cast<std::size_t>(s);
    if (wants("mass")) {
      const double total = sum(u, s);
      if (!begun_) first_mass_.push_back(total);
      const double drift = (total - first_mass_[i]) / static_cast<double>(layout.grid().size());
      drift_ = std::max(drift_, std::fabs(drift));
      set(column("mass", s), total * layout.grid().cell_volume());
      set(column("mass_drift", s), drift);
    }
    const auto values = u.owned(s);
    if (wants("minimum")) set(column("minimum", s), global_min(comm, *std::min_element(values.begin(), values.end())));
    if (wants("maximum")) set(column("maximum", s), global_max(comm, *std::max_element(values.begin(), values.end())));
    if (wants("front_position")) set(column("front_position", s), front_position(u, level_, s));
    if (wants("interface_length")) set(column("interface_length", s), interface_measure(u, level_, s));
    if (wants("structure_factor")) set(column("mean_length", s), structure_factor(*transform_, u, s).mean_length);
  }
  begun_ = true;
}

void PhaseMonitor::add_columns(HistoryRow& row, bool measured) const {
  for (const auto& [name, value] : columns_) row.emplace_back(name, measured ? value : none);
}

void PhaseMonitor::report(nlohmann::ordered_json& q, const Field& u) {
  if (wants("energy")) q["energy_first"] = first_energy_;
  for (const auto& [name, value] : columns_)
    if (!name.starts_with("mass_drift")) q[name] = value;
  if (wants("energy")) q["largest_energy_increase"] = largest_increase_;
  if (wants("mass") && op_->conserves_mass()) q["mass_drift"] = drift_;
  if (!wants("structure_factor")) return;
  for (int s = 0; s < op_->components(); ++s) {
    const StructureFactor f = structure_factor(*transform_, u, s);
    q[column("structure_factor", s)] = {{"k", f.k}, {"s", f.s}, {"modes", f.modes}};
  }
}

void PhaseMonitor::save(CheckpointData& data) const {
  for (std::size_t s = 0; s < first_mass_.size(); ++s) data.reals[fmt::format("monitor.first_mass.{}", s)] = first_mass_[s];
  for (const auto& [name, value] : columns_) data.reals["monitor." + name] = value;
  data.reals["monitor.first_energy"] = first_energy_;
  data.reals["monitor.largest_increase"] = largest_increase_;
  data.reals["monitor.drift"] = drift_;
  data.integers["monitor.begun"] = begun_ ? 1 : 0;
}

void PhaseMonitor::restore(const Checkpoint& c) {
  for (auto& [name, value] : columns_) {
    if (!c.data().reals.contains("monitor." + name)) throw InputError(fmt::format("the checkpoint is of a run without the diagnostic '{}'", name));
    value = c.real("monitor." + name);
  }
  first_mass_.clear();
  for (int s = 0; wants("mass") && s < op_->components(); ++s) first_mass_.push_back(c.real(fmt::format("monitor.first_mass.{}", s)));
  first_energy_ = c.real("monitor.first_energy");
  largest_increase_ = c.real("monitor.largest_increase");
  drift_ = c.real("monitor.drift");
  begun_ = c.integer("monitor.begun") != 0;
}

}  // namespace wasserflow
