/// Several solvers in order of cost, and the solvers by their names in problem files.
///
/// Every rung starts from the same initial guess. A rung gives up early by its own limit of iterations (read_nonlinear_solver sets it to what the
/// method takes where it works), by divergence and by lack of progress, so that a failure costs little. A rung that fails while a later one converges
/// is left out for a while: not after its first failure, then for 2, 4, ... up to 64 solves, until it works again. It is tried at once when the step
/// gets smaller, since every method is better there. When no rung converges the ladder fails and the time stepper halves the step.
#include <algorithm>
#include <cmath>
#include <limits>

#include "grids/reduce.hpp"
#include "solvers/nonlinear_solver.hpp"

namespace wasserflow {
namespace {

constexpr int longest_pause = 64;
constexpr double smaller_step = 0.75;

class Ladder final : public NonlinearSolver {
 public:
  explicit Ladder(std::vector<NonlinearSolverPtr> rungs) : rungs_(std::move(rungs)), memory_(rungs_.size()) {
    if (rungs_.empty()) throw InternalError("a ladder of nonlinear solvers without rungs");
  }
  const std::string& name() const override { return name_; }
  const std::vector<NonlinearReport>& attempts() const override { return attempts_; }

  NonlinearReport solve(StepSystem& system, Field& U) override {
    if (!guess_ || guess_.layout_ptr() != U.layout_ptr() || guess_.levels() != U.levels()) {
      guess_ = Field(U.layout_ptr(), U.levels());
      best_ = {};
    }
    copy(U, guess_);
    if (system.tau() < smaller_step * tau_)
      for (Memory& m : memory_) m = {};
    tau_ = system.tau();
    attempts_.clear();

    std::vector<std::size_t> order, paused;
    for (std::size_t i = 0; i < rungs_.size(); ++i) (memory_[i].pause > 0 ? paused : order).push_back(i);
    for (const std::size_t i : paused) --memory_[i].pause;
    // Nothing is left out when all else fails.
    order.insert(order.end(), paused.begin(), paused.end());

    // Without a winner the answer is the iterate with the least residual.
    std::size_t winner = rungs_.size(), best = 0;
    for (const std::size_t i : order) {
      if (!attempts_.empty()) copy(guess_, U);
      attempts_.push_back(rungs_[i]->solve(system, U));
      if (attempts_.back().reason == StopReason::Converged) {
        winner = i;
        break;
      }
      if (attempts_.size() == 1 || nearer(attempts_.back(), attempts_[best])) {
        best = attempts_.size() - 1;
        if (!best_) best_ = Field(U.layout_ptr(), U.levels());
        copy(U, best_);
      }
    }
    if (winner < rungs_.size()) {
      memory_[winner] = {};
      for (std::size_t n = 0; n + 1 < attempts_.size(); ++n) {
        Memory& m = memory_[order[n]];
        if (++m.failures > 1) m.pause = std::min(longest_pause, 1 << std::min(m.failures - 1, 10));
      }
    }

    NonlinearReport report = winner < rungs_.size() ? attempts_.back() : attempts_[best];
    if (winner == rungs_.size() &&
        std::any_of(attempts_.begin(), attempts_.end(), [](const NonlinearReport& a) { return a.reason == StopReason::IterationLimit; }))
      report.reason = StopReason::IterationLimit;
    report.iterations = report.outer_iterations = 0;
    report.transform_pairs = report.evaluations = 0;
    for (const NonlinearReport& a : attempts_) {
      report.iterations += a.iterations;
      report.outer_iterations += a.outer_iterations;
      report.transform_pairs += a.transform_pairs;
      report.evaluations += a.evaluations;
    }
    if (winner == rungs_.size()) copy(best_, U);
    return report;
  }

  std::map<std::string, double> state() const override {
    std::map<std::string, double> all{{"tau", tau_}};
    for (std::size_t i = 0; i < rungs_.size(); ++i) {
      all[key(i, "failures")] = memory_[i].failures;
      all[key(i, "pause")] = memory_[i].pause;
      for (const auto& [name, value] : rungs_[i]->state()) all[key(i, name)] = value;
    }
    return all;
  }

  void restore(const std::map<std::string, double>& all) override {
    const auto number = [&](const std::string& name) {
      const auto it = all.find(name);
      return it == all.end() ? 0 : it->second;
    };
    tau_ = number("tau");
    for (std::size_t i = 0; i < rungs_.size(); ++i) {
      memory_[i] = {static_cast<int>(number(key(i, "failures"))), static_cast<int>(number(key(i, "pause")))};
      std::map<std::string, double> own;
      const std::string prefix = key(i, "");
      for (const auto& [name, value] : all)
        if (name.starts_with(prefix)) own[name.substr(prefix.size())] = value;
      rungs_[i]->restore(own);
    }
  }

 private:
  struct Memory {
    int failures = 0;  ///< in a row, of those where another rung converged
    int pause = 0;     ///< solves for which the rung is left out
  };

  static std::string key(std::size_t rung, const std::string& name) { return "rung" + std::to_string(rung) + "." + name; }

  /// The smaller residual; one that is no number comes last.
  static bool nearer(const NonlinearReport& a, const NonlinearReport& b) {
    return a.residual < b.residual || (std::isnan(b.residual) && !std::isnan(a.residual));
  }

  static void copy(const Field& from, Field& to) {
    for (int k = 0; k < from.levels(); ++k) to.copy_level(k, from, k);
  }

  std::vector<NonlinearSolverPtr> rungs_;
  std::vector<Memory> memory_;
  std::vector<NonlinearReport> attempts_;
  std::string name_ = "auto";
  Field guess_, best_;
  double tau_ = 0;
};

// What the rungs of "auto" may take: more iterations than they need where they work well, fewer than the next rung needs.
constexpr int anderson_limit = 100;
constexpr int picard_limit = 300;
constexpr int newton_limit = 300;

}  // namespace

NonlinearSolverPtr make_ladder(std::vector<NonlinearSolverPtr> rungs) { return std::make_unique<Ladder>(std::move(rungs)); }

const std::vector<std::pair<std::string, std::string>>& nonlinear_solver_names() {
  static const std::vector<std::pair<std::string, std::string>> names{
      {"auto", "a ladder: solver.first, then newton-krylov, then descent; what fails again and again is left out for a while"},
      {"anderson", "Anderson acceleration of the preconditioned fixed point (Walker & Ni 2011)"},
      {"picard", "preconditioned fixed point U <- U - M^-1 F(U)"},
      {"pdhg", "preconditioned primal-dual hybrid gradient method (Liu, Liu, Osher, Li 2023) with step sizes tuned from singular values"},
      {"pdhg-published", "the same with the published step sizes"},
      {"newton-krylov", "Newton's method with FGMRES preconditioned by M (PETSc SNES, options prefix newton_)"},
      {"linear", "equations that are linear in u: Krylov solves preconditioned by M (PETSc KSP, options prefix fp_) with residual correction"},
      {"descent", "L-BFGS in the metric of M on the incremental energy, with line search; one step at a time, equations with an energy"},
      {"steepest-descent", "steepest descent in the metric of M on the incremental energy, with line search"},
      {"accelerated-descent", "Nesterov's method in the metric of M on the incremental energy (Park, Salgado, Wise 2022), with restarts"}};
  return names;
}

NonlinearSolverPtr read_nonlinear_solver(const Parameters& solver, const std::string& fallback) {
  std::vector<std::string> names;
  for (const auto& [name, doc] : nonlinear_solver_names()) names.push_back(name);
  const std::string method = solver.choice("method", "how the nonlinear system of an implicit step is solved", names, fallback);
  NonlinearParameters p;
  p.tolerance = solver.real("tolerance", "a step is solved when max |F| / tau, in the units of u_t, is below", p.tolerance, Range::positive());
  p.max_iterations =
      solver.integer("max_iterations",
                     "iterations of a solve (newton-krylov: of the Krylov solver, summed; auto: of the last rung, those before it have "
                     "lower limits of their own)",
                     p.max_iterations, Range::at_least(1));
  const bool descends = method == "descent";
  const int memory =
      solver.integer("memory", "differences that Anderson acceleration (default 5) or L-BFGS (default 10) keeps; auto: of its anderson",
                     descends ? 10 : 5, Range::between(1, 50));
  const std::string first = solver.choice("first", "first rung of auto", {"anderson", "pdhg", "picard"}, "anderson");
  PdhgStepParameters pdhg;
  pdhg.tau_p = solver.real("tau_p", "pdhg: dual step", pdhg.tau_p, Range::positive());
  pdhg.tau_u = solver.real("tau_u", "pdhg: primal step", pdhg.tau_u, Range::positive());
  pdhg.omega = solver.real("omega", "pdhg: extrapolation of the dual variable", pdhg.omega, Range::between(0, 2));
  pdhg.eps = solver.real("eps", "pdhg: weight of the dual quadratic", pdhg.eps, Range::nonnegative());
  pdhg.tune = solver.flag("tune", "pdhg: step sizes from the extreme singular values of M^-1 DF(U) instead of tau_p, tau_u, omega, eps", pdhg.tune);

  const auto make = [&](const std::string& name, const NonlinearParameters& q) -> NonlinearSolverPtr {
    if (name == "anderson") return make_anderson(q, memory);
    if (name == "picard") return make_picard(q);
    if (name == "pdhg") return make_pdhg(q, pdhg);
    if (name == "pdhg-published") {
      PdhgStepParameters published = pdhg;
      published.tune = false;
      return make_pdhg(q, published);
    }
    if (name == "linear") return make_linear_solver(q);
    if (name == "newton-krylov") return make_newton_krylov(q);
    if (name == "steepest-descent") return make_descent(q, Descent::Steepest);
    if (name == "accelerated-descent") return make_descent(q, Descent::Accelerated);
    return make_descent(q, Descent::Lbfgs, descends ? memory : 10);
  };
  if (method != "auto") return make(method, p);
  const auto limited = [&](int most) {
    NonlinearParameters q = p;
    q.max_iterations = std::min(q.max_iterations, most);
    return q;
  };
  std::vector<NonlinearSolverPtr> rungs;
  rungs.push_back(make(first, first == "anderson" ? limited(anderson_limit) : first == "picard" ? limited(picard_limit) : p));
  rungs.push_back(make("newton-krylov", limited(newton_limit)));
  rungs.push_back(make("descent", p));
  return make_ladder(std::move(rungs));
}

}  // namespace wasserflow
