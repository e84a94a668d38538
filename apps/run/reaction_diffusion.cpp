#include "apps/run/reaction_diffusion.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>

#include "apps/run/driver.hpp"
#include "apps/run/expected_figures.hpp"
#include "apps/run/phase_monitor.hpp"
#include "apps/run/read_grid.hpp"
#include "apps/run/reference_errors.hpp"
#include "apps/run/save_plan.hpp"
#include "grids/reduce.hpp"
#include "problems/reaction_diffusion.hpp"
#include "problems/reaction_diffusion_references.hpp"
#include "solvers/reaction_diffusion_operator.hpp"
#include "solvers/time_stepper.hpp"

namespace wasserflow {
namespace {

class ReactionDiffusionApp final : public Application {
 public:
  void setup(const Parameters& root, MPI_Comm comm, bool check_only) override;
  Status run(Run& run) override;

 private:
  void read_reference(const Parameters& root, const Grid& grid, const ReactionDiffusionEquation& equation);
  void restore(Run& run);
  void checkpoint(Run& run);
  void save(Run& run);
  ErrorSums errors_now() const;
  void count(const StepReport& step);
  void history(Run& run, const StepReport& step, bool measured, const ErrorSums& error);
  void write_report(Run& run);

  std::vector<std::string> species_;
  EvolutionOperatorPtr op_;
  std::unique_ptr<TimeStepper> stepper_;
  std::string method_;
  double final_ = 0;
  SavePlan plan_;
  std::vector<std::string> fields_;
  std::unique_ptr<PhaseMonitor> monitor_;
  std::vector<FunctionPtr> references_;  // one a species, null where there is none; none at all without a reference
  ExpectedFigures expected_;

  // State of a run; all of it goes into checkpoints.
  std::int64_t step_ = 0, solves_ = 0, iterations_ = 0, pairs_ = 0, evaluations_ = 0, rejections_ = 0, fallbacks_ = 0;
  std::int64_t least_ = std::numeric_limits<std::int64_t>::max(), most_ = 0, not_converged_ = 0;
  double worst_residual_ = 0, smallest_dt_ = std::numeric_limits<double>::infinity(), largest_dt_ = 0;
  std::map<std::string, std::int64_t> solvers_;  // solves that each one answered
  ErrorSums errors_, final_errors_;
};

void ReactionDiffusionApp::setup(const Parameters& root, MPI_Comm comm, bool /*check_only*/) {
  const Grid grid = read_grid(root);
  const ReactionDiffusionEquation equation = read_reaction_diffusion(root, grid);
  for (const SpeciesTerms& s : equation.species) species_.push_back(s.name);

  const Parameters time = root.table("time", "time interval, method and steps");
  final_ = time.real("final", "final time; the run begins at time 0", {}, Range::positive());
  const TimeParameters parameters = TimeParameters::read(time);
  method_ = parameters.method;

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
  try {
    stepper_ = make_time_stepper(parameters, op_, std::move(nonlinear), state, single);
  } catch (const InputError& e) {  // the steppers themselves do not know the file
    if (e.where().file.empty()) time.fail("method", e.what());
    throw;
  }

  const Parameters output = root.table("output", "what is saved, and how often");
  plan_ = SavePlan(output, final_);
  fields_ = output.texts("fields", "species to save", 0, species_);
  for (const std::string& f : fields_)
    if (std::find(species_.begin(), species_.end(), f) == species_.end()) {
      const std::string hint = nearest(f, species_);
      output.fail("fields", fmt::format("there is no species '{}'{}", f, hint.empty() ? "" : "; did you mean '" + hint + "'?"));
    }
  monitor_ = std::make_unique<PhaseMonitor>(output, op_, species_);
  read_reference(root, grid, equation);
}

void ReactionDiffusionApp::read_reference(const Parameters& root, const Grid& grid, const ReactionDiffusionEquation& equation) {
  const Parameters reference = root.table("reference", "solution to compare with, and figures to expect");
  references_ = read_reaction_diffusion_reference(reference, grid, equation);
  for (const FunctionPtr& f : references_)
    if (f) f->bind(*op_->layout());
  std::vector<ExpectedFigures::Known> known;
  for (const char* norm : {"l1", "l2", "linf", "final_l1", "final_l2", "final_linf"}) known.push_back({"errors", norm});
  for (const char* name : {"energy", "mass", "minimum", "maximum", "front_position", "interface_length", "mean_length"}) {
    if (species_.size() == 1 || std::string(name) == "energy") known.push_back({"quantities", name});
    for (std::size_t s = 0; species_.size() > 1 && s < species_.size(); ++s) known.push_back({"quantities", std::string(name) + "_" + species_[s]});
  }
  expected_.read(reference, known);
}

void ReactionDiffusionApp::save(Run& run) {
  std::vector<NamedField> out;
  for (std::size_t s = 0; s < species_.size(); ++s)
    if (std::find(fields_.begin(), fields_.end(), species_[s]) != fields_.end())
      out.push_back({species_[s], &stepper_->state(), static_cast<int>(s)});
  if (!out.empty()) run.save_fields(stepper_->time(), out);
}

void ReactionDiffusionApp::checkpoint(Run& run) {
  std::vector<NamedField> fields;
  for (const auto& [name, field] : stepper_->state_fields())
    for (const NamedField& f : all_levels("stepper." + name, *field)) fields.push_back(f);
  CheckpointData data;
  data.integers = {{"step", step_},
                   {"solves", solves_},
                   {"iterations", iterations_},
                   {"pairs", pairs_},
                   {"evaluations", evaluations_},
                   {"rejections", rejections_},
                   {"fallbacks", fallbacks_},
                   {"least", least_},
                   {"most", most_},
                   {"not_converged", not_converged_}};
  for (const auto& [name, n] : solvers_) data.integers["solver." + name] = n;
  data.reals = {{"worst_residual", worst_residual_}, {"smallest_dt", smallest_dt_}, {"largest_dt", largest_dt_}};
  for (const auto& [name, value] : stepper_->state_numbers()) data.reals["stepper." + name] = value;
  data.vectors = {{"errors", errors_.pack()}, {"final_errors", final_errors_.pack()}};
  data.texts = {{"method", method_}};
  monitor_->save(data);
  run.save_checkpoint(fields, data);
}

void ReactionDiffusionApp::restore(Run& run) {
  const std::optional<Checkpoint> c = run.restart();
  if (!c) return;
  if (c->text("method") != method_)
    throw InputError(fmt::format("the checkpoint {} is of time.method = \"{}\"; only the number of ranks, solvers and limits may change at a restart",
                                 c->path(), c->text("method")));
  for (const auto& [name, field] : stepper_->state_fields()) c->load_levels("stepper." + name, *field);
  std::map<std::string, double> numbers;
  for (const auto& [name, value] : c->data().reals)
    if (name.starts_with("stepper.")) numbers[name.substr(8)] = value;
  stepper_->restore(numbers);
  step_ = c->integer("step");
  solves_ = c->integer("solves");
  iterations_ = c->integer("iterations");
  pairs_ = c->integer("pairs");
  evaluations_ = c->integer("evaluations");
  rejections_ = c->integer("rejections");
  fallbacks_ = c->integer("fallbacks");
  least_ = c->integer("least");
  most_ = c->integer("most");
  not_converged_ = c->integer("not_converged");
  for (const auto& [name, n] : c->data().integers)
    if (name.starts_with("solver.")) solvers_[name.substr(7)] = n;
  worst_residual_ = c->real("worst_residual");
  smallest_dt_ = c->real("smallest_dt");
  largest_dt_ = c->real("largest_dt");
  errors_ = ErrorSums::unpack(c->vector("errors"));
  final_errors_ = ErrorSums::unpack(c->vector("final_errors"));
  monitor_->restore(*c);
  run.log().info("restart after step {}, at t = {:.6g}, from {}", step_, stepper_->time(), c->path());
}

ErrorSums ReactionDiffusionApp::errors_now() const {
  const double t = stepper_->time();
  ErrorSums all;
  for (std::size_t s = 0; s < references_.size(); ++s)
    if (references_[s] && (references_[s]->depends_on_time() || plan_.finished(t)))
      all.add(compare(stepper_->state(), static_cast<int>(s), *references_[s], t));
  return all;
}

void ReactionDiffusionApp::count(const StepReport& s) {
  step_ += s.steps;
  ++solves_;
  iterations_ += s.iterations;
  pairs_ += s.transform_pairs;
  evaluations_ += s.evaluations;
  rejections_ += s.rejections;
  fallbacks_ += s.fallbacks;
  least_ = std::min<std::int64_t>(least_, s.iterations);
  most_ = std::max<std::int64_t>(most_, s.iterations);
  if (!s.converged) ++not_converged_;
  if (!std::isnan(s.residual)) worst_residual_ = std::max(worst_residual_, s.residual);
  smallest_dt_ = std::min(smallest_dt_, s.dt);
  largest_dt_ = std::max(largest_dt_, s.dt);
  if (!s.method.empty()) ++solvers_[s.method];
}

void ReactionDiffusionApp::history(Run& run, const StepReport& s, bool measured, const ErrorSums& error) {
  HistoryRow row{{"step", static_cast<double>(step_)},
                 {"time", s.t},
                 {"dt", s.dt},
                 {"iterations", s.iterations},
                 {"transform_pairs", static_cast<double>(s.transform_pairs)},
                 {"evaluations", static_cast<double>(s.evaluations)},
                 {"residual", s.residual},
                 {"rejections", s.rejections},
                 {"fallbacks", s.fallbacks},
                 {"method", s.method.empty() ? method_ : s.method},
                 {"error_estimate", s.error_estimate}};
  monitor_->add_columns(row, measured);
  if (!references_.empty()) {
    row.emplace_back("error_l1", measured ? error.mean_l1() : std::nan(""));
    row.emplace_back("error_linf", measured ? error.linf : std::nan(""));
  }
  run.history(row);
}

Status ReactionDiffusionApp::run(Run& run) {
  restore(run);
  const bool conserving = op_->conserves_mass();
  IterationTable table(run.log(), {{"step", 8},
                                   {"time", 11, "{:.6g}"},
                                   {"dt", 9, "{:.3g}"},
                                   {"iter", 6},
                                   {"max|F|/dt", 10},
                                   {"energy", 14, "{:.8g}"},
                                   conserving ? Column{"mass drift", 11, "{:.2e}"} : Column{"mass", 14, "{:.8g}"},
                                   {"method", 14}});
  const auto measure = [&](double energy, ErrorSums& error) {
    const auto timer = run.timers().scope("diagnostics");
    monitor_->measure(stepper_->state(), energy);
    if (references_.empty()) return;
    error = errors_now();
    errors_.add(error);
  };
  if (step_ == 0) {
    save(run);
    ErrorSums error;
    measure(std::nan(""), error);
  }
  while (!plan_.finished(stepper_->time())) {
    if (run.stop_requested()) {
      checkpoint(run);
      write_report(run);
      return Status::TimeLimit;
    }
    if (step_ > 0 && run.checkpoint_due()) checkpoint(run);
    const double before = stepper_->time();
    StepReport step;
    {
      const auto timer = run.timers().scope("solve");
      step = stepper_->advance(plan_.next(before));
    }
    if (step.diverged) {
      write_report(run);
      throw DivergedError(fmt::format("step {} from t = {:.6g} failed with dt = {:.3g} after {} repetitions{}", step_ + 1, stepper_->time(), step.dt,
                                      step.rejections, step.why.empty() ? "" : " (reason: " + step.why + ")"));
    }
    count(step);
    const bool end = plan_.finished(step.t), saved = plan_.due(step_, step.steps, before, step.t);
    const bool measured = monitor_->due(step_, step.steps, saved);
    ErrorSums error;
    if (measured) measure(step.energy, error);
    if (end) final_errors_ = error;
    history(run, step, measured, error);
    table.row({step_, step.t, step.dt, static_cast<std::int64_t>(step.iterations), step.residual, measured ? monitor_->energy() : std::nan(""),
               !measured    ? std::nan("")
               : conserving ? monitor_->mass_drift()
                            : monitor_->mass(),
               step.method.empty() ? method_ : step.method});
    if (saved) save(run);
  }
  checkpoint(run);
  write_report(run);
  if (!references_.empty())
    run.log().info("error against the reference: l1 {:.4e}, linf {:.4e} (over all measured states); at the final time l1 {:.4e}, linf {:.4e}",
                   errors_.mean_l1(), errors_.linf, final_errors_.mean_l1(), final_errors_.linf);
  if (not_converged_ > 0) run.log().warn("{} of {} solves missed the tolerance", not_converged_, solves_);
  return not_converged_ > 0 ? Status::IterationLimit : Status::Converged;
}

void ReactionDiffusionApp::write_report(Run& run) {
  nlohmann::ordered_json& r = run.report();
  r["steps_done"] = step_;
  r["time_reached"] = stepper_->time();
  r["iterations"] = iterations_;
  r["operator_passes"] = evaluations_;
  r["transform_pairs"] = pairs_;
  r["iterations_per_step"] = {
      {"min", solves_ > 0 ? least_ : 0}, {"mean", step_ > 0 ? static_cast<double>(iterations_) / static_cast<double>(step_) : 0.0}, {"max", most_}};
  r["transform_pairs_per_step"] = step_ > 0 ? static_cast<double>(pairs_) / static_cast<double>(step_) : 0.0;
  // IMEX schemes solve no nonlinear equation: there is no residual.
  r["residuals"] = {{"max_abs", solvers_.empty() ? nlohmann::ordered_json(nullptr) : nlohmann::ordered_json(worst_residual_)}};
  r["solvers"] = solvers_;
  r["steps"] = {{"solves", solves_},
                {"rejections", rejections_},
                {"fallbacks", fallbacks_},
                {"not_converged", not_converged_},
                {"smallest_dt", solves_ > 0 ? smallest_dt_ : 0.0},
                {"largest_dt", largest_dt_}};
  nlohmann::ordered_json q;
  q["points"] = op_->layout()->grid().size();
  monitor_->report(q, stepper_->state());
  r["quantities"] = q;
  if (!references_.empty() && errors_.points > 0) r["errors"] = error_report(errors_, final_errors_);
  r["expected"] = expected_.report();
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
