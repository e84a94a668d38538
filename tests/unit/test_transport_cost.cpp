// ranks: 1
// timeout: 60
// The pointwise part of mean-field problems against minimisation by search.
#define BOOST_TEST_MODULE transport_cost
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <functional>
#include <random>

#include "grids/support/errors.hpp"
#include "problems/transport_cost.hpp"

using namespace wasserflow;

namespace {

using Real = long double;
constexpr Real infinity = std::numeric_limits<Real>::infinity();
using Point = std::array<double, 3>;

/// Minimum of a convex function on [low, high] by golden section.
template <class F>
Real golden(F&& f, Real low, Real high, int steps = 60) {
  const Real ratio = (std::sqrt(Real(5)) - 1) / 2;
  Real a = high - ratio * (high - low), b = low + ratio * (high - low), fa = f(a), fb = f(b);
  for (int i = 0; i < steps; ++i) {
    if (fa <= fb) {
      high = b;
      b = a;
      fb = fa;
      fa = f(a = high - ratio * (high - low));
    } else {
      low = a;
      a = b;
      fa = fb;
      fb = f(b = low + ratio * (high - low));
    }
  }
  return fa <= fb ? a : b;
}

/// The model: costs as functions of numbers, written here once more.
struct Model {
  std::string text;  ///< problem file
  int dim = 1;
  Splitting splitting = Splitting::LaxFriedrichs;
  /// Convex cost of a velocity of size s along slot j (radial: j is meaningless).
  std::function<Real(std::size_t j, Real s)> lagrangian = [](std::size_t, Real s) { return s * s / 2; };
  bool radial = true;
  std::function<Real(const Point&, Real rho)> coupling = [](const Point&, Real) { return Real(0); };
  std::function<Real(const Point&, Real rho)> terminal = [](const Point&, Real) { return Real(0); };
  std::function<Real(Real rho)> mobility = [](Real rho) { return rho; };
  std::function<double(const Point&)> weight = [](const Point&) { return 1.0; };
  std::function<double(const Point&, std::size_t axis)> drift = [](const Point&, std::size_t) { return 0.0; };
  double delta = 0;
  Real maximum = infinity;  ///< of the density
  Real fastest = infinity;  ///< speed beyond which the Lagrangian is infinite
  std::function<bool(const Point&)> blocked = [](const Point&) { return false; };

  std::size_t flux_slots() const { return static_cast<std::size_t>(splitting == Splitting::Upwind ? 2 * dim : dim); }
  Real used(std::size_t j, Real x) const {
    if (splitting != Splitting::Upwind) return x;
    return j % 2 == 0 ? std::min(x, Real(0)) : std::max(x, Real(0));
  }
  Real slot_drift(const Point& at, std::size_t j) const {
    if (splitting != Splitting::Upwind) return drift(at, j);
    const Real b = drift(at, j / 2);
    return used(j, b);
  }
};

struct Sample {
  Point at;
  double sigma_rho, sigma_m, terminal;
  double u0;
  std::array<double, 7> u;
};

/// Least cost at density rho, with the fluxes that reach it. Velocities are found by a search over their size.
Real best_flux(const Model& model, const Sample& s, Real rho, std::array<Real, 7>& m) {
  const Real v = model.mobility(rho), w = model.weight(s.at);
  const std::size_t slots = model.flux_slots();
  std::array<Real, 7> x{};
  Real cost = 0, size = 0;
  for (std::size_t j = 0; j < slots; ++j) {
    const Real shifted = s.u[j] - rho * model.slot_drift(s.at, j);
    x[j] = model.used(j, shifted);
    cost += (shifted - x[j]) * (shifted - x[j]) / (2 * s.sigma_m);
    size += x[j] * x[j];
  }
  const auto along = [&](std::size_t j, Real length) {
    if (v <= 0 || length == 0) return Real(0);
    const auto f = [&](Real n) { return w * v * model.lagrangian(j, n / v) + (n - length) * (n - length) / (2 * Real(s.sigma_m)); };
    return golden(f, 0, std::min(length, v * model.fastest));
  };
  const auto price = [&](std::size_t j, Real n, Real length) {
    const Real l = n > 0 && v > 0 ? w * v * model.lagrangian(j, n / v) : 0;
    return l + (n - length) * (n - length) / (2 * Real(s.sigma_m));
  };
  if (model.radial) {
    size = std::sqrt(size);
    const Real n = along(0, size);
    cost += price(0, n, size);
    for (std::size_t j = 0; j < slots; ++j) m[j] = size > 0 ? x[j] * n / size : Real(0);
  } else {
    for (std::size_t j = 0; j < slots; ++j) {
      const Real n = along(j, std::abs(x[j]));
      cost += price(j, n, std::abs(x[j]));
      m[j] = x[j] < 0 ? -n : n;
    }
  }
  for (std::size_t j = 0; j < slots; ++j) m[j] += rho * model.slot_drift(s.at, j);
  if (model.delta > 0) {
    const Real d2 = Real(model.delta) * model.delta, z = v / (v + s.sigma_m * d2) * s.u[slots];
    m[slots] = z;
    cost += (v > 0 ? d2 * z * z / (2 * v) : 0) + (z - s.u[slots]) * (z - s.u[slots]) / (2 * Real(s.sigma_m));
  }
  return cost + model.coupling(s.at, rho) + s.terminal * model.terminal(s.at, rho) + (rho - s.u0) * (rho - s.u0) / (2 * Real(s.sigma_rho));
}

Real best_density(const Model& model, const Sample& s, std::array<Real, 7>& m) {
  if (model.blocked(s.at)) return 0;
  const auto f = [&](Real rho) { return best_flux(model, s, rho, m); };
  // Bracket by powers: the minimum is between the neighbours of the best of them.
  const Real top = std::min(model.maximum, Real(1e8));
  Real best = 0, value = f(0), low = 0, high = 1e-12L;
  for (Real r = 1e-12L, before = 0; r < 4 * top; before = r, r *= 4) {
    const Real at = std::min(r, top), here = f(at);
    if (here <= value) {
      best = at;
      value = here;
      low = before;
      high = std::min(4 * r, top);
    }
  }
  if (best == 0 && f(high) > value) high = 1e-12L;
  const Real rho = golden(f, low, high);
  const Real result = f(rho) <= f(high) ? rho : high;
  f(result);
  return result;
}

struct Setup {
  ProblemFile file;
  TransportCost cost;
  LayoutPtr layout;
};

const std::array<double, 2> times{0.25, 0.5};

Setup read(const Model& model) {
  ProblemFile file = ProblemFile::parse(model.text, "test.toml");
  TransportCost cost = read_transport_cost(file.root(), model.dim, model.splitting);
  file.check_all_used();
  std::vector<Axis> axes;
  for (int d = 0; d < model.dim; ++d) axes.push_back({0.0, 1.0, d == 0 ? 150 : 3, Boundary::Periodic, 0.0});
  LayoutPtr layout = make_layout(MPI_COMM_WORLD, Grid(axes));
  cost.bind(layout, times, 1.0);
  return {std::move(file), std::move(cost), layout};
}

struct Random {
  std::mt19937_64 engine{7};
  double uniform(double a, double b) { return a + (b - a) * static_cast<double>(engine() >> 11) * 0x1p-53; }
  double sign() { return engine() % 2 == 0 ? 1 : -1; }
  double size(double decades) { return std::pow(10.0, uniform(-decades, decades)); }
};

Sample draw(Random& random, const Model& model, int kind) {
  Sample s{};
  s.sigma_rho = random.size(kind % 2 == 0 ? 0.3 : 1.5);
  s.sigma_m = random.size(kind % 2 == 0 ? 0.3 : 1.5);
  s.terminal = kind % 3 == 0 ? random.size(1) : 0;
  s.u0 = kind % 7 == 0 ? 0 : (kind % 4 == 0 ? -1 : 1) * random.size(kind % 5 == 0 ? 3 : 0.5);
  for (std::size_t j = 0; j < model.flux_slots() + (model.delta > 0); ++j)
    s.u[j] = random.uniform(0, 1) < 0.1 ? 0 : random.sign() * random.size(kind % 5 == 1 ? 3 : 0.5);
  return s;
}

/// Proximal maps of a row of random points against the search, and of points with the density given.
void check_prox(const Model& model, double tolerance = 1e-7) {
  BOOST_TEST_CONTEXT(model.text) {
    Setup set = read(model);
    Random random;
    int active = 0;
    for (int round = 0; round < 3; ++round) {
      RowPoints p = set.layout->row(0);
      p.level = round % 2;
      p.t = times[static_cast<std::size_t>(p.level)];
      const std::size_t n = static_cast<std::size_t>(p.n), slots = static_cast<std::size_t>(set.cost.slots());
      BOOST_REQUIRE(slots == model.flux_slots() + (model.delta > 0));
      const Sample steps = draw(random, model, round);
      std::vector<Sample> samples;
      std::vector<double> u0(n), given(n);
      std::vector<std::vector<double>> u(slots, std::vector<double>(n));
      std::vector<double*> rows;
      for (std::size_t i = 0; i < n; ++i) {
        Sample s = draw(random, model, static_cast<int>(i));
        s.sigma_rho = steps.sigma_rho, s.sigma_m = steps.sigma_m, s.terminal = steps.terminal;
        s.at = {p.x[i], p.y, p.t};
        samples.push_back(s);
        u0[i] = s.u0;
        for (std::size_t j = 0; j < slots; ++j) u[j][i] = s.u[j];
      }
      auto w = u;
      for (auto& row : u) rows.push_back(row.data());
      set.cost.prox(p, steps.sigma_rho, steps.sigma_m, u0.data(), rows.data(), steps.terminal);
      for (std::size_t i = 0; i < n; i += 13) {
        const Sample& s = samples[i];
        std::array<Real, 7> m{};
        const Real rho = best_density(model, s, m);
        Real scale = std::abs(Real(s.u0)) + rho + 1e-6L;
        for (std::size_t j = 0; j < slots; ++j) scale += std::abs(Real(s.u[j]));
        BOOST_REQUIRE(u0[i] >= 0);
        BOOST_TEST_CONTEXT("u0 " << s.u0 << " u " << s.u[0] << " " << s.u[1] << " " << s.u[2] << " sigma " << s.sigma_rho << " " << s.sigma_m
                                 << " terminal " << s.terminal << " x " << s.at[0] << " rho " << rho << " got " << u0[i])
        BOOST_REQUIRE_SMALL(static_cast<double>((u0[i] - rho) / scale), tolerance);
        // The flux may be steep in the density (mobilities): what belongs to the density found.
        if (!model.blocked(s.at)) best_flux(model, s, u0[i], m);
        for (std::size_t j = 0; j < slots; ++j) BOOST_REQUIRE_SMALL(static_cast<double>((u[j][i] - m[j]) / scale), tolerance);
        active += u0[i] > 0;
      }
      // Density given.
      rows.clear();
      for (auto& row : w) rows.push_back(row.data());
      for (std::size_t i = 0; i < n; ++i)
        given[i] = i % 9 == 0 ? 0 : std::min(std::abs(samples[(i * 7) % n].u0), 0.9 * static_cast<double>(model.maximum));
      set.cost.prox_flux(p, steps.sigma_m, given.data(), rows.data());
      for (std::size_t i = 0; i < n; i += 17) {
        std::array<Real, 7> m{};
        if (!model.blocked(samples[i].at)) best_flux(model, samples[i], given[i], m);
        Real scale = given[i];
        for (std::size_t j = 0; j < slots; ++j) scale += std::abs(Real(samples[i].u[j]));
        for (std::size_t j = 0; j < slots; ++j) BOOST_REQUIRE_SMALL(static_cast<double>((w[j][i] - m[j]) / (scale + 1e-300L)), tolerance);
      }
    }
    BOOST_TEST(active > 10);
  }
}

Model quadratic(int dim, Splitting splitting) {
  Model m;
  m.dim = dim;
  m.splitting = splitting;
  m.text = "[hamiltonian]\ntype = \"quadratic\"\n";
  return m;
}

}  // namespace

namespace {
const std::array<Splitting, 2> forms{Splitting::LaxFriedrichs, Splitting::Upwind};
Real entropy(Real r) { return r > 0 ? r * std::log(r) : 0; }
}  // namespace

BOOST_AUTO_TEST_CASE(quadratic_without_couplings) {
  for (int dim = 1; dim <= 3; ++dim)
    for (const Splitting s : forms) check_prox(quadratic(dim, s));
}

BOOST_AUTO_TEST_CASE(quadratic_with_another_coefficient_on_each_axis) {
  for (const Splitting s : forms) {
    Model m = quadratic(3, s);
    m.text += "coefficient = [1, 0.3, 4]\n";
    m.radial = false;
    const std::size_t sides = s == Splitting::Upwind ? 2 : 1;
    m.lagrangian = [=](std::size_t j, Real v) { return v * v / (2 * std::array<Real, 3>{1, Real(0.3), 4}[j / sides]); };
    check_prox(m);
  }
}

BOOST_AUTO_TEST_CASE(quadratic_with_couplings) {
  for (const Splitting s : forms) {
    Model m = quadratic(2, s);
    m.text += "[coupling]\ntype = \"entropy\"\ngamma = \"0.2 + x\"\n[terminal]\ntype = \"potential\"\nV = \"x - 0.3\"\n";
    m.coupling = [](const Point& at, Real r) { return (Real(0.2) + at[0]) * entropy(r); };
    m.terminal = [](const Point& at, Real r) { return (Real(at[0]) - Real(0.3)) * r; };
    check_prox(m);

    m = quadratic(1, s);
    m.text +=
        "[coupling]\ntype = \"quadratic\"\ncoefficient = \"1 + t\"\ntarget = \"x\"\n[terminal]\ntype = \"kl\"\ncoefficient = 0.7\ntarget = \"0.1 + "
        "x^2\"\n";
    m.coupling = [](const Point& at, Real r) { return (1 + Real(at[2])) / 2 * (r - at[0]) * (r - at[0]); };
    m.terminal = [](const Point& at, Real r) {
      const Real target = Real(0.1) + Real(at[0]) * at[0];
      return Real(0.7) * ((r > 0 ? r * std::log(r / target) : 0) - r + target);
    };
    check_prox(m);

    m = quadratic(2, s);
    m.text +=
        "[[coupling]]\ntype = \"power\"\nexponent = 1.5\ncoefficient = 2\n[[coupling]]\ntype = \"power\"\nexponent = 3\n[[coupling]]\ntype = "
        "\"capacity\"\nmaximum = \"0.5 + x\"\n";
    m.maximum = 1;
    m.coupling = [](const Point& at, Real r) { return r > Real(0.5) + at[0] ? infinity : 2 * std::pow(r, Real(1.5)) + r * r * r; };
    m.maximum = infinity;
    check_prox(m);
  }
}

BOOST_AUTO_TEST_CASE(quadratic_with_weights_obstacles_and_reaction) {
  for (const Splitting s : forms) {
    Model m = quadratic(2, s);
    m.text += "[mobility]\nweight = \"0.5 + x\"\nobstacle = \"x - 0.8 + t/10\"\n[coupling]\ntype = \"entropy\"\n[unbalanced]\npenalty = 0.6\n";
    m.weight = [](const Point& at) { return 0.5 + at[0]; };
    m.blocked = [](const Point& at) { return at[0] - 0.8 + at[2] / 10 > 0; };
    m.coupling = [](const Point&, Real r) { return entropy(r); };
    m.delta = 0.6;
    check_prox(m);

    m = quadratic(1, s);
    m.text += "[unbalanced]\npenalty = 2\n";
    m.delta = 2;
    check_prox(m);
  }
}

BOOST_AUTO_TEST_CASE(quadratic_with_drift) {
  for (const Splitting s : forms) {
    Model m = quadratic(2, s);
    m.text += "drift = [\"x - 0.4\", 0.8]\n[coupling]\ntype = \"entropy\"\n";
    m.drift = [](const Point& at, std::size_t axis) { return axis == 0 ? at[0] - 0.4 : 0.8; };
    m.coupling = [](const Point&, Real r) { return entropy(r); };
    check_prox(m);
  }
}

BOOST_AUTO_TEST_CASE(congestion) {
  for (const Splitting s : forms)
    for (const double beta : {0.0, 0.25, 0.5, 0.9}) {
      Model m = quadratic(2, s);
      m.text += "[mobility]\ntype = \"power\"\nexponent = " + std::to_string(beta) + "\n";
      m.mobility = [=](Real r) { return beta == 0 ? 1 : std::pow(r, Real(beta)); };
      check_prox(m);
      m.text += "[coupling]\ntype = \"entropy\"\ngamma = 0.5\n[unbalanced]\npenalty = 1.5\n";
      m.coupling = [](const Point&, Real r) { return entropy(r) / 2; };
      m.delta = 1.5;
      check_prox(m);
    }
  Model m = quadratic(1, Splitting::LaxFriedrichs);
  m.text += "[mobility]\ntype = \"formula\"\nV = \"rho*(1 - rho)\"\nmaximum = 1\n";
  m.mobility = [](Real r) { return std::max(r * (1 - r), Real(0)); };
  m.coupling = [](const Point&, Real r) { return r > 1 ? infinity : 0; };
  check_prox(m);
}

BOOST_AUTO_TEST_CASE(any_hamiltonian) {
  for (const Splitting s : forms) {
    Model power;
    power.dim = 2;
    power.splitting = s;
    power.text = "[hamiltonian]\ntype = \"power\"\nexponent = 3\n";
    power.lagrangian = [](std::size_t, Real v) { return std::pow(v, Real(1.5)) / Real(1.5); };
    Model norm = power;
    norm.text = "[hamiltonian]\ntype = \"norm\"\ncoefficient = 1.5\n";
    norm.lagrangian = [](std::size_t, Real) { return Real(0); };
    norm.fastest = 1.5;
    Model sides = norm;
    sides.text = "[hamiltonian]\ntype = \"one_homogeneous\"\ncoefficient = 1.5\n";
    sides.radial = false;
    Model formula = sides;
    formula.text = "[hamiltonian]\ntype = \"formula\"\nH = \"cosh(px) + cosh(py) - 2\"\ncompile = \"never\"\n";
    formula.lagrangian = [](std::size_t, Real v) { return v * std::asinh(v) - std::sqrt(1 + v * v) + 1; };
    formula.fastest = infinity;
    for (const Model& model : {power, norm, sides, formula}) {
      check_prox(model);
      Model m = model;
      m.text += "[coupling]\ntype = \"entropy\"\ngamma = 0.3\n[[terminal]]\ntype = \"potential\"\nV = \"x\"\n[[terminal]]\ntype = \"power\"\n";
      m.coupling = [](const Point&, Real r) { return Real(0.3) * entropy(r); };
      m.terminal = [](const Point& at, Real r) { return Real(at[0]) * r + r * r; };
      check_prox(m);
      m = model;
      m.text +=
          "drift = [0.5, \"x - 0.3\"]\n[mobility]\nweight = \"0.5 + x\"\nobstacle = \"0.2 - x\"\n[unbalanced]\npenalty = 0.8\n[coupling]\ntype = "
          "\"capacity\"\nmaximum = 1.2\n";
      m.drift = [](const Point& at, std::size_t axis) { return axis == 0 ? 0.5 : at[0] - 0.3; };
      m.weight = [](const Point& at) { return 0.5 + at[0]; };
      m.blocked = [](const Point& at) { return at[0] < 0.2; };
      m.delta = 0.8;
      m.coupling = [](const Point&, Real r) { return r > Real(1.2) ? infinity : 0; };
      check_prox(m);
      m = model;
      m.text += "[mobility]\ntype = \"power\"\nexponent = 0.5\n[coupling]\ntype = \"power\"\nexponent = 4\n";
      m.mobility = [](Real r) { return std::sqrt(r); };
      m.coupling = [](const Point&, Real r) { return r * r * r * r; };
      check_prox(m);
    }
  }
}
