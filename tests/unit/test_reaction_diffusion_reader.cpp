// ranks: 1
// timeout: 60
#define BOOST_TEST_MODULE reaction_diffusion_reader
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <fstream>
#include <sstream>

#include "problems/reaction_diffusion.hpp"

using namespace wasserflow;

namespace {

const Grid square({{0, 1, 8, Boundary::Periodic, 0}, {0, 1, 8, Boundary::Periodic, 0}});

ReactionDiffusionEquation read(const std::string& text) {
  const ProblemFile file = ProblemFile::parse(text, "p.toml");
  const ReactionDiffusionEquation equation = read_reaction_diffusion(file.root(), square);
  file.check_all_used();
  // What was read can be read again.
  const ProblemFile again = ProblemFile::parse(file.resolved_toml(), "resolved.toml");
  BOOST_TEST(read_reaction_diffusion(again.root(), square).type == equation.type);
  again.check_all_used();
  return equation;
}

void says(const std::string& text, const std::string& place, const std::string& part) {
  try {
    read(text);
    BOOST_ERROR("no error in: " << text);
  } catch (const InputError& e) {
    const std::string m = e.what();
    BOOST_TEST(m.rfind(place, 0) == 0, m);
    BOOST_TEST(m.find(part) != std::string::npos, m);
  }
}

bool plain(const DiffusionFactor& f) { return !f.sigma && !f.mobility; }

double mobility_at(const Mobility& m, double u) {
  double value = 0;
  m.value(1, &u, &value);
  return value;
}

double slope_at(const Mobility& m, double u) {
  double value = 0;
  m.derivative(1, &u, &value);
  return value;
}

}  // namespace

BOOST_AUTO_TEST_CASE(allen_cahn) {
  const auto e = read("[equation]\ntype = 'allen_cahn'\na = 0.01\nb = 100\n");
  BOOST_REQUIRE(e.species.size() == 1u);
  const SpeciesTerms& u = e.species[0];
  BOOST_TEST(u.name == "u");
  BOOST_TEST(u.a == 0.01);
  BOOST_TEST(u.b == 100);
  BOOST_TEST(u.G.empty());
  BOOST_REQUIRE(u.L.size() == 1u);
  BOOST_TEST(plain(u.L[0]));
  BOOST_TEST(u.potential->text() == "\"double_well\"");
  BOOST_TEST(!e.reaction);
  BOOST_TEST(!e.functionalised);
  BOOST_TEST((e.space == SymbolKind::Difference));

  const auto v = read(
      "[equation]\ntype = 'allen_cahn'\na = 0.01\nb = 100\nsigma = '1 + mu/2*(sin(x)^2 + sin(y)^2)'\nconstants = { mu = 5 }\n"
      "potential = { type = 'flory_huggins', theta = 0.3, theta_c = 1 }\n[reaction]\ntype = 'formula'\nspecies = ['c']\nrates = '0.1*(1 - c)'\n");
  BOOST_TEST(v.species[0].name == "c");
  BOOST_TEST(v.species[0].potential->upper() == 1);
  BOOST_TEST(std::fabs(v.species[0].L[0].sigma->at(1, 2, 0, 0) - (1 + 2.5 * (std::pow(std::sin(1), 2) + std::pow(std::sin(2), 2)))) < 1e-14);
  BOOST_REQUIRE(v.reaction);
  BOOST_TEST(v.reaction->species()[0] == "c");
}

BOOST_AUTO_TEST_CASE(cahn_hilliard_and_mobility) {
  const auto e = read("[equation]\ntype = 'cahn_hilliard'\na = 0.01\nb = 1\ndiscretization = 'spectral'\n");
  BOOST_REQUIRE(e.species[0].G.size() == 1u);
  BOOST_TEST(plain(e.species[0].G[0]));
  BOOST_TEST((e.space == SymbolKind::Exact));
  const auto three = read("[equation]\ntype = 'cahn_hilliard'\na = 0.01\nb = 1\nmobility = 3\ndiscretization = 'spectral'\n");
  BOOST_TEST(*three.species[0].G[0].sigma->constant() == 3);

  const auto m = read("[equation]\ntype = 'cahn_hilliard'\na = 0.01\nb = 1\nmobility = 'max(1 - k*u^2, 0)'\nconstants = { k = 1 }\n");
  const Mobility& mobility = *m.species[0].G[0].mobility;
  BOOST_TEST(std::fabs(mobility_at(mobility, 0.5) - 0.75) < 1e-15);
  BOOST_TEST(mobility_at(mobility, 1.5) == 0);
  BOOST_TEST(std::fabs(slope_at(mobility, 0.5) + 1) < 1e-15);
  BOOST_TEST(slope_at(mobility, 1.5) == 0);
  BOOST_TEST(std::fabs(mobility.mean() - 2.0 / 3) < 1e-4);
  const auto given = read("[equation]\ntype = 'cahn_hilliard'\na = 0.01\nb = 1\nmobility = { formula = 'u^2', mean = 0.8 }\n");
  BOOST_TEST(given.species[0].G[0].mobility->mean() == 0.8);
}

BOOST_AUTO_TEST_CASE(functionalised) {
  const auto e = read("[equation]\ntype = 'functionalised_cahn_hilliard'\neps = 0.18\n");
  BOOST_TEST(e.functionalised);
  BOOST_TEST(e.eps == 0.18);
  BOOST_TEST(e.eta == 0.18 * 0.18);
  BOOST_TEST(e.species[0].potential->curvature() == 2);
  BOOST_TEST(read("[equation]\ntype = 'functionalised_cahn_hilliard'\neps = 0.18\neta = 0.1\n").eta == 0.1);
}

BOOST_AUTO_TEST_CASE(systems) {
  const auto e = read("[equation]\ntype = 'reaction_diffusion'\ndiffusion = [1, 10]\n[reaction]\ntype = 'schnakenberg'\nk = 3\n");
  BOOST_REQUIRE(e.species.size() == 2u);
  BOOST_TEST(e.species[1].name == "v");
  BOOST_TEST(e.species[1].a == 10);
  BOOST_TEST(!e.species[1].potential);
  BOOST_TEST(e.species[1].G.empty());
  BOOST_REQUIRE(e.species[1].L.size() == 1u);
  const auto one =
      read("[equation]\ntype = 'reaction_diffusion'\ndiffusion = 2\n[reaction]\ntype = 'formula'\nspecies = ['u']\nrates = ['u*(1-u)']\n");
  BOOST_REQUIRE(one.species.size() == 1u);
  BOOST_TEST(one.species[0].a == 2);
  const auto frozen = read("[equation]\ntype = 'reaction_diffusion'\ndiffusion = [1, 0]\nsigma = '1 + x'\n[reaction]\ntype = 'fitzhugh_nagumo'\n");
  BOOST_TEST(frozen.species[1].a == 0);
  BOOST_TEST(frozen.species[0].L[0].sigma == frozen.species[1].L[0].sigma);
}

BOOST_AUTO_TEST_CASE(products_of_operators) {
  const auto e =
      read("[equation]\ntype = 'gradient_flow'\na = 1\nb = 0\nG = ['laplacian', { mobility = '1 + u^2' }]\nL = ['laplacian', { sigma = '2 + x' }]\n");
  const SpeciesTerms& u = e.species[0];
  BOOST_REQUIRE(u.G.size() == 2u);
  BOOST_TEST(plain(u.G[0]));
  BOOST_TEST(mobility_at(*u.G[1].mobility, 2) == 5);
  BOOST_REQUIRE(u.L.size() == 2u);
  BOOST_TEST(u.L[1].sigma->at(1, 0, 0, 0) == 3);
  const auto plain_flow = read("[equation]\ntype = 'gradient_flow'\na = 1\nb = 2\nG = []\nL = 'laplacian'\n");
  BOOST_TEST(plain_flow.species[0].G.empty());
  BOOST_TEST(plain_flow.species[0].L.size() == 1u);
}

BOOST_AUTO_TEST_CASE(faults_are_named_at_their_place) {
  const std::string ac = "[equation]\ntype = 'allen_cahn'\na = 0.01\nb = 100\n", ch = "[equation]\ntype = 'cahn_hilliard'\na = 0.01\nb = 1\n";
  says("", "p.toml", "equation.type");
  says("[equation]\ntype = 'alen_cahn'\n", "p.toml:2:8: equation.type: ", "did you mean 'allen_cahn'?");
  says("[equation]\ntype = 'allen_cahn'\nb = 100\n", "p.toml:1:1: equation.a", "gradient energy");
  says("[equation]\ntype = 'allen_cahn'\na = 0\nb = 100\n", "p.toml:3:5: equation.a: ", "> 0");
  says(ac + "sigma = -1\n", "p.toml:5:9: equation.sigma: ", "positive");
  says(ac + "sigma = '1 + t'\n", "p.toml:5:9: equation.sigma: ", "do not depend on t");
  says(ac + "sigma = '1 + z'\n", "p.toml:5:14: equation.sigma: ", "unknown name 'z'");
  says(ac + "sigma = '2 + x'\ndiscretization = 'spectral'\n", "p.toml:6:18: equation.discretization: ", "constant coefficients");
  says(ac + "discretization = 'spectal'\n", "p.toml:5:18: ", "did you mean 'spectral'?");
  says(ac + "mobility = 2\n", "p.toml:5:", "mobility");
  says(ac + "potental = 'double_well'\n", "p.toml:5:", "did you mean 'potential'?");
  says(ch + "mobility = '1 - x'\n", "p.toml:5:17: equation.mobility: ", "unknown name 'x'");
  says(ch + "mobility = '0.5 - u^2'\n", "p.toml:5:12: equation.mobility: ", "negative");
  says(ch + "mobility = '0*u'\n", "p.toml:5:12: ", "must be positive");
  says(ch + "mobility = '1/u'\n", "p.toml:5:12: ", "negative");
  says(ch + "mobility = -2\n", "p.toml:5:12: ", "> 0");
  says(ch + "mobility = { formula = '1/u^2 - log(u)', mean = -1 }\n", "p.toml:5:49: ", "> 0");
  says(ch + "[reaction]\ntype = 'gray_scott'\n", "p.toml:2:8: equation.type: ", "one species");
  says("[equation]\ntype = 'reaction_diffusion'\ndiffusion = 1\n", "p.toml:2:8: ", "[reaction]");
  says("[equation]\ntype = 'reaction_diffusion'\ndiffusion = [1, 2, 3]\n[reaction]\ntype = 'gray_scott'\n",
       "p.toml:3:13: equation.diffusion: ", "expected 2 values");
  says("[equation]\ntype = 'gradient_flow'\na = 1\nb = 1\nG = ['laplace']\nL = ['laplacian']\n",
       "p.toml:5:6: equation.G[0]: ", "did you mean 'laplacian'?");
  says("[equation]\ntype = 'gradient_flow'\na = 1\nb = 1\nG = [{ mobilty = 1 }]\nL = ['laplacian']\n",
       "p.toml:5:6: equation.G[0]: ", "expected 'laplacian'");
  says("[equation]\ntype = 'gradient_flow'\na = 1\nb = 1\nL = [{ mobility = 1 }]\n", "p.toml:5:6: equation.L[0]: ", "expected 'laplacian'");
  says("[equation]\ntype = 'gradient_flow'\na = 1\nb = 1\n", "p.toml:1:1: equation.L", "at least one factor");
}

BOOST_AUTO_TEST_CASE(every_type_is_described) {
  BOOST_TEST(reaction_diffusion_types().size() == 5u);
  for (const auto& [name, doc] : reaction_diffusion_types()) BOOST_TEST(!doc.empty(), name);
}

BOOST_AUTO_TEST_CASE(the_examples_of_the_documentation_hold) {
  std::stringstream page;
  page << std::ifstream(std::string(WASSERFLOW_SOURCE_DIR) + "/docs/equations.md").rdbuf();
  const std::string text = page.str(), fence = "```toml\n";
  int examples = 0;
  for (std::size_t at = text.find(fence); at != std::string::npos; at = text.find(fence, at)) {
    at += fence.size();
    BOOST_CHECK_NO_THROW(read(text.substr(at, text.find("```", at) - at)));
    ++examples;
  }
  BOOST_TEST(examples == 6);
  const std::string faulty =
      std::string(4, '\n') + "[reaction]\ntype = 'formula'\nspecies = ['u', 'v']\nconstants = { m = 1 }\nrates = ['u', 'u*v - m*w']";
  try {
    read_reaction(ProblemFile::parse(faulty, "problem.toml").root().table("reaction", ""), 2);
    BOOST_ERROR("no error");
  } catch (const InputError& e) {
    BOOST_TEST(text.find(e.what()) != std::string::npos, e.what());
  }
  for (const auto& [name, doc] : reaction_diffusion_types()) BOOST_TEST(text.find("| `" + name + "` |") != std::string::npos, name);
  for (const auto& [name, doc] : potential_types()) BOOST_TEST(text.find("| `" + name + "` |") != std::string::npos, name);
  for (const auto& [name, doc] : reaction_types()) BOOST_TEST(text.find("| `" + name + "` |") != std::string::npos, name);
}
