// timeout: 240
// processors: 2
// Bad problem files of wf-reaction-diffusion: one message with the place and the nearest right name, exit code 2, nothing written, on 1 and 4 ranks.
#define BOOST_TEST_MODULE reaction_diffusion_input
#include <boost/test/unit_test.hpp>
#include <filesystem>

#include "tests/support/process.hpp"

using namespace wasserflow::test;
namespace fs = std::filesystem;

namespace {

const char* const good = R"toml([grid]
upper = [1.0, 1.0]
cells = [24, 16]
[equation]
type = "cahn_hilliard"
a = 0.01
b = 1.0
[time]
final = 0.02
dt = 0.001
[initial]
u = "0.1*cos(2*pi*x)*cos(2*pi*y)"
[output]
interval = 0.01
)toml";

struct Case {
  std::string name, from, to, message;
};

// The message begins with the place: line and column of the value, of the fault inside of a formula.
const std::vector<Case> cases{
    {"unknown key", "interval = 0.01", "intervall = 0.01", "p.toml:14:13: unknown key 'output.intervall'; did you mean 'interval'?"},
    {"unknown table", "[initial]", "[inital]", "initial.u: this key is required"},
    {"unknown equation", "cahn_hilliard", "cahn_hiliard", "p.toml:5:8: equation.type: 'cahn_hiliard' is none of allen_cahn, cahn_hilliard"},
    {"no equation", "type = \"cahn_hilliard\"\n", "", "p.toml:4:1: equation.type: this key is required"},
    {"wrong type", "dt = 0.001", "dt = \"small\"", "p.toml:10:6: time.dt: expected real, got text \"small\""},
    {"negative step", "dt = 0.001", "dt = -0.001", "p.toml:10:6: time.dt: -0.001 is out of range"},
    {"negative final time", "final = 0.02", "final = 0.0", "p.toml:9:9: time.final: 0 is out of range, it must be > 0"},
    {"unknown time method", "dt = 0.001", "dt = 0.001\nmethod = \"bdf3\"", "did you mean 'bdf2'?"},
    {"unknown solver", "[output]", "[solver]\nmethod = \"andersen\"\n[output]", "did you mean 'anderson'?"},
    {"unknown precision", "[output]", "[solver]\nprecision = \"singel\"\n[output]", "did you mean 'single'?"},
    {"unknown potential", "b = 1.0", "b = 1.0\npotential = \"double_wel\"", "did you mean 'double_well'?"},
    {"negative a", "a = 0.01", "a = -0.01", "p.toml:6:5: equation.a: -0.01 is out of range"},
    {"formula with a fault", "0.1*cos(2*pi*x)", "0.1*cos(2*pi*)", "p.toml:12:19: initial.u: formula"},
    {"unknown variable", "cos(2*pi*x)", "cos(2*pi*z)", "p.toml:12:"},
    {"not finite", "0.1*cos(2*pi*x)", "0.1/(x - 0.5)", "p.toml:12:5: initial.u: the initial data are not finite everywhere"},
    {"outside of the potential", "b = 1.0", "b = 1.0\npotential = { type = \"flory_huggins\", theta = 0.3, theta_c = 1.0 }",
     "values from -2 to 2 are not inside of (-1, 1)"},
    {"species of another name", "u = \"", "v = \"", "initial.u: this key is required"},
    {"spectral with a coefficient", "b = 1.0", "b = 1.0\nsigma = \"1 + 0.5*sin(x)\"\ndiscretization = \"spectral\"", "need constant coefficients"},
    {"extrapolated boundary", "cells = [24, 16]", "cells = [24, 16]\nboundary = \"extrapolate\"", "p.toml:4:12: grid.boundary: "},
    {"unknown diagnostic", "interval = 0.01", "diagnostics = [\"enrgy\"]", "unknown diagnostic 'enrgy'; did you mean 'energy'?"},
    {"unknown field", "interval = 0.01", "fields = [\"w\"]", "output.fields: there is no species 'w'"},
    {"two kinds of times", "interval = 0.01", "interval = 0.01\nevery = 2", "p.toml:14:12: output.interval: output.every already says"},
    {"times out of order", "interval = 0.01", "times = [0.01, 0.005]", "0.005 does not come after 0.01"},
    {"times after the end", "interval = 0.01", "times = [0.01, 0.05]", "0.05 is after the final time 0.02"},
    {"unknown reference", "interval = 0.01", "interval = 0.01\n[reference]\ntype = \"traveling_wave\"", "did you mean 'travelling_wave'?"},
    {"more ranks than rows", "cells = [24, 16]", "cells = [24, 3]", "use at most 3"},
};

}  // namespace

BOOST_AUTO_TEST_CASE(bad_input_is_refused_with_one_message) {
  for (const int ranks : {1, 4})
    for (std::size_t i = 0; i < cases.size(); ++i) {
      const Case& c = cases[i];
      BOOST_TEST_CONTEXT(c.name << " on " << ranks << " ranks") {
        const bool crowded = c.name == "more ranks than rows";
        if (ranks == 1 ? crowded : !crowded && i % 3 != 0) continue;
        const std::string dir = fresh_directory("rd_bad_input");
        std::string text = good;
        BOOST_TEST_REQUIRE(text.find(c.from) != std::string::npos);
        text.replace(text.find(c.from), c.from.size(), c.to);
        if (c.name == "outside of the potential") text.replace(text.find("0.1*cos"), 7, "2.0*cos");
        write_file(dir + "/p.toml", text);
        const ProcessResult r = run_app("wf-reaction-diffusion", {"p.toml"}, {.ranks = ranks, .directory = dir, .timeout = 30});
        BOOST_TEST(!r.timed_out);
        BOOST_TEST(r.code == 2);
        BOOST_TEST(count_lines(r.err, "error: ") == 1, r.err);
        BOOST_TEST(r.err.find(c.message) != std::string::npos, r.err);
        BOOST_TEST(r.err.find("on rank") == std::string::npos, r.err);
        BOOST_TEST(std::distance(fs::directory_iterator(dir), fs::directory_iterator{}) == 1);
      }
    }
}

BOOST_AUTO_TEST_CASE(systems_are_refused_where_terms_do_not_fit) {
  const std::string system = R"toml([grid]
upper = [1.0, 1.0]
cells = [16, 16]
[equation]
type = "reaction_diffusion"
diffusion = [1e-3, 1e-4]
[reaction]
type = "gray_scott"
[time]
final = 2.0
dt = 1.0
[initial]
u = 1.0
v = 0.0
)toml";
  const std::vector<Case> faults{
      {"unknown reaction", "gray_scott", "grey_scott", "p.toml:8:8: reaction.type: 'grey_scott' is none of formula"},
      {"missing species", "v = 0.0", "", "initial.v: this key is required"},
      {"number of diffusivities", "diffusion = [1e-3, 1e-4]", "diffusion = [1e-3, 1e-4, 1e-5]", "p.toml:6:13: equation.diffusion"},
      {"energy", "v = 0.0", "v = 0.0\n[output]\ndiagnostics = [\"energy\"]", "output.diagnostics: this equation has no energy"},
      {"rates", "type = \"gray_scott\"", "type = \"formula\"\nspecies = [\"u\", \"v\"]\nrates = [\"u*w\", \"-v\"]", "p.toml:10:"},
  };
  for (const Case& c : faults) BOOST_TEST_CONTEXT(c.name) {
      const std::string dir = fresh_directory("rd_bad_input");
      std::string text = system;
      text.replace(text.find(c.from), c.from.size(), c.to);
      write_file(dir + "/p.toml", text);
      const ProcessResult r = run_app("wf-reaction-diffusion", {"p.toml"}, {.directory = dir, .timeout = 30});
      BOOST_TEST(r.code == 2);
      BOOST_TEST(r.err.find(c.message) != std::string::npos, r.err);
    }
}

BOOST_AUTO_TEST_CASE(check_and_describe_write_nothing) {
  const std::string dir = fresh_directory("rd_check");
  write_file(dir + "/p.toml", good);
  const ProcessResult check = run_app("wf-reaction-diffusion", {"p.toml", "--check"}, {.ranks = 2, .directory = dir});
  BOOST_TEST(check.code == 0, check.err);
  BOOST_TEST(check.out.find("this problem is valid") != std::string::npos);
  BOOST_TEST(check.out.find("cells = [24, 16]") != std::string::npos, check.out);
  for (const char* name : {"cahn_hilliard", "flory_huggins", "gray_scott", "bdf2", "anderson", "front_position", "travelling_wave", "time.dt"}) {
    const ProcessResult r = run_app("wf-reaction-diffusion", {"--describe", name}, {.directory = dir});
    BOOST_TEST(r.code == 0, r.err);
    BOOST_TEST(r.out.find(name) != std::string::npos);
  }
  BOOST_TEST(std::distance(fs::directory_iterator(dir), fs::directory_iterator{}) == 1);
}
