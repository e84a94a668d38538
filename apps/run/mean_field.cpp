#include "apps/run/mean_field.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>

#include "apps/run/mean_field_output.hpp"
#include "apps/run/mean_field_solve.hpp"
#include "apps/run/populations_run.hpp"
#include "problems/catalogue.hpp"
#include "problems/density.hpp"

namespace wasserflow {
namespace {

class MeanFieldApp final : public Application {
 public:
  explicit MeanFieldApp(MeanFieldKind kind) : kind_(kind) {}

  void setup(const Parameters& root, MPI_Comm comm, bool /*check_only*/) override {
    if (kind_ == MeanFieldKind::Game && PopulationsInput::asked_for(root)) {
      populations_ = std::make_unique<PopulationsRun>(root, comm);
      return;
    }
    input_.emplace(root, comm, kind_);
    output_ = MeanFieldOutput(root.table("output", "what is saved, and how often"), root, *input_);
    output_.read_reference(root);
    if (input_->scheme() == "fixed_point")
      game_ = std::make_unique<MeanFieldFixedPoint>(input_->make_game(), GameParameters::read(root.table("solver", "")));
    else
      solver_ = std::make_unique<MeanFieldSolver>(*input_);
  }

  Status run(Run& run) override {
    if (populations_) return populations_->run(run);
    for (const std::string& w : input_->warnings()) run.log().warn("{}", w);
    if (game_) return play(run);
    const bool movements = input_->jko_steps() > 0;
    if (movements) solver_->on_step = [&](int k, const Field& rho) { output_.movement(run, k, rho); };
    if (const std::optional<Status> stopped = solver_->solve(run)) {
      output_.report(run, *solver_, false);
      return *stopped;
    }
    if (!movements) output_.solution(run, answer(solver_->scheme()));
    output_.report(run, *solver_, true);
    return solver_->all_converged() ? Status::Converged : Status::IterationLimit;
  }

 private:
  Status play(Run& run);
  void checkpoint(Run& run);

  MeanFieldKind kind_;

  std::optional<MeanFieldInput> input_;
  MeanFieldOutput output_;
  std::unique_ptr<MeanFieldSolver> solver_;
  std::unique_ptr<PopulationsRun> populations_;  // a table [population]
  std::unique_ptr<MeanFieldFixedPoint> game_;    // solver.scheme = "fixed_point"
};

void MeanFieldApp::checkpoint(Run& run) {
  const auto timer = run.timers().scope("checkpoint");
  const GamePosition& at = game_->position();
  std::vector<NamedField> fields = all_levels(game_->state_fields());
  CheckpointData data;
  data.integers = {{"iterations", at.iterations}, {"responses", at.responses}};
  data.reals = {{"residual", at.residual}};
  run.save_checkpoint(fields, data);
}

/// A fixed point of the best response.
Status MeanFieldApp::play(Run& run) {
  if (const std::optional<Checkpoint> c = run.restart()) {
    game_->restore({static_cast<int>(c->integer("iterations")), static_cast<int>(c->integer("responses")), c->real("residual")});
    c->load_levels(game_->state_fields());
    run.log().info("restart at iteration {} from {}", c->integer("iterations"), c->path());
  }
  IterationTable table(run.log(), {{"iter", 6}, {"|rho - T(rho)|", 14}});
  game_->monitor = [&](const GamePosition& at) {
    run.history({{"iteration", static_cast<double>(at.iterations)}, {"residual_response", at.residual}});
    table.row({static_cast<std::int64_t>(at.iterations), at.residual});
  };
  game_->stop = [&] {
    if (run.stop_requested()) return true;
    if (run.checkpoint_due()) checkpoint(run);
    return false;
  };
  GameReport found;
  {
    const auto timer = run.timers().scope("solve");
    found = game_->solve();
  }
  if (found.reason == StopReason::Diverged) throw DivergedError(fmt::format("the densities are not finite after {} best responses", found.responses));
  checkpoint(run);
  nlohmann::ordered_json& r = run.report();
  r["scheme"] = "fixed_point";
  r["iterations"] = found.iterations;
  r["operator_passes"] = found.responses;
  r["residuals"] = {{"response", {{"absolute", found.residual}, {"relative", found.residual}}}};
  if (found.stopped) return Status::TimeLimit;
  const MeanFieldAnswer a = answer(*game_);
  output_.solution(run, a);
  r["quantities"]["points"] = a.rho.layout().grid().size() * input_->finest().steps;
  r["quantities"]["responses"] = found.responses;
  Field first(a.rho.layout_ptr()), last(a.rho.layout_ptr());
  first.copy_level(0, a.rho, 0);
  last.copy_level(0, a.rho, a.rho.levels() - 1);
  output_.report_density(run, first, last, std::nan(""));
  run.log().info("residual {:.2e} after {} iterations and {} best responses", found.residual, found.iterations, found.responses);
  return found.reason == StopReason::Converged ? Status::Converged : Status::IterationLimit;
}

constexpr const char* example = R"toml(
diffusion = 0.1
[problem]
name = "example"
[grid]
lower = [0.0, 0.0]
upper = [1.0, 1.0]
cells = [16, 16]
boundary = "no_flux"
[time]
final = 1.0
steps = 8
[hamiltonian]
type = "quadratic"
[coupling]
type = "entropy"
gamma = 0.1
[terminal]
type = "potential"
V = "(x-0.7)^2 + (y-0.5)^2"
[interaction]
W = "exp(-20*(x^2+y^2))"
[initial]
rho = "exp(-20*((x-0.3)^2+(y-0.5)^2))"
[solver]
scheme = "staggered"
[output]
every = 2
[trajectories]
starts = 4
)toml";

/// What the example does not show.
constexpr const char* planning = R"toml(
grid = { upper = [1.0], cells = 16 }
time = { steps = 8 }
initial = { rho = "1 + x" }
final = { rho = "2 - x" }
)toml";
constexpr const char* stationary = R"toml(
diffusion = 0.1
grid = { upper = [1.0], cells = 16 }
time = { stationary = true }
coupling = { type = "entropy" }
initial = { rho = 1.0 }
)toml";
constexpr const char* jko = R"toml(
grid = { upper = [1.0], cells = 16 }
jko = { tau = 1e-3, energy = { type = "entropy" } }
initial = { rho = "1 + x" }
)toml";
constexpr const char* best_responses = R"toml(
diffusion = 0.1
grid = { upper = [1.0], cells = 16 }
time = { steps = 8 }
game = { f = "rho", g = "x^2" }
initial = { rho = "1 + x" }
solver = { scheme = "fixed_point" }
)toml";

constexpr const char* upwind = R"toml(
diffusion = 0.1
grid = { upper = [1.0], cells = 16 }
time = { steps = 8 }
terminal = { type = "potential", V = "x^2" }
initial = { rho = "1 + x" }
solver = { scheme = "upwind" }
)toml";

constexpr const char* populations = R"toml(
grid = { upper = [1.0], cells = 16 }
time = { steps = 8 }
reaction = { type = "formula", species = ["S", "I"], rates = ["-S*I", "S*I"] }
population.S = { initial = { rho = 1.0 }, coupling = { type = "power" }, interaction = { W = "exp(-x^2)" } }
population.I = { initial = { rho = 0.1 } }
)toml";

std::vector<Topic> topics() {
  std::vector<Topic> all;
  const auto problem = [&](const char* name, const char* doc, const char* table, const char* file) {
    all.push_back({"Problem class", name, doc, table, {}, file});
  };
  problem("planning", "from one density to another: [final] in place of [terminal]", "final", planning);
  problem("stationary", "a game without time: its density, value function and ergodic constant", "time", stationary);
  problem("jko", "the gradient flow of an energy in W2 by steps: [jko] in place of [time]", "jko", jko);
  problem("best_responses", "games without a potential: solver.scheme = \"fixed_point\" and [game]", "game", best_responses);
  problem("upwind", "how the upwind scheme solves: certified bounds", "solver", upwind);
  problem("fixed_point", "how games without a potential are solved", "solver", best_responses);
  problem("population", "one of several populations that react, in a table of the name of its species", "population.S", populations);
  problem("reaction", "rates at which several populations turn into each other", "reaction", populations);
  problem("sweeps", "how several populations are solved", "solver", populations);
  for (const auto& [name, entry] : coupling_types().entries()) {
    std::string keys = coupling_example(name);
    while (!keys.empty() && keys.back() == '\n') keys.pop_back();
    std::replace(keys.begin(), keys.end(), '\n', ',');
    all.push_back({"Coupling", name, entry.doc, "coupling", {"coupling={" + keys + "}"}});
  }
  for (const auto& [name, entry] : catalogue().hamiltonians.entries()) all.push_back({"Hamiltonian", name, entry.doc, "hamiltonian", {}});
  for (const auto& [name, entry] : density_families().entries()) all.push_back({"Density", name, entry.doc, "", {}});
  for (const auto& [name, entry] : function_families().entries())
    all.push_back({"Function family", name, entry.doc, "terminal.V", {"terminal.V=" + function_family_example(name)}});
  return all;
}

}  // namespace

std::unique_ptr<Application> make_mean_field_application(MeanFieldKind kind) { return std::make_unique<MeanFieldApp>(kind); }

int mean_field_main(int argc, char** argv) {
  AppInfo info;
  info.name = "wf-mean-field";
  info.summary =
      "Mean-field games and control, planning, dynamic optimal transport, Schroedinger bridges, unbalanced transport and minimising movements (JKO "
      "steps), on space-time grids in 1 to 3 dimensions.";
  info.example = example;
  info.topics = topics;
  return run_app(argc, argv, info, [] { return make_mean_field_application(MeanFieldKind::Game); });
}

}  // namespace wasserflow
