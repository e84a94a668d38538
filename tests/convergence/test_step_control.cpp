// ranks: 1 2
// timeout: 120
#define BOOST_TEST_MODULE step_control
#include <boost/test/unit_test.hpp>

#include "tests/support/phase_fields.hpp"

using namespace wasserflow;
using std::numbers::pi;

namespace {

const double b = 2;  // u' = -b (u^3 - u) for fields without gradients

TimeParameters parameters(const std::string& method, double dt) {
  TimeParameters p;
  p.method = method;
  p.dt = dt;
  return p;
}

std::unique_ptr<TimeStepper> make(const ReactionDiffusionEquation& equation, const TimeParameters& p, std::unique_ptr<test::Picard> solver,
                                  const std::function<double(double, double, double)>& initial) {
  const LayoutPtr layout = make_layout(MPI_COMM_WORLD, test::box(1, 16, 2));
  return make_time_stepper(p, make_evolution_operator(equation, layout), std::move(solver), test::make_field(layout, initial));
}

void fail(NonlinearReport& r, StopReason reason) {
  r.reason = reason;
  r.residual = 1;
}

double wave(double x, double, double) { return 0.2 + 0.5 * std::cos(pi * x); }

/// u(t) of u' = b (u - u^3) from u0 and its derivatives.
struct Scalar {
  double u, d1, d2, d3;
  explicit Scalar(double u0, double t) {
    const double e = std::exp(2 * b * t);
    u = u0 * std::exp(b * t) / std::sqrt(1 - u0 * u0 + u0 * u0 * e);
    const double f = b * (u - u * u * u), fu = b * (1 - 3 * u * u), fuu = -6 * b * u;
    d1 = f;
    d2 = fu * f;
    d3 = (fuu * f + fu * fu) * f;
  }
};

/// Solution of u - known + tau b (u^3 - u) = 0 near known.
double implicit(double known, double tau) {
  double u = known;
  for (int k = 0; k < 50; ++k) u -= (u - known + tau * b * (u * u * u - u)) / (1 + tau * b * (3 * u * u - 1));
  return u;
}

/// Steps with ratios 1, 1.3, 0.7, ... forced by the ends of advance.
std::vector<double> irregular(double dt, int n) {
  std::vector<double> t{0};
  for (int k = 0; k < n; ++k) t.push_back(t.back() + dt * (k % 3 == 0 ? 1 : k % 3 == 1 ? 1.3 : 0.8));
  return t;
}

double estimate(const std::string& method, double dt, bool variable, double* end, double* before, double* last) {
  TimeParameters p = parameters(method, 2 * dt);
  p.adaptive = {.on = true, .tolerance = 1, .smallest = dt * 1e-3, .largest = 2 * dt};
  const auto stepper = make(test::allen_cahn(0.1, b), p, std::make_unique<test::Picard>(1e-11), [](double, double, double) { return 0.3; });
  std::vector<double> times = irregular(dt, 20);
  if (!variable)
    for (std::size_t k = 0; k < times.size(); ++k) times[k] = dt * static_cast<double>(k);
  double seen = 0;
  for (std::size_t k = 1; k < times.size(); ++k) {
    const StepReport r = stepper->advance(times[k]);
    BOOST_TEST(stepper->time() == times[k]);
    seen = r.error_estimate;
  }
  *end = times.back();
  *last = times.back() - times[times.size() - 2];
  *before = times[times.size() - 2] - times[times.size() - 3];
  return seen;
}

}  // namespace

// Spatially constant fields are scalar equations, whose local errors are known.
BOOST_AUTO_TEST_CASE(error_estimates_are_asymptotically_right) {
  for (const bool variable : {false, true})
    for (const double dt : {4e-3, 2e-3}) {
      double end, before, last;
      const double euler = estimate("implicit_euler", dt, variable, &end, &before, &last);
      {  // local error of the last step
        const Scalar from(0.3, end - last), to(0.3, end);
        BOOST_TEST(std::fabs(euler / std::fabs(implicit(from.u, last) - to.u) - 1) < 10 * dt);
      }
      const double bdf2 = estimate("bdf2", dt, variable, &end, &before, &last);
      {
        const Scalar first(0.3, end - last - before), from(0.3, end - last), to(0.3, end);
        const double w = last / before, d = 1 / (1 + 2 * w);
        const double u = implicit((1 + w) * (1 + w) * d * from.u - w * w * d * first.u, last * (1 + w) * d);
        BOOST_TEST(std::fabs(bdf2 / std::fabs(u - to.u) - 1) < 30 * dt);
      }
      const double sdirk2 = estimate("sdirk2", dt, variable, &end, &before, &last);
      {  // distance between the two solutions of the pair
        const double g = 1 - std::sqrt(0.5), from = Scalar(0.3, end - last).u;
        const double u1 = implicit(from, g * last), f1 = b * (u1 - u1 * u1 * u1), u2 = implicit(from + (1 - g) * last * f1, g * last);
        const double f2 = b * (u2 - u2 * u2 * u2), embedded = 2 - 1.25 * std::sqrt(2.0);
        BOOST_TEST(std::fabs(sdirk2 / std::fabs(u2 - from - last * ((1 - embedded) * f1 + embedded * f2)) - 1) < 20 * dt);
      }
    }
}

// The error at the end follows the tolerance, and steps grow as the solution settles.
BOOST_AUTO_TEST_CASE(adaptive_steps_follow_the_tolerance) {
  for (const char* method : {"implicit_euler", "bdf2", "sdirk2"}) {
    double last_error = 1;
    for (const double tolerance : {1e-3, 1e-5}) {
      TimeParameters p = parameters(method, 1e-4);
      p.adaptive = {.on = true, .tolerance = tolerance};
      const auto stepper = make(test::allen_cahn(0.1, b), p, std::make_unique<test::Picard>(1e-10), [](double, double, double) { return 0.1; });
      double worst = 0, largest = 0;
      int steps = 0;
      for (const double end : {0.7, 1.5, 6.0})
        while (stepper->time() < end) {
          const StepReport r = stepper->advance(end);
          BOOST_TEST(r.converged);
          BOOST_TEST((std::isnan(r.error_estimate) || r.error_estimate <= 1));
          worst = std::max(worst, std::fabs(stepper->state().owned()[0] - Scalar(0.1, r.t).u));
          largest = std::max(largest, r.dt);
          ++steps;
        }
      BOOST_TEST_CONTEXT(method << " tolerance " << tolerance << ": " << steps << " steps, error " << worst << ", largest " << largest)
      BOOST_TEST((worst < 250 * tolerance && worst < 0.3 * last_error && largest > 50 * p.dt && steps < 1500));
      last_error = worst;
    }
  }
}

BOOST_AUTO_TEST_CASE(blocks_of_adaptive_steps) {
  TimeParameters p = parameters("implicit_euler", 1e-3);
  p.block = 4;
  p.adaptive = {.on = true, .tolerance = 1e-4, .largest = 0.1};
  const auto stepper = make(test::allen_cahn(0.1, b), p, std::make_unique<test::Picard>(1e-10), [](double, double, double) { return 0.1; });
  double largest = 0, worst = 0;
  for (const double end : {0.5, 3.0})
    while (stepper->time() < end) {
      const StepReport r = stepper->advance(end);
      BOOST_TEST((r.converged && r.steps <= 4 && r.dt <= 0.1 && r.t <= end && (std::isnan(r.error_estimate) || r.error_estimate <= 1)));
      largest = std::max(largest, r.dt);
      worst = std::max(worst, std::fabs(stepper->state().owned()[0] - Scalar(0.1, r.t).u));
    }
  BOOST_TEST((stepper->time() == 3.0 && largest > 0.02 && worst < 0.03));
}

BOOST_AUTO_TEST_CASE(steps_with_too_large_errors_are_repeated) {
  TimeParameters p = parameters("implicit_euler", 0.05);
  p.adaptive = {.on = true, .tolerance = 1e-5};
  const auto stepper = make(test::allen_cahn(0.1, b), p, std::make_unique<test::Picard>(1e-10), wave);
  int rejections = 0;
  std::string why;
  for (const StepReport& r : test::run(*stepper, 1)) {
    rejections += r.rejections;
    if (r.rejections > 0) why = r.why;
    BOOST_TEST((std::isnan(r.error_estimate) || r.error_estimate <= 1));
  }
  BOOST_TEST((rejections > 0 && why == "error"));

  // Not below the smallest step, and not in silence.
  p.adaptive = {.on = true, .tolerance = 1e-12, .smallest = 1e-3};
  const auto bounded = make(test::allen_cahn(0.1, b), p, std::make_unique<test::Picard>(1e-10), wave);
  const std::vector<StepReport> reports = test::run(*bounded, 0.1);
  BOOST_TEST(std::count_if(reports.begin(), reports.end(), [](const StepReport& r) { return !r.converged && !r.diverged && r.why == "error"; }) > 10);
}

// A solver that fails beyond a step size: halved steps stand on bisections of the grid, and the grid points are reached.
BOOST_AUTO_TEST_CASE(failed_solves_halve_the_step) {
  for (const char* how : {"solver", "domain", "energy"})
    for (const char* method : {"implicit_euler", "bdf2", "sdirk2"}) {
      const double dt = 0.02;
      auto equation = test::allen_cahn(0.1, b);
      if (std::string(how) == "domain") equation.species[0].potential = make_flory_huggins(0.8, 1);
      auto solver = std::make_unique<test::Picard>(1e-10);
      int failures = 0;
      const LayoutPtr layout = make_layout(MPI_COMM_WORLD, test::box(1, 16, 2));
      double now = 0;
      solver->spoil = [&](StepSystem& system, Field& U, NonlinearReport& r) {
        // Between two grid points only steps of a quarter are solved.
        if (now < 2.5 * dt || now > 3.5 * dt || system.tau() < 0.26 * dt * (method == std::string("sdirk2") ? 1 - std::sqrt(0.5) : 1)) return;
        ++failures;
        if (how == std::string("solver"))
          fail(r, StopReason::IterationLimit);
        else if (how == std::string("domain"))
          U.level()[0] = 1.5;
        else
          for (double& u : U.owned()) u *= 3;
      };
      const auto stepper = make(equation, parameters(method, dt), std::move(solver), wave);
      std::vector<double> times;
      int rejections = 0;
      while (stepper->time() < 6 * dt) {
        now = stepper->time();
        const StepReport r = stepper->advance(6 * dt);
        times.push_back(r.t);
        rejections += r.rejections;
        if (r.rejections > 0) BOOST_TEST(r.why == how);
        BOOST_TEST(r.converged);
      }
      BOOST_TEST(failures > 0);
      BOOST_TEST(rejections > 0);
      for (const int k : {1, 2, 3, 4, 5, 6}) BOOST_TEST((std::find(times.begin(), times.end(), k * dt) != times.end()), method << " misses " << k);
      BOOST_TEST((std::find(times.begin(), times.end(), 3.25 * dt) != times.end()));
      BOOST_TEST(times.size() > 8u);
    }
}

BOOST_AUTO_TEST_CASE(a_failed_block_is_cut) {
  auto solver = std::make_unique<test::Picard>(1e-10);
  solver->spoil = [](StepSystem& system, Field&, NonlinearReport& r) {
    if (system.steps() > 2) fail(r, StopReason::IterationLimit);
  };
  TimeParameters p = parameters("implicit_euler", 0.01);
  p.block = 8;
  const auto stepper = make(test::allen_cahn(0.1, b), p, std::move(solver), wave);
  const auto plain = make(test::allen_cahn(0.1, b), parameters("implicit_euler", 0.01), std::make_unique<test::Picard>(1e-10), wave);
  for (const StepReport& r : test::run(*stepper, 0.16)) {
    BOOST_TEST((r.steps <= 2 && r.dt == 0.01 && r.converged));
  }
  (void)test::run(*plain, 0.16);
  BOOST_TEST(test::max_difference(stepper->state(), plain->state()) < 1e-11);
}

BOOST_AUTO_TEST_CASE(what_never_works_is_reported_and_changes_nothing) {
  for (const char* method : {"implicit_euler", "bdf2", "sdirk2"}) {
    auto solver = std::make_unique<test::Picard>(1e-10);
    bool failing = false, usable = false;
    solver->spoil = [&](StepSystem&, Field& U, NonlinearReport& r) {
      if (!failing) return;
      fail(r, usable ? StopReason::IterationLimit : StopReason::Diverged);
      if (!usable) U.fill(std::nan(""));
    };
    const auto stepper = make(test::allen_cahn(0.1, b), parameters(method, 0.02), std::move(solver), wave);
    (void)stepper->advance(1);
    const Field before = stepper->state().clone();
    failing = true;
    const StepReport r = stepper->advance(1);
    BOOST_TEST((r.diverged && !r.converged && r.rejections == 10 && r.why == "solver" && r.t == 0.02 && stepper->time() == 0.02));
    BOOST_TEST(test::max_difference(before, stepper->state()) == 0.0);
    usable = true;
    const StepReport s = stepper->advance(1);
    BOOST_TEST((!s.diverged && !s.converged && s.why == "solver" && s.dt == std::ldexp(0.02, -10) && stepper->time() == s.t));
    failing = false;
    for (const StepReport& t : test::run(*stepper, 0.2)) BOOST_TEST(t.converged);
    BOOST_TEST(stepper->time() == 0.2);
  }
}

// Stop anywhere, start a new stepper from what checkpoints hold: the same bits.
BOOST_AUTO_TEST_CASE(stop_and_restart_changes_no_bit) {
  for (const char* method : {"implicit_euler", "bdf2", "sdirk2", "imex_euler", "sbdf2", "etdrk4"})
    for (const int variant : {0, 1, 2}) {  // fixed steps, adaptive steps, failures
      if (variant > 0 && (method[0] == 'e' || std::string(method) == "imex_euler" || std::string(method) == "sbdf2")) continue;
      TimeParameters p = parameters(method, 0.013);
      if (variant == 1) p.adaptive = {.on = true, .tolerance = 1e-4};
      if (variant == 2 && method == std::string("implicit_euler")) p.block = 4;
      const auto create = [&] {
        auto solver = std::make_unique<test::Picard>(1e-8);
        if (variant == 2)
          solver->spoil = [](StepSystem& system, Field&, NonlinearReport& r) {
            if (system.steps() > 3 || (system.steps() == 1 && system.tau() > 0.009)) fail(r, StopReason::IterationLimit);
          };
        return make(test::allen_cahn(0.1, b), p, std::move(solver), wave);
      };
      const auto hand_over = [](TimeStepper& from, TimeStepper& to) {
        const auto source = from.state_fields(), target = to.state_fields();
        BOOST_REQUIRE(source.size() == target.size());
        for (std::size_t i = 0; i < source.size(); ++i) {
          BOOST_TEST(source[i].first == target[i].first);
          for (int l = 0; l < source[i].second->levels(); ++l)
            std::copy_n(source[i].second->level(l), source[i].second->layout().owned(), target[i].second->level(l));
        }
        const std::map<std::string, double> numbers = from.state_numbers();
        for (const auto& [name, value] : numbers) BOOST_TEST(std::isfinite(value), name);
        to.restore(numbers);
      };
      const auto straight = create();
      std::unique_ptr<TimeStepper> stopped = create();
      for (int k = 0; k < 12; ++k) {
        auto restarted = create();
        hand_over(*stopped, *restarted);
        const double end = straight->time() < 0.05 ? 0.05 : 1;
        const StepReport a = straight->advance(end), c = restarted->advance(end);
        BOOST_TEST((a.t == c.t && a.dt == c.dt && a.iterations == c.iterations && a.rejections == c.rejections));
        BOOST_TEST_CONTEXT(method << " variant " << variant << " step " << k)
        BOOST_TEST(test::max_difference(straight->state(), restarted->state()) == 0.0);
        stopped = std::move(restarted);
      }
    }
}

BOOST_AUTO_TEST_CASE(keys) {
  const auto read = [](const std::string& text) { return TimeParameters::read(ProblemFile::parse(text, "t").root()); };
  const TimeParameters p =
      read("dt = 0.1\nmethod = \"sdirk2\"\nadaptive = { tolerance = 1e-4, largest = 3 }\nextrapolation = 1\nenergy_control = false");
  BOOST_TEST(
      (p.dt == 0.1 && p.method == "sdirk2" && p.adaptive.on && p.adaptive.tolerance == 1e-4 && p.adaptive.largest == 3 && p.extrapolation == 1));
  BOOST_TEST(
      (!p.energy_control && read("dt = 1\nadaptive = true").adaptive.on && !read("dt = 1").adaptive.on && read("dt = 1\nblock = 5").block == 5));
  for (const char* bad :
       {"", "dt = 0", "dt = 1\nmethod = \"sdirk\"", "dt = 1\nmethod = \"bdf2\"\nblock = 2", "dt = 1\nmethod = \"sbdf2\"\nadaptive = true",
        "dt = 1\nadaptive = { smallest = 2 }", "dt = 1\nadaptive = { largest = 0.5 }", "dt = 1\nextrapolation = 3", "dt = 1\nstabiliser = -1"})
    BOOST_CHECK_THROW(read(bad), InputError);
}
