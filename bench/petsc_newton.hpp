#pragma once
/// The peer of bench_reaction_diffusion_step: implicit Euler steps as a PETSc user writes them - DMDA, an assembled AIJ Jacobian, SNES, any KSP and
/// PC. Shares nothing with the solvers of this project but the grid's points. One rank, two dimensions, periodic.
#include <petscsnes.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace peer {

/// f = u^3 - u:  AllenCahn    u_t = a Lap u - b f(u)
///               CahnHilliard u_t = Lap(-a Lap u + b f(u))
///               SixthOrder   u_t = Lap (e2 Lap - f'(u) + e2)(e2 Lap u - f(u)),  e2 = a
enum class Equation { AllenCahn, CahnHilliard, SixthOrder };

struct Problem {
  Equation equation;
  int cells = 0;
  double length = 1, a = 1, b = 1, dt = 0;
  double tolerance = 1e-6;  ///< of max |F| / dt
};

/// A choice of solvers. `pc`: a PCType, or "fft": M^{-1} by FFTW's real transforms, f' replaced by 2. `keep`: the preconditioner is set up once for
/// all steps (-snes_lag_preconditioner -2).
struct Choice {
  std::string ksp, pc;
  bool keep = false;
};

class Newton {
 public:
  Newton(const Problem& problem, const Choice& choice);
  ~Newton();
  Newton(const Newton&) = delete;
  Newton& operator=(const Newton&) = delete;

  /// u is the state; x fastest, cells^2 values.
  void start(const std::vector<double>& u);
  /// One step with u^n (or, with `extrapolate`, 2 u^n - u^{n-1}) as the initial guess. False: SNES did not converge.
  bool step(bool extrapolate);
  std::vector<double> state() const;
  int newton() const { return newton_; }  ///< iterations since start
  int krylov() const { return krylov_; }

 private:
  struct State;
  std::unique_ptr<State> s_;
  int newton_ = 0, krylov_ = 0;
};

}  // namespace peer
