#include "solvers/pdhg.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace wasserflow {
namespace {

/// Copies of iterates, made once and refilled.
class Snapshot {
 public:
  void take(const std::vector<Field*>& fields) {
    if (copies_.empty())
      for (const Field* f : fields) copies_.push_back(f->clone());
    else
      for (std::size_t i = 0; i < fields.size(); ++i)
        for (int k = 0; k < fields[i]->levels(); ++k) copies_[i].copy_level(k, *fields[i], k);
  }
  void put_back(const std::vector<Field*>& fields) const {
    for (std::size_t i = 0; i < fields.size(); ++i)
      for (int k = 0; k < fields[i]->levels(); ++k) fields[i]->copy_level(k, copies_[i], k);
  }
  const std::vector<Field>& fields() const { return copies_; }

 private:
  std::vector<Field> copies_;
};

/// Running mean of the iterates since the last restart.
class Average {
 public:
  void reset() { count_ = 0; }
  int count() const { return count_; }
  void add(const std::vector<Field*>& fields) {
    if (mean_.empty())
      for (const Field* f : fields) mean_.push_back(f->clone());
    ++count_;
    for (std::size_t i = 0; i < fields.size(); ++i)
      for (int k = 0; k < fields[i]->levels(); ++k) {
        double* m = mean_[i].level(k);
        const double* v = fields[i]->level(k);
        const std::ptrdiff_t n = fields[i]->layout().owned();
        if (count_ == 1)
          std::copy_n(v, n, m);
        else
          for (std::ptrdiff_t p = 0; p < n; ++p) m[p] += (v[p] - m[p]) / count_;
      }
  }
  void swap_with(const std::vector<Field*>& fields) {
    for (std::size_t i = 0; i < fields.size(); ++i)
      for (int k = 0; k < fields[i]->levels(); ++k)
        std::swap_ranges(fields[i]->level(k), fields[i]->level(k) + fields[i]->layout().owned(), mean_[i].level(k));
  }

 private:
  std::vector<Field> mean_;
  int count_ = 0;
};

double worst(const std::vector<Residual>& residuals) {
  double w = 0;
  for (const Residual& r : residuals) w = std::max(w, r.absolute);
  return w;
}

constexpr double largest = 1e9;  // bound of the weight and of its inverse

// With a forward step of Lipschitz constant L relaxation r demands 1 / tau - sigma norm^2 >= L / (2 (2 - r)): beyond 3/2 steps get short for little.
constexpr double forward_relaxation = 1.5;

/// The longest s with s^2 <= product / norm^2 and w / s - s w norm^2 >= bound / 2 (Condat 2013, theorem 3.1).
double forward_step(double product, double norm_squared, double bound, double weight) {
  const double norm = std::sqrt(norm_squared), b = bound / (2 * weight * norm);
  const double s = (std::sqrt(b * b + 4) - b) / (2 * norm);  // root of 1 - s^2 norm^2 = b norm s
  return std::min(s, std::sqrt(product) / norm);
}

/// Malitsky & Pock 2018, Algorithm 1: the state of the step length between iterations.
struct LineSearch {
  double tau = 0;
  double theta = 1;
  Snapshot before;
};

}  // namespace

std::string to_string(StopReason reason) {
  switch (reason) {
    case StopReason::Converged: return "converged";
    case StopReason::IterationLimit: return "iteration_limit";
    case StopReason::Diverged: return "diverged";
  }
  return "?";
}

void PdhgParameters::validate() const {
  const auto demand = [](bool good, const char* field, const char* interval, double value) {
    if (!good) throw InputError(fmt::format("solver.{} must be {}, not {}", field, interval, value));
  };
  demand(tolerance >= 0, "tolerance", ">= 0", tolerance);
  demand(relative_tolerance >= 0 && relative_tolerance < 1, "relative_tolerance", "in [0, 1)", relative_tolerance);
  demand(max_iterations >= 1, "max_iterations", ">= 1", max_iterations);
  demand(min_iterations >= 0, "min_iterations", ">= 0", min_iterations);
  demand(check_every >= 1, "check_every", ">= 1", check_every);
  demand(step_product > 0 && 3 * step_product < 4, "step_product", "in (0, 4/3)", step_product);
  demand(step_product < 1 || relaxation == 1, "step_product", "below 1 with relaxation > 1", step_product);
  demand(weight > 0 && std::isfinite(weight), "weight", "> 0", weight);
  demand(tau > 0 && std::isfinite(tau), "tau", "> 0", tau);
  demand(sigma > 0 && std::isfinite(sigma), "sigma", "> 0", sigma);
  demand(balance_up > 1, "balance_up", "> 1", balance_up);
  demand(balance_down > 1, "balance_down", "> 1", balance_down);
  demand(balance_factor > 1, "balance_factor", "> 1", balance_factor);
  demand(balance_limit >= 1, "balance_limit", ">= 1", balance_limit);
  demand(balance_iterations >= 0, "balance_iterations", ">= 0", balance_iterations);
  demand(min_iterations >= 0, "min_iterations", ">= 0", min_iterations);
  demand(relaxation >= 1 && relaxation < 2, "relaxation", "in [1, 2)", relaxation);
  demand(restart_every >= 0, "restart_every", ">= 0", restart_every);
  if (rule == StepRule::MalitskyPock && relaxation != 1) throw InputError("solver.relaxation must be 1 with solver.steps = \"malitsky_pock\"");
}

PdhgParameters PdhgParameters::read(const Parameters& p, const PdhgParameters& defaults) {
  PdhgParameters s = defaults;
  s.tolerance = p.real("tolerance", "absolute tolerance of every residual (mean |R|, units of phi over time)", s.tolerance, Range::nonnegative());
  s.relative_tolerance =
      p.real("relative_tolerance", "tolerance relative to the scale of each residual", s.relative_tolerance, Range{0, 1, false, true});
  s.max_iterations = p.integer("max_iterations", "iterations a solve (a window) may take", s.max_iterations, Range::at_least(1));
  s.check_every = p.integer("check_every", "iterations between evaluations of the residuals", s.check_every, Range::at_least(1));
  const std::string rule = p.choice("steps", "step sizes: balanced (weight adapts to the residuals), fixed, malitsky_pock (line search)",
                                    {"balanced", "fixed", "malitsky_pock"},
                                    s.rule == StepRule::Fixed      ? "fixed"
                                    : s.rule == StepRule::Balanced ? "balanced"
                                                                   : "malitsky_pock");
  s.rule = rule == "fixed" ? StepRule::Fixed : rule == "balanced" ? StepRule::Balanced : StepRule::MalitskyPock;
  s.weight = p.real("weight", "primal weight w at the start, in units of the problem's scales: tau = s/w, sigma = s*w", s.weight, Range::positive());
  s.balance_up = p.real("balance_up", "w grows when the dual residual exceeds this times the primal one", s.balance_up, Range{1, 1e300, true, false});
  s.balance_down =
      p.real("balance_down", "w shrinks when the primal residual exceeds this times the dual one", s.balance_down, Range{1, 1e300, true, false});
  s.balance_factor = p.real("balance_factor", "factor of a change of w", s.balance_factor, Range{1, 1e300, true, false});
  s.relaxation = p.real("relaxation", "over-relaxation of both iterates", s.relaxation, Range{1, 2, false, true});
  s.step_product = p.real("step_product", "tau * sigma * |K|^2; below 1 with relaxation > 1", s.relaxation > 1 ? 0.98 : s.step_product,
                          Range{0, s.relaxation > 1 ? 1.0 : 4.0 / 3.0, true, true});
  s.restart_every =
      p.integer("restart_every", "iterations between candidate restarts at the average iterate (0: none)", s.restart_every, Range::at_least(0));
  if (s.rule == StepRule::MalitskyPock && s.relaxation != 1) p.fail("relaxation", "must be 1 with steps = \"malitsky_pock\"");
  s.validate();
  return s;
}

std::optional<StopReason> termination(const PdhgParameters& criteria, int iterations, const std::vector<Residual>& residuals) {
  bool met = true;
  for (const Residual& r : residuals) {
    if (!std::isfinite(r.absolute)) return StopReason::Diverged;
    if (!(r.absolute <= criteria.tolerance + criteria.relative_tolerance * r.scale)) met = false;
  }
  if (met && iterations >= criteria.min_iterations) return StopReason::Converged;
  if (iterations >= criteria.max_iterations) return StopReason::IterationLimit;
  return std::nullopt;
}

Pdhg::Pdhg(PdhgParameters parameters) : parameters_(parameters), weight_(parameters.weight) { parameters_.validate(); }

SolveReport Pdhg::solve(SaddlePoint& problem, const std::optional<PdhgPosition>& from) {
  const PdhgParameters& par = parameters_;
  SolveReport report;
  const std::vector<Field*> dual = problem.dual();
  std::vector<Field*> all = problem.primal();
  all.insert(all.end(), dual.begin(), dual.end());
  const bool search = par.rule == StepRule::MalitskyPock;
  const bool given = par.rule == StepRule::Given;
  if (given) weight_ = std::sqrt(par.sigma / par.tau);
  const double norm_squared = given || search ? 1.0 : problem.operator_norm_squared();
  report.step = given ? std::sqrt(par.tau * par.sigma) : std::sqrt(par.step_product / norm_squared);
  const double lipschitz = given || search ? 0 : problem.forward_lipschitz();
  const double relaxation = lipschitz > 0 ? std::min(par.relaxation, forward_relaxation) : par.relaxation;
  const double least_weight = std::max(weight_ / par.balance_limit, 1 / largest), largest_weight = std::min(weight_ * par.balance_limit, largest);
  LineSearch line;
  line.tau = report.step / weight_;
  Average average;
  const int first = from ? from->iterations : 0;
  if (from) {
    if (search || par.restart_every > 0) throw InternalError("Pdhg: an interrupted solve cannot go on with restarts or a line search");
    weight_ = from->weight;
    report.operator_passes = from->operator_passes;
    report.weight_changes = from->weight_changes;
  }

  for (int k = first;; ++k) {
    // The check with which an interrupted solve ended was done; what it saw may not be known any more.
    const bool done = from && k == first && k < par.max_iterations;
    if ((k % par.check_every == 0 || k == par.max_iterations) && !done) {
      report.residuals = problem.residuals();
      report.operator_passes += 1;
      report.iterations = k;
      const PdhgProgress progress{k, &report.residuals, weight_, report.step, report.operator_passes, report.weight_changes};
      if (monitor) monitor(progress);
      if (const std::optional<StopReason> reason = termination(par, k, report.residuals)) {
        report.reason = *reason;
        break;
      }
      if (give_up && give_up(progress)) {
        report.reason = StopReason::Diverged;
        break;
      }
      // Restart at the average where it is better: an LP-like problem spirals around its solution, the average sits in the middle (PDLP).
      if (par.restart_every > 0 && average.count() >= par.restart_every) {
        average.swap_with(all);
        const double candidate = worst(problem.residuals());
        report.operator_passes += 1;
        if (candidate < worst(report.residuals))
          ++report.restarts;
        else
          average.swap_with(all);
        average.reset();
      }
    }

    if (search) {
      line.before.take(dual);
      problem.primal_step(line.tau, 1);
      report.operator_passes += 2;
      const double beta = weight_ * weight_;
      double trial = line.tau * std::sqrt(1 + line.theta);
      double scaled = 1;
      for (int attempt = 0;; ++attempt) {
        const double theta = trial / line.tau;
        problem.scale_extrapolation(theta / scaled);
        scaled = theta;
        problem.dual_step(beta * trial, 1, false);
        const double lhs = std::sqrt(beta) * trial * problem.adjoint_distance(line.before.fields());
        const double rhs = problem.dual_distance(line.before.fields());
        report.operator_passes += 3;
        if (lhs <= 0.99 * rhs || rhs == 0 || attempt == 60 || !std::isfinite(lhs)) {
          line.theta = theta;
          line.tau = trial;
          break;
        }
        line.before.put_back(dual);
        trial *= 0.7;
      }
      report.step = line.tau * weight_;
    } else {
      if (lipschitz > 0) report.step = forward_step(par.step_product, norm_squared, lipschitz / (2 - relaxation), weight_);
      const double tau = given ? par.tau : report.step / weight_;
      const double sigma = given ? par.sigma : report.step * weight_;
      // The balance is looked at on the iteration before a check.
      const bool before_check = (k + 1) % par.check_every == 0 || k + 1 == par.max_iterations;
      const bool balance = par.rule == StepRule::Balanced && (k + 1) % par.check_every == 0 && k < par.balance_iterations;
      const bool measure = balance || (before_check && problem.measures_steps());
      problem.primal_step(tau, relaxation);
      const double primal_error = measure ? problem.primal_error(tau, relaxation) : 0;
      const double dual_error = problem.dual_step(sigma, relaxation, measure) / sigma;
      report.operator_passes += measure ? 4 : 3;
      if (balance) {
        // While a face of the dual constraint is being crossed x stands still and y moves with constant speed sigma |residual|: only a larger sigma
        // helps. The factors of one solve have a finite product, so that changes cannot go on for ever and the fixed-step theory applies in the end.
        const double factor = 1 + (par.balance_factor - 1) * std::pow(0.8, report.weight_changes);
        const double before = weight_;
        if (dual_error > par.balance_up * primal_error)
          weight_ = std::min(weight_ * factor, largest_weight);
        else if (primal_error > par.balance_down * dual_error)
          weight_ = std::max(weight_ / factor, least_weight);
        if (weight_ != before) ++report.weight_changes;
      }
    }
    if (par.restart_every > 0) average.add(all);
  }
  report.weight = weight_;
  return report;
}

}  // namespace wasserflow
