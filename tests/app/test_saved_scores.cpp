// timeout: 200
// processors: 2
// There and back: a run of the noising diffusion saves its densities, and runs back take their scores from these files.
#define BOOST_TEST_MODULE saved_scores
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <nlohmann/json.hpp>

#include "tests/support/process.hpp"

using namespace wasserflow::test;

namespace {

const std::string dir = fresh_directory("saved_scores");

nlohmann::json run(const std::string& file, const std::string& output, std::vector<std::string> settings, int ranks = 1) {
  std::vector<std::string> arguments{file, "-o", output, "--log", "quiet", "--overwrite"};
  for (const std::string& s : settings) arguments.insert(arguments.end(), {"--set", s});
  const ProcessResult r = run_app("wf-fokker-planck", arguments, {.ranks = ranks, .directory = dir, .timeout = 60});
  BOOST_TEST_REQUIRE(r.code == 0, r.err);
  return nlohmann::json::parse(read_file(dir + "/" + output + "/report.json"));
}

const char* const grid = R"toml([grid]
lower = -4.5
upper = 4.5
cells = 180
boundary = "no_flux"
)toml";

const char* const mixture = R"toml("(0.6*exp(-(x+1)^2/0.32)+0.4*exp(-(x-1.2)^2/0.32))/sqrt(0.32*pi)"
)toml";

const char* const process = R"toml([process]
rate = 1.0
noise = 1.0
)toml";

}  // namespace

BOOST_AUTO_TEST_CASE(a_mixture_goes_there_and_back_by_an_estimated_score) {
  write_file(dir + "/there.toml", std::string(grid) + R"toml([equation]
potential = "x^2/2"
diffusion = 0.5
[time]
final = 1.0
dt = 0.01
method = "sdirk2"
[solver]
tolerance = 1e-10
[output]
interval = 0.04
[initial]
rho = )toml" + mixture);
  write_file(dir + "/back.toml", std::string(grid) + process + R"toml(score = { run = "there" }
[equation]
type = "probability_flow"
[time]
final = 1.0
dt = 0.01
[output]
interval = 0.25
[initial]
rho = { file = "there/fields/000025.h5", dataset = "rho" }
[reference]
rho = )toml" + mixture);
  for (const char* cells : {"180", "360"}) run("there.toml", std::string("there") + cells, {std::string("grid.cells=") + cells});
  const auto back = [&](const std::string& cells, const std::string& name, std::vector<std::string> more, int ranks = 1) {
    more.push_back("grid.cells=" + cells);
    more.push_back("process.score.run=\"there" + cells + "\"");
    more.push_back("initial.rho.file=\"there" + cells + "/fields/000025.h5\"");
    return run("back.toml", name, more, ranks);
  };
  const std::vector<std::string> flow{}, reverse{"equation.type=\"reverse_diffusion\"", "time.method=\"sdirk2\"", "solver.tolerance=1e-9"};
  for (const auto& settings : {flow, reverse}) {
    const double coarse = back("180", "coarse", settings)["errors"]["final_l1"], fine = back("360", "fine", settings)["errors"]["final_l1"];
    BOOST_TEST_MESSAGE((settings.empty() ? "flow " : "reverse diffusion ") << coarse << " " << fine);
    BOOST_TEST(fine < 1e-3);
    BOOST_TEST(coarse / fine > 2.5);
  }
  // The same bits on two ranks, with the score on faces across their border.
  const auto one = back("180", "one", flow), two = back("180", "two", flow, 2);
  BOOST_TEST(one["errors"]["final_l1"].get<double>() == two["errors"]["final_l1"].get<double>());
  BOOST_TEST(one["quantities"]["variance_x"].get<double>() == two["quantities"]["variance_x"].get<double>());
}

// Score fields as the run saved them, and a score that is known at one time from a dataset, on the faces of a flow.
BOOST_AUTO_TEST_CASE(scores_as_fields) {
  const std::string back = std::string(grid) + process + R"toml(horizon = 1.0
[equation]
type = "probability_flow"
[time]
final = 0.2
dt = 0.05
[initial]
rho = "exp(-x^2)/sqrt(pi)"
)toml";
  write_file(dir + "/fields.toml", back);
  run("there.toml", "there", {"output.fields=[\"rho\",\"score\"]"});
  const double by_density = run("fields.toml", "by_density", {"process.score={run=\"there\"}"})["quantities"]["variance_x"];
  const double by_field = run("fields.toml", "by_field", {"process.score={run=\"there\",field=\"score\"}"})["quantities"]["variance_x"];
  BOOST_TEST(std::fabs(by_density - by_field) < 2e-3);
  const double frozen = run("fields.toml", "frozen", {"process.score={run=\"there/fields/000025.h5\"}"})["quantities"]["variance_x"];
  const double dataset =
      run("fields.toml", "dataset", {"process.score=[{file=\"there/fields/000025.h5\",dataset=\"score_x\"}]"})["quantities"]["variance_x"];
  BOOST_TEST(std::fabs(frozen - dataset) < 2e-3);
  BOOST_TEST(std::fabs(frozen - by_density) > 1e-3);
}

BOOST_AUTO_TEST_CASE(runs_that_do_not_cover_the_process_are_refused) {
  const ProcessResult r =
      run_app("wf-fokker-planck", {"back.toml", "-o", "short", "--set", "process.horizon=1.5", "--set", "process.score.run=\"there180\""},
              {.directory = dir, .timeout = 60});
  BOOST_TEST(r.code == 2);
  BOOST_TEST(r.err.find("the run has saved the times 0 to 1; the process is run back from 1.5 to 0.5") != std::string::npos, r.err);
}
