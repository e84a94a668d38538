#define BOOST_TEST_MODULE pdhg
#include <boost/test/unit_test.hpp>

#include <cmath>
#include <limits>

#include "grids/support/errors.hpp"
#include "solvers/pdhg.hpp"

using namespace wasserflow;

namespace {

/// Reproducible numbers in (-1, 1).
class Random {
 public:
  double operator()() {
    state_ += 0x9e3779b97f4a7c15u;
    std::uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return static_cast<double>((z ^ (z >> 31)) >> 11) * 0x1p-52 - 1;
  }

 private:
  std::uint64_t state_ = 1;
};

LayoutPtr line(int n) { return make_layout(MPI_COMM_SELF, Grid({{0.0, 1.0, n, Boundary::Periodic, 0.0}})); }

/// min over x, max over |y_i| <= box of <K x - b, y> + <c, x>, K dense, x in the metric p I and y in I / d, whose solution x is known: least absolute
/// deviations with box = 1 and c = 0, a bilinear game with box = infinity.
class Bilinear final : public SaddlePoint {
 public:
  Bilinear(std::vector<std::vector<double>> k, std::vector<double> b, std::vector<double> c, double box, std::vector<double> known, double p = 1,
           double d = 1)
      : k_(std::move(k)), b_(std::move(b)), c_(std::move(c)), known_(std::move(known)), box_(box), p_(p), d_(d) {
    x_ = Field(line(columns()));
    ahead_ = Field(x_.layout_ptr());
    y_ = Field(line(rows()));
  }

  std::vector<Field*> primal() override { return {&x_}; }
  std::vector<Field*> dual() override { return {&y_}; }

  /// By power iteration; a little above.
  double operator_norm_squared() override {
    std::vector<double> v(known_.size(), 1.0), w;
    v[0] = 1.5;
    double size = 0;
    for (int it = 0; it < 300; ++it) {
      w = transposed(times(v));
      size = 0;
      for (double u : w) size += u * u;
      size = std::sqrt(size);
      for (std::size_t i = 0; i < v.size(); ++i) v[i] = w[i] / size;
    }
    return 1.0001 * size * d_ / p_;
  }
  void primal_step(double tau, double relaxation) override {
    ++primal_steps;
    read_ = gradient();
    for (std::size_t i = 0; i < known_.size(); ++i) {
      const double d = -read_[i] / p_;
      x_.level()[i] += relaxation * tau * d;
      ahead_.level()[i] = x_.level()[i] + (2 - relaxation) * tau * d;
    }
  }
  double dual_step(double sigma, double relaxation, bool measure) override {
    ++dual_steps;
    const std::vector<double> kx = times({ahead_.level(), ahead_.level() + known_.size()});
    double moved = 0;
    for (std::size_t i = 0; i < b_.size(); ++i) {
      const double next = std::clamp(y_.level()[i] + sigma * d_ * (kx[i] - b_[i]), -box_, box_), step = next - y_.level()[i];
      moved += step * step / d_;
      y_.level()[i] += relaxation * step;
    }
    return measure ? std::sqrt(moved) : 0;
  }
  double primal_error(double, double) override { return size(read_) / std::sqrt(p_); }
  void scale_extrapolation(double factor) override {
    for (std::size_t i = 0; i < known_.size(); ++i) ahead_.level()[i] = x_.level()[i] + factor * (ahead_.level()[i] - x_.level()[i]);
  }
  double adjoint_distance(const std::vector<Field>& other) override {
    std::vector<double> difference(b_.size());
    for (std::size_t i = 0; i < b_.size(); ++i) difference[i] = y_.level()[i] - other[0].level()[i];
    return size(transposed(difference)) / std::sqrt(p_);
  }
  double dual_distance(const std::vector<Field>& other) override {
    double s = 0;
    for (std::size_t i = 0; i < b_.size(); ++i) s += std::pow(y_.level()[i] - other[0].level()[i], 2) / d_;
    return std::sqrt(s);
  }
  std::vector<Residual> residuals() override {
    ++residual_calls;
    double worst = 0, scale = 0;
    for (std::size_t i = 0; i < known_.size(); ++i) {
      worst = std::max(worst, std::fabs(x_.level()[i] - known_[i]));
      scale = std::max(scale, std::fabs(known_[i]));
      if (std::isnan(x_.level()[i])) worst = x_.level()[i];
    }
    return {{"distance", worst, scale}};
  }

  int primal_steps = 0, dual_steps = 0, residual_calls = 0;
  Field& x() { return x_; }

 private:
  int rows() const { return static_cast<int>(k_.size()); }
  int columns() const { return static_cast<int>(k_.front().size()); }
  static double size(const std::vector<double>& v) {
    double s = 0;
    for (double u : v) s += u * u;
    return std::sqrt(s);
  }
  std::vector<double> times(const std::vector<double>& x) const {
    std::vector<double> out(k_.size());
    for (std::size_t i = 0; i < k_.size(); ++i)
      for (std::size_t j = 0; j < x.size(); ++j) out[i] += k_[i][j] * x[j];
    return out;
  }
  std::vector<double> transposed(const std::vector<double>& y) const {
    std::vector<double> out(k_.front().size());
    for (std::size_t i = 0; i < k_.size(); ++i)
      for (std::size_t j = 0; j < out.size(); ++j) out[j] += k_[i][j] * y[i];
    return out;
  }
  std::vector<double> gradient() const {
    std::vector<double> g = transposed({y_.level(), y_.level() + k_.size()});
    for (std::size_t j = 0; j < g.size(); ++j) g[j] += c_[j];
    return g;
  }

  std::vector<std::vector<double>> k_;
  std::vector<double> b_, c_, known_, read_;
  double box_, p_, d_;
  Field x_, ahead_, y_;
};

/// Least absolute deviations: 40 equations for 5 unknowns of which 8 are grossly wrong; the others determine the answer. K is of size `scale`.
Bilinear deviations(double scale = 1, double p = 1, double d = 1) {
  Random random;
  const int rows = 40, columns = 5;
  std::vector<double> known(columns), b(rows);
  for (double& v : known) v = random();
  std::vector<std::vector<double>> k(rows, std::vector<double>(columns));
  for (int i = 0; i < rows; ++i) {
    for (int j = 0; j < columns; ++j) b[i] += (k[i][j] = scale * random()) * known[j];
    if (i % 5 == 0) b[i] += scale * 3 * random();
  }
  return {k, b, std::vector<double>(columns), 1, known, p, d};
}

/// A bilinear game with singular values from 0.03 to 1.
Bilinear game() {
  const int n = 8;
  Random random;
  std::vector<double> known(n), b(n), c(n);
  std::vector<std::vector<double>> k(n, std::vector<double>(n));
  for (int i = 0; i < n; ++i) {
    known[i] = random();
    k[i][(i + 3) % n] = std::pow(0.03, i / (n - 1.0));
    c[i] = random();
  }
  for (int i = 0; i < n; ++i) b[i] = k[i][(i + 3) % n] * known[(i + 3) % n];
  return {k, b, c, std::numeric_limits<double>::infinity(), known};
}

PdhgParameters parameters(StepRule rule, double weight = 1) {
  PdhgParameters p;
  p.rule = rule;
  p.weight = weight;
  p.tolerance = 1e-9;
  p.max_iterations = 100000;
  return p;
}

SolveReport solve(Bilinear& problem, const PdhgParameters& p) { return Pdhg(p).solve(problem); }

}  // namespace

BOOST_AUTO_TEST_CASE(every_rule_finds_the_known_answer) {
  for (const auto& [scale, p, d] : {std::array{1.0, 1.0, 1.0}, std::array{1e3, 1.0, 1.0}, std::array{1.0, 7.0, 0.02}})
    for (StepRule rule : {StepRule::Fixed, StepRule::Balanced, StepRule::MalitskyPock})
      for (double relaxation : {1.0, 1.6}) {
        if (rule == StepRule::MalitskyPock && relaxation != 1) continue;
        Bilinear problem = deviations(scale, p, d);
        PdhgParameters par = parameters(rule, std::sqrt(p / d));
        par.relaxation = relaxation;
        if (relaxation > 1) par.step_product = 0.98;
        const SolveReport report = solve(problem, par);
        BOOST_TEST_MESSAGE("scale " << scale << " rule " << int(rule) << " relaxation " << relaxation << ": " << report.iterations);
        BOOST_TEST((report.reason == StopReason::Converged));
        BOOST_TEST(report.residuals.front().absolute <= 1e-9);
        BOOST_TEST(report.iterations < 5000);
      }
}

BOOST_AUTO_TEST_CASE(steps_at_the_bound_of_the_norm_converge_and_beyond_it_do_not) {
  PdhgParameters p = parameters(StepRule::Fixed);
  for (double product : {0.999, 1.33}) {
    p.step_product = product;
    Bilinear good = game();
    BOOST_TEST((solve(good, p).reason == StopReason::Converged));
  }
  /// The same problem telling a norm that is too small by 2.
  class Lying final : public SaddlePoint {
   public:
    explicit Lying(Bilinear& of) : of_(of) {}
    std::vector<Field*> primal() override { return of_.primal(); }
    std::vector<Field*> dual() override { return of_.dual(); }
    double operator_norm_squared() override { return of_.operator_norm_squared() / 4; }
    void primal_step(double t, double r) override { of_.primal_step(t, r); }
    double dual_step(double s, double r, bool m) override { return of_.dual_step(s, r, m); }
    double primal_error(double t, double r) override { return of_.primal_error(t, r); }
    void scale_extrapolation(double f) override { of_.scale_extrapolation(f); }
    double adjoint_distance(const std::vector<Field>& y) override { return of_.adjoint_distance(y); }
    double dual_distance(const std::vector<Field>& y) override { return of_.dual_distance(y); }
    std::vector<Residual> residuals() override { return of_.residuals(); }

   private:
    Bilinear& of_;
  };
  Bilinear bad = game();
  Lying lying(bad);
  BOOST_TEST((Pdhg(p).solve(lying).reason == StopReason::Diverged));
}

BOOST_AUTO_TEST_CASE(the_weight_finds_its_way_from_far_off) {
  for (double weight : {1e-4, 1e4}) {
    Bilinear fixed = deviations(), balanced = deviations();
    PdhgParameters p = parameters(StepRule::Fixed, weight);
    p.max_iterations = 600;
    BOOST_TEST((solve(fixed, p).reason == StopReason::IterationLimit));
    p.rule = StepRule::Balanced;
    p.max_iterations = 300;
    Pdhg engine(p);
    const SolveReport report = engine.solve(balanced);
    BOOST_TEST_MESSAGE("weight " << weight << " -> " << report.weight << ": " << report.iterations << " iterations, " << report.weight_changes
                                 << " changes");
    BOOST_TEST((report.reason == StopReason::Converged));
    BOOST_TEST(report.weight_changes > 0);
    BOOST_TEST((weight < 1 ? report.weight > 10 * weight : report.weight < weight / 10));
    BOOST_TEST(engine.weight() == report.weight);  // the next solve starts with it
  }
}

// Malitsky & Pock 2018, Lemma 3.3: a step that is accepted is at least mu delta / |K| or the first one; here mu = 0.7, delta = 0.99.
BOOST_AUTO_TEST_CASE(the_line_search_needs_no_norm_and_keeps_its_bound) {
  for (double scale : {1e-3, 1.0, 1e3}) {
    Bilinear problem = deviations(scale);
    PdhgParameters p = parameters(StepRule::MalitskyPock);
    p.check_every = 1;
    const double bound = 0.7 * 0.99 / std::sqrt(problem.operator_norm_squared() / 1.0001), first = std::sqrt(p.step_product);
    Pdhg engine(p);
    double smallest = std::numeric_limits<double>::infinity();
    engine.monitor = [&](const PdhgProgress& at) { smallest = std::min(smallest, at.step); };
    const SolveReport report = engine.solve(problem);
    BOOST_TEST_MESSAGE("scale " << scale << ": " << report.iterations << " iterations, smallest step " << smallest << ", bound " << bound);
    BOOST_TEST((report.reason == StopReason::Converged));
    BOOST_TEST(smallest >= 0.9999 * std::min(bound, first));
  }
}

BOOST_AUTO_TEST_CASE(restarts_at_the_average_end_the_spiral_of_a_game) {
  Bilinear plain = game(), restarted = game();
  PdhgParameters p = parameters(StepRule::Fixed);
  const SolveReport without = solve(plain, p);
  p.restart_every = 100;
  const SolveReport with = solve(restarted, p);
  BOOST_TEST_MESSAGE(without.iterations << " iterations without, " << with.iterations << " with " << with.restarts << " restarts");
  BOOST_TEST((without.reason == StopReason::Converged));
  BOOST_TEST((with.reason == StopReason::Converged));
  BOOST_TEST(with.restarts > 0);
  BOOST_TEST(without.restarts == 0);
  BOOST_TEST(2 * with.iterations < without.iterations);
}

BOOST_AUTO_TEST_CASE(termination_is_a_function_of_residuals_and_limits) {
  PdhgParameters p;
  p.tolerance = 1e-3;
  p.relative_tolerance = 0;
  p.max_iterations = 10;
  const double nan = std::nan(""), infinity = std::numeric_limits<double>::infinity();
  BOOST_TEST((termination(p, 3, {{"a", 1e-3, 1}}) == StopReason::Converged));
  BOOST_TEST((termination(p, 3, {{"a", 1.01e-3, 1}}) == std::nullopt));
  BOOST_TEST((termination(p, 3, {{"a", 1e-4, 1}, {"b", 1, 1}}) == std::nullopt));
  BOOST_TEST((termination(p, 10, {{"a", 1, 1}}) == StopReason::IterationLimit));
  BOOST_TEST((termination(p, 10, {{"a", 1e-4, 1}}) == StopReason::Converged));
  BOOST_TEST((termination(p, 3, {{"a", 1e-4, 1}, {"b", nan, 1}}) == StopReason::Diverged));
  BOOST_TEST((termination(p, 10, {{"a", infinity, 1}}) == StopReason::Diverged));
  p.relative_tolerance = 0.1;  // tolerance + 0.1 scale
  BOOST_TEST((termination(p, 3, {{"a", 0.2009, 2}}) == StopReason::Converged));
  BOOST_TEST((termination(p, 3, {{"a", 0.2011, 2}}) == std::nullopt));
  BOOST_TEST((termination(p, 3, {{"a", 0.2009, 2}, {"b", 0.2009, 1}}) == std::nullopt));
  BOOST_TEST(to_string(StopReason::Converged) == "converged");
  BOOST_TEST(to_string(StopReason::IterationLimit) == "iteration_limit");
  BOOST_TEST(to_string(StopReason::Diverged) == "diverged");

  PdhgParameters patient;
  patient.min_iterations = 20;
  const std::vector<Residual> met{{"small", 0.1 * patient.tolerance, 1}};
  BOOST_TEST(!termination(patient, 15, met).has_value());
  BOOST_TEST((termination(patient, 20, met) == StopReason::Converged));
}

BOOST_AUTO_TEST_CASE(bad_parameters_are_named_with_their_interval) {
  const double nan = std::nan("");
  const auto named = [](auto change, const std::string& field, const std::string& interval) {
    PdhgParameters p;
    change(p);
    BOOST_CHECK_EXCEPTION(Pdhg{p}, InputError, [&](const InputError& e) {
      const std::string text = e.what();
      return text.find("solver." + field + " must be " + interval) != std::string::npos;
    });
  };
  named([](auto& p) { p.tolerance = -1; }, "tolerance", ">= 0");
  named([&](auto& p) { p.tolerance = nan; }, "tolerance", ">= 0");
  named([](auto& p) { p.relative_tolerance = 1; }, "relative_tolerance", "in [0, 1)");
  named([](auto& p) { p.max_iterations = 0; }, "max_iterations", ">= 1");
  named([](auto& p) { p.check_every = 0; }, "check_every", ">= 1");
  named([](auto& p) { p.step_product = 4.0 / 3; }, "step_product", "in (0, 4/3)");
  named([](auto& p) { p.step_product = 0; }, "step_product", "in (0, 4/3)");
  named([](auto& p) { p.step_product = 1, p.relaxation = 1.5; }, "step_product", "below 1 with relaxation");
  named([](auto& p) { p.weight = 0; }, "weight", "> 0");
  named([&](auto& p) { p.weight = nan; }, "weight", "> 0");
  named([](auto& p) { p.balance_up = 1; }, "balance_up", "> 1");
  named([](auto& p) { p.balance_down = 0.5; }, "balance_down", "> 1");
  named([](auto& p) { p.balance_factor = 1; }, "balance_factor", "> 1");
  named([](auto& p) { p.balance_limit = 0.5; }, "balance_limit", ">= 1");
  named([](auto& p) { p.balance_iterations = -1; }, "balance_iterations", ">= 0");
  named([](auto& p) { p.relaxation = 2, p.step_product = 0.9; }, "relaxation", "in [1, 2)");
  named([](auto& p) { p.relaxation = 0.9, p.step_product = 0.9; }, "relaxation", "in [1, 2)");
  named([](auto& p) { p.restart_every = -1; }, "restart_every", ">= 0");
  named([](auto& p) { p.rule = StepRule::MalitskyPock, p.relaxation = 1.5, p.step_product = 0.9; }, "relaxation", "1 with");
  BOOST_CHECK_NO_THROW(PdhgParameters{}.validate());
}

BOOST_AUTO_TEST_CASE(an_interrupted_solve_goes_on_with_the_same_bits) {
  for (StepRule rule : {StepRule::Fixed, StepRule::Balanced}) {
    PdhgParameters p = parameters(rule, 1e-3);
    p.max_iterations = 400;
    Bilinear straight = deviations(), interrupted = deviations();
    Pdhg whole(p), first(p), second(p);
    std::vector<int> seen, seen_in_parts;
    PdhgPosition position;
    const auto watch = [&position](std::vector<int>& to) {
      return [&position, &to](const PdhgProgress& at) {
        to.push_back(at.iteration);
        position = {at.iteration, at.weight, at.operator_passes, at.weight_changes};
      };
    };
    whole.monitor = watch(seen);
    const SolveReport expected = whole.solve(straight);
    first.monitor = second.monitor = watch(seen_in_parts);
    first.give_up = [](const PdhgProgress& at) { return at.iteration == 85; };
    BOOST_TEST((first.solve(interrupted).reason == StopReason::Diverged));
    BOOST_TEST(position.iterations == 85);
    if (rule == StepRule::Balanced) BOOST_TEST(position.weight_changes > 0);
    const SolveReport found = second.solve(interrupted, position);
    BOOST_TEST(found.iterations == expected.iterations);
    BOOST_TEST(found.operator_passes == expected.operator_passes);
    BOOST_TEST(found.weight == expected.weight);
    BOOST_TEST(found.weight_changes == expected.weight_changes);
    BOOST_TEST(seen_in_parts == seen, boost::test_tools::per_element());
    for (std::size_t i = 0; i < straight.x().owned().size(); ++i) BOOST_TEST(interrupted.x().level()[i] == straight.x().level()[i]);
  }
  PdhgParameters p = parameters(StepRule::MalitskyPock);
  Bilinear problem = deviations();
  BOOST_CHECK_THROW((void)Pdhg(p).solve(problem, PdhgPosition{}), InternalError);
}

BOOST_AUTO_TEST_CASE(reports_count_what_was_done_and_monitors_see_every_check) {
  Bilinear problem = deviations();
  PdhgParameters p = parameters(StepRule::Fixed);
  p.max_iterations = 23;
  p.check_every = 10;
  Pdhg engine(p);
  std::vector<int> seen;
  engine.monitor = [&](const PdhgProgress& at) {
    seen.push_back(at.iteration);
    BOOST_TEST(at.residuals->size() == 1u);
    BOOST_TEST(at.weight == 1.0);
  };
  const SolveReport report = engine.solve(problem);
  BOOST_TEST((report.reason == StopReason::IterationLimit));
  BOOST_TEST(seen == (std::vector<int>{0, 10, 20, 23}), boost::test_tools::per_element());
  BOOST_TEST(report.iterations == 23);
  BOOST_TEST(problem.primal_steps == 23);
  BOOST_TEST(problem.dual_steps == 23);
  BOOST_TEST(problem.residual_calls == 4);
  BOOST_TEST(report.operator_passes == 23 * 3 + 4);  // K^T, P^{-1}, K an iteration; K a check
  BOOST_TEST(report.step == std::sqrt(p.step_product / problem.operator_norm_squared()));

  // Nothing is done where the start is the answer.
  PdhgParameters loose = p;
  loose.tolerance = 10;
  Bilinear solved = deviations();
  const SolveReport none = solve(solved, loose);
  BOOST_TEST((none.reason == StopReason::Converged));
  BOOST_TEST(none.iterations == 0);
  BOOST_TEST(solved.primal_steps == 0);

  Bilinear broken = deviations();
  broken.x().level()[2] = std::nan("");
  BOOST_TEST((solve(broken, p).reason == StopReason::Diverged));
}

namespace {

/// min over x of L/2 (x - a)^2, taken explicitly, + (x - b)^2/2: x = (L a + b) / (L + 1). Its residuals are seen by measured steps only.
class ForwardTerm final : public SaddlePoint {
 public:
  ForwardTerm(double lipschitz, double a, double b) : lipschitz_(lipschitz), a_(a), b_(b), x_(line(1)), y_(line(1)) {}
  std::vector<Field*> primal() override { return {&x_}; }
  std::vector<Field*> dual() override { return {&y_}; }
  double operator_norm_squared() override { return 1; }
  double forward_lipschitz() override { return lipschitz_; }
  bool measures_steps() const override { return true; }
  void primal_step(double tau, double relaxation) override {
    measured_ = false;
    const double d = -(y() + lipschitz_ * (x() - a_));
    ahead_ = x() + 2 * tau * d;
    x_.level()[0] += relaxation * tau * d;
    largest_tau = std::max(largest_tau, tau);
    largest_relaxation = std::max(largest_relaxation, relaxation);
  }
  double primal_error(double tau, double relaxation) override { return primal_ = std::fabs(ahead_ - x()) / (tau * (2 - relaxation)); }
  double dual_step(double sigma, double relaxation, bool measure) override {
    const double next = (y() + sigma * (ahead_ - b_)) / (1 + sigma), change = next - y();
    y_.level()[0] += relaxation * change;
    dual_ = std::fabs(change) / sigma;
    measured_ = measure;
    ++steps;
    return std::fabs(change);
  }
  std::vector<Residual> residuals() override {
    if (steps > 0) BOOST_TEST(measured_);
    return {{"primal", steps > 0 ? primal_ : 1}, {"dual", steps > 0 ? dual_ : 1}};
  }
  double x() const { return x_.level()[0]; }
  double y() const { return y_.level()[0]; }
  double largest_tau = 0, largest_relaxation = 0;
  int steps = 0;

 private:
  double lipschitz_, a_, b_, ahead_ = 0, primal_ = 1, dual_ = 1;
  bool measured_ = false;
  Field x_, y_;
};

}  // namespace

// Steps are cut so that 1/tau - sigma >= L / (2 (2 - relaxation)); with tau = sigma = 1 the forward step would diverge.
BOOST_AUTO_TEST_CASE(forward_steps) {
  for (double weight : {1.0, 3.0, 10.0}) {
    ForwardTerm problem(50, 2, -1);
    PdhgParameters p;
    p.tolerance = 1e-10;
    p.rule = StepRule::Fixed;
    p.weight = weight;
    p.relaxation = 1.9;
    p.step_product = 0.99;
    p.check_every = 7;
    const SolveReport report = Pdhg(p).solve(problem);
    BOOST_TEST((report.reason == StopReason::Converged));
    BOOST_TEST(std::fabs(problem.x() - 99.0 / 51) < 1e-9);
    const double tau = problem.largest_tau, sigma = tau * weight * weight;
    BOOST_TEST(problem.largest_relaxation == 1.5);
    BOOST_TEST(1 / tau - sigma >= 50 / (2 * 0.5) * (1 - 1e-12));
  }
}

BOOST_AUTO_TEST_CASE(measured_at_the_last_iteration_and_bounded_balance) {
  ForwardTerm problem(0, 0, 3);
  PdhgParameters p;
  p.tolerance = 0;
  p.max_iterations = 23;  // no multiple of check_every
  p.balance_up = p.balance_down = 1.01;
  p.balance_limit = 1.5;
  p.weight = 5;
  SolveReport report = Pdhg(p).solve(problem);
  BOOST_TEST(report.iterations == 23);
  BOOST_TEST(report.weight_changes > 0);
  BOOST_TEST(report.weight <= 7.5 * (1 + 1e-15));
  BOOST_TEST(report.weight >= 5 / 1.5 * (1 - 1e-15));
  ForwardTerm again(0, 0, 3);
  p.balance_iterations = 0;
  report = Pdhg(p).solve(again);
  BOOST_TEST(report.weight_changes == 0);
}
