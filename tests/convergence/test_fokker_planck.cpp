// ranks: 1 2 4
// timeout: 240
#define BOOST_TEST_MODULE fokker_planck
#include <petscts.h>
#include <boost/test/unit_test.hpp>

#include "solvers/fokker_planck_operator.hpp"
#include "tests/support/phase_fields.hpp"

using namespace wasserflow;
using std::numbers::pi;

namespace {

Grid box(int dim, double lower, double upper, int n, Boundary kind = Boundary::NoFlux) {
  return Grid(std::vector<Axis>(static_cast<std::size_t>(dim), Axis{lower, upper, n, kind, 0.5}));
}

std::unique_ptr<TimeStepper> stepper(const FokkerPlanckOperatorPtr& op, const std::string& method, double dt, const Field& initial,
                                     double tolerance = 1e-8, EvolutionOperatorPtr other = nullptr) {
  TimeParameters p;
  p.method = method;
  p.dt = dt;
  return make_time_stepper(p, other ? other : EvolutionOperatorPtr(op), make_linear_solver({.tolerance = tolerance, .max_iterations = 2000}),
                           initial);
}

/// Steps to `end`, every one of them solved at once.
void run(TimeStepper& s, double end) {
  for (const StepReport& r : test::run(s, end))
    BOOST_TEST((r.converged && r.rejections == 0), "t = " << r.t << " residual " << r.residual << " " << r.why);
}

double mass(const Field& u) { return sum(u) * u.layout().grid().cell_volume(); }

double l1(const Field& u, const std::function<double(double, double, double)>& exact) {
  const Field e = test::make_field(u.layout_ptr(), exact);
  Field d(u.layout_ptr());
  for (std::ptrdiff_t i = 0; i < u.layout().owned(); ++i) d.level()[i] = std::fabs(u.level()[i] - e.level()[i]);
  return mass(d);
}

double least(const Field& u) { return global_min(u.layout().comm(), *std::ranges::min_element(u.owned())); }

double gauss(double x, double m, double v) { return std::exp(-(x - m) * (x - m) / (2 * v)) / std::sqrt(2 * pi * v); }

}  // namespace

// dX = -k X dt + sqrt(2 D) dW, as a drift and as a potential: grid and step halved together.
BOOST_AUTO_TEST_CASE(ornstein_uhlenbeck_second_order) {
  const double k = 1, D = 0.5, m = 1, v = 0.2, end = 0.5;
  for (const std::string method : {"bdf2", "sdirk2", "crank_nicolson"})
    for (const bool potential : {false, true}) {
      double before = 0;
      for (const int n : {64, 128, 256}) {
        FokkerPlanckEquation e;
        e.diffusion = {make_constant(D)};
        if (potential)
          e.potential = make_formula("x^2 / 2");
        else
          e.drift = {make_formula("-x")};
        const LayoutPtr layout = make_layout(MPI_COMM_WORLD, box(1, -5, 5, n));
        const auto op = make_fokker_planck_operator(e, layout);
        const auto s = stepper(op, method, 3.2 / n, test::make_field(layout, [&](double x, double, double) { return gauss(x, m, v); }));
        run(*s, end);
        const double decay = std::exp(-k * end), variance = v * decay * decay + D / k * (1 - decay * decay);
        const double error = l1(s->state(), [&](double x, double, double) { return gauss(x, m * decay, variance); });
        if (before > 0)
          BOOST_TEST((std::log2(before / error) > 1.8 && std::log2(before / error) < 2.4), method << " " << n << ": " << std::log2(before / error));
        before = error;
      }
      BOOST_TEST(before < 1e-3, method << " " << before);
    }
}

BOOST_AUTO_TEST_CASE(mixture_second_order) {
  const double D = 0.4, end = 0.4;
  const auto density = [&](double x, double y, double t) {
    const double a = std::exp(-t), s = D * (1 - a * a);
    return 0.3 * gauss(x, 1.5 * a, 0.2 * a * a + s) * gauss(y, a, 0.3 * a * a + s) +
           0.7 * gauss(x, -a, 0.25 * a * a + s) * gauss(y, -a, 0.25 * a * a + s);
  };
  FokkerPlanckEquation e;
  e.potential = make_formula("(x^2 + y^2) / 2");
  e.diffusion = {make_constant(D)};
  double before = 0;
  for (const int n : {32, 64}) {
    const LayoutPtr layout = make_layout(MPI_COMM_WORLD, box(2, -4.5, 4.5, n));
    const auto s = stepper(make_fokker_planck_operator(e, layout), "sdirk2", 3.2 / n,
                           test::make_field(layout, [&](double x, double y, double) { return density(x, y, 0); }));
    run(*s, end);
    const double error = l1(s->state(), [&](double x, double y, double) { return density(x, y, end); });
    if (before > 0) BOOST_TEST((std::log2(before / error) > 1.8 && std::log2(before / error) < 2.4), "order " << std::log2(before / error));
    before = error;
  }
  BOOST_TEST(before < 1e-2);
}

// Drift and diffusion that depend on time: a Gaussian whose mean and variance are known.
BOOST_AUTO_TEST_CASE(coefficients_of_time) {
  FokkerPlanckEquation e;
  e.drift = {make_formula("cos(4 * t)")};
  e.diffusion = {make_formula("0.2 * (1 + t)")};
  for (const std::string method : {"bdf2", "sdirk2", "crank_nicolson"}) {
    double before = 0;
    for (const int n : {64, 128}) {
      const LayoutPtr layout = make_layout(MPI_COMM_WORLD, box(1, -4, 4, n));
      const auto s = stepper(make_fokker_planck_operator(e, layout), method, 3.2 / n,
                             test::make_field(layout, [](double x, double, double) { return gauss(x, 0, 0.2); }));
      run(*s, 0.8);
      const double error = l1(s->state(), [](double x, double, double) { return gauss(x, std::sin(3.2) / 4, 0.2 + 0.4 * (0.8 + 0.32)); });
      if (before > 0)
        BOOST_TEST((std::log2(before / error) > 1.75 && std::log2(before / error) < 2.5), method << ": order " << std::log2(before / error));
      before = error;
    }
  }
}

BOOST_AUTO_TEST_CASE(gibbs_density_is_kept_by_large_steps) {
  FokkerPlanckEquation e;
  e.potential = make_formula("(x^2 - 1)^2 + (y^2 - 1)^2 / 2 + x * y / 4");
  e.diffusion = {make_constant(0.25)};
  const LayoutPtr layout = make_layout(MPI_COMM_WORLD, box(2, -2.2, 2.2, 40));
  const auto op = make_fokker_planck_operator(e, layout);
  Field gibbs(layout);
  BOOST_TEST(op->gibbs(gibbs, 1));
  for (const std::string method : {"implicit_euler", "bdf2", "sdirk2", "crank_nicolson"})
    for (const double dt : {0.01, 1.0, 1000.0}) {
      const auto s = stepper(op, method, dt, gibbs);
      run(*s, 4 * dt);
      BOOST_TEST(test::max_difference(s->state(), gibbs) < 1e-13 * max_abs(gibbs),
                 method << " " << dt << ": " << test::max_difference(s->state(), gibbs) / max_abs(gibbs));
    }
}

// Long runs of long steps, behind a low and a high barrier: control of the energy takes neither rounding nor lost signs for growth.
BOOST_AUTO_TEST_CASE(long_runs_need_no_shorter_steps) {
  for (const double height : {1.0, 4.0}) {
    FokkerPlanckEquation e;
    e.potential = make_formula("a * (x^2 - 1)^2 + 4 * y^2", {{"a", height}});
    e.diffusion = {make_constant(0.5)};
    const LayoutPtr layout = make_layout(MPI_COMM_WORLD, box(2, -2, 2, 24));
    const auto op = make_fokker_planck_operator(e, layout);
    const Field initial = test::make_field(layout, [](double x, double y, double) { return gauss(x, 0.6, 0.1) * gauss(y, 0.2, 0.1); });
    Field gibbs(layout);
    BOOST_TEST(op->gibbs(gibbs, mass(initial)));
    for (const std::string method : {"implicit_euler", "bdf2", "sdirk2"}) {
      const auto s = stepper(op, method, 0.2, initial);
      int rejections = 0;
      bool converged = true;
      for (const StepReport& r : test::run(*s, 60)) rejections += r.rejections, converged = converged && r.converged;
      BOOST_TEST((converged && rejections == 0), method << ": " << rejections);
      if (height < 2) BOOST_TEST(test::max_difference(s->state(), gibbs) < 1e-5 * max_abs(gibbs), method);
      BOOST_TEST(std::fabs(mass(s->state()) - mass(initial)) < 1e-12, method);
    }
  }
}

// Far beyond the step that explicit schemes stand: mass, sign and decay of the relative entropy; the same on any number of ranks.
BOOST_AUTO_TEST_CASE(large_steps_keep_mass_and_sign) {
  FokkerPlanckEquation e;
  e.potential = make_formula("3 * ((x^2 - 1)^2 + y^2)");
  e.diffusion = {make_constant(0.3)};
  const Grid grid = box(2, -2, 2, 48);
  const double limit = grid.spacing(0) * grid.spacing(0) / (4 * 0.3);
  const auto initial = [](double x, double y, double) { return x > 0.4 && x < 0.8 && std::fabs(y + 0.5) < 0.3 ? 1.0 : 0.0; };
  for (const double factor : {10.0, 1000.0}) {
    std::vector<Field> answers;
    for (MPI_Comm comm : {MPI_COMM_WORLD, MPI_COMM_SELF}) {
      const LayoutPtr layout = make_layout(comm, grid);
      const auto op = make_fokker_planck_operator(e, layout);
      const auto s = stepper(op, "implicit_euler", factor * limit, test::make_field(layout, initial));
      const double start = mass(s->state());
      double entropy = *op->relative_entropy(s->state());
      for (int k = 0; k < 10; ++k) {
        const StepReport r = s->advance((k + 1) * factor * limit);
        BOOST_TEST((r.converged && r.rejections == 0));
        BOOST_TEST(std::fabs(mass(s->state()) - start) < 1e-13 * start);
        BOOST_TEST(least(s->state()) >= 0);
        const double now = *op->relative_entropy(s->state());
        BOOST_TEST((now < entropy || now < 1e-15), factor << " step " << k << ": " << now << " after " << entropy);
        entropy = now;
      }
      answers.push_back(s->state().clone());
    }
    double worst = 0;
    const std::ptrdiff_t first = answers[0].layout().global_offset();
    for (std::ptrdiff_t i = 0; i < answers[0].layout().owned(); ++i)
      worst = std::max(worst, std::fabs(answers[0].level()[i] - answers[1].level()[first + i]));
    BOOST_TEST(global_max(MPI_COMM_WORLD, worst) < 1e-12 * max_abs(answers[1]));
  }
}

// Porous medium in one and two dimensions: the source-type solution (Barenblatt 1952).
BOOST_AUTO_TEST_CASE(barenblatt) {
  for (const int dim : {1, 2}) {
    const double m = 2, alpha = dim / (dim * (m - 1) + 2.0), b = alpha / dim, k = b * (m - 1) / (2 * m);
    const auto exact = [&](double x, double y, double t) {
      return std::pow(t, -alpha) * std::pow(std::max(0.0, 0.3 - k * (x * x + y * y) * std::pow(t, -2 * b)), 1 / (m - 1));
    };
    FokkerPlanckEquation e;
    e.porous_exponent = m;
    double before = 0;
    for (const int n : {40, 80}) {
      const LayoutPtr layout = make_layout(MPI_COMM_WORLD, box(dim, -4, 4, n));
      const auto at = [&](double t) { return [&exact, t](double x, double y, double) { return exact(x, y, t); }; };
      const auto op = make_fokker_planck_operator(e, layout);
      const auto s = stepper(op, "implicit_euler", 32.0 / (n * n), test::make_field(layout, at(1)));
      const double start = mass(s->state());
      run(*s, 0.5);
      const double error = l1(s->state(), at(1.5));
      BOOST_TEST(std::fabs(mass(s->state()) - start) < 1e-13 * start);
      BOOST_TEST(least(s->state()) >= 0);
      // The front limits the order.
      if (before > 0) BOOST_TEST(std::log2(before / error) > 1.2, dim << ": order " << std::log2(before / error));
      before = error;
    }
    BOOST_TEST(before < 0.02 * dim);
  }
}

// Below the critical mass 8 pi / chi the Keller-Segel density spreads.
BOOST_AUTO_TEST_CASE(keller_segel_below_the_critical_mass) {
  FokkerPlanckEquation e;
  e.diffusion = {make_constant(1)};
  e.chemotaxis = 1;
  const LayoutPtr layout = make_layout(MPI_COMM_WORLD, box(2, -4, 4, 48));
  const auto op = make_fokker_planck_operator(e, layout);
  const double M = 0.7 * 8 * pi;
  const auto s = stepper(op, "implicit_euler", 0.05,
                         test::make_field(layout, [&](double x, double y, double) { return M * gauss(x, 0.3, 0.3) * gauss(y, 0, 0.3); }));
  const double start = mass(s->state()), top = max_abs(s->state());
  double energy = *op->energy(s->state(), 0);
  for (int k = 0; k < 20; ++k) {
    const StepReport r = s->advance(0.05 * (k + 1));
    BOOST_TEST((r.converged && r.rejections == 0));
    BOOST_TEST(std::fabs(mass(s->state()) - start) < 1e-13 * start);
    BOOST_TEST(least(s->state()) >= 0);
    BOOST_TEST(max_abs(s->state()) < 1.1 * top);
    const double now = *op->energy(s->state(), 0);
    BOOST_TEST(now < energy);
    energy = now;
  }
  BOOST_TEST(max_abs(s->state()) < 0.9 * top);
}

// Newton's method and Anderson acceleration need no matrix: the same step.
BOOST_AUTO_TEST_CASE(nonlinear_solvers_agree) {
  FokkerPlanckEquation e;
  e.diffusion = {make_constant(0.2)};
  e.potential = make_formula("(x^2 + y^2) / 4");
  e.interaction = make_formula("exp(-(x^2 + y^2))");
  e.chemotaxis = 1;
  e.decay = 1;
  e.porous_exponent = 2;
  e.porous_coefficient = 0.5;
  const LayoutPtr layout = make_layout(MPI_COMM_WORLD, box(2, -3, 3, 24));
  const auto op = make_fokker_planck_operator(e, layout);
  const Field initial = test::make_field(layout, [](double x, double y, double) { return gauss(x, 0.5, 0.4) * gauss(y, 0, 0.4); });
  const auto s = stepper(op, "implicit_euler", 0.05, initial);
  run(*s, 0.1);
  TimeParameters p;
  p.dt = 0.05;
  for (const bool newton : {true, false}) {
    const NonlinearParameters q{.tolerance = 1e-9, .max_iterations = 1000};
    const auto other = make_time_stepper(p, op, newton ? make_newton_krylov(q) : make_anderson(q), initial);
    run(*other, 0.1);
    BOOST_TEST(test::max_difference(other->state(), s->state()) < 1e-8, newton << ": " << test::max_difference(other->state(), s->state()));
  }
}

// Aggregation by W = x^2 / 2: every density moves as under Ornstein-Uhlenbeck about its centre.
BOOST_AUTO_TEST_CASE(quadratic_interaction) {
  FokkerPlanckEquation e;
  e.diffusion = {make_constant(0.5)};
  e.interaction = make_formula("x^2 / 2");
  double before = 0;
  for (const int n : {64, 128}) {
    const LayoutPtr layout = make_layout(MPI_COMM_WORLD, box(1, -5, 5, n));
    const auto s = stepper(make_fokker_planck_operator(e, layout), "sdirk2", 3.2 / n,
                           test::make_field(layout, [](double x, double, double) { return gauss(x, 0.7, 0.2); }));
    run(*s, 0.5);
    const double decay = std::exp(-1.0);
    const double error = l1(s->state(), [&](double x, double, double) { return gauss(x, 0.7, 0.2 * decay + 0.5 * (1 - decay)); });
    if (before > 0) BOOST_TEST(std::fabs(std::log2(before / error) - 2) < 0.3);
    before = error;
  }
}

// PETSc's TS on the same matrix.
BOOST_AUTO_TEST_CASE(reference_integrators) {
  FokkerPlanckEquation e;
  e.drift = {make_formula("-x - y"), make_formula("x - 0.5 * y")};
  e.diffusion = {make_constant(0.3), make_constant(0.5)};
  const LayoutPtr layout = make_layout(MPI_COMM_WORLD, box(2, -3, 3, 24));
  const auto op = make_fokker_planck_operator(e, layout);
  const Field initial = test::make_field(layout, [](double x, double y, double) { return gauss(x, 1, 0.3) * gauss(y, 0, 0.2); });
  const double dt = 0.05;
  Mat A = nullptr;
  petsc_check(MatDuplicate(op->matrix(1, 0), MAT_COPY_VALUES, &A));
  PetscHandle<Mat, MatDestroy> own(A);
  petsc_check(MatShift(A, -1));
  petsc_check(MatScale(A, -1));
  for (const auto& [method, type] : {std::pair{"implicit_euler", TSBEULER}, std::pair{"crank_nicolson", TSCN}}) {
    const auto s = stepper(op, method, dt, initial);
    run(*s, 10 * dt);
    PetscHandle<TS, TSDestroy> ts;
    petsc_check(TSCreate(MPI_COMM_WORLD, ts.put()));
    petsc_check(TSSetProblemType(ts.get(), TS_LINEAR));
    petsc_check(TSSetType(ts.get(), type));
    petsc_check(TSSetRHSFunction(ts.get(), nullptr, TSComputeRHSFunctionLinear, nullptr));
    petsc_check(TSSetRHSJacobian(ts.get(), A, A, TSComputeRHSJacobianConstant, nullptr));
    petsc_check(TSSetTimeStep(ts.get(), dt));
    petsc_check(TSSetMaxSteps(ts.get(), 10));
    petsc_check(TSSetMaxTime(ts.get(), 1e3));
    SNES snes = nullptr;
    KSP ksp = nullptr;
    petsc_check(TSGetSNES(ts.get(), &snes));
    petsc_check(SNESGetKSP(snes, &ksp));
    petsc_check(KSPSetTolerances(ksp, 1e-13, 0, PETSC_DEFAULT, 1000));
    Field u = initial.clone();
    petsc_check(TSSolve(ts.get(), u.vec()));
    BOOST_TEST(test::max_difference(u, s->state()) < 1e-11, method << ": " << test::max_difference(u, s->state()));
  }
}

// <u(s), rho(T - s)> is the same whichever way the steps are taken.
BOOST_AUTO_TEST_CASE(backward_equation_is_dual) {
  FokkerPlanckEquation e;
  e.drift = {make_formula("-x^3 + x")};
  e.diffusion = {make_formula("0.3 + 0.1 * x^2")};
  for (const Boundary kind : {Boundary::NoFlux, Boundary::Dirichlet}) {
    const LayoutPtr layout = make_layout(MPI_COMM_WORLD, box(1, -2, 2, 64, kind));
    const auto op = make_fokker_planck_operator(e, layout);
    const Field rho = test::make_field(layout, [](double x, double, double) { return gauss(x, 0.5, 0.1); });
    const Field u = test::make_field(layout, [](double x, double, double) { return std::sin(2 * x) + 0.3; });
    const auto forward = stepper(op, "implicit_euler", 0.1, rho), backward = stepper(op, "implicit_euler", 0.1, u, 1e-9, make_backward_operator(op));
    run(*forward, 1);
    run(*backward, 1);
    BOOST_TEST(std::fabs(dot(forward->state(), u) - dot(rho, backward->state())) < 1e-10 * std::sqrt(dot(rho, rho) * dot(u, u)));
    if (kind == Boundary::NoFlux) continue;
    // What survives until T: less than 1, and decreasing in T.
    BOOST_TEST(mass(forward->state()) < mass(rho));
  }
}
