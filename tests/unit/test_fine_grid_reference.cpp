// ranks: 1 2
// timeout: 60
#define BOOST_TEST_MODULE fine_grid_reference
#include <boost/test/unit_test.hpp>

#include "grids/support/errors.hpp"
#include "problems/exact_solutions.hpp"
#include "solvers/fine_grid_reference.hpp"

using namespace wasserflow;

namespace {

/// A pure transport or decay problem: no kinetic part that matters.
class Still : public Hamiltonian {
 public:
  std::string name() const override { return "still"; }
  Splitting splitting() const override { return Splitting::Upwind; }
  void bind(LayoutPtr layout, std::span<const double>) override { slots_ = 2 * layout->dim(); }
  void set_times(std::span<const double>) override {}
  void evaluate(const RowPoints& p, const double* const*, double* h) const override { std::fill_n(h, p.n, 0.0); }
  void gradient(const RowPoints& p, const double* const*, double* const* g) const override {
    for (int j = 0; j < slots_; ++j) std::fill_n(g[j], p.n, 0.0);
  }
  void prox(const RowPoints&, double, double, double*, double* const*) const override {}
  void lagrangian(const RowPoints&, const double* const*, double*) const override {}
  void evaluate_true(const RowPoints& p, const double* const*, double* h) const override { std::fill_n(h, p.n, 0.0); }
  void gradient_true(const RowPoints& p, const double* const*, double* const* g) const override {
    for (int j = 0; j < slots_ / 2; ++j) std::fill_n(g[j], p.n, 0.0);
  }

 private:
  int slots_ = 2;
};

}  // namespace

// phi_t + b . grad phi + f = eps Lap phi with an exact solution; periodic nodes and cell centres, both refinements.
BOOST_AUTO_TEST_CASE(a_transported_decaying_wave_is_found_at_all_points_and_times) {
  for (const Boundary kind : {Boundary::Periodic, Boundary::NoFlux})
    for (const int refinement : {2, 3}) {
      const bool periodic = kind == Boundary::Periodic;
      const Grid grid({Axis{0, 2, 20, Boundary::Periodic, 0}, Axis{0, 1, 16, kind, periodic ? 0.0 : 0.5}});
      const LayoutPtr layout = make_layout(MPI_COMM_WORLD, grid);
      HamiltonianTerms terms;
      terms.kinetic = std::make_unique<Still>();
      terms.drift = {make_constant(0.5), make_constant(0.0)};
      terms.potential = make_formula("-2*t");
      const double eps = 0.02, k = periodic ? 2 * M_PI : M_PI;
      const FunctionPtr initial = make_formula(periodic ? "sin(pi*x)*cos(2*pi*y)" : "sin(pi*x)*cos(pi*y)");
      const std::vector<double> times = {0, 0.2, 0.5};
      const FunctionPtr f = make_fine_grid_reference(std::move(terms), layout, *initial, eps, times, refinement);
      double worst = 0;
      for (const double t : times)
        for (int r = 0; r < layout->rows(); ++r) {
          RowPoints p = layout->row(r);
          p.t = t;
          std::vector<double> out(static_cast<std::size_t>(p.n));
          f->evaluate(p, out.data());
          for (int i = 0; i < p.n; ++i) {
            const double exact = std::exp(-eps * (M_PI * M_PI + k * k) * t) * std::sin(M_PI * (p.x[i] - 0.5 * t)) * std::cos(k * p.y) + t * t;
            worst = std::max(worst, std::abs(out[static_cast<std::size_t>(i)] - exact));
          }
        }
      BOOST_TEST_MESSAGE("error " << worst);
      // Averaging two cell centres beside the point costs second order.
      BOOST_TEST(worst < (!periodic && refinement == 2 ? 2e-3 : 2e-6));
      RowPoints p = layout->row(0);
      p.t = 0.3;
      std::vector<double> out(static_cast<std::size_t>(p.n));
      BOOST_CHECK_THROW(f->evaluate(p, out.data()), InternalError);
    }
}
