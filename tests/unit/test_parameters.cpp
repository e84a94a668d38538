// ranks: 1 2
// The reader of problem files: values, defaults, places in messages, suggestions, overrides, the resolved set, and mutated files.
#define BOOST_TEST_MODULE parameters
#include <boost/test/unit_test.hpp>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <random>

#include "grids/support/mpi.hpp"
#include "grids/support/parameters.hpp"

using namespace wasserflow;

namespace {

const char* const sample = R"(
[problem]
name = "sample"

[grid]
lower = 0
upper = [1.0, 2.0]
cells = [32, 64]
boundary = "periodic"

[hamiltonian]
type = "formula"
H = "a*px^2/2"
constants = { a = 2, b = 0.5 }

[[term]]
width = 0.1
[[term]]
width = 0.2

[solver]
tolerance = 1e-6
verbose = true
max_iterations = 1e6
)";

struct Values {
  std::string name;
  std::vector<double> lower, upper;
  std::vector<int> cells;
  std::string boundary;
  std::vector<std::pair<std::string, double>> constants;
  std::vector<double> widths;
  double tolerance = 0, relative = 0;
  bool verbose = false;
  int max_iterations = 0;
};

Values read_all(const Parameters& root) {
  Values v;
  v.name = root.table("problem", "What is solved.").text("name", "Name of the run.", "untitled");
  const Parameters grid = root.table("grid", "The box.");
  v.lower = grid.reals("lower", "Lower corner.", 2, std::vector<double>{0.0});
  v.upper = grid.reals("upper", "Upper corner.", 2);
  v.cells = grid.integers("cells", "Cells of each axis.", 2, {}, Range::at_least(1));
  v.boundary = grid.choice("boundary", "Boundary kind.", {"periodic", "no_flux", "dirichlet"}, "periodic");
  const Parameters h = root.table("hamiltonian", "The Hamiltonian.");
  h.choice("type", "Which one.", {"formula", "quadratic"});
  h.text("H", "The formula.", "");
  v.constants = h.table("constants", "Constants of the formula.").all_reals("A constant.");
  for (int i = 0; i < root.array_size("term"); ++i)
    v.widths.push_back(root.element("term", i, "A term.").real("width", "Its width.", {}, Range::positive()));
  const Parameters solver = root.table("solver", "The solver.");
  v.tolerance = solver.real("tolerance", "When to stop.", 1e-8, Range::between(0, 1));
  v.relative = solver.real("relative", "Relative tolerance.", 0.0, Range::nonnegative());
  v.verbose = solver.flag("verbose", "Say more.", false);
  v.max_iterations = solver.integer("max_iterations", "Limit.", 1000, Range::at_least(1));
  return v;
}

/// The message of the InputError that reading `text` ends with, "" when there is none.
std::string message(const std::string& text, const std::vector<std::string>& overrides = {}) {
  try {
    const ProblemFile file = ProblemFile::parse(text, "p.toml", overrides);
    read_all(file.root());
    file.check_all_used();
  } catch (const InputError& e) {
    return e.what();
  }
  return "";
}

std::string replaced(const std::string& from, const std::string& to) {
  std::string s = sample;
  const std::size_t at = s.find(from);
  BOOST_REQUIRE(at != std::string::npos);
  return s.replace(at, from.size(), to);
}

bool contains(const std::string& text, const std::string& part) {
  const bool found = text.find(part) != std::string::npos;
  if (!found) BOOST_TEST_MESSAGE("'" << part << "' is not in: " << text);
  return found;
}

}  // namespace

BOOST_AUTO_TEST_CASE(values_and_defaults) {
  const ProblemFile file = ProblemFile::parse(sample, "dir/p.toml");
  const Values v = read_all(file.root());
  BOOST_CHECK_NO_THROW(file.check_all_used());
  BOOST_TEST(v.name == "sample");
  BOOST_TEST(v.lower == (std::vector<double>{0, 0}), boost::test_tools::per_element());
  BOOST_TEST(v.upper == (std::vector<double>{1, 2}), boost::test_tools::per_element());
  BOOST_TEST(v.cells == (std::vector<int>{32, 64}), boost::test_tools::per_element());
  BOOST_TEST(v.boundary == "periodic");
  BOOST_TEST(v.constants.size() == 2u);
  BOOST_TEST(v.constants[0].first == "a");
  BOOST_TEST(v.constants[0].second == 2.0);
  BOOST_TEST(v.widths == (std::vector<double>{0.1, 0.2}), boost::test_tools::per_element());
  BOOST_TEST(v.tolerance == 1e-6);
  BOOST_TEST(v.relative == 0.0);
  BOOST_TEST(v.verbose);
  BOOST_TEST(v.max_iterations == 1000000);
  BOOST_TEST(file.root().directory() == "dir");
  BOOST_TEST(file.root().table("grid", "").location("cells").text() == "dir/p.toml:8:9");
}

BOOST_AUTO_TEST_CASE(messages_say_place_path_meaning_and_the_nearest_name) {
  BOOST_TEST(message(sample) == "");
  std::string m = message(replaced("boundary =", "boundry ="));
  BOOST_TEST(contains(m, "p.toml:9:11: unknown key 'grid.boundry'; did you mean 'boundary'?"));
  m = message(replaced("upper =", "uper ="));
  BOOST_TEST(contains(m, "p.toml:5:1: grid.upper: this key is required; did you mean it by 'uper'? (Upper corner.)"));
  m = message(replaced("[solver]", "[solvers]"));
  BOOST_TEST(contains(m, "p.toml:21:1: unknown table 'solvers'; did you mean 'solver'?"));
  m = message(replaced("tolerance = 1e-6", "tolerance = \"small\""));
  BOOST_TEST(contains(m, "p.toml:22:13: solver.tolerance: expected real, got text \"small\" (When to stop.)"));
  m = message(replaced("cells = [32, 64]", "cells = [32, -64]"));
  BOOST_TEST(contains(m, "p.toml:8:14: grid.cells: -64 is out of range, it must be >= 1 (Cells of each axis.)"));
  BOOST_TEST(contains(message(replaced("cells = [32, 64]", "cells = [32, 64, 8]")), "expected 2 values"));
  BOOST_TEST(contains(message(replaced("cells = [32, 64]", "cells = 32.5")), "expected integers, got real 32.5"));
  BOOST_TEST(contains(message(replaced("cells = [32, 64]", "cells = 5000000000")), "does not fit"));
  BOOST_TEST(contains(message(replaced("tolerance = 1e-6", "tolerance = nan")), "not a finite number"));
  BOOST_TEST(contains(message(replaced("tolerance = 1e-6", "tolerance = 2")), "2 is out of range, it must be in [0, 1]"));
  BOOST_TEST(contains(message(replaced("\"periodic\"", "\"perodic\"")), "did you mean 'periodic'?"));
  BOOST_TEST(contains(message(replaced("verbose = true", "verbose = 1")), "expected flag, got integer 1"));
  BOOST_TEST(contains(message(replaced("width = 0.2", "width = 0.0")), "term[1].width: 0 is out of range, it must be > 0"));
  BOOST_TEST(contains(message(replaced("width = 0.2", "width = 0.2\nwith = 1")), "unknown key 'term[1].with'; did you mean 'width'?"));
  BOOST_TEST(contains(message("grid = 3"), "p.toml:1:8: grid: expected a table, got integer 3"));
  BOOST_TEST(contains(message(replaced("[grid]", "[grid")), "p.toml:5:"));
  BOOST_TEST(contains(message(replaced("b = 0.5", "b = 0.5, c = \"x\"")), "hamiltonian.constants.c"));
  BOOST_TEST(contains(message(replaced("[solver]", "[zzz]\nq = 1\n[solver]")), "(known here: grid, hamiltonian, problem, solver, term)"));
}

BOOST_AUTO_TEST_CASE(overrides) {
  const auto cells = [](const std::string& setting) {
    const ProblemFile file = ProblemFile::parse(sample, "p.toml", {setting});
    return read_all(file.root()).cells;
  };
  BOOST_TEST(cells("grid.cells=[8,16]") == (std::vector<int>{8, 16}), boost::test_tools::per_element());
  BOOST_TEST(cells(" grid . cells = 4 ") == (std::vector<int>{4, 4}), boost::test_tools::per_element());
  const ProblemFile file = ProblemFile::parse(
      "", "p.toml", {"grid.upper=1", "grid.cells=4", "hamiltonian.type=formula", "hamiltonian.H=px^2/2 + cos(x)", "new.one.key=\"q\""});
  const Values v = read_all(file.root());
  BOOST_TEST(v.upper[1] == 1.0);
  BOOST_TEST(file.root().table("hamiltonian", "").text("H", "") == "px^2/2 + cos(x)");
  BOOST_TEST(file.root().table("new", "").table("one", "").text("key", "") == "q");
  for (const ResolvedKey& k : file.resolved())
    if (k.path == "grid.cells") BOOST_TEST(k.source == "--set");
  BOOST_TEST(read_all(ProblemFile::parse(sample, "p.toml", {"term.1.width=7"}).root()).widths[1] == 7.0);
  BOOST_TEST(contains(message(sample, {"grid.cells=-3"}), "--set grid.cells=-3: grid.cells: -3 is out of range"));
  BOOST_TEST(contains(message(sample, {"grid.cels=3"}), "--set grid.cels=3: unknown key 'grid.cels'; did you mean 'cells'?"));
  BOOST_TEST(contains(message(sample, {"grid.cells"}), "key=value"));
  BOOST_TEST(contains(message(sample, {"=3"}), "key=value"));
  BOOST_TEST(contains(message(sample, {"grid..cells=3"}), "is not a key"));
  BOOST_TEST(contains(message(sample, {"grid.cells.n=3"}), "is not an index"));
  BOOST_TEST(contains(message(sample, {"grid.boundary.n=3"}), "'grid.boundary' is not a table"));
  BOOST_TEST(contains(message(sample, {"term.2.width=3"}), "is not an index into the 2 elements"));
  BOOST_TEST(contains(message(sample, {"grid.cells=[3,4"}), "not valid TOML"));
}

BOOST_AUTO_TEST_CASE(elements_and_the_value_itself) {
  const ProblemFile file = ProblemFile::parse("drift = [1.5, \"x\", { type = \"gaussian\", width = 2 }]\nscale = 3", "p.toml");
  const Parameters root = file.root();
  BOOST_TEST(root.array_size("drift") == 3);
  BOOST_TEST(root.element("drift", 0, "").real("", "A number.") == 1.5);
  const Parameters second = root.element("drift", 1, "");
  BOOST_TEST(second.is_text(""));
  BOOST_TEST(second.text("", "A formula.") == "x");
  BOOST_TEST(second.path("") == "drift[1]");
  const Parameters third = root.element("drift", 2, "").table("", "A family.");
  BOOST_TEST(third.text("type", "Kind.") == "gaussian");
  BOOST_CHECK_THROW(file.check_all_used(), InputError);  // width and scale
  BOOST_TEST(third.real("width", "Width.") == 2.0);
  BOOST_TEST(root.array_size("scale") == 1);
  BOOST_TEST(root.element("scale", 0, "").real("", "") == 3.0);
  BOOST_TEST(root.array_size("none") == 0);
  BOOST_CHECK_THROW(root.element("drift", 3, ""), InputError);
  BOOST_CHECK_NO_THROW(file.check_all_used());
  const ProblemFile again = ProblemFile::parse(file.resolved_toml(), "resolved.toml");
  BOOST_TEST(again.root().element("drift", 2, "").real("width", "") == 2.0);
}

BOOST_AUTO_TEST_CASE(recorded_values_count_as_read) {
  const ProblemFile file = ProblemFile::parse("f = { file = \"a.h5\", dataset = \"u\" }\ng = { type = \"bump\", typo = 1 }", "p.toml");
  const Parameters root = file.root();
  root.record("f", "function", "{ file = \"a.h5\", dataset = \"u\" }", "Data.");
  root.record("h", "function", "not (toml", "A default.", "0");
  const Parameters g = root.table("g", "");
  g.text("type", "");
  root.record("g", "function", "{ type = \"bump\" }", "Data.");
  try {
    file.check_all_used();
    BOOST_TEST(false, "the typo inside of g goes unnoticed");
  } catch (const InputError& e) {
    BOOST_TEST(contains(e.what(), "p.toml:2:29: unknown key 'g.typo'"));
  }
  const ProblemFile again = ProblemFile::parse(file.resolved_toml(), "resolved.toml");
  BOOST_TEST(again.root().table("f", "").text("file", "") == "a.h5");
  BOOST_TEST(again.root().text("h", "") == "not (toml");
}

BOOST_AUTO_TEST_CASE(resolved_file_reads_back_to_the_same_values) {
  const ProblemFile file = ProblemFile::parse(sample, "p.toml", {"solver.tolerance=1e-7"});
  const Values v = read_all(file.root());
  const std::string text = file.resolved_toml();
  BOOST_TEST(contains(text, "# When to stop. Range: [0, 1]. Default: 1e-08. (--set)\ntolerance = 1e-07\n"));
  BOOST_TEST(contains(text, "# Relative tolerance. Range: >= 0. (default)\nrelative = 0.0\n"));
  BOOST_TEST(contains(text, "# Cells of each axis. Range: >= 1. (p.toml:8:9)\ncells = [32, 64]\n"));
  BOOST_TEST(contains(text, "[[term]]"));
  const ProblemFile again = ProblemFile::parse(text, "resolved.toml");
  const Values w = read_all(again.root());
  BOOST_CHECK_NO_THROW(again.check_all_used());
  BOOST_TEST(w.tolerance == v.tolerance);
  BOOST_TEST(w.widths == v.widths, boost::test_tools::per_element());
  BOOST_TEST(w.cells == v.cells, boost::test_tools::per_element());
  BOOST_TEST((w.constants == v.constants));
  BOOST_TEST(w.verbose == v.verbose);
  BOOST_TEST(w.name == v.name);
  // and the resolved set of the resolved file has the same values in the same order
  const auto a = file.resolved(), b = again.resolved();
  BOOST_TEST_REQUIRE(a.size() == b.size());
  for (std::size_t i = 0; i < a.size(); ++i) BOOST_TEST((a[i].path == b[i].path && a[i].value == b[i].value));
}

BOOST_AUTO_TEST_CASE(nan_as_a_default_means_not_given) {
  const double nan = std::nan("");
  const ProblemFile file = ProblemFile::parse("b = nan\nc = inf", "p.toml");
  BOOST_TEST(std::isnan(file.root().real("a", "May be left out.", nan, Range::positive())));
  BOOST_TEST(std::isnan(file.root().real("b", "May be left out.", nan, Range::positive())));
  BOOST_CHECK_THROW(file.root().real("b", "", 1.0), InputError);
  BOOST_CHECK_THROW(file.root().real("c", "", 1.0), InputError);
  BOOST_TEST(std::isinf(file.root().real("c", "", std::numeric_limits<double>::infinity())));
  BOOST_TEST(contains(file.resolved_toml(), "# a is not given\n"));
  BOOST_TEST(ProblemFile::parse(file.resolved_toml(), "resolved.toml").root().keys().size() == 1u);
}

BOOST_AUTO_TEST_CASE(registry_suggests) {
  Registry<int> registry("Hamiltonian");
  registry.add("quadratic", "", 1);
  registry.add_unavailable("plugin", "", "no compiler here");
  const ProblemFile file = ProblemFile::parse("type = \"quadradic\"", "p.toml");
  BOOST_TEST(registry.find(file.root(), "type", "quadratic").make == 1);
  const auto says = [&](const std::string& name, const std::string& part) {
    try {
      registry.find(file.root(), "type", name);
    } catch (const InputError& e) {
      return contains(e.what(), part);
    }
    return false;
  };
  BOOST_TEST(says("quadradic", "p.toml:1:8: type: unknown Hamiltonian 'quadradic'; did you mean 'quadratic'?"));
  BOOST_TEST(says("plugin", "not available here: no compiler here"));
}

BOOST_AUTO_TEST_CASE(files_are_read_on_all_ranks) {
  const std::string path = std::string(WASSERFLOW_BINARY_DIR) + "/test_parameters_" + std::to_string(size_of(MPI_COMM_WORLD)) + ".toml";
  if (rank_of(MPI_COMM_WORLD) == 0) std::ofstream(path) << sample;
  const ProblemFile file = ProblemFile::read(MPI_COMM_WORLD, path, {"grid.cells=8"});
  BOOST_TEST(read_all(file.root()).cells[1] == 8);
  BOOST_TEST(file.root().directory() == WASSERFLOW_BINARY_DIR);
  MPI_Barrier(MPI_COMM_WORLD);
  if (rank_of(MPI_COMM_WORLD) == 0) std::filesystem::remove(path);
  for (const char* absent : {"no/such/file.toml", "/"}) {
    try {
      ProblemFile::read(MPI_COMM_WORLD, absent);
      BOOST_TEST(false, "an absent file was read");
    } catch (const InputError& e) {
      BOOST_TEST(contains(e.what(), std::string("the problem file '") + absent + "' cannot be read: "));
    }
  }
}

BOOST_AUTO_TEST_CASE(mutated_files_end_in_input_errors_only) {
  std::mt19937 random(12345);
  const auto pick = [&](std::size_t n) { return std::uniform_int_distribution<std::size_t>(0, n - 1)(random); };
  const std::string alphabet = std::string("[]{}=\"'.,#\n\\ \t-+eE_0159xaTZ:\x01\x80\xff") + '\0';
  int rejected = 0, accepted = 0;
  for (int round = 0; round < 4000; ++round) {
    std::string s = sample;
    for (std::size_t edits = 1 + pick(4); edits > 0; --edits) {
      const std::size_t at = pick(s.size());
      switch (pick(5)) {
        case 0: s[at] = alphabet[pick(alphabet.size())]; break;
        case 1: s.insert(at, 1, alphabet[pick(alphabet.size())]); break;
        case 2: s.erase(at, 1 + pick(8)); break;
        case 3: s.insert(at, s.substr(pick(s.size()), pick(40))); break;
        default: s.insert(at, 1 + pick(400), "[{(\"'"[pick(5)]);
      }
      if (s.empty()) s.push_back('\n');
    }
    std::vector<std::string> overrides;
    if (round % 3 == 0) overrides.push_back(s.substr(pick(s.size()), pick(30)));
    try {
      const ProblemFile file = ProblemFile::parse(s, "p.toml", overrides);
      read_all(file.root());
      file.check_all_used();
      (void)ProblemFile::parse(file.resolved_toml(), "resolved.toml");
      ++accepted;
    } catch (const InputError& e) {
      BOOST_TEST(std::string(e.what()).size() > 8);
      ++rejected;
    }
  }
  BOOST_TEST_MESSAGE(accepted << " accepted, " << rejected << " rejected");
  BOOST_TEST(rejected > 1000);
  BOOST_TEST(accepted > 20);
}
