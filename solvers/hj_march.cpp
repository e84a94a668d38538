#include "solvers/hj_march.hpp"

#include <cmath>
#include <limits>

#include "solvers/explicit_scheme.hpp"
#include "solvers/hj_pdhg.hpp"
#include "solvers/hj_published.hpp"
#include "solvers/howard.hpp"

namespace wasserflow {
namespace {

/// Momenta of the axes: the two upwind sides of each added.
void add_sides(const std::vector<Field>& slots, int level, std::vector<Field>& m) {
  const std::size_t sides = slots.size() / m.size();
  for (std::size_t d = 0; d < m.size(); ++d) {
    m[d].copy_level(0, slots[d * sides], level);
    if (sides == 1) continue;
    const double* other = slots[d * sides + 1].level(level);
    double* sum = m[d].level();
    for (std::ptrdiff_t i = 0; i < m[d].layout().owned(); ++i) sum[i] += other[i];
  }
}

class PdhgMarch final : public HjMarch {
 public:
  PdhgMarch(HamiltonJacobiProblem& problem, const PdhgParameters& parameters, const Field& initial, double kappa)
      : HjMarch(problem), solver_(problem, parameters, initial, kappa) {
    solver_.engine().monitor = [this](const PdhgProgress& p) {
      if (monitor) monitor(p);
    };
  }

  HjWindowReport advance(std::span<const double> times) override {
    const SolveReport r = solver_.advance(times);
    return {r.reason, r.iterations, r.operator_passes, {r.residuals.front().absolute, solver_.max_residual()}, r.weight};
  }
  const Field& phi() const override { return solver_.phi(); }
  const Field& last() const override { return const_cast<HjPdhg&>(solver_).last(); }
  bool density(Field& rho, std::vector<Field>& m) override {
    const int newest = window() - 1;
    rho.copy_level(0, solver_.rho(), newest);
    add_sides(solver_.saddle_point().momenta(), newest, m);
    return true;
  }
  std::vector<std::pair<std::string, Field*>> state_fields() override {
    return {{"phi", &solver_.last()}, {"phi_before", &solver_.before()}, {"rho", &solver_.saddle_point().rho()}};
  }
  std::map<std::string, double> state_numbers() const override {
    const HjPdhg::State s = solver_.state();
    return {{"weight", s.weight},           {"kappa_squared", s.kappa_squared}, {"windows", s.windows},
            {"alpha_x", problem_.alpha[0]}, {"alpha_y", problem_.alpha[1]},     {"alpha_z", problem_.alpha[2]}};
  }
  void restore(const std::map<std::string, double>& n) override {
    problem_.alpha = {n.at("alpha_x"), n.at("alpha_y"), n.at("alpha_z")};
    solver_.restore({n.at("weight"), n.at("kappa_squared"), static_cast<int>(n.at("windows"))});
  }

 private:
  HjPdhg solver_;
};

class PublishedMarch final : public HjMarch {
 public:
  PublishedMarch(HamiltonJacobiProblem& problem, const HjPublishedParameters& parameters, const Field& initial)
      : HjMarch(problem), solver_(problem, parameters, initial) {}

  HjWindowReport advance(std::span<const double> times) override {
    const SolveReport r = solver_.advance(times);
    return {r.reason, r.iterations, r.operator_passes, {r.residuals.front().absolute, solver_.max_residual()}, 0};
  }
  const Field& phi() const override { return solver_.phi(); }
  const Field& last() const override { return solver_.last(); }
  bool density(Field& rho, std::vector<Field>& m) override {
    solver_.density(rho, m);
    return true;
  }
  std::vector<std::pair<std::string, Field*>> state_fields() override {
    std::vector<std::pair<std::string, Field*>> fields{{"phi", &solver_.last()}, {"rho", &solver_.rho()}};
    for (Field& alpha : solver_.controls()) fields.emplace_back("control_" + std::to_string(fields.size() - 2), &alpha);
    return fields;
  }
  std::map<std::string, double> state_numbers() const override { return {{"step", solver_.step()}}; }
  void restore(const std::map<std::string, double>& n) override { solver_.restore(n.at("step")); }

 private:
  HjPublished solver_;
};

class HowardMarch final : public HjMarch {
 public:
  HowardMarch(HamiltonJacobiProblem& problem, const HowardOptions& options, const Field& initial)
      : HjMarch(problem), solver_(problem, options), last_(problem.layout), before_(problem.layout), phi_(problem.layout) {
    last_.copy_level(0, initial, 0);
  }
  HjWindowReport advance(std::span<const double> times) override {
    problem_.set_times(times);
    adapt_numerical_speeds(problem_, last_);
    const double ahead = steps_ > 0 ? 1 : 0;
    for (std::ptrdiff_t i = 0; i < problem_.layout->owned(); ++i)
      phi_.level()[i] = last_.level()[i] + ahead * (last_.level()[i] - before_.level()[i]);
    const HowardReport r = solver_.step(last_, 0, phi_, 0);
    before_.copy_level(0, last_, 0);
    last_.copy_level(0, phi_, 0);
    ++steps_;
    return {r.converged ? StopReason::Converged : StopReason::IterationLimit, r.iterations, r.linear_iterations, r.residual, 0};
  }
  const Field& phi() const override { return phi_; }
  const Field& last() const override { return last_; }
  bool density(Field& rho, std::vector<Field>& m) override {
    Field one(problem_.layout);
    one.fill(1);
    solver_.density(phi_, 0, one, 0, rho, 0);
    // m_j = rho dHh/dq_j at the policy of phi.
    HjRowOperator op(problem_);
    const std::size_t n = static_cast<std::size_t>(problem_.layout->dim() == 1 ? SlabLayout::row_limit : problem_.layout->grid().cells(0));
    std::vector<double> speeds(n * m.size());
    std::vector<double*> speed(m.size());
    for (std::size_t d = 0; d < m.size(); ++d) speed[d] = speeds.data() + d * n;
    phi_.exchange_ghosts();
    for (int r = 0; r < problem_.layout->rows(); ++r) {
      op.load(phi_.level(), r, 0);
      op.momentum_speed(speed.data());
      const RowPoints& p = op.points();
      for (std::size_t d = 0; d < m.size(); ++d)
        for (int i = 0; i < p.n; ++i) m[d].level()[p.offset + i] = rho.level()[p.offset + i] * speed[d][i];
    }
    return true;
  }
  std::vector<std::pair<std::string, Field*>> state_fields() override { return {{"phi", &last_}, {"phi_before", &before_}}; }
  std::map<std::string, double> state_numbers() const override {
    return {{"steps", steps_}, {"alpha_x", problem_.alpha[0]}, {"alpha_y", problem_.alpha[1]}, {"alpha_z", problem_.alpha[2]}};
  }
  void restore(const std::map<std::string, double>& n) override {
    problem_.alpha = {n.at("alpha_x"), n.at("alpha_y"), n.at("alpha_z")};
    steps_ = static_cast<int>(n.at("steps"));
    phi_.copy_level(0, last_, 0);
  }

 private:
  Howard solver_;
  Field last_, before_, phi_;
  int steps_ = 0;
};

class ExplicitMarch final : public HjMarch {
 public:
  ExplicitMarch(HamiltonJacobiProblem& problem, const ExplicitOptions& options, const Field& initial)
      : HjMarch(problem), solver_(problem, options), phi_(problem.layout) {
    phi_.copy_level(0, initial, 0);
  }
  HjWindowReport advance(std::span<const double> times) override {
    const ExplicitReport r = solver_.advance(phi_, 0, time_, times.front());
    time_ = times.front();
    const double nan = std::numeric_limits<double>::quiet_NaN();
    return {StopReason::Converged, static_cast<int>(r.steps), r.stages, {nan, nan}, 0};
  }
  const Field& phi() const override { return phi_; }
  const Field& last() const override { return phi_; }
  std::vector<std::pair<std::string, Field*>> state_fields() override { return {{"phi", &phi_}}; }
  std::map<std::string, double> state_numbers() const override { return {{"time", time_}}; }
  void restore(const std::map<std::string, double>& n) override { time_ = n.at("time"); }

 private:
  ExplicitScheme solver_;
  Field phi_;
  double time_ = 0;
};

}  // namespace

const std::vector<std::pair<std::string, std::string>>& hj_methods() {
  static const std::vector<std::pair<std::string, std::string>> methods{
      {"pdhg", "implicit steps by preconditioned PDHG in momentum form (any convex Hamiltonian)"},
      {"pdhg-published", "implicit steps by the iteration of arXiv:2403.02468, to compare with (quadratic and one_homogeneous)"},
      {"howard", "implicit steps by Howard's policy iteration with PETSc (any convex Hamiltonian)"},
      {"explicit", "explicit upwind or WENO5 schemes under a CFL condition (any Hamiltonian)"}};
  return methods;
}

HjMethod read_hj_method(const Parameters& p) {
  HjMethod method;
  std::vector<std::string> names;
  std::string doc = "how a step is solved:";
  for (const auto& [name, what] : hj_methods()) {
    names.push_back(name);
    doc += " " + name + " (" + what + ");";
  }
  method.name = p.choice("method", doc, names, "pdhg");
  if (method.name == "pdhg") {
    method.window = p.integer("window", "implicit steps solved together; divides time.steps", 1, Range::at_least(1));
    const PdhgParameters parameters = PdhgParameters::read(p);
    const double kappa = p.real("momentum_speed", "speed kappa of the dual metric, 0: from the initial data", 0.0, Range::nonnegative());
    method.make = [parameters, kappa](HamiltonJacobiProblem& problem, const Field& initial) -> std::unique_ptr<HjMarch> {
      return std::make_unique<PdhgMarch>(problem, parameters, initial, kappa);
    };
  } else if (method.name == "pdhg-published") {
    method.window = p.integer("window", "implicit steps solved together; divides time.steps", 1, Range::at_least(1));
    HjPublishedParameters parameters;
    parameters.tolerance = p.real("tolerance", "stop when the relative changes of phi and of (rho, controls) in an iteration are below it",
                                  parameters.tolerance, Range::positive());
    parameters.max_iterations = p.integer("max_iterations", "iterations a window may take", parameters.max_iterations, Range::at_least(1));
    parameters.step = p.real("step_size", "step: tau = step/1.5, sigma = 1.5 step", parameters.step, Range::positive());
    parameters.mass = p.real("mass", "c, the mass of rho a cell; it only scales rho", parameters.mass, Range::positive());
    method.make = [parameters](HamiltonJacobiProblem& problem, const Field& initial) -> std::unique_ptr<HjMarch> {
      return std::make_unique<PublishedMarch>(problem, parameters, initial);
    };
  } else if (method.name == "howard") {
    HowardOptions options;
    options.tolerance = p.real("tolerance", "stop when dt max|R| is below this times max(1, max|phi|)", options.tolerance, Range::positive());
    options.max_iterations = p.integer("max_iterations", "policy iterations a step may take", options.max_iterations, Range::at_least(1));
    method.make = [options](HamiltonJacobiProblem& problem, const Field& initial) -> std::unique_ptr<HjMarch> {
      return std::make_unique<HowardMarch>(problem, options, initial);
    };
  } else {
    ExplicitOptions options;
    const bool weno = p.choice("reconstruction", "one-sided slopes: first_order (Euler) or weno5 (SSP Runge-Kutta 3)", {"first_order", "weno5"},
                               "weno5") == "weno5";
    options.reconstruction = weno ? Reconstruction::Weno5 : Reconstruction::FirstOrder;
    const std::string flux = p.choice(
        "flux", "numerical Hamiltonian; auto: engquist_osher (first_order) or godunov (weno5) where H has upwind sides, else local_lax_friedrichs",
        {"auto", "engquist_osher", "godunov", "local_lax_friedrichs"}, "auto");
    if (flux == "engquist_osher") options.flux = NumericalFlux::EngquistOsher;
    if (flux == "godunov") options.flux = NumericalFlux::Godunov;
    if (flux == "local_lax_friedrichs") options.flux = NumericalFlux::LocalLaxFriedrichs;
    options.cfl = p.real("cfl", "Courant number", options.cfl, Range{0, 1, true, false});
    // So that the method of a problem file can be switched by one --set.
    for (const char* key : {"tolerance", "max_iterations"})
      if (p.has(key)) static_cast<void>(p.real(key, "no effect on explicit schemes"));
    method.ghost = weno ? 3 : 1;
    method.make = [options](HamiltonJacobiProblem& problem, const Field& initial) -> std::unique_ptr<HjMarch> {
      return std::make_unique<ExplicitMarch>(problem, options, initial);
    };
  }
  return method;
}

}  // namespace wasserflow
