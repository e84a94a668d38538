#pragma once
/// The pointwise part of mean-field problems: kinetic cost of density and flux with couplings, as one convex function of (rho, m) at every point,
///   J(rho, m, z) = K(rho, m - rho b) + delta^2 z^2 / (2 V(rho)) + F(x, t, rho),   K(rho, n) = w V(rho) L(n / V(rho)),
/// with its joint proximal map, energy, Hamiltonian and conjugate, row by row. L = H* is the Lagrangian of the kinetic Hamiltonian, V the mobility
/// (rho by default), w(x, t) > 0 a weight (infinity: an obstacle, rho = 0 and m = 0 there), b the drift of [hamiltonian]. Its potential f_H becomes
/// the term -f_H rho of F. Without V, b and w: rho L(m/rho) + F.
///
/// Slots and signs are those of problems/hamiltonian.hpp: Splitting::Upwind has two slots an axis (D+, D-), Splitting::LaxFriedrichs ("central") one;
/// q_j are slopes of phi, m_j = rho dH/dq_j. In -phi_t - nu Lap phi + H(x, t, grad phi) = f the density moves with velocity -H_p: the flux of
/// rho_t + div(flux) = nu Lap rho is -m, and the equation reads rho_t - div m = nu Lap rho. With a reaction flux (unbalanced transport) there is one
/// more slot, the last: z, with q_z = phi.
///
///   sup over (m, z) of q . m + q_z z - J = V(rho) (w H(q/w) + q_z^2/(2 delta^2)) + rho b . q - F(rho).
/// Terminal costs G count `terminal` times where a call has that argument (1/dt at the last level, 0 elsewhere).
///
/// Proximal map: rho is the root of an increasing scalar function, m follows from it (Papadakis, Peyre, Oudet 2014, proposition 1; Cardaliaguet,
/// Carlier, Nazaret 2013 for mobilities; for any H by the fixed-rho proximal map of problems/hamiltonian.hpp). A capacity clips the root.
#include <limits>
#include <optional>

#include "problems/coupling.hpp"
#include "problems/hamiltonian.hpp"
#include "problems/mobility.hpp"

namespace wasserflow {

/// What a transport cost is made of. Solvers that have drift or potential in their linear operator take them out first.
struct TransportTerms {
  HamiltonianTerms hamiltonian;  ///< kinetic is required; drift and potential may be there
  Coupling running, terminal;
  MobilityPtr mobility;  ///< nullptr: V = rho
  FunctionPtr weight;    ///< w(x, t) > 0; nullptr: 1
  FunctionPtr obstacle;  ///< blocked where positive; may move; nullptr: none
  double reaction = 0;   ///< delta of the reaction flux; 0: balanced
};

class TransportCost {
 public:
  /// Throws InputError when upwind sides are asked for and the Hamiltonian has none.
  TransportCost(TransportTerms terms, int dim, Splitting splitting);

  int dim() const { return dim_; }
  Splitting splitting() const { return splitting_; }
  int flux_slots() const { return flux_slots_; }                     ///< of m: dim or 2 dim
  int slots() const { return flux_slots_ + (terms_.reaction > 0); }  ///< with the reaction flux
  bool has_reaction() const { return terms_.reaction > 0; }
  const TransportTerms& terms() const { return terms_; }
  const Coupling& running() const { return terms_.running; }
  const Coupling& terminal() const { return terms_.terminal; }
  /// V = rho: h does not depend on rho.
  bool separable() const { return terms_.mobility == nullptr; }

  /// Levels at `times` (those of running costs); the terminal cost at `final_time`.
  /// @note Collective.
  void bind(LayoutPtr layout, std::span<const double> times, double final_time);
  /// @note Collective.
  void set_times(std::span<const double> times);

  /// In place (u0, u_j) -> argmin over (rho, m_j) of
  ///   J(rho, m) + terminal G(rho) + (rho - u0)^2 / (2 sigma_rho) + sum_j (m_j - u_j)^2 / (2 sigma_m).
  /// rho >= 0; exactly 0 with m = 0 where the minimum is at 0.
  void prox(const RowPoints& p, double sigma_rho, double sigma_m, double* u0, double* const* u, double terminal = 0) const;
  /// The same with rho given: only the fluxes move. rho >= 0.
  void prox_flux(const RowPoints& p, double sigma_m, const double* rho, double* const* u) const;

  /// out[i] = J(rho, m) + terminal G(rho); +infinity outside the domain. In `kinetic` (may be null) the part without couplings and potential.
  void energy(const RowPoints& p, const double* rho, const double* const* m, double* out, double* kinetic = nullptr, double terminal = 0) const;

  /// h[i] = V'(rho) (w H(q/w) + q_z^2/(2 delta^2)) + b . q (rho is needed with a mobility only), 0 at obstacles. A solution has
  /// -phi_t - nu Lap phi + h = f(rho) with f the derivative of running(), where rho > 0.
  void hamiltonian(const RowPoints& p, const double* const* q, double* h, const double* rho = nullptr) const;
  /// v_j[i] = m_j/rho of the best flux at slopes q (last slot: z/rho).
  void velocity(const RowPoints& p, const double* const* q, double* const* v, const double* rho = nullptr) const;

  /// out[i] = J*(a, q) = sup over (rho, m) of a rho + q . m - J(rho, m) - terminal G(rho) (+infinity where it is unbounded): the pointwise part of
  /// the dual value. V = rho only: (F + terminal G)*(a + h). With `density` the rho that reaches it. Throws InternalError for other mobilities.
  void conjugate(const RowPoints& p, const double* a, const double* const* q, double* out, double* density = nullptr, double terminal = 0) const;

 private:
  struct Rows;
  template <class K>
  void prox_chunk(const RowPoints& p, double sigma_rho, double sigma_m, double* u0, double* const* u, double terminal) const;
  void plain_prox(int n, double sigma_rho, double sigma_m, double* u0, double* const* u) const;
  template <class K>
  K kinetic(const RowPoints& p, double sigma_m, const Rows& rows, const std::array<double, coupling_chunk>* u) const;
  void store_fluxes(const Rows& rows, std::array<std::array<double, coupling_chunk>, 7>& m, int count, double* const* u) const;
  void load_media(const RowPoints& p, Rows& rows) const;
  void judge(const SlabLayout& layout, std::span<const double> times);
  bool blocks() const { return terms_.weight || terms_.obstacle; }

  TransportTerms terms_;
  int dim_, flux_slots_;
  Splitting splitting_;
  bool doubled_ = false;               ///< central slots by a Hamiltonian of upwind sides
  bool quadratic_ = false;             ///< H = sum a_d p_d^2/2: closed forms
  bool isotropic_ = false;             ///< the same a on all axes
  std::optional<double> coefficient_;  ///< a, where it is one number
  LayoutPtr layout_;
  std::vector<Tabulated> drift_;
  Tabulated weight_, obstacle_;
};

/// Reads what a transport cost is made of: [hamiltonian] (default: quadratic), [coupling], [terminal], [mobility] (type, exponent, V, weight,
/// obstacle), [unbalanced] (penalty delta). Throws InputError at the key at fault.
TransportTerms read_transport_terms(const Parameters& root, int dim);
/// The same as a transport cost.
TransportCost read_transport_cost(const Parameters& root, int dim, Splitting splitting);

}  // namespace wasserflow
