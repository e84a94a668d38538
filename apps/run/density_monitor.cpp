#include "apps/run/density_monitor.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "apps/run/diagnostic_names.hpp"
#include "grids/reduce.hpp"
#include "grids/support/errors.hpp"
#include "solvers/density_distances.hpp"
#include "solvers/transport_distance.hpp"

namespace wasserflow {
namespace {

constexpr double none = std::numeric_limits<double>::quiet_NaN();

std::string axis_name(const char* what, int d) { return fmt::format("{}_{}", what, "xyz"[d]); }

}  // namespace

DensityMoments density_moments(const Field& rho) {
  const SlabLayout& s = rho.layout();
  const int dim = s.dim();
  std::array<ExactSum, 4> first;
  std::vector<double> terms(static_cast<std::size_t>(dim == 1 ? SlabLayout::row_limit : s.grid().cells(0)));
  const auto sweep = [&](ExactSum& sum, auto&& weight) {
    for (int r = 0; r < s.rows(); ++r) {
      const RowPoints p = s.row(r);
      const double* u = rho.level() + p.offset;
      for (int i = 0; i < p.n; ++i) terms[static_cast<std::size_t>(i)] = u[i] * weight(p, i);
      add_row(sum, s, terms.data(), p.n);
    }
  };
  const auto coordinate = [](const RowPoints& p, int i, int d) { return d == 0 ? p.x[i] : d == 1 ? p.y : p.z; };
  sweep(first[0], [](const RowPoints&, int) { return 1.0; });
  for (int d = 0; d < dim; ++d) sweep(first[static_cast<std::size_t>(d) + 1], [&](const RowPoints& p, int i) { return coordinate(p, i, d); });
  ExactSum::reduce(s.comm(), first);
  DensityMoments m;
  const double total = first[0].value();
  m.mass = total * s.grid().cell_volume();
  for (int d = 0; d < dim; ++d) m.mean.push_back(first[static_cast<std::size_t>(d) + 1].value() / total);
  std::array<ExactSum, 3> second;
  for (int d = 0; d < dim; ++d)
    sweep(second[static_cast<std::size_t>(d)], [&](const RowPoints& p, int i) {
      const double x = coordinate(p, i, d) - m.mean[static_cast<std::size_t>(d)];
      return x * x;
    });
  ExactSum::reduce(s.comm(), second);
  for (int d = 0; d < dim; ++d) m.variance.push_back(second[static_cast<std::size_t>(d)].value() / total);
  return m;
}

void report_distances(nlohmann::ordered_json& q, Field& rho, Field& exact, bool transport) {
  // Where the exact density underflows another one need not.
  for (double& v : exact.owned()) v = std::max(v, std::numeric_limits<double>::min());
  const DensityDistances d = density_distances(rho, exact);
  q["distance_l1"] = d.l1;
  q["distance_hellinger"] = d.hellinger;
  q["distance_kl"] = d.kl;
  if (d.w2) q["distance_w2"] = *d.w2;
  if (rho.layout().dim() == 1 || !transport) return;
  if (const std::optional<TransportDistance> w2 = transport_distance(rho, exact)) {
    q["distance_w2"] = w2->w2;
    if (w2->lower) q["distance_w2_lower"] = *w2->lower;
    if (w2->upper) q["distance_w2_upper"] = *w2->upper;
    if (w2->eps) q["distance_w2_eps"] = *w2->eps;
  }
}

bool read_transport(const Parameters& reference) {
  return reference.flag(
      "transport",
      "2-D, 3-D: distance_w2 to the reference at the end, too: by the back-and-forth method, with certified bounds, or, on periodic "
      "and absorbing boxes, the debiased Sinkhorn divergence; on a line it is always there",
      false);
}

std::vector<std::string> distance_entries() { return {"distance_l1", "distance_hellinger", "distance_kl", "distance_w2"}; }

const std::vector<std::pair<std::string, std::string>>& DensityMonitor::names() {
  static const std::vector<std::pair<std::string, std::string>> all{
      {"mass", "integral of the density; mass_drift: its largest relative change since time 0"},
      {"mean", "mean along each axis"},
      {"variance", "variance along each axis"},
      {"energy", "free energy, where the equation has one that decays"},
      {"relative_entropy", "int rho log(rho / pi) with the Gibbs density pi of the same mass, where there is one"},
      {"gibbs_distance", "int |rho - pi|"},
      {"minimum", "least value of the density"},
      {"maximum", "largest value of the density"}};
  return all;
}

std::vector<std::string> DensityMonitor::entries(int dim) {
  std::vector<std::string> all{"mass"};
  for (const char* what : {"mean", "variance"})
    for (int d = 0; d < dim; ++d) all.push_back(axis_name(what, d));
  for (const char* name : {"energy", "relative_entropy", "gibbs_distance", "minimum", "maximum"}) all.emplace_back(name);
  return all;
}

DensityMonitor::DensityMonitor(const Parameters& output, DensityFunctionals functionals, Field& probe) : functionals_(std::move(functionals)) {
  const int dim = probe.layout().dim();
  const bool energy = functionals_.energy && functionals_.energy(probe).has_value();
  const bool entropy = functionals_.relative_entropy && functionals_.relative_entropy(probe).has_value();
  gibbs_ = Field(probe.layout_ptr());
  const bool gibbs = functionals_.gibbs && functionals_.gibbs(gibbs_, 1);
  std::vector<std::string> usual{"mass", "mean", "variance", "minimum", "maximum"};
  if (energy) usual.emplace_back("energy");
  if (entropy) usual.emplace_back("relative_entropy");
  if (gibbs) usual.emplace_back("gibbs_distance");
  wanted_ = read_diagnostic_names(output, names(), usual);
  for (const std::string& name : wanted_) {
    if (name == "energy" && !energy) output.fail("diagnostics", "this equation has no energy");
    if (name == "relative_entropy" && !entropy) output.fail("diagnostics", "this equation has no Gibbs density to take the relative entropy of");
    if (name == "gibbs_distance" && !gibbs) output.fail("diagnostics", "this equation has no Gibbs density");
  }
  every_ = read_diagnostics_every(output);
  for (const std::string& entry : entries(dim))
    if (wants(entry.substr(0, entry.ends_with("_x") || entry.ends_with("_y") || entry.ends_with("_z") ? entry.size() - 2 : entry.size())))
      columns_.emplace_back(entry, none);
}

bool DensityMonitor::wants(const std::string& name) const { return std::find(wanted_.begin(), wanted_.end(), name) != wanted_.end(); }

double DensityMonitor::value(const std::string& name) const {
  for (const auto& [column, value] : columns_)
    if (column == name) return value;
  return none;
}

bool DensityMonitor::measures(const std::string& name) const {
  return std::any_of(columns_.begin(), columns_.end(), [&](const auto& c) { return c.first == name; });
}

void DensityMonitor::set(const std::string& name, double value) {
  for (auto& [column, old] : columns_)
    if (column == name) old = value;
}

void DensityMonitor::measure(Field& rho, double known_energy) {
  const MPI_Comm comm = rho.layout().comm();
  const DensityMoments m = density_moments(rho);
  set("mass", m.mass);
  for (int d = 0; d < rho.layout().dim(); ++d) {
    set(axis_name("mean", d), m.mean[static_cast<std::size_t>(d)]);
    set(axis_name("variance", d), m.variance[static_cast<std::size_t>(d)]);
  }
  const auto values = rho.owned();
  const double least = global_min(comm, *std::min_element(values.begin(), values.end()));
  set("minimum", least);
  if (wants("maximum")) set("maximum", global_max(comm, *std::max_element(values.begin(), values.end())));
  if (!begun_) first_mass_ = m.mass, least_ = least;
  least_ = std::min(least_, least);
  if (first_mass_ > 0) drift_ = std::max(drift_, std::fabs(m.mass - first_mass_) / first_mass_);
  if (wants("energy")) {
    const double before = value("energy"), now = std::isfinite(known_energy) ? known_energy : functionals_.energy(rho).value_or(none);
    if (begun_) energy_increase_ = std::max(energy_increase_, now - before);
    if (!begun_) first_energy_ = now;
    set("energy", now);
  }
  if (wants("relative_entropy")) {
    const double before = value("relative_entropy"), now = functionals_.relative_entropy(rho).value_or(none);
    if (begun_) entropy_increase_ = std::max(entropy_increase_, now - before);
    set("relative_entropy", now);
  }
  if (wants("gibbs_distance")) {
    functionals_.gibbs(gibbs_, m.mass);
    double* g = gibbs_.level();
    for (std::ptrdiff_t i = 0; i < rho.layout().owned(); ++i) g[i] = std::fabs(g[i] - rho.level()[i]);
    set("gibbs_distance", sum(gibbs_) * rho.layout().grid().cell_volume());
  }
  begun_ = true;
}

void DensityMonitor::add_columns(HistoryRow& row, bool measured) const {
  for (const auto& [name, value] : columns_) row.emplace_back(name, measured ? value : none);
}

void DensityMonitor::report(nlohmann::ordered_json& q, bool conserves_mass) const {
  for (const auto& [name, value] : columns_) q[name] = value;
  if (conserves_mass) q["mass_drift"] = drift_;
  q["least_value"] = least_;
  if (wants("energy")) q["energy_first"] = first_energy_, q["largest_energy_increase"] = energy_increase_;
  if (wants("relative_entropy")) q["largest_entropy_increase"] = entropy_increase_;
}

void DensityMonitor::save(CheckpointData& data) const {
  for (const auto& [name, value] : columns_) data.reals["monitor." + name] = value;
  data.vectors["monitor"] = {first_mass_, first_energy_, drift_, least_, energy_increase_, entropy_increase_};
  data.integers["monitor.begun"] = begun_ ? 1 : 0;
}

void DensityMonitor::restore(const Checkpoint& c) {
  for (auto& [name, value] : columns_) {
    if (!c.data().reals.contains("monitor." + name)) throw InputError(fmt::format("the checkpoint is of a run without the diagnostic '{}'", name));
    value = c.real("monitor." + name);
  }
  const std::vector<double> v = c.vector("monitor");
  first_mass_ = v[0], first_energy_ = v[1], drift_ = v[2], least_ = v[3], energy_increase_ = v[4], entropy_increase_ = v[5];
  begun_ = c.integer("monitor.begun") != 0;
}

}  // namespace wasserflow
