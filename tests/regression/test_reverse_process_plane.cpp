// ranks: 2
// timeout: 600
// label: slow
#define BOOST_TEST_MODULE reverse_process_plane
#include <boost/test/unit_test.hpp>

#include "grids/reduce.hpp"
#include "problems/data_density.hpp"
#include "problems/gaussian_mixture.hpp"
#include "solvers/density_distances.hpp"
#include "solvers/reverse_process.hpp"

using namespace wasserflow;

namespace {

/// a f + b g.
class Combination : public Function {
 public:
  Combination(double a, FunctionPtr f, double b, FunctionPtr g) : a_(a), b_(b), f_(std::move(f)), g_(std::move(g)) {}
  void evaluate(const RowPoints& p, double* out) const override {
    std::vector<double> second(static_cast<std::size_t>(p.n));
    f_->evaluate(p, out);
    g_->evaluate(p, second.data());
    for (int i = 0; i < p.n; ++i) out[i] = a_ * out[i] + b_ * second[static_cast<std::size_t>(i)];
  }
  bool depends_on_time() const override { return true; }

 private:
  double a_, b_;
  FunctionPtr f_, g_;
};

}  // namespace

// Nine blobs, dX = -X dt + dW to T = 2, both laws from the exact p_T. With the perturbation h of the score:
//   h = delta grad psi: the gap grows with slope 1 in delta;
//   h = delta J grad log p, J the quarter turn, so that div(h p) = 0: neither law moves, however wrong the score is.
// Without h and with the last one: the gaps of an independent program (Scharfetter-Gummel faces, second-order Runge-Kutta steps, characteristics) on
// 160^2 cells.
BOOST_AUTO_TEST_CASE(what_makes_a_gap_is_div_h_p) {
  const DiffusionProcess process{.T = 2, .k = 1, .g = 1};
  const MovedFunctions exact = moved_functions(make_data(nine_blobs()), process);
  struct Gap {
    double sde, ode, both;
  };
  const auto gap = [&](int n, const std::vector<FunctionPtr>& h, const char* name, double delta) {
    const LayoutPtr layout = make_layout(MPI_COMM_WORLD, Grid({{-4.5, 4.5, n, Boundary::NoFlux, 0.5}, {-4.5, 4.5, n, Boundary::NoFlux, 0.5}}), 3);
    Field start(layout), target(layout);
    fill(start, 0, *exact.density, process.T);
    fill(target, 0, *exact.density, 0);
    ReverseProcess model{process, exact.score};
    double error = 0;  // (int int p |h|^2 dx dt)^(1/2)
    for (std::size_t d = 0; d < h.size(); ++d) {
      model.score[d] = make_sum({exact.score[d], h[d]});
      for (int j = 0; j < 20; ++j) {
        Field p(layout), value(layout);
        const double t = process.T * (j + 0.5) / 20;
        fill(p, 0, *exact.density, t);
        fill(value, 0, *h[d], t);
        for (std::ptrdiff_t i = 0; i < layout->owned(); ++i) p.level()[i] *= value.level()[i] * value.level()[i];
        error += sum(p) * layout->grid().cell_volume() * process.T / 20;
      }
    }
    Field sde = reverse_diffusion_law(model, start, {.steps = 2 * n, .tolerance = 1e-6}), ode = probability_flow_law(model, start);
    const Gap g{density_distances(sde, target).l1, density_distances(ode, target).l1, density_distances(sde, ode).l1};
    BOOST_TEST_MESSAGE(name << ' ' << delta << " cells " << n << ": error of the score " << std::sqrt(error) << ", L1 of SDE " << g.sde << ", of ODE "
                            << g.ode << ", gap " << g.both);
    return g;
  };
  const auto near = boost::test_tools::tolerance(0.25);
  const Gap coarse = gap(80, {}, "exact", 0), floor = gap(160, {}, "exact", 0);
  BOOST_TEST(floor.both == 0.0042, near);
  BOOST_TEST(coarse.both > 3 * floor.both);  // second order
  const auto wave = [&](double delta) {
    return std::vector{make_formula("-1.5*delta*sin(1.5*x + 0.4)*cos(1.5*y)*exp(-t)", {{"delta", delta}}),
                       make_formula("-1.5*delta*cos(1.5*x + 0.4)*sin(1.5*y)*exp(-t)", {{"delta", delta}})};
  };
  const Gap small = gap(80, wave(0.2), "gradient", 0.2), large = gap(80, wave(0.4), "gradient", 0.4);
  BOOST_TEST((large.both - small.both) > 0.35 * large.both);
  const double delta = 0.5;
  const auto turned = [&](double a, int d) -> FunctionPtr {
    return std::make_shared<Combination>(0, exact.score[0], a, exact.score[static_cast<std::size_t>(d)]);
  };
  const Gap skew = gap(160, {turned(-delta, 1), turned(delta, 0)}, "skew", delta);
  BOOST_TEST(skew.both == 0.0046, near);
  BOOST_TEST(std::fabs(skew.ode - floor.ode) < 1e-4);
  BOOST_TEST(skew.sde < 1.5 * floor.sde);
}
