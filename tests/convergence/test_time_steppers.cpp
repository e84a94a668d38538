// ranks: 1 2 4
// timeout: 240
#define BOOST_TEST_MODULE time_steppers
#include <boost/test/unit_test.hpp>

#include "tests/support/phase_fields.hpp"

using namespace wasserflow;
using std::numbers::pi;

namespace {

struct Problem {
  ReactionDiffusionEquation equation;
  Grid grid;
  std::function<double(double, double, double)> initial;
  double end;
};

Problem smooth_allen_cahn(int dim = 1, Boundary kind = Boundary::Periodic) {
  return {
      test::allen_cahn(0.05, 1), test::box(dim, 24, 2, kind),
      [](double x, double y, double z) { return 0.3 + 0.6 * std::cos(pi * x) * (1 + 0.2 * std::cos(pi * y)) + 0.1 * std::cos(2 * pi * x + pi * z); },
      0.8};
}

Problem smooth_cahn_hilliard() {
  return {test::cahn_hilliard(0.05, 1), test::box(2, 16, 2),
          [](double x, double y, double) { return 0.1 + 0.5 * std::cos(pi * x) * std::cos(pi * y); }, 0.2};
}

TimeParameters parameters(const std::string& method, double dt) {
  TimeParameters p;
  p.method = method;
  p.dt = dt;
  return p;
}

std::unique_ptr<TimeStepper> make(const Problem& problem, const TimeParameters& p, NonlinearSolverPtr solver = nullptr,
                                  MPI_Comm comm = MPI_COMM_WORLD) {
  const LayoutPtr layout = make_layout(comm, problem.grid);
  if (!solver) solver = std::make_unique<test::Picard>(1e-10);
  return make_time_stepper(p, make_evolution_operator(problem.equation, layout), std::move(solver), test::make_field(layout, problem.initial));
}

Field solve(const Problem& problem, const TimeParameters& p, const std::vector<double>& times = {}) {
  const auto stepper = make(problem, p);
  for (const double t : times)
    while (stepper->time() < t) BOOST_TEST(stepper->advance(t).converged);
  while (stepper->time() < problem.end) BOOST_TEST(stepper->advance(problem.end).converged);
  return stepper->state().clone();
}

/// Orders seen between successive halvings of dt.
std::vector<double> orders(const Problem& problem, const std::string& method, double dt, int halvings, const Field& reference) {
  std::vector<double> errors, out;
  for (int k = 0; k <= halvings; ++k) errors.push_back(test::max_difference(solve(problem, parameters(method, std::ldexp(dt, -k))), reference));
  for (std::size_t k = 1; k < errors.size(); ++k) out.push_back(std::log2(errors[k - 1] / errors[k]));
  return out;
}

}  // namespace

// All schemes against one fine run of the exponential scheme, which shares no step with the implicit ones.
BOOST_AUTO_TEST_CASE(orders_in_time) {
  const struct {
    const char* method;
    double order, dt;
  } schemes[] = {{"implicit_euler", 1, 0.1}, {"bdf2", 2, 0.1}, {"sdirk2", 2, 0.2}, {"imex_euler", 1, 0.025}, {"sbdf2", 2, 0.025}, {"etdrk4", 4, 0.2}};
  for (const Problem& problem : {smooth_allen_cahn(), smooth_allen_cahn(2, Boundary::NoFlux), smooth_cahn_hilliard()}) {
    const bool fourth = problem.equation.type == "cahn_hilliard";
    const Field reference = solve(problem, parameters("etdrk4", problem.end / 512));
    for (const auto& s : schemes) {
      const std::vector<double> seen = orders(problem, s.method, s.dt / (fourth ? 4 : 1), 2, reference);
      BOOST_TEST_CONTEXT(problem.equation.type << " " << s.method << ": " << seen[0] << " " << seen[1])
      BOOST_TEST((seen[1] > s.order - 0.25 && seen[1] < s.order + 0.45));
    }
  }
}

// Steps of irregular lengths: the ends of steps are given.
BOOST_AUTO_TEST_CASE(two_step_methods_keep_their_order_with_variable_steps) {
  const Problem problem = smooth_allen_cahn();
  const Field reference = solve(problem, parameters("etdrk4", problem.end / 512));
  for (const char* method : {"bdf2", "sbdf2"}) {
    std::vector<double> errors;
    for (int n : {40, 80, 160}) {
      std::vector<double> times;
      for (int k = 1; k < n; ++k) times.push_back(problem.end * (k + (k % 3 == 1 ? 0.2 : k % 3 == 2 ? -0.15 : 0)) / n);
      errors.push_back(test::max_difference(solve(problem, parameters(method, 2 * problem.end / n), times), reference));
    }
    BOOST_TEST_CONTEXT(method << " " << errors[0] << " " << errors[1] << " " << errors[2])
    BOOST_TEST((std::log2(errors[1] / errors[2]) > 1.8 && std::log2(errors[1] / errors[2]) < 2.3));
  }
}

// One step of implicit Euler on m + 1e-6 cos(2 pi q x / L): growth by the discrete dispersion relation.
BOOST_AUTO_TEST_CASE(discrete_dispersion) {
  const int n = 32, q = 3;
  const double length = 2, h = length / n, amplitude = 1e-6, lambda = (2 - 2 * std::cos(2 * pi * q / n)) / (h * h);
  for (const double m : {0.0, 1.0})
    for (const int kind : {0, 1, 2}) {
      const double a = 0.01, b = kind == 1 ? 1 : 5, dt = kind == 0 ? 0.01 : 1e-3, eps = 0.18, w = 3 * m * m - 1;
      const ReactionDiffusionEquation equation = kind == 0   ? test::allen_cahn(a, b)
                                                 : kind == 1 ? test::cahn_hilliard(a, b)
                                                             : test::functionalised(eps);
      const double e = eps * eps, linear = a * lambda + b * w;
      const double growth = 1 / (1 + dt * (kind == 0 ? linear : kind == 1 ? lambda * linear : lambda * (e * lambda + w - e) * (e * lambda + w)));
      const Problem problem{equation, test::box(2, n, length),
                            [&](double x, double, double) { return m + amplitude * std::cos(2 * pi * q * x / length); }, dt};
      TimeParameters p = parameters("implicit_euler", dt);
      p.energy_control = false;
      auto solver = std::make_unique<test::Picard>(0, 100);  // to rounding
      solver->spoil = [](StepSystem&, Field&, NonlinearReport& r) { r.reason = StopReason::Converged; };
      const auto stepper = make(problem, p, std::move(solver));
      BOOST_TEST(stepper->advance(dt).dt == dt);
      const Field mode = test::make_field(stepper->state().layout_ptr(), [&](double x, double, double) { return std::cos(2 * pi * q * x / length); });
      const double measured = dot(stepper->state(), mode) / dot(mode, mode) / amplitude;
      BOOST_TEST_CONTEXT("equation " << kind << " mean " << m << ": " << measured << " against " << growth)
      BOOST_TEST(std::fabs(measured - growth) < (m == 0 ? 1e-12 : 1e-9));
    }
}

BOOST_AUTO_TEST_CASE(a_block_of_steps_is_as_many_single_steps) {
  for (const Problem& problem : {smooth_allen_cahn(2), smooth_cahn_hilliard()}) {
    TimeParameters p = parameters("implicit_euler", problem.end / 64);
    const Field single = solve(problem, p);
    for (const int block : {4, 7}) {
      p.block = block;
      BOOST_TEST(test::max_difference(solve(problem, p), single) < 1e-10);
    }
  }
}

// The grid t_k = k dt is exact, other times are hit exactly, and the steps between have the nominal size bit for bit.
BOOST_AUTO_TEST_CASE(times_are_exact) {
  const double dt = 0.001;
  Problem problem = smooth_allen_cahn();
  const auto stepper = make(problem, parameters("imex_euler", dt));
  for (int k = 1; k <= 60; ++k) {
    const StepReport r = stepper->advance(0.06);
    BOOST_TEST(r.dt == dt);
    BOOST_TEST(stepper->time() == (k == 60 ? 0.06 : k * dt));
  }
  for (const double end : {0.0613, 0.06305, 0.0641, 0.0801}) {
    while (stepper->time() < end) {
      const StepReport r = stepper->advance(end);
      BOOST_TEST((r.dt > 0 && r.dt < 1.1 * dt && r.t == stepper->time()));
    }
    BOOST_TEST(stepper->time() == end);
  }
  BOOST_CHECK_THROW((void)stepper->advance(0.05), InternalError);
}

BOOST_AUTO_TEST_CASE(energy_decays_and_mass_is_kept) {
  const Problem problem{test::cahn_hilliard(0.01, 1), test::box(2, 24, 2),
                        [](double x, double y, double) { return 0.2 + 0.7 * std::sin(17.3 * x * x + 5 * y) * std::cos(23.1 * y + 3 * x); }, 0.02};
  for (const char* method : {"implicit_euler", "bdf2", "sdirk2", "imex_euler", "sbdf2", "etdrk4"}) {
    const auto stepper = make(problem, parameters(method, 5e-4), std::make_unique<test::Picard>(1e-9));
    const auto op = make_evolution_operator(problem.equation, stepper->state().layout_ptr());
    const double points = static_cast<double>(problem.grid.size()), mass = sum(stepper->state()) / points;
    double energy = *op->energy(stepper->state());
    while (stepper->time() < problem.end) {
      const StepReport r = stepper->advance(problem.end);
      const double now = *op->energy(stepper->state());
      BOOST_TEST_CONTEXT(method << " at " << r.t)
      BOOST_TEST(now <= energy);
      energy = now;
      if (r.method == "picard") BOOST_TEST(r.energy == now);
    }
    BOOST_TEST(std::fabs(sum(stepper->state()) / points - mass) < 1e-12);
  }
}

BOOST_AUTO_TEST_CASE(no_flux_is_the_even_half_of_the_doubled_periodic_box) {
  const auto initial = [](double x, double y, double) { return 0.2 + 0.5 * std::cos(pi * x) + 0.2 * std::cos(2 * pi * x) * std::cos(pi * y); };
  for (const char* method : {"implicit_euler", "bdf2", "sdirk2", "sbdf2", "etdrk4"})
    for (const bool conserved : {false, true}) {
      const ReactionDiffusionEquation equation = conserved ? test::cahn_hilliard(0.05, 1) : test::allen_cahn(0.05, 1);
      const double end = conserved ? 0.02 : 0.1;
      const Axis half{0, 1, 16, Boundary::NoFlux, 0.5}, whole{0, 2, 32, Boundary::Periodic, 0.5}, y{0, 2, 12, Boundary::Periodic, 0.5};
      const Field a = solve({equation, Grid({half, y}), initial, end}, parameters(method, end / 10));
      const Field b = solve({equation, Grid({whole, y}), initial, end}, parameters(method, end / 10));
      double worst = 0;
      for (int j = 0; j < a.layout().count(); ++j)
        for (int i = 0; i < 16; ++i) worst = std::max(worst, std::fabs(a.level()[j * 16 + i] - b.level()[j * 32 + i]));
      BOOST_TEST_CONTEXT(method)
      BOOST_TEST(global_max(MPI_COMM_WORLD, worst) < 1e-11);
    }
}

// Two species whose rates depend on time and place, coupled explicitly in IMEX schemes and mode by mode in the preconditioner.
BOOST_AUTO_TEST_CASE(orders_in_time_of_systems) {
  const Grid grid = test::box(1, 20, 2, Boundary::NoFlux);
  const ProblemFile file = ProblemFile::parse(
      "[equation]\ntype = \"reaction_diffusion\"\ndiffusion = [0.05, 0.2]\n[reaction]\ntype = \"formula\"\nspecies = [\"u\", \"v\"]\n"
      "rates = [\"u - u^3 - 2*v + sin(3*t)*cos(pi*x)\", \"1.5*u*v - v + exp(-t)\"]\n",
      "system");
  const ReactionDiffusionEquation equation = read_reaction_diffusion(file.root(), grid);
  const double end = 0.8;
  const auto solve_system = [&](const std::string& method, double dt, MPI_Comm comm) {
    const LayoutPtr layout = make_layout(comm, grid);
    Field initial(layout, 2);
    const Field u = test::make_field(layout, [](double x, double, double) { return 0.2 + 0.4 * std::cos(pi * x); });
    for (std::ptrdiff_t i = 0; i < layout->owned(); ++i) initial.level(0)[i] = u.level()[i], initial.level(1)[i] = 0.5 - 0.3 * u.level()[i];
    const auto stepper =
        make_time_stepper(parameters(method, dt), make_evolution_operator(equation, layout), std::make_unique<test::Picard>(1e-12), initial);
    for (const StepReport& r : test::run(*stepper, end)) BOOST_TEST((r.converged && r.rejections == 0 && std::isnan(r.energy)));
    return stepper->state().clone();
  };
  const auto difference = [](const Field& a, const Field& b) {
    double worst = 0;
    for (int s = 0; s < 2; ++s)
      for (std::size_t i = 0; i < a.owned(s).size(); ++i) worst = std::max(worst, std::fabs(a.owned(s)[i] - b.owned(s)[i]));
    return global_max(MPI_COMM_WORLD, worst);
  };
  const Field reference = solve_system("etdrk4", end / 1024, MPI_COMM_WORLD);
  const struct {
    const char* method;
    double order, dt;
  } schemes[] = {{"implicit_euler", 1, 0.05}, {"bdf2", 2, 0.05},   {"sdirk2", 2, 0.1},
                 {"imex_euler", 1, 0.025},    {"sbdf2", 2, 0.025}, {"etdrk4", 4, 0.1}};
  for (const auto& s : schemes) {
    std::vector<double> errors;
    for (int k = 0; k < 3; ++k) errors.push_back(difference(solve_system(s.method, std::ldexp(s.dt, -k), MPI_COMM_WORLD), reference));
    const double order = std::log2(errors[1] / errors[2]);
    BOOST_TEST_CONTEXT(s.method << " " << errors[0] << " " << errors[1] << " " << errors[2])
    BOOST_TEST((order > s.order - 0.25 && order < s.order + 0.45));
  }
}

BOOST_AUTO_TEST_CASE(answers_have_the_same_bits_on_any_number_of_ranks) {
  for (const int dim : {1, 2, 3})
    for (const char* method : {"implicit_euler", "bdf2", "sdirk2", "imex_euler", "sbdf2", "etdrk4"})
      for (const Boundary kind : {Boundary::Periodic, Boundary::NoFlux}) {
        Problem problem = smooth_allen_cahn(dim, kind);
        problem.grid = test::box(dim, dim == 1 ? 61 : 9, 2, kind);
        if (dim == 2) problem.equation = test::cahn_hilliard(0.05, 1);
        TimeParameters p = parameters(method, 0.01);
        const bool implicit = p.method == "implicit_euler" || p.method == "bdf2" || p.method == "sdirk2";
        if (implicit) p.adaptive = {.on = true, .tolerance = 1e-3};
        const auto many = make(problem, p, std::make_unique<test::Picard>(1e-8)),
                   one = make(problem, p, std::make_unique<test::Picard>(1e-8), MPI_COMM_SELF);
        for (int k = 0; k < 8; ++k) {
          const StepReport a = many->advance(1), b = one->advance(1);
          BOOST_TEST((a.t == b.t && a.iterations == b.iterations && (a.energy == b.energy || (std::isnan(a.energy) && std::isnan(b.energy)))));
        }
        bool equal = true;
        for (std::ptrdiff_t i = 0; i < many->state().layout().owned(); ++i)
          equal = equal && many->state().level()[i] == one->state().level()[many->state().layout().global_offset() + i];
        BOOST_TEST_CONTEXT(method << " in " << dim << " dimensions")
        BOOST_TEST(equal);
      }
}

// The float32 preconditioner changes the way to the answer, not the answer.
BOOST_AUTO_TEST_CASE(single_precision_preconditioner) {
  const Problem problem = smooth_cahn_hilliard();
  const LayoutPtr layout = make_layout(MPI_COMM_WORLD, problem.grid);
  const auto result = [&](bool single) {
    const auto stepper = make_time_stepper(parameters("bdf2", problem.end / 20), make_evolution_operator(problem.equation, layout),
                                           std::make_unique<test::Picard>(1e-9), test::make_field(layout, problem.initial), single);
    for (const StepReport& r : test::run(*stepper, problem.end)) BOOST_TEST((r.converged && r.rejections == 0));
    return stepper->state().clone();
  };
  BOOST_TEST(test::max_difference(result(true), result(false)) < 1e-9);
}
