// ranks: 1 2 4
// timeout: 60
#define BOOST_TEST_MODULE trajectories
#include <boost/test/unit_test.hpp>

#include "grids/support/errors.hpp"
#include "problems/exact_solutions.hpp"
#include "grids/support/counter_random.hpp"
#include "solvers/trajectories.hpp"

using namespace wasserflow;

namespace {

class Plain : public Function {
 public:
  explicit Plain(std::function<double(double, double, double)> f) : f_(std::move(f)) {}
  void evaluate(const RowPoints& p, double* out) const override {
    for (int i = 0; i < p.n; ++i) out[i] = f_(p.x[i], p.y, p.z);
  }
  bool depends_on_time() const override { return false; }

 private:
  std::function<double(double, double, double)> f_;
};
FunctionPtr plain(std::function<double(double, double, double)> f) { return std::make_shared<Plain>(std::move(f)); }

/// sum_d speed(x_d)^2 p_d^2 / 2 by upwind sides; just what trajectories ask of a Hamiltonian.
class Quadratic : public Hamiltonian {
 public:
  explicit Quadratic(double (*speed)(double)) : speed_(speed) {}
  std::string name() const override { return "quadratic"; }
  Splitting splitting() const override { return Splitting::Upwind; }
  void bind(LayoutPtr layout, std::span<const double>) override { dim_ = layout->dim(); }
  void set_times(std::span<const double>) override {}
  void evaluate(const RowPoints& p, const double* const* q, double* h) const override {
    for (int i = 0; i < p.n; ++i) {
      h[i] = 0;
      for (int d = 0; d < dim_; ++d)
        h[i] += 0.5 * square(p, i, d) * (std::pow(std::min(q[2 * d][i], 0.0), 2) + std::pow(std::max(q[2 * d + 1][i], 0.0), 2));
    }
  }
  void gradient(const RowPoints& p, const double* const* q, double* const* g) const override {
    for (int i = 0; i < p.n; ++i)
      for (int d = 0; d < dim_; ++d) {
        g[2 * d][i] = square(p, i, d) * std::min(q[2 * d][i], 0.0);
        g[2 * d + 1][i] = square(p, i, d) * std::max(q[2 * d + 1][i], 0.0);
      }
  }
  void prox(const RowPoints&, double, double, double*, double* const*) const override { throw InternalError("not needed"); }
  void lagrangian(const RowPoints&, const double* const*, double*) const override { throw InternalError("not needed"); }
  void evaluate_true(const RowPoints&, const double* const*, double*) const override { throw InternalError("not needed"); }
  void gradient_true(const RowPoints&, const double* const*, double* const*) const override { throw InternalError("not needed"); }

 private:
  double square(const RowPoints& p, int i, int d) const { return std::pow(speed_(d == 0 ? p.x[i] : d == 1 ? p.y : p.z), 2); }
  double (*speed_)(double);
  int dim_ = 1;
};

double one(double) { return 1; }
double variable(double x) { return (x - 1) * (x - 1) + 0.1; }

Grid box(int dim, int n, Boundary kind = Boundary::Periodic, double upper = 2) {
  return Grid(std::vector<Axis>(static_cast<std::size_t>(dim), Axis{0, upper, n, kind, kind == Boundary::Periodic ? 0.0 : 0.5}));
}

struct Setup {
  HamiltonJacobiProblem problem;
  std::vector<double> times;
  LevelSource level;
};

/// Levels of an exact solution: trajectories are tested without any solver.
Setup setup(const Grid& grid, double (*speed)(double), FunctionPtr phi, double eps, double final_time, int steps, MPI_Comm comm = MPI_COMM_WORLD) {
  HamiltonianTerms terms;
  terms.kinetic = std::make_unique<Quadratic>(speed);
  Setup s;
  const LayoutPtr layout = make_layout(comm, grid);
  for (int k = 0; k <= steps; ++k) s.times.push_back(final_time * k / steps);
  s.problem = make_hamilton_jacobi_problem(std::move(terms), layout, eps, final_time / steps, {0.0});
  s.level = [phi, times = s.times](int k, Field& out) {
    for (int r = 0; r < out.layout().rows(); ++r) {
      RowPoints p = out.layout().row(r);
      p.t = times[static_cast<std::size_t>(k)];
      phi->evaluate(p, out.level() + p.offset);
    }
  };
  return s;
}

double at(const Function& f, Trajectory::Point p, double t) {
  RowPoints row;
  row.n = 1;
  row.x = p.data();
  row.y = p[1];
  row.z = p[2];
  row.t = t;
  double out = 0;
  f.evaluate(row, &out);
  return out;
}

FunctionPtr sines(int dim) {
  return plain(
      [dim](double x, double y, double z) { return std::sin(M_PI * x) + (dim > 1 ? std::sin(M_PI * y) : 0) + (dim > 2 ? std::sin(M_PI * z) : 0); });
}

double worst(double local) {
  MPI_Allreduce(MPI_IN_PLACE, &local, 1, MPI_DOUBLE, MPI_MAX, MPI_COMM_WORLD);
  return local;
}

}  // namespace

// Vectors published with the generator (Random123, kat_vectors).
BOOST_AUTO_TEST_CASE(philox_gives_its_published_numbers) {
  using Words = std::array<std::uint32_t, 4>;
  constexpr std::uint32_t all = 0xffffffff;
  BOOST_TEST((philox4x32({0, 0, 0, 0}, {0, 0}) == Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  BOOST_TEST((philox4x32({all, all, all, all}, {all, all}) == Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  BOOST_TEST((philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}) ==
              Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

BOOST_AUTO_TEST_CASE(normal_numbers_have_the_moments_of_their_law) {
  constexpr int n = 100000;
  std::array<double, 4> moment{};
  double mixed = 0, next = 0;
  for (int i = 0; i < n; ++i) {
    const auto [a, b] = normal_pair(7, static_cast<std::uint64_t>(i), 3);
    moment[0] += a / n;
    moment[1] += a * a / n;
    moment[2] += a * a * a / n;
    moment[3] += a * a * a * a / n;
    mixed += a * b / n;
    next += a * normal_pair(7, static_cast<std::uint64_t>(i), 4)[0] / n;
  }
  const double unit = 4 / std::sqrt(n);  // four standard deviations of a mean of unit variance
  BOOST_TEST(std::abs(moment[0]) < unit);
  BOOST_TEST(std::abs(moment[1] - 1) < unit * std::sqrt(2));
  BOOST_TEST(std::abs(moment[2]) < unit * std::sqrt(15));
  BOOST_TEST(std::abs(moment[3] - 3) < unit * std::sqrt(96));
  BOOST_TEST(std::abs(mixed) < unit);
  BOOST_TEST(std::abs(next) < unit);
}

// In the coordinate y with dy = dx/a the optimal trajectories are straight and end where the Hopf-Lax minimum is.
BOOST_AUTO_TEST_CASE(optimal_trajectories_cost_the_value_and_have_constant_speed) {
  std::vector<double> errors;
  for (const int n : {80, 160, 320}) {
    const FunctionPtr phi = make_quadratic_variable_speed(box(1, n), sines(1));
    Setup s = setup(box(1, n), variable, phi, 0, 1, n / 2);
    std::vector<Trajectory::Point> starts;
    for (const double x : {-0.7, 0.3, 0.95, 1.2, 1.77, 4.3}) starts.push_back({x, 0, 0});
    const auto paths = optimal_trajectories(s.problem, s.times, s.level, starts);
    double error = 0, bend = 0;
    for (const Trajectory& path : paths) {
      BOOST_TEST(path.points.size() == s.times.size());
      BOOST_TEST(path.costs.size() == s.times.size());
      BOOST_TEST(path.costs.back() == path.running_cost);
      for (std::size_t i = 0; i + 1 < path.points.size(); ++i)
        BOOST_TEST(std::abs(path.points[i + 1][0] - path.points[i][0] - path.velocities[i][0] * 2 / n) < 1e-14);
      BOOST_TEST(path.points.front()[0] == starts[static_cast<std::size_t>(path.sample)][0]);
      error = std::max(error, std::abs(path.cost() - at(*phi, path.points.front(), 1)));
      const double y0 = stretched_coordinate(path.points.front()[0]), y1 = stretched_coordinate(path.points.back()[0]);
      const double middle = stretched_coordinate(path.points[path.points.size() / 2][0]);
      bend = std::max(bend, std::abs(middle - 0.5 * (y0 + y1)));
    }
    errors.push_back(worst(error));
    BOOST_TEST(worst(bend) < 16.0 / n);
    BOOST_TEST_MESSAGE("n " << n << " cost error " << errors.back() << " bend " << worst(bend));
  }
  BOOST_TEST(errors[2] < 0.02);
  BOOST_TEST(errors[2] < 0.6 * errors[1]);
}

// Additive problems have trajectories whose components do not know of each other; NoFlux bowl in 3-D.
BOOST_AUTO_TEST_CASE(components_of_a_separable_problem_are_independent) {
  const auto bowl = [](int dim) {
    return plain([dim](double x, double y, double z) { return std::cos(x) + (dim > 1 ? std::cos(y) : 0) + (dim > 2 ? std::cos(z) : 0); });
  };
  Setup line = setup(box(1, 24, Boundary::NoFlux), one, make_hopf_lax(box(1, 24, Boundary::NoFlux), bowl(1)), 0, 1, 12);
  Setup solid = setup(box(3, 24, Boundary::NoFlux), one, make_hopf_lax(box(3, 24, Boundary::NoFlux), bowl(3)), 0, 1, 12);
  const std::array<int, 3> counts = {2, 3, 4};
  const auto starts = tensor_starts(box(3, 24, Boundary::NoFlux), counts);
  BOOST_TEST(starts.size() == 24u);
  const auto paths = optimal_trajectories(solid.problem, solid.times, solid.level, starts);
  std::vector<Trajectory::Point> lines;
  for (const auto& p : starts)
    for (const double s : p) lines.push_back({s, 0, 0});
  Setup alone = setup(box(1, 24, Boundary::NoFlux), one, make_hopf_lax(box(1, 24, Boundary::NoFlux), bowl(1)), 0, 1, 12, MPI_COMM_SELF);
  const auto expected = optimal_trajectories(alone.problem, alone.times, alone.level, lines);
  for (const Trajectory& path : paths) {
    double cost = 0;
    for (std::size_t d = 0; d < 3; ++d) {
      const Trajectory& one_dimensional = expected[3 * static_cast<std::size_t>(path.sample) + d];
      cost += one_dimensional.cost();
      for (std::size_t i = 0; i < path.points.size(); ++i) BOOST_TEST(std::abs(path.points[i][d] - one_dimensional.points[i][0]) < 1e-12);
    }
    BOOST_TEST(std::abs(path.cost() - cost) < 1e-12);
  }
}

BOOST_AUTO_TEST_CASE(mean_cost_of_stochastic_trajectories_is_the_value) {
  const double eps = 0.1;
  const int n = 200;
  const FunctionPtr phi = make_hopf_cole(box(1, n), sines(1), eps);
  Setup s = setup(box(1, n), one, phi, eps, 1, n);
  for (const double x : {0.4, 1.1}) {
    const std::vector<Trajectory::Point> starts(4000, {x, 0, 0});
    const auto paths = optimal_trajectories(s.problem, s.times, s.level, starts, {.seed = 5, .keep_points = false});
    const MeanCost cost = mean_cost(MPI_COMM_WORLD, paths);
    BOOST_TEST_MESSAGE("mean " << cost.mean << " +- " << cost.standard_error << " value " << at(*phi, {x, 0, 0}, 1));
    BOOST_TEST(cost.standard_error < 0.02);
    BOOST_TEST(std::abs(cost.mean_value - at(*phi, {x, 0, 0}, 1)) < 1e-12);
    BOOST_TEST(std::abs(cost.mean - at(*phi, {x, 0, 0}, 1)) < 3 * cost.standard_error + 1.0 / n);
    for (const Trajectory& path : paths) BOOST_REQUIRE(path.points.size() == 2u);
  }
}

BOOST_AUTO_TEST_CASE(the_number_of_ranks_does_not_matter) {
  const FunctionPtr phi = make_hopf_cole(box(2, 16), sines(2), 0.2);
  for (const auto kind : {TrajectoryOptions::Interpolation::Linear, TrajectoryOptions::Interpolation::Nearest}) {
    Setup all = setup(box(2, 16), one, phi, 0.2, 1, 10), alone = setup(box(2, 16), one, phi, 0.2, 1, 10, MPI_COMM_SELF);
    std::vector<Trajectory::Point> starts;
    for (int i = 0; i < 37; ++i) starts.push_back({0.31 * i - 3, 1.9999 + 0.17 * i, 0});
    const TrajectoryOptions options{.interpolation = kind, .seed = 99};
    const auto share = optimal_trajectories(all.problem, all.times, all.level, starts, options);
    const auto whole = optimal_trajectories(alone.problem, alone.times, alone.level, starts, options);
    BOOST_TEST(whole.size() == starts.size());
    for (const Trajectory& path : share) {
      const Trajectory& other = whole[static_cast<std::size_t>(path.sample)];
      BOOST_TEST((path.points == other.points));
      BOOST_TEST(path.cost() == other.cost());
    }
    double shared = static_cast<double>(share.size());
    MPI_Allreduce(MPI_IN_PLACE, &shared, 1, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
    BOOST_TEST(shared == 37);
  }
}

// The slope of phi = x - t/2 moves everything left at speed one; so does that of phi = x, which is 0 at the end where Dirichlet ends a trajectory.
BOOST_AUTO_TEST_CASE(boundaries_reflect_end_or_extend_a_trajectory) {
  class Ramp : public Function {
   public:
    explicit Ramp(double rate) : rate_(rate) {}
    void evaluate(const RowPoints& p, double* out) const override {
      for (int i = 0; i < p.n; ++i) out[i] = p.x[i] - rate_ * p.t;
    }
    bool depends_on_time() const override { return true; }

   private:
    double rate_;
  };
  const std::vector<Trajectory::Point> starts = {{0.5, 0, 0}, {1.75, 0, 0}};
  for (const Boundary kind : {Boundary::Extrapolate, Boundary::Dirichlet}) {
    const bool ends = kind == Boundary::Dirichlet;
    Setup s = setup(box(1, 16, kind), one, std::make_shared<Ramp>(ends ? 0.0 : 0.5), 0, 1, 15);
    for (const Trajectory& path : optimal_trajectories(s.problem, s.times, s.level, starts)) {
      if (path.sample == 0 && ends) {
        BOOST_TEST(path.points.back()[0] == 0.0);
        BOOST_TEST(path.terminal_cost == 0.0);
        BOOST_TEST(std::abs(path.times.back() - 8.0 / 15) < 1e-12);
      } else {
        BOOST_TEST(std::abs(path.points.back()[0] - (path.sample == 0 ? -0.5 : 0.75)) < 1e-12);
        BOOST_TEST(path.times.back() == 1.0);
      }
    }
  }
  const auto ramp = std::make_shared<Ramp>(0.5);
  Setup closed = setup(box(1, 16, Boundary::NoFlux), one, ramp, 0.5, 1, 16);
  const std::vector<Trajectory::Point> many(50, {1.0, 0, 0});
  for (const Trajectory& path : optimal_trajectories(closed.problem, closed.times, closed.level, many))
    for (const auto& p : path.points) BOOST_TEST((p[0] >= 0 && p[0] <= 2));
  const std::vector<Trajectory::Point> outside = {{2.5, 0, 0}};
  BOOST_CHECK_THROW(optimal_trajectories(closed.problem, closed.times, closed.level, outside), InputError);
}
