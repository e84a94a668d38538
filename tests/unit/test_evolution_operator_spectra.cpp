// ranks: 1 2 4
// timeout: 60
#define BOOST_TEST_MODULE evolution_operator_spectra
#include <boost/test/unit_test.hpp>

#include "tests/support/evolution_operators.hpp"

using namespace wasserflow;
using namespace wasserflow::test;

BOOST_AUTO_TEST_CASE(variable_coefficients_stand_inside_the_divergence) {
  // The published operator converges to sigma Lap u + sigma_y u_x + sigma_x u_y instead (error 8.3 at every resolution).
  double before = 0;
  const double pi = std::numbers::pi;
  for (int n : {64, 128, 256}) {
    const LayoutPtr layout = make_layout(MPI_COMM_WORLD, Grid({{0, 2 * pi, n, Boundary::Periodic, 0}, {0, 2 * pi, n, Boundary::Periodic, 0}}));
    const ReactionDiffusionEquation e = one({}, {{make_formula("1 + 5/2*(sin(x)^2 + sin(y)^2)"), nullptr}}, 1, 0);
    const auto op = make_evolution_operator(e, layout);
    Field u(layout), exact(layout);
    fill(u, 0, *make_formula("sin(x)*cos(2*y)"), 0);
    // -div(sigma grad u) = -sigma Lap u - sigma_x u_x - sigma_y u_y
    fill(exact, 0,
         *make_formula("5*(1+5/2*(sin(x)^2+sin(y)^2))*sin(x)*cos(2*y) - 5*sin(x)*cos(x)*cos(x)*cos(2*y) + 10*sin(y)*cos(y)*sin(x)*sin(2*y)"), 0);
    op->prepare(u, std::vector<double>{0});
    Field R = rows(*op, &EvolutionOperator::value_row, 1);
    for (std::ptrdiff_t i = 0; i < layout->owned(); ++i) R.level()[i] -= exact.level()[i];
    const double error = max_abs(R);
    if (before > 0) BOOST_TEST(before / error == 4, boost::test_tools::tolerance(0.05));
    before = error;
    BOOST_TEST(op->frozen(nullptr, 0).linear[0][1] == 3.5, boost::test_tools::tolerance(1e-12));
    BOOST_TEST(op->linear_part()[0][1] == 3.5, boost::test_tools::tolerance(1e-12));
  }
}

BOOST_AUTO_TEST_CASE(homogeneous_states_grow_by_the_dispersion_relation) {
  // The derivative at u = m acts on a mode as the symbol says; frozen operators are that symbol with c for W''(m), the linear part has no W.
  const double length = 3, m = 0.3;
  const auto varies = [](const DiffusionFactor& f) { return f.sigma || f.mobility; };
  for (const SymbolKind space : {SymbolKind::Difference, SymbolKind::Exact})
    for (int dim = 1; dim <= 3; ++dim)
      for (const Case& c : cases(dim)) {
        ReactionDiffusionEquation e = c.equation;
        const SpeciesTerms terms = e.species[0];
        if (e.reaction || std::ranges::any_of(terms.G, varies) || std::ranges::any_of(terms.L, varies)) continue;
        e.space = space;
        const Boundary kinds[] = {Boundary::Periodic, Boundary::NoFlux, Boundary::Dirichlet};
        std::vector<Axis> axes;
        for (int d = 0; d < dim; ++d) axes.push_back({0, length, 6 + 2 * d, kinds[d], 0.5});
        const LayoutPtr layout = make_layout(MPI_COMM_WORLD, Grid(axes));
        const auto op = make_evolution_operator(e, layout);
        for (int q : {1, 2}) {
          double l = 0;
          Point k{};
          for (int d = 0; d < dim; ++d) {
            k[d] = (d == 0 ? 2 : 1) * std::numbers::pi * q / length;
            const double h = axes[d].spacing();
            l += space == SymbolKind::Exact ? k[d] * k[d] : (2 - 2 * std::cos(k[d] * h)) / (h * h);
          }
          Field u(layout), v(layout);
          for (std::ptrdiff_t i = 0; i < layout->owned(); ++i) {
            u.level()[i] = m;
            const Point x = Plain{layout->grid()}.place(layout->global_offset() + i);
            v.level()[i] = std::cos(k[0] * x[0]) * std::cos(k[1] * x[1]) * (dim > 2 ? std::sin(k[2] * x[2]) : 1);
          }
          const double e2 = e.eps * e.eps;
          const auto symbol = [&](double w) {
            if (e.functionalised) return l * (e2 * l + w - e.eta) * (e2 * l + w);
            return std::pow(l, double(terms.G.size())) * (terms.a * std::pow(l, double(terms.L.size())) + terms.b * w);
          };
          const auto at = [&](const SymbolPolynomial& p) {
            double value = 0, power = 1;
            for (const double x : p) value += x * power, power *= l;
            return value;
          };
          const FrozenOperator frozen = op->frozen(nullptr, 0);
          BOOST_TEST((frozen.kind == space && frozen.coupling.empty()));
          BOOST_TEST(at(frozen.linear[0]) == symbol(2), boost::test_tools::tolerance(1e-12));
          const double linear = e.functionalised ? l * e2 * l * (e2 * l - e.eta) : symbol(0);
          BOOST_TEST(std::fabs(at(op->linear_part()[0]) - linear) < 1e-12 * (1 + std::fabs(linear)));

          // Beside W'' there is -W''' v of the constant state; at Dirichlet walls that state is not homogeneous.
          if (e.functionalised && dim == 3) continue;
          const double expected = symbol(3 * m * m - 1) + (e.functionalised ? l * 6 * m * (m * m * m - m + 0.1) : 0);
          op->prepare(u, std::vector<double>{0});
          op->prepare_derivative(v);
          op->prepare_adjoint(v);
          const Field got = rows(*op, &EvolutionOperator::derivative_row, 1), transposed = rows(*op, &EvolutionOperator::adjoint_row, 1);
          double error = 0;
          for (std::ptrdiff_t i = 0; i < layout->owned(); ++i)
            for (const Field* f : {&got, &transposed}) error = std::max(error, std::fabs(f->level()[i] - expected * v.level()[i]));
          BOOST_TEST(error < 1e-11 * (1 + std::fabs(expected)), c.name << " in " << dim << "-D: " << error << " of " << expected);
        }
      }
}

BOOST_AUTO_TEST_CASE(exact_symbols_give_exact_derivatives_of_trigonometric_states) {
  const double pi = std::numbers::pi;
  const LayoutPtr layout = make_layout(MPI_COMM_WORLD, Grid({{0, 2 * pi, 16, Boundary::Periodic, 0}, {0, pi, 16, Boundary::NoFlux, 0.5}}));
  ReactionDiffusionEquation e = one({laplacian()}, {{make_constant(2), nullptr}}, 0.3, 1.7);
  e.space = SymbolKind::Exact;
  const auto op = make_evolution_operator(e, layout);
  Field u(layout), exact(layout);
  fill(u, 0, *make_formula("sin(x)*cos(2*y)"), 0);
  // -Lap(0.6 * 5 u + 1.7 (u^3 - u + 0.1)), with sin^3 x = (3 sin x - sin 3x)/4 and cos^3 2y = (3 cos 2y + cos 6y)/4
  fill(exact, 0,
       *make_formula("(15 - 8.5)*sin(x)*cos(2*y) + 1.7/16*(3*sin(x)*(3*5*cos(2*y) + 37*cos(6*y)) - sin(3*x)*(3*13*cos(2*y) + 45*cos(6*y)))"), 0);
  op->prepare(u, std::vector<double>{0});
  const Field R = rows(*op, &EvolutionOperator::value_row, 1);
  double error = 0;
  for (std::ptrdiff_t i = 0; i < layout->owned(); ++i) error = std::max(error, std::fabs(R.level()[i] - exact.level()[i]));
  BOOST_TEST(error < 1e-10);
  // Means over the box: |grad u|^2 5/4, u^2 1/4, u^4 9/64, u 0.
  BOOST_TEST(op->energy(u).value() == 2 * pi * pi * (0.3 * 1.25 + 1.7 * (9.0 / 256 - 0.125)), boost::test_tools::tolerance(1e-12));
}

BOOST_AUTO_TEST_CASE(exact_symbols_have_matching_adjoints_and_energies) {
  for (const Case& c : cases(2)) {
    ReactionDiffusionEquation e = c.equation;
    for (SpeciesTerms& terms : e.species)
      for (auto* factors : {&terms.G, &terms.L})
        for (DiffusionFactor& f : *factors) f = {f.sigma || f.mobility ? make_constant(1.5) : nullptr, nullptr};
    e.space = SymbolKind::Exact;
    BOOST_TEST_CONTEXT(c.name) {
      const LayoutPtr layout = make_layout(MPI_COMM_WORLD, grid(2, 1));
      const auto op = make_evolution_operator(e, layout);
      const int S = op->components();
      Field u = random_field(layout, S, 1), v = random_field(layout, S, 2), q = random_field(layout, S, 3);
      op->prepare(u, std::vector<double>{0.7});
      op->prepare_derivative(v);
      op->prepare_adjoint(q);
      const Field dv = rows(*op, &EvolutionOperator::derivative_row, S), dq = rows(*op, &EvolutionOperator::adjoint_row, S);
      const double scale = std::sqrt(inner(q, q) * inner(dv, dv));
      BOOST_TEST(std::fabs(inner(q, dv) - inner(dq, v)) < 1e-12 * scale);
      if (S > 1) continue;
      // With G by the same transforms: the operator of G alone (L, W away, one more mode factor).
      ReactionDiffusionEquation metric = one(e.functionalised ? std::vector{laplacian()} : e.species[0].G, {}, 1, 0);
      metric.space = SymbolKind::Exact;
      const auto G = make_evolution_operator(metric, layout);
      G->prepare(v, std::vector<double>{0});
      const Field Gv = rows(*G, &EvolutionOperator::value_row, 1);
      const auto energy = [&](double eps) {
        Field moved = u.clone();
        for (std::ptrdiff_t i = 0; i < layout->owned(); ++i) moved.level()[i] += eps * Gv.level()[i];
        return op->energy(moved).value();
      };
      const double eps = 1e-4, slope = (8 * (energy(eps) - energy(-eps)) - (energy(2 * eps) - energy(-2 * eps))) / (12 * eps);
      const Field R = rows(*op, &EvolutionOperator::value_row, 1);
      const double volume = layout->grid().cell_volume();
      BOOST_TEST(std::fabs(slope - volume * dot(R, v)) < 1e-8 * volume * std::sqrt(dot(R, R) * dot(v, v)));
    }
  }
}

BOOST_AUTO_TEST_CASE(steps_of_a_block_do_not_mix) {
  const LayoutPtr layout = make_layout(MPI_COMM_WORLD, grid(2, 0));
  for (const Case& c : cases(2)) {
    const auto op = make_evolution_operator(c.equation, layout), alone = make_evolution_operator(c.equation, layout);
    const int S = op->components();
    Field u = random_field(layout, 3 * S, 1);
    const std::vector<double> times{0.1, 0.5, 2};
    op->prepare(u, times);
    const Field all = rows(*op, &EvolutionOperator::value_row, 3 * S);
    for (std::size_t k = 0; k < 3; ++k) {
      Field single(layout, S);
      const int first = static_cast<int>(k) * S;
      for (int s = 0; s < S; ++s) single.copy_level(s, u, first + s);
      alone->prepare(single, std::span(&times[k], 1));
      const Field got = rows(*alone, &EvolutionOperator::value_row, S);
      int different = 0;
      for (int s = 0; s < S; ++s)
        for (std::ptrdiff_t i = 0; i < layout->owned(); ++i) different += got.level(s)[i] != all.level(first + s)[i];
      BOOST_TEST(different == 0);
      if (S == 1) BOOST_TEST((alone->energy(single) == op->energy(u, first)));
    }
  }
}

BOOST_AUTO_TEST_CASE(constants_of_frozen_operators) {
  const LayoutPtr layout = make_layout(MPI_COMM_WORLD, grid(2, 0));
  const std::vector<Case> all = cases(2);
  const auto find = [&](const std::string& name) { return std::ranges::find_if(all, [&](const Case& c) { return c.name == name; })->equation; };
  // Coupling: minus the Jacobian, at the base state (1, 0.5) or at the mean of the state.
  auto system = make_evolution_operator(find("system"), layout);
  Field uv(layout, 2);
  std::ranges::fill(uv.owned(0), 0.25);
  std::ranges::fill(uv.owned(1), 2.0);
  const std::vector<double> base{0.25 + 0.3, 1, -0.25, 0.4 - 1}, mean{4 + 0.3, 1, -4, 0.4 - 1};
  const auto close = [](const std::vector<double>& a, const std::vector<double>& b) {
    return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [](double x, double y) { return std::fabs(x - y) < 1e-13; });
  };
  BOOST_TEST(close(system->frozen(nullptr, 0).coupling, base));
  BOOST_TEST(close(system->frozen(&uv, 0).coupling, mean));

  // Mobility: its own mean, or that of M(state) = 1.5 + 0.125 - 0.0125.
  auto moving = make_evolution_operator(find("mobility"), layout);
  BOOST_TEST(moving->frozen(nullptr, 0).linear[0][2] == 1.4 * 0.3, boost::test_tools::tolerance(1e-12));
  BOOST_TEST(moving->frozen(&uv, 0).linear[0][2] == 1.6125 * 0.3, boost::test_tools::tolerance(1e-12));

  // W'' that grows without bound follows the state: the middle of its values, but not below the curvature of the potential.
  ReactionDiffusionEquation e = one({}, {laplacian()}, 1, 1);
  e.species[0].potential = std::make_shared<Logarithmic>();
  const auto logarithmic = make_evolution_operator(e, layout);
  BOOST_TEST((logarithmic->domain(0) == std::array<double, 2>{-1, 1}));
  BOOST_TEST(logarithmic->frozen(nullptr, 0).linear[0][0] == 2.0);
  Field u(layout);
  BOOST_TEST(logarithmic->frozen(&u, 0).linear[0][0] == 2.0);
  if (rank_of(MPI_COMM_WORLD) == 0) u.level()[0] = std::sqrt(0.9);  // W'' = 10 there, 1 elsewhere
  BOOST_TEST(logarithmic->frozen(&u, 0).linear[0][0] == 5.5, boost::test_tools::tolerance(1e-12));
}

BOOST_AUTO_TEST_CASE(terms_that_do_not_fit_are_refused) {
  const LayoutPtr layout = make_layout(MPI_COMM_WORLD, grid(2, 0));
  const auto refused = [](const ReactionDiffusionEquation& e, const LayoutPtr& on) {
    BOOST_CHECK_THROW((void)make_evolution_operator(e, on), InputError);
  };
  ReactionDiffusionEquation spectral = one({}, {sigma(2)}, 1, 1);
  spectral.space = SymbolKind::Exact;
  refused(spectral, layout);
  spectral = one({mobility()}, {laplacian()}, 1, 1);
  spectral.space = SymbolKind::Exact;
  refused(spectral, layout);
  refused(one({}, {mobility()}, 1, 1), layout);
  refused(one({}, {{make_formula("1+x"), std::make_shared<Bump>()}}, 1, 1), layout);
  refused(one({}, {{make_formula("sin(x)"), nullptr}}, 1, 1), layout);
  refused(one({}, {{make_formula("1+t"), nullptr}}, 1, 1), layout);
  refused(one({}, {{make_constant(-1), nullptr}}, 1, 1), layout);
  refused(one({}, {laplacian()}, 1, 1), make_layout(MPI_COMM_WORLD, Grid({{0, 1, 8, Boundary::Extrapolate, 0.5}})));
  ReactionDiffusionEquation e = functionalised(0.3);
  e.species[0].potential = nullptr;
  refused(e, layout);
}
