// ranks: 1 2
// timeout: 180
// Hamiltonians from C++ files and shared libraries.
#define BOOST_TEST_MODULE plugin
#include <boost/test/unit_test.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "grids/support/errors.hpp"
#include "grids/support/mpi.hpp"
#include "problems/hamiltonian.hpp"
#include "problems/plugin_library.hpp"

using namespace wasserflow;
namespace fs = std::filesystem;

namespace {

/// A folder of this test with a cache of its own; made by rank 0.
struct Folder {
  fs::path path = fs::path(WASSERFLOW_BINARY_DIR) / ("plugin_test_" + std::to_string(size_of(MPI_COMM_WORLD)));
  Folder() {
    if (rank_of(MPI_COMM_WORLD) == 0) {
      fs::remove_all(path);
      fs::create_directories(path);
    }
    setenv("XDG_CACHE_HOME", (path / "cache").c_str(), 1);
    MPI_Barrier(MPI_COMM_WORLD);
  }
  std::string write(const std::string& name, const std::string& text) const {
    if (rank_of(MPI_COMM_WORLD) == 0) std::ofstream(path / name) << text;
    MPI_Barrier(MPI_COMM_WORLD);
    return (path / name).string();
  }
  /// On all ranks: none goes on to compile, with its files for the moment, while another still counts.
  int libraries() const {
    MPI_Barrier(MPI_COMM_WORLD);
    int n = 0;
    for (const auto& f : fs::directory_iterator(path / "cache" / "wasserflow"))
      n += f.path().extension() == ".so" ? 1 : 1000;  // nothing else is left
    MPI_Barrier(MPI_COMM_WORLD);
    return n;
  }
};

const std::string good = R"(#include "problems/plugin.hpp"
struct Mine {
  static constexpr int dim = 2;
  static constexpr int coefficients = 1;
  template <class Point, class T>
  static void tabulate(const Point& at, T* c) {
    c[0] = 1.0 + 0.5 * sin(at.x) * at.t;
  }
  template <class Point, class P>
  P operator()(const Point& at, const P* p) const {
    return at.c[0] * sqrt(1.0 + p[0] * p[0] + p[1] * p[1]);
  }
};
extern "C" const wf_hamiltonian_v1* wf_plugin() { return wasserflow::plugin<Mine>("mine"); }
)";

HamiltonianTerms read(const std::string& table, int dim) {
  const ProblemFile file = ProblemFile::parse("[hamiltonian]\n" + table, "plugin.toml");
  return read_hamiltonian(file.root().table("hamiltonian", "H"), dim);
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_source_file_is_the_formula_it_contains) {
  const Folder folder;
  const std::string source = folder.write("mine.cpp", good);
  HamiltonianTerms compiled = read("type = \"plugin\"\nsource = \"" + source + "\"\n", 2);
  HamiltonianTerms formula = read("type = \"formula\"\ncompile = \"never\"\nH = \"(1 + 0.5*sin(x)*t)*sqrt(1 + px^2 + py^2)\"\n", 2);
  const LayoutPtr grid = make_layout(MPI_COMM_WORLD, Grid({{0, 2, 13, Boundary::Periodic, 0}, {0, 2, 12, Boundary::Periodic, 0}}));
  const std::array<double, 1> times{0.8};
  compiled.kinetic->bind(grid, times);
  formula.kinetic->bind(grid, times);
  BOOST_REQUIRE(compiled.kinetic->splitting() == formula.kinetic->splitting());
  for (int r = 0; r < grid->rows(); ++r) {
    RowPoints p = grid->row(r);
    p.t = times[0];
    std::array<std::vector<double>, 3> a, b;
    for (std::size_t j = 0; j < 3; ++j)
      for (int i = 0; i < p.n; ++i) a[j].push_back(2 * std::sin(3.0 * p.x[i] + 5 * p.y + 1.7 * static_cast<double>(j)));
    b = a;
    std::array<double*, 2> ma{a[1].data(), a[2].data()}, mb{b[1].data(), b[2].data()};
    compiled.kinetic->prox(p, 0.5, 0.8, a[0].data(), ma.data());
    formula.kinetic->prox(p, 0.5, 0.8, b[0].data(), mb.data());
    for (std::size_t j = 0; j < 3; ++j)
      for (std::size_t i = 0; i < a[j].size(); ++i) BOOST_REQUIRE_SMALL(a[j][i] - b[j][i], 1e-12);
  }
  // Compiled once; another text is another library; the library can be named itself.
  BOOST_TEST(folder.libraries() == 1);
  read("type = \"plugin\"\nsource = \"" + source + "\"\n", 2);
  MPI_Barrier(MPI_COMM_WORLD);
  BOOST_TEST(folder.libraries() == 1);
  folder.write("mine.cpp", "// changed\n#define CHANGED\n" + good);
  read("type = \"plugin\"\nsource = \"" + source + "\"\n", 2);
  MPI_Barrier(MPI_COMM_WORLD);
  BOOST_TEST(folder.libraries() == 2);
  const std::string library = fs::directory_iterator(folder.path / "cache" / "wasserflow")->path().string();
  BOOST_TEST(read("type = \"plugin\"\nlibrary = \"" + library + "\"\n", 2).kinetic->is_convex());
  BOOST_CHECK_THROW(read("type = \"plugin\"\nlibrary = \"" + library + "\"\n", 1), InputError);
}

BOOST_AUTO_TEST_CASE(a_compiled_formula_is_the_interpreted_one) {
  const Folder folder;
  for (const auto& [text, dim] : {std::pair<std::string, int>{"(1 + x*t)*sqrt(1 + px^2 + 0.5*py^2) + max(px, 0)^2", 2},
                                  {"cosh(px) + if(x < 1, 1, 2)*py^4 + (1 + y)*abs(pz)", 3},
                                  {"exp(0.3*px) + exp(-px)", 1}}) {
    std::string quoted = "type = \"formula\"\nH = \"" + text + "\"\ncompile = ";
    HamiltonianTerms always = read(quoted + "\"always\"\n", dim), never = read(quoted + "\"never\"\n", dim);
    std::vector<Axis> axes;
    for (int d = 0; d < dim; ++d) axes.push_back({0, 2, 9, Boundary::Periodic, 0});
    const LayoutPtr grid = make_layout(MPI_COMM_WORLD, Grid(axes));
    const std::array<double, 1> times{0.8};
    always.kinetic->bind(grid, times);
    never.kinetic->bind(grid, times);
    BOOST_REQUIRE(always.kinetic->splitting() == never.kinetic->splitting());
    const std::size_t slots = static_cast<std::size_t>(always.kinetic->slots(dim));
    for (int r = 0; r < grid->rows(); ++r) {
      RowPoints p = grid->row(r);
      p.t = times[0];
      std::vector<std::vector<double>> a(slots + 1), b;
      for (std::size_t j = 0; j <= slots; ++j)
        for (int i = 0; i < p.n; ++i) a[j].push_back(2 * std::sin(3.0 * p.x[i] + 5 * p.y + 7 * p.z + 1.7 * static_cast<double>(j)));
      b = a;
      std::vector<double*> ma, mb;
      for (std::size_t j = 1; j <= slots; ++j) ma.push_back(a[j].data()), mb.push_back(b[j].data());
      always.kinetic->prox(p, 0.5, 0.8, a[0].data(), ma.data());
      never.kinetic->prox(p, 0.5, 0.8, b[0].data(), mb.data());
      for (std::size_t j = 0; j <= slots; ++j)
        for (std::size_t i = 0; i < a[j].size(); ++i) BOOST_REQUIRE_SMALL(a[j][i] - b[j][i], 1e-11);
    }
  }
}

/// Two libraries with a struct of the same name are two Hamiltonians.
BOOST_AUTO_TEST_CASE(libraries_do_not_share_names) {
  const Folder folder;
  std::string text = good;
  text.replace(text.find("sqrt(1.0 + p[0] * p[0] + p[1] * p[1])"), 37, "(p[0] * p[0] + p[1] * p[1])");
  const std::string first = folder.write("first.cpp", good), second = folder.write("second.cpp", text);
  BOOST_TEST(read("type = \"plugin\"\nsource = \"" + first + "\"\n", 2).kinetic->name() == "plugin");
  BOOST_TEST(read("type = \"plugin\"\nsource = \"" + second + "\"\n", 2).kinetic->name() == "quadratic");
}

BOOST_AUTO_TEST_CASE(faults_have_places) {
  const Folder folder;
  std::string text = good;
  text.replace(text.find("p[1] * p[1]"), 11, "p[1] * r[1]");
  const std::string source = folder.write("wrong.cpp", text);
  BOOST_CHECK_EXCEPTION(read("type = \"plugin\"\nsource = \"" + source + "\"\n", 2), InputError, [&](const InputError& e) {
    return std::string(e.what()).find(source + ":11:54: ") == 0 && std::string(e.what()).find("was not declared") != std::string::npos;
  });
  BOOST_TEST(folder.libraries() == 0);
  BOOST_CHECK_THROW(read("type = \"plugin\"\nsource = \"missing.cpp\"\n", 2), InputError);
  const std::string other = folder.write("other.so", "not a library");
  BOOST_CHECK_THROW(read("type = \"plugin\"\nlibrary = \"" + other + "\"\n", 2), InputError);
  setenv("WASSERFLOW_CXX", "no-such-compiler", 1);
  BOOST_CHECK_EXCEPTION(read("type = \"plugin\"\nsource = \"" + source + "\"\n", 2), InputError,
                        [](const InputError& e) { return std::string(e.what()).find("no C++ compiler 'no-such-compiler'") != std::string::npos; });
  unsetenv("WASSERFLOW_CXX");
}
