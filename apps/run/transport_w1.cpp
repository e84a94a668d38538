#include <algorithm>
#include <nlohmann/json.hpp>

#include "apps/run/initial_density.hpp"
#include "apps/run/transport.hpp"
#include "solvers/grid_transfer.hpp"
#include "solvers/wasserstein_one.hpp"

namespace wasserflow {
namespace {

constexpr int shown_every = 50;  // iterations; history.csv has all checks

/// Wasserstein-1: time 0 of the saved fields holds the initial density, time 1 the final one; the mass between moves along m at a constant rate.
class TransportW1 final : public StaticTransportProblem {
 public:
  explicit TransportW1(TransportInput input)
      : parameters_(read(input)), initial_(std::move(input.initial)), final_(std::move(input.final)), solver_(initial_, final_, parameters_) {
    fields_ = input.output.texts("fields", "fields that are saved: rho, phi (the potential), m (the flow)", 0, known());
    for (const std::string& f : fields_)
      if (const std::vector<std::string> all = known(); std::find(all.begin(), all.end(), f) == all.end()) {
        const std::string hint = nearest(f, all);
        input.output.fail("fields", "there is no field '" + f + "'" + (hint.empty() ? "" : "; did you mean '" + hint + "'?"));
      }
  }

  Status run(Run& run, TransportFigures& figures) override;

 private:
  static std::vector<std::string> known() { return {"rho", "phi", "m"}; }
  static W1Parameters read(const TransportInput& input);
  void restore(const Checkpoint& c);
  void checkpoint(Run& run);
  void save(Run& run);

  W1Parameters parameters_;
  Field initial_, final_;
  WassersteinOne solver_;
  std::vector<std::string> fields_;
};

W1Parameters TransportW1::read(const TransportInput& input) {
  W1Parameters p = W1Parameters::read(input.solver);
  const std::string norm = input.transport.choice("ground_norm", "norm that measures how far mass moves: l1, l2 or linf", {"l1", "l2", "linf"}, "l2");
  for (const GroundNorm n : {GroundNorm::L1, GroundNorm::L2, GroundNorm::Linf})
    if (norm == to_string(n)) p.norm = n;
  return p;
}

void TransportW1::checkpoint(Run& run) {
  const WassersteinOne::State s = solver_.state();
  CheckpointData data;
  data.integers = {{"iterations", s.iterations}, {"checks", s.bounds.checks}};
  data.reals = {{"upper", s.bounds.upper}, {"lower", s.bounds.lower}, {"slope", s.bounds.slope}, {"sigma", s.sigma}};
  std::vector<double>& coarse = data.vectors["coarse"];
  for (const W1Level& l : s.coarse) {
    coarse.insert(coarse.end(), l.cells.begin(), l.cells.end());
    coarse.insert(coarse.end(), {static_cast<double>(l.iterations), l.gap});
  }
  std::vector<NamedField> fields = all_levels("mu", solver_.multiplier());
  fields.push_back({"u", &solver_.iterate(), 0});
  fields.push_back({"phi", &solver_.mean_potential(), 0});
  run.save_checkpoint(fields, data);
}

void TransportW1::restore(const Checkpoint& c) {
  c.load_levels("mu", solver_.multiplier());
  c.load("u", solver_.iterate());
  c.load("phi", solver_.mean_potential());
  WassersteinOne::State s;
  s.iterations = static_cast<int>(c.integer("iterations"));
  s.bounds = {c.real("upper"), c.real("lower"), c.real("slope"), static_cast<int>(c.integer("checks"))};
  s.sigma = c.real("sigma");
  const std::vector<double>& coarse = c.vector("coarse");
  for (std::size_t i = 0; i + 5 <= coarse.size(); i += 5) {
    const auto whole = [&](std::size_t k) { return static_cast<int>(coarse[i + k]); };
    s.coarse.push_back({{whole(0), whole(1), whole(2)}, whole(3), coarse[i + 4]});
  }
  solver_.restore(s);
}

void TransportW1::save(Run& run) {
  const LayoutPtr layout = initial_.layout_ptr();
  const Field phi = solver_.potential();
  std::vector<Field> m = axis_fields(layout);
  const std::vector<std::string> names = axis_names("m", layout->dim());
  Field& flux = solver_.flux();
  for (int d = 0; d < layout->dim(); ++d) faces_to_cells(flux, d, d, m[static_cast<std::size_t>(d)], 0);
  for (const int time : {0, 1}) {
    std::vector<NamedField> out;
    for (const std::string& f : fields_) {
      if (f == "rho") out.push_back({"rho", time == 0 ? &initial_ : &final_, 0});
      if (f == "phi") out.push_back({"phi", &phi, 0});
      if (f == "m")
        for (std::size_t d = 0; d < m.size(); ++d) out.push_back({names[d], &m[d], 0});
    }
    if (!out.empty()) run.save_fields(time, out);
  }
}

Status TransportW1::run(Run& run, TransportFigures& figures) {
  if (const std::optional<Checkpoint> c = run.restart()) restore(*c);
  IterationTable table(run.log(), {{"iteration", 9}, {"lower", 14, "{:.9g}"}, {"upper", 14, "{:.9g}"}, {"gap", 10}});
  const auto note = [&](int iteration, double lower, double upper) {
    const double gap = upper > 0 ? (upper - lower) / upper : 0;
    run.history({{"iteration", static_cast<double>(iteration)}, {"lower", lower}, {"upper", upper}, {"gap", gap}});
    if (iteration % shown_every == 0 || gap <= parameters_.gap) table.row({static_cast<std::int64_t>(iteration), lower, upper, gap});
  };
  solver_.monitor = [&](const W1Progress& now) {
    note(now.iteration, now.lower, now.upper);
    if (run.stop_requested()) return true;
    if (run.checkpoint_due()) checkpoint(run);
    return false;
  };
  W1Result result;
  {
    const auto timer = run.timers().scope("solve");
    result = solver_.solve();
  }
  figures = {result.distance, result.lower, result.upper, result.iterations};
  if (result.reason == StopReason::Diverged) return Status::Diverged;
  if (!result.stopped) note(result.iterations, result.lower, result.grid_upper);
  checkpoint(run);
  nlohmann::ordered_json& r = run.report();
  r["quantities"]["grid_upper"] = result.grid_upper;
  r["quantities"]["grid_gap"] = result.grid_gap;
  r["residuals"]["divergence"] = {{"relative", result.divergence_error}};
  for (const W1Level& level : result.levels) {
    std::vector<int> cells(level.cells.begin(), level.cells.begin() + initial_.layout().dim());
    r["levels"].push_back({{"cells", cells}, {"iterations", level.iterations}, {"gap", level.gap}});
  }
  r["operator_passes"] = result.iterations;
  if (result.stopped) return Status::TimeLimit;
  save(run);
  run.log().info("W1 = {:.9g}, certified to lie in [{:.9g}, {:.9g}]; gap of the grid's problem {:.2e}", result.distance, result.lower, result.upper,
                 result.grid_gap);
  return result.reason == StopReason::Converged ? Status::Converged : Status::IterationLimit;
}

}  // namespace

std::unique_ptr<StaticTransportProblem> make_transport_w1(TransportInput input) { return std::make_unique<TransportW1>(std::move(input)); }

}  // namespace wasserflow
