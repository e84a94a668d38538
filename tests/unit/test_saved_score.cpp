// ranks: 1 2 4
// timeout: 60
// Values from files between the nodes of a grid, and scores of densities that a run saved.
#define BOOST_TEST_MODULE saved_score
#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <numbers>

#include "grids/io/field_series.hpp"
#include "grids/reduce.hpp"
#include "problems/grid_values.hpp"
#include "problems/saved_score.hpp"
#include "tests/support/process.hpp"

using namespace wasserflow;
using std::numbers::pi;

namespace {

const MPI_Comm world = MPI_COMM_WORLD;

int ranks() {
  int size = 1;
  MPI_Comm_size(world, &size);
  return size;
}

std::string directory(const std::string& name) {
  const std::string path = (std::filesystem::temp_directory_path() / ("wf_" + name + std::to_string(ranks()))).string();
  int rank = 0;
  MPI_Comm_rank(world, &rank);
  if (rank == 0) std::filesystem::remove_all(path);
  MPI_Barrier(world);
  return path;
}

/// Saves functions of (x, t) at times.
void save(const std::string& path, const LayoutPtr& layout, const std::vector<std::pair<std::string, std::string>>& formulas,
          const std::vector<double>& times) {
  FieldSeries series(world, path, layout);
  std::vector<Field> fields;
  std::vector<NamedField> named;
  for (std::size_t i = 0; i < formulas.size(); ++i) fields.emplace_back(layout);
  for (std::size_t i = 0; i < formulas.size(); ++i) named.push_back({formulas[i].first, &fields[i], 0});
  for (const double t : times) {
    for (std::size_t i = 0; i < formulas.size(); ++i) fill(fields[i], 0, *make_formula(formulas[i].second), t);
    series.write(t, named);
  }
}

/// Largest gap between f and an exact function at the midpoints of the faces across `axis` (shift 1/2) or at nodes (0), moved off the grid's offsets.
double largest_error(const LayoutPtr& layout, const std::function<void(const RowPoints&, double*)>& f, const std::string& exact, int axis,
                     double shift, double t, double reach = 1e9) {
  const FunctionPtr g = make_formula(exact);
  const double h = layout->grid().spacing(axis);
  double worst = 0;
  for (int r = 0; r < layout->rows(); ++r) {
    RowPoints p = layout->row(r);
    std::vector<double> x(p.x, p.x + p.n), a(x.size()), b(x.size());
    if (axis == 0)
      for (double& v : x) v -= shift * h;
    p.x = x.data();
    if (axis == 1) p.y -= shift * h;
    if (axis == 2) p.z -= shift * h;
    p.t = t;
    p.offset = -1;
    f(p, a.data());
    g->evaluate(p, b.data());
    for (std::size_t i = 0; i < x.size(); ++i)
      if (std::fabs(x[i]) < reach) worst = std::max(worst, std::fabs(a[i] - b[i]));
  }
  return global_max(layout->comm(), worst);
}

}  // namespace

BOOST_AUTO_TEST_CASE(values_between_nodes_are_of_fourth_order) {
  const std::string formula = "sin(x+0.3)*cos(y)*exp(0.3*sin(z))";
  std::vector<std::vector<double>> errors;
  for (const int n : {12, 24}) {
    const LayoutPtr layout = make_layout(
        world, Grid({{0, 2 * pi, n, Boundary::Periodic, 0.5}, {0, 2, n, Boundary::NoFlux, 0.5}, {0, 2 * pi, n, Boundary::Periodic, 0.5}}), 3);
    const std::string path = directory("between");
    save(path, layout, {{"rho", formula}}, {0});
    const GridValues values(path + "/fields/000000.h5", "rho", *layout, {});
    std::vector<double> e;
    for (int d = 0; d < 3; ++d)
      e.push_back(largest_error(
          layout, [&](const RowPoints& p, double* out) { values.evaluate(p, out); }, formula, d, 0.5, 0));
    const std::vector<std::string> slopes{"cos(x+0.3)*cos(y)*exp(0.3*sin(z))", "-sin(x+0.3)*sin(y)*exp(0.3*sin(z))",
                                          "sin(x+0.3)*cos(y)*exp(0.3*sin(z))*0.3*cos(z)"};
    for (const double shift : {0.0, 0.5})
      for (int d = 0; d < 3; ++d)
        e.push_back(largest_error(
            layout, [&](const RowPoints& p, double* out) { values.derivative(p, d, out); }, slopes[static_cast<std::size_t>(d)], d, shift, 0));
    errors.push_back(e);
  }
  for (std::size_t k = 0; k < errors[0].size(); ++k) {
    BOOST_TEST(errors[1][k] > 0.0);
    BOOST_TEST(std::log2(errors[0][k] / errors[1][k]) > (k == 4 || k == 7 ? 2.6 : 3.4), "case " << k << ": " << errors[0][k] << ", " << errors[1][k]);
  }
}

// N(0, 1 + t) in x and N(0, 2) in y: log rho is a polynomial of second degree, so that only t is interpolated.
BOOST_AUTO_TEST_CASE(score_of_saved_densities) {
  const LayoutPtr layout = make_layout(world, Grid({{-4, 4, 16, Boundary::NoFlux, 0.5}, {-4, 4, 20, Boundary::NoFlux, 0.5}}), 3);
  const std::string path = directory("densities");
  const std::vector<double> times{0, 0.1, 0.25, 0.3, 0.5, 0.6, 0.8, 1};
  save(path, layout, {{"rho", "exp(-x^2/(2*(1+t))-y^2/4)/sqrt(1+t)"}, {"score_x", "-x/(1+t)"}, {"score_y", "-y/2"}}, times);
  SavedScoreSource source;
  source.path = path;
  source.floor = 1e-30;
  BOOST_TEST(saved_times(source, 2) == times, boost::test_tools::per_element());
  for (const bool density : {true, false}) {
    source.density = density;
    const std::vector<FunctionPtr> score = saved_score(source, 2);
    for (const FunctionPtr& s : score) {
      s->bind(*layout);
      BOOST_TEST(s->depends_on_time());
    }
    for (const double t : {1.0, 0.93, 0.6, 0.42, 0.2, 0.03, 0.0, 0.55})
      for (const double shift : {0.0, 0.5}) {
        const double e0 = largest_error(
            layout, [&](const RowPoints& p, double* out) { score[0]->evaluate(p, out); }, "-x/(1+t)", 0, shift, t);
        const double e1 = largest_error(
            layout, [&](const RowPoints& p, double* out) { score[1]->evaluate(p, out); }, "-y/2", 1, shift, t);
        BOOST_TEST(e1 < 1e-11);
        const bool saved = std::ranges::find(times, t) != times.end();
        BOOST_TEST(e0 < (saved ? 1e-11 : 2e-3), t << ": " << e0);
        if (!saved) BOOST_TEST(e0 > 1e-9);
      }
  }
  // One file holds for all times, and the floor takes the score to 0.
  source.path = path + "/fields/000000.h5";
  source.density = true;
  source.floor = 1e-2;
  const std::vector<FunctionPtr> frozen = saved_score(source, 2);
  frozen[0]->bind(*layout);
  BOOST_TEST(!frozen[0]->depends_on_time());
  const auto at = [&](const RowPoints& p, double* out) { frozen[0]->evaluate(p, out); };
  BOOST_TEST(largest_error(layout, at, "0", 0, 0, 7) > 0.5);
  BOOST_TEST(largest_error(layout, at, "-x*exp(-x^2/2-y^2/4)/(exp(-x^2/2-y^2/4)+0.01*exp(-0.0625/2-0.04/4))", 0, 0, 7) < 0.25);
}

BOOST_AUTO_TEST_CASE(what_does_not_fit_is_refused) {
  const LayoutPtr layout = make_layout(world, Grid({{-4, 4, 16, Boundary::NoFlux, 0.5}}), 2);
  const std::string path = directory("refused");
  save(path, layout, {{"rho", "exp(-x^2)"}}, {0, 1});
  SavedScoreSource source;
  const auto message = [&](const std::string& where, bool density, const LayoutPtr& on) -> std::string {
    source.path = where;
    source.density = density;
    try {
      for (const FunctionPtr& f : saved_score(source, 1)) f->bind(*on);
    } catch (const InputError& e) {
      return e.what();
    }
    return "";
  };
  const auto has = [](const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; };
  BOOST_TEST(message(path, true, layout).empty());
  BOOST_TEST(has(message(path + "/nowhere", true, layout), "no run or file"));
  BOOST_TEST(has(message(std::filesystem::temp_directory_path().string(), true, layout), "no run directory"));
  BOOST_TEST(has(message(path, false, layout), "has no field 'score_x'"));
  BOOST_TEST(has(message(path, true, make_layout(world, Grid({{-4, 5, 16, Boundary::NoFlux, 0.5}}), 2)), "was saved on [-4, 4] along x"));
  BOOST_TEST(has(message(path, true, make_layout(world, Grid({{-4, 4, 20, Boundary::NoFlux, 0.5}}), 2)), "has shape"));
}
