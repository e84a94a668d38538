#pragma once
/// Small problem files of wf-fokker-planck and wf-prox.
namespace wasserflow::test {

inline constexpr const char* wells = R"toml([grid]
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

inline constexpr const char* porous = R"toml([grid]
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

inline constexpr const char* tensor = R"toml([grid]
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

inline constexpr const char* prox = R"toml([grid]
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

inline constexpr const char* flow = R"toml([grid]
lower = -5.0
upper = 5.0
cells = 120
boundary = "no_flux"
[equation]
type = "probability_flow"
[process]
horizon = 0.5
data = { type = "mixture", components = [{ mean = -1.0, deviation = 0.4 }, { mean = 1.5, deviation = 0.3, weight = 2.0 }] }
[time]
final = 0.5
dt = 0.0625
[initial]
rho = "exp(-x^2)/sqrt(pi)"
[output]
every = 2
)toml";

inline constexpr const char* board = R"toml([grid]
lower = [-4.5, -4.5]
upper = [4.5, 4.5]
cells = [24, 30]
boundary = "no_flux"
[equation]
type = "there_and_back"
[process]
horizon = 0.25
type = "variance_exploding"
sigma_min = 0.3
sigma_max = 1.0
[time]
final = 0.5
dt = 0.0625
method = "bdf2"
[initial]
rho = { type = "checkerboard" }
mass_tolerance = 0.1
[reference]
type = "process"
[output]
every = 2
)toml";

}  // namespace wasserflow::test
