// timeout: 60
// Which states are saved, and where steps must end.
#define BOOST_TEST_MODULE save_plan
#include <boost/test/unit_test.hpp>

#include "apps/run/save_plan.hpp"

using namespace wasserflow;

namespace {

SavePlan plan(const std::string& keys, double final) {
  const ProblemFile file = ProblemFile::parse("[output]\n" + keys, "p.toml");
  return SavePlan(file.root().table("output", ""), final);
}

/// Times saved by steps of size dt that end where the plan says.
std::vector<double> saved(const SavePlan& p, double dt, int block = 1) {
  std::vector<double> out;
  double t = 0;
  for (long long step = block; !p.finished(t) && step < 10000; step += block) {
    const double before = t, end = p.next(t);
    BOOST_TEST(end > t);
    t = std::min(t + block * dt, end);
    if (end - t < 1e-9) t = end;
    if (p.due(step, block, before, t)) out.push_back(t);
  }
  return out;
}

void same(const std::vector<double>& a, const std::vector<double>& b) {
  BOOST_TEST_REQUIRE(a.size() == b.size());
  for (std::size_t i = 0; i < a.size(); ++i) BOOST_TEST(a[i] == b[i], boost::test_tools::tolerance(1e-12));
}

}  // namespace

BOOST_AUTO_TEST_CASE(steps_end_at_the_times_that_are_asked_for) {
  same(saved(plan("interval = 0.3", 1), 0.07), {0.3, 0.6, 0.9, 1.0});
  same(saved(plan("interval = 0.1", 1), 0.1), {0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0});
  same(saved(plan("times = [0.25, 0.5]", 1), 0.1), {0.25, 0.5, 1.0});
  same(saved(plan("times = [0.25, 1.0]", 1), 0.1), {0.25, 1.0});
}

BOOST_AUTO_TEST_CASE(no_step_is_cut_by_counts_and_by_default) {
  same(saved(plan("every = 4", 1), 0.1), {0.4, 0.8, 1.0});
  same(saved(plan("every = 4", 1), 0.1, 3), {0.6, 0.9, 1.0});  // blocks of three: after the step that reaches or passes the count
  same(saved(plan("", 1), 0.04), {0.12, 0.2, 0.32, 0.4, 0.52, 0.6, 0.72, 0.8, 0.92, 1.0});
  same(saved(plan("", 1), 0.4), {0.4, 0.8, 1.0});
}

BOOST_AUTO_TEST_CASE(a_restart_goes_on_with_the_same_times) {
  const SavePlan p = plan("interval = 0.3", 100);
  double t = 0;
  for (int k = 1; k <= 333; ++k) {
    t = p.next(t);
    BOOST_TEST(t == 0.3 * k, boost::test_tools::tolerance(1e-14));
    BOOST_TEST(p.due(k, 1, t - 0.1, t));
    BOOST_TEST(!p.due(k, 1, t - 0.2, t - 0.1));
  }
  BOOST_TEST(p.next(t) == 100);
}
