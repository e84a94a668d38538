#pragma once
/// The three published examples of time-implicit phase fields (Liu, Liu, Osher, Li arXiv:2305.03945) in two and three dimensions, for benchmarks.
#include <cmath>
#include <numbers>
#include <string>
#include <vector>

#include "solvers/reaction_diffusion_operator.hpp"

namespace wasserflow::bench {

struct PhaseCase {
  std::string name;
  double length, a, b, dt;
  int width;  ///< factors of the Laplacian in R; 3: functionalised with eps^2 = eta = a
};

inline const PhaseCase allen_cahn{"Allen-Cahn", 0.5, 0.01, 100, 0.001, 1};
inline const PhaseCase cahn_hilliard{"Cahn-Hilliard", 2 * std::numbers::pi, 0.01, 1, 0.001, 2};
inline const PhaseCase sixth_order{"sixth order", 2 * std::numbers::pi, 0.18 * 0.18, 1, 0.01, 3};

inline ReactionDiffusionEquation equation_of(const PhaseCase& c) {
  ReactionDiffusionEquation equation;
  SpeciesTerms terms;
  terms.L = {DiffusionFactor{}};
  if (c.width == 2) terms.G = {DiffusionFactor{}};
  terms.a = c.a;
  terms.b = c.b;
  terms.potential = make_double_well();
  equation.type = c.width == 1 ? "allen_cahn" : c.width == 2 ? "cahn_hilliard" : "functionalised_cahn_hilliard";
  equation.functionalised = c.width == 3;
  equation.eps = std::sqrt(c.a);
  equation.eta = c.a;
  equation.species = {terms};
  return equation;
}

/// Initial value at a point of the box [0, length]^dim. In three dimensions discs become balls around the middle plane and the sixth-order profile
/// gets a third axis.
inline double initial_value(const PhaseCase& c, int dim, double x, double y, double z) {
  constexpr double pi = std::numbers::pi;
  const double off = dim > 2 ? z - c.length / 2 : 0;
  if (c.width == 1) return std::hypot(x - c.length / 2, y - c.length / 2, off) <= 0.2 ? 1 : -1;
  if (c.width == 2) {
    static constexpr double discs[7][3] = {{pi / 2, pi / 2, pi / 5},        {pi / 4, 3 * pi / 4, 2 * pi / 15}, {pi / 2, 5 * pi / 4, 2 * pi / 15},
                                           {pi, pi / 4, pi / 10},           {3 * pi / 2, pi / 4, pi / 10},     {pi, pi, pi / 4},
                                           {3 * pi / 2, 3 * pi / 2, pi / 4}};
    double u = -1;
    for (const auto& disc : discs) {
      const double d = std::hypot(x - disc[0], y - disc[1], off) - disc[2];
      if (d < 0) u += 2 * std::exp(-0.01 / (d * d));
    }
    return u;
  }
  const double third = dim > 2 ? std::sin(z) - 1 : 0;
  return 2 * std::exp(std::sin(x) + std::sin(y) + third - 2) + 2.2 * std::exp(-std::sin(x) - std::sin(y) + third - 2) - 1;
}

/// `copies` of the box side by side along the slow axis, for weak scaling.
inline LayoutPtr layout_of(MPI_Comm comm, const PhaseCase& c, int dim, int cells, int copies = 1) {
  std::vector<Axis> axes(static_cast<std::size_t>(dim), Axis{0, c.length, cells, Boundary::Periodic, 0});
  axes.back().upper *= copies;
  axes.back().cells *= copies;
  return make_layout(comm, Grid(axes));
}

inline void fill_initial(Field& u, const PhaseCase& c) {
  const SlabLayout& layout = u.layout();
  for (int r = 0; r < layout.rows(); ++r) {
    const RowPoints p = layout.row(r);
    const double y = std::fmod(p.y, c.length), z = std::fmod(p.z, c.length);
    for (int i = 0; i < p.n; ++i) u.level()[p.offset + i] = initial_value(c, layout.dim(), p.x[i], y, z);
  }
}

}  // namespace wasserflow::bench
