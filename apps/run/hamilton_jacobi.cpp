#include "apps/run/hamilton_jacobi.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "apps/run/driver.hpp"
#include "apps/run/expected_figures.hpp"
#include "apps/run/read_grid.hpp"
#include "apps/run/reference_errors.hpp"
#include "grids/io/checkpoint.hpp"
#include "grids/io/field_file.hpp"
#include "grids/reduce.hpp"
#include "problems/catalogue.hpp"
#include "problems/exact_solutions.hpp"
#include "solvers/fine_grid_reference.hpp"
#include "solvers/hj_march.hpp"
#include "solvers/trajectory_files.hpp"

namespace wasserflow {
namespace {

class HamiltonJacobiApp final : public Application {
 public:
  void setup(const Parameters& root, MPI_Comm comm, bool check_only) override;
  Status run(Run& run) override;

 private:
  double time_of(int step) const { return final_time_ * step / steps_; }
  void restore(Run& run);
  void checkpoint(Run& run);
  void save(Run& run, int level);
  void history(Run& run, int step, const HjWindowReport& window, const ErrorSums& error);
  void write_report(Run& run);
  void write_trajectories(Run& run);

  int steps_ = 0;
  double final_time_ = 0;
  int every_ = 1;
  std::vector<std::string> fields_;
  HjMethod method_;
  HamiltonJacobiProblem problem_;
  Field initial_;
  FunctionPtr reference_;
  ExpectedFigures expected_;
  std::unique_ptr<HjMarch> march_;
  FunctionPtr terminal_cost_;
  int refinement_ = 0;  // of the grid of the reference; 0: it is not solved for
  HamiltonianTerms reference_terms_;
  std::optional<TrajectoryPlan> trajectories_;
  nlohmann::ordered_json trajectory_report_;

  // State of a run; all of it goes into checkpoints.
  int step_ = 0;
  ErrorSums errors_, final_errors_;
  std::int64_t iterations_ = 0, passes_ = 0;
  int windows_ = 0, least_ = std::numeric_limits<int>::max(), most_ = 0;
  double worst_mean_ = 0, worst_max_ = 0, bound_ = 0;
  bool all_converged_ = true;
};

void HamiltonJacobiApp::setup(const Parameters& root, MPI_Comm comm, bool /*check_only*/) {
  const Grid grid = read_grid(root);
  const int dim = grid.dim();
  const Parameters time = root.table("time", "time interval and steps");
  final_time_ = time.real("final", "final time T; the control problem runs from T back to 0", {}, Range::positive());
  steps_ = time.integer("steps", "implicit steps of size final/steps (explicit methods: times that may be saved)", {}, Range::at_least(1));
  HamiltonianTerms terms = read_hamiltonian(root.table("hamiltonian", "H(x, t, p) of phi_t + H = diffusion Lap phi"), dim);
  const double eps =
      root.real("diffusion", "viscosity eps of phi_t + H = eps Lap phi; noise sqrt(2 eps) dW of the control problem", 0.0, Range::nonnegative());
  const FunctionPtr g = read_function(root.table("initial", "data at t = 0"), "phi", "phi(., 0): the terminal cost g of the control problem", dim);
  const Parameters solver = root.table("solver", "method and its settings");
  method_ = read_hj_method(solver);
  if (steps_ % method_.window != 0)
    solver.fail("window", fmt::format("a window of {} steps does not divide time.steps = {}", method_.window, steps_));
  const std::vector<double> alpha =
      solver.reals("dissipation", "Lax-Friedrichs form: least numerical speeds alpha an axis; they grow to 1.1 max|dH/dp| where that is larger", dim,
                   std::vector<double>(static_cast<std::size_t>(dim), 0.0), Range::nonnegative());

  const Parameters output = root.table("output", "what is saved, and how often");
  every_ =
      output.integer("every", "steps between saved fields; the first and the last are always saved", std::max(1, steps_ / 10), Range::at_least(1));
  if (every_ % method_.window != 0)
    output.fail("every", fmt::format("fields are saved at the ends of windows: a multiple of solver.window = {} is needed", method_.window));
  fields_ = output.texts("fields", "fields to save: phi, rho (density of optimal trajectories of the last step), m (momenta rho dH/dp)", 0,
                         std::vector<std::string>{"phi", "rho"});
  for (const std::string& f : fields_)
    if (f != "phi" && f != "rho" && f != "m") output.fail("fields", "unknown field '" + f + "' (known: phi, rho, m)");

  const Parameters reference = root.table("reference", "solution to compare with");
  reference_ = read_reference(reference, grid, g, eps);
  refinement_ = fine_grid_refinement(reference);
  terminal_cost_ = g;
  if (refinement_ > 0) reference_terms_ = read_hamiltonian(root.table("hamiltonian", "H(x, t, p) of phi_t + H = diffusion Lap phi"), dim);
  expected_.read(reference, {{"errors", "l1"}, {"errors", "l2"}, {"errors", "linf"}, {"errors", "final_l1"}, {"errors", "final_linf"}});

  trajectories_ = read_trajectory_plan(root, grid);
  if (trajectories_ && every_ != 1) output.fail("every", "trajectories need the value function of every step: output.every = 1");

  const LayoutPtr layout = make_layout(comm, grid, method_.ghost);
  std::vector<double> times;
  for (int k = 1; k <= method_.window; ++k) times.push_back(time_of(k));
  std::array<double, 3> speeds{};
  std::copy(alpha.begin(), alpha.end(), speeds.begin());
  problem_ = make_hamilton_jacobi_problem(std::move(terms), layout, eps, final_time_ / steps_, times, speeds);
  initial_ = Field(layout);
  g->bind(*layout);
  fill(initial_, 0, *g, 0);
  if (!all_finite(initial_)) root.table("initial", "").fail("phi", "the initial data are not finite everywhere on the grid");
  if (reference_) reference_->bind(*layout);
  march_ = method_.make(problem_, initial_);
}

void HamiltonJacobiApp::save(Run& run, int level) {
  const auto timer = run.timers().scope("save fields");
  std::vector<NamedField> out;
  Field rho;
  std::vector<Field> m;
  const auto wanted = [&](const char* what) { return std::find(fields_.begin(), fields_.end(), what) != fields_.end(); };
  // phi always: trajectories, restarts of comparisons and plots live on it.
  out.push_back({"phi", step_ == 0 ? &initial_ : &march_->phi(), step_ == 0 ? 0 : level});
  if (step_ > 0 && (wanted("rho") || wanted("m"))) {
    rho = Field(problem_.layout);
    for (int d = 0; d < problem_.layout->dim(); ++d) m.emplace_back(problem_.layout);
    if (march_->density(rho, m)) {
      if (wanted("rho")) out.push_back({"rho", &rho, 0});
      for (std::size_t d = 0; d < m.size() && wanted("m"); ++d) out.push_back({std::string("m_") + "xyz"[d], &m[d], 0});
    }
  }
  run.save_fields(time_of(step_), out);
}

void HamiltonJacobiApp::checkpoint(Run& run) {
  const auto timer = run.timers().scope("checkpoint");
  std::vector<NamedField> fields = all_levels(march_->state_fields());
  CheckpointData data;
  data.integers = {{"step", step_},   {"steps", steps_}, {"iterations", iterations_}, {"passes", passes_}, {"windows", windows_},
                   {"least", least_}, {"most", most_}};
  data.reals = {{"worst_mean", worst_mean_}, {"worst_max", worst_max_}, {"bound", bound_}, {"all_converged", all_converged_ ? 1.0 : 0.0}};
  for (const auto& [name, value] : march_->state_numbers()) data.reals["method." + name] = value;
  data.vectors = {{"errors", errors_.pack()}, {"final_errors", final_errors_.pack()}};
  data.texts = {{"method", method_.name}};
  run.save_checkpoint(fields, data);
}

void HamiltonJacobiApp::restore(Run& run) {
  const std::optional<Checkpoint> c = run.restart();
  if (!c) return;
  if (c->text("method") != method_.name || c->integer("steps") != steps_)
    throw InputError(
        fmt::format("the checkpoint {} is of solver.method = \"{}\" and time.steps = {}; only the number of ranks and limits may change at a restart",
                    c->path(), c->text("method"), c->integer("steps")));
  c->load_levels(march_->state_fields());
  std::map<std::string, double> numbers;
  for (const auto& [name, value] : c->data().reals)
    if (name.starts_with("method.")) numbers[name.substr(7)] = value;
  march_->restore(numbers);
  step_ = static_cast<int>(c->integer("step"));
  iterations_ = c->integer("iterations");
  passes_ = c->integer("passes");
  windows_ = static_cast<int>(c->integer("windows"));
  least_ = static_cast<int>(c->integer("least"));
  most_ = static_cast<int>(c->integer("most"));
  worst_mean_ = c->real("worst_mean");
  worst_max_ = c->real("worst_max");
  bound_ = c->real("bound");
  all_converged_ = c->real("all_converged") != 0;
  errors_ = ErrorSums::unpack(c->vector("errors"));
  final_errors_ = ErrorSums::unpack(c->vector("final_errors"));
  run.log().info("restart at step {} of {} from {}", step_, steps_, c->path());
}

void HamiltonJacobiApp::history(Run& run, int step, const HjWindowReport& window, const ErrorSums& error) {
  const Field& phi = march_->last();
  double least = std::numeric_limits<double>::infinity(), most = -least;
  for (double v : phi.owned()) least = std::min(least, v), most = std::max(most, v);
  HistoryRow row{{"step", step},
                 {"time", time_of(step)},
                 {"iterations", window.iterations},
                 {"operator_passes", static_cast<double>(window.operator_passes)},
                 {"residual_mean_abs", window.residual.mean_abs},
                 {"residual_max_abs", window.residual.max_abs},
                 {"weight", window.weight},
                 {"phi_min", global_min(run.comm(), least)},
                 {"phi_max", global_max(run.comm(), most)}};
  if (reference_) {
    row.emplace_back("error_l1", error.mean_l1());
    row.emplace_back("error_linf", error.linf);
  }
  run.history(row);
}

Status HamiltonJacobiApp::run(Run& run) {
  restore(run);
  if (refinement_ > 0) {
    const auto timer = run.timers().scope("reference");
    std::vector<double> times;
    for (int k = 0; k <= steps_; ++k) times.push_back(time_of(k));
    reference_ = make_fine_grid_reference(std::move(reference_terms_), problem_.layout, *terminal_cost_, problem_.eps, times, refinement_);
  }
  IterationTable table(run.log(),
                       {{"step", 7}, {"time", 9, "{:.5f}"}, {"iter", 6}, {"mean|R|", 10}, {"max|R|", 10}, {"error l1", 10}, {"weight", 9, "{:.2e}"}});
  IterationTable checks(run.log(), {{"check at", 9}, {"mean|R|", 10}, {"relative", 10}, {"weight", 9, "{:.2e}"}, {"step", 9, "{:.4f}"}},
                        Verbosity::Detailed);
  march_->monitor = [&checks](const PdhgProgress& p) {
    const Residual& r = p.residuals->front();
    checks.row({static_cast<std::int64_t>(p.iteration), r.absolute, r.relative(), p.weight, p.step});
  };
  const bool every_time = reference_ && reference_->depends_on_time();
  if (step_ == 0) {
    save(run, 0);
    if (every_time) errors_.add(compare(initial_, 0, *reference_, 0));
  }
  while (step_ < steps_) {
    if (run.stop_requested()) {
      checkpoint(run);
      write_report(run);
      return Status::TimeLimit;
    }
    if (step_ > 0 && run.checkpoint_due()) checkpoint(run);
    std::vector<double> times;
    for (int k = 1; k <= march_->window(); ++k) times.push_back(time_of(step_ + k));
    HjWindowReport window;
    {
      const auto timer = run.timers().scope("solve");
      window = march_->advance(times);
    }
    if (window.reason == StopReason::Diverged)
      throw DivergedError(
          fmt::format("the iterates of step {} (t = {:.6g}) are not finite after {} iterations", step_ + 1, times.front(), window.iterations));
    ErrorSums error;
    for (int k = 0; k < march_->window(); ++k) {
      const bool newest = step_ + k + 1 == steps_;
      if (!reference_ || (!every_time && !newest)) continue;
      const auto timer = run.timers().scope("reference");
      error = compare(march_->phi(), k, *reference_, times[static_cast<std::size_t>(k)]);
      errors_.add(error);
      if (newest) final_errors_ = error;
    }
    step_ += march_->window();
    ++windows_;
    iterations_ += window.iterations;
    passes_ += window.operator_passes;
    least_ = std::min(least_, window.iterations);
    most_ = std::max(most_, window.iterations);
    worst_mean_ = std::max(worst_mean_, window.residual.mean_abs);
    worst_max_ = std::max(worst_max_, window.residual.max_abs);
    bound_ += problem_.dt * march_->window() * window.residual.max_abs;
    if (window.reason != StopReason::Converged) all_converged_ = false;
    history(run, step_, window, error);
    table.row({static_cast<std::int64_t>(step_), time_of(step_), static_cast<std::int64_t>(window.iterations), window.residual.mean_abs,
               window.residual.max_abs, reference_ ? error.mean_l1() : std::nan(""), window.weight});
    if (step_ % every_ == 0 || step_ == steps_) save(run, march_->window() - 1);
  }
  if (trajectories_) write_trajectories(run);
  const Status status = all_converged_ ? Status::Converged : Status::IterationLimit;
  checkpoint(run);
  write_report(run);
  if (reference_)
    run.log().info("error against the reference: l1 {:.4e}, l2 {:.4e}, linf {:.4e} (over all steps); at the final time l1 {:.4e}", errors_.mean_l1(),
                   errors_.rms(), errors_.linf, final_errors_.mean_l1());
  return status;
}

void HamiltonJacobiApp::write_report(Run& run) {
  nlohmann::ordered_json& r = run.report();
  r["steps_done"] = step_;
  r["iterations"] = iterations_;
  r["operator_passes"] = passes_;
  r["iterations_per_step"] = {
      {"min", windows_ > 0 ? least_ : 0}, {"mean", windows_ > 0 ? static_cast<double>(iterations_) / windows_ : 0.0}, {"max", most_}};
  // Explicit schemes solve no equation: there is no residual to certify anything.
  const bool certified = method_.name != "explicit";
  r["residuals"] = {{"mean_abs", certified ? nlohmann::ordered_json(worst_mean_) : nullptr},
                    {"max_abs", certified ? nlohmann::ordered_json(worst_max_) : nullptr}};
  nlohmann::ordered_json q;
  q["points"] = problem_.layout->grid().size();
  if (certified) q["discrete_error_bound"] = bound_;  // sum dt max|R|: distance to the exact solution of the scheme, by the comparison principle
  Field rho(problem_.layout);
  std::vector<Field> m;
  for (int d = 0; d < problem_.layout->dim(); ++d) m.emplace_back(problem_.layout);
  if (step_ > 0 && march_->density(rho, m)) {
    q["mass"] = sum(rho) / static_cast<double>(problem_.layout->grid().size());
    double least = std::numeric_limits<double>::infinity();
    for (double v : rho.owned()) least = std::min(least, v);
    q["rho_min"] = global_min(run.comm(), least);
  }
  r["quantities"] = q;
  if (!trajectory_report_.is_null()) r["trajectories"] = trajectory_report_;
  if (reference_ && errors_.points > 0) {
    r["errors"] = error_report(errors_, final_errors_);
    r["expected"] = expected_.report();
  }
}

void HamiltonJacobiApp::write_trajectories(Run& run) {
  const auto timer = run.timers().scope("trajectories");
  std::vector<double> times;
  for (int k = 0; k <= steps_; ++k) times.push_back(time_of(k));
  const LevelSource level = [&](int k, Field& phi) {
    check_all(run.comm(), [&] { FieldFile(fmt::format("{}/fields/{:06d}.h5", run.directory(), k)).read("phi", phi, 0); });
  };
  const std::vector<Trajectory> found = optimal_trajectories(problem_, times, level, trajectories_->starts, trajectories_->options);
  wasserflow::write_trajectories(run.comm(), run.directory() + "/trajectories", found, problem_.layout->dim(), trajectories_->samples);
  const MeanCost cost = mean_cost(run.comm(), found);
  trajectory_report_ = {
      {"count", trajectories_->starts.size()}, {"mean_cost", cost.mean}, {"standard_error", cost.standard_error}, {"mean_value", cost.mean_value}};
}

constexpr const char* example = R"toml(
diffusion = 0.0
[problem]
name = "example"
[grid]
lower = [0.0, 0.0]
upper = [2.0, 2.0]
cells = [32, 32]
boundary = "periodic"
[time]
final = 0.5
steps = 8
[hamiltonian]
type = "quadratic"
coefficient = 1.0
[initial]
phi = "sin(pi*x) + sin(pi*y)"
[solver]
method = "pdhg"
[output]
every = 1
[reference]
type = "none"
[trajectories]
starts = 4
)toml";

std::vector<Topic> topics() {
  std::vector<Topic> all;
  for (const auto& [name, what] : hj_methods()) all.push_back({"Method", name, what, "solver", {"solver.method=" + name}});
  for (const auto& [name, entry] : catalogue().hamiltonians.entries()) all.push_back({"Hamiltonian", name, entry.doc, "hamiltonian", {}});
  for (const auto& [name, entry] : function_families().entries())
    all.push_back({"Function family", name, entry.doc, "initial.phi", {"initial.phi=" + function_family_example(name)}});
  return all;
}

}  // namespace

int hamilton_jacobi_main(int argc, char** argv) {
  AppInfo info;
  info.name = "wf-hamilton-jacobi";
  info.summary =
      "Hamilton-Jacobi equations phi_t + H(x, t, grad phi) = eps Lap phi and the optimal control problems behind them, on grids in 1 to 3 "
      "dimensions.";
  info.example = example;
  info.topics = topics;
  return run_app(argc, argv, info, [] { return std::make_unique<HamiltonJacobiApp>(); });
}

}  // namespace wasserflow
