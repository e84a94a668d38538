#include "apps/run/transport.hpp"

#include <fmt/format.h>

#include <cmath>
#include <map>
#include <nlohmann/json.hpp>

#include "apps/run/expected_figures.hpp"
#include "apps/run/initial_density.hpp"
#include "apps/run/mean_field.hpp"
#include "apps/run/read_grid.hpp"
#include "grids/reduce.hpp"

namespace wasserflow {
namespace {

/// Distances without a time axis: w1, w2.
class StaticTransport final : public Application {
 public:
  explicit StaticTransport(StaticTransportFactory make) : make_(std::move(make)) {}
  void setup(const Parameters& root, MPI_Comm comm, bool check_only) override;
  Status run(Run& run) override;

 private:
  void write_report(Run& run, const TransportFigures& figures);

  StaticTransportFactory make_;
  LayoutPtr layout_;
  std::unique_ptr<StaticTransportProblem> problem_;
  double initial_mass_ = 0, final_mass_ = 0, reference_ = 0;
  ExpectedFigures expected_;
  std::vector<std::string> warnings_;
};

void StaticTransport::setup(const Parameters& root, MPI_Comm comm, bool /*check_only*/) {
  layout_ = make_layout(comm, read_closed_grid(root), 2);
  InitialDensity first = read_density_table(root, "initial", "the density that is moved", layout_);
  InitialDensity last = read_density_table(root, "final", "the density it is moved to", layout_);
  warnings_ = std::move(first.warnings);
  warnings_.insert(warnings_.end(), last.warnings.begin(), last.warnings.end());
  initial_mass_ = sum(first.rho) * layout_->grid().cell_volume();
  final_mass_ = sum(last.rho) * layout_->grid().cell_volume();
  if (std::fabs(initial_mass_ - final_mass_) > 1e-9 * std::max(initial_mass_, final_mass_))
    root.table("final", "")
        .fail("mass",
              fmt::format(
                  "the masses differ, {:.10g} at the start and {:.10g} at the end: this distance is between densities of one mass; scale one of "
                  "them, or take transport.type = \"unbalanced\", which makes and destroys mass",
                  initial_mass_, final_mass_));
  const Parameters transport = root.table("transport", ""), solver = root.table("solver", "how the problem is solved"),
                   output = root.table("output", "what is saved");
  try {
    problem_ = make_({layout_, std::move(first.rho), std::move(last.rho), transport, solver, output});
  } catch (const InputError& e) {
    if (e.where().file.empty()) root.table("final", "").fail("mass", e.what());
    throw;
  }
  const Parameters reference = root.table("reference", "distance to compare with, and figures to expect");
  reference_ = reference.real("distance", "known distance", std::nan(""), Range::nonnegative());
  expected_.read(reference, {{"quantities", "distance"},
                             {"quantities", "lower"},
                             {"quantities", "upper"},
                             {"quantities", "gap"},
                             {"quantities", "grid_upper"},
                             {"quantities", "grid_gap"}});
}

Status StaticTransport::run(Run& run) {
  for (const std::string& w : warnings_) run.log().warn("{}", w);
  TransportFigures figures;
  const Status status = problem_->run(run, figures);
  write_report(run, figures);
  return status;
}

void StaticTransport::write_report(Run& run, const TransportFigures& f) {
  nlohmann::ordered_json& r = run.report();
  r["iterations"] = f.iterations;
  nlohmann::ordered_json q;
  q["points"] = layout_->grid().size();
  q["initial_mass"] = initial_mass_;
  q["final_mass"] = final_mass_;
  q["distance"] = f.distance;
  q["lower"] = f.lower;
  q["upper"] = f.upper;
  q["gap"] = f.upper > 0 ? (f.upper - f.lower) / f.upper : f.upper - f.lower;
  if (r.contains("quantities"))
    for (const auto& [name, value] : r["quantities"].items()) q[name] = value;
  r["quantities"] = q;
  r["residuals"]["gap"] = {{"absolute", f.upper - f.lower}, {"relative", q["gap"]}};
  if (std::isfinite(reference_)) {
    const double error = std::fabs(f.distance - reference_);
    r["errors"] = {{"distance", error}, {"distance_relative", reference_ > 0 ? error / reference_ : error}};
    run.log().info("distance {:.8g}, off the reference by {:.3e}", f.distance, error);
  }
  r["expected"] = expected_.report();
}

/// Reads the kind, which reads all else.
class TransportApp final : public Application {
 public:
  void setup(const Parameters& root, MPI_Comm comm, bool check_only) override {
    const Parameters transport = root.table("transport", "what is computed between [initial] and [final]");
    std::string all;
    for (const std::string& name : transport_types().names()) all += (all.empty() ? "" : ", ") + name;
    type_ = transport.text("type", "the kind of transport: " + all);
    kind_ = transport_types().find(transport, "type", type_).make();
    kind_->setup(root, comm, check_only);
  }
  Status run(Run& run) override {
    run.report()["transport"] = type_;
    return kind_->run(run);
  }

 private:
  std::string type_;
  std::unique_ptr<Application> kind_;
};

constexpr const char* example = R"toml(
[problem]
name = "example"
[grid]
upper = [1.0, 1.0]
cells = [64, 64]
[initial]
rho = "exp(-50*((x-0.3)^2+(y-0.3)^2))"
[final]
rho = "exp(-50*((x-0.7)^2+(y-0.7)^2))"
[transport]
type = "w1"
)toml";

std::vector<Topic> topics() {
  std::vector<Topic> all;
  const std::map<std::string, std::vector<std::string>> more{
      {"geodesic", {"time.steps=8"}}, {"bridge", {"time.steps=8", "diffusion=0.01"}}, {"unbalanced", {"time.steps=8", "unbalanced.penalty=1.0"}}};
  for (const auto& [name, entry] : transport_types().entries()) {
    std::vector<std::string> settings{"transport.type=\"" + name + "\""};
    if (more.contains(name)) settings.insert(settings.end(), more.at(name).begin(), more.at(name).end());
    all.push_back({"Kind of transport", name, entry.doc, more.contains(name) ? "transport" : "solver", settings});
  }
  return all;
}

}  // namespace

const Registry<TransportFactory>& transport_types() {
  static const auto types = [] {
    Registry<TransportFactory> r("kind of transport");
    const auto add = [&](const std::string& name, const std::string& doc, const StaticTransportFactory& make) {
      r.add(name, doc, [=] { return std::make_unique<StaticTransport>(make); });
    };
    add("w1", "Wasserstein-1 distance: least flow, with certified bounds", make_transport_w1);
    add("w2", "Wasserstein-2 distance: map, potentials and geodesic by the back-and-forth method, with certified bounds", make_transport_w2);
    const auto dynamic = [&](const std::string& name, const std::string& doc, MeanFieldKind kind) {
      r.add(name, doc, [kind] { return make_mean_field_application(kind); });
    };
    dynamic("geodesic", "dynamic transport on a space-time grid: Wasserstein-2, or any Hamiltonian, mobility and obstacles; keys of wf-mean-field",
            MeanFieldKind::Geodesic);
    dynamic("bridge", "Schroedinger bridge: dynamic transport of agents with noise; keys of wf-mean-field", MeanFieldKind::Bridge);
    dynamic("unbalanced", "dynamic transport that makes and destroys mass at a cost; keys of wf-mean-field", MeanFieldKind::Unbalanced);
    return r;
  }();
  return types;
}

int transport_main(int argc, char** argv) {
  AppInfo info;
  info.name = "wf-transport";
  info.summary =
      "Optimal transport between two densities on grids in 1 to 3 dimensions: Wasserstein distances with certified bounds, flows, maps, geodesics, "
      "Schroedinger bridges, unbalanced transport.";
  info.example = example;
  info.topics = topics;
  return run_app(argc, argv, info, [] { return std::make_unique<TransportApp>(); });
}

}  // namespace wasserflow
