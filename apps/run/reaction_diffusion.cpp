#include "apps/run/reaction_diffusion.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>

#include "apps/run/driver.hpp"
#include "apps/run/evolution_march.hpp"
#include "apps/run/expected_figures.hpp"
#include "apps/run/phase_monitor.hpp"
#include "apps/run/read_grid.hpp"
#include "grids/reduce.hpp"
#include "problems/reaction_diffusion.hpp"
#include "problems/reaction_diffusion_references.hpp"
#include "solvers/reaction_diffusion_operator.hpp"
#include "solvers/time_stepper.hpp"

namespace wasserflow {
namespace {

class ReactionDiffusionApp final : public Application, private MarchObserver {
 public:
  void setup(const Parameters& root, MPI_Comm comm, bool check_only) override;
  Status run(Run& run) override { return march_.march(run, *this, expected_.report()); }

 private:
  std::vector<FunctionPtr> read_reference(const Parameters& root, const Grid& grid, const ReactionDiffusionEquation& equation);
  std::vector<NamedField> fields(TimeStepper& stepper) override;
  bool due(long long step, int steps, bool saved) const override { return monitor_->due(step, steps, saved); }
  void measure(TimeStepper& stepper, double energy) override { monitor_->measure(stepper.state(), energy); }
  void add_columns(HistoryRow& row, bool measured) const override { monitor_->add_columns(row, measured); }
  std::vector<Column> table_columns() const override;
  std::vector<IterationTable::Cell> table_cells(bool measured) const override;
  void save(CheckpointData& data) const override { monitor_->save(data); }
  void restore(const Checkpoint& checkpoint) override { monitor_->restore(checkpoint); }
  void report(nlohmann::ordered_json& quantities, TimeStepper& stepper) override { monitor_->report(quantities, stepper.state()); }

  std::vector<std::string> species_;
  EvolutionOperatorPtr op_;
  std::vector<std::string> fields_;
  std::unique_ptr<PhaseMonitor> monitor_;
  ExpectedFigures expected_;
  EvolutionMarch march_;
};

void ReactionDiffusionApp::setup(const Parameters& root, MPI_Comm comm, bool /*check_only*/) {
  const Grid grid = read_grid(root);
  const ReactionDiffusionEquation equation = read_reaction_diffusion(root, grid);
  for (const SpeciesTerms& s : equation.species) species_.push_back(s.name);

  const Parameters time = root.table("time", "time interval, method and steps");
  const double final = time.real("final", "final time; the run begins at time 0", {}, Range::positive());
  const TimeParameters parameters = TimeParameters::read(time);

  const LayoutPtr layout = make_layout(comm, grid, 1);
  const Parameters initial = root.table("initial", "states at time 0, a function a species under its name");
  Field state(layout, static_cast<int>(species_.size()));
  for (std::size_t s = 0; s < species_.size(); ++s) {
    const FunctionPtr f = read_function(initial, species_[s], fmt::format("{}(., 0)", species_[s]), grid.dim());
    f->bind(*layout);
    fill(state, static_cast<int>(s), *f, 0);
  }
  if (!all_finite(state)) initial.fail(species_.front(), "the initial data are not finite everywhere on the grid");

  try {
    op_ = make_evolution_operator(equation, layout);
  } catch (const InputError& e) {  // of the grid's boundaries; the operator does not know the file
    if (e.where().file.empty()) root.table("grid", "").fail("boundary", e.what());
    throw;
  }
  for (std::size_t s = 0; s < species_.size(); ++s) {
    const auto [lower, upper] = op_->domain(static_cast<int>(s));
    const auto values = state.owned(static_cast<int>(s));
    const double least = global_min(comm, *std::min_element(values.begin(), values.end()));
    const double most = global_max(comm, *std::max_element(values.begin(), values.end()));
    if (!(least > lower && most < upper))
      initial.fail(species_[s],
                   fmt::format("values from {} to {} are not inside of ({}, {}), where the potential is defined", least, most, lower, upper));
  }

  const Parameters solver = root.table("solver", "solver of the implicit steps and its settings");
  NonlinearSolverPtr nonlinear = read_nonlinear_solver(solver);
  const bool single =
      solver.choice("precision", "of the preconditioner's transforms: single halves their cost; residuals and answers are double in any case",
                    {"double", "single"}, "double") == "single";
  std::unique_ptr<TimeStepper> stepper;
  try {
    stepper = make_time_stepper(parameters, op_, std::move(nonlinear), state, single);
  } catch (const InputError& e) {  // the steppers themselves do not know the file
    if (e.where().file.empty()) time.fail("method", e.what());
    throw;
  }

  const Parameters output = root.table("output", "what is saved, and how often");
  SavePlan plan(output, final);
  fields_ = output.texts("fields", "species to save", 0, species_);
  for (const std::string& f : fields_)
    if (std::find(species_.begin(), species_.end(), f) == species_.end()) {
      const std::string hint = nearest(f, species_);
      output.fail("fields", fmt::format("there is no species '{}'{}", f, hint.empty() ? "" : "; did you mean '" + hint + "'?"));
    }
  monitor_ = std::make_unique<PhaseMonitor>(output, op_, species_);
  march_ = EvolutionMarch(std::move(stepper), parameters.method, std::move(plan), read_reference(root, grid, equation));
}

std::vector<FunctionPtr> ReactionDiffusionApp::read_reference(const Parameters& root, const Grid& grid, const ReactionDiffusionEquation& equation) {
  const Parameters reference = root.table("reference", "solution to compare with, and figures to expect");
  std::vector<FunctionPtr> functions = read_reaction_diffusion_reference(reference, grid, equation);
  for (const FunctionPtr& f : functions)
    if (f) f->bind(*op_->layout());
  std::vector<ExpectedFigures::Known> known;
  for (const char* norm : {"l1", "l2", "linf", "final_l1", "final_l2", "final_linf"}) known.push_back({"errors", norm});
  for (const char* name : {"energy", "mass", "minimum", "maximum", "front_position", "interface_length", "mean_length"}) {
    if (species_.size() == 1 || std::string(name) == "energy") known.push_back({"quantities", name});
    for (std::size_t s = 0; species_.size() > 1 && s < species_.size(); ++s) known.push_back({"quantities", std::string(name) + "_" + species_[s]});
  }
  expected_.read(reference, known);
  return functions;
}

std::vector<NamedField> ReactionDiffusionApp::fields(TimeStepper& stepper) {
  std::vector<NamedField> out;
  for (std::size_t s = 0; s < species_.size(); ++s)
    if (std::find(fields_.begin(), fields_.end(), species_[s]) != fields_.end()) out.push_back({species_[s], &stepper.state(), static_cast<int>(s)});
  return out;
}

std::vector<Column> ReactionDiffusionApp::table_columns() const {
  return {{"energy", 14, "{:.8g}"}, op_->conserves_mass() ? Column{"mass drift", 11, "{:.2e}"} : Column{"mass", 14, "{:.8g}"}};
}

std::vector<IterationTable::Cell> ReactionDiffusionApp::table_cells(bool measured) const {
  if (!measured) return {std::nan(""), std::nan("")};
  return {monitor_->energy(), op_->conserves_mass() ? monitor_->mass_drift() : monitor_->mass()};
}

constexpr const char* example = R"toml(
[problem]
name = "example"
[grid]
lower = [0.0, 0.0]
upper = [0.5, 0.5]
cells = [32, 32]
boundary = "periodic"
[equation]
type = "allen_cahn"
a = 0.01
b = 100.0
[time]
final = 0.1
dt = 0.001
[initial]
u = "tanh((0.15 - sqrt((x-0.25)^2 + (y-0.25)^2)) / 0.015)"
)toml";

/// Overrides of the example that choose an equation, a potential or a reaction.
std::vector<std::string> choosing(const std::string& kind, const std::string& name) {
  const std::string of_two = "equation={type=\"reaction_diffusion\",diffusion=[1.0,1.0]}";
  if (kind == "equation") {
    if (name == "reaction_diffusion") return {"reaction={type=\"gray_scott\"}", of_two, "initial={u=1.0,v=0.0}"};
    if (name == "functionalised_cahn_hilliard") return {"equation={type=\"" + name + "\",eps=0.18}"};
    return {"equation={type=\"" + name + "\",a=0.01,b=100.0" + (name == "gradient_flow" ? ",G=[\"laplacian\"],L=[\"laplacian\"]}" : "}")};
  }
  if (kind == "potential") {
    const std::map<std::string, std::string> keys{
        {"flory_huggins", ",theta=0.3,theta_c=1.0"}, {"polynomial", ",coefficients=[0.25,0.0,-0.5,0.0,0.25]"}, {"formula", ",W=\"(u^2-1)^2/4\""}};
    const auto more = keys.find(name);
    return {"equation.potential={type=\"" + name + "\"" + (more == keys.end() ? "" : more->second) + "}", "initial={u=0.0}"};
  }
  if (name == "formula") return {"reaction={type=\"formula\",species=[\"u\"],rates=[\"u*(1-u)\"]}"};
  return {"reaction={type=\"" + name + "\"}", of_two, "initial={u=1.0,v=0.0}"};
}

std::vector<Topic> topics() {
  std::vector<Topic> all;
  for (const auto& [name, what] : reaction_diffusion_types()) all.push_back({"Equation", name, what, "equation", choosing("equation", name)});
  for (const auto& [name, what] : potential_types()) all.push_back({"Potential", name, what, "equation.potential", choosing("potential", name)});
  for (const auto& [name, what] : reaction_types()) all.push_back({"Reaction", name, what, "reaction", choosing("reaction", name)});
  for (const auto& [name, what] : time_methods()) all.push_back({"Time method", name, what, "time", {"time.method=" + name}});
  all.push_back({"Time steps",
                 "adaptive",
                 "steps chosen by an estimate of their error",
                 "time.adaptive",
                 {"time.method=bdf2", "time.adaptive={tolerance=1e-3}"}});
  for (const auto& [name, what] : nonlinear_solver_names()) all.push_back({"Solver", name, what, "solver", {"solver.method=" + name}});
  for (const auto& [name, what] : PhaseMonitor::names()) all.push_back({"Diagnostic", name, what, "", {}});
  for (const auto& [name, what] : reaction_diffusion_reference_types()) all.push_back({"Reference", name, what, "", {}});
  for (const auto& [name, entry] : function_families().entries())
    all.push_back({"Function family", name, entry.doc, "initial.u", {"initial.u=" + function_family_example(name)}});
  return all;
}

}  // namespace

int reaction_diffusion_main(int argc, char** argv) {
  AppInfo info;
  info.name = "wf-reaction-diffusion";
  info.summary =
      "Reaction-diffusion and phase-field equations u_t = -G(a L u + b W'(u)) + r(u, x, t) (Allen-Cahn, Cahn-Hilliard, functionalised Cahn-Hilliard, "
      "systems of species) by implicit steps of any size, on grids in 1 to 3 dimensions.";
  info.example = example;
  info.topics = topics;
  return run_app(argc, argv, info, [] { return std::make_unique<ReactionDiffusionApp>(); });
}

}  // namespace wasserflow
