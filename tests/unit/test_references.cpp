// ranks: 1 2 4
// timeout: 60
#define BOOST_TEST_MODULE references
#include <boost/test/unit_test.hpp>

#include "grids/support/errors.hpp"
#include "problems/exact_solutions.hpp"

using namespace wasserflow;

namespace {

Grid box(int dim) { return Grid(std::vector<Axis>(static_cast<std::size_t>(dim), Axis{0, 2, 16, Boundary::Periodic, 0})); }

struct Read {
  ProblemFile file;
  FunctionPtr reference;
};

Read read(const std::string& text, int dim = 1, double diffusion = 0) {
  ProblemFile file = ProblemFile::parse("[reference]\n" + text, "case.toml");
  const FunctionPtr initial = make_formula(dim == 1 ? "sin(pi*x)" : "sin(pi*x) + sin(pi*y)");
  FunctionPtr f = read_reference(file.root().table("reference", "reference"), box(dim), initial, diffusion);
  file.check_all_used();
  return {std::move(file), std::move(f)};
}

bool fails_at(const std::string& text, int dim, double diffusion, const std::string& part) {
  try {
    read(text, dim, diffusion);
  } catch (const InputError& e) {
    BOOST_TEST_MESSAGE(e.what());
    return std::string(e.what()).find(part) != std::string::npos;
  }
  return false;
}

}  // namespace

BOOST_AUTO_TEST_CASE(every_kind_of_reference_is_read) {
  BOOST_TEST(!read("").reference);
  BOOST_TEST(!read("type = 'none'").reference);
  BOOST_TEST(!read("type = 'fine_grid'\nrefinement = 3").reference);
  const auto same = [](const FunctionPtr& a, const FunctionPtr& b, double y = 0) { return a->at(0.3, y, 0, 0.4) == b->at(0.3, y, 0, 0.4); };
  const FunctionPtr g = make_formula("sin(pi*x)"), g2 = make_formula("sin(pi*x) + sin(pi*y)");
  BOOST_TEST(same(read("type = 'quadratic_variable_speed'").reference, make_quadratic_variable_speed(box(1), g)));
  BOOST_TEST(same(read("type = 'onehomogeneous_variable_speed'").reference, make_onehomogeneous_variable_speed(box(1), g)));
  BOOST_TEST(same(read("type = 'hopf_cole'", 1, 0.3).reference, make_hopf_cole(box(1), g, 0.3)));
  BOOST_TEST(same(read("type = 'hopf_lax'\npower = 4\nspeed = 2").reference, make_hopf_lax(box(1), g, {.power = 4, .speed = 2})));
  BOOST_TEST(same(read("type = 'hopf_lax'\nhamiltonian = 'l1'").reference, make_hopf_lax(box(1), g, {.power = 1})));
  BOOST_TEST(same(read("type = 'hopf_lax'\nhamiltonian = 'l2'\nspeed = 3", 2).reference, make_hopf_lax_l2(box(2), g2, 3), 0.6));
  BOOST_TEST(same(read("type = 'hopf_lax'\nhamiltonian = 'anisotropic'\nmatrix = [1, 0.2, 0.5]", 2).reference,
                  make_hopf_lax_anisotropic(box(2), g2, {1, 0.2, 0.5}), 0.6));
  BOOST_TEST(same(read("type = 'newton'", 2).reference, make_newton(box(2), g2), 0.6));
  BOOST_TEST(read("type = 'formula'\nphi = 'x + 2*t'").reference->at(0.5, 0, 0, 3) == 6.5);
}

BOOST_AUTO_TEST_CASE(what_does_not_fit_names_its_place) {
  BOOST_TEST(fails_at("type = 'hopf_coal'", 1, 0.1, "did you mean 'hopf_cole'"));
  BOOST_TEST(fails_at("type = 'hopf_coal'", 1, 0.1, "case.toml:2"));
  BOOST_TEST(fails_at("type = 'hopf_cole'", 1, 0, "positive diffusion"));
  BOOST_TEST(fails_at("type = 'newton'", 2, 0.1, "without diffusion"));
  BOOST_TEST(fails_at("type = 'hopf_lax'\npower = 1", 1, 0, "power"));
  BOOST_TEST(fails_at("type = 'quadratic_variable_speed'", 2, 0, "case.toml") == false);
  BOOST_TEST(fails_at("type = 'newton'", 1, 0, "case.toml:2:8: reference.type: Newton"));
  BOOST_TEST(fails_at("type = 'none'\npower = 2", 1, 0, "power"));
}
