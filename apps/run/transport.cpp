#include "apps/run/transport.hpp"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "apps/run/expected_figures.hpp"
#include "apps/run/initial_density.hpp"
#include "apps/run/read_grid.hpp"
#include "grids/reduce.hpp"

namespace wasserflow {
namespace {

class TransportApp final : public Application {
 public:
  void setup(const Parameters& root, MPI_Comm comm, bool check_only) override;
  Status run(Run& run) override;

 private:
  void write_report(Run& run, const TransportFigures& figures);

  LayoutPtr layout_;
  std::string type_;
  std::unique_ptr<TransportProblem> problem_;
  double source_mass_ = 0, target_mass_ = 0, reference_ = 0;
  ExpectedFigures expected_;
  std::vector<std::string> warnings_;
};

void TransportApp::setup(const Parameters& root, MPI_Comm comm, bool /*check_only*/) {
  layout_ = make_layout(comm, read_closed_grid(root), 2);
  const Parameters transport = root.table("transport", "what is computed between [source] and [target]");
  type_ = transport.text(
      "type", "the kind of transport: " + [] {
        std::string all;
        for (const std::string& name : transport_types().names()) all += (all.empty() ? "" : ", ") + name;
        return all;
      }());
  const TransportFactory& make = transport_types().find(transport, "type", type_).make;
  InitialDensity source = read_density_table(root, "source", "the density that is moved", layout_);
  InitialDensity target = read_density_table(root, "target", "the density it is moved to", layout_);
  warnings_ = std::move(source.warnings);
  warnings_.insert(warnings_.end(), target.warnings.begin(), target.warnings.end());
  source_mass_ = sum(source.rho) * layout_->grid().cell_volume();
  target_mass_ = sum(target.rho) * layout_->grid().cell_volume();
  const Parameters solver = root.table("solver", "how the problem is solved"), output = root.table("output", "what is saved");
  try {
    problem_ = make({layout_, std::move(source.rho), std::move(target.rho), transport, solver, output});
  } catch (const InputError& e) {
    if (e.where().file.empty()) root.table("target", "").fail("mass", e.what());
    throw;
  }
  const Parameters reference = root.table("reference", "distance to compare with, and figures to expect");
  reference_ = reference.real("distance", "known distance", std::nan(""), Range::nonnegative());
  expected_.read(reference, {{"quantities", "distance"}, {"quantities", "lower"}, {"quantities", "upper"}, {"quantities", "gap"}});
}

Status TransportApp::run(Run& run) {
  for (const std::string& w : warnings_) run.log().warn("{}", w);
  TransportFigures figures;
  const Status status = problem_->run(run, figures);
  write_report(run, figures);
  return status;
}

void TransportApp::write_report(Run& run, const TransportFigures& f) {
  nlohmann::ordered_json& r = run.report();
  r["transport"] = type_;
  r["iterations"] = f.iterations;
  nlohmann::ordered_json q;
  q["points"] = layout_->grid().size();
  q["source_mass"] = source_mass_;
  q["target_mass"] = target_mass_;
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

constexpr const char* example = R"toml(
[problem]
name = "example"
[grid]
upper = [1.0, 1.0]
cells = [64, 64]
[source]
rho = "exp(-50*((x-0.3)^2+(y-0.3)^2))"
[target]
rho = "exp(-50*((x-0.7)^2+(y-0.7)^2))"
[transport]
type = "w1"
)toml";

std::vector<Topic> topics() {
  std::vector<Topic> all;
  for (const auto& [name, entry] : transport_types().entries())
    all.push_back({"Kind of transport", name, entry.doc, "transport", {"transport.type=\"" + name + "\""}});
  return all;
}

}  // namespace

const Registry<TransportFactory>& transport_types() {
  static const auto types = [] {
    Registry<TransportFactory> r("kind of transport");
    r.add("w1", "Wasserstein-1 distance: least flow, with certified bounds", make_transport_w1);
    return r;
  }();
  return types;
}

int transport_main(int argc, char** argv) {
  AppInfo info;
  info.name = "wf-transport";
  info.summary =
      "Optimal transport between two densities on grids in 1 to 3 dimensions: Wasserstein distances with certified bounds, flows and potentials.";
  info.example = example;
  info.topics = topics;
  return run_app(argc, argv, info, [] { return std::make_unique<TransportApp>(); });
}

}  // namespace wasserflow
