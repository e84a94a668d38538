// ranks: 2
// timeout: 300
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
BOOST_AUTO_TEST_CASE(what_makes_a_gap_is_div_h_p) {
  const DiffusionProcess process{.T = 2, .k = 1, .g = 1};
  const MovedFunctions exact = moved_functions(make_data(nine_blobs()), process);
  const int n = 80;
  const LayoutPtr layout = make_layout(MPI_COMM_WORLD, Grid({{-4.5, 4.5, n, Boundary::NoFlux, 0.5}, {-4.5, 4.5, n, Boundary::NoFlux, 0.5}}), 3);
  Field start(layout), target(layout);
  fill(start, 0, *exact.density, process.T);
  fill(target, 0, *exact.density, 0);
  struct Gap {
    double sde, ode, both;
  };
  const auto gap = [&](std::vector<FunctionPtr> score, const char* name) {
    const ReverseProcess model{process, std::move(score)};
    Field sde = reverse_diffusion_law(model, start, {.steps = 160, .tolerance = 1e-6}), ode = probability_flow_law(model, start);
    const Gap g{density_distances(sde, target).l1, density_distances(ode, target).l1, density_distances(sde, ode).l1};
    BOOST_TEST_MESSAGE(name << ": L1 of SDE " << g.sde << ", of ODE " << g.ode << ", gap " << g.both);
    return g;
  };
  const Gap floor = gap(exact.score, "exact");
  BOOST_TEST(floor.both < 0.03);
  const auto wave = [&](double delta) {
    const auto x = make_formula("-1.5*delta*sin(1.5*x + 0.4)*cos(1.5*y)*exp(-t)", {{"delta", delta}});
    const auto y = make_formula("-1.5*delta*cos(1.5*x + 0.4)*sin(1.5*y)*exp(-t)", {{"delta", delta}});
    return std::vector<FunctionPtr>{make_sum({exact.score[0], x}), make_sum({exact.score[1], y})};
  };
  const Gap small = gap(wave(0.2), "gradient 0.2"), large = gap(wave(0.4), "gradient 0.4");
  BOOST_TEST(large.both > 3 * floor.both);
  BOOST_TEST((large.both - small.both) > 0.35 * large.both);
  const auto skew = [&](double delta) {
    return std::vector<FunctionPtr>{std::make_shared<Combination>(1, exact.score[0], -delta, exact.score[1]),
                                    std::make_shared<Combination>(1, exact.score[1], delta, exact.score[0])};
  };
  const Gap turned = gap(skew(0.5), "skew 0.5");
  BOOST_TEST(turned.both < 2 * floor.both);
  BOOST_TEST(turned.sde < 2 * floor.sde);
}
