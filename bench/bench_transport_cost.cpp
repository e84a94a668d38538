// Joint proximal maps of transport costs over a 2-D grid: quadratic kinetic cost by itself, with couplings, weights and mobilities, in central and in
// upwind form, and the same cost as a general convex Hamiltonian (closed_form = false). Repeats of all candidates are interleaved; ns a point, best
// of the repeats, and the ratio to a sweep that only copies the same rows.
#include <fmt/format.h>

#include <chrono>
#include <cmath>
#include <cstring>

#include "grids/support/mpi.hpp"
#include "problems/transport_cost.hpp"

namespace {

using namespace wasserflow;

struct Candidate {
  std::string name;
  TransportCost cost;
  double best = 1e9;
};

double seconds() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

}  // namespace

int main(int argc, char** argv) {
  Session session(argc, argv);
  const int cells = 512, repeats = argc > 1 ? std::atoi(argv[1]) : 15;
  const LayoutPtr layout =
      make_layout(MPI_COMM_WORLD, Grid({{0.0, 1.0, cells, Boundary::Periodic, 0.0}, {0.0, 1.0, cells / 8, Boundary::Periodic, 0.0}}));
  const double time = 0;
  const std::string quadratic = "[hamiltonian]\ntype = \"quadratic\"\n", varying = "coefficient = \"1 + x\"\n",
                    entropy = "[coupling]\ntype = \"entropy\"\ngamma = 0.2\n",
                    general = "[hamiltonian]\ntype = \"formula\"\nH = \"(px^2 + py^2)/2\"\nclosed_form = false\ncompile = \"never\"\n";
  const std::vector<std::pair<std::string, std::string>> texts{
      {"quadratic", quadratic},
      {"quadratic, a(x)", quadratic + varying},
      {"quadratic + V(x) rho", quadratic + "[coupling]\ntype = \"potential\"\nV = \"x\"\n"},
      {"quadratic + d/2 (rho - target)^2", quadratic + "[coupling]\ntype = \"quadratic\"\ntarget = \"x\"\n"},
      {"quadratic + entropy", quadratic + entropy},
      {"quadratic + rho^1.5", quadratic + "[coupling]\ntype = \"power\"\nexponent = 1.5\n"},
      {"quadratic + F formula", quadratic + "[coupling]\ntype = \"formula\"\nF = \"0.2*rho*log(rho)\"\n"},
      {"quadratic, drift + entropy", quadratic + "drift = [0.3, 0.2]\n" + entropy},
      {"|m|^2/(2 rho^0.5)", quadratic + "[mobility]\ntype = \"power\"\nexponent = 0.5\n"},
      {"unbalanced", quadratic + "[unbalanced]\npenalty = 1\n"},
      {"formula H, no closed form", general},
      {"formula H, no closed form + entropy", general + entropy},
  };
  for (const Splitting splitting : {Splitting::LaxFriedrichs, Splitting::Upwind}) {
    std::vector<Candidate> all;
    for (const auto& [name, text] : texts) {
      const ProblemFile file = ProblemFile::parse(text, "bench");
      all.push_back({name, read_transport_cost(file.root(), 2, splitting)});
      all.back().cost.bind(layout, {&time, 1}, 1.0);
    }
    const std::size_t n = static_cast<std::size_t>(cells), slots = 6;
    std::vector<std::vector<double>> in(slots, std::vector<double>(n)), out = in;
    for (std::size_t j = 0; j < slots; ++j)
      for (std::size_t i = 0; i < n; ++i)
        in[j][i] = std::sin(0.01 * static_cast<double>(i * (j + 1)) + 2 * static_cast<double>(j)) + (j == 0 ? 0.6 : 0.0);
    std::vector<double*> rows;
    for (std::size_t j = 1; j < slots; ++j) rows.push_back(out[j].data());
    const auto sweep = [&](auto&& body) {
      const double start = seconds();
      for (int r = 0; r < layout->rows(); ++r) {
        for (std::size_t j = 0; j < slots; ++j) std::memcpy(out[j].data(), in[j].data(), n * sizeof(double));
        body(layout->row(r));
      }
      return (seconds() - start) * 1e9 / (static_cast<double>(layout->rows()) * cells);
    };
    double copy = 1e9;
    for (int k = 0; k < repeats; ++k) {
      copy = std::min(copy, sweep([](const RowPoints&) {}));
      for (Candidate& c : all) c.best = std::min(c.best, sweep([&](const RowPoints& p) { c.cost.prox(p, 0.7, 1.3, out[0].data(), rows.data()); }));
    }
    fmt::print("{}\n", splitting == Splitting::Upwind ? "upwind (4 fluxes)" : "central (2 fluxes)");
    fmt::print("  {:<40}{:>10}{:>12}\n", "cost", "ns/point", "/quadratic");
    fmt::print("  {:<40}{:>10.2f}\n", "(copy of six rows)", copy);
    for (const Candidate& c : all) fmt::print("  {:<40}{:>10.1f}{:>12.2f}\n", c.name, c.best - copy, (c.best - copy) / (all[0].best - copy));
  }
}
