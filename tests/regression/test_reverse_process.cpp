// ranks: 1
// timeout: 300
#define BOOST_TEST_MODULE reverse_process
#include <boost/test/unit_test.hpp>
#include <numbers>

#include "grids/reduce.hpp"
#include "problems/data_density.hpp"
#include "problems/gaussian_mixture.hpp"
#include "solvers/continuity_equation.hpp"
#include "solvers/density_distances.hpp"
#include "solvers/reverse_process.hpp"

using namespace wasserflow;

namespace {

GaussianMixture three_gaussians() {
  std::vector<GaussianComponent> c;
  for (const auto& [w, m] : {std::pair{0.3, -2.0}, std::pair{0.4, 0.3}, std::pair{0.3, 2.0}})
    c.push_back({w, {m, 0, 0}, isotropic_covariance(1, 0.0625)});
  return GaussianMixture(1, c);
}

LayoutPtr line(int n, double a, double b) { return make_layout(MPI_COMM_WORLD, Grid({{a, b, n, Boundary::NoFlux, 0.5}}), 3); }

/// The values of a density at time t, scaled to mass 1 on the grid.
Field tabulated(const LayoutPtr& layout, const Function& f, double t) {
  Field u(layout);
  fill(u, 0, f, t);
  const double mass = sum(u) * layout->grid().cell_volume();
  for (double& x : u.owned()) x /= mass;
  return u;
}

/// Density that flows from `terminal` at T to time 0, by characteristics.
Field along_characteristics(const ReverseProcess& model, const Function& terminal, const LayoutPtr& layout, int steps) {
  std::vector<Field> end;
  end.emplace_back(layout);
  Field law(layout);
  follow_characteristics(probability_flow(model), nullptr, 0, model.process.T, steps, end, law);
  for (std::ptrdiff_t i = 0; i < layout->owned(); ++i) law.level()[i] = terminal.at(end[0].level()[i], 0, 0, 0) * std::exp(law.level()[i]);
  return law;
}

/// Distances of a law to its target; kl in the direction where nothing underflows (far tails of the target or of the law hold zeros).
DensityDistances errors(Field& law, Field& target) {
  DensityDistances d = density_distances(law, target);
  d.kl = std::min(d.kl, density_distances(target, law).kl);
  return d;
}

/// (int int p R^2 dx dt)^(1/2) for the wave of the test below.
double residual(const DiffusionProcess& process, const MovedFunctions& exact, double k, double delta, const LayoutPtr& layout) {
  const int times = 300;
  Field p(layout), s(layout);
  double total = 0;
  for (int j = 0; j < times; ++j) {
    const double t = process.T * (j + 0.5) / times;
    fill(p, 0, *exact.density, t);
    fill(s, 0, *exact.score[0], t);
    for (int r = 0; r < layout->rows(); ++r) {
      const RowPoints row = layout->row(r);
      for (int i = 0; i < row.n; ++i) {
        const double x = row.x[i], c = std::exp(-t) * std::cos(k * x + 0.4), dc = -k * std::exp(-t) * std::sin(k * x + 0.4);
        const double R = delta * (-c - x * dc + 0.5 * k * k * c - s.level()[row.offset + i] * dc) - 0.5 * delta * delta * dc * dc;
        p.level()[row.offset + i] *= R * R;
      }
    }
    total += sum(p) * layout->grid().cell_volume() * process.T / times;
  }
  return std::sqrt(total);
}

}  // namespace

// s = -a x on dX = -X dt + dW keeps N(0, 1/2) Gaussian: V_S = V_i + (1/2 - V_i) e^{-2 (a - 1) T} with V_i = 1/(2 (a - 1)), V_O = e^{(2 - a) T}/2.
BOOST_AUTO_TEST_CASE(gaussian_gap) {
  const double delta = 0.05, a = 2 * (1 + delta), T = 10;
  const ReverseProcess model{{.T = T, .k = 1, .g = 1}, {make_formula("-a*x", {{"a", a}})}};
  const double vi = 1 / (2 * (a - 1)), vs = vi + (0.5 - vi) * std::exp(-2 * (a - 1) * T), vo = 0.5 * std::exp((2 - a) * T);
  const LayoutPtr layout = line(1200, -6, 6);
  const Field start = tabulated(layout, *make_formula("exp(-x^2)"), T);
  Field sde = reverse_diffusion_law(model, start, {.steps = 1000}), ode = probability_flow_law(model, start);
  const auto variance = [](const Field& u) {
    Field second = u.clone();
    for (int r = 0; r < u.layout().rows(); ++r) {
      const RowPoints p = u.layout().row(r);
      for (int i = 0; i < p.n; ++i) second.level()[p.offset + i] *= p.x[i] * p.x[i];
    }
    return sum(second) / sum(u);
  };
  const double s = variance(sde), o = variance(ode), gap = density_distances(sde, ode).w2.value();
  BOOST_TEST_MESSAGE("V_S " << s - vs << ", V_O " << o - vo << ", gap " << gap - (std::sqrt(vs) - std::sqrt(vo)));
  BOOST_TEST(std::fabs(s - vs) < 1e-4);
  BOOST_TEST(std::fabs(o - vo) < 1e-4);
  BOOST_TEST(std::fabs(vs - 0.454545) < 1e-6);
  BOOST_TEST(std::fabs(vo - 0.183940) < 1e-6);
  BOOST_TEST(std::fabs(gap - 0.245318) < 1e-4);
}

// phi = log p + delta cos(k x + 0.4) e^{-t} on three Gaussians: the gap between the two laws grows with the slope 1 in delta, in L1; the residual
//   R = phi_t + div f + f phi_x - g^2/2 (phi_xx + phi_x^2) = delta (psi_t - x psi_x - psi_xx/2 - (log p)_x psi_x) - delta^2 psi_x^2 / 2
// too. Figures of an independent program: Crank-Nicolson with central fluxes, characteristics, 3000 cells.
BOOST_AUTO_TEST_CASE(perturbed_score) {
  const double T = 6;
  const DiffusionProcess process{.T = T, .k = 1, .g = 1};
  const MovedFunctions exact = moved_functions(make_data(three_gaussians()), process);
  const auto terminal = make_formula("exp(-x^2)/sqrt(pi)", {{"pi", std::numbers::pi}});
  const LayoutPtr layout = line(3000, -8, 8);
  const Field start = tabulated(layout, *terminal, T);
  struct Row {
    double k, delta, residual, l1, w2;
  };
  for (const Row& row : {Row{1.5, 0.0125, 0.0159, 0.0044, 0.0047}, Row{1.5, 0.025, 0.0318, 0.0088, 0.0110}, Row{1.5, 0.05, 0.0634, 0.0174, 0.0213},
                         Row{1.5, 0.1, 0.126, 0.0346, 0.0385}, Row{1.5, 0.2, 0.250, 0.0684, 0.0681}, Row{1.5, 0.4, 0.491, 0.135, 0.121},
                         Row{3, 0.0125, 0.039, 0.0223, 0.051}, Row{3, 0.025, 0.079, 0.0447, 0.086}, Row{3, 0.05, 0.159, 0.0897, 0.143},
                         Row{3, 0.1, 0.320, 0.181, 0.240}, Row{3, 0.2, 0.653, 0.366, 0.403}, Row{3, 0.4, 1.362, 0.743, 0.644}}) {
    const auto wave = make_formula("-delta*k*sin(k*x + 0.4)*exp(-t)", {{"delta", row.delta}, {"k", row.k}});
    const ReverseProcess model{process, {make_sum({exact.score[0], wave})}};
    Field sde = reverse_diffusion_law(model, start, {.steps = 600, .method = "crank_nicolson"}),
          ode = along_characteristics(model, *terminal, layout, 300);
    const DensityDistances gap = density_distances(sde, ode);
    const double R = residual(process, exact, row.k, row.delta, layout);
    BOOST_TEST_MESSAGE("k " << row.k << " delta " << row.delta << ": |R| " << R << " L1 " << gap.l1 << " W2 " << gap.w2.value());
    BOOST_TEST(R == row.residual, boost::test_tools::tolerance(0.05));
    BOOST_TEST(gap.l1 == row.l1, boost::test_tools::tolerance(0.05));
    const double w2 = gap.w2.value();
    BOOST_TEST(w2 == row.w2, boost::test_tools::tolerance(0.05));
    if (row.delta != 0.4) continue;
    Field volumes = probability_flow_law(model, start);
    BOOST_TEST(density_distances(volumes, ode).l1 < 5e-4);
  }
}

// The exact score and the exact law at T give back the initial mixture by both ways, second order in the grid.
BOOST_AUTO_TEST_CASE(exact_score_returns_the_mixture) {
  const auto data = make_data(three_gaussians());
  using enum DiffusionProcess::Kind;
  struct Case {
    const char* name;
    DiffusionProcess process;
    double end, half_width;
    int cells;
  };
  for (const Case& c : {Case{"OU", {.kind = OrnsteinUhlenbeck, .T = 2, .k = 1, .g = 1}, 0, 4.8, 120},
                        Case{"VP", {.kind = VariancePreserving, .T = 1, .b0 = 0.1, .b1 = 10}, 0, 5.4, 135},
                        Case{"VE", {.kind = VarianceExploding, .T = 1, .smin = 0.05, .smax = 3}, 0, 20, 500}}) {
    const MovedFunctions exact = moved_functions(data, c.process);
    const ReverseProcess model{c.process, exact.score};
    std::vector<DensityDistances> sde_errors, ode_errors;
    for (const int factor : {1, 2, 4}) {
      const LayoutPtr layout = line(c.cells * factor, -c.half_width, c.half_width);
      const Field start = tabulated(layout, *exact.density, c.process.T);
      Field target = tabulated(layout, *exact.density, c.end);
      Field sde = reverse_diffusion_law(model, start, {.end = c.end, .steps = 150 * factor}),
            ode = probability_flow_law(model, start, {.end = c.end});
      sde_errors.push_back(errors(sde, target));
      ode_errors.push_back(errors(ode, target));
      BOOST_TEST_MESSAGE(c.name << ' ' << c.cells * factor << " SDE: L1 " << sde_errors.back().l1 << " KL " << sde_errors.back().kl << " W2 "
                                << sde_errors.back().w2.value() << "  ODE: L1 " << ode_errors.back().l1 << " KL " << ode_errors.back().kl << " W2 "
                                << ode_errors.back().w2.value() << "  gap L1 " << density_distances(sde, ode).l1);
      if (factor == 4) {
        BOOST_TEST(density_distances(sde, ode).l1 < 4e-3);
        BOOST_TEST(sde_errors.back().l1 < 4e-3);
        BOOST_TEST(ode_errors.back().l1 < 2e-3);
      }
    }
    for (const auto& e : {sde_errors, ode_errors}) {
      BOOST_TEST(std::log2(e[1].l1 / e[2].l1) > 1.85);
      BOOST_TEST(std::log2(e[1].kl / e[2].kl) > 3.0);  // of second order in the difference of the densities
      BOOST_TEST(std::log2(e[1].w2.value() / e[2].w2.value()) > 1.5);
    }
  }
}
