// ranks: 1
// timeout: 60
#define BOOST_TEST_MODULE reaction
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <random>
#include <vector>

#include "problems/reaction.hpp"

using namespace wasserflow;

namespace {

ReactionPtr read(const std::string& keys, int dim = 2) {
  const ProblemFile file = ProblemFile::parse("[reaction]\n" + keys + "\n", "p.toml");
  const ReactionPtr r = read_reaction(file.root().table("reaction", "R."), dim);
  file.check_all_used();
  return r;
}

/// States of all species at points of a row, with the values of a reaction there.
struct Row {
  std::vector<double> x;
  RowPoints p;
  std::vector<std::vector<double>> u;
  std::vector<std::vector<double>> rate, jacobian;

  Row(const Reaction& reaction, int n, double t = 0.3) {
    std::mt19937 random(7);
    std::uniform_real_distribution<double> uniform(0.1, 1.7);
    const std::size_t S = reaction.species().size();
    u.assign(S, {});
    for (int i = 0; i < n; ++i) {
      x.push_back(uniform(random));
      for (auto& s : u) s.push_back(uniform(random));
    }
    p.n = n;
    p.x = x.data();
    p.y = 0.7;
    p.z = 0.2;
    p.t = t;
    evaluate(reaction);
  }
  void evaluate(const Reaction& reaction) {
    const std::size_t S = u.size(), n = x.size();
    rate.assign(S, std::vector<double>(n));
    jacobian.assign(S * S, std::vector<double>(n));
    reaction.rates(p, in().data(), out(rate).data());
    reaction.jacobian(p, in().data(), out(jacobian).data());
  }
  std::vector<const double*> in() const {
    std::vector<const double*> v;
    for (const auto& s : u) v.push_back(s.data());
    return v;
  }
  static std::vector<double*> out(std::vector<std::vector<double>>& values) {
    std::vector<double*> v;
    for (auto& s : values) v.push_back(s.data());
    return v;
  }
};

struct Named {
  std::string keys, formula;
};

/// Every named law with the same law as formulas.
const std::vector<Named> laws{
    {"type = 'schnakenberg'\nk = 2\nA = 0.2\nB = 0.7", "rates = ['k*(A - u + u^2*v)', 'k*(B - u^2*v)']\nconstants = { k = 2, A = 0.2, B = 0.7 }"},
    {"type = 'gray_scott'\nfeed = 0.03\nkill = 0.06", "rates = ['-u*v^2 + g*(1 - u)', 'u*v^2 - (g + k)*v']\nconstants = { g = 0.03, k = 0.06 }"},
    {"type = 'predator_prey'\ngrowth = 1.1\ncapacity = 1.3\nattack = 0.9",
     "rates = ['1.1*u*(1 - u/1.3) - E*u*v/(u + 0.4)', '2*E*u*v/(u + 0.4) - 0.6*v']\nconstants = { E = 0.9 }"},
    {"type = 'fitzhugh_nagumo'\ncurrent = 0.5", "rates = ['u - u^3/3 - v + 0.5', '0.08*(u + 0.7 - 0.8*v)']"},
    {"type = 'brusselator'\nB = 2", "rates = ['1 - 3*u + u^2*v', '2*u - u^2*v']"}};

}  // namespace

BOOST_AUTO_TEST_CASE(named_laws_are_their_formulas) {
  BOOST_TEST(laws.size() + 1 == reaction_types().size());  // a new law needs a line here
  for (const Named& law : laws) {
    const ReactionPtr named = read(law.keys), formula = read("type = 'formula'\nspecies = ['u', 'v']\n" + law.formula);
    BOOST_TEST(named->species() == (std::vector<std::string>{"u", "v"}), boost::test_tools::per_element());
    const Row a(*named, 601), b(*formula, 601);
    for (std::size_t k = 0; k < 2; ++k)
      for (std::size_t i = 0; i < a.x.size(); ++i) BOOST_TEST(std::fabs(a.rate[k][i] - b.rate[k][i]) < 1e-13, law.keys);
    for (std::size_t k = 0; k < 4; ++k)
      for (std::size_t i = 0; i < a.x.size(); ++i) BOOST_TEST(std::fabs(a.jacobian[k][i] - b.jacobian[k][i]) < 1e-12, law.keys);
    BOOST_TEST(!named->depends_on_time());
  }
}

BOOST_AUTO_TEST_CASE(jacobians_are_difference_quotients) {
  for (const Named& law : laws) {
    const ReactionPtr reaction = read(law.keys);
    const Row here(*reaction, 50);
    constexpr double step = 1e-5;
    for (std::size_t q = 0; q < 2; ++q) {
      Row above = here, below = here;
      above.p.x = above.x.data();
      below.p.x = below.x.data();
      for (std::size_t i = 0; i < 50; ++i) {
        above.u[q][i] += step;
        below.u[q][i] -= step;
      }
      above.evaluate(*reaction);
      below.evaluate(*reaction);
      for (std::size_t s = 0; s < 2; ++s)
        for (std::size_t i = 0; i < 50; ++i)
          BOOST_TEST(std::fabs((above.rate[s][i] - below.rate[s][i]) / (2 * step) - here.jacobian[s * 2 + q][i]) < 1e-8, law.keys);
    }
  }
}

BOOST_AUTO_TEST_CASE(base_states_are_steady) {
  for (const Named& law : laws)
    for (const ReactionPtr& reaction : {read(law.keys), read("type = 'formula'\nspecies = ['u', 'v']\n" + law.formula)}) {
      const std::vector<double> state = reaction->base_state();
      BOOST_REQUIRE(state.size() == 2u);
      Row row(*reaction, 1);
      row.u = {{state[0]}, {state[1]}};
      row.evaluate(*reaction);
      for (const auto& r : row.rate) BOOST_TEST(std::fabs(r[0]) < 1e-11, law.keys);
    }
  // Several rest states of FitzHugh and Nagumo, and none of the recovery's own decay.
  for (const char* keys :
       {"type = 'fitzhugh_nagumo'\ndecay = 3\noffset = 0", "type = 'fitzhugh_nagumo'\ndecay = 0", "type = 'fitzhugh_nagumo'\ncurrent = -90"}) {
    const ReactionPtr reaction = read(keys);
    Row row(*reaction, 1);
    row.u = {{reaction->base_state()[0]}, {reaction->base_state()[1]}};
    row.evaluate(*reaction);
    BOOST_TEST(std::fabs(row.rate[0][0]) < 1e-10, keys);
    BOOST_TEST(std::fabs(row.rate[1][0]) < 1e-10, keys);
  }
  // Of the steady states of u (1 - u) the stable one; without any, zero; or as the file says.
  BOOST_TEST(read("type = 'formula'\nrates = 'u*(1 - u)'")->base_state()[0] == 1);
  BOOST_TEST(read("type = 'formula'\nrates = '1 + u^2'")->base_state()[0] == 0);
  BOOST_TEST(read("type = 'formula'\nrates = 'u*(1 - u)'\nbase_state = 0.25")->base_state()[0] == 0.25);
  BOOST_TEST(read("type = 'formula'\nspecies = ['a', 'b', 'c', 'd']\nrates = ['1 - a', 'a - 2*b', 'b - c', 'c - d']")->base_state()[3] == 0.5);
}

BOOST_AUTO_TEST_CASE(formulas_know_place_and_time) {
  const ReactionPtr reaction = read("type = 'formula'\nspecies = ['prey']\nrates = ['prey*x + y*t + q']\nconstants = { q = 3 }");
  BOOST_TEST(reaction->depends_on_time());
  const Row row(*reaction, 700, 2);
  for (std::size_t i = 0; i < row.x.size(); ++i) {
    BOOST_TEST(std::fabs(row.rate[0][i] - (row.u[0][i] * row.x[i] + 1.4 + 3)) < 1e-14);
    BOOST_TEST(row.jacobian[0][i] == row.x[i]);
  }
}

BOOST_AUTO_TEST_CASE(outputs_that_are_null_are_left_out_and_places_in_a_row_do_not_matter) {
  for (const std::string& keys : {laws[2].keys, "type = 'formula'\nspecies = ['u', 'v']\n" + laws[2].formula}) {
    const ReactionPtr reaction = read(keys);
    const Row whole(*reaction, 603);
    Row part = whole;
    part.p.x = part.x.data();
    for (auto* values : {&part.rate, &part.jacobian})
      for (auto& v : *values) std::fill(v.begin(), v.end(), -7.0);
    const std::vector<double*> rate{nullptr, part.rate[1].data()}, jacobian{nullptr, part.jacobian[1].data(), nullptr, nullptr};
    reaction->rates(part.p, part.in().data(), rate.data());
    reaction->jacobian(part.p, part.in().data(), jacobian.data());
    BOOST_TEST(part.rate[1] == whole.rate[1], boost::test_tools::per_element());
    BOOST_TEST(part.jacobian[1] == whole.jacobian[1], boost::test_tools::per_element());
    for (const double v : part.rate[0]) BOOST_TEST(v == -7);
    // The same points one by one.
    for (std::size_t i = 0; i < whole.x.size(); ++i) {
      RowPoints p = whole.p;
      p.n = 1;
      p.x = &whole.x[i];
      const double* const u[] = {&whole.u[0][i], &whole.u[1][i]};
      double r[2], j[4];
      double* const out[] = {r, r + 1};
      double* const derivatives[] = {j, j + 1, j + 2, j + 3};
      reaction->rates(p, u, out);
      reaction->jacobian(p, u, derivatives);
      for (std::size_t s = 0; s < 2; ++s) BOOST_TEST(r[s] == whole.rate[s][i]);
      for (std::size_t k = 0; k < 4; ++k) BOOST_TEST(j[k] == whole.jacobian[k][i]);
    }
  }
}

BOOST_AUTO_TEST_CASE(faults_are_named_at_their_place) {
  const auto says = [](const std::string& keys, const std::string& place, const std::string& part) {
    try {
      read(keys);
      BOOST_ERROR("no error in: " << keys);
    } catch (const InputError& e) {
      const std::string m = e.what();
      BOOST_TEST(m.rfind(place, 0) == 0, m);
      BOOST_TEST(m.find(part) != std::string::npos, m);
    }
  };
  says("", "p.toml:1:1: reaction.type", "Law of the rates");
  says("type = 'gray-scott'", "p.toml:2:8: reaction.type: ", "did you mean 'gray_scott'?");
  says("type = 'gray_scott'\nfeed = -1", "p.toml:3:8: reaction.feed: ", ">= 0");
  says("type = 'gray_scott'\nfed = 1", "p.toml:3:", "did you mean 'feed'?");
  says("type = 'formula'\nspecies = ['u', 'u']\nrates = ['u', 'u']", "p.toml:3:17: reaction.species[1]: ", "named twice");
  says("type = 'formula'\nspecies = ['x']\nrates = ['x']", "p.toml:3:12: ", "another meaning");
  says("type = 'formula'\nspecies = ['sin']\nrates = ['1']", "p.toml:3:12: ", "another meaning");
  says("type = 'formula'\nspecies = ['2u']\nrates = ['1']", "p.toml:3:12: ", "is no name");
  says("type = 'formula'\nspecies = []\nrates = ['1']", "p.toml:3:11: ", "at least one");
  says("type = 'formula'\nspecies = ['u', 'v']\nrates = ['u']", "p.toml:4:9: reaction.rates: ", "expected 2 formulas");
  says("type = 'formula'\nspecies = ['u', 'v']\nrates = ['u', 'u + w*v']", "p.toml:4:20: reaction.rates[1]: ", "unknown name 'w'");
  says("type = 'formula'\nrates = 'z'", "p.toml:3:10: reaction.rates: ", "unknown name 'z'");
  says("type = 'formula'\nrates = 'u'\nconstants = { t = 3 }", "p.toml:4:19: ", "has this name");
  says("type = 'formula'\nrates = '1/u'", "p.toml:3:9: ", "give a 'base_state'");
  says("type = 'formula'\nrates = 'u'\nbase_state = [1, 2]", "p.toml:4:14: ", "expected 1 value");
}
