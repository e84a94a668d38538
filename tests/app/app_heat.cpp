// The smallest app: explicit heat steps, for tests of what all apps do in the same way. `fault` makes it fail on purpose.
#include <chrono>
#include <cmath>
#include <nlohmann/json.hpp>
#include <thread>

#include "apps/run/driver.hpp"
#include "grids/io/field_series.hpp"
#include "grids/reduce.hpp"

using namespace wasserflow;

namespace {

const char* const example = R"([grid]
cells = [16, 16]
[time]
steps = 4
)";

class Heat : public Application {
 public:
  void setup(const Parameters& root, MPI_Comm comm, bool) override {
    const Parameters grid = root.table("grid", "The box.");
    const int dim = std::max(1, grid.array_size("cells"));
    const std::vector<int> cells = grid.integers("cells", "Cells of each axis.", dim, {}, Range::at_least(1));
    const std::vector<double> upper = grid.reals("upper", "Upper corner; the lower one is 0.", dim, std::vector<double>{1.0}, Range::positive());
    grid.choice("boundary", "What stands beyond the box.", {"periodic"}, "periodic");
    std::vector<Axis> axes;
    for (int d = 0; d < dim; ++d) axes.push_back({0, upper[static_cast<std::size_t>(d)], cells[static_cast<std::size_t>(d)], Boundary::Periodic, 0});
    layout_ = make_layout(comm, Grid(axes));
    steps_ = root.table("time", "Time.").integer("steps", "Number of steps.", {}, Range::at_least(0));
    every_ = root.table("output", "").integer("every", "Steps between saved times.", 2, Range::at_least(1));
    const Parameters initial = root.table("initial", "Initial values.");
    const std::string type = initial.choice("type", "Their shape.", {"sine", "bump"}, "sine");
    amplitude_ = type == "sine" ? initial.real("amplitude", "Of the wave.", 1.0) : initial.real("height", "Of the bump.", 2.0);
    pause_ = root.real("pause", "Seconds each step takes at least.", 0.0, Range::nonnegative());
    fault_ = root.choice("fault", "Fails at the third step.", {"none", "input", "io", "diverged", "internal", "one_rank", "limit"}, "none");
    fault_rank_ = root.integer("fault_rank", "Rank that fails alone.", 0);
  }

  Status run(Run& run) override {
    Field u(layout_), next(layout_);
    int step = 0;
    if (const auto checkpoint = run.restart()) {
      step = static_cast<int>(checkpoint->integer("step"));
      checkpoint->load("u", u);
    } else {
      start(u);
      save(run, u, 0);
    }
    IterationTable table(run.log(), {{"step", 6}, {"time", 10, "{:.4f}"}, {"sum", 12}}, Verbosity::Normal);
    IterationTable detail(run.log(), {{"rows", 6}}, Verbosity::Detailed);
    while (step < steps_) {
      detail.row({static_cast<std::int64_t>(layout_->count())});
      const auto timer = run.timers().scope("step");
      advance(u, next);
      ++step;
      if (step == 3) fail();
      const double total = sum(u);
      table.row({static_cast<std::int64_t>(step), step * dt, total});
      run.history({{"step", step}, {"time", step * dt}, {"sum", total}, {"max", max_abs(u)}});
      if (step % every_ == 0) save(run, u, step);
      std::this_thread::sleep_for(std::chrono::duration<double>(pause_));
      const bool stop = run.stop_requested();
      if (stop || run.checkpoint_due()) {
        const NamedField field{"u", &u};
        CheckpointData data;
        data.integers["step"] = step;
        run.save_checkpoint({&field, 1}, data);
      }
      if (stop) return Status::TimeLimit;
    }
    run.report()["iterations"] = step;
    run.report()["quantities"]["sum"] = sum(u);
    run.report()["quantities"]["nothing"] = std::nan("");
    return fault_ == "limit" ? Status::IterationLimit : Status::Converged;
  }

 private:
  static constexpr double dt = 0.125;

  void start(Field& u) const {
    for (int r = 0; r < layout_->rows(); ++r) {
      const RowPoints p = layout_->row(r);
      for (int i = 0; i < p.n; ++i) u.level()[p.offset + i] = amplitude_ * std::sin(6.283185307179586 * (p.x[i] + 0.3 * p.y)) + 0.1 * p.y * p.y;
    }
  }

  void advance(Field& u, Field& next) const {
    u.exchange_ghosts();
    const std::ptrdiff_t plane = layout_->plane();
    for (std::ptrdiff_t i = 0; i < layout_->owned(); ++i)
      next.level()[i] = u.level()[i] + 0.2 * (u.level()[i - plane] - 2 * u.level()[i] + u.level()[i + plane]);
    std::swap(u, next);
  }

  static void save(Run& run, const Field& u, int step) {
    const NamedField field{"u", &u};
    run.save_fields(step * dt, {&field, 1});
  }

  void fail() const {
    if (fault_ == "input") throw InputError("a fault of the input");
    if (fault_ == "io") throw IoError("a fault of the disk");
    if (fault_ == "diverged") throw DivergedError("the iterate turned NaN in step 3 at (0, 0)");
    if (fault_ == "internal") throw std::runtime_error("a defect");
    // The others go on to the next collective call, where they would wait for ever.
    if (fault_ == "one_rank" && layout_->rank() == fault_rank_) throw InternalError("a defect on one rank");
  }

  LayoutPtr layout_;
  int steps_ = 0, every_ = 1, fault_rank_ = 0;
  double amplitude_ = 1, pause_ = 0;
  std::string fault_;
};

}  // namespace

int main(int argc, char** argv) {
  const AppInfo info{"app-heat", "Heat equation by explicit steps", example, [] {
                       return std::vector<Topic>{{"Initial values", "sine", "A sine wave.", "initial", {"initial.type=sine"}},
                                                 {"Initial values", "bump", "A bump.", "initial", {"initial.type=bump"}}};
                     }};
  return run_app(argc, argv, info, [] { return std::make_unique<Heat>(); });
}
