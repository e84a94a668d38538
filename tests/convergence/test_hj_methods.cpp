// ranks: 1 2
// timeout: 300
#define BOOST_TEST_MODULE hj_methods
#include <fmt/format.h>
#include <boost/test/unit_test.hpp>

#include "grids/reduce.hpp"
#include "solvers/hj_march.hpp"

using namespace wasserflow;

namespace {
struct Case {
  std::string name;
  int dim;
  int cells;
  double dt;
  int steps;
  double eps;
  std::vector<Boundary> boundary;  // x, y, z
  std::string hamiltonian;         // keys of [hamiltonian]
  std::string initial;
};

const std::string speed2 = "((x-1)^2 + 0.1)^2", speed = "(x-1)^2 + 0.1";
const Boundary periodic = Boundary::Periodic, mirror = Boundary::NoFlux, outflow = Boundary::Extrapolate;

std::vector<Case> cases() {
  const std::string sines[] = {"sin(pi*x)", "sin(pi*x) + sin(pi*y)", "sin(pi*x) + sin(pi*y) + sin(pi*z)"};
  const auto axes = [](int dim, std::string f) {
    std::string list;
    for (int d = 0; d < dim; ++d) {
      std::string g = f;
      std::replace(g.begin(), g.end(), 'x', "xyz"[d]);
      list += (d ? ", \"" : "\"") + g + "\"";
    }
    return "[" + list + "]";
  };
  const std::vector<Boundary> torus(3, periodic);
  std::vector<Case> all;
  for (int dim : {1, 2, 3}) {
    const int n = dim == 1 ? 80 : dim == 2 ? 24 : 12;
    for (double eps : {0.0, 0.1}) {
      all.push_back({"quadratic", dim, n, 2.0 / n, 3, eps, torus, "type = \"quadratic\"\ncoefficient = " + axes(dim, speed2), sines[dim - 1]});
      all.push_back(
          {"one_homogeneous", dim, n, 2.0 / n, 3, eps, torus, "type = \"one_homogeneous\"\ncoefficient = " + axes(dim, speed), sines[dim - 1]});
    }
  }
  all.push_back(
      {"l2 norm", 2, 24, 1.0 / 12, 3, 0, torus, "type = \"norm\"\nnorm = \"l2\"\ncoefficient = \"1 + 3*exp(-4*((x-1)^2 + (y-1)^2))\"", sines[1]});
  all.push_back({"anisotropic", 2, 24, 1.0 / 12, 3, 0, torus, "type = \"anisotropic\"\nmatrix = [0.8125, 0.32475952641916445, 0.4375]", sines[1]});
  all.push_back({"formula", 2, 24, 1.0 / 12, 3, 0.02, torus, "type = \"formula\"\nH = \"(px^2 + py^2 + px*py)/2 + 0.2*sqrt(1 + px^2)\"", sines[1]});
  all.push_back({"power", 2, 24, 1.0 / 12, 3, 0, torus, "type = \"power\"\nexponent = 1.5", sines[1]});
  all.push_back({"newton",
                 2,
                 24,
                 1.0 / 24,
                 3,
                 0,
                 {mirror, periodic},
                 "type = \"quadratic\"\ncoefficient = [1.0, 0.0]\ndrift = [\"0\", \"1-x\"]",
                 "sin(pi*y)*exp(-(x-1)^2)"});
  all.push_back({"bowl with potential",
                 2,
                 24,
                 1.0 / 12,
                 3,
                 0.02,
                 {outflow, outflow},
                 "type = \"quadratic\"\npotential = \"0.3*sin(3*x + t)*cos(2*y)\"",
                 "((x-1)^2 + (y-1)^2)/2"});
  return all;
}

struct Result {
  Field phi, rho;
  std::vector<Field> m;
};

Result solve(MPI_Comm comm, const Case& c, const std::string& solver) {
  std::vector<Axis> axes;
  for (int d = 0; d < c.dim; ++d) {
    const Boundary kind = c.boundary[static_cast<std::size_t>(d)];
    axes.push_back({0, 2, c.cells + (d > 0 && kind != periodic ? 1 : 0), kind, kind == periodic ? 0 : 0.5});
  }
  const ProblemFile file =
      ProblemFile::parse(fmt::format("[hamiltonian]\n{}\n[initial]\nphi = \"{}\"\n[solver]\n{}\n", c.hamiltonian, c.initial, solver), "problem.toml");
  const Parameters root = file.root();
  const HjMethod method = read_hj_method(root.table("solver", ""));
  const LayoutPtr layout = make_layout(comm, Grid(axes), method.ghost);
  HamiltonJacobiProblem problem = make_hamilton_jacobi_problem(read_hamiltonian(root.table("hamiltonian", ""), c.dim), layout, c.eps, c.dt, {c.dt});
  Field g(layout);
  fill(g, 0, *read_function(root.table("initial", ""), "phi", "", c.dim), 0);
  file.check_all_used();
  const auto march = method.make(problem, g);
  for (int k = 1; k <= c.steps; ++k) {
    const HjWindowReport report = march->advance(std::array{k * c.dt});
    BOOST_TEST((report.reason == StopReason::Converged), c.name << " in " << c.dim << "-D, eps " << c.eps << ": " << solver << " mean|R| "
                                                                << report.residual.mean_abs << " after " << report.iterations);
  }
  Result result{march->last().clone(), Field(layout), {}};
  for (int d = 0; d < c.dim; ++d) result.m.emplace_back(layout);
  BOOST_TEST(march->density(result.rho, result.m));
  return result;
}

/// Largest difference to a field on one rank, over all ranks.
double difference(const Field& a, const Field& b) {
  const std::ptrdiff_t shift = a.layout().owned() == b.layout().owned() ? 0 : a.layout().global_offset();
  double worst = 0;
  for (std::ptrdiff_t i = 0; i < a.layout().owned(); ++i) worst = std::max(worst, std::fabs(a.level()[i] - b.level()[i + shift]));
  return global_max(a.layout().comm(), worst);
}
}  // namespace

// Two algorithms that share nothing but the Hamiltonian: the same value function, density and momentum.
BOOST_AUTO_TEST_CASE(pdhg_and_howard_agree) {
  for (const Case& c : cases()) {
    const Result howard = solve(MPI_COMM_WORLD, c, "method = \"howard\"");
    const Result pdhg = solve(MPI_COMM_WORLD, c, "method = \"pdhg\"\ntolerance = 2e-12\nmax_iterations = 20000");
    const double phi = difference(howard.phi, pdhg.phi), rho = difference(howard.rho, pdhg.rho), m = difference(howard.m[0], pdhg.m[0]);
    const double n = double(howard.phi.layout().grid().size()), mass = std::fabs(sum(howard.rho) / n - 1),
                 mass_pdhg = std::fabs(sum(pdhg.rho) / n - 1);
    BOOST_TEST_MESSAGE(c.name << " " << c.dim << "-D eps " << c.eps << ": phi " << phi << " rho " << rho << " m " << m << " mass " << mass << " "
                              << mass_pdhg);
    BOOST_TEST(phi < 1e-9);
    BOOST_TEST(rho < 1e-6);
    BOOST_TEST(m < 1e-6);
    BOOST_TEST(mass < 1e-10);
    BOOST_TEST(mass_pdhg < 1e-10);
  }
}

BOOST_AUTO_TEST_CASE(howard_agrees_on_any_number_of_ranks) {
  for (const Case& c : cases()) {
    const Result many = solve(MPI_COMM_WORLD, c, "method = \"howard\""), one = solve(MPI_COMM_SELF, c, "method = \"howard\"");
    const double scale = std::max(1.0, max_abs(one.phi));
    BOOST_TEST(difference(many.phi, one.phi) < 1e-12 * scale);
    BOOST_TEST(difference(many.rho, one.rho) < 1e-10 * std::max(1.0, max_abs(one.rho)));
  }
}

BOOST_AUTO_TEST_CASE(hamiltonians_that_are_not_convex_are_for_explicit_schemes_only) {
  const Case wave{"cosine", 1, 64, 0.05, 1, 0, {periodic}, "type = \"formula\"\nH = \"-cos(px + 1)\"", "-cos(pi*x)"};
  for (const std::string method : {"pdhg", "howard"}) BOOST_CHECK_THROW(solve(MPI_COMM_WORLD, wave, "method = \"" + method + "\""), InputError);
}
