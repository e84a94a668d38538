// timeout: 300
// processors: 2
// wf-fokker-planck and wf-prox seen from outside: the same answer on any number of ranks and after a restart, closed forms, bad input.
#define BOOST_TEST_MODULE density_runs
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "tests/support/process.hpp"

using namespace wasserflow::test;
namespace fs = std::filesystem;
using Words = std::vector<std::string>;
using Json = nlohmann::json;

namespace {

const char* const wells = R"toml([grid]
lower = [-3.0, -3.0]
upper = [3.0, 3.0]
cells = [24, 32]
boundary = "no_flux"
[equation]
potential = "(x^2-1)^2 + y^2/2 + x*y/4"
diffusion = 0.5
[time]
final = 0.5
dt = 0.0625
[initial]
rho = "exp(-((x-0.5)^2 + y^2))/pi"
normalise = true
[output]
every = 2
)toml";

const char* const porous = R"toml([grid]
lower = -3.0
upper = 3.0
cells = 64
boundary = "no_flux"
[equation]
potential = "x^2/2"
diffusion = 0.25
porous = { exponent = 2.0, coefficient = 0.2 }
[time]
final = 0.5
dt = 0.0625
method = "entropic_jko"
[initial]
rho = "exp(-x^2)/sqrt(pi)"
[output]
every = 2
)toml";

const char* const tensor = R"toml([grid]
upper = [1.0, 1.0]
cells = [24, 20]
boundary = "periodic"
[equation]
drift = ["sin(2*pi*y)", "cos(2*pi*x)*(1 + t)"]
diffusion = ["0.1 + 0.02*sin(2*pi*x)", 0.05, 0.02]
[time]
final = 0.5
dt = 0.0625
method = "bdf2"
[initial]
rho = "1 + 0.5*cos(2*pi*x)*sin(2*pi*y)"
[output]
every = 2
)toml";

const char* const prox = R"toml([grid]
lower = [-3.0, -3.0]
upper = [3.0, 3.0]
cells = [40, 32]
boundary = "no_flux"
[prox]
V = "(x^2-1)^2 + y^2/2"
beta = 0.5
T = 0.2
steps = 4
[initial]
rho = "exp(-((x-0.5)^2 + y^2))/pi"
[output]
every = 2
)toml";

struct Case {
  std::string name, app, problem;
  Words settings;
};

const std::vector<Case> cases{
    {"implicit Euler", "wf-fokker-planck", wells, {}},
    {"SDIRK2", "wf-fokker-planck", wells, {"time.method=\"sdirk2\""}},
    {"kernel", "wf-fokker-planck", wells, {"time.method=\"kernel\""}},
    {"symmetric, transforms", "wf-fokker-planck", wells, {"time.method=\"symmetric\"", "prox.backend=\"fft\""}},
    {"symmetric, logarithms", "wf-fokker-planck", wells, {"time.method=\"symmetric\"", "prox.backend=\"log\""}},
    {"entropic JKO, porous", "wf-fokker-planck", porous, {}},
    {"tensor", "wf-fokker-planck", tensor, {}},
    {"kernel formula", "wf-prox", prox, {}},
    {"symmetric scaling", "wf-prox", prox, {"prox.kernel=\"symmetric\"", "prox.surround=\"free\""}},
};

ProcessResult solve(const Case& c, const std::string& dir, const std::string& output, Words more = {}, int ranks = 1) {
  Words words{"p.toml", "-o", output, "--log", "quiet"};
  for (const std::string& s : c.settings) words.insert(words.end(), {"--set", s});
  words.insert(words.end(), more.begin(), more.end());
  return run_app(c.app, words, {.ranks = ranks, .directory = dir, .timeout = 100});
}

Json report(const std::string& directory) { return Json::parse(read_file(directory + "/report.json")); }

}  // namespace

BOOST_AUTO_TEST_CASE(answers_do_not_depend_on_the_ranks) {
  for (const Case& c : cases) BOOST_TEST_CONTEXT(c.name) {
      const std::string dir = fresh_directory("density_ranks");
      write_file(dir + "/p.toml", c.problem);
      for (const int ranks : {1, 2, 4}) {
        const ProcessResult r = solve(c, dir, std::to_string(ranks), {}, ranks);
        BOOST_TEST_REQUIRE(r.code == 0, r.err);
      }
      const Json one = report(dir + "/1")["quantities"];
      BOOST_TEST(one["mass_drift"].get<double>() <= 1e-13);
      for (const char* ranks : {"2", "4"}) {
        const Json other = report(dir + "/" + ranks)["quantities"];
        int compared = 0;
        for (const auto& [name, value] : one.items())
          if (value.is_number() && other[name].is_number()) {
            const double a = value, b = other[name];
            // Increases are differences of nearly equal numbers.
            if (name.starts_with("largest_")) continue;
            ++compared;
            BOOST_TEST(std::fabs(a - b) <= 1e-12 * (1 + std::fabs(a)), ranks << " ranks, " << name << ": " << a << " and " << b);
          }
        BOOST_TEST(compared > 6);
      }
    }
}

BOOST_AUTO_TEST_CASE(a_run_that_is_lengthened_equals_the_straight_one) {
  for (const Case& c : cases) BOOST_TEST_CONTEXT(c.name) {
      const std::string dir = fresh_directory("density_restart");
      write_file(dir + "/p.toml", c.problem);
      const bool steps = c.app == "wf-prox";
      const Words half{"--set", steps ? "prox.steps=2" : "time.final=0.25"};
      BOOST_TEST(solve(c, dir, "straight").code == 0);
      BOOST_TEST(solve(c, dir, "halves", half).code == 0);
      BOOST_TEST((read_file(dir + "/halves/history.csv") != read_file(dir + "/straight/history.csv")));
      const ProcessResult r = solve(c, dir, "halves", {"--restart"});
      BOOST_TEST(r.code == 0, r.err);
      BOOST_TEST((read_file(dir + "/halves/history.csv") == read_file(dir + "/straight/history.csv")), "history.csv");
      int files = 0;
      for (const auto& file : fs::directory_iterator(dir + "/straight/fields")) {
        const std::string name = file.path().filename().string();
        BOOST_TEST((read_file(dir + "/halves/fields/" + name) == read_file(file.path().string())), name);
        ++files;
      }
      BOOST_TEST(files >= 3);
    }
}

BOOST_AUTO_TEST_CASE(gibbs_density_and_entropy) {
  const std::string dir = fresh_directory("density_gibbs");
  write_file(dir + "/p.toml", wells);
  for (const char* method : {"implicit_euler", "symmetric"}) BOOST_TEST_CONTEXT(method) {
      const Case c{"", "wf-fokker-planck", "", {std::string("time.method=\"") + method + "\"", "time.dt=4", "time.final=400", "output.every=20", "solver.tolerance=1e-12"}};
      const ProcessResult r = solve(c, dir, method);
      BOOST_TEST(r.code == 0, r.err);
      const Json q = report(dir + "/" + method)["quantities"];
      BOOST_TEST(q["gibbs_distance"].get<double>() < 1e-10);
      BOOST_TEST(q["relative_entropy"].get<double>() < 1e-14);
      BOOST_TEST(q["largest_entropy_increase"].get<double>() < 1e-14);
      BOOST_TEST(q["least_value"].get<double>() >= 0);
    }
}

BOOST_AUTO_TEST_CASE(bad_input_is_refused_with_one_message) {
  struct Fault {
    std::string from, to, message;
    std::string app = "wf-fokker-planck";
  };
  const std::vector<Fault> faults{
      {"rho = \"exp(", "rho = \"0.1-exp(", "p.toml:14:7: initial.rho: the density is negative: "},
      {"normalise = true", "normalise = false", "initial.rho: the density has the integral "},
      {"normalise = true", "normalise = false\nmass = 2.0", "not 2: it is not normalised"},
      {"normalise = true", "mass = -2.0", "initial.mass: -2 is out of range"},
      {"diffusion = 0.5", "diffusion = -0.5", "equation.diffusion: "},
      {"diffusion = 0.5", "diffusion = 0.0\n[prox]\neps = 0.0", "beta, equation.diffusion, must be positive"},
      {"diffusion = 0.5", "diffusion = \"0.5 + x^2\"", "equation.diffusion must be one number"},
      {"diffusion = 0.5", "diffusion = 0.5\ndrift = [\"y\", \"x\"]", "the drift must be given as -grad V"},
      {"diffusion = 0.5", "diffusion = 0.5\nreaction = 1.0", "equation.reaction is no part of one"},
      {"diffusion = 0.5", "diffusion = 0.5\nchemotaxis = 1.0", "nonlocal drifts are left to the schemes"},
      {"diffusion = 0.5", "diffusion = 0.5\nporous = { exponent = 2.0 }", "porous-medium diffusion needs entropic_jko"},
      {"potential = \"(x^2-1)^2", "potential = \"t*(x^2-1)^2", "equation.potential must not depend on t"},
      {"boundary = \"no_flux\"", "boundary = \"dirichlet\"", "nothing is absorbed at the ends of the box"},
      {"[output]", "[output]\nfields = [\"rho\", \"scores\"]", "output.fields: there is no field 'scores'; did you mean 'score'?"},
      {"[output]", "[output]\ndiagnostics = [\"entropie\"]", "unknown diagnostic 'entropie'"},
      {"[output]", "[reference]\ntype = \"gibs\"\n[output]", "did you mean 'gibbs'?"},
      {"dt = 0.0625", "dt = 0.0625\nsteps = 3", "unknown key 'time.steps'"},
      {"beta = 0.5", "beta = 0.0", "prox.beta: 0 is out of range, it must be > 0", "wf-prox"},
      {"T = 0.2", "T = -0.2", "prox.T: -0.2 is out of range, it must be > 0", "wf-prox"},
      {"(x^2-1)^2", "log(x)", "prox.V: ", "wf-prox"},
      {"steps = 4", "steps = 4\nkernel = \"symetric\"", "did you mean 'symmetric'?", "wf-prox"},
      {"every = 2", "path = [0.1]", "the path is that of one step", "wf-prox"},
      {"exp(-((x-0.5)^2 + y^2))/pi", "exp(-((x-2.5)^2 + y^2))/pi\"\nnormalise = false #", "or the box is too small for it", "wf-prox"},
  };
  for (std::size_t i = 0; i < faults.size(); ++i) BOOST_TEST_CONTEXT(faults[i].message) {
      const Fault& f = faults[i];
      const std::string dir = fresh_directory("density_input");
      std::string text = f.app == "wf-prox" ? prox : wells;
      const auto replace = [&](const std::string& from, const std::string& to) {
        BOOST_TEST_REQUIRE(text.find(from) != std::string::npos);
        text.replace(text.find(from), from.size(), to);
      };
      replace(f.from, f.to);
      if (f.message == "initial.rho: the density has the integral ") replace("exp(-(", "2*exp(-(");
      if (f.app != "wf-prox" && i < 17) replace("dt = 0.0625", "dt = 0.0625\nmethod = \"kernel\"");
      write_file(dir + "/p.toml", text);
      const ProcessResult r = run_app(f.app, {"p.toml"}, {.ranks = i % 6 == 0 ? 2 : 1, .directory = dir, .timeout = 30});
      BOOST_TEST(r.code == 2, r.err);
      BOOST_TEST(count_lines(r.err, "error: ") == 1, r.err);
      BOOST_TEST(r.err.find(f.message) != std::string::npos, r.err);
      BOOST_TEST(std::distance(fs::directory_iterator(dir), fs::directory_iterator{}) == 1);
    }
}

BOOST_AUTO_TEST_CASE(warnings_say_what_a_grid_cannot_resolve) {
  const std::string dir = fresh_directory("density_warnings");
  write_file(dir + "/p.toml", prox);
  const ProcessResult narrow = run_app("wf-prox", {"p.toml", "-o", "a", "--set", "prox.T=0.001"}, {.directory = dir});
  BOOST_TEST(narrow.code == 0, narrow.err);
  BOOST_TEST((narrow.err + narrow.out).find("a standard deviation of the kernel, sqrt(2 beta T), spans 0.16") != std::string::npos, narrow.err);
  write_file(dir + "/p.toml", wells);
  const ProcessResult steep = run_app("wf-fokker-planck", {"p.toml", "-o", "b", "--set", "equation.diffusion=0.01"}, {.directory = dir});
  BOOST_TEST(steep.code == 0, steep.err);
  BOOST_TEST((steep.err + steep.out).find("cell Peclet number") != std::string::npos, steep.err);
}
