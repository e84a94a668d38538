#include "apps/run/density.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>

#include "apps/run/density_monitor.hpp"
#include "apps/run/driver.hpp"
#include "apps/run/evolution_march.hpp"
#include "apps/run/expected_figures.hpp"
#include "apps/run/initial_density.hpp"
#include "apps/run/read_grid.hpp"
#include "problems/density.hpp"
#include "problems/reverse_process.hpp"
#include "solvers/continuity_stepper.hpp"
#include "solvers/fokker_planck_operator.hpp"
#include "solvers/prox_stepper.hpp"

namespace wasserflow {
namespace {

/// Values of a field as a function, on the rows of its layout.
class FieldFunction final : public Function {
 public:
  explicit FieldFunction(Field field) : field_(std::move(field)) {}
  void evaluate(const RowPoints& p, double* out) const override { std::copy_n(field_.level() + p.offset, p.n, out); }
  bool depends_on_time() const override { return false; }

 private:
  Field field_;
};

const std::vector<std::pair<std::string, std::string>>& reference_types() {
  static const std::vector<std::pair<std::string, std::string>> types{
      {"none", "nothing"},
      {"formula", "the density reference.rho(x, t), or a data set that holds at the final time"},
      {"process",
       "the law at time t of the initial density (of process.data in reverse) under the diffusion of [process], where it has a closed form"},
      {"gibbs", "the discrete Gibbs density exp(-V / D) of the initial mass, at the final time"}};
  return types;
}

std::vector<std::pair<std::string, std::string>> density_methods() {
  std::vector<std::pair<std::string, std::string>> all;
  for (const auto& m : time_methods())
    if (m.first.find("imex") == std::string::npos && m.first != "sbdf2" && m.first != "etdrk4") all.push_back(m);
  for (const auto& m : continuity_methods()) all.push_back(m);
  for (const auto& m : prox_methods()) all.push_back(m);
  return all;
}

bool is_explicit(const std::string& method) {
  return std::ranges::any_of(continuity_methods(), [&](const auto& m) { return m.first == method; });
}

bool is_prox(const std::string& method) {
  return std::ranges::any_of(prox_methods(), [&](const auto& m) { return m.first == method; });
}

std::string peclet_warning(double peclet) {
  return fmt::format(
      "the cell Peclet number |b| h / D reaches {:.3g} on this grid: where it is above 2 fluxes are upwinded, positive and stable, but first order; "
      "take "
      "finer cells if the density lives there",
      peclet);
}

class DensityApp final : public Application, private MarchObserver {
 public:
  void setup(const Parameters& root, MPI_Comm comm, bool check_only) override;
  Status run(Run& run) override;

 private:
  ProxStepParameters read_prox(const Parameters& root, const Parameters& time, const std::string& method) const;
  std::unique_ptr<TimeStepper> make_stepper(const Parameters& root, const Parameters& time, const TimeParameters& parameters, const Field& rho);
  FunctionPtr read_reference(const Parameters& root, double mass, DataDensityPtr data);

  std::vector<NamedField> fields(TimeStepper& stepper) override;
  bool due(long long step, int steps, bool saved) const override { return monitor_.due(step, steps, saved); }
  void measure(TimeStepper& stepper, double energy) override;
  void add_columns(HistoryRow& row, bool measured) const override { monitor_.add_columns(row, measured); }
  std::vector<Column> table_columns() const override;
  std::vector<IterationTable::Cell> table_cells(bool measured) const override;
  void save(CheckpointData& data) const override;
  void restore(const Checkpoint& checkpoint) override;
  void report(nlohmann::ordered_json& quantities, TimeStepper& stepper) override;

  FokkerPlanckEquation equation_;
  FokkerPlanckOperatorPtr op_;
  ProxStepper* prox_ = nullptr;
  std::vector<std::string> fields_;
  std::vector<Field> score_;
  DensityMonitor monitor_;
  ExpectedFigures expected_;
  EvolutionMarch march_;
  FunctionPtr reference_;
  bool transport_ = false;          // W2 in the plane and in space
  double final_ = 0, peclet_ = -1;  // peclet_ below 0: not measured
  bool implicit_ = false;
  std::vector<std::string> warnings_;
};

ProxStepParameters DensityApp::read_prox(const Parameters& root, const Parameters& time, const std::string& method) const {
  const Parameters p = root.table("prox", "settings of the methods kernel, symmetric, jko and entropic_jko");
  ProxStepParameters prox;
  const std::string backend =
      p.choice("backend", "kernel, symmetric: how convolutions are done: direct (banded sums), fft, log (logarithmic domain), or automatic",
               {"automatic", "direct", "fft", "log"}, "automatic");
  for (const ProxBackend b : {ProxBackend::Direct, ProxBackend::Fft, ProxBackend::Log})
    if (backend == to_string(b)) prox.backend = b;
  prox.eps = p.real("eps", "entropic_jko: variance of the Gibbs kernel; 0: beta dt", 0.0, Range::nonnegative());
  prox.tolerance =
      p.real("tolerance", "entropic_jko: change of the logarithms at which scalings end; else the accuracy that automatic demands of fft",
             prox.tolerance, Range::positive());
  prox.marginal = p.real("marginal", "jko: marginal error of a step, relative to what it moves (H^-1 norms), at which its iterations end",
                         prox.marginal, Range{0, 1, true, true});
  prox.max_iterations = p.integer("max_iterations", "jko, entropic_jko: limit of the iterations of a step", prox.max_iterations, Range::at_least(1));
  if (!is_prox(method)) return prox;
  const auto refuse = [&](const std::string& what) { time.fail("method", method + " steps are Wasserstein gradient flows: " + what); };
  if (!equation_.drift.empty()) refuse("the drift must be given as -grad V, by equation.potential");
  if (equation_.reaction) refuse("equation.reaction is no part of one");
  if (equation_.nonlocal()) refuse("nonlocal drifts are left to the schemes for the equation");
  if (equation_.potential && equation_.potential->depends_on_time()) refuse("equation.potential must not depend on t");
  for (const Axis& axis : op_->layout()->grid().axes())
    if (axis.boundary == Boundary::Dirichlet) refuse("nothing is absorbed at the ends of the box; take periodic or no_flux");
  const double* beta = equation_.diffusion.size() == 1 ? equation_.diffusion.front()->constant() : nullptr;
  if (beta == nullptr && !(equation_.diffusion.empty() && equation_.porous_exponent > 0)) refuse("equation.diffusion must be one number, beta");
  prox.beta = beta != nullptr ? *beta : 0;
  if (equation_.porous_exponent > 0) {
    if (method != "jko" && method != "entropic_jko") refuse("porous-medium diffusion needs jko or entropic_jko");
    prox.porous_coefficient = equation_.porous_coefficient;
    prox.porous_exponent = equation_.porous_exponent;
  }
  if (!(prox.beta > 0) && method != "jko" && method != "entropic_jko") refuse("beta, equation.diffusion, must be positive");
  if (method == "entropic_jko" && !(prox.beta > 0) && !(prox.eps > 0)) p.fail("eps", "without diffusion the blur of entropic steps must be given");
  return prox;
}

std::unique_ptr<TimeStepper> DensityApp::make_stepper(const Parameters& root, const Parameters& time, const TimeParameters& parameters,
                                                      const Field& rho) {
  const double cfl = time.real("cfl", "ssp_rk3, strang: largest substep, as dt (|v_x| / h_x + |v_y| / h_y + ...)", 0.4, Range{0, 1, true, false});
  const LayoutPtr& layout = op_->layout();
  const ProxStepParameters prox = read_prox(root, time, parameters.method);
  const Parameters solver = root.table("solver", "solver of the implicit steps and its settings");
  NonlinearSolverPtr nonlinear = read_nonlinear_solver(solver, equation_.nonlinear() ? "auto" : "linear");
  const bool single =
      solver.choice("precision", "of the preconditioner's transforms: single halves their cost; residuals and answers are double in any case",
                    {"double", "single"}, "double") == "single";
  try {
    if (is_explicit(parameters.method)) return std::make_unique<ContinuityStepper>(parameters, equation_, rho, cfl);
    if (!is_prox(parameters.method)) return make_time_stepper(parameters, op_, std::move(nonlinear), rho, single);
    std::array<Surround, 3> around{};
    for (int d = 0; d < layout->dim(); ++d) around[static_cast<std::size_t>(d)] = surround(layout->grid().axis(d).boundary);
    Field V(layout);
    if (equation_.potential) fill(V, 0, *equation_.potential, 0);
    auto made = std::make_unique<ProxStepper>(parameters, prox, V, around, rho);
    prox_ = made.get();
    if (prox_->prox() != nullptr)
      if (const std::string warning = resolution_warning(prox_->prox()->resolution()); !warning.empty()) warnings_.push_back(warning);
    return made;
  } catch (const InputError& e) {  // the steppers themselves do not know the file
    if (e.where().file.empty()) time.fail("method", e.what());
    throw;
  }
}

void DensityApp::setup(const Parameters& root, MPI_Comm comm, bool /*check_only*/) {
  const Grid grid = read_grid(root);
  equation_ = read_fokker_planck(root, grid);
  const Parameters time = root.table("time", "time interval, method and steps");
  const double final = time.real("final", "final time; the run begins at time 0", {}, Range::positive());
  const TimeParameters parameters =
      TimeParameters::read(time, density_methods(), equation_.type == "probability_flow" ? continuity_methods().front().first : "implicit_euler");
  const LayoutPtr layout = make_layout(comm, grid, is_explicit(parameters.method) ? 3 : 2);
  try {
    op_ = make_fokker_planck_operator(equation_, layout);
  } catch (const InputError& e) {
    if (e.where().file.empty()) root.table("equation", "").fail("type", e.what());
    throw;
  }
  final_ = final;
  std::optional<DiffusionProcess> start;
  if (equation_.type == "forward_diffusion" || equation_.type == "there_and_back") start = read_process(root, equation_.type, final);
  InitialDensity initial = read_initial_density(root, layout, start ? &*start : nullptr);
  Field& rho = initial.rho;
  warnings_ = std::move(initial.warnings);
  std::unique_ptr<TimeStepper> stepper = make_stepper(root, time, parameters, rho);

  const Parameters output = root.table("output", "what is saved, and how often");
  SavePlan plan(output, final);
  const std::vector<std::string> known{"rho", "score"};
  fields_ = output.texts(
      "fields", "what is saved: rho, and score (grad log rho; proximal steps: from means under the kernel, else central differences)", 0, known);
  for (const std::string& f : fields_)
    if (std::find(known.begin(), known.end(), f) == known.end()) {
      const std::string hint = nearest(f, known);
      output.fail("fields", fmt::format("there is no field '{}'{}", f, hint.empty() ? "" : "; did you mean '" + hint + "'?"));
    }
  DensityFunctionals functionals;
  functionals.energy = [this](Field& u) { return op_->energy(u); };
  functionals.relative_entropy = [this](Field& u) { return op_->relative_entropy(u); };
  functionals.gibbs = [this](Field& pi, double mass) { return op_->gibbs(pi, mass); };
  monitor_ = DensityMonitor(output, std::move(functionals), rho);
  score_ = axis_fields(layout);
  reference_ = read_reference(root, density_moments(rho).mass, initial.data);
  implicit_ = !prox_ && !is_explicit(parameters.method);
  if (implicit_) peclet_ = op_->peclet(0);
  if (peclet_ > 2) warnings_.push_back(peclet_warning(peclet_));
  if (!op_->is_monotone())
    warnings_.push_back(
        "a full diffusion tensor has entries of both signs in its stencil: densities may become slightly negative where they are steep");
  march_ = EvolutionMarch(std::move(stepper), parameters.method, std::move(plan), reference_ ? std::vector{reference_} : std::vector<FunctionPtr>{});
}

void DensityApp::measure(TimeStepper& stepper, double energy) {
  monitor_.measure(stepper.state(), energy);
  if (!implicit_) return;
  if (const double peclet = op_->peclet(stepper.time()); std::isfinite(peclet)) peclet_ = std::max(peclet_, peclet);
}

FunctionPtr DensityApp::read_reference(const Parameters& root, double mass, DataDensityPtr data) {
  const Parameters reference = root.table("reference", "density to compare with, and figures to expect");
  std::vector<std::string> names;
  std::string doc = "reference:";
  for (const auto& [name, what] : reference_types()) names.push_back(name), doc += " " + name + " (" + what + ");";
  doc.pop_back();
  const std::string type = reference.choice("type", doc, names, reference.has("rho") ? "formula" : "none");
  transport_ = read_transport(reference);
  FunctionPtr f;
  if (type == "formula") {
    f = read_function(reference, "rho", "exact density at time t", op_->layout()->dim());
    f->bind(*op_->layout());
  }
  if (type == "process") {
    const bool reverse = equation_.type == "reverse_diffusion" || equation_.type == "probability_flow";
    const Parameters p = root.table("process", "noising diffusion whose law is the reference");
    if (reverse && p.has("data")) data = read_density(p, "data", "density at time 0 of the process", op_->layout()->dim()).data;
    if (!data) reference.fail("type", "this density has no closed form under a process: take a mixture, blobs9, circles, checkerboard or boxes");
    f = process_law(equation_.type, data, read_process(root, equation_.type, final_));
    f->bind(*op_->layout());
  }
  if (type == "gibbs") {
    Field pi(op_->layout());
    if (!op_->gibbs(pi, mass)) reference.fail("type", "this equation has no Gibbs density");
    f = std::make_shared<FieldFunction>(std::move(pi));
  }
  std::vector<ExpectedFigures::Known> known;
  for (const char* norm : {"l1", "l2", "linf", "final_l1", "final_l2", "final_linf"}) known.push_back({"errors", norm});
  for (const std::string& name : DensityMonitor::entries(op_->layout()->dim())) known.push_back({"quantities", name});
  for (const std::string& name : distance_entries()) known.push_back({"quantities", name});
  expected_.read(reference, known);
  return f;
}

std::vector<NamedField> DensityApp::fields(TimeStepper& stepper) {
  std::vector<NamedField> out;
  for (const std::string& f : fields_) {
    if (f == "rho") out.push_back({"rho", &stepper.state(), 0});
    if (f != "score") continue;
    if (prox_ == nullptr || !prox_->score(score_)) log_gradient(stepper.state(), score_);
    const std::vector<std::string> names = axis_names("score", op_->layout()->dim());
    for (std::size_t d = 0; d < score_.size(); ++d) out.push_back({names[d], &score_[d], 0});
  }
  return out;
}

std::vector<Column> DensityApp::table_columns() const {
  return {{"mass", 16, "{:.14g}"}, {"least", 10}, monitor_.measures("relative_entropy") ? Column{"entropy", 11} : Column{"energy", 14, "{:.8g}"}};
}

std::vector<IterationTable::Cell> DensityApp::table_cells(bool measured) const {
  if (!measured) return {std::nan(""), std::nan(""), std::nan("")};
  return {monitor_.value("mass"), monitor_.value("minimum"), monitor_.value(monitor_.measures("relative_entropy") ? "relative_entropy" : "energy")};
}

void DensityApp::save(CheckpointData& data) const {
  monitor_.save(data);
  data.reals["peclet"] = peclet_;
}

void DensityApp::restore(const Checkpoint& checkpoint) {
  monitor_.restore(checkpoint);
  peclet_ = checkpoint.real("peclet");
}

void DensityApp::report(nlohmann::ordered_json& q, TimeStepper& stepper) {
  monitor_.report(q, op_->conserves_mass());
  if (reference_ && (reference_->depends_on_time() || stepper.time() >= final_ * (1 - 1e-12))) {
    Field exact(op_->layout());
    fill(exact, 0, *reference_, stepper.time());
    report_distances(q, stepper.state(), exact, transport_);
  }
  if (prox_ == nullptr) {
    if (peclet_ >= 0) q["peclet"] = peclet_;
    return;
  }
  if (const WassersteinProx* prox = prox_->prox()) {
    q["dynamic_range"] = prox->dynamic_range();
    q["resolution"] = prox->resolution();
    q["scalings"] = prox->scalings();
  } else {
    q["eps"] = prox_->eps();
  }
}

Status DensityApp::run(Run& run) {
  for (const std::string& w : warnings_) run.log().warn("{}", w);
  const double before = peclet_;
  const Status status = march_.march(run, *this, expected_.report());
  if (before <= 2 && peclet_ > 2) run.log().warn("{}", peclet_warning(peclet_));
  if (monitor_.least_value() < -1e-6 * monitor_.value("maximum"))
    run.log().warn(
        "the density went down to {:.3g}: this method keeps the sign with small steps only; take smaller ones, or implicit_euler or proximal steps",
        monitor_.least_value());
  return status;
}

constexpr const char* example = R"toml(
[problem]
name = "example"
[grid]
lower = -5.0
upper = 5.0
cells = 64
boundary = "no_flux"
[equation]
potential = "x^2/2"
diffusion = 0.5
[time]
final = 0.1
dt = 0.05
[initial]
rho = "exp(-(x-1)^2/2)/sqrt(2*pi)"
)toml";

std::vector<Topic> topics() {
  std::vector<Topic> all;
  for (const auto& [name, what] : fokker_planck_types()) {
    std::vector<std::string> settings{"equation={type=\"" + name + "\",potential=\"x^2/2\",diffusion=0.5}"};
    if (name == "forward_diffusion" || name == "there_and_back")
      settings = {"equation={type=\"" + name + "\"}", "process={type=\"ornstein_uhlenbeck\"}",
                  "initial={rho={type=\"mixture\",components=[{mean=[0.0],deviation=0.5}]}}"};
    else if (name != "fokker_planck")
      settings = {"equation={type=\"" + name + "\"}", "process={data={type=\"mixture\",components=[{mean=[0.0],deviation=0.5}]}}"};
    all.push_back({"Equation", name, what, "equation", settings});
  }
  for (const auto& [name, what] : density_methods())
    all.push_back({"Time method", name, what, is_prox(name) ? "prox" : "time",
                   name == "ssp_rk3" ? std::vector<std::string>{"time.method=" + name, "equation.diffusion=0"}
                                     : std::vector<std::string>{"time.method=" + name}});
  for (const auto& [name, what] : nonlinear_solver_names()) all.push_back({"Solver", name, what, "solver", {"solver.method=" + name}});
  for (const auto& [name, what] : DensityMonitor::names()) all.push_back({"Diagnostic", name, what, "", {}});
  for (const auto& [name, what] : reference_types()) all.push_back({"Reference", name, what, "", {}});
  for (const auto& [name, entry] : density_families().entries()) all.push_back({"Density", name, entry.doc, "", {}});
  for (const auto& [name, entry] : function_families().entries())
    all.push_back({"Function family", name, entry.doc, "equation.potential", {"equation.potential=" + function_family_example(name)}});
  return all;
}

}  // namespace

int fokker_planck_main(int argc, char** argv) {
  AppInfo info;
  info.name = "wf-fokker-planck";
  info.summary =
      "Fokker-Planck equations rho_t + div(rho b) = div(D grad rho) + Lap(a rho^m) + c rho, with potentials, drifts, interactions and chemotaxis, by "
      "conservative positive schemes or Wasserstein proximal steps, on grids in 1 to 3 dimensions.";
  info.example = example;
  info.topics = topics;
  return run_app(argc, argv, info, [] { return std::make_unique<DensityApp>(); });
}

}  // namespace wasserflow
