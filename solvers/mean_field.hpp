#pragma once
/// Mean-field games and control, planning, dynamic optimal transport on a space-time box: what is solved, and what every discretization of it offers.
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "problems/transport_cost.hpp"
#include "solvers/nonlocal_potential.hpp"
#include "solvers/saddle_point.hpp"

namespace wasserflow {

/// min over (rho, m) of  int int rho L(x, t, -m / rho) + F(x, t, rho) dx dt + 1/2 int <rho, W * rho> dt + int G(x, rho(T)) dx
///   subject to rho_t - nu Lap rho + div m = 0, rho(0) = rho_0, and rho(T) = rho_T instead of G (planning, optimal transport, bridges).
/// Its multiplier phi is the value function: with f = dF/drho, g = dG/drho,
///   -phi_t - nu Lap phi + H(x, t, grad phi) = f(rho) + W * rho,  phi(T) = g(rho(T)),  m = -rho H_p(grad phi),
/// so the Hamiltonian is that of phi_t' + H = nu Lap phi in the reversed time t' = T - t, and dH/dp = -m / rho. Potential F is convex in rho.
/// No mass leaves through the ends of an axis (no_flux, periodic). Source: Benamou & Brenier 2000; Lasry & Lions 2007; Cardaliaguet, Graber,
/// Porretta, Tonon 2015.
///
/// Stationary games: -nu Lap rho + div m = e (rho_0 - rho), e phi - nu Lap phi + H(x, grad phi) = f(rho) + W * rho with a small discount e = 1 /
/// horizon, which are O(e) away from the ergodic game -nu Lap phi + H = f(rho) + W * rho + Hbar, of the mass of rho_0. They are one step of this
/// problem without terminal cost, the density everywhere taken at its end; sums then are rates (per unit of time), and -e times the mean of phi is
/// Hbar. Source: Lasry & Lions 2006; Briceno-Arias, Kalise, Silva 2018.
struct MeanFieldProblem {
  LayoutPtr layout;
  int steps = 0;       ///< N_t intervals of length dt = horizon / steps
  double horizon = 1;  ///< T
  double viscosity = 0;
  double theta = 0.5;  ///< weight of the viscous term at the newer node: 1/2 second order, 1 the monotone pairing (always 1 for upwind schemes)
  /// Kinetic part, running coupling F, terminal cost G (not used where rho_T is given), obstacles, mobility, reaction, with the splitting of the
  /// scheme, which binds it: no two schemes share one.
  std::shared_ptr<TransportCost> cost;
  std::shared_ptr<NonlocalPotential> nonlocal;  ///< W *, null when there is none
  Field initial;                                ///< rho_0, one level, >= 0
  bool stationary = false;                      ///< see above: steps = 1, theta = 1, no final density, no terminal cost
  std::optional<Field> final_density;           ///< rho_T, of the mass of rho_0 (unbalanced problems: any); without it the end is free
  bool positive = false;                        ///< staggered scheme: its positive, diffusive variant (solvers/staggered_operator.hpp)
  double speed = 0;  ///< scale of m / rho that makes both commensurate in norms; 0: longest axis / horizon (stationary: in unit time)
  /// Staggered scheme, not owned, read whenever they are needed: rho_t - nu Lap rho + div m = source, and the cost int int potential rho dx dt on
  /// top of F. Levels are half times; null: 0. After a change of the source make_feasible() is due. Of solvers/populations.hpp.
  const Field* source = nullptr;
  const Field* potential = nullptr;
  double density_scale = 0;  ///< a typical density where `initial` may be 0 everywhere, because sources make what there is; 0: it may not
  double cost_scale = 0;     ///< staggered scheme: cost of a unit of mass in unit time that residuals count as one; 0: speed^2
  double dt() const { return horizon / steps; }
  double speed_scale() const;
  /// Throws InputError where fields, masses (1e-10 relative), signs or numbers do not fit together.
  /// @note Collective.
  void validate() const;
};

/// Figures of an iterate. Sums carry cell volume and dt.
struct MeanFieldFigures {
  double kinetic = 0, running = 0, interaction = 0, terminal = 0;  ///< parts of the objective at the iterate with rho >= 0
  double objective() const { return kinetic + running + interaction + terminal; }
  double feasible_objective =
      0;  ///< at the iterate that satisfies the continuity equation exactly (+inf where its rho < 0 beyond rounding; see least_density)
  double lower_bound = 0;       ///< certified lower bound of the discrete optimum; -inf where the scheme has none
  double mass_error = 0;        ///< max over time of |mass(t) - mass(0)| / mass(0), without reaction
  double least_density = 0;     ///< min of rho of the divergence-free iterate (>= 0 for upwind schemes)
  double continuity = 0;        ///< residual of the continuity equation in H^-1(space-time), relative
  double ergodic_constant = 0;  ///< Hbar; stationary problems only
  double value_equation = 0;    ///< mean over rho > eps of |-phi_t - nu Lap phi + H - f|, weighted by rho; NaN with fewer than 3 steps
};

/// Numbers between which the discrete optimum lies.
struct MeanFieldBounds {
  double lower = -std::numeric_limits<double>::infinity();  ///< value of a feasible point of the dual problem; -inf where the scheme has none
  double upper = std::numeric_limits<double>::infinity();   ///< cost of a feasible path with rho >= 0; +inf where none was found
  double share = 0;                                         ///< part of a positive path in that path, the rest is the divergence-free iterate
  /// (upper - lower) / |upper|, +inf where one of them is.
  double gap() const;
};

/// A discretization as a saddle point, with what drivers, continuation and files need of it. All members are collective.
class MeanFieldScheme : public SaddlePoint {
 public:
  virtual const MeanFieldProblem& problem() const = 0;
  /// The standard start: densities interpolated between what is given, made feasible.
  virtual void start() = 0;
  /// First weight w for Pdhg at the present iterate (tau = s / w, sigma = s w) from the scales of the problem.
  virtual double default_weight() = 0;
  /// Start from the answer on a grid of half the cells (every axis with an even number of cells, the same number of steps or half), made feasible.
  virtual void start_from(MeanFieldScheme& coarse) = 0;

  /// rho >= 0 at the nodes t_n: steps + 1 levels; ghosts are not exchanged.
  virtual void density(Field& rho) = 0;
  /// m at cell centres and half times t_{n+1/2}: steps levels, one field an axis.
  virtual void momentum(std::vector<Field>& m) = 0;
  /// phi at the times value_times(): steps levels.
  virtual void value(Field& phi) = 0;
  virtual std::vector<double> value_times() const = 0;
  virtual MeanFieldFigures figures() = 0;
  /// The upper bound is the least cost of (1 - s) x + s p, s in [0, 1]: x the iterate moved onto the continuity equation, p a feasible path of
  /// positive densities (solvers/feasible_mixture.hpp). It falls to the minimum as the iteration converges. The work is that of some ten iterations.
  virtual MeanFieldBounds bounds() = 0;
  /// All that a restart needs, by name.
  virtual std::vector<std::pair<std::string, Field*>> state_fields() = 0;
  /// Bytes of the iterates and work fields of this rank, for reports.
  virtual std::size_t bytes() const = 0;
};
using MeanFieldSchemePtr = std::unique_ptr<MeanFieldScheme>;

}  // namespace wasserflow
