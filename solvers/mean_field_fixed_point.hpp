#pragma once
/// Mean-field games without a potential: fixed points of the best response, by averaging, Anderson acceleration or Newton's method.
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "problems/formula.hpp"
#include "solvers/howard.hpp"
#include "solvers/nonlocal_potential.hpp"
#include "solvers/pdhg.hpp"

namespace wasserflow {

/// value[i] = a function of place, time and density along a row, rho > 0. Outputs do not overlap inputs.
using DensityLaw = std::function<void(const RowPoints& p, const double* rho, double* value)>;
/// From a formula in x, y, z, t and rho.
DensityLaw density_law(const Formula& formula);

/// Value function and density of a game:
///   -phi_t - nu Lap phi + s(x, t, rho) H(x, t, grad phi) + b . grad phi + V = f(x, t, rho) + W * rho,   phi(T) = g(x, rho(T)),
///   rho_t - nu Lap rho - div(rho (s(x, t, rho) H_p(x, t, grad phi) + b)) = 0,                            rho(0) = rho_0,
/// in the discretization of UpwindScheme. Neither f nor s needs a potential; the solution is unique where the game is monotone. H is convex, s > 0:
/// s = (1 + a rho)^-b makes moving in a crowd costly. Axes are no_flux or periodic. Source: Lasry & Lions 2007; Achdou & Porretta 2018 (congestion).
struct MeanFieldGame {
  LayoutPtr layout;
  int steps = 0;       ///< N_t intervals of length dt = horizon / steps
  double horizon = 1;  ///< T
  double viscosity = 0;
  HamiltonianTerms hamiltonian;                 ///< H, b, V
  DensityLaw congestion;                        ///< s; null: 1
  DensityLaw running, terminal;                 ///< f, g; null: 0
  std::shared_ptr<NonlocalPotential> nonlocal;  ///< W *; null: none
  Field initial;                                ///< rho_0, one level, >= 0
  std::array<double, 3> alpha{};                ///< numerical speeds of Hamiltonians with Splitting::LaxFriedrichs
};

/// How the next density follows from the best response T(rho): value function of rho, then the density that its policy transports.
enum class GameMethod {
  FictitiousPlay,  ///< rho += (T(rho) - rho) / (k + 1): the mean of all responses (Cardaliaguet & Hadikhanloo 2017)
  Damped,          ///< rho += damping (T(rho) - rho)
  Anderson,        ///< Anderson acceleration of the damped iteration (PETSc's SNESANDERSON)
  NewtonKrylov,    ///< Newton's method on rho - T(rho), with differences of T in GMRES (PETSc's SNESNEWTONLS)
};

struct GameParameters {
  GameMethod method = GameMethod::NewtonKrylov;
  double tolerance = 1e-8;  ///< of |rho - T(rho)|_1 / |rho|_1 over space and time
  int max_responses = 500;  ///< evaluations of T
  double damping = 0.5;     ///< in (0, 1]
  int memory = 8;           ///< Anderson: responses that are kept
  void validate() const;
  static GameParameters read(const Parameters& solver);
};

struct [[nodiscard]] GameReport {
  StopReason reason = StopReason::IterationLimit;
  int iterations = 0;           ///< of the method
  int responses = 0;            ///< evaluations of T: N_t Howard steps backwards, N_t linear solves forwards
  double residual = 0;          ///< |rho - T(rho)|_1 / |rho|_1 at the last iterate
  std::vector<double> history;  ///< residual at every iterate of this solve
  bool stopped = false;         ///< by MeanFieldFixedPoint::stop
};

/// What a monitor sees at every iterate, and where a solve goes on from.
struct GamePosition {
  int iterations = 0;
  int responses = 0;
  double residual = 0;
};

/// Options of PETSc's solver under the prefix `game_` (-game_snes_type, -game_ksp_monitor ...), of Howard's under `howard_`.
class MeanFieldFixedPoint {
 public:
  /// Throws InputError for bad numbers and boundaries that mass could leave through.
  /// @note Collective.
  MeanFieldFixedPoint(MeanFieldGame game, const GameParameters& parameters);
  ~MeanFieldFixedPoint();

  /// Iterates from the densities at hand (at first: rho_0 at all times).
  /// @note Collective.
  GameReport solve();

  /// When set: called at every iterate. @note Collective
  std::function<void(const GamePosition&)> monitor;
  /// When set: asked between best responses; true ends the solve. position() and state_fields() may be saved there, and after the solve. Must answer
  /// alike on all ranks.
  std::function<bool()> stop;

  const GamePosition& position() const { return at_; }
  /// The last iterate; with averages also its response and value function, so that these go on with the same bits.
  std::vector<std::pair<std::string, Field*>> state_fields();
  /// The next solve goes on from here, where state_fields() are to be filled. Newton's and Anderson's methods build their memory anew.
  void restore(const GamePosition& position);

  /// steps + 1 levels, those of the nodes t_0 = 0 ... T. The density is the response to the last iterate: rho >= 0, mass exact to rounding.
  void density(Field& rho) const;
  void value(Field& phi) const;
  /// m = -rho (s H_p + b) at cell centres for the steps t_n -> t_{n+1}, a field of steps levels an axis.
  void momentum(std::vector<Field>& m);
  const MeanFieldGame& game() const { return game_; }

 private:
  struct Acceleration;
  class Congested;
  bool averages() const { return parameters_.method == GameMethod::Damped || parameters_.method == GameMethod::FictitiousPlay; }
  double respond(const Field& rho, Field& response);
  GameReport average();
  GameReport accelerate();

  MeanFieldGame game_;
  GameParameters parameters_;
  std::unique_ptr<HamiltonJacobiProblem> window_;
  Congested* congested_ = nullptr;  ///< the window's Hamiltonian, where there is congestion
  std::unique_ptr<Howard> howard_;
  // Level k of the window: phi at the node steps - 1 - k, rho at the node steps - k.
  Field rho_, response_, phi_, before_;
  std::vector<double> row_, out_;
  double floor_ = 0;  ///< least density that couplings see
  int responses_ = 0;
  bool warm_ = false;     ///< phi_ is a start of Howard's iteration
  bool resumed_ = false;  ///< at_ was restored
  GamePosition at_;
};

}  // namespace wasserflow
