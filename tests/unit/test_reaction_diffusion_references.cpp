// ranks: 1
// timeout: 60
#define BOOST_TEST_MODULE reaction_diffusion_references
#include <boost/test/unit_test.hpp>
#include <cmath>

#include "problems/reaction_diffusion_references.hpp"

using namespace wasserflow;

namespace {

const Grid line({{-4, 4, 16, Boundary::NoFlux, 0.5}});
const Grid square({{-4, 4, 16, Boundary::NoFlux, 0.5}, {-4, 4, 16, Boundary::NoFlux, 0.5}});

std::vector<FunctionPtr> read(const std::string& text, const Grid& grid = line) {
  const ProblemFile file = ProblemFile::parse(text, "p.toml");
  const ReactionDiffusionEquation equation = read_reaction_diffusion(file.root(), grid);
  const auto found = read_reaction_diffusion_reference(file.root().table("reference", "R."), grid, equation);
  file.check_all_used();
  return found;
}

const std::string ac = "[equation]\ntype = 'allen_cahn'\na = 0.4\nb = 1.7\n";
const std::string two = "[equation]\ntype = 'reaction_diffusion'\ndiffusion = 1\n[reaction]\ntype = 'gray_scott'\n";

/// u_t - a Lap u + b (u^3 - u) by differences of fourth order.
double residual(const Function& f, double a, double b, double x, double y, double t) {
  constexpr double h = 1e-2;
  const auto u = [&](double dx, double dy, double dt) { return f.at(x + dx, y + dy, 0, t + dt); };
  const double here = u(0, 0, 0);
  const double ut = (8 * (u(0, 0, h) - u(0, 0, -h)) - (u(0, 0, 2 * h) - u(0, 0, -2 * h))) / (12 * h);
  const double uxx = (16 * (u(h, 0, 0) + u(-h, 0, 0)) - (u(2 * h, 0, 0) + u(-2 * h, 0, 0)) - 30 * here) / (12 * h * h);
  const double uyy = (16 * (u(0, h, 0) + u(0, -h, 0)) - (u(0, 2 * h, 0) + u(0, -2 * h, 0)) - 30 * here) / (12 * h * h);
  return ut - a * (uxx + uyy) + b * (here * here * here - here);
}

}  // namespace

BOOST_AUTO_TEST_CASE(waves_solve_their_equation) {
  const auto wave = read(ac + "[reference]\ntype = 'travelling_wave'\nshift = 0.3\n");
  BOOST_REQUIRE(wave.size() == 1u);
  BOOST_TEST(wave[0]->depends_on_time());
  BOOST_TEST(wave[0]->at(0.3, 0, 0, 0) == 0.5);
  const auto across = read(ac + "sigma = 2\n[reference]\ntype = 'travelling_wave'\naxis = 'y'\n", square);
  const auto still = read("[equation]\ntype = 'cahn_hilliard'\na = 0.4\nb = 1.7\n[reference]\ntype = 'standing_wave'\nshift = -1\n");
  BOOST_TEST(!still[0]->depends_on_time());
  double largest = 0;
  for (const double x : {-1.0, -0.3, 0.1, 0.8, 1.6})
    for (const double t : {0.0, 0.7}) {
      BOOST_TEST(std::fabs(residual(*wave[0], 0.4, 1.7, x, 0, t)) < 1e-6);
      BOOST_TEST(std::fabs(residual(*across[0], 0.8, 1.7, 0.2, x, t)) < 1e-6);
      BOOST_TEST(std::fabs(residual(*still[0], 0.4, 1.7, x, 0, t)) < 1e-6);
      largest = std::max(largest, std::fabs(residual(*wave[0], 0.4, 1.6, x, 0, t)));
    }
  BOOST_TEST(largest > 1e-3);  // of another equation they are no solutions
}

BOOST_AUTO_TEST_CASE(functions_by_species) {
  BOOST_TEST(read(ac).empty());
  BOOST_TEST(read(ac + "[reference]\ntype = 'none'\n").empty());
  const auto u = read(ac + "[reference]\ntype = 'formula'\nu = 'x + t'\n");
  BOOST_TEST(u[0]->at(1, 0, 0, 2) == 3);
  const auto v = read(two + "[reference]\ntype = 'formula'\nv = '2*x'\n");
  BOOST_REQUIRE(v.size() == 2u);
  BOOST_TEST(!v[0]);
  BOOST_TEST(v[1]->at(1, 0, 0, 0) == 2);
}

BOOST_AUTO_TEST_CASE(what_does_not_fit_is_refused) {
  const auto says = [](const std::string& text, const std::string& part) {
    try {
      read(text);
      BOOST_ERROR("no error in: " << text);
    } catch (const InputError& e) {
      const std::string m = e.what();
      BOOST_TEST(m.rfind("p.toml:", 0) == 0, m);
      BOOST_TEST(m.find(part) != std::string::npos, m);
    }
  };
  says(ac + "[reference]\ntype = 'traveling_wave'\n", "did you mean 'travelling_wave'?");
  says(two + "[reference]\ntype = 'travelling_wave'\n", "without reaction");
  says(ac + "sigma = '2 + x'\n[reference]\ntype = 'standing_wave'\n", "constant coefficient");
  says(ac + "potential = { type = 'formula', W = 'u^2' }\n[reference]\ntype = 'standing_wave'\n", "double_well");
  says("[equation]\ntype = 'cahn_hilliard'\na = 1\nb = 1\n[reference]\ntype = 'travelling_wave'\n", "without G");
  says(two + "[reference]\ntype = 'formula'\nw = 'x'\n", "reference.u");
  says(ac + "[reference]\ntype = 'standing_wave'\naxis = 'y'\n", "'y' is none of x");
}
