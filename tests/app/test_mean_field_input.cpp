// timeout: 120
// processors: 2
// Bad input of mean-field problems: one message that names the key and what would be right, exit code 2, nothing written.
#define BOOST_TEST_MODULE mean_field_input
#include <boost/test/unit_test.hpp>
#include <filesystem>

#include "tests/support/process.hpp"

using namespace wasserflow::test;
namespace fs = std::filesystem;

namespace {

const char* const good = R"toml([grid]
upper = [1.0, 1.0]
cells = [16, 16]
[time]
steps = 4
[mobility]
obstacle = "0.01 - (x-0.5)^2 - (y-0.5)^2"
[initial]
rho = "max(0, 0.02 - (x-0.2)^2 - (y-0.2)^2)"
[final]
rho = "max(0, 0.02 - (x-0.8)^2 - (y-0.8)^2)"
)toml";

struct Fault {
  std::string from, to, message;
};

}  // namespace

BOOST_AUTO_TEST_CASE(bad_input_is_refused_with_one_message) {
  const std::vector<Fault> faults{
      {"(y-0.8)^2)\"", "(y-0.8)^2)\"\nmass = 2.0",
       "p.toml:11:7: final.rho: the final density has the mass 2, the initial one 1: equal masses are needed"},
      {"(y-0.8)^2)\"", "(y-0.8)^2)\"\nmass = 2.0", "or unbalanced transport, which lets mass appear and vanish"},
      {"max(0, 0.02", "(0.02", "p.toml:9:7: initial.rho: the density is negative: "},
      {"[final]\nrho = \"max(0, 0.02 - (x-0.8)^2 - (y-0.8)^2)\"", "", "a free end needs [terminal]"},
      {"[final]", "[terminal]\ntype = \"potential\"\nV = \"x\"\n[final]",
       "p.toml:10:1: terminal: two ends: [final] gives the density at the final time"},
      {"(x-0.2)^2 - (y-0.2)^2", "(x-0.4)^2 - (y-0.4)^2", "initial.rho: the density has mass inside of the obstacle of mobility.obstacle: "},
      {"(x-0.8)^2 - (y-0.8)^2", "(x-0.6)^2 - (y-0.6)^2", "final.rho: the density has mass inside of the obstacle"},
      {"cells = [16, 16]", "cells = [16, 16]\nboundary = [\"no_flux\", \"dirichlet\"]",
       "grid.boundary: no mass leaves through the ends of an axis here"},
      {"cells = [16, 16]", "cells = [16, 16]\nnodes = \"left\"", "unknown key 'grid.nodes'"},
      {"rho = \"max(0, 0.02 - (x-0.2)^2 - (y-0.2)^2)\"", "rho = { type = \"image\", file = \"none.png\" }", "none.png"},
      {"rho = \"max(0, 0.02 - (x-0.2)^2 - (y-0.2)^2)\"", "rho = { type = \"image\", file = \"p.toml\" }",
       "p.toml is neither a PNG nor a grey PGM image"},
      {"[mobility]", "[coupling]\ntype = \"entropi\"\n[mobility]", "did you mean 'entropy'?"},
      {"[mobility]", "[coupling]\ntype = \"entropy\"\ngamma = -1.0\n[mobility]",
       "p.toml:8:9: coupling.gamma: the coefficient of a coupling \"entropy\" is negative: -1"},
      {"[mobility]", "[[coupling]]\n[[coupling]]\ntype = \"power\"\nexponent = 3\ncoefficient = \"0.5-x\"\n[mobility]",
       "p.toml:10:15: coupling[1].coefficient: the coefficient of a coupling \"power\" is negative: "},
      {"[final]\nrho", "[terminal]\ntype = \"kl\"\ntarget = \"x-0.1\"\n[reference]\nrho",
       "p.toml:12:10: terminal.target: the target of a coupling \"kl\" is negative: "},
      {"[mobility]", "[coupling]\ntype = \"formula\"\nF = \"-rho^2\"\n[mobility]", "convex"},
      {"[mobility]", "[mobility]\ntype = \"power\"\nexponent = 2.0", "mobility.exponent: 2"},
      {"[mobility]", "[solver]\nscheme = \"stagered\"\n[mobility]", "did you mean 'staggered'?"},
      {"[mobility]", "[solver]\nscheme = \"fixed_point\"\n[mobility]",
       "final: solver.scheme = \"fixed_point\" takes f, g and the cost of crowds from [game]"},
      {"[mobility]", "[unbalanced]\npenalty = 0.1\n[solver]\nscheme = \"upwind\"\n[mobility]", "reaction"},
      {"[mobility]", "[solver]\nscheme = \"upwind\"\n[mobility]", "the upwind scheme empties no cell: add a small background"},
      {"[mobility]", "[solver]\nlevels = 9\n[mobility]", "solver.levels: there are 3 grids at most"},
      {"[mobility]", "[solver]\nrelaxation = 2.5\n[mobility]", "solver.relaxation: 2.5 is out of range"},
      {"[mobility]", "[output]\nfields = [\"rho\", \"p\"]\n[mobility]", "output.fields: there is no field 'p'"},
      {"[mobility]", "[output]\ntimes = [0.5, 0.25]\n[mobility]", "output.times: 0.25 does not come after 0.5"},
      {"[mobility]", "[interaction]\nW = \"exp(-t*x^2)\"\n[mobility]", "interaction.W: the kernel does not depend on t"},
      {"[mobility]", "[jko]\ntau = 0.1\nenergy = { type = \"entropy\" }\n[mobility]", "[jko] says it all"},
      {"steps = 4", "step = 4", "time.steps: this key is required; did you mean it by 'step'?"},
      {"[mobility]", "[hamiltonian]\ntype = \"formula\"\nH = \"-px^2\"\n[mobility]", "convex"},
  };
  for (std::size_t i = 0; i < faults.size(); ++i) BOOST_TEST_CONTEXT(faults[i].message) {
      const Fault& f = faults[i];
      const std::string dir = fresh_directory("mean_field_input");
      std::string text = good;
      BOOST_TEST_REQUIRE(text.find(f.from) != std::string::npos);
      text.replace(text.find(f.from), f.from.size(), f.to);
      write_file(dir + "/p.toml", text);
      const ProcessResult r = run_app("wf-mean-field", {"p.toml"}, {.ranks = i % 6 == 0 ? 2 : 1, .directory = dir, .timeout = 30});
      BOOST_TEST(r.code == 2, r.err);
      BOOST_TEST(count_lines(r.err, "error: ") == 1, r.err);
      BOOST_TEST(r.err.find(f.message) != std::string::npos, r.err);
      BOOST_TEST(std::distance(fs::directory_iterator(dir), fs::directory_iterator{}) == 1);
    }
}

BOOST_AUTO_TEST_CASE(a_check_says_that_a_problem_is_valid) {
  const std::string dir = fresh_directory("mean_field_check");
  write_file(dir + "/p.toml", good);
  const ProcessResult r = run_app("wf-mean-field", {"p.toml", "--check"}, {.directory = dir, .timeout = 30});
  BOOST_TEST(r.code == 0, r.err);
  BOOST_TEST(r.out.find("this problem is valid") != std::string::npos);
  BOOST_TEST(std::distance(fs::directory_iterator(dir), fs::directory_iterator{}) == 1);
}

BOOST_AUTO_TEST_CASE(an_odd_number_of_cells_is_said_to_have_no_coarse_starts) {
  const std::string dir = fresh_directory("mean_field_odd");
  write_file(dir + "/p.toml", good);
  for (const bool odd : {true, false}) {
    const ProcessResult r = run_app("wf-mean-field",
                                    {"p.toml", "--set", odd ? "grid.cells=[102,51]" : "grid.cells=[64,64]", "--set", "solver.max_iterations=1",
                                     "--set", "solver.min_iterations=0", "--overwrite", "--output", "run"},
                                    {.directory = dir, .timeout = 30});
    BOOST_TEST(r.code == 3, r.err);
    const bool said = (r.out + r.err).find("an axis of 51 cells, which is odd") != std::string::npos;
    BOOST_TEST(said == odd, r.out);
  }
}
