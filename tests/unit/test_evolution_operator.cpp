// ranks: 1 2 4
// timeout: 60
#define BOOST_TEST_MODULE evolution_operator
#include <boost/test/unit_test.hpp>

#include "tests/support/evolution_operators.hpp"

using namespace wasserflow;
using namespace wasserflow::test;

BOOST_AUTO_TEST_CASE(values_follow_the_definition) {
  for_all([](const ReactionDiffusionEquation& e, const Grid& g) {
    const LayoutPtr layout = make_layout(MPI_COMM_WORLD, g);
    const auto op = make_evolution_operator(e, layout);
    const int S = op->components();
    Field u = random_field(layout, S, 1);
    op->prepare(u, std::vector<double>{0.7});
    const Field got = rows(*op, &EvolutionOperator::value_row, S);
    const auto expected = Plain{g}.value(e, whole(g.size(), S, 1), 0.7);
    for (int s = 0; s < S; ++s) {
      double scale = 0, error = 0;
      for (const double x : expected[s]) scale = std::max(scale, std::fabs(x));
      for (std::ptrdiff_t i = 0; i < layout->owned(); ++i)
        error = std::max(error, std::fabs(got.level(s)[i] - expected[s][layout->global_offset() + i]));
      BOOST_TEST(error < 1e-13 * scale);
    }
  });
}

BOOST_AUTO_TEST_CASE(boxes_of_one_or_two_cells_are_boxes) {
  for (const Boundary kind : {Boundary::Periodic, Boundary::NoFlux, Boundary::Dirichlet})
    for (int nx : {1, 2})
      for (int ny : {1, 2}) {
        const double pi = std::numbers::pi;
        const Grid g({{0.1, 0.1 + 2 * pi, nx, kind, 0.5}, {0.1, 0.1 + 2 * pi, ny, kind, 0.5}, {0.1, 0.1 + 2 * pi, 7, kind, 0.5}});
        const LayoutPtr layout = make_layout(MPI_COMM_WORLD, g);
        for (const Case& c : cases(3)) {
          const auto op = make_evolution_operator(c.equation, layout);
          const int S = op->components();
          Field u = random_field(layout, S, 1), v = random_field(layout, S, 2), q = random_field(layout, S, 3);
          op->prepare(u, std::vector<double>{0.7});
          op->prepare_derivative(v);
          op->prepare_adjoint(q);
          const Field got = rows(*op, &EvolutionOperator::value_row, S);
          const Field dv = rows(*op, &EvolutionOperator::derivative_row, S), dq = rows(*op, &EvolutionOperator::adjoint_row, S);
          const auto expected = Plain{g}.value(c.equation, whole(g.size(), S, 1), 0.7);
          double error = 0, scale = 0;
          for (const double x : expected[0]) scale = std::max(scale, std::fabs(x));
          for (std::ptrdiff_t i = 0; i < layout->owned(); ++i)
            error = std::max(error, std::fabs(got.level(0)[i] - expected[0][layout->global_offset() + i]));
          BOOST_TEST(error < 1e-13 * scale);
          BOOST_TEST(std::fabs(inner(q, dv) - inner(dq, v)) < 1e-12 * std::sqrt(inner(q, q) * inner(dv, dv)));
        }
      }
}

BOOST_AUTO_TEST_CASE(coefficients_that_are_known_at_cells_are_averaged_at_faces) {
  /// 1 + (global index modulo 7), at the cells of one layout only, as data from a file are.
  struct OnGrid : Function {
    std::int64_t first = 0;
    static double at_cell(std::int64_t i) { return 1 + double(i % 7); }
    void evaluate(const RowPoints& p, double* out) const override {
      if (p.offset < 0) throw InternalError("known at the cells only");
      for (int i = 0; i < p.n; ++i) out[i] = at_cell(first + p.offset + i);
    }
    bool depends_on_time() const override { return false; }
    bool on_nodes() const override { return true; }
    void bind(const SlabLayout& layout) override { first = layout.global_offset(); }
  };
  for (int dim = 1; dim <= 3; ++dim)
    for (int shift = 0; shift < 3; ++shift) {
      const Grid g = grid(dim, shift);
      const LayoutPtr layout = make_layout(MPI_COMM_WORLD, g);
      const auto op = make_evolution_operator(one({}, {{std::make_shared<OnGrid>(), nullptr}}, 1, 0), layout);
      Field u = random_field(layout, 1, 1);
      op->prepare(u, std::vector<double>{0});
      const Field got = rows(*op, &EvolutionOperator::value_row, 1);
      const Values expected = Plain{g}.diffuse(whole(g.size(), 1, 1)[0], [](std::int64_t i, int, int, std::int64_t j) {
        return j < 0 ? OnGrid::at_cell(i) : 0.5 * (OnGrid::at_cell(i) + OnGrid::at_cell(j));
      });
      double error = 0;
      for (std::ptrdiff_t i = 0; i < layout->owned(); ++i)
        error = std::max(error, std::fabs(got.level()[i] - expected[static_cast<std::size_t>(layout->global_offset() + i)]));
      BOOST_TEST(error < 1e-12 * max_abs(got));
    }
}

BOOST_AUTO_TEST_CASE(rows_and_energies_have_the_same_bits_on_any_number_of_ranks) {
  for_all([](const ReactionDiffusionEquation& e, const Grid& g) {
    const LayoutPtr layouts[] = {make_layout(MPI_COMM_SELF, g), make_layout(MPI_COMM_WORLD, g)};
    std::vector<Field> value, derivative, adjoint;
    std::vector<std::optional<double>> energy;
    for (const LayoutPtr& layout : layouts) {
      const auto op = make_evolution_operator(e, layout);
      const int S = op->components();
      Field u = random_field(layout, S, 1), v = random_field(layout, S, 2);
      op->prepare(u, std::vector<double>{0.7});
      op->prepare_derivative(v);
      op->prepare_adjoint(v);
      value.push_back(rows(*op, &EvolutionOperator::value_row, S));
      derivative.push_back(rows(*op, &EvolutionOperator::derivative_row, S));
      adjoint.push_back(rows(*op, &EvolutionOperator::adjoint_row, S));
      energy.push_back(op->energy(u));
    }
    for (const auto* pair : {&value, &derivative, &adjoint}) {
      const Field &alone = (*pair)[0], &shared = (*pair)[1];
      int different = 0;
      for (int l = 0; l < alone.levels(); ++l)
        for (std::ptrdiff_t i = 0; i < layouts[1]->owned(); ++i) different += shared.level(l)[i] != alone.level(l)[layouts[1]->global_offset() + i];
      BOOST_TEST(different == 0);
    }
    BOOST_TEST((energy[0] == energy[1]));
  });
}

BOOST_AUTO_TEST_CASE(long_lines_are_cut_into_rows_without_a_trace) {
  const Grid g({{0.1, 0.1 + 2 * std::numbers::pi, 2500, Boundary::Dirichlet, 0.5}});
  for (const Case& c : cases(1)) {
    const LayoutPtr layouts[] = {make_layout(MPI_COMM_SELF, g), make_layout(MPI_COMM_WORLD, g)};
    std::vector<Field> value;
    for (const LayoutPtr& layout : layouts) {
      const auto op = make_evolution_operator(c.equation, layout);
      Field u = random_field(layout, op->components(), 1);
      op->prepare(u, std::vector<double>{0.7});
      value.push_back(rows(*op, &EvolutionOperator::value_row, op->components()));
    }
    const auto expected = Plain{g}.value(c.equation, whole(g.size(), value[0].levels(), 1), 0.7);
    double scale = 0, error = 0;
    int different = 0;
    for (const double x : expected[0]) scale = std::max(scale, std::fabs(x));
    for (std::ptrdiff_t i = 0; i < layouts[1]->owned(); ++i) {
      error = std::max(error, std::fabs(value[1].level(0)[i] - expected[0][layouts[1]->global_offset() + i]));
      different += value[1].level(0)[i] != value[0].level(0)[layouts[1]->global_offset() + i];
    }
    BOOST_TEST(error < 1e-13 * scale);
    BOOST_TEST(different == 0);
  }
}

BOOST_AUTO_TEST_CASE(derivatives_are_the_limits_of_differences) {
  for_all([](const ReactionDiffusionEquation& e, const Grid& g) {
    const LayoutPtr layout = make_layout(MPI_COMM_WORLD, g);
    const auto op = make_evolution_operator(e, layout);
    const int S = op->components();
    Field u = random_field(layout, S, 1), v = random_field(layout, S, 2);
    const auto moved = [&](double eps) {
      Field w = u.clone();
      for (int s = 0; s < S; ++s)
        for (std::ptrdiff_t i = 0; i < layout->owned(); ++i) w.level(s)[i] += eps * v.level(s)[i];
      op->prepare(w, std::vector<double>{0.7});
      return rows(*op, &EvolutionOperator::value_row, S);
    };
    const double eps = 1e-4;  // differences of fourth order: what is left is the rounding of the values
    const Field a = moved(eps), b = moved(-eps), c = moved(2 * eps), d = moved(-2 * eps);
    op->prepare(u, std::vector<double>{0.7});
    op->prepare_derivative(v);
    const Field got = rows(*op, &EvolutionOperator::derivative_row, S);
    for (int s = 0; s < S; ++s) {
      const double scale = std::max(max_abs(got, s), max_abs(a, s));
      double error = 0;
      for (std::ptrdiff_t i = 0; i < layout->owned(); ++i) {
        const double slope = (8 * (a.level(s)[i] - b.level(s)[i]) - (c.level(s)[i] - d.level(s)[i])) / (12 * eps);
        error = std::max(error, std::fabs(got.level(s)[i] - slope));
      }
      BOOST_TEST(error < 1e-10 * scale);
    }
  });
}

BOOST_AUTO_TEST_CASE(adjoints_are_the_transposes_of_derivatives) {
  for_all([](const ReactionDiffusionEquation& e, const Grid& g) {
    const LayoutPtr layout = make_layout(MPI_COMM_WORLD, g);
    const auto op = make_evolution_operator(e, layout);
    const int levels = 2 * op->components();
    Field u = random_field(layout, levels, 1), v = random_field(layout, levels, 2), q = random_field(layout, levels, 3);
    op->prepare(u, std::vector<double>{0.7, 0.9});
    op->prepare_derivative(v);
    op->prepare_adjoint(q);
    const Field dv = rows(*op, &EvolutionOperator::derivative_row, levels), dq = rows(*op, &EvolutionOperator::adjoint_row, levels);
    const double scale = std::sqrt(inner(q, q) * inner(dv, dv));
    BOOST_TEST(std::fabs(inner(q, dv) - inner(dq, v)) < 1e-12 * scale);
    BOOST_TEST(std::fabs(inner(q, dv)) > 1e-8 * scale);
  });
}

BOOST_AUTO_TEST_CASE(equations_descend_their_energies) {
  // R = G dE/du, so dE/du [G w] = volume <R, w> for every w, with G at u by its definition. Products that are not self-adjoint have no energy.
  for_all([](const ReactionDiffusionEquation& e, const Grid& g) {
    const LayoutPtr layout = make_layout(MPI_COMM_WORLD, g);
    const auto op = make_evolution_operator(e, layout);
    Field u = random_field(layout, op->components(), 1), w = random_field(layout, op->components(), 2);
    const auto varies = [](const DiffusionFactor& f) { return f.sigma || f.mobility; };
    const auto symmetric = [&](const std::vector<DiffusionFactor>& p) { return p.size() < 2 || std::ranges::none_of(p, varies); };
    if (e.reaction || !symmetric(e.species[0].G) || !symmetric(e.species[0].L)) {
      BOOST_TEST(!op->energy(u).has_value());
      BOOST_TEST(op->gradient_metric().empty());
      return;
    }
    const Plain plain{g};
    const auto all_u = whole(g.size(), 1, 1), all_w = whole(g.size(), 1, 2);
    const Values Gw = e.functionalised ? plain.laplace(all_w[0]) : plain.product(e.species[0].G, all_w[0], all_u[0]);
    const auto energy = [&](double eps) {
      Field moved(layout);
      for (std::ptrdiff_t i = 0; i < layout->owned(); ++i)
        moved.level()[i] = u.level()[i] + eps * Gw[static_cast<std::size_t>(layout->global_offset() + i)];
      return op->energy(moved).value();
    };
    const double eps = 1e-4, slope = (8 * (energy(eps) - energy(-eps)) - (energy(2 * eps) - energy(-2 * eps))) / (12 * eps);
    op->prepare(u, std::vector<double>{0});
    const Field R = rows(*op, &EvolutionOperator::value_row, 1);
    const double expected = g.cell_volume() * dot(R, w), scale = g.cell_volume() * std::sqrt(dot(R, R) * dot(w, w));
    BOOST_TEST(std::fabs(slope - expected) < 1e-8 * scale);

    const SymbolPolynomial G = op->gradient_metric();
    SymbolPolynomial metric;
    if (std::ranges::none_of(e.species[0].G, varies)) metric.resize(e.functionalised ? 2 : e.species[0].G.size() + 1);
    if (!metric.empty()) metric.back() = 1;
    BOOST_TEST((G == metric));
  });
}

BOOST_AUTO_TEST_CASE(mass_is_conserved_where_it_is_said_to_be) {
  int conserving = 0;
  for (const Boundary kind : {Boundary::Periodic, Boundary::NoFlux, Boundary::Dirichlet})
    for (const Case& c : cases(2)) {
      const LayoutPtr layout = make_layout(MPI_COMM_WORLD, Grid({{0, 2 * std::numbers::pi, 8, kind, 0.5}, {0, 1, 9, Boundary::NoFlux, 0.5}}));
      const auto op = make_evolution_operator(c.equation, layout);
      const int S = op->components();
      Field u = random_field(layout, S, 1);
      op->prepare(u, std::vector<double>{0.7});
      const Field R = rows(*op, &EvolutionOperator::value_row, S);
      bool balanced = true;
      for (int s = 0; s < S; ++s) balanced = balanced && std::fabs(sum(R, s)) < 1e-13 * max_abs(R, s) * double(layout->grid().size());
      BOOST_TEST(op->conserves_mass() == balanced);
      conserving += op->conserves_mass();
    }
  BOOST_TEST(conserving == 2 * 7);
}
