#include "apps/run/prox.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "apps/run/density_monitor.hpp"
#include "apps/run/driver.hpp"
#include "apps/run/expected_figures.hpp"
#include "apps/run/initial_density.hpp"
#include "apps/run/read_grid.hpp"
#include "apps/run/reference_errors.hpp"
#include "grids/reduce.hpp"
#include "solvers/prox_stepper.hpp"

namespace wasserflow {
namespace {

class ProxApp final : public Application {
 public:
  void setup(const Parameters& root, MPI_Comm comm, bool check_only) override;
  Status run(Run& run) override;

 private:
  void read_reference(const Parameters& root);
  void add(std::vector<NamedField>& out, const std::string& what, const std::vector<Field>& fields) const;
  void save_density(Run& run, double t, const std::vector<Field>& score);
  void save_path(Run& run, const Field& start, double t);
  void write_report(Run& run);
  double bias();

  LayoutPtr layout_;
  Field V_, rho_;
  ProxParameters parameters_;
  std::unique_ptr<WassersteinProx> prox_;
  int steps_ = 1, every_ = 0;
  std::vector<double> path_;
  std::vector<std::string> fields_;
  DensityMonitor monitor_;
  FunctionPtr reference_;
  bool transport_ = false;  // W2 in the plane and in space
  std::vector<FunctionPtr> reference_score_;
  ExpectedFigures expected_;
  double control_value_ = 0;
  int done_ = 0;
  std::vector<std::string> warnings_;
};

ProxBackend backend_of(const std::string& name) {
  for (const ProxBackend b : {ProxBackend::Direct, ProxBackend::Fft, ProxBackend::Log})
    if (name == to_string(b)) return b;
  return ProxBackend::Automatic;
}

void ProxApp::setup(const Parameters& root, MPI_Comm comm, bool /*check_only*/) {
  const Grid grid = read_grid(root);
  layout_ = make_layout(comm, grid, 2);
  const Parameters p = root.table("prox", "the proximal operator");
  const FunctionPtr V = read_function(p, "V", "potential V of the energy int V rho; the target density is exp(-V / beta)", grid.dim());
  parameters_.beta = p.real("beta", "temperature: the noise is sqrt(2 beta) dW", {}, Range::positive());
  parameters_.T = p.real("T", "time of one operator", {}, Range::positive());
  parameters_.kernel =
      p.choice("kernel",
               "kernel: the kernel formula of the regularised proximal operator; symmetric: its symmetric scaling that keeps exp(-V / beta)",
               {"kernel", "symmetric"}, "kernel") == "kernel"
          ? ProxKernel::Kernel
          : ProxKernel::Symmetric;
  parameters_.backend =
      backend_of(p.choice("backend",
                          "how convolutions are done: direct (banded sums), fft, log (logarithmic domain), or automatic (by the dynamic "
                          "range of what is convolved)",
                          {"automatic", "direct", "fft", "log"}, "automatic"));
  parameters_.tolerance = p.real("tolerance", "relative accuracy that automatic demands of fft", parameters_.tolerance, Range::positive());
  parameters_.max_scalings = p.integer("max_scalings", "symmetric: limit of the scaling iterations", parameters_.max_scalings, Range::at_least(1));
  steps_ = p.integer("steps", "operators applied one after another", 1, Range::at_least(1));
  const std::array<Surround, 3> surround = read_surround(p, grid);
  for (int d = 0; d < grid.dim(); ++d)
    if (surround[static_cast<std::size_t>(d)] == Surround::Periodic && grid.axis(d).boundary != Boundary::Periodic && grid.axis(d).offset != 0.5)
      p.fail("surround", "periodic surroundings need nodes \"center\" or the boundary \"periodic\"");
  V->bind(*layout_);
  V_ = Field(layout_);
  fill(V_, 0, *V, 0);
  InitialDensity initial = read_initial_density(root, layout_);
  rho_ = std::move(initial.rho);
  warnings_ = std::move(initial.warnings);
  try {
    prox_ = std::make_unique<WassersteinProx>(layout_, V_, surround, parameters_);
  } catch (const InputError& e) {
    if (e.where().file.empty()) p.fail(parameters_.backend == ProxBackend::Automatic || !all_finite(V_) ? "V" : "backend", e.what());
    throw;
  }

  const Parameters output = root.table("output", "what is saved, and how often");
  every_ = output.integer("every", "steps between saved densities; 0: the first and the last only", 0, Range::nonnegative());
  path_ = output.reals("path", "times in (0, prox.T] at which the optimal path of one kernel step is saved: rho, phi, drift and velocity", 0,
                       std::vector<double>{}, Range::positive());
  for (std::size_t i = 0; i < path_.size(); ++i) {
    if (parameters_.kernel != ProxKernel::Kernel || steps_ > 1) output.fail("path", "the path is that of one step of kernel = \"kernel\"");
    if (path_[i] > parameters_.T) output.fail("path", fmt::format("{} is after T = {}", path_[i], parameters_.T));
    if (i > 0 && !(path_[i] > path_[i - 1])) output.fail("path", fmt::format("{} does not come after {}", path_[i], path_[i - 1]));
  }
  const std::vector<std::string> known{"rho", "score"};
  fields_ = output.texts("fields", "fields of saved densities: rho, score", 0, known);
  for (const std::string& f : fields_)
    if (std::find(known.begin(), known.end(), f) == known.end()) {
      const std::string hint = nearest(f, known);
      output.fail("fields", fmt::format("there is no field '{}'{}", f, hint.empty() ? "" : "; did you mean '" + hint + "'?"));
    }
  DensityFunctionals functionals;
  functionals.gibbs = [this](Field& pi, double mass) {
    double least = 1e300;
    for (const double v : V_.owned()) least = std::min(least, v);
    least = global_min(layout_->comm(), least);
    for (std::ptrdiff_t i = 0; i < layout_->owned(); ++i) pi.level()[i] = std::exp(-(V_.level()[i] - least) / parameters_.beta);
    const double scale = mass / (sum(pi) * layout_->grid().cell_volume());
    for (double& x : pi.owned()) x *= scale;
    return true;
  };
  monitor_ = DensityMonitor(output, functionals, rho_);
  read_reference(root);
}

void ProxApp::read_reference(const Parameters& root) {
  const Parameters reference = root.table("reference", "density to compare with, and figures to expect");
  if (reference.has("rho")) {
    reference_ = read_function(reference, "rho", "exact density after the last step", layout_->dim());
    reference_->bind(*layout_);
  }
  transport_ = read_transport(reference);
  if (reference.has("score")) {
    reference_score_ = read_functions(reference, "score", "exact score, a function an axis", layout_->dim());
    for (const FunctionPtr& f : reference_score_) f->bind(*layout_);
  }
  std::vector<ExpectedFigures::Known> known;
  for (const char* norm : {"l1", "l2", "linf"}) known.push_back({"errors", norm});
  for (const std::string& name : DensityMonitor::entries(layout_->dim())) known.push_back({"quantities", name});
  for (const std::string& name : distance_entries()) known.push_back({"quantities", name});
  for (const char* name : {"control_value", "dynamic_range", "resolution", "stationary_bias", "score_error"}) known.push_back({"quantities", name});
  expected_.read(reference, known);
}

void ProxApp::add(std::vector<NamedField>& out, const std::string& what, const std::vector<Field>& fields) const {
  const std::vector<std::string> names = axis_names(what, layout_->dim());
  for (std::size_t d = 0; d < fields.size(); ++d) out.push_back({names[d], &fields[d], 0});
}

void ProxApp::save_density(Run& run, double t, const std::vector<Field>& score) {
  std::vector<NamedField> out;
  for (const std::string& f : fields_) {
    if (f == "rho") out.push_back({"rho", &rho_, 0});
    if (f == "score") add(out, "score", score);
  }
  if (!out.empty()) run.save_fields(t, out);
}

void ProxApp::save_path(Run& run, const Field& start, double t) {
  Field rho(layout_), phi(layout_);
  std::vector<Field> drift = axis_fields(layout_), velocity = axis_fields(layout_);
  prox_->path(start, t, &rho, &phi, &drift, &velocity);
  std::vector<NamedField> out{{"rho", &rho, 0}, {"phi", &phi, 0}};
  add(out, "drift", drift);
  add(out, "velocity", velocity);
  run.save_fields(t, out);
}

/// int |K pi - pi|: what one step moves of the Gibbs density.
double ProxApp::bias() {
  double least = 1e300;
  for (const double v : V_.owned()) least = std::min(least, v);
  least = global_min(layout_->comm(), least);
  Field pi(layout_);
  for (std::ptrdiff_t i = 0; i < layout_->owned(); ++i) pi.level()[i] = std::exp(-(V_.level()[i] - least) / parameters_.beta);
  const double mass = sum(pi) * layout_->grid().cell_volume();
  for (double& x : pi.owned()) x /= mass;
  Field moved = pi.clone();
  prox_->step(moved);
  for (std::ptrdiff_t i = 0; i < layout_->owned(); ++i) moved.level()[i] = std::fabs(moved.level()[i] - pi.level()[i]);
  return sum(moved) * layout_->grid().cell_volume();
}

Status ProxApp::run(Run& run) {
  for (const std::string& w : warnings_) run.log().warn("{}", w);
  if (const std::string warning = resolution_warning(prox_->resolution()); !warning.empty()) run.log().warn("{}", warning);
  std::vector<Field> score = axis_fields(layout_);
  const auto measure = [&] {
    const auto timer = run.timers().scope("diagnostics");
    monitor_.measure(rho_, std::nan(""));
  };
  if (const std::optional<Checkpoint> c = run.restart()) {
    c->load("rho", rho_);
    done_ = static_cast<int>(c->integer("step"));
    control_value_ = c->real("control_value");
    monitor_.restore(*c);
  } else {
    control_value_ = parameters_.kernel == ProxKernel::Kernel ? prox_->control_value(rho_) : std::nan("");
    measure();
    log_gradient(rho_, score);
    save_density(run, 0, score);
  }
  const auto checkpoint = [&] {
    CheckpointData data;
    data.integers["step"] = done_;
    data.reals["control_value"] = std::isfinite(control_value_) ? control_value_ : 0;
    monitor_.save(data);
    const std::vector<NamedField> fields{{"rho", &rho_, 0}};
    run.save_checkpoint(fields, data);
  };
  IterationTable table(run.log(),
                       {{"step", 8}, {"time", 11, "{:.6g}"}, {"mass", 14, "{:.12g}"}, {"least", 10}, {"range", 9, "{:.3g}"}, {"backend", 9}});
  bool stepped = false;
  const Field start = path_.empty() ? Field() : rho_.clone();
  while (done_ < steps_) {
    if (run.stop_requested()) {
      checkpoint();
      write_report(run);
      return Status::TimeLimit;
    }
    if (done_ > 0 && run.checkpoint_due()) checkpoint();
    {
      const auto timer = run.timers().scope("solve");
      prox_->step(rho_);
    }
    if (!all_finite(rho_)) throw DivergedError(fmt::format("step {} gave values that are not finite", done_ + 1));
    ++done_;
    stepped = true;
    const double t = done_ * parameters_.T;
    const bool saved = done_ == steps_ || (every_ > 0 && done_ % every_ == 0);
    const bool measured = monitor_.due(done_, 1, saved);
    if (measured) measure();
    HistoryRow row{
        {"step", static_cast<double>(done_)}, {"time", t}, {"backend", to_string(prox_->backend())}, {"dynamic_range", prox_->dynamic_range()}};
    monitor_.add_columns(row, measured);
    run.history(row);
    table.row({static_cast<std::int64_t>(done_), t, monitor_.value("mass"), monitor_.value("minimum"), prox_->dynamic_range(),
               to_string(prox_->backend())});
    if (done_ == steps_)
      for (const double at : path_) save_path(run, start, at);
    if (saved) {
      prox_->score(score);
      save_density(run, t, score);
    }
  }
  checkpoint();
  nlohmann::ordered_json& r = run.report();
  if (reference_) {
    const ErrorSums error = compare(rho_, 0, *reference_, steps_ * parameters_.T);
    r["errors"] = error_report(error, error);
    run.log().info("error against the reference: l1 {:.4e}, linf {:.4e}", error.mean_l1(), error.linf);
  }
  write_report(run);
  if (reference_) {
    Field exact(layout_);
    fill(exact, 0, *reference_, steps_ * parameters_.T);
    report_distances(r["quantities"], rho_, exact, transport_);
  }
  if (!reference_score_.empty() && stepped) {
    // In the mean under the density: far outside the score is large and means nothing.
    Field square(layout_);
    for (std::size_t d = 0; d < reference_score_.size(); ++d) {
      Field exact(layout_);
      fill(exact, 0, *reference_score_[d], steps_ * parameters_.T);
      for (std::ptrdiff_t i = 0; i < layout_->owned(); ++i)
        square.level()[i] += rho_.level()[i] * std::pow(score[d].level()[i] - exact.level()[i], 2);
    }
    r["quantities"]["score_error"] = std::sqrt(sum(square) / sum(rho_));
  }
  r["quantities"]["stationary_bias"] = bias();
  return Status::Converged;
}

void ProxApp::write_report(Run& run) {
  nlohmann::ordered_json& r = run.report();
  r["steps_done"] = done_;
  r["time_reached"] = done_ * parameters_.T;
  r["iterations"] = done_;
  r["operator_passes"] = done_;
  r["backend"] = to_string(prox_->backend());
  nlohmann::ordered_json q;
  q["points"] = layout_->grid().size();
  if (parameters_.kernel == ProxKernel::Kernel) q["control_value"] = control_value_;
  q["dynamic_range"] = prox_->dynamic_range();
  q["resolution"] = prox_->resolution();
  if (parameters_.kernel == ProxKernel::Symmetric) q["scalings"] = prox_->scalings();
  monitor_.report(q, true);
  r["quantities"] = q;
  r["expected"] = expected_.report();
}

constexpr const char* example = R"toml(
[problem]
name = "example"
[grid]
lower = -6.0
upper = 6.0
cells = 240
boundary = "no_flux"
[prox]
V = "x^2/2"
beta = 0.5
T = 0.4
surround = "free"
[initial]
rho = "exp(-(x-1)^2/2)/sqrt(2*pi)"
)toml";

std::vector<Topic> topics() {
  std::vector<Topic> all;
  for (const auto& [name, what] : DensityMonitor::names()) all.push_back({"Diagnostic", name, what, "", {}});
  for (const auto& [name, entry] : function_families().entries())
    all.push_back({"Function family", name, entry.doc, "prox.V", {"prox.V=" + function_family_example(name)}});
  return all;
}

}  // namespace

int prox_main(int argc, char** argv) {
  AppInfo info;
  info.name = "wf-prox";
  info.summary =
      "Regularised Wasserstein proximal operators of int V rho by the kernel formula and its symmetric scaling, with optimal path, score and control "
      "value, on grids in 1 to 3 dimensions.";
  info.example = example;
  info.topics = topics;
  return run_app(argc, argv, info, [] { return std::make_unique<ProxApp>(); });
}

}  // namespace wasserflow
