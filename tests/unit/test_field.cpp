// ranks: 1 2 3 4
#define BOOST_TEST_MODULE field
#include <boost/test/unit_test.hpp>
#include <random>

#include "grids/field.hpp"
#include "grids/reduce.hpp"
#include "grids/support/errors.hpp"

using namespace wasserflow;

namespace {
Grid box(int dim, Boundary kind, int n = 8) {
  std::vector<Axis> axes;
  for (int d = 0; d < dim; ++d) axes.push_back({0.0, 1.0 + d, n + d, kind, kind == Boundary::Periodic ? 0.0 : 0.5});
  return Grid(axes);
}
double value(std::int64_t global) { return std::sin(0.1 * static_cast<double>(global) + 0.3); }
}  // namespace

BOOST_AUTO_TEST_CASE(ghosts_follow_the_boundary_rule) {
  for (int dim = 1; dim <= 3; ++dim)
    for (Boundary kind : {Boundary::Periodic, Boundary::NoFlux, Boundary::Dirichlet, Boundary::Extrapolate})
      for (int ghost : {1, 2}) {
        const LayoutPtr layout = make_layout(MPI_COMM_WORLD, box(dim, kind), ghost);
        const std::int64_t plane = layout->plane(), n = layout->slow_cells();
        Field f(layout, 2);
        for (int k = 0; k < 2; ++k)
          for (std::ptrdiff_t i = 0; i < layout->owned(); ++i) f.level(k)[i] = (k + 1) * value(layout->global_offset() + i);
        f.exchange_ghosts();
        const auto expected = [&](std::int64_t j, std::int64_t i) {  // plane j, point i, j may be outside
          if (j >= 0 && j < n) return value(j * plane + i);
          const std::int64_t g = j < 0 ? -j : j - n + 1;
          const std::int64_t edge = j < 0 ? 0 : n - 1, inner = j < 0 ? 1 : n - 2, mirror = j < 0 ? g - 1 : n - g;
          if (kind == Boundary::Periodic) return value(((j + n) % n) * plane + i);
          if (kind == Boundary::NoFlux) return value(mirror * plane + i);
          if (kind == Boundary::Dirichlet) return -value(mirror * plane + i);
          return value(edge * plane + i) + static_cast<double>(g) * (value(edge * plane + i) - value(inner * plane + i));
        };
        for (int k = 0; k < 2; ++k)
          for (int j = -ghost; j < layout->count() + ghost; ++j)
            for (std::int64_t i = 0; i < plane; ++i)
              BOOST_REQUIRE_CLOSE_FRACTION(f.level(k)[j * plane + i], (k + 1) * expected(layout->first() + j, i), 1e-13);
      }
}

BOOST_AUTO_TEST_CASE(vec_shares_memory_and_reference_count_is_one) {
  const LayoutPtr layout = make_layout(MPI_COMM_WORLD, box(3, Boundary::Periodic));
  Field f(layout, 2);
  PetscInt references = 0;
  PetscObjectGetReference(reinterpret_cast<PetscObject>(f.vec(1)), &references);
  BOOST_TEST(references == 1);
  VecSet(f.vec(1), 2.5);
  BOOST_TEST(f.level(1)[0] == 2.5);
  BOOST_TEST(f.level(0)[0] == 0.0);
  PetscReal norm = 0;
  VecNorm(f.vec(1), NORM_1, &norm);
  BOOST_TEST(norm == 2.5 * static_cast<double>(layout->grid().size()), boost::test_tools::tolerance(1e-14));
}

BOOST_AUTO_TEST_CASE(exact_sum_does_not_depend_on_the_order) {
  std::mt19937_64 generator(7);
  std::uniform_real_distribution<double> mantissa(-1, 1);
  std::uniform_int_distribution<int> exponent(-300, 300);
  std::vector<double> terms;
  for (int i = 0; i < 2000; ++i) terms.push_back(std::ldexp(mantissa(generator), exponent(generator)));
  for (int i = 0; i < 2000; ++i) terms.push_back(-terms[static_cast<std::size_t>(i)]);
  terms.push_back(1e-290);
  std::shuffle(terms.begin(), terms.end(), generator);
  ExactSum sum;
  for (double t : terms) sum += t;
  BOOST_TEST(sum.value() == 1e-290);
  ExactSum negative;
  negative += -3.25;
  negative += 1e-20;
  negative += 1.0;
  BOOST_TEST(negative.value() == -2.25);
}

BOOST_AUTO_TEST_CASE(sums_have_the_same_bits_on_any_number_of_ranks) {
  for (int dim = 1; dim <= 3; ++dim) {
    Field f(make_layout(MPI_COMM_WORLD, box(dim, Boundary::Periodic, 16)));
    Field alone(make_layout(MPI_COMM_SELF, box(dim, Boundary::Periodic, 16)));
    for (std::ptrdiff_t i = 0; i < f.layout().owned(); ++i) f.level()[i] = value(f.layout().global_offset() + i);
    for (std::ptrdiff_t i = 0; i < alone.layout().owned(); ++i) alone.level()[i] = value(i);
    BOOST_TEST(sum(f) == sum(alone));
    BOOST_TEST(dot(f, f) == dot(alone, alone));
  }
}

BOOST_AUTO_TEST_CASE(too_many_ranks_are_refused_on_all_of_them) {
  const int ranks = size_of(MPI_COMM_WORLD);
  if (ranks == 1) return;
  BOOST_CHECK_THROW(make_layout(MPI_COMM_WORLD, Grid({{0, 1, ranks - 1, Boundary::Periodic, 0}})), InputError);
}
