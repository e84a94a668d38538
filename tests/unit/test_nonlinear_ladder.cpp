// ranks: 1 2 4
// timeout: 60
#define BOOST_TEST_MODULE nonlinear_ladder
#include <boost/test/unit_test.hpp>
#include <deque>

#include "grids/reduce.hpp"
#include "grids/support/errors.hpp"
#include "solvers/nonlinear_solver.hpp"
#include "tests/support/phase_examples.hpp"

using namespace wasserflow;
using namespace wasserflow::test;

namespace {

/// What the ladder did with a scripted rung.
struct Log {
  std::vector<std::string> calls;
  std::vector<double> first_value;  ///< of U at the start of each call
};

/// Fails or converges by a list of outcomes (the last one stands for all that follow) and leaves a mark in U.
class Scripted final : public NonlinearSolver {
 public:
  Scripted(std::string name, Log& log, double mark, std::deque<StopReason> outcomes)
      : name_(std::move(name)), log_(log), mark_(mark), outcomes_(std::move(outcomes)) {}
  const std::string& name() const override { return name_; }
  const std::vector<NonlinearReport>& attempts() const override { return attempts_; }
  NonlinearReport solve(StepSystem&, Field& U) override {
    log_.calls.push_back(name_);
    log_.first_value.push_back(U.level()[0]);
    U.fill(mark_);
    NonlinearReport r;
    r.method = name_;
    r.reason = outcomes_.front();
    if (outcomes_.size() > 1) outcomes_.pop_front();
    r.iterations = 3;
    r.transform_pairs = 5;
    r.evaluations = 7;
    r.residual = mark_;
    attempts_.assign(1, r);
    ++solves_;
    return r;
  }
  std::map<std::string, double> state() const override { return {{"solves", static_cast<double>(solves_)}}; }
  void restore(const std::map<std::string, double>& s) override { solves_ = static_cast<int>(s.at("solves")); }

 private:
  std::string name_;
  Log& log_;
  double mark_;
  std::deque<StopReason> outcomes_;
  std::vector<NonlinearReport> attempts_;
  int solves_ = 0;
};

constexpr StopReason good = StopReason::Converged, limit = StopReason::IterationLimit, bad = StopReason::Diverged;

struct Bench {
  PhaseExample example = allen_cahn_example();
  LayoutPtr layout = phase_layout(example, 16);
  StepSystem system{make_evolution_operator(example.equation, layout), 1};
  Field U{layout};
  Log log;
  void set(double tau) { system.set(U, tau, std::vector<double>{tau}); }
  NonlinearSolverPtr ladder(std::deque<StopReason> first, std::deque<StopReason> second, std::deque<StopReason> third = {good}) {
    std::vector<NonlinearSolverPtr> rungs;
    rungs.push_back(std::make_unique<Scripted>("first", log, 1, first));
    rungs.push_back(std::make_unique<Scripted>("second", log, 2, second));
    rungs.push_back(std::make_unique<Scripted>("third", log, 3, third));
    return make_ladder(std::move(rungs));
  }
};

}  // namespace

BOOST_AUTO_TEST_CASE(first_rung_that_converges_answers) {
  Bench b;
  b.set(0.001);
  b.U.fill(0.25);
  NonlinearSolverPtr ladder = b.ladder({bad}, {good});
  const NonlinearReport r = ladder->solve(b.system, b.U);
  BOOST_TEST((r.reason == StopReason::Converged));
  BOOST_TEST(r.method == "second");
  BOOST_TEST(b.U.level()[0] == 2.0);
  // Both started from the same guess; the report has the work of both, the attempts have each.
  BOOST_TEST(b.log.first_value == (std::vector<double>{0.25, 0.25}), boost::test_tools::per_element());
  BOOST_TEST(r.iterations == 6);
  BOOST_TEST(r.transform_pairs == 10);
  BOOST_TEST(r.evaluations == 14);
  BOOST_REQUIRE(ladder->attempts().size() == 2u);
  BOOST_TEST(ladder->attempts()[0].method == "first");
  BOOST_TEST((ladder->attempts()[0].reason == StopReason::Diverged));
}

BOOST_AUTO_TEST_CASE(when_all_fail_the_least_residual_is_the_answer) {
  Bench b;
  b.set(0.001);
  NonlinearSolverPtr ladder = b.ladder({limit}, {bad}, {limit});
  const NonlinearReport r = ladder->solve(b.system, b.U);
  BOOST_TEST((r.reason == StopReason::IterationLimit));
  BOOST_TEST(r.method == "first");
  BOOST_TEST(b.U.level()[0] == 1.0);
  BOOST_TEST(r.residual == 1.0);
  BOOST_TEST(ladder->attempts().size() == 3u);
  NonlinearSolverPtr hopeless = b.ladder({bad}, {bad}, {bad});
  BOOST_TEST((hopeless->solve(b.system, b.U).reason == StopReason::Diverged));
}

BOOST_AUTO_TEST_CASE(a_rung_that_keeps_failing_is_left_out_for_a_while) {
  Bench b;
  b.set(0.001);
  NonlinearSolverPtr ladder = b.ladder({bad}, {good});
  const auto tried = [&] {
    b.log.calls.clear();
    (void)ladder->solve(b.system, b.U);
    return b.log.calls.front() == "first";
  };
  // Failures at the solves 1, 2, then pauses of 2, 4, 8.
  std::string history;
  for (int i = 0; i < 20; ++i) history += tried() ? 'x' : '.';
  BOOST_TEST(history == "xx..x....x........x.");
  // A smaller step starts anew.
  b.set(0.0005);
  BOOST_TEST(tried());
  BOOST_TEST(tried());
  BOOST_TEST(!tried());
}

BOOST_AUTO_TEST_CASE(a_rung_left_out_is_tried_last_when_all_else_fails) {
  Bench b;
  b.set(0.001);
  NonlinearSolverPtr ladder = b.ladder({bad, bad, good}, {good, good, bad}, {bad});
  for (int i = 0; i < 2; ++i) (void)ladder->solve(b.system, b.U);
  b.log.calls.clear();
  const NonlinearReport r = ladder->solve(b.system, b.U);
  BOOST_TEST(b.log.calls == (std::vector<std::string>{"second", "third", "first"}), boost::test_tools::per_element());
  BOOST_TEST(r.method == "first");
}

BOOST_AUTO_TEST_CASE(state_restores_what_was_learnt) {
  Bench b;
  b.set(0.001);
  NonlinearSolverPtr ladder = b.ladder({bad}, {good});
  for (int i = 0; i < 3; ++i) (void)ladder->solve(b.system, b.U);
  const std::map<std::string, double> state = ladder->state();
  BOOST_TEST(state.at("rung0.failures") == 2);
  BOOST_TEST(state.at("rung0.pause") == 1);
  BOOST_TEST(state.at("rung1.solves") == 3);
  NonlinearSolverPtr again = b.ladder({bad}, {good});
  again->restore(state);
  BOOST_TEST(again->state() == state);
  b.log.calls.clear();
  (void)again->solve(b.system, b.U);
  (void)again->solve(b.system, b.U);
  BOOST_TEST(b.log.calls == (std::vector<std::string>{"second", "first", "second"}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(read_by_name) {
  for (const auto& [name, doc] : nonlinear_solver_names()) {
    const ProblemFile file = ProblemFile::parse("[solver]\nmethod = \"" + name + "\"\ntolerance = 1e-7\nmax_iterations = 77\n", "test.toml");
    const NonlinearSolverPtr solver = read_nonlinear_solver(file.root().table("solver", "solver"));
    BOOST_TEST(!doc.empty());
    BOOST_TEST(!solver->name().empty());
    if (name != "pdhg-published") BOOST_TEST(solver->name() == name);
    file.check_all_used();
  }
  const auto refused = [](const std::string& text) {
    const ProblemFile file = ProblemFile::parse("[solver]\n" + text, "test.toml");
    BOOST_CHECK_THROW((void)read_nonlinear_solver(file.root().table("solver", "solver")), InputError);
  };
  refused("method = \"newton\"");
  refused("tolerance = 0.0");
  refused("max_iterations = 0");
  refused("memory = 0");
  refused("first = \"descent\"");
}
