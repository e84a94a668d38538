// ranks: 1 2
// timeout: 60
// Energies, Hamiltonians, velocities and conjugates of transport costs belong to their proximal maps; any Hamiltonian gives what closed forms give.
#define BOOST_TEST_MODULE transport_values
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <random>

#include "grids/support/errors.hpp"
#include "problems/catalogue.hpp"
#include "problems/transport_cost.hpp"

using namespace wasserflow;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
const std::array<double, 2> times{0.25, 0.5};
const std::array<Splitting, 2> forms{Splitting::LaxFriedrichs, Splitting::Upwind};

LayoutPtr layout() { return make_layout(MPI_COMM_WORLD, Grid({{0.0, 1.0, 150, Boundary::Periodic, 0.0}, {0.0, 1.0, 4, Boundary::Periodic, 0.0}})); }

TransportCost read(const std::string& text, Splitting splitting) {
  const ProblemFile file = ProblemFile::parse(text, "test.toml");
  TransportCost cost = read_transport_cost(file.root(), 2, splitting);
  file.check_all_used();
  cost.bind(layout(), times, 1.0);
  return cost;
}

/// Random arguments of a proximal map on one row.
struct Row {
  RowPoints p;
  std::size_t n, slots;
  std::vector<double> u0;
  std::vector<std::vector<double>> u;
  Row(const TransportCost& cost, const SlabLayout& grid, int seed, double spread = 1)
      : p(grid.row(0)), slots(static_cast<std::size_t>(cost.slots())) {
    p.level = seed % 2;
    p.t = times[static_cast<std::size_t>(p.level)];
    n = static_cast<std::size_t>(p.n);
    std::mt19937_64 engine(static_cast<std::uint64_t>(seed));
    const auto random = [&] { return static_cast<double>(engine() >> 11) * 0x1p-52 - 1; };
    for (std::size_t i = 0; i < n; ++i) u0.push_back(random() * std::pow(10, spread * random()) + 0.3);
    for (std::size_t j = 0; j < slots; ++j) {
      u.emplace_back();
      for (std::size_t i = 0; i < n; ++i) u[j].push_back(random() * std::pow(10, spread * random()));
    }
  }
  std::vector<double*> rows() {
    std::vector<double*> r;
    for (auto& row : u) r.push_back(row.data());
    return r;
  }
  std::vector<const double*> values() const {
    std::vector<const double*> r;
    for (auto& row : u) r.push_back(row.data());
    return r;
  }
};

const std::string some_drift = "drift = [\"x - 0.4\", 0.7]\n", some_entropy = "[coupling]\ntype = \"entropy\"\ngamma = 0.4\n",
                  some_terminal = "[terminal]\ntype = \"quadratic\"\ntarget = \"x\"\n", some_weight = "[mobility]\nweight = \"0.5 + x\"\n",
                  some_reaction = "[unbalanced]\npenalty = 0.7\n", some_potential = "potential = \"0.3*x\"\n";

const std::vector<std::string>& kinetics() {
  static const std::vector<std::string> all{"type = \"quadratic\"\ncoefficient = \"1 + x\"\n", "type = \"power\"\nexponent = 3\n",
                                            "type = \"norm\"\n", "type = \"formula\"\nH = \"cosh(px) + cosh(2*py)\"\ncompile = \"never\"\n"};
  return all;
}

}  // namespace

/// With (a, q) = ((u0 - rho)/sigma_rho, (u - m)/sigma_m): J(rho, m) + J*(a, q) = a rho + q . m (Moreau), f(rho) = a + h(q), m = rho v(q).
BOOST_AUTO_TEST_CASE(moreau) {
  for (const std::string& kinetic : kinetics())
    for (const Splitting s : forms)
      for (const std::string& rest :
           {std::string(), some_entropy + some_terminal, some_drift + some_potential + some_entropy + some_weight + some_reaction, some_reaction}) {
        const std::string text = "[hamiltonian]\n" + kinetic + rest;
        BOOST_TEST_CONTEXT(text) {
          const TransportCost cost = read(text, s);
          const LayoutPtr grid = layout();
          for (int seed = 0; seed < 2; ++seed) {
            const double sigma_rho = 0.7, sigma_m = 1.3, terminal = seed == 0 ? 0 : 4;
            const Row before(cost, *grid, seed);
            Row after = before, dual = before;
            const std::size_t n = before.n;
            const auto rows = after.rows();
            cost.prox(after.p, sigma_rho, sigma_m, after.u0.data(), rows.data(), terminal);
            for (std::size_t i = 0; i < n; ++i) {
              dual.u0[i] = (before.u0[i] - after.u0[i]) / sigma_rho;
              for (std::size_t j = 0; j < before.slots; ++j) dual.u[j][i] = (before.u[j][i] - after.u[j][i]) / sigma_m;
            }
            std::vector<double> energy(n), kinetic_part(n), star(n), density(n), h(n), f(n), g(n);
            const auto flux = std::as_const(after).values(), slopes = std::as_const(dual).values();
            cost.energy(after.p, after.u0.data(), flux.data(), energy.data(), kinetic_part.data(), terminal);
            cost.hamiltonian(after.p, slopes.data(), h.data());
            // The conjugate just inside its domain: without couplings it is an indicator.
            std::vector<double> a = dual.u0;
            const bool indicator = cost.running().is_affine() && (terminal == 0 || cost.terminal().is_affine());
            for (std::size_t i = 0; indicator && i < n; ++i) a[i] -= 1e-9 * (1 + std::abs(a[i]) + std::abs(h[i]));
            cost.conjugate(after.p, a.data(), slopes.data(), star.data(), density.data(), terminal);
            cost.running().derivative(after.p, after.u0.data(), f.data());
            cost.terminal().derivative(after.p, after.u0.data(), g.data(), terminal > 0 ? terminal : 1);
            for (std::size_t i = 0; i < n; ++i) {
              double pairing = dual.u0[i] * after.u0[i], scale = 1 + std::abs(pairing);
              for (std::size_t j = 0; j < before.slots; ++j) {
                pairing += dual.u[j][i] * after.u[j][i];
                scale += std::abs(dual.u[j][i] * after.u[j][i]);
              }
              if (kinetic != kinetics()[2]) BOOST_REQUIRE_SMALL(energy[i] + star[i] - pairing, 1e-7 * scale);  // the cone's edge is one of rounding
              if (after.u0[i] > 1e-12) {
                const double slope = f[i] + (terminal > 0 ? g[i] : 0);
                BOOST_REQUIRE_SMALL(slope - dual.u0[i] - h[i], 1e-7 * (scale + std::abs(slope) + std::abs(h[i])));
              }
            }
            // Velocities; at the kink of a norm there are many.
            Row speed = before;
            const auto v = speed.rows();
            cost.velocity(after.p, slopes.data(), v.data());
            for (std::size_t i = 0; kinetic != kinetics()[2] && i < n; ++i)
              for (std::size_t j = 0; j < before.slots; ++j)
                BOOST_REQUIRE_SMALL(after.u0[i] * speed.u[j][i] - after.u[j][i], 1e-8 * (1 + std::abs(after.u[j][i])));
          }
        }
      }
}

BOOST_AUTO_TEST_CASE(mobilities_satisfy_their_optimality_conditions) {
  for (const std::string& kinetic : kinetics())
    for (const Splitting s : forms) {
      const std::string text = "[hamiltonian]\n" + kinetic + some_entropy + some_reaction + "[mobility]\ntype = \"power\"\nexponent = 0.6\n";
      const TransportCost cost = read(text, s);
      const LayoutPtr grid = layout();
      const Row before(cost, *grid, 5);
      Row after = before, dual = before, speed = before;
      const auto rows = after.rows();
      cost.prox(after.p, 0.7, 1.3, after.u0.data(), rows.data());
      std::vector<double> h(before.n), f(before.n), energy(before.n);
      for (std::size_t i = 0; i < before.n; ++i) {
        dual.u0[i] = (before.u0[i] - after.u0[i]) / 0.7;
        for (std::size_t j = 0; j < before.slots; ++j) dual.u[j][i] = (before.u[j][i] - after.u[j][i]) / 1.3;
      }
      const auto slopes = std::as_const(dual).values();
      const auto v = speed.rows();
      cost.hamiltonian(after.p, slopes.data(), h.data(), after.u0.data());
      cost.velocity(after.p, slopes.data(), v.data(), after.u0.data());
      cost.running().derivative(after.p, after.u0.data(), f.data());
      cost.energy(after.p, after.u0.data(), std::as_const(after).values().data(), energy.data());
      for (std::size_t i = 0; i < before.n; ++i) {
        BOOST_REQUIRE(after.u0[i] > 0);
        BOOST_REQUIRE(kinetic == kinetics()[2] || std::isfinite(energy[i]));
        BOOST_REQUIRE_SMALL(f[i] - dual.u0[i] - h[i], 1e-7 * (1 + std::abs(f[i]) + std::abs(h[i])));
        for (std::size_t j = 0; kinetic != kinetics()[2] && j < before.slots; ++j)
          BOOST_REQUIRE_SMALL(after.u0[i] * speed.u[j][i] - after.u[j][i], 1e-8 * (1 + std::abs(after.u[j][i])));
      }
    }
}

BOOST_AUTO_TEST_CASE(energies_outside_of_the_domain) {
  for (const Splitting s : forms) {
    const TransportCost cost =
        read("[hamiltonian]\n[coupling]\ntype = \"capacity\"\nmaximum = 2\n[mobility]\nobstacle = \"x - 0.5\"\n[unbalanced]\npenalty = 1\n", s);
    const LayoutPtr grid = layout();
    RowPoints p = grid->row(0);
    p.n = 2;
    const auto energy = [&](double rho, double m, double z) {
      std::vector<double> r(2, rho), e(2), zero(2, 0.0), first(2, m), source(2, z);
      std::vector<const double*> rows(static_cast<std::size_t>(cost.slots()), zero.data());
      rows[s == Splitting::Upwind ? 1 : 0] = first.data();
      rows.back() = source.data();
      cost.energy(p, r.data(), rows.data(), e.data());
      return e[0];
    };
    BOOST_TEST(energy(0, 0, 0) == 0);
    BOOST_TEST(energy(0.5, 1, 2) == 5, boost::test_tools::tolerance(1e-14));
    BOOST_TEST(energy(0, 1e-3, 0) == infinity);
    BOOST_TEST(energy(0, 0, 1e-3) == infinity);
    BOOST_TEST(energy(-1e-3, 0, 0) == infinity);
    BOOST_TEST(energy(2.1, 0, 0) == infinity);
    if (s == Splitting::Upwind) BOOST_TEST(energy(1, -1, 0) == infinity);
    p.x += 100;  // behind the obstacle
    p.offset += 100;
    BOOST_TEST(energy(1, 0, 0) == infinity);
    BOOST_TEST(energy(0, 0, 0) == 0);
  }
}

namespace {
/// What a person would write into a plugin.
struct Bowl {
  template <class Point, class P>
  P operator()(const Point& at, const P* p) const {
    return 0.5 * (1 + at.x) * (p[0] * p[0] + p[1] * p[1]);
  }
};
}  // namespace

BOOST_AUTO_TEST_CASE(formulas_and_structs_give_what_closed_forms_give) {
  catalogue().hamiltonians.add("bowl", "a struct", [](const Parameters& p, int dim) {
    return make_convex("bowl", std::make_shared<StructLaw<Bowl, 2>>(), dim, read_convex_options(p));
  });
  const std::string quadratic = "type = \"quadratic\"\ncoefficient = \"1 + x\"\n";
  const std::string formula = "type = \"formula\"\ncompile = \"never\"\nH = \"(1 + x)*(px^2 + py^2)/2";
  for (const Splitting s : forms)
    for (const std::string& rest : {std::string(), some_entropy + some_terminal, some_entropy + some_weight + some_reaction,
                                    std::string("[mobility]\ntype = \"power\"\nexponent = 0.5\n")}) {
      const TransportCost expected = read("[hamiltonian]\n" + quadratic + rest, s);
      const LayoutPtr grid = layout();
      for (const std::string& other : {formula + "\"\n", formula + "\"\nclosed_form = false\n", std::string("type = \"bowl\"\n"),
                                       std::string("type = \"bowl\"\nclosed_form = false\n")}) {
        const TransportCost cost = read("[hamiltonian]\n" + other + rest, s);
        for (const double terminal : {0.0, 3.0}) {
          Row a(expected, *grid, 11, 2), b = a;
          const Row before = a;
          const auto ra = a.rows(), rb = b.rows();
          expected.prox(a.p, 0.4, 1.9, a.u0.data(), ra.data(), terminal);
          cost.prox(b.p, 0.4, 1.9, b.u0.data(), rb.data(), terminal);
          for (std::size_t i = 0; i < a.n; ++i) {
            double scale = 1 + std::abs(before.u0[i]);  // near the edge of the empty set density is a difference of large numbers
            for (std::size_t j = 0; j < a.slots; ++j) scale += std::abs(before.u[j][i]);
            BOOST_REQUIRE_SMALL(a.u0[i] - b.u0[i], 1e-9 * scale);
            for (std::size_t j = 0; j < a.slots; ++j) BOOST_REQUIRE_SMALL(a.u[j][i] - b.u[j][i], 1e-9 * scale);
          }
        }
      }
    }
}

BOOST_AUTO_TEST_CASE(the_same_bits_wherever_a_point_stands) {
  for (const std::string& kinetic : kinetics())
    for (const Splitting s : forms)
      for (const std::string& rest : {std::string(), some_drift + some_entropy + some_weight + some_reaction}) {
        const TransportCost cost = read("[hamiltonian]\n" + kinetic + rest, s);
        const LayoutPtr grid = layout();  // rows point into it
        Row all(cost, *grid, 3, 2), parts = all;
        const auto rows = all.rows();
        cost.prox(all.p, 0.6, 0.9, all.u0.data(), rows.data());
        for (int first = 0; first < parts.p.n; first += 13) {
          RowPoints p = parts.p;
          p.x += first;
          p.offset += first;
          p.n = std::min(13, parts.p.n - first);
          auto part = parts.rows();
          for (double*& r : part) r += first;
          cost.prox(p, 0.6, 0.9, parts.u0.data() + first, part.data());
        }
        for (std::size_t i = 0; i < all.n; ++i) {
          BOOST_REQUIRE_EQUAL(all.u0[i], parts.u0[i]);
          for (std::size_t j = 0; j < all.slots; ++j) BOOST_REQUIRE_EQUAL(all.u[j][i], parts.u[j][i]);
        }
      }
}

BOOST_AUTO_TEST_CASE(what_is_not_a_number_stays_visible) {
  for (const std::string& kinetic : {kinetics()[0], kinetics()[1]})
    for (const std::string& rest : {std::string(), some_entropy, some_drift + some_weight}) {
      const TransportCost cost = read("[hamiltonian]\n" + kinetic + rest, Splitting::LaxFriedrichs);
      const LayoutPtr grid = layout();
      Row row(cost, *grid, 3);
      const auto rows = row.rows();
      row.u0[5] = std::nan("");
      row.u[0][70] = std::nan("");
      cost.prox(row.p, 0.6, 0.9, row.u0.data(), rows.data());
      BOOST_TEST(std::isnan(row.u0[5]));
      if (kinetic == kinetics()[0]) BOOST_TEST(std::isnan(row.u[0][70]));
      BOOST_TEST(std::isfinite(row.u0[6]));
    }
}

BOOST_AUTO_TEST_CASE(faults_in_problem_files) {
  const auto message = [](const std::string& text, Splitting s = Splitting::LaxFriedrichs) -> std::string {
    try {
      read(text, s);
    } catch (const InputError& e) {
      return e.what();
    }
    return "";
  };
  const auto has = [](const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; };
  BOOST_TEST(has(message("[hamiltonian]\ntype = \"formula\"\nH = \"px^2 + py^2 + px*py\"\n", Splitting::Upwind), "upwind sides"));
  BOOST_TEST(has(message("[hamiltonian]\ntype = \"formula\"\nH = \"sin(px)\"\ncompile = \"never\"\n"), "not convex"));
  BOOST_TEST(has(message("[mobility]\ntype = \"power\"\nexponent = 2\n"), "exponent"));
  BOOST_TEST(has(message("[mobility]\ntype = \"power\"\n"), "exponent"));
  BOOST_TEST(has(message("[mobility]\ntype = \"formula\"\nV = \"rho^2\"\n"), "not concave"));
  BOOST_TEST(has(message("[mobility]\ntype = \"formula\"\nV = \"-rho\"\n"), "not positive"));
  BOOST_TEST(has(message("[mobility]\nweight = \"x - 0.5\"\n"), "weight"));
  BOOST_TEST(has(message("[unbalanced]\npenalty = -1\n"), "penalty"));
  BOOST_TEST(has(message("[terminal]\ntype = \"linear\"\n"), "unknown coupling"));
  BOOST_TEST(message("") == "");
}
