// ranks: 1 2 3 4
#define BOOST_TEST_MODULE hj_saddle_point
#include <boost/test/unit_test.hpp>

#include "grids/reduce.hpp"
#include "solvers/hj_saddle_point.hpp"

using namespace wasserflow;

namespace {

/// Only the splitting matters to K: a Hamiltonian that is never evaluated.
class Slots final : public Hamiltonian {
 public:
  explicit Slots(Splitting s) : splitting_(s) {}
  std::string name() const override { return "slots"; }
  Splitting splitting() const override { return splitting_; }
  void bind(LayoutPtr, std::span<const double>) override {}
  void set_times(std::span<const double>) override {}
  void evaluate(const RowPoints& p, const double* const*, double* h) const override { std::fill_n(h, p.n, 0.0); }
  void gradient(const RowPoints&, const double* const*, double* const*) const override {}
  void prox(const RowPoints&, double, double, double*, double* const*) const override {}
  void lagrangian(const RowPoints&, const double* const*, double*) const override {}
  void evaluate_true(const RowPoints&, const double* const*, double*) const override {}
  void gradient_true(const RowPoints&, const double* const*, double* const*) const override {}

 private:
  Splitting splitting_;
};

double noise(std::int64_t i, int salt) {
  std::uint64_t z = static_cast<std::uint64_t>(i) * 0x9e3779b97f4a7c15u + static_cast<std::uint64_t>(salt) * 0xbf58476d1ce4e5b9u + 1;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return static_cast<double>((z ^ (z >> 31)) >> 11) * 0x1p-52 - 1;
}

void randomise(Field& f, int salt) {
  for (int k = 0; k < f.levels(); ++k)
    for (std::ptrdiff_t i = 0; i < f.layout().owned(); ++i) f.level(k)[i] = noise(f.layout().global_offset() + i, 31 * salt + k);
}

double product(const Field& a, const Field& b) {
  double s = 0;
  for (int k = 0; k < a.levels(); ++k) s += dot(a, b, k, k);
  return s;
}

struct Case {
  int dim;
  Boundary kind;
  Splitting splitting;
  double eps;
  bool drift;
};

HamiltonJacobiProblem make(const Case& c, int levels) {
  std::vector<Axis> axes;
  for (int d = 0; d < c.dim; ++d) axes.push_back({0.0, 1.0 + 0.3 * d, 7 + 2 * d, c.kind, c.kind == Boundary::Periodic ? 0.0 : 0.5});
  HamiltonianTerms terms;
  terms.kinetic = std::make_unique<Slots>(c.splitting);
  if (c.drift)
    for (int d = 0; d < c.dim; ++d) terms.drift.push_back(make_formula(d == 0 ? "sin(3*x)+0.2" : "cos(2*x)-0.4"));
  std::vector<double> times;
  for (int k = 0; k < levels; ++k) times.push_back(0.1 * (k + 1));
  return make_hamilton_jacobi_problem(std::move(terms), make_layout(MPI_COMM_WORLD, Grid(axes)), c.eps, 0.1, times, {0.7, 0.5, 0.9});
}

std::vector<Case> cases() {
  std::vector<Case> all;
  for (int dim = 1; dim <= 3; ++dim)
    for (Boundary kind : {Boundary::Periodic, Boundary::NoFlux, Boundary::Dirichlet, Boundary::Extrapolate})
      for (Splitting s : {Splitting::Upwind, Splitting::LaxFriedrichs})
        for (double eps : {0.0, 0.3})
          for (bool drift : {false, true}) all.push_back({dim, kind, s, eps, drift});
  return all;
}

}  // namespace

BOOST_AUTO_TEST_CASE(the_operator_and_its_adjoint_agree) {
  for (const Case& c : cases())
    for (int levels : {1, 3}) {
      const HamiltonJacobiProblem problem = make(c, levels);
      HjSaddlePoint saddle(problem, 0.6);
      Field x(problem.layout, levels), kx(problem.layout, levels), y(problem.layout, levels), kty(problem.layout, levels);
      std::vector<Field> kxm, ym;
      randomise(x, 1);
      randomise(y, 2);
      for (std::size_t j = 0; j < saddle.momenta().size(); ++j) {
        kxm.emplace_back(problem.layout, levels);
        ym.emplace_back(problem.layout, levels);
        randomise(ym.back(), 3 + static_cast<int>(j));
      }
      saddle.apply(x, kx, kxm);
      saddle.apply_adjoint(y, ym, kty);
      double left = product(kx, y), scale = std::sqrt(product(kx, kx) * product(y, y));
      for (std::size_t j = 0; j < ym.size(); ++j) {
        left += product(kxm[j], ym[j]);
        scale += std::sqrt(product(kxm[j], kxm[j]) * product(ym[j], ym[j]));
      }
      const double right = product(x, kty);
      BOOST_TEST_CONTEXT("dim " << c.dim << ' ' << name(c.kind) << " upwind " << (c.splitting == Splitting::Upwind) << " eps " << c.eps << " drift "
                                << c.drift << " levels " << levels)
      BOOST_TEST(std::fabs(left - right) <= 1e-13 * scale);
    }
}

BOOST_AUTO_TEST_CASE(the_metric_matches_the_operator) {
  // P^{-1} K^T D K x = x without drift where the transform diagonalises the stencil; elsewhere the bound of the norm holds.
  for (const Case& c : cases())
    for (int levels : {1, 3}) {
      const HamiltonJacobiProblem problem = make(c, levels);
      const double kappa2 = 0.6;
      HjSaddlePoint saddle(problem, kappa2);
      Field x(problem.layout, levels), kx(problem.layout, levels), ktkx(problem.layout, levels), back(problem.layout, levels);
      std::vector<Field> kxm;
      randomise(x, 7);
      for (std::size_t j = 0; j < saddle.momenta().size(); ++j) kxm.emplace_back(problem.layout, levels);
      saddle.apply(x, kx, kxm);
      for (Field& f : kxm)
        for (int k = 0; k < levels; ++k)
          for (double& v : f.owned(k)) v *= kappa2;
      saddle.apply_adjoint(kx, kxm, ktkx);
      saddle.preconditioner().apply(ktkx, back);
      BOOST_TEST_CONTEXT("dim " << c.dim << ' ' << name(c.kind) << " upwind " << (c.splitting == Splitting::Upwind) << " eps " << c.eps << " drift "
                                << c.drift << " levels " << levels) {
        if (!c.drift && c.kind != Boundary::Extrapolate) {
          double worst = 0;
          for (int k = 0; k < levels; ++k)
            for (std::ptrdiff_t i = 0; i < problem.layout->owned(); ++i) worst = std::max(worst, std::fabs(back.level(k)[i] - x.level(k)[i]));
          BOOST_TEST(global_max(MPI_COMM_WORLD, worst) <= 1e-11);
          BOOST_TEST(saddle.operator_norm_squared() == 1.0);
        } else {
          // Power iteration from below: never above the bound.
          double ratio = 0;
          for (int it = 0; it < 15; ++it) {
            const double size = std::sqrt(product(back, back));
            for (int k = 0; k < levels; ++k)
              for (std::ptrdiff_t i = 0; i < problem.layout->owned(); ++i) x.level(k)[i] = back.level(k)[i] / size;
            saddle.apply(x, kx, kxm);
            for (Field& f : kxm)
              for (int k = 0; k < levels; ++k)
                for (double& v : f.owned(k)) v *= kappa2;
            saddle.apply_adjoint(kx, kxm, ktkx);
            saddle.preconditioner().apply(ktkx, back);
            ratio = std::sqrt(product(back, back));
          }
          BOOST_TEST(ratio <= saddle.operator_norm_squared());
        }
      }
    }
}
