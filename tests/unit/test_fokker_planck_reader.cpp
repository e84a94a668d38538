// ranks: 1
// timeout: 60
#define BOOST_TEST_MODULE fokker_planck_reader
#include <boost/test/unit_test.hpp>

#include "problems/fokker_planck.hpp"
#include "problems/gaussian_mixture.hpp"
#include "problems/reverse_process.hpp"

using namespace wasserflow;

namespace {

const Grid square({{0, 1, 8, Boundary::Periodic, 0}, {0, 1, 8, Boundary::NoFlux, 0.5}});

FokkerPlanckEquation read(const std::string& text) {
  const ProblemFile file = ProblemFile::parse(text, "p.toml");
  const FokkerPlanckEquation equation = read_fokker_planck(file.root(), square);
  file.check_all_used();
  const ProblemFile again = ProblemFile::parse(file.resolved_toml(), "resolved.toml");
  BOOST_TEST(read_fokker_planck(again.root(), square).diffusion.size() == equation.diffusion.size());
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

}  // namespace

BOOST_AUTO_TEST_CASE(terms) {
  FokkerPlanckEquation e = read("[equation]\npotential = 'a * x^2 + y'\nconstants = { a = 2 }\ndiffusion = 0.25\n");
  BOOST_TEST((e.potential->at(2, 1, 0, 0) == 9 && e.drift.empty() && !e.reaction && !e.nonlinear() && !e.depends_on_time()));
  BOOST_TEST((e.diffusion.size() == 1 && *e.diffusion[0]->constant() == 0.25));
  e = read("[equation]\ntype = 'fokker_planck'\ndrift = ['-x', 't']\ndiffusion = [1, 2, 'x']\nreaction = '-x'\n");
  BOOST_TEST((e.drift.size() == 2 && e.diffusion.size() == 3 && e.reaction && e.depends_on_time() && !e.nonlocal()));
  e = read("[equation]\ndiffusion = [0.1, 0.2]\ninteraction = 'x^2 + y^2'\nchemotaxis = 2\ndecay = 1\n");
  BOOST_TEST((e.diffusion.size() == 2 && e.nonlocal() && e.chemotaxis == 2 && e.decay == 1));
  e = read("[equation]\nporous = { exponent = 2, coefficient = 0.5 }\n");
  BOOST_TEST((e.diffusion.empty() && e.porous_exponent == 2 && e.porous_coefficient == 0.5 && e.nonlinear()));
}

BOOST_AUTO_TEST_CASE(faults) {
  says("[equation]\ndiffusion = -1\n", "p.toml:2:", "must not be negative");
  says("[equation]\npotential = 'x'\n", "p.toml:1:", "diffusion");
  says("[equation]\ndiffusion = [1, 2, 3, 4]\n", "p.toml:2:", "symmetric tensor");
  says("[equation]\ndiffusion = [1, 1, 2]\n", "p.toml:2:", "negative eigenvalue");
  says("[equation]\ndiffusion = 1\ndrift = ['x', 'y', 'x']\n", "p.toml:3:", "expected 2 functions");
  says("[equation]\ndiffusion = 1\ninteraction = 'x + t'\n", "p.toml:3:", "does not depend on t");
  says("[equation]\ndiffusion = 1\nporous = { exponent = 1 }\n", "p.toml:3:", "exponent");
  says("[equation]\ndiffusion = 1\npotentail = 'x'\n", "p.toml:3:", "potential");
}

// The equations of score models, in the time that runs back: -f + g^2 s and g^2/2; the flow's velocity.
BOOST_AUTO_TEST_CASE(score_models) {
  const std::string time = "[time]\nfinal = 2\n", process = "[process]\nrate = 0.5\nnoise = 2\n";
  FokkerPlanckEquation e = read("[equation]\ntype = 'reverse_diffusion'\n" + time + process + "score = ['-x', 't*y']\nperturbation = [0, 1]\n");
  BOOST_TEST((e.drift.size() == 2 && e.diffusion.size() == 1 && *e.diffusion[0]->constant() == 2));
  BOOST_TEST(e.drift[0]->at(3, 1, 0, 0.5) == 0.5 * 3 - 4 * 3.0);
  BOOST_TEST(e.drift[1]->at(3, 2, 0, 0.5) == 0.5 * 2 + 4 * (1.5 * 2 + 1));
  e = read("[equation]\ntype = 'probability_flow'\n" + time + process + "data = { type = 'mixture', components = [{ mean = 0, deviation = 1 }] }\n");
  // The variance of the noised mixture is e^{-t} + 4 (1 - e^{-t}).
  const double t = 1.2, variance = std::exp(-t) + 4 * (1 - std::exp(-t));
  BOOST_TEST((e.drift.size() == 2 && e.diffusion.empty()));
  BOOST_TEST(e.drift[1]->at(0, 2, 0, 2 - t) == 0.5 * 2 - 2 * 2 / variance, boost::test_tools::tolerance(1e-13));
  says("[equation]\ntype = 'reverse_diffusion'\n" + time + "[process]\nhorizon = 1\nscore = 'x'\n", "p.toml:6:", "horizon");
  says("[equation]\ntype = 'reverse_diffusion'\n" + time + "[process]\ndata = 'exp(-x^2)'\n", "p.toml:6:", "no closed form");

  // The process itself, and its reverse from the horizon on.
  e = read("[equation]\ntype = 'forward_diffusion'\n" + time + process);
  BOOST_TEST((e.drift.size() == 2 && *e.diffusion[0]->constant() == 2));
  BOOST_TEST(e.drift[1]->at(3, 2, 0, 0.5) == -0.5 * 2);
  e = read("[equation]\ntype = 'there_and_back'\n" + time + process + "score = ['-x', 't*y']\n");
  BOOST_TEST(e.drift[1]->at(3, 2, 0, 1) == -0.5 * 2);
  BOOST_TEST(e.drift[1]->at(3, 2, 0, 1.25) == 0.5 * 2 + 4 * (0.75 * 2));
  e = read("[equation]\ntype = 'there_and_back'\n" + time + "[process]\ntype = 'variance_preserving'\nhorizon = 1.5\nbeta_min = 1\nbeta_max = 4\n" +
           "[initial]\nrho = { type = 'mixture', components = [{ mean = 0, deviation = 1 }] }\n");
  BOOST_TEST(e.diffusion[0]->at(0, 0, 0, 1.25) == 0.5 * (1 + 3 * 1.25 / 1.5), boost::test_tools::tolerance(1e-15));
  BOOST_TEST(e.diffusion[0]->at(0, 0, 0, 1.75) == 0.5 * (1 + 3 * 1.25 / 1.5), boost::test_tools::tolerance(1e-15));
  // N(0, 1) stays under a variance-preserving process, and its score is -x.
  BOOST_TEST(e.drift[0]->at(2, 0, 0, 1.75) == 3.5 * 2 / 2 - 3.5 * 2, boost::test_tools::tolerance(1e-14));
  const FunctionPtr law = process_law("there_and_back", make_data(nine_blobs()), {.T = 1.5});
  BOOST_TEST(law->at(1, 2, 0, 1.25) == law->at(1, 2, 0, 1.75));
  BOOST_TEST(law->at(1, 2, 0, 1.25) != law->at(1, 2, 0, 1.5));
  says("[equation]\ntype = 'there_and_back'\n" + time + "[process]\nhorizon = 3\nscore = ['x', 'y']\n", "p.toml:6:", "not before the horizon");
  says("[equation]\ntype = 'there_and_back'\n" + time + process + "[initial]\nrho = 'exp(-x^2)'\n", "p.toml:9:", "no closed form");
}
