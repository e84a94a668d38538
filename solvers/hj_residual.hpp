#pragma once
/// The plain spatial operator of the implicit Hamilton-Jacobi scheme, row by row, and the residual that certifies a solution. It shares
/// nothing with the fused sweeps of the primal-dual solver, so that it can judge them.
#include <vector>

#include "grids/row_neighbours.hpp"
#include "solvers/hamilton_jacobi_problem.hpp"

namespace wasserflow {

/// S(phi) = Hh(q) + upwinded drift + f - viscosity of HamiltonJacobiProblem, one row at a time, and its derivative. Refers to the problem.
class HjRowOperator {
 public:
  explicit HjRowOperator(const HamiltonJacobiProblem& problem);

  /// Reads row r of a level of phi (ghosts up to date) and forms its slopes; coefficients are those of time level `level`.
  void load(const double* phi, int r, int level);
  const RowPoints& points() const { return row_; }
  /// s[i] = S(phi)_i.
  void value(double* s);
  /// plus[d][i] = dS_i/dphi at the neighbour above along d, minus[d][i] below; by consistency dS_i/dphi_i = -sum_d (plus + minus).
  /// Neighbours beyond the boundary count as independent values here.
  void derivative(double* const* plus, double* const* minus);
  /// speed[d][i] = sum over the slots of axis d of dHh/dq_j (without drift): m_d / rho of the optimal policy.
  void momentum_speed(double* const* speed);

 private:
  const HamiltonJacobiProblem* problem_;
  RowNeighbours near_;
  RowPoints row_;
  std::vector<double> scratch_;
  std::vector<double*> q_, g_;
};

/// Largest and mean |R| over the grid; both NaN when a value of R is.
struct ResidualNorms {
  double mean_abs = 0;
  double max_abs = 0;
};

/// R of the implicit step from `before` (level kb) to phi (level k), with the coefficients of the problem's time level `level`; written to
/// out (level ko) when one is given. Exchanges the ghosts of phi. The norms do not depend on the number of ranks, bit for bit.
/// The comparison principle bounds the distance to the scheme's solution after this step by the distance before it + dt max|R|.
/// @note Collective.
ResidualNorms hj_residual(const HamiltonJacobiProblem& problem, const Field& before, int kb, Field& phi, int k, int level, Field* out = nullptr,
                          int ko = 0);

}  // namespace wasserflow
