// timeout: 200
// processors: 2
// One problem file, four ways: a scheme for the Fokker-Planck equation, proximal steps by the kernel formula, their symmetric scaling, and entropic JKO
// steps tend to the same density at their orders. Prints the table.
#define BOOST_TEST_MODULE density_schemes
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <nlohmann/json.hpp>

#include "tests/support/process.hpp"

using namespace wasserflow::test;

BOOST_AUTO_TEST_CASE(schemes_and_proximal_steps_agree_as_steps_shrink) {
  // N(1, 0.2) under an Ornstein-Uhlenbeck process, in closed form.
  const std::string dir = fresh_directory("density_schemes");
  write_file(dir + "/p.toml", R"toml([grid]
lower = -4.0
upper = 4.0
cells = 400
boundary = "no_flux"
[equation]
potential = "x^2/2"
diffusion = 0.5
[time]
final = 1.0
dt = 0.1
[initial]
rho = "exp(-(x-1)^2/0.4)/sqrt(0.4*pi)"
[output]
diagnostics = ["mass", "relative_entropy"]
[reference]
rho = "exp(-(x-exp(-t))^2/(2*(0.5-0.3*exp(-2*t))))/sqrt(2*pi*(0.5-0.3*exp(-2*t)))"
)toml");
  struct Method {
    std::string name;
    double order, finest;  ///< error with the smallest step, an upper bound
  };
  for (const Method& m : {Method{"implicit_euler", 1, 2e-3}, Method{"sdirk2", 2, 5e-5}, Method{"kernel", 1, 2e-3}, Method{"symmetric", 2, 3e-5},
                          Method{"entropic_jko", 1, 2e-3}, Method{"jko", 1, 2e-3}}) {
    std::vector<double> errors;
    for (const char* dt : {"0.2", "0.1", "0.05"}) {
      const ProcessResult r = run_app("wf-fokker-planck",
                                      {"p.toml", "-o", m.name + dt, "--log", "quiet", "--set", "time.method=\"" + m.name + "\"", "--set",
                                       std::string("time.dt=") + dt, "--set", "solver.tolerance=1e-9"},
                                      {.directory = dir, .timeout = 60});
      BOOST_TEST_REQUIRE(r.code == 0, r.err);
      const auto report = nlohmann::json::parse(read_file(dir + "/" + m.name + dt + "/report.json"));
      errors.push_back(report["errors"]["final_l1"]);
      BOOST_TEST(report["quantities"]["mass_drift"].get<double>() < 1e-13);
    }
    const double order = std::log2(errors[1] / errors[2]);
    BOOST_TEST_MESSAGE(m.name << ": mean |rho - exact| " << errors[0] << " " << errors[1] << " " << errors[2] << ", order " << order);
    BOOST_TEST((order > m.order - 0.25 && order < m.order + 0.6), m.name << " has order " << order);
    BOOST_TEST(errors.back() < m.finest, m.name << ": " << errors.back());
  }
}
