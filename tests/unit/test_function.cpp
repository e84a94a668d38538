// ranks: 1 2 4
// timeout: 60
#define BOOST_TEST_MODULE function
#include <hdf5.h>

#include <boost/test/unit_test.hpp>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <numbers>
#include <sstream>

#include "grids/reduce.hpp"
#include "problems/formula.hpp"
#include "problems/function.hpp"

using namespace wasserflow;

namespace {

const MPI_Comm world = MPI_COMM_WORLD;

FunctionPtr read(const std::string& text, int dim = 2, FunctionPtr fallback = nullptr) {
  return read_function(ProblemFile::parse(text, "p.toml").root().table("a", "A table."), "f", "A function.", dim, fallback);
}

std::string message(const std::string& text, int dim = 2) {
  try {
    read(text, dim);
  } catch (const InputError& e) {
    return e.what();
  }
  BOOST_ERROR("no error in: " << text);
  return {};
}

bool starts(const std::string& text, const std::string& part) { return text.rfind(part, 0) == 0; }
bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

Grid grid(std::vector<int> cells) {
  std::vector<Axis> axes;
  double lower = 0;
  for (const int n : cells) axes.push_back({lower++, lower + 2, n, Boundary::NoFlux, 0.5});
  return Grid(axes);
}

/// Calls check(x, y, z, value) at every owned point of a level.
template <class Check>
void each_point(const Field& field, int level, Check check) {
  const SlabLayout& layout = field.layout();
  for (int r = 0; r < layout.rows(); ++r) {
    const RowPoints p = layout.row(r);
    for (int i = 0; i < p.n; ++i) check(p.x[i], p.y, p.z, field.level(level)[p.offset + i]);
  }
}

/// A file for one test, written by rank 0 and removed at the end.
class TestFile {
 public:
  TestFile() {
    int pid = static_cast<int>(getpid());
    MPI_Bcast(&pid, 1, MPI_INT, 0, world);
    path = (std::filesystem::temp_directory_path() / ("wf_function_" + std::to_string(pid) + ".h5")).string();
    if (rank_of(world) == 0) {
      const hid_t file = H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
      const auto write = [&](const char* name, std::vector<hsize_t> shape, double bad = 0) {
        hsize_t n = 1;
        for (const hsize_t s : shape) n *= s;
        std::vector<double> values(n);
        for (hsize_t i = 0; i < n; ++i) values[i] = static_cast<double>(i) + bad;
        const hid_t space = H5Screate_simple(static_cast<int>(shape.size()), shape.data(), nullptr);
        const hid_t set = H5Dcreate2(file, name, H5T_IEEE_F64LE, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
        H5Dwrite(set, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data());
        H5Dclose(set);
        H5Sclose(space);
      };
      write("line", {12});
      write("phi", {8, 6});
      write("phi_3d", {1, 8, 6});
      write("cube", {4, 8, 6});
      write("nan", {8, 6}, std::nan(""));
      const hid_t group = H5Gcreate2(file, "group", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
      H5Gclose(group);
      H5Fclose(file);
    }
    MPI_Barrier(world);
  }
  ~TestFile() {
    MPI_Barrier(world);
    if (rank_of(world) == 0) std::filesystem::remove(path);
  }
  std::string path;
};

}  // namespace

BOOST_AUTO_TEST_CASE(numbers_formulas_and_fallbacks) {
  const FunctionPtr number = read("[a]\nf = 2");
  BOOST_REQUIRE(number->constant());
  BOOST_TEST(*number->constant() == 2);
  BOOST_TEST(*read("[a]\nf = \"2*pi\"")->constant() == 2 * std::numbers::pi);
  const FunctionPtr formula = read("[a]\nf = \"k*x + y*t\"\nconstants = { k = 3 }");
  BOOST_TEST(!formula->constant());
  BOOST_TEST(formula->depends_on_time());
  BOOST_TEST(formula->at(2, 5, 0, 7) == 41);
  BOOST_TEST(read("[a]\nf = { formula = \"k*x\", constants = { k = 4 } }")->at(2, 0, 0, 0) == 8);
  BOOST_TEST(!read("[a]\nf = \"x\"")->depends_on_time());
  BOOST_TEST(*read("[a]\n", 2, make_constant(5))->constant() == 5);
  BOOST_TEST(make_formula("x + a*z", {{"a", 2}})->at(1, 0, 3, 0) == 7);
  BOOST_TEST(make_formula(pow(Formula::variable("x"), 2))->at(3, 0, 0, 0) == 9);
  BOOST_CHECK_THROW(read("[a]\n"), InputError);
}

BOOST_AUTO_TEST_CASE(what_was_read_is_recorded_and_reads_back) {
  const std::string text = "[a]\nf = \"x + 1\"\ng = { type = \"gaussian\", mean = [1, 2], deviation = 1, mass = 2 }\nh = [\"x\", 2]\n";
  const auto read_all = [](const ProblemFile& file) {
    const Parameters a = file.root().table("a", "A table.");
    std::vector<FunctionPtr> all{read_function(a, "f", "One.", 2, make_constant(0)), read_function(a, "g", "Two.", 2),
                                 read_function(a, "k", "Three.", 2, make_formula("x*y"))};
    for (const FunctionPtr& f : read_functions(a, "h", "Four.", 2)) all.push_back(f);
    file.check_all_used();
    return all;
  };
  const ProblemFile file = ProblemFile::parse(text, "p.toml");
  const std::vector<FunctionPtr> first = read_all(file);
  const std::string resolved = file.resolved_toml();
  const std::vector<FunctionPtr> second = read_all(ProblemFile::parse(resolved, "resolved.toml"));
  for (std::size_t k = 0; k < first.size(); ++k) BOOST_TEST(first[k]->at(0.3, 0.7, 0, 0) == second[k]->at(0.3, 0.7, 0, 0), resolved);
  bool found = false;
  for (const ResolvedKey& key : file.resolved()) {
    if (key.path != "a.f") continue;
    found = true;
    BOOST_TEST(key.type == "function");
    BOOST_TEST(key.value == "\"x + 1\"");
    BOOST_TEST(key.fallback == "0");
    BOOST_TEST(key.source == "p.toml:2:5");
  }
  BOOST_TEST(found);
}

BOOST_AUTO_TEST_CASE(one_function_an_axis) {
  const auto list = [](const std::string& value) {
    return read_functions(ProblemFile::parse("[a]\nk = 1\nf = " + value, "p.toml").root().table("a", ""), "f", "Drift.", 2);
  };
  const std::vector<FunctionPtr> two = list("[\"-y\", { type = \"sine\", wave_numbers = [1, 0] }]");
  BOOST_REQUIRE(two.size() == 2u);
  BOOST_TEST(two[0]->at(1, 2, 0, 0) == -2);
  BOOST_TEST(std::fabs(two[1]->at(1, 2, 0, 0) - std::sin(1)) < 1e-15);
  const std::vector<FunctionPtr> same = list("3");
  BOOST_REQUIRE(same.size() == 2u);
  BOOST_TEST(*same[1]->constant() == 3);
  BOOST_CHECK_THROW(list("[1, 2, 3]"), InputError);
  try {
    list("[1, \"x + q\"]");
    BOOST_ERROR("no error");
  } catch (const InputError& e) {
    BOOST_TEST(starts(e.what(), "p.toml:3:14: "), e.what());
  }
}

BOOST_AUTO_TEST_CASE(errors_have_places) {
  std::string m = message("[a]\nf = \"x + velocty\"\nconstants = { velocity = 1 }");
  BOOST_TEST(starts(m, "p.toml:2:10: a.f: "), m);
  BOOST_TEST(has(m, "did you mean 'velocity'?"), m);
  BOOST_TEST(has(message("[a]\nf = \"x + z\"", 2), "unknown name 'z'"));
  BOOST_TEST(has(message("[a]\nf = true"), "expected a function"));
  BOOST_TEST(has(message("[a]\nf = { type = \"gausian\" }"), "did you mean 'gaussian'?"));
  BOOST_TEST(has(message("[a]\nf = { typo = 1 }"), "'type'"));
  BOOST_TEST(has(message("[a]\nf = { file = \"x.h5\" }"), "dataset"));
  m = message("[a]\nf = \"\"\"\nx +\n  qq\"\"\"");
  BOOST_TEST(starts(m, "p.toml:4:3: "), m);
  try {
    read_function(ProblemFile::parse("", "p.toml", {"a.f=\"x + qq\""}).root().table("a", ""), "f", "", 1);
    BOOST_ERROR("no error");
  } catch (const InputError& e) {
    BOOST_TEST(has(e.what(), "column 5: unknown name 'qq'"), e.what());
  }
}

BOOST_AUTO_TEST_CASE(the_examples_of_the_documentation_hold) {
  std::stringstream page;
  page << std::ifstream(std::string(WASSERFLOW_SOURCE_DIR) + "/docs/functions.md").rdbuf();
  const std::string text = page.str(), fence = "```toml\n";
  const std::size_t begin = text.find(fence) + fence.size();
  const ProblemFile file = ProblemFile::parse(text.substr(begin, text.find("```", begin) - begin), "functions.md");
  const Parameters p = file.root().table("examples", "Examples.");
  BOOST_TEST(read_function(p, "number", "", 2)->at(0, 0, 0, 0) == 0.5);
  BOOST_TEST(std::fabs(read_function(p, "formula", "", 2)->at(1, 0, 0, 0.5) - 1.3) < 1e-15);
  BOOST_TEST(read_function(p, "own_names", "", 2)->at(3, 0, 0, 0) == 18);
  BOOST_TEST(std::fabs(read_function(p, "family", "", 2)->at(0.5, 1.5, 0, 0) - 50 / std::numbers::pi) < 1e-12);
  BOOST_CHECK_NO_THROW(read_function(p, "dataset", "", 2));
  BOOST_TEST(read_functions(p, "drift", "", 2)[0]->at(0, 4, 0, 0) == -4);
  BOOST_CHECK_NO_THROW(file.check_all_used());
  try {
    const std::string faulty = "[initial]\nconstants = { velocity = 1 }" + std::string(10, '\n') + "phi = \"1 + velocty*x\"";
    read_function(ProblemFile::parse(faulty, "problem.toml").root().table("initial", ""), "phi", "", 2);
    BOOST_ERROR("no error");
  } catch (const InputError& e) {
    BOOST_TEST(has(text, e.what()), e.what());
  }
}

BOOST_AUTO_TEST_CASE(families_are_their_formulas) {
  const auto at = [](const std::string& table, double x, double y = 0) { return read("[a]\nf = { " + table + " }")->at(x, y, 0, 0); };
  const auto near = [](double a, double b) { return std::fabs(a - b) <= 1e-13 * (1 + std::fabs(b)); };
  BOOST_TEST(near(at("type='gaussian', mean=[1,2], deviation=[0.5,2], amplitude=3", 1.2, 1), 3 * std::exp(-0.04 / 0.5 - 1.0 / 8)));
  BOOST_TEST(near(at("type='gaussian', mean=0, deviation=0.5, mass=2", 0), 2 / (2 * std::numbers::pi * 0.25)));
  // Periodic images against the plain sum over many; the image at x = 0.95 is the one of x = -0.05.
  double images = 0;
  for (int i = -20; i <= 20; ++i)
    for (int j = -20; j <= 20; ++j) images += std::exp(-(std::pow(0.95 + i, 2) / 0.32 + std::pow(0.3 - 0.1 + 2 * j, 2) / 2));
  BOOST_TEST(near(at("type='gaussian', mean=[0,0.1], deviation=[0.4,1], period=[1,2]", 0.95, 0.3), images));
  BOOST_TEST(near(at("type='gaussian', mean=[0,0.1], deviation=[0.4,1], period=[1,2]", 7.95, -5.7), images));
  BOOST_TEST(near(at("type='gaussian_mixture', components=[{mean=0, deviation=1}, {mean=1, deviation=1, amplitude=2}]", 1, 1), std::exp(-1) + 2));
  BOOST_TEST(at("type='indicator_ball', center=[1,1], radius=0.5, inside=4, outside=-1", 1.3, 1.4) == 4);
  BOOST_TEST(at("type='indicator_ball', center=[1,1], radius=0.5, inside=4, outside=-1", 1.4, 1.4) == -1);
  BOOST_TEST(at("type='indicator_box', lower=0, upper=[1,2]", 1, 2) == 1);
  BOOST_TEST(at("type='indicator_box', lower=0, upper=[1,2]", 0.5, -0.1) == 0);
  BOOST_TEST(near(at("type='sine', amplitude=2, wave_numbers=[3,1], phase=0.1, offset=1", 0.2, 0.3), 1 + 2 * std::sin(1.0)));
  BOOST_TEST(near(at("type='quadratic', center=[1,0], weights=[2,4], offset=1", 3, 1), 1 + 4 + 2));
  BOOST_TEST(near(at("type='distance_to_ball', center=0, radius=1", 3, 4), 4));
  BOOST_CHECK_THROW(at("type='gaussian', mean=0, deviation=0", 0), InputError);
  BOOST_CHECK_THROW(at("type='gaussian', mean=0, deviation=100, period=1", 0), InputError);
  BOOST_CHECK_THROW(at("type='gaussian_mixture'", 0), InputError);
  for (const auto& [name, entry] : function_families().entries()) {
    BOOST_TEST(!entry.doc.empty(), name);
    for (const int dim : {1, 2, 3}) BOOST_TEST(std::isfinite(read("[a]\nf = " + function_family_example(name), dim)->at(0.3, 0.4, 0.2, 0)));
  }
}

BOOST_AUTO_TEST_CASE(fields_and_tables) {
  for (const std::vector<int>& cells : std::vector<std::vector<int>>{{2500}, {6, 8}, {5, 4, 9}}) {
    const int dim = static_cast<int>(cells.size());
    const LayoutPtr layout = make_layout(world, grid(cells));
    const char* text = dim == 1 ? "x^2 - 3*t" : dim == 2 ? "x^2 + y - 3*t" : "x^2 + y + 2*z - 3*t";
    const auto exact = [dim](double x, double y, double z, double t) { return x * x + (dim > 1 ? y : 0) + (dim > 2 ? 2 * z : 0) - 3 * t; };
    const FunctionPtr f = make_formula(text);
    Field field(layout, 2);
    fill(field, 1, *f, 0.5);
    each_point(field, 1, [&](double x, double y, double z, double v) { BOOST_TEST(std::fabs(v - exact(x, y, z, 0.5)) < 1e-14); });
    each_point(field, 0, [&](double, double, double, double v) { BOOST_TEST(v == 0); });

    Tabulated table(f, layout, std::vector<double>{0, 10});
    BOOST_TEST(!table.is_constant());
    const auto check = [&](double t0, double t1) {
      double largest = 0;
      for (int r = 0; r < layout->rows(); ++r)
        for (int k = 0; k < 2; ++k) {
          RowPoints p = layout->row(r);
          p.level = k;
          for (int i = 0; i < p.n; ++i) {
            const double v = exact(p.x[i], p.y, p.z, k == 0 ? t0 : t1);
            largest = std::max(largest, std::fabs(v));
            BOOST_TEST(std::fabs(table.row(p)[i] - v) < 1e-13);
          }
        }
      BOOST_TEST(std::fabs(table.max_abs() - global_max(world, largest)) < 1e-13);
    };
    check(0, 10);
    table.set_times(std::vector<double>{20, 30});
    check(20, 30);

    const Tabulated still(make_formula("x"), layout, std::vector<double>{0, 1, 2});
    RowPoints p = layout->row(0);
    p.level = 2;
    BOOST_TEST(still.row(p)[1] == p.x[1]);
    const Tabulated number(make_constant(-4), layout, std::vector<double>{0, 1});
    BOOST_TEST(number.is_constant());
    BOOST_TEST(number.value() == -4);
    BOOST_TEST(number.max_abs() == 4);
    // Not finite on one rank only: every rank throws the same.
    try {
      Tabulated(make_formula("1/(heaviside(x - 1) + heaviside(1 - x) - 1) + log(x - 0.01)"), layout, std::vector<double>{0});
      BOOST_ERROR("no error");
    } catch (const InputError& e) {
      BOOST_TEST(has(e.what(), "is not finite at x = "), e.what());
    }
  }
}

BOOST_AUTO_TEST_CASE(datasets_are_read_by_slabs) {
  const TestFile file;
  const auto read_set = [&](const std::string& name) { return read("[a]\nf = { file = '" + file.path + "', dataset = '" + name + "' }"); };
  const auto check = [&](const std::string& name, const std::vector<int>& cells) {
    const LayoutPtr layout = make_layout(world, grid(cells));
    const FunctionPtr f = read_set(name);
    f->bind(*layout);
    Field field(layout);
    fill(field, 0, *f, 0);
    for (std::ptrdiff_t i = 0; i < layout->owned(); ++i) BOOST_TEST(field.level()[i] == static_cast<double>(layout->global_offset() + i));
    const RowPoints p = layout->row(0);
    const double between = p.x[0] + layout->grid().spacing(0) / 2, half = static_cast<double>(layout->global_offset()) + 0.5;
    BOOST_TEST(std::fabs(f->at(between, p.y, p.z, 0) - half) < 1e-12 * (1 + half));
    const Tabulated table(f, layout, std::vector<double>{0, 1});
    BOOST_TEST(table.max_abs() == static_cast<double>(layout->grid().size() - 1));
  };
  check("line", {12});
  check("phi", {6, 8});
  check("phi_3d", {6, 8});
  check("cube", {6, 8, 4});

  const LayoutPtr layout = make_layout(world, grid({6, 8}));
  const auto fault = [&](const FunctionPtr& f) -> std::string {
    try {
      f->bind(*layout);
    } catch (const InputError& e) {
      return e.what();
    }
    BOOST_ERROR("no error");
    return {};
  };
  BOOST_TEST(has(fault(read_set("cube")), "has shape (4, 8, 6), the grid has (8, 6) (z y x)"));
  BOOST_TEST(has(fault(read_set("line")), "has shape (12)"));
  BOOST_TEST(has(fault(read_set("phj")), "did you mean 'phi'?"));
  BOOST_TEST(has(fault(read_set("nan")), "not finite"));
  BOOST_TEST(has(fault(read_set("group")), "there is no dataset 'group'"));
  BOOST_TEST(starts(fault(read("[a]\nf = { file = 'missing.h5', dataset = 'phi' }")), "p.toml:2:14: there is no file missing.h5"));
  const ProblemFile there = ProblemFile::parse("[a]\nf = { file = 'data/missing.h5', dataset = 'phi' }", "runs/p.toml");
  BOOST_TEST(has(fault(read_function(there.root().table("a", "A table."), "f", "A function.", 2)), "there is no file runs/data/missing.h5"));
  BOOST_TEST(has(there.resolved_toml(), (std::filesystem::current_path() / "runs/data/missing.h5").string()));
  BOOST_TEST(has(fault(make_dataset("/proc/self/exe", "phi")), "not an HDF5 file"));
  BOOST_CHECK_THROW(Tabulated(read_set("line"), layout, std::vector<double>{0}), InputError);
  // A problem that is only tried on a smaller grid takes every n-th value.
  ProblemFile tried = ProblemFile::parse("grid.cells = [6, 8]\n[a]\nf = { file = '" + file.path + "', dataset = 'phi' }", "p.toml");
  tried.limit("grid.cells", 4);
  const FunctionPtr thinned = read_function(tried.root().table("a", "A table."), "f", "A function.", 2);
  const LayoutPtr small = make_layout(world, grid({3, 4}));
  thinned->bind(*small);
  Field every_second(small);
  fill(every_second, 0, *thinned, 0);
  for (std::ptrdiff_t i = 0; i < small->owned(); ++i) {
    const std::ptrdiff_t g = small->global_offset() + i;
    BOOST_TEST(every_second.level()[i] == static_cast<double>(2 * (g % 3) + 6 * 2 * (g / 3)));
  }
  // Unbound data are no field.
  Field field(layout);
  BOOST_CHECK_THROW(fill(field, 0, *read_set("phi"), 0), InternalError);
}
