// timeout: 200
// processors: 2
// Bad problem files of wf-fokker-planck and wf-prox: one message with the place, exit code 2, nothing written. Warnings of what a grid does not
// resolve.
#define BOOST_TEST_MODULE density_input
#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <regex>

#include "tests/support/density_problems.hpp"
#include "tests/support/process.hpp"

using namespace wasserflow::test;
namespace fs = std::filesystem;

BOOST_AUTO_TEST_CASE(bad_input_is_refused_with_one_message) {
  struct Fault {
    std::string app, from, to, message;
    const char* problem = wells;
    std::string setting = "";
  };
  const std::string pde = "wf-fokker-planck", kernel = "time.method=\"kernel\"", apart = "wf-prox";
  const std::vector<Fault> faults{
      // Densities: sign, values, mass, box.
      {pde, "rho = \"exp(", "rho = \"0.1-exp(", "p.toml:13:7: initial.rho: the density is negative: -0.0"},
      {apart, "rho = \"exp(", "rho = \"0.1-exp(", "p.toml:12:7: initial.rho: the density is negative: -0.00189306 at (0.225, -1.03125)", prox},
      {apart, "rho = \"exp(", "rho = \"1/(x - 2.775) + exp(", "p.toml:12:7: initial.rho: the density is not finite everywhere on the grid: ", prox},
      {pde, "exp(-((x-0.5)^2 + y^2))/pi", "0*x", "p.toml:13:7: initial.rho: the density is 0 everywhere on the grid"},
      {pde, "normalise = true", "normalise = false\nmass = 2.0", "p.toml:13:7: initial.rho: the density has the integral 0.999"},
      {apart, "/pi\"", "\"\nnormalise = false", "p.toml:12:7: initial.rho: the density has the integral 3.1409 on the grid, not 1", prox},
      {pde, "normalise = true", "mass = -2.0", "p.toml:14:8: initial.mass: -2 is out of range, it must be > 0"},
      {apart, "exp(-((x-0.5)^2 + y^2))/pi", "exp(-((x-2.5)^2 + y^2))/pi\"\nnormalise = false #", "or the box is too small for it", prox},
      {pde, "\"exp(-((x-0.5)^2 + y^2))/pi\"", "{ type = \"mixture\", components = [{ mean = 2.0, deviation = 1.0 }] }",
       "p.toml:13:7: initial.rho: the grid holds 0.7"},
      {apart, "\"exp(-((x-0.5)^2 + y^2))/pi\"", "{ type = \"circles\", radii = 3.0 }", "p.toml:12:7: initial.rho: the grid holds 0.817", prox},
      {pde, "\"checkerboard\"", "\"checkerboard\", half_width = 6", "p.toml:18:7: initial.rho: the grid holds 0.5625 of a density of mass 1", board},
      {apart, "\"exp(-((x-0.5)^2 + y^2))/pi\"", "{ type = \"image\", file = \"none.png\" }", "p.toml:12:32: there is no image none.png", prox},
      // Temperature, diffusion, potential.
      {pde, "diffusion = 0.5", "diffusion = -0.5", "p.toml:8:13: equation.diffusion: the diffusion must not be negative, got -0.5"},
      {pde, "diffusion = 0.5", "diffusion = 0.0", "beta, equation.diffusion, must be positive", wells, kernel},
      {pde, "diffusion = 0.5", "diffusion = \"0.5 + x^2\"", "equation.diffusion must be one number", wells, kernel},
      {apart, "beta = 0.5", "beta = 0.0", "p.toml:8:8: prox.beta: 0 is out of range, it must be > 0", prox},
      {apart, "beta = 0.5", "beta = -1", "p.toml:8:8: prox.beta: -1 is out of range, it must be > 0", prox},
      {apart, "T = 0.2", "T = -0.2", "p.toml:9:5: prox.T: -0.2 is out of range, it must be > 0", prox},
      {apart, "(x^2-1)^2", "log(x)", "p.toml:7:5: prox.V: ", prox},
      // What a method cannot do.
      {pde, "diffusion = 0.5", "diffusion = 0.5\ndrift = [\"y\", \"x\"]", "the drift must be given as -grad V", wells, kernel},
      {pde, "diffusion = 0.5", "diffusion = 0.5\nreaction = 1.0", "equation.reaction is no part of one", wells, kernel},
      {pde, "diffusion = 0.5", "diffusion = 0.5\nchemotaxis = 1.0", "nonlocal drifts are left to the schemes", wells, kernel},
      {pde, "diffusion = 0.5", "diffusion = 0.5\nporous = { exponent = 2.0 }", "porous-medium diffusion needs jko or entropic_jko", wells, kernel},
      {pde, "potential = \"(x^2-1)^2", "potential = \"t*(x^2-1)^2", "equation.potential must not depend on t", wells, kernel},
      {pde, "boundary = \"no_flux\"", "boundary = \"dirichlet\"", "nothing is absorbed at the ends of the box", wells, kernel},
      {pde, "boundary = \"no_flux\"", "boundary = \"extrapolate\"", "p.toml:5:12: grid.boundary: densities take the boundaries"},
      {apart, "every = 2", "path = [0.1]", "p.toml:14:8: output.path: the path is that of one step", prox},
      // Processes.
      {pde, "type = \"there_and_back\"", "type = \"there_and_bak\"", "did you mean 'there_and_back'?", board},
      {pde, "horizon = 0.25", "horizon = 0.75", "p.toml:9:11: process.horizon: there and back ends at time.final = 0.5, not before the horizon",
       board},
      {pde, "{ type = \"checkerboard\" }", "\"exp(-x^2-y^2)\"", "p.toml:18:7: initial.rho: this density has no closed form", board},
      {pde, "sigma_max = 1.0", "sigma_max = 0.2", "p.toml:12:13: process.sigma_max: the noise must grow", board},
      // Names.
      {pde, "[output]", "[output]\nfields = [\"rho\", \"scores\"]", "output.fields: there is no field 'scores'; did you mean 'score'?"},
      {pde, "[output]", "[output]\ndiagnostics = [\"entropie\"]", "unknown diagnostic 'entropie'"},
      {pde, "[output]", "[reference]\ntype = \"gibs\"\n[output]", "did you mean 'gibbs'?"},
      {pde, "dt = 0.0625", "dt = 0.0625\nsteps = 3", "unknown key 'time.steps'"},
      {apart, "steps = 4", "steps = 4\nkernel = \"symetric\"", "did you mean 'symmetric'?", prox},
  };
  const std::regex place("error: p\\.toml:[0-9]+:[0-9]+: ");
  for (std::size_t i = 0; i < faults.size(); ++i) BOOST_TEST_CONTEXT(faults[i].message) {
      const Fault& f = faults[i];
      const std::string dir = fresh_directory("density_input");
      std::string text = f.problem;
      BOOST_TEST_REQUIRE(text.find(f.from) != std::string::npos);
      text.replace(text.find(f.from), f.from.size(), f.to);
      write_file(dir + "/p.toml", text);
      std::vector<std::string> words{"p.toml"};
      if (!f.setting.empty()) words.insert(words.end(), {"--set", f.setting});
      const ProcessResult r = run_app(f.app, words, {.ranks = i % 6 == 0 ? 4 : 1, .directory = dir, .timeout = 30});
      BOOST_TEST(r.code == 2, r.err);
      BOOST_TEST(count_lines(r.err, "error: ") == 1, r.err);
      BOOST_TEST(r.err.find(f.message) != std::string::npos, r.err);
      if (f.setting.empty()) BOOST_TEST(std::regex_search(r.err, place), r.err);
      BOOST_TEST(std::distance(fs::directory_iterator(dir), fs::directory_iterator{}) == 1);
    }
}

BOOST_AUTO_TEST_CASE(warnings_say_what_a_grid_cannot_resolve) {
  const auto warns = [](const std::string& app, const char* problem, std::vector<std::string> settings, const std::string& warning, int ranks = 1) {
    BOOST_TEST_CONTEXT(warning) {
      const std::string dir = fresh_directory("density_warnings");
      write_file(dir + "/p.toml", problem);
      std::vector<std::string> words{"p.toml", "-o", "run"};
      for (std::string& s : settings) words.insert(words.end(), {"--set", std::move(s)});
      const ProcessResult r = run_app(app, words, {.ranks = ranks, .directory = dir});
      BOOST_TEST(r.code == 0, r.err);
      const std::string text = r.out + r.err;
      BOOST_TEST((warning.empty() ? count_lines(text, "warning: ") == 0 : count_lines(text, warning) == 1), text);
      BOOST_TEST((warning.empty() || read_file(dir + "/run/log.txt").find(warning) != std::string::npos));
    }
  };
  const std::string narrow = "a standard deviation of the kernel, sqrt(2 beta T), spans ";
  warns("wf-prox", prox, {"prox.T=0.001"}, narrow + "0.16");
  warns("wf-fokker-planck", wells, {"time.method=\"symmetric\"", "time.dt=0.001", "time.final=0.01"}, narrow + "0.126 cells", 2);
  warns("wf-fokker-planck", wells, {"equation.diffusion=0.01"}, "the cell Peclet number |b| h / D reaches ", 2);
  // Here it is small at the start: the score of a narrow mixture grows while the run goes back to it.
  warns("wf-fokker-planck", flow, {"equation.type=\"reverse_diffusion\"", "grid.cells=40", "time.method=\"implicit_euler\"", "output.every=1"},
        "the cell Peclet number |b| h / D reaches ");
  const std::string normal = "initial.rho={ type = \"mixture\", components = [{ mean = [0, 0], deviation = 0.7 }] }";
  warns("wf-prox", prox, {normal}, "initial.rho: the grid holds 0.9999", 2);
  warns("wf-fokker-planck", wells, {"initial.rho={ type = \"circles\", radii = 2.6 }", "initial.mass_tolerance=0.1"},
        "initial.rho: the grid holds 0.9");
  warns("wf-fokker-planck", tensor, {}, "a full diffusion tensor has entries of both signs");
  warns("wf-fokker-planck", wells,
        {"time.method=\"crank_nicolson\"", "time.dt=0.5", "initial.rho={ type = \"boxes\", boxes = [{ lower = [-1, -1], upper = 1 }] }",
         "initial.mass_tolerance=0.5"},
        "the density went down to -");
  warns("wf-fokker-planck", wells, {"equation.potential=\"x^2/4 + y^2/2\""}, "");
  warns("wf-prox", prox, {}, "");
}
