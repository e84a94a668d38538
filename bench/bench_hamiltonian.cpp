// A proximal sweep over a 2-D grid: the same Hamiltonian built in, as a plugin and as an interpreted formula, with its closed form recognised and
// without (closed_form = false: the generic Newton iteration). Repeats of all candidates are interleaved; the table shows ns a point and the ratio to
// the built-in one.
#include <fmt/format.h>

#include <chrono>
#include <cmath>
#include <filesystem>
#include <fstream>

#include "grids/field.hpp"
#include "grids/support/mpi.hpp"
#include "problems/catalogue.hpp"
#include "problems/plugin_library.hpp"

namespace {

using namespace wasserflow;

struct Pseudo {
  static constexpr int dim = 2, coefficients = 1;
  template <class Point, class T>
  static void tabulate(const Point& at, T* c) {
    c[0] = 1.0 + 3.0 * exp(-4.0 * ((at.x - 1.0) * (at.x - 1.0) + (at.y - 1.0) * (at.y - 1.0)));
  }
  template <class Point, class P>
  P operator()(const Point& at, const P* p) const {
    return at.c[0] * sqrt(1.0 + p[0] * p[0] + p[1] * p[1]);
  }
};

struct Case {
  std::string title, builtin, body, formula;
};

/// A plugin's source: one coefficient c, H = body.
std::string source(const std::string& body) {
  return R"(#include "problems/plugin.hpp"
struct Mine {
  static constexpr int dim = 2, coefficients = 1;
  template <class Point, class T>
  static void tabulate(const Point& at, T* c) {
    c[0] = 1.0 + 3.0 * exp(-4.0 * ((at.x - 1.0) * (at.x - 1.0) + (at.y - 1.0) * (at.y - 1.0)));
  }
  template <class Point, class P>
  P operator()(const Point& at, const P* p) const {
    return )" +
         body + R"(;
  }
};
extern "C" const wf_hamiltonian_v1* wf_plugin() { return wasserflow::plugin<Mine>("mine"); }
)";
}

struct Candidate {
  std::string name;
  HamiltonianPtr h;
  double best = 1e9;
};

HamiltonianPtr read(const std::string& table) {
  const ProblemFile file = ProblemFile::parse("[hamiltonian]\n" + table, "bench");
  return read_hamiltonian(file.root().table("hamiltonian", "H"), 2).kinetic;
}

}  // namespace

int main(int argc, char** argv) {
  Session session(argc, argv);
  add_hamiltonian<Pseudo>("pseudo", "c sqrt(1 + |p|^2)");
  const std::string c = "(1 + 3*exp(-4*((x-1)^2 + (y-1)^2)))", coefficient = "coefficient = \"" + c + "\"\n";
  const std::vector<Case> cases{
      {"c(x) |p|_2", "type = \"norm\"\n" + coefficient, "at.c[0] * sqrt(p[0] * p[0] + p[1] * p[1])", c + "*sqrt(px^2 + py^2)"},
      {"p^T A p/2, rotated", "type = \"anisotropic\"\nmatrix = [0.8125, 0.32475952641916445, 0.4375]\n",
       "0.5 * (0.8125 * p[0] * p[0] + 2 * 0.32475952641916445 * p[0] * p[1] + 0.4375 * p[1] * p[1])",
       "(0.8125*px^2 + 2*0.32475952641916445*px*py + 0.4375*py^2)/2"},
      {"c(x) |p|^2/2", "type = \"quadratic\"\n" + coefficient, "0.5 * at.c[0] * (p[0] * p[0] + p[1] * p[1])", c + "*(px^2 + py^2)/2"},
      {"c(x) |p|_1", "type = \"one_homogeneous\"\n" + coefficient, "at.c[0] * (abs(p[0]) + abs(p[1]))", c + "*(abs(px) + abs(py))"},
      {"c(x) sqrt(1+|p|^2)", "type = \"pseudo\"\n", "at.c[0] * sqrt(1.0 + p[0] * p[0] + p[1] * p[1])", c + "*sqrt(1 + px^2 + py^2)"},
  };
  const auto folder = std::filesystem::temp_directory_path() / fmt::format("bench_hamiltonian.{}", rank_of(MPI_COMM_WORLD));
  std::filesystem::create_directories(folder);
  const LayoutPtr grid = make_layout(MPI_COMM_WORLD, Grid({{0, 2, 512, Boundary::Periodic, 0}, {0, 2, 256, Boundary::Periodic, 0}}));
  const std::array<double, 1> times{0.0};
  fmt::print("{:22} {:>10} {:>18} {:>18} {:>18} {:>18}   ns a point (ratio)\n", "H", "built-in", "plugin", "formula", "plugin, generic",
             "formula, generic");
  for (const Case& k : cases) {
    const std::string file = (folder / "mine.cpp").string();
    std::ofstream(file) << source(k.body);
    const std::string generic = "closed_form = false\n", formula = "type = \"formula\"\ncompile = \"never\"\nH = \"" + k.formula + "\"\n";
    std::vector<Candidate> candidates;
    candidates.push_back({"built-in", read(k.builtin)});
    candidates.push_back({"plugin", read("type = \"plugin\"\nsource = \"" + file + "\"\n")});
    candidates.push_back({"formula", read(formula)});
    candidates.push_back({"plugin, generic", read("type = \"plugin\"\nsource = \"" + file + "\"\n" + generic)});
    candidates.push_back({"formula, generic", read(formula + generic)});
    for (Candidate& x : candidates) x.h->bind(grid, times);
    const int slots = candidates[0].h->slots(2);
    for (int repeat = 0; repeat < 15; ++repeat)
      for (Candidate& x : candidates) {
        std::vector<Field> u;
        for (int j = 0; j <= 4; ++j) {
          u.emplace_back(grid);
          for (std::size_t i = 0; i < u.back().owned().size(); ++i)
            u.back().owned()[i] = (j == 0 ? 1.0 : 0.0) + std::sin(1.0 + 0.37 * static_cast<double>(i % 977) + 2.0 * j);
        }
        const auto start = std::chrono::steady_clock::now();
        for (int r = 0; r < grid->rows(); ++r) {
          const RowPoints p = grid->row(r);
          std::array<double*, 4> m;
          for (std::size_t j = 0; j < 4; ++j) m[j] = u[j + 1].level() + p.offset;
          x.h->prox(p, 0.3, 0.3, u[0].level() + p.offset, m.data());
        }
        x.best = std::min(x.best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
      }
    const double points = static_cast<double>(grid->owned()) * 1e-9;
    fmt::print("{:22} {:10.2f}", k.title, candidates[0].best / points);
    for (std::size_t i = 1; i < candidates.size(); ++i)
      fmt::print(" {:10.2f} ({:5.2f})", candidates[i].best / points, candidates[i].best / candidates[0].best);
    fmt::print("  {} slots\n", slots);
  }
  std::filesystem::remove_all(folder);
  return 0;
}
