// ranks: 1 2 4
// Hamiltonians from problem files on distributed grids.
#define BOOST_TEST_MODULE hamiltonian
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <string>

#include "grids/field.hpp"
#include "grids/support/errors.hpp"
#include "problems/catalogue.hpp"
#include "problems/hamiltonian.hpp"

using namespace wasserflow;

namespace {

HamiltonianTerms read(const std::string& text, int dim) {
  const ProblemFile file = ProblemFile::parse("[hamiltonian]\n" + text, "test.toml");
  HamiltonianTerms terms = read_hamiltonian(file.root().table("hamiltonian", "H"), dim);
  file.check_all_used();
  return terms;
}

LayoutPtr layout(int dim) {
  std::vector<Axis> axes;
  for (int d = 0; d < dim; ++d) axes.push_back({0.0, 2.0, dim == 1 ? 1100 : 9 + d, Boundary::Periodic, 0.0});
  return make_layout(MPI_COMM_WORLD, Grid(axes));
}

double slope(int component, double x, double y, double z) { return 2 * std::sin(1.3 * component + 3 * x + 5 * y - 2 * z); }

/// H at true slopes on all owned points of two levels against expected(x, y, z, t, p).
template <class F>
void check_true(Hamiltonian& h, int dim, F&& expected) {
  const LayoutPtr grid = layout(dim);
  const std::array<double, 2> times{0.25, 0.75};
  h.bind(grid, times);
  for (int level = 0; level < 2; ++level)
    for (int r = 0; r < grid->rows(); ++r) {
      RowPoints p = grid->row(r);
      p.level = level;
      p.t = times[static_cast<std::size_t>(level)];
      const std::size_t n = static_cast<std::size_t>(p.n);
      std::vector<std::vector<double>> q(static_cast<std::size_t>(dim), std::vector<double>(n));
      std::vector<const double*> rows;
      for (std::size_t d = 0; d < q.size(); ++d) {
        for (std::size_t i = 0; i < n; ++i) q[d][i] = slope(static_cast<int>(d), p.x[i], p.y, p.z);
        rows.push_back(q[d].data());
      }
      std::vector<double> value(n);
      h.evaluate_true(p, rows.data(), value.data());
      for (std::size_t i = 0; i < n; ++i) {
        std::array<double, 3> s{};
        for (std::size_t d = 0; d < q.size(); ++d) s[d] = q[d][i];
        const double e = expected(p.x[i], p.y, p.z, p.t, s);
        BOOST_REQUIRE_SMALL(value[i] - e, 1e-13 * (1 + std::abs(e)));
      }
    }
}

}  // namespace

BOOST_AUTO_TEST_CASE(closed_forms_from_files) {
  const auto a = [](double x) { return (x - 1) * (x - 1) + 0.1; };
  for (int dim = 1; dim <= 3; ++dim) {
    std::string each = "coefficient = [\"(x-1)^2+0.1\"";
    if (dim > 1) each += ", \"(y-1)^2+0.1\"";
    if (dim > 2) each += ", 0.5";
    each += "]\n";
    const auto weight = [&](std::size_t d, double x, double y) { return d == 0 ? a(x) : d == 1 ? a(y) : 0.5; };
    check_true(*read("type = \"quadratic\"\n" + each, dim).kinetic, dim, [&](double x, double y, double, double, const auto& p) {
      double h = 0;
      for (std::size_t d = 0; d < 3; ++d) h += 0.5 * weight(d, x, y) * p[d] * p[d];
      return h;
    });
    check_true(*read("type = \"one_homogeneous\"\n" + each, dim).kinetic, dim, [&](double x, double y, double, double, const auto& p) {
      double h = 0;
      for (std::size_t d = 0; d < 3; ++d) h += weight(d, x, y) * std::abs(p[d]);
      return h;
    });
    check_true(*read("type = \"norm\"\ncoefficient = \"1+x*t\"\n", dim).kinetic, dim,
               [&](double x, double, double, double t, const auto& p) { return (1 + x * t) * std::hypot(p[0], p[1], p[2]); });
    if (dim == 2)
      check_true(*read("type = \"anisotropic\"\nmatrix = [2, \"x/2\", 1]\n", dim).kinetic, dim,
                 [&](double x, double, double, double, const auto& p) { return p[0] * p[0] + 0.5 * x * p[0] * p[1] + 0.5 * p[1] * p[1]; });
    check_true(*read("type = \"norm\"\nnorm = \"linf\"\ncoefficient = 2\n", dim).kinetic, dim, [&](double, double, double, double, const auto& p) {
      return 2 * std::max({std::abs(p[0]), std::abs(p[1]), std::abs(p[2])});
    });
  }
}

/// The proximal map of a field is the same to the last bit however the grid is cut.
BOOST_AUTO_TEST_CASE(proximal_map_does_not_depend_on_ranks) {
  for (const std::string type : {"quadratic", "one_homogeneous"}) {
    const int dim = 1, slots = 2;
    const auto run = [&](MPI_Comm comm) {
      HamiltonianTerms terms = read("type = \"" + type + "\"\ncoefficient = \"(x-1)^2+0.1\"\n", dim);
      const LayoutPtr grid = make_layout(comm, Grid({{0.0, 2.0, 1100, Boundary::Periodic, 0.0}}));
      terms.kinetic->bind(grid, std::array<double, 1>{0.0});
      std::vector<Field> u;
      for (int j = 0; j <= slots; ++j) {
        u.emplace_back(grid);
        for (std::size_t i = 0; i < u.back().owned().size(); ++i) u.back().owned()[i] = slope(j, grid->x_nodes()[i], 0, 0);
      }
      for (int r = 0; r < grid->rows(); ++r) {
        const RowPoints p = grid->row(r);
        std::array<double*, 2> m{u[1].level() + p.offset, u[2].level() + p.offset};
        terms.kinetic->prox(p, 0.5, 0.7, u[0].level() + p.offset, m.data());
      }
      return u;
    };
    const std::vector<Field> whole = run(MPI_COMM_SELF), part = run(MPI_COMM_WORLD);
    for (std::size_t j = 0; j <= 2; ++j)
      for (std::size_t i = 0; i < part[j].owned().size(); ++i)
        BOOST_REQUIRE_EQUAL(part[j].owned()[i], whole[j].owned()[i + static_cast<std::size_t>(part[j].layout().global_offset())]);
  }
}

BOOST_AUTO_TEST_CASE(negative_coefficients_are_refused) {
  for (const std::string type : {"quadratic", "one_homogeneous", "norm"}) {
    const HamiltonianTerms terms = read("type = \"" + type + "\"\ncoefficient = \"x - 1 + t\"\n", 2);
    const LayoutPtr grid = layout(2);
    terms.kinetic->bind(grid, std::array<double, 1>{1.0});
    BOOST_CHECK_THROW(terms.kinetic->set_times(std::array<double, 1>{0.5}), InputError);
  }
}

BOOST_AUTO_TEST_CASE(terms_and_errors) {
  const HamiltonianTerms terms = read("drift = [0, \"x\"]\npotential = \"sin(x)\"\n", 2);
  BOOST_TEST(terms.kinetic->name() == "quadratic");
  BOOST_TEST(terms.drift.size() == 2u);
  BOOST_TEST(terms.drift[1]->at(0.5, 0, 0, 0) == 0.5);
  BOOST_TEST(terms.potential->at(0.5, 0, 0, 0) == std::sin(0.5), boost::test_tools::tolerance(1e-14));
  BOOST_CHECK_EXCEPTION(read("type = \"quadratik\"\n", 1), InputError, [](const InputError& e) {
    return std::string(e.what()).find("test.toml:2:8") != std::string::npos &&
           std::string(e.what()).find("did you mean 'quadratic'") != std::string::npos;
  });
}
